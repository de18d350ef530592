//! What of the outstanding chunks is lost (RFC 8985, section 6.2; RFC 9260, section 6.3.3), and what was thought so.

use super::super::congestion::Rate;
use super::super::flights::Flights;
use super::{Acked, Fate, REPORTS, Ring};
use crate::serial::Tsn;
use std::time::{Duration, Instant};

impl Ring {
    /// Whether so much has been reported beyond the first hole that it is hardly a matter of order.
    pub(in crate::outbound) const fn is_hole_sure(&self, packet: usize) -> bool {
        self.reports >= REPORTS || self.acked_wire >= REPORTS as usize * packet
    }

    /// Whether the last SACK reported chunks beyond a hole.
    pub(in crate::outbound) fn has_holes(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// Marks as lost what was sent so long before an acknowledged chunk that it should have been acknowledged too: by
    /// `rtt`, the round trip of that chunk, and `window` (RFC 8985, section 6.2, step 5). Returns the bytes lost, and
    /// when more may count as lost.
    ///
    /// Chunks beyond those that the last SACK reported are left alone, as its gap blocks may not have reached so far.
    pub(in crate::outbound) fn find_lost(
        &mut self,
        now: Instant,
        rtt: Duration,
        window: Duration,
    ) -> (usize, Option<Instant>) {
        self.flights.trim();
        let Some((newest, newest_tsn)) = self.newest else { return (0, None) };
        let before = self.flight_wire;
        let mut place = 0;
        let mut deadline = None;
        while let Some((id, flight)) = self.flights.at(place)
            && !Flights::is_before(newest, id)
        {
            let flight = *flight;
            let end = if id == newest && newest_tsn.precedes(self.reported) { newest_tsn } else { self.reported };
            let end = if flight.last.precedes(end) { flight.last.next() } else { end };
            if flight.live > 0 && flight.scanned.precedes(end) {
                let due = flight.sent + rtt + window;
                if due > now {
                    deadline = Some(due);
                    break;
                }
                let mut tsn = if flight.scanned.precedes(self.base) { self.base } else { flight.scanned };
                while tsn.precedes(end) {
                    if self.get(tsn).is_some_and(|chunk| chunk.flight == id) {
                        self.mark_lost(tsn);
                    }
                    tsn = tsn.next();
                }
                self.flights.scanned(place, end);
            }
            place += 1;
        }
        self.flights.trim();
        (before.saturating_sub(self.flight_wire), deadline)
    }

    /// How the chunks that a SACK acknowledged were delivered; see [`Flights::deliver`].
    pub(in crate::outbound) fn deliver(&mut self, now: Instant, acked: &Acked) -> (Option<Rate>, bool) {
        self.flights.deliver(now, acked.bytes, acked.flight)
    }

    /// There is less to send than the path would take.
    pub(in crate::outbound) fn app_limited(&mut self) {
        self.flights.app_limited(self.flight_wire);
    }

    /// Marks the last chunk in flight as lost, to be sent again first; None if its message may not be sent again.
    pub(in crate::outbound) fn probe_tail(&mut self, now: Instant) -> Option<Tsn> {
        let back = self.chunks.iter().rev().take(64).position(|chunk| chunk.fate == Fate::InFlight)?;
        let tsn = Tsn(self.next_tsn().0.wrapping_sub(back as u32)).previous();
        if self.get(tsn)?.is_spent(now) || !self.mark_lost(tsn) {
            return None;
        }
        self.lost.rotate_right(1);
        self.flights.trim();
        Some(tsn)
    }

    /// Takes back that all was lost: what has not been sent again is in flight.
    pub(in crate::outbound) fn mark_none_lost(&mut self, now: Instant) {
        let lost = std::mem::take(&mut self.lost);
        for tsn in lost {
            if self.get(tsn).is_none_or(|chunk| chunk.fate != Fate::Lost) {
                continue;
            }
            let flight = self.flights.push(now, tsn, self.in_flight == 0);
            let Some(chunk) = self.get_mut(tsn) else { continue };
            (chunk.fate, chunk.flight, chunk.is_ambiguous) = (Fate::InFlight, flight, true);
            let (wire, data) = (chunk.wire_length(), chunk.payload.len());
            self.lost_count -= 1;
            self.in_flight += 1;
            self.flight_wire += wire;
            self.flight_data += data;
        }
    }

    pub(super) fn mark_lost(&mut self, tsn: Tsn) -> bool {
        let Some(chunk) = self.get_mut(tsn) else { return false };
        if chunk.fate != Fate::InFlight {
            return false;
        }
        chunk.fate = Fate::Lost;
        let (wire, data, flight) = (chunk.wire_length(), chunk.payload.len(), chunk.flight);
        self.flights.settle(flight);
        self.in_flight -= 1;
        self.flight_wire -= wire;
        self.flight_data -= data;
        self.lost_count += 1;
        self.lost.push_back(tsn);
        true
    }

    /// The timer fired: all that is not acknowledged counts as lost (RFC 9260, section 6.3.3).
    pub(in crate::outbound) fn mark_all_lost(&mut self) {
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
        self.flights.clear();
        self.reports = 0;
    }
}
