use super::*;
use crate::payload::{FrameError, Payloads};
use proptest::prelude::*;

/// A key frame of 176 by 144 pixels and the frame behind it, by libaom.
const KEY: &[u8] = &[
    0x12, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x03, 0xbd, 0x7c, 0x79, 0xb5, 0xf2, 0x00, 0x80, 0x32, 0x23, 0x10, 0x00,
    0x84, 0x00, 0x02, 0x08, 0x20, 0x88, 0x00, 0x02, 0xc1, 0xb4, 0xae, 0x59, 0x1b, 0x60, 0x8b, 0x56, 0x05, 0xa9, 0x76,
    0x08, 0xc4, 0x84, 0xc8, 0xe2, 0x5d, 0x1a, 0xe5, 0xa8, 0xcb, 0xc4, 0x28, 0xa7, 0x80,
];
const DELTA: &[u8] = &[
    0x12, 0x00, 0x32, 0x18, 0x30, 0x03, 0x80, 0x80, 0xfd, 0xf8, 0x06, 0x90, 0x00, 0x16, 0x59, 0x65, 0x8a, 0x04, 0x10,
    0x80, 0x00, 0x97, 0x46, 0x99, 0x13, 0x94, 0xbe, 0x80,
];

fn cut(unit: &[u8], limit: usize) -> Vec<Vec<u8>> {
    let mut payloads = Payloads::default();
    Packetizer::new(0).packetize(unit, limit, &mut payloads).unwrap();
    payloads.iter().map(<[u8]>::to_vec).collect()
}

fn join<T: AsRef<[u8]>>(payloads: impl IntoIterator<Item = T>) -> Result<Vec<u8>, Malformed> {
    let mut depacketizer = Depacketizer::new();
    let mut frame = Vec::new();
    for payload in payloads {
        depacketizer.append(payload.as_ref(), &mut frame)?;
    }
    assert!(depacketizer.is_complete());
    Ok(frame)
}

#[test]
fn a_unit_in_one_payload_has_neither_sizes_nor_delimiter() {
    let payloads = cut(KEY, 1200);
    let expected = [&[0x28, 0x0c, 0x08][..], &KEY[4..15], &[0x30], &KEY[17..]].concat();
    assert_eq!(payloads, [expected]);
    assert_eq!(inspect(&payloads[0]), Ok(Inspection { starts_frame: Some(true), is_keyframe: true }));
    assert_eq!(join(&payloads).unwrap(), &KEY[2..]);

    let payloads = cut(DELTA, 1200);
    assert_eq!(payloads, [[&[0x10, 0x30][..], &DELTA[4..]].concat()]);
    assert_eq!(inspect(&payloads[0]), Ok(Inspection { starts_frame: None, is_keyframe: false }));
    assert_eq!(join(&payloads).unwrap(), &DELTA[2..]);
}

#[test]
fn a_long_obu_is_cut_evenly() {
    let unit = [&[0x32, 0x14][..], &[0x30; 20]].concat();
    let payloads = cut(&unit, 16);
    let headers: Vec<(u8, usize)> = payloads.iter().map(|payload| (payload[0], payload.len())).collect();
    assert_eq!(headers, [(0x50, 12), (0x90, 11)]);
    assert_eq!(inspect(&payloads[1]).unwrap().starts_frame, Some(false));
    assert_eq!(join(payloads).unwrap(), unit);
}

#[test]
fn more_obus_than_are_counted_have_their_lengths() {
    let obus: [&[u8]; 4] = [&[0x2a, 1, 7], &[0x2a, 0], &[0x1a, 2, 8, 9], &[0x22, 1, 5]];
    let payload = [0x00, 2, 0x28, 7, 1, 0x28, 3, 0x18, 8, 9, 2, 0x20, 5];
    assert_eq!(cut(&obus.concat(), 1200), [payload]);
    assert_eq!(join([payload]).unwrap(), obus.concat());
    // One byte less, and the last is alone. Its length goes, and that of the one before it.
    assert_eq!(cut(&obus.concat(), 12), [&[0x30, 2, 0x28, 7, 1, 0x28, 0x18, 8, 9][..], &[0x10, 0x20, 5]]);
}

/// RTP payload format for AV1, section 5.1.
#[test]
fn layers_do_not_share_a_payload() {
    let (sequence, metadata): (&[u8], &[u8]) = (&[0x0a, 1, 0], &[0x2a, 1, 7]);
    let lower: [&[u8]; 2] = [&[0x1e, 0x00, 1, 0x10], &[0x26, 0x00, 1, 2]];
    let upper: [&[u8]; 2] = [&[0x1e, 0x08, 1, 0x30], &[0x26, 0x08, 1, 4]];
    let unit = [&[sequence, metadata][..], &lower, &upper].concat().concat();
    let payloads = cut(&unit, 1200);
    let first = [0x00, 2, 0x08, 0, 2, 0x28, 7, 3, 0x1c, 0x00, 0x10, 3, 0x24, 0x00, 2];
    assert_eq!(payloads, [&first[..], &[0x20, 3, 0x1c, 0x08, 0x30, 0x24, 0x08, 4]]);
    assert_eq!(join(payloads).unwrap(), unit);
}

/// The length of an element takes two bytes from 128 bytes on, that of an OBU does not count its header.
#[test]
fn sizes_are_as_short_as_they_can_be() {
    for length in [0, 1, 126, 127, 128, 16_383, 16_384] {
        let payload = [&[0x10, 0x30][..], &vec![1; length]].concat();
        let size: Vec<u8> = obu::leb128_bytes(length).collect();
        assert_eq!(join([payload]).unwrap(), [&[0x32][..], &size, &vec![1; length]].concat());
    }
}

/// How browsers cut: fragments in a row, an extension, sizes that are there already, W of 0.
#[test]
fn payloads_of_other_packetizers_are_joined() {
    let row: [&[u8]; 4] = [&[0x50, 0x30, 11, 12], &[0xd0, 13, 14], &[0xd0, 15, 16, 17], &[0x90, 18]];
    assert_eq!(join(row).unwrap(), [0x32, 8, 11, 12, 13, 14, 15, 16, 17, 18]);
    let extended: [&[u8]; 1] = [&[0x10, 0x34, 0x48, 20, 30]];
    assert_eq!(join(extended).unwrap(), [0x36, 0x48, 2, 20, 30]);
    let sized: [&[u8]; 1] = [&[0x10, 0x36, 0x48, 2, 20, 30]];
    assert_eq!(join(sized).unwrap(), [0x36, 0x48, 2, 20, 30]);
    let many: [&[u8]; 2] =
        [&[0x40, 2, 0x08, 10, 2, 0x28, 20, 4, 0x2c, 0x30, 20, 30, 5, 0x34, 0x30, 40, 50, 60], &[0x90, 70, 80]];
    let expected = [0x0a, 1, 10, 0x2a, 1, 20, 0x2e, 0x30, 2, 20, 30, 0x36, 0x30, 5, 40, 50, 60, 70, 80];
    assert_eq!(join(many).unwrap(), expected);
    // A header cut off from its extension, and a fragment of nothing.
    let thin: [&[u8]; 3] = [&[0x50, 0x34], &[0xd0], &[0x90, 0x48, 7]];
    assert_eq!(join(thin).unwrap(), [0x36, 0x48, 1, 7]);
    // A delimiter, a tile list and padding are ignored.
    let needless: [&[u8]; 1] = [&[0x00, 1, 0x10, 2, 0x40, 1, 2, 0x30, 9, 2, 0x78, 0]];
    assert_eq!(join(needless).unwrap(), [0x32, 1, 9]);
}

/// The beginning of a key frame from Chromium.
#[test]
fn a_payload_of_a_browser_is_understood() {
    let payload =
        [0x68, 0x0c, 0x08, 0x00, 0x00, 0x00, 0x2c, 0xd6, 0xd3, 0x0c, 0xd5, 0x02, 0x00, 0x80, 0x30, 0x10, 0xc3, 0xc0];
    assert_eq!(inspect(&payload), Ok(Inspection { starts_frame: Some(true), is_keyframe: true }));
    let mut depacketizer = Depacketizer::new();
    let mut frame = Vec::new();
    depacketizer.append(&payload, &mut frame).unwrap();
    assert!(!depacketizer.is_complete());
    depacketizer.append(&[0x90, 0x07], &mut frame).unwrap();
    assert!(depacketizer.is_complete());
    assert_eq!(&frame[..2], &[0x0a, 0x0b]);
    assert_eq!(&frame[13..], &[0x32, 0x04, 0x10, 0xc3, 0xc0, 0x07]);
    assert_eq!((is_keyframe(&frame), dimensions(&frame)), (true, Some((874, 1076))));
}

#[test]
fn key_frames_tell_their_size() {
    assert_eq!((is_keyframe(KEY), dimensions(KEY)), (true, Some((176, 144))));
    assert_eq!((is_keyframe(DELTA), dimensions(DELTA)), (false, None));
    // A sequence header again, before a frame that is none to begin with.
    let repeated = [&KEY[..15], &DELTA[2..]].concat();
    assert_eq!((is_keyframe(&repeated), dimensions(&repeated)), (false, Some((176, 144))));
    assert_eq!(cut(&repeated, 1200)[0][0], 0x20);
}

#[test]
fn what_does_not_follow_is_refused() {
    let (begun, ended, whole): (&[u8], &[u8], &[u8]) = (&[0x50, 0x30, 1], &[0x90, 2], &[0x10, 0x30, 3]);
    for sequence in [&[ended][..], &[begun, whole], &[whole, ended], &[begun, begun], &[begun, ended, ended]] {
        let mut depacketizer = Depacketizer::new();
        let mut frame = Vec::new();
        let (last, before) = sequence.split_last().unwrap();
        for payload in before {
            depacketizer.append(payload, &mut frame).unwrap();
        }
        assert!(depacketizer.append(last, &mut frame).is_err());
        // Nothing of an OBU without its end is left, and nothing comes any more.
        assert!(frame.is_empty() || frame[0] == 0x32);
        let length = frame.len();
        assert!(depacketizer.append(whole, &mut frame).is_err());
        assert!(!depacketizer.is_complete());
        assert_eq!(frame.len(), length);
        depacketizer.begin();
        assert_eq!(depacketizer.append(whole, &mut frame), Ok(()));
    }
}

#[test]
fn malformed_payloads_are_refused() {
    let payloads: [&[u8]; 12] = [
        &[],
        // Nothing behind the header, or fewer elements than counted.
        &[0x00],
        &[0x10],
        &[0x20, 1, 0x30],
        &[0x30, 1, 0x30],
        // Lengths that lead out, or never end.
        &[0x00, 2, 0x30],
        &[0x20, 9, 0x30, 1],
        &[0x00, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
        // A sequence that begins within an OBU, the forbidden bit, a missing extension.
        &[0x98, 0x30, 1],
        &[0x10, 0xb0, 1],
        &[0x10, 0x34],
        // A size that is not what came.
        &[0x10, 0x32, 2, 1],
    ];
    for payload in payloads {
        assert!(join([payload]).is_err(), "{payload:?}");
    }
    for payload in cut(KEY, 1200) {
        for length in 0..15 {
            assert!(inspect(&payload[..length]).is_err() || length == 14, "{length}");
        }
    }
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let mut payloads = Payloads::default();
    let mut refusal = |unit: &[u8], limit| Packetizer::new(0).packetize(unit, limit, &mut payloads).unwrap_err();
    assert_eq!(refusal(&[], 1200), FrameError::Empty);
    assert_eq!(refusal(&[0x12, 0x00], 1200), FrameError::Empty);
    assert_eq!(refusal(&[0x32, 0x05, 1], 1200), FrameError::Invalid("OBU"));
    assert_eq!(refusal(&[0xb2, 0x01, 1], 1200), FrameError::Invalid("OBU header, whose first bit is forbidden"));
    assert_eq!(refusal(KEY, 1), FrameError::TooLong { length: KEY.len(), limit: 0 });
    assert!(payloads.is_empty());
    // Without a size, an OBU takes the rest.
    assert_eq!(cut(&[0x30, 1, 2], 1200), [[0x10, 0x30, 1, 2]]);
}

/// OBUs as bytes with sizes, and whether they are sent.
fn units() -> impl Strategy<Value = Vec<(Vec<u8>, bool)>> {
    let body = prop_oneof![4 => 0_usize..40, 2 => 100_usize..300, 1 => 0_usize..5000];
    let obu = (0_u8..16, prop::option::of(0_u8..2), body, any::<u8>()).prop_map(|(kind, layer, length, fill)| {
        let mut bytes = vec![kind << 3 | u8::from(layer.is_some()) << 2 | 0x02];
        bytes.extend(layer.map(|layer| layer << 3));
        bytes.extend(obu::leb128_bytes(length));
        bytes.extend((0..length).map(|index| fill.wrapping_add(index as u8)));
        (bytes, ![2, 8, 15].contains(&kind))
    });
    prop::collection::vec(obu, 1..12)
}

/// The layers that OBUs which begin in `payload` name.
fn layers(payload: &[u8]) -> Vec<u8> {
    let (_, elements) = Elements::new(payload).unwrap();
    let begun = elements.map(Result::unwrap).filter(|element| element.is_begun && element.bytes.len() >= 2);
    begun.filter_map(|element| ObuHeader::decode(&mut Reader::new(element.bytes)).ok()?.layer()).collect()
}

proptest! {
    #[test]
    fn descriptors_are_read_as_written(bits: [bool; 3], count in 0_u8..4) {
        let [continues_previous, continues_in_next, starts_sequence] = bits;
        let descriptor = Descriptor { continues_previous, continues_in_next, count, starts_sequence };
        let mut bytes = Vec::new();
        descriptor.encode(&mut bytes);
        let read = Descriptor::decode(&mut Reader::new(&bytes));
        prop_assert_eq!(read.is_ok(), !(continues_previous && starts_sequence));
        prop_assert!(read.is_err() || read == Ok(descriptor));
    }

    #[test]
    fn units_arrive_as_sent(obus in units(), limit in 2_usize..1200) {
        let unit: Vec<u8> = obus.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let expected: Vec<u8> = obus.iter().filter(|(_, is_sent)| *is_sent).flat_map(|(bytes, _)| bytes.clone()).collect();
        let mut payloads = Payloads::default();
        let result = Packetizer::new(0).packetize(&unit, limit, &mut payloads);
        if expected.is_empty() {
            prop_assert_eq!(result, Err(FrameError::Empty));
            return Ok(());
        }
        prop_assert_eq!(result, Ok(()));
        for (index, payload) in payloads.iter().enumerate() {
            prop_assert!(payload.len() <= limit);
            let inspection = inspect(payload).unwrap();
            prop_assert!(index > 0 || inspection.starts_frame != Some(false));
            prop_assert!(index == 0 || inspection.starts_frame != Some(true));
            let layers = layers(payload);
            prop_assert!(layers.windows(2).all(|pair| pair[0] == pair[1]));
        }
        prop_assert_eq!(join(payloads.iter()).unwrap(), expected);
    }

    /// Headers and lengths cost little, and no more payloads are made than must be.
    #[test]
    fn payloads_are_filled(obus in prop::collection::vec(1_usize..3000, 1..6), limit in 100_usize..1200) {
        let unit: Vec<u8> = obus.iter().flat_map(|length| {
            let mut bytes = vec![0x22];
            bytes.extend(obu::leb128_bytes(*length));
            bytes.resize(bytes.len() + length, 0);
            bytes
        }).collect();
        let payloads = cut(&unit, limit);
        let sent: usize = payloads.iter().map(Vec::len).sum();
        prop_assert!(sent <= unit.len() + 3 * payloads.len() + 2 * obus.len());
        prop_assert!(payloads.len() <= unit.len().div_ceil(limit - 12));
    }

    #[test]
    fn any_payloads_grow_the_frame_by_little_more_than_themselves(
        sequence in prop::collection::vec((any::<u8>(), prop::collection::vec(0_u8..64, 0..40)), 0..20),
    ) {
        let mut depacketizer = Depacketizer::new();
        let mut frame = Vec::new();
        for (header, elements) in &sequence {
            let payload = [&[*header][..], elements].concat();
            let before = frame.len();
            let is_ok = depacketizer.append(&payload, &mut frame).is_ok();
            let most = if is_ok { payload.len() + 5 } else { 0 };
            prop_assert!(frame.len() <= before + most);
            let _ = inspect(&payload);
            if !is_ok {
                depacketizer.begin();
            }
        }
    }

    #[test]
    fn any_bytes_as_a_unit_are_cut_or_refused(unit: Vec<u8>, limit in 0_usize..40) {
        let mut payloads = Payloads::default();
        if Packetizer::new(0).packetize(&unit, limit, &mut payloads).is_ok() {
            prop_assert!(join(payloads.iter()).is_ok());
        }
        let _ = (is_keyframe(&unit), dimensions(&unit));
    }
}
