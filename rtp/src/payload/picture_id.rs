use wire::{Malformed, Put, Reader};

/// Counts the pictures of a stream, in 7 or 15 bits (RFC 7741, section 4.2; RFC 9628, section 4.2).
///
/// ```text
///  0 1 2 3 4 5 6 7
/// +-+-+-+-+-+-+-+-+
/// |M| PictureID   |
/// +-+-+-+-+-+-+-+-+
/// |   PictureID   |  if M
/// +-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PictureId {
    /// 0 to 127.
    Short(u8),
    /// 0 to 32,767.
    Long(u16),
}

impl PictureId {
    /// Its number, without its width.
    pub const fn value(self) -> u16 {
        match self {
            Self::Short(value) => value as u16,
            Self::Long(value) => value,
        }
    }

    /// The id of the next picture in the same width, which begins anew at 0 behind the highest.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Short(value) => Self::Short(value.wrapping_add(1) & 0x7f),
            Self::Long(value) => Self::Long(value.wrapping_add(1) & 0x7fff),
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`Malformed`] if bytes are missing.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let first = reader.u8("picture id")?;
        if first & 0x80 == 0 {
            return Ok(Self::Short(first));
        }
        let low = reader.u8("picture id")?;
        Ok(Self::Long(u16::from_be_bytes([first & 0x7f, low])))
    }

    /// Appends it; bits that are too high for its width are dropped.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        match self {
            Self::Short(value) => buf.put_u8(value & 0x7f),
            Self::Long(value) => buf.put_u16(value | 0x8000),
        }
    }
}
