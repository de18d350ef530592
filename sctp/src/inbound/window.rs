//! The size of the receive window, as it follows what the path carries (dynamic right-sizing).

use std::time::{Duration, Instant};

/// How many times the window holds what is read in a round trip: a sender in slow start doubles in a round trip, and
/// what comes behind a hole waits for one more.
const ROOM: usize = 4;

/// How long a round trip is taken to be while nothing is known of it.
const UNKNOWN_RTT: Duration = Duration::from_millis(100);

/// The receive window's size, and what was read lately.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    most: usize,
    /// Bytes read since then, which may be longer ago than a round trip while they are few.
    read: usize,
    since: Option<Instant>,
}

impl Window {
    pub(super) const fn new(size: usize, most: usize) -> Self {
        Self { size, most, read: 0, since: None }
    }

    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// The application has read this much. Only what is read counts: a window that is full because nobody reads does not
    /// grow.
    pub(super) fn on_read(&mut self, now: Instant, bytes: usize, rtt: Option<Duration>) {
        self.read = self.read.saturating_add(bytes);
        if self.size >= self.most || self.read.saturating_mul(ROOM) <= self.size {
            return;
        }
        // Only now does it matter in which time that was.
        let is_swift =
            self.since.is_some_and(|since| now.saturating_duration_since(since) <= rtt.unwrap_or(UNKNOWN_RTT));
        if is_swift {
            self.size = self.read.saturating_mul(ROOM).min(self.most);
            tracing::trace!(size = self.size, "the receive window grows");
        } else {
            (self.read, self.since) = (0, Some(now));
        }
    }
}
