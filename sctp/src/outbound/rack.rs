//! How long a chunk may be overtaken before it counts as lost (RACK, RFC 8985, sections 6.2 and 6.3), when the tail of
//! a burst is asked for (TLP, section 7), and what turns out to have been sent again in vain.

use crate::serial::Tsn;
use std::time::{Duration, Instant};

/// Recoveries for which a reordering window that proved too small stays larger.
const PERSIST: u32 = 16;

/// Chunks sent again in one loss event that are remembered; an event with more is never taken back.
const REMEMBERED: usize = 1024;

/// What a receiver's delayed acknowledgement may take: at first our own receivers' delay and some, later what RFC 9260
/// recommends, if probes turn out to be in vain.
const ACK_DELAY: Duration = Duration::from_millis(25);
const MAX_ACK_DELAY: Duration = Duration::from_millis(200);

/// How long the least round-trip time is remembered at least, and half as long again at most.
const MIN_RTT_LIFE: Duration = Duration::from_secs(60);

/// The least of the last round-trip times.
#[derive(Debug, Default)]
pub(super) struct MinRtt {
    /// The least of the current period and of the one before.
    current: Option<(Duration, Instant)>,
    before: Option<Duration>,
}

impl MinRtt {
    pub(super) fn update(&mut self, now: Instant, rtt: Duration) {
        match &mut self.current {
            Some((least, since)) if now.saturating_duration_since(*since) < MIN_RTT_LIFE => *least = rtt.min(*least),
            Some((least, _)) => {
                self.before = Some(*least);
                self.current = Some((rtt, now));
            }
            None => self.current = Some((rtt, now)),
        }
    }

    pub(super) fn least(&self) -> Option<Duration> {
        let current = self.current.map(|(least, _)| least)?;
        Some(self.before.map_or(current, |before| before.min(current)))
    }
}

/// The state of RACK that is not kept with the chunks.
#[derive(Debug)]
pub(super) struct Rack {
    pub(super) min_rtt: MinRtt,
    /// The round trip of the chunk that was sent last among those acknowledged.
    pub(super) rtt: Duration,
    /// Chunks have overtaken each other on this path.
    is_reordering: bool,
    /// The reordering window in quarters of the least round-trip time.
    multiplier: u32,
    persist: u32,
    /// The window grows once per round trip: until this TSN is acknowledged it has.
    grown_until: Option<Tsn>,
}

impl Rack {
    pub(super) fn new() -> Self {
        Self {
            min_rtt: MinRtt::default(),
            rtt: Duration::ZERO,
            is_reordering: false,
            multiplier: 1,
            persist: 0,
            grown_until: None,
        }
    }

    pub(super) const fn saw_reordering(&mut self) {
        self.is_reordering = true;
    }

    /// How much later than the chunks behind it a chunk may come. `is_sure` if losses are being repaired or many chunks
    /// have overtaken it: nothing is waited for then, on a path that keeps the order.
    pub(super) fn window(&self, is_sure: bool, smoothed: Duration) -> Duration {
        if !self.is_reordering && is_sure {
            return Duration::ZERO;
        }
        let quarter = self.min_rtt.least().unwrap_or_default() / 4;
        quarter.saturating_mul(self.multiplier).min(smoothed)
    }

    /// A chunk was sent again in vain: the window was too small.
    pub(super) fn on_duplicate(&mut self, cumulative: Tsn, next: Tsn) {
        self.is_reordering = true;
        if self.grown_until.is_none_or(|until| !cumulative.precedes(until)) {
            self.multiplier = self.multiplier.saturating_add(1);
            self.grown_until = Some(next);
        }
        self.persist = PERSIST;
    }

    /// Losses have been repaired.
    pub(super) const fn on_recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.multiplier = 1;
        }
    }
}

/// A tail-loss probe that has been sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// The highest TSN then.
    pub(super) end: Tsn,
    pub(super) at: Instant,
    /// The chunk that was sent again; None if new data served as the probe.
    pub(super) again: Option<Tsn>,
}

/// Tail-loss probes.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) sent: Option<Sent>,
    /// The next packet with data is a probe; the chunk that is sent again for it, if any.
    pub(super) due: Option<Option<Tsn>>,
    /// The chunk that the last probe sent again.
    last: Option<Tsn>,
    ack_delay: Duration,
}

impl Probe {
    pub(super) const fn new() -> Self {
        Self { sent: None, due: None, last: None, ack_delay: ACK_DELAY }
    }

    /// How long to wait for an acknowledgement of the tail. A lone packet may be acknowledged after a delay.
    pub(super) const fn timeout(&self, smoothed: Duration, is_lone: bool) -> Duration {
        let wait = smoothed.saturating_mul(2);
        if is_lone { wait.saturating_add(self.ack_delay) } else { wait.saturating_add(Duration::from_millis(1)) }
    }

    pub(super) fn on_send(&mut self, now: Instant, end: Tsn) {
        if let Some(again) = self.due.take() {
            self.sent = Some(Sent { end, at: now, again });
            self.last = again.or(self.last);
        }
    }

    /// A chunk arrived twice. If a probe was the second copy, it was in vain: the peer takes more time to acknowledge.
    pub(super) fn was_in_vain(&mut self, tsn: Tsn) -> bool {
        let in_vain = self.last == Some(tsn);
        if in_vain {
            self.ack_delay = self.ack_delay.saturating_mul(2).min(MAX_ACK_DELAY);
            self.last = None;
            self.sent = None;
        }
        in_vain
    }

    pub(super) fn stop(&mut self) {
        (self.sent, self.due) = (None, None);
    }
}

/// What a duplicate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duplicate {
    /// It was not sent again here: the network made the copy.
    Unknown,
    /// It was sent again in vain.
    InVain,
    /// So was everything that was sent again in the last loss event: there was no loss.
    Last,
}

/// Chunks that were sent again in the last loss event, and have not been reported as duplicates.
#[derive(Debug, Default)]
pub(super) struct Undo {
    again: Vec<Tsn>,
    is_possible: bool,
    has_overflowed: bool,
}

impl Undo {
    /// A loss event begins.
    pub(super) fn begin(&mut self) {
        self.again.clear();
        (self.is_possible, self.has_overflowed) = (true, false);
    }

    pub(super) const fn is_possible(&self) -> bool {
        self.is_possible
    }

    pub(super) fn sent_again(&mut self, tsn: Tsn) {
        if self.again.len() < REMEMBERED {
            self.again.push(tsn);
        } else {
            self.has_overflowed = true;
        }
    }

    /// A chunk arrived twice.
    pub(super) fn duplicate(&mut self, tsn: Tsn) -> Duplicate {
        let Some(place) = self.again.iter().position(|again| *again == tsn) else { return Duplicate::Unknown };
        self.again.swap_remove(place);
        let is_last = self.is_possible && !self.has_overflowed && self.again.is_empty();
        if is_last { Duplicate::Last } else { Duplicate::InVain }
    }

    pub(super) fn forget(&mut self) {
        self.again.clear();
        self.is_possible = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
    fn the_reordering_window_opens_with_needless_retransmissions_and_closes_after_sixteen_recoveries() {
        let mut rack = Rack::new();
        rack.min_rtt.update(Instant::now(), ms(40));
        assert_eq!(rack.window(true, ms(50)), Duration::ZERO);
        assert_eq!(rack.window(false, ms(50)), ms(10));
        rack.on_duplicate(Tsn(5), Tsn(9));
        rack.on_duplicate(Tsn(6), Tsn(12));
        assert_eq!(rack.window(true, ms(50)), ms(20), "once per round trip");
        for round in 0..9 {
            rack.on_duplicate(Tsn(20 + 10 * round), Tsn(30 + 10 * round));
        }
        assert_eq!(rack.window(true, ms(50)), ms(50), "a round trip at most");
        for _ in 0..16 {
            rack.on_recovered();
        }
        assert_eq!(rack.window(true, ms(50)), ms(10));
    }

    #[test]
    fn an_event_is_taken_back_when_all_that_was_sent_again_came_twice() {
        let mut undo = Undo::default();
        assert_eq!(undo.duplicate(Tsn(1)), Duplicate::Unknown);
        undo.begin();
        undo.sent_again(Tsn(1));
        undo.sent_again(Tsn(2));
        assert_eq!(undo.duplicate(Tsn(7)), Duplicate::Unknown, "the network made that copy");
        assert_eq!(undo.duplicate(Tsn(2)), Duplicate::InVain);
        assert_eq!(undo.duplicate(Tsn(1)), Duplicate::Last);
        undo.begin();
        for tsn in 0..2000 {
            undo.sent_again(Tsn(tsn));
        }
        for tsn in 0..2000 {
            assert_ne!(undo.duplicate(Tsn(tsn)), Duplicate::Last, "too many to remember");
        }
    }

    #[test]
    fn probes_in_vain_learn_how_long_the_peer_delays() {
        let mut probe = Probe::new();
        assert_eq!(probe.timeout(ms(10), true), ms(45));
        for _ in 0..5 {
            probe.last = Some(Tsn(1));
            assert!(probe.was_in_vain(Tsn(1)));
        }
        assert_eq!((probe.timeout(ms(10), true), probe.timeout(ms(10), false)), (ms(220), ms(21)));
    }
}
