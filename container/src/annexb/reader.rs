//! Splitting a byte stream into NAL units, and those into access units.

use std::io::{Read, Seek};
use std::ops::Range;

use super::nal::{Role, START_CODE, Standard, find_start_code, without_trailing_zeros};
use crate::error::show;
use crate::source::Source;
use crate::{Codec, Error, Frame, Options};

/// How much is read at a time.
const CHUNK: u64 = 64 * 1024;

/// Reads access units. As the stream has no times, the frame rate is the caller's to say.
///
/// Frames begin at access unit delimiters, parameter sets, SEI and first slices, whichever comes first behind a picture.
/// Start codes are written as four bytes whatever they were. What is behind the last picture and belongs to none is
/// left out.
pub struct Reader<R> {
    units: Units<R>,
    standard: Standard,
    options: Options,
    /// What is there of the next access unit.
    pending: AccessUnit,
    /// How many were returned.
    count: u64,
    has_ended: bool,
}

#[derive(Default)]
struct AccessUnit {
    data: Vec<u8>,
    offset: u64,
    has_picture: bool,
    is_key: bool,
}

impl AccessUnit {
    fn push(&mut self, unit: &[u8], role: Role) {
        if let Role::Picture { is_key, .. } = role {
            self.has_picture = true;
            self.is_key |= is_key;
        }
        self.data.push(0);
        self.data.extend_from_slice(&START_CODE);
        self.data.extend_from_slice(unit);
    }

    /// Whether a NAL unit of this role begins the next access unit. A picture whose first slice was lost is known by
    /// being a key frame when the one before is not, or the reverse.
    const fn ends_before(&self, role: Role) -> bool {
        self.has_picture
            && match role {
                Role::Picture { is_first, is_key } => is_first || is_key != self.is_key,
                Role::Precedes => true,
                Role::Follows | Role::Nothing => false,
            }
    }
}

impl<R: Read> Reader<R> {
    /// Reads a stream of `codec` from its first byte.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if `codec` is neither H.264 nor H.265.
    pub fn new(inner: R, codec: Codec, options: Options) -> Result<Self, Error> {
        let standard = Standard::of(codec)?;
        let units = Units { source: Source::new(inner), buf: Vec::new(), next: 0, scanned: 0, stage: Stage::Start };
        Ok(Self { units, standard, options, pending: AccessUnit::default(), count: 0, has_ended: false })
    }

    /// What is in the stream.
    pub const fn codec(&self) -> Codec {
        self.standard.codec()
    }

    /// The next access unit, `None` behind the last one and behind an error.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the stream does not begin with a start code, [`Error::TooLarge`], [`Error::Read`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        if self.has_ended {
            return Ok(None);
        }
        let result = self.assemble();
        self.has_ended = !matches!(result, Ok(Some(_)));
        let Some(unit) = result? else { return Ok(None) };
        let timestamp = self.options.frame_rate.due(self.count);
        self.count = self.count.saturating_add(1);
        let duration = self.options.frame_rate.due(self.count).saturating_sub(timestamp);
        Ok(Some(Frame { data: unit.data, timestamp, duration, is_key_frame: unit.is_key }))
    }

    fn assemble(&mut self) -> Result<Option<AccessUnit>, Error> {
        let limit = self.options.frame_limit;
        while let Some((offset, range)) = self.units.next(limit)? {
            let unit = self.units.buf.get(range).unwrap_or_default();
            let role = self.standard.role(unit);
            if role == Role::Nothing {
                continue;
            }
            let mut ended = None;
            if self.pending.ends_before(role) {
                ended = Some(std::mem::take(&mut self.pending));
            }
            if self.pending.data.is_empty() {
                self.pending.offset = offset;
            }
            self.pending.push(unit, role);
            if self.pending.data.len() > limit {
                let size = self.pending.data.len() as u64;
                return Err(Error::TooLarge { offset: self.pending.offset, size, limit });
            }
            if ended.is_some() {
                return Ok(ended);
            }
        }
        let last = std::mem::take(&mut self.pending);
        Ok(last.has_picture.then_some(last))
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Begins again with the first frame, at time zero.
    ///
    /// # Errors
    /// [`Error::Read`] if the source cannot go back.
    pub fn rewind(&mut self) -> Result<(), Error> {
        self.units.source.seek(0)?;
        self.units.buf.clear();
        (self.units.next, self.units.scanned, self.units.stage) = (0, 0, Stage::Start);
        self.pending = AccessUnit::default();
        (self.count, self.has_ended) = (0, false);
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the first start code, where only zeros may be.
    Start,
    /// Behind a start code.
    Within,
    /// All is read.
    End,
}

/// NAL units, one after the other.
struct Units<R> {
    source: Source<R>,
    /// What was read and is still needed.
    buf: Vec<u8>,
    /// Where in `buf` the next NAL unit begins.
    next: usize,
    /// How far in `buf` there is no start code.
    scanned: usize,
    stage: Stage,
}

impl<R: Read> Units<R> {
    /// The next NAL unit that is not empty: its offset in the file, and its place in `buf`.
    fn next(&mut self, limit: usize) -> Result<Option<(u64, Range<usize>)>, Error> {
        while self.stage != Stage::End {
            let (end, next) = match self.buf.get(self.scanned..).and_then(find_start_code) {
                Some(at) => (self.scanned + at, self.scanned + at + START_CODE.len()),
                None if self.read_on(limit)? => continue,
                None => (self.buf.len(), self.buf.len()),
            };
            // Reading on moves what is there, so that only now it is known where that is.
            let begin = self.next;
            let offset = self.offset_of(begin);
            let is_last = end == next;
            let unit = without_trailing_zeros(self.buf.get(begin..end).unwrap_or_default());
            if self.stage == Stage::Start && (is_last || !unit.is_empty()) {
                let found = show(self.buf.get(begin..).unwrap_or_default());
                return Err(Error::malformed(offset, "a start code (00 00 01)", found));
            }
            let range = begin..begin + unit.len();
            (self.next, self.scanned) = (next, next);
            self.stage = if is_last { Stage::End } else { Stage::Within };
            if !range.is_empty() {
                return Ok(Some((offset, range)));
            }
        }
        Ok(None)
    }

    /// Reads more behind the NAL unit that is being looked for the end of; `false` if there is no more.
    fn read_on(&mut self, limit: usize) -> Result<bool, Error> {
        self.buf.drain(..self.next);
        self.next = 0;
        // A start code may be half there.
        self.scanned = self.buf.len().saturating_sub(START_CODE.len() - 1);
        if self.buf.len() > limit {
            let size = self.buf.len() as u64;
            return Err(Error::TooLarge { offset: self.offset_of(0), size, limit });
        }
        Ok(self.source.append(CHUNK, &mut self.buf)? > 0)
    }

    const fn offset_of(&self, at: usize) -> u64 {
        self.source.offset().saturating_sub((self.buf.len() - at) as u64)
    }
}
