use std::time::Duration;

/// The clock granularity G of RFC 9260, section 6.3.1.
const GRANULARITY: Duration = Duration::from_millis(1);

/// Bounds of the first timeout of a handshake packet, once the round-trip time is known.
const HANDSHAKE_MIN: Duration = Duration::from_millis(50);
const HANDSHAKE_MAX: Duration = Duration::from_secs(3);

/// The retransmission timeout, from measured round trips (RFC 9260, section 6.3.1).
#[derive(Debug)]
pub(crate) struct Rto {
    min: Duration,
    max: Duration,
    current: Duration,
    /// What another layer measured.
    hint: Option<Duration>,
    smoothed: Option<Duration>,
    variation: Duration,
}

impl Rto {
    pub(crate) fn new(initial: Duration, min: Duration, max: Duration) -> Self {
        let min = min.max(GRANULARITY);
        let max = max.max(min);
        Self { min, max, current: initial.clamp(min, max), hint: None, smoothed: None, variation: Duration::ZERO }
    }

    /// The timeout now, back-off included.
    pub(crate) const fn current(&self) -> Duration {
        self.current
    }

    /// SRTT, once there is a measurement.
    pub(crate) const fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// The round-trip time as far as it is known, be it measured here or elsewhere.
    pub(crate) fn known(&self) -> Option<Duration> {
        self.smoothed.or(self.hint)
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

    /// What another layer measured on this path.
    pub(crate) const fn hint(&mut self, rtt: Duration) {
        self.hint = Some(rtt);
    }

    /// Another path, or the same one again: what was measured before may be wrong here, and the back-off is.
    pub(crate) fn renew(&mut self, rtt: Option<Duration>) {
        if let Some(rtt) = rtt {
            self.smoothed = Some(rtt);
            self.variation = rtt / 2;
        }
        self.reset();
    }

    /// The first timeout for a packet of the handshake. It is answered at once, never after a delay as data may be, so
    /// the least timeout does not apply: two round trips as far as they are known, and 50 ms at least.
    pub(crate) fn handshake(&self) -> Duration {
        self.smoothed
            .or(self.hint)
            .map_or(self.current, |rtt| rtt.saturating_mul(2).clamp(HANDSHAKE_MIN, HANDSHAKE_MAX).min(self.max))
    }

    /// The timeout after this one has passed in vain.
    pub(crate) fn doubled(&self, timeout: Duration) -> Duration {
        timeout.saturating_mul(2).min(self.max)
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
    fn another_path_starts_over() {
        let mut rto = Rto::new(ms(1000), ms(400), ms(10_000));
        rto.measure(ms(2000));
        rto.back_off();
        rto.renew(None);
        assert_eq!(rto.current(), ms(6000), "no back-off");
        rto.back_off();
        rto.renew(Some(ms(200)));
        assert_eq!((rto.current(), rto.smoothed()), (ms(600), Some(ms(200))));
    }

    #[test]
    fn the_handshake_is_timed_by_what_is_known() {
        let mut rto = Rto::new(ms(1000), ms(400), ms(10_000));
        assert_eq!(rto.handshake(), ms(1000));
        rto.hint(ms(60));
        assert_eq!((rto.handshake(), rto.current()), (ms(120), ms(1000)));
        rto.hint(ms(9000));
        assert_eq!(rto.handshake(), ms(3000));
        rto.measure(ms(10));
        assert_eq!((rto.handshake(), rto.current()), (ms(50), ms(400)), "own measurements count more");
        assert_eq!(rto.doubled(ms(6000)), ms(10_000));
    }
}
