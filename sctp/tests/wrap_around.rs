//! Serial numbers pass their largest value (RFC 9260, section 1.6).

mod common;

use common::*;
use sctp::{Config, Event, Tsn};
use sim::{Link, seeds};
use std::time::Duration;
use visavis_sctp as sctp;

#[test]
fn tsns_wrap_in_the_middle_of_lost_and_reordered_data() {
    for seed in seeds(100) {
        let config = |offset: u32| Config { initial_tsn: Some(Tsn(u32::MAX - offset)), ..Config::default() };
        let mut pair = pair(seed, Link::rough(seed), config(seed as u32), config(seed as u32 / 2));
        for number in 0..20 {
            pair.a.queue(1, pattern(6000, number), ORDERED);
            pair.b.queue(1, pattern(6000, number), if number % 2 == 0 { UNORDERED } else { retransmits(20) });
        }
        let now = pair.now();
        pair.a.pump(now);
        pair.b.pump(now);
        pair.expect("all", 10 * MINUTE, |pair| pair.b.payloads(1).len() == 20 && pair.a.payloads(1).len() == 20);
        let expected: Vec<_> = (0..20).map(|number| pattern(6000, number)).collect();
        assert!(pair.b.payloads(1) == expected, "seed {seed}");
    }
}

#[test]
fn abandoned_chunks_are_skipped_across_the_wrap() {
    for offset in 0..12 {
        let a = Config { initial_tsn: Some(Tsn(u32::MAX - offset)), ..Config::default() };
        let link = Link { loss: 0.2, ..Link::delay(Duration::from_millis(20)) };
        let mut pair = pair(u64::from(offset), link, a, Config::default());
        for number in 0..40 {
            pair.a.queue(1, pattern(1500, number), retransmits(0));
        }
        pair.a.queue(1, "last", ORDERED);
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("the last", MINUTE, |pair| pair.b.payloads(1).last().is_some_and(|last| last == "last"));
    }
}

#[test]
fn stream_sequence_numbers_wrap() {
    let mut pair = connected();
    let link = Link { loss: 0.01, ..Link::delay(Duration::from_millis(5)) };
    pair.set_links(link);
    let total = 70_000u32;
    for number in 0..total {
        pair.a.queue(1, number.to_be_bytes().to_vec(), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("all", 20 * MINUTE, |pair| pair.b.received.get(&1).map_or(0, Vec::len) == total as usize);
    let numbers = pair.b.payloads(1);
    assert!(numbers.iter().zip(0..total).all(|(payload, number)| payload[..] == number.to_be_bytes()));
}

#[test]
fn request_numbers_wrap() {
    let a = Config { initial_tsn: Some(Tsn(u32::MAX - 1)), ..Config::default() };
    let mut pair = pair(1, Link::delay(Duration::from_millis(5)), a, Config::default());
    for round in 1..=5 {
        let now = pair.now();
        pair.a.association.reset_streams(now, &[3]);
        pair.expect("the reset", SECOND, |pair| pair.a.count(&Event::OutgoingReset(3)) == round);
    }
}
