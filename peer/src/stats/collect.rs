//! From what the session tells to what the W3C's dictionaries say.

use std::time::{Duration, Instant};

use session::rtp::NtpTime;
use session::{
    Codec, InboundStats, MediaKind, OutboundStats, PairReport, Report, TransceiverId, datachannel, dtls, ice,
};

use super::ids::{self, Side};
use super::{
    CandidatePairStats, CandidateStats, CertificateStats, CodecStats, DataChannelStats, InboundRtpStats,
    OutboundRtpStats, PeerConnectionStats, RemoteInboundRtpStats, RemoteOutboundRtpStats, StatsEntry, StatsReport,
    TransportStats,
};

/// Makes a report. `track` gives the name of the track that a transceiver receives.
pub(crate) fn collect(now: Instant, report: &Report, track: impl Fn(TransceiverId) -> Option<String>) -> StatsReport {
    let mut collector = Collector { now, unix_time: report.unix_time, report: StatsReport::default() };
    collector.connection(report);
    collector.certificates(report);
    collector.candidates(report);
    for pair in &report.pairs {
        collector.pair(report, pair);
    }
    collector.transport(report);
    for (id, info) in &report.channels {
        collector.channel(&format!("data-channel-{}", id.number()), info);
    }
    for stream in &report.inbound {
        collector.inbound(stream, track(stream.transceiver).unwrap_or_default());
    }
    for stream in &report.outbound {
        collector.outbound(stream);
    }
    collector.report
}

struct Collector {
    now: Instant,
    /// The same moment.
    unix_time: Duration,
    report: StatsReport,
}

impl Collector {
    /// Milliseconds since the Unix epoch.
    fn timestamp(&self) -> f64 {
        milliseconds(self.unix_time)
    }

    /// The same of a moment that has passed.
    fn moment(&self, at: Instant) -> f64 {
        milliseconds(self.unix_time.saturating_sub(self.now.saturating_duration_since(at)))
    }

    fn connection(&mut self, report: &Report) {
        self.report.push(StatsEntry::PeerConnection(PeerConnectionStats {
            id: ids::PEER_CONNECTION.to_owned(),
            timestamp: self.timestamp(),
            data_channels_opened: report.channels_opened,
            data_channels_closed: report.channels_closed,
        }));
    }

    fn certificates(&mut self, report: &Report) {
        let theirs = report.security.as_ref().and_then(|security| security.peer_certificate.as_deref());
        for certificate in [Some(report.certificate.as_slice()), theirs].into_iter().flatten() {
            let (algorithm, fingerprint) = fingerprint(certificate);
            self.report.push(StatsEntry::Certificate(CertificateStats {
                id: certificate_id(certificate),
                timestamp: self.timestamp(),
                fingerprint,
                fingerprint_algorithm: algorithm,
                base64_certificate: base64(certificate),
            }));
        }
    }

    fn candidates(&mut self, report: &Report) {
        let ours = report.local_candidates.iter().map(|candidate| (Side::Local, candidate));
        let theirs = report.remote_candidates.iter().map(|candidate| (Side::Remote, candidate));
        // Candidates of a pair come again where they are not among the rest any more.
        let paired = report.pairs.iter().flat_map(|pair| [(Side::Local, &pair.local), (Side::Remote, &pair.remote)]);
        for (side, candidate) in ours.chain(theirs).chain(paired) {
            let stats = self.candidate(report, side, candidate);
            self.report.push(match side {
                Side::Local => StatsEntry::LocalCandidate(stats),
                Side::Remote => StatsEntry::RemoteCandidate(stats),
            });
        }
    }

    fn candidate(&self, report: &Report, side: Side, candidate: &ice::Candidate) -> CandidateStats {
        CandidateStats {
            id: candidate_id(report, side, candidate),
            timestamp: self.timestamp(),
            transport_id: ids::TRANSPORT.to_owned(),
            address: match &candidate.address {
                ice::CandidateAddress::Ip(address) => address.ip().to_string(),
                ice::CandidateAddress::Name(name, _) => name.clone(),
            },
            port: candidate.address.port(),
            protocol: candidate.transport.to_string(),
            candidate_type: candidate.kind.to_string(),
            priority: candidate.priority,
            foundation: candidate.foundation.clone(),
            related_address: candidate.related.map(|base| base.ip().to_string()),
            related_port: candidate.related.map(|base| base.port()),
            username_fragment: ufrag(report, side, candidate).map(str::to_owned),
            tcp_type: candidate.tcp_type.map(|tcp_type| tcp_type.to_string()),
        }
    }

    fn pair(&mut self, report: &Report, pair: &PairReport) {
        let (checks, traffic) = (&pair.checks, &pair.traffic);
        let requests = checks.requests_sent.saturating_sub(checks.requests_repeated);
        self.report.push(StatsEntry::CandidatePair(CandidatePairStats {
            id: ids::pair(report, checks.route),
            timestamp: self.timestamp(),
            transport_id: ids::TRANSPORT.to_owned(),
            local_candidate_id: candidate_id(report, Side::Local, &pair.local),
            remote_candidate_id: candidate_id(report, Side::Remote, &pair.remote),
            state: match checks.state {
                ice::PairState::Frozen => "frozen",
                ice::PairState::Waiting => "waiting",
                ice::PairState::InProgress => "in-progress",
                ice::PairState::Succeeded => "succeeded",
                ice::PairState::Failed => "failed",
            },
            nominated: checks.is_nominated,
            packets_sent: traffic.packets_sent,
            packets_received: traffic.packets_received,
            bytes_sent: traffic.bytes_sent,
            bytes_received: traffic.bytes_received,
            total_round_trip_time: checks.total_rtt.as_secs_f64(),
            requests_received: checks.requests_received,
            requests_sent: requests.saturating_sub(checks.consents_sent),
            responses_received: checks.responses_received,
            responses_sent: checks.responses_sent,
            consent_requests_sent: checks.consents_sent,
            last_packet_sent_timestamp: traffic.last_sent.map(|at| self.moment(at)),
            last_packet_received_timestamp: traffic.last_received.map(|at| self.moment(at)),
            current_round_trip_time: checks.last_rtt.map(|rtt| rtt.as_secs_f64()),
            available_outgoing_bitrate: report.bandwidth.filter(|_| checks.is_selected).map(|rate| rate as f64),
        }));
    }

    fn transport(&mut self, report: &Report) {
        let security = report.security.as_ref();
        let selected = report.pairs.iter().find(|pair| pair.checks.is_selected);
        let peer_certificate = security.and_then(|security| security.peer_certificate.as_deref());
        self.report.push(StatsEntry::Transport(TransportStats {
            id: ids::TRANSPORT.to_owned(),
            timestamp: self.timestamp(),
            packets_sent: report.traffic.packets_sent,
            packets_received: report.traffic.packets_received,
            bytes_sent: report.traffic.bytes_sent,
            bytes_received: report.traffic.bytes_received,
            ice_role: match report.ice_role {
                Some(ice::Role::Controlling) => "controlling",
                Some(ice::Role::Controlled) => "controlled",
                None => "unknown",
            },
            ice_local_username_fragment: report.local_ufrag.clone(),
            ice_state: ice_state(report.ice_state),
            dtls_state: report.dtls_state.to_string(),
            dtls_role: match security.map(|security| security.role) {
                Some(dtls::Role::Client) => "client",
                Some(dtls::Role::Server) => "server",
                None => "unknown",
            },
            selected_candidate_pair_changes: report.selections,
            selected_candidate_pair_id: selected.map(|pair| ids::pair(report, pair.checks.route)),
            local_certificate_id: Some(certificate_id(&report.certificate)),
            remote_certificate_id: peer_certificate.map(certificate_id),
            tls_version: security.and_then(|security| security.version).map(|version| format!("{version:04X}")),
            dtls_cipher: security.and_then(|security| security.cipher_suite.clone()),
            srtp_cipher: security.and_then(|security| security.srtp_profile).map(|profile| profile.name().to_owned()),
        }));
    }

    fn channel(&mut self, id: &str, info: &datachannel::Info) {
        self.report.push(StatsEntry::DataChannel(DataChannelStats {
            id: id.to_owned(),
            timestamp: self.timestamp(),
            label: info.label.clone(),
            protocol: info.protocol.clone(),
            state: match info.state {
                datachannel::State::Connecting => "connecting",
                datachannel::State::Open => "open",
                datachannel::State::Closing => "closing",
                datachannel::State::Closed => "closed",
            },
            messages_sent: info.sent.messages,
            bytes_sent: info.sent.bytes,
            messages_received: info.received.messages,
            bytes_received: info.received.bytes,
            data_channel_identifier: info.stream_id,
        }));
    }

    fn codec(&mut self, payload_type: u8, codec: &Codec) -> String {
        let id = ids::codec(payload_type, codec);
        self.report.push(StatsEntry::Codec(CodecStats {
            id: id.clone(),
            timestamp: self.timestamp(),
            payload_type,
            transport_id: ids::TRANSPORT.to_owned(),
            mime_type: format!("{}/{}", codec.kind.name(), codec.name),
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            sdp_fmtp_line: Some(codec.parameters.clone()).filter(|line| !line.is_empty()),
        }));
        id
    }

    fn inbound(&mut self, stream: &InboundStats, track_identifier: String) {
        let codec_id = self.codec(stream.payload_type, &stream.codec);
        let (id, remote_id) =
            (ids::stream("inbound-rtp", stream.ssrc), ids::stream("remote-outbound-rtp", stream.ssrc));
        let received = &stream.received;
        // What only pictures have.
        let video = |count: u64| (stream.kind == MediaKind::Video).then_some(count);
        let repaired = |count: u64| stream.has_rtx.then_some(count);
        let video_time = |time: Duration| (stream.kind == MediaKind::Video).then_some(time.as_secs_f64());
        if let Some(remote) = &stream.remote {
            self.report.push(StatsEntry::RemoteOutboundRtp(RemoteOutboundRtpStats {
                id: remote_id.clone(),
                timestamp: self.moment(remote.received),
                ssrc: stream.ssrc,
                kind: stream.kind.name(),
                transport_id: ids::TRANSPORT.to_owned(),
                codec_id: codec_id.clone(),
                local_id: id.clone(),
                packets_sent: remote.info.packets.into(),
                bytes_sent: remote.info.octets.into(),
                reports_sent: remote.reports_received,
                // A sender without a clock says zero (RFC 3550, section 6.4.1).
                remote_timestamp: (remote.info.ntp != NtpTime::default())
                    .then(|| milliseconds(remote.info.ntp.since_unix_epoch())),
            }));
        }
        self.report.push(StatsEntry::InboundRtp(InboundRtpStats {
            id,
            timestamp: self.timestamp(),
            transceiver: stream.transceiver,
            ssrc: stream.ssrc,
            kind: stream.kind.name(),
            transport_id: ids::TRANSPORT.to_owned(),
            codec_id,
            track_identifier,
            mid: stream.mid.clone(),
            packets_received: received.packets_received,
            packets_lost: received.packets_lost,
            jitter: f64::from(received.jitter) / f64::from(stream.codec.clock_rate.max(1)),
            bytes_received: received.bytes_received,
            header_bytes_received: received.header_bytes_received,
            packets_discarded: received.packets_discarded,
            nack_count: received.nack_count,
            rid: stream.rid.as_deref().map(str::to_owned),
            remote_id: stream.remote.map(|_| remote_id),
            retransmitted_packets_received: repaired(received.retransmitted_packets_received),
            retransmitted_bytes_received: repaired(received.retransmitted_bytes_received),
            rtx_ssrc: stream.rtx_ssrc,
            last_packet_received_timestamp: received.last_packet_received.map(|at| self.moment(at)),
            fir_count: video(stream.fir_count),
            pli_count: video(received.pli_count.saturating_sub(stream.fir_count)),
            frames_received: video(received.frames_received),
            frames_dropped: video(received.frames_dropped),
            frame_width: stream.frame_size.map(|(width, _)| width),
            frame_height: stream.frame_size.map(|(_, height)| height),
            freeze_count: video(received.freeze_count),
            total_freezes_duration: video_time(received.total_freezes_duration),
            jitter_buffer_delay: video_time(received.buffer_delay),
            jitter_buffer_emitted_count: video(received.frames_received),
            frames_assembled_from_multiple_packets: video(received.frames_assembled_from_multiple_packets),
            total_assembly_time: video_time(received.total_assembly_time),
        }));
    }

    fn outbound(&mut self, stream: &OutboundStats) {
        let codec_id = self.codec(stream.payload_type, &stream.codec);
        let (id, remote_id) =
            (ids::stream("outbound-rtp", stream.ssrc), ids::stream("remote-inbound-rtp", stream.ssrc));
        let sent = &stream.sent;
        let video = |count: u64| (stream.kind == MediaKind::Video).then_some(count);
        if let Some(remote) = &stream.remote {
            self.report.push(StatsEntry::RemoteInboundRtp(RemoteInboundRtpStats {
                id: remote_id.clone(),
                timestamp: remote.last_report.map_or_else(|| self.timestamp(), |at| self.moment(at)),
                ssrc: stream.ssrc,
                kind: stream.kind.name(),
                transport_id: ids::TRANSPORT.to_owned(),
                codec_id: codec_id.clone(),
                local_id: id.clone(),
                packets_received: remote.packets_received,
                packets_lost: remote.packets_lost,
                jitter: remote.jitter.as_secs_f64(),
                fraction_lost: remote.fraction_lost,
                total_round_trip_time: remote.total_round_trip_time.as_secs_f64(),
                round_trip_time_measurements: remote.round_trip_time_measurements,
                round_trip_time: remote.round_trip_time.map(|time| time.as_secs_f64()),
            }));
        }
        self.report.push(StatsEntry::OutboundRtp(OutboundRtpStats {
            id,
            timestamp: self.timestamp(),
            transceiver: stream.transceiver,
            ssrc: stream.ssrc,
            kind: stream.kind.name(),
            transport_id: ids::TRANSPORT.to_owned(),
            codec_id,
            mid: stream.mid.clone(),
            packets_sent: sent.packets_sent,
            bytes_sent: sent.bytes_sent,
            header_bytes_sent: stream.header_bytes,
            retransmitted_packets_sent: sent.retransmitted_packets_sent,
            retransmitted_bytes_sent: sent.retransmitted_bytes_sent,
            total_packet_send_delay: sent.total_packet_send_delay.as_secs_f64(),
            nack_count: sent.nack_count,
            active: sent.active,
            remote_id: stream.remote.as_ref().map(|_| remote_id),
            rid: stream.rid.clone(),
            rtx_ssrc: stream.rtx_ssrc,
            target_bitrate: sent.target_bitrate.map(|rate| rate as f64),
            fir_count: video(sent.fir_count),
            pli_count: video(sent.pli_count),
            frames_sent: video(sent.frames_sent),
            frame_width: stream.frame_size.map(|(width, _)| width),
            frame_height: stream.frame_size.map(|(_, height)| height),
        }));
    }
}

/// `RTCIceTransportState`.
const fn ice_state(state: ice::ConnectionState) -> &'static str {
    match state {
        ice::ConnectionState::New => "new",
        ice::ConnectionState::Checking => "checking",
        ice::ConnectionState::Connected => "connected",
        ice::ConnectionState::Completed => "completed",
        ice::ConnectionState::Disconnected => "disconnected",
        ice::ConnectionState::Failed => "failed",
        ice::ConnectionState::Closed => "closed",
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn ufrag<'r>(report: &'r Report, side: Side, candidate: &'r ice::Candidate) -> Option<&'r str> {
    match side {
        Side::Local => Some(&report.local_ufrag),
        Side::Remote => candidate.ufrag.as_deref().or(report.remote_ufrag.as_deref()),
    }
}

fn candidate_id(report: &Report, side: Side, candidate: &ice::Candidate) -> String {
    ids::candidate(side, candidate, ufrag(report, side, candidate).unwrap_or_default())
}

/// Hash function and hash, as they stand in descriptions.
fn fingerprint(certificate: &[u8]) -> (&'static str, String) {
    let algorithm = dtls::HashAlgorithm::Sha256;
    let text = dtls::Fingerprint::of(algorithm, certificate).to_string();
    let hash = text.split_once(' ').map_or_else(String::new, |(_, hash)| hash.to_owned());
    (algorithm.name(), hash)
}

fn certificate_id(certificate: &[u8]) -> String {
    format!("certificate-{}", fingerprint(certificate).1)
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| group.get(index).copied().map_or(0, u32::from);
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for place in 0..4 {
            let digit = DIGITS.get((bits >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_as_in_rfc_4648() {
        for (text, expected) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xff, 0xef, 0xbe]), "/+++");
    }
}
