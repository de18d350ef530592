//! Finding a way, on good links and bad ones.

use crate::world::World;
use sim::Link;
use std::time::Duration;
use visavis_ice::ConnectionState::{Checking, Completed, Connected};

#[test]
fn two_hosts_connect_in_two_round_trips() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(5)));
    world.signal();
    world.expect_connected();
    // Up and down make 10 ms. A check each way at once, then the nomination: two round trips, and no waiting in between.
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
