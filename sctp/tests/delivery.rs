//! Whatever the link does, what was sent is delivered, once and in order; then all is quiet.

mod common;

use common::*;
use rand::RngExt;
use sctp::{Closed, Config, Event, SendOptions};
use sim::{Link, rng, seeds};
use std::time::Duration;
use visavis_sctp as sctp;

/// Small bounds, so that every one of them is met; every other run interleaves its messages.
fn tight(seed: u64) -> Config {
    Config {
        interleaving: seed.is_multiple_of(2),
        zero_checksum: seed % 4 < 2,
        send_buffer: 40_000,
        max_send_buffer: 0,
        receive_window: 100_000,
        max_message: 20_000,
        initial_tsn: Some(sctp::Tsn(u32::MAX - 20)),
        ..Config::default()
    }
}

/// Queues messages of all sizes on a few streams.
fn load(app: &mut App, seed: u64, stream: u64, options: SendOptions) -> usize {
    let mut rng = rng(seed, stream);
    let count = rng.random_range(1..40);
    for number in 0..count {
        let length = if rng.random_bool(0.2) { rng.random_range(2000..20_000) } else { rng.random_range(1..1500) };
        app.queue(rng.random_range(0..4), pattern(length, number), options);
    }
    count
}

fn sent_on(app: &App, stream: u16) -> Vec<bytes::Bytes> {
    app.outbox.iter().filter(|(id, ..)| *id == stream).map(|(_, message, _)| message.payload.clone()).collect()
}

#[test]
fn ordered_messages_arrive_in_order_on_any_rough_link_and_shutdown_loses_none() {
    for seed in seeds(300) {
        let mut pair = pair(seed, Link::rough(seed), tight(seed), tight(seed));
        load(&mut pair.a, seed, 10, ORDERED);
        load(&mut pair.b, seed, 11, ORDERED);
        let from_a: Vec<_> = (0..4).map(|stream| sent_on(&pair.a, stream)).collect();
        let from_b: Vec<_> = (0..4).map(|stream| sent_on(&pair.b, stream)).collect();
        let now = pair.now();
        pair.a.pump(now);
        pair.b.pump(now);
        pair.expect("taking all messages", 10 * MINUTE, |pair| pair.a.outbox.is_empty() && pair.b.outbox.is_empty());
        let now = pair.now();
        pair.a.association.shutdown(now);
        pair.expect("the shutdown", 10 * MINUTE, |pair| pair.a.closed().is_some() && pair.b.closed().is_some());
        assert_eq!((pair.a.closed(), pair.b.closed()), (Some(&Closed::Shutdown), Some(&Closed::Shutdown)));
        for stream in 0..4 {
            assert!(pair.b.payloads(stream) == from_a[usize::from(stream)], "seed {seed}, stream {stream} to b");
            assert!(pair.a.payloads(stream) == from_b[usize::from(stream)], "seed {seed}, stream {stream} to a");
        }
        for app in [&pair.a, &pair.b] {
            assert!(app.most_held <= 2 * 100_000 + 20_000, "seed {seed}: {} bytes held", app.most_held);
            assert_eq!(app.association.poll_timeout(), None, "seed {seed}");
        }
        pair.run_for(5 * SECOND);
        pair.expect_quiet(10 * MINUTE);
    }
}

#[test]
fn unordered_messages_arrive_once_on_any_rough_link() {
    for seed in seeds(100) {
        let mut pair = pair(seed, Link::rough(seed), tight(seed), tight(seed));
        let count = load(&mut pair.a, seed, 10, UNORDERED);
        let mut sent: Vec<_> = pair.a.outbox.iter().map(|(_, message, _)| message.payload.clone()).collect();
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("the messages", 10 * MINUTE, |pair| pair.b.received.values().map(Vec::len).sum::<usize>() >= count);
        pair.run_for(10 * SECOND);
        let mut got: Vec<_> = pair.b.received.values().flatten().map(|message| message.payload.clone()).collect();
        sent.sort();
        got.sort();
        assert!(sent == got, "seed {seed}");
    }
}

#[test]
fn flipped_bytes_change_nothing_but_counters() {
    for seed in seeds(50) {
        let link = Link { corrupt: 0.2, ..Link::delay(Duration::from_millis(20)) };
        let config = Config { zero_checksum: false, ..tight(seed) };
        let mut pair = pair(seed, link, config.clone(), config);
        load(&mut pair.a, seed, 10, ORDERED);
        let sent: Vec<_> = (0..4).map(|stream| sent_on(&pair.a, stream)).collect();
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("the messages", 10 * MINUTE, |pair| {
            (0..4).all(|stream| pair.b.payloads(stream) == sent[usize::from(stream)])
        });
        for app in [&pair.a, &pair.b] {
            let stats = app.association.stats();
            assert_eq!((stats.malformed, stats.bad_tag, stats.refused), (0, 0, 0), "seed {seed}");
            assert!(!app.has(&Event::Restarted) && app.closed().is_none());
        }
    }
}

#[test]
fn each_flipped_byte_of_each_kind_of_packet_is_noticed() {
    let mut pair = connected();
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    pair.intercept(move |_, _, datagram| {
        sender.send(datagram.clone()).expect("the test is there");
        sim::Verdict::Pass
    });
    pair.a.queue(1, pattern(300, 1), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.a.association.reset_streams(now, &[1]);
    pair.run_for(SECOND);
    packets.extend(receiver.try_iter());
    assert!(packets.len() >= 3);
    let before = pair.b.association.stats();
    let events = pair.b.events.len();
    let mut flips = 0;
    for packet in &packets {
        for at in 0..packet.len() {
            let mut flipped = packet.clone();
            flipped[at] ^= 1 << (at % 8);
            pair.b.association.handle_datagram(now, &mut flipped);
            flips += 1;
        }
    }
    let mut after = pair.b.association.stats();
    assert_eq!(after.bad_checksum, flips);
    after.bad_checksum = before.bad_checksum;
    after.packets_received = before.packets_received;
    assert_eq!(after, before);
    assert_eq!((pair.b.association.poll_event(), pair.b.events.len()), (None, events));
}

#[test]
fn many_streams_take_turns() {
    let mut pair = connected();
    for number in 0..50 {
        pair.a.queue(1, pattern(10_000, number), ORDERED);
    }
    pair.a.queue(2, "small", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the small message", 5 * SECOND, |pair| !pair.b.payloads(2).is_empty());
    assert!(pair.b.payloads(1).len() <= 2, "it did not wait for all of the other stream");
}

#[test]
fn unused_streams_cost_nothing_and_all_of_them_work() {
    let mut pair = connected();
    assert_eq!(pair.a.association.send_capacity(), (4 << 20) - 96);
    for stream in (0..65_535).step_by(4369) {
        pair.a.queue(stream, "x", ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("all", SECOND, |pair| pair.b.received.len() == 15);
    let refused = pair.a.association.send(pair.now(), 65_535, message("x"), ORDERED);
    assert!(matches!(refused, Err(sctp::SendError::NoSuchStream { streams: 65_535, .. })));
}

#[test]
fn the_send_buffer_pushes_back_and_tells_when_there_is_room() {
    let config = Config { send_buffer: 10_000, max_send_buffer: 0, ..Config::default() };
    let mut pair = pair(1, Link::delay(Duration::from_millis(10)), config, Config::default());
    let now = pair.now();
    let association = &mut pair.a.association;
    association.send(now, 1, message(pattern(8_000, 0)), ORDERED).unwrap();
    let free = association.send_capacity();
    assert!(free < 2_000);
    let refused = association.send(now, 1, message(pattern(4_000, 1)), ORDERED).unwrap_err();
    assert!(matches!(refused, sctp::SendError::Full { free: f, .. } if f == free));
    assert_eq!(refused.into_message(), message(pattern(4_000, 1)));
    assert!(matches!(association.send(now, 1, message(""), ORDERED), Err(sctp::SendError::Empty(_))));
    assert_eq!(association.buffered_amount(1), 8_000);
    association.set_buffered_amount_low_threshold(1, 3_000);
    pair.expect("room", SECOND, |pair| pair.a.has(&Event::Writable));
    assert_eq!(pair.a.count(&Event::BufferedAmountLow(1)), 1);
    pair.run_for(SECOND);
    assert_eq!(pair.a.count(&Event::Writable), 1);
    let now = pair.now();
    pair.a
        .association
        .send(now, 1, message(pattern(50_000, 2)), ORDERED)
        .expect("larger than the buffer, which is empty");
    pair.expect("the large one", SECOND, |pair| pair.b.payloads(1).len() == 2);
}

#[test]
fn packets_are_appended_behind_what_the_buffer_holds() {
    let mut pair = connected();
    pair.a.queue(1, pattern(2000, 0), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    let mut buf = b"others".to_vec();
    let mut ends = vec![buf.len()];
    while pair.a.association.poll_transmit(now, &mut buf) {
        ends.push(buf.len());
    }
    assert_eq!((&buf[..6], ends.len()), (&b"others"[..], 3));
    for range in ends.windows(2) {
        pair.b.association.handle_datagram(now, &mut buf[range[0]..range[1]]);
    }
    pair.b.pump(now);
    assert_eq!(pair.b.payloads(1), [pattern(2000, 0)]);
}
