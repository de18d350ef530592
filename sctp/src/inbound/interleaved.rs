//! Messages whose fragments stand between those of others: each is known by its stream, its order and its message
//! identifier, and its fragments by their own numbers (RFC 8260, section 2.2.3).

use super::Violation;
use super::buffers::Buffers;
use super::fragment::{Fragment, SEGMENT_OVERHEAD, Segments, add};
use super::reassembly::{Complete, Key, whole};
use crate::serial::Mid;
use bytes::Bytes;
use std::collections::BTreeMap;

/// A message of which some fragments have arrived.
#[derive(Debug, Default)]
struct Partial {
    segments: Segments,
    /// The place of the last fragment, once that has come.
    end: Option<u64>,
    /// Bytes held in all segments.
    length: usize,
    /// Bytes that were read already.
    taken: usize,
}

impl Partial {
    fn charge(&self) -> usize {
        self.length + self.segments.len() * SEGMENT_OVERHEAD
    }

    /// Refuses a fragment that cannot belong to the message besides those that have come.
    fn check(&self, place: u64, data: &Fragment<'_>) -> Result<(), Violation> {
        // In order, nothing can be wrong.
        if self.end.is_none() && self.segments.last_key_value().is_some_and(|(_, last)| last.next == place) {
            return Ok(());
        }
        if self.segments.range(..=place).next_back().is_some_and(|(_, before)| before.next > place) {
            return Err(Violation("a fragment number used twice"));
        }
        if self.end.is_some_and(|end| place > end || data.flags.end) {
            return Err(Violation("a message goes on after its end"));
        }
        if data.flags.end && self.segments.range(place..).next().is_some() {
            return Err(Violation("a message ends before its last fragment"));
        }
        Ok(())
    }
}

/// Where a message is found: its stream, whether it is unordered, and its number as a count.
type Place = (u16, bool, u64);

/// All incomplete messages.
#[derive(Debug)]
pub(crate) struct Interleaved {
    partials: BTreeMap<Place, Partial>,
    charged: usize,
    buffers: Buffers,
    max_message: usize,
}

impl Interleaved {
    pub(super) fn new(max_message: usize) -> Self {
        Self { partials: BTreeMap::new(), charged: 0, buffers: Buffers::default(), max_message }
    }

    pub(super) const fn charged(&self) -> usize {
        self.charged
    }

    pub(super) fn insert(&mut self, number: u64, data: &Fragment<'_>) -> Result<Option<Complete>, Violation> {
        let key = (data.stream, data.flags.unordered, number);
        let is_whole = data.flags.begin && data.flags.end;
        if !data.flags.begin && data.fsn == 0 {
            return Err(Violation("a later fragment without a number"));
        }
        if is_whole {
            return if self.partials.contains_key(&key) {
                Err(Violation("a message identifier used twice"))
            } else {
                Ok(Some(whole(data)))
            };
        }
        let place = u64::from(data.fsn);
        let incomplete = self.partials.len();
        let partial = self.partials.entry(key).or_default();
        partial.check(place, data)?;
        let before = partial.charge();
        add(&mut partial.segments, place, data, &mut self.buffers, incomplete)?;
        partial.length += data.payload.len();
        if data.flags.end {
            partial.end = Some(place);
        }
        self.charged = self.charged.saturating_add(partial.charge()).saturating_sub(before);
        if partial.length.saturating_add(partial.taken) > self.max_message {
            return Err(Violation("a message larger than announced"));
        }
        let is_complete = partial.segments.get(&0).is_some_and(|first| first.begin && first.end);
        if !is_complete {
            return Ok(None);
        }
        let Some(mut partial) = self.remove(key) else { return Ok(None) };
        let complete = partial.segments.remove(&0).map(Complete::new);
        complete.iter().for_each(|message| self.buffers.learn(&message.payload));
        Ok(complete)
    }

    pub(super) fn release_spare(&mut self) {
        self.buffers.release();
    }

    fn remove(&mut self, key: Place) -> Option<Partial> {
        let partial = self.partials.remove(&key)?;
        self.charged = self.charged.saturating_sub(partial.charge());
        Some(partial)
    }

    /// Drops messages up to a number: as many as are held at most.
    pub(super) fn skip_messages(&mut self, stream: u16, unordered: bool, last: Mid) {
        self.remove_where(stream, unordered, |number| !last.precedes(Mid(number as u32)));
    }

    pub(super) fn reset(&mut self, stream: u16) {
        self.remove_where(stream, false, |_| true);
        self.remove_where(stream, true, |_| true);
    }

    fn remove_where(&mut self, stream: u16, unordered: bool, mut is_gone: impl FnMut(u64) -> bool) {
        let range = (stream, unordered, 0)..=(stream, unordered, u64::MAX);
        let gone: Vec<Place> =
            self.partials.range(range).map(|(key, _)| *key).filter(|(_, _, number)| is_gone(*number)).collect();
        for key in gone {
            self.remove(key);
        }
    }

    pub(super) fn readable(&self, stream: u16, next: u64) -> Option<Key> {
        let begun = |partial: &Partial| partial.segments.get(&0).is_some_and(|first| first.length > 0);
        if self.partials.get(&(stream, false, next)).is_some_and(begun) {
            return Some(Key::Mid { unordered: false, number: next });
        }
        let unordered = self.partials.range((stream, true, 0)..=(stream, true, u64::MAX));
        let (place, _) = unordered.into_iter().find(|(_, partial)| begun(partial))?;
        Some(Key::Mid { unordered: true, number: place.2 })
    }

    pub(super) fn take(&mut self, stream: u16, unordered: bool, number: u64) -> Option<(u32, Bytes)> {
        let partial = self.partials.get_mut(&(stream, unordered, number))?;
        let first = partial.segments.get_mut(&0)?;
        let bytes = first.take()?;
        partial.length -= bytes.len();
        partial.taken = partial.taken.saturating_add(bytes.len());
        self.charged = self.charged.saturating_sub(bytes.len());
        Some((first.ppid, bytes))
    }

    pub(super) fn has(&self, stream: u16, unordered: bool, number: u64) -> bool {
        self.partials.contains_key(&(stream, unordered, number))
    }
}
