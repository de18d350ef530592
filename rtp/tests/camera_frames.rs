//! Access units of H.264 and H.265 through the doors that all formats share.

use visavis_rtp::payload::annexb::{nal_units, put_nal_unit};
use visavis_rtp::payload::h264::{PacketizationMode, SequenceParameterSet, is_same_profile};
use visavis_rtp::payload::{Depacketizer, Format, FrameError, Packetizer, Payloads, inspect};

const LIMIT: usize = 1200;

/// Parameter sets, and headers of a key picture and of another.
struct Codec {
    format: Format,
    sets: &'static [&'static [u8]],
    key: &'static [u8],
    delta: &'static [u8],
}

const CODECS: [Codec; 2] = [
    Codec {
        format: Format::H264,
        sets: &[&[0x67, 0x42, 0x00, 0x0a, 0xf8, 0x41, 0xa2], &[0x68, 0xce, 0x38, 0x80]],
        key: &[0x65, 0x88],
        delta: &[0x41, 0x9a],
    },
    Codec {
        format: Format::H265,
        sets: &[&[0x40, 0x01, 0x0c, 0x01], &[0x42, 0x01, 0x01, 0x01], &[0x44, 0x01, 0xc1, 0x73]],
        key: &[0x26, 0x01, 0xaf],
        delta: &[0x02, 0x01, 0xd0],
    },
];

impl Codec {
    fn key_frame(&self, size: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        self.sets.iter().for_each(|set| put_nal_unit(set, &mut frame));
        put_nal_unit(&picture(self.key, size), &mut frame);
        frame
    }

    fn delta_frame(&self, slices: &[usize]) -> Vec<u8> {
        let mut frame = Vec::new();
        slices.iter().for_each(|size| put_nal_unit(&picture(self.delta, *size), &mut frame));
        frame
    }
}

/// A slice whose bytes tell where they belong.
fn picture(header: &[u8], size: usize) -> Vec<u8> {
    header.iter().copied().chain((0..size).map(|index| (index % 251) as u8 + 4)).collect()
}

fn join<'a>(depacketizer: &mut Depacketizer, payloads: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    depacketizer.begin();
    payloads.into_iter().try_for_each(|payload| depacketizer.append(payload, &mut frame)).ok()?;
    Some(frame)
}

#[test]
fn frames_arrive_as_they_were_sent() {
    for codec in CODECS {
        let mut packetizer = Packetizer::new(codec.format, 7);
        let mut depacketizer = Depacketizer::new(codec.format);
        let mut payloads = Payloads::default();
        let frames =
            [codec.key_frame(30_000), codec.delta_frame(&[900]), codec.delta_frame(&[500, 500, 500, 3_000, 7])];
        for (index, frame) in frames.iter().enumerate() {
            payloads.clear();
            packetizer.packetize(frame, LIMIT, &mut payloads).unwrap();
            assert!(payloads.iter().all(|payload| payload.len() <= LIMIT));
            // Little is lost to headers.
            assert!(payloads.iter().map(<[u8]>::len).sum::<usize>() < frame.len() + 4 * payloads.len());
            let keys = payloads.iter().map(|payload| inspect(codec.format, payload).unwrap().is_keyframe);
            assert!(keys.eq(std::iter::repeat_n(index == 0, payloads.len())));
            assert_eq!(join(&mut depacketizer, payloads.iter()).as_ref(), Some(frame));
        }
    }
}

#[test]
fn fragments_have_about_the_same_size() {
    for codec in CODECS {
        let mut payloads = Payloads::default();
        let frame = codec.delta_frame(&[LIMIT + 10]);
        Packetizer::new(codec.format, 7).packetize(&frame, LIMIT, &mut payloads).unwrap();
        let lengths = payloads.iter().map(<[u8]>::len).collect::<Vec<_>>();
        assert!(lengths.len() == 2 && lengths[0].abs_diff(lengths[1]) <= 1, "{lengths:?}");
    }
}

#[test]
fn a_frame_that_lacks_its_first_fragment_is_given_up_and_the_next_is_not() {
    for codec in CODECS {
        let mut packetizer = Packetizer::new(codec.format, 7);
        let mut depacketizer = Depacketizer::new(codec.format);
        let mut payloads = Payloads::default();
        let frame = codec.delta_frame(&[5_000, 5_000]);
        packetizer.packetize(&frame, LIMIT, &mut payloads).unwrap();
        assert_eq!(payloads.len(), 10);
        for lost in 0..payloads.len() {
            let arrived = payloads.iter().enumerate().filter(|(index, _)| *index != lost).map(|(_, payload)| payload);
            let joined = join(&mut depacketizer, arrived);
            // That a fragment in the middle is missing only sequence numbers tell. Here it is known of the first of
            // each slice, and of the last of the first slice.
            assert_eq!(joined.is_none(), [0, 4, 5].contains(&lost), "{lost}");
            assert_ne!(joined, Some(frame.clone()));
            assert_eq!(join(&mut depacketizer, payloads.iter()).as_ref(), Some(&frame));
        }
    }
}

#[test]
fn damaged_payloads_do_no_harm() {
    for codec in CODECS {
        let mut payloads = Payloads::default();
        let frames = [codec.key_frame(40), codec.delta_frame(&[20, 90])];
        for frame in &frames {
            Packetizer::new(codec.format, 7).packetize(frame, 50, &mut payloads).unwrap();
        }
        for payload in payloads.iter() {
            for at in 0..payload.len() {
                let _ = inspect(codec.format, &payload[..at]);
                let mut flipped = payload.to_vec();
                for bit in 0..8 {
                    flipped[at] = payload[at] ^ 1 << bit;
                    let _ = inspect(codec.format, &flipped);
                    let joined = join(&mut Depacketizer::new(codec.format), [&flipped[..], payload]);
                    // Start codes stand in place of lengths and fragment headers.
                    let added = joined.as_ref().map_or(0, Vec::len);
                    assert!(added <= 2 * payload.len() + 4 * 2 * payload.len().div_ceil(3));
                }
            }
        }
    }
}

#[test]
fn receivers_of_mode_0_get_whole_units() {
    let codec = &CODECS[0];
    let mut packetizer = Packetizer::h264(PacketizationMode::SingleNalUnit);
    let mut payloads = Payloads::default();
    let frame = codec.key_frame(1_000);
    packetizer.packetize(&frame, LIMIT, &mut payloads).unwrap();
    assert!(payloads.iter().eq(nal_units(&frame)));
    assert_eq!(join(&mut Depacketizer::new(Format::H264), payloads.iter()), Some(frame));
    let too_long = packetizer.packetize(&codec.key_frame(LIMIT), LIMIT, &mut payloads);
    assert_eq!(too_long, Err(FrameError::TooLong { length: LIMIT + 2, limit: LIMIT }));
    assert_eq!(packetizer.packetize(&[], LIMIT, &mut payloads), Err(FrameError::Empty));
    assert_eq!(payloads.len(), 3);
}

#[test]
fn a_key_frame_says_what_it_is_a_picture_of() {
    let set = SequenceParameterSet::of_frame(&CODECS[0].key_frame(10)).expect("a parameter set");
    assert_eq!((set.width, set.height), (128, 96));
    assert!(is_same_profile(&set.profile_level_id.to_string(), "42001f"));
    assert_eq!(SequenceParameterSet::of_frame(&CODECS[0].delta_frame(&[10])), None);
}
