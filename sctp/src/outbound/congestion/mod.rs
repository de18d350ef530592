//! Congestion control behind one small interface: how much may be in flight, and how fast it may leave.
//!
//! Windows are in bytes on the wire: DATA chunks with their headers and padding. Finding losses is not part of this;
//! a controller is told of them.

mod bbr;
mod cubic;
mod filter;
mod idle;
mod new_reno;
mod slow_start;

use crate::config::Congestion;
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// The initial window in packets (RFC 6928); less is not left by idling.
const INITIAL_PACKETS: usize = 10;

/// How fast the acknowledged chunk that was sent last, and those before it, were delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Bytes per second.
    pub(crate) bytes: f64,
    /// The application, or the peer's window, and not the path held it down.
    pub(crate) app_limited: bool,
}

/// What a controller learns from a SACK.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ack {
    pub(crate) now: Instant,
    /// Bytes acknowledged for the first time.
    pub(crate) bytes: usize,
    /// Bytes found lost since the SACK before.
    pub(crate) lost: usize,
    /// Bytes in flight before and after.
    pub(crate) flight_before: usize,
    pub(crate) flight: usize,
    /// The round trip that this SACK ended, unless it could not be told which copy it acknowledges.
    pub(crate) rtt: Option<Duration>,
    /// The smoothed round-trip time.
    pub(crate) smoothed: Duration,
    /// A round trip began: what was sent after the last time this was true is acknowledged now.
    pub(crate) round: bool,
    /// Losses are being repaired.
    pub(crate) in_recovery: bool,
    /// The window is used, so that it may grow.
    pub(crate) limited: bool,
    pub(crate) rate: Option<Rate>,
}

/// A congestion controller. Another algorithm needs these methods and nothing else.
pub(crate) trait Control: Debug + Send + Sync {
    /// The congestion window: bytes that may be in flight.
    fn window(&self) -> usize;

    /// The slow-start threshold; the largest number where there is none.
    fn threshold(&self) -> usize;

    /// Bytes per second that may leave, once anything is known of the path.
    fn pacing_rate(&self, smoothed: Option<Duration>) -> Option<f64>;

    /// The most that DATA chunks can take in one packet (PMDCS) has changed.
    fn set_packet(&mut self, packet: usize);

    /// Nothing is in flight, and data might be sent now. The last was sent at `sent`: what such a pause says of the window
    /// is applied.
    fn after_pause(&mut self, now: Instant, sent: Instant, rto: Duration);

    /// Something was acknowledged.
    fn on_ack(&mut self, ack: &Ack);

    /// A loss was found, the first of its loss event.
    fn on_loss(&mut self, now: Instant);

    /// The retransmission timer fired.
    fn on_timeout(&mut self, now: Instant);

    /// The last loss event or timeout was none: all that was sent again had arrived.
    fn undo(&mut self);
}

/// The controller that was chosen, on a path that nothing is known of. `packet` is the most that DATA chunks can take in
/// one packet (PMDCS); `seed` keeps several connections out of step.
pub(crate) fn controller(kind: Congestion, packet: usize, seed: u32) -> Box<dyn Control> {
    match kind {
        Congestion::NewReno => Box::new(new_reno::NewReno::new(packet)),
        Congestion::Cubic => Box::new(cubic::Cubic::new(packet)),
        Congestion::Bbr => Box::new(bbr::Bbr::new(packet, seed)),
    }
}

/// The pace of a controller that has only a window: a little faster than uses it up in a round trip, and twice as fast
/// where the window doubles in that time. Were it much faster, the hole that a late wake-up leaves in the path would be
/// filled up so quickly that a short queue overflows.
fn window_rate(window: usize, doubles: bool, smoothed: Option<Duration>) -> Option<f64> {
    let rtt = smoothed.filter(|rtt| !rtt.is_zero())?.as_secs_f64();
    let gain = if doubles { 2.0 } else { 1.1 };
    Some(gain * window as f64 / rtt)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a controller learns when a full window is acknowledged.
    pub(super) fn full(now: Instant, bytes: usize) -> Ack {
        Ack {
            now,
            bytes,
            lost: 0,
            flight_before: bytes,
            flight: 0,
            rtt: None,
            smoothed: Duration::from_millis(100),
            round: false,
            in_recovery: false,
            limited: true,
            rate: None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
    pub(super) fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn every_controller_starts_with_ten_packets_and_survives_any_order_of_calls() {
        for kind in [Congestion::NewReno, Congestion::Cubic, Congestion::Bbr] {
            let mut control = controller(kind, 1000, 7);
            assert_eq!(control.window(), 10_000, "{kind:?}");
            let now = start();
            control.undo();
            for _ in 0..50 {
                control.on_timeout(now);
            }
            assert_eq!(control.window(), 1000, "{kind:?}");
            control.on_loss(now);
            control.after_pause(now + Duration::from_secs(3600), now, Duration::from_secs(1));
            control.on_ack(&full(now, 0));
            control.on_ack(&full(now, usize::MAX / 4));
            control.set_packet(2000);
            assert!(control.window() >= 2000, "{kind:?}");
            control.undo();
        }
    }
}
