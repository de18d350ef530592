use std::time::{Duration, Instant};

/// How many packets one SACK may open the window by in slow start: L of RFC 9260, section 7.2.1. Receivers that
/// acknowledge a whole burst with one SACK would otherwise hold the sender back; counting bytes, not SACKs, is what
/// keeps an ack splitter from gaining anything.
const SLOW_START_PACKETS: usize = 64;

/// Congestion control as in RFC 9260, section 7.2: slow start, congestion avoidance, one halving per loss event.
///
/// These methods are all that the rest knows of congestion control, so that another algorithm needs only them.
/// Windows are in bytes on the wire: DATA chunks with their headers and padding.
#[derive(Debug)]
pub(crate) struct NewReno {
    window: usize,
    threshold: usize,
    partial_bytes_acked: usize,
    /// The most that DATA chunks can take in one packet (PMDCS).
    packet: usize,
    /// When data was sent last, or the window decayed last.
    unused_since: Option<Instant>,
    is_decaying: bool,
}

impl NewReno {
    /// `packet` is the most that DATA chunks can take in one packet (PMDCS).
    pub(crate) fn new(packet: usize) -> Self {
        let window = (4 * packet).min((2 * packet).max(4404));
        Self { window, threshold: usize::MAX, partial_bytes_acked: 0, packet, unused_since: None, is_decaying: false }
    }

    /// The congestion window.
    pub(crate) const fn window(&self) -> usize {
        self.window
    }

    /// The slow-start threshold.
    pub(crate) const fn threshold(&self) -> usize {
        self.threshold
    }

    /// The path carries packets of another size now.
    pub(crate) fn set_packet(&mut self, packet: usize) {
        self.packet = packet;
        self.window = self.window.max(packet);
    }

    /// Data might be sent now. A window that has not been used for a while says little about the path: it halves with
    /// every timeout that passes unused (section 7.2.1, last item).
    pub(crate) fn decay(&mut self, now: Instant, rto: Duration) {
        let least = 4 * self.packet;
        while let Some(since) = self.unused_since
            && now.saturating_duration_since(since) >= rto
        {
            if self.window <= least {
                self.unused_since = Some(now);
                return;
            }
            if !self.is_decaying {
                self.is_decaying = true;
                self.threshold = self.window;
            }
            self.window = (self.window / 2).max(least);
            self.unused_since = Some(since + rto);
        }
    }

    /// Data has been sent.
    pub(crate) const fn on_send(&mut self, now: Instant) {
        self.unused_since = Some(now);
        self.is_decaying = false;
    }

    /// `acked` bytes were acknowledged for the first time when `flight` bytes were in flight. `all` if nothing is
    /// left in flight.
    pub(crate) fn on_ack(&mut self, acked: usize, flight: usize, in_recovery: bool, all: bool) {
        let full = flight >= self.window;
        if self.window <= self.threshold {
            if full && !in_recovery {
                self.window = self.window.saturating_add(acked.min(SLOW_START_PACKETS * self.packet));
            }
        } else {
            self.partial_bytes_acked = self.partial_bytes_acked.saturating_add(acked);
            if self.partial_bytes_acked >= self.window {
                if full && !in_recovery {
                    self.partial_bytes_acked -= self.window;
                    self.window = self.window.saturating_add(self.packet);
                } else {
                    self.partial_bytes_acked = self.window;
                }
            }
        }
        if all {
            self.partial_bytes_acked = 0;
        }
    }

    /// A loss was found from SACKs, the first of its loss event (section 7.2.3).
    pub(crate) fn on_loss(&mut self) {
        self.threshold = (self.window / 2).max(4 * self.packet);
        self.window = self.threshold;
        self.partial_bytes_acked = 0;
    }

    /// The retransmission timer fired (section 7.2.3).
    pub(crate) fn on_timeout(&mut self) {
        self.threshold = (self.window / 2).max(4 * self.packet);
        self.window = self.packet;
        self.partial_bytes_acked = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_with_the_initial_window() {
        assert_eq!(NewReno::new(1000).window(), 4000);
        assert_eq!(NewReno::new(1400).window(), 4404);
        assert_eq!(NewReno::new(9000).window(), 18_000);
    }

    #[test]
    fn doubles_per_round_trip_only_while_the_window_is_full() {
        let mut control = NewReno::new(1000);
        control.on_ack(4000, 4000, false, true);
        assert_eq!(control.window(), 8000);
        control.on_ack(4000, 4000, false, true);
        assert_eq!(control.window(), 8000, "half used: no growth");
        control.on_ack(8000, 8000, true, true);
        assert_eq!(control.window(), 8000, "in recovery: no growth");
    }

    #[test]
    fn grows_by_one_packet_per_round_trip_beyond_the_threshold() {
        let mut control = NewReno::new(1000);
        control.on_ack(16_000, 16_000, false, true);
        control.on_loss();
        let start = control.window();
        control.on_ack(1, start, false, false);
        assert_eq!(control.window(), start + 1, "slow start reaches up to the threshold");
        for _ in 0..=start / 1000 {
            control.on_ack(1000, start + 1, false, false);
        }
        assert_eq!(control.window(), start + 1 + 1000);
    }

    #[test]
    fn halves_on_loss_and_collapses_on_timeout() {
        let mut control = NewReno::new(1000);
        for _ in 0..4 {
            let window = control.window();
            control.on_ack(window, window, false, true);
        }
        assert_eq!(control.window(), 64_000);
        control.on_loss();
        assert_eq!((control.window(), control.threshold()), (32_000, 32_000));
        control.on_timeout();
        assert_eq!((control.window(), control.threshold()), (1000, 16_000));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
    fn an_idle_window_decays() {
        let start = Instant::now();
        let rto = Duration::from_secs(1);
        let mut control = NewReno::new(1000);
        control.on_ack(28_000, 28_000, false, true);
        assert_eq!(control.window(), 32_000);
        control.on_send(start);
        control.decay(start + rto / 2, rto);
        assert_eq!(control.window(), 32_000);
        control.decay(start + rto * 2, rto);
        control.decay(start + rto * 2, rto);
        assert_eq!((control.window(), control.threshold()), (8000, 32_000));
        control.decay(start + rto * 2000, rto);
        assert_eq!((control.window(), control.threshold()), (4000, 32_000));
    }
}
