//! What the tests of H.264 and H.265 share.

use super::{FrameError, Inspection, Payloads};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use wire::Malformed;

/// A NAL unit, and how many zeros are around the start code before it.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) bytes: Vec<u8>,
    zeros: usize,
}

/// Access units of NAL units with such headers, with as few repetitions in sizes as there are in life.
pub(super) fn units(header: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<Unit>> {
    let body = prop_oneof![prop::collection::vec(0_u8..5, 1..12), prop::collection::vec(any::<u8>(), 1..250)];
    let unit = (header, body, 2_usize..5).prop_map(|(header, body, zeros)| {
        let mut run = header.iter().rev().take_while(|byte| **byte == 0).count();
        let mut bytes = header;
        for byte in body {
            // As an encoder keeps start codes from appearing.
            if run >= 2 && byte <= 3 {
                bytes.push(3);
                run = 0;
            }
            run = if byte == 0 { run + 1 } else { 0 };
            bytes.push(byte);
        }
        // The bit that ends the payload of each NAL unit.
        bytes.push(0x80);
        Unit { bytes, zeros }
    });
    prop::collection::vec(unit, 1..8)
}

/// Cuts, looks at each payload, puts together, and compares with what should arrive.
pub(super) fn round_trip(
    units: &[Unit],
    arrives: impl Fn(&Unit) -> bool,
    limit: usize,
    mut packetize: impl FnMut(&[u8], &mut Payloads) -> Result<(), FrameError>,
    inspect: impl Fn(&[u8]) -> Result<Inspection, Malformed>,
    join: impl Fn(Vec<&[u8]>) -> Result<Vec<u8>, Malformed>,
) -> Result<(), TestCaseError> {
    let (mut frame, mut expected) = (Vec::new(), Vec::new());
    for unit in units {
        frame.resize(frame.len() + unit.zeros, 0);
        frame.push(1);
        frame.extend_from_slice(&unit.bytes);
        if arrives(unit) {
            expected.extend_from_slice(&[0, 0, 0, 1]);
            expected.extend_from_slice(&unit.bytes);
        }
    }
    let mut payloads = Payloads::default();
    let cut = packetize(&frame, &mut payloads);
    prop_assert_eq!(cut.is_ok(), !expected.is_empty());
    prop_assert!(payloads.iter().all(|payload| (1..=limit).contains(&payload.len())));
    for payload in payloads.iter() {
        prop_assert!(inspect(payload).is_ok());
        prop_assert!(inspect(payload).is_ok_and(|seen| seen.starts_frame != Some(true)));
    }
    prop_assert_eq!(join(payloads.iter().collect()), Ok(expected));
    Ok(())
}

/// A payload that begins with one of these bytes, or not.
pub(super) fn payload(first: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let known = (prop::sample::select(first), prop::collection::vec(0_u8..4, 0..24)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        rest
    });
    prop_oneof![known, prop::collection::vec(any::<u8>(), 0..24)]
}

/// No payload adds more than its own bytes and four for each NAL unit in it, which takes `unit` bytes at least.
pub(super) fn hostile(
    payloads: &[Vec<u8>],
    unit: usize,
    inspect: impl Fn(&[u8]) -> Result<Inspection, Malformed>,
    mut append: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), Malformed>,
) -> Result<(), TestCaseError> {
    let mut frame = Vec::new();
    for payload in payloads {
        let before = frame.clone();
        match append(payload, &mut frame) {
            Ok(()) => {
                let most = before.len() + payload.len() + 4 * (payload.len() / unit + 1);
                prop_assert!(frame.starts_with(&before) && frame.len() <= most);
                prop_assert!(inspect(payload).is_ok());
            }
            Err(_) => prop_assert_eq!(&frame, &before),
        }
        let _ = inspect(payload);
    }
    Ok(())
}

/// After the first frame, a frame of the same size needs no allocation.
pub(super) fn memory_is_used_again(mut packetize: impl FnMut(&mut Payloads) -> Result<(), FrameError>) {
    let mut payloads = Payloads::default();
    packetize(&mut payloads).unwrap();
    let count = payloads.len();
    let before = (payloads.bytes.as_ptr(), payloads.bytes.capacity(), payloads.ends.capacity());
    payloads.clear();
    packetize(&mut payloads).unwrap();
    assert_eq!((payloads.bytes.as_ptr(), payloads.bytes.capacity(), payloads.ends.capacity()), before);
    assert_eq!(payloads.len(), count);
}
