use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The instant at which every simulated run starts.
///
/// An `Instant` cannot be made from nothing, so the real clock is read once per process; everything after is this
/// base plus a virtual duration. The base lies a day ahead of the real clock, so that code which subtracts a few
/// minutes from `now` behaves alike on a machine that has just booted.
pub fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(|| Instant::now() + Duration::from_secs(24 * 60 * 60))
}

/// Things to come, in the order of their time, and in the order of their making where the time is the same.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    // A sorted map serves better than a heap here: its key makes ties deterministic, and `T` needs no order.
    entries: std::collections::BTreeMap<(Instant, u64), T>,
    made: u64,
}

impl<T> Schedule<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: std::collections::BTreeMap::new(), made: 0 }
    }

    pub(crate) fn add(&mut self, at: Instant, what: T) {
        self.made += 1;
        self.entries.insert((at, self.made), what);
    }

    /// When the next thing is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next thing, if it is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<T> {
        let entry = self.entries.first_entry()?;
        if entry.key().0 > now {
            return None;
        }
        Some(entry.remove())
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
