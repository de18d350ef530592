//! Termination of an association (RFC 9260, section 9).

use super::Association;
use super::phase::{Phase, Stage};
use super::timers::Timer;
use crate::event::Closed;
use crate::packet::Chunk;
use crate::serial::Tsn;
use std::time::Instant;

/// How often SHUTDOWN ACK goes unanswered before its sender ends without SHUTDOWN COMPLETE, which may have been lost with
/// a peer that is gone by now. Nothing depends on it: everything is delivered both ways.
const LAST_WORDS: u32 = 3;

impl Association {
    /// Ends the association gracefully: nothing more is accepted, all that was accepted is delivered, then both sides
    /// close. Before the association is open, it is opened first if anything is queued.
    ///
    /// Messages whose last part has not been sent are given up.
    pub fn shutdown(&mut self, now: Instant) {
        self.outbound.cancel_all_open(&mut self.stats);
        match &mut self.phase {
            Phase::Idle => self.close(now, Closed::Shutdown),
            Phase::CookieWait(_) if self.outbound.is_idle() => self.close(now, Closed::Shutdown),
            Phase::CookieWait(_) | Phase::CookieEchoed(..) => self.closing = true,
            Phase::Open(stage @ Stage::Established, _) => {
                tracing::debug!("shutting down");
                *stage = Stage::ShutdownPending;
                self.settle(now);
            }
            Phase::Open(
                Stage::ShutdownPending | Stage::ShutdownSent | Stage::ShutdownReceived | Stage::ShutdownAckSent,
                _,
            )
            | Phase::Ended(_) => {}
        }
    }

    /// Goes on once all that was sent has been acknowledged (section 9.2).
    pub(super) fn advance_shutdown(&mut self, now: Instant) {
        let Phase::Open(stage, _) = &mut self.phase else { return };
        let next = match stage {
            Stage::ShutdownPending => Stage::ShutdownSent,
            Stage::ShutdownReceived => Stage::ShutdownAckSent,
            Stage::Established | Stage::ShutdownSent | Stage::ShutdownAckSent => return,
        };
        if !self.outbound.is_idle() {
            return;
        }
        *stage = next;
        self.begin_closing(now);
    }

    fn begin_closing(&mut self, now: Instant) {
        self.shutdown_due = true;
        self.timers.stop(Timer::Heartbeat);
        self.timers.stop(Timer::Reconfig);
        for timer in [Timer::Retransmit, Timer::Reorder, Timer::Probe, Timer::Pace] {
            self.timers.stop(timer);
        }
        self.timers.start(Timer::Shutdown, Some(now + self.outbound.timeout()));
        // T5-shutdown-guard: a peer that keeps sending could hold the shutdown up for ever.
        if !self.timers.is_running(Timer::Guard) {
            self.timers.start(Timer::Guard, now.checked_add(self.config.rto_max.saturating_mul(5)));
        }
    }

    /// SHUTDOWN: the peer will not send anything new.
    pub(super) fn on_shutdown(&mut self, now: Instant, cumulative: Tsn) {
        self.on_cumulative_ack(now, cumulative);
        let Phase::Open(stage, _) = &mut self.phase else { return };
        match stage {
            Stage::Established | Stage::ShutdownPending => {
                tracing::debug!("the peer is shutting down");
                self.outbound.cancel_all_open(&mut self.stats);
                *stage = Stage::ShutdownReceived;
            }
            // Both at once (section 9.2).
            Stage::ShutdownSent => {
                *stage = Stage::ShutdownAckSent;
                self.begin_closing(now);
            }
            Stage::ShutdownReceived => {}
            Stage::ShutdownAckSent => self.shutdown_due = true,
        }
    }

    /// SHUTDOWN ACK.
    pub(super) fn on_shutdown_ack(&mut self, now: Instant) {
        let Phase::Open(stage, peer) = &self.phase else { return };
        match stage {
            Stage::ShutdownSent | Stage::ShutdownAckSent => {
                let tag = peer.tag;
                self.replies.clear();
                self.reply(tag, &Chunk::ShutdownComplete { reflected: false });
                self.close(now, Closed::Shutdown);
            }
            Stage::Established | Stage::ShutdownPending | Stage::ShutdownReceived => self.stats.refused += 1,
        }
    }

    /// SHUTDOWN COMPLETE counts only after SHUTDOWN ACK (section 8.5.1, C).
    pub(super) fn on_shutdown_complete(&mut self, now: Instant) {
        if self.phase.stage() == Some(Stage::ShutdownAckSent) {
            self.close(now, Closed::Shutdown);
        } else {
            self.stats.refused += 1;
        }
    }

    /// T2-shutdown.
    pub(super) fn on_shutdown_timeout(&mut self, now: Instant) {
        if !matches!(self.phase.stage(), Some(Stage::ShutdownSent | Stage::ShutdownAckSent)) {
            return;
        }
        self.shutdown_due = true;
        self.outbound.rto.back_off();
        self.timers.start(Timer::Shutdown, Some(now + self.outbound.timeout()));
        self.count_error(now);
        if self.phase.stage() == Some(Stage::ShutdownAckSent) && self.errors >= LAST_WORDS {
            self.close(now, Closed::Shutdown);
        }
    }
}
