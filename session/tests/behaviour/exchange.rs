//! Connecting and exchanging messages, on good paths and on bad ones.

use std::time::Duration;

use sim::{Link, seeds};
use visavis_session::datachannel::{Message, Options};
use visavis_session::{ConnectionState, Event};

use crate::common::{PATIENCE, World, config, pattern};

#[test]
fn two_sessions_connect_and_exchange_messages() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(10)));
    let (a, b) = (world.a, world.b);
    let (here, there) = world.connect();
    assert_eq!(world.host(b).label(there), "channel");
    world.send(a, here, Message::text("hello"));
    world.send(b, there, Message::binary(vec![1, 2, 3]));
    world
        .network
        .expect("both messages", PATIENCE, |network| network.get(a).messages() == 1 && network.get(b).messages() == 1);
    assert_eq!(world.host(b).received[&there], [Message::text("hello")]);
    assert_eq!(world.host(a).received[&here], [Message::binary(vec![1, 2, 3])]);
    let states: Vec<_> = world
        .host(a)
        .events
        .iter()
        .filter_map(|event| if let Event::ConnectionState(state) = event { Some(*state) } else { None })
        .collect();
    assert_eq!(states, [ConnectionState::Connecting, ConnectionState::Connected]);
}

#[test]
fn a_connection_opens_within_a_few_round_trips() {
    let delay = Duration::from_millis(25);
    let mut world = World::new(2, Link::delay(delay));
    world.connect();
    let round_trips = world.network.elapsed().as_secs_f64() / (4.0 * delay.as_secs_f64());
    // A check each way, two of DTLS, two of SCTP, one of the channel; what is beyond would be a timer.
    assert!(round_trips < 8.0, "{round_trips} round trips");
}

#[test]
fn rough_paths_lose_nothing() {
    for seed in seeds(100) {
        let mut world = World::new(seed, Link::default());
        let links = (Link::rough(seed), Link::rough(seed ^ 0xffff));
        for (node, host) in [(world.a, crate::common::A), (world.b, crate::common::B)] {
            // Half of it on each side of the path, so that the whole is what the seed drew.
            let half = |link: Link| Link { delay: link.delay / 2, loss: link.loss / 2.0, ..link };
            world.network.set_links(node, crate::common::address(host).ip(), half(links.0), half(links.1));
        }
        let (a, b) = (world.a, world.b);
        let (here, there) = world.connect();
        let count = 40;
        for number in 0..count {
            world.send(a, here, Message::binary(pattern(number, number * 251)));
            world.send(b, there, Message::binary(pattern(number + 1, number * 101)));
        }
        world.network.expect("all messages", Duration::from_secs(600), |network| {
            network.get(a).messages() == count && network.get(b).messages() == count
        });
        for (number, message) in world.host(b).received[&there].iter().enumerate() {
            assert_eq!(message.payload, pattern(number, number * 251), "message {number}");
        }
        for (number, message) in world.host(a).received[&here].iter().enumerate() {
            assert_eq!(message.payload, pattern(number + 1, number * 101), "message {number}");
        }
    }
}

#[test]
fn channels_of_both_sides_open_at_once() {
    let mut world = World::new(3, Link::delay(Duration::from_millis(5)));
    let (a, b) = (world.a, world.b);
    for number in 0..20 {
        world.open(a, &format!("a{number}"));
        world.open(b, &format!("b{number}"));
    }
    world.negotiate(a, b);
    world.await_open(40);
    let mut streams: Vec<_> =
        world.host(a).open.iter().map(|id| world.host(a).session.channels().info(*id).unwrap().stream_id).collect();
    streams.sort();
    streams.dedup();
    assert_eq!(streams.len(), 40, "each channel has a stream of its own");
}

#[test]
fn negotiated_channels_need_no_announcement() {
    let mut world = World::new(4, Link::delay(Duration::from_millis(5)));
    let (a, b) = (world.a, world.b);
    let options = Options { negotiated: Some(7), ..Options::new("seven") };
    let ids = [a, b].map(|node| {
        let options = options.clone();
        world.on(node, |now, host| host.session.open_channel(now, options).unwrap())
    });
    world.negotiate(a, b);
    world.await_open(1);
    world.send(a, ids[0], Message::text("seven"));
    world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 1);
    assert_eq!(world.host(b).received[&ids[1]], [Message::text("seven")]);
}

#[test]
fn each_side_may_have_an_sctp_port_of_its_own() {
    let with_port = |side, port| {
        let mut config = config(side);
        config.channels.sctp.local_port = port;
        config
    };
    let mut world = World::with(5, Link::delay(Duration::from_millis(5)), with_port(0, 6000), with_port(1, 7000));
    let (a, b) = (world.a, world.b);
    let (here, _) = world.connect();
    world.send(a, here, Message::text("from 6000 to 7000"));
    world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 1);
}
