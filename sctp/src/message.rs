use bytes::Bytes;
use std::time::Duration;

/// One user message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Payload protocol identifier: carried along, not interpreted here.
    pub ppid: u32,
    /// The bytes; at least one. What is sent is shared, not copied, until it goes into a packet.
    pub payload: Bytes,
}

/// A piece of a message, read before the rest has come; see [`Association::read_part`](crate::Association::read_part).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The payload protocol identifier of the message.
    pub ppid: u32,
    /// The bytes that follow those of the part before. None only in the last part.
    pub payload: Bytes,
    /// Whether the message begins here.
    pub is_first: bool,
    /// Whether there is more.
    pub progress: Progress,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to come.
    More,
    /// The message ends here.
    Complete,
    /// The peer gave the message up, or reset the stream: the rest will not come.
    Abandoned,
}

/// How hard to try (RFC 3758, section 4; RFC 7496).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliability {
    /// Until it is delivered or the association fails.
    #[default]
    Reliable,
    /// Give the message up when one of its fragments would have to be sent again more often than this.
    MaxRetransmits(u16),
    /// Give the message up when it is about to be sent, or sent again, later than this after it was queued.
    MaxLifetime(Duration),
}

/// How to send one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// May overtake, and be overtaken by, other messages of its stream.
    pub unordered: bool,
    /// How hard to try. If the peer does not support partial reliability (RFC 3758), whatever has been sent once is
    /// reliable.
    pub reliability: Reliability,
}

/// Why a message was not taken; it is handed back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The send buffer has no room for it. [`Event::Writable`](crate::Event::Writable) tells when it has.
    #[error("the send buffer has {free} bytes free, the message has {}", message.payload.len())]
    Full {
        /// The message.
        message: Message,
        /// Bytes free in the send buffer.
        free: usize,
    },
    /// SCTP cannot send a message without payload (RFC 9260, section 6.2).
    #[error("a message needs at least one byte")]
    Empty(Message),
    /// The stream's identifier is not below the number of outbound streams.
    #[error("the association has {streams} outbound streams")]
    NoSuchStream {
        /// The message.
        message: Message,
        /// How many streams there are, numbered from 0.
        streams: u16,
    },
    /// The stream is being reset. It can be used again after
    /// [`Event::OutgoingReset`](crate::Event::OutgoingReset).
    #[error("the stream is being reset")]
    Resetting(Message),
    /// A message is being sent in parts on the stream, and has not come to its end.
    #[error("another message is being sent in parts on the stream")]
    InParts(Message),
    /// The message that this is a part of was given up, as its [`Reliability`] asked for.
    #[error("the message was given up before its last part came")]
    Abandoned(Message),
    /// The association is closed or closing.
    #[error("the association is closed or closing")]
    Closed(Message),
}

impl SendError {
    /// The message that was not taken.
    pub fn into_message(self) -> Message {
        match self {
            Self::Full { message, .. }
            | Self::Empty(message)
            | Self::NoSuchStream { message, .. }
            | Self::Resetting(message)
            | Self::InParts(message)
            | Self::Abandoned(message)
            | Self::Closed(message) => message,
        }
    }
}
