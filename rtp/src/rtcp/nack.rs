//! Requests for retransmission (RFC 4585, section 6.2.1).

use super::{format, kind, put_packet};
use crate::SequenceNumber;
use wire::{Malformed, Put, Reader};

/// How far behind the first of them an entry can name lost packets.
const REACH: u16 = 16;

/// Generic NACK: packets that are missing.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      a lost packet (PID)      | the 16 behind it, from bit 0  |  one or more of these
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack<'a> {
    /// Who misses them.
    pub sender_ssrc: u32,
    /// The source of the packets.
    pub media_ssrc: u32,
    entries: &'a [[u8; 4]],
}

/// A lost packet, and what is lost behind it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    first: SequenceNumber,
    following: u16,
}

impl Entry {
    const fn from_bytes([p0, p1, b0, b1]: [u8; 4]) -> Self {
        Self { first: SequenceNumber(u16::from_be_bytes([p0, p1])), following: u16::from_be_bytes([b0, b1]) }
    }

    /// The numbers that the entry names, upwards.
    fn sequences(self) -> impl Iterator<Item = SequenceNumber> {
        let following = (0..REACH).filter(move |bit| self.following >> bit & 1 == 1);
        std::iter::once(self.first).chain(following.map(move |bit| self.first.plus(bit + 1)))
    }
}

impl<'a> Nack<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let sender_ssrc = reader.u32("sender of feedback")?;
        let media_ssrc = reader.u32("source that feedback is for")?;
        let (entries, _) = reader.rest().as_chunks();
        if entries.is_empty() {
            return Err(Malformed::new("lost packets"));
        }
        Ok(Self { sender_ssrc, media_ssrc, entries })
    }

    /// The lost packets, up to 17 for each four bytes; the same number may come twice.
    pub fn sequences(&self) -> impl Iterator<Item = SequenceNumber> + use<'a> {
        self.entries.iter().flat_map(|entry| Entry::from_bytes(*entry).sequences())
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        put_packet(buf, kind::TRANSPORT_FEEDBACK, |buf| {
            buf.put_u32(self.sender_ssrc);
            buf.put_u32(self.media_ssrc);
            buf.put_bytes(self.entries.as_flattened());
            format::NACK
        });
    }

    /// Appends a packet that names these lost packets of the source, or nothing where there are none. They are packed
    /// best where they come upwards; any order is right. How many fit a datagram is the caller's to know.
    pub fn write(sender_ssrc: u32, media_ssrc: u32, lost: impl IntoIterator<Item = SequenceNumber>, buf: &mut Vec<u8>) {
        let mut lost = lost.into_iter().peekable();
        if lost.peek().is_none() {
            return;
        }
        put_packet(buf, kind::TRANSPORT_FEEDBACK, |buf| {
            buf.put_u32(sender_ssrc);
            buf.put_u32(media_ssrc);
            while let Some(first) = lost.next() {
                let behind = |next: &SequenceNumber| next.0.wrapping_sub(first.0);
                let mut following = 0;
                while let Some(next) = lost.next_if(|next| behind(next) <= REACH) {
                    // The same number again is named already.
                    following |= behind(&next).checked_sub(1).map_or(0, |bit| 1 << bit);
                }
                buf.put_u16(first.0);
                buf.put_u16(following);
            }
            format::NACK
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Packet;
    use super::super::compound::{is_refused, only};
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Vec<u16> {
        let Packet::Nack(nack) = only(bytes) else { panic!("not a NACK") };
        assert_eq!((nack.sender_ssrc, nack.media_ssrc), (1, 2));
        nack.sequences().map(|number| number.0).collect()
    }

    fn write(lost: impl IntoIterator<Item = u16>) -> Vec<u8> {
        let mut buf = Vec::new();
        Nack::write(1, 2, lost.into_iter().map(SequenceNumber), &mut buf);
        buf
    }

    #[test]
    fn an_entry_names_a_packet_and_the_sixteen_behind_it() {
        let lost = [65_530, 65_531, 10, 11, 27];
        let bytes = write(lost);
        assert_eq!(bytes[..4], [0x81, 205, 0, 4]);
        assert_eq!(bytes[12..], [0xff, 0xfa, 0x80, 0x01, 0, 11, 0x80, 0]);
        assert_eq!(read(&bytes), lost);
        assert_eq!(write((0..170).map(|number: u16| number.wrapping_add(65_400))).len(), 12 + 10 * 4, "17 in each");
    }

    #[test]
    fn an_empty_nack_is_neither_written_nor_read() {
        assert_eq!(write([]), []);
        assert!(is_refused(&[0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]) && is_refused(&[0x81, 205, 0, 1, 0, 0, 0, 1]));
    }

    proptest! {
        #[test]
        fn every_lost_packet_is_named(start: u16, steps in proptest::collection::vec(1u16..40, 1..60)) {
            let mut number = start;
            let lost: Vec<u16> = steps.iter().map(|step| { number = number.wrapping_add(*step); number }).collect();
            prop_assert_eq!(read(&write(lost.iter().copied())), lost);
        }

        #[test]
        fn any_order_is_right(mut lost in proptest::collection::vec(any::<u16>(), 1..60)) {
            let mut named = read(&write(lost.iter().copied()));
            named.sort_unstable();
            named.dedup();
            lost.sort_unstable();
            lost.dedup();
            prop_assert_eq!(named, lost);
        }
    }
}
