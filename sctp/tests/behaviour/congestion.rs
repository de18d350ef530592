//! What each controller makes of long paths, lossy paths and bottlenecks.

use crate::common::*;
use rand::RngExt;
use sctp::{Config, Congestion};
use sim::{Budget, Link, Side};
use std::time::Duration;
use visavis_sctp as sctp;

const MS: Duration = Duration::from_millis(1);

/// 1 Gbit/s in bytes per second.
const GIGABIT: u64 = 125_000_000;

fn config(congestion: Congestion) -> Config {
    Config { congestion, send_buffer: 64 << 20, receive_window: 64 << 20, ..Config::default() }
}

/// A pair with more to send than it ever will.
fn busy(seed: u64, link: Link, config: Config) -> Apps {
    // Loss of acknowledgements is part of it, the handshake is not.
    let mut pair = pair(seed, Link::delay(link.delay), config.clone(), config);
    pair.set_links(link);
    pair.set_budget(Budget { wakeups: 10_000, ..Budget::default() });
    refill(&mut pair);
    pair
}

fn refill(pair: &mut Apps) {
    let payload = pattern(64_000, 0);
    while pair.a.outbox.len() < 200 {
        pair.a.queue(1, payload.clone(), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
}

/// Lets time pass, with enough to send all the while. Returns the payload bytes per second that arrived in order.
fn throughput(pair: &mut Apps, time: Duration) -> f64 {
    let mut passed = Duration::ZERO;
    let mut bytes = 0;
    pair.b.received.clear();
    while passed < time {
        refill(pair);
        pair.run_for(10 * MS);
        passed += 10 * MS;
        bytes += pair.b.received.values().flatten().map(|message| message.payload.len()).sum::<usize>();
        pair.b.received.clear();
        pair.b.events.retain(|event| matches!(event, sctp::Event::Readable(_)));
        pair.b.events.truncate(1);
    }
    bytes as f64 / time.as_secs_f64()
}

fn gigabit(loss: f64) -> Link {
    Link { rate: Some(GIGABIT), queue: 6_250_000, loss, ..Link::delay(25 * MS) }
}

#[test]
fn bbr_keeps_the_rate_of_a_path_that_loses_at_random() {
    for (loss, least) in [(0.0, 0.9), (0.01, 0.8), (0.05, 0.5)] {
        let mut pair = busy(1, gigabit(loss), config(Congestion::Bbr));
        throughput(&mut pair, SECOND);
        let rate = throughput(&mut pair, SECOND) / GIGABIT as f64;
        println!("BBR, loss {loss}: {:.1} MB/s", rate * 125.0);
        assert!(rate > least, "loss {loss}: {rate} of the path; {:?}", pair.a.association.stats());
    }
}

/// What TCP with CUBIC makes of a path that loses at random, one packet at a time: the window of RFC 9438 (Linux's, whose
/// friendly region grows by 3 (1 - β) ∕ (1 + β) packets in a round trip), a recovery that takes a round trip with a window
/// reduced to β, and no timeout ever. Packets per round trip that arrive, on average.
fn tcp_cubic(loss: f64, rtt: f64, rounds: u32) -> f64 {
    const BETA: f64 = 0.7;
    let mut rng = sim::rng(1, 0xcb1c);
    let (mut window, mut w_max, mut friendly, mut origin, mut k, mut elapsed) = (10.0_f64, 0.0, 0.0, 0.0, 0.0, 0.0);
    let mut delivered = 0u32;
    let mut recovers = false;
    for _ in 0..rounds {
        let sent = window as u32;
        let lost = (0..sent).filter(|_| rng.random_bool(loss)).count() as u32;
        delivered += sent - lost;
        if lost > 0 && !recovers {
            w_max = if window < w_max { window * (1.0 + BETA) / 2.0 } else { window };
            window = (window * BETA).max(2.0);
            (friendly, origin, elapsed) = (window, w_max.max(window), 0.0);
            k = ((origin - window) / 0.4_f64).cbrt();
            recovers = true;
            continue;
        }
        // What was lost in the round of recovery belongs to the same event.
        recovers = false;
        elapsed += rtt;
        friendly += 3.0 * (1.0 - BETA) / (1.0 + BETA);
        let curve: f64 = 0.4 * (elapsed - k).powi(3) + origin;
        window = window.max(friendly).max(curve.min(window * 1.5));
    }
    f64::from(delivered) / f64::from(rounds)
}

#[test]
fn cubic_is_no_slower_than_tcp_under_random_loss() {
    for (loss, most) in [(0.01, 1.2e6), (0.05, 0.4e6)] {
        let tcp = tcp_cubic(loss, 0.05, 200_000) * 1132.0 / 0.05;
        let mut mean = 0.0;
        for seed in 0..4 {
            let mut pair = busy(seed, gigabit(loss), config(Congestion::Cubic));
            throughput(&mut pair, SECOND);
            mean += throughput(&mut pair, 60 * SECOND) / 4.0;
        }
        // RFC 9438, section 5.2, in packets per round trip; and Reno's law (RFC 5348, section 3.1, without timeouts).
        let law = (1.054 * (0.05_f64 / loss).powf(0.75)).max((1.5 / loss).sqrt()) * 1132.0 / 0.05;
        println!("CUBIC, loss {loss}: {:.3} MB/s; TCP {:.3} MB/s, law {:.3} MB/s", mean / 1e6, tcp / 1e6, law / 1e6);
        assert!(mean > tcp && mean < most, "loss {loss}: {mean}, TCP {tcp}");
    }
}

#[test]
fn cubic_fills_a_path_without_loss() {
    let mut pair = busy(2, gigabit(0.0), config(Congestion::Cubic));
    throughput(&mut pair, SECOND);
    let rate = throughput(&mut pair, SECOND);
    println!("CUBIC, no loss: {:.1} MB/s", rate / 1e6);
    assert!(rate > 100e6 && rate < 125e6, "{rate}; {:?}", pair.a.association.stats());
}

#[test]
fn slow_start_ends_before_the_queue_of_a_bottleneck_overflows() {
    for (rate, delay) in [(12_500_000, 25), (2_500_000, 25), (12_500_000, 5)] {
        for congestion in [Congestion::Cubic, Congestion::NewReno] {
            let delay = delay * MS;
            // A queue of one and a half products of bandwidth and delay.
            let queue = (rate as f64 * 3.0 * delay.as_secs_f64()) as usize;
            let mut pair = busy(4, Link { rate: Some(rate), queue, ..Link::delay(delay) }, config(congestion));
            let mut passed = Duration::ZERO;
            while pair.a.association.stats().slow_start_threshold == usize::MAX && passed < 5 * SECOND {
                throughput(&mut pair, 10 * MS);
                passed += 10 * MS;
            }
            let stats = pair.a.association.stats();
            let product = rate as f64 * 2.0 * delay.as_secs_f64();
            println!("{congestion:?}: left at {} of {product} after {passed:?}", stats.congestion_window);
            assert!(stats.slow_start_threshold < usize::MAX, "{congestion:?} at {rate}: it ended");
            assert_eq!(pair.counts(Side::A).dropped, 0, "{congestion:?} at {rate}: {stats:?}");
            assert!(stats.congestion_window as f64 > product / 3.0, "{congestion:?} at {rate}: {stats:?}");
        }
    }
}

/// How often a bottleneck is looked at, 50 ms apart.
const SAMPLES: u32 = 600;

/// 100 Mbit/s and 50 ms, with this much of a queue. Returns the share of the rate that brought new data, and the mean
/// queueing delay.
fn bottleneck(congestion: Congestion, queue: usize) -> (f64, Duration) {
    let rate = 12_500_000;
    let link = Link { rate: Some(rate), queue, ..Link::delay(25 * MS) };
    let mut pair = busy(3, link, config(congestion));
    throughput(&mut pair, 5 * SECOND);
    let (mut carried, mut delay) = (0.0, Duration::ZERO);
    for _ in 0..SAMPLES {
        carried += throughput(&mut pair, 50 * MS) / f64::from(SAMPLES);
        delay += pair.a.association.stats().rtt.unwrap_or_default().saturating_sub(50 * MS);
    }
    // Of a full packet's 1160 bytes 1132 are payload.
    let carried = carried * 1160.0 / 1132.0;
    (carried / rate as f64, delay / SAMPLES)
}

#[test]
fn bottlenecks_are_used_whether_their_queue_is_a_product_or_a_tenth() {
    const PRODUCT: usize = 625_000;
    for (congestion, queue, least) in [
        (Congestion::Cubic, PRODUCT, 0.95),
        (Congestion::Cubic, PRODUCT / 10, 0.9),
        (Congestion::Bbr, PRODUCT, 0.95),
        (Congestion::Bbr, PRODUCT / 10, 0.9),
        (Congestion::NewReno, PRODUCT, 0.95),
    ] {
        let (share, delay) = bottleneck(congestion, queue);
        println!("{congestion:?}, queue {queue}: {:.1} % of the rate, queueing delay {delay:?}", share * 100.0);
        assert!(share >= least, "{congestion:?} with a queue of {queue}: {share}");
        if congestion == Congestion::Bbr {
            assert!(delay < 10 * MS, "the queue is mostly empty: {delay:?}");
        }
    }
}

/// The most that a buffer of this size holds: chunks are charged one by one when messages have been cut.
fn cut(buffer: usize) -> usize {
    buffer / 10 * 11
}

/// The share of a gigabit per second that is filled when this much time has passed, and the most that the sender held.
fn filled(link: Link, config: Config, warm_up: Duration) -> (f64, usize) {
    let mut pair = busy(5, Link { rate: Some(GIGABIT), ..link }, config);
    let (mut bytes, mut most) = (0.0, 0);
    let mut passed = Duration::ZERO;
    while passed < warm_up + SECOND {
        let carried = throughput(&mut pair, 10 * MS) * 0.01;
        bytes += if passed < warm_up { 0.0 } else { carried };
        most = most.max(pair.a.association.stats().send_buffer_used);
        passed += 10 * MS;
    }
    (bytes / GIGABIT as f64, most)
}

#[test]
fn the_send_buffer_grows_to_what_a_long_and_fast_path_holds() {
    let link = Link { queue: 12_500_000, ..Link::delay(50 * MS) };
    for congestion in [Congestion::Bbr, Congestion::Cubic] {
        let config = Config { congestion, ..Config::default() };
        let (share, most) = filled(link, config.clone(), 3 * SECOND);
        println!("{congestion:?}: {:.1} % with {most} bytes", share * 100.0);
        assert!(share > 0.8, "{congestion:?}: {share}");
        assert!(most > 2 * config.send_buffer && most <= cut(config.max_send_buffer), "{congestion:?}: {most}");

        let bounded = Config { max_send_buffer: 8 << 20, ..config.clone() };
        let (share, most) = filled(link, bounded, 3 * SECOND);
        assert!(share > 0.4 && share < 0.8 && most <= cut(8 << 20), "{congestion:?}: {share} with {most}");

        let (share, most) = filled(link, Config { max_send_buffer: 0, ..config.clone() }, 3 * SECOND);
        assert!(share < 0.4 && most <= cut(config.send_buffer), "{congestion:?}: {share} with {most}");
    }
}

#[test]
fn the_send_buffer_does_not_grow_on_a_short_path() {
    for congestion in [Congestion::Bbr, Congestion::Cubic] {
        let config = Config { congestion, ..Config::default() };
        let (share, most) = filled(Link { queue: 12_500_000, ..Link::delay(MS / 10) }, config.clone(), SECOND);
        println!("{congestion:?}: {:.1} % with {most} bytes", share * 100.0);
        assert!(share > 0.8, "{congestion:?}: {share}");
        assert!(most <= cut(config.send_buffer), "{congestion:?}: {most}");
    }
}
