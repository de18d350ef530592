//! Large messages in many packets, many messages in one (RFC 9260, sections 6.9 and 6.10).

mod common;

use common::*;
use sctp::packet::Chunk;
use sctp::{Closed, Config};
use sim::{Link, Side, Verdict, seeds};
use std::time::Duration;
use visavis_sctp as sctp;

/// The sizes of packets with data from `a`, and the numbers of their DATA chunks.
fn data_packets(pair: &mut Apps) -> Log<(usize, usize)> {
    let (sink, seen) = log();
    pair.intercept(move |_, from, datagram| {
        let mut count = 0;
        chunks(datagram, |chunk| count += usize::from(matches!(chunk, Chunk::Data(_))));
        if from == Side::A && count > 0 {
            sink.push((datagram.len(), count));
        }
        Verdict::Pass
    });
    seen
}

#[test]
fn messages_of_every_size_around_the_packet_size_arrive_whole() {
    let config = Config { max_packet: 200, ..Config::default() };
    let mut pair = pair(1, Link::delay(Duration::from_millis(5)), config, Config::default());
    let mut seen = data_packets(&mut pair);
    for length in 1..600 {
        pair.a.queue(1, pattern(length, length), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("all", 30 * SECOND, |pair| pair.b.payloads(1).len() == 599);
    let expected: Vec<_> = (1..600).map(|length| pattern(length, length)).collect();
    assert_eq!(pair.b.payloads(1), expected);
    assert!(seen.all().iter().all(|(size, _)| *size <= 200));
}

#[test]
fn a_large_message_fills_its_packets() {
    let mut pair = connected();
    let mut seen = data_packets(&mut pair);
    pair.a.queue(1, pattern(200_000, 0), ORDERED);
    pair.a.queue(1, pattern(50_000, 1), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("both", 5 * SECOND, |pair| pair.b.payloads(1).len() == 2);
    let seen = seen.all();
    let full = seen.iter().filter(|(size, _)| *size == 1160).count();
    assert!(full >= seen.len() - 1, "{full} of {} are full, the joint between the two as well", seen.len());
}

#[test]
fn small_messages_share_packets() {
    let mut pair = connected();
    let mut seen = data_packets(&mut pair);
    for number in 0..100 {
        pair.a.queue(number % 7, "small", ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("all", SECOND, |pair| pair.b.received.values().map(Vec::len).sum::<usize>() == 100);
    let seen = seen.all();
    assert!(seen.len() <= 3, "{seen:?}");
}

#[test]
fn a_message_that_fits_a_packet_is_never_cut() {
    let mut pair = connected();
    let mut seen = data_packets(&mut pair);
    for number in 0..20 {
        pair.a.queue(1, pattern(700, number), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("all", SECOND, |pair| pair.b.payloads(1).len() == 20);
    assert_eq!(seen.all().len(), 20);
}

#[test]
fn a_message_larger_than_announced_ends_the_association() {
    let b = Config { max_message: 1000, ..Config::default() };
    for length in [1001, 5000] {
        let mut pair = pair(1, Link::delay(Duration::from_millis(5)), Config::default(), b.clone());
        pair.a.queue(1, pattern(1000, 0), ORDERED);
        pair.a.queue(1, pattern(length, 1), ORDERED);
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("the end", SECOND, |pair| pair.a.closed().is_some() && pair.b.closed().is_some());
        assert_eq!(pair.b.payloads(1), [pattern(1000, 0)]);
        assert!(matches!(pair.b.closed(), Some(Closed::ProtocolViolation(_))));
    }
}

#[test]
fn a_message_larger_than_the_window_asked_for_still_arrives() {
    // The window is raised to what the largest message takes.
    let b = Config { max_message: 1 << 20, receive_window: 10_000, ..Config::default() };
    let mut pair = pair(1, Link::delay(Duration::from_millis(5)), Config::default(), b);
    pair.a.queue(1, pattern(1 << 20, 0), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the message", 10 * SECOND, |pair| pair.b.payloads(1) == [pattern(1 << 20, 0)]);
}

#[test]
fn fragments_in_any_order_make_the_same_message() {
    for seed in seeds(60) {
        let link = Link {
            reorder: 0.5,
            reorder_by: Duration::from_millis(60),
            duplicate: 0.2,
            ..Link::delay(Duration::from_millis(10))
        };
        let mut pair = pair(seed, link, Config::default(), Config::default());
        for number in 0..6 {
            pair.a.queue(number as u16 % 2, pattern(40_000, number), if number < 3 { UNORDERED } else { ORDERED });
        }
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("all", MINUTE, |pair| pair.b.received.values().map(Vec::len).sum::<usize>() == 6);
        let got: Vec<_> = (0..2).flat_map(|stream| pair.b.payloads(stream)).collect();
        assert!((0..6).all(|number| got.contains(&pattern(40_000, number))), "seed {seed}");
        assert_eq!(pair.b.association.stats().receive_buffer_used, 0, "seed {seed}");
    }
}
