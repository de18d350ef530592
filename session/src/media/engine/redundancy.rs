//! Redundant audio (RFC 2198), both ways: frames that were lost come from the packets behind them.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use rtp::payload::red::{Blocks, Writer};
use rtp::send::{OutgoingFrame, OutgoingPacket, SendError, Sender};
use rtp::{Header, SequenceNumber};

use super::super::SendParameters;
use super::{MediaConfig, Section};

/// How many packets back it is remembered what came. Redundancy of more than a few packets is of no use.
const REMEMBERED: usize = 32;

/// Which packets of a stream have come, so that nothing is handed out twice, or in a place that it does not have.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Number and timestamp of packets with a frame, in the order in which they came.
    packets: VecDeque<(SequenceNumber, u32)>,
    /// Numbers of packets of nothing but padding, which senders put between the others to probe the path.
    paddings: VecDeque<SequenceNumber>,
}

impl Heard {
    fn remember(&mut self, sequence: SequenceNumber, timestamp: u32) {
        push_bounded(&mut self.packets, (sequence, timestamp));
    }

    /// The number of the packet right before this one that can have had a frame.
    fn before(&self, sequence: SequenceNumber) -> SequenceNumber {
        let mut sequence = sequence.plus(1_u16.wrapping_neg());
        for _ in 0..self.paddings.len() {
            if !self.paddings.contains(&sequence) {
                break;
            }
            sequence = sequence.plus(1_u16.wrapping_neg());
        }
        sequence
    }

    /// Whether a block can be the packet of this number: it has not come, and lies where its time says. Of what was
    /// before the first packet nothing is known.
    fn can_be(&self, sequence: SequenceNumber, timestamp: u32) -> bool {
        let is_before = |time: u32| time.wrapping_sub(timestamp).cast_signed() < 0;
        let agrees = |(other, time): &(SequenceNumber, u32)| {
            *other != sequence && *time != timestamp && other.precedes(sequence) == is_before(*time)
        };
        self.packets.iter().all(agrees) && self.packets.iter().any(|(other, _)| other.precedes(sequence))
    }

    /// Whether the frame of this packet was recovered under another number, as a padding before it was lost.
    fn is_under_another(&self, sequence: SequenceNumber, timestamp: u32) -> bool {
        self.packets.iter().any(|(other, time)| *time == timestamp && *other != sequence)
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() >= REMEMBERED {
        queue.pop_front();
    }
    queue.push_back(item);
}

impl Section {
    /// Whether packets of this type carry others in themselves.
    pub(super) fn is_redundant(&self, payload_type: u8) -> bool {
        self.is_audio() && self.codecs.iter().any(|(number, codec)| *number == payload_type && codec.is_red())
    }

    /// A packet with those before it in it. What is missing of them is taken first, so that frames come in order.
    pub(super) fn handle_redundant(
        &mut self,
        now: Instant,
        config: &MediaConfig,
        ssrc: u32,
        header: Header,
        payload: &[u8],
    ) -> Option<()> {
        if payload.is_empty() {
            return self.handle_padding(now, ssrc, &header);
        }
        let blocks = Blocks::decode(payload).ok()?;
        // The blocks of a packet are the packets right before it, the primary one last.
        let count = blocks.clone().count();
        for (index, block) in blocks.enumerate() {
            let behind = count.saturating_sub(index + 1);
            let (payload_type, timestamp) = (block.payload_type, block.timestamp(header.timestamp));
            let header = Header { payload_type, timestamp, ..header };
            if behind == 0 {
                return self.handle_primary(now, config, ssrc, header, block.payload);
            }
            // A sender that leaves packets out now and then is no reason to refuse the rest.
            if behind < REMEMBERED && !block.payload.is_empty() {
                let _ = self.handle_recovered(now, config, ssrc, header, behind, block.payload);
            }
        }
        None
    }

    /// A packet without a frame of its own still has its place among the numbers, and nobody is to wait for it.
    fn handle_padding(&mut self, now: Instant, ssrc: u32, header: &Header) -> Option<()> {
        let stream = self.stream_mut(ssrc)?;
        push_bounded(&mut stream.heard.paddings, header.sequence);
        stream.receiver_mut()?.handle_packet(now, header, &[]);
        Some(())
    }

    fn handle_primary(
        &mut self,
        now: Instant,
        config: &MediaConfig,
        ssrc: u32,
        header: Header,
        payload: &[u8],
    ) -> Option<()> {
        let heard = self.stream_mut(ssrc).map(|stream| &stream.heard);
        if heard.is_some_and(|heard| heard.is_under_another(header.sequence, header.timestamp)) {
            return self.handle_padding(now, ssrc, &header);
        }
        let taken = self.handle_media(now, config, ssrc, header, payload);
        self.stream_mut(ssrc)?.heard.remember(header.sequence, header.timestamp);
        taken
    }

    fn handle_recovered(
        &mut self,
        now: Instant,
        config: &MediaConfig,
        ssrc: u32,
        header: Header,
        behind: usize,
        payload: &[u8],
    ) -> Option<()> {
        let is_known = self.codec(header.payload_type)?.format().is_some();
        let stream = self.stream_mut(ssrc)?;
        let sequence = (0..behind).fold(header.sequence, |sequence, _| stream.heard.before(sequence));
        let header = Header { sequence, ..header };
        if !is_known || !stream.heard.can_be(header.sequence, header.timestamp) {
            return None;
        }
        stream.receiver_mut()?.handle_recovered(now, &header, payload);
        stream.heard.remember(header.sequence, header.timestamp);
        self.forward(now, config, ssrc, header, payload)
    }
}

/// What a stream needs that sends its packets with those before them.
pub(super) struct Redundancy {
    payload_type: u8,
    writer: Writer,
    buffer: Vec<u8>,
}

impl Redundancy {
    /// Nothing where the codec is preferred to redundancy, or there is none.
    pub(super) fn new(send: &SendParameters, config: &MediaConfig) -> Option<Self> {
        let best = send.types.iter().find(|one| one.codec.format().is_some() || one.codec.is_red())?;
        best.codec.is_red().then(|| Self {
            payload_type: best.number,
            writer: Writer::new(config.red_frames),
            buffer: Vec::new(),
        })
    }

    pub(super) const fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// Sends a frame of this type, with as many before it as there is room for.
    pub(super) fn send(
        &mut self,
        now: Instant,
        sender: &mut Sender,
        payload_type: u8,
        frame: &OutgoingFrame<'_>,
    ) -> Result<(), SendError> {
        self.buffer.clear();
        let limit = sender.config().max_payload;
        let (timestamp, marker) = (frame.timestamp, frame.starts_talk_spurt);
        self.writer.write(payload_type, timestamp, frame.data, limit, &mut self.buffer);
        let header = Header { marker, payload_type: self.payload_type, timestamp, ..Header::default() };
        let payload = Bytes::copy_from_slice(&self.buffer);
        sender.send_packet(now, OutgoingPacket { header, payload, is_key_frame: true, ..OutgoingPacket::default() })
    }
}
