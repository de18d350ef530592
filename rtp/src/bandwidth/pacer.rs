//! When the next packet may leave.

use super::{Bitrate, Cluster, Probe};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Probes that wait at most.
const MOST_PROBES: usize = 4;
/// A probe that was not sent within this time is given up.
const PROBE_EXPIRES: Duration = Duration::from_secs(1);
/// A queue that is too old already is to be gone in this time.
const LEAST_DRAIN_TIME: Duration = Duration::from_millis(100);

/// How a [`Pacer`] spreads packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PacerConfig {
    /// What the target is multiplied with: frames leave faster than they come on average, as the next may be smaller.
    pub factor: f64,
    /// What may be sent at once, as the time that it takes at the pacer's rate, besides one packet.
    pub burst: Duration,
    /// How long a packet waits at most: the rate is raised so that the queue is gone by then.
    pub max_queue_time: Duration,
    /// What passed without asking is charged up to this time.
    pub max_debt: Duration,
}

impl Default for PacerConfig {
    fn default() -> Self {
        Self {
            factor: 2.5,
            burst: Duration::from_millis(5),
            max_queue_time: Duration::from_secs(2),
            max_debt: Duration::from_millis(500),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    probe: Probe,
    since: Instant,
    /// When its first packet was sent.
    started: Option<Instant>,
    sent: u64,
}

impl Waiting {
    /// When the next packet of it is to leave; `None` is at once.
    fn next(&self) -> Option<Instant> {
        Some(self.started? + self.probe.rate.time_for(self.sent))
    }
}

/// Says when packets may leave, so that they do not come in bursts that fill queues.
///
/// Audio does not ask [`can_send`](Self::can_send); it leaves at once, and is told of by [`on_sent`](Self::on_sent).
#[derive(Debug)]
pub struct Pacer {
    config: PacerConfig,
    target: Bitrate,
    /// What the queue needs to be gone in time.
    needed: Bitrate,
    /// Until when what was sent takes the rate up.
    busy_until: Option<Instant>,
    probes: VecDeque<Waiting>,
}

impl Pacer {
    /// A pacer for a path that carries `target`.
    pub const fn new(config: PacerConfig, target: Bitrate) -> Self {
        Self { config, target, needed: Bitrate(0), busy_until: None, probes: VecDeque::new() }
    }

    /// The estimate has changed.
    pub fn set_target(&mut self, now: Instant, target: Bitrate) {
        let before = self.rate();
        self.target = target;
        self.rescale(now, before);
    }

    /// What waits to be sent: how many bytes, and since when the oldest of them.
    pub fn set_queue(&mut self, now: Instant, bytes: u64, oldest: Option<Instant>) {
        let before = self.rate();
        let age = oldest.map_or(Duration::ZERO, |oldest| now.saturating_duration_since(oldest));
        let left = self.config.max_queue_time.saturating_sub(age).max(LEAST_DRAIN_TIME);
        self.needed = Bitrate::of(bytes, left).unwrap_or_default();
        self.rescale(now, before);
    }

    /// The rate at which media leaves while no probe does.
    pub fn rate(&self) -> Bitrate {
        self.target.scaled(self.config.factor).max(self.needed).max(Bitrate(1))
    }

    /// Whether a packet may leave now.
    pub fn can_send(&mut self, now: Instant) -> bool {
        self.forget_old_probes(now);
        self.next().is_none_or(|next| next <= now)
    }

    /// A packet of so many bytes has left, whether it asked or not.
    pub fn on_sent(&mut self, now: Instant, bytes: usize) {
        let bytes = bytes as u64;
        self.forget_old_probes(now);
        let Some(waiting) = self.probes.front_mut() else {
            let start = self.busy_until.map_or(now, |until| until.max(now));
            let until = start + self.rate().time_for(bytes);
            self.busy_until = Some(until.min(now + self.config.max_debt));
            return;
        };
        // A probe is beyond the budget.
        waiting.started.get_or_insert(now);
        waiting.sent = waiting.sent.saturating_add(bytes);
        if waiting.sent >= waiting.probe.bytes {
            self.probes.pop_front();
        }
    }

    /// A probe is to be sent: until it is, packets leave at its rate. What there is no media for, the caller fills up
    /// with padding, as long as [`is_probing`](Self::is_probing).
    pub fn start_probe(&mut self, now: Instant, probe: Probe) {
        if self.probes.len() < MOST_PROBES {
            self.probes.push_back(Waiting { probe, since: now, started: None, sent: 0 });
        }
    }

    /// Whether a probe is being sent.
    pub fn is_probing(&self) -> bool {
        !self.probes.is_empty()
    }

    /// The probe that the next packet belongs to.
    pub fn cluster(&self) -> Option<Cluster> {
        self.probes.front().map(|waiting| waiting.probe.cluster)
    }

    /// When a packet may leave again; `None` if one may now.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.next().filter(|next| *next > now)
    }

    fn next(&self) -> Option<Instant> {
        match self.probes.front() {
            Some(waiting) => waiting.next(),
            None => self.busy_until.and_then(|until| until.checked_sub(self.config.burst)),
        }
    }

    fn forget_old_probes(&mut self, now: Instant) {
        let is_old = |waiting: &Waiting| now.saturating_duration_since(waiting.since) >= PROBE_EXPIRES;
        while self.probes.front().is_some_and(is_old) {
            self.probes.pop_front();
        }
    }

    /// What is owed in bytes stays the same as the rate changes.
    fn rescale(&mut self, now: Instant, before: Bitrate) {
        let rate = self.rate();
        if rate != before
            && let Some(until) = self.busy_until
        {
            let owed = before.bytes_in(until.saturating_duration_since(now));
            self.busy_until = Some(now + rate.time_for(owed).min(self.config.max_debt));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 1,000 bytes sent in so much time, asked for every millisecond.
    fn run(pacer: &mut Pacer, start: Instant, time: Duration) -> u64 {
        let mut sent = 0;
        for millis in 0..time.as_millis() as u64 {
            let now = start + Duration::from_millis(millis);
            while pacer.can_send(now) {
                pacer.on_sent(now, 1000);
                sent += 1;
                assert!(sent < 100_000);
            }
        }
        sent
    }

    #[test]
    fn media_leaves_at_two_and_a_half_times_the_target() {
        let mut pacer = Pacer::new(PacerConfig::default(), Bitrate::kilobits(1000));
        // 2.5 Mbit/s are 312.5 packets a second.
        let sent = run(&mut pacer, sim::start(), Duration::from_secs(1));
        assert!((312..=316).contains(&sent), "{sent} packets");
    }

    #[test]
    fn a_pause_earns_no_more_than_the_burst() {
        let mut pacer = Pacer::new(PacerConfig::default(), Bitrate::kilobits(1000));
        run(&mut pacer, sim::start(), Duration::from_millis(100));
        let now = sim::start() + Duration::from_secs(60);
        let sent = run(&mut pacer, now, Duration::from_millis(1));
        assert!((1..=3).contains(&sent), "{sent} packets");
        let next = pacer.poll_timeout(now).unwrap();
        assert!(!pacer.can_send(next - Duration::from_micros(1)) && pacer.can_send(next));
    }

    #[test]
    fn audio_is_charged_but_does_not_wait() {
        let mut pacer = Pacer::new(PacerConfig::default(), Bitrate::kilobits(80));
        let now = sim::start();
        for _ in 0..10 {
            pacer.on_sent(now, 100);
        }
        // 1,000 bytes at 200 kbit/s, but for the burst.
        assert_eq!(pacer.poll_timeout(now), Some(now + Duration::from_millis(35)));
        for _ in 0..1000 {
            pacer.on_sent(now, 100);
        }
        assert_eq!(pacer.poll_timeout(now), Some(now + Duration::from_millis(495)));
    }

    #[test]
    fn a_probe_leaves_at_its_own_rate_and_ends() {
        let mut pacer = Pacer::new(PacerConfig::default(), Bitrate::kilobits(100));
        let probe = Probe { cluster: Cluster(3), rate: Bitrate::kilobits(4000), bytes: 7500 };
        pacer.start_probe(sim::start(), probe);
        let mut now = sim::start();
        let mut sent = 0;
        while pacer.is_probing() {
            assert_eq!(pacer.cluster(), Some(Cluster(3)));
            now = pacer.poll_timeout(now).unwrap_or(now);
            assert!(pacer.can_send(now));
            pacer.on_sent(now, 1000);
            sent += 1;
        }
        assert_eq!((sent, now - sim::start()), (8, Duration::from_millis(14)));
        assert_eq!(pacer.cluster(), None);
    }

    #[test]
    fn a_probe_that_nobody_sends_is_given_up() {
        let mut pacer = Pacer::new(PacerConfig::default(), Bitrate::kilobits(100));
        let probe = Probe { cluster: Cluster(3), rate: Bitrate::kilobits(4000), bytes: 7500 };
        for _ in 0..10 {
            pacer.start_probe(sim::start(), probe);
        }
        assert_eq!(pacer.probes.len(), MOST_PROBES);
        pacer.can_send(sim::start() + Duration::from_secs(1));
        assert!(!pacer.is_probing());
    }

    #[test]
    fn an_old_queue_raises_the_rate_until_it_is_gone() {
        let mut pacer = Pacer::new(PacerConfig::default(), Bitrate::kilobits(100));
        let now = sim::start() + Duration::from_secs(10);
        pacer.set_queue(now, 10_000, Some(now));
        assert_eq!(pacer.rate(), Bitrate::kilobits(250));
        pacer.set_queue(now, 10_000, Some(now - Duration::from_secs(3)));
        assert_eq!(pacer.rate(), Bitrate::kilobits(800));
        pacer.set_queue(now, 0, None);
        assert_eq!(pacer.rate(), Bitrate::kilobits(250));
    }

    #[test]
    fn what_is_owed_is_owed_at_the_new_rate() {
        let mut pacer = Pacer::new(PacerConfig::default(), Bitrate::kilobits(100));
        let now = sim::start();
        pacer.on_sent(now, 3125);
        pacer.set_target(now, Bitrate::kilobits(1000));
        assert_eq!(pacer.poll_timeout(now), Some(now + Duration::from_millis(5)));
        pacer.set_target(now, Bitrate(0));
        assert!(pacer.poll_timeout(now) <= Some(now + Duration::from_millis(500)));
    }
}
