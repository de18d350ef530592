use crate::payload::Format;
use std::time::Duration;

/// Longer than any sensible setting; what is beyond it is taken for it, so that no moment overflows.
const LONGEST: Duration = Duration::from_secs(60);

/// How a stream is received. [`Config::new`] has the defaults for a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the payloads are.
    pub format: Format,
    /// Ticks of the stream's timestamps in a second.
    pub clock_rate: u32,
    /// Whether frames depend on those before them, but for key frames: what follows a loss is dropped until there is
    /// one. False for audio.
    pub has_keyframes: bool,
    /// The source that retransmissions come from, where they have one of their own (RFC 4588, section 5).
    pub rtx: Option<u32>,
    /// How long a missing packet may hold up those that follow it, from the first of them on.
    pub max_wait: Duration,
    /// The longest stretch of sequence numbers that is kept, from the first packet that waits to the last; 16 to
    /// 16,384.
    pub max_packets: usize,
    /// The most memory in bytes that waiting packets take, and the most that frames take which are not read yet.
    pub max_bytes: usize,
    /// The longest frame, in bytes of payload.
    pub max_frame: usize,
    /// The most frames that wait to be read.
    pub max_unread: usize,
    /// Whether missing packets are asked for.
    pub nack: bool,
    /// How often each is asked for.
    pub max_nacks: u32,
    /// How many may be missing at once; when it is more, nothing before the newest packet is waited for.
    pub max_missing: usize,
    /// How long a packet may be late before it is first asked for. Zero fits paths that keep the order.
    pub nack_delay: Duration,
}

impl Config {
    /// The defaults for streams of this format; `clock_rate` is in ticks per second.
    pub const fn new(format: Format, clock_rate: u32) -> Self {
        let video = Self {
            format,
            clock_rate,
            has_keyframes: true,
            rtx: None,
            max_wait: Duration::from_millis(500),
            max_packets: 2048,
            max_bytes: 4 << 20,
            max_frame: 2 << 20,
            max_unread: 256,
            nack: true,
            max_nacks: 10,
            max_missing: 1000,
            nack_delay: Duration::ZERO,
        };
        match format {
            Format::Vp8 | Format::Vp9 | Format::H264 | Format::H265 | Format::Av1 => video,
            Format::Opus | Format::Pcmu | Format::Pcma => Self {
                has_keyframes: false,
                max_wait: Duration::from_millis(200),
                max_packets: 512,
                max_bytes: 256 << 10,
                max_frame: 64 << 10,
                max_missing: 200,
                ..video
            },
        }
    }

    /// The same, with what makes no sense put right.
    pub(super) fn checked(mut self) -> Self {
        self.clock_rate = self.clock_rate.max(1);
        self.max_packets = self.max_packets.clamp(16, 1 << 14);
        self.max_unread = self.max_unread.max(1);
        self.max_wait = self.max_wait.min(LONGEST);
        self.nack_delay = self.nack_delay.min(LONGEST);
        self
    }
}
