use super::ring::{Limit, Outstanding};
use super::turns::Turns;
use crate::config::Scheduler;
use crate::message::Message;
use crate::packet::DataFlags;
use crate::serial::Mid;
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// What a queued message or an outstanding chunk is charged beyond its payload, so that many small ones fill the
/// send buffer as surely as few large ones.
pub(crate) const OVERHEAD: usize = 96;

/// A message is split to fill up a packet only if at least this much of it fits: below, headers weigh more than
/// what is gained.
const LEAST_FRAGMENT: usize = 64;

/// Parts smaller than this are copied together, so that fragments fill packets.
const SMALL_PART: usize = 2048;

/// The weight of streams that were given none: "normal" for data channels (RFC 8831, section 6.4).
const NORMAL_WEIGHT: u16 = 256;

/// Names an accepted message whose delivery is to be told.
pub(crate) type Receipt = Option<u64>;

/// A message that has not been put into packets, or only in part.
#[derive(Debug)]
struct Queued {
    /// What is left of it, up to the next part.
    payload: Bytes,
    /// The parts behind that, of a message that came in parts.
    more: VecDeque<Bytes>,
    /// Bytes left in all.
    left: usize,
    /// More parts will come.
    open: bool,
    ppid: u32,
    unordered: bool,
    limit: Limit,
    receipt: Receipt,
    /// Its number in the stream, from its first fragment on.
    begun: Option<Mid>,
    next_fsn: u32,
    /// When it was queued, counted in messages.
    arrival: u64,
}

impl Queued {
    /// Whether a fragment can be cut off. The last fragment says so, so of an open message something is kept back.
    const fn is_ready(&self, full: usize) -> bool {
        !self.open || self.left > full
    }

    fn append(&mut self, part: Bytes) {
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
    fn cut(&mut self, length: usize) -> Bytes {
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
struct Stream {
    /// The numbers of the next ordered and unordered message.
    next_mids: [u32; 2],
    queue: VecDeque<Queued>,
    buffered: usize,
    low_threshold: usize,
    resetting: Resetting,
    weight: u16,
    /// The share it has had, in the scheduler's time.
    served: u64,
    /// It has a place in the order of turns.
    in_turns: bool,
    /// The message that was being sent in parts was given up, which whoever sends it has yet to hear.
    cut_short: bool,
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
    fn is_used(&self) -> bool {
        self.next_mids != [0; 2] || !self.queue.is_empty()
    }

    fn is_ready(&self, full: usize) -> bool {
        self.queue.front().is_some_and(|message| message.is_ready(full))
    }
}

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

    /// Gives a stream its place in the order of turns, if it has something to send and no place yet.
    fn enter(&mut self, id: u16) {
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
    fn skip_idle(&mut self) {
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

    /// Drops all that is queued on streams from `limit` on; returns how many messages that were.
    pub(crate) fn drop_streams_from(&mut self, limit: u16) -> u64 {
        let dropped = self.streams.split_off(&limit);
        self.turns.retain(|stream| stream < limit);
        self.current = self.current.filter(|stream| *stream < limit);
        let mut count = 0;
        for message in dropped.values().flat_map(|stream| &stream.queue) {
            self.charged -= message.left + OVERHEAD;
            self.messages -= 1;
            count += 1;
        }
        self.skip_idle();
        count
    }

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
    fn front(&self) -> Option<(u16, &Queued)> {
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

    fn release(&mut self, id: u16) {
        if self.current == Some(id) {
            self.current = None;
        }
        self.enter(id);
        self.skip_idle();
    }

    /// Drops what is left of the first message of a stream.
    pub(crate) fn drop_front(&mut self, stream_id: u16) -> Option<Taken> {
        let stream = self.streams.get_mut(&stream_id)?;
        let front = stream.queue.front()?;
        let (length, receipt) = (front.left, front.receipt);
        stream.cut_short |= front.open;
        let low = stream.release_bytes(length);
        self.charged -= length;
        self.pop(stream_id);
        self.release(stream_id);
        Some(Taken { stream: stream_id, low, receipt })
    }

    /// Drops the last message of a stream, which waits for parts and has not been begun. None if it was begun, which
    /// makes it the only one.
    pub(crate) fn drop_open(&mut self, stream_id: u16) -> Option<Taken> {
        let stream = self.streams.get_mut(&stream_id)?;
        stream.queue.back().filter(|message| message.open && message.begun.is_none())?;
        let message = stream.queue.pop_back()?;
        let low = stream.release_bytes(message.left);
        self.charged -= message.left + OVERHEAD;
        self.messages -= 1;
        self.skip_idle();
        Some(Taken { stream: stream_id, low, receipt: message.receipt })
    }

    /// The open message of a stream, if some of it has been sent.
    pub(crate) fn begun_open(&self, stream: u16) -> Option<Begun> {
        let message = self.streams.get(&stream)?.queue.front().filter(|message| message.open)?;
        Some(Begun { stream, mid: message.begun?, unordered: message.unordered })
    }

    fn pop(&mut self, stream_id: u16) {
        let popped = self.streams.get_mut(&stream_id).and_then(|stream| stream.queue.pop_front());
        if popped.is_some() {
            self.charged -= OVERHEAD;
            self.messages -= 1;
        }
    }
}

impl Stream {
    /// Bytes leave the queue; true if the buffered amount falls to its threshold.
    const fn release_bytes(&mut self, length: usize) -> bool {
        let before = self.buffered;
        self.buffered -= length;
        before > self.low_threshold && self.buffered <= self.low_threshold
    }
}
