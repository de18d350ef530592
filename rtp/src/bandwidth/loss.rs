//! The loss-based part (draft-ietf-rmcat-gcc-02, section 6): a limit that loss sets, and that goes when loss does.

use super::{Bitrate, Config};
use std::time::{Duration, Instant};

/// Loss is judged over so many packets at least, and so much time.
const LEAST_PACKETS: u32 = 20;
const LEAST_TIME: Duration = Duration::from_millis(100);
/// Up to here loss is what paths have anyway; above, it is congestion.
pub(super) const LOW: f64 = 0.02;
pub(super) const HIGH: f64 = 0.10;
/// With less than this a probe that came through counts for more.
const MUCH: f64 = 0.05;
/// The weight of each judgement in the loss of late.
const WEIGHT: f64 = 0.2;
/// The factor per second while loss is low.
const GROWTH: f64 = 1.08;
/// The limit is never lower than this part of what arrives.
const FLOOR: f64 = 0.85;
/// Between two decreases, besides a round trip.
const DECREASE_INTERVAL: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct LossBased {
    config: Config,
    /// Packets that were reported of since the last judgement, and those of them that were lost.
    reported: u32,
    lost: u32,
    judged: Option<Instant>,
    decreased: Option<Instant>,
    fraction: f64,
    smoothed: f64,
    limit: Option<Bitrate>,
}

impl LossBased {
    pub(super) const fn new(config: Config) -> Self {
        Self { config, reported: 0, lost: 0, judged: None, decreased: None, fraction: 0.0, smoothed: 0.0, limit: None }
    }

    /// Counts a packet that is reported of for the first time.
    pub(super) const fn add(&mut self, is_lost: bool) {
        self.reported = self.reported.saturating_add(1);
        self.lost = self.lost.saturating_add(is_lost as u32);
    }

    /// A packet that was counted as lost has come after all.
    pub(super) const fn add_late(&mut self) {
        self.lost = self.lost.saturating_sub(1);
    }

    /// Judges the loss, once there is enough to judge by. `target` is what is sent now, `unlimited` what the estimate
    /// would be without this limit, `arriving` what gets through anyway.
    pub(super) fn update(
        &mut self,
        now: Instant,
        target: Bitrate,
        unlimited: Bitrate,
        arriving: Option<Bitrate>,
        round_trip: Duration,
    ) {
        let elapsed = self.judged.map_or(LEAST_TIME, |judged| now.saturating_duration_since(judged));
        if self.reported < LEAST_PACKETS || elapsed < LEAST_TIME {
            return;
        }
        self.fraction = f64::from(self.lost) / f64::from(self.reported);
        self.smoothed += WEIGHT * (self.fraction - self.smoothed);
        (self.reported, self.lost) = (0, 0);
        self.judged = Some(now);
        if self.fraction > HIGH {
            let interval = DECREASE_INTERVAL + round_trip;
            if self.decreased.is_none_or(|decreased| now.saturating_duration_since(decreased) >= interval) {
                self.decreased = Some(now);
                // A queue that overflowed lost much at once, but what passed it is what the path carries.
                let floor = arriving.unwrap_or_default().scaled(FLOOR);
                self.limit = Some(self.config.clamp(target.scaled(after_loss(self.fraction)).max(floor)));
            }
        } else if self.fraction < LOW || self.smoothed < LOW {
            // Of few packets, one is more than that already.
            let factor = GROWTH.powf(elapsed.as_secs_f64().min(1.0));
            let grown = self.limit.map(|limit| limit.scaled(factor));
            self.limit = grown.filter(|limit| *limit < unlimited);
        }
    }

    /// A probe came through at this rate: unless much is lost, the limit is outdated.
    pub(super) fn handle_probe(&mut self, rate: Bitrate) {
        if self.smoothed < MUCH {
            self.limit = self.limit.filter(|limit| *limit > rate);
        }
    }

    pub(super) const fn limit(&self) -> Option<Bitrate> {
        self.limit
    }

    /// Whether more is lost than paths lose anyway.
    pub(super) const fn is_notable(&self) -> bool {
        self.smoothed >= LOW
    }

    /// Whether so much is lost that trying more is pointless.
    pub(super) fn is_high(&self) -> bool {
        self.fraction.max(self.smoothed) > HIGH
    }
}

/// What is left of the rate after so much loss.
pub(super) fn after_loss(fraction: f64) -> f64 {
    1.0 - 0.5 * fraction.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports of 100 packets every 100 ms, of which so many are lost.
    fn run(loss: &mut LossBased, from: u64, reports: u64, lost: u32, unlimited: Bitrate) {
        for report in 0..reports {
            for number in 0..100 {
                loss.add(number < lost);
            }
            let now = sim::start() + Duration::from_millis((from + report) * 100);
            let target = loss.limit().unwrap_or(unlimited).min(unlimited);
            loss.update(now, target, unlimited, None, Duration::from_millis(50));
        }
    }

    #[test]
    fn little_loss_sets_no_limit_and_much_loss_does_until_it_is_gone() {
        let rate = Bitrate::kilobits(1000);
        let mut loss = LossBased::new(Config::default());
        run(&mut loss, 0, 50, 10, rate);
        assert_eq!(loss.limit(), None);
        run(&mut loss, 50, 1, 20, rate);
        assert_eq!(loss.limit(), Some(Bitrate::kilobits(900)));
        run(&mut loss, 51, 3, 20, rate);
        assert_eq!(loss.limit(), Some(Bitrate::kilobits(900)), "not twice in so short a time");
        run(&mut loss, 54, 50, 5, rate);
        assert_eq!(loss.limit(), Some(Bitrate::kilobits(900)));
        run(&mut loss, 104, 10, 1, rate);
        assert!(loss.limit() > Some(Bitrate::kilobits(960)), "{:?}", loss.limit());
        run(&mut loss, 114, 10, 1, rate);
        assert_eq!(loss.limit(), None);
    }

    #[test]
    fn a_queue_that_overflowed_does_not_make_less_of_the_path_than_arrives() {
        let mut loss = LossBased::new(Config::default());
        for second in 0..5 {
            (0..100).for_each(|number| loss.add(number < 70));
            let (now, target) = (sim::start() + Duration::from_secs(second), Bitrate::kilobits(500));
            let target = loss.limit().unwrap_or(target);
            loss.update(now, target, target, Some(Bitrate::kilobits(300)), Duration::ZERO);
        }
        assert_eq!(loss.limit(), Some(Bitrate::kilobits(255)));
    }

    #[test]
    fn one_packet_of_a_hundred_does_not_keep_a_limit() {
        let mut loss = LossBased::new(Config::default());
        let mut now = sim::start();
        let mut report = |loss: &mut LossBased, lost: u32| {
            now += Duration::from_millis(100);
            (0..20).for_each(|number| loss.add(number < lost));
            let target = loss.limit().unwrap_or(Bitrate::kilobits(300));
            loss.update(now, target, Bitrate::kilobits(1000), None, Duration::ZERO);
        };
        report(&mut loss, 3);
        let limit = loss.limit().unwrap();
        // Two reports of five have a packet lost of twenty, as by accident.
        for _ in 0..50 {
            report(&mut loss, 0);
            report(&mut loss, 0);
            report(&mut loss, 0);
            report(&mut loss, 1);
            report(&mut loss, 1);
        }
        assert!(loss.limit() > Some(limit.scaled(3.0)), "{:?} after {limit}", loss.limit());
        report(&mut loss, 1);
        loss.handle_probe(Bitrate::kilobits(1000));
        assert_eq!(loss.limit(), None);
    }

    #[test]
    fn what_comes_late_is_not_lost() {
        let mut loss = LossBased::new(Config::default());
        for _ in 0..40 {
            loss.add(true);
            loss.add_late();
        }
        loss.update(sim::start(), Bitrate(1000), Bitrate(1000), None, Duration::ZERO);
        assert_eq!((loss.limit(), loss.is_high()), (None, false));
    }
}
