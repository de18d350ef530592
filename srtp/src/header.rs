//! As much of RTP and RTCP as their protection needs: what stays in clear, and whose counter it belongs to.

use wire::{Malformed, Reader};

/// The start of an RTP packet (RFC 3550, section 5.1), which is authenticated but not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    pub(crate) sequence: u16,
    pub(crate) ssrc: u32,
    /// Bytes of all of it: contributing sources and header extensions too.
    pub(crate) length: usize,
}

impl RtpHeader {
    const FIXED: usize = 12;

    pub(crate) fn decode(packet: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        let first = version_2(&mut reader)?;
        reader.u8("payload type")?;
        let sequence = reader.u16("sequence number")?;
        reader.u32("timestamp")?;
        let ssrc = reader.u32("SSRC")?;
        reader.bytes(4 * usize::from(first & 0x0f), "contributing sources")?;
        if first & 0x10 != 0 {
            // A length in words, without the four bytes that say it (RFC 3550, section 5.3.1).
            reader.u16("header extension")?;
            let words = reader.u16("header extension")?;
            reader.bytes(4 * usize::from(words), "header extension")?;
        }
        let length = packet.len() - reader.remaining();
        debug_assert!(length >= Self::FIXED);
        Ok(Self { sequence, ssrc, length })
    }
}

/// The start of an RTCP packet, compound or not, which is not encrypted (RFC 3711, section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RtcpHeader {
    pub(crate) ssrc: u32,
}

impl RtcpHeader {
    /// Bytes that stay in clear.
    pub(crate) const LENGTH: usize = 8;

    pub(crate) fn decode(packet: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        version_2(&mut reader)?;
        reader.u8("packet type")?;
        reader.u16("length")?;
        Ok(Self { ssrc: reader.u32("SSRC")? })
    }
}

/// The first byte, whose upper two bits are the version.
fn version_2(reader: &mut Reader<'_>) -> Result<u8, Malformed> {
    let first = reader.u8("version")?;
    if first >> 6 == 2 { Ok(first) } else { Err(Malformed::new("version")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two contributing sources, an extension of one word, a payload of one byte.
    const PACKET: [u8; 29] = [
        0x92, 0x60, 0x12, 0x34, 1, 2, 3, 4, 0xca, 0xfe, 0xba, 0xbe, // fixed
        0, 0, 0, 1, 0, 0, 0, 2, // contributing sources
        0xbe, 0xde, 0, 1, 0x10, 7, 0, 0, // extension
        0xff,
    ];

    #[test]
    fn the_header_ends_behind_sources_and_extensions() {
        let header = RtpHeader { sequence: 0x1234, ssrc: 0xcafe_babe, length: 28 };
        assert_eq!(RtpHeader::decode(&PACKET), Ok(header));
        assert_eq!(RtpHeader::decode(&PACKET[..28]), Ok(header), "without any payload");
        let mut plain = PACKET;
        plain[0] = 0x80;
        assert_eq!(RtpHeader::decode(&plain), Ok(RtpHeader { length: 12, ..header }));
    }

    #[test]
    fn headers_that_do_not_end_are_refused() {
        for length in 0..28 {
            assert!(RtpHeader::decode(&PACKET[..length]).is_err(), "{length}");
        }
        let mut long = PACKET;
        long[22..24].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(RtpHeader::decode(&long), Err(Malformed::new("header extension")));
        for length in 0..RtcpHeader::LENGTH {
            assert!(RtcpHeader::decode(&[0x80, 200, 0, 6, 0, 0, 0, 1][..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn other_versions_are_refused() {
        for version in [0x00, 0x40, 0xc0] {
            let mut packet = PACKET;
            packet[0] = packet[0] & 0x3f | version;
            assert_eq!(RtpHeader::decode(&packet), Err(Malformed::new("version")));
            assert_eq!(RtcpHeader::decode(&packet), Err(Malformed::new("version")));
        }
    }

    #[test]
    fn rtcp_names_its_sender() {
        assert_eq!(RtcpHeader::decode(&[0x80, 201, 0, 1, 0, 0, 1, 2]), Ok(RtcpHeader { ssrc: 0x0102 }));
    }
}
