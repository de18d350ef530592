//! NAL units: where they begin, and what their kind says of the access unit.

use crate::{Codec, Error, Kind};

/// What ends a NAL unit and begins the next.
pub(crate) const START_CODE: [u8; 3] = [0, 0, 1];

/// Where the next start code is.
pub(crate) fn find_start_code(bytes: &[u8]) -> Option<usize> {
    bytes.windows(START_CODE.len()).position(|window| window == START_CODE)
}

/// Zeros behind a NAL unit belong to the next start code or are padding (H.264, B.1.1: `trailing_zero_8bits`).
pub(crate) fn without_trailing_zeros(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..length).unwrap_or_default()
}

/// The NAL units of `bytes`, without start codes. What stands before the first start code is left out.
pub(crate) fn nal_units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = find_start_code(bytes).and_then(|at| bytes.get(at + START_CODE.len()..));
    std::iter::from_fn(move || {
        let unit = rest?;
        let (unit, behind) = match find_start_code(unit) {
            Some(at) => (unit.get(..at).unwrap_or_default(), unit.get(at + START_CODE.len()..)),
            None => (unit, None),
        };
        rest = behind;
        Some(without_trailing_zeros(unit))
    })
    .filter(|unit| !unit.is_empty())
}

/// Which of the two standards, whose NAL units have different headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standard {
    H264,
    H265,
}

/// What a NAL unit says about the access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A slice. `is_first`: of its picture.
    Picture { is_first: bool, is_key: bool },
    /// It can only stand before the slices of a picture: behind some, it begins the next access unit.
    Precedes,
    /// It goes with what is before it.
    Follows,
    /// A slice without a bit of picture, as a file that was cut off may end with.
    Nothing,
}

impl Standard {
    pub(crate) fn of(codec: Codec) -> Result<Self, Error> {
        match codec {
            Codec::H264 => Ok(Self::H264),
            Codec::H265 => Ok(Self::H265),
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::Opus | Codec::Pcmu | Codec::Pcma => {
                Err(Error::Unsupported { container: Kind::AnnexB, codec })
            }
        }
    }

    pub(crate) const fn codec(self) -> Codec {
        match self {
            Self::H264 => Codec::H264,
            Self::H265 => Codec::H265,
        }
    }

    /// The role of `unit`, which is without start code.
    pub(crate) fn role(self, unit: &[u8]) -> Role {
        match self {
            Self::H264 => role_in_h264(unit),
            Self::H265 => role_in_h265(unit),
        }
    }

    /// Which standard a parameter set is of, if `unit` is one of those that are unmistakable: the headers of both
    /// standards overlap. An H.264 sequence parameter set has a type that H.265 would read as one of a layer above 31
    /// or as reserved; H.265's have types that H.264 leaves unspecified or uses for data partitions.
    pub(crate) fn of_parameter_set(unit: &[u8]) -> Option<Self> {
        match unit {
            [header, ..] if header & 0x9f == 7 => Some(Self::H264),
            [0x40 | 0x42, 0x01, ..] => Some(Self::H265),
            _ => None,
        }
    }
}

/// ITU-T H.264, table 7-1 and section 7.4.1.2.3. `first_mb_in_slice` is the first field of a slice, and zero is the one
/// number that begins with a set bit; with arbitrary slice order, which is baseline's alone and nobody's habit, the first
/// slice may be another.
fn role_in_h264(unit: &[u8]) -> Role {
    let is_first = unit.get(1).is_some_and(|byte| byte & 0x80 != 0);
    match unit.first().map_or(0, |header| header & 0x1f) {
        1 | 2 | 5 if unit.len() < 2 => Role::Nothing,
        5 => Role::Picture { is_first, is_key: true },
        1 | 2 => Role::Picture { is_first, is_key: false },
        6..=9 | 14..=18 => Role::Precedes,
        _ => Role::Follows,
    }
}

/// ITU-T H.265, table 7-1 and section 7.4.2.4.4. `first_slice_segment_in_pic_flag` is the first bit of a slice segment.
/// Layers above the base layer go with it.
fn role_in_h265(unit: &[u8]) -> Role {
    let [first, second, ..] = unit else { return Role::Nothing };
    let is_first = unit.get(2).is_some_and(|byte| byte & 0x80 != 0);
    let layer = (first & 1) << 5 | second >> 3;
    match first >> 1 & 0x3f {
        _ if layer > 0 => Role::Follows,
        0..=31 if unit.len() < 3 => Role::Nothing,
        kind @ 0..=31 => Role::Picture { is_first, is_key: matches!(kind, 16..=23) },
        32..=35 | 39 | 41..=44 | 48..=55 => Role::Precedes,
        _ => Role::Follows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_stand_between_start_codes_of_either_length() {
        let stream = [9, 9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 0, 0, 0, 0, 1, 0, 0, 1, 0x65, 0, 0, 2, 0, 0];
        let units: Vec<&[u8]> = nal_units(&stream).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68], &[0x65, 0, 0, 2]]);
        assert_eq!(nal_units(&[1, 2, 3]).count(), 0);
        assert_eq!(nal_units(&START_CODE).count(), 0);
    }

    #[test]
    fn parameter_sets_tell_the_standards_apart() {
        assert_eq!(Standard::of_parameter_set(&[0x67, 0x42]), Some(Standard::H264));
        assert_eq!(Standard::of_parameter_set(&[0x27, 0x42]), Some(Standard::H264));
        assert_eq!(Standard::of_parameter_set(&[0x40, 0x01]), Some(Standard::H265));
        assert_eq!(Standard::of_parameter_set(&[0x42, 0x01]), Some(Standard::H265));
        for other in [&[0x09, 0x10][..], &[0x46, 0x01], &[0x26, 0x01], &[0x65, 0x88], &[0xe7, 0x42], &[]] {
            assert_eq!(Standard::of_parameter_set(other), None, "{other:x?}");
        }
    }
}
