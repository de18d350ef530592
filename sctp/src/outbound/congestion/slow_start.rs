use super::Ack;
use std::time::Duration;

/// Constants of RFC 9406, section 4.3.
const MIN_RTT_THRESHOLD: Duration = Duration::from_millis(4);
const MAX_RTT_THRESHOLD: Duration = Duration::from_millis(16);
const RTT_DIVISOR: u32 = 8;
const SAMPLES: usize = 8;
const CSS_GROWTH_DIVISOR: usize = 4;
const CSS_ROUNDS: u32 = 5;

/// How much of the measured product of rate and delay the window keeps when the delay has begun to grow.
const HEADROOM: f64 = 1.5;

/// How much of it is enough: a window that holds this fills the path, and a queue as long as the path beside it.
const ENOUGH: f64 = 2.0;

/// Conservative Slow Start: the delay has grown, and five rounds show whether that was the path's queue.
#[derive(Clone, Copy, Debug)]
struct Conservative {
    baseline: Duration,
    /// The round-trip time before that.
    before: Duration,
    rounds: u32,
}

/// HyStart++: slow start that ends before the path's queue is full (RFC 9406).
///
/// The delay now is the least of the last eight samples, and not of the whole round so far as in the RFC: a queue that
/// grows within a round is seen in that round, and not one later, when the window has doubled once more. And the five
/// careful rounds, which would triple the window, end sooner where the rate shows that it holds twice what the path does.
#[derive(Debug, Default)]
pub(super) struct SlowStart {
    /// The least round-trip times of the round before and of this one.
    last: Option<Duration>,
    current: Option<Duration>,
    recent: [Duration; SAMPLES],
    samples: usize,
    /// The greatest delivery rates of the round before and of this one, in bytes per second.
    rates: [f64; 2],
    conservative: Option<Conservative>,
}

impl SlowStart {
    /// What becomes of the window; None if slow start is over.
    pub(super) fn grow(&mut self, window: usize, ack: &Ack) -> Option<usize> {
        if let Some(rate) = ack.rate {
            let [_, current] = &mut self.rates;
            *current = current.max(rate.bytes);
        }
        if ack.round {
            let [_, current] = self.rates;
            self.rates = [current, 0.0];
            self.last = self.current.take();
            if let Some(conservative) = &mut self.conservative {
                conservative.rounds += 1;
                if conservative.rounds >= CSS_ROUNDS {
                    *self = Self::default();
                    return None;
                }
            }
        }
        if let Some(rtt) = ack.rtt {
            self.current = Some(self.current.map_or(rtt, |least| least.min(rtt)));
            if let Some(place) = self.recent.get_mut(self.samples % SAMPLES) {
                *place = rtt;
            }
            self.samples = self.samples.wrapping_add(1);
        }
        let was_careful = self.is_careful();
        self.judge();
        if !self.is_careful() {
            return Some(window.saturating_add(ack.bytes));
        }
        if !was_careful {
            // What showed the queue left a round trip ago, and the window has doubled since.
            let rate = self.rates.iter().copied().fold(0.0, f64::max);
            let product = (rate * self.last.unwrap_or_default().as_secs_f64() * HEADROOM) as usize;
            if product > ack.bytes {
                return Some(window.min(product));
            }
        } else if self.has_enough(window) {
            *self = Self::default();
            return None;
        }
        Some(window.saturating_add(ack.bytes / CSS_GROWTH_DIVISOR))
    }

    fn has_enough(&self, window: usize) -> bool {
        let Some(conservative) = self.conservative else { return false };
        let rate = self.rates.iter().copied().fold(0.0, f64::max);
        rate > 0.0 && window as f64 > ENOUGH * rate * conservative.before.as_secs_f64()
    }

    fn judge(&mut self) {
        let Some(current) = self.recent.iter().min().copied().filter(|least| !least.is_zero()) else { return };
        match (self.conservative, self.last) {
            (Some(conservative), _) if current < conservative.baseline => self.conservative = None,
            (Some(_), _) | (None, None) => {}
            (None, Some(last)) => {
                let threshold = (last / RTT_DIVISOR).clamp(MIN_RTT_THRESHOLD, MAX_RTT_THRESHOLD);
                if current >= last + threshold {
                    self.conservative = Some(Conservative { baseline: current, before: last, rounds: 0 });
                }
            }
        }
    }

    /// Whether the window grows more slowly than by doubling.
    pub(super) const fn is_careful(&self) -> bool {
        self.conservative.is_some()
    }

    /// Slow start ended otherwise, or begins anew.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{full, start};
    use super::*;

    fn round(slow_start: &mut SlowStart, rtt: u64) -> Option<usize> {
        let rtt = Some(Duration::from_millis(rtt));
        let ack = Ack { rtt, ..full(start(), 1000) };
        let mut grown = slow_start.grow(0, &Ack { round: true, ..ack });
        for _ in 1..10 {
            grown = grown.and(slow_start.grow(0, &ack));
        }
        grown
    }

    #[test]
    fn a_growing_delay_ends_slow_start_after_five_careful_rounds() {
        let mut slow_start = SlowStart::default();
        assert_eq!(round(&mut slow_start, 100), Some(1000));
        assert_eq!(round(&mut slow_start, 105), Some(1000), "an eighth is let pass");
        for _ in 0..5 {
            assert_eq!(round(&mut slow_start, 120), Some(250));
        }
        assert_eq!(round(&mut slow_start, 120), None);
    }

    #[test]
    fn careful_rounds_end_where_the_window_holds_twice_what_the_rate_needs() {
        let mut slow_start = SlowStart::default();
        round(&mut slow_start, 100);
        round(&mut slow_start, 120);
        assert!(slow_start.is_careful());
        let rate = Some(super::super::Rate { bytes: 1e6, app_limited: false });
        let ack = Ack { rtt: Some(Duration::from_millis(120)), rate, ..full(start(), 1000) };
        assert!(slow_start.grow(199_000, &ack).is_some());
        assert_eq!(slow_start.grow(201_000, &ack), None);
    }

    #[test]
    fn a_delay_that_goes_away_again_was_jitter() {
        let mut slow_start = SlowStart::default();
        round(&mut slow_start, 40);
        assert_eq!(round(&mut slow_start, 60), Some(250));
        assert_eq!(round(&mut slow_start, 40), Some(1000));
    }
}
