//! Byte streams of NAL units: each behind a start code, as annexes B of H.264 and H.265 have it.
//!
//! ```text
//! 00 00 00 01 | NAL unit | 00 00 01 | NAL unit | …
//! ```

use wire::Put;

/// What is written in front of each NAL unit. Three bytes would do, but for the first unit of an access unit and for
/// parameter sets, which need four; it is simplest to give all the same.
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The NAL units of `stream`, header byte first, without start codes and the zeros around them. What comes before the
/// first start code is left out.
pub fn nal_units(stream: &[u8]) -> NalUnits<'_> {
    NalUnits { rest: split_at_start_code(stream).map_or(&[], |(_, rest)| rest) }
}

/// Whether nothing but zeros comes before the first start code.
pub fn begins_with_start_code(stream: &[u8]) -> bool {
    split_at_start_code(stream).is_some_and(|(before, _)| before.iter().all(|byte| *byte == 0))
}

/// Appends a NAL unit.
pub fn put_nal_unit(unit: &[u8], stream: &mut Vec<u8>) {
    stream.put_bytes(&START_CODE);
    stream.put_bytes(unit);
}

/// NAL units in their order; none is empty.
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    /// What is behind the last start code.
    rest: &'a [u8],
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (mut unit, rest) = split_at_start_code(self.rest).unwrap_or((self.rest, &[]));
            self.rest = rest;
            // No NAL unit ends with a zero: those here belong to the next start code, or fill the stream.
            while let [head @ .., 0] = unit {
                unit = head;
            }
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    }
}

/// What is before and behind the first start code of three bytes.
fn split_at_start_code(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0_usize;
    // The last byte of three decides how far the next place to look is: only a zero can be inside a start code.
    while let Some([first, second, third]) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        match third {
            0 => at += 1,
            1 if *first == 0 && *second == 0 => {
                let (before, found) = bytes.split_at_checked(at)?;
                return Some((before, found.get(3..)?));
            }
            _ => at += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(stream: &[u8]) -> Vec<&[u8]> {
        nal_units(stream).collect()
    }

    #[test]
    fn start_codes_of_three_and_four_bytes_are_found() {
        let stream = [0, 0, 0, 1, 9, 8, 0, 0, 1, 7, 0, 1, 0, 0, 3, 0, 0, 0, 0, 1, 6];
        assert_eq!(units(&stream), [&[9, 8][..], &[7, 0, 1, 0, 0, 3], &[6]]);
        assert!(begins_with_start_code(&stream));
        assert!(begins_with_start_code(&[0, 0, 0, 0, 0, 1, 6]));
    }

    #[test]
    fn a_header_that_looks_like_the_end_of_a_start_code_is_kept() {
        // H.265 numbers a trailing picture 0: its header is 00 01.
        assert_eq!(units(&[0, 0, 1, 0, 1, 5, 0, 0, 0, 1, 0, 1, 6]), [&[0, 1, 5][..], &[0, 1, 6]]);
    }

    #[test]
    fn what_is_no_byte_stream_has_no_units() {
        assert!(units(&[]).is_empty());
        assert!(units(&[0, 0, 0]).is_empty());
        assert!(units(&[0, 0, 1]).is_empty());
        assert!(units(&[0, 0, 1, 0, 0, 0, 1, 0]).is_empty());
        // A unit with its length in front, as in MP4.
        assert!(units(&[0, 0, 0, 2, 0x65, 1]).is_empty());
        assert!(!begins_with_start_code(&[0, 0, 0, 2, 0x65, 1, 0, 0, 1, 5]));
    }

    proptest! {
        #[test]
        fn all_start_codes_are_found(stream in prop::collection::vec(0_u8..3, 0..64)) {
            let found = nal_units(&stream).map(<[u8]>::to_vec).collect::<Vec<_>>();
            // The obvious way, which looks at every byte.
            let mut expected = Vec::new();
            let mut starts: Vec<usize> = Vec::new();
            let mut at = 0;
            while at + 3 <= stream.len() {
                if stream[at..at + 3] == [0, 0, 1] {
                    starts.push(at);
                    at += 3;
                } else {
                    at += 1;
                }
            }
            for (index, start) in starts.iter().enumerate() {
                let end = starts.get(index + 1).copied().unwrap_or(stream.len());
                let mut unit = stream[start + 3..end].to_vec();
                while unit.last() == Some(&0) {
                    unit.pop();
                }
                if !unit.is_empty() {
                    expected.push(unit);
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
