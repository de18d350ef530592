//! Two peers on a simulated network, and the signalling between them.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use session::{OfferOptions, SessionDescription};
use sim::{Link, Nat, Network, NodeId};

use crate::host::{Host, Peer, StunServer};

/// How a peer is attached to the internet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    /// With a public address.
    Direct,
    /// Behind a NAT of this kind, made with its external address.
    Behind(fn(&str) -> Nat),
}

/// How candidates travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signalling {
    /// Descriptions wait for them.
    Complete,
    /// They follow the descriptions one by one.
    Trickle,
}

pub(crate) struct World {
    pub(crate) network: Network<Host>,
    /// The first makes the offer.
    pub(crate) peers: [NodeId; 2],
}

pub(crate) const STUN_SERVER: &str = "198.51.100.1:3478";
const PUBLIC: [&str; 2] = ["203.0.113.1", "203.0.113.2"];
const PRIVATE: [&str; 2] = ["192.168.0.2", "10.0.0.2"];

impl World {
    /// Two peers, each with a link of its own kind.
    pub(crate) fn new(seed: u64, access: [Access; 2], links: [Link; 2]) -> Self {
        let mut network = Network::new(seed);
        let internet = network.internet();
        let server: SocketAddr = STUN_SERVER.parse().unwrap();
        let server_link = Link::delay(Duration::from_millis(5));
        network.node_at(internet, server.ip(), server_link, Host::Stun(StunServer::default()));
        let now = network.now();
        let peers = [0, 1].map(|number| {
            let peer = Peer::new(number, now, sim::seed_bytes(seed, number as u64));
            let (zone, ip) = match access[number] {
                Access::Direct => (internet, PUBLIC[number]),
                Access::Behind(nat) => (network.nat(internet, nat(PUBLIC[number])).1, PRIVATE[number]),
            };
            let ip: IpAddr = ip.parse().unwrap();
            let id = network.node(Host::Peer(Box::new(peer)));
            // What a link does is done on the way out only, so that it is done once to each datagram.
            network.attach(id, zone, ip, links[number], Link::default());
            let peer = network.get_mut(id).peer();
            peer.session.add_host(now, SocketAddr::new(ip, 5000));
            if matches!(access[number], Access::Behind(_)) {
                peer.session.add_stun_server(now, server);
            }
            peer.session.end_of_hosts(now);
            id
        });
        Self { network, peers }
    }

    /// Two peers with public addresses and perfect links.
    pub(crate) fn plain(seed: u64) -> Self {
        Self::new(seed, [Access::Direct; 2], [Link::delay(Duration::from_millis(5)); 2])
    }

    pub(crate) fn now(&self) -> Instant {
        self.network.now()
    }

    pub(crate) fn peer(&mut self, number: usize) -> &mut Peer {
        let id = self.peers[number];
        self.network.get_mut(id).peer()
    }

    /// Offer and answer, each of which `change` may change on its way. Signalling is reliable and takes no time.
    pub(crate) fn signal(&mut self, signalling: Signalling, mut change: impl FnMut(&mut SessionDescription)) {
        let now = self.now();
        let offer = self.peer(0).session.create_offer(now, OfferOptions::default()).unwrap();
        self.peer(0).session.set_local_description(now, offer).unwrap();
        let mut offer = self.described(0, signalling);
        change(&mut offer);
        let now = self.now();
        self.peer(1).session.set_remote_description(now, offer).unwrap();
        let answer = self.peer(1).session.create_answer(now).unwrap();
        self.peer(1).session.set_local_description(now, answer).unwrap();
        let mut answer = self.described(1, signalling);
        change(&mut answer);
        let now = self.now();
        self.peer(0).session.set_remote_description(now, answer).unwrap();
    }

    /// The local description of a peer, once it is as complete as it is to be.
    fn described(&mut self, number: usize, signalling: Signalling) -> SessionDescription {
        if signalling == Signalling::Complete {
            let id = self.peers[number];
            self.network.expect("the end of gathering", Duration::from_secs(60), |network| {
                let now = network.now();
                let peer = network.get_mut(id).peer();
                peer.react(now);
                peer.candidates.contains(&None)
            });
            self.peer(number).candidates.clear();
        }
        self.peer(number).session.local_description().unwrap()
    }

    /// Goes on until `done` holds of both peers, carrying candidates between them; fails after `limit`.
    pub(crate) fn expect(&mut self, what: &str, limit: Duration, mut done: impl FnMut(&mut Peer) -> bool) {
        let peers = self.peers;
        let is_done = self.network.run_until(limit, |network| {
            carry(network, peers);
            peers.iter().all(|id| done(network.get_mut(*id).peer()))
        });
        if !is_done {
            let seed = self.network.seed();
            let [first, second] = [0, 1].map(|number| self.peer(number).to_string());
            panic!("seed {seed}: {what} did not happen within {limit:?}: {first}; {second}");
        }
    }

    /// Connects the two, who have opened channels before.
    pub(crate) fn connect(&mut self, signalling: Signalling) {
        self.signal(signalling, |_| {});
        self.expect("a connection", Duration::from_secs(60), |peer| peer.is_connected());
    }

    /// The first closes, the second as soon as it hears of it, and nothing is ever sent again. Goodbyes are said once:
    /// where they are lost, the second finds out because nobody answers its checks any more (RFC 7675).
    pub(crate) fn close(&mut self) {
        let now = self.now();
        self.peer(0).session.close(now);
        let [first, second] = self.peers;
        self.network.expect("the end", Duration::from_secs(120), |network| {
            let now = network.now();
            let peer = network.get_mut(second).peer();
            peer.react(now);
            if !peer.is_connected() {
                peer.session.close(now);
            }
            peer.session.is_closed() && network.get_mut(first).peer().session.is_closed()
        });
        // Last words may be on their way, and be answered.
        self.network.run_for(Duration::from_secs(5));
        self.network.expect_quiet(Duration::from_secs(300));
        for number in [0, 1] {
            let now = self.now();
            self.peer(number).react(now);
        }
    }
}

/// Hands each peer the candidates that the other one has found.
fn carry(network: &mut Network<Host>, peers: [NodeId; 2]) {
    let now = network.now();
    for (from, to) in [(peers[0], peers[1]), (peers[1], peers[0])] {
        let from = network.get_mut(from).peer();
        from.react(now);
        let found: Vec<_> = from.candidates.drain(..).collect();
        let to = network.get_mut(to).peer();
        for candidate in found {
            let candidate = candidate.unwrap_or_default(); // an empty one ends them
            to.session.add_ice_candidate(now, candidate).unwrap();
        }
        to.react(now);
    }
}
