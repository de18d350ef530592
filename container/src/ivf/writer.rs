//! Writing IVF.

use std::io::{Seek, Write};
use std::time::Duration;

use super::{HEADER_LENGTH, SIGNATURE, fourcc_of};
use crate::annexb::{self, nal::Standard};
use crate::picture::Obus;
use crate::sink::Sink;
use crate::{Codec, Error, Frame, Kind, dimensions, time};

/// Times count RTP's units of video, so that they are kept to the tick (RFC 3551, section 5).
const RATE: u32 = 90_000;

/// How often the header is brought up to date.
const PATCHING: Duration = Duration::from_secs(1);

/// Where the header says how large the pictures are, and how many.
const DIMENSIONS_AT: u64 = 12;
const COUNT_AT: u64 = 24;

/// An OBU that has a size, and that size is zero (AV1 specification, section 5.3).
const TEMPORAL_DELIMITER: [u8; 2] = [0x12, 0x00];

/// Writes frames. Each is in the file when [`write`](Self::write) returns; the header's count of frames, which readers
/// do not need, is brought up to date once a second.
pub struct Writer<W> {
    sink: Sink<W>,
    codec: Codec,
    /// What the header says, zeros before it is known.
    dimensions: (u16, u16),
    count: u32,
    /// The time of the frame at which the count was last written.
    patched: Duration,
    /// Header and data of a frame, to write them in one go.
    buf: Vec<u8>,
}

impl<W: Write + Seek> Writer<W> {
    /// Writes the header at the first byte of `inner`. Without `dimensions` (width and height) they are those of the
    /// first key frame of VP8, VP9 or AV1, and zero for H.264, whose players do not ask the header.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if `codec` is none of VP8, VP9, AV1 and H.264; [`Error::Write`].
    pub fn new(inner: W, codec: Codec, dimensions: Option<(u16, u16)>) -> Result<Self, Error> {
        let fourcc = fourcc_of(codec).ok_or(Error::Unsupported { container: Kind::Ivf, codec })?;
        let dimensions = dimensions.unwrap_or_default();
        let mut buf = Vec::new();
        buf.extend(SIGNATURE);
        buf.extend(0_u16.to_le_bytes());
        buf.extend(HEADER_LENGTH.to_le_bytes());
        buf.extend(fourcc);
        buf.extend(encode(dimensions));
        buf.extend(RATE.to_le_bytes());
        buf.extend(1_u32.to_le_bytes());
        buf.extend([0; 8]);
        let mut sink = Sink::new(inner);
        sink.append(&buf)?;
        Ok(Self { sink, codec, dimensions, count: 0, patched: Duration::ZERO, buf })
    }

    /// Appends a frame. A file that shall be decoded from its beginning begins with a key frame. A temporal unit of AV1
    /// gets the temporal delimiter that decoders ask for and RTP leaves out.
    ///
    /// # Errors
    /// [`Error::NotAFrame`] if it is empty or larger than 4 GiB, or for H.264 does not begin with a start code; [`Error::Write`].
    pub fn write(&mut self, frame: &Frame) -> Result<(), Error> {
        let codec = self.codec;
        if codec == Codec::H264 {
            annexb::check(Standard::H264, &frame.data)?;
        }
        if frame.data.is_empty() {
            return Err(Error::NotAFrame { codec, reason: "it is empty" });
        }
        let mut prefix = &[][..];
        if codec == Codec::Av1 {
            let first = Obus { bytes: &frame.data }.next();
            if first.is_none_or(|(kind, _)| kind != Obus::TEMPORAL_DELIMITER) {
                prefix = &TEMPORAL_DELIMITER;
            }
        }
        let size = u32::try_from(prefix.len().saturating_add(frame.data.len()))
            .map_err(|_| Error::NotAFrame { codec, reason: "it is larger than 4 GiB" })?;
        self.learn_dimensions(&frame.data)?;
        self.buf.clear();
        self.buf.extend(size.to_le_bytes());
        self.buf.extend(time::to_ticks(frame.timestamp, RATE).to_le_bytes());
        self.buf.extend_from_slice(prefix);
        self.buf.extend_from_slice(&frame.data);
        self.sink.append(&self.buf)?;
        self.count = self.count.saturating_add(1);
        if frame.timestamp.abs_diff(self.patched) >= PATCHING {
            self.patched = frame.timestamp;
            self.flush()?;
        }
        Ok(())
    }

    fn learn_dimensions(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.dimensions == (0, 0)
            && let Some(dimensions) = dimensions(self.codec, data)
        {
            self.sink.patch(DIMENSIONS_AT, &encode(dimensions))?;
            self.dimensions = dimensions;
        }
        Ok(())
    }

    /// Brings the header's count of frames up to date.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.sink.patch(COUNT_AT, &self.count.to_le_bytes())
    }

    /// Brings the header up to date and gives back what was written to.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<W, Error> {
        self.flush()?;
        Ok(self.sink.into_inner())
    }
}

fn encode((width, height): (u16, u16)) -> [u8; 4] {
    let ([a, b], [c, d]) = (width.to_le_bytes(), height.to_le_bytes());
    [a, b, c, d]
}
