//! Every kind of NAT on either side. Where both sides' ports cannot be guessed, a relay would be needed: there the
//! session says so.

use std::time::Duration;

use session::{ConnectionState, datachannel::Message, datachannel::Options};
use sim::{Link, Nat};

use crate::world::{Access, Signalling, World};

const KINDS: [(&str, Access); 5] = [
    ("no NAT", Access::Direct),
    ("full cone", Access::Behind(Nat::full_cone)),
    ("address restricted", Access::Behind(Nat::address_restricted)),
    ("port restricted", Access::Behind(Nat::port_restricted)),
    ("symmetric", Access::Behind(Nat::symmetric)),
];

fn world(seed: u64, access: [Access; 2]) -> World {
    let mut world = World::new(seed, access, [Link::delay(Duration::from_millis(20)); 2]);
    let now = world.now();
    world.peer(0).open(now, Options { label: "through".into(), ..Options::default() });
    world
}

/// A symmetric NAT takes a new port for each destination, and a filter that looks at ports does not let it in.
fn needs_a_relay(one: &str, other: &str) -> bool {
    let strict = |kind| ["port restricted", "symmetric"].contains(&kind);
    (one == "symmetric" && strict(other)) || (other == "symmetric" && strict(one))
}

#[test]
fn every_pair_of_nats_that_can_be_crossed_is_crossed() {
    for (number, (one, first)) in KINDS.into_iter().enumerate() {
        for (other, second) in KINDS {
            if needs_a_relay(one, other) {
                continue;
            }
            for signalling in [Signalling::Complete, Signalling::Trickle] {
                println!("{one} to {other}, {signalling:?}");
                let mut world = world(number as u64, [first, second]);
                world.connect(signalling);
                let now = world.now();
                let id = world.peer(0).channel("through").unwrap();
                world.peer(0).send(now, id, Message::text("hello"));
                world.network.run_for(Duration::from_secs(1));
                assert_eq!(world.peer(1).heard("through"), [Message::text("hello")]);
                // Mappings live two minutes: the checks of consent keep them.
                world.network.run_for(Duration::from_secs(600));
                let now = world.now();
                world.peer(0).send(now, id, Message::text("still there"));
                world.network.run_for(Duration::from_secs(1));
                assert_eq!(world.peer(1).heard("through").len(), 2);
                world.close();
            }
        }
    }
}

#[test]
fn a_pair_of_nats_that_cannot_be_crossed_fails_and_says_so() {
    for (number, (one, first)) in KINDS.into_iter().enumerate() {
        for (other, second) in KINDS {
            if !needs_a_relay(one, other) {
                continue;
            }
            println!("{one} to {other}");
            let mut world = world(number as u64, [first, second]);
            world.signal(Signalling::Complete, |_| {});
            // The answerer cannot tell an offerer whom nobody has handed the answer, and waits two minutes for it.
            world.expect("failure", Duration::from_secs(240), |peer| {
                peer.session.connection_state() == ConnectionState::Failed
            });
            for number in [0, 1] {
                assert!(world.peer(number).opened.is_empty());
            }
            world.close();
        }
    }
}
