//! Writing so that the file is whole after every call: what is appended goes out at once, and headers are patched in
//! place.

use std::io::{Seek, SeekFrom, Write};

use crate::Error;

pub(crate) struct Sink<W> {
    inner: W,
    /// Behind the last byte that was written wholly.
    end: u64,
    /// A failed call may have left the position, and torn bytes, anywhere behind `end`.
    is_displaced: bool,
}

impl<W: Write + Seek> Sink<W> {
    pub(crate) const fn new(inner: W) -> Self {
        Self { inner, end: 0, is_displaced: false }
    }

    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// Appends `bytes` in one call, unless the system takes fewer. What a failed call left is overwritten by the next:
    /// a disk that was full for a while must not leave half a frame in the middle.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let result = self.restore().and_then(|()| self.inner.write_all(bytes)).and_then(|()| self.inner.flush());
        self.check(result)?;
        self.end = self.end.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Overwrites what stands at `offset`.
    pub(crate) fn patch(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.is_displaced = true;
        let result = self
            .inner
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.inner.write_all(bytes))
            .and_then(|()| self.inner.flush())
            .and_then(|()| self.restore());
        self.check(result)
    }

    fn restore(&mut self) -> std::io::Result<()> {
        if self.is_displaced {
            self.inner.seek(SeekFrom::Start(self.end))?;
            self.is_displaced = false;
        }
        Ok(())
    }

    fn check(&mut self, result: std::io::Result<()>) -> Result<(), Error> {
        result.map_err(|source| {
            self.is_displaced = true;
            Error::Write { offset: self.end, source }
        })
    }

    pub(crate) fn into_inner(self) -> W {
        self.inner
    }
}
