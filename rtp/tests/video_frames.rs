//! Frames of VP8, VP9 and AV1 through the doors that all formats share.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use visavis_rtp::payload::{Depacketizer, Format, Packetizer, Payloads, av1, inspect, vp8, vp9};

const LIMIT: usize = 1200;

/// A format, and what its frames begin with.
struct Codec {
    format: Format,
    /// Of 176 by 144 pixels.
    key: &'static [u8],
    delta: &'static [u8],
    is_keyframe: fn(&[u8]) -> bool,
    dimensions: fn(&[u8]) -> Option<(u16, u16)>,
}

const CODECS: [Codec; 3] = [
    Codec {
        format: Format::Vp8,
        key: &[0x70, 0x07, 0x00, 0x9d, 0x01, 0x2a, 0xb0, 0x00, 0x90, 0x00],
        delta: &[0x31, 0x02, 0x00],
        is_keyframe: vp8::is_keyframe,
        dimensions: vp8::dimensions,
    },
    Codec {
        format: Format::Vp9,
        key: &[0x82, 0x49, 0x83, 0x42, 0x00, 0x0a, 0xf0, 0x08, 0xf6, 0x00, 0x38],
        delta: &[0x86, 0x00],
        is_keyframe: vp9::is_keyframe,
        dimensions: vp9::dimensions,
    },
    Codec {
        format: Format::Av1,
        // A sequence header; a frame comes behind it.
        key: &[0x0a, 0x0b, 0x00, 0x00, 0x00, 0x03, 0xbd, 0x7c, 0x79, 0xb5, 0xf2, 0x00, 0x80],
        delta: &[],
        is_keyframe: av1::is_keyframe,
        dimensions: av1::dimensions,
    },
];

impl Codec {
    /// A frame with `size` bytes of noise behind its header.
    fn frame(&self, is_key: bool, size: usize, rng: &mut StdRng) -> Vec<u8> {
        let mut frame = if is_key { self.key } else { self.delta }.to_vec();
        if self.format == Format::Av1 {
            frame.push(0x32);
            let mut left = size + 1;
            while left >= 0x80 {
                frame.push(left as u8 | 0x80);
                left >>= 7;
            }
            frame.push(left as u8);
            frame.push(if is_key { 0x10 } else { 0x30 });
        }
        frame.extend((0..size).map(|_| rng.random::<u8>()));
        frame
    }
}

fn join<'a>(format: Format, payloads: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut depacketizer = Depacketizer::new(format);
    let mut frame = Vec::new();
    payloads.into_iter().try_for_each(|payload| depacketizer.append(payload, &mut frame)).ok()?;
    depacketizer.is_complete().then_some(frame)
}

#[test]
fn streams_arrive_as_they_were_sent() {
    let mut rng = StdRng::seed_from_u64(1);
    for codec in CODECS {
        let format = codec.format;
        let mut packetizer = Packetizer::new(format, 7);
        let mut depacketizer = Depacketizer::new(format);
        let (mut payloads, mut joined) = (Payloads::default(), Vec::new());
        for index in 0..200 {
            let is_key = index % 50 == 0;
            let size = rng.random_range(if is_key { 20_000..60_000 } else { 1..6_000 });
            let frame = codec.frame(is_key, size, &mut rng);
            assert_eq!((codec.is_keyframe)(&frame), is_key);
            assert_eq!((codec.dimensions)(&frame), is_key.then_some((176, 144)));
            payloads.clear();
            packetizer.packetize(&frame, LIMIT, &mut payloads).unwrap();
            assert_eq!(inspect(format, payloads.iter().next().unwrap()).unwrap().is_keyframe, is_key);
            joined.clear();
            depacketizer.begin();
            for payload in payloads.iter() {
                depacketizer.append(payload, &mut joined).unwrap();
            }
            assert!(depacketizer.is_complete());
            assert_eq!(joined, frame, "{format:?}");
        }
    }
}

#[test]
fn payloads_are_few_and_about_equal() {
    let mut rng = StdRng::seed_from_u64(2);
    for codec in CODECS {
        let format = codec.format;
        for size in [100, 1_250, 2_500, 9_999, 60_000] {
            let frame = codec.frame(true, size, &mut rng);
            let mut payloads = Payloads::default();
            Packetizer::new(format, 0).packetize(&frame, LIMIT, &mut payloads).unwrap();
            assert!(payloads.len() <= frame.len().div_ceil(LIMIT - 12), "{format:?} {size}");
            let lengths = || payloads.iter().map(<[u8]>::len);
            let (least, most) = (lengths().min().unwrap(), lengths().max().unwrap());
            assert!(most <= LIMIT);
            // The last takes what rounding left over.
            assert!(most - least <= 16 + 8 * payloads.len(), "{format:?} {size}: {least} to {most}");
        }
    }
}

#[test]
fn the_arena_is_used_again() {
    let mut rng = StdRng::seed_from_u64(3);
    for codec in CODECS {
        let format = codec.format;
        let mut packetizer = Packetizer::new(format, 0);
        let mut payloads = Payloads::default();
        let (long, short) = (codec.frame(true, 9_000, &mut rng), codec.frame(false, 10, &mut rng));
        packetizer.packetize(&long, LIMIT, &mut payloads).unwrap();
        let count = payloads.len();
        // Appended, then by itself.
        packetizer.packetize(&short, LIMIT, &mut payloads).unwrap();
        assert_eq!(payloads.len(), count + 1);
        assert_eq!(join(format, payloads.iter().take(count)).as_ref(), Some(&long));
        payloads.clear();
        packetizer.packetize(&short, LIMIT, &mut payloads).unwrap();
        assert_eq!(join(format, payloads.iter()).as_ref(), Some(&short));
    }
}

#[test]
fn a_frame_without_its_beginning_is_refused() {
    let mut rng = StdRng::seed_from_u64(4);
    for codec in CODECS {
        let format = codec.format;
        let mut payloads = Payloads::default();
        let frame = codec.frame(false, 5_000, &mut rng);
        Packetizer::new(format, 0).packetize(&frame, LIMIT, &mut payloads).unwrap();
        assert_eq!(join(format, payloads.iter().skip(1)), None, "{format:?}");
        assert_eq!(join(format, payloads.iter()), Some(frame));
    }
}

/// Two frames of AV1 cannot be told apart by their payloads; an OBU without its end can be seen.
#[test]
fn a_unit_of_av1_without_its_end_is_not_complete() {
    let mut rng = StdRng::seed_from_u64(5);
    let mut payloads = Payloads::default();
    let frame = CODECS[2].frame(true, 5_000, &mut rng);
    Packetizer::new(Format::Av1, 0).packetize(&frame, LIMIT, &mut payloads).unwrap();
    assert_eq!(join(Format::Av1, payloads.iter().take(payloads.len() - 1)), None);
}

/// What a forwarder does that splices streams: it counts pictures anew, in place, and the frame stays.
#[test]
fn picture_ids_are_rewritten_on_the_way() {
    let mut rng = StdRng::seed_from_u64(6);
    let (mut payloads, mut rewritten) = (Payloads::default(), Vec::new());
    let frame = CODECS[0].frame(true, 5_000, &mut rng);
    Packetizer::new(Format::Vp8, 0x7fff).packetize(&frame, LIMIT, &mut payloads).unwrap();
    for payload in payloads.iter() {
        let mut reader = wire::Reader::new(payload);
        let mut descriptor = vp8::Descriptor::decode(&mut reader).unwrap();
        descriptor.picture_id = descriptor.picture_id.map(vp8::PictureId::next);
        descriptor.tl0picidx = Some(9);
        descriptor.tid = Some(0);
        let mut buf = Vec::new();
        descriptor.encode(&mut buf);
        assert_eq!(buf[1..], [0xe0, 0x80, 0x00, 0x09, 0x00]);
        buf.extend(reader.rest());
        rewritten.push(buf);
    }
    assert_eq!(join(Format::Vp8, rewritten.iter().map(Vec::as_slice)), Some(frame));
}

proptest! {
    /// One byte in one payload is another: nothing panics, and what is refused is refused to the end.
    #[test]
    fn a_flipped_byte_harms_nothing_else(which: prop::sample::Index, at: prop::sample::Index, flip in 1_u8.., seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        for codec in CODECS {
        let format = codec.format;
            let frame = codec.frame(true, 400, &mut rng);
            let mut payloads = Payloads::default();
            Packetizer::new(format, 0).packetize(&frame, 100, &mut payloads).unwrap();
            let mut payloads: Vec<Vec<u8>> = payloads.iter().map(<[u8]>::to_vec).collect();
            let payload = which.get(&payloads).clone();
            let (index, byte) = (which.index(payloads.len()), at.index(payload.len()));
            payloads[index][byte] ^= flip;
            let mut depacketizer = Depacketizer::new(format);
            let mut joined = Vec::new();
            let mut is_refused = false;
            for payload in &payloads {
                let _ = inspect(format, payload);
                let before = joined.len();
                let result = depacketizer.append(payload, &mut joined);
                prop_assert!(joined.len() <= before + payload.len() + 5);
                prop_assert!(!is_refused || result.is_err());
                is_refused |= result.is_err();
            }
            // The next frame is taken as ever.
            depacketizer.begin();
            payloads[index][byte] ^= flip;
            joined.clear();
            for payload in &payloads {
                prop_assert!(depacketizer.append(payload, &mut joined).is_ok());
            }
            prop_assert_eq!(joined, frame);
        }
    }
}
