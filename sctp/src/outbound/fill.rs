//! DATA or I-DATA chunks on their way into a packet (RFC 9260, section 6.1; RFC 8260, section 2.2.2).

use super::queue::OVERHEAD;
use super::ring::Outstanding;
use super::{Filled, Outbound};
use crate::packet::{Data, DataFlags, IData, Writer};
use crate::serial::{Ssn, Tsn};
use crate::stats::Stats;
use std::time::Instant;

impl Outbound {
    /// Gives up what has expired at the head of the queue, or may not be sent again, before anything is put into a
    /// packet, so that the packet can say so.
    pub(crate) fn expire(&mut self, now: Instant, stats: &mut Stats) {
        self.abandon_spent(now, stats);
        self.prepare_head(now, stats);
    }

    /// Puts DATA chunks into a packet: first what was lost, then what is new (section 6.1, rules C and E).
    pub(crate) fn fill(&mut self, now: Instant, writer: &mut Writer<'_>, hurry: bool, stats: &mut Stats) -> Filled {
        if self.ring.flight_wire() == 0
            && let Some(sent) = self.last_sent
        {
            self.congestion.after_pause(now, sent, self.rto.current());
            self.window = self.congestion.window();
        }
        let mut filled = Filled::default();
        let before = self.ring.sent_wire();
        // Decided once per packet: the window may be exceeded by what fills this packet up (rule B).
        let may_send = self.may_send(now);
        if may_send || self.recovery.first_is_free() {
            self.fill_lost(now, writer, &mut filled, stats);
        }
        if may_send && !self.ring.has_lost() {
            self.fill_new(now, writer, hurry, &mut filled, stats);
        }
        if filled.any {
            self.last_sent = Some(now);
            let bytes = self.ring.sent_wire().saturating_sub(before) as usize;
            self.pacer.on_send(bytes);
            filled.earliest |= self.recovery.on_send(now, bytes, &self.ring);
        }
        filled
    }

    /// Whether nothing can follow this chunk before something is acknowledged, while a receiver that waits for a second
    /// packet would wait in vain (RFC 7053).
    fn closes_window(&self, length: usize) -> bool {
        let small = 4 * self.packet;
        let window = self.window;
        let left = self.a_rwnd.saturating_sub(self.ring.flight_data()).saturating_sub(length);
        self.recovery.is_probe_due()
            || (window <= small && self.ring.flight_wire().saturating_add(length) >= window.saturating_sub(self.packet))
            || (left < self.packet && self.queue.is_ready())
    }

    fn fill_lost(&mut self, now: Instant, writer: &mut Writer<'_>, filled: &mut Filled, stats: &mut Stats) {
        loop {
            self.abandon_spent(now, stats);
            let Some((tsn, chunk)) = self.ring.first_lost() else { break };
            // A chunk that was cut for larger packets than the path carries now has to go alone.
            let length = overhead(self.interleaving) + chunk.payload.len().next_multiple_of(4);
            if length > writer.room() && !writer.is_empty() {
                break;
            }
            let mut flags = chunk.flags;
            // Whoever has lost something wants to know soon.
            flags.immediate = true;
            write_chunk(writer, self.interleaving, tsn, chunk, flags);
            stats.retransmits += 1;
            filled.any = true;
            filled.earliest |= self.ring.resent(now, tsn);
            self.recovery.sent_again(tsn);
        }
    }

    fn fill_new(&mut self, now: Instant, writer: &mut Writer<'_>, hurry: bool, filled: &mut Filled, stats: &mut Stats) {
        self.queue.begin_packet();
        while self.prepare_head(now, stats) {
            let Some(length) = self.next_length(writer.room()) else { break };
            if !self.fits_window(length) {
                break;
            }
            let Some((mut chunk, taken)) = self.queue.take(length) else { break };
            self.tell_low(taken);
            self.held = self.held.saturating_add(length + OVERHEAD);
            chunk.flags.immediate = hurry || self.probe || self.closes_window(length);
            self.probe = false;
            let tsn = self.ring.next_tsn();
            write_chunk(writer, self.interleaving, tsn, &chunk, chunk.flags);
            stats.messages_sent += u64::from(chunk.flags.end);
            stats.bytes_sent += length as u64;
            self.receipts.sent(tsn, taken.receipt);
            self.ring.push(now, chunk);
            filled.any = true;
        }
        self.queue.begin_packet();
    }
}

/// Bytes in front of a payload.
pub(super) const fn overhead(interleaving: bool) -> usize {
    if interleaving { IData::OVERHEAD } else { Data::OVERHEAD }
}

fn write_chunk(writer: &mut Writer<'_>, interleaving: bool, tsn: Tsn, chunk: &Outstanding, flags: DataFlags) {
    let Outstanding { stream, mid, fsn, ppid, payload, .. } = chunk;
    let (stream, mid, fsn, ppid) = (*stream, *mid, *fsn, *ppid);
    if interleaving {
        IData { flags, tsn, stream, mid, ppid, fsn, payload }.encode(writer.buf);
    } else {
        let ssn = Ssn(if flags.unordered { 0 } else { mid.0 as u16 });
        Data { flags, tsn, stream, ssn, ppid, payload }.encode(writer.buf);
    }
}
