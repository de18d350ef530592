use std::time::{Duration, Instant};

/// What leaves at once: as much as this time carries, and at least so many packets. Larger bursts would fill shallow
/// queues, smaller ones would cost a wake-up and a system call each.
const BURST: Duration = Duration::from_millis(1);
const BURST_PACKETS: usize = 2;

/// What leaves at once after a pause: an initial window, so that a short message does not wait.
const IDLE_PACKETS: usize = 10;

/// How late a wake-up may be for which nothing is lost: so long at least, as timers are no better, and at most, and a
/// part of the window in between. What leaves at once after a late one may have to fit a queue that is much shorter than
/// the window.
const LEAST_LATENESS: Duration = Duration::from_millis(2);
const MOST_LATENESS: Duration = Duration::from_millis(8);
const LATE_PART: usize = 32;

/// Whether a packet may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    /// Not yet.
    No,
    /// It has its credit.
    Yes,
    /// The window is no larger than a burst, or nothing is known of the path: no pacing is needed.
    Unpaced,
}

/// Spreads packets over time: credit grows at a rate, and packets use it up.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    /// In bytes; below zero while the last burst has not been paid for.
    credit: f64,
    refilled: Option<Instant>,
    /// Nothing leaves before.
    release: Option<Instant>,
}

impl Pacer {
    /// Whether a packet may leave now at this rate, in bytes per second. Windows that fit a burst need no pacing.
    pub(super) fn allows(&mut self, now: Instant, rate: Option<f64>, window: usize, packet: usize) -> Allowed {
        let Some(rate) = rate.filter(|rate| rate.is_finite() && *rate > 0.0) else { return Allowed::Unpaced };
        let burst = (rate * BURST.as_secs_f64()).max((BURST_PACKETS * packet) as f64);
        if burst >= window as f64 {
            self.release = None;
            return Allowed::Unpaced;
        }
        let late = (window / LATE_PART) as f64;
        let late = late.clamp(LEAST_LATENESS.as_secs_f64() * rate, MOST_LATENESS.as_secs_f64() * rate);
        self.refill(now, rate, burst, late, (IDLE_PACKETS * packet) as f64);
        match self.release {
            Some(release) if now < release => return Allowed::No,
            Some(_) => self.release = None,
            None => {}
        }
        if self.credit <= 0.0 {
            // The next burst leaves whole. No wait is longer than a second, whatever the rate was.
            let wait = Duration::from_secs_f64(((burst - self.credit) / rate).clamp(0.000_05, 1.0));
            self.release = Some(now + wait);
            return Allowed::No;
        }
        Allowed::Yes
    }

    /// Whether there is credit left of what was found at this instant.
    pub(super) fn has_credit(&self, now: Instant) -> bool {
        self.credit > 0.0 && self.release.is_none() && self.refilled == Some(now)
    }

    fn refill(&mut self, now: Instant, rate: f64, burst: f64, late: f64, idle: f64) {
        let idle = burst.max(idle);
        let Some(before) = self.refilled.replace(now) else {
            self.credit = idle;
            return;
        };
        let elapsed = now.saturating_duration_since(before);
        // Whoever was held up is given the time that the wake-up came late; whoever had nothing to send is not.
        let most = if self.release.is_some() { burst + late } else { idle };
        if self.credit < most {
            self.credit = elapsed.as_secs_f64().mul_add(rate, self.credit).min(most);
        }
    }

    pub(super) fn on_send(&mut self, bytes: usize) {
        self.credit -= bytes as f64;
    }

    /// When the next packet may leave, if one is held up.
    pub(super) const fn release(&self) -> Option<Instant> {
        self.release
    }

    /// Whatever is due may leave at once.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1000;
    const WINDOW: usize = 1_000_000;

    /// Sends as much as the pacer allows at this instant.
    fn burst(pacer: &mut Pacer, now: Instant, rate: f64) -> usize {
        let mut sent = 0;
        while pacer.allows(now, Some(rate), WINDOW, PACKET) == Allowed::Yes {
            pacer.on_send(PACKET);
            sent += PACKET;
        }
        sent
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
    fn sends_at_the_rate_in_bursts_of_a_millisecond_however_late_it_is_woken() {
        for late in [0, 300, 2000] {
            let start = Instant::now();
            let (mut pacer, mut now, mut sent) = (Pacer::default(), start, 0);
            while now < start + Duration::from_secs(1) {
                let burst = burst(&mut pacer, now, 10e6);
                assert!(burst <= 20_000 + late * 10, "{burst}");
                sent += burst;
                now = pacer.release().expect("more is to be sent") + Duration::from_micros(late as u64);
            }
            assert!((9_900_000..10_100_000).contains(&sent), "late by {late}: {sent}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
    fn a_very_late_wake_up_earns_a_small_part_of_the_window() {
        // A window, how many milliseconds of the rate leave at once, the burst of one included, and how late that is.
        for (window, most, late) in [(WINDOW, 4, 50), (100_000, 3, 50), (10 * WINDOW, 9, 50), (10 * WINDOW, 6, 5)] {
            let (start, mut pacer) = (Instant::now(), Pacer::default());
            let sent = |pacer: &mut Pacer, now: Instant| {
                let mut sent = 0;
                while pacer.allows(now, Some(10e6), window, PACKET) == Allowed::Yes {
                    pacer.on_send(PACKET);
                    sent += PACKET;
                }
                sent
            };
            sent(&mut pacer, start);
            let release = pacer.release().expect("more is to be sent");
            let burst = sent(&mut pacer, release + Duration::from_millis(late));
            assert!((most * 10_000..most * 10_000 + 3000).contains(&burst), "{burst} of {window}, {late} ms late");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
    fn a_pause_earns_one_burst() {
        let start = Instant::now();
        let mut pacer = Pacer::default();
        assert_eq!(pacer.allows(start, Some(10e6), WINDOW, PACKET), Allowed::Yes);
        let sent = burst(&mut pacer, start + Duration::from_secs(60), 10e6);
        assert!(sent <= 11_000, "{sent}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
    fn paths_that_are_faster_than_a_burst_are_not_paced() {
        let mut pacer = Pacer::default();
        let now = Instant::now();
        for _ in 0..10_000 {
            assert_eq!(pacer.allows(now, Some(2e9), WINDOW, PACKET), Allowed::Unpaced);
            pacer.on_send(PACKET);
        }
        assert_eq!(pacer.allows(now, None, WINDOW, PACKET), Allowed::Unpaced);
    }
}
