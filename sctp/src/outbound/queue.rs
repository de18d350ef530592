mod dropped;
mod next;
mod stream;

pub(crate) use next::{Begun, Head, Taken};
pub(crate) use stream::Receipt;

use super::ring::Limit;
use super::turns::Turns;
use crate::config::Scheduler;
use crate::message::Message;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use stream::{Queued, Resetting, Stream};

/// What a queued message or an outstanding chunk is charged beyond its payload, so that many small ones fill the
/// send buffer as surely as few large ones.
pub(crate) const OVERHEAD: usize = 96;

/// Messages waiting for their turn: one queue for each stream in use.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Made at first use: a stream costs nothing before.
    streams: BTreeMap<u16, Stream>,
    turns: Turns,
    /// Whose turn it is. Without interleaving it stays until its message is complete, since the fragments of a message
    /// have consecutive TSNs (RFC 9260, section 6.9).
    current: Option<u16>,
    interleaving: bool,
    /// The most payload that a packet carries.
    full: usize,
    /// Payload bytes and the overhead of all queued messages.
    charged: usize,
    messages: usize,
    arrivals: u64,
}

impl Queue {
    pub(crate) fn new(scheduler: Scheduler, full: usize) -> Self {
        Self {
            streams: BTreeMap::new(),
            turns: Turns::new(scheduler),
            current: None,
            interleaving: false,
            full,
            charged: 0,
            messages: 0,
            arrivals: 0,
        }
    }

    pub(crate) const fn set_interleaving(&mut self, interleaving: bool) {
        self.interleaving = interleaving;
    }

    /// Packets carry this much payload from now on.
    pub(crate) fn set_full(&mut self, full: usize) {
        self.full = full;
        let ids: Vec<u16> = self.streams.keys().copied().collect();
        for id in ids {
            self.enter(id);
        }
        self.skip_idle();
    }

    pub(crate) fn set_weight(&mut self, stream: u16, weight: u16) {
        self.streams.entry(stream).or_default().weight = weight.max(1);
    }

    pub(crate) const fn charged(&self) -> usize {
        self.charged
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Whether something could be sent, if windows allow.
    pub(crate) fn is_ready(&self) -> bool {
        self.front().is_some()
    }

    pub(crate) fn buffered(&self, stream: u16) -> usize {
        self.streams.get(&stream).map_or(0, |stream| stream.buffered)
    }

    /// The messages that are here, in whole or in part: stream, payload protocol identifier, bytes.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (u16, u32, usize)> {
        let messages = self.streams.iter().flat_map(|(id, stream)| stream.queue.iter().map(|message| (*id, message)));
        messages.map(|(id, message)| (id, message.ppid, message.left))
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
                stream.next_mids = [0; 2];
            }
        }
    }

    /// Whether the last message of a stream waits for more parts.
    pub(crate) fn is_open(&self, stream: u16) -> bool {
        self.streams.get(&stream).and_then(|stream| stream.queue.back()).is_some_and(|message| message.open)
    }

    /// Whether the message that was being sent in parts was given up; told once.
    pub(crate) fn take_cut_short(&mut self, stream: u16) -> bool {
        self.streams.get_mut(&stream).is_some_and(|stream| std::mem::take(&mut stream.cut_short))
    }

    /// The streams whose last message waits for more parts.
    pub(crate) fn open_streams(&self) -> Vec<u16> {
        self.streams.keys().copied().filter(|stream| self.is_open(*stream)).collect()
    }

    /// Queues a message, or the beginning of one if it is `open`.
    pub(crate) fn push(
        &mut self,
        stream_id: u16,
        message: Message,
        unordered: bool,
        limit: Limit,
        open: bool,
        receipt: Receipt,
    ) {
        let stream = self.streams.entry(stream_id).or_default();
        let left = message.payload.len();
        stream.buffered += left;
        self.charged += left + OVERHEAD;
        self.messages += 1;
        let Message { ppid, payload } = message;
        let arrival = self.arrivals;
        self.arrivals += 1;
        stream.queue.push_back(Queued {
            payload,
            more: VecDeque::new(),
            left,
            open,
            ppid,
            unordered,
            limit,
            receipt,
            begun: None,
            next_fsn: 0,
            arrival,
        });
        self.enter(stream_id);
    }

    /// Adds a part to the open message of a stream, the last one if `end`.
    pub(crate) fn append(&mut self, stream_id: u16, part: Bytes, end: bool, receipt: Receipt) {
        let Some(stream) = self.streams.get_mut(&stream_id) else { return };
        let Some(message) = stream.queue.back_mut().filter(|message| message.open) else { return };
        stream.buffered += part.len();
        self.charged += part.len();
        message.append(part);
        message.open = !end;
        message.receipt = receipt.or(message.receipt);
        self.enter(stream_id);
    }
}
