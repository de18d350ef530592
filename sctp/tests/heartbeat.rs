//! Idle paths are watched (RFC 9260, sections 8.1 and 8.3).

mod common;

use common::*;
use sctp::packet::Chunk;
use sctp::{Closed, Config, Path};
use sim::{Link, Side, Verdict};
use std::time::Duration;
use visavis_sctp as sctp;

fn heartbeats(pair: &mut Apps, from: Side) -> Log<Duration> {
    let (sink, seen) = log();
    pair.intercept(move |now, side, datagram| {
        if side == from && has_chunk(datagram, |chunk| matches!(chunk, Chunk::Heartbeat(_))) {
            sink.push(now - sim::start());
        }
        Verdict::Pass
    });
    seen
}

#[test]
fn an_idle_association_lives_on_heartbeats() {
    let mut pair = connected();
    let mut seen = heartbeats(&mut pair, Side::A);
    pair.run_for(30 * MINUTE);
    assert!(pair.a.closed().is_none() && pair.b.closed().is_none());
    let seen = seen.all();
    assert!((55..=60).contains(&seen.len()), "{} in half an hour", seen.len());
    let waits: Vec<_> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.iter().all(|wait| *wait > 30 * SECOND && *wait < 31 * SECOND), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait != waits[0]), "not in step");
}

#[test]
fn a_silent_peer_is_noticed_without_any_data() {
    let config = Config { heartbeat_interval: 5 * SECOND, max_retransmits: 4, ..Config::default() };
    let mut pair = pair(1, Link::delay(Duration::from_millis(10)), config, Config::default());
    pair.intercept(|_, _, _| Verdict::Drop);
    let started = pair.elapsed();
    pair.expect("the end", 2 * MINUTE, |pair| pair.a.closed().is_some());
    assert_eq!(pair.a.closed(), Some(&Closed::TimedOut));
    // The interval, then 0.3 + 0.6 + 1.2 + 2.4 + 4.8 s.
    let took = pair.elapsed() - started;
    assert!(took > 14 * SECOND && took < 15 * SECOND, "{took:?}");
}

#[test]
fn heartbeats_follow_a_changed_round_trip_time() {
    let config = Config { heartbeat_interval: SECOND, ..Config::default() };
    let mut pair = pair(1, Link::delay(Duration::from_millis(10)), config, Config::default());
    pair.run_for(10 * SECOND);
    assert_eq!(pair.a.association.stats().rtt, Some(Duration::from_millis(20)));
    pair.set_links(Link::delay(Duration::from_millis(100)));
    pair.run_for(2 * MINUTE);
    let rtt = pair.a.association.stats().rtt.expect("measured");
    assert!(rtt > Duration::from_millis(190), "{rtt:?}");
    assert!(pair.a.closed().is_none());
}

#[test]
fn a_busy_path_needs_no_heartbeats() {
    let config = Config { heartbeat_interval: SECOND, ..Config::default() };
    let mut pair = pair(1, Link::delay(Duration::from_millis(10)), config, Config::default());
    let mut seen = heartbeats(&mut pair, Side::A);
    for _ in 0..100 {
        pair.a.queue(1, "tick", ORDERED);
        let now = sim::start() + pair.elapsed();
        pair.a.pump(now);
        pair.run_for(Duration::from_millis(300));
    }
    assert_eq!(seen.all().len(), 0);
}

#[test]
fn a_lossy_path_stays_alive() {
    let link = Link { loss: 0.1, ..Link::delay(Duration::from_millis(50)) };
    let config = Config { heartbeat_interval: SECOND, ..Config::default() };
    let mut pair = pair(3, link, config.clone(), config);
    pair.run_for(60 * MINUTE);
    assert!(pair.a.closed().is_none() && pair.b.closed().is_none());
}

#[test]
fn a_lost_path_is_outlived_and_used_at_once_when_found() {
    let mut pair = connected();
    pair.intercept(|_, _, _| Verdict::Drop);
    let now = sim::start() + pair.elapsed();
    for app in [&mut pair.a, &mut pair.b] {
        app.association.set_path(now, Path::Lost);
    }
    pair.a.queue(1, pattern(50_000, 7), ORDERED);
    pair.run_for(30 * MINUTE);
    assert!(pair.a.closed().is_none() && pair.b.closed().is_none());
    pair.stop_intercepting();
    let now = sim::start() + pair.elapsed();
    for app in [&mut pair.a, &mut pair.b] {
        app.association.set_path(now, Path::Found { rtt: Some(Duration::from_millis(20)) });
    }
    let found = pair.elapsed();
    pair.expect("the message", SECOND, |pair| pair.b.payloads(1).len() == 1);
    assert!(pair.elapsed() - found < Duration::from_millis(200), "{:?}", pair.elapsed() - found);
    // From now on timeouts count again.
    pair.intercept(|_, _, _| Verdict::Drop);
    pair.expect("the end", 5 * MINUTE, |pair| pair.a.closed() == Some(&Closed::TimedOut));
}
