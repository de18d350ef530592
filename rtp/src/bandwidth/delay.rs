//! The delay-based part: groups, slope, rate.

use super::grouping::{Grouping, Timing};
use super::rate_control::RateControl;
use super::trendline::{Trendline, Usage};
use super::{Bitrate, Config};
use std::time::{Duration, Instant};

/// After so long without feedback, delays have nothing to be compared with.
const STALE: Duration = Duration::from_secs(2);
/// A probe lowers the estimate no further than this part of what arrives anyway.
const PROBE_FLOOR: f64 = 0.85;
/// The queue that a probe made is waited for so long at most: where others fill it, it is of no use.
const PROBE_QUEUE: Duration = Duration::from_secs(3);

/// What is known of the queue on the path besides how it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    Unknown,
    /// There is one.
    Standing,
    /// It is to be emptied: nothing moves upwards.
    Draining,
    /// It loses what it cannot take, which is overuse though it does not grow.
    Full,
}

#[derive(Debug)]
pub(super) struct DelayBased {
    grouping: Grouping,
    trendline: Trendline,
    pub(super) control: RateControl,
    heard: Option<Instant>,
    was_over: bool,
    /// A probe came through then, and its queue may still be there.
    probed: Option<Instant>,
}

impl DelayBased {
    pub(super) fn new(config: Config) -> Self {
        Self {
            grouping: Grouping::default(),
            trendline: Trendline::default(),
            control: RateControl::new(config),
            heard: None,
            was_over: false,
            probed: None,
        }
    }

    /// Feedback has come, and will be added.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.heard.is_some_and(|heard| now.saturating_duration_since(heard) > STALE) {
            self.grouping = Grouping::default();
            self.trendline = Trendline::default();
        }
        self.heard = Some(now);
    }

    /// Takes a packet, in the order of arrival.
    pub(super) fn add(&mut self, timing: Timing) {
        if let Some(deltas) = self.grouping.add(timing) {
            self.trendline.update(deltas);
        }
    }

    /// Moves the rate after all of the feedback was added. Says whether overuse is over.
    pub(super) fn update(
        &mut self,
        now: Instant,
        acknowledged: Option<Bitrate>,
        probed: Option<Bitrate>,
        queue: Queue,
    ) -> bool {
        let usage = if queue == Queue::Full { Usage::Over } else { self.trendline.usage() };
        self.probed =
            self.probed.filter(|at| queue != Queue::Unknown && now.saturating_duration_since(*at) < PROBE_QUEUE);
        let is_draining = queue == Queue::Draining || self.probed.is_some();
        match probed {
            Some(probed) if usage != Usage::Over => {
                let floor = acknowledged.map_or(Bitrate(0), |rate| rate.scaled(PROBE_FLOOR).min(self.control.rate()));
                self.control.set(now, probed.max(floor));
                // The probe made a queue of its own, which is no sign against what it found.
                self.trendline = Trendline::default();
                self.probed = Some(now);
            }
            // What was found is all that there is, and growing on top of that queue would overflow it before it shows
            // as a slope.
            Some(_) | None if is_draining && usage == Usage::Normal => {
                self.control.update(now, Usage::Under, acknowledged);
            }
            Some(_) | None => self.control.update(now, usage, acknowledged),
        }
        let is_over = usage == Usage::Over;
        let recovered = self.was_over && usage == Usage::Normal;
        self.was_over = is_over || (self.was_over && !recovered);
        recovered
    }

    pub(super) fn is_overusing(&self) -> bool {
        self.trendline.usage() == Usage::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_grows_upon_the_queue_that_a_probe_made() {
        let mut delay = DelayBased::new(Config::default());
        let at = |millis| sim::start() + Duration::from_millis(millis);
        let mut run = |from: u64, probed, queue| {
            let arriving = Some(Bitrate::kilobits(300));
            delay.update(at(from), arriving, probed, queue);
            for step in 1..10 {
                delay.update(at(from + step * 50), arriving, None, queue);
            }
            delay.control.rate()
        };
        let probed = Bitrate::kilobits(290);
        assert_eq!(run(0, Some(probed), Queue::Standing), probed);
        assert_eq!(run(1000, None, Queue::Standing), probed);
        assert!(run(2000, None, Queue::Unknown) > probed, "it is gone");
        let before = run(2500, None, Queue::Standing);
        assert!(run(3000, None, Queue::Standing) > before, "this one is of others");
        assert_eq!(run(4000, Some(probed), Queue::Standing), probed);
        assert!(run(7000, None, Queue::Standing) > probed, "it does not go");
    }
}
