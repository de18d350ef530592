//! Layers that are lost, reordered and switched, and what comes out.

use super::*;
use crate::payload::vp8::{self, PictureId};
use crate::payload::vp9;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeSet;
use wire::Reader;

const FRAME: Duration = Duration::from_millis(40);
const TICKS: u32 = 3600;

/// A layer of VP8 with two packets in each frame.
struct Layer {
    source: u64,
    next: u16,
    timestamp: u32,
    picture: PictureId,
    tl0picidx: u8,
    keyidx: u8,
}

impl Layer {
    fn new(source: u64) -> Self {
        let picture = PictureId::Long(0x7ff0);
        Self { source, next: 65_530, timestamp: u32::MAX - 9_000, picture, tl0picidx: 250, keyidx: 30 }
    }

    fn incoming(&mut self, marker: bool, payload: Vec<u8>) -> Incoming {
        let sequence = SequenceNumber(self.next);
        self.next = self.next.wrapping_add(1);
        let header = Header { marker, payload_type: 96, sequence, timestamp: self.timestamp, ssrc: self.source as u32 };
        let payload = payload.into();
        Incoming { source: self.source, format: Some(Format::Vp8), clock_rate: 90_000, header, payload }
    }

    /// The packets of the next frame.
    fn frame(&mut self, is_key_frame: bool) -> [Incoming; 2] {
        self.timestamp = self.timestamp.wrapping_add(TICKS);
        self.picture = self.picture.next();
        self.tl0picidx = self.tl0picidx.wrapping_add(1);
        self.keyidx = (self.keyidx + u8::from(is_key_frame)) & 0x1f;
        [true, false].map(|starts_partition| {
            let descriptor = vp8::Descriptor {
                starts_partition,
                picture_id: Some(self.picture),
                tl0picidx: Some(self.tl0picidx),
                tid: Some(0),
                keyidx: Some(self.keyidx),
                ..vp8::Descriptor::default()
            };
            let mut payload = Vec::new();
            descriptor.encode(&mut payload);
            payload.extend([u8::from(!is_key_frame), self.source as u8, 7]);
            self.incoming(!starts_partition, payload)
        })
    }

    fn padding(&mut self) -> Incoming {
        self.incoming(false, Vec::new())
    }
}

fn forwarder() -> Forwarder {
    Forwarder::new(SequenceNumber(65_500), 0xffff_ff00)
}

fn descriptor(packet: &Forwarded) -> vp8::Descriptor {
    vp8::Descriptor::decode(&mut Reader::new(&packet.payload)).unwrap()
}

fn source(packet: &Forwarded) -> u8 {
    packet.payload[packet.payload.len() - 2]
}

#[test]
fn a_source_begins_with_a_key_frame_and_the_one_before_goes_on_until_then() {
    let (mut forwarder, mut now) = (forwarder(), sim::start());
    let mut layers = [Layer::new(0), Layer::new(1)];
    let mut from = Vec::new();
    for number in 0..8 {
        now += FRAME;
        forwarder.choose(u64::from(number >= 3));
        // Key frames of both come in 2 and 6, and one of the second layer in 1.
        for (index, layer) in layers.iter_mut().enumerate() {
            for packet in layer.frame(number == 2 || number == 6 || number == 1 && index == 1) {
                from.extend(forwarder.forward(now, &packet).map(|packet| (number, source(&packet))));
            }
        }
    }
    // In the frame of the switch the first layer's came first.
    let expected = [(2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (6, 1), (7, 1)].map(|frame| [frame; 2]);
    assert_eq!(from, expected.concat());
}

#[test]
fn requests_go_to_the_layer_that_is_awaited_or_else_to_the_one_that_is_forwarded() {
    let (mut forwarder, now) = (forwarder(), sim::start());
    assert_eq!(forwarder.wants_key_frame(now), None, "nothing is chosen");
    forwarder.choose(0);
    assert_eq!(forwarder.wants_key_frame(now), Some(0));
    assert_eq!(forwarder.wants_key_frame(now + REPEAT / 2), None, "it was just told");
    assert_eq!(forwarder.wants_key_frame(now + REPEAT), Some(0), "the request may be lost");
    let mut layer = Layer::new(0);
    forwarder.request_key_frame();
    forwarder.forward(now, &layer.frame(true)[0]).unwrap();
    assert_eq!(forwarder.wants_key_frame(now + REPEAT * 3), None, "that was what was asked for");
    forwarder.request_key_frame();
    assert_eq!(forwarder.wants_key_frame(now), Some(0));
    assert_eq!(forwarder.wants_key_frame(now + REPEAT * 3), None, "a request is passed on once");
    forwarder.choose(1);
    forwarder.request_key_frame();
    assert_eq!(forwarder.wants_key_frame(now), Some(1));
    forwarder.choose(0);
    forwarder.choose(1);
    assert_eq!(forwarder.wants_key_frame(now), Some(1), "chosen again");
}

#[test]
fn a_source_does_not_begin_with_a_key_frame_of_long_ago() {
    let (mut forwarder, now) = (forwarder(), sim::start());
    let mut layer = Layer::new(0);
    let old = layer.frame(true);
    for _ in 0..20 {
        assert!(layer.frame(false).iter().all(|packet| forwarder.forward(now, packet).is_none()));
    }
    forwarder.choose(0);
    // Sent once more, to fill the path.
    assert!(old.iter().all(|packet| forwarder.forward(now, packet).is_none()));
    let numbers = layer.frame(true).map(|packet| forwarder.forward(now, &packet).unwrap().header.sequence.0);
    assert_eq!(numbers, [65_500, 65_501]);
    // But with one that counts anew.
    let mut other = Layer { next: 30_000, ..Layer::new(1) };
    assert!(other.frame(false).iter().all(|packet| forwarder.forward(now, packet).is_none()));
    other.next = 20_000;
    forwarder.choose(1);
    assert!(other.frame(true).iter().all(|packet| forwarder.forward(now, packet).is_none()));
    assert!(other.frame(false).iter().all(|packet| forwarder.forward(now, packet).is_none()));
    assert!(other.frame(true).iter().all(|packet| forwarder.forward(now, packet).is_some()));
}

#[test]
fn padding_vanishes_where_it_comes_in_order_and_fills_its_place_where_it_is_late() {
    let (mut forwarder, now) = (forwarder(), sim::start());
    forwarder.choose(0);
    let mut layer = Layer::new(0);
    let mut packets = Vec::new();
    packets.extend(layer.frame(true)); // 0 and 1
    packets.push(layer.padding()); // 2, lost
    packets.push(layer.padding()); // 3
    packets.extend(layer.frame(false)); // 4 and 5
    packets.push(layer.padding()); // 6, late
    packets.extend(layer.frame(false)); // 7 and 8
    let mut out = |index: usize| {
        let forwarded = forwarder.forward(now, &packets[index])?;
        Some((forwarded.header.sequence.0.wrapping_sub(65_500), forwarded.payload.is_empty()))
    };
    assert_eq!([out(0), out(1)], [Some((0, false)), Some((1, false))]);
    assert_eq!(out(3), None, "it is left out");
    assert_eq!([out(4), out(5)], [Some((3, false)), Some((4, false))], "2 is missing, 3 is not");
    assert_eq!([out(7), out(6), out(8)], [Some((6, false)), Some((5, true)), Some((7, false))]);
    assert_eq!(out(2), Some((2, true)), "the place in front of what was left out is as it was");
    assert_eq!(out(3), None, "twice");
}

#[test]
fn a_layer_without_some_counters_changes_nothing_for_the_others() {
    let (mut forwarder, mut now) = (forwarder(), sim::start());
    let (mut full, mut bare) = (Layer::new(0), Layer::new(1));
    forwarder.choose(0);
    let before = full.frame(true).map(|packet| descriptor(&forwarder.forward(now, &packet).unwrap()))[1];
    forwarder.choose(1);
    now += FRAME;
    for payload in [&[0x10, 0x00, 1, 7][..], &[0x00, 1, 7]] {
        let packet = bare.incoming(payload.len() == 3, payload.to_vec());
        assert_eq!(&forwarder.forward(now, &packet).unwrap().payload[..], payload);
    }
    forwarder.choose(0);
    full.picture = PictureId::Long(7);
    let after = full.frame(true).map(|packet| descriptor(&forwarder.forward(now, &packet).unwrap()))[0];
    assert_eq!(after.picture_id, before.picture_id.map(PictureId::next));
    assert_eq!(after.tl0picidx, before.tl0picidx.map(|index| index.wrapping_add(1)));
    assert_eq!(after.keyidx, before.keyidx.map(|index| (index + 1) & 0x1f));
}

#[test]
fn picture_ids_of_7_bits_become_15_and_go_on_where_their_width_changes() {
    let mut ids = Ids::default();
    let mut out = |beginning, id: PictureId| {
        let mut payload = Vec::new();
        vp8::Descriptor { picture_id: Some(id), ..vp8::Descriptor::default() }.encode(&mut payload);
        payload.push(1);
        let rewritten = ids.rewrite(beginning, Some(Format::Vp8), &payload.into());
        vp8::Descriptor::decode(&mut Reader::new(&rewritten)).unwrap().picture_id.unwrap()
    };
    use PictureId::{Long, Short};
    assert_eq!([out(1, Short(126)), out(1, Short(127)), out(1, Short(0))].map(PictureId::value), [126, 127, 128]);
    assert_eq!([out(1, Short(127)), out(1, Short(2))], [Long(127), Long(130)], "one came late, one is missing");
    for id in 3..=127 {
        out(1, Short(id));
    }
    // 255 is what came out last.
    assert_eq!([out(1, Long(128)), out(1, Short(127)), out(1, Long(129))], [Long(256), Long(255), Long(257)]);
    assert_eq!([out(2, Short(5)), out(2, Short(6))], [Long(258), Long(259)]);
}

fn vp9_packet(sequence: u16, is_key_frame: bool, picture: u16, tl0picidx: Option<u8>) -> Incoming {
    let descriptor = vp9::Descriptor {
        picture_id: Some(PictureId::Long(picture)),
        layer: tl0picidx.map(|tl0picidx| vp9::Layer { tl0picidx, ..vp9::Layer::default() }),
        references: vp9::References::Group { is_predicted: !is_key_frame },
        starts_frame: true,
        ends_frame: true,
        is_unused_above: true,
        structure: None,
    };
    let mut payload = Vec::new();
    descriptor.encode(&mut payload);
    // The frame marker, profile 0, and whether it is a key frame (VP9 bitstream specification, section 6.2).
    payload.extend(if is_key_frame { [0x82, 0x49, 0x83, 0x42, 0, 0, 0, 0, 0, 0] } else { [0x86; 10] });
    let header = Header { marker: true, sequence: SequenceNumber(sequence), ..Header::default() };
    Incoming { source: 0, format: Some(Format::Vp9), clock_rate: 90_000, header, payload: payload.into() }
}

#[test]
fn the_counters_of_vp9_go_on() {
    let (mut forwarder, now) = (forwarder(), sim::start());
    let mut out = |source: u64, packet: Incoming| {
        forwarder.choose(source);
        let forwarded = forwarder.forward(now, &Incoming { source, ..packet })?;
        let descriptor = vp9::Descriptor::decode(&mut Reader::new(&forwarded.payload)).unwrap();
        Some((descriptor.picture_id.unwrap().value(), descriptor.layer.map(|layer| layer.tl0picidx)))
    };
    assert_eq!(out(0, vp9_packet(1, false, 0x7ffe, Some(254))), None);
    assert_eq!(out(0, vp9_packet(2, true, 0x7fff, Some(255))), Some((0x7fff, Some(255))));
    assert_eq!(out(1, vp9_packet(7, true, 300, Some(9))), Some((0, Some(0))));
    assert_eq!(out(1, vp9_packet(8, false, 302, Some(11))), Some((2, Some(2))), "a picture was lost");
    assert_eq!(out(2, vp9_packet(1, true, 4, None)), Some((3, None)));
    assert_eq!(out(1, vp9_packet(99, true, 1, Some(77))), Some((4, Some(3))));
}

#[test]
fn a_source_of_h264_begins_with_its_parameter_sets() {
    let (mut forwarder, now) = (forwarder(), sim::start());
    forwarder.choose(0);
    let mut next = 0;
    let mut out = |marker: bool, payload: &[u8]| {
        next += 1;
        let header = Header { marker, sequence: SequenceNumber(next), ..Header::default() };
        let payload = Bytes::copy_from_slice(payload);
        let packet = Incoming { source: 0, format: Some(Format::H264), clock_rate: 90_000, header, payload };
        forwarder.forward(now, &packet).map(|forwarded| (forwarded.payload == packet.payload, forwarded.is_key_frame))
    };
    assert_eq!(out(false, &[0x41, 0x9a, 1]), None, "a slice of another picture");
    assert_eq!(out(true, &[0x7c, 0x85, 1]), None, "an IDR slice whose parameter sets may have been lost");
    let parameters = [0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce];
    assert_eq!(out(false, &parameters), Some((true, true)));
    assert_eq!(out(true, &[0x7c, 0x45, 1]), Some((true, true)));
    assert_eq!(out(true, &[0x41, 0x9a, 1]), Some((true, false)));
}

#[test]
fn sound_begins_at_once() {
    let (mut forwarder, now) = (forwarder(), sim::start());
    forwarder.choose(5);
    let packet = |source, number, format| {
        let (payload, header) = (Bytes::from_static(b"sound"), Header { sequence: number, ..Header::default() });
        Incoming { source, format, clock_rate: 48_000, header, payload }
    };
    let (one, two) = (SequenceNumber(1), SequenceNumber(2));
    assert_eq!(forwarder.forward(now, &packet(5, one, None)), None, "an event before any sound");
    assert!(forwarder.forward(now, &packet(5, two, Some(Format::Opus))).is_some());
    assert!(forwarder.forward(now, &packet(6, two, Some(Format::Opus))).is_none());
}

/// What happens to one frame of each layer.
#[derive(Clone, Copy, Debug)]
struct Step {
    choice: u64,
    key_frames: [bool; 3],
    /// For each layer, which of its packets are lost, and whether they come in the wrong order.
    fates: [(bool, bool, bool); 3],
    has_padding: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fate = (prop::bool::weighted(0.05), prop::bool::weighted(0.05), prop::bool::weighted(0.2));
    let step = (0..3_u64, prop::bool::weighted(0.1), prop::array::uniform3(prop::bool::weighted(0.2)))
        .prop_flat_map(move |head| (Just(head), prop::array::uniform3(fate), prop::bool::weighted(0.2)));
    prop::collection::vec(step, 1..300).prop_map(|all| {
        let mut choice = 0;
        let all = all.into_iter().map(|((wish, changes, key_frames), fates, has_padding)| {
            choice = if changes { wish } else { choice };
            Step { choice, key_frames, fates, has_padding }
        });
        all.collect()
    })
}

/// What came out of one packet, counted on where it wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    number: i64,
    timestamp: i64,
    picture: i64,
    tl0picidx: i64,
    source: u8,
    starts: bool,
    is_key_frame: bool,
}

/// Counts on from the last of before, within half a turn.
fn count_on(last: i64, value: u32, bits: u32) -> i64 {
    let turn = 1_i64 << bits;
    let ahead = (i64::from(value) - last).rem_euclid(turn);
    last + if ahead > turn / 2 { ahead - turn } else { ahead }
}

/// Plays the steps; gives what came out, and how many packets of the layers went in between that were lost.
fn play(steps: &[Step]) -> Vec<Seen> {
    let (mut forwarder, mut now) = (forwarder(), sim::start());
    let mut layers = [Layer::new(0), Layer::new(1), Layer::new(2)];
    layers[1].picture = PictureId::Short(100);
    let mut seen: Vec<Seen> = Vec::new();
    let mut last = (65_500, 0xffff_ff00, 0, 0);
    for step in steps {
        now += FRAME;
        forwarder.choose(step.choice);
        for (layer, (key, (first_lost, second_lost, swapped))) in
            layers.iter_mut().zip(step.key_frames.into_iter().zip(step.fates))
        {
            let [first, second] = layer.frame(key);
            let mut packets = vec![(first_lost, first), (second_lost, second)];
            if step.has_padding {
                packets.push((false, layer.padding()));
            }
            if swapped {
                packets.reverse();
            }
            for (_, packet) in packets.into_iter().filter(|(is_lost, _)| !is_lost) {
                let Some(out) = forwarder.forward(now, &packet) else { continue };
                last.0 = count_on(last.0, out.header.sequence.0.into(), 16);
                last.1 = count_on(last.1, out.header.timestamp, 32);
                if out.payload.is_empty() {
                    continue;
                }
                let descriptor = descriptor(&out);
                last.2 = count_on(last.2, descriptor.picture_id.unwrap().value().into(), 15);
                last.3 = count_on(last.3, descriptor.tl0picidx.unwrap().into(), 8);
                seen.push(Seen {
                    number: last.0,
                    timestamp: last.1,
                    picture: last.2,
                    tl0picidx: last.3,
                    source: source(&out),
                    starts: descriptor.starts_partition,
                    is_key_frame: out.is_key_frame,
                });
            }
        }
    }
    seen
}

proptest! {
    #[test]
    fn what_comes_out_is_one_stream(steps in steps()) {
        let seen = play(&steps);
        let numbers = seen.iter().map(|one| one.number).collect::<BTreeSet<_>>();
        prop_assert_eq!(numbers.len(), seen.len(), "a number came out twice");
        for two in seen.windows(2) {
            let (before, after) = (two[0], two[1]);
            if before.source != after.source {
                // A seam: the next number or, if that one was the last of its source in order, no gap at all.
                prop_assert!(after.starts && after.is_key_frame, "{after:?} is none to begin with");
                let highest = seen.iter().take_while(|one| **one != after).map(|one| one.number).max().unwrap();
                let picture = seen.iter().take_while(|one| **one != after).map(|one| one.picture).max().unwrap();
                let timestamp = seen.iter().take_while(|one| **one != after).map(|one| one.timestamp).max().unwrap();
                prop_assert!(after.number - highest <= 2 && after.number > highest, "{highest} then {after:?}");
                prop_assert_eq!(after.picture, picture + 1);
                prop_assert!(after.timestamp > timestamp);
                prop_assert!(after.timestamp - timestamp <= i64::from(TICKS) * 60, "{timestamp} then {after:?}");
            } else {
                // Within a source, everything runs as it does there.
                prop_assert_eq!(after.picture - before.picture, after.tl0picidx - before.tl0picidx);
                prop_assert_eq!((after.timestamp - before.timestamp) / i64::from(TICKS), after.picture - before.picture);
            }
        }
    }

    #[test]
    fn without_loss_nothing_is_missing(steps in steps()) {
        let steps = steps.into_iter().map(|step| Step { fates: Default::default(), ..step }).collect::<Vec<_>>();
        for two in play(&steps).windows(2) {
            prop_assert_eq!(two[1].number, two[0].number + 1);
            let is_next_picture = two[1].starts;
            prop_assert_eq!(two[1].picture, two[0].picture + i64::from(is_next_picture));
        }
    }

    #[test]
    fn any_bytes_are_taken(
        packets in prop::collection::vec((0_u64..2, any::<u16>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..12)), 0..200),
        format in 0..5_usize,
    ) {
        let mut forwarder = forwarder();
        let format = [Format::Vp8, Format::Vp9, Format::H264, Format::H265, Format::Av1][format];
        for (source, sequence, marker, payload) in packets {
            forwarder.choose(source);
            let header = Header { marker, sequence: SequenceNumber(sequence), ..Header::default() };
            let payload = payload.into();
            let packet = Incoming { source, format: Some(format), clock_rate: 0, header, payload };
            forwarder.forward(sim::start(), &packet);
        }
    }
}
