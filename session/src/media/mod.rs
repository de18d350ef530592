//! Audio and video: transceivers, what descriptions say of them, and the streams that follow.

mod codec;
mod dtmf;
mod engine;
mod frame;
mod section;
mod transceiver;

pub use codec::{Codec, MediaKind};
pub(crate) use codec::{Numbers, PayloadType};
pub use dtmf::{ToneError, ToneEvent};
pub use engine::{Door, InboundStats, MediaConfig, MediaStats, OutboundStats};
pub(crate) use engine::{Engine, Told};
pub use frame::{Frame, FrameError, Packet, ReceivedFrame, ReceivedPacket};
pub(crate) use section::{ExtensionNumbers, LocalMedia, RemoteMedia};
pub(crate) use transceiver::{Agreed, Layer, Origin, Transceiver, Transceivers};
pub use transceiver::{Encoding, LayerBitrate, TransceiverId, TransceiverInfo, TransceiverOptions};

/// What both sides agreed on for one media section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MediaParameters {
    pub(crate) transceiver: TransceiverId,
    pub(crate) kind: MediaKind,
    pub(crate) mid: String,
    /// Number and URI of each header extension.
    pub(crate) extensions: Vec<(u16, String)>,
    /// Those of them that the peer does not want to get.
    pub(crate) silent_extensions: Vec<u16>,
    /// Whether RTCP may go without a report in front (RFC 5506).
    pub(crate) has_reduced_size: bool,
    pub(crate) send: Option<SendParameters>,
    pub(crate) receive: Option<ReceiveParameters>,
}

/// What is sent in one media section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SendParameters {
    /// The best codec first; all can be sent.
    pub(crate) types: Vec<PayloadType>,
    pub(crate) layers: Vec<Layer>,
}

impl SendParameters {
    /// What can be packetised comes first; redundancy and events ride along.
    pub(crate) fn best(&self) -> Option<&PayloadType> {
        self.types.iter().find(|one| one.codec.format().is_some())
    }
}

/// What is received in one media section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceiveParameters {
    pub(crate) types: Vec<PayloadType>,
    /// The peer's sources as far as it told them, each with that of its retransmissions.
    pub(crate) sources: Vec<(u32, Option<u32>)>,
    /// The layers of simulcast.
    pub(crate) rids: Vec<String>,
}
