//! Files that end too early: at every byte of a copy, and at every byte that a writer wrote, headers that are patched
//! in place included.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing ends the test, and says where")]

mod common;

use std::io::Cursor;
use std::time::Duration;

use common::{GOLDEN, Tape, frames, golden, looped, open, read_golden};
use visavis_container::{Codec, Frame, Kind, Reader, Writer};

/// How many bytes a file needs so that its header is there.
fn header(kind: Kind, file: &[u8]) -> usize {
    match kind {
        Kind::Ivf => 32,
        Kind::Wav => file.windows(4).position(|window| window == b"data").unwrap() + 8,
        // The third page begins with audio.
        Kind::Ogg => file.windows(4).enumerate().filter(|(_, window)| window == b"OggS").nth(2).unwrap().0,
        // A start code of four bytes, before which nothing is wrong or right.
        Kind::AnnexB => 4,
    }
}

/// That `copy` is the beginning of `all`; the last frame of a byte stream or of samples may be there in part.
fn assert_begins(copy: &[Frame], all: &[Frame], context: &str) {
    assert!(copy.len() <= all.len(), "{context}: {} frames", copy.len());
    for (index, (copied, frame)) in copy.iter().zip(all).enumerate() {
        let is_last = index + 1 == copy.len();
        assert_eq!(copied.timestamp, frame.timestamp, "{context}, frame {index}");
        assert!(
            copied.data == frame.data || is_last && frame.data.starts_with(&copied.data),
            "{context}, frame {index}"
        );
    }
}

#[test]
fn files_cut_off_at_any_byte_are_read_up_to_there() {
    for name in GOLDEN.into_iter().chain(["pcm.wav"]) {
        let file = std::fs::read(golden(name)).unwrap();
        let (kind, _, all) = read_golden(name);
        let header = header(kind, &file);
        let mut counts = Vec::new();
        for length in 0..=file.len() {
            let context = format!("{name} of {length} bytes");
            let mut reader = match open(&file[..length], name) {
                Ok(reader) => reader,
                Err(error) => {
                    assert!(length < header, "{context}: {error}");
                    continue;
                }
            };
            let copy = match frames(&mut reader) {
                Ok(copy) => copy,
                Err(error) => {
                    assert!(kind == Kind::AnnexB && length < header, "{context}: {error}");
                    continue;
                }
            };
            assert!(length >= header, "{context} is read without its header");
            assert_begins(&copy, &all, &context);
            assert!(length < file.len() || !reader.is_cut_off(), "{context} is whole");
            counts.push(copy.len());
        }
        assert!(counts.is_sorted(), "{name}: more bytes and fewer frames");
        assert_eq!((counts[0], counts[counts.len() - 1]), (0, all.len()), "{name}");
    }
}

#[test]
fn what_was_written_is_there_whenever_the_writer_is_killed() {
    for name in GOLDEN {
        let (kind, codec, once) = read_golden(name);
        let all = looped(&once, Duration::from_millis(2500));
        let mut tape = Tape::default();
        let mut writer = Writer::new(&mut tape, kind, codec, None).unwrap();
        all.iter().for_each(|frame| writer.write(frame).unwrap());
        std::mem::forget(writer);

        let total = tape.len();
        let header = header(kind, &tape.after(total));
        let mut read = 0;
        // Every byte at the beginning, and then enough to meet every field that is patched.
        for count in (0..2000.min(total)).chain((2000..total).step_by(3)).chain([total]) {
            let file = tape.after(count);
            let context = format!("{name}, killed after {count} bytes");
            if count < header {
                continue;
            }
            let mut reader = open(&file, name).unwrap_or_else(|error| panic!("{context}: {error}"));
            let copy = frames(&mut reader).unwrap_or_else(|error| panic!("{context}: {error}"));
            let written = reframed(kind, &all);
            assert_begins_in_data(&copy, &written, &context);
            let samples = copy.iter().map(|frame| frame.data.len()).sum::<usize>();
            assert!(kind == Kind::Wav || samples >= read, "{context}: what was there is gone");
            read = samples;
        }
        // In the end, nothing is missing but what the writer says it holds back.
        let copy = frames(&mut open(&tape.after(total), name).unwrap()).unwrap();
        let held = match kind {
            Kind::Ivf | Kind::AnnexB => Duration::ZERO,
            Kind::Ogg => Duration::from_millis(200) + once[0].duration,
            Kind::Wav => Duration::from_secs(1),
        };
        let missing = end(&all).saturating_sub(end(&copy));
        assert!(missing <= held, "{name}: {missing:?} are missing");
    }
}

fn end(frames: &[Frame]) -> Duration {
    frames.iter().map(|frame| frame.duration).sum()
}

/// WAV does not keep where frames began.
fn reframed(kind: Kind, all: &[Frame]) -> Vec<Vec<u8>> {
    match kind {
        Kind::Wav => {
            let samples: Vec<u8> = all.iter().flat_map(|frame| frame.data.clone()).collect();
            samples.chunks(160).map(<[u8]>::to_vec).collect()
        }
        Kind::Ivf | Kind::Ogg | Kind::AnnexB => all.iter().map(|frame| frame.data.clone()).collect(),
    }
}

/// See [`assert_begins`].
fn assert_begins_in_data(copy: &[Frame], all: &[Vec<u8>], context: &str) {
    assert!(copy.len() <= all.len(), "{context}: {} frames", copy.len());
    for (index, (copied, data)) in copy.iter().zip(all).enumerate() {
        let is_last = index + 1 == copy.len();
        assert!(copied.data == *data || is_last && data.starts_with(&copied.data), "{context}, frame {index}");
    }
}

#[test]
fn a_disk_that_was_full_for_a_while_costs_only_the_frames_of_that_while() {
    for name in ["vp8.ivf", "h264.h264", "mono.opus", "mulaw.wav"] {
        let (kind, codec, once) = read_golden(name);
        let all = looped(&once, Duration::from_secs(3));
        let mut file = Full::default();
        let mut writer = Writer::new(&mut file, kind, codec, None).unwrap();
        let mut kept = Vec::new();
        for frame in &all {
            if writer.write(frame).is_ok() {
                kept.push(frame.clone());
            }
        }
        writer.finish().unwrap();
        assert!(kept.len() < all.len(), "{name}: nothing failed");
        let copy =
            frames(&mut open(file.inner.get_ref(), name).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(copy.len() * 2 > all.len(), "{name}: {} frames of {}", copy.len(), all.len());
        if kind == Kind::Ivf {
            assert!(copy.iter().map(|frame| &frame.data).eq(kept.iter().map(|frame| &frame.data)), "{name}");
        }
    }
}

/// A file that takes half of every tenth write and then says that the disk is full.
#[derive(Default)]
struct Full {
    inner: Cursor<Vec<u8>>,
    calls: usize,
    is_torn: bool,
}

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if std::mem::take(&mut self.is_torn) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.calls += 1;
        if self.calls % 10 == 7 && bytes.len() > 20 {
            self.is_torn = true;
            return self.inner.write(&bytes[..bytes.len() / 2]);
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::io::Seek for Full {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(to)
    }
}

#[test]
fn a_writer_that_is_dropped_finishes_its_file() {
    let name = "mono.opus";
    let (kind, codec, all) = read_golden(name);
    let mut file = Cursor::new(Vec::new());
    let mut writer = Writer::new(&mut file, kind, codec, None).unwrap();
    all.iter().for_each(|frame| writer.write(frame).unwrap());
    drop(writer);
    assert!(frames(&mut open(file.get_ref(), name).unwrap()).unwrap() == all);
}

#[test]
fn flushing_puts_the_last_packets_into_the_file() {
    for name in ["mono.opus", "mulaw.wav"] {
        let (kind, codec, all) = read_golden(name);
        let mut tape = Tape::default();
        let mut writer = Writer::new(&mut tape, kind, codec, None).unwrap();
        let (pause, rest) = all.split_at(3);
        pause.iter().for_each(|frame| writer.write(frame).unwrap());
        writer.flush().unwrap();
        std::mem::forget(writer);
        let file = tape.after(tape.len());
        assert!(frames(&mut open(&file, name).unwrap()).unwrap() == pause, "{name}");

        // And it goes on behind that.
        let mut file = Cursor::new(Vec::new());
        let mut writer = Writer::new(&mut file, kind, codec, None).unwrap();
        pause.iter().for_each(|frame| writer.write(frame).unwrap());
        writer.flush().unwrap();
        rest.iter().for_each(|frame| writer.write(frame).unwrap());
        writer.finish().unwrap();
        assert!(frames(&mut open(file.get_ref(), name).unwrap()).unwrap() == all, "{name}");
    }
}

#[test]
fn a_recording_is_made_beside_its_name_and_opened_again() {
    let folder = std::env::temp_dir().join(format!("visavis-container-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (_, _, all) = read_golden("vp8.ivf");
    let mut writer = Writer::create(folder.join("clip"), Codec::Vp8, Some((64, 48))).unwrap();
    assert_eq!(writer.path(), folder.join("clip.ivf"));
    all.iter().for_each(|frame| writer.write(frame).unwrap());
    // Killed: the file is as good as finished.
    std::mem::forget(writer);
    let copy = frames(&mut Reader::open(folder.join("clip.ivf")).unwrap()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(copy == all);
}
