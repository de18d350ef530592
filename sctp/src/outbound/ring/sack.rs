//! What a SACK says of the outstanding chunks (RFC 9260, section 6.2.1).

use super::super::flights::{Flight, Flights};
use super::super::runs::{for_each_difference, normalize};
use super::{Fate, MOST_FLIGHTS, Ring};
use crate::packet::GapBlock;
use crate::serial::Tsn;
use std::time::{Duration, Instant};

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
    pub(in crate::outbound) newest: Option<(u32, Tsn)>,
    pub(in crate::outbound) flight: Option<Flight>,
    /// A chunk that was sent once was acknowledged after one that was sent later.
    pub(in crate::outbound) reordered: bool,
}

/// The SACK makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Older than one already processed.
    Old,
    /// It acknowledges what was never sent.
    Unsent,
}

impl Ring {
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
}
