//! Loss repaired by SACKs or by the timer (RFC 9260, sections 6.3 and 7.2.4).

mod common;

use common::*;
use sctp::packet::Chunk;
use sctp::{Closed, Config};
use sim::{Endpoint, Link, Side, Verdict};
use std::collections::BTreeMap;
use std::time::Duration;
use visavis_sctp as sctp;

const STEP: Duration = Duration::from_millis(10);

/// Drops the packets from `a` with data that have these numbers, counted from 0.
fn drop_data(pair: &mut Apps, lost: &'static [usize]) {
    let mut count = 0;
    pair.intercept(move |_, from, datagram| {
        if from == Side::A && has_chunk(datagram, |chunk| matches!(chunk, Chunk::Data(_))) {
            count += 1;
            if lost.contains(&(count - 1)) {
                return Verdict::Drop;
            }
        }
        Verdict::Pass
    });
}

#[test]
fn three_reports_repair_a_loss_within_round_trips() {
    let mut pair = connected();
    drop_data(&mut pair, &[1]);
    pair.a.queue(0, pattern(100_000, 0), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    let started = pair.elapsed();
    pair.expect("the message", 10 * SECOND, |pair| !pair.b.payloads(0).is_empty());
    let stats = pair.a.association.stats();
    assert_eq!((stats.fast_retransmits, stats.timeouts, stats.retransmits), (1, 0, 1));
    assert!(pair.elapsed() - started < Duration::from_millis(400), "no timeout was waited for");
}

#[test]
fn a_burst_of_losses_is_one_event_for_the_congestion_window() {
    let mut pair = connected();
    pair.a.queue(0, pattern(60_000, 0), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(SECOND);
    let window = pair.a.association.stats().congestion_window;
    // The window is several packets by now; lose three of the next flight.
    drop_data(&mut pair, &[2, 3, 5]);
    pair.a.queue(0, pattern(60_000, 1), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the message", 10 * SECOND, |pair| pair.b.payloads(0).len() == 2);
    let stats = pair.a.association.stats();
    assert_eq!((stats.timeouts, stats.retransmits), (0, 3));
    assert!(stats.slow_start_threshold >= window / 2 - 1160, "halved once: {window} to {}", stats.slow_start_threshold);
}

#[test]
fn a_lost_tail_is_repaired_by_a_probe() {
    let mut pair = connected();
    drop_data(&mut pair, &[0]);
    pair.a.queue(0, "alone", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    let started = pair.elapsed();
    pair.expect("the message", 10 * SECOND, |pair| !pair.b.payloads(0).is_empty());
    // Two round trips, what the peer may delay an acknowledgement by, and the way there.
    assert_eq!(pair.elapsed() - started, STEP * 4 + Duration::from_millis(25) + STEP);
    let stats = pair.a.association.stats();
    assert_eq!((stats.timeouts, stats.tail_probes), (0, 1));
}

#[test]
fn a_lost_sack_costs_nothing_when_the_next_one_comes() {
    // At this rate packets arrive one by one, and every second one is acknowledged.
    let link = Link { rate: Some(1_000_000), ..Link::delay(STEP) };
    let mut pair = pair(1, link, Config::default(), Config::default());
    let mut sacks = 0;
    pair.intercept(move |_, from, datagram| {
        let sack = from == Side::B && has_chunk(datagram, |chunk| matches!(chunk, Chunk::Sack(_)));
        sacks += usize::from(sack);
        if sack && sacks % 3 == 1 { Verdict::Drop } else { Verdict::Pass }
    });
    pair.a.queue(0, pattern(100_000, 0), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the message", 10 * SECOND, |pair| !pair.b.payloads(0).is_empty());
    let stats = pair.a.association.stats();
    assert_eq!((stats.timeouts, stats.retransmits), (0, 0));
}

#[test]
fn the_timer_backs_off_and_a_silent_peer_ends_the_association() {
    let mut pair = connected();
    let (seen, mut sent) = log();
    pair.intercept(move |now, from, _| {
        if from == Side::A {
            seen.push(now);
        }
        Verdict::Drop
    });
    pair.a.queue(0, "into the void", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the end", 10 * MINUTE, |pair| pair.a.closed().is_some());
    assert_eq!(pair.a.closed(), Some(&Closed::TimedOut));
    let sent = sent.all();
    let waits: Vec<u128> = sent.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    let expected = [65, 300, 600, 1200, 2400, 4800, 9600, 10_000, 10_000, 10_000, 10_000];
    assert_eq!(waits, expected, "a probe and ten retransmissions");
    assert_eq!(pair.a.poll_timeout(), None);
}

#[test]
fn after_a_timeout_one_packet_is_in_flight_until_something_is_acknowledged() {
    let mut pair = connected();
    pair.a.queue(0, pattern(200_000, 0), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(Duration::from_millis(45));
    // Nothing passes for a while, then everything does again.
    let until = pair.now() + SECOND;
    let (seen, mut sent) = log();
    pair.intercept(move |now, from, _| {
        if from == Side::A {
            seen.push(now);
        }
        if now < until { Verdict::Drop } else { Verdict::Pass }
    });
    pair.expect("the message", 20 * SECOND, |pair| !pair.b.payloads(0).is_empty());
    let mut by_instant: BTreeMap<_, usize> = BTreeMap::new();
    for at in sent.all() {
        *by_instant.entry(at).or_default() += 1;
    }
    let after_timeout: Vec<usize> =
        by_instant.iter().filter(|(at, _)| **at > until - SECOND + STEP * 20).map(|(_, count)| *count).collect();
    assert!(after_timeout.len() > 5);
    assert_eq!(after_timeout.iter().take(2).copied().collect::<Vec<_>>(), [1, 1], "{after_timeout:?}");
}

#[test]
fn late_duplicates_do_not_confuse_the_round_trip_time() {
    // Karn's rule: what was sent twice measures nothing.
    let mut pair = connected();
    drop_data(&mut pair, &[0]);
    pair.a.queue(0, "twice", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(5 * SECOND);
    assert_eq!(pair.a.association.stats().rtt, Some(Duration::from_millis(20)));
}

#[test]
fn an_oversized_chunk_goes_alone_after_the_path_has_shrunk() {
    let link = Link::delay(STEP);
    let mut pair = pair(1, link, Config::default(), Config::default());
    drop_data(&mut pair, &[0, 1]);
    pair.a.queue(0, pattern(2000, 0), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(Duration::from_millis(1));
    pair.a.association.set_max_packet(600);
    pair.expect("the message", 10 * SECOND, |pair| !pair.b.payloads(0).is_empty());
}

#[test]
fn a_window_that_is_not_used_for_a_while_is_forgotten() {
    let mut pair = connected();
    for number in 0..40 {
        pair.a.queue(0, pattern(50_000, number), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("all", 10 * SECOND, |pair| pair.b.payloads(0).len() == 40);
    let window = pair.a.association.stats().congestion_window;
    assert!(window > 50_000, "{window}");
    // Acknowledgements, heartbeats and the peer's data do not count as use.
    for _ in 0..20 {
        pair.b.queue(0, "tick", ORDERED);
        let now = pair.now();
        pair.b.pump(now);
        pair.run_for(SECOND);
    }
    pair.a.queue(0, "x", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(SECOND);
    let stats = pair.a.association.stats();
    assert_eq!(stats.congestion_window, 10 * 1148);
    assert!(stats.slow_start_threshold >= window, "to where it came from it grows fast: {window} {stats:?}");
}
