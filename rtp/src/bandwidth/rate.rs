use std::fmt;
use std::time::Duration;

/// Bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bitrate(pub u64);

impl Bitrate {
    /// So many thousand bits per second.
    pub const fn kilobits(count: u64) -> Self {
        Self(count.saturating_mul(1000))
    }

    /// The bytes that this rate carries in `time`.
    pub fn bytes_in(self, time: Duration) -> u64 {
        let bytes = u128::from(self.0).saturating_mul(time.as_micros()) / 8_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// The time that this rate takes for `bytes`; an hour where there is no rate to speak of.
    pub fn time_for(self, bytes: u64) -> Duration {
        const LONGEST: u64 = 3600 * 1_000_000;
        let micros = u128::from(bytes).saturating_mul(8_000_000).checked_div(u128::from(self.0));
        Duration::from_micros(micros.map_or(LONGEST, |micros| u64::try_from(micros).unwrap_or(LONGEST)).min(LONGEST))
    }

    /// The rate times a factor; what is no number is 0.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self::from_bits_per_second(self.0 as f64 * factor)
    }

    /// What is no number is 0, what is too large the most there is.
    pub(super) const fn from_bits_per_second(rate: f64) -> Self {
        Self(rate as u64)
    }

    /// The rate at which `bytes` came in `time`; `None` if that was no time.
    pub(super) fn of(bytes: u64, time: Duration) -> Option<Self> {
        let bits = u128::from(bytes).saturating_mul(8_000_000).checked_div(time.as_micros())?;
        Some(Self(u64::try_from(bits).unwrap_or(u64::MAX)))
    }

    pub(super) const fn bits(self) -> f64 {
        self.0 as f64
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kbit/s", self.0 / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_times_and_bytes_belong_together() {
        let rate = Bitrate::kilobits(1000);
        assert_eq!(rate.bytes_in(Duration::from_millis(10)), 1250);
        assert_eq!(rate.time_for(1250), Duration::from_millis(10));
        assert_eq!(Bitrate::of(1250, Duration::from_millis(10)), Some(rate));
        assert_eq!(Bitrate::of(1, Duration::ZERO), None);
        assert_eq!(Bitrate(0).time_for(1), Duration::from_secs(3600));
        assert_eq!(rate.scaled(f64::NAN), Bitrate(0));
        assert_eq!(Bitrate(u64::MAX).bytes_in(Duration::MAX), u64::MAX);
    }
}
