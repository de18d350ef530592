use std::time::{Duration, Instant};

/// Counters of a stream, its retransmissions included, in the terms of the W3C's `outbound-rtp`; see
/// [`Sender::stats`](super::Sender::stats).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets handed out, retransmissions and padding included.
    pub packets_sent: u64,
    /// Bytes of payload in these, neither headers nor padding.
    pub bytes_sent: u64,
    /// Bytes of headers and padding.
    pub header_bytes_sent: u64,
    /// Packets sent again because the receiver asked.
    pub retransmitted_packets_sent: u64,
    /// Bytes of payload in these.
    pub retransmitted_bytes_sent: u64,
    /// Packets sent to fill the path.
    pub padding_packets_sent: u64,
    /// Frames whose last packet was handed out.
    pub frames_sent: u64,
    /// Key frames among them.
    pub key_frames_sent: u64,
    /// Packets with NACKs that came.
    pub nack_count: u64,
    /// Picture loss indications that came.
    pub pli_count: u64,
    /// Full intra requests that came, repetitions included.
    pub fir_count: u64,
    /// The time that all packets together waited here.
    pub total_packet_send_delay: Duration,
    /// What the encoder is asked to keep to, in bits per second.
    pub target_bitrate: Option<u64>,
    /// Whether the stream is not paused.
    pub active: bool,
    /// Lost packets that were asked for, but are too old, or never were.
    pub unknown_nacks: u64,
    /// Lost packets that were asked for again within a round trip.
    pub repeated_nacks: u64,
    /// Lost packets that were not sent again, as too many waited already.
    pub refused_nacks: u64,
    /// Frames and packets that found the queue full.
    pub refused: u64,
    /// Packets dropped from the queue by a pause, or because a key frame that was asked for makes them useless.
    pub dropped: u64,
    /// Packets that wait to be sent for the first time.
    pub queued_packets: usize,
    /// Bytes of payload in these.
    pub queued_bytes: usize,
    /// Packets kept for retransmission.
    pub history_packets: usize,
    /// Bytes of payload in these.
    pub history_bytes: usize,
    /// Packets that wait to be sent again.
    pub retransmission_packets: usize,
    /// Bytes of payload in these.
    pub retransmission_bytes: usize,
}

/// What the receiver's reports say, in the terms of the W3C's `remote-inbound-rtp`; see
/// [`Sender::remote_stats`](super::Sender::remote_stats).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RemoteStats {
    /// Reports about this stream that came.
    pub reports_received: u64,
    /// When the last of them came.
    pub last_report: Option<Instant>,
    /// Packets that arrived there, as far as it counts them.
    pub packets_received: u64,
    /// Packets that did not; negative where duplicates outnumber losses.
    pub packets_lost: i64,
    /// The part lost since the report before, 0 to 1.
    pub fraction_lost: f64,
    /// Variation of the interarrival time.
    pub jitter: Duration,
    /// The last round-trip time, once measured.
    pub round_trip_time: Option<Duration>,
    /// The sum of all measured.
    pub total_round_trip_time: Duration,
    /// How many were measured.
    pub round_trip_time_measurements: u64,
}
