use crate::packet::GapBlock;
use crate::serial::{Tsn, unwrap_tsn, wrap_tsn};
use std::collections::VecDeque;

/// How far beyond the cumulative TSN a chunk may be: what a gap block of 16 bits can report.
const REACH: u64 = u16::MAX as u64;

/// Duplicates remembered for the next SACK; more are only counted.
const MAX_DUPLICATES: usize = 32;

/// Where a TSN stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The next in sequence.
    Next,
    /// Beyond a hole.
    Beyond,
    /// Received already.
    Duplicate,
    /// Further ahead than can be reported or remembered.
    TooFar,
}

/// Which TSNs have arrived.
#[derive(Debug)]
pub(crate) struct Tracker {
    /// The last TSN received in sequence, as a count that does not wrap.
    cumulative: u64,
    /// Runs received beyond it, both ends included, sorted, with holes between them.
    runs: VecDeque<(u64, u64)>,
    max_runs: usize,
    duplicates: Vec<Tsn>,
}

impl Tracker {
    pub(crate) fn new(initial_tsn: Tsn, max_runs: usize) -> Self {
        let cumulative = (1u64 << 32) + u64::from(initial_tsn.0) - 1;
        Self { cumulative, runs: VecDeque::new(), max_runs, duplicates: Vec::new() }
    }

    /// The last TSN in sequence.
    pub(crate) const fn cumulative(&self) -> u64 {
        self.cumulative
    }

    pub(crate) const fn count(&self, tsn: Tsn) -> u64 {
        unwrap_tsn(self.cumulative, tsn)
    }

    pub(crate) fn has_gaps(&self) -> bool {
        !self.runs.is_empty()
    }

    pub(crate) fn has_duplicates(&self) -> bool {
        !self.duplicates.is_empty()
    }

    /// The run that ends at or after `tsn`.
    fn find(&self, tsn: u64) -> usize {
        self.runs.partition_point(|(_, last)| *last < tsn)
    }

    pub(crate) fn place(&self, tsn: u64) -> Place {
        if tsn <= self.cumulative {
            return Place::Duplicate;
        }
        if tsn == self.cumulative + 1 {
            return Place::Next;
        }
        if tsn - self.cumulative > REACH {
            return Place::TooFar;
        }
        let at = self.find(tsn);
        match self.runs.get(at) {
            Some((first, _)) if *first <= tsn => Place::Duplicate,
            // A new run is only begun while there is room to remember it.
            Some((first, _)) if self.runs.len() >= self.max_runs && *first != tsn + 1 && !self.extends(at, tsn) => {
                Place::TooFar
            }
            None if self.runs.len() >= self.max_runs && !self.extends(at, tsn) => Place::TooFar,
            Some(_) | None => Place::Beyond,
        }
    }

    /// Whether `tsn` follows the run before the one at `at`.
    fn extends(&self, at: usize, tsn: u64) -> bool {
        at.checked_sub(1).and_then(|before| self.runs.get(before)).is_some_and(|(_, last)| *last + 1 == tsn)
    }

    pub(crate) fn duplicate(&mut self, tsn: Tsn) {
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(tsn);
        }
    }

    /// Notes a TSN that [`place`](Self::place) found to be new.
    pub(crate) fn insert(&mut self, tsn: u64) {
        if tsn == self.cumulative + 1 {
            self.cumulative = tsn;
            self.absorb();
            return;
        }
        let at = self.find(tsn);
        let extends = self.extends(at, tsn);
        let joins = self.runs.get(at).is_some_and(|(first, _)| *first == tsn + 1);
        match (extends, joins) {
            (true, true) => {
                if let Some((_, last)) = self.runs.remove(at)
                    && let Some(before) = self.runs.get_mut(at - 1)
                {
                    before.1 = last;
                }
            }
            (true, false) => {
                if let Some(before) = self.runs.get_mut(at - 1) {
                    before.1 = tsn;
                }
            }
            (false, true) => {
                if let Some(after) = self.runs.get_mut(at) {
                    after.0 = tsn;
                }
            }
            (false, false) => self.runs.insert(at, (tsn, tsn)),
        }
    }

    /// Runs that the cumulative TSN has reached are in sequence now.
    fn absorb(&mut self) {
        while let Some((first, last)) = self.runs.front().copied()
            && first <= self.cumulative + 1
        {
            self.cumulative = self.cumulative.max(last);
            self.runs.pop_front();
        }
    }

    /// All up to `tsn` counts as received (RFC 3758, section 3.6). False if that is old news or too far ahead.
    pub(crate) fn skip_to(&mut self, tsn: u64) -> bool {
        if tsn <= self.cumulative || tsn - self.cumulative > REACH {
            return false;
        }
        self.cumulative = tsn;
        self.absorb();
        true
    }

    /// Encodes gap blocks and duplicates, four bytes each, into as much as `room` bytes, and forgets the duplicates.
    pub(crate) fn report(&mut self, room: usize, gaps: &mut Vec<u8>, duplicates: &mut Vec<u8>) {
        gaps.clear();
        duplicates.clear();
        for (first, last) in self.runs.iter().take(room / 4) {
            let block = GapBlock { start: (first - self.cumulative) as u16, end: (last - self.cumulative) as u16 };
            gaps.extend_from_slice(&block.start.to_be_bytes());
            gaps.extend_from_slice(&block.end.to_be_bytes());
        }
        let room = room.saturating_sub(gaps.len());
        for tsn in self.duplicates.drain(..).take(room / 4) {
            duplicates.extend_from_slice(&tsn.0.to_be_bytes());
        }
    }

    pub(crate) const fn cumulative_tsn(&self) -> Tsn {
        wrap_tsn(self.cumulative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn holes_open_and_close_across_the_wrap() {
        let mut tracker = Tracker::new(Tsn(u32::MAX), 8);
        for tsn in [Tsn(1), Tsn(2), Tsn(u32::MAX), Tsn(0)] {
            let count = tracker.count(tsn);
            assert_ne!(tracker.place(count), Place::Duplicate);
            tracker.insert(count);
        }
        assert_eq!(tracker.cumulative_tsn(), Tsn(2));
        assert!(!tracker.has_gaps());
        assert_eq!(tracker.place(tracker.count(Tsn(u32::MAX))), Place::Duplicate);
    }

    #[test]
    fn jumps_and_too_many_holes_are_refused() {
        let mut tracker = Tracker::new(Tsn(10), 2);
        let at = |offset: u64| (1 << 32) + 9 + offset;
        assert_eq!(tracker.place(at(65_535)), Place::Beyond);
        assert_eq!(tracker.place(at(65_536)), Place::TooFar);
        tracker.insert(at(3));
        tracker.insert(at(6));
        assert_eq!(tracker.place(at(8)), Place::TooFar, "a third run");
        assert_eq!(tracker.place(at(4)), Place::Beyond, "extends the first");
        assert_eq!(tracker.place(at(5)), Place::Beyond, "precedes the second");
        assert_eq!(tracker.place(at(7)), Place::Beyond, "extends the second");
        assert_eq!(tracker.place(at(1)), Place::Next);
        assert!(!tracker.skip_to(at(65_536)));
        assert!(tracker.skip_to(at(4)));
        assert_eq!(tracker.cumulative(), at(4));
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(offsets in proptest::collection::vec(1u64..60, 1..120)) {
            let mut tracker = Tracker::new(Tsn(u32::MAX - 20), 1000);
            let base = tracker.cumulative();
            let mut set = BTreeSet::new();
            for offset in offsets {
                let tsn = base + offset;
                prop_assert_eq!(tracker.place(tsn) == Place::Duplicate, set.contains(&tsn));
                if set.insert(tsn) {
                    tracker.insert(tsn);
                }
                let mut cumulative = base;
                while set.contains(&(cumulative + 1)) {
                    cumulative += 1;
                }
                prop_assert_eq!(tracker.cumulative(), cumulative);
                let beyond = tracker.runs.iter().map(|(first, last)| last - first + 1).sum::<u64>();
                prop_assert_eq!(beyond, set.range(cumulative + 1..).count() as u64);
            }
        }
    }
}
