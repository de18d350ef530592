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
    /// How long it lasts, where that is known. RTP has no field for it; but where frames of sound say it, the first one
    /// behind a silence in which nothing was sent is marked as the beginning of a talk spurt (RFC 3551, section 4.1), at
    /// which the peer may change its delay unheard. It means nothing for pictures.
    pub duration: Option<Duration>,
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
    /// How long it lasts. Sound says it by what is in it: Opus in its first bytes (RFC 6716, section 3.1), G.711 by its
    /// length. Of a picture nobody knows before the next one comes, which is not waited for: it is taken to last as long
    /// as the one before it, which is the distance of their timestamps. `None` for the first picture of a stream, behind
    /// losses, behind a pause of more than a second, where timestamps do not grow, and of sound that is not what its
    /// codec's frames look like.
    pub duration: Option<Duration>,
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

/// A packet to be sent, for those who forward: what another sender made, under the numbers that are agreed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What it carries, as the codec's payload format has it.
    pub payload: Bytes,
    /// The codec of the payload, which the peer must have agreed to receive. Its payload type is found here: the number
    /// that stands for it on the way in means nothing on the way out.
    pub codec: Arc<Codec>,
    /// What the payload format makes of it: the last packet of a frame of video, the first of sound after silence.
    pub marker: bool,
    /// When it is to be shown or heard, in ticks of the codec's clock, since whatever moment the caller counts from.
    pub timestamp: u32,
    /// Its number among the packets of the stream that it comes from: what is missing there is missing here too, so
    /// that the peer can ask for it. The first of a track follows upon what was sent before, whatever its number. `None`
    /// numbers packets in the order in which they are given.
    pub sequence: Option<u16>,
    /// Whether it belongs to a key frame; enough on one packet of the frame.
    pub is_key_frame: bool,
    /// When it was captured or arrived, for reports; `None` for the moment it is given.
    pub captured: Option<Instant>,
    /// Which layer it is to be sent in, where there are several.
    pub rid: Option<Arc<str>>,
}

impl From<ReceivedPacket> for Packet {
    /// A packet as it arrived, to be sent in the only layer. A [`ReceivedPacket`] does not say what it makes of a switch
    /// between streams: forwarding one of several needs more.
    fn from(received: ReceivedPacket) -> Self {
        Self {
            payload: received.payload,
            codec: received.codec,
            marker: received.header.marker,
            timestamp: received.header.timestamp,
            sequence: Some(received.header.sequence.0),
            is_key_frame: false,
            captured: Some(received.received),
            rid: None,
        }
    }
}

/// A packet that arrived, for those who forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedPacket {
    /// The fixed part of its header.
    pub header: rtp::Header,
    /// What is carried; empty where there was nothing but padding.
    pub payload: Bytes,
    /// The codec of its payload.
    pub codec: Arc<Codec>,
    /// Which layer it belongs to, where there are several.
    pub rid: Option<Arc<str>>,
    /// When it arrived.
    pub received: Instant,
}

/// Why a frame or a packet was not taken for sending.
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
    /// The peer did not agree to receive this codec.
    #[error(
        "the peer did not agree to receive {} with `{}`; offer it among the transceiver's codecs", codec.name, codec.parameters
    )]
    NoCodec {
        /// The codec of the packet.
        codec: Box<Codec>,
    },
    /// The packet is longer than `MediaConfig::max_packet_payload` allows.
    #[error("the packet carries {length} bytes, and {limit} fit; the bound is `max_packet_payload` in `Config::media`")]
    PacketTooLong {
        /// Bytes of its payload.
        length: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A packet with this number was sent before, or it is too old for anybody to tell.
    #[error("a packet numbered {sequence} was sent before, or is too old; send each number once")]
    UsedNumber {
        /// The number that was given.
        sequence: u16,
    },
    /// The network takes less than is sent: this frame or packet was dropped.
    #[error(
        "{packets} packets already wait to be sent, as many as `Config::media` allows; send less, then a key frame"
    )]
    Full {
        /// How many packets wait.
        packets: usize,
    },
}
