//! Candidates and their pairs.

use super::entry::dictionary;

dictionary! {
    /// A candidate of either side (`RTCIceCandidateStats`).
    CandidateStats {
        /// The transport.
        transport_id: String,
        /// The address, or a name that hides it.
        address: String,
        /// The port.
        port: u16,
        /// `udp` or `tcp`.
        protocol: String,
        /// `host`, `srflx`, `prflx` or `relay`.
        candidate_type: String,
        /// Higher is better.
        priority: u32,
        /// Equal for candidates that are likely to work or fail together.
        foundation: String,
        ..
        /// The base of a reflexive candidate.
        related_address: String,
        /// Its port.
        related_port: u16,
        /// The user name fragment that it belongs to.
        username_fragment: String,
        /// Who opens the connection, for TCP.
        tcp_type: String,
    }
}

dictionary! {
    /// A pair of candidates (`RTCIceCandidatePairStats`).
    CandidatePairStats {
        /// The transport.
        transport_id: String,
        /// The candidate of this side.
        local_candidate_id: String,
        /// The candidate of the peer.
        remote_candidate_id: String,
        /// `frozen`, `waiting`, `in-progress`, `failed` or `succeeded`.
        state: &'static str,
        /// Whether it was chosen, by either side.
        nominated: bool,
        /// Datagrams sent over it, connectivity checks apart.
        packets_sent: u64,
        /// Datagrams received over it, connectivity checks apart.
        packets_received: u64,
        /// Bytes in those sent.
        bytes_sent: u64,
        /// Bytes in those received.
        bytes_received: u64,
        /// The sum of all round trips of checks, in seconds.
        total_round_trip_time: f64,
        /// Checks of the peer.
        requests_received: u64,
        /// Checks sent, without retransmissions and consent checks.
        requests_sent: u64,
        /// Answers to ours.
        responses_received: u64,
        /// Answers to those of the peer.
        responses_sent: u64,
        /// Consent checks sent (RFC 7675).
        consent_requests_sent: u64,
        ..
        /// When the last datagram was sent, in milliseconds since the Unix epoch.
        last_packet_sent_timestamp: f64,
        /// When the last datagram came, in milliseconds since the Unix epoch.
        last_packet_received_timestamp: f64,
        /// The last round trip of a check, in seconds.
        current_round_trip_time: f64,
        /// What the path carries for media that is sent, in bits per second; only where it is in use.
        available_outgoing_bitrate: f64,
    }
}
