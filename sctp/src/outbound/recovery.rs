//! What follows from acknowledgements and timers: losses found and repaired, and what the congestion controller is told
//! (RFC 9260, sections 6.2.1, 6.3 and 7.2; RACK-TLP, RFC 8985).

use super::congestion::{Ack, controller};
use super::rack::{Duplicate, Probe, Rack, Undo};
use super::ring::{Acked, Ring};
use super::{OVERHEAD, Outbound, PACKET_TIME, Refused, Watch};
use crate::packet::Sack;
use crate::serial::Tsn;
use crate::stats::Stats;
use std::time::{Duration, Instant};

/// What loss recovery knows beside the chunks.
#[derive(Debug)]
pub(super) struct Recovery {
    rack: Rack,
    probe: Probe,
    undo: Undo,
    /// Losses are being repaired until this TSN is acknowledged (Fast Recovery, RFC 9260, section 7.2.4).
    until: Option<Tsn>,
    /// The timer fired; until this TSN is acknowledged, losses belong to that event.
    timeout_until: Option<Tsn>,
    /// When the timer fired, if nothing has been acknowledged since: one packet in flight at most.
    timed_out: Option<Instant>,
    /// One packet of retransmissions may ignore the congestion window and the pace.
    first_is_free: bool,
    /// When chunks that have been overtaken count as lost.
    reorder_at: Option<Instant>,
    /// Bytes lost since the controller was told.
    lost: usize,
    /// Bytes that may be sent while losses are repaired though the window is full: a share of what was acknowledged
    /// since (the idea of RFC 6937). SACKs cannot report all that has arrived where there are many holes, and what they
    /// leave out seems to be in flight.
    allowance: usize,
    /// The most in flight in this round trip, and in the one before.
    most: (usize, usize),
}

impl Recovery {
    pub(super) fn new() -> Self {
        Self {
            rack: Rack::new(),
            probe: Probe::new(),
            undo: Undo::default(),
            until: None,
            timeout_until: None,
            timed_out: None,
            first_is_free: false,
            reorder_at: None,
            lost: 0,
            allowance: 0,
            most: (0, 0),
        }
    }

    pub(super) fn min_rtt(&self) -> Option<Duration> {
        self.rack.min_rtt.least()
    }

    pub(super) const fn has_timed_out(&self) -> bool {
        self.timed_out.is_some()
    }

    pub(super) const fn first_is_free(&self) -> bool {
        self.first_is_free
    }

    pub(super) const fn is_probe_due(&self) -> bool {
        self.probe.due.is_some()
    }

    /// A lost chunk was sent again.
    pub(super) fn sent_again(&mut self, tsn: Tsn) {
        self.first_is_free = false;
        if self.probe.due != Some(Some(tsn)) {
            self.undo.sent_again(tsn);
        }
    }

    pub(super) const fn has_allowance(&self) -> bool {
        self.allowance > 0
    }

    /// A packet with `bytes` of data was sent. True if it was a probe, after which the retransmission timer starts over.
    pub(super) fn on_send(&mut self, now: Instant, bytes: usize, ring: &Ring) -> bool {
        self.allowance = self.allowance.saturating_sub(bytes);
        if ring.flight_wire() <= bytes {
            // After a pause, what was in flight before it says nothing.
            self.most = (0, 0);
        }
        self.most.0 = self.most.0.max(ring.flight_wire());
        let probes = self.is_probe_due();
        self.probe.on_send(now, ring.next_tsn().previous());
        probes
    }

    fn end(&mut self) {
        (self.until, self.allowance) = (None, 0);
        self.first_is_free = false;
        self.reorder_at = None;
        self.probe.stop();
    }
}

impl Outbound {
    /// Applies a SACK. What to do with the timer, or why the SACK was refused.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        sack: &Sack<'_>,
        stats: &mut Stats,
    ) -> Result<(Watch, bool), Refused> {
        let flight = self.ring.flight_wire();
        let min_rtt = self.recovery.min_rtt().unwrap_or_default();
        let acked = self.ring.acknowledge(now, sack.cumulative_tsn_ack, sack.gap_blocks(), min_rtt)?;
        self.a_rwnd = sack.a_rwnd as usize;
        for tsn in sack.duplicate_tsns() {
            self.on_duplicate(tsn, stats);
        }
        Ok(self.acknowledged(now, acked, flight, stats))
    }

    /// SHUTDOWN acknowledges cumulatively, and says nothing about gaps and the window.
    pub(crate) fn acknowledge_shutdown(
        &mut self,
        now: Instant,
        cumulative: Tsn,
        stats: &mut Stats,
    ) -> Result<(Watch, bool), Refused> {
        let flight = self.ring.flight_wire();
        let min_rtt = self.recovery.min_rtt().unwrap_or_default();
        let acked = self.ring.acknowledge_shutdown(now, cumulative, min_rtt)?;
        Ok(self.acknowledged(now, acked, flight, stats))
    }

    /// What follows from what was acknowledged when `flight` bytes were in flight.
    fn acknowledged(&mut self, now: Instant, acked: Acked, flight: usize, stats: &mut Stats) -> (Watch, bool) {
        self.heard = true;
        self.held = self.held.saturating_sub(acked.released + acked.released_chunks * OVERHEAD);
        if let Some(rtt) = acked.rtt {
            self.rto.measure(rtt);
        }
        if acked.any {
            self.judge_timeout(now, stats);
            self.rto.reset();
        }
        let rtt = self.measure(now, &acked);
        self.judge_probe(now);
        self.leave_recovery();
        self.detect(now, stats);
        if acked.bytes > 0 {
            self.tell_controller(now, &acked, flight, rtt);
        }
        self.abandon_spent(now, stats);
        self.schedule_forward(now);
        self.receipts.acknowledge(self.ring.cumulative_ack(), &mut self.events);
        self.tell_writable();
        let watch = if !self.ring.needs_timer() {
            Watch::Stop
        } else if acked.cumulative {
            Watch::Restart
        } else {
            Watch::Keep
        };
        (watch, acked.any)
    }

    /// The round trip of the newest transmission that was acknowledged.
    fn measure(&mut self, now: Instant, acked: &Acked) -> Option<Duration> {
        let rtt = now.saturating_duration_since(acked.flight?.sent);
        let rack = &mut self.recovery.rack;
        if acked.newest == self.ring.newest() {
            rack.rtt = rtt;
        }
        rack.min_rtt.update(now, rtt);
        if acked.reordered {
            rack.saw_reordering();
        }
        Some(rtt)
    }

    fn tell_controller(&mut self, now: Instant, acked: &Acked, flight_before: usize, rtt: Option<Duration>) {
        let (rate, round) = self.ring.deliver(now, acked);
        let recovery = &mut self.recovery;
        if recovery.until.is_some() {
            recovery.allowance = recovery.allowance.saturating_add(acked.bytes / 4 * 3).min(self.window);
        }
        if round {
            recovery.most = (self.ring.flight_wire(), recovery.most.0);
        }
        let most = recovery.most.0.max(recovery.most.1).max(flight_before);
        let window = self.window;
        let is_slow_start = window <= self.congestion.threshold();
        // As in Linux: half of the window is enough where it doubles, as the flight lags behind.
        let limited =
            if is_slow_start { most.saturating_mul(2) > window } else { most.saturating_add(3 * self.packet) > window };
        self.congestion.on_ack(&Ack {
            now,
            bytes: acked.bytes,
            lost: std::mem::take(&mut recovery.lost),
            flight_before,
            flight: self.ring.flight_wire(),
            rtt,
            smoothed: self.rto.smoothed().or(rtt).unwrap_or_default(),
            round,
            in_recovery: recovery.until.is_some(),
            limited,
            rate,
        });
        self.window = self.congestion.window();
        let pace = self.congestion.pacing_rate(self.rto.smoothed()).unwrap_or_default();
        self.paced_packet = (pace * PACKET_TIME.as_secs_f64()) as usize;
    }

    /// The first acknowledgement after a timeout came sooner than the retransmission can have been answered: the timer
    /// fired too early, and nothing was lost (the idea of Eifel, RFC 3522).
    fn judge_timeout(&mut self, now: Instant, stats: &mut Stats) {
        let Some(fired) = self.recovery.timed_out.take() else { return };
        let min_rtt = self.recovery.min_rtt().unwrap_or_default();
        if self.recovery.undo.is_possible() && now.saturating_duration_since(fired) < min_rtt {
            self.ring.mark_none_lost(now);
            self.take_back(stats);
        }
    }

    /// The tail has been acknowledged after a probe. If the probe's copy did it, a loss was repaired, and is one for the
    /// congestion window too (RFC 8985, section 7.4.2).
    fn judge_probe(&mut self, now: Instant) {
        let Some(sent) = self.recovery.probe.sent else { return };
        if self.ring.cumulative_ack().precedes(sent.end) {
            return;
        }
        self.recovery.probe.sent = None;
        let min_rtt = self.recovery.min_rtt().unwrap_or_default();
        let may_be_the_copy = now.saturating_duration_since(sent.at) >= min_rtt;
        if let Some(tsn) = sent.again
            && may_be_the_copy
            && self.recovery.until.is_none()
        {
            // Should the copy be reported as a duplicate later, this is taken back.
            self.recovery.undo.begin();
            self.recovery.undo.sent_again(tsn);
            self.congestion.on_loss(now);
            self.window = self.congestion.window();
        }
    }

    fn leave_recovery(&mut self) {
        let cumulative = self.ring.cumulative_ack();
        let recovery = &mut self.recovery;
        if recovery.until.is_some_and(|until| !cumulative.precedes(until)) {
            (recovery.until, recovery.allowance) = (None, 0);
            recovery.rack.on_recovered();
        }
        if recovery.timeout_until.is_some_and(|until| !cumulative.precedes(until)) {
            recovery.timeout_until = None;
        }
    }

    /// A chunk arrived twice (DSACK in TCP).
    fn on_duplicate(&mut self, tsn: Tsn, stats: &mut Stats) {
        let (cumulative, next) = (self.ring.cumulative_ack(), self.ring.next_tsn());
        let recovery = &mut self.recovery;
        let in_vain = recovery.probe.was_in_vain(tsn);
        let duplicate = recovery.undo.duplicate(tsn);
        if duplicate != Duplicate::Unknown && !in_vain {
            recovery.rack.on_duplicate(cumulative, next);
        }
        if duplicate == Duplicate::Last {
            self.take_back(stats);
        }
    }

    /// There was no loss.
    fn take_back(&mut self, stats: &mut Stats) {
        stats.spurious_losses += 1;
        self.congestion.undo();
        self.window = self.congestion.window();
        self.recovery.undo.forget();
        (self.recovery.until, self.recovery.timeout_until) = (None, None);
    }

    /// Looks for what has been overtaken long ago (RFC 8985, section 6.2).
    fn detect(&mut self, now: Instant, stats: &mut Stats) {
        let recovery = &mut self.recovery;
        let is_repairing = recovery.until.is_some() || recovery.timeout_until.is_some();
        let is_sure = is_repairing || self.ring.is_hole_sure(self.packet);
        let window = recovery.rack.window(is_sure, self.rto.smoothed().unwrap_or_default());
        let (lost, deadline) = self.ring.find_lost(now, recovery.rack.rtt, window);
        recovery.reorder_at = deadline;
        if lost == 0 {
            return;
        }
        recovery.lost = recovery.lost.saturating_add(lost);
        if !is_repairing {
            stats.fast_retransmits += 1;
            recovery.until = Some(self.ring.next_tsn().previous());
            recovery.first_is_free = true;
            recovery.undo.begin();
            self.congestion.on_loss(now);
            self.window = self.congestion.window();
        }
    }

    /// When [`on_reorder_timeout`](Self::on_reorder_timeout) is due.
    pub(crate) const fn reorder_at(&self) -> Option<Instant> {
        self.recovery.reorder_at
    }

    /// What has been overtaken has had its time.
    pub(crate) fn on_reorder_timeout(&mut self, now: Instant, stats: &mut Stats) {
        self.detect(now, stats);
        self.abandon_spent(now, stats);
        self.schedule_forward(now);
    }

    /// When a probe is to be sent, unless something is sent or acknowledged before (RFC 8985, section 7.2).
    pub(crate) fn probe_at(&self, now: Instant) -> Option<Instant> {
        let recovery = &self.recovery;
        let is_repairing = recovery.until.is_some() || recovery.timed_out.is_some() || self.ring.has_lost();
        let is_watched = recovery.probe.sent.is_some() || recovery.probe.due.is_some() || self.ring.has_holes();
        if is_repairing || is_watched || self.ring.flight_wire() == 0 {
            return None;
        }
        let is_lone = self.ring.flight_wire() <= self.packet;
        let wait = recovery.probe.timeout(self.rto.smoothed()?, is_lone);
        (wait < self.rto.current()).then(|| now + wait)
    }

    /// Nothing was heard of the tail: sends one packet more, new data or the last chunk again (RFC 8985, section 7.3).
    pub(crate) fn on_probe_timeout(&mut self, now: Instant, stats: &mut Stats) -> bool {
        if self.probe_at(now).is_none() {
            return false;
        }
        let again = if self.may_send_new() {
            None
        } else {
            let Some(tsn) = self.ring.probe_tail(now) else { return false };
            self.recovery.first_is_free = true;
            Some(tsn)
        };
        self.recovery.probe.due = Some(again);
        stats.tail_probes += 1;
        true
    }

    /// The retransmission timer fired. True if that counts as an error of the path.
    pub(crate) fn on_timeout(&mut self, now: Instant, stats: &mut Stats) -> bool {
        self.rto.back_off();
        if !self.ring.needs_timer() {
            // It was the probe timer: the window has been closed for a whole timeout.
            self.probe = self.queue.is_ready();
            return false;
        }
        // A peer that answers probes but keeps its window closed is alive (section 6.1, rule A).
        let alive = std::mem::take(&mut self.heard) && self.a_rwnd < self.packet;
        stats.timeouts += 1;
        if alive {
            self.recovery.undo.forget();
        } else {
            self.congestion.on_timeout(now);
            self.window = self.congestion.window();
            self.recovery.undo.begin();
        }
        self.lose_all(now, stats);
        self.recovery.timed_out = Some(now);
        self.recovery.timeout_until = Some(self.ring.next_tsn().previous());
        !alive
    }

    /// All that is in flight is lost.
    fn lose_all(&mut self, now: Instant, stats: &mut Stats) {
        self.ring.mark_all_lost();
        self.recovery.end();
        self.pacer.reset();
        self.abandon_spent(now, stats);
        self.ring.advance();
        self.forward_due = self.partial_reliability && self.ring.has_skip();
    }

    /// Whether nothing has been acknowledged since the timer fired.
    pub(crate) const fn has_timed_out(&self) -> bool {
        self.recovery.has_timed_out()
    }

    /// Another path: what is in flight went nowhere, and nothing is known of congestion.
    pub(crate) fn begin_anew(&mut self, now: Instant, stats: &mut Stats) {
        self.lose_all(now, stats);
        self.recovery = Recovery::new();
        let (kind, seed) = self.kind;
        self.congestion = controller(kind, self.packet, seed);
        self.window = self.congestion.window();
    }
}
