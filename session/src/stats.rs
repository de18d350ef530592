use std::time::Duration;

use datachannel::ChannelId;

use crate::{DtlsState, InboundStats, OutboundStats, PathStats};

/// What a session counted and measured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams, and what was dropped before any layer saw it.
    pub transport: TransportStats,
    /// ICE.
    pub ice: ice::Stats,
    /// DTLS, while it runs.
    pub dtls: Option<dtls::Stats>,
    /// Data channels and SCTP.
    pub channels: datachannel::Stats,
    /// Audio and video, as far as there is any.
    pub media: crate::MediaStats,
    /// The round-trip time of the path in use, as ICE measured it.
    pub rtt: Option<Duration>,
}

/// Counts of datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportStats {
    /// Datagrams handed out to be sent.
    pub datagrams_sent: u64,
    /// Their UDP payload, in bytes.
    pub bytes_sent: u64,
    /// Datagrams that arrived.
    pub datagrams_received: u64,
    /// Their UDP payload, in bytes.
    pub bytes_received: u64,
    /// DTLS and media from where no connectivity check has passed.
    pub unchecked_dropped: u64,
    /// DTLS that came before this side was ready, beyond what is kept.
    pub early_dropped: u64,
    /// DTLS that came after its end.
    pub late_dropped: u64,
    /// Datagrams of no protocol that is spoken here.
    pub unknown_dropped: u64,
}

/// All that a session can tell of its parts: what the statistics of the W3C are made of. Made on demand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The time since the Unix epoch, going by that of the session's making (`Config::unix_time`) and the time since.
    pub unix_time: Duration,
    /// Streams of the peer.
    pub inbound: Vec<InboundStats>,
    /// Streams that are sent.
    pub outbound: Vec<OutboundStats>,
    /// What the path carries, in bits per second, as far as media that is sent has found out.
    pub bandwidth: Option<u64>,
    /// The data channels that are not over, in the order in which they were made.
    pub channels: Vec<(ChannelId, datachannel::Info)>,
    /// How many channels have been open.
    pub channels_opened: u64,
    /// How many of these are so no longer.
    pub channels_closed: u64,
    /// What went over the transport as a whole, connectivity checks apart.
    pub traffic: PathStats,
    /// Who nominates; nothing before the peer's description is known.
    pub ice_role: Option<ice::Role>,
    /// How far ICE is.
    pub ice_state: ice::ConnectionState,
    /// The user name fragment of this side.
    pub local_ufrag: String,
    /// The user name fragment of the peer, once known.
    pub remote_ufrag: Option<String>,
    /// How often a pair of candidates was selected.
    pub selections: u64,
    /// The pairs of candidates, best first.
    pub pairs: Vec<PairReport>,
    /// The candidates of this side.
    pub local_candidates: Vec<ice::Candidate>,
    /// The candidates of the peer.
    pub remote_candidates: Vec<ice::Candidate>,
    /// How far DTLS is.
    pub dtls_state: DtlsState,
    /// The certificate of this side, in DER.
    pub certificate: Vec<u8>,
    /// What DTLS agreed on, while it is connected.
    pub security: Option<SecurityReport>,
}

/// A pair of candidates.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PairReport {
    /// What ICE did with it.
    pub checks: ice::PairStats,
    /// The candidate of this side.
    pub local: ice::Candidate,
    /// The candidate of the peer.
    pub remote: ice::Candidate,
    /// What else went over it. A pair of the same addresses before a restart counts too.
    pub traffic: PathStats,
}

/// What DTLS agreed on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SecurityReport {
    /// Which side this is.
    pub role: dtls::Role,
    /// The version, as on the wire.
    pub version: Option<u16>,
    /// The cipher suite, by its name in IANA's registry.
    pub cipher_suite: Option<String>,
    /// How SRTP is protected, where media was thought of.
    pub srtp_profile: Option<dtls::SrtpProfile>,
    /// The certificate of the peer, in DER.
    pub peer_certificate: Option<Vec<u8>>,
}
