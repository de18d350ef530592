//! One reader for all kinds of files.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use crate::annexb::nal::{Standard, nal_units};
use crate::error::show;
use crate::source::Source;
use crate::{Codec, Error, Frame, FrameRate, Kind, annexb, ivf, opus, wav};

/// How much of a file is looked at to tell what it is.
const SNIFFED: u64 = 64 * 1024;

/// What a file does not say by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many pictures per second a byte stream of H.264 or H.265 has, which has no times: 30 by default.
    pub frame_rate: FrameRate,
    /// The largest frame that is read, in bytes: 16 MiB by default. Also how far a frame's end is looked for. Frames of
    /// WAV are 160 bytes in any case.
    pub frame_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { frame_rate: FrameRate::default(), frame_limit: 16 << 20 }
    }
}

/// Reads any kind of file. What it is is told by its content; only if that is silent, by the name.
pub struct Reader<R = BufReader<File>> {
    format: Format<R>,
}

enum Format<R> {
    Ivf(ivf::Reader<R>),
    Ogg(Box<opus::Reader<R>>),
    AnnexB(annexb::Reader<R>),
    Wav(wav::Reader<R>),
}

impl Reader {
    /// Opens a file with [`Options::default`].
    ///
    /// # Errors
    /// [`Error::Open`] if there is no such file; [`Error::Unrecognised`]; and what the format's own reader says of the
    /// header.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, Options::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
        let extension = path.extension().and_then(|extension| extension.to_str());
        Self::new(BufReader::new(file), extension, options)
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Reads `inner` from its first byte. `extension` is that of the file's name, without a dot, where there is one.
    ///
    /// # Errors
    /// As [`open`](Reader::open).
    pub fn new(mut inner: R, extension: Option<&str>, options: Options) -> Result<Self, Error> {
        let mut beginning = Vec::new();
        let mut source = Source::new(&mut inner);
        source.seek(0)?;
        source.append(SNIFFED, &mut beginning)?;
        source.seek(0)?;
        let found = sniff(&beginning).or_else(|| extension.and_then(named));
        let format = match found.ok_or_else(|| Error::Unrecognised { found: show(&beginning) })? {
            Found::Ivf => Format::Ivf(ivf::Reader::new(inner, options)?),
            Found::Ogg => Format::Ogg(Box::new(opus::Reader::new(inner, options)?)),
            Found::AnnexB(standard) => Format::AnnexB(annexb::Reader::new(inner, standard.codec(), options)?),
            Found::Wav => Format::Wav(wav::Reader::new(inner)?),
        };
        Ok(Self { format })
    }

    /// How the file is laid out.
    pub const fn kind(&self) -> Kind {
        match &self.format {
            Format::Ivf(_) => Kind::Ivf,
            Format::Ogg(_) => Kind::Ogg,
            Format::AnnexB(_) => Kind::AnnexB,
            Format::Wav(_) => Kind::Wav,
        }
    }

    /// How its frames are encoded.
    pub const fn codec(&self) -> Codec {
        match &self.format {
            Format::Ivf(reader) => reader.header().codec,
            Format::Ogg(_) => Codec::Opus,
            Format::AnnexB(reader) => reader.codec(),
            Format::Wav(reader) => reader.codec(),
        }
    }

    /// Width and height in pixels, if the file's header states them.
    pub const fn dimensions(&self) -> Option<(u16, u16)> {
        match &self.format {
            Format::Ivf(reader) => match (reader.header().width, reader.header().height) {
                (0, _) | (_, 0) => None,
                dimensions => Some(dimensions),
            },
            Format::Ogg(_) | Format::AnnexB(_) | Format::Wav(_) => None,
        }
    }

    /// The next frame, `None` behind the last one. Behind an error nothing follows, as where the next frame begins is
    /// no longer known.
    ///
    /// # Errors
    /// What the format's own reader says.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        match &mut self.format {
            Format::Ivf(reader) => reader.next_frame(),
            Format::Ogg(reader) => reader.next_frame(),
            Format::AnnexB(reader) => reader.next_frame(),
            Format::Wav(reader) => reader.next_frame(),
        }
    }

    /// Whether the file ended in the middle of something, which is known once all frames are read. A byte stream of
    /// H.264 or H.265 never tells.
    pub const fn is_cut_off(&self) -> bool {
        match &self.format {
            Format::Ivf(reader) => reader.is_cut_off(),
            Format::Ogg(reader) => reader.is_cut_off(),
            Format::AnnexB(_) => false,
            Format::Wav(reader) => reader.is_cut_off(),
        }
    }

    /// Begins again with the first frame and the first frame's time, also behind an error. [`Paced`](crate::Paced) plays a
    /// file in a loop.
    ///
    /// # Errors
    /// [`Error::Read`] if the source cannot go back.
    pub fn rewind(&mut self) -> Result<(), Error> {
        match &mut self.format {
            Format::Ivf(reader) => reader.rewind(),
            Format::Ogg(reader) => reader.rewind(),
            Format::AnnexB(reader) => reader.rewind(),
            Format::Wav(reader) => reader.rewind(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Ivf,
    Ogg,
    AnnexB(Standard),
    Wav,
}

/// By content: signatures, or the first parameter set behind a start code.
fn sniff(beginning: &[u8]) -> Option<Found> {
    match beginning {
        [b'D', b'K', b'I', b'F', ..] => Some(Found::Ivf),
        [b'O', b'g', b'g', b'S', ..] => Some(Found::Ogg),
        [b'R', b'I', b'F', b'F', ..] => Some(Found::Wav),
        [0, 0, 1, ..] | [0, 0, 0, 1, ..] => {
            nal_units(beginning).find_map(Standard::of_parameter_set).map(Found::AnnexB)
        }
        _ => None,
    }
}

/// By name.
fn named(extension: &str) -> Option<Found> {
    match extension.to_ascii_lowercase().as_str() {
        "ivf" => Some(Found::Ivf),
        "opus" | "ogg" | "oga" => Some(Found::Ogg),
        "wav" => Some(Found::Wav),
        "h264" | "264" | "avc" => Some(Found::AnnexB(Standard::H264)),
        "h265" | "265" | "hevc" => Some(Found::AnnexB(Standard::H265)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn error(bytes: &[u8], extension: Option<&str>) -> String {
        let result = Reader::new(Cursor::new(bytes), extension, Options::default());
        result.err().expect("a file that is refused").to_string()
    }

    #[test]
    fn content_counts_before_the_name() {
        let h265 = [0, 0, 0, 1, 0x46, 0x01, 0x50, 0, 0, 1, 0x40, 0x01, 0x0c, 0, 0, 1, 0x26, 0x01, 0x80];
        let reader = Reader::new(Cursor::new(&h265[..]), Some("h264"), Options::default()).unwrap();
        assert_eq!((reader.kind(), reader.codec()), (Kind::AnnexB, Codec::H265));
        // Without a parameter set, the name decides.
        let slices = [0, 0, 0, 1, 0x41, 0x9a, 0x01];
        let mut reader = Reader::new(Cursor::new(&slices[..]), Some("H264"), Options::default()).unwrap();
        assert_eq!(reader.codec(), Codec::H264);
        assert_eq!(reader.next_frame().unwrap().unwrap().data, slices);
        assert!(error(&slices, None).starts_with("the file begins with 00 00 00 01 41 9a 01"));
    }

    #[test]
    fn what_is_no_media_file_is_called_by_its_first_bytes() {
        let text = error(b"\x1aE\xdf\xa3\x01\x02\x03\x04\x05", Some("webm"));
        assert!(
            text.starts_with(r#"the file begins with 1a 45 df a3 01 02 03 04 "\x1aE\xdf\xa3\x01\x02\x03\x04", which"#)
        );
        assert!(error(b"", None).starts_with("the file begins with the end of the file, which is none"), "empty");
        // A name that promises something gets the answer of that format.
        assert_eq!(
            error(b"DK", Some("ivf")),
            "byte 0: expected the header of IVF, found the end of the file after 2 of 32 bytes"
        );
        assert_eq!(error(b"", Some("opus")), "byte 0: expected a stream of Opus (OpusHead), found the end of the file");
        let missing = Reader::open("/nonexistent/clip.ivf").err().expect("no such file");
        assert!(missing.to_string().starts_with("/nonexistent/clip.ivf: "), "{missing}");
    }
}
