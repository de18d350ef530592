use crate::{SdpKind, SignalingState};

/// What the caller asked for cannot be done; nothing has changed. Says what was wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection is closed.
    #[error("the connection is closed; a new one is needed")]
    Closed,
    /// An operation that does not fit the state of the exchange (RFC 8829, section 3.2).
    #[error("cannot {action} while the signaling state is {state}: {advice}")]
    State {
        /// What was asked for.
        action: &'static str,
        /// The state it was asked in.
        state: SignalingState,
        /// What to do instead.
        advice: &'static str,
    },
    /// The text is no session description.
    #[error("the {kind} is not a valid session description: {error}")]
    Description {
        /// Which description.
        kind: SdpKind,
        /// The line, and what was expected there.
        error: sdp::Error,
    },
    /// The description parses, but asks for what cannot be.
    #[error("the {kind} cannot be used: {problem}")]
    Unacceptable {
        /// Which description.
        kind: SdpKind,
        /// What is wrong with it, and what was expected.
        problem: String,
    },
    /// A local description that this connection did not make (RFC 8829, section 5.4).
    #[error("the local {kind} was changed, or is not the latest one made; set it exactly as it was created")]
    Modified {
        /// Which description.
        kind: SdpKind,
    },
    /// The text is no candidate.
    #[error("{} is not a valid candidate: {problem}", quoted(candidate))]
    Candidate {
        /// The text.
        candidate: String,
        /// What was expected.
        problem: String,
    },
    /// The candidate is for a media section that the remote description does not have (W3C WebRTC 1.0, section 4.4.2:
    /// `OperationError`).
    #[error("the candidate is for the media section {section}, but the remote description has {known}")]
    UnknownSection {
        /// The mid or the index that the candidate names.
        section: String,
        /// Which mids there are.
        known: String,
    },
    /// More candidates came before the remote description than are kept.
    #[error("{limit} candidates already wait for the remote description; set that first")]
    TooManyCandidates {
        /// How many are kept.
        limit: usize,
    },
    /// A track or a transceiver cannot be as it was asked for.
    #[error("{0}")]
    Track(String),
    /// As many transceivers exist as the configuration allows.
    #[error("{limit} transceivers exist, as many as `Config::max_transceivers` allows; stop one, or allow more")]
    TooManyTransceivers {
        /// How many are allowed.
        limit: usize,
    },
}

/// How much of a text an error shows.
const SHOWN: usize = 80;

/// A text of the peer as an error shows it: a line that is not too long, with nothing that a terminal obeys.
pub(crate) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    let rest = if shown.len() < text.len() { "…" } else { "" };
    format!("`{}{rest}`", shown.escape_debug())
}
