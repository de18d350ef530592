//! Finding a way, on good links and bad ones.

use crate::world::World;
use ice::ConnectionState::{Checking, Completed, Connected};
use ice::{Config, PairState, Role};
use sim::{Link, Network};
use std::net::IpAddr;
use std::time::Duration;
use visavis_ice as ice;

#[test]
fn two_hosts_connect_in_two_round_trips() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(5)));
    world.signal();
    world.expect_connected();
    // Up and down make 10 ms. A check each way at once, then the nomination: two round trips, and no waiting.
    assert!(world.net.elapsed() <= Duration::from_millis(41), "{:?}", world.net.elapsed());
    world.expect_data();
    for node in [world.a, world.b] {
        assert_eq!(world.peer(node).states(), [Checking, Connected, Completed]);
        assert_eq!(world.peer(node).selections(), 1);
        assert_eq!(world.agent(node).rtt(), Some(Duration::from_millis(20)));
    }
    world.close();
}

#[test]
fn every_rough_link_is_overcome() {
    for seed in sim::seeds(200) {
        let mut world = World::new(seed, Link::rough(seed));
        world.signal();
        world.expect_connected();
        world.expect_data();
        world.close();
    }
}

#[test]
fn corrupted_datagrams_only_cost_time() {
    for seed in sim::seeds(50) {
        let mut world = World::new(seed, Link { corrupt: 0.1, ..Link::rough(seed) });
        world.signal();
        world.expect_connected();
        world.run_for(Duration::from_secs(60));
        let drops = [world.a, world.b].map(|node| world.agent(node).stats().drops);
        let dropped = drops.iter().map(|drops| drops.malformed + drops.fingerprint).sum::<u64>();
        assert!(dropped > 0, "seed {seed}: ten of a hundred were damaged, and none was noticed");
        world.close();
    }
}

#[test]
fn a_broken_family_delays_nothing_much() {
    for (seed, (broken, expected)) in
        [("2001:db8::1", "192.0.2.1"), ("192.0.2.1", "2001:db8::1")].into_iter().enumerate()
    {
        let (link, dead) = (Link::delay(Duration::from_millis(5)), Link { loss: 1.0, ..Link::default() });
        let net = Network::new(seed as u64);
        let zone = net.internet();
        let controlled = Config { role: Role::Controlled, ..Config::default() };
        let a = (Config::default(), zone, &["[2001:db8::1]:1", "192.0.2.1:1"][..]);
        let b = (controlled, zone, &["[2001:db8::2]:1", "192.0.2.2:1"][..]);
        let mut world = World::with(net, seed as u64, link, a, b);
        world.net.set_links(world.a, broken.parse().expect("an address"), dead, dead);
        world.signal();
        world.expect_connected();
        assert!(world.net.elapsed() < Duration::from_millis(200), "{:?}", world.net.elapsed());
        let route = world.agent(world.a).route().expect("a route");
        assert_eq!(route.local.ip(), expected.parse::<IpAddr>().expect("an address"));
        world.expect_data();
        world.close();
    }
}

#[test]
fn statistics_tell_what_happened() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(5)));
    world.signal();
    world.expect_connected();
    world.run_for(Duration::from_secs(20));
    let [a, b] = [world.a, world.b].map(|node| world.agent(node).stats());
    for (ours, theirs) in [(&a, &b), (&b, &a)] {
        let ([ours_pair], [theirs_pair]) = (ours.pairs.as_slice(), theirs.pairs.as_slice()) else {
            panic!("one pair each")
        };
        assert!(ours_pair.is_selected && ours_pair.is_nominated && ours_pair.state == PairState::Succeeded);
        assert_eq!(ours_pair.rtt, Some(Duration::from_millis(20)));
        assert_eq!(ours_pair.requests_sent, theirs.totals.checks_received);
        let answers = u32::try_from(ours_pair.responses_received).expect("few");
        assert_eq!(ours_pair.total_rtt, answers * Duration::from_millis(20));
        assert_eq!((ours_pair.last_rtt, ours_pair.requests_repeated), (ours_pair.rtt, 0));
        assert!((1..ours_pair.requests_sent).contains(&ours_pair.consents_sent), "{ours_pair:?}");
        assert_eq!(ours.totals.selections, 1);
        assert_eq!(ours_pair.responses_sent, theirs_pair.responses_received);
        assert_eq!(ours.totals.bytes_sent, theirs.totals.bytes_received);
        assert_eq!(ours.totals.datagrams_sent, theirs.totals.datagrams_received);
        assert_eq!(ours.drops, ice::Drops::default());
    }
}
