//! Partial reliability: what is given up, and how the receiver is told to skip it (RFC 3758).

use super::Outbound;
use super::queue::{Head, OVERHEAD};
use super::ring::AbandonedMessage;
use crate::packet::{Chunk, DataFlags, ForwardTsn, Writer};
use crate::serial::Tsn;
use crate::stats::Stats;
use std::collections::BTreeMap;
use std::time::Instant;

impl Outbound {
    /// Drops expired messages from the head of the queue; true if there is one to send.
    pub(super) fn prepare_head(&mut self, now: Instant, stats: &mut Stats) -> bool {
        loop {
            match self.queue.head(now) {
                Head::Empty => return false,
                Head::Ready => return true,
                Head::Dropped(taken) => {
                    stats.messages_abandoned += 1;
                    self.tell_low(taken);
                    self.tell_writable();
                }
                Head::ExpiredBegun => {
                    if !self.partial_reliability {
                        return true;
                    }
                    self.abandon_begun(stats);
                }
            }
        }
    }

    /// Gives up what is due to be sent again but may not be (RFC 3758, section 3.5).
    pub(super) fn abandon_spent(&mut self, now: Instant, stats: &mut Stats) {
        while self.partial_reliability
            && let Some(tsn) = self.ring.first_spent(now)
        {
            self.abandon(tsn, stats);
        }
    }

    pub(super) fn abandon(&mut self, tsn: Tsn, stats: &mut Stats) {
        let Some((message, released)) = self.ring.abandon(tsn) else { return };
        self.held = self.held.saturating_sub(released);
        stats.messages_abandoned += 1;
        if !message.complete {
            // The rest of it is still queued. The receiver may have got all that was sent, so it takes one more TSN
            // to have something to skip.
            if let Some(taken) = self.queue.drop_front() {
                self.tell_low(taken);
            }
            self.ring.push_abandoned(&message);
            self.held = self.held.saturating_add(OVERHEAD);
        }
        self.forward_due |= self.ring.advance();
        self.tell_writable();
    }

    /// After a SACK: the receiver has yet to skip what was abandoned. Told once per round trip at most
    /// (RFC 3758, section 3.5, F2).
    pub(super) fn schedule_forward(&mut self, now: Instant) {
        self.ring.advance();
        if !self.partial_reliability || !self.ring.has_skip() {
            self.forward_due = false;
            return;
        }
        let wait = self.rto.smoothed().unwrap_or_default();
        let told = self
            .forwarded
            .is_some_and(|(point, when)| point == self.ring.advanced() && now.saturating_duration_since(when) < wait);
        self.forward_due |= !told;
    }

    /// The message at the head has expired with its first fragments sent, and perhaps acknowledged.
    pub(super) fn abandon_begun(&mut self, stats: &mut Stats) {
        let Some((stream, ssn, unordered)) = self.queue.begun() else { return };
        let last = self.ring.next_tsn().previous();
        if !self.ring.is_empty() {
            self.abandon(last, stats);
            return;
        }
        let flags = DataFlags { unordered, ..Default::default() };
        if let Some(taken) = self.queue.drop_front() {
            self.tell_low(taken);
        }
        self.ring.push_abandoned(&AbandonedMessage { stream, ssn, flags, complete: false });
        self.held = self.held.saturating_add(OVERHEAD);
        stats.messages_abandoned += 1;
        self.forward_due |= self.ring.advance();
    }

    /// Whether FORWARD TSN is to be sent.
    pub(crate) const fn forward_due(&self) -> bool {
        self.forward_due
    }

    /// Appends FORWARD TSN, as far as its list of streams fits (RFC 3758, section 3.5, C4).
    pub(crate) fn write_forward(&mut self, now: Instant, writer: &mut Writer<'_>) {
        let room = (writer.room().saturating_sub(ForwardTsn::OVERHEAD)) / 4;
        let mut highest = BTreeMap::new();
        let mut point = self.ring.cumulative_ack();
        for (tsn, chunk) in self.ring.skipped() {
            if !chunk.flags.unordered {
                if highest.len() >= room && !highest.contains_key(&chunk.stream) {
                    break;
                }
                highest.insert(chunk.stream, chunk.ssn);
            }
            point = tsn;
        }
        let mut list = Vec::with_capacity(highest.len() * 4);
        for (stream, ssn) in highest {
            list.extend_from_slice(&stream.to_be_bytes());
            list.extend_from_slice(&ssn.0.to_be_bytes());
        }
        writer.chunk(&Chunk::ForwardTsn(ForwardTsn::from_encoded(point, &list)));
        self.forward_due = false;
        self.forwarded = Some((self.ring.advanced(), now));
    }
}
