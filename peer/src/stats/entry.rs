//! One object of a report.

use serde::Serialize;

use super::{
    CandidatePairStats, CandidateStats, CertificateStats, CodecStats, DataChannelStats, InboundRtpStats,
    OutboundRtpStats, PeerConnectionStats, RemoteInboundRtpStats, RemoteOutboundRtpStats, TransportStats,
};

/// Makes a struct of a dictionary of WebRTC Statistics, as JSON has it: the members that are always there before `..`,
/// then those that are absent where nothing is known. All have `id` and `timestamp`.
macro_rules! dictionary {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$required_meta:meta])* $required:ident: $required_type:ty,)*
        ..
        $($(#[$optional_meta:meta])* $optional:ident: $optional_type:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        #[non_exhaustive]
        pub struct $name {
            /// The object's name in the report; the same in every report of the connection.
            pub id: String,
            /// When it was measured, in milliseconds since the Unix epoch.
            pub timestamp: f64,
            $($(#[$required_meta])* pub $required: $required_type,)*
            $(
                $(#[$optional_meta])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $optional: Option<$optional_type>,
            )*
        }
    };
}
pub(super) use dictionary;

/// An object of a [`StatsReport`](super::StatsReport) (WebRTC Statistics, section 6); `type` tells in JSON which it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "a report is short, and made to be looked at")]
pub enum StatsEntry {
    /// A codec that a stream uses.
    Codec(CodecStats),
    /// A stream that is received.
    InboundRtp(InboundRtpStats),
    /// A stream that is sent.
    OutboundRtp(OutboundRtpStats),
    /// A stream that is sent, as the peer receives it.
    RemoteInboundRtp(RemoteInboundRtpStats),
    /// A stream that is received, as the peer sends it.
    RemoteOutboundRtp(RemoteOutboundRtpStats),
    /// The connection.
    PeerConnection(PeerConnectionStats),
    /// A data channel.
    DataChannel(DataChannelStats),
    /// The transport that carries everything.
    Transport(TransportStats),
    /// A pair of candidates.
    CandidatePair(CandidatePairStats),
    /// A candidate of this side.
    LocalCandidate(CandidateStats),
    /// A candidate of the peer.
    RemoteCandidate(CandidateStats),
    /// A certificate.
    Certificate(CertificateStats),
}

impl StatsEntry {
    /// The object's name in the report.
    pub fn id(&self) -> &str {
        match self {
            Self::Codec(stats) => &stats.id,
            Self::InboundRtp(stats) => &stats.id,
            Self::OutboundRtp(stats) => &stats.id,
            Self::RemoteInboundRtp(stats) => &stats.id,
            Self::RemoteOutboundRtp(stats) => &stats.id,
            Self::PeerConnection(stats) => &stats.id,
            Self::DataChannel(stats) => &stats.id,
            Self::Transport(stats) => &stats.id,
            Self::CandidatePair(stats) => &stats.id,
            Self::LocalCandidate(stats) | Self::RemoteCandidate(stats) => &stats.id,
            Self::Certificate(stats) => &stats.id,
        }
    }

    /// The names of the objects that this one refers to.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        let names: [Option<&str>; 3] = match self {
            Self::Codec(stats) => [Some(&stats.transport_id), None, None],
            Self::InboundRtp(stats) => [Some(&stats.transport_id), Some(&stats.codec_id), stats.remote_id.as_deref()],
            Self::OutboundRtp(stats) => [Some(&stats.transport_id), Some(&stats.codec_id), stats.remote_id.as_deref()],
            Self::RemoteInboundRtp(stats) => [Some(&stats.transport_id), Some(&stats.codec_id), Some(&stats.local_id)],
            Self::RemoteOutboundRtp(stats) => [Some(&stats.transport_id), Some(&stats.codec_id), Some(&stats.local_id)],
            Self::PeerConnection(_) | Self::DataChannel(_) | Self::Certificate(_) => [None; 3],
            Self::Transport(stats) => [
                stats.selected_candidate_pair_id.as_deref(),
                stats.local_certificate_id.as_deref(),
                stats.remote_certificate_id.as_deref(),
            ],
            Self::CandidatePair(stats) => {
                [Some(&stats.transport_id), Some(&stats.local_candidate_id), Some(&stats.remote_candidate_id)]
            }
            Self::LocalCandidate(stats) | Self::RemoteCandidate(stats) => [Some(&stats.transport_id), None, None],
        };
        names.into_iter().flatten()
    }
}
