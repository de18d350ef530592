use super::*;
use proptest::prelude::*;

/// A key frame of 176 by 144 pixels and the frame behind it, by libvpx.
const KEY: &[u8] = &[
    0x82, 0x49, 0x83, 0x42, 0x00, 0x0a, 0xf0, 0x08, 0xf6, 0x00, 0x38, 0x24, 0x1c, 0x18, 0x4a, 0x00, 0x00, 0x30, 0x60,
    0x00, 0x00, 0x13, 0xb8, 0x18, 0x00, 0x02, 0x63, 0x28, 0x01, 0x34, 0x5e, 0x00,
];
const DELTA: &[u8] =
    &[0x86, 0x00, 0x40, 0x92, 0x9c, 0x00, 0x50, 0x00, 0x00, 0x03, 0x20, 0x00, 0x00, 0x5a, 0x2d, 0x2a, 0xba, 0x80];

fn read(payload: &[u8]) -> (Descriptor<'_>, &[u8]) {
    let mut reader = Reader::new(payload);
    (Descriptor::decode(&mut reader).unwrap(), reader.rest())
}

const PLAIN: Descriptor<'static> = Descriptor {
    picture_id: None,
    layer: None,
    references: References::Group { is_predicted: false },
    starts_frame: false,
    ends_frame: false,
    is_unused_above: false,
    structure: None,
};

#[test]
fn both_modes_are_read() {
    let layer = Layer { tid: 1, sid: 1, needs_layer_below: true, ..Layer::default() };
    let id = Some(PictureId::Short(2));
    assert_eq!(read(&[0x00, 0xaa]), (PLAIN, &[0xaa][..]));
    // Non-flexible, with layers.
    let (descriptor, rest) = read(&[0xa0, 0x02, 0x23, 0x07, 0xaa]);
    let expected = Descriptor { picture_id: id, layer: Some(Layer { tl0picidx: 7, ..layer }), ..PLAIN };
    assert_eq!((descriptor, rest), (expected, &[0xaa][..]));
    // Flexible: no TL0PICIDX.
    let (descriptor, rest) = read(&[0xb0, 0x02, 0x23, 0x01, 0xaa]);
    let references = References::Listed(Differences::default());
    assert_eq!(descriptor, Descriptor { picture_id: id, layer: Some(layer), references, ..PLAIN });
    assert_eq!(rest, [0x01, 0xaa]);
    // Flexible, with two references.
    let (descriptor, rest) = read(&[0xd0, 0x81, 0xff, 0x03, 0x04, 0xaa]);
    let references = References::Listed(Differences::new(&[1, 2]).unwrap());
    assert_eq!(descriptor, Descriptor { picture_id: Some(PictureId::Long(0x01ff)), references, ..PLAIN });
    assert_eq!(rest, [0xaa]);
    assert!(descriptor.is_predicted());
}

#[test]
fn a_fourth_reference_is_refused() {
    assert!(Descriptor::decode(&mut Reader::new(&[0xd0, 0x02, 0x03, 0x05, 0x06, 0xaa])).is_ok());
    assert!(Descriptor::decode(&mut Reader::new(&[0xd0, 0x02, 0x03, 0x05, 0x07, 0x08, 0xaa])).is_err());
    assert_eq!(Differences::new(&[1, 2, 3, 4]), None);
    assert_eq!(Differences::new(&[0x80]), None);
    assert_eq!(Differences::new(&[1, 127]).unwrap().values(), [1, 127]);
}

#[test]
fn structures_are_read() {
    let payload = [0x0a, 0x38, 0x02, 0x80, 0x01, 0x68, 0x05, 0x00, 0x02, 0xd0, 2, 0x10, 0x44, 33, 0xaa];
    let (descriptor, rest) = read(&payload);
    let structure = descriptor.structure.unwrap();
    assert_eq!(structure.spatial_layers(), 2);
    assert!(structure.resolutions().eq([(640, 360), (1280, 720)]));
    let pictures = [
        GroupPicture { tid: 0, is_switching_up_point: true, differences: &[] },
        GroupPicture { tid: 2, is_switching_up_point: false, differences: &[33] },
    ];
    assert!(structure.group().eq(pictures));
    assert_eq!(rest, [0xaa]);
    let mut again = Vec::new();
    descriptor.encode(&mut again);
    assert_eq!(again, payload[..payload.len() - 1]);
    for length in 0..payload.len() {
        assert!(inspect(&payload[..length]).is_err());
    }
}

#[test]
fn a_structure_without_details_is_read() {
    let payload = [0x0a, 0x40, 0xaa];
    let (descriptor, rest) = read(&payload);
    let structure = descriptor.structure.unwrap();
    assert_eq!(structure.spatial_layers(), 3);
    assert_eq!((structure.resolutions().count(), structure.group().count()), (0, 0));
    assert_eq!(rest, [0xaa]);
}

/// The very bytes of a browser's packetizer for the same frames.
#[test]
fn frames_are_cut_as_browsers_do() {
    let key = [0x82, 0x49, 0x83, 0x42, 0x00, 0x77, 0xf0, 0x32, 0x34];
    let delta = [0x86, 0x00, 0x40, 0x92, 0xe1, 0x31, 0x42, 0x8c, 0xc0, 0x40];
    let mut packetizer = Packetizer::new(0x21f4);
    let mut payloads = Payloads::default();
    packetizer.packetize(&key, 20, &mut payloads).unwrap();
    packetizer.packetize(&delta, 20, &mut payloads).unwrap();
    packetizer.packetize(&delta, 9, &mut payloads).unwrap();
    let expected: [&[u8]; 4] = [
        &[
            0x8f, 0xa1, 0xf4, 0x18, 0x07, 0x80, 0x03, 0x24, 0x01, 0x14, 0x01, 0x82, 0x49, 0x83, 0x42, 0x00, 0x77, 0xf0,
            0x32, 0x34,
        ],
        &[0xcd, 0xa1, 0xf5, 0x86, 0x00, 0x40, 0x92, 0xe1, 0x31, 0x42, 0x8c, 0xc0, 0x40],
        &[0xc9, 0xa1, 0xf6, 0x86, 0x00, 0x40, 0x92, 0xe1],
        &[0xc5, 0xa1, 0xf6, 0x31, 0x42, 0x8c, 0xc0, 0x40],
    ];
    assert!(payloads.iter().eq(expected));
}

#[test]
fn key_frames_tell_their_size() {
    assert_eq!((is_keyframe(KEY), dimensions(KEY)), (true, Some((176, 144))));
    assert_eq!((is_keyframe(DELTA), dimensions(DELTA)), (false, None));
    let mut payloads = Payloads::default();
    Packetizer::new(0).packetize(KEY, 1200, &mut payloads).unwrap();
    let payload = payloads.iter().next().unwrap();
    let structure = read(payload).0.structure.unwrap();
    assert!(structure.resolutions().eq([(176, 144)]));
    assert!(structure.group().eq([GroupPicture { tid: 0, is_switching_up_point: true, differences: &[1] }]));
}

#[test]
fn what_is_no_vp9_is_refused() {
    let mut packetizer = Packetizer::new(9);
    let mut payloads = Payloads::default();
    let mut refusal = |frame: &[u8], limit| packetizer.packetize(frame, limit, &mut payloads).unwrap_err();
    assert_eq!(refusal(&[], 1200), FrameError::Empty);
    assert_eq!(refusal(&[0x65, 0x88, 0x84], 1200), FrameError::Invalid("VP9 frame marker"));
    assert_eq!(refusal(&KEY[..6], 1200), FrameError::Invalid("VP9 frame header"));
    assert_eq!(refusal(KEY, 11), FrameError::TooLong { length: KEY.len(), limit: 0 });
    assert_eq!(refusal(DELTA, 3), FrameError::TooLong { length: DELTA.len(), limit: 0 });
    assert!(payloads.is_empty());
    assert_eq!(packetizer.picture_id(), PictureId::Long(9));
}

/// Payloads of a picture with two spatial layers, the lower in two pieces.
const LAYERS: [&[u8]; 3] = [&[0xa8, 5, 0x00, 9, 0x82], &[0xa4, 5, 0x00, 9, 0x11], &[0xad, 5, 0x03, 9, 0x86, 0x22]];

#[test]
fn spatial_layers_are_joined_in_order() {
    let mut depacketizer = Depacketizer::new();
    let mut frame = Vec::new();
    for payload in LAYERS {
        depacketizer.append(payload, &mut frame).unwrap();
    }
    assert_eq!(frame, [0x82, 0x11, 0x86, 0x22]);
    let inspections = LAYERS.map(|payload| inspect(payload).unwrap());
    let expected = [(Some(true), true), (Some(false), false), (Some(false), false)];
    assert_eq!(inspections.map(|inspection| (inspection.starts_frame, inspection.is_keyframe)), expected);
    // A higher layer by itself may be the first or not.
    assert_eq!(inspect(&[0xac, 5, 0x02, 9, 0x86]).unwrap().starts_frame, None);
}

#[test]
fn what_does_not_follow_is_refused() {
    let orders: [&[usize]; 4] = [&[1], &[2, 0], &[0, 2, 1], &[0, 1, 2, 2]];
    for order in orders {
        let mut depacketizer = Depacketizer::new();
        let mut frame = Vec::new();
        let (last, before) = order.split_last().unwrap();
        for index in before {
            depacketizer.append(LAYERS[*index], &mut frame).unwrap();
        }
        let length = frame.len();
        assert!(depacketizer.append(LAYERS[*last], &mut frame).is_err(), "{order:?}");
        assert!(depacketizer.append(LAYERS[0], &mut frame).is_err(), "{order:?}");
        assert_eq!(frame.len(), length);
        depacketizer.begin();
        assert!(depacketizer.append(LAYERS[0], &mut frame).is_ok(), "{order:?}");
    }
    // Another picture.
    let mut depacketizer = Depacketizer::new();
    let mut frame = Vec::new();
    depacketizer.append(LAYERS[0], &mut frame).unwrap();
    assert!(depacketizer.append(&[0xa4, 6, 0x00, 9, 0x11], &mut frame).is_err());
}

/// A frame that needs no other may still not be one to begin with.
#[test]
fn only_key_frames_are_taken_for_key_frames() {
    let (key, intra_only) = ([0x88, 0x01, 0x82], [0x88, 0x01, 0x84]);
    assert!(inspect(&key).unwrap().is_keyframe);
    assert!(!inspect(&intra_only).unwrap().is_keyframe);
}

fn layers() -> impl Strategy<Value = Layer> {
    (0_u8..8, 0_u8..8, any::<[bool; 2]>(), any::<u8>()).prop_map(
        |(tid, sid, [is_switching_up_point, needs_layer_below], tl0picidx)| Layer {
            tid,
            is_switching_up_point,
            sid,
            needs_layer_below,
            tl0picidx,
        },
    )
}

fn references() -> impl Strategy<Value = References> {
    let listed = prop::collection::vec(0_u8..0x80, 0..4);
    prop_oneof![
        any::<bool>().prop_map(|is_predicted| References::Group { is_predicted }),
        listed.prop_map(|values| References::Listed(Differences::new(&values).unwrap())),
    ]
}

/// As bytes: some layers with or without sizes, and a group.
fn structures() -> impl Strategy<Value = Vec<u8>> {
    let pictures = prop::collection::vec((0_u8..16, prop::collection::vec(any::<u8>(), 0..4)), 0..20);
    (1_u8..9, any::<bool>(), any::<[u8; 32]>(), prop::option::of(pictures)).prop_map(
        |(count, has_sizes, sizes, group)| {
            let mut bytes = vec![(count - 1) << 5 | u8::from(has_sizes) << 4 | u8::from(group.is_some()) << 3];
            if has_sizes {
                bytes.extend(&sizes[..4 * usize::from(count)]);
            }
            if let Some(pictures) = group {
                bytes.push(pictures.len() as u8);
                for (layer, differences) in pictures {
                    bytes.push(layer << 4 | (differences.len() as u8) << 2);
                    bytes.extend(differences);
                }
            }
            bytes
        },
    )
}

proptest! {
    #[test]
    fn descriptors_are_read_as_written(
        id in prop::option::of(0_u16..0x8000),
        is_long: bool,
        layer in prop::option::of(layers()),
        references in references(),
        structure in prop::option::of(structures()),
        bits: [bool; 3],
        rest: Vec<u8>,
    ) {
        let structure = structure.as_ref().map(|bytes| Structure::decode(&mut Reader::new(bytes)).unwrap());
        let is_flexible = matches!(references, References::Listed(_));
        let [starts_frame, ends_frame, is_unused_above] = bits;
        let descriptor = Descriptor {
            picture_id: id.map(|id| if is_long { PictureId::Long(id) } else { PictureId::Short(id as u8 & 0x7f) }),
            layer: layer.map(|layer| Layer { tl0picidx: if is_flexible { 0 } else { layer.tl0picidx }, ..layer }),
            references,
            starts_frame,
            ends_frame,
            is_unused_above,
            structure,
        };
        let mut bytes = Vec::new();
        descriptor.encode(&mut bytes);
        let length = bytes.len();
        bytes.extend(&rest);
        prop_assert_eq!(read(&bytes), (descriptor, &rest[..]));
        for length in 0..length {
            prop_assert!(Descriptor::decode(&mut Reader::new(&bytes[..length])).is_err());
        }
    }

    #[test]
    fn frames_arrive_as_sent(
        frames in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..5000)), 1..4),
        limit in 12_usize..1200,
        seed: u32,
    ) {
        let mut packetizer = Packetizer::new(seed);
        let mut depacketizer = Depacketizer::new();
        let mut payloads = Payloads::default();
        let mut joined = Vec::new();
        for (is_key, body) in &frames {
            let frame = [&if *is_key { KEY } else { DELTA }[..9], body].concat();
            payloads.clear();
            joined.clear();
            depacketizer.begin();
            packetizer.packetize(&frame, limit, &mut payloads).unwrap();
            let last = payloads.len() - 1;
            for (index, payload) in payloads.iter().enumerate() {
                prop_assert!(payload.len() <= limit);
                let inspection = Inspection { starts_frame: Some(index == 0), is_keyframe: *is_key && index == 0 };
                prop_assert_eq!(inspect(payload), Ok(inspection));
                let (descriptor, _) = read(payload);
                prop_assert_eq!(descriptor.structure.is_some(), *is_key && index == 0);
                prop_assert_eq!((descriptor.starts_frame, descriptor.ends_frame), (index == 0, index == last));
                depacketizer.append(payload, &mut joined).unwrap();
            }
            prop_assert_eq!(&joined, &frame);
        }
    }

    #[test]
    fn any_payloads_grow_the_frame_by_no_more_than_themselves(sequence: Vec<Vec<u8>>) {
        let mut depacketizer = Depacketizer::new();
        let mut frame = Vec::new();
        for payload in &sequence {
            let before = frame.len();
            let is_ok = depacketizer.append(payload, &mut frame).is_ok();
            let most = if is_ok { payload.len() } else { 0 };
            prop_assert!(frame.len() <= before + most);
            let _ = inspect(payload);
        }
    }
}
