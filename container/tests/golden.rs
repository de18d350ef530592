//! Files that ffmpeg wrote: what they hold is found, and found again after rewinding.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing ends the test, and says where")]

mod common;

use std::time::Duration;

use common::{GOLDEN, frames, golden, read, read_golden, write};
use visavis_container::{Codec, Frame, FrameRate, Kind, Options, Reader, dimensions, g711};

const MS: Duration = Duration::from_millis(1);

fn key_frames(frames: &[Frame]) -> Vec<usize> {
    (0..frames.len()).filter(|index| frames[*index].is_key_frame).collect()
}

#[test]
fn ivf_has_pictures_with_their_times_and_sizes() {
    for (name, codec) in [("vp8.ivf", Codec::Vp8), ("vp9.ivf", Codec::Vp9), ("av1.ivf", Codec::Av1)] {
        let reader = Reader::open(golden(name)).unwrap();
        assert_eq!((reader.kind(), reader.codec(), reader.dimensions()), (Kind::Ivf, codec, Some((64, 48))), "{name}");
        let (_, _, frames) = read_golden(name);
        assert_eq!(frames.len(), 12, "{name}");
        assert_eq!(key_frames(&frames), [0, 6], "{name}");
        for (index, frame) in (0..).zip(&frames) {
            assert_eq!((frame.timestamp, frame.duration), (index * 100 * MS, 100 * MS), "{name}");
            let stated = frame.is_key_frame.then_some((64, 48));
            assert_eq!(dimensions(codec, &frame.data), stated, "{name}, frame {index}");
        }
    }
}

#[test]
fn byte_streams_are_split_into_access_units() {
    let rate = FrameRate::new(10, 1).unwrap();
    for (name, codec, slices) in
        [("h264.h264", Codec::H264, 2), ("h264-aud.h264", Codec::H264, 3), ("h265.h265", Codec::H265, 1)]
    {
        let options = Options { frame_rate: rate, ..Options::default() };
        let mut reader = Reader::open_with(golden(name), options).unwrap();
        assert_eq!((reader.kind(), reader.codec()), (Kind::AnnexB, codec), "{name}");
        let frames = frames(&mut reader).unwrap();
        assert_eq!(frames.len(), 12, "{name}");
        assert_eq!(key_frames(&frames), [0, 6], "{name}");
        for (index, frame) in (0..).zip(&frames) {
            assert_eq!((frame.timestamp, frame.duration), (index * 100 * MS, 100 * MS), "{name}");
            let starts = frame.data.windows(4).filter(|window| *window == [0, 0, 0, 1]).count();
            assert!(starts >= slices, "{name}: frame {index} has {starts} units");
        }
        // Nothing but start codes differs from the file.
        let read: Vec<u8> = frames.into_iter().flat_map(|frame| frame.data).collect();
        let file = std::fs::read(golden(name)).unwrap();
        assert_eq!(without_start_codes(&read), without_start_codes(&file), "{name}");
    }
}

fn without_start_codes(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in stream {
        out.push(*byte);
        if out.ends_with(&[0, 0, 1]) {
            out.truncate(out.len() - 3);
            while out.ends_with(&[0]) {
                out.pop();
            }
        }
    }
    out
}

#[test]
fn ogg_has_packets_of_which_each_lasts_as_its_first_byte_says() {
    for (name, length, count) in [("mono.opus", 20, 26), ("stereo-60ms.opus", 60, 9)] {
        let (kind, codec, frames) = read_golden(name);
        assert_eq!((kind, codec), (Kind::Ogg, Codec::Opus));
        assert_eq!(frames.len(), count, "{name}");
        // What was encoded has half a second, behind what the encoder needs to begin: the last packet is played in part.
        let end = 500 * MS + Duration::from_nanos(312 * 1_000_000_000 / 48_000);
        for (index, frame) in (0..).zip(&frames) {
            let begin = index * length * MS;
            assert_eq!((frame.timestamp, frame.duration), (begin, (length * MS).min(end - begin)), "{name}");
        }
    }
    let file = std::fs::read(golden("mono.opus")).unwrap();
    let reader = visavis_container::opus::Reader::new(&file[..], Options::default()).unwrap();
    assert_eq!((reader.head().channels, reader.head().pre_skip, reader.head().input_sample_rate), (1, 312, 48_000));
}

#[test]
fn wav_has_frames_of_20_ms_and_a_rest() {
    let files = [
        ("mulaw.wav", Codec::Pcmu, g711::decode_ulaw as fn(u8) -> i16),
        ("alaw.wav", Codec::Pcma, g711::decode_alaw),
        ("pcm.wav", Codec::Pcmu, g711::decode_ulaw),
    ];
    let linear = std::fs::read(golden("pcm.wav")).unwrap();
    let linear: Vec<i16> =
        linear[linear.len() - 5600..].chunks(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect();
    for (name, codec, decode) in files {
        let (kind, found, frames) = read_golden(name);
        assert_eq!((kind, found), (Kind::Wav, codec), "{name}");
        let lengths: Vec<usize> = frames.iter().map(|frame| frame.data.len()).collect();
        let mut expected = vec![160; 17];
        expected.push(80);
        assert_eq!(lengths, expected, "{name}");
        assert_eq!((frames[17].timestamp, frames[17].duration), (340 * MS, 10 * MS), "{name}");
        // All three are the same tone, which is not loud: half a step is 128 at most.
        let samples = frames.iter().flat_map(|frame| &frame.data).map(|byte| decode(*byte));
        for (index, (sample, linear)) in samples.zip(&linear).enumerate() {
            assert!(sample.abs_diff(*linear) <= 128, "{name}: sample {index} is {sample} and was {linear}");
        }
    }
}

#[test]
fn rewinding_gives_the_same_frames_from_anywhere() {
    for name in GOLDEN.into_iter().chain(["pcm.wav"]) {
        let mut reader = Reader::open(golden(name)).unwrap();
        let all = frames(&mut reader).unwrap();
        for read in [0, 1, all.len() / 2, all.len() + 1] {
            reader.rewind().unwrap();
            for index in 0..read {
                assert_eq!(reader.next_frame().unwrap().as_ref(), all.get(index), "{name}");
            }
        }
        reader.rewind().unwrap();
        assert!(frames(&mut reader).unwrap() == all, "{name}");
    }
}

#[test]
fn copies_hold_the_same_frames() {
    for name in GOLDEN {
        let (kind, codec, frames) = read_golden(name);
        assert!(read(&write(kind, codec, &frames)).unwrap() == frames, "{name}");
    }
    let (_, codec, frames) = read_golden("h264.h264");
    assert!(read(&write(Kind::Ivf, codec, &frames)).unwrap() == frames, "H.264 in IVF");
}

#[test]
fn ivf_learns_the_size_of_the_pictures_from_the_first_key_frame() {
    for name in ["vp8.ivf", "vp9.ivf", "av1.ivf"] {
        let (kind, codec, frames) = read_golden(name);
        let copy = write(kind, codec, &frames);
        assert_eq!(copy[12..16], [64, 0, 48, 0], "{name}");
        assert_eq!(copy[24..28], [12, 0, 0, 0], "{name}");
    }
}
