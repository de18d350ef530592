use std::net::SocketAddr;

use crate::{
    ConnectionState, DtlsState, IceCandidate, LayerBitrate, MediaKind, SctpState, SignalingState, ToneEvent,
    TransceiverId,
};

/// What happened in a session. The names are those of the W3C interface.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new offer is due: a first channel was made, or a restart was asked for.
    NegotiationNeeded,
    /// An exchange of descriptions moved on.
    SignalingState(SignalingState),
    /// Gathering moved on.
    IceGatheringState(ice::GatheringState),
    /// Looking for a path moved on.
    IceConnectionState(ice::ConnectionState),
    /// DTLS moved on.
    DtlsState(DtlsState),
    /// SCTP moved on.
    SctpState(SctpState),
    /// The connection as a whole moved on.
    ConnectionState(ConnectionState),
    /// A local candidate was found; `None` when there will be no more.
    IceCandidate(Option<IceCandidate>),
    /// A STUN server was of no use.
    IceCandidateError {
        /// Its address.
        server: SocketAddr,
        /// The socket that asked it.
        local: SocketAddr,
        /// The code of its answer, 701 where none came (as in `RTCPeerConnectionIceErrorEvent`).
        code: u16,
        /// What went wrong.
        reason: String,
    },
    /// Data travels between these two now.
    SelectedPair {
        /// Ours.
        local: Box<ice::Candidate>,
        /// The peer's.
        remote: Box<ice::Candidate>,
    },
    /// A `.local` name of the peer is to be looked up by multicast DNS (RFC 6762); the answer goes to
    /// [`Session::handle_resolved`](crate::Session::handle_resolved).
    Resolve(String),
    /// Something happened to data channels.
    Channel(datachannel::Event),
    /// The peer wants to send, and a transceiver takes it (W3C WebRTC 1.0, `track`).
    Track {
        /// Which takes it.
        transceiver: TransceiverId,
        /// Sound or pictures.
        kind: MediaKind,
        /// The name that the peer gave the track, if any.
        track: Option<String>,
        /// The names of the streams that the track belongs to.
        streams: Vec<String>,
    },
    /// What this transceiver received will not go on (W3C WebRTC 1.0, `mute` and `ended`).
    TrackRemoved(TransceiverId),
    /// The peer ended all that it sent through this transceiver, which may send again (W3C WebRTC 1.0, `mute`).
    TrackMuted(TransceiverId),
    /// It sends again (W3C WebRTC 1.0, `unmute`).
    TrackUnmuted(TransceiverId),
    /// A tone begins to be sent, or all were (W3C WebRTC 1.0, `tonechange`).
    ToneChange {
        /// Which transceiver sends it.
        transceiver: TransceiverId,
        /// Which, `,` for a pause; nothing when all were sent.
        tone: Option<char>,
    },
    /// A tone of the peer began or ended.
    Tone {
        /// Which transceiver received it.
        transceiver: TransceiverId,
        /// What happened.
        tone: ToneEvent,
    },
    /// [`Session::read_frame`](crate::Session::read_frame), or `read_packet`, has something of this transceiver. Told
    /// again only after that had nothing.
    MediaReadable(TransceiverId),
    /// The peer needs a frame that a decoder can begin with.
    KeyframeRequested {
        /// Which transceiver sends it.
        transceiver: TransceiverId,
        /// Of which layer, where there are several.
        rid: Option<String>,
    },
    /// What the path carries for media changed, in bits per second.
    Bandwidth(u64),
    /// What the layers of a transceiver may send changed; of a layer that resumes, a key frame is asked for besides.
    LayerBitrates {
        /// Which transceiver sends them.
        transceiver: TransceiverId,
        /// All of them, in the order of its encodings.
        layers: Vec<LayerBitrate>,
    },
    /// The session is over, and nobody here asked for it.
    Ended(Ended),
}

/// Why a session ended by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ended {
    /// The peer closed DTLS, or DTLS failed.
    #[error(transparent)]
    Dtls(#[from] dtls::Error),
    /// DTLS could not begin with this configuration.
    #[error(transparent)]
    Config(#[from] dtls::ConfigError),
}
