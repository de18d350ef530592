//! The sending side of a stream: packets, retransmissions, padding, reports.
//!
//! A [`Sender`] is one source, and the RTX source beside it (RFC 4588). Frames are cut into packets as they are given
//! and wait for [`Sender::poll`]; a pacer looks at [`Sender::next_size`] first. What was sent is kept for a while, so
//! that it can be sent again when a NACK asks for it (RFC 4585, section 6.2.1). A [`Rewriter`] turns several incoming
//! streams, one at a time, into one that is unbroken.
//!
//! Left out on purpose: writing headers, extensions and RTCP packets, and when to do so; a sender says what is in them.
//!
//! ```
//! use rtp::payload::Format;
//! use rtp::send::{Config, Media, OutgoingFrame, Sender};
//! # use visavis_rtp as rtp;
//! # fn write_header(header: &rtp::Header, has_padding: bool, buf: &mut Vec<u8>) {}
//!
//! # fn run(now: std::time::Instant, seed: [u8; 32]) -> Result<(), rtp::send::SendError> {
//! let config = Config { format: Some(Format::Opus), ..Config::new(Media::Audio, 0x1234, 111, 48_000) };
//! let mut sender = Sender::new(config, now, seed);
//! sender.send_frame(now, &OutgoingFrame { data: b"a frame", timestamp: 960, ..OutgoingFrame::default() })?;
//! while let Some(packet) = sender.poll(now) {
//!     let mut datagram = Vec::new();
//!     write_header(&packet.header, packet.padding > 0, &mut datagram);
//!     packet.append_payload(&mut datagram);
//! }
//! # Ok(())
//! # }
//! ```

mod accept;
mod config;
mod error;
mod feedback;
mod history;
mod outgoing;
mod poll;
mod queue;
mod report;
mod request;
mod rewrite;
mod stats;
mod window;

pub use config::{Config, Media, Numbering, Priority, Rtx};
pub use error::{Limit, SendError};
pub use outgoing::{Kind, Outgoing, OutgoingFrame, OutgoingPacket};
pub use report::round_trip;
pub use rewrite::Rewriter;
pub use stats::{RemoteStats, Stats};

use crate::payload::{Format, Packetizer, Payloads};
use crate::{SequenceNumber, Unwrapper};
use history::History;
use queue::Queue;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use report::Reference;
use request::KeyFrameRequests;
use std::time::{Duration, Instant};
use window::Window;

/// What a sender tells its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The receiver cannot decode on: the next frame should be a key frame.
    KeyFrameRequested,
}

/// The sending side of one stream.
///
/// - **Give**: [`send_frame`](Self::send_frame), [`send_packet`](Self::send_packet), [`padding`](Self::padding).
/// - **Take**: [`poll`](Self::poll), [`next_size`](Self::next_size) and [`next_kind`](Self::next_kind) for a pacer,
///   [`poll_event`](Self::poll_event), [`sender_info`](Self::sender_info).
/// - **Feedback**: [`handle_nack`](Self::handle_nack), [`handle_report`](Self::handle_report),
///   [`handle_key_frame_request`](Self::handle_key_frame_request).
/// - **Time**: [`handle_timeout`](Self::handle_timeout), [`poll_timeout`](Self::poll_timeout); only requests for key
///   frames have a timer.
#[derive(Debug)]
pub struct Sender {
    config: Config,
    packetizer: Option<Packetizer>,
    /// The payloads of the frame that is being cut.
    payloads: Payloads,
    timestamp_offset: u32,
    /// The next number of our own.
    next_sequence: SequenceNumber,
    next_rtx_sequence: SequenceNumber,
    /// Counts on where sequence numbers wrap.
    numbers: Unwrapper,
    /// The numbers that packets came with, as none may go out twice.
    used: Window,
    /// The number of the first packet sent, and the highest sent, counted on.
    first: Option<SequenceNumber>,
    highest: Option<u64>,
    queue: Queue,
    history: History,
    /// Bytes of padding that are to be sent yet, and the packet that was repeated for it last.
    padding_left: usize,
    repeated: Option<u64>,
    /// When the last packet was sent, and its timestamp.
    last: Option<(Instant, u32)>,
    reference: Option<Reference>,
    /// Packets and bytes of payload sent on the stream itself, for reports; they wrap.
    packets: u32,
    octets: u32,
    rtt: Option<Duration>,
    requests: KeyFrameRequests,
    /// Whether the frame that is being sent is a key frame, and whether more of it is to come.
    is_key_frame: bool,
    is_amid_frame: bool,
    /// The timestamp of the last key frame, and when the last of it was sent.
    key_frame: Option<(u32, Instant)>,
    stats: Stats,
    remote: RemoteStats,
}

/// The round-trip time before anything was measured, and the longest that holds retransmissions back: a receiver
/// that reports nonsense shall not go without.
const INITIAL_RTT: Duration = Duration::from_millis(100);
const MAX_RTT: Duration = Duration::from_secs(1);

impl Sender {
    /// A sender of a stream. `seed` decides what is random: first sequence numbers, the offset of timestamps, counters
    /// of the payload format.
    pub fn new(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        let _ = now;
        let config = config.sane();
        let mut rng = StdRng::from_seed(seed);
        // From the lower half of the circle: with SRTP, a wrap among the first packets, some of which are lost, would
        // leave the receiver in doubt about its roll-over counter (RFC 3711, section 3.3.1).
        let mut first = || SequenceNumber(rng.random::<u16>() >> 1);
        let (sequence, rtx_sequence) = (first(), first());
        let (offset, format_seed) = (rng.random(), rng.random());
        Self {
            packetizer: config.format.map(|format| Packetizer::new(format, format_seed)),
            payloads: Payloads::default(),
            timestamp_offset: config.timestamp_offset.unwrap_or(offset),
            next_sequence: config.first_sequence.unwrap_or(sequence),
            next_rtx_sequence: rtx_sequence,
            numbers: Unwrapper::default(),
            used: Window::default(),
            first: None,
            highest: None,
            queue: Queue::default(),
            history: History::default(),
            padding_left: 0,
            repeated: None,
            last: None,
            reference: None,
            packets: 0,
            octets: 0,
            rtt: None,
            requests: KeyFrameRequests::default(),
            is_key_frame: false,
            is_amid_frame: false,
            key_frame: None,
            stats: Stats { active: true, ..Stats::default() },
            remote: RemoteStats::default(),
            config,
        }
    }

    /// The settings, impossible ones put right.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether it is audio, which a pacer lets go first.
    pub fn is_audio(&self) -> bool {
        self.config.media == Media::Audio
    }

    /// Whether the stream is not paused.
    pub const fn is_active(&self) -> bool {
        self.stats.active
    }

    /// Pauses the stream, or goes on with it. A paused stream forgets what waits and what was sent, takes nothing and
    /// sends nothing. Sequence numbers go on without a hole; those of [`Numbering::Kept`] do if the caller's do. Video
    /// should go on with a key frame.
    pub fn set_active(&mut self, now: Instant, is_active: bool) {
        let _ = now;
        self.stats.active = is_active;
        if !is_active {
            self.stats.dropped += self.queue.len() as u64;
            self.queue = Queue::default();
            self.history.clear();
            self.padding_left = 0;
            self.repeated = None;
            (self.is_key_frame, self.is_amid_frame) = (false, false);
            self.key_frame = None;
            self.requests.answer();
        }
    }

    /// Changes how frames are cut and what their packets are called, as a negotiation may. What waits is sent as it is;
    /// sequence numbers and the offset of timestamps stay.
    pub fn set_format(&mut self, format: Option<Format>, payload_type: u8, clock_rate: u32) {
        let seed = u32::from(self.next_sequence.0);
        self.packetizer = format.map(|format| Packetizer::new(format, seed));
        self.reference = self.reference.filter(|_| clock_rate == self.config.clock_rate);
        self.config = Config { format, payload_type, clock_rate, ..self.config.clone() }.sane();
        // Another payload type has another one for its retransmissions.
        self.history.forget_wanted();
    }

    /// Changes where retransmissions go. The RTX stream's sequence numbers go on.
    pub fn set_rtx(&mut self, rtx: Option<Rtx>) {
        self.config = Config { rtx, ..self.config.clone() }.sane();
        self.history.forget_wanted();
        self.padding_left = 0;
    }

    /// Changes the size of packets from now on; see [`Config::max_payload`] and [`Config::header_size`].
    pub fn set_sizes(&mut self, max_payload: usize, header_size: usize) {
        self.config = Config { max_payload, header_size, ..self.config.clone() }.sane();
    }

    /// Changes whose sequence numbers are used. What waits keeps its place, and no number is left out: the first packet
    /// that brings its own is expected to bring [`next_number`](Self::next_number), and none may bring one from before.
    pub fn set_numbering(&mut self, numbering: Numbering) {
        if self.config.numbering == numbering {
            return;
        }
        self.config.numbering = numbering;
        match numbering {
            Numbering::Continuous => self.next_sequence = self.next_number(),
            Numbering::Kept => {
                for waiting in self.queue.iter_mut().filter(|waiting| waiting.number.is_none()) {
                    waiting.number = Some(self.numbers.unwrap(self.next_sequence));
                    self.next_sequence = self.next_sequence.next();
                }
                if let Some(highest) = self.numbers.highest() {
                    self.used.fill(highest);
                }
            }
        }
    }

    /// The number after the highest that was sent, or waits and brought its own.
    pub fn next_number(&self) -> SequenceNumber {
        // The low bits are the number on the wire.
        self.numbers.highest().map_or(self.next_sequence, |highest| SequenceNumber(highest as u16).next())
    }

    /// What is added to the timestamps of frames, and to those of packets under [`Numbering::Continuous`].
    pub const fn timestamp_offset(&self) -> u32 {
        self.timestamp_offset
    }

    /// Changes how much the stream matters.
    pub const fn set_priority(&mut self, priority: Priority) {
        self.config.priority = priority;
    }

    /// Tells the round-trip time: a packet is sent again at most once in it. 100 ms until told; above a second, a
    /// second is used.
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = Some(rtt.min(MAX_RTT));
    }

    /// Notes what the encoder is asked to keep to, in bits per second, for the statistics.
    pub const fn set_target_bitrate(&mut self, bitrate: Option<u64>) {
        self.stats.target_bitrate = bitrate;
    }

    /// When the last packet was handed out, of whatever kind: reports about a stream that is silent are of no use
    /// (RFC 3550, section 6.4).
    pub fn last_sent(&self) -> Option<Instant> {
        self.last.map(|(at, _)| at)
    }

    /// Counters in the terms of `outbound-rtp`.
    pub fn stats(&self) -> Stats {
        Stats {
            queued_packets: self.queue.len(),
            queued_bytes: self.queue.bytes(),
            history_packets: self.history.len(),
            history_bytes: self.history.bytes(),
            retransmission_packets: self.history.wanted(),
            retransmission_bytes: self.history.wanted_bytes(),
            ..self.stats.clone()
        }
    }

    /// What the receiver reported, in the terms of `remote-inbound-rtp`.
    pub const fn remote_stats(&self) -> &RemoteStats {
        &self.remote
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.requests.poll().then_some(Event::KeyFrameRequested)
    }
}
