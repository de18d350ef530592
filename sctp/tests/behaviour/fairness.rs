//! Connections that share a bottleneck.

use crate::common::*;
use sctp::{Config, Congestion, Event};
use sim::{Budget, Endpoint, Link, Pair};
use std::time::{Duration, Instant};
use visavis_sctp as sctp;

const MS: Duration = Duration::from_millis(1);

/// Two associations behind one link; a byte in front of each packet says whose it is.
struct Two([App; 2], bool);

impl Endpoint for Two {
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        let (flow, packet) = datagram.split_first_mut().expect("a packet of ours");
        self.0[usize::from(*flow)].handle_datagram(now, packet);
    }

    fn handle_timeout(&mut self, now: Instant) {
        for app in &mut self.0 {
            app.handle_timeout(now);
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        // They take turns, as they would in two processes.
        self.1 = !self.1;
        let first = usize::from(self.1);
        for flow in [first, 1 - first] {
            let before = buf.len();
            buf.push(flow as u8);
            if self.0[flow].poll_transmit(now, buf) {
                return true;
            }
            buf.truncate(before);
        }
        false
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.iter().filter_map(Endpoint::poll_timeout).min()
    }
}

/// What two flows got of a bottleneck after `settle`, in bytes per second. The second begins later.
fn share(kinds: [Congestion; 2], link: Link, settle: Duration, time: Duration) -> [f64; 2] {
    let app = |kind, stream| {
        let config = Config { congestion: kind, send_buffer: 16 << 20, receive_window: 16 << 20, ..Config::default() };
        App::new(config, 1, stream)
    };
    let two = |from| Two([app(kinds[0], from), app(kinds[1], from + 1)], false);
    let mut pair = Pair::new(1, link, two(0), two(2));
    pair.set_budget(Budget { wakeups: 10_000, ..Budget::default() });
    for flow in 0..2 {
        let now = pair.now();
        pair.a.0[flow].association.connect(now);
        pair.expect("the handshake", SECOND, |pair| pair.b.0[flow].has(&Event::Connected));
        run(&mut pair, flow + 1, 3 * SECOND);
    }
    run(&mut pair, 2, settle);
    run(&mut pair, 2, time).map(|bytes| bytes as f64 / time.as_secs_f64())
}

/// Keeps the first `flows` flows busy.
fn run(pair: &mut Pair<Two>, flows: usize, time: Duration) -> [usize; 2] {
    let payload = pattern(16_000, 0);
    let mut bytes = [0; 2];
    let mut passed = Duration::ZERO;
    while passed < time {
        let now = pair.now();
        for app in &mut pair.a.0[..flows] {
            while app.outbox.len() < 20 {
                app.queue(1, payload.clone(), ORDERED);
            }
            app.pump(now);
        }
        pair.run_for(10 * MS);
        passed += 10 * MS;
        for (app, bytes) in pair.b.0.iter_mut().zip(&mut bytes) {
            *bytes += app.received.values().flatten().map(|message| message.payload.len()).sum::<usize>();
            app.received.clear();
            app.events.retain(|event| matches!(event, Event::Readable(_)));
            app.events.truncate(1);
        }
    }
    bytes
}

fn jain([a, b]: [f64; 2]) -> f64 {
    (a + b).powi(2) / (2.0 * b.mul_add(b, a * a))
}

/// 50 Mbit/s, 40 ms, a queue of one product.
fn link() -> Link {
    Link { rate: Some(6_250_000), queue: 250_000, ..Link::delay(20 * MS) }
}

#[test]
fn two_cubic_flows_share_alike() {
    let rates = share([Congestion::Cubic; 2], link(), 20 * SECOND, 40 * SECOND);
    println!("CUBIC and CUBIC: {rates:?}, Jain's index {:.3}", jain(rates));
    assert!(jain(rates) > 0.9, "{rates:?}");
    assert!(rates.iter().sum::<f64>() > 0.9 * 6_250_000.0, "{rates:?}");
}

#[test]
fn cubic_leaves_new_reno_its_share() {
    // Where the product of bandwidth and delay is small, CUBIC is in its Reno-friendly region (RFC 9438, section 4.3).
    let small = Link { rate: Some(1_250_000), queue: 25_000, ..Link::delay(10 * MS) };
    let rates = share([Congestion::Cubic, Congestion::NewReno], small, 20 * SECOND, 60 * SECOND);
    println!("CUBIC and NewReno, 10 Mbit/s, 20 ms: {rates:?}, Jain's index {:.3}", jain(rates));
    assert!(jain(rates) > 0.8, "{rates:?}");
    // Where it is larger CUBIC takes more, as it is meant to, and does not starve the other.
    let rates = share([Congestion::Cubic, Congestion::NewReno], link(), 20 * SECOND, 60 * SECOND);
    println!("CUBIC and NewReno, 50 Mbit/s, 40 ms: {rates:?}, Jain's index {:.3}", jain(rates));
    assert!(rates[1] > 0.1 * 6_250_000.0, "{rates:?}");
}
