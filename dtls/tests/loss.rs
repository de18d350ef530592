//! Networks that lose, repeat, delay and reorder.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod common;

use std::collections::HashSet;
use std::time::Duration;

use common::{SIDES, config, config_with, connect, default_pair, pair};
use sim::{Link, Side, Verdict};
use visavis_dtls::{Error, Event, KeyAlgorithm, Role};

#[test]
fn every_seed_connects_and_delivers_nothing_twice_and_nothing_that_was_not_sent() {
    for seed in sim::seeds(500) {
        let rsa = seed % 4 == 0;
        let key = if rsa { KeyAlgorithm::Rsa2048 } else { KeyAlgorithm::EcdsaP256 };
        let mut client = config_with(Role::Client, key, KeyAlgorithm::EcdsaP256);
        let mut server = config_with(Role::Server, KeyAlgorithm::EcdsaP256, key);
        (client.mtu, server.mtu) = (200 + (seed % 7) as usize * 200, 1200);
        server.require_cookie = seed % 3 == 0;
        let mut pair = pair(seed, Link::rough(seed), client, server);
        let texts = |side: u8| -> Vec<Vec<u8>> { (0..30).map(|number| vec![side, number, 7]).collect() };
        (pair.a.outgoing, pair.b.outgoing) = (texts(0), texts(1));
        connect(&mut pair);
        pair.run_for(Duration::from_secs(5));
        for (sent, received) in [(texts(0), &pair.b.received), (texts(1), &pair.a.received)] {
            let unique: HashSet<_> = received.iter().collect();
            assert_eq!(unique.len(), received.len(), "seed {seed}: something was delivered twice");
            assert!(received.iter().all(|text| sent.contains(text)), "seed {seed}: {received:?}");
            assert!(received.len() >= 10, "seed {seed}: {} of 30 records survived", received.len());
        }
        pair.a.connection.close(pair.now());
        pair.run_for(Duration::from_secs(1));
        pair.expect_quiet(Duration::from_secs(60));
        assert_eq!(pair.a.events, [Event::Connected], "seed {seed}: closing is no news to who does it");
    }
}

#[test]
fn corrupted_datagrams_change_nothing_once_connected() {
    for seed in sim::seeds(50) {
        let mut pair = default_pair(seed, common::calm());
        connect(&mut pair);
        let sent: Vec<Vec<u8>> = (0..100).map(|number| vec![number; 100]).collect();
        (pair.a.outgoing, pair.b.outgoing) = (sent.clone(), sent.clone());
        pair.set_links(Link { corrupt: 0.5, ..Link::default() });
        pair.run_for(Duration::from_secs(1));
        for peer in [&pair.a, &pair.b] {
            assert!(peer.received.iter().all(|text| sent.contains(text)), "seed {seed}");
            let stats = peer.connection.stats();
            let noticed = stats.forged + stats.malformed + stats.dropped + stats.unprotected + stats.replayed;
            // A wrong length can make two bad records of one.
            assert!(peer.received.len() as u64 + noticed >= 100, "seed {seed}: {stats:?}");
            assert!(peer.received.len() < 100 && peer.received.len() > 10, "seed {seed}: {}", peer.received.len());
            assert_eq!(peer.events, [Event::Connected], "seed {seed}");
        }
    }
}

#[test]
fn one_lost_datagram_costs_a_few_round_trips() {
    for side in SIDES {
        for lost in 0.. {
            let mut client = config(Role::Client);
            client.mtu = 500;
            let mut server = config(Role::Server);
            server.mtu = 500;
            let mut pair = pair(1, common::calm(), client, server);
            let mut count = 0;
            pair.intercept(move |_, from, _| {
                let verdict = if from == side && count == lost { Verdict::Drop } else { Verdict::Pass };
                count += u32::from(from == side);
                verdict
            });
            connect(&mut pair);
            assert!(pair.elapsed() <= Duration::from_millis(300), "{side} lost {lost}: {:?}", pair.elapsed());
            if pair.counts(side).sent <= u64::from(lost) {
                // Fewer datagrams than that were sent, so each has been lost once.
                assert!(lost > 2, "{side} sent only {lost} datagrams");
                break;
            }
        }
    }
}

#[test]
fn a_dead_path_is_given_up_after_the_time_configured() {
    let mut client = config(Role::Client);
    client.first_answer_timeout = Some(Duration::from_secs(7));
    let mut pair = pair(1, Link { loss: 1.0, ..Link::default() }, client, config(Role::Server));
    pair.expect("an end", common::LIMIT, |pair| pair.a.is_settled());
    assert_eq!(pair.elapsed(), Duration::from_secs(7));
    assert_eq!(pair.a.events, [Event::Closed(Error::HandshakeTimeout)]);
    pair.run_for(Duration::from_secs(1));
    pair.expect_quiet(Duration::from_secs(100));
    assert!(!pair.b.is_settled(), "nothing has reached the server");
}

#[test]
fn a_server_gives_up_a_client_that_falls_silent() {
    let mut pair = default_pair(1, common::calm());
    let mut count = 0;
    pair.intercept(move |_, from, _| {
        count += u32::from(from == Side::A);
        if from == Side::A && count > 1 { Verdict::Drop } else { Verdict::Pass }
    });
    pair.expect("an end", common::LIMIT, |pair| pair.b.is_settled());
    assert_eq!(pair.b.events, [Event::Closed(Error::HandshakeTimeout)]);
    assert!(pair.elapsed() < Duration::from_secs(31), "{:?}", pair.elapsed());
}

#[test]
fn a_client_may_wait_for_its_first_answer_for_as_long_as_it_takes() {
    let mut client = config(Role::Client);
    client.first_answer_timeout = None;
    let mut pair = pair(1, common::calm(), client, config(Role::Server));
    pair.intercept(|at, _, _| if at < sim::start() + Duration::from_secs(600) { Verdict::Drop } else { Verdict::Pass });
    pair.run_for(Duration::from_secs(600));
    let sent = pair.counts(Side::A).sent;
    assert!((200..220).contains(&sent), "a hello every 3 s, not {sent} of them");
    connect(&mut pair);
    assert!(pair.elapsed() < Duration::from_secs(604), "{:?}", pair.elapsed());
}

#[test]
fn a_client_gives_up_a_server_that_falls_silent() {
    let mut client = config(Role::Client);
    client.first_answer_timeout = None;
    client.handshake_timeout = Duration::from_secs(7);
    let mut pair = pair(1, common::calm(), client, config(Role::Server));
    let mut count = 0;
    pair.intercept(move |_, from, _| {
        count += u32::from(from == Side::B);
        if from == Side::B && count > 1 { Verdict::Drop } else { Verdict::Pass }
    });
    pair.expect("an end", common::LIMIT, |pair| pair.a.is_settled());
    assert_eq!(pair.a.events, [Event::Closed(Error::HandshakeTimeout)]);
    assert!(pair.elapsed() < Duration::from_secs(8), "{:?}", pair.elapsed());
}

#[test]
fn the_number_of_repetitions_is_small() {
    let mut pair = default_pair(1, Link { loss: 1.0, ..Link::default() });
    pair.expect("an end", common::LIMIT, |pair| pair.a.is_settled());
    // 100 ms doubled up to 3 s, for 30 s, and the alert.
    assert_eq!(pair.counts(Side::A).sent, 15);
}

#[test]
fn a_newer_round_trip_time_moves_the_timer_of_a_handshake() {
    for measured_after in [0, 40, 500] {
        let mut client = config(Role::Client);
        client.rtt = None;
        let mut pair = pair(1, Link { loss: 1.0, ..Link::default() }, client, config(Role::Server));
        // Zero: before anything was sent. Afterwards the timer is running already, or should even have expired.
        if measured_after > 0 {
            pair.run_for(Duration::from_millis(measured_after));
            assert_eq!(pair.counts(Side::A).sent, 1);
        }
        pair.a.connection.set_rtt(Duration::from_millis(30));
        let due = Duration::from_millis(measured_after.max(60) + 1);
        pair.run_for(due - pair.elapsed());
        assert_eq!(pair.counts(Side::A).sent, 2, "measured after {measured_after} ms");
    }
}
