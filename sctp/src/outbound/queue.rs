use super::ring::{Limit, Outstanding};
use crate::message::Message;
use crate::packet::DataFlags;
use crate::serial::Ssn;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// What a queued message or an outstanding chunk is charged beyond its payload, so that many small ones fill the
/// send buffer as surely as few large ones.
pub(crate) const OVERHEAD: usize = 96;

/// A message is split to fill up a packet only if at least this much of it fits: below, headers weigh more than
/// what is gained.
const LEAST_FRAGMENT: usize = 64;

/// A message that has not been put into packets, or only in part.
#[derive(Debug)]
struct Queued {
    /// What is left of it.
    payload: Bytes,
    ppid: u32,
    unordered: bool,
    limit: Limit,
    /// Its number in the stream, from its first fragment on.
    begun: Option<Ssn>,
}

/// Whether a stream is being reset (RFC 6525, section 5.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Resetting {
    #[default]
    No,
    /// Once what is queued has been sent; or requested already.
    Yes,
}

#[derive(Debug, Default)]
struct Stream {
    next_ssn: u16,
    queue: VecDeque<Queued>,
    buffered: usize,
    low_threshold: usize,
    resetting: Resetting,
}

impl Stream {
    fn is_used(&self) -> bool {
        self.next_ssn != 0 || !self.queue.is_empty()
    }
}

/// What has been taken out of a stream's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) stream: u16,
    /// The stream's buffered amount fell to its threshold.
    pub(crate) low: bool,
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

/// Messages waiting for their turn: one queue for each stream in use, and the streams taking turns, one message each.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Made at first use: a stream costs nothing before.
    streams: BTreeMap<u16, Stream>,
    /// Streams with something to send. The first one keeps its place until its message is complete, since the
    /// fragments of a message have consecutive TSNs (RFC 9260, section 6.9).
    turns: VecDeque<u16>,
    /// Payload bytes and the overhead of all queued messages.
    charged: usize,
    messages: usize,
}

impl Queue {
    pub(crate) const fn charged(&self) -> usize {
        self.charged
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.messages == 0
    }

    pub(crate) fn buffered(&self, stream: u16) -> usize {
        self.streams.get(&stream).map_or(0, |stream| stream.buffered)
    }

    pub(crate) fn has_queued(&self, stream: u16) -> bool {
        self.streams.get(&stream).is_some_and(|stream| !stream.queue.is_empty())
    }

    pub(crate) fn used_streams(&self) -> Vec<u16> {
        self.streams.iter().filter(|(_, stream)| stream.is_used()).map(|(id, _)| *id).collect()
    }

    pub(crate) fn has_been_used(&self, stream: u16) -> bool {
        self.streams.get(&stream).is_some_and(Stream::is_used)
    }

    pub(crate) fn set_low_threshold(&mut self, stream: u16, threshold: usize) {
        self.streams.entry(stream).or_default().low_threshold = threshold;
    }

    pub(crate) fn is_resetting(&self, stream: u16) -> bool {
        self.streams.get(&stream).is_some_and(|stream| stream.resetting == Resetting::Yes)
    }

    pub(crate) fn begin_reset(&mut self, stream: u16) {
        self.streams.entry(stream).or_default().resetting = Resetting::Yes;
    }

    /// The reset of a stream is over; if it was `done`, its numbers start anew.
    pub(crate) fn end_reset(&mut self, stream: u16, done: bool) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.resetting = Resetting::No;
            if done {
                stream.next_ssn = 0;
            }
        }
    }

    pub(crate) fn push(&mut self, stream_id: u16, message: Message, unordered: bool, limit: Limit) {
        let stream = self.streams.entry(stream_id).or_default();
        if stream.queue.is_empty() {
            self.turns.push_back(stream_id);
        }
        stream.buffered += message.payload.len();
        self.charged += message.payload.len() + OVERHEAD;
        self.messages += 1;
        let Message { ppid, payload } = message;
        stream.queue.push_back(Queued { payload, ppid, unordered, limit, begun: None });
    }

    /// Drops all that is queued on streams from `limit` on; returns how many messages that were.
    pub(crate) fn drop_streams_from(&mut self, limit: u16) -> u64 {
        let dropped = self.streams.split_off(&limit);
        self.turns.retain(|stream| *stream < limit);
        let mut count = 0;
        for message in dropped.values().flat_map(|stream| &stream.queue) {
            self.charged -= message.payload.len() + OVERHEAD;
            self.messages -= 1;
            count += 1;
        }
        count
    }

    /// Looks at the next message, dropping it if its time is over.
    pub(crate) fn head(&mut self, now: Instant) -> Head {
        let Some(message) = self.front() else { return Head::Empty };
        if message.limit.deadline.is_none_or(|deadline| now < deadline) {
            return Head::Ready;
        }
        if message.begun.is_some() {
            return Head::ExpiredBegun;
        }
        self.drop_front().map_or(Head::Empty, Head::Dropped)
    }

    fn front(&self) -> Option<&Queued> {
        self.streams.get(self.turns.front()?)?.queue.front()
    }

    /// The stream of a message whose first fragments have been sent.
    pub(crate) fn begun(&self) -> Option<(u16, Ssn, bool)> {
        let front = self.front()?;
        Some((*self.turns.front()?, front.begun?, front.unordered))
    }

    /// How many payload bytes of the next message to put into a packet with `room` bytes for payload, where an
    /// empty packet has `full`. None: none in this packet.
    pub(crate) fn next_length(&self, room: usize, full: usize) -> Option<usize> {
        let message = self.front()?;
        let left = message.payload.len();
        if left <= room {
            return Some(left);
        }
        // Too large for any packet: fill this one up. Otherwise it stays in one piece, in the next packet.
        let split = message.begun.is_some() || left > full;
        (split && room >= LEAST_FRAGMENT.min(full)).then_some(room)
    }

    /// Cuts a fragment of `length` bytes off the next message.
    pub(crate) fn take(&mut self, length: usize) -> Option<(Outstanding, Taken)> {
        let stream_id = *self.turns.front()?;
        let stream = self.streams.get_mut(&stream_id)?;
        let message = stream.queue.front_mut()?;
        let ssn = match message.begun {
            Some(ssn) => ssn,
            None if message.unordered => Ssn(0),
            None => {
                let ssn = Ssn(stream.next_ssn);
                stream.next_ssn = stream.next_ssn.wrapping_add(1);
                ssn
            }
        };
        let begin = message.begun.is_none();
        message.begun = Some(ssn);
        let length = length.min(message.payload.len());
        let payload = message.payload.split_to(length);
        let end = message.payload.is_empty();
        let flags = DataFlags { immediate: false, unordered: message.unordered, begin, end };
        let chunk = Outstanding::new(payload, message.ppid, stream_id, ssn, flags, message.limit);
        let before = stream.buffered;
        stream.buffered -= length;
        self.charged -= length;
        let low = before > stream.low_threshold && stream.buffered <= stream.low_threshold;
        if end {
            self.finish_front();
        }
        Some((chunk, Taken { stream: stream_id, low }))
    }

    /// Drops what is left of the next message.
    pub(crate) fn drop_front(&mut self) -> Option<Taken> {
        let stream_id = *self.turns.front()?;
        let stream = self.streams.get_mut(&stream_id)?;
        let length = stream.queue.front()?.payload.len();
        let before = stream.buffered;
        stream.buffered -= length;
        self.charged -= length;
        let low = before > stream.low_threshold && stream.buffered <= stream.low_threshold;
        self.finish_front();
        Some(Taken { stream: stream_id, low })
    }

    /// The next message is complete: the next stream has its turn.
    fn finish_front(&mut self) {
        let Some(stream_id) = self.turns.pop_front() else { return };
        let Some(stream) = self.streams.get_mut(&stream_id) else { return };
        if stream.queue.pop_front().is_some() {
            self.charged -= OVERHEAD;
            self.messages -= 1;
        }
        if !stream.queue.is_empty() {
            self.turns.push_back(stream_id);
        }
    }
}
