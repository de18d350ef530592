mod lost;

use super::flights::{Flight, Flights};
use super::runs::{for_each_difference, normalize};
use crate::packet::{DataFlags, GapBlock};
use crate::serial::{Mid, Tsn};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Chunks in flight at once. Half of the space of stream sequence numbers, so that a receiver can tell an early
/// message from a late one, and within reach of the 16 bits of a gap block.
pub(crate) const MAX_OUTSTANDING: usize = 32_767;

/// Flights in the log at most before chunks that the receiver drops again count as lost at once.
const MOST_FLIGHTS: usize = 2 * MAX_OUTSTANDING;

/// SACKs that report chunks beyond a hole before the hole counts as a loss, or as many packets beyond it
/// (DupThresh of RFC 8985, section 6.2).
pub(super) const REPORTS: u32 = 3;

/// When a message is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) max_retransmits: Option<u16>,
    pub(crate) deadline: Option<Instant>,
}

/// What became of a chunk that has a TSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    InFlight,
    /// To be sent again; a copy may still arrive.
    Lost,
    /// Reported in a gap block: the receiver may still drop it (RFC 9260, section 6.2).
    Acked,
    /// Given up; the receiver is told to skip it.
    Abandoned,
}

/// A chunk that has been sent, or at least has a TSN.
#[derive(Clone, Debug)]
pub(crate) struct Outstanding {
    pub(crate) payload: Bytes,
    pub(crate) ppid: u32,
    pub(crate) stream: u16,
    /// The number of its message, counted apart for ordered and unordered ones; DATA carries the low 16 bits.
    pub(crate) mid: Mid,
    /// Its place in the message; DATA does not say it.
    pub(crate) fsn: u32,
    pub(crate) flags: DataFlags,
    pub(crate) limit: Limit,
    retransmits: u16,
    fate: Fate,
    /// Its last transmission.
    flight: u32,
    /// An acknowledgement may be for an earlier transmission.
    is_ambiguous: bool,
}

impl Outstanding {
    pub(crate) const fn new(
        payload: Bytes,
        ppid: u32,
        stream: u16,
        mid: Mid,
        fsn: u32,
        flags: DataFlags,
        limit: Limit,
    ) -> Self {
        Self {
            payload,
            ppid,
            stream,
            mid,
            fsn,
            flags,
            limit,
            retransmits: 0,
            fate: Fate::InFlight,
            flight: 0,
            is_ambiguous: false,
        }
    }

    fn is_of(&self, stream: u16, unordered: bool, mid: Mid) -> bool {
        self.stream == stream && self.flags.unordered == unordered && self.mid == mid
    }

    /// Bytes on the wire: header, payload and padding (RFC 9260, section 7.2).
    fn wire_length(&self) -> usize {
        wire_length(self.payload.len())
    }

    fn is_spent(&self, now: Instant) -> bool {
        self.limit.max_retransmits.is_some_and(|max| self.retransmits >= max)
            || self.limit.deadline.is_some_and(|deadline| now >= deadline)
    }
}

/// Bytes that a chunk with this payload takes in a packet.
pub(crate) const fn wire_length(payload: usize) -> usize {
    crate::packet::Data::OVERHEAD + payload.next_multiple_of(4)
}

/// What a SACK changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acked {
    /// Bytes on the wire acknowledged for the first time.
    pub(crate) bytes: usize,
    /// Payload bytes that left the ring.
    pub(crate) released: usize,
    /// Chunks that left the ring.
    pub(crate) released_chunks: usize,
    /// The cumulative ack moved.
    pub(crate) cumulative: bool,
    /// Something new was acknowledged, cumulatively or in a gap.
    pub(crate) any: bool,
    /// A chunk that was measured and sent but once was acknowledged after this time.
    pub(crate) rtt: Option<Duration>,
    /// The transmission that was sent last among those newly acknowledged, and the last of its chunks.
    pub(super) newest: Option<(u32, Tsn)>,
    pub(super) flight: Option<Flight>,
    /// A chunk that was sent once was acknowledged after one that was sent later.
    pub(super) reordered: bool,
}

/// The SACK makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Older than one already processed.
    Old,
    /// It acknowledges what was never sent.
    Unsent,
}

/// What is left of a message that was given up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AbandonedMessage {
    pub(crate) stream: u16,
    pub(crate) mid: Mid,
    pub(crate) flags: DataFlags,
    /// The last of its chunks that have been sent.
    pub(crate) last: Tsn,
    /// All its fragments had TSNs.
    pub(crate) complete: bool,
}

/// The chunks from the cumulative ack on, indexed by their distance to it.
///
/// No operation walks the whole ring per SACK or per packet: gap blocks are applied as differences to those of the
/// SACK before, and losses are found in a log of transmissions that passes every chunk once.
#[derive(Debug)]
pub(crate) struct Ring {
    /// The TSN of the first chunk: one after the cumulative ack.
    base: Tsn,
    chunks: VecDeque<Outstanding>,
    /// Runs of acked TSNs beyond the cumulative ack, as the last SACK told them, both ends included.
    gaps: Vec<(Tsn, Tsn)>,
    spare: Vec<(Tsn, Tsn)>,
    /// Chunks to be sent again, in the order found. Entries whose chunk is not `Lost` any more are skipped.
    lost: VecDeque<Tsn>,
    lost_count: usize,
    in_flight: usize,
    flight_wire: usize,
    flight_data: usize,
    /// Bytes on the wire that were ever sent.
    sent_wire: u64,
    /// When what was sent.
    flights: Flights,
    /// Bytes on the wire of chunks reported in gap blocks.
    acked_wire: usize,
    /// SACKs in a row that acknowledged something beyond a hole.
    reports: u32,
    /// The highest TSN acknowledged so far, in a gap block or not.
    highest: Tsn,
    /// The highest TSN that the last SACK reported.
    reported: Tsn,
    /// The transmission that was sent last among all that are acknowledged, and its chunk (RACK.xmit_ts, RACK.end_seq).
    newest: Option<(u32, Tsn)>,
    /// The Advanced.Peer.Ack.Point (RFC 3758, section 3.5).
    advanced: Tsn,
    /// The chunk that measures the round trip, and when it was sent; one at a time.
    measured: Option<(Tsn, Instant)>,
}

impl Ring {
    pub(crate) fn new(initial_tsn: Tsn) -> Self {
        Self {
            base: initial_tsn,
            chunks: VecDeque::new(),
            gaps: Vec::new(),
            spare: Vec::new(),
            lost: VecDeque::new(),
            lost_count: 0,
            in_flight: 0,
            flight_wire: 0,
            flight_data: 0,
            sent_wire: 0,
            flights: Flights::default(),
            acked_wire: 0,
            reports: 0,
            highest: initial_tsn.previous(),
            reported: initial_tsn.previous(),
            newest: None,
            advanced: initial_tsn.previous(),
            measured: None,
        }
    }

    pub(crate) fn next_tsn(&self) -> Tsn {
        self.base.plus(self.chunks.len() as u32)
    }

    pub(crate) const fn cumulative_ack(&self) -> Tsn {
        self.base.previous()
    }

    pub(crate) const fn advanced(&self) -> Tsn {
        self.advanced
    }

    /// Bytes on the wire that are in flight.
    pub(crate) const fn flight_wire(&self) -> usize {
        self.flight_wire
    }

    /// Bytes on the wire that were ever sent, each time counted.
    pub(super) const fn sent_wire(&self) -> u64 {
        self.sent_wire
    }

    /// The newest transmission among those acknowledged; see [`Acked::newest`].
    pub(super) const fn newest(&self) -> Option<(u32, Tsn)> {
        self.newest
    }

    /// Payload bytes that are in flight.
    pub(crate) const fn flight_data(&self) -> usize {
        self.flight_data
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Chunks that the peer has not acknowledged for good and nobody has given up.
    pub(super) fn unacknowledged(&self) -> impl Iterator<Item = &Outstanding> {
        self.chunks.iter().filter(|chunk| chunk.fate != Fate::Abandoned)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.chunks.len() >= MAX_OUTSTANDING
    }

    /// Whether a timer has to watch over something: chunks in flight or to be sent again, or a skip to be confirmed.
    pub(crate) fn needs_timer(&self) -> bool {
        self.in_flight > 0 || self.lost_count > 0 || self.has_skip()
    }

    pub(crate) const fn has_lost(&self) -> bool {
        self.lost_count > 0
    }

    /// Whether abandoned chunks wait for the receiver to skip them.
    pub(crate) const fn has_skip(&self) -> bool {
        self.cumulative_ack().precedes(self.advanced)
    }

    fn get(&self, tsn: Tsn) -> Option<&Outstanding> {
        self.chunks.get(self.base.distance_to(tsn) as usize)
    }

    fn get_mut(&mut self, tsn: Tsn) -> Option<&mut Outstanding> {
        self.chunks.get_mut(self.base.distance_to(tsn) as usize)
    }

    /// Assigns the next TSN to a chunk that is being sent now.
    pub(crate) fn push(&mut self, now: Instant, mut chunk: Outstanding) -> Tsn {
        let tsn = self.next_tsn();
        chunk.flight = self.flights.push(now, tsn, self.in_flight == 0);
        self.in_flight += 1;
        self.flight_wire += chunk.wire_length();
        self.flight_data += chunk.payload.len();
        self.sent_wire += chunk.wire_length() as u64;
        self.chunks.push_back(chunk);
        if self.measured.is_none() {
            self.measured = Some((tsn, now));
        }
        tsn
    }

    /// Spends a TSN on the rest of a message that will never be sent, so that the receiver can be told to skip it.
    pub(crate) fn push_abandoned(&mut self, message: &AbandonedMessage) {
        let flags = DataFlags { begin: false, end: true, ..message.flags };
        let mut chunk = Outstanding::new(Bytes::new(), 0, message.stream, message.mid, 0, flags, Limit::default());
        chunk.fate = Fate::Abandoned;
        self.chunks.push_back(chunk);
    }

    /// The first chunk to be sent again.
    pub(crate) fn first_lost(&mut self) -> Option<(Tsn, &Outstanding)> {
        while let Some(tsn) = self.lost.front().copied() {
            if self.get(tsn).is_some_and(|chunk| chunk.fate == Fate::Lost) {
                return self.get(tsn).map(|chunk| (tsn, chunk));
            }
            self.lost.pop_front();
        }
        None
    }

    /// The chunk that [`first_lost`](Self::first_lost) returned is being sent again. True if it is the earliest
    /// outstanding one, for which the timer starts over (RFC 9260, section 6.1).
    pub(crate) fn resent(&mut self, now: Instant, tsn: Tsn) -> bool {
        self.lost.pop_front();
        if self.measured.is_some_and(|(measured, _)| measured == tsn) {
            // Karn's rule: whose acknowledgement it is could not be told (section 6.3.1, C5).
            self.measured = None;
        }
        if self.get(tsn).is_some_and(|chunk| chunk.fate == Fate::Lost) {
            let flight = self.flights.push(now, tsn, self.in_flight == 0);
            let Some(chunk) = self.get_mut(tsn) else { return false };
            (chunk.fate, chunk.flight, chunk.is_ambiguous) = (Fate::InFlight, flight, true);
            chunk.retransmits = chunk.retransmits.saturating_add(1);
            let (wire, data) = (chunk.wire_length(), chunk.payload.len());
            self.sent_wire += wire as u64;
            self.lost_count -= 1;
            self.in_flight += 1;
            self.flight_wire += wire;
            self.flight_data += data;
        }
        tsn == self.base
    }

    /// Applies a SACK (RFC 9260, section 6.2.1). `min_rtt` is the least round-trip time known.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        cumulative: Tsn,
        gaps: impl Iterator<Item = GapBlock> + Clone,
        min_rtt: Duration,
    ) -> Result<Acked, Refused> {
        self.check(cumulative, gaps.clone())?;
        let mut acked = Acked::default();
        self.acknowledge_cumulative(now, cumulative, min_rtt, &mut acked);
        let beyond = self.acknowledge_gaps(now, gaps, min_rtt, &mut acked);
        self.reported = self.gaps.last().map_or(cumulative, |(_, last)| *last);
        self.reports = if self.gaps.is_empty() { 0 } else { self.reports.saturating_add(u32::from(beyond)) };
        self.note_newest(&mut acked);
        Ok(acked)
    }

    /// Applies the cumulative ack of SHUTDOWN; what gap blocks said before stands.
    pub(crate) fn acknowledge_shutdown(
        &mut self,
        now: Instant,
        cumulative: Tsn,
        min_rtt: Duration,
    ) -> Result<Acked, Refused> {
        self.check(cumulative, std::iter::empty())?;
        let mut acked = Acked::default();
        self.acknowledge_cumulative(now, cumulative, min_rtt, &mut acked);
        self.note_newest(&mut acked);
        Ok(acked)
    }

    fn note_newest(&mut self, acked: &mut Acked) {
        let Some((id, tsn)) = acked.newest else { return };
        acked.flight = self.flights.get(id).copied();
        if self
            .newest
            .is_none_or(|(newest, last)| Flights::is_before(newest, id) || (newest == id && last.precedes(tsn)))
        {
            self.newest = Some((id, tsn));
        }
    }

    /// A chunk that was outstanding until now is acknowledged.
    fn note_acked(
        &mut self,
        now: Instant,
        tsn: Tsn,
        (id, is_ambiguous): (u32, bool),
        min_rtt: Duration,
        acked: &mut Acked,
    ) {
        if !is_ambiguous {
            acked.reordered |= tsn.precedes(self.highest);
        } else if self.flights.get(id).is_none_or(|flight| now.saturating_duration_since(flight.sent) < min_rtt) {
            // Too soon for the copy: it was the original (RFC 8985, section 6.2, step 2).
            return;
        }
        if self.highest.precedes(tsn) {
            self.highest = tsn;
        }
        if acked
            .newest
            .is_none_or(|(newest, last)| Flights::is_before(newest, id) || (newest == id && last.precedes(tsn)))
        {
            acked.newest = Some((id, tsn));
        }
    }

    fn check(&self, cumulative: Tsn, mut gaps: impl Iterator<Item = GapBlock>) -> Result<(), Refused> {
        if cumulative.precedes(self.cumulative_ack()) {
            return Err(Refused::Old);
        }
        let last = self.next_tsn().previous();
        if last.precedes(cumulative) {
            return Err(Refused::Unsent);
        }
        let beyond = cumulative.distance_to(last);
        if gaps.any(|gap| gap.start == 0 || gap.start > gap.end || u32::from(gap.end) > beyond) {
            return Err(Refused::Unsent);
        }
        Ok(())
    }

    fn acknowledge_cumulative(&mut self, now: Instant, cumulative: Tsn, min_rtt: Duration, acked: &mut Acked) {
        let count = self.cumulative_ack().distance_to(cumulative);
        for _ in 0..count {
            let Some(chunk) = self.chunks.pop_front() else { break };
            let (tsn, wire, data) = (self.base, chunk.wire_length(), chunk.payload.len());
            self.base = tsn.next();
            acked.released += data;
            acked.released_chunks += 1;
            match chunk.fate {
                Fate::InFlight => {
                    self.in_flight -= 1;
                    self.flight_wire -= wire;
                    self.flight_data -= data;
                    self.flights.settle(chunk.flight);
                }
                Fate::Lost => self.lost_count -= 1,
                Fate::Acked => {
                    self.acked_wire = self.acked_wire.saturating_sub(wire);
                    continue;
                }
                Fate::Abandoned => continue,
            }
            acked.bytes += wire;
            self.note_acked(now, tsn, (chunk.flight, chunk.is_ambiguous), min_rtt, acked);
        }
        acked.cumulative = count > 0;
        acked.any |= count > 0;
        if self.advanced.precedes(cumulative) {
            self.advanced = cumulative;
        }
        if let Some((tsn, sent)) = self.measured
            && tsn.precedes(self.base)
        {
            acked.rtt = Some(now.saturating_duration_since(sent));
            self.measured = None;
        }
    }

    /// Marks what the gap blocks add to those of the SACK before, and takes back what they lack. Blocks may come in
    /// any order and overlap; both are put right first, at a cost that the size of the packet bounds.
    fn acknowledge_gaps(
        &mut self,
        now: Instant,
        blocks: impl Iterator<Item = GapBlock>,
        min_rtt: Duration,
        acked: &mut Acked,
    ) -> bool {
        let cumulative = self.cumulative_ack();
        let mut new = std::mem::take(&mut self.spare);
        new.clear();
        new.extend(blocks.map(|b| (cumulative.plus(u32::from(b.start)), cumulative.plus(u32::from(b.end)))));
        normalize(&mut new, self.base);
        let old = std::mem::take(&mut self.gaps);
        let mut any = false;
        for_each_difference(&new, &old, self.base, |tsn| any |= self.mark_acked(now, tsn, min_rtt, acked));
        // What the receiver has dropped again is in flight as before (section 6.2.1, D iii).
        for_each_difference(&old, &new, self.base, |tsn| self.mark_reneged(now, tsn));
        self.gaps = new;
        self.spare = old;
        any
    }

    fn mark_acked(&mut self, now: Instant, tsn: Tsn, min_rtt: Duration, acked: &mut Acked) -> bool {
        let Some(chunk) = self.get_mut(tsn) else { return false };
        let (fate, wire, data) = (chunk.fate, chunk.wire_length(), chunk.payload.len());
        let (flight, is_ambiguous) = (chunk.flight, chunk.is_ambiguous);
        match fate {
            Fate::InFlight => {
                self.in_flight -= 1;
                self.flight_wire -= wire;
                self.flight_data -= data;
                self.flights.settle(flight);
            }
            Fate::Lost => self.lost_count -= 1,
            Fate::Acked | Fate::Abandoned => return false,
        }
        if let Some(chunk) = self.get_mut(tsn) {
            chunk.fate = Fate::Acked;
        }
        self.acked_wire += wire;
        acked.bytes += wire;
        acked.any = true;
        self.note_acked(now, tsn, (flight, is_ambiguous), min_rtt, acked);
        if let Some((measured, sent)) = self.measured
            && measured == tsn
        {
            acked.rtt = Some(now.saturating_duration_since(sent));
            self.measured = None;
        }
        true
    }

    fn mark_reneged(&mut self, now: Instant, tsn: Tsn) {
        if self.get(tsn).is_none_or(|chunk| chunk.fate != Fate::Acked) {
            return;
        }
        let is_crowded = self.flights.len() >= MOST_FLIGHTS;
        // As if it were sent now: the next SACK may well report it again, if this one was overtaken.
        let flight = self.flights.push(now, tsn, self.in_flight == 0);
        let Some(chunk) = self.get_mut(tsn) else { return };
        (chunk.fate, chunk.flight, chunk.is_ambiguous) = (Fate::InFlight, flight, true);
        let (wire, data) = (chunk.wire_length(), chunk.payload.len());
        self.acked_wire = self.acked_wire.saturating_sub(wire);
        self.in_flight += 1;
        self.flight_wire += wire;
        self.flight_data += data;
        if is_crowded {
            self.mark_lost(tsn);
        }
    }

    /// The first chunk marked as lost whose message may not be sent again.
    pub(crate) fn first_spent(&mut self, now: Instant) -> Option<Tsn> {
        let (tsn, chunk) = self.first_lost()?;
        chunk.is_spent(now).then_some(tsn)
    }

    /// Gives up the whole message that `tsn` is part of (RFC 3758, section 3.5, A3). Also says how many payload bytes
    /// that frees.
    pub(crate) fn abandon(&mut self, tsn: Tsn) -> Option<(AbandonedMessage, usize)> {
        let mut first = tsn;
        let chunk = self.get(tsn)?;
        let (stream, unordered, mid) = (chunk.stream, chunk.flags.unordered, chunk.mid);
        // Fragments of other messages may stand between.
        let mut at = tsn;
        while at != self.base && self.get(first).is_some_and(|chunk| !chunk.flags.begin) {
            at = at.previous();
            match self.get(at).filter(|chunk| chunk.is_of(stream, unordered, mid)) {
                Some(chunk) if chunk.flags.end => break,
                Some(_) => first = at,
                None => {}
            }
        }
        let mut released = 0;
        let mut message = None;
        let mut at = first;
        while let Some(chunk) = self.get_mut(at) {
            if !chunk.is_of(stream, unordered, mid) {
                at = at.next();
                continue;
            }
            let (fate, wire, data) = (chunk.fate, chunk.wire_length(), chunk.payload.len());
            let flight = chunk.flight;
            chunk.fate = Fate::Abandoned;
            chunk.payload = Bytes::new();
            let flags = chunk.flags;
            released += data;
            match fate {
                Fate::InFlight => {
                    self.in_flight -= 1;
                    self.flight_wire -= wire;
                    self.flight_data -= data;
                    self.flights.settle(flight);
                }
                Fate::Lost => self.lost_count -= 1,
                Fate::Acked => self.acked_wire = self.acked_wire.saturating_sub(wire),
                Fate::Abandoned => {}
            }
            message = Some(AbandonedMessage { stream, mid, flags, last: at, complete: flags.end });
            if flags.end {
                break;
            }
            at = at.next();
        }
        message.map(|message| (message, released))
    }

    /// The last outstanding chunk of a message.
    pub(crate) fn last_of(&self, stream: u16, unordered: bool, mid: Mid) -> Option<Tsn> {
        let back = self.chunks.iter().rev().position(|chunk| chunk.is_of(stream, unordered, mid))?;
        Some(Tsn(self.next_tsn().previous().0.wrapping_sub(back as u32)))
    }

    /// Moves the Advanced.Peer.Ack.Point over what is abandoned (RFC 3758, section 3.5, C2); true if it moved.
    pub(crate) fn advance(&mut self) -> bool {
        let before = self.advanced;
        while self.get(self.advanced.next()).is_some_and(|chunk| chunk.fate == Fate::Abandoned) {
            self.advanced = self.advanced.next();
        }
        before != self.advanced
    }

    /// The chunks between the cumulative ack and the Advanced.Peer.Ack.Point.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = (Tsn, &Outstanding)> {
        let count = self.cumulative_ack().distance_to(self.advanced) as usize;
        self.chunks.iter().take(count).enumerate().map(|(offset, chunk)| (self.base.plus(offset as u32), chunk))
    }
}
