//! Whose turn it is, and what of its message goes into the packet.

use super::super::ring::Outstanding;
use super::stream::Queued;
use super::{Queue, Receipt};
use crate::packet::DataFlags;
use crate::serial::Mid;
use std::time::Instant;

/// A message is split to fill up a packet only if at least this much of it fits: below, headers weigh more than
/// what is gained.
const LEAST_FRAGMENT: usize = 64;

/// What has been taken out of a stream's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) stream: u16,
    /// The stream's buffered amount fell to its threshold.
    pub(crate) low: bool,
    /// Of the message, if none of it is left.
    pub(crate) receipt: Receipt,
}

/// The head of the queue, as far as time is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// Nothing to send.
    Empty,
    /// Something may be sent.
    Ready,
    /// The message had expired before any of it was sent, and is gone.
    Dropped(Taken),
    /// The message expired with its first fragments sent.
    ExpiredBegun,
}

/// A message of which fragments have been sent, and some have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) stream: u16,
    pub(crate) mid: Mid,
    pub(crate) unordered: bool,
}

impl Queue {
    /// Looks at the next message, dropping it if its time is over.
    pub(crate) fn head(&mut self, now: Instant) -> Head {
        let Some((stream, message)) = self.front() else { return Head::Empty };
        if message.limit.deadline.is_none_or(|deadline| now < deadline) {
            return Head::Ready;
        }
        if message.begun.is_some() {
            return Head::ExpiredBegun;
        }
        self.drop_front(stream).map_or(Head::Empty, Head::Dropped)
    }

    /// Whose turn it is, and the message that comes next.
    pub(super) fn front(&self) -> Option<(u16, &Queued)> {
        let id = self.current.or_else(|| self.turns.next())?;
        let message = self.streams.get(&id)?.queue.front()?;
        (message.is_ready(self.full) && self.turns.may_share_packet(id)).then_some((id, message))
    }

    /// Another packet is begun, or none is being filled.
    pub(crate) fn begin_packet(&mut self) {
        if self.turns.begin_packet()
            && let Some(id) = self.current
            && (self.interleaving || !self.is_begun(id))
        {
            self.release(id);
        }
    }

    fn is_begun(&self, stream: u16) -> bool {
        self.streams.get(&stream).and_then(|s| s.queue.front()).is_some_and(|message| message.begun.is_some())
    }

    /// The message whose turn it is, if its first fragments have been sent.
    pub(crate) fn begun(&self) -> Option<Begun> {
        let (stream, message) = self.front()?;
        Some(Begun { stream, mid: message.begun?, unordered: message.unordered })
    }

    /// Whether fragments of any queued message have been sent.
    pub(crate) fn has_begun(&self) -> bool {
        self.streams.keys().any(|stream| self.is_begun(*stream))
    }

    /// How many payload bytes of the next message to put into a packet with `room` bytes for payload. None: none in this
    /// packet.
    pub(crate) fn next_length(&self, room: usize) -> Option<usize> {
        let (_, message) = self.front()?;
        let left = message.left;
        let split = message.open || message.begun.is_some() || left > self.full;
        let room = room.min(self.full);
        if left <= room && !message.open {
            return Some(left.min(message.payload.len()));
        }
        // Too large for any packet: fill this one up. Otherwise it stays in one piece, in the next packet.
        (split && room >= LEAST_FRAGMENT.min(self.full)).then_some(room.min(message.payload.len()))
    }

    /// Cuts a fragment of `length` bytes off the next message.
    pub(crate) fn take(&mut self, length: usize) -> Option<(Outstanding, Taken)> {
        let (stream_id, _) = self.front()?;
        self.choose(stream_id);
        let stream = self.streams.get_mut(&stream_id)?;
        let message = stream.queue.front_mut()?;
        let mid = match message.begun {
            Some(mid) => mid,
            None => {
                let [ordered, unordered] = &mut stream.next_mids;
                let next = if message.unordered { unordered } else { ordered };
                let mid = Mid(*next);
                // A stream that wraps back to 0 still counts as used.
                *next = next.wrapping_add(1);
                mid
            }
        };
        let begin = message.begun.is_none();
        message.begun = Some(mid);
        let fsn = message.next_fsn;
        message.next_fsn = fsn.wrapping_add(1);
        let payload = message.cut(length);
        let length = payload.len();
        let end = message.left == 0 && !message.open;
        let flags = DataFlags { immediate: false, unordered: message.unordered, begin, end };
        let receipt = if end { message.receipt } else { None };
        let chunk = Outstanding::new(payload, message.ppid, stream_id, mid, fsn, flags, message.limit);
        let low = stream.release_bytes(length);
        stream.served = self.turns.charge(stream.served, length, stream.weight);
        self.charged -= length;
        if end {
            self.pop(stream_id);
        }
        self.give_way(stream_id, end);
        Some((chunk, Taken { stream: stream_id, low, receipt }))
    }

    /// It is this stream's turn.
    fn choose(&mut self, id: u16) {
        if self.current != Some(id) {
            self.turns.take();
            self.current = Some(id);
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.in_turns = false;
            }
        }
    }

    /// After a chunk: the turn is another stream's, unless a message has to be completed or a packet filled.
    fn give_way(&mut self, id: u16, end: bool) {
        let is_done = end || self.interleaving || !self.has_queued(id);
        if is_done && !self.turns.keeps_packet(id) {
            self.release(id);
        }
    }

    pub(super) fn release(&mut self, id: u16) {
        if self.current == Some(id) {
            self.current = None;
        }
        self.enter(id);
        self.skip_idle();
    }

    /// Gives a stream its place in the order of turns, if it has something to send and no place yet.
    pub(super) fn enter(&mut self, id: u16) {
        let full = self.full;
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.in_turns || self.current == Some(id) || !stream.is_ready(full) {
            return;
        }
        let arrival = stream.queue.front().map_or(0, |message| message.arrival);
        stream.in_turns = true;
        stream.served = self.turns.enter(id, arrival, stream.served, stream.weight);
    }

    /// Whose turn it is next has something to send.
    pub(super) fn skip_idle(&mut self) {
        while let Some(id) = self.turns.next() {
            let full = self.full;
            match self.streams.get_mut(&id) {
                Some(stream) if stream.is_ready(full) => break,
                Some(stream) => stream.in_turns = false,
                None => {}
            }
            self.turns.take();
        }
    }
}
