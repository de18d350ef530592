//! One stream's queue, and a message in it.

use super::super::ring::Limit;
use crate::serial::Mid;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Parts smaller than this are copied together, so that fragments fill packets.
const SMALL_PART: usize = 2048;

/// The weight of streams that were given none: "normal" for data channels (RFC 8831, section 6.4).
const NORMAL_WEIGHT: u16 = 256;

/// Names an accepted message whose delivery is to be told.
pub(crate) type Receipt = Option<u64>;

/// A message that has not been put into packets, or only in part.
#[derive(Debug)]
pub(super) struct Queued {
    /// What is left of it, up to the next part.
    pub(super) payload: Bytes,
    /// The parts behind that, of a message that came in parts.
    pub(super) more: VecDeque<Bytes>,
    /// Bytes left in all.
    pub(super) left: usize,
    /// More parts will come.
    pub(super) open: bool,
    pub(super) ppid: u32,
    pub(super) unordered: bool,
    pub(super) limit: Limit,
    pub(super) receipt: Receipt,
    /// Its number in the stream, from its first fragment on.
    pub(super) begun: Option<Mid>,
    pub(super) next_fsn: u32,
    /// When it was queued, counted in messages.
    pub(super) arrival: u64,
}

impl Queued {
    /// Whether a fragment can be cut off. The last fragment says so, so of an open message something is kept back.
    pub(super) const fn is_ready(&self, full: usize) -> bool {
        !self.open || self.left > full
    }

    pub(super) fn append(&mut self, part: Bytes) {
        self.left += part.len();
        if part.is_empty() {
            return;
        }
        let last = self.more.back_mut().unwrap_or(&mut self.payload);
        if last.len() < SMALL_PART && part.len() < SMALL_PART {
            let mut joined = BytesMut::with_capacity(last.len() + part.len());
            joined.extend_from_slice(last);
            joined.extend_from_slice(&part);
            *last = joined.freeze();
        } else {
            self.more.push_back(part);
        }
    }

    /// Cuts off as much as `length` bytes, within one part.
    pub(super) fn cut(&mut self, length: usize) -> Bytes {
        let cut = self.payload.split_to(length.min(self.payload.len()));
        self.left -= cut.len();
        if self.payload.is_empty()
            && let Some(next) = self.more.pop_front()
        {
            self.payload = next;
        }
        cut
    }
}

/// Whether a stream is being reset (RFC 6525, section 5.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Resetting {
    #[default]
    No,
    /// Once what is queued has been sent; or requested already.
    Yes,
}

#[derive(Debug)]
pub(super) struct Stream {
    /// The numbers of the next ordered and unordered message.
    pub(super) next_mids: [u32; 2],
    pub(super) queue: VecDeque<Queued>,
    pub(super) buffered: usize,
    pub(super) low_threshold: usize,
    pub(super) resetting: Resetting,
    pub(super) weight: u16,
    /// The share it has had, in the scheduler's time.
    pub(super) served: u64,
    /// It has a place in the order of turns.
    pub(super) in_turns: bool,
    /// The message that was being sent in parts was given up, which whoever sends it has yet to hear.
    pub(super) cut_short: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            next_mids: [0; 2],
            queue: VecDeque::new(),
            buffered: 0,
            low_threshold: 0,
            resetting: Resetting::No,
            weight: NORMAL_WEIGHT,
            served: 0,
            in_turns: false,
            cut_short: false,
        }
    }
}

impl Stream {
    pub(super) fn is_used(&self) -> bool {
        self.next_mids != [0; 2] || !self.queue.is_empty()
    }

    pub(super) fn is_ready(&self, full: usize) -> bool {
        self.queue.front().is_some_and(|message| message.is_ready(full))
    }

    /// Bytes leave the queue; true if the buffered amount falls to its threshold.
    pub(super) const fn release_bytes(&mut self, length: usize) -> bool {
        let before = self.buffered;
        self.buffered -= length;
        before > self.low_threshold && self.buffered <= self.low_threshold
    }
}
