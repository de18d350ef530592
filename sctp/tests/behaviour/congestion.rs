//! What each controller makes of long paths, lossy paths and bottlenecks.

use crate::common::*;
use sctp::{Config, Congestion};
use sim::{Budget, Link};
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

#[test]
fn cubic_reaches_what_its_law_says_under_random_loss() {
    // RFC 9438, section 5.2: 1.054 × (RTT³ ∕ p³)^¼ packets per RTT, and Reno's where that is more.
    for (loss, least, most) in [(0.0, 100e6, 125e6), (0.01, 0.3e6, 1.2e6), (0.05, 0.08e6, 0.4e6)] {
        let mut pair = busy(2, gigabit(loss), config(Congestion::Cubic));
        throughput(&mut pair, SECOND);
        let time = if loss > 0.0 { 20 * SECOND } else { SECOND };
        let rate = throughput(&mut pair, time);
        println!("CUBIC, loss {loss}: {:.2} MB/s", rate / 1e6);
        assert!(rate > least && rate < most, "loss {loss}: {rate}; {:?}", pair.a.association.stats());
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
