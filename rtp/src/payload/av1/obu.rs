use std::ops::Range;
use wire::{Malformed, Put, Reader};

/// Open bitstream units by type (AV1 bitstream specification, section 6.2.2).
pub(super) mod kind {
    pub(crate) const SEQUENCE_HEADER: u8 = 1;
    pub(crate) const TEMPORAL_DELIMITER: u8 = 2;
    pub(crate) const FRAME_HEADER: u8 = 3;
    pub(crate) const FRAME: u8 = 6;
    pub(crate) const TILE_LIST: u8 = 8;
    pub(crate) const PADDING: u8 = 15;
}

/// obu_has_size_field
pub(super) const HAS_SIZE: u8 = 0x02;

/// The header of an open bitstream unit, without its size (AV1 bitstream specification, section 5.3.2).
///
/// ```text
///  0 1 2 3 4 5 6 7
/// +-+-+-+-+-+-+-+-+
/// |0| type  |X|S|-|
/// +-+-+-+-+-+-+-+-+
/// | TID |SID|-|-|-|  if X
/// +-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ObuHeader {
    byte: u8,
    extension: Option<u8>,
}

impl ObuHeader {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let byte = reader.u8("OBU header")?;
        if byte & 0x80 != 0 {
            return Err(Malformed::new("OBU header, whose first bit is forbidden"));
        }
        let extension = if byte & 0x04 != 0 { Some(reader.u8("OBU extension header")?) } else { None };
        Ok(Self { byte, extension })
    }

    pub(super) const fn kind(self) -> u8 {
        self.byte >> 3 & 0x0f
    }

    pub(super) const fn has_size(self) -> bool {
        self.byte & HAS_SIZE != 0
    }

    /// temporal_id and spatial_id
    pub(super) const fn layer(self) -> Option<u8> {
        match self.extension {
            Some(extension) => Some(extension >> 3),
            None => None,
        }
    }

    /// Whether such a unit is sent. What is not says nothing that the packets do not (section 5 of the payload format).
    pub(super) const fn is_sent(self) -> bool {
        !matches!(self.kind(), kind::TEMPORAL_DELIMITER | kind::TILE_LIST | kind::PADDING)
    }

    const fn length(self) -> usize {
        if self.extension.is_some() { 2 } else { 1 }
    }
}

/// An open bitstream unit within a temporal unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obu {
    pub(super) header: ObuHeader,
    /// Where its payload is, behind header and size.
    payload: Range<usize>,
}

impl Obu {
    /// What is in a temporal unit in the low-overhead format (AV1 bitstream specification, section 5.2).
    pub(super) fn all(unit: &[u8]) -> impl Iterator<Item = Result<Self, Malformed>> + '_ {
        let mut reader = Reader::new(unit);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            let obu = Self::decode(&mut reader, unit.len());
            if obu.is_err() {
                reader.rest();
            }
            Some(obu)
        })
    }

    fn decode(reader: &mut Reader<'_>, length: usize) -> Result<Self, Malformed> {
        let header = ObuHeader::decode(reader)?;
        let size = if header.has_size() { leb128(reader, "obu_size")? } else { reader.remaining() };
        let start = length.saturating_sub(reader.remaining());
        let payload = reader.bytes(size, "OBU")?;
        Ok(Self { header, payload: start..start.saturating_add(payload.len()) })
    }

    pub(super) fn payload<'a>(&self, unit: &'a [u8]) -> &'a [u8] {
        unit.get(self.payload.clone()).unwrap_or_default()
    }

    /// Bytes as it is sent: header and payload, without size.
    pub(super) fn length(&self) -> usize {
        self.header.length() + self.payload.len()
    }

    /// Appends those of its bytes as it is sent that are in `range`.
    pub(super) fn put(&self, unit: &[u8], range: Range<usize>, buf: &mut Vec<u8>) {
        let header = [self.header.byte & !HAS_SIZE, self.header.extension.unwrap_or_default()];
        let header = header.get(..self.header.length()).unwrap_or_default();
        let skipped = header.len();
        buf.put_bytes(header.get(range.start.min(skipped)..range.end.min(skipped)).unwrap_or_default());
        let payload = range.start.saturating_sub(skipped)..range.end.saturating_sub(skipped);
        buf.put_bytes(self.payload(unit).get(payload).unwrap_or_default());
    }
}

/// Reads a number of seven bits a byte, the lowest first (AV1 bitstream specification, section 4.10.5).
pub(super) fn leb128(reader: &mut Reader<'_>, what: &'static str) -> Result<usize, Malformed> {
    let mut value = 0_u64;
    for shift in (0..56).step_by(7) {
        let byte = reader.u8(what)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).map_err(|_| Malformed::new(what))?;
            return usize::try_from(value).map_err(|_| Malformed::new(what));
        }
    }
    Err(Malformed::new(what))
}

/// The bytes of `value` as [`leb128`] reads them.
pub(super) fn leb128_bytes(value: usize) -> impl ExactSizeIterator<Item = u8> {
    let length = leb128_length(value);
    (0..length).map(move |index| {
        let seven = (value >> (7 * index) & 0x7f) as u8;
        if index + 1 < length { seven | 0x80 } else { seven }
    })
}

/// How many bytes [`leb128_bytes`] are.
pub(super) const fn leb128_length(value: usize) -> usize {
    // No bits are a byte, too.
    match value.checked_ilog2() {
        Some(highest) => highest as usize / 7 + 1,
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<usize, Malformed> {
        leb128(&mut Reader::new(bytes), "number")
    }

    #[test]
    fn numbers_are_read_from_the_lowest_bits() {
        assert_eq!(read(&[0x7f]), Ok(127));
        assert_eq!(read(&[0x80, 0x01]), Ok(128));
        // Longer than need be.
        assert_eq!(read(&[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), Ok(1));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX as usize));
    }

    #[test]
    fn too_large_numbers_are_refused() {
        assert!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f]).is_err());
        assert!(read(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]).is_err());
        assert!(read(&[0x80]).is_err());
    }

    proptest! {
        #[test]
        fn numbers_are_read_as_written(value in prop_oneof![0_u32..20_000, any::<u32>()]) {
            let bytes: Vec<u8> = leb128_bytes(value as usize).collect();
            prop_assert_eq!(bytes.len(), leb128_length(value as usize));
            prop_assert_eq!(read(&bytes), Ok(value as usize));
        }
    }
}
