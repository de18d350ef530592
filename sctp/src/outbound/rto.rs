use std::time::Duration;

/// The clock granularity G of RFC 9260, section 6.3.1.
const GRANULARITY: Duration = Duration::from_millis(1);

/// The retransmission timeout, from measured round trips (RFC 9260, section 6.3.1).
#[derive(Debug)]
pub(crate) struct Rto {
    min: Duration,
    max: Duration,
    current: Duration,
    smoothed: Option<Duration>,
    variation: Duration,
}

impl Rto {
    pub(crate) fn new(initial: Duration, min: Duration, max: Duration) -> Self {
        let min = min.max(GRANULARITY);
        let max = max.max(min);
        Self { min, max, current: initial.clamp(min, max), smoothed: None, variation: Duration::ZERO }
    }

    /// The timeout now, back-off included.
    pub(crate) const fn current(&self) -> Duration {
        self.current
    }

    /// SRTT, once there is a measurement.
    pub(crate) const fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// A measured round trip (C2, C3).
    pub(crate) fn measure(&mut self, rtt: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.variation = rtt / 2;
            }
            Some(smoothed) => {
                self.variation = self.variation * 3 / 4 + smoothed.abs_diff(rtt) / 4;
                self.smoothed = Some(smoothed * 7 / 8 + rtt / 8);
            }
        }
        self.reset();
    }

    /// Ends the back-off: what was sent has been acknowledged.
    pub(crate) fn reset(&mut self) {
        if let Some(smoothed) = self.smoothed {
            let variation = (self.variation * 4).max(GRANULARITY);
            self.current = smoothed.saturating_add(variation).clamp(self.min, self.max);
        }
    }

    /// What another layer measured on this path, for as long as this one has not measured anything itself.
    pub(crate) fn hint(&mut self, rtt: Duration) {
        if self.smoothed.is_none() {
            self.current = rtt.saturating_mul(3).clamp(self.min, self.max);
        }
    }

    /// The timer fired (section 6.3.3, E2).
    pub(crate) fn back_off(&mut self) {
        self.current = self.current.saturating_mul(2).min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn follows_measurements_within_its_bounds() {
        let mut rto = Rto::new(ms(1000), ms(200), ms(10_000));
        assert_eq!(rto.current(), ms(1000));
        rto.measure(ms(100));
        assert_eq!(rto.current(), ms(300), "SRTT + 4 × RTTVAR");
        for _ in 0..50 {
            rto.measure(ms(10));
        }
        assert_eq!(rto.current(), ms(200), "never below the minimum");
        rto.measure(ms(60_000));
        assert_eq!(rto.current(), ms(10_000), "never above the maximum");
    }

    #[test]
    fn backs_off_and_returns() {
        let mut rto = Rto::new(ms(1000), ms(200), ms(3000));
        rto.measure(ms(200));
        rto.back_off();
        assert_eq!(rto.current(), ms(1200));
        rto.back_off();
        rto.back_off();
        assert_eq!(rto.current(), ms(3000));
        rto.reset();
        assert_eq!(rto.current(), ms(600));
    }

    #[test]
    fn a_hint_counts_only_before_the_first_measurement() {
        let mut rto = Rto::new(ms(1000), ms(50), ms(3000));
        rto.hint(ms(30));
        assert_eq!(rto.current(), ms(90));
        rto.measure(ms(100));
        rto.hint(ms(1));
        assert_eq!(rto.current(), ms(300));
    }
}
