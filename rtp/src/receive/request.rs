use std::time::{Duration, Instant};

/// Key frames are asked for no more often than this.
const MIN_INTERVAL: Duration = Duration::from_millis(200);

/// However rare requests get, this is the longest interval.
const MAX_INTERVAL: Duration = Duration::from_secs(10);

/// So often a key frame is asked for while nothing at all arrives.
const MAX_UNHEARD: u32 = 10;

/// The request for a key frame (picture loss indication, RFC 4585, section 6.3.1).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Request {
    /// Since when there is a need.
    wanted: Option<Instant>,
    last: Option<Instant>,
    /// Requests since the last packet came. They get rarer, and end, so that a source that is gone costs nothing.
    unheard: u32,
}

impl Request {
    /// A key frame is needed, at this moment.
    pub(super) fn want(&mut self, at: Instant) {
        self.wanted = Some(self.wanted.map_or(at, |wanted| wanted.min(at)));
    }

    /// A key frame is on its way: it need not be asked for until then.
    pub(super) fn hold(&mut self, until: Instant) {
        self.wanted = self.wanted.map(|wanted| wanted.max(until));
    }

    /// It is here.
    pub(super) const fn satisfy(&mut self) {
        self.wanted = None;
    }

    /// A packet came.
    pub(super) const fn hear(&mut self) {
        self.unheard = 0;
    }

    /// When to ask; one round trip is the time for an answer.
    pub(super) fn due(&self, rtt: Duration) -> Option<Instant> {
        let wanted = self.wanted.filter(|_| self.unheard < MAX_UNHEARD)?;
        let Some(last) = self.last else { return Some(wanted) };
        let interval = rtt.max(MIN_INTERVAL).saturating_mul(1 << self.unheard.saturating_sub(1).min(5));
        last.checked_add(interval.min(MAX_INTERVAL)).map(|next| next.max(wanted))
    }

    /// Whether to ask now, which is then done.
    pub(super) fn take(&mut self, now: Instant, rtt: Duration) -> bool {
        let is_due = self.due(rtt).is_some_and(|due| due <= now);
        if is_due {
            self.last = Some(now);
            self.unheard += 1;
        }
        is_due
    }
}
