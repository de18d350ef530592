//! Ending at once (RFC 9260, section 9.1).

mod common;

use common::*;
use sctp::packet::{Causes, Chunk, code};
use sctp::{Closed, Config, Event};
use sim::{Endpoint, Side, Verdict};
use std::time::Duration;
use visavis_sctp as sctp;

#[test]
fn the_peer_is_told_why() {
    let mut pair = connected();
    pair.a.queue(1, pattern(100_000, 0), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.a.association.abort(now, "no more of this");
    pair.expect("the end", SECOND, |pair| pair.b.closed().is_some());
    assert_eq!(pair.a.closed(), Some(&Closed::Aborted));
    let expected = Closed::PeerAborted { code: code::USER_INITIATED_ABORT, reason: "no more of this".into() };
    assert_eq!(pair.b.closed(), Some(&expected));
    pair.run_for(SECOND);
    pair.expect_quiet(10 * MINUTE);
}

#[test]
fn a_second_abort_and_one_before_the_beginning_do_no_harm() {
    let mut app = App::new(Config::default(), 1, 0);
    app.association.abort(sim::start(), "never begun");
    app.association.abort(sim::start(), "again");
    app.association.shutdown(sim::start());
    app.association.connect(sim::start());
    app.pump(sim::start());
    assert_eq!(app.events, [Event::Closed(Closed::Aborted)]);
    assert!(!app.poll_transmit(sim::start(), &mut Vec::new()));
}

#[test]
fn a_reason_longer_than_a_packet_is_cut() {
    let mut pair = connected();
    let now = pair.now();
    pair.a.association.abort(now, &"long ".repeat(2000));
    let mut buf = Vec::new();
    assert!(pair.a.poll_transmit(now, &mut buf));
    assert!(buf.len() <= Config::default().max_packet, "{} bytes", buf.len());
}

#[test]
fn a_lost_abort_is_found_out_with_the_next_packet() {
    let mut pair = connected();
    pair.intercept(|_, from, _| if from == Side::A { Verdict::Drop } else { Verdict::Pass });
    let now = pair.now();
    pair.a.association.abort(now, "unheard");
    pair.run_for(SECOND);
    pair.stop_intercepting();
    assert!(pair.b.closed().is_none());
    pair.b.queue(1, "hello?", ORDERED);
    let now = pair.now();
    pair.b.pump(now);
    pair.expect("the end", SECOND, |pair| pair.b.closed().is_some());
    assert!(matches!(pair.b.closed(), Some(Closed::PeerAborted { code: 0, .. })), "with the tag reflected");
}

#[test]
fn an_abort_with_a_wrong_tag_is_ignored() {
    let mut pair = connected();
    for (tag, reflected) in [(1, false), (2, true)] {
        let forged = packet(tag, &[Chunk::Abort { reflected, causes: Causes::new(&[]) }]);
        pair.inject(Side::B, &forged);
    }
    pair.run_for(SECOND);
    assert!(pair.b.closed().is_none());
    assert_eq!(pair.b.association.stats().bad_tag, 2);
    pair.a.queue(1, "still here", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the message", Duration::from_secs(1), |pair| !pair.b.payloads(1).is_empty());
}
