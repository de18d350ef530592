//! What another layer knows of the path (ICE, whose consent checks tell earlier and better than timeouts do).

use super::Association;
use super::phase::{Phase, Stage};
use super::timers::Timer;
use std::time::{Duration, Instant};

/// The path to the peer, as the layer beneath sees it. See [`Association::set_path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Nothing gets through, as far as is known.
    Lost,
    /// It works, be it another one or the same one again.
    Found {
        /// The round-trip time, if it was measured.
        rtt: Option<Duration>,
    },
}

impl Association {
    /// Tells that the path was lost, or that there is one (again). Without this call it is taken to work.
    ///
    /// While it is lost, timeouts say nothing about the peer: the association waits, and does not end by them, but for
    /// the limit of a shutdown that has come to its last packets. When it is found, whatever was held up goes out at
    /// once, and starts as on a path that nothing is known of but `rtt`.
    pub fn set_path(&mut self, now: Instant, path: Path) {
        tracing::debug!(?path, "path");
        match path {
            Path::Lost => self.is_path_lost = true,
            Path::Found { rtt } => {
                let was_lost = std::mem::take(&mut self.is_path_lost);
                if let (Phase::Idle, Some(rtt)) = (&self.phase, rtt) {
                    self.set_rtt(rtt);
                } else {
                    self.outbound.rto.renew(rtt);
                }
                if was_lost || self.errors > 0 || self.outbound.has_timed_out() {
                    self.errors = 0;
                    self.resume(now);
                }
                self.search_path_mtu();
                self.settle(now);
            }
        }
    }

    /// Does at once what waits for a timer that has backed off.
    fn resume(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Idle | Phase::Ended(_) => {}
            Phase::CookieWait(wait) => {
                (wait.due, wait.sent, wait.attempts) = (true, None, 0);
                wait.timeout = self.outbound.rto.handshake();
                self.timers.start(Timer::Init, Some(now + wait.timeout));
            }
            Phase::CookieEchoed(echo, _) => {
                (echo.due, echo.sent, echo.attempts) = (true, None, 0);
                echo.timeout = self.outbound.rto.handshake();
                self.outbound.cookie_echo_lost();
                self.timers.start(Timer::Init, Some(now + echo.timeout));
            }
            Phase::Open(Stage::ShutdownSent | Stage::ShutdownAckSent, _) => {
                self.shutdown_due = true;
                self.timers.start(Timer::Shutdown, Some(now + self.outbound.timeout()));
            }
            Phase::Open(Stage::Established | Stage::ShutdownPending | Stage::ShutdownReceived, _) => {
                // A sender whose timer has not fired yet has a timeout to wait at most, and may have lost nothing.
                if self.outbound.has_timed_out() {
                    self.outbound.begin_anew(now, &mut self.stats);
                }
                for timer in [Timer::Retransmit, Timer::Reorder, Timer::Probe, Timer::Pace] {
                    self.timers.stop(timer);
                }
                if self.outbound.needs_timer() {
                    self.timers.start(Timer::Retransmit, Some(now + self.outbound.timeout()));
                }
                self.resets.ask_again();
                self.beat_at_once(now);
            }
        }
    }
}
