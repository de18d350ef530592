//! Through NATs, with the help of STUN servers.

use crate::world::{LONG, World};
use ice::{CandidateKind, Config, ConnectionState, Event, Role};
use sim::{Link, Nat, Network};
use std::time::Duration;
use visavis_ice as ice;

/// A peer behind each of two NATs, who ask one STUN server.
fn behind(seed: u64, link: Link, a: Nat, b: Nat) -> World {
    behind_with(seed, link, a, b, Config::default())
}

fn behind_with(seed: u64, link: Link, a: Nat, b: Nat, controlled: Config) -> World {
    let mut net = Network::new(seed);
    let internet = net.internet();
    let (_, home) = net.nat(internet, a);
    let (_, office) = net.nat(internet, b);
    let controlled = Config { role: Role::Controlled, ..controlled };
    let (a, b) = ((Config::default(), home, &["192.168.0.2:5000"][..]), (controlled, office, &["10.0.0.7:6000"][..]));
    let mut world = World::with(net, seed, link, a, b);
    let server = world.add_server("198.51.100.9");
    for node in [world.a, world.b] {
        world.command(node, |agent, now| agent.add_stun_server(now, server));
    }
    world
}

const HOME: &str = "203.0.113.1";
const OFFICE: &str = "203.0.113.2";

#[test]
fn peers_behind_cones_meet_at_their_reflexive_addresses() {
    let kinds = [Nat::full_cone, Nat::address_restricted, Nat::port_restricted];
    for (seed, (a, b)) in kinds.iter().flat_map(|a| kinds.iter().map(move |b| (a, b))).enumerate() {
        let mut world = behind(seed as u64, Link::delay(Duration::from_millis(5)), a(HOME), b(OFFICE));
        world.signal();
        world.expect_connected();
        for node in [world.a, world.b] {
            let found = world.peer(node).local_candidates();
            let kinds: Vec<CandidateKind> = found.iter().map(|candidate| candidate.kind).collect();
            assert_eq!(kinds, [CandidateKind::Host, CandidateKind::ServerReflexive]);
        }
        world.expect_data();
        world.close();
    }
}

#[test]
fn a_symmetric_nat_is_learnt_from_the_checks_that_come_through_it() {
    let mut world = behind(1, Link::delay(Duration::from_millis(5)), Nat::symmetric(HOME), Nat::full_cone(OFFICE));
    world.signal();
    world.expect_connected();
    let (local, _) = world.agent(world.a).selected().expect("agreed");
    let (_, remote) = world.agent(world.b).selected().expect("agreed");
    assert_eq!((local.kind, remote.kind), (CandidateKind::PeerReflexive, CandidateKind::PeerReflexive));
    world.expect_data();
    world.close();
}

#[test]
fn two_symmetric_nats_end_in_failure_and_say_so() {
    let mut world = behind(1, Link::delay(Duration::from_millis(5)), Nat::symmetric(HOME), Nat::symmetric(OFFICE));
    world.signal();
    let (a, b) = (world.a, world.b);
    let has_failed =
        move |world: &World| [a, b].iter().all(|node| world.agent(*node).state() == ConnectionState::Failed);
    world.expect("failure", LONG, has_failed);
    world.net.expect_quiet(LONG);
}

#[test]
fn a_nat_that_forgets_its_mappings_moves_the_connection() {
    for roles in [[Role::Controlling, Role::Controlled], [Role::Controlled, Role::Controlling]] {
        let mut net = Network::new(1);
        let internet = net.internet();
        let (nat, home) = net.nat(internet, Nat::port_restricted(HOME));
        let [a, b] = roles.map(|role| Config { role, ..Config::default() });
        let (a, b) = ((a, home, &["192.168.0.2:5000"][..]), (b, internet, &["198.51.100.2:6000"][..]));
        let mut world = World::with(net, 1, Link::delay(Duration::from_millis(5)), a, b);
        world.signal();
        world.expect_connected();
        let (b, before) = (world.b, world.agent(world.b).route());
        world.run_for(Duration::from_secs(2));
        world.net.rebind(nat);
        world.expect("another way", Duration::from_secs(25), |world| {
            let route = world.agent(b).route();
            route.is_some() && route != before
        });
        world.expect_data();
        world.run_for(Duration::from_secs(60));
        for node in [world.a, world.b] {
            assert!(!world.peer(node).states().contains(&ConnectionState::Failed));
            assert_eq!(world.agent(node).state(), ConnectionState::Completed);
        }
    }
}

#[test]
fn two_behind_the_same_nat_talk_directly() {
    let mut net = Network::new(1);
    let internet = net.internet();
    let (_, home) = net.nat(internet, Nat::symmetric(HOME));
    let controlled = Config { role: Role::Controlled, ..Config::default() };
    let (a, b) = (["192.168.0.2:5000"], ["192.168.0.3:5000"]);
    let (a, b) = ((Config::default(), home, &a[..]), (controlled, home, &b[..]));
    let mut world = World::with(net, 1, Link::delay(Duration::from_millis(1)), a, b);
    let server = world.add_server("198.51.100.9");
    for node in [world.a, world.b] {
        world.command(node, |agent, now| agent.add_stun_server(now, server));
    }
    world.signal();
    world.expect_connected();
    let (local, remote) = world.agent(world.a).selected().expect("selected");
    assert_eq!((local.kind, remote.kind), (CandidateKind::Host, CandidateKind::Host));
    world.expect_data();
}

#[test]
fn rough_links_and_nats_together_are_overcome() {
    let kinds = [Nat::full_cone, Nat::address_restricted, Nat::port_restricted];
    for seed in sim::seeds(90) {
        let (a, b) = (kinds[seed as usize % 3], kinds[seed as usize / 3 % 3]);
        let mut world = behind(seed, Link::rough(seed), a(HOME), b(OFFICE));
        world.signal();
        world.expect_connected();
        world.expect_data();
        world.close();
    }
}

#[test]
fn dead_stun_servers_are_harmless() {
    let mut world =
        behind(1, Link::delay(Duration::from_millis(5)), Nat::port_restricted(HOME), Nat::full_cone(OFFICE));
    let dead = "198.51.100.66:3478".parse().expect("an address");
    let a = world.a;
    world.command(a, |agent, now| agent.add_stun_server(now, dead));
    world.signal();
    world.expect_connected();
    world.expect("the end of gathering", LONG, |world| {
        world.agent(world.a).gathering_state() == ice::GatheringState::Complete
    });
    let errors = world.peer(a).count(|event| matches!(event, Event::GatheringError { server, .. } if *server == dead));
    assert_eq!(errors, 1);
    world.close();
}

#[test]
fn an_answer_that_takes_minutes_finds_the_way_still_open() {
    let nat = Nat::port_restricted;
    let patient = Config { unheard_patience: Duration::from_secs(600), ..Config::default() };
    let mut world = behind_with(1, Link::delay(Duration::from_millis(5)), nat(HOME), nat(OFFICE), patient);
    let (a, b) = (world.a, world.b);
    for node in [a, b] {
        world.command(node, |agent, now| agent.end_of_hosts(now));
    }
    world.net.run_for(Duration::from_secs(1));
    world.introduce(b);
    world.trickle(a);
    // All that `b` sends ends at a NAT that lets nothing in until `a` knows where to send.
    world.net.run_for(Duration::from_secs(500));
    assert_eq!(world.agent(b).state(), ConnectionState::Checking);
    world.introduce(a);
    world.expect_connected();
    assert!(world.net.elapsed() < Duration::from_secs(530), "{:?}", world.net.elapsed());
}
