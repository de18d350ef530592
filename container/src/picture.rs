//! What can be seen of a picture without decoding it: whether it is a key frame, and how large it is.

use crate::Codec;
use crate::annexb::nal::{Role, Standard, nal_units};
use crate::bits::Bits;

/// Whether decoding can begin with this frame.
///
/// VP8: the P bit of the frame tag (RFC 6386, section 9.1). VP9: `frame_type` of the uncompressed header. AV1: a sequence
/// header OBU, which precedes every key frame that a stream may begin with. H.264: an IDR picture. H.265: an IRAP picture.
/// Audio: always. What is not a frame of the codec is no key frame.
pub fn is_key_frame(codec: Codec, frame: &[u8]) -> bool {
    match codec {
        Codec::Vp8 => frame.first().is_some_and(|tag| tag & 1 == 0),
        Codec::Vp9 => vp9_key_frame(frame).is_some(),
        Codec::Av1 => Obus { bytes: frame }.any(|(kind, _)| kind == Obus::SEQUENCE_HEADER),
        Codec::H264 => has_key_picture(Standard::H264, frame),
        Codec::H265 => has_key_picture(Standard::H265, frame),
        Codec::Opus | Codec::Pcmu | Codec::Pcma => true,
    }
}

/// Width and height in pixels, as a key frame of VP8, VP9 or AV1 states them; `None` for other frames and codecs.
pub fn dimensions(codec: Codec, frame: &[u8]) -> Option<(u16, u16)> {
    match codec {
        Codec::Vp8 => vp8_dimensions(frame),
        Codec::Vp9 => vp9_dimensions(frame),
        Codec::Av1 => Obus { bytes: frame }
            .find(|(kind, _)| *kind == Obus::SEQUENCE_HEADER)
            .and_then(|(_, obu)| av1_dimensions(obu)),
        Codec::H264 | Codec::H265 | Codec::Opus | Codec::Pcmu | Codec::Pcma => None,
    }
}

fn has_key_picture(standard: Standard, frame: &[u8]) -> bool {
    nal_units(frame).any(|unit| matches!(standard.role(unit), Role::Picture { is_key: true, .. }))
}

/// Behind the frame tag: the start code, then 14 bits of width and 14 of height, each below two bits of scale (RFC 6386,
/// section 9.1).
fn vp8_dimensions(frame: &[u8]) -> Option<(u16, u16)> {
    let [tag, _, _, 0x9d, 0x01, 0x2a, width @ .., height_low, height_high] = frame.get(..10)? else { return None };
    let width = u16::from_le_bytes(width.try_into().ok()?) & 0x3fff;
    let height = u16::from_le_bytes([*height_low, *height_high]) & 0x3fff;
    (tag & 1 == 0).then_some((width, height))
}

/// The bits behind `error_resilient_mode`, and the profile, if `frame` is a key frame (VP9 bitstream specification,
/// section 6.2).
fn vp9_key_frame(frame: &[u8]) -> Option<(Bits<'_>, u8)> {
    let mut bits = Bits::new(frame);
    let marker = bits.number(2)?;
    let profile = u8::from(bits.bit()?) | u8::from(bits.bit()?) << 1;
    if profile == 3 {
        bits.skip(1)?;
    }
    let shows_existing_frame = bits.bit()?;
    let is_key = !bits.bit()?;
    bits.skip(2)?;
    (marker == 2 && !shows_existing_frame && is_key).then_some((bits, profile))
}

fn vp9_dimensions(frame: &[u8]) -> Option<(u16, u16)> {
    const SYNC_CODE: u32 = 0x49_83_42;
    const SRGB: u32 = 7;
    let (mut bits, profile) = vp9_key_frame(frame)?;
    if bits.number(24)? != SYNC_CODE {
        return None;
    }
    // The colour configuration.
    if profile >= 2 {
        bits.skip(1)?;
    }
    let has_subsampling = profile == 1 || profile == 3;
    if bits.number(3)? != SRGB {
        bits.skip(1)?;
        if has_subsampling {
            bits.skip(3)?;
        }
    } else if has_subsampling {
        bits.skip(1)?;
    }
    let width = bits.number(16)?.checked_add(1)?;
    let height = bits.number(16)?.checked_add(1)?;
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

/// The OBUs of a temporal unit, as type and payload (AV1 specification, section 5.3). Ends before the first one that
/// does not fit.
pub(crate) struct Obus<'a> {
    pub(crate) bytes: &'a [u8],
}

impl Obus<'_> {
    pub(crate) const SEQUENCE_HEADER: u8 = 1;
    pub(crate) const TEMPORAL_DELIMITER: u8 = 2;
}

impl<'a> Iterator for Obus<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, mut rest) = self.bytes.split_first()?;
        if header & 0x04 != 0 {
            rest = rest.get(1..)?;
        }
        let (payload, rest) = if header & 0x02 == 0 {
            (rest, &[][..])
        } else {
            let (size, behind) = leb128(rest)?;
            behind.split_at_checked(usize::try_from(size).ok()?)?
        };
        self.bytes = rest;
        Some((header >> 3 & 0x0f, payload))
    }
}

fn leb128(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

/// `max_frame_width_minus_1` and `max_frame_height_minus_1` of a sequence header (AV1 specification, section 5.5.1), and
/// what stands before them.
fn av1_dimensions(header: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::new(header);
    bits.skip(4)?; // seq_profile, still_picture
    if bits.bit()? {
        bits.skip(5)?; // reduced_still_picture_header: nothing but the level
    } else {
        skip_operating_points(&mut bits)?;
    }
    let width_bits = bits.number(4)?.checked_add(1)?;
    let height_bits = bits.number(4)?.checked_add(1)?;
    let width = bits.number(width_bits)?.checked_add(1)?;
    let height = bits.number(height_bits)?.checked_add(1)?;
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}

fn skip_operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.bit()? {
        bits.skip(64)?; // timing_info
        if bits.bit()? {
            skip_uvlc(bits)?;
        }
        if bits.bit()? {
            delay_bits = Some(bits.number(5)?.checked_add(1)?);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delays = bits.bit()?;
    for _ in 0..=bits.number(5)? {
        bits.skip(12)?; // operating_point_idc
        if bits.number(5)? > 7 {
            bits.skip(1)?; // seq_tier
        }
        if let Some(delay_bits) = delay_bits
            && bits.bit()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_display_delays && bits.bit()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

fn skip_uvlc(bits: &mut Bits<'_>) -> Option<()> {
    let mut zeros = 0;
    while !bits.bit()? {
        zeros += 1;
    }
    // 32 zeros and more stand for a number of their own (AV1 specification, section 4.10.3).
    if zeros < 32 { bits.skip(zeros) } else { Some(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn vp8_frames_are_told_apart_by_their_tag() {
        let key = [0x10, 0x25, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x00, 0x30, 0x40, 0x47];
        assert!(is_key_frame(Codec::Vp8, &key));
        assert_eq!(dimensions(Codec::Vp8, &key), Some((64, 48)), "the scale of the height does not count");
        let delta = [0x11, 0x25, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x00, 0x30, 0x00];
        assert!(!is_key_frame(Codec::Vp8, &delta));
        assert_eq!(dimensions(Codec::Vp8, &delta), None);
        assert!(!is_key_frame(Codec::Vp8, &[]));
    }

    #[test]
    fn vp9_frames_are_told_apart_by_their_uncompressed_header() {
        // marker 10, profile 00, shows no existing frame, a key frame, shown; sync code; colour space 1; 64 × 48.
        let key = [0x82, 0x49, 0x83, 0x42, 0x20, 0x03, 0xf0, 0x02, 0xf0];
        assert!(is_key_frame(Codec::Vp9, &key));
        assert_eq!(dimensions(Codec::Vp9, &key), Some((64, 48)));
        assert!(!is_key_frame(Codec::Vp9, &[0x86, 0x49, 0x83, 0x42]), "an inter frame");
        assert!(!is_key_frame(Codec::Vp9, &[0x88, 0x49, 0x83, 0x42]), "an existing frame is shown");
        assert!(!is_key_frame(Codec::Vp9, &[0x42, 0x49, 0x83, 0x42]), "another marker");
        assert_eq!(dimensions(Codec::Vp9, &[0x82, 0x49, 0x83, 0x43, 0x20, 0x03, 0xf0, 0x02, 0xf0]), None);
    }

    #[test]
    fn av1_key_frames_bring_their_sequence_header() {
        // Temporal delimiter, then a sequence header as libaom writes it for 64 × 48.
        let key =
            [0x12, 0x00, 0x0a, 0x0a, 0x00, 0x00, 0x00, 0x02, 0xaf, 0xfd, 0xe6, 0xfc, 0xf0, 0x28, 0x32, 0x01, 0x00];
        assert!(is_key_frame(Codec::Av1, &key));
        let kinds: Vec<u8> = Obus { bytes: &key }.map(|(kind, _)| kind).collect();
        assert_eq!(kinds, [2, 1, 6]);
        assert!(!is_key_frame(Codec::Av1, &[0x12, 0x00, 0x32, 0x01, 0x00]));
        assert!(!is_key_frame(Codec::Av1, &[0x0a, 0x7f, 0x00]), "a size that leads out of the frame");
    }

    #[test]
    fn h264_and_h265_key_frames_are_idr_and_irap_pictures() {
        assert!(is_key_frame(Codec::H264, &[0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x65, 0x88]));
        assert!(!is_key_frame(Codec::H264, &[0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x41, 0x9a]));
        for (kind, is_key) in [(1, false), (15, false), (16, true), (19, true), (21, true), (23, true), (24, false)] {
            assert_eq!(is_key_frame(Codec::H265, &[0, 0, 1, kind << 1, 1, 0x80]), is_key, "type {kind}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            for codec in Codec::ALL {
                is_key_frame(codec, &bytes);
                dimensions(codec, &bytes);
            }
        }
    }
}
