use super::idle::Idle;
use super::slow_start::SlowStart;
use super::{Ack, Control, INITIAL_PACKETS, window_rate};
use std::time::{Duration, Instant};

/// C of RFC 9438, section 5: packets per second cubed.
const C: f64 = 0.4;

/// What is left of the window after a loss.
const BETA: f64 = 0.7;

/// How fast the estimate of a Reno window grows that loses as little as we do (section 4.3).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

/// Congestion avoidance since the last loss event (section 4.1.2), in packets and seconds.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    start: Instant,
    /// How long the way back to `origin` takes.
    k: f64,
    /// W_max, the plateau of the curve.
    origin: f64,
    /// The window that Reno would have.
    estimate: f64,
    /// The window has not been used since.
    unused_since: Option<Instant>,
}

impl Epoch {
    fn curve(&self, seconds: f64) -> f64 {
        C.mul_add((seconds - self.k).powi(3), self.origin)
    }
}

/// What a loss event changes.
#[derive(Clone, Copy, Debug)]
struct Before {
    window: f64,
    threshold: usize,
    w_max: f64,
    epoch: Option<Epoch>,
}

/// CUBIC (RFC 9438) with HyStart++: after a loss the window returns on a cubic curve of time, which does not depend on
/// the round-trip time, and grows at least as fast as Reno's.
#[derive(Debug)]
pub(super) struct Cubic {
    /// In bytes, with what is less than one.
    window: f64,
    threshold: usize,
    packet: usize,
    /// The window before the last loss event in packets, or a little less.
    w_max: f64,
    /// The window before the last loss event in packets.
    prior: f64,
    epoch: Option<Epoch>,
    slow_start: SlowStart,
    idle: Idle,
    before: Option<Before>,
}

impl Cubic {
    pub(super) fn new(packet: usize) -> Self {
        Self {
            window: (INITIAL_PACKETS * packet) as f64,
            threshold: usize::MAX,
            packet,
            w_max: 0.0,
            prior: 0.0,
            epoch: None,
            slow_start: SlowStart::default(),
            idle: Idle::default(),
            before: None,
        }
    }

    fn packets(&self) -> f64 {
        self.window / self.packet as f64
    }

    fn avoid_congestion(&mut self, ack: &Ack) {
        let packets = self.packets();
        let (w_max, prior) = (self.w_max, self.prior);
        let epoch = self.epoch.get_or_insert_with(|| Epoch {
            start: ack.now,
            k: ((w_max - packets).max(0.0) / C).cbrt(),
            origin: w_max.max(packets),
            estimate: packets,
            unused_since: None,
        });
        if let Some(since) = epoch.unused_since.take() {
            // Time without use is no time of the curve (section 5.8).
            epoch.start += ack.now.saturating_duration_since(since);
        }
        let acked = ack.bytes as f64 / self.packet as f64;
        let alpha = if epoch.estimate >= prior { 1.0 } else { ALPHA };
        epoch.estimate += alpha * (acked / packets).min(1.0);
        let elapsed = ack.now.saturating_duration_since(epoch.start).as_secs_f64();
        let next = if epoch.curve(elapsed) < epoch.estimate {
            epoch.estimate.max(packets)
        } else {
            let target = epoch.curve(elapsed + ack.smoothed.as_secs_f64()).clamp(packets, packets * 1.5);
            packets + (target - packets) * (acked / packets).min(1.0)
        };
        self.window = next * self.packet as f64;
    }

    fn reduce(&mut self) {
        if self.window() > self.packet {
            self.before =
                Some(Before { window: self.window, threshold: self.threshold, w_max: self.w_max, epoch: self.epoch });
            let packets = self.packets();
            // Fast convergence: who loses before it is back at its old window makes room (section 4.7).
            self.w_max = if packets < self.w_max { packets * (1.0 + BETA) / 2.0 } else { packets };
            self.prior = packets;
            self.threshold = ((self.window * BETA) as usize).max(2 * self.packet);
        }
        self.epoch = None;
        self.slow_start.reset();
    }
}

impl Control for Cubic {
    fn window(&self) -> usize {
        self.window as usize
    }

    fn threshold(&self) -> usize {
        self.threshold
    }

    fn pacing_rate(&self, smoothed: Option<Duration>) -> Option<f64> {
        let doubles = self.window() < self.threshold && !self.slow_start.is_careful();
        window_rate(self.window(), doubles, smoothed)
    }

    fn set_packet(&mut self, packet: usize) {
        // The curve counts packets.
        let scale = self.packet as f64 / packet.max(1) as f64;
        (self.w_max, self.prior) = (self.w_max * scale, self.prior * scale);
        self.packet = packet.max(1);
        self.window = self.window.max(packet as f64);
        self.epoch = None;
    }

    fn after_pause(&mut self, now: Instant, sent: Instant, rto: Duration) {
        let before = (self.window(), self.threshold);
        let (window, threshold) = self.idle.decay(now, (sent, rto), before, INITIAL_PACKETS * self.packet);
        if (window, threshold) != before {
            (self.window, self.threshold, self.epoch) = (window as f64, threshold, None);
            self.slow_start.reset();
        }
    }

    fn on_ack(&mut self, ack: &Ack) {
        if ack.in_recovery {
            return;
        }
        if !ack.limited {
            if let Some(epoch) = &mut self.epoch {
                epoch.unused_since.get_or_insert(ack.now);
            }
            return;
        }
        if self.window() < self.threshold {
            match self.slow_start.grow(self.window(), ack) {
                Some(window) => self.window = window.min(self.threshold) as f64,
                None => self.threshold = self.window(),
            }
        } else {
            self.avoid_congestion(ack);
        }
    }

    fn on_loss(&mut self, _now: Instant) {
        self.reduce();
        self.window = self.threshold as f64;
    }

    fn on_timeout(&mut self, _now: Instant) {
        self.reduce();
        self.window = self.packet as f64;
    }

    fn undo(&mut self) {
        if let Some(before) = self.before.take() {
            self.window = self.window.max(before.window);
            (self.threshold, self.w_max, self.epoch) = (before.threshold, before.w_max, before.epoch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{full, start};
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    /// Acknowledges full windows, one per round trip.
    fn run(control: &mut Cubic, now: &mut Instant, rounds: usize) {
        for _ in 0..rounds {
            *now += RTT;
            control.on_ack(&full(*now, control.window()));
        }
    }

    /// A controller that has lost at this window.
    fn lost_at(packets: usize, now: Instant) -> Cubic {
        let mut control = Cubic::new(1000);
        control.on_ack(&full(now, (packets - INITIAL_PACKETS) * 1000));
        assert_eq!(control.window(), packets * 1000);
        control.on_loss(now);
        control
    }

    #[test]
    fn returns_to_the_old_window_in_the_time_that_the_curve_takes() {
        let mut now = start();
        let mut control = lost_at(1000, now);
        assert_eq!((control.window(), control.threshold()), (700_000, 700_000));
        // K is the cube root of 300 / 0.4: 9.1 s.
        run(&mut control, &mut now, 45);
        assert!((950_000..990_000).contains(&control.window()), "concave: {}", control.window());
        run(&mut control, &mut now, 46);
        assert!((990_000..1_005_000).contains(&control.window()), "the plateau: {}", control.window());
        run(&mut control, &mut now, 90);
        assert!(control.window() > 1_200_000, "convex: {}", control.window());
    }

    #[test]
    fn is_no_slower_than_reno_where_the_window_is_small() {
        let mut now = start();
        let mut control = lost_at(20, now);
        run(&mut control, &mut now, 30);
        // Reno: 0.53 packets per round trip up to 20, then one.
        assert!((25_000..40_000).contains(&control.window()), "{}", control.window());
    }

    #[test]
    fn gives_up_more_when_it_loses_below_its_old_window() {
        let mut now = start();
        let mut control = lost_at(1000, now);
        run(&mut control, &mut now, 1);
        let packets = control.packets();
        control.on_loss(now);
        assert!((control.w_max - packets * 0.85).abs() < 0.1);
    }

    #[test]
    fn time_without_use_is_no_time_of_the_curve() {
        let mut now = start();
        let mut control = lost_at(1000, now);
        run(&mut control, &mut now, 20);
        let window = control.window();
        control.on_ack(&Ack { limited: false, ..full(now, 1000) });
        now += Duration::from_secs(60);
        run(&mut control, &mut now, 1);
        assert!(control.window() < window + 20_000, "{window} to {}", control.window());
    }

    #[test]
    fn a_loss_that_was_none_is_taken_back() {
        let mut now = start();
        let mut control = lost_at(1000, now);
        run(&mut control, &mut now, 200);
        let before = (control.window(), control.threshold());
        control.on_loss(now);
        control.undo();
        assert_eq!((control.window(), control.threshold()), before);
        control.on_timeout(now);
        assert_eq!(control.window(), 1000);
        control.undo();
        assert_eq!((control.window(), control.threshold()), before);
    }
}
