//! Lite peers only answer (RFC 8445, section 2.5).

use crate::world::{LONG, World};
use ice::{Config, ConnectionState, Role};
use sim::{Link, Network, Verdict};
use std::time::Duration;
use visavis_ice as ice;

/// `a` is full and thinks that it is controlled; `b` is lite.
fn world(seed: u64, link: Link) -> World {
    let net = Network::new(seed);
    let zone = net.internet();
    let full = Config { role: Role::Controlled, ..Config::default() };
    let lite = Config { lite: true, ..Config::default() };
    let mut world =
        World::with(net, seed, link, (full, zone, &["192.0.2.1:1000"]), (lite, zone, &["198.51.100.2:2000"]));
    let (a, b) = (world.a, world.b);
    let (full, lite) = [a, b].map(|node| world.agent(node).local_credentials().clone()).into();
    world.command(a, |agent, now| agent.set_remote(now, lite, true));
    world.command(b, |agent, now| agent.set_remote(now, full, false));
    for node in [a, b] {
        world.command(node, |agent, now| agent.end_of_hosts(now));
    }
    world
}

#[test]
fn the_full_agent_controls_and_connects_to_a_lite_one() {
    for seed in sim::seeds(30) {
        let mut world = world(seed, Link::rough(seed));
        assert_eq!(world.agent(world.a).role(), Role::Controlling);
        assert_eq!(world.agent(world.b).role(), Role::Controlled);
        world.expect_connected();
        world.expect_data();
        assert_eq!(world.agent(world.b).stats().totals.checks_sent, 0, "a lite agent only answers");
        world.close();
    }
}

#[test]
fn a_lite_agent_stays_connected_by_the_checks_of_its_peer_and_fails_without() {
    let mut world = world(1, Link::delay(Duration::from_millis(5)));
    world.expect_connected();
    world.run_for(Duration::from_secs(300));
    let b = world.b;
    assert_eq!(world.agent(b).state(), ConnectionState::Completed);
    world.net.intercept(|_, _, _, _| Verdict::Drop);
    world.expect("failure", LONG, |world| world.agent(b).state() == ConnectionState::Failed);
    assert_eq!(world.agent(b).route(), None);
}

#[test]
fn a_lite_agent_stays_controlled_whatever_is_asked() {
    let mut world = world(1, Link::default());
    let b = world.b;
    world.command(b, |agent, now| agent.set_role(now, Role::Controlling));
    assert_eq!(world.agent(b).role(), Role::Controlled);
}
