use std::time::Duration;

/// Counters and measurements of an association; see [`Association::stats`](crate::Association::stats).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets handed out.
    pub packets_sent: u64,
    /// Packets that arrived, good or bad.
    pub packets_received: u64,
    /// Payload bytes sent, each counted once.
    pub bytes_sent: u64,
    /// Payload bytes received, duplicates not counted.
    pub bytes_received: u64,
    /// Messages whose last fragment was sent.
    pub messages_sent: u64,
    /// Messages that have been read.
    pub messages_received: u64,
    /// Messages given up by partial reliability, sent in part or not at all.
    pub messages_abandoned: u64,
    /// DATA chunks sent again.
    pub retransmits: u64,
    /// Loss events found from SACKs.
    pub fast_retransmits: u64,
    /// Loss events and timeouts that turned out to be none, and were taken back.
    pub spurious_losses: u64,
    /// Probes for the tail of what was sent (RFC 8985, section 7).
    pub tail_probes: u64,
    /// Expirations of the retransmission timer.
    pub timeouts: u64,
    /// DATA chunks received more than once.
    pub duplicates: u64,
    /// DATA chunks dropped because they did not fit the window, or jumped too far ahead.
    pub out_of_window: u64,
    /// Packets dropped for a wrong checksum.
    pub bad_checksum: u64,
    /// Packets dropped for a wrong verification tag, or wrong ports.
    pub bad_tag: u64,
    /// Packets dropped, or cut short, because their bytes make no sense.
    pub malformed: u64,
    /// Chunks dropped because they are not allowed in the current state, cookies that were not ours, SACKs for what
    /// was never sent, and the like.
    pub refused: u64,
    /// Chunks of unknown type.
    pub unknown_chunks: u64,
    /// The smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
    /// The least round-trip time of the last minute or two, once measured.
    pub min_rtt: Option<Duration>,
    /// The retransmission timeout.
    pub rto: Duration,
    /// The congestion window in bytes.
    pub congestion_window: usize,
    /// The pace of sending in bytes per second, once anything is known of the path.
    pub pacing_rate: Option<u64>,
    /// The slow-start threshold in bytes.
    pub slow_start_threshold: usize,
    /// The window that the peer advertised last, in bytes.
    pub peer_window: usize,
    /// The largest packet that is sent now, in bytes: what the path is known to carry.
    pub packet_size: usize,
    /// Bytes in flight, DATA chunk headers included.
    pub in_flight: usize,
    /// Bytes of the send buffer in use, overhead included.
    pub send_buffer_used: usize,
    /// Bytes of the receive buffer in use, overhead included.
    pub receive_buffer_used: usize,
}
