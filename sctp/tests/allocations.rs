//! No allocation per packet once an association has warmed up, and few per message. The allocator of this program
//! counts, per thread.

#![allow(clippy::indexing_slicing, reason = "a test that indexes wrongly fails, as it should")]

use allocation_counter::measure;
use bytes::Bytes;
use sctp::{Association, Config, Event, Message, Reliability, SendOptions};
use std::time::{Duration, Instant};
use visavis_sctp as sctp;

/// Two associations and a wire that takes 10 ms, loses a packet in a hundred if told to, and allocates nothing once it
/// has warmed up.
struct World {
    now: Instant,
    ends: [Association; 2],
    wires: [std::collections::VecDeque<(Instant, Vec<u8>)>; 2],
    spare: Vec<Vec<u8>>,
    loses: bool,
    packets: u64,
    received: usize,
    /// Of the last message.
    length: usize,
}

const DELAY: Duration = Duration::from_millis(10);

impl World {
    fn new(interleaving: bool, loses: bool) -> Self {
        let now = sim::start();
        let config = Config { interleaving, ..Config::default() };
        let end = |side: u8| Association::new(config.clone(), now, [side; 32]);
        let mut world = Self {
            now,
            ends: [end(1), end(2)],
            wires: Default::default(),
            spare: Vec::new(),
            loses: false,
            packets: 0,
            received: 0,
            length: 0,
        };
        world.ends[0].connect(now);
        world.run_for(Duration::from_secs(1));
        world.loses = loses;
        world
    }

    fn flush(&mut self) {
        for side in 0..2 {
            loop {
                let mut buf = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(2048));
                buf.clear();
                if !self.ends[side].poll_transmit(self.now, &mut buf) {
                    self.spare.push(buf);
                    break;
                }
                self.packets += 1;
                if self.loses && self.packets.is_multiple_of(100) {
                    self.spare.push(buf);
                } else {
                    self.wires[1 - side].push_back((self.now + DELAY, buf));
                }
            }
            while let Some(event) = self.ends[side].poll_event() {
                if let Event::Readable(stream) = event {
                    while let Some(message) = self.ends[side].read(self.now, stream) {
                        self.received += 1;
                        self.length = message.payload.len();
                    }
                }
            }
        }
    }

    /// What is due arrives in one batch, as a driver does it.
    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.flush();
        loop {
            let wires = self.wires.iter().filter_map(|wire| wire.front().map(|(at, _)| *at));
            let timers = self.ends.iter().filter_map(Association::poll_timeout);
            let Some(next) = wires.chain(timers).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            for side in 0..2 {
                while self.wires[side].front().is_some_and(|(at, _)| *at <= self.now)
                    && let Some((_, mut datagram)) = self.wires[side].pop_front()
                {
                    self.ends[side].handle_datagram(self.now, &mut datagram);
                    self.spare.push(datagram);
                }
                self.ends[side].handle_timeout(self.now);
            }
            self.flush();
        }
        self.now = end;
    }

    /// Keeps the send buffer filled with messages like this; returns how many were taken.
    fn send(&mut self, payload: &Bytes, options: SendOptions, rounds: usize) -> usize {
        let mut sent = 0;
        for _ in 0..rounds {
            for stream in [1, 2] {
                let message = Message { ppid: 51, payload: payload.clone() };
                while self.ends[0].stats().send_buffer_used < 200_000 {
                    sent += usize::from(self.ends[0].send(self.now, stream, message.clone(), options).is_ok());
                }
            }
            self.run_for(Duration::from_millis(5));
        }
        sent
    }
}

/// Allocations per message and per packet of a busy association, both ends together.
fn cost(length: usize, interleaving: bool, options: SendOptions, loses: bool) -> (f64, f64) {
    let mut world = World::new(interleaving, loses);
    let payload = Bytes::from(vec![7; length]);
    world.send(&payload, options, 800);
    let (packets, received) = (world.packets, world.received);
    let info = measure(|| {
        world.send(&payload, options, 400);
    });
    let messages = (world.received - received).max(1) as f64;
    let packets = (world.packets - packets).max(1) as f64;
    assert!(packets > 500.0, "it was busy: {packets} packets");
    assert_eq!(world.length, length, "whole messages");
    (info.count_total as f64 / messages, info.count_total as f64 / packets)
}

const RELIABLE: SendOptions = SendOptions { unordered: false, reliability: Reliability::Reliable };

#[test]
fn messages_take_few_allocations_and_packets_none() {
    for loses in [false, true] {
        for interleaving in [false, true] {
            for unordered in [false, true] {
                let options = SendOptions { unordered, ..RELIABLE };
                // The one that holds the message; where it comes in fragments that is one used before, and those that
                // keep account of them remain. What comes behind a hole waits in pieces.
                for (length, most) in [(100, 1.05), (1_000, 1.05), (100_000, if loses { 15.0 } else { 4.1 })] {
                    let (per_message, per_packet) = cost(length, interleaving, options, loses);
                    println!(
                        "{length} bytes, interleaving {interleaving}, unordered {unordered}, loss {loses}: \
                         {per_message:.3} allocations per message, {per_packet:.3} per packet"
                    );
                    assert!(per_message <= most, "{length} {interleaving} {unordered} {loses}: {per_message}");
                    // Of 100,000 bytes each packet carries one fragment.
                    assert!(length < 100_000 || per_packet < 0.2, "{interleaving} {unordered} {loses}: {per_packet}");
                }
            }
        }
    }
}
