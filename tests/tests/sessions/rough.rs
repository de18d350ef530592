//! Five hundred bad networks: whatever is lost, late, doubled or out of order, peers connect, deliver all, and close
//! quietly.

use std::time::Duration;

use rand::{RngExt, rngs::StdRng};
use session::datachannel::{Kind, Message, Options};
use sim::Link;

use crate::world::{Access, Signalling, World};

/// Text and bytes of all sizes, now and then empty, each with its number inside.
fn messages(rng: &mut StdRng, count: usize) -> Vec<Message> {
    let mut messages = vec![Message::text("the first"), Message::text(""), Message::binary(Vec::new())];
    for number in 0..count {
        let length = if rng.random_bool(0.1) { rng.random_range(0..60_000) } else { rng.random_range(0..3_000) };
        messages.push(match rng.random_bool(0.5) {
            true => Message::text(format!("{number} {}", "ä".repeat(length / 2))),
            false => Message::binary(visavis_tests::pattern::bytes(length, number as u32)),
        });
    }
    messages
}

/// Order aside.
fn sorted(messages: &[Message]) -> Vec<(bool, Vec<u8>)> {
    let mut messages: Vec<_> =
        messages.iter().map(|message| (message.kind == Kind::Text, message.payload.to_vec())).collect();
    messages.sort();
    messages
}

fn connects_delivers_all_and_closes_quietly(seed: u64) {
    let mut rng = sim::rng(seed, 100);
    let links = [Link::rough(seed), Link::rough(seed ^ 0xffff_0000)];
    let mut world = World::new(seed, [Access::Direct; 2], links);
    let signalling = if rng.random_bool(0.5) { Signalling::Complete } else { Signalling::Trickle };

    // One ordered channel, one unordered, and one that nobody promised anything about.
    let now = world.now();
    let kinds = [
        Options { label: "ordered".into(), ..Options::default() },
        Options { label: "unordered".into(), ordered: false, ..Options::default() },
        Options {
            label: "unreliable".into(),
            ordered: false,
            reliability: sctp::Reliability::MaxRetransmits(0),
            ..Options::default()
        },
    ];
    for options in kinds {
        world.peer(0).open(now, options);
    }
    world.connect(signalling);
    world.expect("three channels", Duration::from_secs(60), |peer| peer.opened.len() == 3);

    let sent = [messages(&mut rng, 30), messages(&mut rng, 30)];
    for number in [0, 1] {
        let now = world.now();
        let peer = world.peer(number);
        for label in ["ordered", "unordered", "unreliable"] {
            let id = peer.channel(label).expect("it is open");
            for message in &sent[number] {
                peer.send(now, id, message.clone());
            }
        }
    }
    let total = sent[0].len();
    world.expect("delivery of everything", Duration::from_secs(300), |peer| {
        peer.has_sent() && peer.heard("ordered").len() >= total && peer.heard("unordered").len() >= total
    });
    // Whatever is still on the way must not arrive twice.
    world.network.run_for(Duration::from_secs(2));
    for number in [0, 1] {
        let (peer, sent) = (world.peer(number), &sent[1 - number]);
        assert_eq!(peer.heard("ordered"), sent, "seed {seed}: what was heard in order");
        assert_eq!(sorted(peer.heard("unordered")), sorted(sent), "seed {seed}: what was heard out of order");
        let mut unsent = sorted(sent);
        for message in sorted(peer.heard("unreliable")) {
            let place = unsent.iter().position(|other| *other == message);
            unsent.remove(place.unwrap_or_else(|| panic!("seed {seed}: a message was made up, or came twice")));
        }
    }
    // Where many are lost, two checks of consent in a row may be, which is told as a disconnection for a while.
    world.expect("connection of both", Duration::from_secs(20), |peer| {
        peer.states.last() == Some(&session::ConnectionState::Connected)
    });
    // The last message is sent just before the end, and is not lost by it.
    let now = world.now();
    let id = world.peer(0).channel("ordered").expect("it is open");
    world.peer(0).send(now, id, Message::text("the last"));
    world.close();
    assert_eq!(world.peer(1).heard("ordered").last(), Some(&Message::text("the last")), "seed {seed}");
    for number in [0, 1] {
        assert_eq!(world.peer(number).closed.len(), 3, "seed {seed}: channels that closed");
    }
}

/// Two halves, so that they run side by side.
#[test]
fn rough_networks_connect_deliver_all_and_close_quietly() {
    for seed in sim::seeds(250) {
        connects_delivers_all_and_closes_quietly(seed);
    }
}

#[test]
fn more_rough_networks_connect_deliver_all_and_close_quietly() {
    for seed in sim::seeds(250) {
        connects_delivers_all_and_closes_quietly(seed + 250);
    }
}
