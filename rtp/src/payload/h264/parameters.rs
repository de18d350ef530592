use super::bits::Bits;
use super::{ProfileLevelId, SEQUENCE_PARAMETER_SET};
use crate::payload::annexb;
use wire::{Malformed, Reader};

/// What a sequence parameter set says of all pictures that refer to it (ITU-T H.264, section 7.3.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceParameterSet {
    /// Profile and level, as a description has them.
    pub profile_level_id: ProfileLevelId,
    /// Width in pixels of what is shown: without what is cropped.
    pub width: u32,
    /// Height in pixels of what is shown.
    pub height: u32,
}

impl SequenceParameterSet {
    /// The first one in an access unit that is a byte stream; `None` if there is none, or it cannot be read.
    pub fn of_frame(frame: &[u8]) -> Option<Self> {
        let is_set = |unit: &&[u8]| unit.first().is_some_and(|header| header & 0x1f == SEQUENCE_PARAMETER_SET);
        annexb::nal_units(frame).find(is_set).and_then(|unit| Self::decode(unit).ok())
    }

    /// Reads the NAL unit `unit`, header included and start code left out. What comes behind the dimensions (VUI) is
    /// not looked at.
    pub fn decode(unit: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(unit);
        if reader.u8("NAL unit header")? & 0x1f != SEQUENCE_PARAMETER_SET {
            return Err(Malformed::new("type of the NAL unit"));
        }
        let bits = &mut Bits::new(reader.rest());
        let mut byte = || bits.bits(8, "profile_level_id").map(|value| value as u8);
        let profile_level_id = ProfileLevelId { profile_idc: byte()?, profile_iop: byte()?, level_idc: byte()? };
        bits.unsigned("seq_parameter_set_id")?;
        let chroma = Chroma::decode(bits, profile_level_id.profile_idc)?;
        bits.unsigned("log2_max_frame_num")?;
        skip_picture_order_count(bits)?;
        bits.unsigned("max_num_ref_frames")?;
        bits.bit("gaps_in_frame_num_value_allowed_flag")?;
        let (width, height) = dimensions(bits, chroma)?;
        Ok(Self { profile_level_id, width, height })
    }
}

/// How many samples of luma one sample of chroma stands for, across and down.
#[derive(Clone, Copy)]
struct Chroma {
    across: u32,
    down: u32,
}

impl Chroma {
    /// Reads the fields that only the profiles from High on have.
    fn decode(bits: &mut Bits<'_>, profile_idc: u8) -> Result<Self, Malformed> {
        if !matches!(profile_idc, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
            return Ok(Self { across: 2, down: 2 });
        }
        let format = bits.unsigned("chroma_format_idc")?;
        let chroma = match format {
            1 => Self { across: 2, down: 2 },
            2 => Self { across: 2, down: 1 },
            // No chroma, or as much as luma, in the same arrays or in others.
            0 | 3 => Self { across: 1, down: 1 },
            _ => return Err(Malformed::new("chroma_format_idc")),
        };
        if format == 3 {
            bits.bit("separate_colour_plane_flag")?;
        }
        bits.unsigned("bit_depth_luma")?;
        bits.unsigned("bit_depth_chroma")?;
        bits.bit("qpprime_y_zero_transform_bypass_flag")?;
        if bits.bit("seq_scaling_matrix_present_flag")? {
            for list in 0..if format == 3 { 12 } else { 8 } {
                if bits.bit("seq_scaling_list_present_flag")? {
                    skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(chroma)
    }
}

/// ITU-T H.264, section 7.3.2.1.1.1
fn skip_scaling_list(bits: &mut Bits<'_>, length: u32) -> Result<(), Malformed> {
    let mut last = 8_i64;
    for _ in 0..length {
        last = (last + bits.signed("delta_scale")?).rem_euclid(256);
        if last == 0 {
            // The rest is as the last one was.
            break;
        }
    }
    Ok(())
}

fn skip_picture_order_count(bits: &mut Bits<'_>) -> Result<(), Malformed> {
    match bits.unsigned("pic_order_cnt_type")? {
        0 => {
            bits.unsigned("log2_max_pic_order_cnt_lsb")?;
        }
        1 => {
            bits.bit("delta_pic_order_always_zero_flag")?;
            bits.signed("offset_for_non_ref_pic")?;
            bits.signed("offset_for_top_to_bottom_field")?;
            let count = bits.unsigned("num_ref_frames_in_pic_order_cnt_cycle")?;
            if count > 255 {
                return Err(Malformed::new("num_ref_frames_in_pic_order_cnt_cycle"));
            }
            for _ in 0..count {
                bits.signed("offset_for_ref_frame")?;
            }
        }
        2 => {}
        _ => return Err(Malformed::new("pic_order_cnt_type")),
    }
    Ok(())
}

/// Width and height, in macroblocks of 16 pixels less what is cropped.
fn dimensions(bits: &mut Bits<'_>, chroma: Chroma) -> Result<(u32, u32), Malformed> {
    let width_in_mbs = bits.unsigned("pic_width_in_mbs")?.saturating_add(1);
    let height_in_map_units = bits.unsigned("pic_height_in_map_units")?.saturating_add(1);
    let frame_mbs_only = bits.bit("frame_mbs_only_flag")?;
    // Where pictures may be fields, heights are those of a field.
    let fields = if frame_mbs_only { 1 } else { 2 };
    if !frame_mbs_only {
        bits.bit("mb_adaptive_frame_field_flag")?;
    }
    bits.bit("direct_8x8_inference_flag")?;
    let mut cropped = [0; 4];
    if bits.bit("frame_cropping_flag")? {
        for side in &mut cropped {
            *side = bits.unsigned("frame_crop_offset")?;
        }
    }
    let [left, right, top, bottom] = cropped;
    let shown = |blocks: u32, unit: u32, crop: [u32; 2]| {
        let [before, behind] = crop;
        let cropped = before.checked_add(behind)?.checked_mul(unit)?;
        blocks.checked_mul(16)?.checked_sub(cropped).filter(|shown| *shown > 0)
    };
    let width = shown(width_in_mbs, chroma.across, [left, right]);
    let height = height_in_map_units.checked_mul(fields);
    let height = height.and_then(|blocks| shown(blocks, chroma.down * fields, [top, bottom]));
    width.zip(height).ok_or(Malformed::new("dimensions"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// High profile, level 3.1, with VUI: 1280 by 720, as x264 writes it.
    const HD: [u8; 26] = [
        0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00,
        0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
    ];
    /// High profile, level 4: 1920 by 1080, which is no multiple of 16, so that eight lines are cropped.
    const FULL_HD: [u8; 26] = [
        0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00,
        0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58,
    ];
    /// Baseline profile, level 1: 128 by 96, without VUI.
    const SMALL: [u8; 7] = [0x67, 0x42, 0x00, 0x0a, 0xf8, 0x41, 0xa2];

    fn facts(unit: &[u8]) -> (String, u32, u32) {
        let set = SequenceParameterSet::decode(unit).unwrap();
        (set.profile_level_id.to_string(), set.width, set.height)
    }

    /// Writes bits, for sets that no encoder at hand makes.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn bits(mut self, text: &str) -> Self {
            self.0.extend(text.bytes().filter(|byte| *byte != b' ').map(|byte| byte == b'1'));
            self
        }

        fn code(self, value: u32) -> Self {
            let digits = format!("{:b}", value + 1);
            let zeros = "0".repeat(digits.len() - 1);
            self.bits(&zeros).bits(&digits)
        }

        fn unit(self, profile_idc: u8) -> Vec<u8> {
            let mut unit = vec![0x67, profile_idc, 0, 40];
            let bits = self.bits("1").0;
            unit.extend(bits.chunks(8).map(|bits| {
                (0..8).fold(0, |byte, at| byte << 1 | u8::from(bits.get(at).copied().unwrap_or_default()))
            }));
            unit
        }
    }

    #[test]
    fn dimensions_of_encoders_are_read() {
        assert_eq!(facts(&HD), ("64001f".into(), 1280, 720));
        assert_eq!(facts(&FULL_HD), ("640028".into(), 1920, 1080));
        assert_eq!(facts(&SMALL), ("42000a".into(), 128, 96));
    }

    #[test]
    fn interlaced_pictures_count_lines_of_fields() {
        // 1920 by 1080 in fields: 34 macroblocks high each, cropped by units of four lines.
        let writer = Writer::default().code(0).code(0).code(2).code(1).bits("0").code(119).code(33);
        let unit = writer.bits("0 1 1 1").code(0).code(0).code(0).code(2).bits("0").unit(77);
        assert_eq!(facts(&unit), ("4d0028".into(), 1920, 1080));
    }

    #[test]
    fn scaling_lists_and_cycles_of_picture_order_are_skipped() {
        // 4:4:4 in separate planes; the first list of twelve ends after two steps, the last one has all.
        let mut writer = Writer::default().code(0).code(3).bits("1").code(0).code(0).bits("0 1");
        writer = writer.bits("1").code(1).code(2 * 9).bits("0 0 0 0 0 0 0 0 0 0").bits("1");
        for _ in 0..64 {
            writer = writer.code(1);
        }
        writer = writer.code(0).code(1).bits("0").code(3).code(4).code(2).code(7).code(8);
        // 64 by 48 with one pixel cropped on each side.
        writer = writer.code(1).bits("0").code(3).code(2).bits("1 1 1").code(1).code(1).code(1).code(1).bits("0");
        assert_eq!(facts(&writer.unit(244)), ("f40028".into(), 62, 46));
    }

    #[test]
    fn impossible_sets_are_refused() {
        let head = || Writer::default().code(0).code(0);
        let broken = |unit: &[u8]| SequenceParameterSet::decode(unit).unwrap_err().what();
        assert_eq!(broken(&head().code(3).unit(66)), "pic_order_cnt_type");
        assert_eq!(
            broken(&head().code(1).bits("0").code(0).code(0).code(256).unit(66)),
            "num_ref_frames_in_pic_order_cnt_cycle"
        );
        let sized = || head().code(2).code(1).bits("0");
        assert_eq!(broken(&sized().code(u32::MAX - 2).code(2).bits("1 1 0 0").unit(66)), "dimensions");
        let cropped = sized().code(3).code(2).bits("1 1 1").code(16).code(16).code(0).code(0).bits("0");
        assert_eq!(broken(&cropped.unit(66)), "dimensions");
        assert_eq!(broken(&Writer::default().code(0).code(4).unit(100)), "chroma_format_idc");
        assert_eq!(broken(&[0x68, 0xce, 0x3c, 0x80]), "type of the NAL unit");
        assert_eq!(broken(&[]), "NAL unit header");
    }

    #[test]
    fn the_set_of_a_frame_is_found() {
        let mut frame = Vec::new();
        annexb::put_nal_unit(&[9, 0x10], &mut frame);
        assert_eq!(SequenceParameterSet::of_frame(&frame), None);
        annexb::put_nal_unit(&HD, &mut frame);
        annexb::put_nal_unit(&[0x65, 1, 2], &mut frame);
        assert_eq!(SequenceParameterSet::of_frame(&frame), SequenceParameterSet::decode(&HD).ok());
    }

    #[test]
    fn damaged_sets_do_no_harm() {
        for whole in [&HD[..], &FULL_HD, &SMALL] {
            for length in 0..whole.len() {
                let _ = SequenceParameterSet::decode(&whole[..length]);
                for bit in 0..8 {
                    let mut flipped = whole.to_vec();
                    flipped[length] ^= 1 << bit;
                    if let Ok(set) = SequenceParameterSet::decode(&flipped) {
                        assert!(set.width > 0 && set.height > 0);
                    }
                }
            }
        }
        assert!(SequenceParameterSet::decode(&HD[..6]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_set_or_none(mut unit: Vec<u8>, profile in prop::sample::select(&[66_u8, 100, 244][..])) {
            unit.splice(0..0, [0x67, profile]);
            let _ = SequenceParameterSet::decode(&unit);
        }
    }
}
