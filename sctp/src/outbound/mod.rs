//! What is sent: messages queued by stream, chunks outstanding, and the windows that let them go.

mod abandon;
mod congestion;
mod fill;
mod flights;
mod pacer;
mod pieces;
mod queue;
mod rack;
mod receipts;
mod recovery;
mod ring;
mod rto;
mod runs;
mod turns;
mod unacknowledged;

pub(crate) use unacknowledged::ByStream;
pub use unacknowledged::Unacknowledged;

use crate::config::Congestion;
use crate::event::Event;
use crate::message::{Message, Reliability, SendOptions};
use crate::packet::HEADER_LENGTH;
use crate::serial::Tsn;
use crate::stats::Stats;
use congestion::{Control, controller};
use fill::overhead;
use pacer::{Allowed, Pacer};
use queue::{OVERHEAD, Queue, Receipt, Taken};
use receipts::Receipts;
use recovery::Recovery;
pub(crate) use ring::Refused;
use ring::{Limit, Ring};
use rto::Rto;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Larger packets than leave in this time would keep others waiting, media and acknowledgements among them.
const PACKET_TIME: Duration = Duration::from_millis(2);

/// What to do with the retransmission timer T3-rtx.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Nothing is left to watch over.
    Stop,
    /// Start over.
    Restart,
    /// Start it if it is not running.
    Keep,
}

/// A stream whose messages are numbered anew from a TSN on.
#[derive(Clone, Copy, Debug)]
struct Renumbered {
    first: Tsn,
    /// The peer has said that it has reset the stream.
    is_known: bool,
}

/// What happened while a packet was filled with data.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filled {
    /// There is at least one DATA chunk in the packet.
    pub(crate) any: bool,
    /// The earliest outstanding chunk was sent again: the timer starts over.
    pub(crate) earliest: bool,
}

/// The fastest path that the send buffer grows for takes this long for a byte.
const NANOS_PER_BYTE: u128 = 1;

/// The whole sending side.
#[derive(Debug)]
pub(crate) struct Outbound {
    queue: Queue,
    ring: Ring,
    receipts: Receipts,
    /// Messages go out as I-DATA (RFC 8260).
    interleaving: bool,
    congestion: Box<dyn Control>,
    /// Which one, and a seed for it.
    kind: (Congestion, u32),
    /// Its window.
    window: usize,
    pacer: Pacer,
    /// At this instant packets need not be paced.
    unpaced: Option<Instant>,
    /// When data was sent last.
    last_sent: Option<Instant>,
    recovery: Recovery,
    pub(crate) rto: Rto,
    /// Bytes of the send buffer, and what it grows to at most; see [`Config::send_buffer`](crate::Config::send_buffer).
    buffer: usize,
    max_buffer: usize,
    /// What chunks in the ring are charged.
    held: usize,
    /// A message of this size was refused; the next room for it is worth an event.
    refused: Option<usize>,
    /// A part of an open message was, too.
    refused_part: bool,
    /// The window in the last SACK.
    a_rwnd: usize,
    /// The most that DATA chunks can take in one packet.
    packet: usize,
    /// See [`paced_packet`](Self::paced_packet).
    paced_packet: usize,
    /// The peer understands FORWARD TSN.
    pub(crate) partial_reliability: bool,
    /// A chunk may be sent into a closed window (section 6.1, rule A).
    probe: bool,
    /// A SACK came since the timer last fired.
    heard: bool,
    /// FORWARD TSN is to be sent; and when it last was, for which point.
    forward_due: bool,
    forwarded: Option<(Tsn, Instant)>,
    /// Streams that were reset while something was not acknowledged, or are about to be.
    renumbered: BTreeMap<u16, Renumbered>,
    pub(crate) events: VecDeque<Event>,
}

impl Outbound {
    pub(crate) fn new(config: &crate::Config, initial_tsn: Tsn) -> Self {
        let packet = data_room(config.max_packet);
        let congestion = controller(config.congestion, packet, initial_tsn.0);
        Self {
            queue: Queue::new(config.scheduler, packet.saturating_sub(overhead(false))),
            ring: Ring::new(initial_tsn),
            receipts: Receipts::default(),
            interleaving: false,
            window: congestion.window(),
            congestion,
            kind: (config.congestion, initial_tsn.0),
            pacer: Pacer::default(),
            unpaced: None,
            last_sent: None,
            recovery: Recovery::new(),
            rto: Rto::new(config.rto_initial, config.rto_min, config.rto_max),
            buffer: config.send_buffer,
            max_buffer: config.max_send_buffer,
            held: 0,
            refused: None,
            refused_part: false,
            a_rwnd: 0,
            packet,
            paced_packet: 0,
            partial_reliability: false,
            probe: false,
            heard: false,
            forward_due: false,
            forwarded: None,
            renumbered: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    pub(crate) fn set_max_packet(&mut self, max_packet: usize) {
        self.packet = data_room(max_packet);
        self.congestion.set_packet(self.packet);
        self.window = self.congestion.window();
        self.queue.set_full(self.packet.saturating_sub(overhead(self.interleaving)));
    }

    /// The largest packet that leaves within [`PACKET_TIME`] at the current pace.
    pub(crate) const fn paced_packet(&self) -> usize {
        self.paced_packet
    }

    /// The path carries packets of this size now. Fragments stay as they are, and it has more of them in each.
    pub(crate) fn set_packet(&mut self, size: usize) {
        let packet = data_room(size);
        if packet != self.packet {
            self.packet = packet;
            self.congestion.set_packet(packet);
            self.window = self.congestion.window();
        }
    }

    pub(crate) const fn set_peer_window(&mut self, a_rwnd: u32) {
        self.a_rwnd = a_rwnd as usize;
    }

    pub(crate) fn next_tsn(&self) -> Tsn {
        self.ring.next_tsn()
    }

    /// Whether all that was accepted has been acknowledged.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.ring.is_empty()
    }

    fn used(&self) -> usize {
        self.queue.charged().saturating_add(self.held)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.grown_buffer().saturating_sub(self.used()).saturating_sub(OVERHEAD)
    }

    /// The size of the send buffer for the path as it is known.
    fn grown_buffer(&self) -> usize {
        let min_rtt = self.recovery.min_rtt().unwrap_or_default();
        let fastest = usize::try_from(min_rtt.as_nanos() / NANOS_PER_BYTE).unwrap_or(usize::MAX);
        self.window.min(fastest).saturating_mul(2).min(self.max_buffer).max(self.buffer)
    }

    pub(crate) fn buffered(&self, stream: u16) -> usize {
        self.queue.buffered(stream)
    }

    pub(crate) fn set_low_threshold(&mut self, stream: u16, threshold: usize) {
        self.queue.set_low_threshold(stream, threshold);
    }

    pub(crate) fn is_resetting(&self, stream: u16) -> bool {
        self.queue.is_resetting(stream)
    }

    pub(crate) fn begin_reset(&mut self, stream: u16) {
        self.queue.begin_reset(stream);
    }

    /// The peer is being asked to reset a stream, all of which has been sent.
    pub(crate) fn ask_for_reset(&mut self, stream: u16) {
        self.renumbered.insert(stream, Renumbered { first: self.ring.next_tsn(), is_known: false });
    }

    pub(crate) fn end_reset(&mut self, stream: u16, done: bool) {
        match self.renumbered.get_mut(&stream) {
            Some(renumbered) if done => renumbered.is_known = true,
            _ => _ = self.renumbered.remove(&stream),
        }
        self.queue.end_reset(stream, done);
    }

    /// Streams that have sent something since they began, or wait to.
    pub(crate) fn used_streams(&self) -> Vec<u16> {
        self.queue.used_streams()
    }

    pub(crate) fn has_been_used(&self, stream: u16) -> bool {
        self.queue.has_been_used(stream)
    }

    pub(crate) fn has_queued(&self, stream: u16) -> bool {
        self.queue.has_queued(stream)
    }

    /// Whether a message of this size is taken now, or a part that `continues` an open one. One that is larger than the
    /// whole buffer is taken when the buffer is empty: its bytes exist already, and refusing it for ever would help
    /// nobody.
    pub(crate) fn has_room(&mut self, length: usize, continues: bool) -> bool {
        let room = length <= self.capacity() || self.used() == 0 || (continues && self.waits_for_part());
        if !room {
            self.refused = Some(self.refused.map_or(length, |before| before.min(length)));
            self.refused_part |= continues;
        }
        room
    }

    /// Whether nothing leaves the buffer before an open message goes on: it keeps back what may be its last packet, and
    /// others may wait behind it.
    fn waits_for_part(&self) -> bool {
        self.ring.is_empty() && !self.queue.is_ready()
    }

    /// Whether a message was refused for lack of room since there last was some.
    pub(crate) const fn waits_for_room(&self) -> bool {
        self.refused.is_some()
    }

    /// The peer has fewer streams than we hoped for: what was queued on the others cannot be sent.
    pub(crate) fn drop_streams_from(&mut self, limit: u16, stats: &mut Stats) {
        // A message that has begun was begun for a peer that had its stream.
        if !self.queue.has_begun() {
            stats.messages_abandoned += self.queue.drop_streams_from(limit);
        }
        self.tell_writable();
    }

    /// Queues a message, or its first part if it is `open`.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        stream: u16,
        message: Message,
        options: SendOptions,
        open: bool,
        receipt: Receipt,
    ) {
        let limit = match options.reliability {
            Reliability::Reliable => Limit::default(),
            Reliability::MaxRetransmits(max) => Limit { max_retransmits: Some(max), deadline: None },
            // A deadline beyond the clock's end is none.
            Reliability::MaxLifetime(lifetime) => Limit { max_retransmits: None, deadline: now.checked_add(lifetime) },
        };
        self.queue.push(stream, message, options.unordered, limit, open, receipt);
    }

    /// COOKIE ECHO was lost, and with it the data it carried, without a word about congestion.
    pub(crate) fn cookie_echo_lost(&mut self) {
        self.ring.mark_all_lost();
    }

    fn tell_low(&mut self, taken: Taken) {
        if taken.low {
            self.events.push_back(Event::BufferedAmountLow(taken.stream));
        }
    }

    fn tell_writable(&mut self) {
        if let Some(length) = self.refused
            && (length.max(self.buffer / 4) <= self.capacity()
                || self.used() == 0
                || (self.refused_part && self.waits_for_part()))
        {
            (self.refused, self.refused_part) = (None, false);
            self.events.push_back(Event::Writable);
        }
    }

    /// Whether the congestion window, the pace and what is queued let a packet with data go now.
    pub(crate) fn wants_to_send(&mut self, now: Instant) -> bool {
        let has_lost = self.ring.has_lost();
        if has_lost && self.recovery.first_is_free() {
            return true;
        }
        let may_send_new = self.may_send_new();
        if !has_lost && !may_send_new {
            if self.has_window() {
                // Neither the window nor the pace holds anything back.
                self.ring.app_limited();
            }
            return false;
        }
        self.may_send(now)
    }

    /// Whether the windows let a packet with data go, whatever the pace.
    pub(crate) fn has_data_to_send(&self) -> bool {
        self.has_window() && (self.ring.has_lost() || self.may_send_new())
    }

    /// Whether the congestion window lets more be in flight.
    fn has_window(&self) -> bool {
        let flight = self.ring.flight_wire();
        if self.recovery.has_allowance() && self.ring.has_lost() {
            return true;
        }
        if self.recovery.has_timed_out() { flight == 0 } else { flight < self.window }
    }

    fn may_send(&mut self, now: Instant) -> bool {
        if self.recovery.is_probe_due() {
            return true;
        }
        if !self.has_window() {
            return false;
        }
        // The answer holds for a whole burst, and asking the controller for each packet would cost.
        if self.unpaced == Some(now) || self.pacer.has_credit(now) {
            return true;
        }
        let rate = self.congestion.pacing_rate(self.rto.smoothed());
        let paced = self.pacer.allows(now, rate, self.window, self.packet);
        if paced == Allowed::Unpaced {
            self.unpaced = Some(now);
        }
        paced != Allowed::No
    }

    /// When the pace lets the next packet go, if it holds one back.
    pub(crate) fn paced_until(&self, now: Instant) -> Option<Instant> {
        self.pacer.release().filter(|release| *release > now)
    }

    fn may_send_new(&self) -> bool {
        self.next_length(self.packet).is_some_and(|length| self.fits_window(length))
    }

    fn next_length(&self, room: usize) -> Option<usize> {
        self.queue.next_length(room.checked_sub(overhead(self.interleaving))?)
    }

    /// Whether the peer's window takes a new chunk (section 6.1, rule A). Fragments are never cut to fit the window,
    /// which is what keeps the silly window syndrome away.
    fn fits_window(&self, length: usize) -> bool {
        if self.ring.is_full() {
            return false;
        }
        let window = self.a_rwnd.saturating_sub(self.ring.flight_data());
        length <= window || (self.probe && self.ring.is_empty())
    }

    /// Whether data waits for a window that is closed while nothing is in flight that would tell of its opening.
    pub(crate) fn waits_for_window(&self) -> bool {
        !self.probe && self.ring.is_empty() && self.queue.is_ready() && !self.may_send_new()
    }

    /// Whether the retransmission timer has to run.
    pub(crate) fn needs_timer(&self) -> bool {
        self.ring.needs_timer()
    }

    pub(crate) fn fill_stats(&self, stats: &mut Stats) {
        stats.rtt = self.rto.smoothed();
        stats.rto = self.rto.current();
        stats.min_rtt = self.recovery.min_rtt();
        stats.congestion_window = self.congestion.window();
        stats.pacing_rate = self.congestion.pacing_rate(self.rto.smoothed()).map(|rate| rate as u64);
        stats.slow_start_threshold = self.congestion.threshold();
        stats.peer_window = self.a_rwnd;
        stats.in_flight = self.ring.flight_wire();
        stats.send_buffer_used = self.used();
    }

    /// The timeout for the next round trip.
    pub(crate) const fn timeout(&self) -> Duration {
        self.rto.current()
    }
}

/// What DATA chunks can take of a packet, in whole words (PMDCS of RFC 9260).
const fn data_room(max_packet: usize) -> usize {
    max_packet.saturating_sub(HEADER_LENGTH) & !3
}
