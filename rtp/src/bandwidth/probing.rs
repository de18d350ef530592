//! When to try how much more the path carries, and at which rate.

use super::{Bitrate, Config};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Multiples of the initial estimate to begin with.
const FIRST: [f64; 2] = [3.0, 6.0];
/// The multiple of the estimate of every other probe.
const FURTHER: f64 = 2.0;
/// A result of so much of what was tried is worth trying more.
const SUCCESS: f64 = 0.7;
/// How long results are waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a probe lasts, long enough for some jitter not to matter, and the bytes it takes at least: those of five
/// packets.
const LENGTH: Duration = Duration::from_millis(30);
const LEAST_BYTES: u64 = 5 * 1200;
/// A drop to less than this part of the highest estimate of late is a large one, in however many steps.
const LARGE_DROP: f64 = 0.66;
const OF_LATE: Duration = Duration::from_secs(10);
/// After a drop that is over within 5 s, this part of the former estimate is tried at once.
const AFTER_DROP: f64 = 0.85;
const DROP_PASSES: Duration = Duration::from_secs(5);
/// Between probes while the application does not use what the path carries, so that nothing else shows what that is.
const WHILE_LIMITED: Duration = Duration::from_secs(5);
/// Between probes on a path that carried much more until not so long ago, and how long ago that may be.
const BELOW_FORMER: Duration = Duration::from_secs(3);
const FORMER_COUNTS: Duration = Duration::from_secs(120);
/// How long nothing may have spoken against the estimate for the same without such a reason.
const CALM: Duration = Duration::from_secs(7);
/// After a decrease, the queue is to drain first.
const AFTER_DECREASE: Duration = Duration::from_secs(2);
/// Nothing is tried when nothing was sent for so long.
pub(super) const IDLE: Duration = Duration::from_secs(1);

/// Names the packets of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cluster(pub u32);

/// A burst that is sent faster than the estimate, to find out whether the path carries it. Where there is not enough
/// media to send, padding or retransmissions fill it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whose packets these are; to be told to [`Estimator::on_sent`](super::Estimator::on_sent).
    pub cluster: Cluster,
    /// The rate to send at.
    pub rate: Bitrate,
    /// How many bytes to send, in at least four packets.
    pub bytes: u64,
}

/// What speaks for and against a probe.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Situation {
    /// Since when the application is what limits the rate.
    pub(super) limited_since: Option<Instant>,
    /// When the estimate was decreased last.
    pub(super) decreased: Option<Instant>,
    /// When a packet was sent last.
    pub(super) sent: Option<Instant>,
    /// Whether the path is overused or loses much just now, or nothing is known of it.
    pub(super) is_bad: bool,
}

/// Decides on probes.
#[derive(Debug)]
pub(super) struct Prober {
    config: Config,
    /// What the application can use at most.
    wanted: Option<Bitrate>,
    estimate: Bitrate,
    /// The highest estimate of late, and when that was.
    peak: (Bitrate, Option<Instant>),
    /// The estimate before the last large drop, and when that was.
    former: Bitrate,
    dropped: Option<Instant>,
    /// The highest estimate that the last drops began from.
    best: Bitrate,
    started: Option<Instant>,
    last: Option<Instant>,
    last_after_drop: Option<Instant>,
    /// Until when results are waited for, and the result from which on to try more.
    waiting: Option<(Instant, Option<Bitrate>)>,
    next: u32,
    probes: VecDeque<Probe>,
}

impl Prober {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            wanted: None,
            estimate: config.clamp(config.initial),
            peak: (Bitrate(0), None),
            former: Bitrate(0),
            dropped: None,
            best: Bitrate(0),
            started: None,
            last: None,
            last_after_drop: None,
            waiting: None,
            next: 1,
            probes: VecDeque::new(),
        }
    }

    pub(super) const fn set_wanted(&mut self, wanted: Option<Bitrate>) {
        self.wanted = wanted;
    }

    /// The first packet is sent.
    pub(super) fn start(&mut self, now: Instant) {
        if self.started.is_none() {
            self.started = Some(now);
            let initial = self.config.initial;
            self.initiate(now, &FIRST.map(|factor| initial.scaled(factor)), true);
        }
    }

    /// The estimate has changed; a success is followed up.
    pub(super) fn handle_estimate(&mut self, now: Instant, estimate: Bitrate) {
        let is_late = self.peak.1.is_none_or(|at| now.saturating_duration_since(at) >= OF_LATE);
        let (peak, before) = if is_late { (self.estimate, None) } else { self.peak };
        if estimate < peak.scaled(LARGE_DROP) {
            let counts = self.dropped.is_some_and(|at| now.saturating_duration_since(at) < FORMER_COUNTS);
            self.best = if counts { self.best.max(peak) } else { peak };
            self.former = peak;
            self.dropped = Some(now);
            self.peak = (estimate, Some(now));
        } else {
            self.peak = if estimate >= peak { (estimate, Some(now)) } else { (peak, before.or(Some(now))) };
        }
        self.estimate = estimate;
        if self.waiting.is_some_and(|(_, further)| further.is_some_and(|further| estimate > further)) {
            self.initiate(now, &[estimate.scaled(FURTHER)], true);
        }
    }

    /// Overuse is over. Where the application was the limit, a large drop is more likely a mistake than a new limit.
    pub(super) fn handle_recovery(&mut self, now: Instant, was_limited: bool) {
        let within = |moment: Option<Instant>| moment.is_some_and(|at| now.saturating_duration_since(at) < DROP_PASSES);
        let rate = self.former.scaled(AFTER_DROP);
        let is_worth_it = rate.scaled(0.95) > self.estimate;
        if was_limited && is_worth_it && within(self.dropped) && !within(self.last_after_drop) && self.waiting.is_none()
        {
            self.last_after_drop = Some(now);
            self.initiate(now, &[rate], false);
        }
    }

    /// Lets time pass.
    pub(super) fn handle_timeout(&mut self, now: Instant, situation: &Situation) {
        if self.waiting.is_some_and(|(until, _)| until <= now) {
            self.waiting = None;
        }
        if self.due(situation).is_some_and(|due| due <= now) {
            self.initiate(now, &[self.estimate.scaled(FURTHER)], true);
        }
    }

    pub(super) fn poll_timeout(&self, situation: &Situation) -> Option<Instant> {
        let waiting = self.waiting.map(|(until, _)| until);
        waiting.into_iter().chain(self.due(situation)).min()
    }

    pub(super) fn poll(&mut self) -> Option<Probe> {
        self.probes.pop_front()
    }

    /// When to try without any event, if nothing changes until then.
    fn due(&self, situation: &Situation) -> Option<Instant> {
        let started = self.started?;
        if situation.is_bad || self.waiting.is_some() || self.ceiling() <= self.estimate || !self.config.probing {
            return None;
        }
        let last = self.last.unwrap_or(started);
        let calm = last.max(situation.decreased.unwrap_or(last)) + CALM;
        let limited = situation.limited_since.map(|since| last.max(since) + WHILE_LIMITED);
        let is_below = self.estimate < self.best.scaled(LARGE_DROP);
        let below = self.dropped.filter(|dropped| is_below && last + BELOW_FORMER < *dropped + FORMER_COUNTS);
        let below = below.map(|_| last + BELOW_FORMER);
        let due = [limited, below].into_iter().flatten().fold(calm, Instant::min);
        let due = due.max(situation.decreased.map_or(due, |decreased| decreased + AFTER_DECREASE));
        situation.sent.filter(|sent| *sent + IDLE >= due).map(|_| due)
    }

    /// More than this is of no use.
    fn ceiling(&self) -> Bitrate {
        self.wanted.map_or(self.config.max, |wanted| wanted.scaled(FURTHER).min(self.config.max))
    }

    fn initiate(&mut self, now: Instant, rates: &[Bitrate], goes_on: bool) {
        self.waiting = None;
        if !self.config.probing {
            return;
        }
        let ceiling = self.ceiling();
        let mut further = None;
        for rate in rates {
            let capped = (*rate).min(ceiling);
            if capped <= self.estimate {
                break;
            }
            let bytes = capped.bytes_in(LENGTH).max(LEAST_BYTES);
            self.probes.push_back(Probe { cluster: Cluster(self.next), rate: capped, bytes });
            self.next = self.next.wrapping_add(1);
            self.waiting = Some((now + PATIENCE, None));
            self.last = Some(now);
            further = (goes_on && capped == *rate).then(|| capped.scaled(SUCCESS));
            if capped != *rate {
                break;
            }
        }
        // Nobody may have asked for those before.
        while self.probes.len() > FIRST.len() {
            self.probes.pop_front();
        }
        if let Some((_, waited)) = &mut self.waiting {
            *waited = further;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(millis: u64) -> Instant {
        sim::start() + Duration::from_millis(millis)
    }

    fn rates(prober: &mut Prober) -> Vec<u64> {
        std::iter::from_fn(|| prober.poll()).map(|probe| probe.rate.0 / 1000).collect()
    }

    fn started() -> Prober {
        let mut prober = Prober::new(Config::default());
        prober.start(after(0));
        assert_eq!(rates(&mut prober), [900, 1800]);
        prober
    }

    fn calm(sent: u64) -> Situation {
        Situation { sent: Some(after(sent)), ..Situation::default() }
    }

    #[test]
    fn success_is_followed_up_until_it_ends() {
        let mut prober = started();
        prober.handle_estimate(after(200), Bitrate::kilobits(900));
        assert_eq!(rates(&mut prober), [0; 0]);
        prober.handle_estimate(after(220), Bitrate::kilobits(1800));
        assert_eq!(rates(&mut prober), [3600]);
        prober.handle_estimate(after(420), Bitrate::kilobits(2400));
        assert_eq!(rates(&mut prober), [0; 0]);
        // Too late to be a result of the probe.
        prober.handle_timeout(after(1300), &calm(1300));
        prober.handle_estimate(after(1400), Bitrate::kilobits(3600));
        assert_eq!(rates(&mut prober), [0; 0]);
    }

    #[test]
    fn a_calm_path_is_tried_again_and_a_bad_or_idle_one_is_not() {
        let mut prober = started();
        prober.handle_timeout(after(1000), &calm(1000));
        assert_eq!(prober.poll_timeout(&calm(6500)), Some(after(7000)));
        assert_eq!(prober.poll_timeout(&calm(1000)), None, "nothing is sent by then");
        assert_eq!(prober.poll_timeout(&Situation { is_bad: true, ..calm(6500) }), None);
        let limited = Situation { limited_since: Some(after(1000)), ..calm(5500) };
        assert_eq!(prober.poll_timeout(&limited), Some(after(6000)));
        let decreased = Situation { decreased: Some(after(5500)), ..limited };
        assert_eq!(prober.poll_timeout(&Situation { sent: Some(after(7000)), ..decreased }), Some(after(7500)));
        prober.handle_timeout(after(6000), &limited);
        assert_eq!(rates(&mut prober), [600]);
    }

    #[test]
    fn nothing_more_than_is_wanted_is_tried() {
        let mut prober = Prober::new(Config::default());
        prober.set_wanted(Some(Bitrate::kilobits(500)));
        prober.start(after(0));
        assert_eq!(rates(&mut prober), [900, 1000]);
        prober.handle_estimate(after(200), Bitrate::kilobits(1000));
        assert_eq!(rates(&mut prober), [0; 0]);
        prober.handle_timeout(after(1000), &calm(1000));
        assert_eq!(prober.poll_timeout(&calm(60_000)), None);
    }

    #[test]
    fn what_was_lost_by_mistake_is_tried_at_once() {
        let mut prober = started();
        prober.handle_estimate(after(100), Bitrate::kilobits(1000));
        prober.handle_timeout(after(1000), &calm(1000));
        prober.handle_estimate(after(2000), Bitrate::kilobits(400));
        prober.handle_recovery(after(2500), false);
        assert_eq!(rates(&mut prober), [0; 0]);
        prober.handle_recovery(after(2500), true);
        assert_eq!(rates(&mut prober), [850]);
        prober.handle_timeout(after(3500), &calm(3500));
        prober.handle_recovery(after(3600), true);
        assert_eq!(rates(&mut prober), [0; 0]);
    }

    #[test]
    fn a_path_that_carried_much_more_is_tried_sooner_however_many_steps_it_fell_in() {
        for steps in [vec![300], vec![750, 550, 400, 300]] {
            let mut prober = started();
            prober.handle_estimate(after(100), Bitrate::kilobits(1000));
            prober.handle_timeout(after(1200), &calm(1200));
            for (time, rate) in (2000..).step_by(500).zip(steps) {
                prober.handle_estimate(after(time), Bitrate::kilobits(rate));
            }
            assert_eq!(prober.poll_timeout(&calm(3500)), Some(after(3000)));
        }
    }
}
