//! Two ends of data channels over a simulated link.

use sim::{Endpoint, Link, Pair};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use visavis_datachannel::{ChannelId, Channels, Config, Event, Message, Options, Role, State};

/// Long enough for anything that is to happen at all on a rough link.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// Channels with an application that notes all events and reads everything at once, unless told to wait.
pub(crate) struct Peer {
    pub(crate) channels: Channels,
    pub(crate) events: Vec<Event>,
    pub(crate) received: BTreeMap<ChannelId, Vec<Message>>,
    /// The labels of the channels that the other side opened.
    pub(crate) labels: BTreeMap<ChannelId, String>,
    pub(crate) reads: bool,
    now: Instant,
}

impl Peer {
    pub(crate) fn new(config: Config, seed: [u8; 32]) -> Self {
        let now = sim::start();
        let channels = Channels::new(config, now, seed);
        Self { channels, events: Vec::new(), received: BTreeMap::new(), labels: BTreeMap::new(), reads: true, now }
    }

    pub(crate) fn open(&mut self, options: Options) -> ChannelId {
        self.channels.open(self.now, options).expect("a channel can be opened")
    }

    pub(crate) fn send(&mut self, id: ChannelId, message: impl Into<Message>) {
        self.channels.send(self.now, id, message.into()).expect("a message can be sent");
    }

    pub(crate) fn close(&mut self, id: ChannelId) {
        self.channels.close(self.now, id);
    }

    pub(crate) fn connect(&mut self, role: Role) {
        self.channels.connect(self.now, role);
    }

    pub(crate) fn has(&self, event: &Event) -> bool {
        self.events.contains(event)
    }

    pub(crate) fn is_closed(&self, id: ChannelId) -> bool {
        self.has(&Event::Closed(id))
    }

    pub(crate) fn received(&self, id: ChannelId) -> &[Message] {
        self.received.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Channels that the peer has opened, in their order.
    pub(crate) fn incoming(&self) -> Vec<ChannelId> {
        let incoming = |event: &Event| if let Event::Incoming(id) = event { Some(*id) } else { None };
        self.events.iter().filter_map(incoming).collect()
    }

    /// The channel with this label, whoever opened it.
    pub(crate) fn labelled(&self, label: &str) -> ChannelId {
        let mut ids = self.channels.ids();
        ids.find(|id| self.channels.info(*id).is_some_and(|info| info.label == label)).expect("a channel by that name")
    }

    pub(crate) fn stream(&self, id: ChannelId) -> u16 {
        self.channels.info(id).and_then(|info| info.stream_id).expect("a channel with a stream")
    }

    pub(crate) fn is_open(&self, id: ChannelId) -> bool {
        self.channels.state(id) == State::Open
    }

    /// Takes what has happened, and reads.
    pub(crate) fn turn(&mut self) {
        while let Some(event) = self.channels.poll_event() {
            self.events.push(event.clone());
            if let Event::Incoming(id) = event
                && let Some(info) = self.channels.info(id)
            {
                self.labels.insert(id, info.label);
            }
            if let (Event::Readable(id), true) = (event, self.reads) {
                self.read_all(id);
            }
        }
    }

    pub(crate) fn read_all(&mut self, id: ChannelId) {
        while let Some(message) = self.channels.read(self.now, id) {
            self.received.entry(id).or_default().push(message);
        }
    }
}

impl Endpoint for Peer {
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        self.now = now;
        self.channels.handle_datagram(now, datagram);
        self.turn();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.channels.handle_timeout(now);
        self.turn();
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.now = now;
        let sent = self.channels.poll_transmit(now, buf);
        self.turn();
        sent
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.channels.poll_timeout()
    }
}

/// A client and a server that were told to connect.
pub(crate) fn connecting(seed: u64, link: Link, client: Config, server: Config) -> Pair<Peer> {
    let mut a = Peer::new(client, sim::seed_bytes(seed, 0));
    let mut b = Peer::new(server, sim::seed_bytes(seed, 1));
    a.connect(Role::Client);
    b.connect(Role::Server);
    Pair::new(seed, link, a, b)
}

/// A client and a server whose association is up.
pub(crate) fn connected(seed: u64, link: Link) -> Pair<Peer> {
    connected_with(seed, link, Config::default(), Config::default())
}

pub(crate) fn connected_with(seed: u64, link: Link, client: Config, server: Config) -> Pair<Peer> {
    let mut pair = connecting(seed, link, client, server);
    pair.expect("the association", LONG, |pair| pair.a.has(&Event::Connected) && pair.b.has(&Event::Connected));
    pair
}

/// Opens a channel from the client and waits until both have it; its handle on either side.
pub(crate) fn channel(pair: &mut Pair<Peer>, options: Options) -> (ChannelId, ChannelId) {
    let before = pair.b.incoming().len();
    let a = pair.a.open(options);
    pair.expect("the channel", LONG, |pair| pair.a.is_open(a) && pair.b.incoming().len() > before);
    let b = pair.b.incoming().get(before).copied().expect("the channel that was waited for");
    (a, b)
}

/// A link of 20 ms.
pub(crate) fn lan() -> Link {
    Link::delay(Duration::from_millis(20))
}
