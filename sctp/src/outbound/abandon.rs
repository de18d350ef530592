//! Partial reliability: what is given up, and how the receiver is told to skip it (RFC 3758).

use super::Outbound;
use super::queue::{Begun, Head, OVERHEAD, Taken};
use super::ring::AbandonedMessage;
use crate::event::Event;
use crate::packet::{Chunk, DataFlags, ForwardTsn, IForwardTsn, Writer};
use crate::serial::Tsn;
use crate::stats::Stats;
use std::collections::BTreeMap;
use std::time::Instant;
use wire::Put;

impl Outbound {
    /// Drops expired messages from the head of the queue; true if there is one to send.
    pub(super) fn prepare_head(&mut self, now: Instant, stats: &mut Stats) -> bool {
        loop {
            match self.queue.head(now) {
                Head::Empty => return false,
                Head::Ready => return true,
                Head::Dropped(taken) => {
                    stats.messages_abandoned += 1;
                    self.tell_dropped(taken);
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
            if let Some(taken) = self.queue.drop_front(message.stream) {
                self.tell_dropped(taken);
            }
            self.ring.push_abandoned(&message);
            self.held = self.held.saturating_add(OVERHEAD);
        }
        self.receipts.abandon(message.last, &mut self.events);
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
        if let Some(begun) = self.queue.begun() {
            self.abandon_rest(begun, stats);
        }
    }

    /// Gives up a message of which some has been sent, and some is queued.
    pub(super) fn abandon_rest(&mut self, begun: Begun, stats: &mut Stats) {
        let Begun { stream, mid, unordered } = begun;
        if let Some(last) = self.ring.last_of(stream, unordered, mid) {
            self.abandon(last, stats);
            return;
        }
        let flags = DataFlags { unordered, ..Default::default() };
        if let Some(taken) = self.queue.drop_front(stream) {
            self.tell_dropped(taken);
        }
        let last = self.ring.next_tsn();
        self.ring.push_abandoned(&AbandonedMessage { stream, mid, flags, last, complete: false });
        self.held = self.held.saturating_add(OVERHEAD);
        stats.messages_abandoned += 1;
        self.forward_due |= self.ring.advance();
    }

    /// A message, or what was left of it, has been taken out of the queue for good.
    pub(super) fn tell_dropped(&mut self, taken: Taken) {
        self.tell_low(taken);
        self.events.extend(taken.receipt.map(Event::Abandoned));
    }

    /// Whether FORWARD TSN is to be sent.
    pub(crate) const fn forward_due(&self) -> bool {
        self.forward_due
    }

    /// Appends FORWARD TSN, as far as its list of streams fits (RFC 3758, section 3.5, C4).
    pub(crate) fn write_forward(&mut self, now: Instant, writer: &mut Writer<'_>) {
        let interleaving = self.is_interleaving();
        let entry = if interleaving { IForwardTsn::ENTRY } else { 4 };
        let room = writer.room().saturating_sub(ForwardTsn::OVERHEAD) / entry;
        let mut highest = BTreeMap::new();
        let mut point = self.ring.cumulative_ack();
        self.renumbered.retain(|_, renumbered| !renumbered.is_known || point.next().precedes(renumbered.first));
        let mut limit = None;
        for (tsn, chunk) in self.ring.skipped() {
            if limit.is_some_and(|limit: Tsn| !tsn.precedes(limit)) {
                break;
            }
            // Of a message before a reset the number is not to be told after it, when it means another one. A peer that
            // has reset the stream knows of the message, and one that may have takes no news that end before the reset.
            let reset = self.renumbered.get(&chunk.stream).filter(|renumbered| tsn.precedes(renumbered.first));
            let is_over = reset.is_some_and(|renumbered| renumbered.is_known);
            limit = limit.or(reset.filter(|renumbered| !renumbered.is_known).map(|renumbered| renumbered.first));
            // FORWARD TSN does not name unordered messages, I-FORWARD-TSN does.
            if (interleaving || !chunk.flags.unordered) && !is_over {
                let key = (chunk.stream, chunk.flags.unordered);
                if highest.len() >= room && !highest.contains_key(&key) {
                    break;
                }
                highest.insert(key, chunk.mid);
            }
            point = tsn;
        }
        let mut list = Vec::with_capacity(highest.len() * entry);
        for ((stream, unordered), mid) in highest {
            list.put_u16(stream);
            if interleaving {
                list.put_u16(u16::from(unordered));
                list.put_u32(mid.0);
            } else {
                list.put_u16(mid.0 as u16);
            }
        }
        writer.chunk(&if interleaving {
            Chunk::IForwardTsn(IForwardTsn::from_encoded(point, &list))
        } else {
            Chunk::ForwardTsn(ForwardTsn::from_encoded(point, &list))
        });
        self.forward_due = false;
        self.forwarded = Some((self.ring.advanced(), now));
    }
}
