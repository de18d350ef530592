//! Messages being put together: fragments of DATA follow each other by TSN (RFC 9260, section 6.9), those of I-DATA by
//! numbers of their own (RFC 8260, section 2.2.3).

use super::Violation;
use super::buffers::Buffers;
use super::fragment::{Fragment, SEGMENT_OVERHEAD, Segment, Segments, add};
use super::interleaved::Interleaved;
use crate::serial::Mid;
use bytes::Bytes;

/// A message whose fragments have all arrived.
#[derive(Debug)]
pub(crate) struct Complete {
    pub(crate) stream: u16,
    pub(crate) unordered: bool,
    pub(crate) ppid: u32,
    /// What was not read yet.
    pub(crate) payload: Bytes,
    /// Bytes that were read before the end came.
    pub(crate) taken: usize,
}

impl Complete {
    pub(super) fn new(segment: Segment) -> Self {
        Self {
            stream: segment.stream,
            unordered: segment.unordered,
            ppid: segment.ppid,
            taken: segment.taken,
            payload: segment.into_payload(),
        }
    }
}

/// A message that is read before its end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// The first TSN of its run, as a count.
    Tsn(u64),
    /// Its order, and its number as a count.
    Mid { unordered: bool, number: u64 },
}

/// Messages of which some fragments have arrived.
///
/// The next fragment in sequence is appended where the message grows: one copy.
#[derive(Debug)]
pub(crate) enum Reassembly {
    /// DATA, keyed by the first TSN of each run of fragments.
    Consecutive { segments: Segments, charged: usize, buffers: Buffers, max_message: usize },
    /// I-DATA.
    Interleaved(Interleaved),
}

impl Reassembly {
    pub(crate) fn new(max_message: usize, interleaving: bool) -> Self {
        if interleaving {
            Self::Interleaved(Interleaved::new(max_message))
        } else {
            Self::Consecutive { segments: Segments::new(), charged: 0, buffers: Buffers::default(), max_message }
        }
    }

    /// Bytes held, overhead included.
    pub(crate) const fn charged(&self) -> usize {
        match self {
            Self::Consecutive { charged, .. } => *charged,
            Self::Interleaved(interleaved) => interleaved.charged(),
        }
    }

    /// Takes a chunk that has not been seen before. `number` is its message's, as a count.
    pub(crate) fn insert(&mut self, tsn: u64, number: u64, data: &Fragment<'_>) -> Result<Option<Complete>, Violation> {
        let (segments, charged, buffers, max_message) = match self {
            Self::Interleaved(interleaved) => return interleaved.insert(number, data),
            Self::Consecutive { segments, charged, buffers, max_message } => (segments, charged, buffers, *max_message),
        };
        if data.flags.begin && data.flags.end {
            return Ok(Some(whole(data)));
        }
        let incomplete = segments.len();
        let (first, more) = add(segments, tsn, data, buffers, incomplete)?;
        *charged += data.payload.len();
        *charged = charged.saturating_add_signed(more * SEGMENT_OVERHEAD.cast_signed());
        let Some(segment) = segments.get(&first) else { return Ok(None) };
        if segment.total() > max_message {
            return Err(Violation("a message larger than announced"));
        }
        if !(segment.begin && segment.end) {
            return Ok(None);
        }
        let segment = segments.remove(&first);
        *charged -= segment.as_ref().map_or(0, |segment| segment.length + SEGMENT_OVERHEAD);
        let complete = segment.map(Complete::new);
        complete.iter().for_each(|message| buffers.learn(&message.payload));
        Ok(complete)
    }

    /// Gives back the memory that waits for more messages.
    pub(crate) fn release_spare(&mut self) {
        match self {
            Self::Consecutive { buffers, .. } => buffers.release(),
            Self::Interleaved(interleaved) => interleaved.release_spare(),
        }
    }

    /// With DATA, drops what began at or before `tsn`: its missing fragments will never come (RFC 3758, section 3.6).
    pub(crate) fn skip_to(&mut self, tsn: u64) {
        let Self::Consecutive { segments, charged, .. } = self else { return };
        while let Some(entry) = segments.first_entry()
            && *entry.key() <= tsn
        {
            *charged -= entry.remove().length + SEGMENT_OVERHEAD;
        }
    }

    /// With I-DATA, drops the messages of a stream up to this number.
    pub(crate) fn skip_messages(&mut self, stream: u16, unordered: bool, last: Mid) {
        if let Self::Interleaved(interleaved) = self {
            interleaved.skip_messages(stream, unordered, last);
        }
    }

    /// With I-DATA, drops what is incomplete on a stream that starts anew.
    pub(crate) fn reset(&mut self, stream: u16) {
        if let Self::Interleaved(interleaved) = self {
            interleaved.reset(stream);
        }
    }

    /// The incomplete message of a stream that can be read next: its ordered one with the number `next`, or an unordered
    /// one. `cumulative` is the last TSN in sequence.
    pub(crate) fn readable(&self, stream: u16, next: u64, cumulative: u64) -> Option<Key> {
        match self {
            Self::Consecutive { segments, .. } => {
                // All that ends before the cumulative TSN is complete, so only one run reaches across it.
                let (first, segment) = segments.first_key_value()?;
                let turn = segment.unordered || segment.number == u32::from(next as u16);
                let is_next = segment.begin && *first <= cumulative && segment.stream == stream && turn;
                (is_next && segment.length > 0).then_some(Key::Tsn(*first))
            }
            Self::Interleaved(interleaved) => interleaved.readable(stream, next),
        }
    }

    /// Takes what has come in sequence of a message, and its payload protocol identifier.
    pub(crate) fn take(&mut self, stream: u16, key: Key) -> Option<(u32, Bytes)> {
        match (self, key) {
            (Self::Consecutive { segments, charged, .. }, Key::Tsn(first)) => {
                let segment = segments.get_mut(&first)?;
                let bytes = segment.take()?;
                *charged -= bytes.len();
                Some((segment.ppid, bytes))
            }
            (Self::Interleaved(interleaved), Key::Mid { unordered, number }) => {
                interleaved.take(stream, unordered, number)
            }
            (Self::Consecutive { .. }, Key::Mid { .. }) | (Self::Interleaved(_), Key::Tsn(_)) => None,
        }
    }

    /// Whether a message is still being put together.
    pub(crate) fn has(&self, stream: u16, key: Key) -> bool {
        match (self, key) {
            (Self::Consecutive { segments, .. }, Key::Tsn(first)) => segments.contains_key(&first),
            (Self::Interleaved(interleaved), Key::Mid { unordered, number }) => {
                interleaved.has(stream, unordered, number)
            }
            (Self::Consecutive { .. }, Key::Mid { .. }) | (Self::Interleaved(_), Key::Tsn(_)) => false,
        }
    }
}

/// A message in one chunk.
pub(super) fn whole(data: &Fragment<'_>) -> Complete {
    Complete {
        stream: data.stream,
        unordered: data.flags.unordered,
        ppid: data.ppid,
        payload: Bytes::copy_from_slice(data.payload),
        taken: 0,
    }
}
