use crate::{ChannelError, ChannelId};

/// What happened, to be polled with [`Channels::poll_event`](crate::Channels::poll_event).
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The association is up: channels open from now on.
    Connected,
    /// A channel of ours is open: the peer has acknowledged it, or it was negotiated and the association is up.
    Opened(ChannelId),
    /// The peer has opened a channel; it is open at once.
    Incoming(ChannelId),
    /// There may be messages: [`read`](crate::Channels::read) until there are none, as only then it comes again.
    Readable(ChannelId),
    /// There is room again after `send` had to refuse a message.
    Writable(ChannelId),
    /// The buffered amount has fallen to its threshold or below.
    BufferedAmountLow(ChannelId),
    /// The peer's SCTP has acknowledged the whole message that was sent with this
    /// [receipt](crate::Channels::send_with_receipt).
    Delivered(u64),
    /// The message that was sent with this receipt was given up, in part or whole. What is told neither way when the
    /// association ends may or may not have arrived.
    Abandoned(u64),
    /// The channel is being closed by the peer: what it had sent before can be read, nothing more can be sent.
    Closing(ChannelId),
    /// What ended the channel, unless it was closed as usual. [`Event::Closed`] follows.
    Error(ChannelId, ChannelError),
    /// The channel has ended with messages that were accepted and that the peer did not acknowledge. Some of them may
    /// have arrived nevertheless. [`Event::Closed`] follows.
    Undelivered(ChannelId, sctp::Unacknowledged),
    /// The channel is closed. What arrived before can still be read.
    Closed(ChannelId),
    /// The association has ended, and every channel with it.
    Disconnected(sctp::Closed),
}
