//! What links do to datagrams.

use std::time::{Duration, Instant};
use visavis_sim::{self as sim, Burst, Endpoint, Link, Pair, Side};

/// Sends numbered datagrams at a fixed pace, and notes what arrives and when.
#[derive(Debug, Default)]
struct Counter {
    to_send: u32,
    sent: u32,
    size: usize,
    pace: Duration,
    due: Option<Instant>,
    ready: bool,
    received: Vec<(Duration, u32)>,
}

impl Counter {
    fn sending(to_send: u32, size: usize, pace: Duration) -> Self {
        Self { to_send, size, pace, due: Some(sim::start()), ..Self::default() }
    }

    fn numbers(&self) -> Vec<u32> {
        self.received.iter().map(|(_, number)| *number).collect()
    }
}

impl Endpoint for Counter {
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        let number = u32::from_be_bytes(*datagram.first_chunk().expect("a number"));
        self.received.push((now - sim::start(), number));
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.ready = true;
            self.due = None;
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        if !self.ready || self.sent == self.to_send {
            return false;
        }
        let start = buf.len();
        buf.extend(self.sent.to_be_bytes());
        buf.resize(start + self.size, 0);
        self.sent += 1;
        if !self.pace.is_zero() {
            self.ready = false;
            self.due = Some(now + self.pace);
        }
        true
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

fn run(seed: u64, link: Link, count: u32, size: usize, pace: Duration) -> Pair<Counter> {
    let budget = sim::Budget { wakeups: u32::MAX, ..sim::Budget::default() };
    let mut pair = Pair::new(seed, link, Counter::sending(count, size, pace), Counter::default());
    pair.set_budget(budget);
    pair.run_for(Duration::from_secs(3600));
    pair
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_perfect_link_delivers_all_in_order_at_once() {
    let pair = run(1, Link::default(), 1000, 100, Duration::ZERO);
    assert_eq!(pair.b.numbers(), (0..1000).collect::<Vec<_>>());
    assert!(pair.b.received.iter().all(|(at, _)| at.is_zero()));
    assert_eq!(pair.counts(Side::A).bytes, 100_000);
    assert_eq!(pair.counts(Side::B).sent, 0);
}

#[test]
fn independent_loss_is_about_right() {
    for seed in sim::seeds(5) {
        let pair = run(seed, Link { loss: 0.1, ..Link::default() }, 10_000, 10, Duration::ZERO);
        let lost = pair.counts(Side::A).lost;
        assert!((850..1150).contains(&lost), "{lost} of 10,000 lost");
        assert_eq!(pair.b.received.len() as u64 + lost, 10_000);
    }
}

#[test]
fn burst_loss_comes_in_bursts() {
    for seed in sim::seeds(5) {
        let burst = Burst { enter: 0.01, leave: 0.2, loss: 1.0 };
        let pair = run(seed, Link { burst: Some(burst), ..Link::default() }, 20_000, 10, Duration::ZERO);
        let lost = pair.counts(Side::A).lost as f64;
        // In the long run, enter / (enter + leave) of the time is bad.
        assert!((0.03..0.065).contains(&(lost / 20_000.0)), "{lost} of 20,000 lost");
        let bursts = pair.b.numbers().windows(2).filter(|pair| pair[1] - pair[0] > 1).count() as f64;
        assert!((3.5..7.0).contains(&(lost / bursts)), "bursts of {} on average", lost / bursts);
    }
}

#[test]
fn jitter_keeps_the_order_and_stays_in_its_bounds() {
    let link = Link { jitter: 30 * MS, ..Link::delay(50 * MS) };
    let pair = run(3, link, 2000, 10, MS);
    assert_eq!(pair.b.numbers(), (0..2000).collect::<Vec<_>>());
    let delays: Vec<Duration> = pair.b.received.iter().map(|(at, number)| *at - MS * *number).collect();
    assert!(delays.iter().all(|delay| (50 * MS..=80 * MS).contains(delay)));
    assert!(delays.iter().max().unwrap().saturating_sub(*delays.iter().min().unwrap()) > 20 * MS);
}

#[test]
fn reordering_and_duplication_are_about_right() {
    let link = Link { reorder: 0.1, duplicate: 0.05, ..Link::delay(50 * MS) };
    let pair = run(4, link, 10_000, 10, MS);
    let numbers = pair.b.numbers();
    let late = numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!((500..2000).contains(&late), "{late} of 10,000 overtaken");
    assert!((400..600).contains(&pair.counts(Side::A).duplicated));
    assert_eq!(numbers.len() as u64, 10_000 + pair.counts(Side::A).duplicated);
}

#[test]
fn a_rate_spaces_datagrams_and_its_queue_drops_the_rest() {
    let link = Link { rate: Some(100_000), queue: 10_000, ..Link::default() };
    let pair = run(5, link, 100, 1000, Duration::ZERO);
    let times: Vec<Duration> = pair.b.received.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, (1..=10).map(|n| 10 * MS * n).collect::<Vec<_>>());
    assert_eq!(pair.counts(Side::A).dropped, 90);
}

#[test]
fn what_exceeds_the_mtu_is_dropped() {
    assert_eq!(run(6, Link { mtu: 1200, ..Link::default() }, 5, 1200, MS).b.received.len(), 5);
    assert_eq!(run(6, Link { mtu: 1199, ..Link::default() }, 5, 1200, MS).b.received.len(), 0);
}

#[test]
fn corruption_flips_one_bit() {
    let mut pair =
        Pair::new(7, Link { corrupt: 1.0, ..Link::default() }, Counter::sending(200, 4, MS), Counter::default());
    pair.run_for(Duration::from_secs(1));
    for (sent, (_, arrived)) in pair.b.received.iter().enumerate() {
        assert_eq!((sent as u32 ^ arrived).count_ones(), 1);
    }
    assert_eq!(pair.counts(Side::A).corrupted, 200);
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let link = Link { burst: Some(Burst { enter: 0.01, leave: 0.3, loss: 0.8 }), duplicate: 0.1, ..Link::rough(9) };
    let runs: Vec<_> = [9, 9, 10].map(|seed| run(seed, link, 500, 10, MS).b.received).into();
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[test]
fn directions_have_links_of_their_own() {
    let mut pair = Pair::new(8, Link::default(), Counter::sending(5, 4, MS), Counter::sending(5, 4, MS));
    pair.set_link(Side::A, Link { loss: 1.0, ..Link::default() });
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.a.received.len(), pair.b.received.len()), (5, 0));
}

#[test]
fn rough_links_stay_within_what_they_promise() {
    for seed in sim::seeds(500) {
        let link = Link::rough(seed);
        assert!(link.loss <= 0.1 && link.delay <= 200 * MS && link.reorder <= 0.1 && link.duplicate <= 0.05);
    }
}
