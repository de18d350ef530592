use super::*;
use crate::payload::annexb;
use crate::payload::testing::{self, Unit};
use proptest::prelude::*;

/// SPS and PPS of a small baseline stream.
const SPS: [u8; 7] = [0x67, 0x42, 0x00, 0x0a, 0xf8, 0x41, 0xa2];
const PPS: [u8; 4] = [0x68, 0xce, 0x38, 0x80];

fn frame(units: &[&[u8]]) -> Vec<u8> {
    let mut frame = Vec::new();
    units.iter().for_each(|unit| annexb::put_nal_unit(unit, &mut frame));
    frame
}

fn cut(mode: PacketizationMode, units: &[&[u8]], limit: usize) -> Result<Vec<Vec<u8>>, FrameError> {
    let mut payloads = Payloads::default();
    Packetizer::new(mode).packetize(&frame(units), limit, &mut payloads)?;
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
    let picture = [&[0x65][..], &[0xaa; 20]].concat();
    let payloads = cut(PacketizationMode::NonInterleaved, &[&[9, 0x10], &SPS, &PPS, &[6, 5, 1], &picture], 23).unwrap();
    let shared = [&[0x78, 0, 7][..], &SPS, &[0, 4], &PPS, &[0, 3, 6, 5, 1]].concat();
    // One byte longer than a payload with them would be, so it goes alone.
    assert_eq!(payloads, [shared, picture.clone()]);
    let payloads = cut(PacketizationMode::NonInterleaved, &[&picture], 12).unwrap();
    let fragment = |header, length| [&[0x7c, header][..], &vec![0xaa; length]].concat();
    assert_eq!(payloads, [fragment(0x85, 10), fragment(0x45, 10)]);
    let payloads = cut(PacketizationMode::NonInterleaved, &[&picture], 11).unwrap();
    assert_eq!(payloads, [fragment(0x85, 7), fragment(0x05, 7), fragment(0x45, 6)]);
}

#[test]
fn an_aggregate_is_as_important_as_its_units() {
    // A reference slice of importance 2, an SEI with the forbidden bit, a slice of importance 1.
    let payloads = cut(PacketizationMode::NonInterleaved, &[&[0x41, 1], &[0x86, 1], &[0x21, 1]], 100).unwrap();
    assert_eq!(payloads, [[0xd8, 0, 2, 0x41, 1, 0, 2, 0x86, 1, 0, 2, 0x21, 1]]);
}

#[test]
fn in_mode_0_each_unit_is_a_payload() {
    let mode = PacketizationMode::SingleNalUnit;
    let payloads = cut(mode, &[&[9, 0x10], &SPS, &PPS, &[0x65, 1, 2, 3, 4, 5, 6]], 7).unwrap();
    assert_eq!(payloads, [&SPS[..], &PPS, &[0x65, 1, 2, 3, 4, 5, 6]]);
    assert_eq!(cut(mode, &[&PPS, &SPS], 6), Err(FrameError::TooLong { length: 7, limit: 6 }));
}

#[test]
fn a_frame_that_fails_adds_no_payload() {
    let mut payloads = Payloads::default();
    let mut single = Packetizer::new(PacketizationMode::SingleNalUnit);
    single.packetize(&frame(&[&PPS]), 7, &mut payloads).unwrap();
    for mode in [PacketizationMode::SingleNalUnit, PacketizationMode::NonInterleaved] {
        let mut packetizer = Packetizer::new(mode);
        for wrong in [&[][..], &[0, 0], &[0x65, 1], &[0, 0, 0, 2, 0x65, 1], &[7, 0, 0, 1, 0x65, 1], &[0, 0, 1]] {
            assert!(
                matches!(packetizer.packetize(wrong, 100, &mut payloads), Err(FrameError::Invalid(_))),
                "{wrong:?}"
            );
        }
        // Only what RTP has no use for, or uses itself.
        let useless = frame(&[&[9, 0x10], &[0x78, 0, 1, 0x65], &[0x7c, 0x85, 1], &[0x1e, 1], &[0x40, 1]]);
        assert!(matches!(packetizer.packetize(&useless, 100, &mut payloads), Err(FrameError::Invalid(_))));
        let long = frame(&[&PPS, &SPS]);
        assert!(matches!(packetizer.packetize(&long, 2, &mut payloads), Err(FrameError::TooLong { limit: 2, .. })));
    }
    single.packetize(&frame(&[&SPS]), 7, &mut payloads).unwrap();
    assert_eq!(payloads.iter().collect::<Vec<_>>(), [&PPS[..], &SPS]);
}

#[test]
fn all_structures_are_put_together() {
    let aggregate = [&[0x78, 0, 7][..], &SPS, &[0, 4], &PPS].concat();
    let payloads: [&[u8]; 5] = [&aggregate, &[0x7c, 0x85, 1, 2], &[0x7c, 0x05], &[0x7c, 0x45, 3], &[0x06, 5]];
    assert_eq!(join(&payloads), Ok(frame(&[&SPS, &PPS, &[0x65, 1, 2, 3], &[0x06, 5]])));
    // The reserved bit, and both the start and the end at once.
    assert_eq!(join(&[&[0x7c, 0xa5, 1], &[0x7c, 0x65, 2], &[0x5c, 0xc1, 3]]), Ok(frame(&[&[0x65, 1, 2], &[0x41, 3]])));
    // Types that are reserved are passed over, wherever they are.
    let reserved: [&[u8]; 4] = [&[0x1f, 1], &[0x7c, 0x9e, 1], &[0x18, 0, 2, 0x1e, 1, 0, 2, 0x41, 1], &[0x00]];
    assert_eq!(join(&reserved), Ok(frame(&[&[0x41, 1]])));
}

#[test]
fn what_makes_no_nal_unit_is_refused() {
    let refused = |payloads: &[&[u8]]| join(payloads).unwrap_err().what();
    assert_eq!(refused(&[&[]]), "payload header");
    // STAP-B, MTAP16, MTAP24, FU-B
    for unit_type in [25, 26, 27, 29] {
        assert_eq!(refused(&[&[unit_type, 0, 0, 0, 1, 0x65]]), "payload structure, of a mode that was not negotiated");
    }
    assert_eq!(refused(&[&[0x78]]), "aggregation packet without NAL units");
    assert_eq!(refused(&[&[0x78, 0]]), "aggregated NAL unit");
    assert_eq!(refused(&[&[0x78, 0, 1, 0x65, 0, 2, 0x65]]), "aggregated NAL unit");
    assert_eq!(refused(&[&[0x78, 0, 0]]), "header of an aggregated NAL unit");
    assert_eq!(refused(&[&[0x78, 0, 4, 0x78, 0, 1, 0x65]]), "aggregation of what is no NAL unit");
    assert_eq!(refused(&[&[0x78, 0, 3, 0x7c, 0x85, 1]]), "aggregation of what is no NAL unit");
    assert_eq!(refused(&[&[0x7c]]), "fragment header");
    assert_eq!(refused(&[&[0x7c, 0x9c, 1]]), "fragment of what is no NAL unit");
}

#[test]
fn fragments_without_their_neighbours_are_refused() {
    let refused = |payloads: &[&[u8]]| join(payloads).unwrap_err().what();
    let (start, middle, end): (&[u8], &[u8], &[u8]) = (&[0x7c, 0x85, 1], &[0x7c, 0x05, 2], &[0x7c, 0x45, 3]);
    assert_eq!(refused(&[middle]), "fragment without its beginning");
    assert_eq!(refused(&[end]), "fragment without its beginning");
    assert_eq!(refused(&[start, end, end]), "fragment without its beginning");
    assert_eq!(refused(&[start, &[0x5c, 0x41, 3]]), "fragment without its beginning");
    assert_eq!(refused(&[start, start]), "fragment without its end");
    assert_eq!(refused(&[start, &[0x41, 1]]), "fragment without its end");
    assert_eq!(refused(&[start, &[0x78, 0, 1, 0x41]]), "fragment without its end");
}

#[test]
fn what_is_refused_adds_nothing_and_takes_the_unit_with_it() {
    let mut depacketizer = Depacketizer::new();
    let mut bytes = Vec::new();
    depacketizer.append(&[0x7c, 0x85, 1], &mut bytes).unwrap();
    assert!(!depacketizer.is_complete());
    let before = bytes.clone();
    depacketizer.append(&[0x78, 0, 1, 0x41, 0, 9, 0x41], &mut bytes).unwrap_err();
    assert_eq!(bytes, before);
    depacketizer.append(&[0x7c, 0x45, 3], &mut bytes).unwrap_err();
    assert_eq!(bytes, before);
    // The next frame is not affected, nor is one after a frame that lacks its end.
    bytes.clear();
    depacketizer.append(&[0x7c, 0x85, 1], &mut bytes).unwrap();
    depacketizer.begin();
    bytes.clear();
    depacketizer.append(&[0x7c, 0x45, 3], &mut bytes).unwrap_err();
    depacketizer.append(&[0x41, 3], &mut bytes).unwrap();
    assert!(depacketizer.is_complete());
    assert_eq!(bytes, [0, 0, 0, 1, 0x41, 3]);
}

#[test]
fn key_frames_are_seen_in_each_of_their_payloads() {
    let seen = |payload: &[u8]| inspect(payload).map(|seen| (seen.starts_frame, seen.is_keyframe)).ok();
    assert_eq!(seen(&[0x65, 1]), Some((None, true)));
    assert_eq!(seen(&SPS), Some((None, true)));
    assert_eq!([seen(&PPS), seen(&[0x41, 1]), seen(&[0x06, 1])], [Some((None, false)); 3]);
    assert_eq!(seen(&[0x18, 0, 1, 0x06, 0, 1, 0x65]), Some((None, true)));
    assert_eq!(seen(&[0x18, 0, 1, 0x06, 0, 1, 0x41]), Some((None, false)));
    assert_eq!([seen(&[0x7c, 0x85, 1]), seen(&[0x5c, 0x81, 1])], [Some((None, true)), Some((None, false))]);
    assert_eq!([seen(&[0x7c, 0x05, 1]), seen(&[0x7c, 0x45])], [Some((Some(false), true)); 2]);
    assert_eq!(seen(&[0x5c, 0x01, 1]), Some((Some(false), false)));
    // A delimiter is the first of its access unit.
    assert_eq!(seen(&[0x09, 0x10]), Some((Some(true), false)));
    assert_eq!(seen(&[0x18, 0, 2, 0x09, 0x10, 0, 1, 0x67]), Some((Some(true), true)));
    assert_eq!(seen(&[0x18, 0, 1, 0x06, 0, 2, 0x09, 0x10]), Some((None, false)));
    assert_eq!(seen(&[0x1f, 1]), Some((None, false)));
    assert_eq!([seen(&[]), seen(&[0x18]), seen(&[0x18, 0, 2, 0x65]), seen(&[0x1c]), seen(&[0x1b, 1])], [None; 5]);
}

#[test]
fn payloads_of_the_next_frame_take_the_same_memory() {
    testing::memory_is_used_again(|payloads| {
        let picture = vec![0x65; 5000];
        Packetizer::default().packetize(&frame(&[&SPS, &PPS, &picture]), 1200, payloads)
    });
}

/// NAL units of all types, with short and long start codes in front.
fn stream() -> impl Strategy<Value = Vec<Unit>> {
    testing::units((0_u8..4, 0_u8..32).prop_map(|(importance, unit_type)| vec![importance << 5 | unit_type]))
}

/// What arrives of them.
fn arrives(unit: &Unit) -> bool {
    matches!(unit.bytes[0] & 0x1f, 1..=8 | 10..=23)
}

proptest! {
    #[test]
    fn what_is_cut_is_put_together(units in stream(), limit in 3_usize..80) {
        let mut packetizer = Packetizer::default();
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
    fn single_units_are_put_together(units in stream()) {
        let mut packetizer = Packetizer::new(PacketizationMode::SingleNalUnit);
        let limit = 400;
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
        payloads in prop::collection::vec(testing::payload(&[0x78, 0x7c, 0x65, 0x41]), 0..8),
    ) {
        let mut depacketizer = Depacketizer::new();
        testing::hostile(&payloads, 3, inspect, |payload, frame| depacketizer.append(payload, frame))?;
    }

    #[test]
    fn any_frame_is_cut_or_refused(stream in prop::collection::vec(0_u8..4, 0..80), limit in 0_usize..30) {
        for mode in [PacketizationMode::SingleNalUnit, PacketizationMode::NonInterleaved] {
            let mut payloads = Payloads::default();
            let cut = Packetizer::new(mode).packetize(&stream, limit, &mut payloads);
            prop_assert_eq!(cut.is_ok(), !payloads.is_empty());
            prop_assert!(payloads.iter().all(|payload| payload.len() <= limit));
        }
    }
}
