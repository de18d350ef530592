//! Redundant audio (RFC 2198): a packet carries the payloads of some packets before it once more.
//!
//! ```text
//! |1| PT, 7 bits | timestamp offset, 14 | length, 10 |   for each redundant block, the oldest first
//! |0| PT, 7 bits |                                      for the primary one
//! | blocks, in the order of their headers |
//! ```

use std::collections::VecDeque;

use wire::{Malformed, Put, Reader};

/// The bit that says that another header follows.
const FOLLOWED: u8 = 0x80;
/// The greatest timestamp offset.
const MAX_OFFSET: u32 = (1 << 14) - 1;
/// The greatest length of a redundant block.
const MAX_LENGTH: usize = (1 << 10) - 1;
/// The length of a redundant block's header.
const HEADER: usize = 4;

/// A payload in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// 0 to 127: what is in it.
    pub payload_type: u8,
    /// How much earlier than the packet's timestamp it was sampled, in ticks; 0 in the primary block.
    pub timestamp_offset: u16,
    /// What was in a packet of its own, or would have been.
    pub payload: &'a [u8],
}

impl Block<'_> {
    /// Its timestamp in a packet with the timestamp `packet`.
    pub const fn timestamp(&self, packet: u32) -> u32 {
        packet.wrapping_sub(self.timestamp_offset as u32)
    }
}

/// The blocks of a packet in their order, the primary one last.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    /// Headers of redundant blocks.
    headers: Reader<'a>,
    /// The payload type of the primary block, until that was handed out.
    primary: Option<u8>,
    data: Reader<'a>,
}

impl<'a> Blocks<'a> {
    /// Checks all headers of a payload and that their blocks are there.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        let mut length = 0_usize;
        let mut count = 0_usize;
        let primary = loop {
            let first = reader.u8("block header")?;
            if first & FOLLOWED == 0 {
                break first;
            }
            length = length.saturating_add(reader.u24("block header")? as usize & MAX_LENGTH);
            count += 1;
        };
        if length > reader.remaining() {
            return Err(Malformed::new("block length"));
        }
        let headers = Reader::new(payload).sub(count.saturating_mul(HEADER), "block headers")?;
        Ok(Self { headers, primary: Some(primary), data: reader })
    }

    fn redundant(&mut self) -> Result<Block<'a>, Malformed> {
        let header = self.headers.u32("block header")?;
        let payload = self.data.bytes(header as usize & MAX_LENGTH, "block")?;
        let payload_type = (header >> 24) as u8 & !FOLLOWED;
        Ok(Block { payload_type, timestamp_offset: (header >> 10 & MAX_OFFSET) as u16, payload })
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.headers.is_empty() {
            return self.redundant().ok();
        }
        let payload_type = self.primary.take()?;
        Some(Block { payload_type, timestamp_offset: 0, payload: self.data.rest() })
    }
}

/// A payload that was sent.
#[derive(Clone, Debug, Default)]
struct Sent {
    payload_type: u8,
    timestamp: u32,
    payload: Vec<u8>,
}

/// Writes packets that carry what was in the last ones once more.
#[derive(Clone, Debug)]
pub struct Writer {
    /// The payloads before, the latest first. Their memory is used again.
    sent: VecDeque<Sent>,
    generations: usize,
}

impl Writer {
    /// With at most `generations` redundant blocks in a packet; browsers send one.
    pub fn new(generations: u8) -> Self {
        let generations = usize::from(generations);
        Self { sent: VecDeque::with_capacity(generations), generations }
    }

    /// Forgets what was sent, as after a pause.
    pub fn clear(&mut self) {
        self.sent.clear();
    }

    /// Appends the payload of a packet with this timestamp: as many payloads before as fit into `limit` bytes, then
    /// `payload`, of type `payload_type`, whether or not that fits. Without redundancy it is a byte longer than
    /// `payload`.
    pub fn write(&mut self, payload_type: u8, timestamp: u32, payload: &[u8], limit: usize, buf: &mut Vec<u8>) {
        let count = self.fitting(timestamp, limit.saturating_sub(payload.len().saturating_add(1)));
        for sent in self.sent.iter().take(count).rev() {
            let header = u32::from(FOLLOWED | sent.payload_type) << 24 | timestamp.wrapping_sub(sent.timestamp) << 10;
            buf.put_u32(header | sent.payload.len() as u32);
        }
        buf.put_u8(payload_type & !FOLLOWED);
        for sent in self.sent.iter().take(count).rev() {
            buf.put_bytes(&sent.payload);
        }
        buf.put_bytes(payload);
        self.remember(payload_type & !FOLLOWED, timestamp, payload);
    }

    /// How many of the latest payloads can be sent again in `room` bytes. Behind one that cannot, older ones are of
    /// little use.
    fn fitting(&self, timestamp: u32, mut room: usize) -> usize {
        let fits = |sent: &&Sent| {
            let offset = timestamp.wrapping_sub(sent.timestamp);
            let left = room.checked_sub(sent.payload.len().saturating_add(HEADER));
            room = left.unwrap_or_default();
            left.is_some() && sent.payload.len() <= MAX_LENGTH && (1..=MAX_OFFSET).contains(&offset)
        };
        self.sent.iter().take_while(fits).count()
    }

    fn remember(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) {
        if self.generations == 0 {
            return;
        }
        let oldest = if self.sent.len() < self.generations { None } else { self.sent.pop_back() };
        let mut sent = oldest.unwrap_or_default();
        sent.payload_type = payload_type;
        sent.timestamp = timestamp;
        sent.payload.clear();
        // One byte more than can be sent again is enough to know that it cannot.
        sent.payload.extend(payload.iter().take(MAX_LENGTH + 1));
        self.sent.push_front(sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(payload_type: u8, timestamp_offset: u16, payload: &[u8]) -> Block<'_> {
        Block { payload_type, timestamp_offset, payload }
    }

    fn blocks(payload: &[u8]) -> Vec<Block<'_>> {
        Blocks::decode(payload).unwrap().collect()
    }

    #[test]
    fn the_example_of_the_rfc_is_read() {
        // RFC 2198, section 7, with shorter blocks: DVI4 (5) as primary, LPC (7) of 20 ms at 8 kHz before.
        let packet = [0x80 | 7, 0x02, 0x80, 3, 5, b'l', b'p', b'c', b'd', b'v', b'i', b'4'];
        assert_eq!(blocks(&packet), [block(7, 160, b"lpc"), block(5, 0, b"dvi4")]);
        assert_eq!(blocks(&packet)[0].timestamp(100), 100_u32.wrapping_sub(160));
    }

    #[test]
    fn the_greatest_fields_are_read() {
        let mut packet = vec![0xff, 0xff, 0xff, 0xff, 0x7f];
        packet.extend([9; 1023]);
        assert_eq!(blocks(&packet), [block(127, 16_383, &[9; 1023]), block(127, 0, &[])]);
    }

    #[test]
    fn blocks_beyond_the_packet_are_refused() {
        assert_eq!(Blocks::decode(&[]).unwrap_err().what(), "block header");
        assert_eq!(Blocks::decode(&[0x80, 0, 0]).unwrap_err().what(), "block header");
        assert_eq!(Blocks::decode(&[0x80, 0, 0, 0]).unwrap_err().what(), "block header");
        assert_eq!(Blocks::decode(&[0x80, 0, 0, 2, 0, 1]).unwrap_err().what(), "block length");
        assert_eq!(blocks(&[0x6f]), [block(111, 0, &[])]);
    }

    #[test]
    fn packets_repeat_what_was_before_them() {
        let mut writer = Writer::new(2);
        let mut packets = Vec::new();
        for (index, payload) in [b"one", b"two", b"tri", b"for"].iter().enumerate() {
            let mut packet = Vec::new();
            writer.write(111, 960_u32.wrapping_mul(index as u32).wrapping_sub(960), *payload, 1200, &mut packet);
            packets.push(packet);
        }
        let read = packets.iter().map(|packet| blocks(packet)).collect::<Vec<_>>();
        assert_eq!(read[0], [block(111, 0, b"one")]);
        assert_eq!(read[1], [block(111, 960, b"one"), block(111, 0, b"two")]);
        assert_eq!(read[2], [block(111, 1920, b"one"), block(111, 960, b"two"), block(111, 0, b"tri")]);
        assert_eq!(read[3], [block(111, 1920, b"two"), block(111, 960, b"tri"), block(111, 0, b"for")]);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let write = |first: &[u8], ticks: u32, limit: usize| {
            let mut writer = Writer::new(3);
            let mut packet = Vec::new();
            writer.write(111, 0, first, 1200, &mut packet);
            packet.clear();
            writer.write(111, ticks, b"now", limit, &mut packet);
            blocks(&packet).len()
        };
        assert_eq!([write(b"before", 960, 14), write(b"before", 960, 13)], [2, 1]);
        assert_eq!([write(&[0; 1023], 960, 2000), write(&[0; 1024], 960, 2000)], [2, 1]);
        assert_eq!([write(b"before", 16_383, 100), write(b"before", 16_384, 100)], [2, 1]);
        // Nothing is redundant that has the same timestamp, or a later one.
        assert_eq!([write(b"before", 0, 100), write(b"before", u32::MAX, 100)], [1, 1]);
        let mut packet = Vec::new();
        let mut cleared = Writer::new(1);
        cleared.write(111, 0, b"one", 100, &mut packet);
        cleared.clear();
        packet.clear();
        cleared.write(111, 960, b"two", 100, &mut packet);
        assert_eq!(blocks(&packet), [block(111, 0, b"two")]);
        // The primary payload goes out at any rate.
        packet.clear();
        Writer::new(0).write(0xff, 0, b"long", 2, &mut packet);
        assert_eq!(blocks(&packet), [block(127, 0, b"long")]);
    }

    #[test]
    fn memory_is_used_again() {
        let mut writer = Writer::new(2);
        let mut packet = Vec::new();
        let mut places = Vec::new();
        for time in 0..8 {
            packet.clear();
            writer.write(111, time * 960, &[7; 80], 1200, &mut packet);
            let mut now = writer.sent.iter().map(|sent| sent.payload.as_ptr()).collect::<Vec<_>>();
            now.sort();
            places.push(now);
        }
        assert!(places[2..].iter().all(|now| *now == places[2]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_blocks_within_them_or_refused(payload: Vec<u8>) {
            if let Ok(blocks) = Blocks::decode(&payload) {
                let blocks = blocks.collect::<Vec<_>>();
                let data = blocks.iter().map(|block| block.payload.len()).sum::<usize>();
                prop_assert_eq!(data + HEADER * (blocks.len() - 1) + 1, payload.len());
            }
        }

        #[test]
        fn what_is_written_is_read(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..8),
            generations in 0_u8..5, start: u32, step in 1_u32..5_000, limit in 0_usize..200, payload_type in 0_u8..128,
        ) {
            let mut writer = Writer::new(generations);
            let time = |index: usize| start.wrapping_add(step.wrapping_mul(index as u32));
            for (index, payload) in payloads.iter().enumerate() {
                let mut packet = Vec::new();
                writer.write(payload_type, time(index), payload, limit, &mut packet);
                prop_assert!(packet.len() <= limit.max(payload.len() + 1));
                let read = blocks(&packet);
                prop_assert!(read.len() <= usize::from(generations) + 1);
                // Each is the payload of the packet of its timestamp, without a gap.
                for (back, block) in read.iter().rev().enumerate() {
                    prop_assert_eq!(block.payload, &payloads[index - back][..]);
                    prop_assert_eq!(block.timestamp(time(index)), time(index - back));
                    prop_assert_eq!(block.payload_type, payload_type);
                }
                // One that fits is not forgotten.
                if let Some(before) = index.checked_sub(1).filter(|_| generations > 0 && read.len() == 1) {
                    prop_assert!(payload.len() + payloads[before].len() + HEADER + 1 > limit);
                }
            }
        }
    }
}
