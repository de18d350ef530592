//! What is written is read as the same, whatever it is.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing ends the test, and says where")]

mod common;

use std::io::Cursor;
use std::time::Duration;

use common::{read, write};
use proptest::prelude::*;
use visavis_container::{Codec, Error, Frame, FrameRate, Kind, Options, Reader, Writer, opus};

const MS: Duration = Duration::from_millis(1);

fn frame(data: Vec<u8>, timestamp: Duration) -> Frame {
    Frame { data, timestamp, duration: Duration::ZERO, is_key_frame: true }
}

/// What is kept of every frame in every format.
fn data(frames: &[Frame]) -> Vec<&[u8]> {
    frames.iter().map(|frame| &frame.data[..]).collect()
}

fn bytes(lengths: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), lengths)
}

/// Times that RTP could have: whole units of 1/90000 s, that grow.
fn times(count: usize) -> impl Strategy<Value = Vec<Duration>> {
    prop::collection::vec(1_u64..400_000, count).prop_map(|steps| {
        let mut ticks = 0;
        steps
            .into_iter()
            .map(|step| {
                ticks += step;
                Duration::from_secs(ticks / 90_000) + Duration::from_nanos(ticks % 90_000 * 1_000_000_000 / 90_000)
            })
            .collect()
    })
}

/// A NAL unit as encoders write it: no start code within, and no zero at its end (H.264, section 7.4.1).
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![3 => 2..=u8::MAX, 1 => Just(0)], 0..300).prop_map(|mut bytes| {
        for index in 0..bytes.len() {
            if bytes[..index].ends_with(&[0, 0]) {
                bytes[index] = 3;
            }
        }
        bytes.push(0x80);
        bytes
    })
}

/// An access unit: what may precede, slices of which the first says so, what may follow.
fn access_unit(codec: Codec) -> impl Strategy<Value = Vec<u8>> {
    let header = move |kind: u8| if codec == Codec::H265 { vec![kind << 1, 1] } else { vec![0x60 | kind] };
    let (preceding, picture, following) = if codec == Codec::H265 {
        (vec![35, 32, 33, 34, 39], vec![1, 0, 19, 21], vec![40, 38])
    } else {
        (vec![9, 7, 8, 6], vec![1, 5], vec![12])
    };
    let others = |kinds: Vec<u8>| prop::collection::vec((prop::sample::select(kinds), payload()), 0..3);
    let slices = (prop::sample::select(picture), prop::collection::vec(payload(), 1..4));
    (others(preceding), slices, others(following), any::<bool>()).prop_map(move |(before, slices, behind, is_long)| {
        let mut units: Vec<Vec<u8>> =
            before.into_iter().map(|(kind, payload)| [header(kind), payload].concat()).collect();
        for (index, payload) in slices.1.into_iter().enumerate() {
            let first_byte = if index == 0 { 0xc0 } else { 0x40 };
            units.push([header(slices.0), vec![first_byte], payload].concat());
        }
        units.extend(behind.into_iter().map(|(kind, payload)| [header(kind), payload].concat()));
        let start: &[u8] = if is_long { &[0, 0, 0, 1] } else { &[0, 0, 1] };
        units.into_iter().flat_map(|unit| [start, &unit].concat()).collect()
    })
}

/// With start codes of four bytes, as they are read.
fn normalised(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in unit {
        out.push(*byte);
        if out.ends_with(&[0, 0, 1]) && !out.ends_with(&[0, 0, 0, 1]) {
            let at = out.len() - 3;
            out.insert(at, 0);
        }
    }
    out
}

/// A packet: any configuration, one frame or two or some of 2.5 ms, and then anything.
fn packet() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), 1_u8..=2, bytes(1..700)).prop_map(|(toc, count, rest)| match toc & 3 {
        3 => [vec![toc, count], rest].concat(),
        _ => [vec![toc], rest].concat(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ivf(
        frames in prop::collection::vec(bytes(1..2000), 0..20),
        times in times(20),
        codec in prop::sample::select(vec![Codec::Vp8, Codec::Vp9]),
    ) {
        let frames: Vec<Frame> = frames.into_iter().zip(times).map(|(data, time)| frame(data, time)).collect();
        let file = write(Kind::Ivf, codec, &frames);
        let copy = read(&file).unwrap();
        prop_assert_eq!(data(&copy), data(&frames));
        for (copy, frame) in copy.iter().zip(&frames) {
            prop_assert_eq!(copy.timestamp, frame.timestamp);
        }
        for pair in copy.windows(2) {
            prop_assert_eq!(pair[0].timestamp + pair[0].duration, pair[1].timestamp);
        }
        prop_assert_eq!(file.get(24..28), Some(&u32::try_from(frames.len()).unwrap().to_le_bytes()[..]));
    }

    #[test]
    fn h264(units in prop::collection::vec(access_unit(Codec::H264), 1..12)) {
        byte_stream(Codec::H264, &units)?;
    }

    #[test]
    fn h265(units in prop::collection::vec(access_unit(Codec::H265), 1..12)) {
        byte_stream(Codec::H265, &units)?;
    }

    #[test]
    fn ogg(packets in prop::collection::vec(packet(), 1..80), start in 0_u32..1_000_000) {
        let mut time = start * Duration::from_micros(2500);
        let mut frames = Vec::new();
        for packet in packets {
            let duration = opus::duration(&packet).expect("a packet");
            frames.push(Frame { duration, ..frame(packet, time) });
            time += duration;
        }
        let copy = read(&write(Kind::Ogg, Codec::Opus, &frames)).unwrap();
        prop_assert!(copy == frames);
    }

    #[test]
    fn wav(samples in prop::collection::vec(bytes(1..400), 1..60), is_alaw: bool) {
        let codec = if is_alaw { Codec::Pcma } else { Codec::Pcmu };
        let mut frames = Vec::new();
        let mut count = 0;
        for samples in samples {
            let time = Duration::from_micros(125) * count;
            count += samples.len() as u32;
            frames.push(frame(samples, time));
        }
        let copy = read(&write(Kind::Wav, codec, &frames)).unwrap();
        prop_assert_eq!(data(&copy).concat(), data(&frames).concat());
        prop_assert!(copy.iter().rev().skip(1).all(|frame| frame.data.len() == 160));
    }

    #[test]
    fn refused_frames_leave_no_trace(junk in bytes(0..20)) {
        let h264 = &[0, 0, 0, 1, 0x65, 0x88][..];
        let h265 = &[0, 0, 0, 1, 0x26, 0x01, 0x88][..];
        for (kind, codec, good, extension) in [
            (Kind::AnnexB, Codec::H264, h264, "h264"),
            (Kind::AnnexB, Codec::H265, h265, "h265"),
            (Kind::Ivf, Codec::H264, h264, "ivf"),
            (Kind::Ogg, Codec::Opus, &[0xf8, 0, 0], "opus"),
        ] {
            let mut file = Cursor::new(Vec::new());
            let mut writer = Writer::new(&mut file, kind, codec, None).unwrap();
            writer.write(&frame(good.to_vec(), Duration::ZERO)).unwrap();
            let refused = writer.write(&frame(junk.clone(), 20 * MS));
            writer.write(&frame(good.to_vec(), 20 * MS)).unwrap();
            writer.finish().unwrap();
            let Err(error) = refused else { continue };
            prop_assert!(matches!(error, Error::NotAFrame { .. }), "{}", error);
            let file = file.into_inner();
            let mut reader = Reader::new(Cursor::new(&file[..]), Some(extension), Options::default()).unwrap();
            let copy = common::frames(&mut reader).unwrap();
            prop_assert_eq!(data(&copy), [good, good]);
        }
    }
}

fn byte_stream(codec: Codec, units: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let frames: Vec<Frame> = units.iter().map(|unit| frame(unit.clone(), Duration::ZERO)).collect();
    let file = write(Kind::AnnexB, codec, &frames);
    let options = Options { frame_rate: FrameRate::new(50, 1).unwrap(), ..Options::default() };
    let mut reader = visavis_container::annexb::Reader::new(&file[..], codec, options).unwrap();
    for (index, unit) in (0..).zip(units) {
        let copy = reader.next_frame().unwrap().expect("a frame for each");
        prop_assert_eq!(copy.data, normalised(unit));
        prop_assert_eq!((copy.timestamp, copy.duration), (index * 20 * MS, 20 * MS));
    }
    prop_assert!(reader.next_frame().unwrap().is_none());
    Ok(())
}

#[test]
fn av1_gets_the_temporal_delimiter_that_rtp_leaves_out_and_no_second_one() {
    let frames = [vec![0x32, 1, 0], vec![0x12, 0, 0x32, 1, 0]].map(|data| frame(data, Duration::ZERO));
    let copy = read(&write(Kind::Ivf, Codec::Av1, &frames)).unwrap();
    assert_eq!(data(&copy), [[0x12, 0, 0x32, 1, 0]; 2]);
}

#[test]
fn gaps_in_opus_are_filled_with_packets_without_sound() {
    const CELT_20: u8 = 0xfc;
    let packet = vec![CELT_20, 1, 2];
    let times = [5000.0, 5020.0, 5100.0, 5127.5, 5148.0].map(|ms: f64| Duration::from_nanos((ms * 1e6) as u64));
    let frames = times.map(|time| frame(packet.clone(), time));
    let copy = read(&write(Kind::Ogg, Codec::Opus, &frames)).unwrap();
    let seen: Vec<(f64, usize)> =
        copy.iter().map(|frame| (frame.timestamp.as_secs_f64() * 1000.0, frame.data.len())).collect();
    // Three fillers of 20 ms, one of 5 and one of 2.5; half a millisecond is left alone.
    let expected = [
        (5000.0, 3),
        (5020.0, 3),
        (5040.0, 1),
        (5060.0, 1),
        (5080.0, 1),
        (5100.0, 3),
        (5120.0, 1),
        (5125.0, 1),
        (5127.5, 3),
        (5147.5, 3),
    ];
    assert_eq!(seen, expected);
    assert!(copy.iter().all(|frame| frame.data[0] & 4 == CELT_20 & 4), "fillers have the channels of the packets");
}

#[test]
fn gaps_in_g711_are_filled_with_silence() {
    let frames = [1000, 1020, 1100].map(|ms| frame(vec![7; 160], ms * MS));
    for (codec, silence) in [(Codec::Pcmu, 0xff), (Codec::Pcma, 0xd5)] {
        let copy = read(&write(Kind::Wav, codec, &frames)).unwrap();
        assert_eq!(data(&copy).concat(), [vec![7; 320], vec![silence; 480], vec![7; 160]].concat());
    }
}

#[test]
fn a_gap_of_more_than_an_hour_is_another_clock() {
    let hour = Duration::from_secs(3600);
    let times = [Duration::ZERO, hour * 24 * 365, hour * 24 * 365 + 40 * MS];
    let copy = read(&write(Kind::Wav, Codec::Pcmu, &times.map(|time| frame(vec![7; 160], time)))).unwrap();
    assert_eq!(data(&copy).concat().len(), 3 * 160 + 160, "the second gap, of 20 ms, is filled");
    let copy = read(&write(Kind::Ogg, Codec::Opus, &times.map(|time| frame(vec![0xfc, 1], time)))).unwrap();
    assert_eq!(copy.iter().map(|frame| frame.timestamp).collect::<Vec<_>>(), [0, 20, 40, 60].map(|ms| ms * MS));
}

#[test]
fn times_that_run_backwards_or_beyond_reason_do_no_harm() {
    let times = [Duration::MAX, Duration::ZERO, Duration::from_secs(1), Duration::MAX, Duration::ZERO];
    for (kind, codec) in [(Kind::Ivf, Codec::Vp8), (Kind::Ogg, Codec::Opus), (Kind::Wav, Codec::Pcma)] {
        let file = write(kind, codec, &times.map(|time| frame(vec![0xfc, 1], time)));
        assert!(file.len() < 20_000, "{kind}: {} bytes", file.len());
        let copy = read(&file).map(|copy| copy.len());
        assert!(copy.is_ok_and(|count| count > 0), "{kind}");
    }
}
