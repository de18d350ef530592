//! Opus (RFC 7587): a packet of the codec is a payload, and a frame of ours. Its timestamps count 48,000 a second.

use std::time::Duration;

/// Ticks of the timestamp in a second, at whatever rate the codec samples (RFC 7587, section 4.1).
pub const CLOCK_RATE: u32 = 48_000;

/// The longest that a packet may play (RFC 6716, section 3.4, R5).
pub const LONGEST: Duration = Duration::from_millis(120);

/// How long a packet plays, by its first byte, and the second where that says how many frames there are (RFC 6716,
/// sections 3.1 and 3.2). `None` if it is empty, or longer than is allowed.
///
/// ```text
/// +--------+-+-+
/// | config |s|c|   5, 1 and 2 bits; then, where c is 3: vbr, padding, and the count in 6 bits
/// +--------+-+-+
/// ```
pub fn duration(packet: &[u8]) -> Option<Duration> {
    let (toc, rest) = packet.split_first()?;
    let frame = frame_duration(toc >> 3);
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => rest.first()? & 0x3f,
    };
    let duration = frame.saturating_mul(u32::from(count));
    (count > 0 && duration <= LONGEST).then_some(duration)
}

/// The duration of one frame (RFC 6716, section 3.1, table 2).
const fn frame_duration(config: u8) -> Duration {
    Duration::from_micros(match config {
        // SILK only, three bandwidths of four.
        0..=11 => match config % 4 {
            0 => 10_000,
            1 => 20_000,
            2 => 40_000,
            _ => 60_000,
        },
        // Hybrid, two bandwidths of two.
        12..=15 => 10_000 << (config % 2),
        // CELT only, four bandwidths of four.
        _ => 2_500 << (config % 4),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn micros(packet: &[u8]) -> Option<u128> {
        duration(packet).map(|duration| duration.as_micros())
    }

    #[test]
    fn durations_follow_the_table_of_configurations() {
        let table = (0..32).map(|config| micros(&[config << 3]).unwrap()).collect::<Vec<_>>();
        assert_eq!(table[..12], [10_000, 20_000, 40_000, 60_000].repeat(3));
        assert_eq!(table[12..16], [10_000, 20_000].repeat(2));
        assert_eq!(table[16..], [2_500, 5_000, 10_000, 20_000].repeat(4));
    }

    #[test]
    fn frames_of_a_packet_add_up() {
        // Full band in 20 ms, stereo, as browsers send it; then with two frames of the same and of different lengths.
        assert_eq!(micros(&[0xfc, 0xff, 0xfe]), Some(20_000));
        assert_eq!([micros(&[0xfd]), micros(&[0xfe])], [Some(40_000); 2]);
        // Any number of frames, with flags beside it.
        assert_eq!(micros(&[0xff, 0xc3]), Some(60_000));
        assert_eq!(micros(&[0xff, 6]), Some(120_000));
        assert_eq!(micros(&[0xe3, 48]), Some(120_000));
    }

    #[test]
    fn what_is_empty_or_too_long_has_no_duration() {
        assert_eq!(micros(&[]), None);
        assert_eq!(micros(&[0xff]), None);
        assert_eq!(micros(&[0xff, 0]), None);
        assert_eq!(micros(&[0xff, 0xc0]), None);
        assert_eq!(micros(&[0xff, 7]), None);
        assert_eq!(micros(&[0xe3, 49]), None);
        // 60 ms twice is allowed, thrice is not.
        assert_eq!([micros(&[0x19]), micros(&[0x1b, 3])], [Some(120_000), None]);
    }

    proptest! {
        #[test]
        fn any_packet_plays_for_whole_ticks(packet: Vec<u8>) {
            if let Some(duration) = duration(&packet) {
                prop_assert!(duration > Duration::ZERO && duration <= LONGEST);
                prop_assert_eq!(duration.as_nanos() * u128::from(CLOCK_RATE) % 1_000_000_000, 0);
            }
        }
    }
}
