//! The state machine. Files follow the procedures of RFC 9260.

mod cookie;
mod data;
mod handshake;
mod heartbeat;
mod messages;
mod opening;
mod path;
mod path_mtu;
mod phase;
mod receive;
mod reset;
mod shutdown;
mod timers;
mod transmit;

pub use path::Path;
pub use phase::State;

use crate::config::{Config, sane_packet};
use crate::event::{Closed, Event};
use crate::message::{Message, SendError, SendOptions};
use crate::outbound::{ByStream, Outbound, Unacknowledged};
use crate::packet::{Cause, Causes, Chunk, Header, code};
use crate::serial::Tsn;
use crate::stats::Stats;
use cookie::CookieJar;
use messages::Piece;
use path_mtu::PathMtu;
use phase::{Phase, Stage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reset::Resets;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use timers::{Timer, Timers};

/// One SCTP association without I/O.
///
/// - Input: [`handle_datagram`](Self::handle_datagram), [`handle_timeout`](Self::handle_timeout). Both take anything at
///   any time.
/// - Output, to be polled after any input or command until it returns nothing: [`poll_transmit`](Self::poll_transmit),
///   [`poll_event`](Self::poll_event), [`poll_timeout`](Self::poll_timeout).
/// - Commands: [`connect`](Self::connect), [`send`](Self::send), [`read`](Self::read),
///   [`reset_streams`](Self::reset_streams), [`set_path`](Self::set_path), [`hold_data`](Self::hold_data),
///   [`shutdown`](Self::shutdown), [`abort`](Self::abort).
pub struct Association {
    config: Config,
    rng: StdRng,
    jar: CookieJar,
    phase: Phase,
    local_tag: u32,
    initial_tsn: Tsn,
    outbound: Outbound,
    resets: Resets,
    timers: Timers,
    heartbeat: heartbeat::Heartbeat,
    path_mtu: PathMtu,
    /// Whole packets that belong to no association, or not to this state of it.
    replies: VecDeque<Reply>,
    /// Encoded chunks for the next packet.
    control: VecDeque<Vec<u8>>,
    cookie_ack_due: bool,
    /// SHUTDOWN or SHUTDOWN ACK, as the stage says, is to be sent.
    shutdown_due: bool,
    /// `shutdown` was called before the association was open.
    closing: bool,
    /// Timeouts in a row (RFC 9260, section 8.1).
    errors: u32,
    /// The layer beneath says that nothing gets through.
    is_path_lost: bool,
    /// See [`hold_data`](Self::hold_data).
    is_held: bool,
    events: VecDeque<Event>,
    /// What the end of the association, or its restart, has cost.
    lost: ByStream,
    stats: Stats,
    /// Room for the lists of a SACK, kept to save allocations.
    scratch: (Vec<u8>, Vec<u8>),
}

/// A packet of its own: its tag and its chunks.
struct Reply {
    tag: u32,
    chunks: Vec<u8>,
}

impl Association {
    /// An association that waits for the peer; see [`connect`](Self::connect). All randomness comes from `seed`, which
    /// must be unpredictable and used once.
    pub fn new(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        let config = config.sane();
        let mut rng = StdRng::from_seed(seed);
        let initial_tsn = config.initial_tsn.unwrap_or_else(|| Tsn(rng.random()));
        Self {
            jar: CookieJar::new(rng.random(), now, config.cookie_lifetime),
            phase: Phase::Idle,
            local_tag: random_tag(&mut rng),
            initial_tsn,
            outbound: Outbound::new(&config, initial_tsn),
            resets: Resets::new(initial_tsn),
            timers: Timers::default(),
            heartbeat: heartbeat::Heartbeat::default(),
            path_mtu: PathMtu::new(config.max_packet, config.max_probed_packet),
            replies: VecDeque::new(),
            control: VecDeque::new(),
            cookie_ack_due: false,
            shutdown_due: false,
            closing: false,
            errors: 0,
            is_path_lost: false,
            is_held: false,
            events: VecDeque::new(),
            lost: ByStream::new(),
            stats: Stats::default(),
            scratch: (Vec::new(), Vec::new()),
            config,
            rng,
        }
    }

    /// Queues a message. It may be sent before the association is open, and leaves when it is.
    ///
    /// A message larger than the whole send buffer is taken when the buffer is empty. What is queued before the
    /// association is open for a stream that the peer turns out not to have is dropped and counted as abandoned.
    pub fn send(&mut self, now: Instant, stream: u16, message: Message, options: SendOptions) -> Result<(), SendError> {
        self.accept(now, stream, message, options, Piece::Whole, None)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::IncomingReset(stream) = &event
            && let Some(peer) = self.phase.peer_mut()
        {
            peer.inbound.reset_told(*stream);
        }
        Some(event)
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Does what is due by `now`. Early and repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        for timer in Timer::ALL {
            if self.timers.take_due(timer, now) {
                tracing::trace!(?timer, "timer");
                match timer {
                    Timer::Init => self.on_init_timeout(now),
                    Timer::Shutdown => self.on_shutdown_timeout(now),
                    Timer::Guard => {
                        self.send_abort(code::USER_INITIATED_ABORT, "the shutdown took too long");
                        self.close(now, Closed::TimedOut);
                    }
                    Timer::Retransmit => self.on_retransmit_timeout(now),
                    Timer::Reorder => self.on_reorder_timeout(now),
                    Timer::Probe => self.on_probe_timeout(now),
                    // What was held back is polled for.
                    Timer::Pace => {}
                    Timer::Sack => self.on_sack_timeout(),
                    Timer::Heartbeat => self.on_heartbeat_timeout(now),
                    Timer::Reconfig => self.on_reconfig_timeout(now),
                    Timer::PathMtu => self.on_path_mtu_timeout(),
                }
            }
        }
        self.settle(now);
    }

    /// Bytes that `send` takes now, at least; the charge for a message is subtracted already.
    pub fn send_capacity(&self) -> usize {
        self.outbound.capacity()
    }

    /// What was accepted for a stream and the peer has not acknowledged, also after the end. Messages count whose payload
    /// protocol identifier `counts` says so. This looks at everything that is in flight: it is for an end, not for a
    /// packet.
    pub fn unacknowledged(&self, stream: u16, counts: impl Fn(u32) -> bool) -> Unacknowledged {
        let live = self.outbound.unacknowledged();
        let of_stream = |all: &ByStream| {
            let those = all.range((stream, 0)..=(stream, u32::MAX)).filter(|((_, ppid), _)| counts(*ppid));
            those.fold(Unacknowledged::default(), |sum, (_, each)| Unacknowledged {
                messages: sum.messages.saturating_add(each.messages),
                bytes: sum.bytes.saturating_add(each.bytes),
            })
        };
        let (live, lost) = (of_stream(&live), of_stream(&self.lost));
        Unacknowledged { messages: live.messages + lost.messages, bytes: live.bytes + lost.bytes }
    }

    /// Whoever asked [`unacknowledged`](Self::unacknowledged) after a restart knows what that cost.
    pub fn forget_lost(&mut self) {
        self.lost.clear();
    }

    /// Payload bytes of a stream that wait to be sent for the first time.
    pub fn buffered_amount(&self, stream: u16) -> usize {
        self.outbound.buffered(stream)
    }

    /// Asks for [`Event::BufferedAmountLow`] whenever the buffered amount of the stream falls to `threshold` bytes or
    /// less from above. Without this call the threshold is 0.
    pub fn set_buffered_amount_low_threshold(&mut self, stream: u16, threshold: usize) {
        self.outbound.set_low_threshold(stream, threshold);
    }

    /// Tells the port that the peer uses, where it was not known when the association was made (`a=sctp-port` of its
    /// description, RFC 8841, section 5). Of no effect once packets were exchanged.
    pub fn set_remote_port(&mut self, port: u16) {
        if matches!(self.phase, Phase::Idle) {
            self.config.remote_port = port;
        }
    }

    /// Every path carries SCTP packets of this many bytes from now on; see [`Config::max_packet`]. Chunks that were cut
    /// for larger ones go alone, oversized, when they have to be sent again. What the search for larger ones found
    /// counts no more.
    pub fn set_max_packet(&mut self, max_packet: usize) {
        self.config.max_packet = sane_packet(max_packet);
        self.outbound.set_max_packet(self.config.max_packet);
        self.path_mtu = PathMtu::new(self.config.max_packet, self.config.max_probed_packet);
        self.timers.stop(Timer::PathMtu);
    }

    /// Probes of the path go up to this size from now on; see [`Config::max_probed_packet`]. For what is only known of the
    /// peer once there is a connection beneath; what was found before counts no more.
    pub fn set_max_probed_packet(&mut self, max_probed_packet: usize) {
        self.config.max_probed_packet = sane_packet(max_probed_packet);
        self.search_path_mtu();
    }

    /// How large packets are now at most, in bytes; a larger one is a probe of the path.
    pub fn packet_size(&self) -> usize {
        self.path_mtu.packet(self.outbound.paced_packet())
    }

    /// What another layer measured as the round-trip time of this path, to be told before [`connect`](Self::connect);
    /// see [`set_path`](Self::set_path) for later.
    /// It times the handshake, so that a lost packet costs a few round trips, not seconds.
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.outbound.rto.hint(rtt);
    }

    /// The state of RFC 9260, section 4.
    pub const fn state(&self) -> State {
        self.phase.state()
    }

    /// Whether the association is over: nothing will happen any more but reading.
    pub const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// Counters and measurements.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        self.outbound.fill_stats(&mut stats);
        stats.packet_size = self.packet_size();
        stats.receive_buffer_used = self.phase.peer().map_or(0, |peer| peer.inbound.used());
        stats
    }

    /// Ends the association at once. What is queued is lost; the peer is told `reason`.
    pub fn abort(&mut self, now: Instant, reason: &str) {
        if self.is_closed() {
            return;
        }
        self.send_abort(code::USER_INITIATED_ABORT, reason);
        self.close(now, Closed::Aborted);
    }

    /// The peer broke the rules: tell it, and end.
    fn violate(&mut self, now: Instant, code: u16, what: &'static str) {
        tracing::debug!(what, "the peer broke the protocol");
        self.send_abort(code, what);
        self.close(now, Closed::ProtocolViolation(what));
    }

    fn send_abort(&mut self, code: u16, reason: &str) {
        let Some(tag) = self.phase.peer().map(|peer| peer.tag) else { return };
        // What does not fit a packet is cut.
        let room = self.config.max_packet.saturating_sub(24);
        let mut causes = Vec::new();
        Cause { code, value: reason.as_bytes().get(..room).unwrap_or(reason.as_bytes()) }.encode(&mut causes);
        // Nothing else is worth sending now.
        self.replies.clear();
        self.reply(tag, &Chunk::Abort { reflected: false, causes: Causes::new(&causes) });
    }

    /// Queues a packet of its own, unless too many wait.
    fn reply(&mut self, tag: u32, chunk: &Chunk<'_>) {
        if self.replies.len() < self.config.max_control {
            let mut chunks = Vec::new();
            chunk.encode(&mut chunks);
            self.replies.push_back(Reply { tag, chunks });
        }
    }

    /// Queues a chunk for the next packet, unless too many wait or it is too large for any.
    fn control(&mut self, chunk: &Chunk<'_>) {
        let mut bytes = Vec::new();
        chunk.encode(&mut bytes);
        let room = self.config.max_packet.saturating_sub(crate::packet::HEADER_LENGTH);
        if self.control.len() < self.config.max_control && bytes.len() <= room {
            self.control.push_back(bytes);
        }
    }

    /// The end, for whatever reason. What has arrived stays readable.
    fn close(&mut self, now: Instant, why: Closed) {
        if self.is_closed() {
            return;
        }
        if let Some(peer) = self.phase.peer_mut() {
            peer.inbound.end();
        }
        self.settle(now);
        // By then everything is delivered both ways; only the peer's last word is missing.
        let is_done = self.phase.stage() == Some(Stage::ShutdownAckSent) && why != Closed::Aborted;
        let why = if is_done { Closed::Shutdown } else { why };
        tracing::debug!(?why, "closed");
        let peer = self.phase.take_peer();
        self.phase = Phase::Ended(peer);
        self.timers.stop_all();
        self.control.clear();
        (self.cookie_ack_due, self.shutdown_due) = (false, false);
        self.lost = self.outbound.unacknowledged();
        self.outbound = Outbound::new(&self.config, self.initial_tsn);
        self.resets = Resets::new(self.initial_tsn);
        self.events.push_back(Event::Closed(why));
    }

    /// A timeout in a row of them; too many end the association (section 8.1). On a path that is known to be lost they
    /// say nothing about the peer.
    fn count_error(&mut self, now: Instant) {
        if self.is_path_lost {
            return;
        }
        self.errors = self.errors.saturating_add(1);
        if self.errors > self.config.max_retransmits {
            self.close(now, Closed::TimedOut);
        }
    }

    /// After any input: collects events, starts what has become possible.
    fn settle(&mut self, now: Instant) {
        // Mostly there are none, and appending them costs more than asking.
        if !self.outbound.events.is_empty() {
            self.events.append(&mut self.outbound.events);
        }
        if let Some(peer) = self.phase.peer_mut()
            && !peer.inbound.events.is_empty()
        {
            self.events.append(&mut peer.inbound.events);
        }
        if matches!(self.phase, Phase::Open(..)) {
            self.advance_shutdown(now);
            if self.outbound.waits_for_window() && !self.timers.is_running(Timer::Retransmit) {
                // The first window probe leaves one timeout after the window was found closed (section 6.1).
                self.timers.start(Timer::Retransmit, Some(now + self.outbound.timeout()));
            }
        }
    }

    const fn header(&self, tag: u32) -> Header {
        Header { source_port: self.config.local_port, destination_port: self.config.remote_port, verification_tag: tag }
    }
}

/// A verification tag: any number but 0 (section 5.3.1).
fn random_tag(rng: &mut StdRng) -> u32 {
    rng.random_range(1..=u32::MAX)
}

impl std::fmt::Debug for Association {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets and queues stay out of logs.
        f.debug_struct("Association").field("state", &self.state()).finish_non_exhaustive()
    }
}
