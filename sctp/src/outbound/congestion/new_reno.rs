use super::idle::Idle;
use super::slow_start::SlowStart;
use super::{Ack, Control, INITIAL_PACKETS, window_rate};
use std::time::{Duration, Instant};

/// Congestion control as in RFC 9260, section 7.2: slow start, congestion avoidance, one halving per loss event.
#[derive(Debug)]
pub(super) struct NewReno {
    window: usize,
    threshold: usize,
    partial_bytes_acked: usize,
    packet: usize,
    slow_start: SlowStart,
    idle: Idle,
    /// Window and threshold before the last loss event.
    before: Option<(usize, usize)>,
}

impl NewReno {
    pub(super) fn new(packet: usize) -> Self {
        Self {
            window: INITIAL_PACKETS * packet,
            threshold: usize::MAX,
            partial_bytes_acked: 0,
            packet,
            slow_start: SlowStart::default(),
            idle: Idle::default(),
            before: None,
        }
    }

    fn reduce(&mut self) {
        // A timeout after a timeout says nothing new about the path.
        if self.window > self.packet {
            self.before = Some((self.window, self.threshold));
            self.threshold = (self.window / 2).max(4 * self.packet);
        }
        self.partial_bytes_acked = 0;
        self.slow_start.reset();
    }
}

impl Control for NewReno {
    fn window(&self) -> usize {
        self.window
    }

    fn threshold(&self) -> usize {
        self.threshold
    }

    fn pacing_rate(&self, smoothed: Option<Duration>) -> Option<f64> {
        let doubles = self.window < self.threshold && !self.slow_start.is_careful();
        window_rate(self.window, doubles, smoothed)
    }

    fn set_packet(&mut self, packet: usize) {
        self.packet = packet;
        self.window = self.window.max(packet);
    }

    fn after_pause(&mut self, now: Instant, sent: Instant, rto: Duration) {
        let least = INITIAL_PACKETS * self.packet;
        let before = (self.window, self.threshold);
        (self.window, self.threshold) = self.idle.decay(now, (sent, rto), before, least);
        if (self.window, self.threshold) != before {
            self.slow_start.reset();
        }
    }

    fn on_ack(&mut self, ack: &Ack) {
        if ack.in_recovery {
            return;
        }
        if self.window <= self.threshold {
            if ack.limited {
                match self.slow_start.grow(self.window, ack) {
                    Some(window) => self.window = window,
                    None => self.threshold = self.window,
                }
            }
        } else {
            self.partial_bytes_acked = self.partial_bytes_acked.saturating_add(ack.bytes);
            if self.partial_bytes_acked >= self.window {
                if ack.limited {
                    self.partial_bytes_acked -= self.window;
                    self.window = self.window.saturating_add(self.packet);
                } else {
                    self.partial_bytes_acked = self.window;
                }
            }
        }
        if ack.flight == 0 {
            self.partial_bytes_acked = 0;
        }
    }

    fn on_loss(&mut self, _now: Instant) {
        self.reduce();
        self.window = self.threshold;
    }

    fn on_timeout(&mut self, _now: Instant) {
        self.reduce();
        self.window = self.packet;
    }

    fn undo(&mut self) {
        if let Some((window, threshold)) = self.before.take() {
            self.window = self.window.max(window);
            self.threshold = threshold;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{full, start};
    use super::*;

    #[test]
    fn doubles_per_round_trip_only_while_the_window_is_used() {
        let mut control = NewReno::new(1000);
        let now = start();
        control.on_ack(&full(now, 10_000));
        assert_eq!(control.window(), 20_000);
        control.on_ack(&Ack { limited: false, ..full(now, 10_000) });
        assert_eq!(control.window(), 20_000, "not used: no growth");
        control.on_ack(&Ack { in_recovery: true, ..full(now, 20_000) });
        assert_eq!(control.window(), 20_000, "in recovery: no growth");
    }

    #[test]
    fn grows_by_one_packet_per_round_trip_beyond_the_threshold() {
        let mut control = NewReno::new(1000);
        let now = start();
        control.on_ack(&full(now, 10_000));
        control.on_loss(now);
        let window = control.window();
        control.on_ack(&Ack { flight: 1, ..full(now, 1) });
        assert_eq!(control.window(), window + 1, "slow start reaches up to the threshold");
        for _ in 0..=window / 1000 {
            control.on_ack(&Ack { flight: 1, ..full(now, 1000) });
        }
        assert_eq!(control.window(), window + 1 + 1000);
    }

    #[test]
    fn halves_on_loss_collapses_on_timeout_and_takes_it_back() {
        let mut control = NewReno::new(1000);
        let now = start();
        control.on_ack(&full(now, 54_000));
        assert_eq!(control.window(), 64_000);
        control.on_loss(now);
        assert_eq!((control.window(), control.threshold()), (32_000, 32_000));
        control.on_timeout(now);
        control.on_timeout(now);
        assert_eq!((control.window(), control.threshold()), (1000, 16_000));
        control.undo();
        assert_eq!((control.window(), control.threshold()), (32_000, 32_000));
    }

    #[test]
    fn an_idle_window_decays() {
        let start = start();
        let rto = Duration::from_secs(1);
        let mut control = NewReno::new(1000);
        control.on_ack(&full(start, 54_000));
        control.after_pause(start + rto / 2, start, rto);
        assert_eq!(control.window(), 64_000);
        control.after_pause(start + rto * 2, start, rto);
        control.after_pause(start + rto * 2, start, rto);
        assert_eq!((control.window(), control.threshold()), (16_000, 64_000));
        control.after_pause(start + rto * 2000, start, rto);
        assert_eq!((control.window(), control.threshold()), (10_000, 64_000));
    }
}
