use std::time::Duration;

/// A moment in the format of NTP: seconds since 1900 in the upper half, their 2^-32 parts in the lower (RFC 3550,
/// section 4). Where it comes from is the caller's business: nothing here reads a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Seconds from the epoch of NTP to that of Unix.
    const UNIX_EPOCH: u64 = 2_208_988_800;

    /// The moment so long after the Unix epoch.
    pub const fn from_unix(since_epoch: Duration) -> Self {
        Self((since_epoch.as_secs().wrapping_add(Self::UNIX_EPOCH)) << 32)
            .plus(Duration::from_nanos(since_epoch.subsec_nanos() as u64))
    }

    /// How long after the Unix epoch it is. NTP's seconds wrap in 2036, so what seems to be before 1970 is after that.
    pub const fn since_unix_epoch(self) -> Duration {
        let seconds = (self.0 >> 32).wrapping_sub(Self::UNIX_EPOCH) & 0xffff_ffff;
        Duration::new(seconds, (((self.0 & 0xffff_ffff) * 1_000_000_000) >> 32) as u32)
    }

    /// The moment so much later.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        let fraction = ((duration.subsec_nanos() as u64) << 32) / 1_000_000_000;
        Self(self.0.wrapping_add(duration.as_secs() << 32).wrapping_add(fraction))
    }

    /// The middle 32 bits, as reports name a moment (RFC 3550, section 6.4.1).
    pub const fn compact(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// A time in units of 2^-16 seconds, as reports give delays; what does not fit is the most there is.
pub fn compact_duration(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// The time that so many units of 2^-16 seconds are.
pub const fn duration_from_compact(units: u32) -> Duration {
    Duration::from_nanos((units as u64 * 1_000_000_000) >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_back_from_ntp() {
        for since in [0, 1_500_000_000, 2_085_978_495, 2_085_978_496, 4_000_000_000].map(Duration::from_secs) {
            let since = since + Duration::from_millis(250);
            assert_eq!(NtpTime::from_unix(since).since_unix_epoch(), since);
        }
    }

    #[test]
    fn the_unix_epoch_is_where_ntp_has_it() {
        let half = NtpTime::from_unix(Duration::from_millis(500));
        assert_eq!(half.0, (2_208_988_800 << 32) + (1 << 31));
        assert_eq!(half.compact(), (2_208_988_800_u64 as u16 as u32) << 16 | 1 << 15);
    }

    #[test]
    fn delays_survive_their_compact_form() {
        assert_eq!(compact_duration(Duration::from_millis(1500)), 3 << 15);
        assert_eq!(duration_from_compact(3 << 15), Duration::from_millis(1500));
        assert_eq!(compact_duration(Duration::MAX), u32::MAX);
    }
}
