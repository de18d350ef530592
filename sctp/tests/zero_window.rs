//! A receiver that does not read, and one that reads again (RFC 9260, section 6.1, rule A, and 6.2).

mod common;

use common::*;
use sctp::Config;
use sctp::packet::Chunk;
use sim::{Link, Side, Verdict, seeds};
use std::time::Duration;
use visavis_sctp as sctp;

fn small() -> Config {
    Config { receive_window: 100_000, max_message: 16_000, ..Config::default() }
}

/// A pair whose `b` does not read, and whose window is full.
fn stuffed(seed: u64, link: Link) -> Apps {
    let mut pair = pair(seed, link, Config::default(), small());
    pair.b.reads = false;
    for number in 0..100 {
        pair.a.queue(1, pattern(10_000, number), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(20 * SECOND);
    pair
}

#[test]
fn what_is_not_read_closes_the_window_and_stays_bounded() {
    let pair = stuffed(1, Link::delay(Duration::from_millis(10)));
    assert!(pair.b.most_held <= 2 * 100_000 + 16_000, "{} bytes", pair.b.most_held);
    assert!(pair.b.most_held >= 90_000);
    assert!(pair.a.association.stats().peer_window < 1200);
    assert!(pair.a.closed().is_none());
}

#[test]
fn probes_keep_a_closed_window_alive_for_ever() {
    let mut pair = stuffed(1, Link::delay(Duration::from_millis(10)));
    let (seen, mut probes) = log();
    pair.intercept(move |_, from, datagram| {
        let data = has_chunk(datagram, |chunk| matches!(chunk, Chunk::Data(_)));
        if from == Side::A && data {
            seen.push(());
        }
        Verdict::Pass
    });
    pair.run_for(30 * MINUTE);
    assert!(pair.a.closed().is_none() && pair.b.closed().is_none(), "the peer answers, so it is alive");
    let probes = probes.all().len();
    // Every ten seconds at most, once backed off.
    assert!((50..400).contains(&probes), "{probes} probes in half an hour");
    assert!(pair.b.most_held <= 2 * 100_000 + 16_000, "{} bytes", pair.b.most_held);
}

#[test]
fn reading_opens_the_window_at_once() {
    let mut pair = stuffed(1, Link::delay(Duration::from_millis(10)));
    pair.b.reads = true;
    let now = pair.now();
    pair.b.pump(now);
    pair.expect("the rest", 3 * SECOND, |pair| pair.b.payloads(1).len() == 100);
}

#[test]
fn a_lost_window_update_is_found_by_a_probe() {
    let mut pair = stuffed(1, Link::delay(Duration::from_millis(10)));
    let until = pair.now() + Duration::from_millis(100);
    pair.intercept(move |now, from, _| if from == Side::B && now < until { Verdict::Drop } else { Verdict::Pass });
    pair.b.reads = true;
    let now = pair.now();
    pair.b.pump(now);
    pair.expect("the rest", 30 * SECOND, |pair| pair.b.payloads(1).len() == 100);
}

#[test]
fn reading_a_little_opens_no_silly_window() {
    let mut pair = stuffed(1, Link::delay(Duration::from_millis(10)));
    let (seen, mut updates) = log();
    pair.intercept(move |_, from, datagram| {
        let sack = has_chunk(datagram, |chunk| matches!(chunk, Chunk::Sack(_)));
        if from == Side::B && sack {
            seen.push(());
        }
        Verdict::Pass
    });
    let now = pair.now();
    assert!(pair.b.association.read(now, 1).is_some());
    pair.run_for(Duration::from_millis(200));
    assert_eq!(updates.all().len(), 0, "a tenth of the window is not worth a packet");
    let now = pair.now();
    while pair.b.association.read(now, 1).is_some() {}
    pair.run_for(Duration::from_millis(1));
    assert_eq!(updates.all().len(), 1);
}

#[test]
fn a_slow_reader_gets_everything_on_any_rough_link() {
    for seed in seeds(60) {
        let mut pair = pair(seed, Link::rough(seed), Config::default(), small());
        pair.b.reads = false;
        for number in 0..60 {
            pair.a.queue(1, pattern(9_000, number), ORDERED);
        }
        let now = pair.now();
        pair.a.pump(now);
        for _ in 0..3000 {
            pair.run_for(Duration::from_millis(100));
            let now = pair.now();
            if let Some(message) = pair.b.association.read(now, 1) {
                pair.b.received.entry(1).or_default().push(message);
            }
            if pair.b.payloads(1).len() == 60 {
                break;
            }
        }
        let expected: Vec<_> = (0..60).map(|number| pattern(9_000, number)).collect();
        assert!(pair.b.payloads(1) == expected, "seed {seed}: {} of 60", pair.b.payloads(1).len());
        assert!(pair.b.most_held <= 2 * 100_000 + 16_000, "seed {seed}: {} bytes", pair.b.most_held);
    }
}

#[test]
fn many_tiny_messages_stay_within_the_bound_too() {
    let mut pair = pair(1, Link::delay(Duration::from_millis(10)), Config::default(), small());
    pair.b.reads = false;
    for _ in 0..20_000 {
        pair.a.queue(1, "x", ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(20 * SECOND);
    assert!(pair.b.most_held <= 2 * 100_000 + 16_000, "{} bytes", pair.b.most_held);
    pair.b.reads = true;
    let now = pair.now();
    pair.b.pump(now);
    pair.expect("the rest", 5 * MINUTE, |pair| pair.b.payloads(1).len() == 20_000);
}
