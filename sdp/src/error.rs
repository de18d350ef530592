//! What is said about a description that cannot be read.

use thiserror::Error;

/// Longest piece of an offending line that an [`Error`] keeps, in characters. Lines come from the network, and
/// errors end in logs.
const SHOWN: usize = 120;

/// Why a description was refused: the line, where it stands, and what should have been there.
///
/// ```
/// let error = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nt=0 0\r\n".parse::<sdp::Description>().unwrap_err();
/// assert_eq!(error.to_string(), "line 3, \"t=0 0\": expected s= (the session's name)");
/// # use visavis_sdp as sdp;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}, {text:?}: expected {expected}")]
pub struct Error {
    /// The number of the line, counted from 1. One past the last line if the description ended too early.
    pub line: usize,
    /// The line as it was read, without its end, cut to 120 characters; empty if the description ended too early.
    pub text: String,
    /// What should have been there, as a noun phrase.
    pub expected: &'static str,
}

impl Error {
    /// An error about one line, which is shortened if it is long.
    pub(crate) fn new(line: usize, text: &str, expected: &'static str) -> Self {
        Self { line, text: text.chars().take(SHOWN).collect(), expected }
    }
}

/// What a value should have been, as a noun phrase. The error of every typed value's `FromStr`; whoever reads
/// whole descriptions gets an [`Error`](struct@Error) instead, which adds the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected {0}")]
pub struct Expected(pub &'static str);
