//! Senders to test, and what comes out of them.
#![allow(dead_code, reason = "every test file uses some of it")]

use bytes::Bytes;
use rtp::payload::Format;
use rtp::send::{Config, Kind, Media, OutgoingFrame, OutgoingPacket, Rtx, SendError, Sender};
use rtp::{Header, SequenceNumber};
use std::time::{Duration, Instant};
use visavis_rtp as rtp;

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SSRC: u32 = 0x1111;
pub(crate) const RTX: Rtx = Rtx { ssrc: 0x2222, payload_type: 97 };

/// A packet that came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) kind: Kind,
    pub(crate) header: Header,
    pub(crate) original: Option<u16>,
    pub(crate) payload: Vec<u8>,
    pub(crate) padding: u8,
    pub(crate) tag: u64,
}

impl Packet {
    pub(crate) fn sequence(&self) -> u16 {
        self.header.sequence.0
    }
}

pub(crate) fn audio() -> Config {
    Config { format: Some(Format::Opus), ..Config::new(Media::Audio, SSRC, 111, 48_000) }
}

pub(crate) fn video() -> Config {
    Config {
        rtx: Some(RTX),
        first_sequence: Some(SequenceNumber(65_530)),
        timestamp_offset: Some(0xffff_f000),
        ..Config::new(Media::Video, SSRC, 96, 90_000)
    }
}

pub(crate) fn sender(config: Config) -> (Sender, Instant) {
    (Sender::new(config, sim::start(), [7; 32]), sim::start())
}

/// The next packet; `next_size` must have told its size.
pub(crate) fn poll(sender: &mut Sender, now: Instant) -> Option<Packet> {
    let (size, kind, header_size) = (sender.next_size(), sender.next_kind(), sender.config().header_size);
    let Some(outgoing) = sender.poll(now) else {
        assert_eq!((size, kind), (None, None), "a size, but no packet");
        return None;
    };
    assert_eq!(size, Some(header_size + outgoing.payload_size()), "another size than was told");
    assert_eq!(kind, Some(outgoing.kind), "another kind than was told");
    let mut payload = Vec::new();
    outgoing.append_payload(&mut payload);
    assert_eq!(payload.len(), outgoing.payload_size());
    Some(Packet {
        kind: outgoing.kind,
        header: outgoing.header,
        original: outgoing.original.map(|original| original.0),
        payload,
        padding: outgoing.padding,
        tag: outgoing.tag,
    })
}

/// All there is to send.
pub(crate) fn drain(sender: &mut Sender, now: Instant) -> Vec<Packet> {
    let packets = std::iter::from_fn(|| poll(sender, now)).take(100_000).collect();
    assert_eq!(poll(sender, now), None, "nothing, then something");
    packets
}

pub(crate) fn sequences(packets: &[Packet]) -> Vec<u16> {
    packets.iter().map(Packet::sequence).collect()
}

pub(crate) fn originals(packets: &[Packet]) -> Vec<u16> {
    packets.iter().filter_map(|packet| packet.original).collect()
}

pub(crate) fn numbers(numbers: &[u16]) -> impl Iterator<Item = SequenceNumber> {
    numbers.iter().copied().map(SequenceNumber)
}

pub(crate) fn send_audio(sender: &mut Sender, now: Instant, timestamp: u32) -> Result<(), SendError> {
    sender.send_frame(now, &OutgoingFrame { data: b"a frame", timestamp, ..OutgoingFrame::default() })
}

/// A packet of video with `length` bytes, all of them `fill`.
pub(crate) fn packet(timestamp: u32, marker: bool, length: usize, fill: u8) -> OutgoingPacket {
    let header = Header { marker, payload_type: 96, sequence: SequenceNumber(0), timestamp, ssrc: 5 };
    OutgoingPacket { header, payload: Bytes::from(vec![fill; length]), ..OutgoingPacket::default() }
}

/// Gives `count` packets of 100 bytes, each a frame, and takes them.
pub(crate) fn sent(sender: &mut Sender, now: Instant, count: u32) -> Vec<Packet> {
    for index in 0..count {
        sender.send_packet(now, packet(index * 3000, true, 100, index as u8)).expect("room in the queue");
    }
    drain(sender, now)
}
