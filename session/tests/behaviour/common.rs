//! A session as a host of the simulated network, and how two of them get to know each other.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sim::{Link, Network, Node, NodeId};
use visavis_session::datachannel::{self, ChannelId, Message};
use visavis_session::dtls::Identity;
use visavis_session::{
    Codec, Config, ConnectionState, Event, MediaKind, OfferOptions, ReceivedFrame, ReceivedPacket, Session,
    SessionDescription, TransceiverId, TransceiverOptions,
};

/// Long enough for any handshake that can succeed at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn config(side: usize) -> Config {
    let pem = sim::IDENTITIES[side];
    Config::new(Identity::from_pem(pem, pem).unwrap())
}

/// A session, and all that came out of it.
pub(crate) struct Host {
    pub(crate) session: Session,
    pub(crate) events: Vec<Event>,
    /// Channels of either side that are open, in the order in which they opened.
    pub(crate) open: Vec<ChannelId>,
    pub(crate) closed: Vec<ChannelId>,
    pub(crate) received: HashMap<ChannelId, Vec<Message>>,
    /// Frames that transceivers received.
    pub(crate) frames: HashMap<TransceiverId, Vec<ReceivedFrame>>,
    /// Packets that transceivers received.
    pub(crate) packets: Vec<ReceivedPacket>,
    /// The largest datagram that it sent, in bytes.
    pub(crate) largest: usize,
}

impl Host {
    pub(crate) fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            session: Session::new(config, sim::start(), seed),
            events: Vec::new(),
            open: Vec::new(),
            closed: Vec::new(),
            received: HashMap::new(),
            frames: HashMap::new(),
            packets: Vec::new(),
            largest: 0,
        }
    }

    /// Collects what the session has to say. To be called after anything that was done to it by hand.
    pub(crate) fn drain(&mut self, now: Instant) {
        while let Some(event) = self.session.poll_event() {
            if let Event::Channel(event) = &event {
                match event {
                    datachannel::Event::Opened(id) | datachannel::Event::Incoming(id) => self.open.push(*id),
                    datachannel::Event::Closed(id) => {
                        self.read(now, *id);
                        self.closed.push(*id);
                    }
                    datachannel::Event::Readable(id) => self.read(now, *id),
                    datachannel::Event::Connected
                    | datachannel::Event::Writable(_)
                    | datachannel::Event::BufferedAmountLow(_)
                    | datachannel::Event::Delivered(_)
                    | datachannel::Event::Abandoned(_)
                    | datachannel::Event::Closing(_)
                    | datachannel::Event::Error(..)
                    | datachannel::Event::Undelivered(..)
                    | datachannel::Event::Disconnected(_) => {}
                }
            }
            if let Event::MediaReadable(id) = &event {
                while let Some(frame) = self.session.read_frame(now, *id) {
                    self.frames.entry(*id).or_default().push(frame);
                }
                while let Some(packet) = self.session.read_packet(now, *id) {
                    self.packets.push(packet);
                }
            }
            self.events.push(event);
        }
    }

    fn read(&mut self, now: Instant, id: ChannelId) {
        while let Some(message) = self.session.read(now, id) {
            self.received.entry(id).or_default().push(message);
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.session.connection_state() == ConnectionState::Connected
    }

    pub(crate) fn messages(&self) -> usize {
        self.received.values().map(Vec::len).sum()
    }

    pub(crate) fn label(&self, id: ChannelId) -> String {
        self.session.channels().info(id).map(|info| info.label).unwrap_or_default()
    }
}

impl Node for Host {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, datagram: &mut [u8]) {
        self.session.handle_datagram(now, local, remote, datagram);
        self.drain(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.drain(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<(SocketAddr, SocketAddr)> {
        let start = buf.len();
        let route = self.session.poll_transmit(now, buf)?;
        self.largest = self.largest.max(buf.len() - start);
        Some((route.local, route.remote))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.session.poll_timeout()
    }
}

/// Two hosts on one network, who have not heard of each other yet.
pub(crate) struct World {
    pub(crate) network: Network<Host>,
    pub(crate) a: NodeId,
    pub(crate) b: NodeId,
}

pub(crate) const A: &str = "192.0.2.1:1000";
pub(crate) const B: &str = "192.0.2.2:2000";

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl World {
    pub(crate) fn new(seed: u64, link: Link) -> Self {
        Self::with(seed, link, config(0), config(1))
    }

    pub(crate) fn with(seed: u64, link: Link, a: Config, b: Config) -> Self {
        let mut network = Network::new(seed);
        let internet = network.internet();
        let a = network.node_at(internet, address(A).ip(), link, Host::new(a, sim::seed_bytes(seed, 0)));
        let b = network.node_at(internet, address(B).ip(), link, Host::new(b, sim::seed_bytes(seed, 1)));
        let mut world = Self { network, a, b };
        world.gather(a, A);
        world.gather(b, B);
        world
    }

    fn gather(&mut self, node: NodeId, host: &str) {
        self.on(node, |now, host_| {
            host_.session.add_host(now, address(host));
            host_.session.end_of_hosts(now);
        });
    }

    pub(crate) fn now(&self) -> Instant {
        sim::start() + self.network.elapsed()
    }

    /// Does something to one host.
    pub(crate) fn on<T>(&mut self, node: NodeId, f: impl FnOnce(Instant, &mut Host) -> T) -> T {
        let now = self.now();
        let host = self.network.get_mut(node);
        let result = f(now, host);
        host.drain(now);
        result
    }

    pub(crate) fn open(&mut self, node: NodeId, label: &str) -> ChannelId {
        self.on(node, |now, host| host.session.open_channel(now, datachannel::Options::new(label)).unwrap())
    }

    pub(crate) fn send(&mut self, node: NodeId, id: ChannelId, message: Message) {
        self.on(node, |now, host| host.session.send(now, id, message).unwrap());
    }

    /// The offer of one host, set there.
    pub(crate) fn offer(&mut self, node: NodeId) -> SessionDescription {
        self.on(node, |now, host| {
            let offer = host.session.create_offer(now, OfferOptions::default()).unwrap();
            host.session.set_local_description(now, offer).unwrap();
            host.session.local_description().unwrap()
        })
    }

    /// The answer of one host to an offer, set there.
    pub(crate) fn answer(&mut self, node: NodeId, offer: SessionDescription) -> SessionDescription {
        self.on(node, |now, host| {
            host.session.set_remote_description(now, offer).unwrap();
            let answer = host.session.create_answer(now).unwrap();
            host.session.set_local_description(now, answer).unwrap();
            host.session.local_description().unwrap()
        })
    }

    pub(crate) fn accept(&mut self, node: NodeId, answer: SessionDescription) {
        self.on(node, |now, host| host.session.set_remote_description(now, answer).unwrap());
    }

    /// Offer and answer, `from` being the initiator.
    pub(crate) fn negotiate(&mut self, from: NodeId, to: NodeId) {
        let offer = self.offer(from);
        let answer = self.answer(to, offer);
        self.accept(from, answer);
    }

    /// Waits until both sides are connected.
    pub(crate) fn await_connected(&mut self) {
        let (a, b) = (self.a, self.b);
        let both = |network: &mut Network<Host>| network.get(a).is_connected() && network.get(b).is_connected();
        self.network.expect("a connection", PATIENCE, both);
    }

    /// Connects for one track from A to B, in these codecs by preference: what A sends it with, and what B receives it
    /// with.
    pub(crate) fn one_way(&mut self, kind: MediaKind, codecs: Vec<Codec>) -> (TransceiverId, TransceiverId) {
        let (a, b) = (self.a, self.b);
        let options = TransceiverOptions { codecs, ..TransceiverOptions::default() };
        let sent = self.on(a, |now, host| host.session.add_transceiver(now, kind, options).unwrap());
        self.negotiate(a, b);
        self.await_connected();
        (sent, self.host(b).session.transceivers().next().unwrap().id)
    }

    /// Negotiates a channel and waits until both sides have it open.
    pub(crate) fn connect(&mut self) -> (ChannelId, ChannelId) {
        let here = self.open(self.a, "channel");
        self.negotiate(self.a, self.b);
        self.await_open(1);
        let there = self.network.get(self.b).open[0];
        (here, there)
    }

    /// Waits until both sides have so many channels open.
    pub(crate) fn await_open(&mut self, count: usize) {
        let (a, b) = (self.a, self.b);
        self.network.expect("open channels", PATIENCE, |network| {
            network.get(a).open.len() >= count && network.get(b).open.len() >= count
        });
    }

    pub(crate) fn host(&self, node: NodeId) -> &Host {
        self.network.get(node)
    }
}

/// Bytes that differ with their number and place.
pub(crate) fn pattern(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|place| (place * 31 + number * 7) as u8).collect()
}

/// A description as it is sent when candidates trickle after it.
pub(crate) fn without_candidates(description: SessionDescription) -> SessionDescription {
    let is_kept = |line: &&str| !line.starts_with("a=candidate") && !line.starts_with("a=end-of-candidates");
    let sdp = description.sdp.split_inclusive("\r\n").filter(is_kept).collect();
    SessionDescription { sdp, ..description }
}

/// The lines of a description that begin so.
pub(crate) fn lines<'a>(description: &'a SessionDescription, start: &str) -> Vec<&'a str> {
    description.sdp.lines().filter(|line| line.starts_with(start)).collect()
}

/// Whether an m-line refuses its section, as far as its port says.
pub(crate) fn is_refused(line: &str) -> bool {
    line.split(' ').nth(1) == Some("0")
}
