//! One track on its way to files: a file for each codec, whose first frame is one that a decoder can begin with.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use container::{Frame, Kind, Writer};
use visavis::{MediaKind, ReceivedFrame};

use super::codec;

/// Names tried when one is taken.
const NAMES: u32 = 10_000;

/// Where the files are written, and how they are called: `visit-3-video.ivf`.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) directory: PathBuf,
    /// Tells visitors apart.
    pub(super) visit: u32,
    pub(super) kind: MediaKind,
}

impl Place {
    /// Makes a file that was not there before.
    fn create(&self, codec: container::Codec) -> io::Result<(PathBuf, File)> {
        let extension = match codec {
            container::Codec::Vp8 | container::Codec::Vp9 | container::Codec::Av1 => "ivf",
            container::Codec::H264 => "h264",
            container::Codec::H265 => "h265",
            container::Codec::Opus => "opus",
            container::Codec::Pcmu | container::Codec::Pcma => "wav",
        };
        for number in 1..=NAMES {
            let part = if number == 1 { String::new() } else { format!("-{number}") };
            let path = self.directory.join(format!("visit-{}-{}{part}.{extension}", self.visit, self.kind));
            match File::create_new(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
            }
        }
        let text = format!("there are {NAMES} files of this visit in {} already", self.directory.display());
        Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
    }
}

/// One more than the highest number that files in a folder have.
pub(super) fn next_visit(directory: &Path) -> io::Result<u32> {
    let mut highest = 0_u32;
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("visit-")?.split('-').next()?.parse().ok());
        highest = highest.max(number.unwrap_or(0));
    }
    Ok(highest.saturating_add(1))
}

/// A track that is written.
pub(super) struct Recording {
    place: Place,
    open: Option<Open>,
    /// What comes next cannot be decoded.
    needs_key_frame: bool,
}

/// The file that is written to.
struct Open {
    path: PathBuf,
    writer: Writer,
    codec: container::Codec,
    dimensions: Option<(u16, u16)>,
    /// The first frame's time, which is the file's zero.
    first: Duration,
    /// The last one's, on the file's clock, and how long it lasts as far as is known.
    last: Duration,
    step: Duration,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Written,
    /// It was of no use: nothing is before a key frame comes.
    NeedsKeyFrame,
}

impl Recording {
    pub(super) const fn new(place: Place) -> Self {
        Self { place, open: None, needs_key_frame: true }
    }

    /// Writes a frame. Another codec ends the file, and its first key frame begins the next; pictures of another size
    /// do not, as all that is written here says it in its key frames.
    ///
    /// # Errors
    ///
    /// What the system says when a file cannot be made or written to.
    pub(super) fn take(&mut self, frame: &ReceivedFrame) -> Result<Taken, container::Error> {
        // What has no file is not asked for.
        let Some(codec) = codec::of_track(&frame.codec) else { return Ok(Taken::Written) };
        if self.open.as_ref().is_some_and(|open| open.codec != codec) {
            self.finish();
        }
        if self.open.is_none() || frame.follows_loss {
            self.needs_key_frame = codec.is_video();
        }
        if self.needs_key_frame && !container::is_key_frame(codec, &frame.data) {
            return Ok(Taken::NeedsKeyFrame);
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::new(&self.place, codec, frame)?),
        };
        match open.write(frame) {
            // What is no frame is left out, and so is what builds upon it.
            Err(error @ container::Error::NotAFrame { .. }) => {
                tracing::debug!(%error, "not written");
                self.needs_key_frame = codec.is_video();
                Ok(Taken::NeedsKeyFrame)
            }
            result => {
                self.needs_key_frame = false;
                result.map(|()| Taken::Written)
            }
        }
    }

    /// Nothing came for a while: what was held back is written.
    pub(super) fn pause(&mut self) -> Result<(), container::Error> {
        self.open.as_mut().map_or(Ok(()), |open| open.writer.flush())
    }

    /// Ends the file, and prints what became of it.
    pub(super) fn finish(&mut self) {
        let Some(open) = self.open.take() else { return };
        let name = open.path.display();
        let size = open.dimensions.map(|(width, height)| format!(" {width} × {height}")).unwrap_or_default();
        let seconds = (open.last + open.step).as_secs_f64();
        if let Err(error) = open.writer.finish() {
            eprintln!("visavis: {name}: {error}");
        }
        let bytes = fs::metadata(&open.path).map_or(0, |data| data.len());
        say(&format!("{name}: {}{size}, {seconds:.1} s, {}", open.codec, amount(bytes)));
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Open {
    fn new(place: &Place, codec: container::Codec, frame: &ReceivedFrame) -> Result<Self, container::Error> {
        let dimensions = container::dimensions(codec, &frame.data);
        let (path, file) = place.create(codec).map_err(|source| container::Error::Write { offset: 0, source })?;
        let kind = match codec {
            container::Codec::Vp8 | container::Codec::Vp9 | container::Codec::Av1 => Kind::Ivf,
            container::Codec::H264 | container::Codec::H265 => Kind::AnnexB,
            container::Codec::Opus => Kind::Ogg,
            container::Codec::Pcmu | container::Codec::Pcma => Kind::Wav,
        };
        let writer = Writer::new(file, kind, codec, dimensions)?;
        say(&format!("Recording {}", path.display()));
        let (first, last, step) = (frame.timestamp, Duration::ZERO, Duration::ZERO);
        Ok(Self { path, writer, codec, dimensions, first, last, step })
    }

    fn write(&mut self, frame: &ReceivedFrame) -> Result<(), container::Error> {
        let timestamp = frame.timestamp.saturating_sub(self.first);
        self.writer.write(&Frame {
            data: frame.data.to_vec(),
            timestamp,
            duration: frame.duration.unwrap_or_default(),
            is_key_frame: frame.is_key_frame,
        })?;
        if timestamp > self.last {
            (self.step, self.last) = (timestamp - self.last, timestamp);
        }
        self.step = frame.duration.unwrap_or(self.step);
        Ok(())
    }
}

/// Prints a line, if anybody still reads: a recording does not end because nobody does.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// For people: `1.2 MB`.
fn amount(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use visavis::Codec;

    use super::*;

    fn place(name: &str, kind: MediaKind) -> Place {
        let directory = std::env::temp_dir().join(format!("visavis-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Place { directory, visit: 1, kind }
    }

    fn frame(codec: &Codec, data: &[u8], millis: u64) -> ReceivedFrame {
        ReceivedFrame {
            data: data.to_vec().into(),
            timestamp: Duration::from_millis(millis),
            duration: None,
            rtp_timestamp: 0,
            is_key_frame: false,
            follows_loss: false,
            codec: Arc::new(codec.clone()),
            rid: None,
            received: Instant::now(),
        }
    }

    fn names(place: &Place) -> Vec<String> {
        let entries = fs::read_dir(&place.directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The beginning of a key frame of 64 × 48, and a frame that builds upon one (RFC 6386, section 9.1).
    const KEY: [u8; 11] = [0x10, 0x25, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x00, 0x30, 0x00, 0x47];
    const DELTA: [u8; 4] = [0x11, 0x25, 0x00, 0x47];

    fn frames_in(path: &Path) -> Vec<(usize, Duration)> {
        let mut reader = container::Reader::open(path).unwrap();
        std::iter::from_fn(|| reader.next_frame().unwrap()).map(|frame| (frame.data.len(), frame.timestamp)).collect()
    }

    #[test]
    fn a_file_begins_with_a_key_frame_and_goes_on_with_one_after_losses() {
        let place = place("losses", MediaKind::Video);
        let mut recording = Recording::new(place.clone());
        let vp8 = Codec::vp8();
        let mut take = |data: &[u8], millis, follows_loss| {
            recording.take(&ReceivedFrame { follows_loss, ..frame(&vp8, data, millis) }).unwrap()
        };
        assert_eq!(take(&DELTA, 0, false), Taken::NeedsKeyFrame);
        assert_eq!(take(&KEY, 100, false), Taken::Written);
        assert_eq!(take(&DELTA, 140, false), Taken::Written);
        assert_eq!(take(&DELTA, 220, true), Taken::NeedsKeyFrame);
        assert_eq!(take(&DELTA, 260, false), Taken::NeedsKeyFrame);
        assert_eq!(take(&KEY, 300, false), Taken::Written);
        drop(recording);
        assert_eq!(names(&place), ["visit-1-video.ivf"]);
        let millis = Duration::from_millis;
        let expected = [(KEY.len(), millis(0)), (DELTA.len(), millis(40)), (KEY.len(), millis(200))];
        assert_eq!(frames_in(&place.directory.join("visit-1-video.ivf")), expected);
        fs::remove_dir_all(place.directory).unwrap();
    }

    #[test]
    fn another_codec_begins_another_file_and_nothing_is_overwritten() {
        let place = place("codecs", MediaKind::Audio);
        assert_eq!(next_visit(&place.directory).unwrap(), 1);
        let mut recording = Recording::new(place.clone());
        for codec in [Codec::pcmu(), Codec::opus(), Codec::pcmu(), Codec::pcma()] {
            let silence = if codec == Codec::opus() { vec![0xfc, 0xff, 0xfe] } else { vec![0xd5; 160] };
            assert_eq!(recording.take(&frame(&codec, &silence, 0)).unwrap(), Taken::Written);
        }
        drop(recording);
        let expected = ["visit-1-audio-2.wav", "visit-1-audio-3.wav", "visit-1-audio.opus", "visit-1-audio.wav"];
        assert_eq!(names(&place), expected);
        assert_eq!(next_visit(&place.directory).unwrap(), 2);
        fs::remove_dir_all(place.directory).unwrap();
    }
}
