//! Graceful termination (RFC 9260, section 9.2).

mod common;

use common::*;
use sctp::packet::Chunk;
use sctp::{Closed, Config, SendError, State};
use sim::{Endpoint, Link, Side, Verdict};
use std::time::Duration;
use visavis_sctp as sctp;

fn both_shut_down(pair: &Apps) -> bool {
    pair.a.closed() == Some(&Closed::Shutdown) && pair.b.closed() == Some(&Closed::Shutdown)
}

#[test]
fn all_that_was_accepted_on_both_sides_is_delivered_first() {
    let mut pair = connected();
    pair.a.queue(1, pattern(200_000, 1), ORDERED);
    pair.b.queue(2, pattern(200_000, 2), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.b.pump(now);
    pair.a.association.shutdown(now);
    assert_eq!(pair.a.association.state(), State::ShutdownPending);
    assert!(matches!(pair.a.association.send(now, 1, message("late"), ORDERED), Err(SendError::Closed(_))));
    pair.expect("the shutdown", 10 * SECOND, |pair| both_shut_down(pair));
    assert_eq!(pair.b.payloads(1), [pattern(200_000, 1)]);
    assert_eq!(pair.a.payloads(2), [pattern(200_000, 2)]);
    assert_eq!(pair.a.count(&sctp::Event::Closed(Closed::Shutdown)), 1);
    pair.run_for(SECOND);
    pair.expect_quiet(10 * MINUTE);
    assert!(pair.a.association.is_closed());
}

#[test]
fn both_sides_may_shut_down_at_once() {
    let mut pair = connected();
    let now = pair.now();
    pair.a.association.shutdown(now);
    pair.b.association.shutdown(now);
    pair.expect("the shutdown", 10 * SECOND, |pair| both_shut_down(pair));
    pair.run_for(SECOND);
    pair.expect_quiet(10 * MINUTE);
}

#[test]
fn any_lost_packet_of_the_shutdown_is_repaired() {
    for lost in 0..4 {
        let mut pair = connected();
        let mut count = 0;
        pair.intercept(move |_, _, datagram| {
            let closing = has_chunk(datagram, |chunk| {
                matches!(chunk, Chunk::Shutdown { .. } | Chunk::ShutdownAck | Chunk::ShutdownComplete { .. })
            });
            count += usize::from(closing);
            if closing && count == lost + 1 { Verdict::Drop } else { Verdict::Pass }
        });
        let now = pair.now();
        pair.a.association.shutdown(now);
        pair.expect("the shutdown", MINUTE, |pair| both_shut_down(pair));
        pair.run_for(SECOND);
        pair.expect_quiet(10 * MINUTE);
    }
}

#[test]
fn unread_messages_can_be_read_after_the_end() {
    let mut pair = connected();
    pair.b.reads = false;
    pair.a.queue(1, "one", ORDERED);
    pair.a.queue(1, "two", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.a.association.shutdown(now);
    pair.expect("the shutdown", 10 * SECOND, |pair| both_shut_down(pair));
    let now = pair.now();
    pair.b.read_all(now);
    assert_eq!(pair.b.payloads(1), ["one", "two"]);
}

#[test]
fn shutting_down_before_the_handshake_ends_delivers_what_is_queued() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), Config::default(), Config::default());
    pair.a.queue(1, "last words", ORDERED);
    pair.a.pump(sim::start());
    pair.a.association.connect(sim::start());
    pair.a.association.shutdown(sim::start());
    assert!(matches!(pair.a.association.send(sim::start(), 1, message("late"), ORDERED), Err(SendError::Closed(_))));
    pair.expect("the shutdown", 10 * SECOND, |pair| both_shut_down(pair));
    assert_eq!(pair.b.payloads(1), ["last words"]);
}

#[test]
fn shutting_down_before_anything_began_ends_at_once() {
    for connecting in [false, true] {
        let mut app = App::new(Config::default(), 1, 0);
        if connecting {
            app.association.connect(sim::start());
        }
        app.association.shutdown(sim::start());
        app.pump(sim::start());
        assert_eq!(app.closed(), Some(&Closed::Shutdown));
        assert_eq!(app.poll_timeout(), None);
        assert!(!app.poll_transmit(sim::start(), &mut Vec::new()));
    }
}

#[test]
fn a_peer_that_vanishes_during_the_shutdown_does_not_hold_it_up_for_ever() {
    let mut pair = connected();
    pair.intercept(|_, from, _| if from == Side::B { Verdict::Drop } else { Verdict::Pass });
    let now = pair.now();
    pair.a.association.shutdown(now);
    pair.expect("the end", 10 * MINUTE, |pair| pair.a.closed().is_some());
    assert_eq!(pair.a.association.poll_timeout(), None);
}

#[test]
fn abandoned_messages_do_not_hold_up_a_shutdown() {
    let mut pair = connected();
    let mut first = true;
    pair.intercept(move |_, from, datagram| {
        let data = from == Side::A && has_chunk(datagram, |chunk| matches!(chunk, Chunk::Data(_)));
        if data && std::mem::take(&mut first) { Verdict::Drop } else { Verdict::Pass }
    });
    pair.a.queue(1, "lost", retransmits(0));
    let now = pair.now();
    pair.a.pump(now);
    pair.a.association.shutdown(now);
    pair.expect("the shutdown", 10 * SECOND, |pair| both_shut_down(pair));
}
