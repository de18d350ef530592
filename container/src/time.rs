//! Moments in units of other clocks than the nanosecond's, in integers, so that nothing drifts.

use std::num::NonZeroU32;
use std::time::Duration;

const NANOS: u128 = 1_000_000_000;

/// `ticks` of `numerator / denominator` seconds each, rounded down; `None` beyond what a [`Duration`] can say.
pub(crate) fn from_ticks(ticks: u64, numerator: NonZeroU32, denominator: NonZeroU32) -> Option<Duration> {
    // 64 and 32 and 30 bits: this fits.
    let nanos = u128::from(ticks) * u128::from(numerator.get()) * NANOS / u128::from(denominator.get());
    let seconds = u64::try_from(nanos / NANOS).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % NANOS).unwrap_or(0)))
}

/// The tick of a clock with `rate` ticks per second that is nearest to `time`. Undoes [`from_ticks`] for every rate up
/// to some hundred million.
pub(crate) fn to_ticks(time: Duration, rate: u32) -> u64 {
    let ticks = time.as_nanos().saturating_mul(u128::from(rate)).saturating_add(NANOS / 2) / NANOS;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// How long `samples` last at `rate` per second, rounded down.
pub(crate) fn from_samples(samples: u64, rate: u32) -> Duration {
    let rate = u64::from(rate).max(1);
    let nanos = samples % rate * 1_000_000_000 / rate;
    Duration::new(samples / rate, u32::try_from(nanos).unwrap_or(0))
}

/// How many frames are shown in how many seconds, as a fraction: 30 is 30/1, NTSC's 29.97 is 30000/1001.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    frames: NonZeroU32,
    seconds: NonZeroU32,
}

impl FrameRate {
    /// `frames` in `seconds`; `None` if either is zero.
    pub const fn new(frames: u32, seconds: u32) -> Option<Self> {
        match (NonZeroU32::new(frames), NonZeroU32::new(seconds)) {
            (Some(frames), Some(seconds)) => Some(Self { frames, seconds }),
            _ => None,
        }
    }

    /// When the frame numbered `index` is due, counted from zero. The latest moment there is if that lies beyond.
    pub fn due(&self, index: u64) -> Duration {
        from_ticks(index, self.seconds, self.frames).unwrap_or(Duration::MAX)
    }
}

impl Default for FrameRate {
    /// 30 frames per second.
    fn default() -> Self {
        Self { frames: NonZeroU32::MIN.saturating_add(29), seconds: NonZeroU32::MIN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_of_ntsc_do_not_drift() {
        let rate = FrameRate::new(30_000, 1001).unwrap();
        assert_eq!(rate.due(30_000), Duration::from_secs(1001));
        assert_eq!(rate.due(1), Duration::from_nanos(33_366_666));
        assert_eq!(FrameRate::default(), FrameRate::new(30, 1).unwrap());
        assert_eq!((FrameRate::new(0, 1), FrameRate::new(1, 0)), (None, None));
    }

    #[test]
    fn moments_beyond_all_time_are_none() {
        assert_eq!(from_ticks(u64::MAX, NonZeroU32::MAX, NonZeroU32::MIN), None);
        assert_eq!(from_ticks(u64::MAX, NonZeroU32::MIN, NonZeroU32::MIN), Some(Duration::from_secs(u64::MAX)));
    }

    proptest! {
        #[test]
        fn ticks_survive_the_way_through_nanoseconds(ticks in 0..1_u64 << 50, rate in 1_u32..100_000_000) {
            let time = from_ticks(ticks, NonZeroU32::MIN, NonZeroU32::new(rate).unwrap()).unwrap();
            prop_assert_eq!(to_ticks(time, rate), ticks);
            prop_assert_eq!(from_samples(ticks, rate), time);
        }
    }
}
