use super::runs::{for_each_difference, normalize};
use crate::packet::{DataFlags, GapBlock};
use crate::serial::{Mid, Tsn};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Chunks in flight at once. Half of the space of stream sequence numbers, so that a receiver can tell an early
/// message from a late one, and within reach of the 16 bits of a gap block.
pub(crate) const MAX_OUTSTANDING: usize = 32_767;

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
        Self { payload, ppid, stream, mid, fsn, flags, limit, retransmits: 0, fate: Fate::InFlight }
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
/// SACK before, and losses are found by a cursor that passes every chunk once.
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
    /// Everything before has been considered for fast retransmission.
    cursor: Tsn,
    /// The three highest TSNs that SACKs newly acknowledged, highest first: a chunk before the lowest of them has
    /// been reported missing three times (HTNA, RFC 9260, section 7.2.4).
    reports: [Option<Tsn>; 3],
    /// The Advanced.Peer.Ack.Point (RFC 3758, section 3.5).
    advanced: Tsn,
    /// The chunk that measures the round trip, and when it was sent; one at a time.
    measured: Option<(Tsn, Instant)>,
}

impl Ring {
    pub(crate) const fn new(initial_tsn: Tsn) -> Self {
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
            cursor: initial_tsn,
            reports: [None; 3],
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

    /// Payload bytes that are in flight.
    pub(crate) const fn flight_data(&self) -> usize {
        self.flight_data
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
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
    pub(crate) fn push(&mut self, now: Instant, chunk: Outstanding) -> Tsn {
        let tsn = self.next_tsn();
        self.in_flight += 1;
        self.flight_wire += chunk.wire_length();
        self.flight_data += chunk.payload.len();
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
    pub(crate) fn resent(&mut self, tsn: Tsn) -> bool {
        self.lost.pop_front();
        if self.measured.is_some_and(|(measured, _)| measured == tsn) {
            // Karn's rule: whose acknowledgement it is could not be told (section 6.3.1, C5).
            self.measured = None;
        }
        if let Some(chunk) = self.get_mut(tsn)
            && chunk.fate == Fate::Lost
        {
            chunk.fate = Fate::InFlight;
            chunk.retransmits = chunk.retransmits.saturating_add(1);
            let (wire, data) = (chunk.wire_length(), chunk.payload.len());
            self.lost_count -= 1;
            self.in_flight += 1;
            self.flight_wire += wire;
            self.flight_data += data;
        }
        tsn == self.base
    }

    /// Applies a SACK (RFC 9260, section 6.2.1). `in_recovery` widens what counts as a report of loss.
    pub(crate) fn acknowledge(
        &mut self,
        now: Instant,
        cumulative: Tsn,
        gaps: impl Iterator<Item = GapBlock> + Clone,
        in_recovery: bool,
    ) -> Result<Acked, Refused> {
        self.check(cumulative, gaps.clone())?;
        let mut acked = Acked::default();
        let mut highest_new = self.acknowledge_cumulative(now, cumulative, &mut acked);
        highest_new = self.acknowledge_gaps(now, gaps, &mut acked).or(highest_new);
        if in_recovery && acked.cumulative {
            highest_new = self.gaps.last().map(|(_, last)| *last).or(highest_new);
        }
        if let Some(tsn) = highest_new {
            self.report(tsn);
        }
        Ok(acked)
    }

    /// Applies the cumulative ack of SHUTDOWN; what gap blocks said before stands.
    pub(crate) fn acknowledge_shutdown(&mut self, now: Instant, cumulative: Tsn) -> Result<Acked, Refused> {
        self.check(cumulative, std::iter::empty())?;
        let mut acked = Acked::default();
        if let Some(tsn) = self.acknowledge_cumulative(now, cumulative, &mut acked) {
            self.report(tsn);
        }
        Ok(acked)
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

    fn acknowledge_cumulative(&mut self, now: Instant, cumulative: Tsn, acked: &mut Acked) -> Option<Tsn> {
        let count = self.cumulative_ack().distance_to(cumulative);
        let mut highest_new = None;
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
                }
                Fate::Lost => self.lost_count -= 1,
                Fate::Acked | Fate::Abandoned => continue,
            }
            acked.bytes += wire;
            highest_new = Some(tsn);
        }
        acked.cumulative = count > 0;
        acked.any |= count > 0;
        if self.cursor.precedes(self.base) {
            self.cursor = self.base;
        }
        if self.advanced.precedes(cumulative) {
            self.advanced = cumulative;
        }
        if let Some((tsn, sent)) = self.measured
            && tsn.precedes(self.base)
        {
            acked.rtt = Some(now.saturating_duration_since(sent));
            self.measured = None;
        }
        highest_new
    }

    /// Marks what the gap blocks add to those of the SACK before, and takes back what they lack. Blocks may come in
    /// any order and overlap; both are put right first, at a cost that the size of the packet bounds.
    fn acknowledge_gaps(
        &mut self,
        now: Instant,
        blocks: impl Iterator<Item = GapBlock>,
        acked: &mut Acked,
    ) -> Option<Tsn> {
        let cumulative = self.cumulative_ack();
        let mut new = std::mem::take(&mut self.spare);
        new.clear();
        new.extend(blocks.map(|b| (cumulative.plus(u32::from(b.start)), cumulative.plus(u32::from(b.end)))));
        normalize(&mut new, self.base);
        let old = std::mem::take(&mut self.gaps);
        let mut highest_new = None;
        for_each_difference(&new, &old, self.base, |tsn| {
            if self.mark_acked(now, tsn, acked) {
                highest_new = Some(tsn);
            }
        });
        // What the receiver has dropped again is in flight as before (section 6.2.1, D iii).
        for_each_difference(&old, &new, self.base, |tsn| self.mark_reneged(tsn));
        self.gaps = new;
        self.spare = old;
        highest_new
    }

    fn mark_acked(&mut self, now: Instant, tsn: Tsn, acked: &mut Acked) -> bool {
        let Some(chunk) = self.get_mut(tsn) else { return false };
        let (fate, wire, data) = (chunk.fate, chunk.wire_length(), chunk.payload.len());
        match fate {
            Fate::InFlight => {
                self.in_flight -= 1;
                self.flight_wire -= wire;
                self.flight_data -= data;
            }
            Fate::Lost => self.lost_count -= 1,
            Fate::Acked | Fate::Abandoned => return false,
        }
        if let Some(chunk) = self.get_mut(tsn) {
            chunk.fate = Fate::Acked;
        }
        acked.bytes += wire;
        acked.any = true;
        if let Some((measured, sent)) = self.measured
            && measured == tsn
        {
            acked.rtt = Some(now.saturating_duration_since(sent));
            self.measured = None;
        }
        true
    }

    fn mark_reneged(&mut self, tsn: Tsn) {
        let Some(chunk) = self.get_mut(tsn) else { return };
        if chunk.fate == Fate::Acked {
            chunk.fate = Fate::InFlight;
            let (wire, data) = (chunk.wire_length(), chunk.payload.len());
            self.in_flight += 1;
            self.flight_wire += wire;
            self.flight_data += data;
        }
    }

    /// Keeps the three highest reports.
    fn report(&mut self, tsn: Tsn) {
        let mut carried = Some(tsn);
        for report in &mut self.reports {
            if report.is_none_or(|kept| carried.is_some_and(|tsn| kept.precedes(tsn))) {
                std::mem::swap(report, &mut carried);
            }
        }
    }

    /// Marks as lost all that three SACKs have reported missing; true if there was any. Each chunk is considered
    /// once: what a fast retransmission does not repair is left to the timer (RFC 9260, section 7.2.4).
    pub(crate) fn find_lost(&mut self) -> bool {
        let [.., Some(third)] = self.reports else { return false };
        let mut found = false;
        while self.cursor.precedes(third) {
            let tsn = self.cursor;
            self.cursor = tsn.next();
            found |= self.mark_lost(tsn);
        }
        found
    }

    fn mark_lost(&mut self, tsn: Tsn) -> bool {
        let Some(chunk) = self.get_mut(tsn) else { return false };
        if chunk.fate != Fate::InFlight {
            return false;
        }
        chunk.fate = Fate::Lost;
        let (wire, data) = (chunk.wire_length(), chunk.payload.len());
        self.in_flight -= 1;
        self.flight_wire -= wire;
        self.flight_data -= data;
        self.lost_count += 1;
        self.lost.push_back(tsn);
        true
    }

    /// The timer fired: all that is not acknowledged counts as lost (RFC 9260, section 6.3.3).
    pub(crate) fn mark_all_lost(&mut self) {
        self.lost.clear();
        let mut lost = 0;
        for (offset, chunk) in self.chunks.iter_mut().enumerate() {
            if matches!(chunk.fate, Fate::InFlight | Fate::Lost) {
                chunk.fate = Fate::Lost;
                lost += 1;
                self.lost.push_back(self.base.plus(offset as u32));
            }
        }
        self.lost_count = lost;
        (self.in_flight, self.flight_wire, self.flight_data) = (0, 0, 0);
        self.measured = None;
        // Reports from before the timeout say nothing about what is sent after it.
        self.cursor = self.next_tsn();
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
            chunk.fate = Fate::Abandoned;
            chunk.payload = Bytes::new();
            let flags = chunk.flags;
            released += data;
            match fate {
                Fate::InFlight => {
                    self.in_flight -= 1;
                    self.flight_wire -= wire;
                    self.flight_data -= data;
                }
                Fate::Lost => self.lost_count -= 1,
                Fate::Acked | Fate::Abandoned => {}
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
