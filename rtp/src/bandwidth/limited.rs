//! Whether the application sends less than it might.

use super::Bitrate;
use std::time::{Duration, Instant};

/// What counts as using the estimate.
const USED: f64 = 0.65;
/// The budget is what may be sent in this time.
const WINDOW: Duration = Duration::from_millis(500);
/// Limited when more than so much of the budget is left unused, in percent, until less than that is.
const BEGIN: u64 = 80;
const END: u64 = 50;

/// Notices that the application is what limits the rate: then what arrives says nothing of the path. A budget fills at
/// a part of the estimate, and is spent by what is sent.
#[derive(Debug)]
pub(super) struct ApplicationLimited {
    budget: u64,
    updated: Option<Instant>,
    since: Option<Instant>,
    ended: Option<Instant>,
}

impl ApplicationLimited {
    pub(super) const fn new() -> Self {
        Self { budget: 0, updated: None, since: None, ended: None }
    }

    /// Notes what is sent. Says whether the application has just ceased to be the limit.
    pub(super) fn on_sent(&mut self, now: Instant, size: usize, estimate: Bitrate) -> bool {
        let rate = estimate.scaled(USED);
        let most = rate.bytes_in(WINDOW).max(1);
        // Time that is too short to earn a byte stays for the next packet.
        let elapsed = self.updated.map_or(Duration::ZERO, |updated| now.saturating_duration_since(updated));
        let earned = rate.bytes_in(elapsed.min(WINDOW));
        if self.updated.is_none() || earned > 0 {
            self.updated = Some(now);
        }
        self.budget = self.budget.saturating_add(earned).min(most).saturating_sub(size as u64);
        let left = self.budget.saturating_mul(100) / most;
        if left > BEGIN && self.since.is_none() {
            self.since = Some(now);
        } else if left < END && self.since.take().is_some() {
            self.ended = Some(now);
            return true;
        }
        false
    }

    /// Since when the application is the limit.
    pub(super) const fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Whether it is, or was until less than 3 s ago.
    pub(super) fn is_recent(&self, now: Instant) -> bool {
        let is_recent = |ended| now.saturating_duration_since(ended) < Duration::from_secs(3);
        self.since.is_some() || self.ended.is_some_and(is_recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_estimate_is_limited_and_all_of_it_is_not() {
        let mut limited = ApplicationLimited::new();
        let mut now = sim::start();
        let mut send = |limited: &mut ApplicationLimited, size| {
            for _ in 0..300 {
                now += Duration::from_millis(10);
                limited.on_sent(now, size, Bitrate::kilobits(1000));
            }
            limited.since().is_some()
        };
        assert!(!send(&mut limited, 1250));
        assert!(send(&mut limited, 500));
        assert!(!send(&mut limited, 1200));
    }
}
