#![no_main]
//! Takes arbitrary bytes for payloads, then for a frame, of the format that the first byte chooses: nothing panics,
//! frames grow no faster than payloads come, and what was cut is looked at and joined without complaint.

use libfuzzer_sys::fuzz_target;
use rtp::payload::{Depacketizer, Format, Packetizer, Payloads, av1, inspect, vp8, vp9};
use wire::Reader;

const FORMATS: [Format; 8] =
    [Format::Opus, Format::Pcmu, Format::Pcma, Format::Vp8, Format::Vp9, Format::H264, Format::H265, Format::Av1];

/// A payload may come with a start code or size for each of its units; a unit takes at least a byte.
fn most(payload: &[u8]) -> usize {
    5 * payload.len() + 16
}

/// Payloads with a length in one byte before each; at 0, another frame begins.
fn join(format: Format, bytes: &[u8]) {
    let mut depacketizer = Depacketizer::new(format);
    let mut frame = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Ok(length) = reader.u8("length") {
        if length == 0 {
            depacketizer.begin();
            frame.clear();
            continue;
        }
        let payload = reader.bytes(usize::from(length), "payload").unwrap_or_else(|_| reader.rest());
        let _ = inspect(format, payload);
        let before = frame.len();
        let _ = depacketizer.append(payload, &mut frame);
        assert!(frame.len() <= before + most(payload), "more comes out than went in");
    }
    let _ = depacketizer.is_complete();
}

/// What was cut is looked at without complaint. Joined, it is what comes out again if it is cut once more: the first
/// time, what need not be sent may have been left out.
fn cut_and_join(format: Format, limit: usize, frame: &[u8]) -> Option<Vec<u8>> {
    let mut payloads = Payloads::default();
    if Packetizer::new(format, 0).packetize(frame, limit, &mut payloads).is_err() {
        assert!(payloads.is_empty(), "a frame was refused and sent");
        return None;
    }
    assert!(!payloads.is_empty(), "a frame was lost");
    let mut depacketizer = Depacketizer::new(format);
    let mut joined = Vec::new();
    for (index, payload) in payloads.iter().enumerate() {
        assert!(payload.len() <= limit, "a payload is too long");
        let inspection = inspect(format, payload).expect("own payload");
        assert!(index > 0 || inspection.starts_frame != Some(false), "the first payload is not the first");
        depacketizer.append(payload, &mut joined).expect("own payload");
    }
    assert!(depacketizer.is_complete());
    Some(joined)
}

/// What forwarders do: descriptors that were read are written so that they are read as the same.
fn descriptors(bytes: &[u8]) {
    let mut written = Vec::new();
    if let Ok(descriptor) = vp8::Descriptor::decode(&mut Reader::new(bytes)) {
        descriptor.encode(&mut written);
        assert_eq!(vp8::Descriptor::decode(&mut Reader::new(&written)), Ok(descriptor));
    }
    written.clear();
    if let Ok(descriptor) = vp9::Descriptor::decode(&mut Reader::new(bytes)) {
        descriptor.encode(&mut written);
        assert_eq!(vp9::Descriptor::decode(&mut Reader::new(&written)), Ok(descriptor));
        if let Some(structure) = descriptor.structure {
            assert!(structure.resolutions().count() <= 8);
            assert!(structure.group().count() <= 255);
        }
    }
    written.clear();
    if let Ok(descriptor) = av1::Descriptor::decode(&mut Reader::new(bytes)) {
        descriptor.encode(&mut written);
        assert_eq!(av1::Descriptor::decode(&mut Reader::new(&written)), Ok(descriptor));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [choice, limit, rest @ ..] = bytes else { return };
    let Some(format) = FORMATS.get(usize::from(*choice) % FORMATS.len()) else { return };
    join(*format, rest);
    descriptors(rest);
    let _ = (vp8::dimensions(rest), vp9::dimensions(rest), av1::dimensions(rest), av1::is_keyframe(rest));
    // The least limits leave no room for the headers of a format.
    if let Some(joined) = cut_and_join(*format, usize::from(*limit), rest) {
        if matches!(format, Format::Vp8 | Format::Vp9) {
            assert_eq!(joined, rest, "a frame did not arrive as sent");
        }
        let again = cut_and_join(*format, usize::from(*limit), &joined);
        assert_eq!(again.as_ref(), Some(&joined), "what arrived is not sent as it is");
    }
});
