//! Packets out: what goes into them, and in which order (RFC 9260, section 6.10).

use super::Association;
use super::phase::{Phase, Stage};
use super::timers::Timer;
use crate::outbound::Filled;
use crate::packet::{Chunk, Writer};
use std::time::Instant;

impl Association {
    /// Appends one packet of at most [`Config::max_packet`](crate::Config::max_packet) bytes; false if there is
    /// nothing to send now. To be called until it says so.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        if matches!(self.phase, Phase::Open(..)) {
            self.outbound.expire(now, &mut self.stats);
            // What was given up has events, and may have been the last before a shutdown.
            self.settle(now);
        }
        let sent = self.transmit_reply(buf)
            || match &self.phase {
                Phase::Idle | Phase::Ended(_) => false,
                Phase::CookieWait(_) => self.transmit_init(buf),
                Phase::CookieEchoed(..) => self.transmit_cookie_echo(now, buf),
                Phase::Open(..) => self.transmit_open(now, buf),
            };
        if sent {
            self.stats.packets_sent += 1;
            self.settle(now);
        }
        sent
    }

    /// While data is held back, packets carry none; acknowledgements and all that keeps the association alive go on.
    /// For who shares the path with others, and gives each a part of it.
    pub const fn hold_data(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Whether the windows would let a packet with data go now.
    pub fn has_data_to_send(&self) -> bool {
        matches!(self.phase, Phase::Open(..)) && self.outbound.has_data_to_send()
    }

    fn transmit_reply(&mut self, buf: &mut Vec<u8>) -> bool {
        let Some(reply) = self.replies.pop_front() else { return false };
        let mut writer = Writer::new(buf, self.header(reply.tag), self.config.max_packet);
        writer.raw(&reply.chunks);
        writer.finish()
    }

    /// COOKIE ECHO may bring data along; nothing else may be sent before it is acknowledged (section 5.1, D).
    fn transmit_cookie_echo(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let Some(tag) = self.phase.peer().map(|peer| peer.tag) else { return false };
        let header = self.header(tag);
        let mut writer = Writer::new(buf, header, self.config.max_packet);
        if self.write_cookie_echo(&mut writer) {
            self.outbound.fill(now, &mut writer, false, &mut self.stats);
        }
        writer.finish()
    }

    fn transmit_open(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let Phase::Open(stage, peer) = &self.phase else { return false };
        let (stage, tag) = (*stage, peer.tag);
        // Both sides have DTLS around their packets (RFC 9653, section 5.2).
        let no_checksum = self.config.zero_checksum && peer.zero_checksum;
        if self.transmit_probe(now, buf, !no_checksum) {
            return true;
        }
        let Phase::Open(_, peer) = &self.phase else { return false };
        let sends_data = match stage {
            Stage::Established | Stage::ShutdownPending | Stage::ShutdownReceived => true,
            Stage::ShutdownSent | Stage::ShutdownAckSent => false,
        };
        let wants_to_send = sends_data && !self.is_held && self.outbound.wants_to_send(now);
        // A SACK that is not due yet rides along with data (section 6.1).
        let sack = peer.sack_due || (wants_to_send && peer.unacknowledged > 0);
        let header = self.header(tag);
        let mut writer = Writer::new(buf, header, self.packet_size());
        if std::mem::take(&mut self.cookie_ack_due) {
            writer.chunk(&Chunk::CookieAck);
        }
        if sack {
            self.write_sack(&mut writer);
        }
        self.write_shutdown(stage, &mut writer);
        while let Some(chunk) = self.control.front() {
            if chunk.len() > writer.room() {
                break;
            }
            writer.raw(chunk);
            self.control.pop_front();
        }
        if sends_data {
            self.write_reset_request(now, &mut writer);
            self.write_data(now, stage, &mut writer);
        }
        if no_checksum { writer.finish_without_checksum() } else { writer.finish() }
    }

    fn write_shutdown(&mut self, stage: Stage, writer: &mut Writer<'_>) {
        if !std::mem::take(&mut self.shutdown_due) {
            return;
        }
        let Some(peer) = self.phase.peer() else { return };
        match stage {
            Stage::ShutdownSent => {
                writer.chunk(&Chunk::Shutdown { cumulative_tsn_ack: peer.inbound.cumulative_tsn() });
            }
            Stage::ShutdownAckSent => writer.chunk(&Chunk::ShutdownAck),
            Stage::Established | Stage::ShutdownPending | Stage::ShutdownReceived => {}
        }
    }

    fn write_data(&mut self, now: Instant, stage: Stage, writer: &mut Writer<'_>) {
        let forward = self.outbound.forward_due() && writer.room() >= 16;
        if forward {
            self.outbound.write_forward(now, writer);
        }
        // On the way out, acknowledgements are wanted at once (section 6.1).
        let hurry = stage != Stage::Established;
        let filled =
            if self.is_held { Filled::default() } else { self.outbound.fill(now, writer, hurry, &mut self.stats) };
        if filled.any {
            self.heartbeat.data_sent = Some(now);
        }
        if filled.earliest || ((filled.any || forward) && !self.timers.is_running(Timer::Retransmit)) {
            self.timers.start(Timer::Retransmit, Some(now + self.outbound.timeout()));
        }
        if filled.any {
            self.timers.start(Timer::Probe, self.outbound.probe_at(now));
        }
        self.timers.start(Timer::Pace, self.outbound.paced_until(now));
    }
}
