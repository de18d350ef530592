//! Reading with the offset at hand, so that errors can say where, and without trusting any length that a file states.

use std::io::{Read, Seek, SeekFrom};

use crate::Error;

/// How much room is made for a length that is only claimed; what is longer has to arrive first.
const TRUSTED: usize = 64 * 1024;

pub(crate) struct Source<R> {
    inner: R,
    offset: u64,
}

impl<R: Read> Source<R> {
    pub(crate) const fn new(inner: R) -> Self {
        Self { inner, offset: 0 }
    }

    /// Where the next byte is.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Appends up to `length` bytes to `buf` and says how many there were; fewer only at the end. `buf` grows with what
    /// arrives and not with `length`, which may be a lie.
    pub(crate) fn append(&mut self, length: u64, buf: &mut Vec<u8>) -> Result<u64, Error> {
        let before = buf.len();
        buf.reserve(usize::try_from(length).unwrap_or(usize::MAX).min(TRUSTED));
        let result = (&mut self.inner).take(length).read_to_end(buf);
        let read = (buf.len() - before) as u64;
        self.offset = self.offset.saturating_add(read);
        result.map_err(|source| Error::Read { offset: self.offset, source })?;
        Ok(read)
    }

    /// Fills `array` as far as the file goes, and says how far that was.
    pub(crate) fn fill(&mut self, array: &mut [u8]) -> Result<usize, Error> {
        let mut filled = 0;
        while let Some(rest) = array.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.inner.read(rest) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    self.offset = self.offset.saturating_add(read as u64);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Read { offset: self.offset, source }),
            }
        }
        Ok(filled)
    }

    /// A header of fixed size, without which there is no file.
    pub(crate) fn header<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], Error> {
        let start = self.offset;
        let mut array = [0; N];
        let filled = self.fill(&mut array)?;
        if filled < N {
            return Err(Error::malformed(start, expected, format!("the end of the file after {filled} of {N} bytes")));
        }
        Ok(array)
    }

    /// Reads on without keeping anything, and says how far that went.
    pub(crate) fn skip(&mut self, length: u64) -> Result<u64, Error> {
        let mut left = length;
        let mut scrap = [0; 4096];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(scrap.len());
            let read = self.fill(scrap.get_mut(..wanted).unwrap_or_default())?;
            left -= read as u64;
            if read < wanted {
                break;
            }
        }
        Ok(length - left)
    }
}

impl<R: Read + Seek> Source<R> {
    /// Reads on from `offset`.
    pub(crate) fn seek(&mut self, offset: u64) -> Result<(), Error> {
        self.inner.seek(SeekFrom::Start(offset)).map_err(|source| Error::Read { offset, source })?;
        self.offset = offset;
        Ok(())
    }
}

/// The little-endian field of `N` bytes at `at`, zeros where `bytes` ends: for headers whose length was checked.
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    for (to, from) in field.iter_mut().zip(bytes.iter().skip(at)) {
        *to = *from;
    }
    field
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(field(bytes, at))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(bytes, at))
}
