use crate::rtcp::SenderInfo;
use std::time::{Duration, Instant};

/// What has been received, as the `inbound-rtp` statistics of the W3C have it. Counters never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets, those sent again and duplicates too.
    pub packets_received: u64,
    /// Their payloads in bytes, without padding; the first number of what was sent again is part of it.
    pub bytes_received: u64,
    /// Their headers and padding in bytes, as far as they were told of.
    pub header_bytes_received: u64,
    /// Expected less received (RFC 3550, appendix A.3), without what was sent again as another stream. Starts anew where
    /// the source does.
    pub packets_lost: i64,
    /// The variation of the interarrival time in ticks of the stream's clock (RFC 3550, section 6.4.1).
    pub jitter: u32,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that were of no use: too late, far off the sequence, or part of a frame that was dropped.
    pub packets_discarded: u64,
    /// Packets whose payload is not what the format's payloads look like.
    pub malformed: u64,
    /// Packets that were sent again as another stream (RFC 4588).
    pub retransmitted_packets_received: u64,
    /// Their payloads in bytes.
    pub retransmitted_bytes_received: u64,
    /// Whole frames in order.
    pub frames_received: u64,
    /// Key frames among them.
    pub key_frames_received: u64,
    /// Frames of which something had come that were not handed out: incomplete, malformed, for want of a key frame, or
    /// of room.
    pub frames_dropped: u64,
    /// Frames that came in more than one packet.
    pub frames_assembled_from_multiple_packets: u64,
    /// From the first to the last packet of each of these.
    pub total_assembly_time: Duration,
    /// From the first packet of each frame until it was whole and in order.
    pub buffer_delay: Duration,
    /// Times that packets were asked for again.
    pub nack_count: u64,
    /// Packets that were asked for, each time counted.
    pub packets_nacked: u64,
    /// Key frames that were asked for.
    pub pli_count: u64,
    /// Times that video stood still: a frame came after more than three times the usual interval, and more than 150 ms
    /// beyond it.
    pub freeze_count: u64,
    /// How long it stood still in all.
    pub total_freezes_duration: Duration,
    /// Times that the source began anew, or was away for long.
    pub restarts: u64,
    /// When the last packet came.
    pub last_packet_received: Option<Instant>,
}

/// What the sender's reports say, in the terms of the W3C's `remote-outbound-rtp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteStats {
    /// Reports about this stream that came.
    pub reports_received: u64,
    /// What the last of them says.
    pub info: SenderInfo,
    /// When that came.
    pub received: Instant,
}

/// Watches for video standing still, as the W3C's `freezeCount` has it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Freezes {
    last: Option<Instant>,
    /// The mean of the intervals between frames, over about 30 of them.
    interval: Duration,
    count: u32,
}

impl Freezes {
    pub(super) fn frame(&mut self, now: Instant, stats: &mut Stats) {
        const WINDOW: u32 = 30;
        let Some(last) = self.last.replace(now) else { return };
        let interval = now.saturating_duration_since(last);
        let limit = (self.interval * 3).max(self.interval + Duration::from_millis(150));
        if self.count > 0 && interval > limit {
            stats.freeze_count += 1;
            stats.total_freezes_duration += interval;
        }
        self.count = (self.count + 1).min(WINDOW);
        self.interval = (self.interval * (self.count - 1) + interval) / self.count;
    }
}
