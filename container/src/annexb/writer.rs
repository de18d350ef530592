//! Appending access units.

use std::io::{Seek, Write};

use super::nal::{START_CODE, Standard, find_start_code, without_trailing_zeros};
use crate::sink::Sink;
use crate::{Codec, Error, Frame};

/// Writes access units one behind the other. Times are lost.
pub struct Writer<W> {
    sink: Sink<W>,
    standard: Standard,
}

impl<W: Write + Seek> Writer<W> {
    /// Writes a stream of `codec` from the first byte of `inner`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if `codec` is neither H.264 nor H.265.
    pub fn new(inner: W, codec: Codec) -> Result<Self, Error> {
        Ok(Self { sink: Sink::new(inner), standard: Standard::of(codec)? })
    }

    /// Appends an access unit. A file that shall be decoded from its beginning begins with a key frame.
    ///
    /// # Errors
    /// [`Error::NotAFrame`] if it does not begin with a start code; [`Error::Write`].
    pub fn write(&mut self, frame: &Frame) -> Result<(), Error> {
        check(self.standard, &frame.data)?;
        self.sink.append(&frame.data)
    }

    /// What was written to.
    ///
    /// # Errors
    /// None: everything is written already.
    pub fn finish(self) -> Result<W, Error> {
        Ok(self.sink.into_inner())
    }
}

/// Whether `data` begins with a start code, behind which something is. Length prefixes, as in MP4, look like neither.
pub(crate) fn check(standard: Standard, data: &[u8]) -> Result<(), Error> {
    let start = find_start_code(data).filter(|at| data.iter().take(*at).all(|byte| *byte == 0));
    let reason = match start.and_then(|at| data.get(at + START_CODE.len()..)) {
        None => "it does not begin with a start code",
        Some(unit) if without_trailing_zeros(unit).is_empty() => "it is empty",
        Some(_) => return Ok(()),
    };
    Err(Error::NotAFrame { codec: standard.codec(), reason })
}
