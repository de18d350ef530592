//! Messages of the application: whole and in parts, with and without receipt.

use super::Association;
use super::phase::{Phase, Stage};
use crate::message::{Message, Part, SendError, SendOptions};
use std::time::Instant;

/// What `send` and its kin hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Whole,
    Part { is_last: bool },
}

impl Association {
    /// Queues a message as [`send`](Self::send) does, and tells what becomes of it:
    /// [`Event::Delivered`](crate::Event::Delivered) once the peer's SCTP has acknowledged all of it, or
    /// [`Event::Abandoned`](crate::Event::Abandoned). What was told neither way when the association ends or restarts
    /// may or may not have arrived.
    pub fn send_with_receipt(
        &mut self,
        now: Instant,
        stream: u16,
        message: Message,
        options: SendOptions,
        receipt: u64,
    ) -> Result<(), SendError> {
        self.accept(now, stream, message, options, Piece::Whole, Some(receipt))
    }

    /// Queues a part of a message: the first one begins it, the one that `is_last` ends it. So a message may be larger
    /// than all buffers together. `ppid` and options are those of the first part, the receipt that of any. While a
    /// message is open, [`send`](Self::send) refuses others on its stream.
    ///
    /// With interleaving the other streams go on meanwhile. Without it nothing else can be sent once the first packet
    /// of the message has left, so its parts should follow swiftly. What is less than a packet waits for the next part.
    ///
    /// # Errors
    ///
    /// As for `send`; [`SendError::Abandoned`] if the message was given up meanwhile. Only the last part may be empty,
    /// and not if it is the first one too.
    pub fn send_part(
        &mut self,
        now: Instant,
        stream: u16,
        part: Message,
        options: SendOptions,
        is_last: bool,
        receipt: Option<u64>,
    ) -> Result<(), SendError> {
        self.accept(now, stream, part, options, Piece::Part { is_last }, receipt)
    }

    /// Gives up the message that is being sent in parts on a stream. The peer skips it, if it supports partial
    /// reliability (RFC 3758); otherwise it gets a message that ends with what was queued.
    pub fn cancel_parts(&mut self, now: Instant, stream: u16) {
        self.outbound.cancel_open(stream, &mut self.stats);
        self.settle(now);
    }

    pub(super) fn accept(
        &mut self,
        now: Instant,
        stream: u16,
        message: Message,
        options: SendOptions,
        piece: Piece,
        receipt: Option<u64>,
    ) -> Result<(), SendError> {
        let streams = match &self.phase {
            Phase::Idle | Phase::CookieWait(_) => self.config.outbound_streams,
            Phase::CookieEchoed(_, peer) | Phase::Open(Stage::Established, peer) => peer.outbound_streams,
            Phase::Open(
                Stage::ShutdownPending | Stage::ShutdownSent | Stage::ShutdownReceived | Stage::ShutdownAckSent,
                _,
            )
            | Phase::Ended(_) => return Err(SendError::Closed(message)),
        };
        if self.closing {
            return Err(SendError::Closed(message));
        }
        if piece != Piece::Whole && self.outbound.take_cut_short(stream) {
            return Err(SendError::Abandoned(message));
        }
        let is_open = self.outbound.is_open(stream);
        match piece {
            Piece::Whole if is_open => return Err(SendError::InParts(message)),
            Piece::Part { is_last: true } if is_open => {}
            Piece::Whole | Piece::Part { .. } if message.payload.is_empty() => return Err(SendError::Empty(message)),
            Piece::Whole | Piece::Part { .. } => {}
        }
        if stream >= streams {
            return Err(SendError::NoSuchStream { message, streams });
        }
        if self.outbound.is_resetting(stream) {
            return Err(SendError::Resetting(message));
        }
        if !self.outbound.has_room(message.payload.len(), is_open) {
            return Err(SendError::Full { message, free: self.outbound.capacity() });
        }
        match piece {
            Piece::Part { is_last } if is_open => self.outbound.append(stream, message.payload, is_last, receipt),
            Piece::Part { is_last } => self.outbound.push(now, stream, message, options, !is_last, receipt),
            Piece::Whole => self.outbound.push(now, stream, message, options, false, receipt),
        }
        self.settle(now);
        Ok(())
    }

    /// The next message of a stream. Reading opens the window that the peer may fill. None while a message of the stream
    /// is being read in parts.
    pub fn read(&mut self, now: Instant, stream: u16) -> Option<Message> {
        let peer = self.phase.peer_mut()?;
        let message = peer.inbound.read(stream, &mut self.stats)?;
        self.after_reading(now, message.payload.len());
        Some(message)
    }

    /// The next part of a stream's message: all of it that has come in sequence, be the rest there or not. A message
    /// that is read so follows in full before the next one. With
    /// [`Config::partial_delivery`](crate::Config::partial_delivery), [`Event::Readable`](crate::Event::Readable) tells
    /// of parts too.
    pub fn read_part(&mut self, now: Instant, stream: u16) -> Option<Part> {
        let peer = self.phase.peer_mut()?;
        let part = peer.inbound.read_part(stream, &mut self.stats)?;
        self.after_reading(now, part.payload.len());
        Some(part)
    }

    fn after_reading(&mut self, now: Instant, bytes: usize) {
        if let Some(peer) = self.phase.peer_mut() {
            peer.inbound.on_read(now, bytes, self.outbound.rto.known());
            if peer.inbound.window_opened() {
                peer.sack_due = true;
            }
        }
        self.settle(now);
    }

    /// Sets the weight or priority of an outgoing stream; see [`Scheduler`](crate::Scheduler). 256 at first, at least 1.
    pub fn set_priority(&mut self, stream: u16, priority: u16) {
        self.outbound.set_weight(stream, priority);
    }

    /// Whether messages are interleaved (RFC 8260): known once the association is open.
    pub const fn is_interleaving(&self) -> bool {
        self.outbound.is_interleaving()
    }
}
