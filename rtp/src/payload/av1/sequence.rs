use super::obu::{Obu, kind};
use crate::payload::bits::Bits;
use wire::Malformed;

const WHAT: &str = "AV1 sequence header";

/// What a sequence header says of interest here (AV1 bitstream specification, section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SequenceHeader {
    /// Whether frame headers leave out what a still picture does not need.
    is_reduced: bool,
    width_minus_1: u32,
    height_minus_1: u32,
}

impl SequenceHeader {
    /// The first of a temporal unit; `None` if there is none that can be read.
    fn find(unit: &[u8]) -> Option<Self> {
        let mut obus = Obu::all(unit).map_while(Result::ok);
        let obu = obus.find(|obu| obu.header.kind() == kind::SEQUENCE_HEADER)?;
        Self::decode(obu.payload(unit)).ok()
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut bits = Bits::new(payload);
        // seq_profile, still_picture
        bits.number(4, WHAT)?;
        let is_reduced = bits.flag(WHAT)?;
        if is_reduced {
            // seq_level_idx
            bits.number(5, WHAT)?;
        } else {
            skip_operating_points(&mut bits)?;
        }
        let (width_bits, height_bits) = (bits.number(4, WHAT)? + 1, bits.number(4, WHAT)? + 1);
        let (width_minus_1, height_minus_1) = (bits.number(width_bits, WHAT)?, bits.number(height_bits, WHAT)?);
        Ok(Self { is_reduced, width_minus_1, height_minus_1 })
    }
}

fn skip_operating_points(bits: &mut Bits<'_>) -> Result<(), Malformed> {
    let mut delay_bits = None;
    let has_timing_info = bits.flag(WHAT)?;
    if has_timing_info {
        skip_timing_info(bits)?;
        let has_decoder_model_info = bits.flag(WHAT)?;
        if has_decoder_model_info {
            delay_bits = Some(bits.number(5, WHAT)? + 1);
            // num_units_in_decoding_tick, and two lengths of five bits
            bits.number(32, WHAT)?;
            bits.number(10, WHAT)?;
        }
    }
    let has_display_delay = bits.flag(WHAT)?;
    let count = bits.number(5, WHAT)? + 1;
    for _ in 0..count {
        // operating_point_idc
        bits.number(12, WHAT)?;
        let level = bits.number(5, WHAT)?;
        if level > 7 {
            // seq_tier
            bits.flag(WHAT)?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag(WHAT)?
        {
            // Two delays, and low_delay_mode_flag.
            bits.number(delay_bits, WHAT)?;
            bits.number(delay_bits, WHAT)?;
            bits.flag(WHAT)?;
        }
        if has_display_delay && bits.flag(WHAT)? {
            bits.number(4, WHAT)?;
        }
    }
    Ok(())
}

fn skip_timing_info(bits: &mut Bits<'_>) -> Result<(), Malformed> {
    // num_units_in_display_tick, time_scale
    bits.number(32, WHAT)?;
    bits.number(32, WHAT)?;
    let has_equal_picture_interval = bits.flag(WHAT)?;
    if !has_equal_picture_interval {
        return Ok(());
    }
    // num_ticks_per_picture_minus_1: as many zeros as bits come behind the one.
    let mut zeros = 0;
    while !bits.flag(WHAT)? {
        zeros += 1;
    }
    // From 32 zeros on, the number is the largest, and no bits come.
    bits.number(if zeros < 32 { zeros } else { 0 }, WHAT)?;
    Ok(())
}

/// Whether a coded video sequence begins with this temporal unit in the low-overhead format: it has a sequence header,
/// and its first frame is a key frame (AV1 bitstream specification, section 7.5).
pub fn is_keyframe(unit: &[u8]) -> bool {
    let Some(sequence) = SequenceHeader::find(unit) else { return false };
    let mut obus = Obu::all(unit).map_while(Result::ok);
    let frame = obus.find(|obu| matches!(obu.header.kind(), kind::FRAME_HEADER | kind::FRAME));
    match frame {
        Some(frame) if !sequence.is_reduced => starts_key_frame(frame.payload(unit)).unwrap_or(false),
        Some(_) | None => true,
    }
}

/// By the beginning of its uncompressed header (AV1 bitstream specification, section 5.9.2).
fn starts_key_frame(payload: &[u8]) -> Result<bool, Malformed> {
    let mut bits = Bits::new(payload);
    let shows_existing_frame = bits.flag("AV1 frame header")?;
    Ok(!shows_existing_frame && bits.number(2, "AV1 frame header")? == 0)
}

/// Width and height in pixels of the largest frames, by the sequence header of this temporal unit in the low-overhead
/// format. `None` if it has none.
pub fn dimensions(unit: &[u8]) -> Option<(u16, u16)> {
    let sequence = SequenceHeader::find(unit)?;
    let pixels = |minus_1: u32| u16::try_from(minus_1.checked_add(1)?).ok();
    Some((pixels(sequence.width_minus_1)?, pixels(sequence.height_minus_1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(payload: &[u8]) -> (u32, u32) {
        let header = SequenceHeader::decode(payload).unwrap();
        (header.width_minus_1 + 1, header.height_minus_1 + 1)
    }

    /// Writes fields of (value, bits).
    fn write(fields: &[(u64, u32)]) -> Vec<u8> {
        let bits = fields.iter().flat_map(|(value, count)| (0..*count).rev().map(move |bit| value >> bit & 1));
        let bits: Vec<u64> = bits.collect();
        bits.chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |all, (at, bit)| all | (*bit as u8) << (7 - at)))
            .collect()
    }

    #[test]
    fn headers_of_encoders_are_read() {
        // A browser of a shared window, libaom, SVT-AV1.
        assert_eq!(size(&[0x00, 0x00, 0x00, 0x2c, 0xd6, 0xd3, 0x0c, 0xd5, 0x02, 0x00, 0x80]), (874, 1076));
        assert_eq!(size(&[0x00, 0x00, 0x00, 0x03, 0xbd, 0x7c, 0x79, 0xb5, 0xf2, 0x00, 0x80]), (176, 144));
        assert_eq!(size(&[0x00, 0x00, 0x00, 0x03, 0xbd, 0x7c, 0x79, 0xf7, 0xf2, 0x00, 0x80]), (176, 144));
    }

    #[test]
    fn every_optional_field_is_passed() {
        let size_fields = [(9, 4), (8, 4), (639, 10), (359, 9)];
        let timing = [(0, 5), (1, 1), (1, 32), (60, 32), (1, 1), (0b00101, 5)];
        // Delays of three bits, two operating points, of which one has tier and delays.
        let model = [(1, 1), (2, 5), (1, 32), (0, 10)];
        let points = [(1, 1), (1, 5), (0x103, 12), (8, 5), (1, 1), (1, 1), (7, 3), (0, 3), (1, 1), (1, 1), (9, 4)];
        let second = [(0x101, 12), (7, 5), (0, 1), (0, 1)];
        let all = [&timing[..], &model, &points, &second, &size_fields].concat();
        let bytes = write(&all);
        assert_eq!(size(&bytes), (640, 360));
        assert!((0..bytes.len()).all(|length| SequenceHeader::decode(&bytes[..length]).is_err()));

        let reduced = write(&[&[(0, 3), (1, 1), (1, 1), (4, 5)][..], &size_fields].concat());
        assert_eq!(size(&reduced), (640, 360));
    }

    #[test]
    fn endless_zeros_are_refused() {
        let mut bytes = write(&[(0, 5), (1, 1), (1, 32), (60, 32), (1, 1)]);
        bytes.extend([0; 100]);
        assert!(SequenceHeader::decode(&bytes).is_err());
    }

    #[test]
    fn a_side_of_65536_pixels_has_no_number() {
        let header = write(&[(0, 3), (1, 1), (1, 1), (4, 5), (15, 4), (15, 4), (0xffff, 16), (99, 16)]);
        let mut unit = vec![0x0a, header.len() as u8];
        unit.extend(header);
        assert_eq!(dimensions(&unit), None);
    }
}
