#![no_main]
//! Redundant audio (RFC 2198): any bytes are blocks within them, or refused; what is written is read, and repeats what was
//! before it without a gap, within the bytes that there are.
//!
//! The first byte says how many packets are repeated. Then follow steps: a byte for what to do, and what it takes.

use libfuzzer_sys::fuzz_target;
use rtp::Malformed;
use rtp::payload::red::{Block, Blocks, Writer};
use wire::Reader;

/// What a block's header can say.
const MAX_OFFSET: u32 = (1 << 14) - 1;
const MAX_LENGTH: usize = (1 << 10) - 1;

/// Any bytes: if they are blocks, then those are all of the bytes.
fn check_decode(payload: &[u8]) {
    let Ok(blocks) = Blocks::decode(payload) else { return };
    let blocks: Vec<Block<'_>> = blocks.collect();
    let mut again = Vec::new();
    let (primary, redundant) = blocks.split_last().expect("the primary block");
    for block in redundant {
        let (offset, length) = (u32::from(block.timestamp_offset), block.payload.len());
        assert!(offset <= MAX_OFFSET && length <= MAX_LENGTH && block.payload_type < 128);
        let header = 1 << 31 | u32::from(block.payload_type) << 24 | offset << 10 | length as u32;
        again.extend(header.to_be_bytes());
    }
    assert_eq!(primary.timestamp_offset, 0);
    again.push(primary.payload_type);
    blocks.iter().for_each(|block| again.extend_from_slice(block.payload));
    assert_eq!(again, payload);
}

struct Sent {
    payload_type: u8,
    timestamp: u32,
    payload: Vec<u8>,
}

struct World {
    writer: Writer,
    generations: usize,
    /// What was written, the latest last.
    sent: Vec<Sent>,
    timestamp: u32,
    limit: usize,
}

impl World {
    fn step(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match reader.u8("step")? % 8 {
            0..=3 => self.write(960, reader)?,
            4 => {
                let ahead = reader.u32("ticks")?;
                self.write(ahead, reader)?;
            }
            5 => self.limit = usize::from(reader.u16("limit")?),
            6 => {
                self.writer.clear();
                self.sent.clear();
            }
            _ => check_decode(reader.sub_u8("payload")?.rest()),
        }
        Ok(())
    }

    fn write(&mut self, ahead: u32, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let [payload_type, repeat] = reader.array("block")?;
        // Payloads may be longer than what stands here.
        let payload = reader.sub_u8("payload")?.rest().repeat(1 + usize::from(repeat % 8));
        self.timestamp = self.timestamp.wrapping_add(ahead);
        let mut packet = vec![0xaa];
        self.writer.write(payload_type, self.timestamp, &payload, self.limit, &mut packet);
        let packet = packet.strip_prefix(&[0xaa]).expect("it is appended");
        check_decode(packet);
        assert!(packet.len() <= self.limit.max(payload.len() + 1), "more than fits");
        self.sent.push(Sent { payload_type: payload_type & 0x7f, timestamp: self.timestamp, payload });
        let blocks: Vec<Block<'_>> = Blocks::decode(packet).expect("what was written").collect();
        assert!(blocks.len() <= self.generations + 1 && blocks.len() <= self.sent.len());
        for (block, sent) in blocks.iter().rev().zip(self.sent.iter().rev()) {
            assert_eq!((block.payload_type, block.payload), (sent.payload_type, &sent.payload[..]));
            assert_eq!(block.timestamp(self.timestamp), sent.timestamp);
        }
        self.check_next(packet.len(), blocks.len());
        Ok(())
    }

    /// Another block is left out for a reason only.
    fn check_next(&self, length: usize, count: usize) {
        let left_out = self.sent.len().checked_sub(count + 1).and_then(|index| self.sent.get(index));
        let Some(left_out) = left_out.filter(|_| count <= self.generations) else { return };
        let offset = self.timestamp.wrapping_sub(left_out.timestamp);
        let fits = length + left_out.payload.len() + 4 <= self.limit && left_out.payload.len() <= MAX_LENGTH;
        assert!(!fits || !(1..=MAX_OFFSET).contains(&offset), "a block that fits was left out");
    }
}

fuzz_target!(|data: &[u8]| {
    check_decode(data);
    let [generations, rest @ ..] = data else { return };
    let generations = generations % 8;
    let mut world = World {
        writer: Writer::new(generations),
        generations: usize::from(generations),
        sent: Vec::new(),
        timestamp: 0,
        limit: 1_200,
    };
    let mut reader = Reader::new(rest);
    while !reader.is_empty() {
        if world.step(&mut reader).is_err() {
            break;
        }
    }
});
