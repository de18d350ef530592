//! What travels through the application's signalling: descriptions and candidates.

use std::fmt;

/// What a description is for (RFC 8829, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SdpKind {
    /// Proposes a session, or a change to it.
    Offer,
    /// An answer that may still be replaced.
    Pranswer,
    /// The answer that ends an exchange.
    Answer,
    /// Takes back an offer that has not been answered; its text does not matter.
    Rollback,
}

impl SdpKind {
    /// The name that browsers use: `offer`, `pranswer`, `answer` or `rollback`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Pranswer => "pranswer",
            Self::Answer => "answer",
            Self::Rollback => "rollback",
        }
    }
}

impl fmt::Display for SdpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A session description and what it is for, as `RTCSessionDescription`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// What it is for.
    pub kind: SdpKind,
    /// The description's text (RFC 8866).
    pub sdp: String,
}

impl SessionDescription {
    /// An offer with this text.
    pub fn offer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpKind::Offer, sdp: sdp.into() }
    }

    /// An answer with this text.
    pub fn answer(sdp: impl Into<String>) -> Self {
        Self { kind: SdpKind::Answer, sdp: sdp.into() }
    }

    /// Takes back the offer that is pending.
    pub const fn rollback() -> Self {
        Self { kind: SdpKind::Rollback, sdp: String::new() }
    }
}

/// A candidate on its way through signalling, as `RTCIceCandidateInit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceCandidate {
    /// The text of the `candidate` attribute, `candidate:…`; empty for the end of candidates.
    pub candidate: String,
    /// The `mid` of the media section it belongs to.
    pub sdp_mid: Option<String>,
    /// The index of that section, which serves where there is no mid.
    pub sdp_m_line_index: Option<u16>,
    /// The user name fragment of the generation it belongs to.
    pub username_fragment: Option<String>,
}
