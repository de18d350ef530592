mod chunk;
mod given_up;
mod lost;
mod sack;

pub(crate) use chunk::{Limit, Outstanding};
pub(crate) use given_up::AbandonedMessage;
pub(crate) use sack::{Acked, Refused};

use super::flights::Flights;
use crate::serial::Tsn;
use chunk::Fate;
use std::collections::VecDeque;
use std::time::Instant;

/// Chunks in flight at once. Half of the space of stream sequence numbers, so that a receiver can tell an early
/// message from a late one, and within reach of the 16 bits of a gap block.
pub(crate) const MAX_OUTSTANDING: usize = 32_767;

/// Flights in the log at most before chunks that the receiver drops again count as lost at once.
const MOST_FLIGHTS: usize = 2 * MAX_OUTSTANDING;

/// SACKs that report chunks beyond a hole before the hole counts as a loss, or as many packets beyond it
/// (DupThresh of RFC 8985, section 6.2).
pub(super) const REPORTS: u32 = 3;

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
}
