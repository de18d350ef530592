//! From what the session tells to what the W3C's dictionaries say.

mod streams;

use std::time::{Duration, Instant};

use session::{PairReport, Report, TransceiverId, datachannel, dtls, ice};

use super::ids::{self, Side};
use super::{
    CandidatePairStats, CandidateStats, CertificateStats, DataChannelStats, PeerConnectionStats, StatsEntry,
    StatsReport, TransportStats,
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
