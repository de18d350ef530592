mod close;
mod open;
mod parts;
mod receive;
mod send;

use crate::channel::Channel;
use crate::streams::Streams;
use crate::{ChannelId, Config, Event, Info, Role, State, Stats};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tracing::debug;

/// The data channels of one SCTP association, which it owns. It does no I/O: what is to be sent is polled, what arrived
/// is handed in, and both are SCTP packets, to be carried by DTLS (RFC 8261).
///
/// Its methods by kind:
///
/// - network and time: [`handle_datagram`](Self::handle_datagram), [`handle_timeout`](Self::handle_timeout),
///   [`poll_transmit`](Self::poll_transmit), [`poll_timeout`](Self::poll_timeout), [`poll_event`](Self::poll_event);
/// - life: [`new`](Self::new), [`connect`](Self::connect), [`shutdown`](Self::shutdown), [`abort`](Self::abort);
/// - channels: [`open`](Self::open), [`close`](Self::close), [`info`](Self::info), [`state`](Self::state),
///   [`ids`](Self::ids);
/// - messages: [`send`](Self::send), [`send_with_receipt`](Self::send_with_receipt), [`send_part`](Self::send_part),
///   [`cancel_parts`](Self::cancel_parts), [`read`](Self::read), [`read_part`](Self::read_part), [`send_capacity`](Self::send_capacity),
///   [`buffered_amount`](Self::buffered_amount),
///   [`set_buffered_amount_low_threshold`](Self::set_buffered_amount_low_threshold).
#[derive(Debug)]
pub struct Channels {
    association: sctp::Association,
    config: Config,
    life: Life,
    /// The association has been up.
    is_connected: bool,
    /// Boxed, for the tree has room for eleven where there mostly is one.
    channels: BTreeMap<ChannelId, Box<Channel>>,
    next_id: u32,
    streams: Streams,
    /// Messages on streams that no channel uses yet.
    early: BTreeMap<u16, VecDeque<sctp::Message>>,
    early_bytes: usize,
    /// What the inboxes of all channels count.
    unread: usize,
    /// Channels with pending messages, the next to be served first.
    blocked: VecDeque<ChannelId>,
    /// What the pending messages of all channels count.
    pending_charge: usize,
    /// Bytes of names of channels that the peer opened.
    peer_names: usize,
    events: VecDeque<Event>,
    stats: Stats,
}

/// Where the association is, as far as channels care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// Not up yet.
    New,
    /// Up.
    Connected,
    /// A graceful end was asked for while messages were pending here.
    ShuttingDown,
    /// Over.
    Ended,
}

impl Channels {
    /// Channels of an association that is still to be made. Channels may be opened and messages sent at once; they wait.
    ///
    /// `seed` must be unpredictable to others, as the association's verification tag and cookies come from it.
    pub fn new(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        Self {
            association: sctp::Association::new(config.sctp.clone(), now, seed),
            config,
            life: Life::New,
            is_connected: false,
            channels: BTreeMap::new(),
            next_id: 0,
            streams: Streams::default(),
            early: BTreeMap::new(),
            early_bytes: 0,
            unread: 0,
            blocked: VecDeque::new(),
            pending_charge: 0,
            peer_names: 0,
            events: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Starts the association, and gives stream identifiers to the channels that wait: even ones to those of the DTLS
    /// client, odd ones to those of the server. Both sides call this. Does nothing the second time.
    pub fn connect(&mut self, now: Instant, role: Role) {
        if self.streams.role().is_some() {
            return;
        }
        debug!(?role, "connecting");
        self.streams.set_role(role, self.config.dialect);
        self.assign_streams(now);
        self.association.connect(now);
        self.pump(now);
    }

    /// Ends the association after everything that `send` has accepted is delivered.
    /// [`Event::Disconnected`] follows. Nothing can be sent from now on.
    pub fn shutdown(&mut self, now: Instant) {
        match self.life {
            Life::New | Life::Connected => self.life = Life::ShuttingDown,
            Life::ShuttingDown | Life::Ended => return,
        }
        self.shut_down_if_flushed(now);
        self.pump(now);
    }

    /// Ends the association at once. What was not delivered is lost.
    pub fn abort(&mut self, now: Instant) {
        self.association.abort(now, "closed by the application");
        self.pump(now);
    }

    /// Takes an SCTP packet from the peer. Whatever makes no sense is counted and dropped.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        self.association.handle_datagram(now, datagram);
        self.pump(now);
    }

    /// To be called when the time of [`poll_timeout`](Self::poll_timeout) has come. Calls that come early do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
        self.pump(now);
    }

    /// Appends one SCTP packet to `buf` and returns true, or returns false if there is nothing to send.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let sent = self.association.poll_transmit(now, buf);
        self.pump(now);
        sent
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.association.poll_timeout()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        match event {
            Event::Readable(id) => self.announced(id, |announced| announced.readable = false),
            Event::Writable(id) => self.announced(id, |announced| announced.writable = false),
            Event::BufferedAmountLow(id) => self.announced(id, |announced| announced.low = false),
            Event::Closed(id) => {
                self.announced(id, |announced| announced.closed = true);
                self.forget_if_over(id);
            }
            Event::Connected
            | Event::Opened(_)
            | Event::Incoming(_)
            | Event::Closing(_)
            | Event::Delivered(_)
            | Event::Abandoned(_)
            | Event::Error(..)
            | Event::Undelivered(..)
            | Event::Disconnected(_) => {}
        }
        Some(event)
    }

    /// Whether the association has been made, and not ended since.
    pub fn is_connected(&self) -> bool {
        self.is_connected && !self.is_over()
    }

    /// Whether the association has ended. What is left are events, and messages that have arrived.
    pub fn is_over(&self) -> bool {
        self.life == Life::Ended
    }

    /// What is known of a channel. `None` once it is closed, that event was polled and everything was read.
    pub fn info(&self, id: ChannelId) -> Option<Info> {
        self.channels.get(&id).map(|channel| channel.info())
    }

    /// Where a channel is in its life; `Closed` too if there is no such channel any more.
    pub fn state(&self, id: ChannelId) -> State {
        self.channels.get(&id).map_or(State::Closed, |channel| channel.state)
    }

    /// All channels, in the order in which they were opened.
    pub fn ids(&self) -> impl Iterator<Item = ChannelId> {
        self.channels.keys().copied()
    }

    /// What has been counted.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// The association, to look at: its state, statistics and congestion.
    pub const fn association(&self) -> &sctp::Association {
        &self.association
    }

    /// Tells the SCTP port of the peer, `a=sctp-port` of its description (RFC 8841, section 5). To be called before
    /// [`connect`](Self::connect).
    pub fn set_remote_port(&mut self, port: u16) {
        self.association.set_remote_port(port);
    }

    /// Changes the size of the largest SCTP packet, in bytes, as the path's MTU and the overhead of DTLS ask for.
    pub fn set_max_packet(&mut self, bytes: usize) {
        self.association.set_max_packet(bytes);
    }

    /// Changes how large the SCTP packets are that the path is probed with, in bytes.
    pub fn set_max_probed_packet(&mut self, bytes: usize) {
        self.association.set_max_probed_packet(bytes);
    }

    /// A datagram of this many bytes, all headers but UDP's and IP's included, exceeded the interface's MTU; see
    /// [`sctp::Association::datagram_too_large`].
    pub fn datagram_too_large(&mut self, bytes: usize) {
        self.association.datagram_too_large(bytes);
    }

    /// What another layer measured as the round-trip time of the path, so that a lost packet of the handshake costs a few
    /// of those instead of a second.
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.association.set_rtt(rtt);
    }

    /// Tells that the path was lost, which the association outlives, or that there is one (again), which it then uses
    /// at once; see [`sctp::Association::set_path`].
    pub fn set_path(&mut self, now: Instant, path: sctp::Path) {
        self.association.set_path(now, path);
        self.pump(now);
    }

    /// Holds messages back for now, or lets them go on; see [`sctp::Association::hold_data`].
    pub const fn hold_data(&mut self, is_held: bool) {
        self.association.hold_data(is_held);
    }

    /// Turns what the association has to say into what happens to channels.
    fn pump(&mut self, now: Instant) {
        while let Some(event) = self.association.poll_event() {
            match event {
                sctp::Event::Connected => self.handle_connected(now),
                sctp::Event::Readable(stream) => self.handle_readable(now, stream),
                sctp::Event::Writable => self.handle_writable(now),
                sctp::Event::BufferedAmountLow(stream) => {
                    if let Some(id) = self.streams.channel(stream) {
                        self.check_low(id);
                    }
                }
                sctp::Event::Delivered(receipt) => self.events.push_back(Event::Delivered(receipt)),
                sctp::Event::Abandoned(receipt) => self.events.push_back(Event::Abandoned(receipt)),
                sctp::Event::OutgoingReset(stream) => self.handle_outgoing_reset(now, stream),
                sctp::Event::ResetRefused(stream) => self.handle_reset_refused(now, stream),
                sctp::Event::IncomingReset(stream) => self.handle_incoming_reset(now, stream),
                sctp::Event::Restarted => self.handle_restarted(now),
                sctp::Event::Closed(closed) => self.handle_closed(now, closed),
            }
        }
    }

    fn announced(&mut self, id: ChannelId, change: impl FnOnce(&mut crate::channel::Announced)) {
        if let Some(channel) = self.channels.get_mut(&id) {
            change(&mut channel.announced);
        }
    }

    /// Asks the association for a graceful end once nothing is pending here.
    fn shut_down_if_flushed(&mut self, now: Instant) {
        // Before the association is up there is nobody who could confirm; without a role it will never be.
        let is_flushed = (self.is_connected && self.blocked.is_empty()) || self.streams.role().is_none();
        if self.life == Life::ShuttingDown && is_flushed {
            self.association.shutdown(now);
        }
    }
}
