//! The one error of the public interface: what went wrong, and what to do about it.

use std::io;
use std::sync::Arc;

use crate::description::{DataChannelState, SdpType};

/// What went wrong, and what to do about it. Cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A connection was made outside a tokio runtime.
    #[error("no tokio runtime: make peer connections inside `#[tokio::main]`, or within `Runtime::enter`")]
    NoRuntime,
    /// The configuration contradicts itself or cannot be used.
    #[error("configuration: {0}")]
    Config(String),
    /// The certificate for DTLS could not be made.
    #[error("cannot make a certificate for DTLS: {0}")]
    Identity(String),
    /// The operating system refused; `doing` says at what.
    #[error("{doing}: {error}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the operating system said.
        error: Arc<io::Error>,
    },
    /// The connection is closed, by this side, by the peer, or because it was lost.
    #[error("the connection is closed{}; make a new one", reason.as_deref().map(|r| format!(" ({r})")).unwrap_or_default())]
    ConnectionClosed {
        /// Why, if not because it was asked to.
        reason: Option<Arc<str>>,
    },
    /// A description of the wrong kind for this method.
    #[error("this takes an {expected}, but was given an {given}: {advice}")]
    WrongKind {
        /// The kind that was given.
        given: SdpType,
        /// The kind that is taken.
        expected: SdpType,
        /// What to do instead.
        advice: &'static str,
    },
    /// An answer came before there was an offer.
    #[error("there is no offer to answer: call `create_data_channel_offer` first")]
    AnswerBeforeOffer,
    /// A second answer to the same offer.
    #[error("the answer was already processed: each offer takes one answer; make a new offer to renegotiate")]
    AnswerTwice,
    /// The descriptions could not be made or used. The text names the line, or the state and what to do.
    #[error(transparent)]
    Negotiation(#[from] session::Error),
    /// An offer of tracks was asked for before there is one.
    #[error("there is no track to offer: call `add_track` or `add_transceiver` on the peer connection first")]
    NoTrack,
    /// A frame could not be sent.
    #[error(transparent)]
    Media(#[from] session::FrameError),
    /// Tones could not be sent.
    #[error(transparent)]
    Tones(#[from] session::ToneError),
    /// A description was asked for before there is one.
    #[error("there is no local description yet: create an offer or an answer and set it")]
    NoLocalDescription,
    /// No path to the peer was found, or the peer is not who its description says.
    #[error(
        "the connection failed: no path to the peer works, or its certificate does not match; `restart_ice` may help"
    )]
    ConnectionFailed,
    /// The channel cannot be made as asked for.
    #[error("cannot create the data channel: {0}")]
    Channel(String),
    /// The channel is not open (any more).
    #[error("cannot send on data channel {label:?}: it is {state}; {}", advice(*state))]
    NotOpen {
        /// The channel's label.
        label: String,
        /// Its state.
        state: DataChannelState,
    },
    /// The send buffer has no room now.
    #[error(
        "the send buffer of data channel {label:?} is full: {buffered} of {limit} bytes wait; \
         use `send`, which waits for room, or try again after `bufferedamountlow`"
    )]
    SendBufferFull {
        /// The channel's label.
        label: String,
        /// How many bytes wait to be sent.
        buffered: usize,
        /// The limit, [`crate::Config::send_buffer`].
        limit: usize,
    },
    /// The message is larger than the peer accepts, or than the send buffer.
    #[error(
        "a message of {len} bytes is too large: the peer accepts {} (max-message-size in its description), and \
         `Config::send_buffer` holds {send_buffer} bytes, so up to {limit} bytes can be sent; {}",
        size(*max_message_size), remedy(*max_message_size, *send_buffer)
    )]
    MessageTooLarge {
        /// The message's size, in bytes.
        len: usize,
        /// The largest size, in bytes: the smaller of the two that follow.
        limit: usize,
        /// What the peer accepts, in bytes; `usize::MAX`: any size.
        max_message_size: usize,
        /// What this side can hold, in bytes: [`crate::Config::send_buffer`].
        send_buffer: usize,
    },
    /// The message was given up, as the channel's `max_retransmits` or `max_packet_life_time` asks for.
    #[error("a message on data channel {label:?} was given up: the channel is not reliable")]
    MessageAbandoned {
        /// The channel's label.
        label: String,
    },
    /// The connection or channel closed before all that was accepted could be delivered.
    #[error(
        "closed with {messages} messages not delivered, {unsent} bytes of them: the peer was gone, or \
         `Config::close_timeout` passed"
    )]
    Undelivered {
        /// How many messages the peer did not acknowledge in full: of the channel, or of all if the connection closed.
        /// Which ones is told by [receipts](crate::DataChannel::send_with_receipt).
        messages: usize,
        /// How many bytes of them it did not acknowledge. Some may have arrived nevertheless.
        unsent: usize,
    },
    /// A channel failed while the connection goes on.
    #[error("data channel {label:?} failed: {reason}")]
    ChannelFailed {
        /// The channel's label.
        label: String,
        /// What happened.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(doing: &'static str, error: io::Error) -> Self {
        Self::Io { doing, error: Arc::new(error) }
    }
}

const fn advice(state: DataChannelState) -> &'static str {
    match state {
        DataChannelState::Connecting => "await `opened` or use `send`, which waits",
        DataChannelState::Open => "it was closed meanwhile",
        DataChannelState::Closing | DataChannelState::Closed => "create a new channel",
    }
}

/// What the peer accepts, in words.
fn size(max_message_size: usize) -> String {
    match max_message_size {
        usize::MAX => "any size".to_owned(),
        bytes => format!("{bytes} bytes"),
    }
}

/// What to do about a message that is too large, which depends on whose limit it exceeds.
const fn remedy(max_message_size: usize, send_buffer: usize) -> &'static str {
    if send_buffer < max_message_size { "split it, or raise `Config::send_buffer`" } else { "split it" }
}
