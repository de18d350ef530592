//! The estimate on a simulated path: a sender with pacer and padding, a bottleneck with a queue, a receiver that sends
//! transport-wide feedback back. All in virtual time.

use rand::RngExt;
use rand::rngs::StdRng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};
use visavis_rtp::SequenceNumber;
use visavis_rtp::bandwidth::{Arrivals, ArrivalsConfig, Bitrate, Config, Estimator, Event, Pacer, PacerConfig, Probe};
use visavis_rtp::rtcp::TransportFeedback;

const MTU: u64 = 1200;
const STEP: Duration = Duration::from_millis(1);
const FRAME: Duration = Duration::from_micros(33_333);

/// What the path does to packets.
#[derive(Clone, Copy, Debug)]
struct Path {
    capacity: Bitrate,
    /// What others send through the same queue, without ever yielding.
    competing: Bitrate,
    /// The bytes that the queue takes.
    queue: u64,
    /// One way.
    delay: Duration,
    jitter: Duration,
    loss: f64,
    feedback_loss: f64,
    feedback_duplicated: f64,
    /// How much later feedback may come at random, and so out of order.
    feedback_jitter: Duration,
}

impl Default for Path {
    fn default() -> Self {
        Self {
            capacity: Bitrate::kilobits(1000),
            competing: Bitrate(0),
            queue: 64 * 1024,
            delay: Duration::from_millis(25),
            jitter: Duration::ZERO,
            loss: 0.0,
            feedback_loss: 0.0,
            feedback_duplicated: 0.0,
            feedback_jitter: Duration::ZERO,
        }
    }
}

/// What is on the way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Parcel {
    Packet { sequence: u16, size: usize },
    Feedback(Vec<u8>),
}

struct World {
    now: Instant,
    path: Path,
    rng: StdRng,
    estimator: Estimator,
    pacer: Pacer,
    arrivals: Arrivals,
    /// What the source sends at most; `None` is all that the estimate allows.
    source: Option<Bitrate>,
    frame_at: Instant,
    /// Bytes of frames that the pacer has not let go.
    waiting: u64,
    /// When the queue of the bottleneck is empty, and up to when the packets of others are in it.
    free_at: Instant,
    competing_sent: Instant,
    last_arrival: Instant,
    on_the_way: BinaryHeap<Reverse<(Instant, u64, Parcel)>>,
    parcels: u64,
    /// How long packets waited in the bottleneck since the watch began: in all, how many, at most.
    waits: (Duration, u32, Duration),
    probes: Vec<Probe>,
}

impl World {
    fn new(seed: u64, path: Path) -> Self {
        let now = sim::start();
        let estimator = Estimator::new(Config::default(), now);
        let pacer = Pacer::new(PacerConfig::default(), estimator.target());
        Self {
            now,
            path,
            rng: sim::rng(seed, 0xb17),
            estimator,
            pacer,
            arrivals: Arrivals::new(ArrivalsConfig::default(), now),
            source: None,
            frame_at: now,
            waiting: 0,
            free_at: now,
            competing_sent: now,
            last_arrival: now,
            on_the_way: BinaryHeap::new(),
            parcels: 0,
            waits: (Duration::ZERO, 0, Duration::ZERO),
            probes: Vec::new(),
        }
    }

    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.random_bool(probability)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        if most.is_zero() { most } else { most.mul_f64(self.rng.random_range(0.0..1.0)) }
    }

    fn post(&mut self, at: Instant, parcel: Parcel) {
        self.parcels += 1;
        self.on_the_way.push(Reverse((at, self.parcels, parcel)));
    }

    fn let_others_send(&mut self) {
        let bytes = self.path.competing.bytes_in(self.now - self.competing_sent);
        if bytes >= 500 || self.path.competing == Bitrate(0) {
            self.competing_sent = self.now;
            self.enqueue(bytes);
        }
    }

    /// When the bottleneck has passed so many bytes on; `None` if its queue is full.
    fn enqueue(&mut self, bytes: u64) -> Option<Instant> {
        let start = self.free_at.max(self.now);
        let held = self.path.capacity.bytes_in(start - self.now);
        if held + bytes > self.path.queue {
            return None;
        }
        self.free_at = start + self.path.capacity.time_for(bytes);
        Some(self.free_at)
    }

    fn send(&mut self, size: usize) {
        let sequence = self.estimator.on_sent(self.now, size, self.pacer.cluster());
        self.pacer.on_sent(self.now, size);
        let Some(leaves) = self.enqueue(size as u64) else { return };
        let wait = leaves - self.now;
        self.waits = (self.waits.0 + wait, self.waits.1 + 1, self.waits.2.max(wait));
        if self.happens(self.path.loss) {
            return;
        }
        let arrival = (leaves + self.path.delay + self.up_to(self.path.jitter)).max(self.last_arrival);
        self.last_arrival = arrival;
        self.post(arrival, Parcel::Packet { sequence: sequence.0, size });
    }

    /// A frame every 33 ms, of sizes that vary by a fifth.
    fn encode(&mut self) {
        while self.frame_at <= self.now {
            let target = self.estimator.target();
            let rate = self.source.map_or(target, |most| most.min(target));
            let frame = rate.bytes_in(FRAME) as f64 * self.rng.random_range(0.8..1.2);
            self.waiting += frame as u64;
            self.frame_at += FRAME;
        }
    }

    fn transmit(&mut self) {
        while let Some(probe) = self.estimator.poll_probe(self.now) {
            self.probes.push(probe);
            self.pacer.start_probe(self.now, probe);
        }
        while let Some(Event::Target(target)) = self.estimator.poll_event() {
            self.pacer.set_target(self.now, target);
        }
        self.pacer.set_queue(self.now, self.waiting, None);
        while (self.waiting > 0 || self.pacer.is_probing()) && self.pacer.can_send(self.now) {
            // Where there is no media, a probe is made of padding.
            let size = if self.waiting == 0 { MTU } else { self.waiting.min(MTU) };
            self.waiting = self.waiting.saturating_sub(size);
            self.send(size as usize);
        }
    }

    fn deliver(&mut self) {
        while self.on_the_way.peek().is_some_and(|first| first.0.0 <= self.now) {
            let Reverse((_, _, parcel)) = self.on_the_way.pop().expect("one was seen");
            match parcel {
                Parcel::Packet { sequence, size } => {
                    self.arrivals.record(self.now, SequenceNumber(sequence), size);
                }
                Parcel::Feedback(bytes) => {
                    let feedback = TransportFeedback::decode(&bytes).expect("feedback is well-formed");
                    self.estimator.handle_feedback(self.now, &feedback);
                }
            }
        }
        let mut buf = Vec::new();
        while self.arrivals.poll_feedback(self.now, 1, 2, &mut buf) {
            let bytes = std::mem::take(&mut buf);
            if self.happens(self.path.feedback_loss) {
                continue;
            }
            let copies = if self.happens(self.path.feedback_duplicated) { 2 } else { 1 };
            for _ in 0..copies {
                let at = self.now + self.path.delay + self.up_to(self.path.feedback_jitter);
                self.post(at, Parcel::Feedback(bytes.clone()));
            }
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        self.let_others_send();
        self.deliver();
        if self.estimator.poll_timeout().is_some_and(|due| due <= self.now) {
            self.estimator.handle_timeout(self.now);
            assert!(self.estimator.poll_timeout().is_none_or(|due| due > self.now), "a timer stays in the past");
        }
        self.encode();
        self.transmit();
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Runs, and returns the least, mean and most of the estimates of each 10 ms, in kbit/s.
    fn watch(&mut self, seconds: u64) -> [u64; 3] {
        self.waits = (Duration::ZERO, 0, Duration::ZERO);
        let (mut least, mut most, mut sum) = (u64::MAX, 0, 0);
        let count = seconds * 100;
        for _ in 0..count {
            self.run(Duration::from_millis(10));
            let rate = self.estimator.target().0 / 1000;
            (least, most, sum) = (least.min(rate), most.max(rate), sum + rate);
        }
        [least, sum / count, most]
    }

    /// How long packets waited in the bottleneck on average, in milliseconds.
    fn mean_wait(&self) -> u128 {
        (self.waits.0 / self.waits.1.max(1)).as_millis()
    }
}

/// Runs until 9 s after the path has changed, and asserts that from then on, for 6 s, the estimate is about `limit`
/// kbit/s, and that packets wait no longer than `wait` milliseconds on average.
#[track_caller]
fn expect_settled(world: &mut World, limit: u64, wait: u128) {
    world.run(Duration::from_secs(9));
    let settled = world.watch(6);
    let [least, mean, most] = settled;
    assert!((limit * 8 / 10..=limit * 12 / 10).contains(&mean), "{settled:?} is not about {limit} kbit/s");
    assert!(least >= limit * 7 / 10 && most <= limit * 13 / 10, "{settled:?} strays from {limit} kbit/s");
    assert!(world.mean_wait() <= wait, "packets wait {} ms at {limit} kbit/s", world.mean_wait());
}

/// 1 Mbit/s, then 300 kbit/s, then 3.5 Mbit/s.
fn follow(seed: u64, path: Path) {
    let mut world = World::new(seed, path);
    for (limit, wait) in [(1000, 60), (300, 200), (3500, 60)] {
        world.path.capacity = Bitrate::kilobits(limit);
        expect_settled(&mut world, limit, wait);
    }
}

#[test]
fn the_estimate_follows_the_capacity_of_the_path() {
    for seed in sim::seeds(20) {
        follow(seed, Path::default());
    }
}

#[test]
fn the_estimate_follows_the_capacity_in_spite_of_jitter() {
    for seed in sim::seeds(50) {
        follow(seed, Path { jitter: Duration::from_millis(10), ..Path::default() });
    }
}

#[test]
fn a_short_queue_that_drops_is_found_out_by_loss_or_delay() {
    for seed in sim::seeds(10) {
        let mut world = World::new(seed, Path { queue: 12_000, ..Path::default() });
        world.run(Duration::from_secs(9));
        let settled = world.watch(10);
        assert!(settled[1] >= 650 && settled[2] <= 1300, "{settled:?}");
    }
}

#[test]
fn one_percent_of_loss_does_not_make_the_estimate_collapse() {
    for seed in sim::seeds(20) {
        let mut world = World::new(seed, Path { loss: 0.01, ..Path::default() });
        world.run(Duration::from_secs(9));
        let settled = world.watch(20);
        assert!(settled[1] >= 800 && settled[0] >= 600 && settled[2] <= 1300, "{settled:?}");
    }
}

#[test]
fn fifteen_percent_of_loss_makes_it_back_off_and_an_end_of_loss_come_back() {
    for seed in sim::seeds(10) {
        let mut world = World::new(seed, Path::default());
        world.run(Duration::from_secs(9));
        let before = world.watch(1)[1];
        world.path.loss = 0.15;
        world.run(Duration::from_secs(5));
        let during = world.watch(5);
        assert!(during[2] < before * 8 / 10, "{during:?} while {before} kbit/s before");
        world.path.loss = 0.0;
        world.run(Duration::from_secs(15));
        let after = world.watch(5);
        assert!(after[1] >= 750, "{after:?} after the loss");
    }
}

#[test]
fn a_stream_that_does_not_yield_gets_its_half() {
    for seed in sim::seeds(10) {
        let path = Path { capacity: Bitrate::kilobits(2000), competing: Bitrate::kilobits(1000), ..Path::default() };
        let mut world = World::new(seed, path);
        world.run(Duration::from_secs(9));
        let settled = world.watch(15);
        assert!(settled[1] >= 750 && settled[1] <= 1200, "{settled:?}");
        assert!(world.mean_wait() <= 100, "packets wait {} ms", world.mean_wait());
    }
}

#[test]
fn lost_repeated_and_reordered_feedback_does_no_harm() {
    for seed in sim::seeds(10) {
        let path = Path {
            feedback_loss: 0.1,
            feedback_duplicated: 0.3,
            feedback_jitter: Duration::from_millis(120),
            ..Path::default()
        };
        let mut world = World::new(seed, path);
        world.run(Duration::from_secs(9));
        let settled = world.watch(15);
        assert!(settled[1] >= 750 && settled[2] <= 1300, "{settled:?}");
        assert!(world.mean_wait() <= 100, "packets wait {} ms", world.mean_wait());
    }
}

#[test]
fn a_source_that_needs_little_neither_lets_the_estimate_run_away_nor_decay() {
    for seed in sim::seeds(10) {
        for jitter in [0, 10] {
            let path = Path { jitter: Duration::from_millis(jitter), ..Path::default() };
            let mut world = World::new(seed, path);
            world.source = Some(Bitrate::kilobits(200));
            world.run(Duration::from_secs(9));
            let settled = world.watch(60);
            assert!(settled[0] >= 250 && settled[1] >= 700 && settled[2] <= 1400, "{settled:?}");
            // Once it needs more, there is what there was said to be.
            world.source = None;
            world.run(Duration::from_secs(2));
            let after = world.watch(5);
            assert!(after[1] >= 700 && after[2] <= 1300, "{after:?}");
        }
    }
}

#[test]
fn nothing_wakes_up_while_nothing_is_sent() {
    let mut world = World::new(0, Path::default());
    world.run(Duration::from_secs(5));
    world.source = Some(Bitrate(0));
    world.run(Duration::from_secs(5));
    let probes = world.probes.len();
    let rate = world.estimator.target();
    world.run(Duration::from_secs(60));
    assert_eq!((world.estimator.poll_timeout(), world.arrivals.poll_timeout()), (None, None));
    assert_eq!((world.probes.len(), world.estimator.target()), (probes, rate));
}

#[test]
fn a_path_that_falls_silent_is_sent_less_and_less_until_it_speaks_again() {
    let mut world = World::new(0, Path::default());
    world.run(Duration::from_secs(5));
    world.path.feedback_loss = 1.0;
    world.run(Duration::from_secs(10));
    assert!(world.estimator.target() < Bitrate::kilobits(300), "{}", world.estimator.target());
    world.path.feedback_loss = 0.0;
    expect_settled(&mut world, 1000, 60);
}

/// A path without transport-wide feedback.
fn without_feedback() -> Estimator {
    Estimator::new(Config { probing: false, ..Config::default() }, sim::start())
}

#[test]
fn the_receivers_own_estimate_is_a_limit() {
    let mut estimator = without_feedback();
    let now = sim::start();
    estimator.handle_remb(now, Bitrate::kilobits(800));
    assert_eq!(estimator.target(), Bitrate::kilobits(800));
    assert_eq!(estimator.poll_event(), Some(Event::Target(Bitrate::kilobits(800))));
    assert_eq!(estimator.poll_event(), None);
    estimator.handle_remb(now, Bitrate(0));
    assert_eq!(estimator.target(), Config::default().min);
    estimator.handle_remb(now, Bitrate(u64::MAX));
    assert_eq!(estimator.target(), Config::default().max);

    let mut world = World::new(0, Path::default());
    world.run(Duration::from_secs(9));
    world.estimator.handle_remb(world.now, Bitrate::kilobits(400));
    let probes = world.probes.len();
    assert_eq!(world.watch(10)[2], 400);
    assert_eq!(world.probes.len(), probes, "nothing more is tried");
}

#[test]
fn receiver_reports_stand_in_for_feedback() {
    let mut estimator = without_feedback();
    let mut now = sim::start();
    let mut report = |estimator: &mut Estimator, fraction_lost: u8, bytes: usize| {
        now += Duration::from_secs(1);
        estimator.on_sent(now, bytes, None);
        estimator.handle_loss(now, fraction_lost);
        estimator.target().0 / 1000
    };
    assert_eq!(report(&mut estimator, 0, 40_000), 300, "the first only starts the clock");
    assert_eq!(report(&mut estimator, 0, 40_000), 324);
    assert_eq!(report(&mut estimator, 13, 40_000), 324, "5 % is neither good nor bad");
    assert_eq!(report(&mut estimator, 128, 40_000), 243);
    let held = (0..100).map(|_| report(&mut estimator, 0, 10_000)).last();
    assert_eq!(held, Some(243), "what is sent does not bear out more");
    let grown = (0..20).map(|_| report(&mut estimator, 0, 60_000)).last().unwrap();
    assert!((700..=720).contains(&grown), "{grown} kbit/s");
}

#[test]
fn receiver_reports_do_not_count_where_there_is_feedback() {
    let mut world = World::new(0, Path::default());
    world.run(Duration::from_secs(9));
    let before = world.estimator.target();
    world.estimator.handle_loss(world.now, 255);
    world.run(Duration::from_millis(1));
    world.estimator.handle_loss(world.now, 255);
    assert_eq!(world.estimator.target(), before);
}

#[test]
fn a_long_path_is_followed_too() {
    for seed in sim::seeds(10) {
        let mut world = World::new(seed, Path { delay: Duration::from_millis(100), ..Path::default() });
        expect_settled(&mut world, 1000, 80);
        world.path.capacity = Bitrate::kilobits(400);
        expect_settled(&mut world, 400, 200);
    }
}

#[test]
fn a_fast_path_is_found_out_within_seconds() {
    for seed in sim::seeds(5) {
        let path = Path { capacity: Bitrate::kilobits(20_000), queue: 512 * 1024, ..Path::default() };
        let mut world = World::new(seed, path);
        world.run(Duration::from_secs(5));
        let settled = world.watch(10);
        assert!(settled[1] >= 16_000 && settled[2] <= 24_000, "{settled:?}");
    }
}

#[test]
fn a_slow_path_is_not_overrun() {
    for seed in sim::seeds(10) {
        let mut world = World::new(seed, Path { capacity: Bitrate::kilobits(100), ..Path::default() });
        world.run(Duration::from_secs(15));
        let settled = world.watch(15);
        assert!(settled[1] >= 60 && settled[1] <= 120, "{settled:?}");
        assert!(world.mean_wait() <= 500, "packets wait {} ms", world.mean_wait());
    }
}
