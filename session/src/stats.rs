use std::time::Duration;

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
