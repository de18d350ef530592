//! How the estimate of the delay-based part moves (draft-ietf-rmcat-gcc-02, section 5.5): up while no queue grows, down
//! below what arrives when one does.

use super::trendline::Usage;
use super::{Bitrate, Config};
use std::time::{Duration, Instant};

/// What is left of the rate that arrives when a queue grows.
const BETA: f64 = 0.85;
/// The factor per second far from the capacity of the path.
const GROWTH: f64 = 1.08;
/// The estimate goes no further than this times what arrives, and a little more for streams of low rate.
const HEADROOM: f64 = 1.5;
const HEADROOM_BITS: f64 = 10_000.0;
/// The least that each step is worth far from the capacity, and each second near it, in bit/s.
const LEAST_STEP: f64 = 1000.0;
const LEAST_GROWTH: f64 = 4000.0;
/// The time that the detector takes, besides a round trip.
const DETECTION: Duration = Duration::from_millis(100);
/// Round-trip time before one is known.
const ROUND_TRIP: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits until the queue is empty.
    Hold,
    Increase,
}

/// The rate at which queues began to grow, and how much that varied.
#[derive(Clone, Copy, Debug)]
struct LinkCapacity {
    /// In kbit/s.
    estimate: f64,
    /// The variance over the estimate.
    deviation: f64,
}

impl LinkCapacity {
    const WEIGHT: f64 = 0.05;
    const LEAST_DEVIATION: f64 = 0.4;
    const MOST_DEVIATION: f64 = 2.5;

    const fn new(sample: f64) -> Self {
        Self { estimate: sample, deviation: Self::LEAST_DEVIATION }
    }

    fn add(&mut self, sample: f64) {
        self.estimate += Self::WEIGHT * (sample - self.estimate);
        let error = self.estimate - sample;
        let sample_deviation = error * error / self.estimate.max(1.0);
        self.deviation += Self::WEIGHT * (sample_deviation - self.deviation);
        self.deviation = self.deviation.clamp(Self::LEAST_DEVIATION, Self::MOST_DEVIATION);
    }

    /// Whether a rate in kbit/s is within three standard deviations.
    fn is_near(&self, rate: f64) -> bool {
        (rate - self.estimate).abs() <= 3.0 * self.spread()
    }

    fn is_below(&self, rate: f64) -> bool {
        rate > self.estimate + 3.0 * self.spread()
    }

    fn spread(&self) -> f64 {
        (self.deviation * self.estimate).max(0.0).sqrt()
    }
}

/// Additive and multiplicative increase, multiplicative decrease.
#[derive(Debug)]
pub(super) struct RateControl {
    config: Config,
    rate: Bitrate,
    state: State,
    capacity: Option<LinkCapacity>,
    round_trip: Duration,
    changed: Option<Instant>,
    decreased: Option<Instant>,
}

impl RateControl {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            rate: config.clamp(config.initial),
            state: State::Hold,
            capacity: None,
            round_trip: ROUND_TRIP,
            changed: None,
            decreased: None,
        }
    }

    pub(super) const fn rate(&self) -> Bitrate {
        self.rate
    }

    /// When the rate was decreased last.
    pub(super) const fn decreased(&self) -> Option<Instant> {
        self.decreased
    }

    pub(super) const fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// The rate is known from elsewhere: a probe, or what stands in for feedback.
    pub(super) fn set(&mut self, now: Instant, rate: Bitrate) {
        let rate = self.config.clamp(rate);
        if rate < self.rate {
            self.decreased = Some(now);
        }
        self.rate = rate;
        self.changed = Some(now);
    }

    /// Moves the rate by what the detector says. `acknowledged` is the rate that arrives, if it is known.
    pub(super) fn update(&mut self, now: Instant, usage: Usage, acknowledged: Option<Bitrate>) {
        match usage {
            Usage::Over if self.can_decrease(now, acknowledged) => self.decrease(now, acknowledged),
            // Queues drain by themselves: what is gained then is not to be sent at once.
            Usage::Over | Usage::Under => self.state = State::Hold,
            Usage::Normal if self.state == State::Hold => {
                self.state = State::Increase;
                self.changed = Some(now);
            }
            Usage::Normal => self.increase(now, acknowledged),
        }
    }

    /// A decrease takes a round trip to show, unless much less arrives than is thought.
    fn can_decrease(&self, now: Instant, acknowledged: Option<Bitrate>) -> bool {
        let interval = self.round_trip.clamp(Duration::from_millis(10), Duration::from_millis(200));
        let is_over = self.changed.is_none_or(|changed| now.saturating_duration_since(changed) >= interval);
        is_over || acknowledged.is_some_and(|rate| rate < self.rate.scaled(0.5))
    }

    fn decrease(&mut self, now: Instant, acknowledged: Option<Bitrate>) {
        self.state = State::Hold;
        (self.changed, self.decreased) = (Some(now), Some(now));
        let Some(acknowledged) = acknowledged else {
            // The path is overused before it was measured.
            self.rate = self.config.clamp(self.rate.scaled(0.5));
            return;
        };
        // Where the rate is lower than that already, the queue is on its way out.
        self.rate = self.config.clamp(acknowledged.scaled(BETA).min(self.rate));
        let sample = acknowledged.bits() / 1000.0;
        match &mut self.capacity {
            // What is far below is another path than before.
            Some(capacity) if capacity.is_near(sample) || capacity.is_below(sample) => capacity.add(sample),
            Some(_) | None => self.capacity = Some(LinkCapacity::new(sample)),
        }
    }

    fn increase(&mut self, now: Instant, acknowledged: Option<Bitrate>) {
        let elapsed = self.changed.map_or(Duration::ZERO, |changed| now.saturating_duration_since(changed));
        self.changed = Some(now);
        let acknowledged = acknowledged.unwrap_or(self.rate).bits();
        if self.capacity.is_some_and(|capacity| capacity.is_below(acknowledged / 1000.0)) {
            self.capacity = None;
        }
        // Above the limit, say after a probe, the rate stays: nothing has been seen against it.
        let limit = HEADROOM * acknowledged + HEADROOM_BITS;
        let rate = self.rate.bits();
        if rate >= limit {
            return;
        }
        let seconds = elapsed.as_secs_f64().min(1.0);
        let step = if self.capacity.is_some() {
            self.growth_near_capacity() * seconds
        } else {
            (rate * (GROWTH.powf(seconds) - 1.0)).max(LEAST_STEP)
        };
        self.rate = self.config.clamp(Bitrate::from_bits_per_second((rate + step).min(limit)));
    }

    /// About one packet per response time, in bit/s each second.
    fn growth_near_capacity(&self) -> f64 {
        let frame = self.rate.bits() / 30.0;
        let packets = (frame / (1200.0 * 8.0)).ceil().max(1.0);
        let response = (self.round_trip + DETECTION).as_secs_f64();
        (frame / packets / response).max(LEAST_GROWTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(millis: u64) -> Instant {
        sim::start() + Duration::from_millis(millis)
    }

    fn run(control: &mut RateControl, from: u64, seconds: u64, acknowledged: Bitrate) {
        for step in 0..=seconds * 20 {
            control.update(after(from + step * 50), Usage::Normal, Some(acknowledged));
        }
    }

    #[test]
    fn the_rate_grows_by_eight_percent_a_second_at_first() {
        let mut control = RateControl::new(Config { initial: Bitrate::kilobits(1000), ..Config::default() });
        run(&mut control, 0, 5, Bitrate::kilobits(1000));
        let expected = 1000.0 * 1.08_f64.powi(5);
        let rate = control.rate().bits() / 1000.0;
        assert!((rate - expected).abs() < 0.03 * expected, "{rate} is not {expected}");
    }

    #[test]
    fn the_rate_is_bounded_by_what_arrives() {
        let mut control = RateControl::new(Config::default());
        run(&mut control, 0, 60, Bitrate::kilobits(300));
        assert_eq!(control.rate(), Bitrate::kilobits(460));
        run(&mut control, 60_000, 10, Bitrate::kilobits(100));
        assert_eq!(control.rate(), Bitrate::kilobits(460), "less that is sent is no sign against the path");
    }

    #[test]
    fn overuse_lowers_the_rate_below_what_arrives_once_in_a_round_trip() {
        let mut control = RateControl::new(Config { initial: Bitrate::kilobits(1000), ..Config::default() });
        control.update(after(0), Usage::Over, Some(Bitrate::kilobits(800)));
        assert_eq!(control.rate(), Bitrate::kilobits(680));
        control.update(after(50), Usage::Over, Some(Bitrate::kilobits(700)));
        assert_eq!(control.rate(), Bitrate::kilobits(680));
        control.update(after(250), Usage::Over, Some(Bitrate::kilobits(700)));
        assert_eq!(control.rate(), Bitrate::kilobits(595));
        // Near the capacity it grows by about a packet in a response time.
        run(&mut control, 500, 2, Bitrate::kilobits(700));
        assert!(control.rate() < Bitrate::kilobits(680), "{}", control.rate());
    }

    #[test]
    fn a_rate_that_is_low_enough_is_not_lowered_for_what_was_seen_long_ago() {
        let mut control = RateControl::new(Config { initial: Bitrate::kilobits(400), ..Config::default() });
        control.update(after(0), Usage::Over, Some(Bitrate::kilobits(240)));
        run(&mut control, 500, 1, Bitrate::kilobits(240));
        let rate = control.rate();
        assert!(rate > Bitrate::kilobits(210) && rate < Bitrate::kilobits(250), "{rate}");
        control.update(after(2000), Usage::Over, Some(Bitrate::kilobits(300)));
        assert_eq!(control.rate(), rate);
    }

    #[test]
    fn the_bounds_are_kept() {
        let mut control = RateControl::new(Config::default());
        for step in 0..100 {
            control.update(after(step * 300), Usage::Over, Some(Bitrate(0)));
        }
        assert_eq!(control.rate(), Config::default().min);
        control.set(after(0), Bitrate(u64::MAX));
        assert_eq!(control.rate(), Config::default().max);
    }
}
