//! Datagrams from addresses that no connectivity check has passed from: not answered, not believed.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use session::datachannel::{Message, Options};
use sim::Verdict;

use crate::world::{Signalling, World};

const STRANGER: &str = "198.51.100.66:4444";

fn world(seed: u64) -> World {
    let mut world = World::plain(seed);
    let now = world.now();
    world.peer(0).open(now, Options { label: "ours".into(), ..Options::default() });
    world
}

/// Datagrams with their destinations.
type Recorded = Vec<(SocketAddr, Vec<u8>)>;

/// Everything but STUN that crosses the network.
fn record(world: &mut World) -> Arc<Mutex<Recorded>> {
    let recorded = Arc::new(Mutex::new(Vec::new()));
    let into = recorded.clone();
    world.network.intercept(move |_, _, to, datagram| {
        if !stun::is_stun(datagram) {
            into.lock().unwrap().push((to, datagram.clone()));
        }
        Verdict::Pass
    });
    recorded
}

/// Fails when anybody sends to the stranger.
fn nobody_answers(world: &mut World) {
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    world.network.intercept(move |_, _, to, _| {
        assert_ne!(to, stranger, "a stranger was answered");
        Verdict::Pass
    });
}

/// A whole connection's datagrams, to be played by somebody else.
fn conversation() -> Recorded {
    let mut world = world(1);
    let recorded = record(&mut world);
    world.connect(Signalling::Complete);
    let now = world.now();
    let id = world.peer(0).channel("ours").unwrap();
    world.peer(0).send(now, id, Message::text("overheard"));
    world.network.run_for(Duration::from_secs(1));
    let recorded = std::mem::take(&mut *recorded.lock().unwrap());
    assert!(recorded.len() > 8, "DTLS and SCTP were recorded");
    recorded
}

/// SCTP without DTLS around it, as if somebody hoped that it is taken as it is: an INIT chunk to port 5000.
const BARE_SCTP: [u8; 32] =
    [0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20, 0, 0, 0, 1, 0, 2, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1];

#[test]
fn dtls_from_a_stranger_is_ignored_before_during_and_after_the_handshake() {
    let conversation = conversation();
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    let mut world = world(2);
    nobody_answers(&mut world);
    let internet = world.network.internet();
    let play = |world: &mut World| {
        for (to, datagram) in &conversation {
            world.network.inject(internet, stranger, *to, datagram);
            world.network.inject(internet, stranger, *to, &BARE_SCTP);
        }
    };
    play(&mut world);
    world.signal(Signalling::Complete, |_| {});
    // The handshake takes some dozens of milliseconds; strangers speak all through it.
    for _ in 0..30 {
        play(&mut world);
        world.network.run_for(Duration::from_millis(5));
    }
    world.expect("a channel", Duration::from_secs(30), |peer| peer.opened.len() == 1);
    play(&mut world);
    let now = world.now();
    let id = world.peer(0).channel("ours").unwrap();
    world.peer(0).send(now, id, Message::text("between us"));
    world.network.run_for(Duration::from_secs(1));
    assert_eq!(world.peer(1).heard("ours"), [Message::text("between us")]);
    for number in [0, 1] {
        let stats = world.peer(number).session.stats().transport;
        assert!(stats.unchecked_dropped > 30, "{stats:?}");
        assert!(stats.unknown_dropped > 30, "{stats:?}");
    }
    world.close();
}

#[test]
fn a_session_without_a_peer_says_nothing_to_strangers() {
    let conversation = conversation();
    let stranger: SocketAddr = STRANGER.parse().unwrap();
    let mut world = world(3);
    nobody_answers(&mut world);
    let internet = world.network.internet();
    for (to, datagram) in &conversation {
        world.network.inject(internet, stranger, *to, datagram);
        world.network.inject(internet, stranger, *to, &BARE_SCTP);
    }
    world.network.expect_quiet(Duration::from_secs(60));
    for number in [0, 1] {
        assert!(world.peer(number).opened.is_empty());
    }
}
