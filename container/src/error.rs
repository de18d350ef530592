//! What can be wrong with a file, or with a frame for one.

use std::{io, path::PathBuf};

use crate::Codec;

/// What was wrong, and where. Offsets count from the first byte of the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened or made.
    #[error("{}: {source}", path.display())]
    Open {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Reading failed, which says nothing about what is in the file.
    #[error("cannot read on at byte {offset}: {source}")]
    Read {
        /// Where the byte would have been.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// Writing failed. What was written before stays; the next frame is tried in the same place.
    #[error("cannot write at byte {offset}: {source}")]
    Write {
        /// Where the byte would have been.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes are not what the format asks for.
    #[error("byte {offset}: expected {expected}, found {found}")]
    Malformed {
        /// Where the field begins that is wrong.
        offset: u64,
        /// What would have been right.
        expected: &'static str,
        /// What is there instead.
        found: String,
    },
    /// A frame, or a packet that spans pages, is larger than
    /// [`Options::frame_limit`](crate::Options::frame_limit).
    #[error("byte {offset}: a frame of {size} bytes or more, and the limit is {limit}")]
    TooLarge {
        /// Where the frame begins.
        offset: u64,
        /// Its size in bytes as far as it is known.
        size: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// Neither the first bytes nor the name say what the file is.
    #[error(
        "the file begins with {found}, which is none of IVF (DKIF), Ogg (OggS), WAV (RIFF) and H.264 or H.265 byte \
         streams (00 00 01); name the file .h264 or .h265 if it is one without parameter sets"
    )]
    Unrecognised {
        /// The first bytes.
        found: String,
    },
    /// The file's name does not go with the codec, and a player would take it for something else.
    #[error("{}: {codec} is written to files named {expected}", path.display())]
    Extension {
        /// The file that was asked for.
        path: PathBuf,
        /// What is to be written.
        codec: Codec,
        /// Which names are right, such as `.ivf`.
        expected: &'static str,
    },
    /// The container has no place for the codec.
    #[error("{container} cannot hold {codec}")]
    Unsupported {
        /// The container.
        container: crate::Kind,
        /// What it was to hold.
        codec: Codec,
    },
    /// What was to be written is not a frame of the codec. Nothing was written, and the next frame may follow.
    #[error("not a frame of {codec}: {reason}")]
    NotAFrame {
        /// What the frame should have been.
        codec: Codec,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Error {
    pub(crate) fn malformed(offset: u64, expected: &'static str, found: impl Into<String>) -> Self {
        Self::Malformed { offset, expected, found: found.into() }
    }
}

/// A few bytes as text for an error: `44 4b 49 46 "DKIF"`.
pub(crate) fn show(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    if bytes.is_empty() {
        return "the end of the file".to_owned();
    }
    let mut text = String::new();
    for byte in bytes.iter().take(8) {
        let _ = write!(text, "{byte:02x} ");
    }
    let _ = write!(text, "\"{}\"", bytes.get(..8).unwrap_or(bytes).escape_ascii());
    text
}
