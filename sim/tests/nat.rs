//! NATs, firewalls and routes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use visavis_sim::{Firewall, Link, Nat, Network, Node, NodeId, ZoneId};

/// Sends what it is told to, and notes what arrives: where, from where, and the bytes.
#[derive(Debug, Default)]
struct Host {
    to_send: Vec<(SocketAddr, SocketAddr, u8)>,
    received: Vec<(SocketAddr, SocketAddr, u8)>,
}

impl Node for Host {
    fn handle_datagram(&mut self, _: Instant, local: SocketAddr, remote: SocketAddr, datagram: &mut [u8]) {
        self.received.extend(datagram.first().map(|byte| (local, remote, *byte)));
    }
    fn handle_timeout(&mut self, _: Instant) {}
    fn poll_transmit(&mut self, _: Instant, buf: &mut Vec<u8>) -> Option<(SocketAddr, SocketAddr)> {
        let (local, remote, byte) = self.to_send.pop()?;
        buf.push(byte);
        Some((local, remote))
    }
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

const INSIDE: &str = "192.168.0.2:5000";
const NEIGHBOUR: &str = "192.168.0.3:5000";
const NAT: &str = "203.0.113.1";
const SERVER: &str = "198.51.100.1:3478";
const SERVER_OTHER_PORT: &str = "198.51.100.1:3479";
const STRANGER: &str = "198.51.100.2:3478";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// Someone inside and a neighbour, behind a router; a server and a stranger on the internet.
struct World {
    network: Network<Host>,
    inside: NodeId,
    neighbour: NodeId,
    server: NodeId,
    stranger: NodeId,
}

impl World {
    fn behind(nat: Nat) -> Self {
        Self::of(|network| {
            let internet = network.internet();
            network.nat(internet, nat).1
        })
    }

    fn of(build: impl FnOnce(&mut Network<Host>) -> ZoneId) -> Self {
        let mut network = Network::new(1);
        let inner = build(&mut network);
        let internet = network.internet();
        let mut host = |zone, at| network.node_at(zone, address(at).ip(), Link::default(), Host::default());
        let (inside, neighbour) = (host(inner, INSIDE), host(inner, NEIGHBOUR));
        let (server, stranger) = (host(internet, SERVER), host(internet, STRANGER));
        Self { network, inside, neighbour, server, stranger }
    }

    /// Sends one byte, and returns where it came from if it arrived at `to`.
    fn send(&mut self, from: NodeId, local: &str, remote: &str, to: NodeId) -> Option<SocketAddr> {
        self.send_to(from, local, address(remote), to)
    }

    fn send_to(&mut self, from: NodeId, local: &str, remote: SocketAddr, to: NodeId) -> Option<SocketAddr> {
        self.network.get_mut(from).to_send.push((address(local), remote, 7));
        self.network.run_for(Duration::from_millis(1));
        let received = self.network.get_mut(to).received.pop();
        assert!(self.network.get(to).received.is_empty(), "one datagram, once");
        received.map(|(_, source, byte)| {
            assert_eq!(byte, 7);
            source
        })
    }
}

/// Whether the server's other port, and a stranger, come in once the server was sent to.
fn who_comes_in(nat: Nat) -> (bool, bool) {
    let mut world = World::behind(nat);
    let mapped = world.send(world.inside, INSIDE, SERVER, world.server).expect("the way out is open");
    assert_eq!(mapped.ip().to_string(), NAT);
    assert!(world.send_to(world.server, SERVER, mapped, world.inside).is_some(), "an answer comes in");
    let other_port = world.send_to(world.server, SERVER_OTHER_PORT, mapped, world.inside).is_some();
    let stranger = world.send_to(world.stranger, STRANGER, mapped, world.inside).is_some();
    (other_port, stranger)
}

#[test]
fn each_kind_of_nat_lets_in_whom_it_should() {
    assert_eq!(who_comes_in(Nat::full_cone(NAT)), (true, true));
    assert_eq!(who_comes_in(Nat::address_restricted(NAT)), (true, false));
    assert_eq!(who_comes_in(Nat::port_restricted(NAT)), (false, false));
    assert_eq!(who_comes_in(Nat::symmetric(NAT)), (false, false));
}

#[test]
fn only_a_symmetric_nat_maps_by_destination() {
    for (nat, is_symmetric) in [
        (Nat::full_cone(NAT), false),
        (Nat::address_restricted(NAT), false),
        (Nat::port_restricted(NAT), false),
        (Nat::symmetric(NAT), true),
    ] {
        let mut world = World::behind(nat);
        let first = world.send(world.inside, INSIDE, SERVER, world.server);
        let second = world.send(world.inside, INSIDE, STRANGER, world.stranger);
        let again = world.send(world.inside, INSIDE, SERVER, world.server);
        let neighbour = world.send(world.neighbour, NEIGHBOUR, SERVER, world.server);
        assert!(first.is_some() && second.is_some() && neighbour.is_some());
        assert_eq!(first, again);
        assert_eq!(first != second, is_symmetric, "{nat:?}");
        assert_ne!(first, neighbour);
    }
}

#[test]
fn nothing_comes_in_unasked() {
    let mut world = World::behind(Nat::full_cone(NAT));
    assert_eq!(world.send(world.server, SERVER, "203.0.113.1:40000", world.inside), None);
    assert_eq!(world.send(world.server, SERVER, INSIDE, world.inside), None);
    assert_eq!(world.network.counts().dropped, 2);
}

#[test]
fn a_mapping_lives_by_what_goes_out() {
    let mut world = World::behind(Nat { timeout: Duration::from_secs(30), ..Nat::port_restricted(NAT) });
    let mapped = world.send(world.inside, INSIDE, SERVER, world.server).expect("the way out is open");
    for _ in 0..3 {
        world.network.run_for(Duration::from_secs(20));
        assert_eq!(world.send(world.inside, INSIDE, SERVER, world.server), Some(mapped));
    }
    // What comes in does not keep it alive.
    for expected in [true, false] {
        world.network.run_for(Duration::from_secs(20));
        assert_eq!(world.send_to(world.server, SERVER, mapped, world.inside).is_some(), expected);
    }
    let new = world.send(world.inside, INSIDE, SERVER, world.server);
    assert!(new.is_some() && new != Some(mapped));
}

#[test]
fn a_nat_that_restarts_gives_other_ports() {
    let mut router = None;
    let mut world = World::of(|network| {
        let internet = network.internet();
        let (nat, zone) = network.nat(internet, Nat::full_cone(NAT));
        router = Some(nat);
        zone
    });
    let before = world.send(world.inside, INSIDE, SERVER, world.server).unwrap();
    world.network.rebind(router.unwrap());
    assert_eq!(world.send_to(world.server, SERVER, before, world.inside), None);
    let after = world.send(world.inside, INSIDE, SERVER, world.server).unwrap();
    assert_ne!(before, after);
    assert!(world.send_to(world.server, SERVER, after, world.inside).is_some());
}

#[test]
fn hairpinning_shows_the_external_source_and_is_off_by_default() {
    for hairpin in [false, true] {
        let mut world = World::behind(Nat { hairpin, ..Nat::full_cone(NAT) });
        let neighbour = world.send(world.neighbour, NEIGHBOUR, SERVER, world.server).unwrap();
        let seen = world.send_to(world.inside, INSIDE, neighbour, world.neighbour);
        assert_eq!(seen.map(|source| source.ip().to_string()), hairpin.then(|| NAT.to_owned()));
    }
    let mut world = World::behind(Nat::symmetric(NAT));
    let direct = world.send(world.inside, INSIDE, NEIGHBOUR, world.neighbour);
    assert_eq!(direct, Some(address(INSIDE)), "hosts of one zone reach each other directly");
}

#[test]
fn nats_nest() {
    let mut world = World::of(|network| {
        let internet = network.internet();
        let (_, carrier) = network.nat(internet, Nat::symmetric(NAT));
        network.nat(carrier, Nat::full_cone("100.64.0.7")).1
    });
    let mapped = world.send(world.inside, INSIDE, SERVER, world.server).unwrap();
    assert_eq!(mapped.ip().to_string(), NAT);
    assert!(world.send_to(world.server, SERVER, mapped, world.inside).is_some());
    // The outer NAT decides here.
    assert_eq!(world.send_to(world.stranger, STRANGER, mapped, world.inside), None);
}

#[test]
fn firewalls_let_through_what_they_are_told_to() {
    let through = |firewall| {
        World::of(move |network| {
            let internet = network.internet();
            network.firewall(internet, firewall).1
        })
    };
    let mut world = through(Firewall::stateful(Duration::from_secs(30)));
    assert_eq!(world.send(world.server, SERVER, INSIDE, world.inside), None);
    assert_eq!(world.send(world.inside, INSIDE, SERVER, world.server), Some(address(INSIDE)));
    assert_eq!(world.send(world.server, SERVER, INSIDE, world.inside), Some(address(SERVER)));
    assert_eq!(world.send(world.stranger, STRANGER, INSIDE, world.inside), None);
    world.network.run_for(Duration::from_secs(31));
    assert_eq!(world.send(world.server, SERVER, INSIDE, world.inside), None);

    let mut world = through(Firewall::block());
    assert_eq!(world.send(world.inside, INSIDE, SERVER, world.server), None);

    let mut world = through(Firewall::open());
    assert!(world.send(world.stranger, STRANGER, INSIDE, world.inside).is_some());

    let mut world =
        through(Firewall::rule(|_, source, destination| source.port() != 3479 && destination.port() != 3479));
    assert!(world.send(world.server, SERVER, INSIDE, world.inside).is_some());
    assert_eq!(world.send(world.server, SERVER_OTHER_PORT, INSIDE, world.inside), None);
}

#[test]
fn an_address_that_changes_takes_what_was_on_the_way_with_it() {
    let mut network = Network::new(1);
    let internet = network.internet();
    let link = Link::delay(Duration::from_millis(50));
    let [old, new, peer] = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.9:1"].map(address);
    let mover = network.node_at(internet, old.ip(), link, Host::default());
    let other = network.node_at(internet, peer.ip(), link, Host::default());
    network.get_mut(other).to_send.push((peer, old, 1));
    network.run_for(Duration::from_millis(60));
    network.detach(mover, old.ip());
    network.attach(mover, internet, new.ip(), link, link);
    network.get_mut(other).to_send.push((peer, new, 2));
    network.get_mut(mover).to_send.extend([(new, peer, 4), (old, peer, 3)]);
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.get(mover).received, [(new, peer, 2)]);
    assert_eq!(network.get(other).received, [(peer, new, 4)], "a lost address sends nothing");
    assert_eq!(network.addresses(mover).collect::<Vec<IpAddr>>(), [new.ip()]);
}

#[test]
fn both_families_have_routers_of_their_own() {
    let mut network = Network::new(1);
    let internet = network.internet();
    let (_, home) = network.nat(internet, Nat::symmetric(NAT));
    network.join_by_firewall(home, internet, Firewall::stateful(Duration::from_secs(30)));
    let [v4, v6] = ["192.168.0.2:1", "[2001:db8::2]:1"].map(address);
    let host = network.node_at(home, v4.ip(), Link::default(), Host::default());
    network.attach(host, home, v6.ip(), Link::default(), Link::default());
    let [server_v4, server_v6] = ["198.51.100.1:9", "[2001:db8:1::1]:9"].map(address);
    let server = network.node_at(internet, server_v4.ip(), Link::default(), Host::default());
    network.attach(server, internet, server_v6.ip(), Link::default(), Link::default());
    network.get_mut(host).to_send.extend([(v4, server_v4, 4), (v6, server_v6, 6)]);
    network.run_for(Duration::from_millis(1));
    let sources: Vec<IpAddr> = network.get(server).received.iter().map(|(_, source, _)| source.ip()).collect();
    assert_eq!(sources, [v6.ip(), NAT.parse::<IpAddr>().unwrap()]);
}

#[test]
fn multicast_stays_in_its_zone() {
    let mut world = World::behind(Nat::full_cone(NAT));
    let group = address("224.0.0.251:5353");
    world.network.get_mut(world.inside).to_send.push((address(INSIDE), group, 7));
    world.network.run_for(Duration::from_millis(1));
    let heard = (address("192.168.0.3:5353"), address(INSIDE), 7);
    assert_eq!(world.network.get(world.neighbour).received, [heard]);
    for other in [world.inside, world.server, world.stranger] {
        assert_eq!(world.network.get(other).received, []);
    }
}

#[test]
fn a_full_table_makes_no_further_mapping() {
    let mut world = World::behind(Nat { max_mappings: 2, ..Nat::full_cone(NAT) });
    let arrived: Vec<bool> = ["192.168.0.2:1", "192.168.0.2:2", "192.168.0.2:3"]
        .map(|local| world.send(world.inside, local, SERVER, world.server).is_some())
        .into();
    assert_eq!(arrived, [true, true, false]);
}
