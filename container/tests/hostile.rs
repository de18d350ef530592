//! Files that lie: nothing panics, nothing goes on for ever, and memory is bounded by the file.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing ends the test, and says where")]

mod common;

use std::io::Cursor;

use common::{GOLDEN, golden, write};
use proptest::prelude::*;
use visavis_container::{Codec, Error, Frame, Kind, Options, Reader, ivf};

const EXTENSIONS: [Option<&str>; 6] = [None, Some("ivf"), Some("opus"), Some("wav"), Some("h264"), Some("h265")];

/// Reads all there is, twice; both times it is the same, and not more than the file has. Start codes of three bytes
/// become four, which with a NAL unit of a byte or two makes a frame larger by a quarter.
fn read(file: &[u8], extension: Option<&str>, options: Options) -> Option<(Codec, Vec<Frame>, Option<String>)> {
    let mut reader = Reader::new(Cursor::new(file), extension, options).ok()?;
    let mut rounds = Vec::new();
    for _ in 0..2 {
        let (mut frames, mut error) = (Vec::new(), None);
        for _ in 0..=file.len() {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(found) => error = Some(found.to_string()),
            }
        }
        assert!(reader.next_frame().is_ok_and(|frame| frame.is_none()), "frames behind the end");
        let bytes: usize = frames.iter().map(|frame| frame.data.len()).sum();
        assert!(bytes <= file.len() + file.len() / 4 + 1, "{bytes} bytes of {}", file.len());
        assert!(frames.iter().all(|frame| !frame.data.is_empty() && frame.data.len() <= options.frame_limit.max(160)));
        rounds.push((reader.codec(), frames, error));
        reader.rewind().expect("memory can be read again");
    }
    let (second, first) = (rounds.pop()?, rounds.pop()?);
    assert!(first == second, "another file after rewinding");
    Some(first)
}

/// What could be read can be written in every way its codec has, and read again.
fn copy(codec: Codec, frames: &[Frame]) {
    let kinds: &[Kind] = match codec {
        Codec::Vp8 | Codec::Vp9 | Codec::Av1 => &[Kind::Ivf],
        Codec::H264 => &[Kind::Ivf, Kind::AnnexB],
        Codec::H265 => &[Kind::AnnexB],
        Codec::Opus => &[Kind::Ogg],
        Codec::Pcmu | Codec::Pcma => &[Kind::Wav],
    };
    for kind in kinds {
        let mut file = Cursor::new(Vec::new());
        let mut writer = visavis_container::Writer::new(&mut file, *kind, codec, None).unwrap();
        let mut count = 0;
        for frame in frames {
            match writer.write(frame) {
                Ok(()) => count += 1,
                Err(error) => assert!(matches!(error, Error::NotAFrame { .. }), "{error}"),
            }
        }
        writer.finish().unwrap();
        if *kind == Kind::Ivf {
            let (_, copied, error) = read(file.get_ref(), None, Options::default()).unwrap();
            assert_eq!((copied.len(), error), (count, None), "{codec}");
        }
    }
}

fn check(file: &[u8], options: Options) {
    for extension in EXTENSIONS {
        if let Some((codec, frames, _)) = read(file, extension, options) {
            copy(codec, &frames);
        }
    }
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let flips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6);
    (prop::sample::select(GOLDEN.to_vec()), flips, any::<prop::sample::Index>(), 0..3_u8).prop_map(
        |(name, flips, at, kind)| {
            let mut file = std::fs::read(golden(name)).unwrap();
            for (at, value) in flips {
                let at = at.index(file.len());
                file[at] = value;
            }
            let at = at.index(file.len());
            match kind {
                0 => file.truncate(at),
                1 => file.extend_from_within(at..),
                _ => drop(file.drain(at / 2..at)),
            }
            file
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn damaged_files_do_no_harm(file in damaged()) {
        check(&file, Options::default());
    }

    #[test]
    fn no_bytes_do_harm(
        start in prop::sample::select(vec![&b"DKIF\0\0 \0VP80"[..], b"OggS\0\x02", b"RIFF\0\0\0\0WAVEfmt ", &[0, 0, 1], b""]),
        rest in prop::collection::vec(prop_oneof![any::<u8>(), 0..=1_u8], 0..300),
    ) {
        check(&[start, &rest].concat(), Options::default());
    }

    #[test]
    fn a_small_limit_is_kept(name in prop::sample::select(GOLDEN.to_vec()), frame_limit in 0..600_usize) {
        let file = std::fs::read(golden(name)).unwrap();
        check(&file, Options { frame_limit, ..Options::default() });
    }
}

#[test]
fn a_flipped_byte_is_never_worse_than_an_error() {
    for name in GOLDEN {
        let mut file = std::fs::read(golden(name)).unwrap();
        for at in 0..file.len() {
            file[at] ^= 0xff;
            read(&file, None, Options::default());
            file[at] ^= 0xff;
        }
    }
}

#[test]
fn every_flipped_byte_of_an_ogg_file_is_noticed() {
    let mut file = std::fs::read(golden("mono.opus")).unwrap();
    let whole = read(&file, None, Options::default()).unwrap();
    for at in 0..file.len() {
        file[at] ^= 1;
        let found = read(&file, None, Options::default());
        // A flag can make a page the last one, or a serial number make it another's: then there are fewer frames.
        let is_noticed = found.is_none_or(|(_, frames, error)| error.is_some() || frames.len() < whole.1.len());
        assert!(is_noticed, "byte {at}");
        file[at] ^= 1;
    }
}

/// Says that more is there than is, for ever.
struct Claims {
    bytes: Vec<u8>,
    read: usize,
}

impl std::io::Read for Claims {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        assert!(self.read < 1 << 20, "reads on and on");
        for byte in buf.iter_mut() {
            *byte = self.bytes.get(self.read).copied().unwrap_or(0);
            self.read += 1;
        }
        Ok(buf.len())
    }
}

#[test]
fn a_frame_without_end_is_given_up_at_the_limit() {
    let options = Options { frame_limit: 100_000, ..Options::default() };
    let endless = |bytes: &[u8]| Claims { bytes: bytes.to_vec(), read: 0 };

    let start = [0, 0, 1, 0x67, 0x42];
    let mut reader = visavis_container::annexb::Reader::new(endless(&start), Codec::H264, options).unwrap();
    let text = reader.next_frame().unwrap_err().to_string();
    assert!(text.starts_with("byte 3: a frame of 131069 bytes or more, and the limit is 100000"), "{text}");

    let file = write(Kind::Ivf, Codec::Vp8, &[]);
    let mut reader = ivf::Reader::new(endless(&[&file[..], &[0xff; 4]].concat()), options).unwrap();
    let text = reader.next_frame().unwrap_err().to_string();
    assert_eq!(text, "byte 32: a frame of 4294967295 bytes or more, and the limit is 100000");
}
