//! What is received: which TSNs have come, messages being put together, and messages waiting to be read.

mod buffers;
mod fragment;
mod interleaved;
mod parts;
mod reassembly;
mod tracker;
mod window;

pub(crate) use fragment::Fragment;

use crate::event::Event;
use crate::message::Message;
use crate::packet::{ForwardTsn, IForwardTsn};
use crate::serial::{Ssn, Tsn, unwrap_ssn, unwrap_tsn};
use crate::stats::Stats;
use fragment::SEGMENT_OVERHEAD;
use parts::Reading;
use reassembly::{Complete, Reassembly};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use tracker::{Place, Tracker};
use window::Window;

/// What a message waiting to be read, or for its turn, is charged beyond its payload.
const MESSAGE_OVERHEAD: usize = 96;

/// The count that stands for stream sequence number 0, or message identifier 0: far enough from zero to unwrap
/// backwards.
const FIRST_NUMBER: u64 = 1 << 32;

/// The fragments do not make sense together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) &'static str);

#[derive(Debug)]
struct Stream {
    /// The next message in order.
    next: u64,
    /// Messages that came before their turn.
    early: BTreeMap<u64, Message>,
    ready: VecDeque<Message>,
    /// The message that is being read in parts.
    reading: Option<Reading>,
    /// `Readable` waits in the event queue.
    announced: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Self { next: FIRST_NUMBER, early: BTreeMap::new(), ready: VecDeque::new(), reading: None, announced: false }
    }
}

/// What became of a DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// New, in sequence.
    New,
    /// New, with a hole before it.
    OutOfOrder,
    /// Seen before, or not wanted; the peer should be told at once where we stand.
    Unwanted,
}

/// The whole receiving side.
#[derive(Debug)]
pub(crate) struct Inbound {
    tracker: Tracker,
    reassembly: Reassembly,
    /// Boxed, for the tree has room for eleven where there mostly is one.
    streams: BTreeMap<u16, Box<Stream>>,
    /// Payload and overhead of complete messages.
    held: usize,
    size: Window,
    max_message: usize,
    /// Messages are told of before their end has come.
    partial_delivery: bool,
    /// The association is over, and nothing comes any more.
    has_ended: bool,
    /// I-DATA comes instead of DATA.
    interleaving: bool,
    /// The window in the last SACK.
    advertised: usize,
    /// Streams with an `IncomingReset` in the event queue.
    resets_announced: BTreeSet<u16>,
    pub(crate) events: VecDeque<Event>,
}

impl Inbound {
    pub(crate) fn new(config: &crate::Config, initial_tsn: Tsn, interleaving: bool) -> Self {
        Self {
            tracker: Tracker::new(initial_tsn, config.max_gaps),
            reassembly: Reassembly::new(config.max_message, interleaving),
            streams: BTreeMap::new(),
            held: 0,
            size: Window::new(config.first_window(), config.window()),
            max_message: config.max_message,
            partial_delivery: config.partial_delivery,
            has_ended: false,
            interleaving,
            advertised: config.first_window(),
            resets_announced: BTreeSet::new(),
            events: VecDeque::new(),
        }
    }

    pub(crate) const fn cumulative(&self) -> u64 {
        self.tracker.cumulative()
    }

    pub(crate) const fn cumulative_tsn(&self) -> Tsn {
        self.tracker.cumulative_tsn()
    }

    pub(crate) const fn count(&self, tsn: Tsn) -> u64 {
        self.tracker.count(tsn)
    }

    /// Gives back memory that is of use only while much arrives.
    pub(crate) fn release_spare(&mut self) {
        self.reassembly.release_spare();
    }

    pub(crate) fn has_gaps(&self) -> bool {
        self.tracker.has_gaps()
    }

    pub(crate) fn has_duplicates(&self) -> bool {
        self.tracker.has_duplicates()
    }

    /// Bytes held, overhead included.
    pub(crate) const fn used(&self) -> usize {
        self.held.saturating_add(self.reassembly.charged())
    }

    /// The window to advertise.
    pub(crate) const fn window(&self) -> usize {
        self.size.size().saturating_sub(self.used())
    }

    /// Whether reading has opened the window so far that the peer should hear of it: by a quarter, since it was less
    /// than half (receiver side of the silly window syndrome, RFC 9260, section 6.2).
    pub(crate) const fn window_opened(&self) -> bool {
        self.advertised < self.size.size() / 2 && self.window().saturating_sub(self.advertised) >= self.size.size() / 4
    }

    /// The application has read this much, over a path with this round-trip time.
    pub(crate) fn on_read(&mut self, now: Instant, bytes: usize, rtt: Option<Duration>) {
        self.size.on_read(now, bytes, rtt);
    }

    /// The fields of a SACK; the lists go into the two buffers.
    pub(crate) fn report(&mut self, room: usize, gaps: &mut Vec<u8>, duplicates: &mut Vec<u8>) -> u32 {
        self.tracker.report(room, gaps, duplicates);
        self.advertised = self.window();
        u32::try_from(self.advertised).unwrap_or(u32::MAX)
    }

    /// Whether I-DATA comes instead of DATA.
    pub(crate) const fn is_interleaving(&self) -> bool {
        self.interleaving
    }

    /// Takes a DATA or I-DATA chunk.
    pub(crate) fn receive(&mut self, data: &Fragment<'_>, stats: &mut Stats) -> Result<Received, Violation> {
        let tsn = self.tracker.count(data.tsn);
        let place = self.tracker.place(tsn);
        // The window is advertised with the capacity, and kept with some slack: overhead is charged that the peer
        // does not know of. What comes in sequence is taken up to one message further, as only that frees the rest.
        let slack = self.size.size().saturating_mul(2);
        let limit = match place {
            Place::Next => slack.saturating_add(self.max_message.min(self.size.size())),
            Place::Beyond => slack,
            Place::Duplicate => {
                stats.duplicates += 1;
                self.tracker.duplicate(data.tsn);
                return Ok(Received::Unwanted);
            }
            Place::TooFar => 0,
        };
        if self.used().saturating_add(data.payload.len()).saturating_add(SEGMENT_OVERHEAD) > limit {
            stats.out_of_window += 1;
            return Ok(Received::Unwanted);
        }
        let received = if place == Place::Next { Received::New } else { Received::OutOfOrder };
        let number = self.unwrap(data);
        if number.is_none() {
            // A number used twice: nobody could tell which message is meant.
            stats.refused += 1;
        }
        let complete = match number {
            Some(number) => self.reassembly.insert(tsn, number, data)?,
            None => None,
        };
        self.tracker.insert(tsn);
        stats.bytes_received += data.payload.len() as u64;
        match (complete, number) {
            (Some(message), Some(number)) => self.deliver(message, number, stats)?,
            (None, Some(_)) => self.announce_partial(data.stream),
            (_, None) => {}
        }
        Ok(received)
    }

    /// The number of a message as a count; none if that message was there already.
    fn unwrap(&mut self, data: &Fragment<'_>) -> Option<u64> {
        if data.flags.unordered {
            return Some(u64::from(data.number));
        }
        let next = self.streams.get(&data.stream).map_or(FIRST_NUMBER, |stream| stream.next);
        if !self.interleaving {
            // Whether it is used twice is seen when the message is complete.
            return Some(unwrap_ssn(next, Ssn(data.number as u16)));
        }
        let number = unwrap_tsn(next, Tsn(data.number));
        let is_new = number >= next && !self.streams.get(&data.stream).is_some_and(|s| s.early.contains_key(&number));
        is_new.then_some(number)
    }

    /// A chunk for a stream that does not exist is acknowledged and dropped (RFC 9260, section 6.5).
    pub(crate) fn discard(&mut self, tsn: Tsn) {
        let tsn = self.tracker.count(tsn);
        if matches!(self.tracker.place(tsn), Place::Next | Place::Beyond) {
            self.tracker.insert(tsn);
        }
    }

    fn deliver(&mut self, complete: Complete, number: u64, stats: &mut Stats) -> Result<(), Violation> {
        if complete.payload.len().saturating_add(complete.taken) > self.max_message {
            return Err(Violation("a message larger than announced"));
        }
        let stream = self.streams.entry(complete.stream).or_default();
        if complete.taken > 0 {
            let id = complete.stream;
            self.held += stream.finish_reading(complete);
            self.announce(id);
            return Ok(());
        }
        let Complete { stream: id, unordered, ppid, payload, .. } = complete;
        let charge = payload.len() + MESSAGE_OVERHEAD;
        let message = Message { ppid, payload };
        if unordered {
            stream.ready.push_back(message);
        } else {
            if number < stream.next || stream.early.contains_key(&number) {
                // A number used twice: nobody could tell which message is meant.
                stats.refused += 1;
                return Ok(());
            }
            if number == stream.next {
                stream.ready.push_back(message);
                stream.next += 1;
            } else {
                stream.early.insert(number, message);
            }
            stream.release();
        }
        self.held += charge;
        self.announce(id);
        Ok(())
    }

    /// Tells of a stream that has messages now.
    fn announce(&mut self, id: u16) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let rest = matches!(stream.reading, Some(Reading::Complete { .. } | Reading::Abandoned { .. }));
        if (rest || !stream.ready.is_empty()) && !stream.announced {
            stream.announced = true;
            self.events.push_back(Event::Readable(id));
        }
    }

    pub(crate) fn read(&mut self, id: u16, stats: &mut Stats) -> Option<Message> {
        let stream = self.streams.get_mut(&id)?;
        if stream.reading.is_some() {
            // The rest of the message at hand comes first.
            return None;
        }
        let Some(message) = stream.ready.pop_front() else {
            stream.announced = false;
            return None;
        };
        self.held -= message.payload.len() + MESSAGE_OVERHEAD;
        stats.messages_received += 1;
        if stream.ready.is_empty() {
            stream.announced = false;
        }
        Some(message)
    }

    /// Takes a FORWARD TSN chunk (RFC 3758, section 3.6). False if it is old news, or jumps too far.
    pub(crate) fn forward(&mut self, forward: &ForwardTsn<'_>) -> bool {
        let tsn = self.tracker.count(forward.new_cumulative_tsn);
        if !self.tracker.skip_to(tsn) {
            return false;
        }
        self.reassembly.skip_to(tsn);
        for skipped in forward.skipped() {
            self.skip_to_message(skipped.stream, |next| unwrap_ssn(next, skipped.ssn));
            self.announce(skipped.stream);
        }
        self.end_all_abandoned();
        true
    }

    /// Takes an I-FORWARD-TSN chunk (RFC 8260, section 2.3.1). False if it is old news, or jumps too far.
    pub(crate) fn forward_messages(&mut self, forward: &IForwardTsn<'_>) -> bool {
        let tsn = self.tracker.count(forward.new_cumulative_tsn);
        if !self.tracker.skip_to(tsn) {
            return false;
        }
        for skipped in forward.skipped() {
            self.reassembly.skip_messages(skipped.stream, skipped.unordered, skipped.mid);
            if !skipped.unordered {
                self.skip_to_message(skipped.stream, |next| unwrap_tsn(next, Tsn(skipped.mid.0)));
            }
            self.end_abandoned(skipped.stream);
            self.announce(skipped.stream);
        }
        true
    }

    /// Messages of a stream up to a number will not come; those that are here are delivered.
    fn skip_to_message(&mut self, id: u16, last: impl FnOnce(u64) -> u64) {
        let stream = self.streams.entry(id).or_default();
        let last = last(stream.next);
        if last < stream.next {
            return;
        }
        while let Some(entry) = stream.early.first_entry()
            && *entry.key() <= last
        {
            stream.ready.push_back(entry.remove());
        }
        stream.next = last + 1;
        stream.release();
    }

    /// The peer starts these streams anew, or all of them (RFC 6525, section 5.2.2, E3).
    pub(crate) fn reset(&mut self, streams: &[u16]) {
        if streams.is_empty() {
            let all: Vec<u16> = self.streams.keys().copied().collect();
            for id in all {
                self.reset_stream(id);
            }
        }
        for id in streams {
            self.reset_stream(*id);
        }
    }

    fn reset_stream(&mut self, id: u16) {
        self.reassembly.reset(id);
        self.end_abandoned(id);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.next = FIRST_NUMBER;
            // Nothing can be early now, unless the peer left out numbers.
            while let Some((_, message)) = stream.early.pop_first() {
                self.held -= message.payload.len() + MESSAGE_OVERHEAD;
            }
            if stream.ready.is_empty() && stream.reading.is_none() {
                self.streams.remove(&id);
            }
        }
        if self.resets_announced.insert(id) {
            self.events.push_back(Event::IncomingReset(id));
        }
    }

    /// The application has been told of the stream's reset.
    pub(crate) fn reset_told(&mut self, id: u16) {
        self.resets_announced.remove(&id);
    }

    /// What the association before a restart had received in full can still be read.
    pub(crate) fn inherit(&mut self, before: Self) {
        for (id, stream) in before.streams {
            let reading = stream.reading.map(Reading::after_restart);
            if !stream.ready.is_empty() || reading.is_some() {
                self.held += reading.as_ref().map_or(0, Reading::charge);
                self.held += stream.ready.iter().map(|message| message.payload.len() + MESSAGE_OVERHEAD).sum::<usize>();
                let inherited = Stream { ready: stream.ready, reading, announced: true, ..Stream::default() };
                self.streams.insert(id, Box::new(inherited));
            }
        }
    }
}

impl Stream {
    /// What is next in order can be read.
    fn release(&mut self) {
        while let Some(message) = self.early.remove(&self.next) {
            self.ready.push_back(message);
            self.next += 1;
        }
    }
}
