//! Losses found by time and repaired within round trips (RACK-TLP, RFC 8985, adapted to SCTP).

use crate::common::*;
use proptest::prelude::*;
use sctp::packet::Chunk;
use sctp::{Config, Congestion, Tsn};
use sim::{Burst, Endpoint, Link, Side, Verdict, seeds};
use std::time::Duration;
use visavis_sctp as sctp;

const MS: Duration = Duration::from_millis(1);
const STEP: Duration = Duration::from_millis(10);

fn data_of(datagram: &[u8]) -> Vec<u32> {
    let mut tsns = Vec::new();
    chunks(datagram, |chunk| {
        if let Chunk::Data(data) = chunk {
            tsns.push(data.tsn.0);
        }
    });
    tsns
}

/// Drops data from `a` as `lose` says: which transmission of which chunk it is, chunks and transmissions counted from 0.
fn drop_chunks(pair: &mut Apps, mut lose: impl FnMut(u32, usize) -> bool + Send + 'static) {
    let mut first = None;
    let mut sent = std::collections::BTreeMap::<u32, usize>::new();
    pair.intercept(move |_, from, datagram| {
        if from != Side::A {
            return Verdict::Pass;
        }
        let mut verdict = Verdict::Pass;
        for tsn in data_of(datagram) {
            let number = tsn.wrapping_sub(*first.get_or_insert(tsn));
            let count = sent.entry(number).or_default();
            if lose(number, *count) {
                verdict = Verdict::Drop;
            }
            *count += 1;
        }
        verdict
    });
}

fn send(pair: &mut Apps, length: usize) {
    pair.a.queue(0, pattern(length, 0), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
}

fn arrives(pair: &mut Apps, limit: Duration) -> Duration {
    let started = pair.elapsed();
    pair.expect("the message", limit, |pair| !pair.b.payloads(0).is_empty());
    pair.elapsed() - started
}

#[test]
fn many_losses_of_one_flight_are_repaired_in_one_round_trip() {
    let mut pair = connected();
    // Every other chunk of ten in the middle.
    drop_chunks(&mut pair, |number, count| count == 0 && (20..40).contains(&number) && number % 2 == 0);
    send(&mut pair, 100_000);
    let took = arrives(&mut pair, 10 * SECOND);
    let stats = pair.a.association.stats();
    assert_eq!((stats.timeouts, stats.fast_retransmits, stats.retransmits), (0, 1, 10));
    let mut clean = connected();
    send(&mut clean, 100_000);
    let without = arrives(&mut clean, 10 * SECOND);
    assert!(took <= without + 3 * STEP * 2, "{took:?} instead of {without:?}");
}

#[test]
fn a_lost_retransmission_is_found_without_a_timeout() {
    let mut pair = connected();
    drop_chunks(&mut pair, |number, count| number == 10 && count < 3);
    send(&mut pair, 250_000);
    arrives(&mut pair, 10 * SECOND);
    let stats = pair.a.association.stats();
    assert_eq!((stats.timeouts, stats.retransmits), (0, 3), "{stats:?}");
}

#[test]
fn a_lost_tail_of_several_packets_takes_one_probe() {
    let mut pair = connected();
    drop_chunks(&mut pair, |number, count| number >= 5 && count == 0);
    send(&mut pair, 10_000);
    let took = arrives(&mut pair, 10 * SECOND);
    let stats = pair.a.association.stats();
    assert_eq!((stats.timeouts, stats.tail_probes), (0, 1), "{stats:?}");
    assert!(took < Duration::from_millis(150), "{took:?}");
}

#[test]
fn a_probe_that_was_not_needed_costs_nothing_and_teaches_patience() {
    // The peer delays its acknowledgements for longer than we expect at first.
    let slow = Config { sack_delay: Duration::from_millis(200), ..Config::default() };
    let mut pair = pair(1, Link::delay(STEP), Config::default(), slow);
    let window = pair.a.association.stats().congestion_window;
    for _ in 0..20 {
        send(&mut pair, 10);
        pair.run_for(SECOND);
    }
    let stats = pair.a.association.stats();
    assert!((1..=6).contains(&stats.tail_probes), "{stats:?}");
    assert_eq!(stats.timeouts, 0);
    assert!(stats.congestion_window >= window, "{stats:?}");
}

#[test]
fn reordering_is_no_loss_once_it_is_known() {
    let mut pair = connected();
    let link = Link { reorder: 0.05, reorder_by: 8 * MS, rate: Some(4_000_000), queue: 1 << 20, ..Link::delay(STEP) };
    pair.set_links(link);
    for _ in 0..20 {
        pair.a.queue(0, pattern(200_000, 0), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("all", 20 * SECOND, |pair| pair.b.payloads(0).len() == 20);
    let stats = pair.a.association.stats();
    // 3,500 packets, 175 of them late.
    assert!(stats.retransmits < 60, "{stats:?}");
    assert_eq!(stats.timeouts, 0);
}

#[test]
fn a_burst_held_back_on_the_way_is_taken_back_when_its_copies_are_reported() {
    let mut pair = connected();
    send(&mut pair, 200_000);
    arrives(&mut pair, SECOND);
    let before = pair.a.association.stats();
    // Packets 5 to 8 take 25 ms longer than those behind them.
    let held = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (sink, mut log) = log();
    let counter = held.clone();
    pair.intercept(move |now, from, datagram| {
        if from == Side::A && !data_of(datagram).is_empty() {
            let count = counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if (5..9).contains(&count) {
                sink.push((now, datagram.clone()));
                return Verdict::Drop;
            }
        }
        Verdict::Pass
    });
    pair.b.received.clear();
    send(&mut pair, 200_000);
    pair.run_for(35 * MS);
    for (_, datagram) in log.all() {
        pair.inject(Side::B, &datagram);
    }
    arrives(&mut pair, 10 * SECOND);
    pair.run_for(30 * MS);
    let stats = pair.a.association.stats();
    assert_eq!(stats.fast_retransmits - before.fast_retransmits, 1, "{stats:?}");
    assert_eq!(stats.spurious_losses, 1, "{stats:?}");
    assert!(stats.congestion_window >= before.congestion_window, "{before:?} {stats:?}");
}

#[test]
fn a_path_that_stalls_and_goes_on_has_lost_nothing() {
    let mut pair = connected();
    send(&mut pair, 250_000);
    arrives(&mut pair, SECOND);
    let window = pair.a.association.stats().congestion_window;
    pair.b.received.clear();
    // Acknowledgements stand still until the timer fires, then all come at once.
    let (sink, mut held) = log();
    pair.intercept(move |_, from, datagram| {
        if from == Side::B {
            sink.push(datagram.clone());
            return Verdict::Drop;
        }
        Verdict::Pass
    });
    send(&mut pair, 250_000);
    pair.expect("a timeout", SECOND, |pair| pair.a.association.stats().timeouts == 1);
    pair.stop_intercepting();
    let held = held.all();
    assert!(!held.is_empty());
    for datagram in held {
        pair.inject(Side::A, &datagram);
    }
    pair.run_for(100 * MS);
    let stats = pair.a.association.stats();
    assert_eq!((stats.timeouts, stats.spurious_losses), (1, 1), "{stats:?}");
    assert!(stats.congestion_window >= window, "{window} {stats:?}");
    assert!(!pair.b.payloads(0).is_empty());
}

#[test]
fn acknowledgements_lost_and_doubled_delay_little() {
    for seed in seeds(20) {
        let mut pair = pair(seed, Link::delay(STEP), Config::default(), Config::default());
        pair.set_link(Side::B, Link { loss: 0.25, duplicate: 0.3, reorder: 0.2, ..Link::delay(STEP) });
        send(&mut pair, 250_000);
        let took = arrives(&mut pair, 10 * SECOND);
        let stats = pair.a.association.stats();
        assert!(stats.retransmits < 40, "seed {seed}: {stats:?}");
        assert!(took < SECOND, "seed {seed}: {took:?} {stats:?}");
    }
}

/// The tag that packets to `a` carry, and the last TSN that `b` acknowledged.
fn spy(pair: &mut Apps) -> Log<(u32, Tsn)> {
    let (sink, seen) = log();
    pair.intercept(move |_, from, datagram| {
        if from == Side::B {
            chunks(datagram, |chunk| {
                if let Chunk::Sack(sack) = chunk {
                    sink.push((tag_of(datagram), sack.cumulative_tsn_ack));
                }
            });
        }
        Verdict::Pass
    });
    seen
}

/// SACK chunks made by hand: cumulative TSN, window, gap blocks.
fn sack(tag: u32, cumulative: Tsn, gaps: &[(u16, u16)]) -> Vec<u8> {
    let mut value = cumulative.0.to_be_bytes().to_vec();
    value.extend_from_slice(&1_000_000u32.to_be_bytes());
    value.extend_from_slice(&(gaps.len() as u16).to_be_bytes());
    value.extend_from_slice(&[0, 0]);
    for (start, end) in gaps {
        value.extend_from_slice(&start.to_be_bytes());
        value.extend_from_slice(&end.to_be_bytes());
    }
    packet(tag, &[Chunk::Unknown(sctp::packet::RawChunk { kind: 3, flags: 0, value: &value })])
}

#[test]
fn sacks_that_acknowledge_the_unsent_change_nothing() {
    let mut pair = connected();
    let mut seen = spy(&mut pair);
    send(&mut pair, 1000);
    pair.run_for(SECOND);
    let (tag, last) = *seen.all().last().expect("a SACK");
    let before = pair.a.association.stats();
    let hostile = [sack(tag, last.plus(1), &[]), sack(tag, last, &[(2, 9)]), sack(tag, last.plus(1 << 30), &[(1, 1)])];
    for datagram in hostile {
        pair.inject(Side::A, &datagram);
        pair.run_for(MS);
    }
    let after = pair.a.association.stats();
    assert_eq!(after.refused - before.refused, 3);
    assert_eq!((after.congestion_window, after.in_flight), (before.congestion_window, 0));
}

#[test]
fn a_receiver_that_drops_what_it_reported_gets_it_again() {
    let mut pair = connected();
    let mut seen = spy(&mut pair);
    send(&mut pair, 1000);
    pair.run_for(SECOND);
    let (tag, last) = *seen.all().last().expect("a SACK");
    // From now on the test answers.
    pair.intercept(|_, from, _| if from == Side::B { Verdict::Drop } else { Verdict::Pass });
    send(&mut pair, 4000);
    pair.run_for(MS);
    let all = pair.a.association.stats().in_flight;
    pair.inject(Side::A, &sack(tag, last, &[(3, 3)]));
    pair.run_for(MS);
    assert_eq!(pair.a.association.stats().in_flight, all - 1148);
    pair.inject(Side::A, &sack(tag, last, &[]));
    pair.run_for(MS);
    assert_eq!(pair.a.association.stats().in_flight, all, "all are in flight again");
    pair.stop_intercepting();
    pair.expect("the message", 10 * SECOND, |pair| pair.b.payloads(0).len() == 2);
}

#[test]
fn a_peer_that_reports_and_takes_back_without_end_makes_no_storm() {
    let mut pair = connected();
    let mut seen = spy(&mut pair);
    send(&mut pair, 1000);
    pair.run_for(SECOND);
    let (tag, last) = *seen.all().last().expect("a SACK");
    // From now on only we answer.
    pair.intercept(|_, from, _| if from == Side::B { Verdict::Drop } else { Verdict::Pass });
    send(&mut pair, 11_000);
    pair.run_for(MS);
    let before = pair.counts(Side::A).sent;
    for round in 0..5000 {
        let gaps: &[(u16, u16)] = if round % 2 == 0 { &[(3, 9)] } else { &[] };
        pair.inject(Side::A, &sack(tag, last, gaps));
        pair.run_for(Duration::from_micros(200));
    }
    let sent = pair.counts(Side::A).sent - before;
    assert!(sent < 1500, "{sent} packets in a second");
    pair.stop_intercepting();
    pair.expect("the message", MINUTE, |pair| pair.b.payloads(0).len() == 2);
}

#[test]
fn tsns_wrap_in_the_middle_of_a_recovery() {
    for offset in [0, 1, 15, 25, 40] {
        let config = Config { initial_tsn: Some(Tsn(u32::MAX - offset)), ..Config::default() };
        let mut pair = pair(1, Link::delay(STEP), config, Config::default());
        drop_chunks(&mut pair, |number, count| count == 0 && (20..40).contains(&number) && number % 3 == 0);
        send(&mut pair, 100_000);
        arrives(&mut pair, SECOND);
        let stats = pair.a.association.stats();
        assert_eq!((stats.timeouts, stats.retransmits), (0, 7), "{offset}");
    }
}

#[test]
fn losses_in_bursts_are_repaired_without_timeouts_for_the_most_part() {
    let mut timeouts = 0;
    for seed in seeds(30) {
        let mut pair = pair(seed, Link::delay(STEP), Config::default(), Config::default());
        let burst = Some(Burst { enter: 0.005, leave: 0.2, loss: 0.9 });
        pair.set_link(Side::A, Link { burst, ..Link::delay(STEP) });
        for number in 0..8 {
            pair.a.queue(0, pattern(250_000, number), ORDERED);
        }
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("all", 30 * SECOND, |pair| pair.b.payloads(0).len() == 8);
        timeouts += pair.a.association.stats().timeouts;
    }
    // One burst of five packets in 200, 60 MB in all: some 250 bursts.
    assert!(timeouts < 60, "{timeouts}");
}

#[test]
fn every_controller_paces_and_none_sends_a_burst_of_its_window() {
    for congestion in [Congestion::NewReno, Congestion::Cubic, Congestion::Bbr] {
        let config = Config { congestion, ..Config::default() };
        let mut pair = pair(1, Link::delay(STEP * 5), config, Config::default());
        let (sink, mut sent) = log();
        pair.intercept(move |now, from, _| {
            if from == Side::A {
                sink.push(now);
            }
            Verdict::Pass
        });
        for number in 0..16 {
            pair.a.queue(0, pattern(250_000, number), ORDERED);
        }
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("all", 10 * SECOND, |pair| pair.b.payloads(0).len() == 16);
        let sent = sent.all();
        let most = sent.chunk_by(|a, b| a == b).map(<[_]>::len).max();
        let window = pair.a.association.stats().congestion_window;
        let most = most.unwrap_or_default();
        assert!(window > 300_000 && most * 1148 * 20 < window, "{congestion:?}: {most} at once, window {window}");
    }
}

#[test]
fn notes_on_congestion_from_routers_are_let_pass() {
    // ECNE and CWR (RFC 9260, appendix A) need no negotiation to come from a careless peer; what follows them counts.
    let mut pair = connected();
    let mut seen = spy(&mut pair);
    send(&mut pair, 1000);
    pair.run_for(SECOND);
    let (tag, last) = *seen.all().last().expect("a SACK");
    let value = last.0.to_be_bytes();
    let echo = |kind| Chunk::Unknown(sctp::packet::RawChunk { kind, flags: 0, value: &value });
    let beat = [0, 1, 0, 8, 1, 2, 3, 4];
    for kind in [12, 13] {
        pair.a.handle_datagram(pair.now(), &mut packet(tag, &[echo(kind), Chunk::Heartbeat(&beat)]));
        let mut answer = Vec::new();
        assert!(pair.a.poll_transmit(pair.now(), &mut answer), "kind {kind}");
        assert!(has_chunk(&answer, |chunk| matches!(chunk, Chunk::HeartbeatAck(_))));
        assert!(!has_chunk(&answer, |chunk| matches!(chunk, Chunk::Error(_))));
    }
}

#[test]
fn the_receive_window_grows_with_what_is_read_and_no_further_than_allowed() {
    for (most, expected) in [(64 << 20, 64 << 20), (2 << 20, 2 << 20)] {
        let config = Config { first_receive_window: 1 << 20, receive_window: most, ..Config::default() };
        let a = Config { send_buffer: 64 << 20, ..config.clone() };
        let mut pair = pair(1, Link::delay(STEP * 5), a, config);
        for number in 0..800 {
            pair.a.queue(0, pattern(100_000, number % 7), ORDERED);
        }
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("all", 20 * SECOND, |pair| pair.b.received.get(&0).map_or(0, Vec::len) == 800);
        let window = pair.a.association.stats().peer_window;
        assert!(window > expected / 2 && window <= expected, "{window} of {expected}");
        let stats = pair.b.association.stats();
        assert_eq!(stats.out_of_window, 0);
    }
}

#[test]
fn a_window_that_nobody_reads_does_not_grow() {
    let config = Config { first_receive_window: 400_000, max_message: 100_000, ..Config::default() };
    let mut pair = pair(1, Link::delay(STEP), Config::default(), config);
    pair.b.reads = false;
    for number in 0..100 {
        pair.a.queue(0, pattern(100_000, number % 7), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(30 * SECOND);
    assert!(pair.b.most_held <= 2 * 400_000 + 100_000, "{}", pair.b.most_held);
    pair.b.reads = true;
    let now = pair.now();
    pair.b.pump(now);
    pair.expect("the rest", 20 * SECOND, |pair| pair.b.payloads(0).len() == 100);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_of_losses_and_delays_delivers_everything_once_and_in_order(
        seed in 0u64..1 << 40,
        fates in proptest::collection::vec((any::<bool>(), 0u8..8), 1..200),
        kind in 0usize..3,
        offset in 0u32..100,
    ) {
        let congestion = [Congestion::NewReno, Congestion::Cubic, Congestion::Bbr][kind];
        let a = Config { congestion, initial_tsn: Some(Tsn(u32::MAX - offset)), ..Config::default() };
        let mut pair = pair(seed, Link::delay(STEP), a, Config::default());
        pair.set_links(Link { reorder: 0.2, reorder_by: 30 * MS, duplicate: 0.05, ..Link::delay(STEP) });
        // The first packets meet the fates, those after them pass: one in eight of either side is lost, or a run of them.
        let mut fates = fates.into_iter();
        pair.intercept(move |_, _, _| match fates.next() {
            Some((true, 0 | 1) | (false, 0)) => Verdict::Drop,
            Some(_) | None => Verdict::Pass,
        });
        for number in 0..30 {
            pair.a.queue(1, pattern(3000 + number * 100, number), ORDERED);
        }
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("all", MINUTE, |pair| pair.b.payloads(1).len() >= 30);
        pair.run_for(5 * SECOND);
        let expected: Vec<_> = (0..30).map(|number| pattern(3000 + number * 100, number)).collect();
        prop_assert!(pair.b.payloads(1) == expected);
        prop_assert_eq!(pair.a.association.stats().in_flight, 0);
    }
}
