//! The queue that stands on the path. Slopes do not show it, as it does not grow: where it came to be long, say because
//! the path carries much less than a moment ago, less than the estimate is sent until it is gone.

use std::time::{Duration, Instant};

/// The least delay counts for one to two times this.
const BASE_WINDOW: Duration = Duration::from_secs(15);
/// A queue as long as this is drained, in microseconds, until it is no longer than that. On a path of 300 kbit/s the least
/// probe adds 160 ms to the 100 ms that come and go with the estimate, which is no reason yet.
const LONG: i64 = 320_000;
const SHORT: i64 = 60_000;
/// One as long as this that packets are lost in is full: it grows no more, though too much is sent.
const FULL: i64 = 100_000;
/// Draining takes no longer, and begins again no sooner: where others fill the queue, it is of no use.
const LONGEST: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_secs(8);
/// What is sent meanwhile, as a part of the estimate.
pub(super) const FACTOR: f64 = 0.5;

/// Watches how much longer packets take than they must.
#[derive(Debug, Default)]
pub(super) struct Drain {
    /// The least delays of this window and the one before, in microseconds: only their differences mean something.
    least: Option<i64>,
    least_before: Option<i64>,
    window: Option<Instant>,
    queue: i64,
    since: Option<Instant>,
    ended: Option<Instant>,
}

impl Drain {
    /// Takes the least delay of the packets that feedback tells of.
    pub(super) fn update(&mut self, now: Instant, delay: i64) {
        if self.window.is_none_or(|window| now.saturating_duration_since(window) >= BASE_WINDOW) {
            self.least_before = self.least.take();
            self.window = Some(now);
        }
        let least = self.least.map_or(delay, |least| least.min(delay));
        self.least = Some(least);
        let base = self.least_before.map_or(least, |before| before.min(least));
        self.queue = delay.saturating_sub(base);
        match self.since {
            Some(since) if self.queue <= SHORT || now.saturating_duration_since(since) >= LONGEST => {
                self.since = None;
                self.ended = Some(now);
            }
            Some(_) => {}
            None => {
                let is_time = self.ended.is_none_or(|ended| now.saturating_duration_since(ended) >= PAUSE);
                self.since = (self.queue >= LONG && is_time).then_some(now);
            }
        }
    }

    pub(super) const fn is_draining(&self) -> bool {
        self.since.is_some()
    }

    /// Whether the queue is full, given that packets are lost.
    pub(super) const fn is_full(&self) -> bool {
        self.queue > FULL
    }

    /// Whether there is a queue that nothing should be added to without need.
    pub(super) const fn is_queued(&self) -> bool {
        self.queue > SHORT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_may_be_full_before_it_is_long() {
        let mut drain = Drain::default();
        drain.update(sim::start(), 50_000);
        drain.update(sim::start(), 140_000);
        assert_eq!((drain.is_queued(), drain.is_full()), (true, false));
        drain.update(sim::start(), 160_000);
        assert_eq!((drain.is_full(), drain.is_draining()), (true, false));
    }

    #[test]
    fn a_long_queue_is_drained_but_not_for_ever() {
        let mut drain = Drain::default();
        let mut at = |millis: u64, delay: i64| {
            drain.update(sim::start() + Duration::from_millis(millis), delay * 1000 - 1_000_000);
            (drain.is_draining(), drain.is_queued())
        };
        assert_eq!(at(0, 50), (false, false));
        assert_eq!(at(1000, 200), (false, true));
        assert_eq!(at(2000, 380), (true, true));
        assert_eq!(at(2500, 150), (true, true));
        assert_eq!(at(2600, 100), (false, false));
        assert_eq!(at(11_000, 400), (true, true));
        assert_eq!(at(14_000, 400), (false, true));
        assert_eq!(at(15_000, 400), (false, true));
        // In half a minute, the delay of another path is known to be that.
        assert_eq!(at(29_000, 400), (true, true));
        assert_eq!(at(45_000, 400), (false, false));
    }
}
