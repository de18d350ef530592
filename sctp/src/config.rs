use crate::serial::Tsn;
use std::time::Duration;

/// Which stream sends next where several have something to send (RFC 8260, section 3).
///
/// With interleaving, the choice is made for every chunk, so that a large message holds up no other stream. Without, it
/// is made when a message has been sent whole. Within a stream, messages leave in the order in which they were queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheduler {
    /// Messages leave in the order in which they were queued (section 3.1).
    FirstCome,
    /// Streams take turns, a chunk or message each (section 3.2).
    RoundRobin,
    /// The same, but streams only change with the packet (section 3.3): a lost packet holds up one stream.
    RoundRobinPerPacket,
    /// The stream with the highest [priority](crate::Association::set_priority) goes first; those of equal priority take
    /// turns (section 3.4).
    Priority,
    /// Every stream that has something to send gets the same share of bytes (section 3.5).
    Fair,
    /// Shares are proportional to the streams' [priorities](crate::Association::set_priority) (section 3.6).
    #[default]
    Weighted,
}

/// How the rate of sending follows what the path carries. Packets are paced with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Congestion {
    /// RFC 9260, section 7.2: halves its window with every loss and grows by a packet per round trip.
    NewReno,
    /// RFC 9438: as fair as NewReno where that is fast enough, and faster on long and fast paths. The default.
    #[default]
    Cubic,
    /// A model of the path's bandwidth and delay. Keeps queues short, and its rate on paths that lose at random; beside
    /// other connections it may take more than its share of a path with a shallow queue.
    Bbr,
}

/// Settings and bounds of an association. Every queue has its bound here.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our SCTP port. Default 5000, as WebRTC uses.
    pub local_port: u16,
    /// The peer's SCTP port. Default 5000.
    pub remote_port: u16,
    /// The largest packet to send, in bytes with the SCTP header; at least 128 are used. Default 1160: what fits a
    /// DTLS record in a datagram of 1200 bytes.
    pub max_packet: usize,
    /// How far packets may grow beyond `max_packet`, in the same bytes, where probes say that the path carries more
    /// (RFC 8899). Default 0: no probes, `max_packet` is the limit.
    pub max_probed_packet: usize,
    /// The largest message accepted from the peer, in bytes; a larger one aborts the association. Default 256 KiB.
    /// `usize::MAX` is no limit, which makes sense together with [`partial_delivery`](Self::partial_delivery).
    pub max_message: usize,
    /// Bytes that wait to be sent or to be acknowledged, a charge for each message and chunk included; on a long and
    /// fast path it grows, see [`max_send_buffer`](Self::max_send_buffer). Default 4 MiB.
    pub send_buffer: usize,
    /// What the send buffer grows to at most, in bytes: to two congestion windows, as one in flight should not leave it
    /// empty, but for no more than a gigabyte per second over the least round trip measured, so that it does not grow
    /// where acknowledgements come at once. No more than [`send_buffer`](Self::send_buffer) is no growth. Default
    /// 32 MiB, which is enough for a gigabit per second and 200 ms if the peer's window is too.
    pub max_send_buffer: usize,
    /// The window advertised at first; it grows to four times what is read in a round trip, and to
    /// [`receive_window`](Self::receive_window) at most. Default 4 MiB.
    pub first_receive_window: u32,
    /// The largest window advertised: bytes received but not read, a charge for each message included. Raised to hold
    /// [`max_message`](Self::max_message) where it would not, unless messages are read in parts. What is held stays
    /// below twice this and one message. Default 16 MiB, which is enough for a gigabit per second and 50 ms.
    pub receive_window: u32,
    /// Tell of messages before their end has come, so that they may be larger than the window. Whoever sets this reads
    /// with [`read_part`](crate::Association::read_part), as a message that does not fit the window is never whole.
    /// Default false.
    pub partial_delivery: bool,
    /// Offer to interleave messages (I-DATA, RFC 8260), so that a large one holds up no other. Default false, as it is for
    /// the application to ask for (section 2.2.1).
    pub interleaving: bool,
    /// Offer packets without checksum, and send such where the peer accepts them (RFC 9653). Only where DTLS protects
    /// the packets, as then it finds errors better than the checksum would. Default false.
    pub zero_checksum: bool,
    /// Which stream's turn it is. Default [`Scheduler::Weighted`].
    pub scheduler: Scheduler,
    /// Streams to send on, at most 65,535, which is the default: streams cost nothing until used.
    pub outbound_streams: u16,
    /// Streams to receive on. Default 65,535.
    pub inbound_streams: u16,
    /// The retransmission timeout before anything has been measured; see also
    /// [`set_rtt`](crate::Association::set_rtt). Default 1 s.
    pub rto_initial: Duration,
    /// The least retransmission timeout. RFC 9260 recommends 1 s; the default is 300 ms, which still exceeds the
    /// 200 ms that a peer may delay an acknowledgement by. Losses at the end of a burst are repaired sooner, by probes
    /// (RFC 8985, section 7).
    pub rto_min: Duration,
    /// The greatest retransmission timeout, back-off included. RFC 9260 recommends 60 s; the default is 10 s, as ICE
    /// tells a dead path within 30.
    pub rto_max: Duration,
    /// Congestion control. Default [`Congestion::Cubic`].
    pub congestion: Congestion,
    /// How long an acknowledgement may wait for company; at most 500 ms (RFC 9260, section 6.2). Default 20 ms.
    pub sack_delay: Duration,
    /// Timeouts in a row after which the peer counts as gone ('Association.Max.Retrans'). Default 10.
    pub max_retransmits: u32,
    /// Retransmissions of INIT and COOKIE ECHO before giving up ('Max.Init.Retransmits'). Default 8.
    pub max_init_retransmits: u32,
    /// How long an idle path waits for a heartbeat, the retransmission timeout not included. Default 30 s.
    pub heartbeat_interval: Duration,
    /// How long a state cookie is good for. Default 60 s.
    pub cookie_lifetime: Duration,
    /// Runs of chunks remembered beyond holes. A chunk that would begin another is dropped. Default 8192.
    pub max_gaps: usize,
    /// Control chunks and packets (answers to heartbeats, errors, INIT ACKs) that wait to be sent; more are dropped,
    /// as the peer asks again for what it needs. Default 16.
    pub max_control: usize,
    /// The first TSN to use; random if not given. For tests of the wrap.
    pub initial_tsn: Option<Tsn>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            local_port: 5000,
            remote_port: 5000,
            max_packet: 1160,
            max_probed_packet: 0,
            max_message: 256 << 10,
            send_buffer: 4 << 20,
            max_send_buffer: 32 << 20,
            first_receive_window: 4 << 20,
            receive_window: 16 << 20,
            partial_delivery: false,
            interleaving: false,
            zero_checksum: false,
            scheduler: Scheduler::default(),
            outbound_streams: u16::MAX,
            inbound_streams: u16::MAX,
            rto_initial: Duration::from_secs(1),
            rto_min: Duration::from_millis(300),
            rto_max: Duration::from_secs(10),
            congestion: Congestion::default(),
            sack_delay: Duration::from_millis(20),
            max_retransmits: 10,
            max_init_retransmits: 8,
            heartbeat_interval: Duration::from_secs(30),
            cookie_lifetime: Duration::from_secs(60),
            max_gaps: 8192,
            max_control: 16,
            initial_tsn: None,
        }
    }
}

/// Below this nothing fits beside the headers; above it a length would not fit its field.
const PACKET_SIZES: std::ops::RangeInclusive<usize> = 128..=65_532;

impl Config {
    /// The settings with impossible ones put right.
    pub(crate) fn sane(mut self) -> Self {
        self.max_packet = sane_packet(self.max_packet);
        self.max_probed_packet = sane_packet(self.max_probed_packet);
        self.outbound_streams = self.outbound_streams.max(1);
        self.inbound_streams = self.inbound_streams.max(1);
        self.max_gaps = self.max_gaps.max(1);
        self.max_control = self.max_control.max(1);
        self.sack_delay = self.sack_delay.min(Duration::from_millis(500));
        self
    }

    /// The largest size of the receive window in bytes.
    pub(crate) fn window(&self) -> usize {
        (self.receive_window as usize).max(self.least_window())
    }

    /// The size of the receive window at first.
    pub(crate) fn first_window(&self) -> usize {
        (self.first_receive_window.min(self.receive_window) as usize).max(self.least_window())
    }

    /// What holds a message.
    fn least_window(&self) -> usize {
        let whole = if self.partial_delivery { 0 } else { self.max_message };
        whole.saturating_add(64 << 10).min(u32::MAX as usize)
    }
}

/// A packet size that works.
pub(crate) fn sane_packet(size: usize) -> usize {
    size.clamp(*PACKET_SIZES.start(), *PACKET_SIZES.end()) & !3
}
