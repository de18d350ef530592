//! One writer for all kinds of files.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use crate::{Codec, Error, Frame, Kind, annexb, ivf, opus, wav};

/// Writes one stream to a file that is playable at every moment: what was written stays if the program is killed, all
/// of it but for the last 200 ms of Opus, and the last second of G.711 in players that believe the header. Nothing is
/// buffered here, and nothing is forced onto the disk either, so that a loss of power is another matter.
///
/// A writer that is dropped finishes its file as well as it can, and tells nobody if that fails.
pub struct Writer<W: Write + Seek = File> {
    /// `None` once finished.
    format: Option<Format<W>>,
    codec: Codec,
    kind: Kind,
    path: PathBuf,
}

enum Format<W: Write + Seek> {
    Ivf(ivf::Writer<W>),
    Ogg(Box<opus::Writer<W>>),
    AnnexB(annexb::Writer<W>),
    Wav(wav::Writer<W>),
}

impl Writer {
    /// Makes the file, in place of one that may be there. A name without extension gets the usual one: `.ivf` for VP8,
    /// VP9 and AV1, `.h264`, `.h265`, `.opus`, and `.wav` for G.711. H.264 can be written to `.ivf` too, which keeps its
    /// times. `dimensions` are width and height, for IVF's header; see [`ivf::Writer::new`].
    ///
    /// # Errors
    /// [`Error::Extension`] if the name is that of another kind of file; [`Error::Open`]; [`Error::Write`].
    pub fn create(path: impl AsRef<Path>, codec: Codec, dimensions: Option<(u16, u16)>) -> Result<Self, Error> {
        let (path, kind) = name(path.as_ref(), codec)?;
        let file = File::create(&path).map_err(|source| Error::Open { path: path.clone(), source })?;
        let mut writer = Self::new(file, kind, codec, dimensions)?;
        writer.path = path;
        Ok(writer)
    }

    /// The file that is written, with its extension.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl<W: Write + Seek> Writer<W> {
    /// Writes to `inner` from its first byte.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if `kind` does not go with `codec`; [`Error::Write`].
    pub fn new(inner: W, kind: Kind, codec: Codec, dimensions: Option<(u16, u16)>) -> Result<Self, Error> {
        let format = match kind {
            Kind::Ivf => Format::Ivf(ivf::Writer::new(inner, codec, dimensions)?),
            Kind::Ogg if codec == Codec::Opus => Format::Ogg(Box::new(opus::Writer::new(inner, 2)?)),
            Kind::Ogg => return Err(Error::Unsupported { container: kind, codec }),
            Kind::AnnexB => Format::AnnexB(annexb::Writer::new(inner, codec)?),
            Kind::Wav => Format::Wav(wav::Writer::new(inner, codec)?),
        };
        Ok(Self { format: Some(format), codec, kind, path: PathBuf::new() })
    }

    /// How the frames are encoded.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// How the file is laid out.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Appends a frame. A file of video that shall be decoded from its beginning begins with a key frame, and it is the
    /// caller who sees to that.
    ///
    /// # Errors
    /// [`Error::NotAFrame`], behind which the next frame may follow as if nothing was; [`Error::Write`].
    pub fn write(&mut self, frame: &Frame) -> Result<(), Error> {
        match &mut self.format {
            Some(Format::Ivf(writer)) => writer.write(frame),
            Some(Format::Ogg(writer)) => writer.write(frame),
            Some(Format::AnnexB(writer)) => writer.write(frame),
            Some(Format::Wav(writer)) => writer.write(frame),
            None => Ok(()),
        }
    }

    /// Puts into the file what [`write`](Self::write) held back, and brings its header up to date. Worth calling in
    /// pauses; a file that is being written to needs it not.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn flush(&mut self) -> Result<(), Error> {
        match &mut self.format {
            Some(Format::Ivf(writer)) => writer.flush(),
            Some(Format::Ogg(writer)) => writer.flush(),
            Some(Format::Wav(writer)) => writer.flush(),
            Some(Format::AnnexB(_)) | None => Ok(()),
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`Error::Write`]; what was written before is there in any case.
    pub fn finish(mut self) -> Result<(), Error> {
        self.close()
    }

    fn close(&mut self) -> Result<(), Error> {
        match self.format.take() {
            Some(Format::Ivf(writer)) => writer.finish().map(drop),
            Some(Format::Ogg(writer)) => writer.finish().map(drop),
            Some(Format::AnnexB(writer)) => writer.finish().map(drop),
            Some(Format::Wav(writer)) => writer.finish().map(drop),
            None => Ok(()),
        }
    }
}

impl<W: Write + Seek> Drop for Writer<W> {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

/// The file's name with an extension, and the kind of file that it stands for.
fn name(path: &Path, codec: Codec) -> Result<(PathBuf, Kind), Error> {
    let extensions = codec.extensions();
    let Some(extension) = path.extension() else {
        let (extension, kind) = extensions.first().copied().unwrap_or(("", Kind::Ivf));
        return Ok((path.with_extension(extension), kind));
    };
    let found = extensions.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known));
    let (_, kind) =
        found.ok_or_else(|| Error::Extension { path: path.to_owned(), codec, expected: codec.extension_names() })?;
    Ok((path.to_owned(), *kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_the_extension_that_they_lack_and_keep_the_one_that_fits() {
        let named =
            |path: &str, codec| name(Path::new(path), codec).map(|(path, kind)| (path.display().to_string(), kind));
        assert_eq!(named("d/a", Codec::Vp8).unwrap(), ("d/a.ivf".to_owned(), Kind::Ivf));
        assert_eq!(named("d.x/a", Codec::H264).unwrap(), ("d.x/a.h264".to_owned(), Kind::AnnexB));
        assert_eq!(named("a.IVF", Codec::H264).unwrap(), ("a.IVF".to_owned(), Kind::Ivf));
        assert_eq!(named("a.ogg", Codec::Opus).unwrap(), ("a.ogg".to_owned(), Kind::Ogg));
        assert_eq!(named("a", Codec::Pcma).unwrap(), ("a.wav".to_owned(), Kind::Wav));
        let text = named("a.mp4", Codec::H264).unwrap_err().to_string();
        assert_eq!(text, "a.mp4: H264 is written to files named .h264, .264 or .ivf");
    }

    #[test]
    fn containers_refuse_what_they_have_no_place_for() {
        for codec in Codec::ALL {
            for kind in [Kind::Ivf, Kind::Ogg, Kind::AnnexB, Kind::Wav] {
                let fits = codec.extensions().iter().any(|(_, fitting)| *fitting == kind);
                let made = Writer::new(std::io::Cursor::new(Vec::new()), kind, codec, None);
                assert_eq!(made.is_ok(), fits, "{codec} in {kind}");
            }
        }
        let refused = Writer::new(std::io::Cursor::new(Vec::new()), Kind::Wav, Codec::Vp8, None).err().unwrap();
        assert_eq!(refused.to_string(), "WAV cannot hold VP8");
    }
}
