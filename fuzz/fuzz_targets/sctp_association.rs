#![no_main]
//! Two associations, and whatever the bytes say: commands, lost, late and repeated packets, time, and chunks that
//! neither of them sent, in packets with a valid tag and checksum so that they are looked at. Nothing panics, no poll
//! goes on for ever, no timer stays in the past, and what is held stays bounded.
//!
//! The bits of the first byte say whether the two are connected first, whether they interleave messages, leave out
//! checksums, and tell of messages in parts; the next three are the scheduler. Then follow steps: a byte for what to do, and what it
//! takes.

use libfuzzer_sys::fuzz_target;
use sctp::packet::{Packet, write_checksum};
use sctp::{Association, Config, Event, Message, Reliability, Scheduler, SendOptions, Tsn};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use wire::{Malformed, Reader};

const WINDOW: u32 = 50_000;
const LARGEST: usize = 20_000;
/// The window holds the largest message and 64 KiB at least.
const MOST_HELD: usize = 2 * (LARGEST + (64 << 10)) + LARGEST;
const STEPS: usize = 300;
/// Packets that one side may send without any new input.
const BURST: usize = 2000;
/// Packets kept for later.
const KEPT: usize = 200;

struct Side {
    association: Association,
    /// The tag of packets to it, as the other side sends them.
    tag: u32,
    /// Packets on the way to it, and those that have been.
    coming: VecDeque<Vec<u8>>,
    past: VecDeque<Vec<u8>>,
}

struct World {
    now: Instant,
    sides: [Side; 2],
}

impl World {
    fn new(mode: u8) -> Self {
        let scheduler = match mode >> 4 & 7 {
            0 => Scheduler::FirstCome,
            1 => Scheduler::RoundRobin,
            2 => Scheduler::RoundRobinPerPacket,
            3 => Scheduler::Priority,
            4 => Scheduler::Fair,
            _ => Scheduler::Weighted,
        };
        let now = Instant::now();
        let side = |seed| {
            let config = Config {
                max_message: LARGEST,
                receive_window: WINDOW,
                send_buffer: 60_000,
                max_gaps: 50,
                max_retransmits: 4,
                initial_tsn: Some(Tsn(0xffff_fff0)),
                interleaving: mode & 2 != 0,
                zero_checksum: mode & 4 != 0,
                partial_delivery: mode & 8 != 0,
                scheduler,
                ..Config::default()
            };
            let association = Association::new(config, now, [seed; 32]);
            Side { association, tag: 0, coming: VecDeque::new(), past: VecDeque::new() }
        };
        Self { now, sides: [side(1), side(2)] }
    }

    /// Lets a side send all that it has.
    fn flush(&mut self, from: usize) {
        let now = self.now;
        for count in 0.. {
            assert!(count < BURST, "sends without end");
            let mut packet = Vec::new();
            if !self.sides[from].association.poll_transmit(now, &mut packet) {
                assert!(packet.is_empty(), "nothing sent, something written");
                assert!(!self.sides[from].association.poll_transmit(now, &mut packet), "nothing, then something");
                break;
            }
            let tag = Packet::decode(&packet).expect("a packet of ours").header.verification_tag;
            let to = &mut self.sides[1 - from];
            if tag != 0 {
                to.tag = tag;
            }
            if to.coming.len() < KEPT {
                to.coming.push_back(packet);
            }
        }
        let held = self.sides[from].association.stats().receive_buffer_used;
        assert!(held <= MOST_HELD, "{held} bytes held");
        for count in 0.. {
            assert!(count < 200_000, "events without end");
            match self.sides[from].association.poll_event() {
                Some(Event::Closed(_)) => assert!(self.sides[from].association.is_closed()),
                Some(_) => {}
                None => break,
            }
        }
    }

    fn flush_both(&mut self) {
        self.flush(0);
        self.flush(1);
    }

    /// The oldest packet arrives.
    fn deliver(&mut self, to: usize) -> bool {
        let Some(packet) = self.sides[to].coming.pop_front() else { return false };
        self.sides[to].association.handle_datagram(self.now, &mut packet.clone());
        if self.sides[to].past.len() >= KEPT {
            self.sides[to].past.pop_front();
        }
        self.sides[to].past.push_back(packet);
        self.flush_both();
        true
    }

    fn settle(&mut self) {
        self.flush_both();
        for _ in 0..BURST {
            if !(self.deliver(0) | self.deliver(1)) {
                break;
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..50 {
            let next = self.sides.iter().filter_map(|side| side.association.poll_timeout()).min();
            self.now = next.filter(|next| *next <= end).unwrap_or(end).max(self.now);
            for side in &mut self.sides {
                side.association.handle_timeout(self.now);
                assert!(side.association.poll_timeout().is_none_or(|next| next > self.now), "a timer in the past");
            }
            self.flush_both();
            if self.now == end {
                break;
            }
        }
        self.now = end;
    }

    fn inject(&mut self, to: usize, chunks: &[u8]) {
        let kind = chunks.first().copied().unwrap_or_default();
        let tag = if kind == 1 { 0 } else { self.sides[to].tag };
        let mut packet = [5000u16.to_be_bytes(), 5000u16.to_be_bytes()].concat();
        packet.extend_from_slice(&tag.to_be_bytes());
        packet.extend_from_slice(&[0; 4]);
        packet.extend_from_slice(chunks);
        write_checksum(&mut packet);
        self.sides[to].association.handle_datagram(self.now, &mut packet);
    }

    fn send(&mut self, from: usize, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let stream = u16::from(input.u8("stream")? % 8);
        let (message, options, how) = message(input)?;
        let association = &mut self.sides[from].association;
        let _ = match how & 128 {
            0 => association.send(self.now, stream, message, options),
            _ => association.send_with_receipt(self.now, stream, message, options, how.into()),
        };
        Ok(())
    }

    /// Messages in parts, and whose turn it is.
    fn parts(&mut self, side: usize, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let command = input.u8("command")?;
        let stream = u16::from(command >> 3 & 7);
        let now = self.now;
        let association = &mut self.sides[side].association;
        match command & 7 {
            0..=3 => {
                let (part, options, how) = message(input)?;
                let _ = association.send_part(now, stream, part, options, command & 1 == 1, Some(how.into()));
            }
            4 => association.cancel_parts(now, stream),
            5 => association.set_priority(stream, input.u16("priority")?),
            _ => {
                for stream in 0..8 {
                    while association.read_part(now, stream).is_some() {}
                }
            }
        }
        Ok(())
    }
}

/// A message and how to send it.
fn message(input: &mut Reader<'_>) -> Result<(Message, SendOptions, u8), Malformed> {
    let length = usize::from(input.u16("length")?) % LARGEST + 1;
    let how = input.u8("options")?;
    let reliability = match how & 3 {
        0 | 1 => Reliability::Reliable,
        2 => Reliability::MaxRetransmits(u16::from(how >> 3) % 4),
        _ => Reliability::MaxLifetime(Duration::from_millis(u64::from(how))),
    };
    let options = SendOptions { unordered: how & 4 != 0, reliability };
    let message = Message { ppid: 51, payload: vec![how; length].into() };
    Ok((message, options, how))
}

impl World {
    fn step(&mut self, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let op = input.u8("step")?;
        let side = usize::from(op & 1);
        let now = self.now;
        match op >> 1 & 15 {
            0 | 1 => {
                let chunks = input.sub_u16("chunks")?.rest();
                self.inject(side, chunks);
            }
            2 | 3 => {
                self.deliver(side);
            }
            4 => {
                self.sides[side].coming.pop_front();
            }
            5 => {
                // One that is late, or comes again.
                let at = usize::from(input.u8("which")?);
                let from = if at & 1 == 0 { &self.sides[side].coming } else { &self.sides[side].past };
                if let Some(mut packet) = from.get(at >> 1).cloned() {
                    self.sides[side].association.handle_datagram(now, &mut packet);
                }
            }
            6 => self.wait(Duration::from_millis(1 << (input.u8("time")? % 17))),
            7 | 8 => self.send(side, input)?,
            9 => {
                for stream in 0..8 {
                    while self.sides[side].association.read(now, stream).is_some() {}
                }
            }
            10 => {
                let stream = u16::from(input.u8("stream")? % 8);
                self.sides[side].association.reset_streams(now, &[stream]);
            }
            11 => match input.u8("command")? % 8 {
                0 => self.sides[side].association.shutdown(now),
                1 => self.sides[side].association.abort(now, "enough"),
                _ => self.sides[side].association.connect(now),
            },
            12 => self.sides[side].association.set_max_packet(usize::from(input.u16("size")?)),
            14 => self.parts(side, input)?,
            13 => self.sides[side].association.set_buffered_amount_low_threshold(1, 1000),
            _ => self.settle(),
        }
        self.flush_both();
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Reader::new(bytes);
    let mode = input.u8("mode").unwrap_or(0);
    let mut world = World::new(mode);
    if mode & 1 == 1 {
        world.sides[0].association.connect(world.now);
        world.settle();
        assert!(world.sides.iter().all(|side| side.association.state() == sctp::State::Established));
    }
    for _ in 0..STEPS {
        if world.step(&mut input).is_err() {
            break;
        }
    }
});
