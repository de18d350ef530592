use crate::SequenceNumber;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most numbers in one request, which makes 1,024 bytes of it at worst (RFC 4585, section 6.2.1).
const MAX_NUMBERS: usize = 256;

/// A packet that has not come, though one after it has.
#[derive(Clone, Copy, Debug)]
struct Gap {
    number: u64,
    since: Instant,
    /// When to ask for it; `None` if that is not done, or has been done in vain.
    due: Option<Instant>,
    asked: u32,
}

/// The missing packets, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Missing {
    gaps: VecDeque<Gap>,
    /// No gap is due before.
    due: Option<Instant>,
    /// The last request.
    numbers: Vec<SequenceNumber>,
}

impl Missing {
    pub(super) fn len(&self) -> usize {
        self.gaps.len()
    }

    /// The first missing number, and since when that is known.
    pub(super) fn first(&self) -> Option<(u64, Instant)> {
        self.gaps.front().map(|gap| (gap.number, gap.since))
    }

    /// Adds numbers that are higher than all before.
    pub(super) fn append(&mut self, numbers: std::ops::Range<u64>, now: Instant, due: Option<Instant>) {
        for number in numbers {
            self.gaps.push_back(Gap { number, since: now, due, asked: 0 });
            self.due = earlier(self.due, due);
        }
    }

    /// Adds numbers that are lower than all before.
    pub(super) fn prepend(&mut self, numbers: std::ops::Range<u64>, now: Instant, due: Option<Instant>) {
        for number in numbers.rev() {
            self.gaps.push_front(Gap { number, since: now, due, asked: 0 });
            self.due = earlier(self.due, due);
        }
    }

    /// This one has come.
    pub(super) fn remove(&mut self, number: u64) {
        if let Ok(place) = self.gaps.binary_search_by_key(&number, |gap| gap.number) {
            self.gaps.remove(place);
        }
    }

    /// Those before `end` are not waited for any more.
    pub(super) fn remove_before(&mut self, end: u64) {
        while self.gaps.pop_front_if(|gap| gap.number < end).is_some() {}
    }

    pub(super) fn clear(&mut self) {
        self.gaps.clear();
    }

    /// When to ask next. May be early where a packet has come meanwhile.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.gaps.is_empty())
    }

    /// The numbers to ask for now; each is due again after `interval`, until it has been asked for `max_asked` times.
    pub(super) fn take_due(&mut self, now: Instant, interval: Duration, max_asked: u32) -> &[SequenceNumber] {
        self.numbers.clear();
        if self.due().is_none_or(|due| due > now) {
            return &[];
        }
        self.due = None;
        for gap in &mut self.gaps {
            if gap.due.is_some_and(|due| due <= now) && self.numbers.len() < MAX_NUMBERS {
                // The low bits are the number on the wire.
                self.numbers.push(SequenceNumber(gap.number as u16));
                gap.asked += 1;
                gap.due = if gap.asked < max_asked { now.checked_add(interval) } else { None };
            }
            self.due = earlier(self.due, gap.due);
        }
        &self.numbers
    }
}

/// The earlier of two moments that may never come.
pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}
