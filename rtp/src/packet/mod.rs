//! RTP packets (RFC 3550, section 5) and their header extensions (RFC 8285).

mod extension;
mod map;
mod ssrcs;
mod value;
mod values;

pub use extension::{Elements, ExtensionWriter, Extensions};
pub use map::{Extension, ExtensionMap};
pub use ssrcs::Ssrcs;
pub use value::{
    AbsCaptureTime, AbsSendTime, AudioLevel, ColorSpace, ContentType, FeedbackRequest, Orientation, PlayoutDelay,
    VideoTiming,
};
pub use values::Values;

use crate::SequenceNumber;
use wire::{Malformed, Put, Reader};

/// Bytes of the fixed part of a header (RFC 3550, section 5.1).
pub const FIXED_HEADER_LENGTH: usize = 12;

/// The version of RTP, in the two highest bits of every packet.
const VERSION: u8 = 2 << 6;
/// The P bit: padding stands at the end.
const PADDING: u8 = 1 << 5;
/// The X bit: a block of extensions stands behind the CSRCs.
const EXTENSION: u8 = 1 << 4;
/// The bits that count CSRCs; the most there can be.
const MAX_CSRCS: u8 = 15;
/// The M bit, beside the payload type.
const MARKER: u8 = 1 << 7;

/// The fixed part of an RTP header that a stream decides (RFC 3550, section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// What the payload format makes of it: the last packet of a video frame, the first of a talk spurt.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Counts packets of the source.
    pub sequence: SequenceNumber,
    /// When the payload was sampled, in ticks of the codec's clock.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
}

impl Header {
    /// Appends the header of a packet without CSRCs and extensions; the payload is to be appended behind it.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        let [s0, s1] = self.sequence.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [a, b, c, d] = self.ssrc.to_be_bytes();
        let marked_type = self.payload_type & !MARKER | if self.marker { MARKER } else { 0 };
        buf.put_bytes(&[VERSION, marked_type, s0, s1, t0, t1, t2, t3, a, b, c, d]);
    }

    /// Appends the header of a packet with CSRCs (of more than 15, the first 15) and the extensions that `extensions`
    /// writes; the payload is to be appended behind it. Where nothing is written there is no block of extensions.
    ///
    /// Extensions of known meaning come from [`Values::write`].
    pub fn encode_with(&self, csrcs: &[u32], extensions: impl FnOnce(&mut ExtensionWriter<'_>), buf: &mut Vec<u8>) {
        let start = buf.len();
        self.encode(buf);
        let mut flags = VERSION;
        for csrc in csrcs.iter().take(usize::from(MAX_CSRCS)) {
            buf.put_u32(*csrc);
            flags += 1;
        }
        if ExtensionWriter::block(buf, extensions) {
            flags |= EXTENSION;
        }
        set_flags(buf, start, flags);
    }

    /// Appends a whole packet that is nothing but padding, as it is sent to probe a path: `length` bytes behind the
    /// header, of which there is at least one.
    pub fn encode_padding(&self, length: u8, extensions: impl FnOnce(&mut ExtensionWriter<'_>), buf: &mut Vec<u8>) {
        let start = buf.len();
        self.encode_with(&[], extensions, buf);
        set_flags(buf, start, PADDING);
        // The last byte counts all of them, itself too (RFC 3550, section 5.1).
        let length = length.max(1);
        buf.put_zeros(usize::from(length) - 1);
        buf.put_u8(length);
    }
}

/// Sets bits in the first byte of the header that was begun at `start`.
fn set_flags(buf: &mut [u8], start: usize, flags: u8) {
    if let Some(first) = buf.get_mut(start) {
        *first |= flags;
    }
}

/// An RTP packet where it lies.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           timestamp                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                             SSRC                              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       CSRCs (CC of them)                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      profile (X only)         |     length in 32-bit words    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     extensions (X only)                       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |        payload, padding (P only), whose last byte counts it   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed part.
    pub header: Header,
    /// The sources whose streams were mixed into this one.
    pub csrcs: Ssrcs<'a>,
    /// The block of header extensions; empty where there is none.
    pub extensions: Extensions<'a>,
    /// What is carried, without padding.
    pub payload: &'a [u8],
    /// Bytes before the payload: fixed part, CSRCs and extensions.
    pub header_len: usize,
    /// Bytes of padding behind the payload, the one that counts them too; 0 where there is none.
    pub padding: u8,
}

impl<'a> Packet<'a> {
    /// Reads the packet that fills `datagram` (RFC 3550, section 5.1). Nothing is copied or allocated. The elements
    /// of the extensions are read when they are asked for.
    ///
    /// # Errors
    /// [`Malformed`] if the version is not 2, CSRCs or extensions lead out of the datagram, or the padding counts
    /// nothing or more bytes than there are.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(datagram);
        let [flags, marked_type, s0, s1, t0, t1, t2, t3, a, b, c, d] =
            reader.array::<FIXED_HEADER_LENGTH>("RTP header")?;
        if flags & 0xc0 != VERSION {
            return Err(Malformed::new("RTP version"));
        }
        let header = Header {
            marker: marked_type & MARKER != 0,
            payload_type: marked_type & !MARKER,
            sequence: SequenceNumber(u16::from_be_bytes([s0, s1])),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([a, b, c, d]),
        };
        let csrcs = Ssrcs::decode(&mut reader, usize::from(flags & MAX_CSRCS))?;
        let extensions = if flags & EXTENSION == 0 { Extensions::default() } else { Extensions::decode(&mut reader)? };
        let header_len = datagram.len() - reader.remaining();
        let mut payload = reader.rest();
        let mut padding = 0;
        if flags & PADDING != 0 {
            padding = payload.last().copied().unwrap_or_default();
            let kept = payload.len().checked_sub(usize::from(padding)).filter(|_| padding != 0);
            payload = kept.and_then(|kept| payload.get(..kept)).ok_or(Malformed::new("RTP padding"))?;
        }
        Ok(Self { header, csrcs, extensions, payload, header_len, padding })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 96,
        sequence: SequenceNumber(0xfffe),
        timestamp: 0x0102_0304,
        ssrc: 0xa1b2_c3d4,
    };

    /// CSRCs, extensions, payload and padding, byte by byte.
    const FULL: &[u8] = &[
        0xb2, 0xe0, 0xff, 0xfe, 1, 2, 3, 4, 0xa1, 0xb2, 0xc3, 0xd4, // fixed part: P, X, CC = 2, M, PT = 96
        0, 0, 0, 7, 0, 0, 0, 8, // CSRCs
        0xbe, 0xde, 0, 1, 0x10, 0xaa, 0x20, 0xbb, // two elements of one byte
        b'm', b'e', b'd', b'i', b'a', 0, 0, 3,
    ];

    #[test]
    fn every_part_of_a_packet_is_found() {
        let packet = Packet::decode(FULL).unwrap();
        assert_eq!(packet.header, HEADER);
        assert_eq!(packet.csrcs.iter().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(packet.extensions.iter().collect::<Vec<_>>(), [(1, &[0xaa][..]), (2, &[0xbb])]);
        assert_eq!((packet.payload, packet.header_len, packet.padding), (&b"media"[..], 28, 3));
    }

    #[test]
    fn what_is_written_is_the_same_bytes() {
        let mut buf = Vec::new();
        let elements = |writer: &mut ExtensionWriter<'_>| {
            writer.put(1, &[0xaa]);
            writer.put(2, &[0xbb]);
        };
        HEADER.encode_with(&[7, 8], elements, &mut buf);
        assert_eq!(buf.get(1..), FULL.get(1..28));
        assert_eq!(buf.first(), Some(&0x92), "no padding");
        buf.clear();
        HEADER.encode(&mut buf);
        assert_eq!(buf.get(1..), FULL.get(1..12));
        assert_eq!(buf.first(), Some(&0x80), "nothing but the fixed part");
    }

    #[test]
    fn a_packet_may_be_nothing_but_padding() {
        for length in [0, 1, 7, 255] {
            let mut buf = vec![0xee; 3];
            HEADER.encode_padding(length, |writer| writer.put(3, &[1, 2]), &mut buf);
            let packet = Packet::decode(buf.get(3..).unwrap()).unwrap();
            assert_eq!((packet.header, packet.payload, packet.padding), (HEADER, &[][..], length.max(1)));
            assert_eq!(packet.extensions.get(3), Some(&[1, 2][..]));
        }
    }

    #[test]
    fn padding_that_counts_nothing_or_too_much_is_refused() {
        for (last, padding) in [(0, None), (1, Some(1)), (8, Some(8)), (9, None), (255, None)] {
            let mut bytes = FULL.to_vec();
            *bytes.last_mut().unwrap() = last;
            assert_eq!(Packet::decode(&bytes).ok().map(|packet| packet.padding), padding, "{last}");
        }
        let unpadded = FULL.get(..28).unwrap();
        assert_eq!(Packet::decode(unpadded), Err(Malformed::new("RTP padding")), "the byte that counts is missing");
    }

    #[test]
    fn a_packet_cut_short_in_its_header_is_refused() {
        let mut bytes = FULL.to_vec();
        bytes[0] &= !PADDING;
        for length in 0..28 {
            assert!(Packet::decode(&bytes[..length]).is_err(), "{length}");
        }
        assert_eq!(Packet::decode(&bytes[..28]).unwrap().payload, b"");
        for version in [0, 1, 3] {
            bytes[0] = bytes[0] & 0x3f | version << 6;
            assert_eq!(Packet::decode(&bytes), Err(Malformed::new("RTP version")));
        }
    }

    #[test]
    fn sixteen_csrcs_are_one_too_many() {
        let mut buf = Vec::new();
        HEADER.encode_with(&[9; 16], |_| {}, &mut buf);
        let packet = Packet::decode(&buf).unwrap();
        assert_eq!((packet.csrcs.len(), packet.payload.len()), (15, 0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
            csrcs in proptest::collection::vec(any::<u32>(), 0..16),
            elements in proptest::collection::vec((1u8.., proptest::collection::vec(any::<u8>(), 0..40)), 0..6),
            payload: Vec<u8>,
        ) {
            let header = Header { marker, payload_type, sequence: SequenceNumber(sequence), timestamp, ssrc };
            let mut buf = Vec::new();
            header.encode_with(&csrcs, |writer| elements.iter().for_each(|(id, v)| writer.put(*id, v)), &mut buf);
            let header_len = buf.len();
            buf.extend_from_slice(&payload);
            let packet = Packet::decode(&buf).unwrap();
            prop_assert_eq!(packet.header, header);
            prop_assert!(packet.csrcs.iter().eq(csrcs));
            prop_assert!(packet.extensions.iter().eq(elements.iter().map(|(id, value)| (*id, &value[..]))));
            prop_assert_eq!((packet.payload, packet.header_len, packet.padding), (&payload[..], header_len, 0));
        }

        #[test]
        fn no_bytes_panic(first in 0x80u8..0xc0, mut bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            if let Ok(packet) = Packet::decode(&bytes) {
                let total = packet.header_len + packet.payload.len() + usize::from(packet.padding);
                prop_assert_eq!(total, bytes.len());
                prop_assert!(packet.extensions.iter().count() <= bytes.len());
            }
        }
    }
}
