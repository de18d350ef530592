//! Whether a queue grows on the path: a line through the delays of late (draft-ietf-rmcat-gcc-02, sections 5.3 and 5.4,
//! with the slope of a line in place of the Kalman filter, as browsers have it).

use super::grouping::Deltas;
use std::collections::VecDeque;

/// How many groups the line is drawn through.
const WINDOW: usize = 20;
/// How much of the smoothed delay stays with each group.
const SMOOTHING: f64 = 0.9;
/// What the slope is multiplied with before it is compared with the threshold, besides the number of groups so far.
const GAIN: f64 = 4.0;
const MOST_GROUPS: u32 = 60;
/// How long the slope must be above the threshold, in milliseconds.
const OVERUSE_TIME: f64 = 10.0;
/// The threshold at the start, and its bounds.
const THRESHOLD: f64 = 12.5;
const LOWEST_THRESHOLD: f64 = 6.0;
const HIGHEST_THRESHOLD: f64 = 600.0;
/// How fast the threshold follows upwards and downwards, per millisecond.
const GAIN_UP: f64 = 0.0087;
const GAIN_DOWN: f64 = 0.039;
/// What is so far above the threshold is a spike, and does not move it.
const LARGEST_OFFSET: f64 = 15.0;
/// Time between two updates of the threshold counts up to this, in milliseconds.
const LONGEST_STEP: f64 = 100.0;

/// What the delays say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Usage {
    /// No queue builds up.
    #[default]
    Normal,
    /// A queue grows: more is sent than the path carries.
    Over,
    /// A queue drains.
    Under,
}

/// The estimator of the slope, and the detector behind it.
#[derive(Debug)]
pub(super) struct Trendline {
    /// When each group arrived, in milliseconds since the first, and the smoothed delay then.
    points: VecDeque<(f64, f64)>,
    /// The arrival clock, as the sum of deltas in milliseconds.
    time: f64,
    groups: u32,
    accumulated: f64,
    smoothed: f64,
    slope: f64,
    threshold: f64,
    /// How long it has been above the threshold, in milliseconds, and for how many groups.
    over_for: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl Default for Trendline {
    fn default() -> Self {
        Self {
            points: VecDeque::new(),
            time: 0.0,
            groups: 0,
            accumulated: 0.0,
            smoothed: 0.0,
            slope: 0.0,
            threshold: THRESHOLD,
            over_for: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }
}

impl Trendline {
    /// Takes the deltas of another group.
    pub(super) fn update(&mut self, deltas: Deltas) {
        let (sent, arrived) = (deltas.sent as f64 / 1000.0, deltas.arrived as f64 / 1000.0);
        self.groups = self.groups.saturating_add(1);
        self.time += arrived;
        self.accumulated += arrived - sent;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        if self.points.len() >= WINDOW {
            self.points.pop_front();
        }
        self.points.push_back((self.time, self.smoothed));
        let before = self.slope;
        if self.points.len() >= WINDOW {
            self.slope = slope(&self.points).unwrap_or(self.slope);
        }
        self.detect(before, sent, arrived);
    }

    pub(super) const fn usage(&self) -> Usage {
        self.usage
    }

    fn detect(&mut self, before: f64, sent: f64, arrived: f64) {
        if self.groups < 2 {
            return;
        }
        let offset = f64::from(self.groups.min(MOST_GROUPS)) * self.slope * GAIN;
        if offset > self.threshold {
            let over_for = self.over_for.map_or(sent / 2.0, |time| time + sent);
            self.over_for = Some(over_for);
            self.over_count = self.over_count.saturating_add(1);
            if over_for > OVERUSE_TIME && self.over_count > 1 && self.slope >= before {
                self.over_for = Some(0.0);
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_for = None;
            self.over_count = 0;
            self.usage = if offset < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.adapt_threshold(offset.abs(), arrived);
    }

    /// The threshold follows the slope, so that streams that are not so careful do not starve this one (section 5.4).
    fn adapt_threshold(&mut self, offset: f64, elapsed: f64) {
        if offset > self.threshold + LARGEST_OFFSET {
            return;
        }
        let gain = if offset < self.threshold { GAIN_DOWN } else { GAIN_UP };
        self.threshold += gain * (offset - self.threshold) * elapsed.clamp(0.0, LONGEST_STEP);
        self.threshold = self.threshold.clamp(LOWEST_THRESHOLD, HIGHEST_THRESHOLD);
    }
}

/// The slope of the line that is nearest to the points; `None` if all came at once.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    let count = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        (above + (x - mean_x) * (y - mean_y), below + (x - mean_x) * (x - mean_x))
    });
    Some(above / below).filter(|slope| slope.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups every 20 ms, each with so much more delay than the one before.
    fn run(trendline: &mut Trendline, groups: usize, growth: i64) -> Usage {
        for _ in 0..groups {
            trendline.update(Deltas { sent: 20_000, arrived: 20_000 + growth });
        }
        trendline.usage()
    }

    #[test]
    fn a_growing_queue_is_overuse_and_a_draining_one_underuse() {
        let mut trendline = Trendline::default();
        assert_eq!(run(&mut trendline, 60, 0), Usage::Normal);
        assert_eq!(run(&mut trendline, 30, 2000), Usage::Over);
        assert_eq!(run(&mut trendline, 60, -2000), Usage::Under);
        assert_eq!(run(&mut trendline, 60, 0), Usage::Normal);
    }

    #[test]
    fn even_jitter_is_normal() {
        let mut trendline = Trendline::default();
        for number in 0..500_i64 {
            let jitter = if number % 2 == 0 { 5000 } else { -5000 };
            trendline.update(Deltas { sent: 20_000, arrived: 20_000 + jitter });
            assert_eq!(trendline.usage(), Usage::Normal, "group {number}");
        }
    }

    #[test]
    fn what_makes_no_sense_leaves_numbers() {
        let mut trendline = Trendline::default();
        for _ in 0..50 {
            trendline.update(Deltas { sent: 0, arrived: 0 });
            trendline.update(Deltas { sent: i64::MAX, arrived: i64::MIN });
            trendline.update(Deltas { sent: i64::MIN, arrived: i64::MAX });
        }
        assert!(trendline.slope.is_finite() && trendline.threshold.is_finite());
    }
}
