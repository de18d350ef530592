//! A media file that is played: looked through once before anybody comes, and opened anew for each viewer.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;

use container::{Frame, FrameRate, Options, Reader};
use visavis::{Codec, MediaKind};

use super::codec;

/// A file that says of itself that it takes no time still takes some: it may be played in a loop.
const SHORTEST: Duration = Duration::from_millis(100);

/// What frames are read from.
pub(super) trait Input: Read + Seek + Send + Sync {}
impl<T: Read + Seek + Send + Sync> Input for T {}

/// A file that can be played.
#[derive(Debug)]
pub(crate) struct Clip {
    /// What people call it.
    name: String,
    source: Source,
    codec: container::Codec,
    /// What is offered to viewers, by preference.
    offered: Vec<Codec>,
    dimensions: Option<(u16, u16)>,
    /// Until the last frame has been shown.
    length: Duration,
    /// When the pictures are due that a decoder can begin with.
    key_frames: Vec<Duration>,
}

#[derive(Debug)]
enum Source {
    File { path: PathBuf, frame_rate: FrameRate },
    BuiltIn { bytes: &'static [u8], extension: &'static str },
}

impl Clip {
    /// Looks through a file. `frame_rate` is that of files that do not say when their pictures are due.
    ///
    /// # Errors
    ///
    /// Why it cannot be played, and what to do about it.
    pub(crate) fn open(path: &Path, frame_rate: FrameRate) -> Result<Self, String> {
        let shown = path.display();
        let data = std::fs::metadata(path).map_err(|error| format!("{shown}: {error}"))?;
        if data.is_dir() {
            return Err(format!("{shown} is a folder; name the files in it that are to be played"));
        }
        // A pipe cannot be played from the beginning for the second viewer.
        if !data.is_file() {
            return Err(format!("{shown} is no file; write what it gives to one, and name that"));
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let source = Source::File { path: path.to_owned(), frame_rate };
        Self::look_through(name, source).map_err(|error| explain(path, &error))
    }

    /// One that is part of the program.
    pub(super) fn built_in(name: &str, bytes: &'static [u8], extension: &'static str) -> Result<Self, String> {
        let source = Source::BuiltIn { bytes, extension };
        Self::look_through(name.to_owned(), source).map_err(|error| format!("{name}: {error}"))
    }

    fn look_through(name: String, source: Source) -> Result<Self, Problem> {
        let mut reader = open(&source)?;
        let codec = reader.codec();
        let mut dimensions = reader.dimensions();
        let (mut length, mut key_frames, mut offered, mut first) = (Duration::ZERO, Vec::new(), Vec::new(), None);
        while let Some(frame) = reader.next_frame()? {
            first = first.or(Some(frame.timestamp));
            length = length.max(frame.timestamp.saturating_add(frame.duration));
            if !codec.is_video() {
                continue;
            }
            if frame.is_key_frame {
                if key_frames.is_empty() {
                    offered = codec::offered(codec, &frame.data);
                }
                dimensions = dimensions.or_else(|| container::dimensions(codec, &frame.data));
                key_frames.push(frame.timestamp);
            }
        }
        let first = first.ok_or(Problem::Empty)?;
        if codec.is_video() && key_frames.is_empty() {
            return Err(Problem::NoKeyFrame);
        }
        if !codec.is_video() {
            offered = codec::offered(codec, &[]);
        }
        let length = length.max(first.saturating_add(SHORTEST));
        Ok(Self { name, source, codec, offered, dimensions, length, key_frames })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn codec(&self) -> container::Codec {
        self.codec
    }

    pub(super) const fn kind(&self) -> MediaKind {
        codec::kind(self.codec)
    }

    pub(super) fn offered(&self) -> &[Codec] {
        &self.offered
    }

    /// How long it plays.
    pub(super) const fn length(&self) -> Duration {
        self.length
    }

    /// The first picture after a moment that a decoder can begin with.
    pub(super) fn key_frame_after(&self, moment: Duration) -> Option<Duration> {
        self.key_frames.get(self.key_frames.partition_point(|due| *due <= moment)).copied()
    }

    /// The last one at a moment or before.
    pub(super) fn key_frame_before(&self, moment: Duration) -> Option<Duration> {
        let after = self.key_frames.partition_point(|due| *due <= moment);
        self.key_frames.get(after.checked_sub(1)?).copied()
    }

    /// Reads it from the beginning.
    pub(super) fn read(&self) -> Result<Reader<Box<dyn Input>>, container::Error> {
        open(&self.source)
    }

    /// For people: `clip.ivf: VP8, 320 × 240, 8.0 s`.
    pub(super) fn describe(&self) -> String {
        let size = self.dimensions.map(|(width, height)| format!(", {width} × {height}")).unwrap_or_default();
        format!("{}: {}{size}, {:.1} s", self.name, self.codec, self.length.as_secs_f64())
    }

    /// How to make a file of it that every browser plays.
    pub(super) fn advice(&self) -> String {
        let name = quoted(&self.name);
        let stem = self.name.rsplit_once('.').map_or(&*self.name, |(stem, _)| stem);
        match self.kind() {
            MediaKind::Video => format!("ffmpeg -i {name} -c:v libvpx -b:v 1M {}", quoted(&format!("{stem}-vp8.ivf"))),
            MediaKind::Audio => format!("ffmpeg -i {name} -c:a libopus {}", quoted(&format!("{stem}.opus"))),
        }
    }
}

fn open(source: &Source) -> Result<Reader<Box<dyn Input>>, container::Error> {
    match source {
        Source::File { path, frame_rate } => {
            let file = File::open(path).map_err(|source| container::Error::Open { path: path.clone(), source })?;
            let extension = path.extension().and_then(|extension| extension.to_str());
            let options = Options { frame_rate: *frame_rate, ..Options::default() };
            Reader::new(Box::new(BufReader::new(file)), extension, options)
        }
        Source::BuiltIn { bytes, extension } => {
            Reader::new(Box::new(Cursor::new(*bytes)), Some(extension), Options::default())
        }
    }
}

/// Why a file cannot be played.
#[derive(Debug)]
enum Problem {
    Container(container::Error),
    Empty,
    NoKeyFrame,
}

impl From<container::Error> for Problem {
    fn from(error: container::Error) -> Self {
        Self::Container(error)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Container(error) => error.fmt(f),
            Self::Empty => f.write_str("there is nothing to play in it"),
            Self::NoKeyFrame => {
                f.write_str("it has no key frame, so that no decoder could begin with it; encode it anew")
            }
        }
    }
}

/// With the file's name, and how to convert what is no file of ours.
fn explain(path: &Path, problem: &Problem) -> String {
    let shown = path.display();
    match problem {
        // It names the file itself.
        Problem::Container(error @ container::Error::Open { .. }) => error.to_string(),
        Problem::Container(error @ container::Error::Unrecognised { .. }) => {
            let name = quoted(&shown.to_string());
            format!(
                "{shown}: {error}. Other files can be converted: \
                 ffmpeg -i {name} -an -c:v libvpx -b:v 1M video.ivf -vn -c:a libopus audio.opus"
            )
        }
        Problem::Container(_) | Problem::Empty | Problem::NoKeyFrame => format!("{shown}: {problem}"),
    }
}

/// As a shell takes it for one word.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    }
}

/// A frame as tracks take it.
pub(super) fn outgoing(frame: Frame, timestamp: Duration) -> visavis::Frame {
    let (data, is_key_frame) = (frame.data.into(), frame.is_key_frame);
    visavis::Frame { data, timestamp, duration: Some(frame.duration), is_key_frame, rid: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_are_found_around_a_moment() {
        let clip = Clip::built_in("clip", include_bytes!("../../media/clip.ivf"), "ivf").unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(clip.describe(), "clip: VP8, 320 × 240, 8.0 s");
        assert_eq!(clip.key_frame_after(Duration::ZERO), Some(2 * second));
        assert_eq!(clip.key_frame_after(3 * second), Some(4 * second));
        assert_eq!(clip.key_frame_after(7 * second), None);
        assert_eq!(clip.key_frame_before(Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(clip.key_frame_before(3 * second), Some(2 * second));
    }

    #[test]
    fn names_are_quoted_for_a_shell() {
        assert_eq!(quoted("a/b-1.mp4"), "a/b-1.mp4");
        assert_eq!(quoted("it's mine.mp4"), r"'it'\''s mine.mp4'");
    }
}
