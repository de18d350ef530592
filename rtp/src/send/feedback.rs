//! What comes back: losses, reports, requests for key frames.

use super::history::Request;
use super::report::round_trip;
use super::{INITIAL_RTT, Sender};
use crate::rtcp::{ReportBlock, SenderInfo};
use crate::{Header, NtpTime, SequenceNumber};
use std::time::{Duration, Instant};

/// There are no more numbers than these to ask for.
const MAX_NUMBERS: usize = 1 << 16;

impl Sender {
    /// Takes the numbers of one generic NACK (RFC 4585, section 6.2.1). Each packet that is still kept is queued to be
    /// sent again, but not twice within a round trip.
    pub fn handle_nack(&mut self, now: Instant, lost: impl IntoIterator<Item = SequenceNumber>) {
        self.stats.nack_count += 1;
        if !self.stats.active {
            return;
        }
        self.history.expire(&self.config, now);
        let rtt = self.rtt.unwrap_or(INITIAL_RTT);
        for sequence in lost.into_iter().take(MAX_NUMBERS) {
            let number = self.numbers.peek(sequence);
            let (config, limit) = (&self.config, self.config.retransmission_bytes);
            let suits = |header: &Header| can_send_again(config, header);
            match self.history.request(now, number, rtt, limit, suits) {
                Request::Queued => {}
                Request::Underway => self.stats.repeated_nacks += 1,
                Request::Unknown => self.stats.unknown_nacks += 1,
                Request::Refused => self.stats.refused_nacks += 1,
            }
        }
    }

    pub(crate) fn can_send_again(&self, header: &Header) -> bool {
        can_send_again(&self.config, header)
    }

    /// What a report says of the stream (RFC 3550, section 6.4.1): the timestamp is that of the last frame, carried on
    /// to `now`, which is also the moment `ntp`. `None` before anything was sent.
    pub fn sender_info(&self, now: Instant, ntp: NtpTime) -> Option<SenderInfo> {
        self.first?;
        let rtp_timestamp = self.reference?.at(now, self.config.clock_rate);
        Some(SenderInfo { ntp, rtp_timestamp, packets: self.packets, octets: self.octets })
    }

    /// Takes a receiver's report about this stream, at the moment `ntp_now`; reports about others are ignored. Returns
    /// the round-trip time where the report shows one; whether [`set_rtt`](Self::set_rtt) is to know it is the caller's
    /// business, as there are better ways to measure it.
    pub fn handle_report(&mut self, now: Instant, block: &ReportBlock, ntp_now: NtpTime) -> Option<Duration> {
        self.requests.advance(now, self.config.key_frame_interval);
        if block.ssrc != self.config.ssrc {
            return None;
        }
        let first = self.first?;
        let round_trip_time = round_trip(ntp_now, block);
        self.remote.report(now, block, first, self.config.clock_rate, round_trip_time);
        round_trip_time
    }

    /// Takes a picture loss indication (RFC 4585, section 6.3.1), or a full intra request with its number (RFC 5104,
    /// section 4.3.1). The application hears of it as [`Event::KeyFrameRequested`](super::Event::KeyFrameRequested):
    /// once for what comes within [`Config::key_frame_interval`](super::Config::key_frame_interval), and not if it gives
    /// a key frame before, or one is on its way that the receiver cannot have seen yet.
    pub fn handle_key_frame_request(&mut self, now: Instant, fir_sequence: Option<u8>) {
        match fir_sequence {
            Some(_) => self.stats.fir_count += 1,
            None => self.stats.pli_count += 1,
        }
        if self.stats.active && !self.is_key_frame_underway(now) {
            self.requests.request(now, self.config.key_frame_interval, fir_sequence);
        }
    }

    /// Whether a key frame waits to be sent, or what was sent of it last cannot have been missed yet.
    fn is_key_frame_underway(&self, now: Instant) -> bool {
        let is_new = |(_, sent)| self.rtt.is_some_and(|rtt| now.saturating_duration_since(sent) < rtt);
        self.queue.has_key_frame() || self.key_frame.is_some_and(is_new)
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) told has come: a request that came too soon after another is
    /// passed on.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.requests.advance(now, self.config.key_frame_interval);
    }

    /// When [`handle_timeout`](Self::handle_timeout) and [`poll_event`](Self::poll_event) are to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.requests.poll_timeout(self.config.key_frame_interval)
    }
}

/// Whether a packet can be sent again: the RTX payload type stands for one payload type only.
fn can_send_again(config: &super::Config, header: &Header) -> bool {
    match config.rtx {
        Some(_) => header.payload_type == config.payload_type,
        None => config.resends_without_rtx,
    }
}
