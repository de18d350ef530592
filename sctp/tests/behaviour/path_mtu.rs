//! Path MTU discovery (RFC 8899): what paths carry is found, and found again when it changes; nothing is lost by it.

use crate::common::*;
use sctp::packet::Chunk;
use sctp::{Config, Congestion};
use sim::{Link, Side, Verdict};
use std::time::Duration;
use visavis_sctp as sctp;

const MS: Duration = Duration::from_millis(1);
const LIMIT: usize = 16_384;

fn searching() -> Config {
    Config { max_probed_packet: LIMIT, ..Config::default() }
}

/// A path of 100 Mbyte/s that takes 10 ms and carries packets of so many bytes.
fn link(mtu: usize) -> Link {
    Link { rate: Some(100_000_000), queue: 4 << 20, mtu, ..Link::delay(5 * MS) }
}

fn size(pair: &Apps) -> usize {
    pair.a.association.stats().packet_size
}

/// Has the first of them send so many messages of 64 kB.
fn send(pair: &mut Apps, messages: usize) {
    for number in 0..messages {
        pair.a.queue(1, pattern(64_000, number), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
}

/// Waits until so many messages have come in all, and checks each of them.
fn receive(pair: &mut Apps, messages: usize, limit: Duration) {
    pair.expect("all messages", limit, |pair| pair.b.received.get(&1).map_or(0, Vec::len) >= messages);
    for (number, payload) in pair.b.payloads(1).into_iter().enumerate() {
        assert_eq!(payload, pattern(64_000, number), "message {number}");
    }
    pair.b.received.clear();
}

#[test]
fn what_the_path_carries_is_found_within_three_seconds() {
    for mtu in [1160, 1280, 1400, 1415, 1452, 8_940, 16_384, 65_000] {
        let mut pair = pair(1, link(mtu), searching(), Config::default());
        send(&mut pair, 200);
        pair.run_for(3 * SECOND);
        let found = size(&pair);
        assert!(found <= mtu && found + 20 > mtu.min(LIMIT), "{found} of {mtu}");
        receive(&mut pair, 200, MINUTE);
        let stats = pair.a.association.stats();
        assert_eq!((stats.timeouts, stats.retransmits), (0, 0), "probes that are lost cost nothing: {stats:?}");
    }
}

#[test]
fn nothing_is_probed_without_being_asked_for_nor_at_a_pace_that_is_too_slow_for_it() {
    for (config, rate, most) in [(Config::default(), 100_000_000, 1160), (searching(), 125_000, 5_000)] {
        let link = Link { rate: Some(rate), ..link(65_000) };
        let mut pair = pair(1, link, config, Config::default());
        pair.intercept(move |_, _, datagram| {
            assert!(datagram.len() <= most, "{}", datagram.len());
            Verdict::Pass
        });
        send(&mut pair, 10);
        receive(&mut pair, 10, MINUTE);
    }
}

#[test]
fn random_losses_are_not_mistaken_for_a_limit() {
    for seed in 0..10 {
        let lossy = Link { loss: 0.05, ..link(9_000) };
        let config = Config { congestion: Congestion::Bbr, ..searching() };
        let mut pair = pair(seed, link(9_000), config, Config::default());
        pair.set_links(lossy);
        send(&mut pair, 400);
        receive(&mut pair, 400, MINUTE);
        pair.run_for(SECOND);
        assert!(size(&pair) > 8_000, "seed {seed}: {}", size(&pair));
    }
}

#[test]
fn a_path_that_shrinks_in_mid_transfer_goes_on_after_a_few_round_trips() {
    for congestion in [Congestion::NewReno, Congestion::Cubic, Congestion::Bbr] {
        for mtu in [1160, 1452, 9_000] {
            let mut pair = pair(1, link(65_000), Config { congestion, ..searching() }, Config::default());
            send(&mut pair, 100);
            receive(&mut pair, 100, MINUTE);
            assert_eq!(size(&pair), LIMIT);
            send(&mut pair, 100);
            pair.run_for(7 * MS);
            pair.set_links(link(mtu));
            let before = pair.b.association.stats().bytes_received;
            // What was on the way arrives; then nothing larger does.
            pair.run_for(10 * MS);
            let stalled = pair.b.association.stats().bytes_received;
            assert!(stalled >= before);
            pair.expect("more of it", 80 * MS, |pair| pair.b.association.stats().bytes_received > stalled + 20_000);
            receive(&mut pair, 100, 10 * SECOND);
            send(&mut pair, 100);
            receive(&mut pair, 100, 10 * SECOND);
            pair.run_for(3 * SECOND);
            let stats = pair.a.association.stats();
            assert!(stats.timeouts <= 1, "{congestion:?} {mtu}: {stats:?}");
            assert!(stats.packet_size <= mtu && stats.packet_size + 20 > mtu, "{congestion:?} {mtu}: {stats:?}");
        }
    }
}

#[test]
fn large_packets_that_alone_are_lost_are_noticed_beside_small_ones_that_pass() {
    let mut pair = pair(1, link(65_000), searching(), Config::default());
    send(&mut pair, 100);
    receive(&mut pair, 100, MINUTE);
    assert_eq!(size(&pair), LIMIT);
    pair.set_links(link(1_452));
    // Small messages keep acknowledgements coming.
    for round in 0..100 {
        if round % 10 == 0 {
            send(&mut pair, 1);
        }
        pair.a.queue(2, pattern(100, round), UNORDERED);
        let now = pair.now();
        pair.a.pump(now);
        pair.run_for(5 * MS);
    }
    pair.expect("all", SECOND, |pair| pair.b.payloads(2).len() == 100 && pair.b.payloads(1).len() == 10);
    assert!(size(&pair) <= 1_452);
}

#[test]
fn a_path_that_grows_is_asked_again_after_ten_minutes() {
    let mut pair = pair(1, link(1_452), searching(), Config::default());
    send(&mut pair, 100);
    receive(&mut pair, 100, MINUTE);
    pair.run_for(10 * SECOND);
    let before = size(&pair);
    assert!(before <= 1_452);
    pair.set_links(link(65_000));
    pair.run_for(9 * MINUTE);
    assert_eq!(size(&pair), before);
    pair.run_for(2 * MINUTE);
    send(&mut pair, 100);
    receive(&mut pair, 100, MINUTE);
    assert_eq!(size(&pair), LIMIT);
}

#[test]
fn another_path_begins_small() {
    let mut pair = pair(1, link(65_000), searching(), Config::default());
    send(&mut pair, 100);
    receive(&mut pair, 100, MINUTE);
    assert_eq!(size(&pair), LIMIT);
    let now = pair.now();
    pair.a.association.set_path(now, sctp::Path::Found { rtt: None });
    assert_eq!(size(&pair), 1160);
    send(&mut pair, 100);
    receive(&mut pair, 100, MINUTE);
    assert_eq!(size(&pair), LIMIT, "and was asked");
}

#[test]
fn what_the_machine_refuses_to_send_is_not_asked_for_again() {
    let mut pair = pair(1, link(65_000), searching(), Config::default());
    let (noted, mut sizes) = log();
    pair.intercept(move |_, from, datagram| {
        if from == Side::A && datagram.len() > 1_160 {
            noted.push(datagram.len());
        }
        if datagram.len() > 1_440 { Verdict::Drop } else { Verdict::Pass }
    });
    send(&mut pair, 20);
    let mut told = 0;
    for _ in 0..1_000 {
        pair.run_for(MS);
        let seen = sizes.all();
        for size in seen[told..].iter().filter(|size| **size > 1_440) {
            pair.a.association.datagram_too_large(size + 37);
        }
        told = seen.len();
    }
    receive(&mut pair, 20, MINUTE);
    let mut seen: Vec<usize> = sizes.all().into_iter().filter(|size| *size > 1_440).collect();
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), all, "each once: {seen:?}");
    assert!((1_420..=1_440).contains(&size(&pair)), "{}", size(&pair));
}

#[test]
fn answers_to_what_was_not_asked_change_nothing() {
    let mut pair = pair(1, link(1_200), searching(), Config::default());
    let (noted, mut infos) = log();
    pair.intercept(move |_, from, datagram| {
        if from == Side::A {
            chunks(datagram, |chunk| {
                if let Chunk::Heartbeat(info) = chunk {
                    noted.push((tag_of(datagram), info.to_vec()));
                }
            });
        }
        Verdict::Pass
    });
    send(&mut pair, 20);
    receive(&mut pair, 20, MINUTE);
    pair.run_for(2 * SECOND);
    let found = size(&pair);
    let seen = infos.all();
    assert!(!seen.is_empty() && found <= 1_200);
    let refused = pair.a.association.stats().refused;
    let (noted, mut tags) = log();
    pair.intercept(move |_, from, datagram| {
        if from == Side::B {
            noted.push(tag_of(datagram));
        }
        Verdict::Pass
    });
    send(&mut pair, 1);
    pair.run_for(100 * MS);
    let tag = *tags.all().last().unwrap();
    let now = pair.now();
    for (_, mut info) in seen {
        pair.a.association.handle_datagram(now, &mut packet(tag, &[Chunk::HeartbeatAck(&info)]));
        info[4] ^= 1;
        pair.a.association.handle_datagram(now, &mut packet(tag, &[Chunk::HeartbeatAck(&info)]));
    }
    assert_eq!(size(&pair), found);
    assert!(pair.a.association.stats().refused > refused);
}

#[test]
fn who_never_answers_probes_sees_few_of_them() {
    let mut pair = pair(1, link(65_000), searching(), Config::default());
    let (noted, mut probes) = log();
    pair.intercept(move |_, from, datagram| {
        let is_probe = from == Side::A && has_chunk(datagram, |chunk| matches!(chunk, Chunk::Pad(_)));
        if is_probe {
            noted.push(datagram.len());
            return Verdict::Drop;
        }
        Verdict::Pass
    });
    for _ in 0..10 {
        send(&mut pair, 50);
        receive(&mut pair, 50, MINUTE);
        pair.run_for(30 * SECOND);
    }
    let seen = probes.all();
    assert!((3..=45).contains(&seen.len()), "{seen:?}");
    assert_eq!(size(&pair), 1160);
}
