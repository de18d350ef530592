//! Consent to send: kept, missed, lost (RFC 7675).

use crate::script::Script;
use crate::world::{LONG, World, address};
use ice::{Config, ConnectionState, Role};
use sim::{Link, Verdict};
use std::time::Duration;
use stun::{Attribute, Class};
use visavis_ice as ice;

fn connected(seed: u64) -> World {
    let mut world = World::new(seed, Link::delay(Duration::from_millis(5)));
    world.signal();
    world.expect_connected();
    world.run_for(Duration::from_secs(1));
    world
}

#[test]
fn consent_is_asked_for_every_four_to_six_seconds_and_nothing_else_is_sent() {
    let mut script = Script::new(Config::default());
    script.connect();
    script.sent();
    let mut checks = Vec::new();
    while checks.len() < 50 {
        for sent in script.wait(Duration::from_millis(100)) {
            assert_eq!(sent.class, Class::Request);
            checks.push((script.now, sent.id));
            let answer = script.answer(&sent);
            script.feed(&answer);
        }
    }
    let gaps: Vec<Duration> = checks.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    // Seen through a grid of 100 ms.
    let (least, most) = (Duration::from_millis(3900), Duration::from_millis(6100));
    assert!(gaps.iter().all(|gap| (least..=most).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().max() > gaps.iter().min(), "they are to vary");
    assert!(checks.windows(2).all(|pair| pair[0].1 != pair[1].1), "each has a transaction id of its own");
}

#[test]
fn idle_connections_stay_connected_for_an_hour() {
    let mut world = connected(1);
    let before = world.net.counts().sent;
    world.run_for(Duration::from_secs(3600));
    let datagrams = world.net.counts().sent - before;
    assert!(datagrams < 4 * 3600 / 4, "{datagrams} datagrams in an hour");
    for node in [world.a, world.b] {
        assert_eq!(world.agent(node).state(), ConnectionState::Completed);
    }
    world.close();
}

#[test]
fn lost_consent_checks_are_no_disconnection() {
    for seed in sim::seeds(30) {
        let mut world = World::new(seed, Link { loss: 0.05, ..Link::delay(Duration::from_millis(20)) });
        world.signal();
        world.expect_connected();
        world.run_for(Duration::from_secs(300));
        for node in [world.a, world.b] {
            let states = world.peer(node).states();
            assert!(!states.contains(&ConnectionState::Failed), "seed {seed}: {states:?}");
            let lapses = states.iter().filter(|state| **state == ConnectionState::Disconnected).count();
            assert!(lapses <= 1, "seed {seed}: {states:?}");
        }
    }
}

#[test]
fn a_vanished_peer_means_disconnected_then_failed_then_silence() {
    let mut world = connected(2);
    let gone = world.net.now();
    world.net.intercept(|_, _, _, _| Verdict::Drop);
    let a = world.a;
    world.expect("disconnection", LONG, |world| world.agent(a).state() == ConnectionState::Disconnected);
    let silence = world.net.now() - gone;
    assert!(silence <= Duration::from_secs(11), "{silence:?}");
    assert!(world.agent(a).route().is_some(), "consent has not expired yet");
    world.expect("failure", LONG, |world| world.agent(a).state() == ConnectionState::Failed);
    let silence = world.net.now() - gone;
    assert!(silence >= Duration::from_secs(20) && silence <= Duration::from_secs(31), "{silence:?}");
    assert_eq!(world.agent(a).route(), None);
    world.run_for(Duration::from_secs(5));
    world.net.expect_quiet(LONG);
}

#[test]
fn a_peer_that_comes_back_in_time_is_connected_again() {
    let mut world = connected(3);
    let (a, b) = (world.a, world.b);
    let back = world.net.now() + Duration::from_secs(18);
    world.net.intercept(move |now, _, _, _| if now < back { Verdict::Drop } else { Verdict::Pass });
    world.expect("disconnection", LONG, |world| world.agent(a).state() == ConnectionState::Disconnected);
    let is_back = |world: &World| [a, b].iter().all(|node| world.agent(*node).state() == ConnectionState::Completed);
    world.expect("recovery", LONG, |world| world.net.now() > back && is_back(world));
    world.expect_data();
    world.close();
}

#[test]
fn consent_that_was_lost_does_not_come_back_by_itself() {
    let mut world = connected(4);
    let (a, b) = (world.a, world.b);
    let back = world.net.now() + Duration::from_secs(40);
    world.net.intercept(move |now, _, _, _| if now < back { Verdict::Drop } else { Verdict::Pass });
    world.run_for(Duration::from_secs(120));
    for node in [a, b] {
        assert_eq!(world.agent(node).state(), ConnectionState::Failed);
        assert_eq!(world.agent(node).route(), None);
    }
}

#[test]
fn a_peer_that_forbids_more_is_obeyed_at_once() {
    let mut script = Script::new(Config::default());
    script.connect();
    script.sent();
    let consent = loop {
        if let Some(sent) = script.wait(Duration::from_millis(500)).into_iter().next() {
            break sent;
        }
    };
    // Anybody can say so; only the peer can sign it.
    let mut forged = script.refuse(&consent, 403);
    let end = forged.len() - 12;
    forged.get_mut(end).map(|byte| *byte ^= 1).expect("a byte of the integrity");
    script.feed(&forged);
    assert!(script.agent.route().is_some());
    let refusal = script.refuse(&consent, 403);
    script.feed(&refusal);
    assert_eq!(script.agent.route(), None);
    assert_eq!(script.agent.state(), ConnectionState::Failed);
}

#[test]
fn when_the_selected_pair_dies_another_that_works_takes_over() {
    for seed in sim::seeds(20) {
        let link = Link::delay(Duration::from_millis(5));
        let net = sim::Network::new(seed);
        let zone = net.internet();
        let controlled = Config { role: Role::Controlled, ..Config::default() };
        let a = (Config::default(), zone, &["192.0.2.1:1000", "192.0.2.8:1008"][..]);
        let mut world = World::with(net, seed, link, a, (controlled, zone, &["198.51.100.2:2000"]));
        world.signal();
        world.expect_connected();
        let dead = world.agent(world.a).route().expect("a route").local;
        world.run_for(Duration::from_secs(3));
        world
            .net
            .intercept(move |_, from, to, _| if from == dead || to == dead { Verdict::Drop } else { Verdict::Pass });
        world.expect("another way", Duration::from_secs(20), |world| {
            let routes =
                [world.agent(world.a).route(), world.agent(world.b).route()].map(|route| route.expect("consent"));
            routes[0].local != dead && routes[1].remote != dead
        });
        world.expect_data();
        world.close();
    }
}

#[test]
fn a_peer_that_moves_again_and_again_is_followed() {
    let mut script = Script::new(Config { role: Role::Controlled, max_peer_reflexive: 4, ..Config::default() });
    let first = script.route();
    for port in 2000..2040 {
        script.remote = address(&format!("198.51.100.2:{port}"));
        for nomination in [&[][..], &[Attribute::UseCandidate]] {
            let check = script.check(&[&[Attribute::IceControlling(1)], nomination].concat());
            script.feed(&check);
            for sent in script.wait(Duration::from_millis(50)) {
                if sent.class == Class::Request && sent.route == script.route() {
                    let answer = script.answer(&sent);
                    script.feed(&answer);
                }
            }
        }
        assert_eq!(script.agent.route(), Some(script.route()), "port {port}");
    }
    assert!(script.agent.stats().pairs.len() <= 4);
    assert!(!script.agent.is_valid(first), "the oldest has given way");
    assert_eq!(script.agent.stats().totals.candidates_refused, 0);
}

#[test]
fn the_way_in_use_gives_way_to_no_other() {
    let mut script = Script::new(Config { max_peer_reflexive: 4, ..Config::default() });
    script.connect();
    let used = script.route();
    for port in 3000..3040 {
        let check = script.check(&[Attribute::IceControlled(1)]);
        script.feed_from(address(&format!("198.51.100.2:{port}")), &check);
        script.wait(Duration::from_millis(10));
    }
    assert_eq!(script.agent.route(), Some(used));
    assert!(script.agent.is_valid(used));
    assert!(script.agent.stats().pairs.len() <= 4);
}
