use super::*;
use crate::payload::annexb;
use crate::payload::testing::{self, Unit};
use proptest::prelude::*;

/// Beginnings of parameter sets, as x265 writes them.
const VPS: [u8; 6] = [0x40, 0x01, 0x0c, 0x01, 0xff, 0xff];
const SPS: [u8; 5] = [0x42, 0x01, 0x01, 0x01, 0x60];
const PPS: [u8; 4] = [0x44, 0x01, 0xc1, 0x73];
/// Headers of an IDR picture (19) and of a trailing one (1).
const IDR: [u8; 2] = [0x26, 0x01];
const TRAILING: [u8; 2] = [0x02, 0x01];

fn frame(units: &[&[u8]]) -> Vec<u8> {
    let mut frame = Vec::new();
    units.iter().for_each(|unit| annexb::put_nal_unit(unit, &mut frame));
    frame
}

fn cut(units: &[&[u8]], limit: usize) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut payloads = Payloads::default();
    Packetizer::new().packetize(&frame(units), limit, &mut payloads)?;
    Ok(payloads.iter().map(<[u8]>::to_vec).collect())
}

fn join(payloads: &[&[u8]]) -> Result<Vec<u8>, Malformed> {
    let mut depacketizer = Depacketizer::new();
    let mut frame = Vec::new();
    payloads.iter().try_for_each(|payload| depacketizer.append(payload, &mut frame))?;
    Ok(frame)
}

#[test]
fn parameter_sets_share_a_payload_and_the_picture_is_cut() {
    let picture = [&IDR[..], &[0xaa; 30]].concat();
    // An access unit delimiter in front is left out.
    let payloads = cut(&[&[0x46, 0x01, 0x10], &VPS, &SPS, &PPS, &picture], 23).unwrap();
    let shared = [&[0x60, 0x01, 0, 6][..], &VPS, &[0, 5], &SPS, &[0, 4], &PPS].concat();
    let fragment = |header, length| [&[0x62, 0x01, header][..], &vec![0xaa; length]].concat();
    assert_eq!(payloads, [shared, fragment(0x93, 15), fragment(0x53, 15)]);
    let payloads = cut(&[&picture], 17).unwrap();
    assert_eq!(payloads, [fragment(0x93, 10), fragment(0x13, 10), fragment(0x53, 10)]);
    // A unit alone is not wrapped.
    assert_eq!(cut(&[&picture], 32).unwrap(), std::slice::from_ref(&picture));
}

#[test]
fn an_aggregate_has_the_lowest_layer_and_sub_layer() {
    // Layers 2 and 1, sub-layers 1 and 3, the forbidden bit in one of them.
    let (first, second) = ([0x02, 2 << 3 | 1, 7], [0x82, 1 << 3 | 3, 7]);
    let payloads = cut(&[&first, &second], 100).unwrap();
    assert_eq!(payloads, [[&[0xe0, 1 << 3 | 1, 0, 3][..], &first, &[0, 3], &second].concat()]);
    // The top bit of a layer stands in the first byte.
    let (first, second) = ([0x03, 0x09, 7], [0x03, 0x0a, 7]);
    assert_eq!(cut(&[&first, &second], 100).unwrap()[0][..2], [0x61, 0x09]);
}

#[test]
fn what_cannot_be_sent_is_said() {
    let invalid = |units: &[&[u8]]| matches!(cut(units, 100), Err(FrameError::Invalid(_)));
    assert!(invalid(&[&PPS, &[0x26]]));
    assert!(invalid(&[&[0x46, 0x01, 0x10], &[0x60, 0x01, 1], &[0x62, 0x01, 1], &[0x64, 0x01, 1], &[0x7e, 0x01, 1]]));
    assert!(matches!(cut(&[&[0x26, 1, 2, 3, 4]], 3), Err(FrameError::TooLong { length: 5, limit: 3 })));
    let mut payloads = Payloads::default();
    assert!(Packetizer::new().packetize(&[0, 0, 0, 3, 0x26, 1, 1], 100, &mut payloads).is_err());
}

#[test]
fn all_structures_are_put_together() {
    let aggregate = [&[0x60, 0x01, 0, 6][..], &VPS, &[0, 5], &SPS].concat();
    let payloads: [&[u8]; 4] = [&aggregate, &[0x62, 0x01, 0x93, 1, 2], &[0x62, 0x01, 0x53, 3], &[0x02, 0x01]];
    assert_eq!(join(&payloads), Ok(frame(&[&VPS, &SPS, &[0x26, 0x01, 1, 2, 3], &TRAILING])));
    // A trailing picture that is not referred to has type 0; types from 51 on are passed over.
    assert_eq!(join(&[&[0x00, 0x01, 5], &[0x66, 0x01, 5]]), Ok(frame(&[&[0x00, 0x01, 5]])));
    // Layer and sub-layer survive fragmentation.
    assert_eq!(join(&[&[0x63, 0x0b, 0x81, 1], &[0x63, 0x0b, 0x41, 2]]), Ok(frame(&[&[0x03, 0x0b, 1, 2]])));
}

#[test]
fn what_makes_no_nal_unit_is_refused() {
    let refused = |payloads: &[&[u8]]| join(payloads).unwrap_err().what();
    assert_eq!(refused(&[&[]]), "payload header");
    assert_eq!(refused(&[&[0x26]]), "payload header");
    assert_eq!(refused(&[&[0x64, 0x01, 0, 0, 1]]), "payload structure, of a mode that was not negotiated");
    assert_eq!(refused(&[&[0x60, 0x01]]), "aggregation packet without NAL units");
    assert_eq!(refused(&[&[0x60, 0x01, 0, 3, 0x26, 0x01]]), "aggregated NAL unit");
    assert_eq!(refused(&[&[0x60, 0x01, 0, 1, 0x26]]), "header of an aggregated NAL unit");
    assert_eq!(refused(&[&[0x60, 0x01, 0, 3, 0x62, 0x01, 0x93]]), "aggregation of what is no NAL unit");
    assert_eq!(refused(&[&[0x62, 0x01]]), "fragment header");
    assert_eq!(refused(&[&[0x62, 0x01, 0xb0, 1]]), "fragment of what is no NAL unit");
    let (start, end): (&[u8], &[u8]) = (&[0x62, 0x01, 0x93, 1], &[0x62, 0x01, 0x53, 1]);
    assert_eq!(refused(&[end]), "fragment without its beginning");
    assert_eq!(refused(&[start, &[0x62, 0x01, 0x41, 1]]), "fragment without its beginning");
    assert_eq!(refused(&[start, end, end]), "fragment without its beginning");
    assert_eq!(refused(&[start, start]), "fragment without its end");
    assert_eq!(refused(&[start, &TRAILING]), "fragment without its end");
}

#[test]
fn key_frames_are_seen_in_each_of_their_payloads() {
    let seen = |payload: &[u8]| inspect(payload).map(|seen| (seen.starts_frame, seen.is_keyframe)).ok();
    let keys = (0..48).filter(|unit_type| seen(&[unit_type << 1, 1]).unwrap().1).collect::<Vec<_>>();
    assert_eq!(keys, [16, 17, 18, 19, 20, 21, 32, 33]);
    assert_eq!(seen(&[0x60, 0x01, 0, 2, 0x4e, 0x01, 0, 2, 0x26, 0x01]), Some((None, true)));
    assert_eq!(seen(&[0x60, 0x01, 0, 2, 0x46, 0x01, 0, 2, 0x02, 0x01]), Some((Some(true), false)));
    assert_eq!([seen(&[0x62, 0x01, 0x93]), seen(&[0x62, 0x01, 0x81])], [Some((None, true)), Some((None, false))]);
    assert_eq!([seen(&[0x62, 0x01, 0x13]), seen(&[0x62, 0x01, 0x53])], [Some((Some(false), true)); 2]);
    assert_eq!(seen(&[0x46, 0x01, 0x10]), Some((Some(true), false)));
    assert_eq!([seen(&[]), seen(&[0x26]), seen(&[0x60, 0x01]), seen(&[0x62, 0x01]), seen(&[0x64, 0x01, 1])], [None; 5]);
}

#[test]
fn payloads_of_the_next_frame_take_the_same_memory() {
    testing::memory_is_used_again(|payloads| {
        let picture = [&IDR[..], &[0x55; 5000]].concat();
        Packetizer::new().packetize(&frame(&[&VPS, &SPS, &PPS, &picture]), 1200, payloads)
    });
}

/// NAL units of all types, layers and sub-layers.
fn stream() -> impl Strategy<Value = Vec<Unit>> {
    testing::units(any::<u16>().prop_map(|header| vec![(header >> 8) as u8, (header as u8 & 0xf8) | 1 | header as u8]))
}

/// What arrives of them.
fn arrives(unit: &Unit) -> bool {
    matches!(unit.bytes[0] >> 1 & 0x3f, 0..=34 | 36..=47)
}

proptest! {
    #[test]
    fn what_is_cut_is_put_together(units in stream(), limit in 4_usize..80) {
        let mut packetizer = Packetizer::new();
        testing::round_trip(
            &units,
            arrives,
            limit,
            |frame, payloads| packetizer.packetize(frame, limit, payloads),
            inspect,
            |payloads| join(&payloads),
        )?;
    }

    #[test]
    fn any_payloads_are_taken_or_refused(
        payloads in prop::collection::vec(testing::payload(&[0x60, 0x62, 0x26, 0x02]), 0..8),
    ) {
        let mut depacketizer = Depacketizer::new();
        testing::hostile(&payloads, 4, inspect, |payload, frame| depacketizer.append(payload, frame))?;
    }

    #[test]
    fn any_frame_is_cut_or_refused(stream in prop::collection::vec(0_u8..4, 0..80), limit in 0_usize..30) {
        let mut payloads = Payloads::default();
        let cut = Packetizer::new().packetize(&stream, limit, &mut payloads);
        prop_assert_eq!(cut.is_ok(), !payloads.is_empty());
        prop_assert!(payloads.iter().all(|payload| payload.len() <= limit));
    }
}
