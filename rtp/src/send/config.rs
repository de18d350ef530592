use crate::SequenceNumber;
use crate::payload::Format;
use std::time::Duration;

/// What a stream carries: a pacer lets audio go first, and the marker bit means something else in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// The marker bit is at the first packet after silence (RFC 3551, section 4.1).
    Audio,
    /// The marker bit is at the last packet of a frame.
    Video,
}

/// How much a stream matters beside others (`RTCPriorityType`, RFC 8835, section 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Below what most streams get.
    VeryLow,
    /// What most streams get.
    #[default]
    Low,
    /// More than most.
    Medium,
    /// Before all others.
    High,
}

/// The stream that retransmissions go on (RFC 4588).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtx {
    /// Its source, which is not that of the stream.
    pub ssrc: u32,
    /// What stands for the stream's payload type there (`apt`).
    pub payload_type: u8,
}

/// Whose sequence numbers and timestamps the packets carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbering {
    /// Our own sequence numbers, one after another in the order of sending; timestamps get a random offset.
    #[default]
    Continuous,
    /// Those that packets are given with, which lets a receiver see what was lost before it came here. Each number
    /// goes out once, and none is half the circle ahead of the last. Only for packets: frames are refused.
    Kept,
}

/// Settings and bounds of a [`Sender`](super::Sender). Every queue has its bound here.
#[derive(Clone, Debug)]
pub struct Config {
    /// Audio or video.
    pub media: Media,
    /// How frames are cut into packets; `None` where only packets are sent.
    pub format: Option<Format>,
    /// The payload type of frames, 0 to 127. Packets bring their own, but only those of this type can be sent again
    /// through [`rtx`](Self::rtx).
    pub payload_type: u8,
    /// Ticks of the timestamps in a second.
    pub clock_rate: u32,
    /// The source.
    pub ssrc: u32,
    /// Where retransmissions and padding go. Default `None`: no padding, and lost packets are sent again as they were.
    pub rtx: Option<Rtx>,
    /// Without RTX: whether lost packets are sent again at all. An AEAD must never seal two different packets under
    /// one sequence number (RFC 7714, section 8.4), so this is for callers that write the same header extensions
    /// again, or whose SRTP is no AEAD. Default true.
    pub resends_without_rtx: bool,
    /// Whose sequence numbers are used. Default our own.
    pub numbering: Numbering,
    /// The most bytes behind header and extensions in any packet; at least 64 are used. Frames are cut two bytes
    /// shorter where there is RTX, which needs them. Default 1160.
    pub max_payload: usize,
    /// The most bytes of payload in a packet that was made elsewhere, where that differs from
    /// [`max_payload`](Self::max_payload): whoever made it may know a larger bound. Default `None`.
    pub max_packet_payload: Option<usize>,
    /// Bytes of an RTP header with the extensions that the caller writes; they count in
    /// [`next_size`](super::Sender::next_size) and in the statistics. At least 12, which is the default.
    pub header_size: usize,
    /// Packets kept for retransmission; 0 for none, at most 16,384. Default 2048.
    pub history_packets: usize,
    /// Bytes of payload kept for retransmission, or one packet. Packets of a frame share memory, so that up to a frame
    /// more is held. Default 2 MiB.
    pub history_bytes: usize,
    /// How long a packet is kept. Default 2 s.
    pub history_age: Duration,
    /// Bytes of payload that wait to be sent again; what is asked for beyond that is not repaired. Default 512 KiB.
    pub retransmission_bytes: usize,
    /// Packets that wait to be sent for the first time. Default 4096.
    pub queue_packets: usize,
    /// Bytes of payload that wait. A frame that is longer than this is never taken. Default 4 MiB.
    pub queue_bytes: usize,
    /// Frames that wait, which bounds the delay that a slow path adds. Default 60.
    pub queue_frames: usize,
    /// The least time between two [`Event::KeyFrameRequested`](super::Event::KeyFrameRequested). Default 200 ms.
    pub key_frame_interval: Duration,
    /// How much the stream matters; carried for the pacer.
    pub priority: Priority,
    /// The first sequence number; random if not given (RFC 3550, section 5.1). For tests of the wrap.
    pub first_sequence: Option<SequenceNumber>,
    /// What is added to timestamps; random if not given (RFC 3550, section 5.1).
    pub timestamp_offset: Option<u32>,
}

impl Config {
    /// The default settings for this stream.
    pub const fn new(media: Media, ssrc: u32, payload_type: u8, clock_rate: u32) -> Self {
        Self {
            media,
            format: None,
            payload_type,
            clock_rate,
            ssrc,
            rtx: None,
            resends_without_rtx: true,
            numbering: Numbering::Continuous,
            max_payload: 1160,
            max_packet_payload: None,
            header_size: HEADER,
            history_packets: 2048,
            history_bytes: 2 << 20,
            history_age: Duration::from_secs(2),
            retransmission_bytes: 512 << 10,
            queue_packets: 4096,
            queue_bytes: 4 << 20,
            queue_frames: 60,
            key_frame_interval: Duration::from_millis(200),
            priority: Priority::Low,
            first_sequence: None,
            timestamp_offset: None,
        }
    }

    /// The settings with impossible ones put right.
    pub(crate) fn sane(mut self) -> Self {
        self.payload_type &= 0x7f;
        self.clock_rate = self.clock_rate.max(1);
        self.max_payload = self.max_payload.clamp(64, 65_000);
        self.max_packet_payload = self.max_packet_payload.map(|bytes| bytes.clamp(64, 65_000));
        self.header_size = self.header_size.max(HEADER);
        // Sequence numbers must tell apart all that are kept.
        self.history_packets = self.history_packets.min(1 << 14);
        if let Some(rtx) = &mut self.rtx {
            rtx.payload_type &= 0x7f;
        }
        self
    }

    /// The most bytes of payload in a packet of a frame, such that it can be sent again.
    pub(crate) const fn payload_limit(&self) -> usize {
        self.max_payload.saturating_sub(if self.rtx.is_some() { ORIGINAL_SEQUENCE } else { 0 })
    }

    /// The same for packets that were made elsewhere.
    pub(crate) fn packet_limit(&self) -> usize {
        self.max_packet_payload.unwrap_or_else(|| self.payload_limit())
    }
}

/// Bytes of a header without extensions and contributing sources (RFC 3550, section 5.1).
pub(crate) const HEADER: usize = 12;

/// Bytes of the original sequence number in a retransmission (RFC 4588, section 4).
pub(crate) const ORIGINAL_SEQUENCE: usize = 2;
