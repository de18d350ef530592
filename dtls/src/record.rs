//! The record layer as it stands on the wire (RFC 6347, section 4.1).

use wire::{Malformed, Put, Reader};

/// What a record carries. Numbers without a name are kept as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContentType(pub u8);

impl ContentType {
    /// The next record is in the next epoch.
    pub const CHANGE_CIPHER_SPEC: Self = Self(20);
    /// An alert.
    pub const ALERT: Self = Self(21);
    /// Pieces of handshake messages.
    pub const HANDSHAKE: Self = Self(22);
    /// The application's bytes.
    pub const APPLICATION_DATA: Self = Self(23);
}

/// The header in front of every record (RFC 6347, section 4.1).
///
/// ```text
/// | type 1 | version 2 | epoch 2 | sequence_number 6 | length 2 |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// What the record carries.
    pub kind: ContentType,
    /// The version: DTLS 1.2, or 1.0 before the version is agreed.
    pub version: u16,
    /// Which keys protect the record; 0 is in clear.
    pub epoch: u16,
    /// The record's number in its epoch, below 2^48.
    pub sequence: u64,
    /// Bytes behind the header.
    pub length: u16,
}

impl RecordHeader {
    /// Bytes of a header.
    pub const SIZE: usize = 13;
    /// The highest sequence number. There is none after it: an epoch is over then.
    pub const LAST_SEQUENCE: u64 = (1 << 48) - 1;
    /// The most plaintext one record carries (RFC 5246, section 6.2.1).
    pub const MAX_PLAINTEXT: usize = 1 << 14;
    /// The most that protection may add to it (RFC 5246, section 6.2.3).
    const MAX_EXPANSION: usize = 2048;

    /// Reads a header. The first bytes of versions other than 1.x (`fe`) and lengths beyond any record are malformed.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let header = Self {
            kind: ContentType(reader.u8("content type")?),
            version: reader.u16("record version")?,
            epoch: reader.u16("epoch")?,
            sequence: reader.u48("record sequence_number")?,
            length: reader.u16("record length")?,
        };
        if header.version >> 8 != 0xfe {
            return Err(Malformed::new("record version"));
        }
        if usize::from(header.length) > Self::MAX_PLAINTEXT + Self::MAX_EXPANSION {
            return Err(Malformed::new("record length"));
        }
        Ok(header)
    }

    /// Appends the header.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u8(self.kind.0);
        buf.put_u16(self.version);
        buf.put_u64(self.number());
        buf.put_u16(self.length);
    }

    /// Epoch and sequence number as the eight bytes that stand on the wire and go into nonce and additional data.
    pub(crate) const fn number(&self) -> u64 {
        (self.epoch as u64) << 48 | self.sequence & Self::LAST_SEQUENCE
    }

    /// Cuts the first record off a datagram: its header, its content, and what is behind it.
    pub fn split(datagram: &mut [u8]) -> Result<(Self, &mut [u8], &mut [u8]), Malformed> {
        let header = Self::decode(&mut Reader::new(datagram))?;
        let (_, rest) = datagram.split_at_mut_checked(Self::SIZE).ok_or(Malformed::new("record"))?;
        let (content, rest) =
            rest.split_at_mut_checked(usize::from(header.length)).ok_or(Malformed::new("record length"))?;
        Ok((header, content, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_of_one_datagram_are_cut_apart() {
        let mut datagram = Vec::new();
        let mut header =
            RecordHeader { kind: ContentType::HANDSHAKE, version: 0xfefd, epoch: 0, sequence: 5, length: 3 };
        header.encode(&mut datagram);
        datagram.extend_from_slice(b"abc");
        header.encode(&mut datagram);
        datagram.extend_from_slice(b"de");
        let (first, content, rest) = RecordHeader::split(&mut datagram).unwrap();
        assert_eq!((first, &content[..]), (header, &b"abc"[..]));
        assert_eq!(RecordHeader::split(rest).unwrap_err(), Malformed::new("record length"));
        header.length = 18_433;
        let mut long = Vec::new();
        header.encode(&mut long);
        assert_eq!(RecordHeader::decode(&mut Reader::new(&long)), Err(Malformed::new("record length")));
    }

    #[test]
    fn other_protocols_are_refused() {
        let tls = [22, 3, 1, 0, 5, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(RecordHeader::decode(&mut Reader::new(&tls)), Err(Malformed::new("record version")));
    }

    proptest! {
        #[test]
        fn headers_survive_the_wire(kind: u8, version in 0xfe00u16..0xff00, epoch: u16, sequence in 0u64..1 << 48, length in 0u16..18_000) {
            let header = RecordHeader { kind: ContentType(kind), version, epoch, sequence, length };
            let mut buf = Vec::new();
            header.encode(&mut buf);
            prop_assert_eq!(buf.len(), RecordHeader::SIZE);
            prop_assert_eq!(RecordHeader::decode(&mut Reader::new(&buf)), Ok(header));
        }

        #[test]
        fn any_bytes_are_cut_or_refused(mut bytes: Vec<u8>) {
            let mut rest = &mut bytes[..];
            while let Ok((_, _, behind)) = RecordHeader::split(rest) {
                rest = behind;
            }
        }
    }
}
