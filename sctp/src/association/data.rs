//! User data: acknowledgements in both directions (RFC 9260, section 6; RFC 3758).

use super::Association;
use super::phase::{Phase, Stage};
use super::timers::Timer;
use crate::inbound::{Fragment, Inbound, Received, Violation};
use crate::outbound::{Refused, Watch};
use crate::packet::{Cause, Causes, Chunk, ForwardTsn, IForwardTsn, Sack, Writer, code};
use crate::serial::Tsn;
use std::time::Instant;

/// What the data in one packet asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrival {
    /// There was DATA or FORWARD TSN.
    pub(super) any: bool,
    /// It is to be acknowledged at once.
    pub(super) urgent: bool,
}

impl Association {
    /// DATA or I-DATA, whichever was agreed on: the other one breaks the rules (RFC 8260, section 2.2.3).
    pub(super) fn on_data(&mut self, now: Instant, data: &Fragment<'_>, interleaved: bool, arrival: &mut Arrival) {
        let limit = self.config.inbound_streams;
        let peer = match &mut self.phase {
            Phase::CookieEchoed(_, peer)
            | Phase::Open(Stage::Established | Stage::ShutdownPending | Stage::ShutdownSent, peer) => peer,
            // The peer said that nothing would follow.
            Phase::Open(Stage::ShutdownReceived | Stage::ShutdownAckSent, _)
            | Phase::Idle
            | Phase::CookieWait(_)
            | Phase::Ended(_) => {
                self.stats.refused += 1;
                return;
            }
        };
        arrival.any = true;
        arrival.urgent |= data.flags.immediate;
        if interleaved != peer.inbound.is_interleaving() {
            self.violate(now, code::PROTOCOL_VIOLATION, "DATA and I-DATA in one association");
            return;
        }
        if data.payload.is_empty() {
            self.violate(now, code::NO_USER_DATA, "a DATA chunk without data");
            return;
        }
        if peer.resets.holds_back(data.stream, peer.inbound.count(data.tsn)) {
            // To be sent again when the reset is done.
            self.stats.refused += 1;
            return;
        }
        if data.stream >= limit {
            peer.inbound.discard(data.tsn);
            self.report_invalid_stream(data.stream);
            return;
        }
        match peer.inbound.receive(data, &mut self.stats) {
            Ok(Received::New) => {}
            Ok(Received::OutOfOrder | Received::Unwanted) => arrival.urgent = true,
            Err(Violation(what)) => self.violate(now, code::PROTOCOL_VIOLATION, what),
        }
    }

    fn report_invalid_stream(&mut self, stream: u16) {
        self.stats.refused += 1;
        let [high, low] = stream.to_be_bytes();
        let mut causes = Vec::new();
        Cause { code: code::INVALID_STREAM_IDENTIFIER, value: &[high, low, 0, 0] }.encode(&mut causes);
        self.control(&Chunk::Error(Causes::new(&causes)));
    }

    /// FORWARD TSN (RFC 3758, section 3.6).
    pub(super) fn on_forward_tsn(&mut self, now: Instant, forward: &ForwardTsn<'_>, arrival: &mut Arrival) {
        let streams = forward.skipped().map(|skipped| skipped.stream);
        self.skip(now, false, streams, arrival, |inbound| inbound.forward(forward));
    }

    /// I-FORWARD-TSN (RFC 8260, section 2.3.1).
    pub(super) fn on_i_forward_tsn(&mut self, now: Instant, forward: &IForwardTsn<'_>, arrival: &mut Arrival) {
        let streams = forward.skipped().map(|skipped| skipped.stream);
        self.skip(now, true, streams, arrival, |inbound| inbound.forward_messages(forward));
    }

    fn skip(
        &mut self,
        now: Instant,
        interleaved: bool,
        mut streams: impl Iterator<Item = u16>,
        arrival: &mut Arrival,
        forward: impl FnOnce(&mut Inbound) -> bool,
    ) {
        let Phase::Open(Stage::Established | Stage::ShutdownPending | Stage::ShutdownSent, peer) = &mut self.phase
        else {
            self.stats.refused += 1;
            return;
        };
        arrival.any = true;
        if interleaved != peer.inbound.is_interleaving() {
            self.violate(now, code::PROTOCOL_VIOLATION, "FORWARD TSN of the other kind of chunk");
            return;
        }
        let limit = self.config.inbound_streams;
        if streams.any(|stream| stream >= limit) {
            self.stats.refused += 1;
            return;
        }
        // Old news means that our SACK was lost: say it again at once. New ones let the peer go on.
        arrival.urgent = true;
        if !forward(&mut peer.inbound) {
            self.stats.refused += 1;
        }
    }

    /// Decides when the data of a packet is acknowledged (RFC 9260, section 6.2): every second packet, at once if
    /// something is missing or came twice, otherwise after a short delay. Packets that are handled before anything is
    /// sent share one SACK.
    pub(super) fn schedule_sack(&mut self, now: Instant, arrival: Arrival) {
        if !arrival.any {
            return;
        }
        self.advance_peer_reset();
        let Some(peer) = self.phase.peer_mut() else { return };
        peer.unacknowledged = peer.unacknowledged.saturating_add(1);
        let holes = peer.inbound.has_gaps() || peer.inbound.has_duplicates();
        peer.sack_due |= arrival.urgent || holes || peer.unacknowledged >= 2;
        if self.phase.stage() == Some(Stage::ShutdownSent) {
            // Whoever has sent SHUTDOWN answers each packet with SACK and SHUTDOWN (section 9.2).
            if let Some(peer) = self.phase.peer_mut() {
                peer.sack_due = true;
            }
            self.shutdown_due = true;
            self.timers.start(Timer::Shutdown, Some(now + self.outbound.timeout()));
        }
        if !self.timers.is_running(Timer::Sack) {
            self.timers.start(Timer::Sack, Some(now + self.config.sack_delay));
        }
    }

    pub(super) fn on_sack_timeout(&mut self) {
        if let Some(peer) = self.phase.peer_mut() {
            peer.sack_due = peer.unacknowledged > 0;
        }
    }

    /// Puts a SACK into the packet.
    pub(super) fn write_sack(&mut self, writer: &mut Writer<'_>) {
        let (gaps, duplicates) = &mut self.scratch;
        let Some(peer) = self.phase.peer_mut() else { return };
        let Some(room) = writer.room().checked_sub(Sack::OVERHEAD) else { return };
        let a_rwnd = peer.inbound.report(room, gaps, duplicates);
        let sack = Sack::from_encoded(peer.inbound.cumulative_tsn(), a_rwnd, gaps, duplicates);
        writer.chunk(&Chunk::Sack(sack));
        (peer.sack_due, peer.unacknowledged) = (false, 0);
        self.timers.stop(Timer::Sack);
    }

    /// SACK (RFC 9260, section 6.2.1).
    pub(super) fn on_sack(&mut self, now: Instant, sack: &Sack<'_>) {
        if !matches!(self.phase, Phase::Open(..)) {
            self.stats.refused += 1;
            return;
        }
        let before = self.stats.fast_retransmits;
        let outcome = self.outbound.acknowledge(now, sack, &mut self.stats);
        self.after_ack(now, outcome);
        self.after_loss(now, before);
    }

    /// What lost something may have lost it for its size.
    fn after_loss(&mut self, now: Instant, before: u64) {
        if self.stats.fast_retransmits > before {
            self.question_path_mtu(now);
        }
    }

    /// The cumulative ack of SHUTDOWN.
    pub(super) fn on_cumulative_ack(&mut self, now: Instant, cumulative: Tsn) {
        let outcome = self.outbound.acknowledge_shutdown(now, cumulative, &mut self.stats);
        self.after_ack(now, outcome);
    }

    fn after_ack(&mut self, now: Instant, outcome: Result<(Watch, bool), Refused>) {
        let (watch, progress) = match outcome {
            Ok(done) => done,
            // Overtaken on the way.
            Err(Refused::Old) => return,
            Err(Refused::Unsent) => {
                self.stats.refused += 1;
                return;
            }
        };
        if progress {
            self.errors = 0;
        }
        let deadline = Some(now + self.outbound.timeout());
        match watch {
            Watch::Stop => self.timers.stop(Timer::Retransmit),
            Watch::Restart => self.timers.start(Timer::Retransmit, deadline),
            Watch::Keep if self.timers.is_running(Timer::Retransmit) => {}
            Watch::Keep => self.timers.start(Timer::Retransmit, deadline),
        }
        self.timers.start(Timer::Reorder, self.outbound.reorder_at());
        self.timers.start(Timer::Probe, self.outbound.probe_at(now));
    }

    /// Chunks that were overtaken have had their time (RFC 8985, section 6.2).
    pub(super) fn on_reorder_timeout(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Open(..)) {
            let before = self.stats.fast_retransmits;
            self.outbound.on_reorder_timeout(now, &mut self.stats);
            self.after_loss(now, before);
            self.timers.start(Timer::Reorder, self.outbound.reorder_at());
        }
    }

    /// Nothing was heard of the tail (RFC 8985, section 7.3).
    pub(super) fn on_probe_timeout(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Open(..)) && self.outbound.on_probe_timeout(now, &mut self.stats) {
            self.doubt_path_mtu();
        }
    }

    /// T3-rtx (section 6.3.3), or the probe timer.
    pub(super) fn on_retransmit_timeout(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Open(..)) {
            return;
        }
        let counts = self.outbound.on_timeout(now, &mut self.stats);
        if counts {
            self.doubt_path_mtu();
        }
        self.timers.stop(Timer::Reorder);
        self.timers.stop(Timer::Probe);
        if self.outbound.needs_timer() {
            self.timers.start(Timer::Retransmit, Some(now + self.outbound.timeout()));
        }
        if counts {
            self.count_error(now);
        }
    }
}
