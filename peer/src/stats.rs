//! What was counted and measured: of the machine, and in the terms of the W3C.

mod candidates;
mod channels;
mod collect;
mod entry;
mod ids;
mod report;
mod streams;
mod transport;

use std::net::SocketAddr;

pub use candidates::{CandidatePairStats, CandidateStats};
pub use channels::{DataChannelStats, PeerConnectionStats};
pub(crate) use collect::collect;
pub use entry::StatsEntry;
pub use report::StatsReport;
pub use streams::{CodecStats, InboundRtpStats, OutboundRtpStats, RemoteInboundRtpStats, RemoteOutboundRtpStats};
pub use transport::{CertificateStats, TransportStats};

/// What a connection counted and measured: [`crate::PeerConnection::stats`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// The protocols: ICE, DTLS, SCTP, data channels.
    pub session: session::Stats,
    /// The sockets, one for each local address.
    pub sockets: Vec<SocketStats>,
    /// Answers about `.local` names that did not come from a link in use, and were dropped (RFC 6762, section 11).
    pub off_link_answers: u64,
}

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// The address it is bound to.
    pub local: SocketAddr,
    /// The kernel's receive buffer as granted, in bytes. Linux reports twice the usable size.
    pub receive_buffer: usize,
    /// The kernel's send buffer as granted, in bytes. Linux reports twice the usable size.
    pub send_buffer: usize,
    /// How many datagrams one system call can send (segmentation offload); 1 without it.
    pub segments_per_send: usize,
    /// How many datagrams the kernel may hand over as one (receive offload); 1 without it.
    pub segments_per_receive: usize,
    /// Counts.
    pub counters: SocketCounters,
}

/// What went through one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketCounters {
    /// Datagrams given to the kernel.
    pub datagrams_sent: u64,
    /// Their UDP payload, in bytes.
    pub bytes_sent: u64,
    /// System calls that sent them.
    pub sends: u64,
    /// Times the socket had no room and sending waited.
    pub sends_blocked: u64,
    /// Datagrams that the kernel refused to send, such as for want of a route. They count as lost.
    pub send_errors: u64,
    /// Datagrams given up because the socket had no room for a second. They count as lost.
    pub datagrams_dropped: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Their UDP payload, in bytes.
    pub bytes_received: u64,
    /// System calls that received them.
    pub receives: u64,
    /// Errors while receiving.
    pub receive_errors: u64,
}
