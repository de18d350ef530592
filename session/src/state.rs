//! The states that the W3C interface shows, and how the connection's follows from those beneath it.

use std::fmt;

/// How far an exchange of descriptions is (`RTCSignalingState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignalingState {
    /// Nothing is pending.
    #[default]
    Stable,
    /// An offer of ours awaits its answer.
    HaveLocalOffer,
    /// An offer of the peer awaits our answer.
    HaveRemoteOffer,
    /// We have answered, but not for good.
    HaveLocalPranswer,
    /// The peer has answered, but not for good.
    HaveRemotePranswer,
    /// The connection is closed.
    Closed,
}

impl fmt::Display for SignalingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stable => "stable",
            Self::HaveLocalOffer => "have-local-offer",
            Self::HaveRemoteOffer => "have-remote-offer",
            Self::HaveLocalPranswer => "have-local-pranswer",
            Self::HaveRemotePranswer => "have-remote-pranswer",
            Self::Closed => "closed",
        })
    }
}

/// The state of the connection as a whole (`RTCPeerConnectionState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// Nothing has begun.
    #[default]
    New,
    /// A path is being looked for, or DTLS is shaking hands.
    Connecting,
    /// The peer can be talked to.
    Connected,
    /// The path has gone quiet; it may come back.
    Disconnected,
    /// No path is left, or the peer is not who the description said. An ICE restart may help with the former.
    Failed,
    /// The connection is over.
    Closed,
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        })
    }
}

/// How far SCTP is, which carries data channels (`RTCSctpTransportState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SctpState {
    /// Both sides want data channels, and the association is being made.
    Connecting,
    /// Channels can be used.
    Connected,
    /// Ended by either side, or by an error.
    Closed,
}

impl fmt::Display for SctpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Closed => "closed",
        })
    }
}

/// How far DTLS is (`RTCDtlsTransportState`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DtlsState {
    /// Not begun.
    #[default]
    New,
    /// Shaking hands.
    Connecting,
    /// Keys are agreed and the peer's certificate matched its fingerprint.
    Connected,
    /// Ended by either side.
    Closed,
    /// Ended by an error.
    Failed,
}

impl fmt::Display for DtlsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Closed => "closed",
            Self::Failed => "failed",
        })
    }
}

impl ConnectionState {
    /// The state that follows from those of ICE and DTLS (W3C WebRTC 1.0, section 4.3.3, for one transport).
    pub(crate) const fn from_transport(ice: ice::ConnectionState, dtls: DtlsState) -> Self {
        use ice::ConnectionState as Ice;
        match (ice, dtls) {
            (Ice::Failed, _) | (_, DtlsState::Failed) => Self::Failed,
            (Ice::Closed, _) | (_, DtlsState::Closed) => Self::Closed,
            (Ice::Disconnected, _) => Self::Disconnected,
            (Ice::Connected | Ice::Completed, DtlsState::Connected) => Self::Connected,
            (Ice::New, DtlsState::New) => Self::New,
            (Ice::New | Ice::Checking | Ice::Connected | Ice::Completed, _) => Self::Connecting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectionState, DtlsState};
    use ice::ConnectionState as Ice;

    #[test]
    fn the_worst_layer_decides() {
        let cases = [
            (Ice::New, DtlsState::New, ConnectionState::New),
            (Ice::Checking, DtlsState::New, ConnectionState::Connecting),
            (Ice::Connected, DtlsState::Connecting, ConnectionState::Connecting),
            (Ice::Completed, DtlsState::Connected, ConnectionState::Connected),
            (Ice::Disconnected, DtlsState::Connected, ConnectionState::Disconnected),
            (Ice::Failed, DtlsState::Connected, ConnectionState::Failed),
            (Ice::Connected, DtlsState::Failed, ConnectionState::Failed),
            (Ice::Connected, DtlsState::Closed, ConnectionState::Closed),
            // A restart goes back to checking while the old path still carries data.
            (Ice::Checking, DtlsState::Connected, ConnectionState::Connecting),
        ];
        for (ice, dtls, expected) in cases {
            assert_eq!(ConnectionState::from_transport(ice, dtls), expected, "{ice:?} and {dtls:?}");
        }
    }
}
