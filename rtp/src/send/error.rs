use crate::payload::FrameError;
use std::fmt;

/// Why a frame or a packet was not taken. Nothing of it will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The path is slower than what is sent. A receiver cannot decode video beyond a frame that is missing: encode a
    /// key frame next, and at a lower bitrate.
    #[error("the queue has no room: {0} would be exceeded; for video, encode a key frame next")]
    QueueFull(Limit),
    /// The stream is paused.
    #[error("the stream is paused")]
    Inactive,
    /// The stream was configured for packets only.
    #[error("this stream takes packets, not frames")]
    NoFormat,
    /// The frame does not suit the payload format.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The packet is too long.
    #[error("the payload has {length} bytes, but packets of this stream hold {limit}")]
    TooLong {
        /// Bytes of its payload.
        length: usize,
        /// The most bytes of payload.
        limit: usize,
    },
    /// A packet with this sequence number was given before, or it is so far from the last that nobody could tell.
    #[error("the sequence number has been used, or is too far from the last one")]
    BadNumber,
}

/// A bound of the queue; see [`Config`](super::Config).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Config::queue_packets`](super::Config::queue_packets)
    Packets,
    /// [`Config::queue_bytes`](super::Config::queue_bytes)
    Bytes,
    /// [`Config::queue_frames`](super::Config::queue_frames)
    Frames,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Packets => "the limit of packets",
            Self::Bytes => "the limit of bytes",
            Self::Frames => "the limit of frames",
        })
    }
}
