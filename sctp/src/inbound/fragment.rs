//! What DATA and I-DATA have in common, and runs of fragments of one message.

use super::Violation;
use super::buffers::Buffers;
use crate::packet::{Data, DataFlags, IData};
use crate::serial::Tsn;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// What a run of fragments of an incomplete message is charged beyond its bytes.
pub(crate) const SEGMENT_OVERHEAD: usize = 256;

/// A message or a fragment of one, by whichever chunk it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    pub(crate) flags: DataFlags,
    pub(crate) tsn: Tsn,
    pub(crate) stream: u16,
    /// The stream sequence number, of 16 bits, or the message identifier.
    pub(crate) number: u32,
    /// The fragment sequence number; 0 with DATA.
    pub(crate) fsn: u32,
    pub(crate) ppid: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> From<&Data<'a>> for Fragment<'a> {
    fn from(data: &Data<'a>) -> Self {
        Self {
            flags: data.flags,
            tsn: data.tsn,
            stream: data.stream,
            number: u32::from(data.ssn.0),
            fsn: 0,
            ppid: data.ppid,
            payload: data.payload,
        }
    }
}

impl<'a> From<&IData<'a>> for Fragment<'a> {
    fn from(data: &IData<'a>) -> Self {
        Self {
            flags: data.flags,
            tsn: data.tsn,
            stream: data.stream,
            number: data.mid.0,
            fsn: data.fsn,
            ppid: data.ppid,
            payload: data.payload,
        }
    }
}

/// Consecutive fragments of one message.
#[derive(Debug)]
pub(super) struct Segment {
    /// One past the last place.
    pub(super) next: u64,
    pub(super) begin: bool,
    pub(super) end: bool,
    pub(super) stream: u16,
    pub(super) number: u32,
    pub(super) unordered: bool,
    pub(super) ppid: u32,
    /// Bytes held.
    pub(super) length: usize,
    /// Bytes that were read already, of a message that is read in parts.
    pub(super) taken: usize,
    /// More than one piece only where a hole has been closed.
    pieces: VecDeque<Vec<u8>>,
}

impl Segment {
    /// The first fragment of a message makes room for the others.
    fn new(place: u64, data: &Fragment<'_>, buffers: &mut Buffers, incomplete: usize) -> Self {
        let bytes = if data.flags.begin { buffers.begin(incomplete, data.payload) } else { data.payload.to_vec() };
        Self {
            next: place + 1,
            begin: data.flags.begin,
            end: data.flags.end,
            stream: data.stream,
            number: data.number,
            unordered: data.flags.unordered,
            ppid: data.ppid,
            length: data.payload.len(),
            taken: 0,
            pieces: VecDeque::from([bytes]),
        }
    }

    /// Fragments of one message agree in stream, order and number (RFC 9260, section 6.9).
    fn agrees(&self, other: &Self) -> bool {
        self.agrees_with(other.stream, other.unordered, other.number)
    }

    const fn agrees_with(&self, stream: u16, unordered: bool, number: u32) -> bool {
        self.stream == stream && self.unordered == unordered && (self.unordered || self.number == number)
    }

    /// Whether the fragment of this place is the next one.
    const fn continues_at(&self, place: u64) -> bool {
        self.next == place && !self.end
    }

    /// Refuses a fragment that is the next one but belongs to another message.
    fn expect_next(&self, data: &Fragment<'_>) -> Result<(), Violation> {
        if data.flags.begin {
            return Err(Violation("a message begins inside another"));
        }
        if !self.agrees_with(data.stream, data.flags.unordered, data.number) {
            return Err(Violation("fragments of different messages in a row"));
        }
        Ok(())
    }

    fn append(&mut self, data: &Fragment<'_>) {
        match self.pieces.back_mut() {
            Some(piece) => piece.extend_from_slice(data.payload),
            None => self.pieces.push_back(data.payload.to_vec()),
        }
        self.length += data.payload.len();
        self.next += 1;
        self.end = data.flags.end;
    }

    /// Takes what follows. The shorter list of pieces moves, so that closing holes in any order stays cheap.
    fn join(&mut self, mut after: Self) {
        if self.pieces.len() < after.pieces.len() {
            while let Some(piece) = self.pieces.pop_back() {
                after.pieces.push_front(piece);
            }
            self.pieces = after.pieces;
        } else {
            self.pieces.append(&mut after.pieces);
        }
        self.length += after.length;
        self.next = after.next;
        self.end = after.end;
    }

    /// Bytes of the message as far as it is known.
    pub(super) const fn total(&self) -> usize {
        self.length.saturating_add(self.taken)
    }

    /// The bytes held, if there are any; what follows is kept behind them.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.length -= piece.len();
        self.taken = self.taken.saturating_add(piece.len());
        Some(bytes(piece))
    }

    pub(super) fn into_payload(mut self) -> Bytes {
        match (self.pieces.pop_front(), self.pieces.is_empty()) {
            (Some(only), true) => bytes(only),
            (first, _) => {
                let mut whole = Vec::with_capacity(self.length);
                for piece in first.iter().chain(&self.pieces) {
                    whole.extend_from_slice(piece);
                }
                whole.into()
            }
        }
    }
}

/// Gives back what was reserved in vain.
fn bytes(mut piece: Vec<u8>) -> Bytes {
    if piece.len() < piece.capacity() / 2 {
        piece.shrink_to_fit();
    }
    piece.into()
}

/// Runs of fragments, each keyed by the place of its first one.
pub(super) type Segments = BTreeMap<u64, Segment>;

/// Adds a fragment to the segment before it, or begins one, and closes the hole behind it. Returns the first place of
/// the segment that it belongs to now, and by how many the segments have become more. A new message is put into one of
/// the `buffers`, while so many others are `incomplete`.
pub(super) fn add(
    segments: &mut Segments,
    place: u64,
    data: &Fragment<'_>,
    buffers: &mut Buffers,
    incomplete: usize,
) -> Result<(u64, isize), Violation> {
    // In order, nothing is behind it.
    if let Some(mut last) = segments.last_entry()
        && last.get().continues_at(place)
    {
        last.get().expect_next(data)?;
        last.get_mut().append(data);
        return Ok((*last.key(), 0));
    }
    let (first, more) = extend_or_begin(segments, place, data, buffers, incomplete)?;
    let joined = join_following(segments, first)?;
    Ok((first, isize::from(more) - isize::from(joined)))
}

fn extend_or_begin(
    segments: &mut Segments,
    place: u64,
    data: &Fragment<'_>,
    buffers: &mut Buffers,
    incomplete: usize,
) -> Result<(u64, bool), Violation> {
    if let Some((first, before)) = segments.range_mut(..place).next_back()
        && before.continues_at(place)
    {
        before.expect_next(data)?;
        before.append(data);
        return Ok((*first, false));
    }
    segments.insert(place, Segment::new(place, data, buffers, incomplete));
    Ok((place, true))
}

fn join_following(segments: &mut Segments, first: u64) -> Result<bool, Violation> {
    let Some(segment) = segments.get(&first) else { return Ok(false) };
    let Some(after) = segments.get(&segment.next) else { return Ok(false) };
    if segment.end {
        return if after.begin { Ok(false) } else { Err(Violation("a message goes on after its end")) };
    }
    if after.begin {
        return Err(Violation("a message begins inside another"));
    }
    if !segment.agrees(after) {
        return Err(Violation("fragments of different messages in a row"));
    }
    let next = segment.next;
    if let Some(after) = segments.remove(&next)
        && let Some(segment) = segments.get_mut(&first)
    {
        segment.join(after);
    }
    Ok(true)
}
