//! Messages larger than the buffers, in parts at either end; and receipts.

mod common;

use common::*;
use sctp::{Association, Config, Event, Message, Progress, Reliability, SendError, SendOptions};
use sim::{Endpoint, Link, Pair, Side, Verdict, seeds};
use std::time::{Duration, Instant};
use visavis_sctp as sctp;

const BOUND: usize = 1 << 20;
const PART: usize = 16 << 10;

fn bounded(interleaving: bool) -> Config {
    Config {
        interleaving,
        partial_delivery: true,
        max_message: usize::MAX,
        send_buffer: BOUND,
        max_send_buffer: BOUND,
        receive_window: BOUND as u32,
        ..Config::default()
    }
}

/// The byte at this place of a message without end.
fn byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9).wrapping_add(at >> 13) >> 7) as u8
}

/// Writes messages of the given sizes in parts, and checks those that it reads in parts.
struct Streamer {
    association: Association,
    events: Vec<Event>,
    /// Stream, bytes left and bytes sent of each message to be sent, one after the other.
    plan: Vec<(u16, u64, u64)>,
    got: u64,
    complete: Vec<u64>,
    abandoned: usize,
    most_sending: usize,
    most_held: usize,
    options: SendOptions,
}

impl Streamer {
    fn new(config: Config, seed: u64) -> Self {
        Self {
            association: Association::new(config, sim::start(), sim::seed_bytes(seed, 7)),
            events: Vec::new(),
            plan: Vec::new(),
            got: 0,
            complete: Vec::new(),
            abandoned: 0,
            most_sending: 0,
            most_held: 0,
            options: ORDERED,
        }
    }

    fn pump(&mut self, now: Instant) {
        while let Some(event) = self.association.poll_event() {
            self.events.push(event);
        }
        self.write(now);
        while let Some(part) = self.association.read_part(now, 1) {
            if part.is_first {
                self.got = 0;
            }
            for got in part.payload {
                assert_eq!(got, byte(self.got), "at {}", self.got);
                self.got += 1;
            }
            if part.progress == Progress::Complete {
                self.complete.push(self.got);
            }
            self.abandoned += usize::from(part.progress == Progress::Abandoned);
        }
        let stats = self.association.stats();
        self.most_sending = self.most_sending.max(stats.send_buffer_used);
        self.most_held = self.most_held.max(stats.receive_buffer_used);
    }

    fn write(&mut self, now: Instant) {
        while let Some((stream, left, sent)) = self.plan.first_mut() {
            let length = (*left).min(PART as u64);
            let payload = (*sent..*sent + length).map(byte).collect();
            let part = Message { ppid: 53, payload };
            match self.association.send_part(now, *stream, part, self.options, length == *left, Some(*sent)) {
                Ok(()) => {}
                Err(SendError::Full { .. }) => return,
                Err(SendError::Abandoned(_)) => *left = length,
                Err(error) => panic!("{error}"),
            }
            (*left, *sent) = (*left - length, *sent + length);
            if *left == 0 {
                self.plan.remove(0);
            }
        }
    }
}

impl Endpoint for Streamer {
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        self.association.handle_datagram(now, datagram);
        self.pump(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
        self.pump(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.association.poll_transmit(now, buf)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.association.poll_timeout()
    }
}

fn streamers(seed: u64, link: Link, config: &Config) -> Pair<Streamer, Streamer> {
    let mut pair = Pair::new(seed, link, Streamer::new(config.clone(), 1), Streamer::new(config.clone(), 2));
    pair.a.association.connect(sim::start());
    pair.expect("the handshake", MINUTE, |pair| pair.b.events.contains(&Event::Connected));
    pair
}

#[test]
fn a_message_of_two_hundred_megabytes_passes_through_one_megabyte_at_each_end() {
    for interleaving in [true, false] {
        let mut pair = streamers(1, Link::delay(Duration::from_millis(2)), &bounded(interleaving));
        pair.a.plan.push((1, 200 << 20, 0));
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("the message", 60 * MINUTE, |pair| !pair.b.complete.is_empty());
        assert_eq!(pair.b.complete, [200 << 20]);
        for streamer in [&pair.a, &pair.b] {
            // Messages are charged as they come, chunks as they leave.
            assert!(streamer.most_sending <= BOUND + BOUND / 8, "{} bytes", streamer.most_sending);
            assert!(streamer.most_held <= 2 * BOUND, "{} bytes", streamer.most_held);
        }
    }
}

#[test]
fn messages_in_parts_arrive_whole_on_any_rough_link() {
    for seed in seeds(60) {
        let config = Config {
            send_buffer: 60_000,
            max_send_buffer: 0,
            receive_window: 80_000,
            ..bounded(seed.is_multiple_of(2))
        };
        let mut pair = streamers(seed, Link::rough(seed), &config);
        pair.a.options.unordered = seed % 3 == 0;
        let lengths = [1, 300_000, 20_000, 5, 100_000];
        pair.a.plan.extend(lengths.map(|length| (1, length, 0)));
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("the messages", 60 * MINUTE, |pair| pair.b.complete.len() == 5);
        pair.expect("the acknowledgements", MINUTE, |pair| pair.a.association.stats().send_buffer_used == 0);
        if pair.a.options.unordered {
            pair.b.complete.sort_by_key(|length| lengths.iter().position(|sent| sent == length));
        }
        assert_eq!(pair.b.complete, lengths, "seed {seed}");
        assert_eq!(pair.b.association.stats().receive_buffer_used, 0, "seed {seed}");
    }
}

#[test]
fn a_message_given_up_half_read_ends_for_its_reader_and_the_next_one_follows() {
    for interleaving in [true, false] {
        for unordered in [true, false] {
            let link = Link { rate: Some(100_000), ..Link::delay(Duration::from_millis(20)) };
            let mut pair = streamers(1, link, &bounded(interleaving));
            pair.a.options = SendOptions { unordered, reliability: Reliability::MaxLifetime(SECOND) };
            pair.a.plan.push((1, 10 << 20, 0));
            let now = pair.now();
            pair.a.pump(now);
            pair.expect("the beginning", SECOND, |pair| pair.b.got > 10_000);
            pair.expect("its end", MINUTE, |pair| pair.b.abandoned == 1 && pair.a.plan.is_empty());
            pair.run_for(SECOND);
            pair.a.plan.push((1, 20_000, 0));
            pair.a.options.reliability = Reliability::Reliable;
            let now = pair.now();
            pair.a.pump(now);
            pair.expect("the next one", MINUTE, |pair| !pair.b.complete.is_empty());
            assert_eq!(pair.b.complete, [20_000]);
            assert_eq!(pair.b.association.stats().receive_buffer_used, 0);
        }
    }
}

#[test]
fn what_is_cancelled_is_skipped_and_its_stream_can_be_reset() {
    for interleaving in [true, false] {
        let mut pair = streamers(1, Link::delay(Duration::from_millis(10)), &bounded(interleaving));
        let now = pair.now();
        let begin = |pair: &mut Pair<Streamer, Streamer>, now| {
            let part = Message { ppid: 53, payload: (0..50_000).map(byte).collect() };
            pair.a.association.send_part(now, 1, part, ORDERED, false, None).expect("room");
        };
        begin(&mut pair, now);
        let refused = pair.a.association.send(now, 1, message("other"), ORDERED);
        assert!(matches!(refused, Err(SendError::InParts(_))));
        pair.expect("the beginning", SECOND, |pair| pair.b.got > 10_000);
        let now = pair.now();
        pair.a.association.cancel_parts(now, 1);
        pair.expect("its end", SECOND, |pair| pair.b.abandoned == 1);
        let now = pair.now();
        begin(&mut pair, now);
        pair.run_for(SECOND);
        let now = pair.now();
        pair.a.association.reset_streams(now, &[1]);
        pair.expect("the reset", SECOND, |pair| {
            pair.a.pump(sim::start());
            pair.a.events.contains(&Event::OutgoingReset(1))
        });
        assert_eq!(pair.b.abandoned, 2);
        let now = pair.now();
        begin(&mut pair, now);
        pair.run_for(SECOND);
        let now = pair.now();
        pair.a.association.shutdown(now);
        pair.expect("the shutdown", MINUTE, |pair| pair.a.association.is_closed() && pair.b.association.is_closed());
        assert_eq!(pair.b.abandoned, 3);
    }
}

#[test]
fn an_open_message_that_stalls_holds_up_no_other_stream_and_no_timer() {
    let mut pair = pair(1, Link::delay(Duration::from_millis(10)), bounded(true), bounded(true));
    let now = pair.now();
    let part = message(pattern(10_000, 0));
    pair.a.association.send_part(now, 1, part, ORDERED, false, None).expect("room");
    pair.a.queue(2, "passes", ORDERED);
    pair.a.pump(now);
    pair.expect("the other one", SECOND, |pair| pair.b.payloads(2) == ["passes"]);
    pair.run_for(SECOND);
    let quiet = pair.a.association.stats().packets_sent;
    pair.run_for(20 * SECOND);
    assert_eq!(pair.a.association.stats().packets_sent, quiet);
    let now = pair.now();
    let last = message(pattern(10_000, 1));
    pair.a.association.send_part(now, 1, last, ORDERED, true, None).expect("room");
    pair.expect("the rest", SECOND, |pair| pair.b.payloads(1).len() == 1);
    assert_eq!(pair.b.payloads(1), [[pattern(10_000, 0), pattern(10_000, 1)].concat()]);
}

#[test]
fn an_empty_last_part_ends_a_message_and_small_parts_fill_packets() {
    for interleaving in [true, false] {
        let config = Config { interleaving, ..Config::default() };
        let mut pair = pair(1, Link::delay(Duration::from_millis(10)), config.clone(), config);
        let now = pair.now();
        let association = &mut pair.a.association;
        let empty = association.send_part(now, 1, message(""), ORDERED, true, None);
        assert!(matches!(empty, Err(SendError::Empty(_))));
        let whole = pattern(10_000, 3);
        for part in whole.chunks(10) {
            association.send_part(now, 1, message(part.to_vec()), ORDERED, false, None).expect("room");
        }
        association.send_part(now, 1, message(""), ORDERED, true, None).expect("an end");
        let before = association.stats().packets_sent;
        pair.expect("the message", SECOND, |pair| pair.b.payloads(1) == [whole.clone()]);
        let packets = pair.a.association.stats().packets_sent - before;
        assert!(packets <= 14, "{packets} packets");
    }
}

#[test]
fn a_receipt_comes_with_the_acknowledgement_of_the_whole_message() {
    for interleaving in [true, false] {
        let config = Config { interleaving, ..Config::default() };
        let mut pair = pair(1, Link::delay(Duration::from_millis(50)), config.clone(), config);
        let mut count = 0;
        pair.intercept(move |_, from, datagram| {
            // The third packet with data is lost once.
            let data = has_chunk(datagram, |chunk| {
                matches!(chunk, sctp::packet::Chunk::Data(_) | sctp::packet::Chunk::IData(_))
            });
            count += u32::from(from == Side::A && data);
            if from == Side::A && data && count == 3 { Verdict::Drop } else { Verdict::Pass }
        });
        let now = pair.now();
        for (stream, length, receipt) in [(1, 20_000, 7), (2, 500, 8), (1, 300, 9)] {
            let message = message(pattern(length, 0));
            pair.a.association.send_with_receipt(now, stream, message, ORDERED, receipt).expect("room");
        }
        pair.expect("all receipts", 10 * SECOND, |pair| {
            let receipts = pair.a.events.iter().filter(|event| matches!(event, Event::Delivered(_))).count();
            // None before its message has arrived.
            assert!(receipts <= pair.b.received.values().map(Vec::len).sum());
            receipts == 3
        });
        assert!((7..=9).all(|receipt| pair.a.has(&Event::Delivered(receipt))));
        assert!(pair.elapsed() >= Duration::from_millis(100), "a round trip at least");
    }
}

#[test]
fn a_receipt_says_what_was_given_up_before_and_after_it_was_sent() {
    for interleaving in [true, false] {
        let config = Config { interleaving, ..Config::default() };
        let mut pair = pair(1, Link::delay(Duration::from_millis(10)), config.clone(), config);
        pair.intercept(|_, from, datagram| {
            let data = has_chunk(datagram, |chunk| {
                matches!(chunk, sctp::packet::Chunk::Data(data) if data.stream == 1)
                    || matches!(chunk, sctp::packet::Chunk::IData(data) if data.stream == 1)
            });
            if from == Side::A && data { Verdict::Drop } else { Verdict::Pass }
        });
        let now = pair.now();
        let expired = SendOptions { unordered: false, reliability: Reliability::MaxLifetime(Duration::ZERO) };
        let association = &mut pair.a.association;
        association.send_with_receipt(now, 1, message(pattern(5000, 0)), retransmits(0), 1).expect("room");
        association.send_with_receipt(now, 2, message("late"), expired, 2).expect("room");
        association.send_with_receipt(now, 3, message("fine"), ORDERED, 3).expect("room");
        pair.run_for(10 * SECOND);
        let receipts: Vec<_> = (pair.a.events.iter())
            .filter(|event| matches!(event, Event::Delivered(_) | Event::Abandoned(_)))
            .cloned()
            .collect();
        assert_eq!(receipts.len(), 3, "{receipts:?}");
        assert!(
            pair.a.has(&Event::Abandoned(1)) && pair.a.has(&Event::Abandoned(2)) && pair.a.has(&Event::Delivered(3))
        );
    }
}

/// Hands over parts of this size, whenever there is word of room, until there are so many.
fn hand_over(pair: &mut Apps, stream: u16, count: usize, size: usize) {
    for number in 0..count {
        let is_last = number + 1 == count;
        let mut part = message(pattern(size, number));
        pair.expect("room for the part", MINUTE, |pair| {
            let now = pair.now();
            match pair.a.association.send_part(now, stream, part.clone(), ORDERED, is_last, None) {
                Ok(()) => return true,
                Err(SendError::Full { message, .. }) => part = message,
                Err(error) => panic!("{error}"),
            }
            false
        });
    }
}

#[test]
fn parts_larger_than_the_buffer_follow_each_other_though_something_is_kept_back() {
    for interleaving in [false, true] {
        let config = Config { send_buffer: 5000, max_send_buffer: 0, interleaving, ..Config::default() };
        let mut pair = pair(1, Link::delay(SECOND / 100), config.clone(), config);
        hand_over(&mut pair, 1, 3, 8000);
        pair.expect("the message", MINUTE, |pair| pair.b.payloads(1).len() == 1);
        assert_eq!(pair.b.payloads(1)[0].len(), 24_000);
    }
}

#[test]
fn a_full_buffer_behind_an_open_message_does_not_keep_its_parts_out() {
    let config = Config { send_buffer: 20_000, max_send_buffer: 0, ..Config::default() };
    let mut pair = pair(1, Link::delay(SECOND / 100), config.clone(), config);
    hand_over_begin(&mut pair);
    // Without interleaving they wait until the message before them has come to its end.
    for _ in 0..40 {
        pair.a.queue(2, pattern(1000, 0), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(SECOND);
    assert!(!pair.a.outbox.is_empty(), "the buffer is full");
    pair.a.events.clear();
    hand_over(&mut pair, 1, 3, 8000);
    pair.expect("all of it", MINUTE, |pair| pair.b.payloads(1).len() == 1 && pair.b.payloads(2).len() == 40);
}

/// The first packets of a message leave, so that it has to be completed before others.
fn hand_over_begin(pair: &mut Apps) {
    let now = pair.now();
    pair.a.association.send_part(now, 1, message(pattern(5000, 9)), ORDERED, false, None).expect("room");
    pair.run_for(SECOND);
}
