//! Records and datagrams in an order that nobody sent them in.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod common;

use std::time::Duration;

use common::{calm, config, config_with, connect, default_pair, pair};
use sim::{Side, Verdict};
use visavis_dtls::{Event, KeyAlgorithm, Role};

/// Holds back everything `from` sends until it has sent `count` datagrams or `time` has passed, then delivers it last
/// first. Returns after the handshake.
fn reversed(pair: &mut common::Peers, from: Side, count: usize) {
    let (sender, held) = std::sync::mpsc::channel();
    pair.intercept(move |_, side, datagram| {
        if side != from {
            return Verdict::Pass;
        }
        sender.send(datagram.clone()).expect("the test lives as long as the pair");
        Verdict::Drop
    });
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    pair.expect("both settled", common::LIMIT, |pair| {
        waiting.extend(held.try_iter());
        if waiting.len() >= count || pair.elapsed() > Duration::from_secs(1) {
            for datagram in waiting.drain(..).rev() {
                pair.inject(from.other(), &datagram);
            }
        }
        pair.a.is_settled() && pair.b.is_settled()
    });
    pair.stop_intercepting();
    connect(pair);
}

#[test]
fn flights_arriving_backwards_are_put_in_order() {
    for from in common::SIDES {
        for count in 2..8 {
            // RSA certificates and small datagrams, so that there is something to reorder.
            let key = KeyAlgorithm::Rsa2048;
            let (mut client, mut server) = (config_with(Role::Client, key, key), config_with(Role::Server, key, key));
            (client.mtu, server.mtu) = (300, 300);
            let mut pair = pair(1, calm(), client, server);
            reversed(&mut pair, from, count);
        }
    }
}

/// Cuts a datagram into its records, each with its header.
fn records(datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = datagram;
    let mut records = Vec::new();
    while rest.len() >= 13 {
        let length = 13 + usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        let (record, behind) = rest.split_at(length);
        records.push(record.to_vec());
        rest = behind;
    }
    records
}

#[test]
fn a_flight_is_packed_and_its_records_may_come_backwards() {
    let mut pair = default_pair(1, calm());
    let mut most = 0;
    let (sender, seen) = std::sync::mpsc::channel();
    pair.intercept(move |_, side, datagram| {
        let mut records = records(datagram);
        most = most.max(records.len());
        if side == Side::A {
            sender.send(records.len()).expect("the test lives as long as the pair");
        }
        // Finished stands before ChangeCipherSpec then, and before all that it depends on.
        records.reverse();
        *datagram = records.concat();
        Verdict::Pass
    });
    connect(&mut pair);
    assert_eq!(pair.elapsed(), Duration::from_millis(100), "nothing had to be repeated");
    let datagrams: Vec<usize> = seen.try_iter().collect();
    // Certificate, ClientKeyExchange and CertificateVerify in one record, ChangeCipherSpec, Finished.
    assert_eq!(datagrams, [1, 3]);
}

#[test]
fn application_data_that_overtakes_the_handshake_is_kept_up_to_a_bound() {
    for (room, kept) in [(32 * 1024, 10), (1000, 6), (0, 0)] {
        let mut client = config(Role::Client);
        client.max_early = room;
        let mut pair = pair(1, calm(), client, config(Role::Server));
        // What the server sends when it is connected is its last flight and ten records behind it.
        let (sender, held) = std::sync::mpsc::channel();
        pair.intercept(move |_, side, datagram| {
            let is_finished = side == Side::B && datagram[0] == 20;
            if is_finished {
                sender.send(datagram.clone()).expect("the test lives as long as the pair");
                return Verdict::Drop;
            }
            Verdict::Pass
        });
        pair.b.outgoing = (0..10).rev().map(|number| vec![number; 64]).collect();
        pair.expect("the server connected", common::LIMIT, |pair| pair.b.is_settled());
        pair.run_for(Duration::from_millis(30));
        assert!(pair.a.received.is_empty(), "nothing before the handshake is complete");
        assert!(pair.a.events.is_empty());
        pair.inject(Side::A, &held.recv().expect("the last flight was held back"));
        pair.run_for(Duration::from_millis(1));
        assert_eq!(pair.a.events, [Event::Connected]);
        let expected: Vec<Vec<u8>> = (0..kept).map(|number| vec![number; 64]).collect();
        assert_eq!(pair.a.received, expected, "room for {room}");
        assert_eq!(pair.a.connection.stats().dropped, u64::from(10 - kept));
    }
}

#[test]
fn records_far_apart_are_delivered_and_old_ones_are_not() {
    let mut pair = default_pair(1, calm());
    connect(&mut pair);
    let mut sealed: Vec<Vec<u8>> =
        (0..3000u16).map(|number| common::seal(&mut pair.a, &number.to_be_bytes())).collect();
    sealed.reverse();
    for record in &sealed {
        pair.inject(Side::B, record);
    }
    pair.run_for(Duration::from_millis(1));
    let received = pair.b.received.len() as u64;
    assert!((1900..2100).contains(&received), "{received}: the window is about 2000 records wide");
    assert_eq!(pair.b.connection.stats().replayed, 3000 - received);
    for record in &sealed {
        pair.inject(Side::B, record);
    }
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.b.received.len() as u64, received, "nothing is delivered twice");
}
