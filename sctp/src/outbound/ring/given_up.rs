//! What of the outstanding chunks is given up, and how far the receiver may skip (RFC 3758, section 3.5).

use super::Ring;
use super::chunk::{Fate, Limit, Outstanding};
use crate::packet::DataFlags;
use crate::serial::{Mid, Tsn};
use bytes::Bytes;
use std::time::Instant;

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

impl Ring {
    /// Spends a TSN on the rest of a message that will never be sent, so that the receiver can be told to skip it.
    pub(crate) fn push_abandoned(&mut self, message: &AbandonedMessage) {
        let flags = DataFlags { begin: false, end: true, ..message.flags };
        let mut chunk = Outstanding::new(Bytes::new(), 0, message.stream, message.mid, 0, flags, Limit::default());
        chunk.fate = Fate::Abandoned;
        self.chunks.push_back(chunk);
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
