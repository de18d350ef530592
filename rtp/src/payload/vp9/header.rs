use crate::payload::bits::Bits;
use wire::Malformed;

/// What the uncompressed header of a frame says of interest here (VP9 bitstream specification, section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameHeader {
    /// A decoder can begin here.
    Key {
        /// In pixels, less one.
        width_minus_1: u16,
        /// In pixels, less one.
        height_minus_1: u16,
    },
    /// Anything else.
    Other,
}

const WHAT: &str = "VP9 frame header";
const SYNC_CODE: u32 = 0x49_8342;
/// The color space that is not luma and chroma.
const RGB: u32 = 7;

impl FrameHeader {
    pub(super) fn decode(frame: &[u8]) -> Result<Self, Malformed> {
        let mut bits = Bits::new(frame);
        let Some(profile) = key_frame_profile(&mut bits)? else { return Ok(Self::Other) };
        // show_frame and error_resilient_mode
        bits.number(2, WHAT)?;
        if bits.number(24, WHAT)? != SYNC_CODE {
            return Err(Malformed::new("VP9 sync code"));
        }
        skip_color_config(&mut bits, profile)?;
        let mut side = || bits.number(16, WHAT).map(|side| side as u16);
        Ok(Self::Key { width_minus_1: side()?, height_minus_1: side()? })
    }
}

/// Whether a key frame begins with these bytes, of which one is enough.
pub(super) fn starts_keyframe(frame: &[u8]) -> bool {
    key_frame_profile(&mut Bits::new(frame)).is_ok_and(|profile| profile.is_some())
}

/// Reads up to and with frame_type. `None` if the frame is no key frame.
fn key_frame_profile(bits: &mut Bits<'_>) -> Result<Option<u32>, Malformed> {
    if bits.number(2, WHAT)? != 0b10 {
        return Err(Malformed::new("VP9 frame marker"));
    }
    let (low, high) = (bits.number(1, WHAT)?, bits.number(1, WHAT)?);
    let profile = high << 1 | low;
    if profile == 3 && bits.flag(WHAT)? {
        return Err(Malformed::new("VP9 profile"));
    }
    let shows_existing_frame = bits.flag(WHAT)?;
    Ok((!shows_existing_frame && !bits.flag(WHAT)?).then_some(profile))
}

/// Section 6.2.2 of the specification.
fn skip_color_config(bits: &mut Bits<'_>, profile: u32) -> Result<(), Malformed> {
    if profile >= 2 {
        // ten_or_twelve_bit
        bits.flag(WHAT)?;
    }
    let has_subsampling = profile % 2 == 1;
    match (bits.number(3, WHAT)?, has_subsampling) {
        // reserved_zero
        (RGB, true) => bits.number(1, WHAT)?,
        (RGB, false) => return Err(Malformed::new("VP9 color space")),
        // color_range, subsampling_x, subsampling_y, reserved_zero
        (_, true) => bits.number(4, WHAT)?,
        // color_range
        (_, false) => bits.number(1, WHAT)?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(frame: &[u8]) -> Option<(u32, u32)> {
        match FrameHeader::decode(frame) {
            Ok(FrameHeader::Key { width_minus_1, height_minus_1 }) => {
                Some((u32::from(width_minus_1) + 1, u32::from(height_minus_1) + 1))
            }
            Ok(FrameHeader::Other) | Err(_) => None,
        }
    }

    #[test]
    fn key_frames_tell_their_size() {
        // Chromium, of a shared screen; an encoder of films; libvpx.
        assert_eq!(size(&[0x82, 0x49, 0x83, 0x42, 0x00, 0x77, 0xf0, 0x32, 0x34]), Some((1920, 804)));
        assert_eq!(size(&[0x82, 0x49, 0x83, 0x42, 0x40, 0xef, 0xf0, 0x86, 0xf4, 0x04]), Some((3840, 2160)));
        assert_eq!(size(&[0x82, 0x49, 0x83, 0x42, 0x00, 0x0a, 0xf0, 0x08, 0xf6]), Some((176, 144)));
    }

    #[test]
    fn each_profile_has_its_colors() {
        // Profile 1 has a bit for each direction of subsampling, profile 2 one for the depth, profile 3 all of them and
        // one more in front.
        assert_eq!(size(&[0xa2, 0x49, 0x83, 0x42, 0x40, 0x01, 0xfe, 0x01, 0xde]), Some((256, 240)));
        assert_eq!(size(&[0xa2, 0x49, 0x83, 0x42, 0xe0, 0x0f, 0xf0, 0x0e, 0xf0]), Some((256, 240)));
        assert_eq!(size(&[0x92, 0x49, 0x83, 0x42, 0x00, 0x07, 0xf8, 0x07, 0x78]), Some((256, 240)));
        let profile_3 = [0xb1, 0x24, 0xc1, 0xa1, 0x00, 0x00, 0x7f, 0x80, 0x77, 0x80];
        assert_eq!(size(&profile_3), Some((256, 240)));
        assert!(FrameHeader::decode(&[0x82, 0x49, 0x83, 0x42, 0xe0, 0x0f, 0xf0, 0x0e, 0xf0]).is_err());
        assert!(FrameHeader::decode(&[0xb9, 0x24]).is_err());
    }

    #[test]
    fn other_frames_are_told_apart() {
        // A predicted frame, one that was decoded before and is to be shown, one that is no VP9.
        assert_eq!(FrameHeader::decode(&[0x86, 0x00]), Ok(FrameHeader::Other));
        assert_eq!(FrameHeader::decode(&[0x8a]), Ok(FrameHeader::Other));
        assert_eq!(FrameHeader::decode(&[0x65, 0x88]), Err(Malformed::new("VP9 frame marker")));
        assert_eq!(FrameHeader::decode(&[0x82, 0x49, 0x83, 0x43, 0, 0, 0, 0, 0]), Err(Malformed::new("VP9 sync code")));
    }

    proptest! {
        #[test]
        fn a_key_frame_is_known_by_its_first_byte(frame: Vec<u8>) {
            let is_key = matches!(FrameHeader::decode(&frame), Ok(FrameHeader::Key { .. }));
            prop_assert!(!is_key || starts_keyframe(&frame[..1]));
        }
    }
}
