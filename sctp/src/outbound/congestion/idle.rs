use std::time::{Duration, Instant};

/// A window that has not been used for a while says little about the path: it halves with every timeout that passes
/// unused (RFC 9260, section 7.2.1, last item).
#[derive(Debug, Default)]
pub(super) struct Idle {
    /// When data was sent last, as far as is known, or the window decayed last.
    since: Option<Instant>,
    is_decaying: bool,
}

impl Idle {
    /// The window and the threshold that are left of these two when data was last sent at `sent`. The window does not
    /// fall below `least`.
    pub(super) fn decay(
        &mut self,
        now: Instant,
        (sent, rto): (Instant, Duration),
        (mut window, mut threshold): (usize, usize),
        least: usize,
    ) -> (usize, usize) {
        if self.since.is_none_or(|since| since < sent) {
            (self.since, self.is_decaying) = (Some(sent), false);
        }
        while let Some(since) = self.since
            && now.saturating_duration_since(since) >= rto
        {
            if window <= least {
                self.since = Some(now);
                break;
            }
            if !self.is_decaying {
                self.is_decaying = true;
                threshold = window;
            }
            window = (window / 2).max(least);
            self.since = Some(since + rto);
        }
        (window, threshold)
    }
}
