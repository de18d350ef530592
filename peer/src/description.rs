//! What travels through the application's signalling, in the JSON that browsers use, and the states of a connection.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

pub use session::ice::{ConnectionState as IceConnectionState, GatheringState as IceGatheringState};
pub use session::{ConnectionState as PeerConnectionState, SignalingState};
pub use session::{DtlsState as DtlsTransportState, SctpState as SctpTransportState};

/// What a description is for (`RTCSdpType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SdpType {
    /// Proposes a session, or a change to it.
    Offer,
    /// An answer that may still be replaced.
    Pranswer,
    /// The answer that ends an exchange.
    Answer,
    /// Takes back an offer that has not been answered.
    Rollback,
}

impl std::fmt::Display for SdpType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(session::SdpKind::from(*self).name())
    }
}

/// A session description, as browsers write it: `{"type":"offer","sdp":"v=0…"}` (`RTCSessionDescriptionInit`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    /// What it is for.
    #[serde(rename = "type")]
    pub kind: SdpType,
    /// The description's text (RFC 8866); empty for a rollback.
    #[serde(default)]
    pub sdp: String,
}

impl SessionDescription {
    /// An offer with this text.
    pub fn offer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::Offer, sdp: sdp.into() }
    }

    /// An answer with this text.
    pub fn answer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpType::Answer, sdp: sdp.into() }
    }

    /// Takes back the offer that is pending.
    pub const fn rollback() -> Self {
        Self { kind: SdpType::Rollback, sdp: String::new() }
    }
}

/// A candidate, as browsers write it (`RTCIceCandidateInit`):
/// `{"candidate":"candidate:…","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"…"}`.
///
/// An empty `candidate` says that there are no more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceCandidate {
    /// The text of the candidate, `candidate:…` (RFC 8839, section 5.1).
    #[serde(default)]
    pub candidate: String,
    /// The `mid` of the media section it belongs to.
    #[serde(default)]
    pub sdp_mid: Option<String>,
    /// The index of that section.
    #[serde(default, rename = "sdpMLineIndex")]
    pub sdp_m_line_index: Option<u16>,
    /// The user name fragment of the ICE generation it belongs to.
    #[serde(default)]
    pub username_fragment: Option<String>,
}

/// A STUN server that could not be asked, or refused (`RTCPeerConnectionIceErrorEvent`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceCandidateError {
    /// The server, as it was configured or resolved.
    pub url: String,
    /// The local address that it was asked from; `None` when it was not found at all.
    pub address: Option<SocketAddr>,
    /// The STUN error code, or 701 when no answer came (W3C WebRTC 1.0, section 4.8.2).
    pub code: u16,
    /// What went wrong.
    pub text: String,
}

/// The two ends between which data travels (`RTCIceCandidatePair`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CandidatePair {
    /// Ours.
    pub local: session::ice::Candidate,
    /// The peer's.
    pub remote: session::ice::Candidate,
}

/// Where a data channel stands (`RTCDataChannelState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataChannelState {
    /// The peer has not agreed yet; nothing can be sent.
    Connecting,
    /// Messages can be sent.
    Open,
    /// What was accepted is being delivered, then the channel closes.
    Closing,
    /// Over.
    Closed,
}

impl std::fmt::Display for DataChannelState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Closed => "closed",
        })
    }
}

impl From<SdpType> for session::SdpKind {
    fn from(kind: SdpType) -> Self {
        match kind {
            SdpType::Offer => Self::Offer,
            SdpType::Pranswer => Self::Pranswer,
            SdpType::Answer => Self::Answer,
            SdpType::Rollback => Self::Rollback,
        }
    }
}

impl From<session::SdpKind> for SdpType {
    fn from(kind: session::SdpKind) -> Self {
        match kind {
            session::SdpKind::Offer => Self::Offer,
            session::SdpKind::Pranswer => Self::Pranswer,
            session::SdpKind::Answer => Self::Answer,
            session::SdpKind::Rollback => Self::Rollback,
        }
    }
}

impl From<SessionDescription> for session::SessionDescription {
    fn from(description: SessionDescription) -> Self {
        Self { kind: description.kind.into(), sdp: description.sdp }
    }
}

impl From<session::SessionDescription> for SessionDescription {
    fn from(description: session::SessionDescription) -> Self {
        Self { kind: description.kind.into(), sdp: description.sdp }
    }
}

impl From<IceCandidate> for session::IceCandidate {
    fn from(candidate: IceCandidate) -> Self {
        Self {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_m_line_index: candidate.sdp_m_line_index,
            username_fragment: candidate.username_fragment,
        }
    }
}

impl From<session::IceCandidate> for IceCandidate {
    fn from(candidate: session::IceCandidate) -> Self {
        Self {
            candidate: candidate.candidate,
            sdp_mid: candidate.sdp_mid,
            sdp_m_line_index: candidate.sdp_m_line_index,
            username_fragment: candidate.username_fragment,
        }
    }
}

/// Refuses a description of another kind than the one that makes sense here.
pub(crate) fn expect_kind(
    description: &SessionDescription,
    expected: SdpType,
    advice: &'static str,
) -> Result<(), Error> {
    if description.kind == expected {
        return Ok(());
    }
    Err(Error::WrongKind { given: description.kind, expected, advice })
}
