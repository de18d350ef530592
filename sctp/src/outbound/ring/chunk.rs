//! One chunk that has been sent, and what may become of it.

use crate::packet::DataFlags;
use crate::serial::Mid;
use bytes::Bytes;
use std::time::Instant;

/// When a message is given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) max_retransmits: Option<u16>,
    pub(crate) deadline: Option<Instant>,
}

/// What became of a chunk that has a TSN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
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
    pub(super) retransmits: u16,
    pub(super) fate: Fate,
    /// Its last transmission.
    pub(super) flight: u32,
    /// An acknowledgement may be for an earlier transmission.
    pub(super) is_ambiguous: bool,
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

    pub(super) fn is_of(&self, stream: u16, unordered: bool, mid: Mid) -> bool {
        self.stream == stream && self.flags.unordered == unordered && self.mid == mid
    }

    /// Bytes on the wire: header, payload and padding (RFC 9260, section 7.2).
    pub(super) fn wire_length(&self) -> usize {
        wire_length(self.payload.len())
    }

    pub(super) fn is_spent(&self, now: Instant) -> bool {
        self.limit.max_retransmits.is_some_and(|max| self.retransmits >= max)
            || self.limit.deadline.is_some_and(|deadline| now >= deadline)
    }
}

/// Bytes that a chunk with this payload takes in a packet.
const fn wire_length(payload: usize) -> usize {
    crate::packet::Data::OVERHEAD + payload.next_multiple_of(4)
}
