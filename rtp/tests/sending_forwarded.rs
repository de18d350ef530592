//! Several layers in, one stream out: what a forwarder does with a rewriter and a sender.

mod sending_common;

use rtp::send::{Config, Numbering, OutgoingPacket, Rewriter, SendError, Sender};
use rtp::{Header, SequenceNumber};
use sending_common::*;
use std::time::Instant;
use visavis_rtp as rtp;

/// A layer with frames of two packets.
struct Layer {
    id: u64,
    next: SequenceNumber,
    timestamp: u32,
}

impl Layer {
    fn frame(&mut self) -> [Header; 2] {
        self.timestamp = self.timestamp.wrapping_add(3000);
        [false, true].map(|marker| {
            let sequence = self.next;
            self.next = sequence.next();
            Header { marker, payload_type: 96, sequence, timestamp: self.timestamp, ssrc: self.id as u32 }
        })
    }
}

fn forward(sender: &mut Sender, rewriter: &mut Rewriter, now: Instant, id: u64, header: &Header) -> Vec<Packet> {
    if let Some(header) = rewriter.rewrite(now, id, header) {
        let payload = vec![id as u8; 60].into();
        sender.send_packet(now, OutgoingPacket { header, payload, ..OutgoingPacket::default() }).expect("taken");
    }
    drain(sender, now)
}

#[test]
fn switching_between_layers_leaves_no_seam() {
    let (mut sender, start) = sender(Config { numbering: Numbering::Kept, ..video() });
    let mut rewriter = Rewriter::new(90_000, SequenceNumber(65_500), 0xffff_0000);
    let mut layers = [
        Layer { id: 0, next: SequenceNumber(100), timestamp: 0 },
        Layer { id: 1, next: SequenceNumber(65_520), timestamp: 1 << 31 },
        Layer { id: 2, next: SequenceNumber(30_000), timestamp: u32::MAX - 10_000 },
    ];
    let mut packets = Vec::new();
    for frame in 0..90 {
        let now = start + 33 * MS * frame;
        rewriter.switch_to(u64::from(frame / 10 % 3));
        for layer in &mut layers {
            for header in layer.frame() {
                packets.extend(forward(&mut sender, &mut rewriter, now, layer.id, &header));
            }
        }
    }
    let expected = (0..180).map(|index| 65_500u16.wrapping_add(index)).collect::<Vec<_>>();
    assert_eq!(sequences(&packets), expected);
    for two in packets.windows(2) {
        let step = two[1].header.timestamp.wrapping_sub(two[0].header.timestamp);
        let is_new_frame = two[0].header.marker;
        assert!(if is_new_frame { (2900..3100).contains(&step) } else { step == 0 }, "a step of {step}");
    }
    assert!(packets.iter().all(|packet| packet.header.ssrc == SSRC));
    // A packet of a layer that is no longer forwarded is repaired by the number it went out with.
    let now = start + 33 * MS * 89;
    sender.handle_nack(now, [packets[170].header.sequence, packets[150].header.sequence]);
    let again = drain(&mut sender, now);
    assert_eq!(originals(&again), [packets[170].sequence(), packets[150].sequence()]);
    assert_eq!(again[1].payload[2..], packets[150].payload);
}

#[test]
fn what_a_layer_lost_is_missing_and_fits_when_it_comes_late() {
    let (mut sender, now) = sender(Config { numbering: Numbering::Kept, ..video() });
    let mut rewriter = Rewriter::new(90_000, SequenceNumber(10), 0);
    rewriter.switch_to(0);
    let mut layer = Layer { id: 0, next: SequenceNumber(500), timestamp: 0 };
    let (first, second) = (layer.frame(), layer.frame());
    let order = [first[0], second[0], second[1], first[1], first[1]];
    let packets =
        order.iter().flat_map(|header| forward(&mut sender, &mut rewriter, now, 0, header)).collect::<Vec<_>>();
    assert_eq!(sequences(&packets), [10, 12, 13, 11]);
    sender.handle_nack(now, numbers(&[11]));
    assert_eq!(originals(&drain(&mut sender, now)), [11]);
}

#[test]
fn numbers_go_on_where_their_giver_changes() {
    let (mut sender, now) = sender(video());
    let numbered = |sequence: u16| {
        let mut packet = packet(0, true, 100, 1);
        packet.header.sequence = SequenceNumber(sequence);
        packet
    };
    sender.send_packet(now, numbered(0)).unwrap();
    drain(&mut sender, now);
    // Two that wait get their numbers at once.
    sender.send_packet(now, numbered(0)).unwrap();
    sender.send_packet(now, numbered(0)).unwrap();
    sender.set_numbering(Numbering::Kept);
    assert_eq!(sender.next_number(), SequenceNumber(65_533));
    for used in [65_530, 65_532, 65_000] {
        assert_eq!(sender.send_packet(now, numbered(used)), Err(SendError::BadNumber), "{used} was given out");
    }
    sender.send_packet(now, numbered(65_535)).unwrap();
    sender.send_packet(now, numbered(65_533)).unwrap();
    sender.set_numbering(Numbering::Continuous);
    sender.send_packet(now, numbered(7)).unwrap();
    assert_eq!(sequences(&drain(&mut sender, now)), [65_531, 65_532, 65_535, 65_533, 0]);
}
