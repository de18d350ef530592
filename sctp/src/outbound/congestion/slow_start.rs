use super::Ack;
use std::time::Duration;

/// Constants of RFC 9406, section 4.3.
const MIN_RTT_THRESHOLD: Duration = Duration::from_millis(4);
const MAX_RTT_THRESHOLD: Duration = Duration::from_millis(16);
const RTT_DIVISOR: u32 = 8;
const SAMPLES: u32 = 8;
const CSS_GROWTH_DIVISOR: usize = 4;
const CSS_ROUNDS: u32 = 5;

/// Conservative Slow Start: the delay has grown, and five rounds show whether that was the path's queue.
#[derive(Clone, Copy, Debug)]
struct Conservative {
    baseline: Duration,
    rounds: u32,
}

/// HyStart++: slow start that ends before the path's queue is full (RFC 9406).
#[derive(Debug, Default)]
pub(super) struct SlowStart {
    last: Option<Duration>,
    current: Option<Duration>,
    samples: u32,
    conservative: Option<Conservative>,
}

impl SlowStart {
    /// By how many bytes the window grows; None if slow start is over.
    pub(super) fn grow(&mut self, ack: &Ack) -> Option<usize> {
        if ack.round {
            self.last = self.current.take();
            self.samples = 0;
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
            self.samples += 1;
        }
        self.judge();
        Some(if self.conservative.is_some() { ack.bytes / CSS_GROWTH_DIVISOR } else { ack.bytes })
    }

    fn judge(&mut self) {
        let Some(current) = self.current.filter(|_| self.samples >= SAMPLES) else { return };
        match (self.conservative, self.last) {
            (Some(conservative), _) if current < conservative.baseline => self.conservative = None,
            (Some(_), _) | (None, None) => {}
            (None, Some(last)) => {
                let threshold = (last / RTT_DIVISOR).clamp(MIN_RTT_THRESHOLD, MAX_RTT_THRESHOLD);
                if current >= last + threshold {
                    self.conservative = Some(Conservative { baseline: current, rounds: 0 });
                }
            }
        }
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
        let mut grown = slow_start.grow(&Ack { round: true, ..ack });
        for _ in 1..10 {
            grown = grown.and(slow_start.grow(&ack));
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
    fn a_delay_that_goes_away_again_was_jitter() {
        let mut slow_start = SlowStart::default();
        round(&mut slow_start, 40);
        assert_eq!(round(&mut slow_start, 60), Some(250));
        assert_eq!(round(&mut slow_start, 40), Some(1000));
    }
}
