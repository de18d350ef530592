//! G.711, µ-law and A-law (RFC 3551, section 4.5.14): a byte is a sample, and any number of them is a payload.

use std::time::Duration;

/// Samples in a second, which are ticks of the timestamp.
pub const CLOCK_RATE: u32 = 8_000;

/// How long a payload plays: an eighth of a millisecond for each byte.
pub const fn duration(payload: &[u8]) -> Duration {
    Duration::from_micros((payload.len() as u64).saturating_mul(125))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_a_sample() {
        assert_eq!(duration(&[]), Duration::ZERO);
        assert_eq!(duration(&[0xff]), Duration::from_micros(125));
        assert_eq!(duration(&[0xff; 160]), Duration::from_millis(20));
        assert_eq!(duration(&[0xff; CLOCK_RATE as usize]), Duration::from_secs(1));
    }
}
