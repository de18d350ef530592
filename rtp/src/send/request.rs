//! Requests for key frames (RFC 4585, section 6.3.1; RFC 5104, section 4.3.1).

use std::time::{Duration, Instant};

/// Passes requests on to the application, not more often than it can follow.
#[derive(Debug, Default)]
pub(crate) struct KeyFrameRequests {
    /// When the application was told last.
    told: Option<Instant>,
    /// It is to be told when the time has come.
    is_due: bool,
    /// The event waits to be polled.
    is_ready: bool,
    /// See [`is_open`](Self::is_open).
    is_open: bool,
    /// The number of the last FIR.
    fir: Option<u8>,
}

impl KeyFrameRequests {
    /// Notes a PLI, or a FIR with its number.
    pub(crate) fn request(&mut self, now: Instant, interval: Duration, fir: Option<u8>) {
        // The same number is the same request, repeated in case it was lost.
        if fir.is_some() && fir == self.fir {
            return;
        }
        self.fir = fir.or(self.fir);
        self.is_due = true;
        self.advance(now, interval);
    }

    /// Lets a request through that came too soon after another.
    pub(crate) fn advance(&mut self, now: Instant, interval: Duration) {
        if self.is_due && self.told.is_none_or(|told| now.saturating_duration_since(told) >= interval) {
            self.is_due = false;
            self.is_ready = true;
            self.is_open = true;
            self.told = Some(now);
        }
    }

    /// When [`advance`](Self::advance) has something to do or [`poll`](Self::poll) something to say.
    pub(crate) fn poll_timeout(&self, interval: Duration) -> Option<Instant> {
        let told = self.told?;
        match (self.is_ready, self.is_due) {
            (true, _) => Some(told),
            (false, true) => told.checked_add(interval),
            (false, false) => None,
        }
    }

    /// A key frame has been given to us: that is what was asked for.
    pub(crate) const fn answer(&mut self) {
        self.is_due = false;
        self.is_ready = false;
        self.is_open = false;
    }

    /// Whether the application was told, and has given no key frame since.
    pub(crate) const fn is_open(&self) -> bool {
        self.is_open
    }

    pub(crate) const fn poll(&mut self) -> bool {
        std::mem::replace(&mut self.is_ready, false)
    }
}
