//! Which stream's turn it is (RFC 8260, section 3).

mod common;

use common::*;
use sctp::packet::Chunk;
use sctp::{Config, Scheduler};
use sim::{Link, Side, Verdict};
use std::time::Duration;
use visavis_sctp as sctp;

fn config(scheduler: Scheduler, interleaving: bool) -> Config {
    Config {
        scheduler,
        interleaving,
        send_buffer: 64 << 20,
        receive_window: 16 << 20,
        max_message: 1 << 20,
        ..Config::default()
    }
}

fn both(scheduler: Scheduler, interleaving: bool) -> Apps {
    let config = config(scheduler, interleaving);
    pair(1, Link::delay(Duration::from_millis(10)), config.clone(), config)
}

/// The streams of the chunks from `a`, packet by packet.
fn watch(pair: &mut Apps) -> Log<Vec<u16>> {
    let (notes, seen) = log();
    pair.intercept(move |_, from, datagram| {
        let mut streams = Vec::new();
        chunks(datagram, |chunk| {
            if let Chunk::Data(sctp::packet::Data { stream, .. }) | Chunk::IData(sctp::packet::IData { stream, .. }) =
                chunk
            {
                streams.push(*stream);
            }
        });
        if from == Side::A && !streams.is_empty() {
            notes.push(streams);
        }
        Verdict::Pass
    });
    seen
}

fn start(pair: &mut Apps) {
    let now = pair.now();
    pair.a.pump(now);
}

/// How the bytes that arrived were shared by the time the first stream had half of its own; all have as much to send.
fn shares(mut pair: Apps, weights: &[u16], length: usize) -> Vec<f64> {
    const TOTAL: usize = 4 << 20;
    let streams = 0..weights.len() as u16;
    for (stream, weight) in streams.clone().zip(weights) {
        pair.a.association.set_priority(stream, *weight);
    }
    for number in 0..TOTAL / length {
        for stream in streams.clone() {
            pair.a.queue(stream, pattern(length, number), ORDERED);
        }
    }
    start(&mut pair);
    let got = |pair: &Apps, stream| pair.b.received.get(&stream).map_or(0, Vec::len);
    let half = TOTAL / length / 2;
    pair.expect("half a stream", MINUTE, |pair| streams.clone().any(|stream| got(pair, stream) >= half));
    let bytes: Vec<f64> = streams.map(|stream| (got(&pair, stream) * length) as f64).collect();
    let total: f64 = bytes.iter().sum();
    bytes.into_iter().map(|bytes| bytes / total).collect()
}

fn assert_shares(shares: &[f64], expected: &[f64]) {
    let total: f64 = expected.iter().sum();
    for (share, expected) in shares.iter().zip(expected) {
        assert!((share / (expected / total) - 1.0).abs() < 0.1, "{shares:?}");
    }
}

#[test]
fn the_priorities_of_data_channels_are_shares_within_a_tenth() {
    for interleaving in [true, false] {
        let pair = both(Scheduler::Weighted, interleaving);
        assert_shares(&shares(pair, &[128, 256, 512, 1024], 4000), &[1.0, 2.0, 4.0, 8.0]);
    }
}

#[test]
fn fair_shares_are_equal_whatever_the_priorities() {
    for interleaving in [true, false] {
        let pair = both(Scheduler::Fair, interleaving);
        assert_shares(&shares(pair, &[128, 256, 512, 1024], 4000), &[1.0; 4]);
    }
}

#[test]
fn shares_count_bytes_and_turns_count_chunks() {
    // One stream sends large messages, the other small ones.
    for (scheduler, is_fair) in [(Scheduler::Fair, true), (Scheduler::RoundRobin, false)] {
        let mut pair = both(scheduler, true);
        for number in 0..2000 {
            pair.a.queue(1, pattern(200, number), ORDERED);
        }
        for number in 0..20 {
            pair.a.queue(2, pattern(50_000, number), ORDERED);
        }
        let mut seen = watch(&mut pair);
        start(&mut pair);
        pair.expect("the small ones", MINUTE, |pair| pair.b.payloads(1).len() == 2000);
        let chunks: Vec<u16> = seen.all().into_iter().flatten().collect();
        let sent = |stream, among: &[u16]| among.iter().filter(|one| **one == stream).count();
        let among = chunks.get(..500).expect("as many");
        let (small, large) = (sent(1, among), sent(2, among));
        if is_fair {
            assert!(small > 3 * large, "{small} small, {large} large");
        } else {
            assert!(small.abs_diff(large) <= 2, "{small} small, {large} large");
        }
    }
}

#[test]
fn first_come_is_first_served_across_streams() {
    let mut pair = both(Scheduler::FirstCome, true);
    let order = [3, 1, 1, 2, 3, 1];
    for (number, stream) in order.into_iter().enumerate() {
        pair.a.queue(stream, pattern(3000, number), ORDERED);
    }
    let mut seen = watch(&mut pair);
    start(&mut pair);
    pair.expect("all", SECOND, |pair| pair.b.payloads(1).len() == 3);
    pair.run_for(SECOND);
    let mut streams: Vec<u16> = seen.all().into_iter().flatten().collect();
    streams.dedup();
    assert_eq!(streams, [3, 1, 2, 3, 1]);
}

#[test]
fn a_packet_holds_chunks_of_one_stream_and_streams_take_packets_in_turn() {
    for interleaving in [true, false] {
        let mut pair = both(Scheduler::RoundRobinPerPacket, interleaving);
        for number in 0..40 {
            for stream in 1..=3 {
                pair.a.queue(stream, pattern(200, number), ORDERED);
            }
        }
        let mut seen = watch(&mut pair);
        start(&mut pair);
        pair.expect("all", 10 * SECOND, |pair| (1..=3).all(|stream| pair.b.payloads(stream).len() == 40));
        let packets = seen.all();
        assert!(packets.iter().all(|packet| packet.iter().all(|stream| Some(stream) == packet.first())), "{packets:?}");
        let full = packets.iter().filter(|packet| packet.len() >= 4).count();
        assert!(full >= 20, "packets are filled: {packets:?}");
        let turns: Vec<u16> = packets.iter().filter_map(|packet| packet.first().copied()).take(9).collect();
        assert_eq!(turns, [1, 2, 3, 1, 2, 3, 1, 2, 3]);
    }
}

#[test]
fn strict_priority_lets_nothing_pass_before() {
    for interleaving in [true, false] {
        let mut pair = both(Scheduler::Priority, interleaving);
        pair.a.association.set_priority(1, 128);
        pair.a.association.set_priority(2, 1024);
        for number in 0..100 {
            pair.a.queue(1, pattern(5000, number), ORDERED);
            pair.a.queue(2, pattern(5000, number), ORDERED);
        }
        let mut seen = watch(&mut pair);
        start(&mut pair);
        pair.expect("all", MINUTE, |pair| pair.b.payloads(1).len() == 100);
        let mut streams: Vec<u16> = seen.all().into_iter().flatten().collect();
        streams.dedup();
        assert_eq!(streams, [2, 1]);
    }
}

#[test]
fn with_thousands_of_streams_each_gets_its_turn() {
    for scheduler in [Scheduler::Weighted, Scheduler::RoundRobin, Scheduler::FirstCome] {
        let mut pair = both(scheduler, true);
        for stream in 0..20_000 {
            pair.a.queue(stream, pattern(20, usize::from(stream)), ORDERED);
        }
        start(&mut pair);
        pair.expect("all", MINUTE, |pair| pair.b.received.len() == 20_000);
    }
}
