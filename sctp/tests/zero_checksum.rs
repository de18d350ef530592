//! Packets without checksum, where DTLS finds errors instead (RFC 9653).

mod common;

use common::*;
use sctp::packet::{Chunk, Packet, has_valid_checksum, has_zero_checksum};
use sctp::{Config, Event};
use sim::{Endpoint, Link, Verdict};
use std::time::Duration;
use visavis_sctp as sctp;

fn config(zero_checksum: bool) -> Config {
    Config { zero_checksum, ..Config::default() }
}

/// Exchanges messages; whether each packet without checksum from either side begins an association.
fn exchange(a: bool, b: bool) -> Vec<(bool, bool)> {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), config(a), config(b));
    let (notes, mut seen) = log();
    pair.intercept(move |_, _, datagram| {
        let begins =
            has_chunk(datagram, |chunk| matches!(chunk, Chunk::Init(_) | Chunk::InitAck(_) | Chunk::CookieEcho(_)));
        let is_zero = has_zero_checksum(datagram);
        assert!(is_zero || has_valid_checksum(&mut datagram.clone()));
        notes.push((begins, is_zero));
        Verdict::Pass
    });
    pair.a.association.connect(sim::start());
    pair.a.queue(1, pattern(5000, 1), ORDERED);
    pair.b.queue(1, pattern(5000, 2), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.b.pump(now);
    pair.expect("the messages", 10 * SECOND, |pair| {
        pair.a.payloads(1) == [pattern(5000, 2)] && pair.b.payloads(1) == [pattern(5000, 1)]
    });
    pair.run_for(SECOND);
    for app in [&pair.a, &pair.b] {
        assert_eq!(app.association.stats().bad_checksum, 0);
    }
    seen.all()
}

#[test]
fn once_both_agree_only_packets_that_begin_an_association_are_summed() {
    let seen = exchange(true, true);
    assert!(seen.len() > 10);
    for (begins, is_zero) in seen {
        assert_eq!(begins, !is_zero);
    }
}

#[test]
fn unless_both_agree_every_packet_is_summed() {
    for (a, b) in [(false, false), (true, false), (false, true)] {
        assert!(exchange(a, b).into_iter().all(|(_, is_zero)| !is_zero), "{a} {b}");
    }
}

#[test]
fn zero_is_taken_only_where_it_was_announced_and_other_wrong_sums_never() {
    for announced in [false, true] {
        let mut pair = pair(1, Link::delay(Duration::from_millis(10)), config(true), config(announced));
        pair.a.queue(1, "hello", ORDERED);
        let now = pair.now();
        pair.a.pump(now);
        let mut datagram = Vec::new();
        assert!(pair.a.poll_transmit(now, &mut datagram));
        let mut wrong = datagram.clone();
        wrong[8..12].copy_from_slice(&[0, 0, 0, 1]);
        pair.b.handle_datagram(now, &mut wrong);
        assert_eq!(pair.b.association.stats().bad_checksum, 1);
        datagram[8..12].fill(0);
        pair.b.handle_datagram(now, &mut datagram);
        assert_eq!(pair.b.association.stats().bad_checksum, if announced { 1 } else { 2 });
        assert_eq!(pair.b.payloads(1).len(), usize::from(announced));
    }
}

#[test]
fn an_association_does_not_begin_without_checksum() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), config(true), config(true));
    pair.intercept(|_, _, datagram| {
        datagram[8..12].fill(0);
        Verdict::Pass
    });
    pair.a.association.connect(sim::start());
    pair.run_for(5 * SECOND);
    assert!(!pair.a.has(&Event::Connected) && pair.b.association.stats().bad_checksum > 0);
    assert!(Packet::decode(&[0; 12]).is_ok(), "what was dropped was a packet");
}
