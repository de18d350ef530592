//! A peer that lost its state starts over (RFC 9260, section 5.2.4).

mod common;

use common::*;
use sctp::packet::Chunk;
use sctp::{Closed, Config, Event};
use sim::{Link, Side, Verdict, seeds};
use std::time::Duration;
use visavis_sctp as sctp;

/// Replaces `a` by a newborn, with `b` left as it is.
fn reincarnate(pair: &mut Apps, seed: u64) {
    pair.a = App::new(Config::default(), seed, 77);
    let now = pair.now();
    pair.a.association.connect(now);
}

#[test]
fn a_restarted_peer_is_connected_again_and_all_numbers_start_anew() {
    let mut pair = connected();
    pair.b.reads = false;
    pair.a.queue(1, "before", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(SECOND);
    reincarnate(&mut pair, 1);
    pair.expect("the restart", 10 * SECOND, |pair| pair.b.has(&Event::Restarted) && pair.a.has(&Event::Connected));
    pair.b.reads = true;
    pair.a.queue(1, "after", ORDERED);
    pair.b.queue(1, "welcome back", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.b.pump(now);
    pair.expect("the messages", SECOND, |pair| {
        pair.a.payloads(1) == ["welcome back"] && pair.b.payloads(1) == ["before", "after"]
    });
    assert_eq!((pair.b.count(&Event::Restarted), pair.b.count(&Event::Connected)), (1, 1));
    assert!(!pair.a.has(&Event::Restarted));
}

#[test]
fn a_restart_in_the_middle_of_data_on_any_rough_link() {
    for seed in seeds(100) {
        let mut pair = pair(seed, Link::rough(seed), Config::default(), Config::default());
        pair.a.queue(1, pattern(100_000, 1), ORDERED);
        pair.b.queue(1, pattern(100_000, 2), ORDERED);
        let now = pair.now();
        pair.a.pump(now);
        pair.b.pump(now);
        pair.run_for(Duration::from_millis(seed * 10));
        reincarnate(&mut pair, seed);
        pair.a.queue(1, pattern(3000, 3), ORDERED);
        pair.expect("the restart", 5 * MINUTE, |pair| pair.b.has(&Event::Restarted) && pair.a.has(&Event::Connected));
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("the message", 5 * MINUTE, |pair| pair.b.payloads(1).last() == Some(&pattern(3000, 3)));
    }
}

#[test]
fn a_replayed_init_and_a_replayed_cookie_change_nothing() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), Config::default(), Config::default());
    let (sender, receiver) = std::sync::mpsc::channel();
    pair.intercept(move |_, from, datagram| {
        if from == Side::A && has_chunk(datagram, |chunk| matches!(chunk, Chunk::Init(_) | Chunk::CookieEcho(_))) {
            sender.send(datagram.clone()).expect("the test is there");
        }
        Verdict::Pass
    });
    pair.a.association.connect(sim::start());
    pair.expect("the handshake", SECOND, |pair| pair.a.has(&Event::Connected));
    pair.stop_intercepting();
    pair.a.queue(1, "one", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    // Also when the cookie's life is over: its tags are those of the association.
    for wait in [SECOND, 2 * MINUTE] {
        pair.run_for(wait);
        for packet in receiver.try_iter().collect::<Vec<_>>() {
            pair.inject(Side::B, &packet);
            pair.inject(Side::B, &packet);
        }
    }
    pair.run_for(SECOND);
    pair.a.queue(1, "two", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the message", SECOND, |pair| pair.b.payloads(1) == ["one", "two"]);
    assert!(!pair.b.has(&Event::Restarted) && pair.a.closed().is_none());
}

#[test]
fn a_restart_while_shutting_down_finishes_the_shutdown() {
    let mut pair = connected();
    // `b` hears the shutdown, and `a` dies before it hears the answer.
    pair.intercept(|_, from, _| if from == Side::B { Verdict::Drop } else { Verdict::Pass });
    let now = pair.now();
    pair.a.association.shutdown(now);
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.b.association.state(), sctp::State::ShutdownAckSent);
    pair.stop_intercepting();
    reincarnate(&mut pair, 1);
    pair.expect("the end of the old association", 10 * SECOND, |pair| pair.b.closed().is_some());
    assert_eq!(pair.b.closed(), Some(&Closed::Shutdown));
}
