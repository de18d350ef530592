//! Waiting with open eyes where answers come within moments: being put to sleep and woken up takes longer than those do.

use std::time::{Duration, Instant};

/// A wait that ended this soon might have been worth looking for its end.
const MOMENT: Duration = Duration::from_micros(200);

/// After so many such waits in a row, looking is tried.
const QUICK_WAITS: u32 = 16;

/// More bytes than these between two waits are no conversation, but a transfer, which keeps both ends busy as it is.
const LITTLE: usize = 4 << 10;

/// Looking in vain is not tried again for up to this many waits.
const LONGEST_PAUSE: u32 = 1 << 10;

/// Whether the next wait is one to look, rather than sleep.
#[derive(Debug)]
pub(super) struct Attention {
    /// How long to look.
    limit: Duration,
    /// Waits in a row that ended soon.
    quick: u32,
    /// For how many waits looking is not tried.
    pause: u32,
    /// How many that were the last time.
    last_pause: u32,
    /// In and out, since the last wait.
    bytes: usize,
}

impl Attention {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, quick: 0, pause: 0, last_pause: 0, bytes: 0 }
    }

    /// So many bytes came or went.
    pub(super) const fn count(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Until when the wait that begins `now` looks; `None`: it sleeps.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Instant> {
        if std::mem::take(&mut self.bytes) > LITTLE {
            self.quick = 0;
        }
        if self.quick < QUICK_WAITS || self.limit.is_zero() {
            return None;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        Some(now + self.limit)
    }

    /// What was looked for came.
    pub(super) const fn found(&mut self) {
        self.last_pause /= 2;
    }

    /// It did not.
    pub(super) const fn in_vain(&mut self) {
        self.last_pause = if self.last_pause >= LONGEST_PAUSE / 2 { LONGEST_PAUSE } else { self.last_pause * 2 + 1 };
        self.pause = self.last_pause;
    }

    /// What was slept for took this long to come.
    pub(super) const fn slept(&mut self, time: Duration) {
        self.quick = if time.as_micros() <= MOMENT.as_micros() { self.quick.saturating_add(1) } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Attention, LONGEST_PAUSE, QUICK_WAITS};

    const LIMIT: Duration = Duration::from_micros(50);
    const SOON: Duration = Duration::from_micros(90);

    /// One that has seen answers come soon.
    fn attentive(now: Instant) -> Attention {
        let mut attention = Attention::new(LIMIT);
        for _ in 0..QUICK_WAITS {
            attention.count(100);
            assert_eq!(attention.begin(now), None);
            attention.slept(SOON);
        }
        attention
    }

    #[test]
    fn answers_that_come_soon_are_looked_for() {
        let now = Instant::now();
        let mut attention = attentive(now);
        for _ in 0..100 {
            attention.count(200);
            assert_eq!(attention.begin(now), Some(now + LIMIT));
            attention.found();
        }
        assert_eq!(Attention { limit: Duration::ZERO, ..attentive(now) }.begin(now), None);
    }

    #[test]
    fn neither_transfers_nor_slow_answers_are() {
        let now = Instant::now();
        let mut attention = attentive(now);
        attention.count(16_000);
        assert_eq!(attention.begin(now), None);
        let mut attention = attentive(now);
        attention.slept(Duration::from_millis(20));
        assert_eq!(attention.begin(now), None);
    }

    #[test]
    fn looking_in_vain_becomes_rare() {
        let now = Instant::now();
        let mut attention = attentive(now);
        let looked = (0..50_000).filter(|_| {
            let looks = attention.begin(now).is_some();
            if looks {
                attention.in_vain();
            }
            attention.slept(SOON);
            looks
        });
        assert!(looked.count() < 50_000 / LONGEST_PAUSE as usize + 20);
    }
}
