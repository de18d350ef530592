//! SCTP packets: the common header, its checksum, and the chunks (RFC 9260, section 3).
//!
//! Decoding borrows the datagram and says what the bytes are; whether that is allowed is for the association to
//! decide. Encoding appends and cannot fail.

mod cause;
mod chunk;
mod data;
mod forward_tsn;
mod i_forward_tsn;
mod idata;
mod init;
mod parameter;
mod sack;
mod writer;

pub use cause::{Cause, Causes, code};
pub use chunk::{Chunk, Chunks, RawChunk, Unrecognized, kind};
pub use data::{Data, DataFlags};
pub use forward_tsn::{ForwardTsn, Skipped};
pub use i_forward_tsn::{IForwardTsn, SkippedMessage};
pub use idata::IData;
pub use init::Init;
pub use parameter::{Parameter, Parameters, ResetResult, StreamIds, error_detection, type_of};
pub use sack::{GapBlock, Sack};
pub(crate) use writer::Writer;

use wire::{Malformed, Put, Reader};

/// Bytes of the common header.
pub const HEADER_LENGTH: usize = 12;

/// The common header without its checksum (RFC 9260, section 3.1).
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |       Source Port Number      |    Destination Port Number    |
/// +-------------------------------+-------------------------------+
/// |                        Verification Tag                       |
/// +---------------------------------------------------------------+
/// |                            Checksum                           |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sender's SCTP port.
    pub source_port: u16,
    /// The receiver's SCTP port.
    pub destination_port: u16,
    /// The tag that the receiver chose for this association; 0 with INIT.
    pub verification_tag: u32,
}

/// One packet, its chunks not yet looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Ports and tag.
    pub header: Header,
    chunks: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads the header. The checksum is not looked at: see [`has_valid_checksum`].
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(datagram);
        let header = Header {
            source_port: reader.u16("source port")?,
            destination_port: reader.u16("destination port")?,
            verification_tag: reader.u32("verification tag")?,
        };
        reader.u32("checksum")?;
        Ok(Self { header, chunks: reader.rest() })
    }

    /// The chunks in order. A malformed one ends the iteration, since nothing says where the next begins.
    pub const fn chunks(&self) -> Chunks<'a> {
        Chunks::new(self.chunks)
    }
}

/// Whether the packet's CRC32c is right (RFC 9260, section 6.8). The checksum field is zero afterwards, so ask once.
pub fn has_valid_checksum(packet: &mut [u8]) -> bool {
    let Some(field) = packet.get_mut(8..HEADER_LENGTH).and_then(|field| field.first_chunk_mut::<4>()) else {
        return false;
    };
    let received = u32::from_le_bytes(*field);
    *field = [0; 4];
    // A fuzzer does not guess checksums: all pass, so that it reaches what is behind them.
    crc_fast::crc32_iscsi(packet) == received || cfg!(fuzzing)
}

/// Whether the checksum field is zero, which stands for no checksum where that was agreed on (RFC 9653).
pub fn has_zero_checksum(packet: &[u8]) -> bool {
    packet.get(8..HEADER_LENGTH).is_some_and(|field| field == [0; 4])
}

/// Computes the CRC32c of the packet and writes it into its header. A packet too short for a header is left alone.
pub fn write_checksum(packet: &mut [u8]) {
    let Some(field) = packet.get_mut(8..HEADER_LENGTH) else { return };
    field.fill(0);
    // The checksum goes out least significant byte first (RFC 9260, appendix A).
    let checksum = crc_fast::crc32_iscsi(packet).to_le_bytes();
    if let Some(field) = packet.get_mut(8..HEADER_LENGTH) {
        field.copy_from_slice(&checksum);
    }
}

/// Appends zeros up to a multiple of four bytes, counted from `start` (RFC 9260, section 3.2).
fn pad(buf: &mut Vec<u8>, start: usize) {
    let length = buf.len().saturating_sub(start);
    buf.put_zeros(length.next_multiple_of(4).saturating_sub(length));
}

/// Skips the padding behind a value of `length` bytes. The last one of a packet may lack it: deployed stacks are
/// not all strict about it.
fn skip_padding(reader: &mut Reader<'_>, length: usize) {
    let padding = (length.next_multiple_of(4).saturating_sub(length)).min(reader.remaining());
    let skipped = reader.bytes(padding, "padding");
    debug_assert!(skipped.is_ok(), "never more than remains");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An INIT that Chromium sent.
    const INIT: [u8; 44] = [
        0x13, 0x88, 0x13, 0x88, 0x00, 0x00, 0x00, 0x00, 0xc3, 0x07, 0xff, 0x2c, 0x01, 0x00, 0x00, 0x1e, 0x4c, 0x43,
        0xdc, 0x30, 0x00, 0x50, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0x6e, 0x84, 0x69, 0xdb, 0xc0, 0x00, 0x00, 0x04,
        0x80, 0x08, 0x00, 0x06, 0x82, 0xc0, 0x00, 0x00,
    ];

    #[test]
    fn the_checksum_of_a_captured_packet_is_right_and_rewritten_alike() {
        let mut packet = INIT;
        assert!(has_valid_checksum(&mut packet));
        assert_ne!(packet, INIT, "the field is zero now");
        write_checksum(&mut packet);
        assert_eq!(packet, INIT);
    }

    #[test]
    fn any_flipped_byte_breaks_the_checksum() {
        for at in 0..INIT.len() {
            let mut packet = INIT;
            packet[at] ^= 0x10;
            assert!(!has_valid_checksum(&mut packet), "byte {at}");
        }
    }

    #[test]
    fn short_datagrams_are_refused() {
        for length in 0..HEADER_LENGTH {
            let mut packet = INIT[..length].to_vec();
            assert!(Packet::decode(&packet).is_err());
            assert!(!has_valid_checksum(&mut packet));
            write_checksum(&mut packet);
        }
    }

    #[test]
    fn a_captured_init_reads_as_what_it_is() {
        let packet = Packet::decode(&INIT).unwrap();
        assert_eq!(packet.header, Header { source_port: 5000, destination_port: 5000, verification_tag: 0 });
        let chunks: Vec<_> = packet.chunks().map(Result::unwrap).collect();
        let [Chunk::Init(init)] = chunks.as_slice() else { panic!("{chunks:?}") };
        assert_eq!(init.initiate_tag, 0x4c43_dc30);
        assert_eq!(init.a_rwnd, 5 << 20);
        assert_eq!((init.outbound_streams, init.inbound_streams), (0xffff, 0xffff));
        let parameters: Vec<_> = init.parameters.iter().map(Result::unwrap).collect();
        assert_eq!(parameters, [Parameter::ForwardTsnSupported, Parameter::SupportedExtensions(&[130, 192])]);
    }
}
