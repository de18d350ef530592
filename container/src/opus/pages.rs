//! Ogg pages of one logical stream, read one by one (RFC 3533, section 6).
//!
//! `ogg::PacketReader` would do all of this in one call, but says neither where an error is nor refuses a packet that
//! goes on for ever, and keeps a record for each stream of a file that may claim millions. So pages are taken from the
//! source here, and parsed, checked and joined to packets by the parts below it.

use std::collections::VecDeque;
use std::io::Read;

use ::ogg::OggReadError;
use ::ogg::reading::{BasePacketReader, PageParser};

use crate::Error;
use crate::error::show;
use crate::source::{Source, field, u32_at, u64_at};

const CAPTURE_PATTERN: [u8; 4] = *b"OggS";

/// Bits of `header_type_flag`.
const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// A page as it came, its checksum not yet looked at.
pub(super) struct Page {
    pub(super) offset: u64,
    header: [u8; 27],
    segments: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Page {
    const fn flags(&self) -> u8 {
        let [_, _, _, _, _, flags, ..] = self.header;
        flags
    }

    /// Whether it begins a logical stream.
    pub(super) const fn is_first(&self) -> bool {
        self.flags() & FIRST != 0
    }

    /// Whether it ends its logical stream.
    pub(super) const fn is_last(&self) -> bool {
        self.flags() & LAST != 0
    }

    pub(super) fn serial(&self) -> u32 {
        u32_at(&self.header, 14)
    }

    /// The samples of the stream up to the last packet that ends on this page; `None` if none does.
    pub(super) fn granule_position(&self) -> Option<u64> {
        Some(u64_at(&self.header, 6)).filter(|position| *position != u64::MAX)
    }

    /// Reads the next page; `None` at the end, or if the page is not there to its end, which sets `is_cut_off`.
    pub(super) fn read<R: Read>(source: &mut Source<R>, is_cut_off: &mut bool) -> Result<Option<Self>, Error> {
        let offset = source.offset();
        let mut header = [0; 27];
        let filled = source.fill(&mut header)?;
        let signature: [u8; 4] = field(&header, 0);
        if !CAPTURE_PATTERN.starts_with(signature.get(..filled.min(4)).unwrap_or_default()) {
            return Err(Error::malformed(offset, "a page of Ogg (OggS)", show(&signature)));
        }
        let [.., count] = header;
        let (mut segments, mut body) = (Vec::new(), Vec::new());
        if filled == header.len() && source.append(count.into(), &mut segments)? == u64::from(count) {
            let size: u64 = segments.iter().copied().map(u64::from).sum();
            if source.append(size, &mut body)? == size {
                return Ok(Some(Self { offset, header, segments, body }));
            }
        }
        *is_cut_off |= filled > 0;
        Ok(None)
    }
}

/// Packets of one logical stream.
pub(super) struct Packets {
    joiner: BasePacketReader,
    /// How much there is of a packet that goes on on the next page.
    open: usize,
    limit: usize,
}

impl Packets {
    pub(super) fn new(limit: usize) -> Self {
        Self { joiner: BasePacketReader::new(), open: 0, limit }
    }

    /// Checks the page and appends the packets that end on it to `queue`.
    pub(super) fn push(&mut self, page: Page, queue: &mut VecDeque<Vec<u8>>) -> Result<(), Error> {
        let offset = page.offset;
        self.measure(&page)?;
        let parsed = PageParser::new(page.header).and_then(|(mut parser, _)| {
            parser.parse_segments(page.segments);
            parser.parse_packet_data(page.body)
        });
        parsed.and_then(|page| self.joiner.push_page(page)).map_err(|error| explain(offset, error))?;
        while let Some(packet) = self.joiner.read_packet() {
            queue.push_back(packet.data);
        }
        Ok(())
    }

    /// Follows how long the packet is that pages do not end: no larger than the limit.
    fn measure(&mut self, page: &Page) -> Result<(), Error> {
        if page.flags() & CONTINUED == 0 {
            self.open = 0;
        }
        for segment in &page.segments {
            self.open = self.open.saturating_add(usize::from(*segment));
            if self.open > self.limit {
                return Err(Error::TooLarge { offset: page.offset, size: self.open as u64, limit: self.limit });
            }
            if *segment < u8::MAX {
                self.open = 0;
            }
        }
        Ok(())
    }
}

fn explain(offset: u64, error: OggReadError) -> Error {
    let (expected, found) = match error {
        OggReadError::NoCapturePatternFound => ("a page of Ogg (OggS)", "something else".to_owned()),
        OggReadError::InvalidStreamStructVer(version) => ("a page of version 0", version.to_string()),
        OggReadError::HashMismatch(stated, computed) => {
            ("a page whose checksum is right", format!("{stated:08x} instead of {computed:08x}"))
        }
        OggReadError::InvalidData => ("a page that goes on where the one before ended", "another".to_owned()),
        OggReadError::ReadError(source) => return Error::Read { offset, source },
    };
    Error::malformed(offset, expected, found)
}
