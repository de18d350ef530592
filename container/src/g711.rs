//! G.711: 16-bit samples to one byte each and back (ITU-T G.711).
//!
//! Both laws keep the sign, where the highest bit is (three bits), and the four bits behind it: louder samples are
//! coarser, and no sample is off by more than half a step.

/// What is added so that the smallest magnitudes have a highest bit too.
const ULAW_BIAS: u16 = 0x84;

/// Silence in µ-law.
pub const ULAW_SILENCE: u8 = 0xff;

/// Silence in A-law, which has no zero: the smallest positive step.
pub const ALAW_SILENCE: u8 = 0xd5;

/// One linear sample as µ-law. The loudest few are clipped.
pub const fn encode_ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let clipped = if sample.unsigned_abs() > 32_635 { 32_635 } else { sample.unsigned_abs() };
    let magnitude = clipped + ULAW_BIAS;
    let segment = 8 - magnitude.leading_zeros() as u8;
    let mantissa = (magnitude >> (segment + 3)) as u8 & 0x0f;
    !(sign | segment << 4 | mantissa)
}

/// One µ-law byte as a linear sample.
pub const fn decode_ulaw(byte: u8) -> i16 {
    let byte = !byte;
    let segment = byte >> 4 & 7;
    let magnitude = (((byte & 0x0f) as i16) << 3 | 0x84) << segment;
    if byte & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude }
}

/// One linear sample as A-law, which has 13 bits: the lowest three do not count.
pub const fn encode_alaw(sample: i16) -> u8 {
    // Even bits are inverted on the line.
    let (magnitude, line) = if sample < 0 { (!sample >> 3, 0x55) } else { (sample >> 3, 0xd5) };
    let magnitude = magnitude.unsigned_abs();
    let segment = if magnitude < 32 { 0 } else { 11 - magnitude.leading_zeros() as u8 };
    let shift = if segment == 0 { 1 } else { segment };
    (segment << 4 | (magnitude >> shift) as u8 & 0x0f) ^ line
}

/// One A-law byte as a linear sample.
pub const fn decode_alaw(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let segment = byte >> 4 & 7;
    let step = ((byte & 0x0f) as i16) << 4 | 8;
    let magnitude = if segment == 0 { step } else { (step + 0x100) << (segment - 1) };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_and_the_middle_are_as_the_tables_say() {
        // ITU-T G.711, tables 1 and 2, scaled to 16 bits.
        assert_eq!([0x80, 0x00, 0xff, 0x7f, 0xfe, 0xf0].map(decode_ulaw), [32_124, -32_124, 0, 0, 8, 120]);
        assert_eq!([0xaa, 0x2a, 0xd5, 0x55, 0xd4, 0xc5].map(decode_alaw), [32_256, -32_256, 8, -8, 24, 264]);
        assert_eq!([i16::MAX, i16::MIN, 0, -1].map(encode_ulaw), [0x80, 0x00, 0xff, 0x7f]);
        assert_eq!([i16::MAX, i16::MIN, 0, -1].map(encode_alaw), [0xaa, 0x2a, 0xd5, 0x55]);
        assert_eq!((encode_ulaw(0), encode_alaw(0)), (ULAW_SILENCE, ALAW_SILENCE));
    }

    #[test]
    fn every_byte_survives_decoding_and_encoding() {
        for byte in 0..=u8::MAX {
            assert_eq!(encode_alaw(decode_alaw(byte)), byte);
            // µ-law has two zeros.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(encode_ulaw(decode_ulaw(byte)), expected);
        }
    }

    #[test]
    fn no_sample_is_off_by_more_than_half_a_step() {
        // Of the steps of the segment that the sample is in; beyond the last one, samples are clipped.
        for sample in i16::MIN..=i16::MAX {
            let byte = encode_ulaw(sample);
            let step = 8 << (!byte >> 4 & 7);
            let off = sample.abs_diff(decode_ulaw(byte));
            let clipped = sample.unsigned_abs().saturating_sub(32_635);
            assert!(off <= step / 2 + clipped, "µ-law of {sample} is off by {off}");

            let byte = encode_alaw(sample);
            let step = 16 << (((byte ^ 0x55) >> 4 & 7).max(1) - 1);
            let off = sample.abs_diff(decode_alaw(byte));
            assert!(off <= step / 2, "A-law of {sample} is off by {off}");
        }
    }
}
