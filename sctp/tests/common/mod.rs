//! What the tests share: an association with an application on top of it, and packets made by hand.

#![allow(dead_code, reason = "each test file uses a part of it")]

use bytes::Bytes;
use sctp::packet::{Chunk, Packet, write_checksum};
use sctp::{Association, Config, Event, Message, Reliability, SendError, SendOptions};
use sim::{Endpoint, Link, Pair, seed_bytes};
use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use visavis_sctp as sctp;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// An application: sends what is in its outbox as room allows, reads whatever comes, and remembers all of it.
pub(crate) struct App {
    pub(crate) association: Association,
    pub(crate) events: Vec<Event>,
    pub(crate) received: BTreeMap<u16, Vec<Message>>,
    pub(crate) outbox: VecDeque<(u16, Message, SendOptions)>,
    /// Whether to read what comes.
    pub(crate) reads: bool,
    /// The most that the receive buffer ever held.
    pub(crate) most_held: usize,
}

impl App {
    pub(crate) fn new(config: Config, seed: u64, stream: u64) -> Self {
        Self {
            association: Association::new(config, sim::start(), seed_bytes(seed, stream)),
            events: Vec::new(),
            received: BTreeMap::new(),
            outbox: VecDeque::new(),
            reads: true,
            most_held: 0,
        }
    }

    pub(crate) fn queue(&mut self, stream: u16, payload: impl Into<Bytes>, options: SendOptions) {
        self.outbox.push_back((stream, message(payload), options));
    }

    /// What an application does after every input.
    pub(crate) fn pump(&mut self, now: Instant) {
        while let Some(event) = self.association.poll_event() {
            self.events.push(event);
        }
        self.most_held = self.most_held.max(self.association.stats().receive_buffer_used);
        if self.reads {
            self.read_all(now);
        }
        while let Some((stream, message, options)) = self.outbox.pop_front() {
            match self.association.send(now, stream, message, options) {
                Ok(()) => {}
                Err(SendError::Full { message, .. }) => {
                    self.outbox.push_front((stream, message, options));
                    break;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) fn read_all(&mut self, now: Instant) {
        let readable: Vec<u16> = self.events.iter().filter_map(readable).collect();
        for stream in readable {
            while let Some(message) = self.association.read(now, stream) {
                self.received.entry(stream).or_default().push(message);
            }
        }
    }

    pub(crate) fn count(&self, event: &Event) -> usize {
        self.events.iter().filter(|seen| *seen == event).count()
    }

    pub(crate) fn has(&self, event: &Event) -> bool {
        self.count(event) > 0
    }

    pub(crate) fn payloads(&self, stream: u16) -> Vec<Bytes> {
        self.received.get(&stream).into_iter().flatten().map(|message| message.payload.clone()).collect()
    }

    pub(crate) fn closed(&self) -> Option<&sctp::Closed> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(why) => Some(why),
            Event::Connected
            | Event::Readable(_)
            | Event::Writable
            | Event::BufferedAmountLow(_)
            | Event::OutgoingReset(_)
            | Event::ResetRefused(_)
            | Event::IncomingReset(_)
            | Event::Delivered(_)
            | Event::Abandoned(_)
            | Event::Restarted => None,
        })
    }
}

fn readable(event: &Event) -> Option<u16> {
    if let Event::Readable(stream) = event { Some(*stream) } else { None }
}

impl Endpoint for App {
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        self.association.handle_datagram(now, datagram);
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
        self.pump(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let sent = self.association.poll_transmit(now, buf);
        while let Some(event) = self.association.poll_event() {
            self.events.push(event);
        }
        sent
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.association.poll_timeout()
    }
}

pub(crate) type Apps = Pair<App, App>;

pub(crate) fn message(payload: impl Into<Bytes>) -> Message {
    Message { ppid: 51, payload: payload.into() }
}

pub(crate) const ORDERED: SendOptions = SendOptions { unordered: false, reliability: Reliability::Reliable };
pub(crate) const UNORDERED: SendOptions = SendOptions { unordered: true, reliability: Reliability::Reliable };

pub(crate) fn retransmits(max: u16) -> SendOptions {
    SendOptions { unordered: false, reliability: Reliability::MaxRetransmits(max) }
}

/// Two associations that have not met.
pub(crate) fn strangers(seed: u64, link: Link, a: Config, b: Config) -> Apps {
    Pair::new(seed, link, App::new(a, seed, 0), App::new(b, seed, 1))
}

/// Two associations, connected.
pub(crate) fn pair(seed: u64, link: Link, a: Config, b: Config) -> Apps {
    let mut pair = strangers(seed, link, a, b);
    pair.a.association.connect(sim::start());
    pair.expect("the handshake", 5 * MINUTE, |pair| pair.a.has(&Event::Connected) && pair.b.has(&Event::Connected));
    pair
}

/// Two associations with default settings on a link that only takes 10 ms, connected.
pub(crate) fn connected() -> Apps {
    pair(1, Link::delay(Duration::from_millis(10)), Config::default(), Config::default())
}

/// Reads a packet's chunks and hands them to `look`.
pub(crate) fn chunks(datagram: &[u8], mut look: impl FnMut(&Chunk<'_>)) {
    let packet = Packet::decode(datagram).expect("a packet of ours");
    for chunk in packet.chunks() {
        look(&chunk.expect("a chunk of ours"));
    }
}

pub(crate) fn tag_of(datagram: &[u8]) -> u32 {
    Packet::decode(datagram).expect("a packet of ours").header.verification_tag
}

/// A packet with these chunks and a valid checksum.
pub(crate) fn packet(tag: u32, chunks: &[Chunk<'_>]) -> Vec<u8> {
    let mut bytes = [5000u16.to_be_bytes(), 5000u16.to_be_bytes()].concat();
    bytes.extend_from_slice(&tag.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    for chunk in chunks {
        chunk.encode(&mut bytes);
    }
    write_checksum(&mut bytes);
    bytes
}

/// Whether a datagram has a chunk like this.
pub(crate) fn has_chunk(datagram: &[u8], mut like: impl FnMut(&Chunk<'_>) -> bool) -> bool {
    let mut found = false;
    chunks(datagram, |chunk| found |= like(chunk));
    found
}

/// Bytes that tell their place, so that any mix-up shows.
pub(crate) fn pattern(length: usize, salt: usize) -> Bytes {
    (0..length)
        .map(|at| (at.wrapping_mul(31).wrapping_add(at >> 8).wrapping_add(salt.wrapping_mul(131))) as u8)
        .collect()
}

/// What a hook notes, for the test to look at.
pub(crate) fn log<T>() -> (Notes<T>, Log<T>) {
    let (sender, receiver) = channel();
    (Notes(sender), Log { receiver, seen: Vec::new() })
}

/// The hook's end of a [`log`].
pub(crate) struct Notes<T>(Sender<T>);

impl<T> Notes<T> {
    pub(crate) fn push(&self, note: T) {
        // A test that is over does not read any more.
        self.0.send(note).unwrap_or_default();
    }
}

/// The test's end of a [`log`].
pub(crate) struct Log<T> {
    receiver: Receiver<T>,
    seen: Vec<T>,
}

impl<T: Clone> Log<T> {
    pub(crate) fn all(&mut self) -> Vec<T> {
        self.seen.extend(self.receiver.try_iter());
        self.seen.clone()
    }
}
