//! Everything about a run, drawn from its seed.

use rand::RngExt;
use rand::rngs::StdRng;
use sctp::{Config, Congestion, Reliability, Scheduler, SendOptions, Tsn};
use sim::Link;
use std::time::Duration;
use visavis_sctp as sctp;

const MS: Duration = Duration::from_millis(1);

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// One side shuts down.
    One,
    /// Both do.
    Both,
    /// One side aborts after this time, wherever things are.
    Abort(Duration),
}

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// Send a message of this length; in parts of that length, if any.
    Send { stream: u16, length: usize, parts: Option<usize>, options: SendOptions },
    /// Reset the stream.
    Reset(u16),
    /// Give the stream a priority.
    Priority(u16, u16),
    /// Do nothing for a while.
    Pause(Duration),
}

/// A run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) configs: [Config; 2],
    pub(crate) links: [Link; 2],
    /// Nothing passes meanwhile.
    pub(crate) silence: Option<(Duration, Duration)>,
    pub(crate) early: f64,
    pub(crate) both_call: bool,
    /// Whoever shuts down does not wait for the other to have handed over everything.
    pub(crate) one_sided: bool,
    pub(crate) end: End,
    /// How likely a reader stalls after a message.
    pub(crate) stalls: f64,
    pub(crate) jobs: [Vec<Job>; 2],
}

/// One of these.
fn one<T: Copy>(rng: &mut StdRng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())]
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = sim::rng(seed, 0x07ac1e);
        let partial_delivery = rng.random_bool(0.4);
        let configs = [0, 1].map(|_| config(&mut rng, partial_delivery));
        let links = [link(&mut rng, seed), link(&mut rng, seed ^ 0xff00)];
        let silence = rng.random_bool(0.2).then(|| {
            let from = rng.random_range(0..5_000) * MS;
            (from, from + 5000 * MS)
        });
        let end = match rng.random_range(0..10) {
            0 => End::Abort(rng.random_range(1..5_000) * MS),
            1..6 => End::One,
            _ => End::Both,
        };
        let jobs = [0, 1].map(|_| jobs(&mut rng));
        Self {
            seed,
            configs,
            links,
            silence,
            early: one(&mut rng, &[0.0, 0.05]),
            both_call: rng.random_bool(0.2),
            one_sided: rng.random_bool(0.3),
            end,
            stalls: one(&mut rng, &[0.0, 0.0, 0.02, 0.2]),
            jobs,
        }
    }
}

fn config(rng: &mut StdRng, partial_delivery: bool) -> Config {
    use Scheduler as S;
    let schedulers = [S::FirstCome, S::RoundRobin, S::RoundRobinPerPacket, S::Priority, S::Fair, S::Weighted];
    Config {
        max_packet: rng.random_range(200..1500),
        max_message: if partial_delivery { usize::MAX } else { 1 << 20 },
        partial_delivery,
        send_buffer: one(rng, &[5_000, 30_000, 200_000, 4 << 20]),
        max_send_buffer: one(rng, &[0, 60_000, 1 << 20]),
        first_receive_window: one(rng, &[1_500, 20_000, 200_000]),
        receive_window: one(rng, &[1_500, 20_000, 200_000, 1 << 20]),
        interleaving: rng.random_bool(0.7),
        zero_checksum: rng.random_bool(0.7),
        scheduler: one(rng, &schedulers),
        rto_initial: rng.random_range(100..1000) * MS,
        rto_max: rng.random_range(2_000..10_000) * MS,
        congestion: one(rng, &[Congestion::NewReno, Congestion::Cubic, Congestion::Bbr]),
        sack_delay: rng.random_range(0..200) * MS,
        max_retransmits: 100,
        max_init_retransmits: 100,
        max_gaps: one(rng, &[4, 100, 8192]),
        initial_tsn: rng.random_bool(0.5).then(|| Tsn(0u32.wrapping_sub(rng.random_range(0..60)))),
        ..Config::default()
    }
}

fn link(rng: &mut StdRng, seed: u64) -> Link {
    let mut link = match rng.random_range(0..4) {
        0 => Link::delay(rng.random_range(0..100) * MS),
        _ => Link::rough(seed),
    };
    if rng.random_bool(0.4) {
        link.rate = Some(one(rng, &[20_000, 200_000, 2_000_000]));
        link.queue = one(rng, &[3_000, 20_000, 100_000]);
    }
    link
}

fn options(rng: &mut StdRng) -> SendOptions {
    let reliability = match rng.random_range(0..6) {
        0 => Reliability::MaxRetransmits(rng.random_range(0..4)),
        1 => Reliability::MaxLifetime(rng.random_range(0..1500) * MS),
        _ => Reliability::Reliable,
    };
    SendOptions { unordered: rng.random_bool(0.4), reliability }
}

fn jobs(rng: &mut StdRng) -> Vec<Job> {
    let streams: Vec<u16> = (0..rng.random_range(1..6)).map(|_| one(rng, &[0, 1, 2, 3, 7, 500, 65_534])).collect();
    let mut left: usize = one(rng, &[2_000, 50_000, 300_000, 1_000_000]);
    // Now and then a large one.
    let mut large = rng.random_bool(0.1).then(|| rng.random_range(100_000..1_000_000));
    let mut jobs = Vec::new();
    for _ in 0..rng.random_range(0..300) {
        let stream = one(rng, &streams);
        let most = one(rng, &[2, 200, 200, 3_000, 20_000]);
        jobs.push(match rng.random_range(0..40) {
            0 => Job::Reset(stream),
            1 => Job::Priority(stream, rng.random_range(0..1000)),
            2 => Job::Pause(rng.random_range(0..3000) * MS),
            _ => {
                let length = large.take().unwrap_or_else(|| rng.random_range(1..most)).min(1 << 20);
                left = left.saturating_sub(length);
                let parts = rng.random_bool(0.2).then(|| rng.random_range(1 + length / 50..length + 2));
                Job::Send { stream, length, parts, options: options(rng) }
            }
        });
        if left == 0 {
            break;
        }
    }
    jobs
}
