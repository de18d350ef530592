//! How connections end.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod common;

use std::time::Duration;

use common::{SIDES, calm, connect, default_pair};
use sim::{Side, Verdict};
use visavis_dtls::{Error, Event};

fn close(pair: &mut common::Peers, side: Side) {
    let now = pair.now();
    match side {
        Side::A => pair.a.connection.close(now),
        Side::B => pair.b.connection.close(now),
    }
}

#[test]
fn close_notify_tells_the_peer_and_both_are_quiet() {
    for side in SIDES {
        let mut pair = default_pair(1, calm());
        connect(&mut pair);
        close(&mut pair, side);
        pair.run_for(Duration::from_millis(100));
        let (closer, other) = if side == Side::A { (&pair.a, &pair.b) } else { (&pair.b, &pair.a) };
        assert_eq!(closer.events, [Event::Connected]);
        assert_eq!(other.events, [Event::Connected, Event::Closed(Error::PeerClosed)]);
        for peer in [closer, other] {
            assert!(peer.connection.is_closed() && !peer.connection.is_connected());
            assert_eq!(peer.connection.poll_timeout(), None);
        }
        pair.expect_quiet(Duration::from_secs(600));
    }
}

#[test]
fn closing_twice_and_closing_each_other_says_farewell_once() {
    let mut pair = default_pair(1, calm());
    connect(&mut pair);
    let before = pair.counts(Side::A).sent + pair.counts(Side::B).sent;
    for side in [Side::A, Side::B, Side::A, Side::B] {
        close(&mut pair, side);
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.counts(Side::A).sent + pair.counts(Side::B).sent, before + 2);
    assert_eq!(pair.a.events, [Event::Connected]);
    assert_eq!(pair.b.events, [Event::Connected]);
}

#[test]
fn nothing_is_sealed_before_the_handshake_and_after_the_end() {
    let mut pair = default_pair(1, calm());
    let mut buf = b"untouched".to_vec();
    assert!(!pair.a.connection.seal(&mut buf, |_| panic!("not connected")));
    connect(&mut pair);
    assert_eq!(pair.a.connection.overhead(), 37);
    close(&mut pair, Side::A);
    assert!(!pair.a.connection.seal(&mut buf, |_| panic!("closed")));
    assert_eq!(buf, b"untouched");
}

#[test]
fn what_arrives_after_the_end_is_not_delivered_and_the_farewell_is_repeated_a_few_times() {
    let mut pair = default_pair(1, calm());
    connect(&mut pair);
    // The peer does not hear the farewell, and goes on.
    pair.intercept(|_, side, _| if side == Side::A { Verdict::Drop } else { Verdict::Pass });
    let before = pair.counts(Side::A).sent;
    close(&mut pair, Side::A);
    for repetitions in [1, 2, 3, 3, 3] {
        // A burst is one reason to repeat it, not fifty.
        pair.b.outgoing = vec![b"are you there?".to_vec(); 50];
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.counts(Side::A).sent, before + 1 + repetitions);
    }
    assert!(pair.a.received.is_empty());
}

#[test]
fn closing_a_handshake_tells_the_peer() {
    let mut pair = default_pair(1, calm());
    pair.run_for(Duration::from_millis(30));
    close(&mut pair, Side::A);
    // Nothing protects an alert yet, so the peer waits for what may contradict it.
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.events, []);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.b.events, [Event::Closed(Error::PeerClosed)]);
}

#[test]
fn an_idle_connection_costs_nothing() {
    let mut pair = default_pair(1, calm());
    connect(&mut pair);
    pair.run_for(Duration::from_millis(100));
    pair.expect_quiet(Duration::from_secs(3600));
    assert!(!pair.step(), "no timer is running");
}
