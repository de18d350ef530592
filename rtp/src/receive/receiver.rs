mod deliver;
mod insert;

use super::assembly::Assembly;
use super::buffer::Buffer;
use super::frame::Timeline;
use super::framing::Framing;
use super::history::History;
use super::missing::{Missing, earlier};
use super::reception::Reception;
use super::request::Request;
use super::stats::Freezes;
use super::{Config, Frame, RemoteStats, Stats};
use crate::rtcp::{ReportBlock, SenderInfo};
use crate::{Header, NtpTime, SequenceNumber};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The round-trip time until it is known.
const INITIAL_RTT: Duration = Duration::from_millis(100);

/// Between two requests for the same packet lies at least this.
const MIN_RTT: Duration = Duration::from_millis(20);

/// More is not believed.
const MAX_RTT: Duration = Duration::from_secs(10);

/// What the sender is to be told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feedback<'a> {
    /// These packets are missing, in order and without repetition (generic NACK, RFC 4585, section 6.2.1). At most 256
    /// at once.
    Nack(&'a [SequenceNumber]),
    /// A key frame is needed: a picture loss indication (RFC 4585, section 6.3.1) or a full intra request (RFC 5104,
    /// section 4.3.1).
    KeyframeRequest,
}

/// The receiving side of one source.
///
/// - packets: [`handle_packet`](Self::handle_packet), [`handle_rtx`](Self::handle_rtx),
///   [`handle_recovered`](Self::handle_recovered), [`count_header_bytes`](Self::count_header_bytes)
/// - frames: [`read`](Self::read), [`request_keyframe`](Self::request_keyframe), [`capture_time`](Self::capture_time)
/// - time: [`handle_timeout`](Self::handle_timeout), [`poll_timeout`](Self::poll_timeout)
/// - what the sender is told: [`poll_feedback`](Self::poll_feedback), [`set_rtt`](Self::set_rtt)
/// - reports: [`handle_sender_report`](Self::handle_sender_report), [`report`](Self::report),
///   [`report_rtx`](Self::report_rtx), [`stats`](Self::stats), [`remote_stats`](Self::remote_stats)
#[derive(Debug)]
pub struct Receiver {
    config: Config,
    reception: Reception,
    /// The source of retransmissions.
    rtx: Option<Reception>,
    history: History,
    pub(super) buffer: Buffer,
    pub(super) missing: Missing,
    framing: Framing,
    assembly: Assembly,
    /// A packet far off the sequence, until the next one says whether it was right.
    suspect: Option<(Header, Instant, Vec<u8>)>,
    /// Nothing has left the buffer yet: what comes before the first packet has a place, too.
    is_fresh: bool,
    /// Nothing but a key frame can be handed out.
    needs_keyframe: bool,
    request: Request,
    rtt: Duration,
    pub(super) ready: VecDeque<Frame>,
    /// Bytes of the frames that wait to be read.
    pub(super) unread: usize,
    timeline: Timeline,
    /// Something was lost since the last frame that was handed out.
    has_lost: bool,
    /// The timestamp of the frame that was dropped last, so that each is counted once.
    dropped: Option<u32>,
    freezes: Freezes,
    stats: Stats,
}

impl Receiver {
    /// Nothing has come yet from this source.
    pub fn new(config: Config, ssrc: u32, now: Instant) -> Self {
        let config = config.checked();
        let framing = Framing::new(config.format);
        let reception = |ssrc, now| Reception::new(ssrc, config.clock_rate, config.max_packets, now);
        Self {
            reception: reception(ssrc, now),
            rtx: config.rtx.map(|ssrc| reception(ssrc, now)),
            history: History::default(),
            buffer: Buffer::new(config.max_bytes),
            missing: Missing::default(),
            assembly: Assembly::new(framing.is_packet_per_frame(), config.max_frame),
            framing,
            suspect: None,
            is_fresh: true,
            needs_keyframe: config.has_keyframes,
            request: Request::default(),
            rtt: INITIAL_RTT,
            ready: VecDeque::new(),
            unread: 0,
            timeline: Timeline::default(),
            has_lost: false,
            dropped: None,
            freezes: Freezes::default(),
            stats: Stats::default(),
            config,
        }
    }

    /// The source.
    pub const fn ssrc(&self) -> u32 {
        self.reception.ssrc()
    }

    /// The source of retransmissions.
    pub fn rtx_ssrc(&self) -> Option<u32> {
        self.rtx.as_ref().map(Reception::ssrc)
    }

    /// Retransmissions come from this source, as is now known.
    pub fn set_rtx_ssrc(&mut self, now: Instant, ssrc: u32) {
        if self.rtx_ssrc() != Some(ssrc) {
            self.config.rtx = Some(ssrc);
            self.rtx = Some(Reception::new(ssrc, self.config.clock_rate, self.config.max_packets, now));
        }
    }

    /// The source goes on in another format, or with other bounds. What waits to be read stays, what was not whole is
    /// dropped, and the numbers of packets go on. The sources stay what they are.
    pub fn set_config(&mut self, now: Instant, config: Config) {
        let config = Config { rtx: self.config.rtx, ..config }.checked();
        self.discard_before(now, self.buffer.end());
        self.buffer.set_max_bytes(config.max_bytes);
        self.missing.clear();
        self.framing = Framing::new(config.format);
        self.assembly = Assembly::new(self.framing.is_packet_per_frame(), config.max_frame);
        self.assembly.restart(self.buffer.first());
        if config.clock_rate != self.config.clock_rate {
            self.reception.set_clock_rate(config.clock_rate);
            self.timeline.restart();
        }
        self.config = config;
        self.request.satisfy();
        // Before the first packet there is nobody to ask.
        self.needs_keyframe = self.config.has_keyframes && !self.reception.is_heard();
        if self.reception.is_heard() {
            self.lose(now);
        }
    }

    /// The round-trip time as it was measured last: packets and key frames are asked for again after so long.
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt.clamp(MIN_RTT, MAX_RTT);
    }

    /// Does what is due: gives up packets that were waited for in vain.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and [`poll_feedback`](Self::poll_feedback) next. A moment
    /// that has passed stays until they have been called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let gives_up = self.missing.first().and_then(|(_, since)| since.checked_add(self.config.max_wait));
        earlier(earlier(gives_up, self.missing.due()), self.request_due())
    }

    /// What the sender is to be told now; to be called until it returns `None`.
    pub fn poll_feedback(&mut self, now: Instant) -> Option<Feedback<'_>> {
        self.advance(now);
        if self.has_room() && self.request.take(now, self.rtt) {
            self.stats.pli_count += 1;
            return Some(Feedback::KeyframeRequest);
        }
        let numbers = self.missing.take_due(now, self.rtt, self.config.max_nacks);
        if numbers.is_empty() {
            return None;
        }
        self.stats.nack_count += 1;
        self.stats.packets_nacked += numbers.len() as u64;
        Some(Feedback::Nack(numbers))
    }

    /// Asks for a key frame whether or not one is needed here, until one has come.
    pub fn request_keyframe(&mut self, now: Instant) {
        if self.config.has_keyframes {
            self.request.want(now);
        }
    }

    /// Whether nothing can be handed out before there is a key frame.
    pub const fn needs_keyframe(&self) -> bool {
        self.needs_keyframe
    }

    /// Whether a frame waits to be read.
    pub fn has_frame(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The next frame that is whole and in order.
    pub fn read(&mut self, now: Instant) -> Option<Frame> {
        self.advance(now);
        let frame = self.ready.pop_front()?;
        self.unread = self.unread.saturating_sub(frame.data.len());
        Some(frame)
    }

    /// Takes note of what the sender of this source, or of its retransmissions, reported.
    pub fn handle_sender_report(&mut self, now: Instant, ssrc: u32, info: &SenderInfo) {
        if ssrc == self.reception.ssrc() {
            self.reception.handle_sender_report(now, info);
        } else if let Some(rtx) = self.rtx.as_mut().filter(|rtx| rtx.ssrc() == ssrc) {
            rtx.handle_sender_report(now, info);
        }
    }

    /// What the next report says of this source. The fraction lost is that since the last call (RFC 3550, appendix A.3).
    pub fn report(&mut self, now: Instant) -> ReportBlock {
        self.reception.report(now)
    }

    /// The same of the source of retransmissions (RFC 4588, section 6.2), if it has been heard.
    pub fn report_rtx(&mut self, now: Instant) -> Option<ReportBlock> {
        self.rtx.as_mut().filter(|rtx| rtx.is_heard()).map(|rtx| rtx.report(now))
    }

    /// What the sender's clock said when this was sampled, going by its last report. `None` before there was one, or
    /// where it has no clock. Streams of one sender are played together by this.
    pub fn capture_time(&self, timestamp: u32) -> Option<NtpTime> {
        self.reception.capture_time(timestamp)
    }

    /// What has been received so far.
    pub fn stats(&self) -> Stats {
        Stats { packets_lost: self.reception.lost(), jitter: self.reception.jitter(), ..self.stats }
    }

    /// What the sender's reports say, once there was one.
    pub fn remote_stats(&self) -> Option<RemoteStats> {
        self.reception.remote_stats()
    }

    /// When to ask for a key frame; not while there is no room for it.
    fn request_due(&self) -> Option<Instant> {
        self.request.due(self.rtt).filter(|_| self.has_room())
    }

    /// Whether another frame may wait to be read.
    fn has_room(&self) -> bool {
        self.ready.len() < self.config.max_unread && self.unread < self.config.max_bytes
    }
}
