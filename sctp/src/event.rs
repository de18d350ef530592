/// What happened; see [`Association::poll_event`](crate::Association::poll_event).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The handshake is complete.
    Connected,
    /// The stream has messages to [`read`](crate::Association::read). Told once each time it had none before.
    Readable(u16),
    /// The send buffer has room again after a `send` was refused as full.
    Writable,
    /// The stream's buffered amount has fallen to its threshold.
    BufferedAmountLow(u16),
    /// The peer has acknowledged the whole message that was sent with this
    /// [receipt](crate::Association::send_with_receipt).
    Delivered(u64),
    /// The message that was sent with this receipt was given up, in part or before any of it was sent.
    Abandoned(u64),
    /// The peer confirmed the reset of our side of the stream; it starts anew (RFC 6525).
    OutgoingReset(u16),
    /// The peer refused to reset our side of the stream, or cannot. The stream goes on as it was.
    ResetRefused(u16),
    /// The peer reset its side of the stream. All that it sent before can be read.
    IncomingReset(u16),
    /// The peer lost its state and started over (RFC 9260, section 5.2.4, action A). What it had not acknowledged
    /// is gone, as is all that was queued; every stream starts anew.
    Restarted,
    /// The association is over. What had arrived can still be read.
    Closed(Closed),
}

/// How an association ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// Gracefully, by either side: all that was sent has been delivered (RFC 9260, section 9.2).
    #[error("the association was shut down")]
    Shutdown,
    /// By our own [`abort`](crate::Association::abort).
    #[error("the association was aborted here")]
    Aborted,
    /// The peer sent ABORT (section 9.1).
    #[error("the peer aborted the association (cause {code}: {reason})")]
    PeerAborted {
        /// The first [error cause](crate::packet::code), or 0 if there was none.
        code: u16,
        /// What the peer said, as far as it is text.
        reason: String,
    },
    /// The peer did not answer in spite of all retransmissions (section 8.1).
    #[error("the peer does not answer")]
    TimedOut,
    /// The peer broke the protocol and was sent ABORT.
    #[error("the peer broke the protocol: {0}")]
    ProtocolViolation(&'static str),
}
