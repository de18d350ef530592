use crate::Message;
use thiserror::Error;

/// Why a channel cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The label or the protocol is longer than the 65,535 bytes that a length field can say.
    #[error("the label or protocol has {length} bytes; the limit is 65535")]
    NameTooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// Stream identifier 65,535 does not exist: an association has at most 65,535 streams, numbered from 0 (RFC 9260,
    /// section 3.3.2).
    #[error("stream identifier {0} cannot be used; the highest is 65534")]
    InvalidStream(u16),
    /// Another channel has this stream identifier.
    #[error("stream identifier {0} is in use")]
    StreamInUse(u16),
    /// Every stream identifier of this side's parity is in use.
    #[error("every stream identifier of this side is in use")]
    NoStreamLeft,
    /// There are as many channels as the configuration allows.
    #[error("there are {limit} channels, as many as the configuration allows")]
    TooManyChannels {
        /// The limit.
        limit: usize,
    },
    /// The association has ended, or is about to.
    #[error("the association is closed")]
    Disconnected,
}

/// Why a message was not accepted. It is handed back.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct SendError {
    /// Why.
    pub reason: SendErrorReason,
    /// What was to be sent.
    pub message: Message,
}

/// Why a message was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendErrorReason {
    /// The send buffer has no room now. [`Event::Writable`](crate::Event::Writable) tells when it has.
    #[error("the send buffer is full ({capacity} bytes are free)")]
    Full {
        /// Bytes that are free.
        capacity: usize,
    },
    /// A message is being sent in parts on the channel, and has not come to its end.
    #[error("another message is being sent in parts on the channel")]
    InParts,
    /// The message that this is a part of was given up, as the channel's reliability asked for.
    #[error("the message was given up before its last part came")]
    Abandoned,
    /// The message is larger than the peer accepts, or than the send buffer can ever hold.
    #[error("a message of {len} bytes is larger than the {limit} bytes that can be sent to this peer")]
    TooLarge {
        /// The largest message in bytes.
        limit: usize,
        /// This message in bytes.
        len: usize,
    },
    /// The channel is closing or closed.
    #[error("the channel is closed")]
    Closed,
    /// There is no such channel.
    #[error("there is no such channel")]
    NoSuchChannel,
}

/// What ended a channel other than a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// The peer reset the stream instead of acknowledging the channel (RFC 8832, section 6).
    #[error("the peer refused the channel")]
    Refused,
    /// There was no stream identifier left when the DTLS role became known.
    #[error("there is no stream identifier left")]
    NoStreamLeft,
    /// The association has fewer streams than this channel's identifier asks for.
    #[error("the peer does not take stream {0}")]
    StreamRefused(u16),
    /// The peer sent what the protocol does not allow: a payload protocol identifier that is not of WebRTC, a malformed
    /// message of the establishment protocol, or a second opening of the same channel.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    /// The association ended, or was restarted by the peer, which has forgotten its channels.
    #[error("the association ended")]
    Disconnected,
}
