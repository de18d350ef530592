//! Two agents, their signalling and STUN servers on a simulated network.

use ice::{Agent, Candidate, Config, ConnectionState, Event, Role, Route};
use sim::{Budget, Link, Network, Node, NodeId, ZoneId};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use stun::{Attribute, Builder, Class, Message, Method};
use visavis_ice as ice;

/// A host of the network.
pub(crate) enum Actor {
    Peer(Box<Peer>),
    Server(Server),
}

/// An agent and what it said.
pub(crate) struct Peer {
    pub(crate) agent: Agent,
    pub(crate) events: Vec<Event>,
    /// How many of the events have been signalled.
    told: usize,
    /// Bytes of application data that came over a valid route, and over others.
    pub(crate) data: usize,
    pub(crate) stray_data: usize,
    to_send: Vec<Route>,
}

/// A STUN server that answers whoever asks.
#[derive(Default)]
pub(crate) struct Server {
    outbox: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    pub(crate) asked: usize,
}

impl Peer {
    pub(crate) fn new(config: Config, seed: u64, stream: u64) -> Self {
        let agent = Agent::new(config, sim::start(), sim::seed_bytes(seed, stream));
        Self { agent, events: Vec::new(), told: 0, data: 0, stray_data: 0, to_send: Vec::new() }
    }

    /// Takes in what the agent has to say.
    pub(crate) fn collect(&mut self) {
        while let Some(event) = self.agent.poll_event() {
            self.events.push(event);
        }
    }

    pub(crate) fn states(&self) -> Vec<ConnectionState> {
        let state = |event: &Event| if let Event::State(state) = event { Some(*state) } else { None };
        self.events.iter().filter_map(state).collect()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    pub(crate) fn selections(&self) -> usize {
        self.count(|event| matches!(event, Event::Selected { .. }))
    }

    pub(crate) fn local_candidates(&self) -> Vec<Candidate> {
        let candidate = |event: &Event| if let Event::Candidate(it) = event { Some(it.clone()) } else { None };
        self.events.iter().filter_map(candidate).collect()
    }

    /// Sends a datagram of data the way that the agent names.
    pub(crate) fn send_data(&mut self) -> bool {
        let route = self.agent.route();
        self.to_send.extend(route);
        route.is_some()
    }
}

/// The first byte of data is that of an SRTP packet.
const DATA: &[u8] = &[0x80, 1, 2, 3];

impl Node for Actor {
    fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, datagram: &mut [u8]) {
        match self {
            Self::Server(server) => server.answer(local, remote, datagram),
            Self::Peer(peer) if stun::is_stun(datagram) => {
                peer.agent.handle_datagram(now, local, remote, datagram);
                peer.collect();
            }
            Self::Peer(peer) if peer.agent.is_valid(Route { local, remote }) => peer.data += 1,
            Self::Peer(peer) => peer.stray_data += 1,
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Self::Peer(peer) = self {
            peer.agent.handle_timeout(now);
            peer.collect();
        }
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<(SocketAddr, SocketAddr)> {
        match self {
            Self::Server(server) => {
                let (local, remote, datagram) = server.outbox.pop()?;
                buf.extend(datagram);
                Some((local, remote))
            }
            Self::Peer(peer) => {
                if let Some(route) = peer.to_send.pop() {
                    buf.extend(DATA);
                    return Some((route.local, route.remote));
                }
                peer.agent.poll_transmit(now, buf).map(|route| (route.local, route.remote))
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Server(_) => None,
            Self::Peer(peer) => peer.agent.poll_timeout(),
        }
    }
}

impl Server {
    fn answer(&mut self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) {
        let Ok(request) = Message::decode(datagram) else { return };
        if request.class() != Class::Request {
            return;
        }
        self.asked += 1;
        let mut response = Vec::new();
        let mut builder = Builder::new(&mut response, Class::Success, Method::BINDING, request.transaction_id());
        builder.attribute(&Attribute::XorMappedAddress(remote));
        builder.fingerprint();
        self.outbox.push((local, remote, response));
    }
}

/// A network with two peers, `a` (controlling unless told otherwise) and `b`.
pub(crate) struct World {
    pub(crate) net: Network<Actor>,
    pub(crate) a: NodeId,
    pub(crate) b: NodeId,
}

/// The addresses of [`World::new`].
pub(crate) const A: &str = "192.0.2.1:1000";
pub(crate) const B: &str = "198.51.100.2:2000";

/// More than any connection takes on any link that is not dead.
pub(crate) const LONG: Duration = Duration::from_secs(60);

impl World {
    /// Two peers with a public address each, which know nothing of each other.
    pub(crate) fn new(seed: u64, link: Link) -> Self {
        let net = Network::new(seed);
        let zone = net.internet();
        let controlled = Config { role: Role::Controlled, ..Config::default() };
        Self::with(net, seed, link, (Config::default(), zone, &[A]), (controlled, zone, &[B]))
    }

    /// Two peers anywhere, with sockets at the addresses given.
    pub(crate) fn with(
        mut net: Network<Actor>,
        seed: u64,
        link: Link,
        a: (Config, ZoneId, &[&str]),
        b: (Config, ZoneId, &[&str]),
    ) -> Self {
        // What one peer may do in a second: pacing allows twenty checks, each with its retransmissions and answers.
        net.set_budget(Budget { wakeups: 400, datagrams: 400, ..Budget::default() });
        let mut add = |stream, (config, zone, hosts): (Config, ZoneId, &[&str])| {
            let node = net.node(Actor::Peer(Box::new(Peer::new(config, seed, stream))));
            for host in hosts {
                let address: SocketAddr = host.parse().expect("an address with a port");
                net.attach(node, zone, address.ip(), link, link);
            }
            node
        };
        let (a_node, b_node) = (add(1, a.clone()), add(2, b.clone()));
        let mut world = Self { net, a: a_node, b: b_node };
        for (node, hosts) in [(a_node, a.2), (b_node, b.2)] {
            for host in hosts {
                world.command(node, |agent, now| agent.add_host(now, address(host)));
            }
        }
        world
    }

    pub(crate) fn add_server(&mut self, ip: &str) -> SocketAddr {
        let ip: IpAddr = ip.parse().expect("an address");
        let internet = self.net.internet();
        self.net.node_at(internet, ip, Link::delay(Duration::from_millis(10)), Actor::Server(Server::default()));
        SocketAddr::new(ip, 3478)
    }

    pub(crate) fn peer(&self, node: NodeId) -> &Peer {
        match self.net.get(node) {
            Actor::Peer(peer) => peer,
            Actor::Server(_) => panic!("{node:?} is a server"),
        }
    }

    pub(crate) fn peer_mut(&mut self, node: NodeId) -> &mut Peer {
        match self.net.get_mut(node) {
            Actor::Peer(peer) => peer,
            Actor::Server(_) => panic!("{node:?} is a server"),
        }
    }

    pub(crate) fn other(&self, node: NodeId) -> NodeId {
        if node == self.a { self.b } else { self.a }
    }

    pub(crate) fn agent(&self, node: NodeId) -> &Agent {
        &self.peer(node).agent
    }

    /// Tells an agent something, now.
    pub(crate) fn command<T>(&mut self, node: NodeId, command: impl FnOnce(&mut Agent, Instant) -> T) -> T {
        let now = self.net.now();
        let peer = self.peer_mut(node);
        let answer = command(&mut peer.agent, now);
        peer.collect();
        answer
    }

    /// Gives `to` the credentials of the other side.
    pub(crate) fn introduce(&mut self, to: NodeId) {
        let credentials = self.agent(self.other(to)).local_credentials().clone();
        self.command(to, |agent, now| agent.set_remote(now, credentials, false));
    }

    /// Passes on the candidates that `from` has found since the last time.
    pub(crate) fn trickle(&mut self, from: NodeId) {
        let peer = self.peer_mut(from);
        let news = peer.events.get(peer.told..).unwrap_or_default().to_vec();
        peer.told = peer.events.len();
        let to = self.other(from);
        for event in news {
            match event {
                Event::Candidate(candidate) => {
                    // Over the text that real signalling carries.
                    let candidate = candidate.to_string().parse().expect("what is written can be read");
                    self.command(to, |agent, now| agent.add_remote_candidate(now, candidate));
                }
                Event::GatheringState(ice::GatheringState::Complete) => {
                    self.command(to, |agent, now| agent.end_of_remote_candidates(now));
                }
                Event::GatheringState(_)
                | Event::State(_)
                | Event::Selected { .. }
                | Event::Resolve(_)
                | Event::GatheringError { .. } => {}
            }
        }
    }

    /// All that signalling does: credentials both ways, no more hosts, candidates as they come.
    pub(crate) fn signal(&mut self) {
        for node in [self.a, self.b] {
            self.introduce(node);
            self.command(node, |agent, now| agent.end_of_hosts(now));
        }
    }

    /// Runs, trickling all the while, until `done`.
    pub(crate) fn expect(&mut self, what: &str, limit: Duration, done: impl Fn(&Self) -> bool) {
        let is_done = self.run_until(limit, done);
        assert!(is_done, "seed {}: {what} did not happen by {:?}", self.net.seed(), self.net.elapsed());
    }

    pub(crate) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.net.now() + limit;
        loop {
            self.trickle(self.a);
            self.trickle(self.b);
            if done(self) {
                return true;
            }
            if self.net.now() >= end {
                return false;
            }
            if !self.net.step() {
                return done(self);
            }
        }
    }

    /// Runs for a while, trickling.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.net.now() + time;
        self.run_until(time, |world| world.net.now() >= end);
    }

    /// Both have chosen, and the same.
    pub(crate) fn agrees(&self) -> bool {
        let (Some(a), Some(b)) = (self.agent(self.a).selected(), self.agent(self.b).selected()) else { return false };
        a.0.address == b.1.address && a.1.address == b.0.address
    }

    pub(crate) fn expect_connected(&mut self) {
        self.expect("agreement on a pair", LONG, Self::agrees);
    }

    /// Data passes in both directions.
    pub(crate) fn expect_data(&mut self) {
        for (from, to) in [(self.a, self.b), (self.b, self.a)] {
            let before = self.peer(to).data;
            for _ in 0..20 {
                assert!(self.peer_mut(from).send_data(), "there is no route to send data on");
                self.run_for(Duration::from_millis(50));
            }
            self.run_for(Duration::from_secs(1));
            assert!(self.peer(to).data > before, "seed {}: no data came", self.net.seed());
        }
    }

    /// Closes both; then silence.
    pub(crate) fn close(&mut self) {
        for node in [self.a, self.b] {
            self.command(node, |agent, _| agent.close());
            assert_eq!(self.agent(node).poll_timeout(), None);
            assert_eq!(self.agent(node).route(), None);
        }
        self.net.expect_quiet(LONG);
    }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address with a port")
}
