use crate::packet::Data;
use crate::serial::Ssn;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// What a piece of an incomplete message is charged beyond its bytes.
pub(crate) const SEGMENT_OVERHEAD: usize = 256;

/// A message whose fragments have all arrived.
#[derive(Debug)]
pub(crate) struct Complete {
    pub(crate) stream: u16,
    pub(crate) ssn: Ssn,
    pub(crate) unordered: bool,
    pub(crate) ppid: u32,
    pub(crate) payload: Bytes,
}

/// The fragments do not make sense together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) &'static str);

/// Consecutive fragments of one message.
#[derive(Debug)]
struct Segment {
    /// One past the last TSN.
    next: u64,
    begin: bool,
    end: bool,
    stream: u16,
    ssn: Ssn,
    unordered: bool,
    ppid: u32,
    length: usize,
    /// More than one piece only where a hole has been closed.
    pieces: VecDeque<Vec<u8>>,
}

impl Segment {
    fn new(tsn: u64, data: &Data<'_>) -> Self {
        Self {
            next: tsn + 1,
            begin: data.flags.begin,
            end: data.flags.end,
            stream: data.stream,
            ssn: data.ssn,
            unordered: data.flags.unordered,
            ppid: data.ppid,
            length: data.payload.len(),
            pieces: VecDeque::from([data.payload.to_vec()]),
        }
    }

    /// Fragments of one message agree in stream, order and number (RFC 9260, section 6.9).
    fn agrees(&self, other: &Self) -> bool {
        self.stream == other.stream && self.unordered == other.unordered && (self.unordered || self.ssn == other.ssn)
    }

    fn append(&mut self, data: &Data<'_>) {
        if let Some(piece) = self.pieces.back_mut() {
            piece.extend_from_slice(data.payload);
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

    fn into_message(mut self) -> Complete {
        let payload = match (self.pieces.pop_front(), self.pieces.is_empty()) {
            (Some(only), true) => only,
            (first, _) => {
                let mut whole = Vec::with_capacity(self.length);
                for piece in first.iter().chain(&self.pieces) {
                    whole.extend_from_slice(piece);
                }
                whole
            }
        };
        Complete {
            stream: self.stream,
            ssn: self.ssn,
            unordered: self.unordered,
            ppid: self.ppid,
            payload: payload.into(),
        }
    }
}

/// Messages of which some fragments have arrived, keyed by the first TSN of each run of fragments.
///
/// The next fragment in sequence is appended where the message grows: one copy. This is the one place that knows
/// that fragments follow each other by TSN; with I-DATA (RFC 8260) they follow by their own numbers.
#[derive(Debug)]
pub(crate) struct Reassembly {
    segments: BTreeMap<u64, Segment>,
    charged: usize,
    max_message: usize,
}

impl Reassembly {
    pub(crate) const fn new(max_message: usize) -> Self {
        Self { segments: BTreeMap::new(), charged: 0, max_message }
    }

    /// Bytes held, overhead included.
    pub(crate) const fn charged(&self) -> usize {
        self.charged
    }

    /// Takes a chunk that has not been seen before.
    pub(crate) fn insert(&mut self, tsn: u64, data: &Data<'_>) -> Result<Option<Complete>, Violation> {
        if data.flags.begin && data.flags.end {
            return Ok(Some(Complete {
                stream: data.stream,
                ssn: data.ssn,
                unordered: data.flags.unordered,
                ppid: data.ppid,
                payload: Bytes::copy_from_slice(data.payload),
            }));
        }
        let first = self.extend_or_begin(tsn, data)?;
        self.join_following(first)?;
        let Some(segment) = self.segments.get(&first) else { return Ok(None) };
        if segment.length > self.max_message {
            return Err(Violation("a message larger than announced"));
        }
        if !(segment.begin && segment.end) {
            return Ok(None);
        }
        let segment = self.segments.remove(&first);
        self.charged -= segment.as_ref().map_or(0, |segment| segment.length + SEGMENT_OVERHEAD);
        Ok(segment.map(Segment::into_message))
    }

    /// Adds the fragment to the segment before it or begins one; returns the first TSN of that segment.
    fn extend_or_begin(&mut self, tsn: u64, data: &Data<'_>) -> Result<u64, Violation> {
        if let Some((first, before)) = self.segments.range_mut(..tsn).next_back()
            && before.next == tsn
            && !before.end
        {
            if data.flags.begin {
                return Err(Violation("a message begins inside another"));
            }
            if !before
                .agrees(&Segment { pieces: VecDeque::new(), ..Segment::new(tsn, &Data { payload: &[], ..*data }) })
            {
                return Err(Violation("fragments of different messages in a row"));
            }
            before.append(data);
            self.charged += data.payload.len();
            return Ok(*first);
        }
        self.segments.insert(tsn, Segment::new(tsn, data));
        self.charged += data.payload.len() + SEGMENT_OVERHEAD;
        Ok(tsn)
    }

    fn join_following(&mut self, first: u64) -> Result<(), Violation> {
        let Some(segment) = self.segments.get(&first) else { return Ok(()) };
        let Some(after) = self.segments.get(&segment.next) else { return Ok(()) };
        if segment.end {
            return if after.begin { Ok(()) } else { Err(Violation("a message goes on after its end")) };
        }
        if after.begin {
            return Err(Violation("a message begins inside another"));
        }
        if !segment.agrees(after) {
            return Err(Violation("fragments of different messages in a row"));
        }
        let next = segment.next;
        if let Some(after) = self.segments.remove(&next)
            && let Some(segment) = self.segments.get_mut(&first)
        {
            segment.join(after);
            self.charged -= SEGMENT_OVERHEAD;
        }
        Ok(())
    }

    /// Drops what began at or before `tsn`: its missing fragments will never come (RFC 3758, section 3.6).
    pub(crate) fn skip_to(&mut self, tsn: u64) {
        while let Some(entry) = self.segments.first_entry()
            && *entry.key() <= tsn
        {
            self.charged -= entry.remove().length + SEGMENT_OVERHEAD;
        }
    }
}
