//! The way of a packet into the buffer.

use super::Receiver;
use crate::Header;
use crate::packet::FIXED_HEADER_LENGTH;
use crate::payload::rtx;
use crate::receive::buffer::{Content, Slot};
use crate::receive::reception::Arrival;
use std::time::Instant;

impl Receiver {
    /// Takes a packet of this source; of the header, the source and the payload type are the caller's business.
    ///
    /// A payload that is empty, because there was only padding or what is there is not for the decoder (a telephone event,
    /// RFC 4733), moves the sequence on without a gap.
    pub fn handle_packet(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        self.count(now, payload);
        self.request.hear();
        match self.reception.receive(now, header.sequence, header.timestamp) {
            Arrival::First(number) => {
                self.begin_at(number);
                if self.needs_keyframe {
                    self.request.want(now);
                }
                self.insert(now, number, header, payload);
            }
            Arrival::Expected(number) => self.insert(now, number, header, payload),
            Arrival::Suspect => self.suspect(now, header, payload),
            Arrival::Restart { suspect, this } => {
                self.restart(now, suspect);
                self.insert(now, this, header, payload);
            }
        }
        self.advance(now);
    }

    /// Takes a packet of the source of retransmissions: the number that the packet had, then its payload (RFC 4588,
    /// section 4). One that is nothing but padding probes the path.
    pub fn handle_rtx(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        if let Some(rtx) = &mut self.rtx {
            rtx.receive(now, header.sequence, header.timestamp);
        }
        self.count(now, payload);
        let Ok(Some((sequence, original))) = rtx::decode(payload) else { return };
        let header = Header { sequence, ssrc: self.ssrc(), ..*header };
        self.recover(now, &header, original, payload.len());
    }

    /// Takes a packet that was lost and has come another way, with the header that it had. It counts neither for jitter
    /// nor as received in reports (RFC 4588, section 6.2).
    pub fn handle_recovered(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        self.count(now, payload);
        self.recover(now, header, payload, payload.len());
    }

    /// `length` is what it took.
    fn recover(&mut self, now: Instant, header: &Header, payload: &[u8], length: usize) {
        self.request.hear();
        self.stats.retransmitted_packets_received += 1;
        self.stats.retransmitted_bytes_received += length as u64;
        // What is far off cannot have been asked for.
        match self.reception.locate(header.sequence) {
            Some(number) => self.insert(now, number, header, payload),
            None => self.stats.packets_discarded += 1,
        }
        self.advance(now);
    }

    /// Counts bytes of headers and padding beyond the fixed part of each header, which is counted here: CSRCs,
    /// extensions, padding.
    pub const fn count_header_bytes(&mut self, bytes: usize) {
        self.stats.header_bytes_received += bytes as u64;
    }

    const fn count(&mut self, now: Instant, payload: &[u8]) {
        self.stats.packets_received += 1;
        self.stats.bytes_received += payload.len() as u64;
        self.stats.header_bytes_received += FIXED_HEADER_LENGTH as u64;
        self.stats.last_packet_received = Some(now);
    }

    /// The stream begins with this number.
    fn begin_at(&mut self, number: u64) {
        self.buffer.go_to(number);
        self.assembly.restart(number);
        self.missing.clear();
        self.history.clear();
        self.is_fresh = true;
    }

    /// Keeps a packet that is far off the sequence until there is another.
    fn suspect(&mut self, now: Instant, header: &Header, payload: &[u8]) {
        let mut bytes = Vec::new();
        if let Some((_, _, before)) = self.suspect.take() {
            self.stats.packets_discarded += 1;
            bytes = before;
        }
        bytes.clear();
        bytes.extend_from_slice(payload);
        self.suspect = Some((*header, now, bytes));
    }

    /// The source has begun anew, or has been away for long: the packet far off was the first of another sequence.
    fn restart(&mut self, now: Instant, number: u64) {
        tracing::debug!(ssrc = self.ssrc(), "the sequence begins anew");
        self.stats.restarts += 1;
        self.discard_before(now, self.buffer.end());
        self.begin_at(number);
        self.timeline.restart();
        self.lose(now);
        if let Some((header, received, payload)) = self.suspect.take() {
            self.insert(received, number, &header, &payload);
            self.suspect = None;
        }
    }

    /// Puts a packet in its place.
    fn insert(&mut self, now: Instant, number: u64, header: &Header, payload: &[u8]) {
        if !self.history.insert(number) {
            self.stats.duplicates += 1;
            return;
        }
        if number < self.buffer.first() && !self.lower(now, number) {
            self.stats.packets_discarded += 1;
            return;
        }
        self.make_room(now, number, payload.len());
        // What is here already was there too long ago for the history to know.
        if number < self.buffer.first() || self.buffer.get(number).is_some() {
            self.stats.packets_discarded += 1;
            return;
        }
        let (end, due) = (self.buffer.end(), self.nack_due(now));
        self.missing.append(end..number, now, due);
        self.missing.remove(number);
        let slot = self.slot(now, header, payload);
        let is_coming = slot.is_keyframe() || self.assembly.is_in_keyframe();
        self.buffer.put(number, slot);
        if self.needs_keyframe {
            self.seek_keyframe(now, is_coming);
        }
    }

    /// When to ask for a packet that is found missing now.
    fn nack_due(&self, now: Instant) -> Option<Instant> {
        let may_ask = self.config.nack && self.config.max_nacks > 0;
        now.checked_add(self.config.nack_delay).filter(|_| may_ask)
    }

    /// Makes room for a packet before the first one, as long as that has not left the buffer. False if there is none.
    fn lower(&mut self, now: Instant, number: u64) -> bool {
        let first = self.buffer.first();
        let has_room = self.buffer.end() - number <= self.config.max_packets as u64
            && self.missing.len() as u64 + (first - number) <= self.config.max_missing as u64;
        let can = self.is_fresh && has_room;
        if can {
            let due = self.nack_due(now);
            self.missing.prepend(number + 1..first, now, due);
            self.buffer.lower(number);
            self.assembly.restart(number);
        }
        can
    }

    /// Gives up what has waited longest until a packet fits.
    fn make_room(&mut self, now: Instant, number: u64, length: usize) {
        while !self.buffer.is_empty() && (!self.fits(number) || !self.buffer.has_room(length)) {
            self.give_up(now);
            self.advance(now);
        }
        if !self.fits(number) {
            // So much is missing that it is not worth asking for.
            self.buffer.go_to(number);
            self.assembly.restart(number);
            self.missing.clear();
            self.lose(now);
        }
    }

    /// Whether a number lies in the stretch that is kept, with no more missing before it than may be.
    fn fits(&self, number: u64) -> bool {
        let missing = self.missing.len() as u64 + number.saturating_sub(self.buffer.end());
        number.saturating_sub(self.buffer.first()) < self.config.max_packets as u64
            && missing <= self.config.max_missing as u64
    }

    fn slot(&mut self, now: Instant, header: &Header, payload: &[u8]) -> Slot {
        let is_too_long = payload.len() > self.config.max_frame || payload.len() > self.config.max_bytes;
        let content = if is_too_long { Content::Malformed } else { self.framing.content(payload) };
        let kept = match content {
            Content::Media { .. } => self.buffer.copy(payload),
            Content::Padding => Vec::new(),
            Content::Malformed => {
                self.stats.malformed += 1;
                Vec::new()
            }
        };
        Slot { payload: kept, timestamp: header.timestamp, marker: header.marker, content, received: now }
    }
}
