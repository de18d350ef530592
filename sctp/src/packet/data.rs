use super::pad;
use crate::serial::{Ssn, Tsn};
use wire::{Malformed, Put, Reader};

/// The flags of a DATA chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataFlags {
    /// I: acknowledge without delay (RFC 9260, section 6.1).
    pub immediate: bool,
    /// U: to be delivered without waiting for its turn.
    pub unordered: bool,
    /// B: the first fragment of a message.
    pub begin: bool,
    /// E: the last fragment of a message.
    pub end: bool,
}

impl DataFlags {
    pub(super) const fn from_bits(bits: u8) -> Self {
        Self { immediate: bits & 8 != 0, unordered: bits & 4 != 0, begin: bits & 2 != 0, end: bits & 1 != 0 }
    }

    pub(super) fn bits(self) -> u8 {
        u8::from(self.immediate) << 3 | u8::from(self.unordered) << 2 | u8::from(self.begin) << 1 | u8::from(self.end)
    }
}

/// A message or a fragment of one (RFC 9260, section 3.3.1).
///
/// ```text
/// +---------------+-------+-+-+-+-+-------------------------------+
/// |   Type = 0    |  Res  |I|U|B|E|            Length             |
/// +---------------+-------+-+-+-+-+-------------------------------+
/// |                              TSN                              |
/// +-------------------------------+-------------------------------+
/// |      Stream Identifier S      |   Stream Sequence Number n    |
/// +-------------------------------+-------------------------------+
/// |                  Payload Protocol Identifier                  |
/// +---------------------------------------------------------------+
/// /                 User Data (seq n of Stream S)                 /
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Place in the message, order, urgency.
    pub flags: DataFlags,
    /// The number of this chunk.
    pub tsn: Tsn,
    /// The stream.
    pub stream: u16,
    /// The place of the message in its stream, if ordered.
    pub ssn: Ssn,
    /// What the application says the payload is; not interpreted here.
    pub ppid: u32,
    /// The bytes. Empty ones are decoded, but no association may send them (section 6.2).
    pub payload: &'a [u8],
}

impl<'a> Data<'a> {
    /// Bytes in front of the payload, the chunk header included.
    pub const OVERHEAD: usize = 16;

    #[inline]
    pub(super) fn decode(flags: u8, mut value: Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            flags: DataFlags::from_bits(flags),
            tsn: Tsn(value.u32("TSN")?),
            stream: value.u16("stream identifier")?,
            ssn: Ssn(value.u16("stream sequence number")?),
            ppid: value.u32("payload protocol identifier")?,
            payload: value.rest(),
        })
    }

    /// Appends the chunk and its padding. This is the one place where a payload is copied on its way out.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        let start = buf.len();
        let length = Self::OVERHEAD + self.payload.len();
        debug_assert!(length <= usize::from(u16::MAX), "a chunk of {length} bytes");
        let [length_high, length_low] = (length as u16).to_be_bytes();
        buf.put_bytes(&[super::kind::DATA, self.flags.bits(), length_high, length_low]);
        buf.put_u32(self.tsn.0);
        buf.put_u16(self.stream);
        buf.put_u16(self.ssn.0);
        buf.put_u32(self.ppid);
        buf.put_bytes(self.payload);
        pad(buf, start);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chunk;
    use super::*;

    #[test]
    fn a_captured_data_chunk_reads_and_writes_alike() {
        // DATA_CHANNEL_OPEN as Chromium sends it: stream 1, SSN 0, PPID 50, 13 bytes and their padding.
        let bytes = [
            0x00, 0x03, 0x00, 0x1d, 0xa2, 0x11, 0x36, 0xfc, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x32, 0x03, 0x00,
            0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x78, 0x00, 0x00, 0x00,
        ];
        let chunk = Chunk::decode(&mut Reader::new(&bytes)).unwrap();
        let Chunk::Data(data) = chunk else { panic!("{chunk:?}") };
        assert_eq!((data.tsn, data.stream, data.ssn, data.ppid), (Tsn(0xa211_36fc), 1, Ssn(0), 50));
        assert_eq!(data.flags, DataFlags { immediate: false, unordered: false, begin: true, end: true });
        assert_eq!(data.payload.len(), 13);
        let mut again = Vec::new();
        data.encode(&mut again);
        assert_eq!(again, bytes);
    }

    #[test]
    fn every_combination_of_flags_survives() {
        for bits in 0..16 {
            assert_eq!(DataFlags::from_bits(bits).bits(), bits);
        }
    }
}
