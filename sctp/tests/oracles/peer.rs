//! An application that does what its plan says, and looks at its association after every step.

use crate::common::{SECOND, pattern};
use crate::draw::{Job, Plan};
use crate::wire::Watch;
use bytes::Bytes;
use rand::RngExt;
use rand::rngs::StdRng;
use sctp::{Association, Closed, Config, Event, Message, Progress, Reliability, SendError, SendOptions};
use sim::Endpoint;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use visavis_sctp as sctp;

/// What a message or chunk is charged beside its bytes.
const OVERHEAD: usize = 96;

/// A message that was handed over.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) id: u32,
    pub(crate) options: SendOptions,
    /// Its last part was not.
    pub(crate) is_open: bool,
}

impl Sent {
    pub(crate) fn is_reliable(&self) -> bool {
        self.options.reliability == Reliability::Reliable
    }
}

/// The message at work, and how much of it has been handed over.
struct Work {
    id: u32,
    payload: Bytes,
    offset: usize,
}

pub(crate) struct Peer {
    pub(crate) association: Association,
    config: Config,
    watch: Watch,
    jobs: VecDeque<Job>,
    work: Option<Work>,
    next_id: u32,
    paused_until: Option<Instant>,
    resetting: BTreeSet<u16>,
    pub(crate) accepted: BTreeMap<u32, Sent>,
    pub(crate) delivered: BTreeSet<u32>,
    pub(crate) abandoned: BTreeSet<u32>,
    pub(crate) closed: Option<Closed>,
    // Reading.
    rng: StdRng,
    stalls: f64,
    stalled_until: Option<Instant>,
    readable: BTreeSet<u16>,
    parts: BTreeMap<u16, (u32, Vec<u8>)>,
    pub(crate) got: BTreeSet<u32>,
    /// By stream.
    pub(crate) order: BTreeMap<u16, Vec<u32>>,
    // Work done.
    calls: u64,
    packets: u64,
    largest: usize,
    bytes: u64,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { association, jobs, readable, closed, stalled_until, resetting, .. } = self;
        let is_stalled = stalled_until.is_some();
        let state = (association.state(), jobs.len(), readable, closed, is_stalled, resetting);
        f.debug_tuple("Peer").field(&state).field(&association.stats()).finish()
    }
}

impl Peer {
    pub(crate) fn new(plan: &Plan, side: usize) -> Self {
        let config = plan.configs[side].clone();
        Self {
            association: Association::new(config.clone(), sim::start(), sim::seed_bytes(plan.seed, side as u64)),
            watch: Watch::default(),
            jobs: plan.jobs[side].iter().cloned().collect(),
            config,
            work: None,
            next_id: 1,
            paused_until: None,
            resetting: BTreeSet::new(),
            accepted: BTreeMap::new(),
            delivered: BTreeSet::new(),
            abandoned: BTreeSet::new(),
            closed: None,
            rng: sim::rng(plan.seed, 0x4ead + side as u64),
            stalls: plan.stalls,
            stalled_until: None,
            readable: BTreeSet::new(),
            parts: BTreeMap::new(),
            got: BTreeSet::new(),
            order: BTreeMap::new(),
            calls: 0,
            packets: 0,
            largest: 0,
            bytes: 0,
        }
    }

    pub(crate) fn connect(&mut self, now: Instant) {
        self.association.connect(now);
        self.pump(now);
    }

    pub(crate) fn shutdown(&mut self, now: Instant) {
        self.association.shutdown(now);
        self.pump(now);
    }

    pub(crate) fn abort(&mut self, now: Instant) {
        self.association.abort(now, "enough");
        self.pump(now);
    }

    pub(crate) fn has_said_all(&self) -> bool {
        self.jobs.is_empty() && self.resetting.is_empty() && self.association.state() != sctp::State::CookieWait
    }

    pub(crate) fn is_over(&self) -> bool {
        self.closed.is_some() && self.readable.is_empty()
    }

    fn pump(&mut self, now: Instant) {
        self.calls += 1;
        self.hear();
        while self.work(now) {}
        self.read(now);
        self.hear();
        self.check_memory();
    }

    fn hear(&mut self) {
        while let Some(event) = self.association.poll_event() {
            assert!(self.closed.is_none(), "an event after the end: {event:?}");
            match event {
                Event::Readable(stream) => {
                    self.readable.insert(stream);
                }
                Event::Delivered(id) => {
                    let is_news = self.delivered.insert(id as u32) && !self.abandoned.contains(&(id as u32));
                    assert!(is_news, "message {id}: told twice");
                }
                Event::Abandoned(id) => {
                    let is_news = self.abandoned.insert(id as u32) && !self.delivered.contains(&(id as u32));
                    assert!(is_news, "message {id}: told twice");
                }
                Event::OutgoingReset(stream) => {
                    assert!(self.resetting.remove(&stream), "nobody asked for a reset of {stream}");
                }
                Event::ResetRefused(stream) => panic!("a reset of {stream} was refused"),
                Event::Restarted => panic!("nobody restarted"),
                Event::Closed(why) => {
                    self.closed = Some(why);
                    self.resetting.clear();
                }
                Event::Connected | Event::Writable | Event::BufferedAmountLow(_) | Event::IncomingReset(_) => {}
            }
        }
    }

    /// Goes on with the first job; false if it has to wait, or there is none.
    fn work(&mut self, now: Instant) -> bool {
        if self.paused_until.is_some_and(|until| until > now) {
            return false;
        }
        self.paused_until = None;
        let done = match self.jobs.front().cloned() {
            None => return false,
            Some(Job::Reset(stream)) => {
                if self.resetting.contains(&stream) {
                    return false;
                }
                // The association may have ended, which leaves nothing to reset.
                if self.closed.is_none() && self.association.state() == sctp::State::Established {
                    self.resetting.insert(stream);
                    self.association.reset_streams(now, &[stream]);
                }
                true
            }
            Some(Job::Priority(stream, priority)) => {
                self.association.set_priority(stream, priority);
                true
            }
            Some(Job::Pause(time)) => {
                self.paused_until = Some(now + time);
                true
            }
            Some(Job::Send { stream, length, parts, options }) => match parts {
                None => self.send(now, stream, length, options),
                Some(part) => self.send_part(now, stream, length, part, options),
            },
        };
        if done {
            self.jobs.pop_front();
        }
        done
    }

    fn begin(&mut self, length: usize) -> (u32, Bytes, usize) {
        self.largest = self.largest.max(length);
        let id = self.next_id;
        let work = self.work.get_or_insert_with(|| Work { id, payload: pattern(length, id as usize), offset: 0 });
        self.next_id = work.id + 1;
        (work.id, work.payload.clone(), work.offset)
    }

    /// True if the job is done.
    fn send(&mut self, now: Instant, stream: u16, length: usize, options: SendOptions) -> bool {
        let (id, payload, _) = self.begin(length);
        let message = Message { ppid: id, payload };
        match self.association.send_with_receipt(now, stream, message, options, u64::from(id)) {
            Ok(()) => {
                self.accepted.insert(id, Sent { id, options, is_open: false });
                self.bytes += length as u64;
            }
            Err(SendError::Full { .. } | SendError::Resetting(_)) => return false,
            Err(SendError::Closed(_)) => self.jobs.clear(),
            Err(error) => panic!("{error}"),
        }
        self.work = None;
        true
    }

    fn send_part(&mut self, now: Instant, stream: u16, length: usize, part: usize, options: SendOptions) -> bool {
        loop {
            let (id, payload, offset) = self.begin(length);
            let end = (offset + part).min(length);
            // So that an empty last part is met too.
            let is_last = offset == length || (end == length && !length.is_multiple_of(2));
            let message = Message { ppid: id, payload: payload.slice(offset..end) };
            match self.association.send_part(now, stream, message, options, is_last, Some(u64::from(id))) {
                Ok(()) => {
                    self.accepted.insert(id, Sent { id, options, is_open: !is_last });
                    self.bytes += (end - offset) as u64;
                    if let Some(work) = &mut self.work {
                        work.offset = end;
                    }
                    if !is_last {
                        continue;
                    }
                }
                Err(SendError::Full { .. } | SendError::Resetting(_)) => return false,
                Err(SendError::Abandoned(_)) => assert!(options.reliability != Reliability::Reliable),
                Err(SendError::Closed(_)) => self.jobs.clear(),
                Err(error) => panic!("{error}"),
            }
            self.work = None;
            return true;
        }
    }

    fn read(&mut self, now: Instant) {
        if self.stalled_until.is_some_and(|until| until > now) {
            return;
        }
        self.stalled_until = None;
        while let Some(stream) = self.readable.first().copied() {
            let is_read =
                if self.config.partial_delivery { self.read_part(now, stream) } else { self.read_whole(now, stream) };
            if !is_read {
                self.readable.remove(&stream);
            } else if self.stalls > 0.0 && self.rng.random_bool(self.stalls) {
                self.stalled_until = Some(now + SECOND.mul_f64(self.rng.random_range(0.0..3.0)));
                return;
            }
            self.hear();
        }
    }

    fn read_whole(&mut self, now: Instant, stream: u16) -> bool {
        let Some(message) = self.association.read(now, stream) else { return false };
        self.take(stream, message.ppid, &message.payload);
        true
    }

    fn read_part(&mut self, now: Instant, stream: u16) -> bool {
        let Some(part) = self.association.read_part(now, stream) else { return false };
        let is_known = self.parts.contains_key(&stream);
        assert_eq!(is_known, !part.is_first, "a beginning is a beginning");
        let (id, bytes) = self.parts.entry(stream).or_insert_with(|| (part.ppid, Vec::new()));
        assert_eq!(*id, part.ppid, "parts of one message");
        bytes.extend_from_slice(&part.payload);
        match part.progress {
            Progress::More => {}
            Progress::Abandoned => {
                self.parts.remove(&stream);
            }
            Progress::Complete => {
                let (id, bytes) = self.parts.remove(&stream).unwrap_or_default();
                self.take(stream, id, &bytes);
            }
        }
        true
    }

    fn take(&mut self, stream: u16, id: u32, payload: &[u8]) {
        assert_eq!(payload, pattern(payload.len(), id as usize), "message {id} on {stream}");
        assert!(self.got.insert(id), "message {id} came twice");
        self.order.entry(stream).or_default().push(id);
    }

    fn check_memory(&self) {
        let stats = self.association.stats();
        // What is cut into fragments after it was accepted is charged for each of them.
        let full = (self.config.max_packet - 60) / 2;
        let accepted = self.config.send_buffer.max(self.config.max_send_buffer).max(self.largest + OVERHEAD);
        let sending = accepted + OVERHEAD * (accepted / full + 2);
        assert!(stats.send_buffer_used <= sending, "{} of {sending} to be sent", stats.send_buffer_used);
        let whole = if self.config.partial_delivery { 0 } else { self.config.max_message };
        let window = (self.config.receive_window as usize).max(whole + (64 << 10));
        let most = 2 * window + whole;
        assert!(stats.receive_buffer_used <= most, "{} of {most} to be read", stats.receive_buffer_used);
    }

    /// Nothing spins: calls and packets are in proportion to what was to be done, and to the time.
    pub(crate) fn check_work(&self, time: Duration) {
        let packets = 200 + 40 * time.as_secs() + self.watch.needed(self.config.max_packet);
        assert!(self.packets <= packets, "{} packets in {time:?}, {packets} would do", self.packets);
        let calls = 400 + 100 * time.as_secs() + 8 * (self.packets + self.watch.heard);
        assert!(self.calls <= calls, "{} calls in {time:?}, {calls} would do", self.calls);
    }
}

impl Endpoint for Peer {
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        self.watch.heard(datagram);
        self.association.handle_datagram(now, datagram);
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
        self.pump(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let before = buf.len();
        let is_sent = self.association.poll_transmit(now, buf);
        if is_sent {
            self.packets += 1;
            let abandoned = self.association.stats().messages_abandoned;
            self.watch.sent(&buf[before..], &self.config, abandoned);
        }
        self.hear();
        is_sent
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.association.poll_timeout(), self.stalled_until, self.paused_until].into_iter().flatten().min()
    }
}
