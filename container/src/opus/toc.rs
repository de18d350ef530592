//! The first byte of a packet, which says how long the packet lasts (RFC 6716, section 3.1).

use std::time::Duration;

use super::RATE;
use crate::time;

/// No packet lasts longer than 120 ms (RFC 6716, section 3.2.5, requirement R5).
const LONGEST: u64 = 5760;

/// How long a packet lasts; `None` if its first bytes are not those of Opus, or claim more than 120 ms.
pub fn duration(packet: &[u8]) -> Option<Duration> {
    samples(packet).map(|samples| time::from_samples(samples, RATE))
}

/// [`duration`] in samples of 48 kHz.
pub(super) fn samples(packet: &[u8]) -> Option<u64> {
    let toc = *packet.first()?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    let samples = frames * samples_of_frame(toc);
    (1..=LONGEST).contains(&samples).then_some(samples)
}

/// One frame's samples at 48 kHz, by the five bits of configuration (RFC 6716, table 2).
pub(super) const fn samples_of_frame(toc: u8) -> u64 {
    match (toc >> 3, toc >> 3 & 3) {
        (0..=11, 3) => 2880,
        (0..=11, size) => 480 << size,
        (12..=15, size) => 480 << (size & 1),
        (_, size) => 120 << size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_lasts_as_long_as_the_table_says() {
        let sizes = |from: u8, to: u8| (from..=to).map(|config| samples_of_frame(config << 3)).collect::<Vec<_>>();
        for from in [0, 4, 8] {
            assert_eq!(sizes(from, from + 3), [480, 960, 1920, 2880], "SILK: 10, 20, 40, 60 ms");
        }
        assert_eq!(sizes(12, 15), [480, 960, 480, 960], "hybrid: 10, 20 ms");
        for from in [16, 20, 24, 28] {
            assert_eq!(sizes(from, from + 3), [120, 240, 480, 960], "CELT: 2.5, 5, 10, 20 ms");
        }
    }

    #[test]
    fn frames_of_a_packet_are_counted() {
        const TWENTY: u8 = 31 << 3;
        assert_eq!(duration(&[TWENTY]), Some(Duration::from_millis(20)));
        assert_eq!(duration(&[TWENTY | 1, 0, 0]), Some(Duration::from_millis(40)));
        assert_eq!(duration(&[TWENTY | 2, 0]), Some(Duration::from_millis(40)));
        assert_eq!(duration(&[TWENTY | 3, 0xc6]), Some(Duration::from_millis(120)), "the upper bits do not count");
        assert_eq!(duration(&[TWENTY | 3, 7]), None, "140 ms");
        assert_eq!(duration(&[TWENTY | 3, 0]), None, "no frames");
        assert_eq!(duration(&[TWENTY | 3]), None, "no count");
        assert_eq!(duration(&[]), None);
        assert_eq!(duration(&[16 << 3]), Some(Duration::from_micros(2500)));
    }
}
