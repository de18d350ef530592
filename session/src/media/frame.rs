//! What goes through a transceiver: whole encoded frames, or packets for those who forward.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::codec::Codec;

/// A whole encoded frame to be sent (`RTCEncodedVideoFrame`, `RTCEncodedAudioFrame`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The frame as its codec makes it: for H.264 and H.265 with start codes (Annex B), for AV1 with sizes.
    pub data: Bytes,
    /// When it is to be shown or heard, since the start of the track.
    pub timestamp: Duration,
    /// Whether a decoder can begin with it.
    pub is_key_frame: bool,
    /// Which layer it belongs to, where there are several.
    pub rid: Option<String>,
}

/// A whole encoded frame that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFrame {
    /// The frame as its codec makes it: for H.264 and H.265 with start codes (Annex B), for AV1 with sizes.
    pub data: Bytes,
    /// When it is to be shown or heard, since the first frame of the stream.
    pub timestamp: Duration,
    /// The timestamp as it stood in the packets.
    pub rtp_timestamp: u32,
    /// Whether a decoder can begin with it.
    pub is_key_frame: bool,
    /// Whether frames before it were lost.
    pub follows_loss: bool,
    /// The codec of this frame; a sender may change it among those that were agreed.
    pub codec: Arc<Codec>,
    /// Which layer it belongs to, where there are several.
    pub rid: Option<Arc<str>>,
    /// When it was whole.
    pub received: Instant,
}

/// A packet that arrived, for those who forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPacket {
    /// The fixed part of its header.
    pub header: rtp::Header,
    /// What is carried.
    pub payload: Bytes,
    /// The codec of its payload.
    pub codec: Arc<Codec>,
    /// Which layer it belongs to, where there are several.
    pub rid: Option<Arc<str>>,
    /// When it arrived.
    pub received: Instant,
}

/// Why a frame was not taken for sending.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The transceiver is over, or there never was one.
    #[error("the transceiver is over; make a new one")]
    NoTransceiver,
    /// Both sides have not agreed that this transceiver sends, or there are no keys yet.
    #[error("nothing can be sent here yet: the transceiver's direction is not agreed, or the connection is not made")]
    NotReady,
    /// No layer has this name.
    #[error("there is no layer {}; send with the rid of one that was agreed", rid.as_deref().unwrap_or("without a rid"))]
    NoLayer {
        /// The name that was given.
        rid: Option<String>,
    },
    /// The frame is not what this codec's frames look like.
    #[error(transparent)]
    Frame(#[from] rtp::payload::FrameError),
    /// The network takes less than is sent: this frame was dropped.
    #[error(
        "{packets} packets already wait to be sent, as many as `Config::media` allows; send less, then a key frame"
    )]
    Full {
        /// How many packets wait.
        packets: usize,
    },
}
