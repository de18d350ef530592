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

/// What is known of the queue on the path besides how it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    Unknown,
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
}

impl DelayBased {
    pub(super) fn new(config: Config) -> Self {
        Self {
            grouping: Grouping::default(),
            trendline: Trendline::default(),
            control: RateControl::new(config),
            heard: None,
            was_over: false,
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
        match probed {
            Some(probed) if usage != Usage::Over => {
                let floor = acknowledged.map_or(Bitrate(0), |rate| rate.scaled(PROBE_FLOOR).min(self.control.rate()));
                self.control.set(now, probed.max(floor));
                // The probe made a queue of its own, which is no sign against what it found.
                self.trendline = Trendline::default();
            }
            Some(_) | None if queue == Queue::Draining && usage == Usage::Normal => {
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
