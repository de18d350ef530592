//! What goes out: retransmissions first, then what waits, then padding.

use super::config::ORIGINAL_SEQUENCE;
use super::history::Sent;
use super::outgoing::{Kind, Outgoing};
use super::queue::Waiting;
use super::{Rtx, Sender};
use crate::{Header, SequenceNumber};
use std::time::Instant;

/// The most padding in a packet: fits one byte, and a multiple of four as RFC 3550, section 5.1 has it.
const MAX_PADDING: usize = 252;

/// A packet with less payload is not worth repeating to fill the path.
const MIN_REPEATED: usize = 50;

/// A packet is repeated to fill the path if it is not more times as large as what is to be filled.
const MAX_EXCESS: usize = 3;

/// What the next packet of padding is.
#[derive(Clone, Copy, Debug)]
enum Filler {
    /// The packet with this number, once more.
    Repeated { number: u64, length: usize },
    /// Nothing but padding.
    Empty { padding: u8 },
}

impl Sender {
    /// The next packet to send. Whatever is given out counts as sent.
    pub fn poll(&mut self, now: Instant) -> Option<Outgoing<'_>> {
        self.requests.advance(now, self.config.key_frame_interval);
        if let Some((number, since)) = self.history.take_wanted() {
            self.count_delay(now, since);
            self.send_again(now, number, Kind::Retransmission)
        } else if let Some(packet) = self.queue.pop() {
            self.send(now, packet)
        } else {
            self.send_padding(now)
        }
    }

    /// The size of the packet that [`poll`](Self::poll) would give next, with
    /// [`Config::header_size`](super::Config::header_size) bytes of header; `None` if there is none.
    pub fn next_size(&self) -> Option<usize> {
        self.upcoming().map(|(_, body)| self.config.header_size + body)
    }

    /// Why the packet that [`poll`](Self::poll) would give next is sent; `None` if there is none.
    pub fn next_kind(&self) -> Option<Kind> {
        self.upcoming().map(|(kind, _)| kind)
    }

    /// Bytes of payload that wait to be sent, for the first time or again.
    pub const fn queued_bytes(&self) -> usize {
        self.queue.bytes() + self.history.wanted_bytes()
    }

    /// Since when the oldest packet waits to be sent for the first time.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.queue.front().map(|packet| packet.since)
    }

    /// The kind of the next packet, and the bytes behind its header.
    fn upcoming(&self) -> Option<(Kind, usize)> {
        let original = if self.config.rtx.is_some() { ORIGINAL_SEQUENCE } else { 0 };
        if let Some(sent) = self.history.first_wanted() {
            return Some((Kind::Retransmission, original + sent.payload.len()));
        }
        if let Some(packet) = self.queue.front() {
            return Some((Kind::Media, packet.payload.len()));
        }
        self.filler().map(|filler| match filler {
            Filler::Repeated { length, .. } => (Kind::Padding, original + length),
            Filler::Empty { padding } => (Kind::Padding, usize::from(padding)),
        })
    }

    /// Asks for about so many bytes, headers included, that fill the path: packets of before, which may do some good,
    /// or packets of nothing but padding. They go on the RTX stream, once the stream has begun. Replaces what is left of
    /// the last call; returns what is to be expected, which is 0 where there can be no padding.
    pub fn padding(&mut self, now: Instant, bytes: usize) -> usize {
        self.history.expire(&self.config, now);
        let is_possible = self.stats.active && self.config.rtx.is_some() && self.last.is_some();
        self.padding_left = if is_possible { bytes } else { 0 };
        self.padding_left
    }

    fn send(&mut self, now: Instant, packet: Waiting) -> Option<Outgoing<'_>> {
        let number = packet.number.unwrap_or_else(|| {
            let sequence = self.next_sequence;
            self.next_sequence = sequence.next();
            self.numbers.unwrap(sequence)
        });
        let header = Header {
            marker: packet.marker,
            payload_type: packet.payload_type,
            // The low bits are the number on the wire.
            sequence: SequenceNumber(number as u16),
            timestamp: packet.timestamp,
            ssrc: self.config.ssrc,
        };
        self.first.get_or_insert(header.sequence);
        self.highest = self.highest.max(Some(number));
        self.count_delay(now, packet.since);
        self.count(now, header.timestamp, packet.payload.len(), 0);
        self.count_for_reports(packet.payload.len());
        self.count_frame(now, &packet);
        let sent = Sent {
            number,
            header,
            payload: packet.payload,
            is_key_frame: packet.is_key_frame,
            tag: packet.tag,
            at: now,
            again: None,
            wanted: None,
        };
        let sent = self.history.insert(&self.config, now, sent)?;
        Some(Outgoing {
            kind: Kind::Media,
            header,
            original: None,
            payload: &sent.payload,
            padding: 0,
            tag: sent.tag,
            is_key_frame: sent.is_key_frame,
        })
    }

    fn send_again(&mut self, now: Instant, number: u64, kind: Kind) -> Option<Outgoing<'_>> {
        let rtx = self.config.rtx;
        let sent = self.history.find_mut(number)?;
        sent.again = Some(now);
        let (mut header, length) = (sent.header, sent.payload.len());
        let original = rtx.map(|_| header.sequence);
        if let Some(rtx) = rtx {
            header =
                Header { payload_type: rtx.payload_type, sequence: self.next_rtx_sequence, ssrc: rtx.ssrc, ..header };
            self.next_rtx_sequence = self.next_rtx_sequence.next();
        } else {
            self.count_for_reports(length);
        }
        let size = length + if original.is_some() { ORIGINAL_SEQUENCE } else { 0 };
        self.count(now, header.timestamp, size, 0);
        match kind {
            Kind::Padding => self.stats.padding_packets_sent += 1,
            Kind::Media | Kind::Retransmission => {
                self.stats.retransmitted_packets_sent += 1;
                self.stats.retransmitted_bytes_sent += size as u64;
            }
        }
        let sent = self.history.find(number)?;
        Some(Outgoing {
            kind,
            header,
            original,
            payload: &sent.payload,
            padding: 0,
            tag: sent.tag,
            is_key_frame: sent.is_key_frame,
        })
    }

    /// What fills the path next.
    fn filler(&self) -> Option<Filler> {
        if self.padding_left == 0 || self.config.rtx.is_none() {
            return None;
        }
        // From the newest backwards, and around.
        let before = self.history.before(self.repeated).or_else(|| self.history.before(None));
        let most = self.padding_left.saturating_mul(MAX_EXCESS);
        let repeated = before.filter(|sent| {
            let length = sent.payload.len();
            let is_useful = length >= MIN_REPEATED && self.can_send_again(&sent.header);
            is_useful && self.config.header_size + ORIGINAL_SEQUENCE + length <= most
        });
        Some(match repeated {
            Some(sent) => Filler::Repeated { number: sent.number, length: sent.payload.len() },
            None => {
                let room = self.padding_left.saturating_sub(self.config.header_size).clamp(1, MAX_PADDING);
                // Rounded up, it still fits a byte.
                Filler::Empty { padding: room.next_multiple_of(4) as u8 }
            }
        })
    }

    fn send_padding(&mut self, now: Instant) -> Option<Outgoing<'_>> {
        let (filler, size) = (self.filler()?, self.next_size()?);
        self.padding_left = self.padding_left.saturating_sub(size);
        match filler {
            Filler::Repeated { number, .. } => {
                self.repeated = Some(number);
                self.send_again(now, number, Kind::Padding)
            }
            Filler::Empty { padding } => {
                let (Rtx { ssrc, payload_type }, (_, timestamp)) = (self.config.rtx?, self.last?);
                let sequence = self.next_rtx_sequence;
                self.next_rtx_sequence = sequence.next();
                self.count(now, timestamp, 0, usize::from(padding));
                self.stats.padding_packets_sent += 1;
                let header = Header { marker: false, payload_type, sequence, timestamp, ssrc };
                let kind = Kind::Padding;
                Some(Outgoing { kind, header, original: None, payload: &[], padding, tag: 0, is_key_frame: false })
            }
        }
    }

    fn count(&mut self, now: Instant, timestamp: u32, payload: usize, padding: usize) {
        self.last = Some((now, timestamp));
        self.stats.packets_sent += 1;
        self.stats.bytes_sent += payload as u64;
        self.stats.header_bytes_sent += (self.config.header_size + padding) as u64;
    }

    fn count_delay(&mut self, now: Instant, since: Instant) {
        let total = &mut self.stats.total_packet_send_delay;
        *total = total.saturating_add(now.saturating_duration_since(since));
    }

    /// Reports count what goes by the stream's own source.
    fn count_for_reports(&mut self, payload: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload as u32);
    }

    fn count_frame(&mut self, now: Instant, packet: &Waiting) {
        self.is_key_frame |= packet.is_key_frame;
        self.is_amid_frame = !packet.ends_frame;
        let is_more_of_it = self.key_frame.is_some_and(|(timestamp, _)| timestamp == packet.timestamp);
        if packet.is_key_frame || is_more_of_it {
            self.key_frame = Some((packet.timestamp, now));
        }
        if packet.ends_frame {
            self.stats.frames_sent += 1;
            self.stats.key_frames_sent += u64::from(self.is_key_frame);
            self.is_key_frame = false;
        }
    }
}
