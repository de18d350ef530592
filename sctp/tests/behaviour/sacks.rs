//! How many acknowledgements there are, and acknowledgements that nobody honest would send.

use crate::common::*;
use rand::RngExt;
use sctp::packet::{Chunk, RawChunk};
use sctp::{Config, Tsn};
use sim::{Endpoint, Link, Side, Verdict, rng};
use std::time::Duration;
use visavis_sctp as sctp;

const MS: Duration = Duration::from_millis(1);

/// Sends 4 MB; returns how many packets with a SACK there were per megabyte, how many packets with data, and the time.
fn sacks_per_megabyte(link: Link) -> (f64, f64, Duration) {
    let mut pair = pair(1, link, Config::default(), Config::default());
    let (sink, mut seen) = log();
    pair.intercept(move |_, from, datagram| {
        let is_sack = from == Side::B && has_chunk(datagram, |chunk| matches!(chunk, Chunk::Sack(_)));
        sink.push(is_sack);
        Verdict::Pass
    });
    let started = pair.elapsed();
    for number in 0..16 {
        pair.a.queue(1, pattern(250_000, number), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("all", MINUTE, |pair| pair.b.payloads(1).len() == 16);
    let took = pair.elapsed() - started;
    let seen = seen.all();
    let sacks = seen.iter().filter(|is_sack| **is_sack).count();
    (sacks as f64 / 4.0, (seen.len() - sacks) as f64 / 4.0, took)
}

#[test]
fn acknowledgements_cost_one_packet_per_burst() {
    // Nothing keeps the packets of a burst apart: they arrive in one batch, and are acknowledged at once.
    let (sacks, packets, took) = sacks_per_megabyte(Link::delay(20 * MS));
    println!("in bursts: {sacks} SACKs for {packets} packets per MB, {took:?}");
    assert!(sacks < 100.0 && packets < 900.0, "{sacks} SACKs for {packets} packets");
    // Slow start grows with what is acknowledged, in however few SACKs: 4 MB in some nine round trips of 40 ms.
    assert!(took < 600 * MS, "{took:?}");
    // Packets that arrive one by one: every second one is acknowledged (RFC 9260, section 6.2).
    let apart = Link { rate: Some(12_500_000), queue: 1_000_000, ..Link::delay(20 * MS) };
    let (sacks, packets, took) = sacks_per_megabyte(apart);
    println!("one by one: {sacks} SACKs for {packets} packets per MB, {took:?}");
    assert!(sacks <= packets / 2.0 + 5.0, "{sacks} SACKs for {packets} packets");
}

/// A SACK made by hand: cumulative TSN, window, gap blocks, duplicates.
fn sack(tag: u32, cumulative: Tsn, window: u32, gaps: &[(u16, u16)], duplicates: &[Tsn]) -> Vec<u8> {
    let mut value = [cumulative.0.to_be_bytes(), window.to_be_bytes()].concat();
    value.extend_from_slice(&(gaps.len() as u16).to_be_bytes());
    value.extend_from_slice(&(duplicates.len() as u16).to_be_bytes());
    for (start, end) in gaps {
        value.extend_from_slice(&start.to_be_bytes());
        value.extend_from_slice(&end.to_be_bytes());
    }
    for tsn in duplicates {
        value.extend_from_slice(&tsn.0.to_be_bytes());
    }
    packet(tag, &[Chunk::Unknown(RawChunk { kind: 3, flags: 0, value: &value })])
}

/// The tag that packets to `a` carry, and the last TSN that was acknowledged, once a message has been sent.
fn warmed_up() -> (Apps, u32, Tsn) {
    let mut pair = connected();
    let (sink, mut seen) = log();
    pair.intercept(move |_, from, datagram| {
        if from == Side::B {
            chunks(datagram, |chunk| {
                if let Chunk::Sack(sack) = chunk {
                    sink.push((tag_of(datagram), sack.cumulative_tsn_ack));
                }
            });
        }
        Verdict::Pass
    });
    pair.a.queue(0, pattern(1000, 0), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(SECOND);
    let (tag, last) = *seen.all().last().expect("a SACK");
    // From now on only the test answers.
    pair.intercept(|_, from, _| if from == Side::B { Verdict::Drop } else { Verdict::Pass });
    (pair, tag, last)
}

#[test]
fn gap_blocks_in_any_order_overlapping_and_huge_count_once() {
    let (mut pair, tag, last) = warmed_up();
    pair.a.queue(0, pattern(11_000, 1), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(MS);
    let flight = pair.a.association.stats().in_flight;
    let window = pair.a.association.stats().congestion_window;
    let mut gaps = vec![(7, 8), (3, 4), (4, 7), (3, 3), (3, 8)];
    pair.inject(Side::A, &sack(tag, last, 1 << 20, &gaps, &[]));
    pair.run_for(Duration::from_micros(10));
    let stats = pair.a.association.stats();
    assert_eq!(flight - stats.in_flight, 6 * 1148 + stats_lost(&pair), "3 to 8, once each: {stats:?}");
    assert!(stats.congestion_window <= window + 6 * 1148, "{stats:?}");
    // As many as fit a chunk, all the same, and then one that says what cannot be.
    gaps = vec![(3, 8); 16_000];
    pair.inject(Side::A, &sack(tag, last, 1 << 20, &gaps, &[]));
    gaps.push((9, 60_000));
    let before = pair.a.association.stats().refused;
    pair.inject(Side::A, &sack(tag, last, 1 << 20, &gaps, &[]));
    for impossible in [(0, 0), (5, 3), (0, 5), (65_535, 65_535)] {
        pair.inject(Side::A, &sack(tag, last, 1 << 20, &[impossible], &[]));
    }
    pair.run_for(MS);
    assert_eq!(pair.a.association.stats().refused - before, 5);
    pair.stop_intercepting();
    pair.expect("the message", MINUTE, |pair| pair.b.payloads(0).len() == 2);
}

/// Bytes that are taken to be lost, as what was sent later has arrived: the first two chunks.
fn stats_lost(pair: &Apps) -> usize {
    let resent = pair.a.association.stats().retransmits as usize;
    (2 - resent.min(2)) * 1148
}

#[test]
fn windows_that_shrink_to_nonsense_and_grow_again_stop_nothing_for_good() {
    let (mut pair, tag, last) = warmed_up();
    for number in 0..20 {
        pair.a.queue(0, pattern(20_000, number), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    for window in [0, 1, 3, u32::MAX, 0, 1147, u32::MAX, 7, 0] {
        pair.inject(Side::A, &sack(tag, last, window, &[], &[]));
        pair.run_for(10 * MS);
        let stats = pair.a.association.stats();
        assert!(stats.in_flight <= stats.congestion_window + 1148, "{stats:?}");
    }
    pair.stop_intercepting();
    pair.expect("all", MINUTE, |pair| pair.b.payloads(0).len() == 21);
}

#[test]
fn drawn_sacks_neither_panic_nor_storm_nor_stop_the_transfer() {
    for seed in sim::seeds(30) {
        let mut rng = rng(seed, 0x5ac);
        let (mut pair, tag, last) = warmed_up();
        for number in 0..20 {
            pair.a.queue(0, pattern(20_000, number), ORDERED);
        }
        let now = pair.now();
        pair.a.pump(now);
        let before = pair.counts(Side::A).sent;
        for _ in 0..500 {
            // Of what was sent nothing is acknowledged for good, so that it can be delivered in the end.
            let gaps: Vec<_> = (0..rng.random_range(0..6))
                .map(|_| {
                    let start = rng.random_range(1..20);
                    (start, start + rng.random_range(0..5))
                })
                .collect();
            let duplicates: Vec<_> = (0..rng.random_range(0..4)).map(|_| last.plus(rng.random_range(0..30))).collect();
            let window = if rng.random_bool(0.5) { rng.random() } else { rng.random_range(0..3000) };
            let cumulative = if rng.random_bool(0.1) { Tsn(rng.random()) } else { last };
            // A cumulative acknowledgement of what was sent would be believed.
            let cumulative = if cumulative.0.wrapping_sub(last.0) < 1000 { last } else { cumulative };
            let mut datagram = sack(tag, cumulative, window, &gaps, &duplicates);
            let now = pair.now();
            pair.a.handle_datagram(now, &mut datagram);
            pair.run_for(Duration::from_micros(rng.random_range(0..2000)));
            let stats = pair.a.association.stats();
            assert!(stats.in_flight <= stats.congestion_window.max(1148) + 40 * 1148, "seed {seed}: {stats:?}");
        }
        let sent = pair.counts(Side::A).sent - before;
        assert!(sent < 3000, "seed {seed}: {sent} packets in half a second");
        pair.stop_intercepting();
        pair.expect("all", MINUTE, |pair| pair.b.payloads(0).len() == 21);
    }
}

#[test]
fn who_has_lost_something_or_can_send_no_more_asks_for_an_acknowledgement_at_once() {
    let mut pair = connected();
    let (sink, mut seen) = log();
    let mut dropped = None;
    pair.intercept(move |_, from, datagram| {
        let mut verdict = Verdict::Pass;
        if from == Side::A {
            chunks(datagram, |chunk| {
                if let Chunk::Data(data) = chunk {
                    sink.push((data.tsn, data.flags.immediate));
                    if data.flags.begin && dropped.is_none() {
                        dropped = Some(data.tsn);
                        verdict = Verdict::Drop;
                    }
                }
            });
        }
        verdict
    });
    for number in 0..4 {
        pair.a.queue(0, pattern(250_000, number), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the messages", MINUTE, |pair| pair.b.payloads(0).len() == 4);
    let seen = seen.all();
    let first = seen[0].0;
    let of_first: Vec<bool> = seen.iter().filter(|(tsn, _)| *tsn == first).map(|(_, immediate)| *immediate).collect();
    assert_eq!(of_first, [false, true], "sent again");
    // The initial window ends with the tenth packet.
    assert!(seen[..12].iter().any(|(_, immediate)| *immediate), "{:?}", &seen[..12]);
    let asked = seen.iter().filter(|(_, immediate)| *immediate).count();
    assert!(asked < seen.len() / 20, "{asked} of {}", seen.len());
}
