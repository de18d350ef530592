//! What the tests of files share.

#![allow(dead_code, reason = "every test uses a part of it")]

use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

use visavis_container::{Codec, Error, Frame, FrameRate, Kind, Options, Reader, Writer};

/// A file of `tests/data`.
pub(crate) fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Every golden file that has frames to copy.
pub(crate) const GOLDEN: [&str; 10] = [
    "vp8.ivf",
    "vp9.ivf",
    "av1.ivf",
    "h264.h264",
    "h264-aud.h264",
    "h265.h265",
    "mono.opus",
    "stereo-60ms.opus",
    "mulaw.wav",
    "alaw.wav",
];

/// All frames of a reader.
pub(crate) fn frames<R: std::io::Read + Seek>(reader: &mut Reader<R>) -> Result<Vec<Frame>, Error> {
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        frames.push(frame);
    }
    Ok(frames)
}

/// All frames of a golden file, and what they are.
pub(crate) fn read_golden(name: &str) -> (Kind, Codec, Vec<Frame>) {
    // What the byte streams were made with.
    let options = Options { frame_rate: FrameRate::new(10, 1).unwrap(), ..Options::default() };
    let mut reader = Reader::open_with(golden(name), options).unwrap();
    let frames = frames(&mut reader).unwrap();
    (reader.kind(), reader.codec(), frames)
}

/// A file in memory, which may be too short to show what it is: then `name` does.
pub(crate) fn open<'a>(file: &'a [u8], name: &str) -> Result<Reader<Cursor<&'a [u8]>>, Error> {
    let extension = name.rsplit('.').next();
    let options = Options { frame_rate: FrameRate::new(10, 1).unwrap(), ..Options::default() };
    Reader::new(Cursor::new(file), extension, options)
}

/// All frames of a file in memory.
pub(crate) fn read(file: &[u8]) -> Result<Vec<Frame>, Error> {
    frames(&mut open(file, "")?)
}

/// A file of `frames`, finished.
pub(crate) fn write(kind: Kind, codec: Codec, frames: &[Frame]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut writer = Writer::new(&mut file, kind, codec, None).unwrap();
    for frame in frames {
        writer.write(frame).unwrap();
    }
    writer.finish().unwrap();
    file.into_inner()
}

/// `frames` again and again, until they last for `duration`.
pub(crate) fn looped(frames: &[Frame], duration: Duration) -> Vec<Frame> {
    let last = frames.last().expect("a file with frames");
    let round = last.timestamp + last.duration;
    let mut all = Vec::new();
    let mut start = Duration::ZERO;
    while start < duration {
        all.extend(frames.iter().map(|frame| Frame { timestamp: start + frame.timestamp, ..frame.clone() }));
        start += round;
    }
    all
}

/// A file that remembers every write in its order, to look at it as it was at any moment.
#[derive(Default)]
pub(crate) struct Tape {
    writes: Vec<(u64, Vec<u8>)>,
    position: u64,
    end: u64,
}

impl Tape {
    /// How many bytes were written, those that overwrite others too.
    pub(crate) fn len(&self) -> usize {
        self.writes.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// The file when the first `count` bytes were written.
    pub(crate) fn after(&self, count: usize) -> Vec<u8> {
        let (mut file, mut left) = (Vec::new(), count);
        for (offset, bytes) in &self.writes {
            let bytes = &bytes[..bytes.len().min(left)];
            if bytes.is_empty() {
                break;
            }
            left -= bytes.len();
            let (start, end) = (*offset as usize, *offset as usize + bytes.len());
            if file.len() < end {
                file.resize(end, 0);
            }
            file[start..end].copy_from_slice(bytes);
        }
        file
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writes.push((self.position, bytes.to_vec()));
        self.position += bytes.len() as u64;
        self.end = self.end.max(self.position);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Tape {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(offset) => offset,
            SeekFrom::End(offset) => self.end.saturating_add_signed(offset),
            SeekFrom::Current(offset) => self.position.saturating_add_signed(offset),
        };
        Ok(self.position)
    }
}
