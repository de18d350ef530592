use super::{DataFlags, pad};
use crate::serial::{Mid, Tsn};
use wire::{Malformed, Put, Reader};

/// A message or a fragment of one that may stand between fragments of others (RFC 8260, section 2.1).
///
/// ```text
/// +---------------+-------+-+-+-+-+-------------------------------+
/// |   Type = 64   |  Res  |I|U|B|E|            Length             |
/// +---------------+-------+-+-+-+-+-------------------------------+
/// |                              TSN                              |
/// +-------------------------------+-------------------------------+
/// |       Stream Identifier       |           Reserved            |
/// +-------------------------------+-------------------------------+
/// |                      Message Identifier                       |
/// +---------------------------------------------------------------+
/// |   Payload Protocol Identifier / Fragment Sequence Number      |
/// +---------------------------------------------------------------+
/// /                           User Data                           /
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IData<'a> {
    /// Place in the message, order, urgency.
    pub flags: DataFlags,
    /// The number of this chunk.
    pub tsn: Tsn,
    /// The stream.
    pub stream: u16,
    /// The number of the message: ordered and unordered ones of a stream are counted apart.
    pub mid: Mid,
    /// What the application says the payload is. Only the first fragment carries it; 0 in others.
    pub ppid: u32,
    /// The place of the fragment in its message. The first one does not carry it, as it is 0.
    pub fsn: u32,
    /// The bytes. Empty ones are decoded, but no association may send them.
    pub payload: &'a [u8],
}

impl<'a> IData<'a> {
    /// Bytes in front of the payload, the chunk header included.
    pub const OVERHEAD: usize = 20;

    #[inline]
    pub(super) fn decode(flags: u8, mut value: Reader<'a>) -> Result<Self, Malformed> {
        let flags = DataFlags::from_bits(flags);
        let tsn = Tsn(value.u32("TSN")?);
        let stream = value.u16("stream identifier")?;
        value.u16("reserved")?;
        let mid = Mid(value.u32("message identifier")?);
        let shared = value.u32("payload protocol identifier or fragment sequence number")?;
        let (ppid, fsn) = if flags.begin { (shared, 0) } else { (0, shared) };
        Ok(Self { flags, tsn, stream, mid, ppid, fsn, payload: value.rest() })
    }

    /// Appends the chunk and its padding.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        let start = buf.len();
        let length = Self::OVERHEAD + self.payload.len();
        debug_assert!(length <= usize::from(u16::MAX), "a chunk of {length} bytes");
        let [length_high, length_low] = (length as u16).to_be_bytes();
        buf.put_bytes(&[super::kind::I_DATA, self.flags.bits(), length_high, length_low]);
        buf.put_u32(self.tsn.0);
        buf.put_u16(self.stream);
        buf.put_u16(0);
        buf.put_u32(self.mid.0);
        buf.put_u32(if self.flags.begin { self.ppid } else { self.fsn });
        buf.put_bytes(self.payload);
        pad(buf, start);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chunk;
    use super::*;

    #[test]
    fn the_shared_field_is_the_identifier_first_and_the_place_later() {
        let mut bytes = [64, 2, 0, 21, 0, 0, 0, 7, 0, 3, 0, 0, 0, 0, 0, 9, 0, 0, 0, 51, b'a', 0, 0, 0];
        let Ok(Chunk::IData(first)) = Chunk::decode(&mut Reader::new(&bytes)) else { panic!() };
        assert_eq!((first.tsn, first.stream, first.mid), (Tsn(7), 3, Mid(9)));
        assert_eq!((first.ppid, first.fsn, first.payload), (51, 0, &b"a"[..]));
        let mut again = Vec::new();
        first.encode(&mut again);
        assert_eq!(again, bytes);

        bytes[1] = 1;
        let Ok(Chunk::IData(last)) = Chunk::decode(&mut Reader::new(&bytes)) else { panic!() };
        assert_eq!((last.ppid, last.fsn, last.flags.end), (0, 51, true));
        let mut again = Vec::new();
        last.encode(&mut again);
        assert_eq!(again, bytes);
    }

    #[test]
    fn a_torn_header_is_refused() {
        let bytes = [64, 3, 0, 20, 0, 0, 0, 7, 0, 3, 0, 0, 0, 0, 0, 9, 0, 0, 0, 51];
        assert!(Chunk::decode(&mut Reader::new(&bytes)).is_ok());
        for length in 4..20 {
            let mut torn = bytes[..length].to_vec();
            torn[3] = length as u8;
            assert!(Chunk::decode(&mut Reader::new(&torn)).is_err(), "{length} bytes");
        }
    }
}
