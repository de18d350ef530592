//! Reports and requests, both ways (RFC 3550, section 6; RFC 4585).

use std::time::{Duration, Instant};

use rtp::receive::Feedback;
use rtp::rtcp::{
    self, Dlrr, ExtendedBlock, ExtendedReport, ReceiverReport, ReportBlock, SenderReport, SourceDescription,
};
use rtp::{NtpTime, compact_duration};

use super::inbound::Inbound;
use super::{Engine, MAX_TOLD, Section, Told};

/// How often reports are sent. RFC 3550 scales it with the number of members; here there are two.
const INTERVAL: Duration = Duration::from_secs(1);
/// Beyond so many bytes nothing more is added to a datagram: the longest request, for 256 packets, still fits behind.
const FULL: usize = 120;
/// Key frames are asked for no more often than this, even by a stream that begins anew with each packet.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(200);
/// How many streams of each way one compound tells of, so that it fits a datagram; the others follow in the next.
const STREAMS_PER_REPORT: usize = 8;

/// How many sources one packet can say goodbye to.
const MAX_GOODBYES: usize = 31;

/// A source of ours that is over, and that of its retransmissions.
pub(super) struct Goodbye {
    pub(super) ssrc: u32,
    has_sent: bool,
    rtx: Option<u32>,
}

impl Goodbye {
    /// Of a source that never said anything nobody takes leave (RFC 3550, section 6.3.7).
    pub(super) fn of(stream: &super::outbound::Outbound) -> Self {
        let stats = stream.sender.stats();
        let has_repaired = stats.retransmitted_packets_sent + stats.padding_packets_sent > 0;
        let rtx = stream.sender.config().rtx.filter(|_| has_repaired).map(|rtx| rtx.ssrc);
        Self { ssrc: stream.ssrc, has_sent: stats.packets_sent > 0, rtx }
    }
}

impl IntoIterator for Goodbye {
    type Item = u32;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<u32>, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        [Some(self.ssrc).filter(|_| self.has_sent), self.rtx].into_iter().flatten()
    }
}

/// When reports are due, and what they name.
pub(super) struct Reports {
    /// The source of our reports while nothing is sent.
    ssrc: u32,
    next: Option<Instant>,
    /// How many compounds of this round have been sent already.
    page: usize,
    /// The last reference time that the peer asked to be told back, and when it came (RFC 3611, section 4.4).
    reference: Option<(u32, NtpTime, Instant)>,
}

impl Reports {
    pub(super) const fn new(ssrc: u32) -> Self {
        Self { ssrc, next: None, page: 0, reference: None }
    }

    /// The first report is due soon, so that the peer can measure the round trip early.
    pub(super) fn set_in_use(&mut self, now: Instant, is_in_use: bool) {
        self.next = is_in_use.then(|| self.next.unwrap_or(now + INTERVAL / 10));
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

impl Engine {
    /// A packet of RTCP arrived. It is unprotected in place.
    pub(crate) fn handle_rtcp(&mut self, now: Instant, datagram: &mut [u8]) {
        let Some(plain) = self.keys.as_mut().and_then(|keys| keys.inbound.unprotect_rtcp(datagram)) else {
            self.stats.unprotected_dropped += 1;
            return;
        };
        for packet in rtcp::packets(plain) {
            match packet {
                Ok(packet) => self.handle_rtcp_packet(now, &packet),
                Err(_) => self.stats.malformed_dropped += 1,
            }
        }
        self.tell_bandwidth(now);
    }

    fn handle_rtcp_packet(&mut self, now: Instant, packet: &rtcp::Packet<'_>) {
        match packet {
            rtcp::Packet::SenderReport(report) => {
                if let Some(stream) = self.inbound_mut(report.ssrc) {
                    stream.handle_sender_report(now, report.ssrc, &report.info);
                }
                report.blocks.iter().for_each(|block| self.handle_block(now, &block));
            }
            rtcp::Packet::ReceiverReport(report) => {
                report.blocks.iter().for_each(|block| self.handle_block(now, &block));
            }
            rtcp::Packet::Goodbye(goodbye) => {
                for ssrc in goodbye.ssrcs.iter() {
                    tracing::debug!(ssrc, "the peer ended a source");
                    self.handle_goodbye(now, ssrc);
                }
            }
            rtcp::Packet::Nack(nack) => {
                if let Some(stream) = self.outbound_mut(nack.media_ssrc) {
                    stream.sender.handle_nack(now, nack.sequences());
                }
            }
            rtcp::Packet::PictureLoss(loss) => self.handle_keyframe_request(now, loss.media_ssrc, None),
            rtcp::Packet::FullIntraRequest(request) => {
                for entry in request.entries.iter() {
                    self.handle_keyframe_request(now, entry.ssrc, Some(entry.sequence));
                }
            }
            rtcp::Packet::Remb(remb) => self.bandwidth.handle_remb(now, remb.bitrate),
            rtcp::Packet::TransportFeedback(body) => {
                if !self.bandwidth.handle_feedback(now, body) {
                    self.stats.malformed_dropped += 1;
                }
            }
            rtcp::Packet::ExtendedReport(report) => self.handle_extended(now, report),
            rtcp::Packet::SourceDescription(_)
            | rtcp::Packet::Application(_)
            | rtcp::Packet::CongestionFeedback(_)
            | rtcp::Packet::Unknown(_) => {}
        }
    }

    fn inbound_mut(&mut self, ssrc: u32) -> Option<&mut Inbound> {
        self.sections.iter_mut().flat_map(|section| &mut section.inbound).find(|stream| stream.ssrc == ssrc)
    }

    fn outbound_mut(&mut self, ssrc: u32) -> Option<&mut super::outbound::Outbound> {
        self.sections.iter_mut().flat_map(|section| &mut section.outbound).find(|stream| stream.ssrc == ssrc)
    }

    fn handle_block(&mut self, now: Instant, block: &ReportBlock) {
        let ntp = self.ntp(now);
        if let Some(stream) = self.outbound_mut(block.ssrc) {
            let round_trip = stream.sender.handle_report(now, block, ntp);
            self.bandwidth.handle_report(now, block.fraction_lost, round_trip);
        }
    }

    fn handle_keyframe_request(&mut self, now: Instant, ssrc: u32, sequence: Option<u8>) {
        let streams = self.sections.iter_mut().flat_map(|section| {
            let id = section.parameters.transceiver;
            section.outbound.iter_mut().map(move |stream| (id, stream))
        });
        let Some((id, stream)) = streams.into_iter().find(|(_, stream)| stream.ssrc == ssrc) else { return };
        stream.sender.handle_key_frame_request(now, sequence);
        if stream.sender.poll_event().is_some() {
            let rid = stream.rid.clone();
            self.tell(Told::KeyframeRequested(id, rid));
        }
    }

    /// Passes on requests for key frames that came too soon after others.
    pub(super) fn tell_requests(&mut self, now: Instant) {
        for section in &mut self.sections {
            let id = section.parameters.transceiver;
            for stream in &mut section.outbound {
                stream.sender.handle_timeout(now);
                if stream.sender.poll_event().is_some() {
                    let told = Told::KeyframeRequested(id, stream.rid.clone());
                    if self.told.len() < MAX_TOLD && !self.told.contains(&told) {
                        self.told.push_back(told);
                    }
                }
            }
        }
    }

    fn handle_extended(&mut self, now: Instant, report: &ExtendedReport<'_>) {
        for block in report.blocks() {
            if let ExtendedBlock::ReferenceTime(reference) = block {
                self.reports.reference = Some((report.ssrc, reference, now));
            }
        }
    }

    /// Appends one protected datagram of RTCP, if anything is to be said.
    pub(super) fn transmit_rtcp(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let start = buf.len();
        self.write_goodbyes(buf);
        if self.reports.next.is_some_and(|next| next <= now) {
            self.write_reports(now, buf);
        }
        let is_alone = buf.len() == start;
        if is_alone && !self.sections.iter().all(|section| section.parameters.has_reduced_size) {
            // Whoever does not take packets of reduced size gets a report in front (RFC 3550, section 6.1).
            let own = self.own_ssrc();
            ReceiverReport::write(own, [], buf);
            SourceDescription::write_cname(own, &self.cname, buf);
        }
        let head = buf.len();
        self.write_feedback(now, start, buf);
        if is_alone && buf.len() == head {
            buf.truncate(start);
            return false;
        }
        let is_protected = self.keys.as_mut().is_some_and(|keys| keys.outbound.protect_rtcp(buf, start).is_ok());
        if !is_protected {
            buf.truncate(start);
        }
        is_protected
    }

    /// The source that speaks in our packets: one that is sent, if there is one.
    fn own_ssrc(&self) -> u32 {
        let mut streams = self.sections.iter().flat_map(|section| &section.outbound);
        streams.next().map_or(self.reports.ssrc, |stream| stream.ssrc)
    }

    /// What is sent and what is received, as a compound (RFC 3550, section 6.1).
    fn write_reports(&mut self, now: Instant, buf: &mut Vec<u8>) {
        let (ntp, own) = (self.ntp(now), self.own_ssrc());
        let (page, skipped) = (self.reports.page, self.reports.page * STREAMS_PER_REPORT);
        let received = self.sections.iter_mut().flat_map(|section| &mut section.inbound);
        let mut receivers = received.filter_map(Inbound::receiver_mut).skip(skipped);
        let receivers_here = receivers.by_ref().take(STREAMS_PER_REPORT);
        let reports = receivers_here.flat_map(|receiver| [Some(receiver.report(now)), receiver.report_rtx(now)]);
        let blocks: Vec<ReportBlock> = reports.flatten().collect();
        let mut has_more = receivers.next().is_some();
        let mut rest = blocks.as_slice();
        let mut has_spoken = false;
        let mut senders = self.sections.iter().flat_map(|section| &section.outbound).skip(skipped);
        for stream in senders.by_ref().take(STREAMS_PER_REPORT) {
            let Some(info) = stream.sender.sender_info(now, ntp) else { continue };
            SenderReport::write(stream.ssrc, &info, std::mem::take(&mut rest).iter().copied(), buf);
            has_spoken = true;
        }
        has_more |= senders.next().is_some();
        (self.reports.page, self.reports.next) =
            if has_more { (page + 1, Some(now)) } else { (0, Some(now + INTERVAL)) };
        if !has_spoken {
            ReceiverReport::write(own, blocks.iter().copied(), buf);
        }
        if let Some((ssrc, reference, at)) = self.reports.reference.take() {
            let delay_since_last_receiver_report = compact_duration(now.saturating_duration_since(at));
            let answer = Dlrr { ssrc, last_receiver_report: reference.compact(), delay_since_last_receiver_report };
            ExtendedReport::write_dlrr(own, [answer], buf);
        }
        SourceDescription::write_cname(own, &self.cname, buf);
    }

    /// Tells which sources of ours are over, as the last packet of a compound (RFC 3550, section 6.6).
    fn write_goodbyes(&mut self, buf: &mut Vec<u8>) {
        if self.goodbyes.is_empty() {
            return;
        }
        let own = self.own_ssrc();
        ReceiverReport::write(own, [], buf);
        SourceDescription::write_cname(own, &self.cname, buf);
        let count = self.goodbyes.len().min(MAX_GOODBYES);
        rtcp::Goodbye::write(self.goodbyes.drain(..count), "", buf);
    }

    /// Requests for what is missing, and arrivals; reduced size, without a report in front (RFC 5506).
    fn write_feedback(&mut self, now: Instant, start: usize, buf: &mut Vec<u8>) {
        let own = self.own_ssrc();
        for section in &mut self.sections {
            let fir_only = !section.understands("nack pli") && section.understands("ccm fir");
            for stream in &mut section.inbound {
                let ssrc = stream.ssrc;
                let (mut fir_sequence, mut asked) = (stream.fir_sequence, stream.asked);
                let is_early = asked.is_some_and(|asked| now.saturating_duration_since(asked) < KEYFRAME_INTERVAL);
                let Some(receiver) = stream.receiver_mut() else { continue };
                while buf.len() - start < FULL {
                    match receiver.poll_feedback(now) {
                        Some(Feedback::Nack(lost)) => rtcp::Nack::write(own, ssrc, lost.iter().copied(), buf),
                        // It is asked for again, if it is still needed.
                        Some(Feedback::KeyframeRequest) if is_early => {}
                        Some(Feedback::KeyframeRequest) if fir_only => {
                            asked = Some(now);
                            fir_sequence = fir_sequence.wrapping_add(1);
                            rtcp::FullIntraRequest::write(own, [rtcp::FirEntry { ssrc, sequence: fir_sequence }], buf);
                        }
                        Some(Feedback::KeyframeRequest) => {
                            asked = Some(now);
                            rtcp::PictureLoss { sender_ssrc: own, media_ssrc: ssrc }.encode(buf);
                        }
                        None => break,
                    }
                }
                stream.fir_count += u64::from(fir_sequence.wrapping_sub(stream.fir_sequence));
                (stream.fir_sequence, stream.asked) = (fir_sequence, asked);
            }
        }
        // One that is long fills a datagram by itself.
        if buf.len() - start < FULL {
            self.bandwidth.write_feedback(now, own, buf);
        }
    }
}

impl Section {
    /// Whether the peer said that it understands this kind of feedback.
    fn understands(&self, kind: &str) -> bool {
        let types = self.parameters.receive.iter().flat_map(|receive| &receive.types);
        types.into_iter().any(|one| one.feedback.iter().any(|one| one == kind))
    }
}
