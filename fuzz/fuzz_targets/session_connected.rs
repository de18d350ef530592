//! Two connected sessions: commands on both sides, and forgeries of what they say to each other on the way. Checksums
//! and tags pass while fuzzing, so forgeries get as far as the peer's own packets do, and may end the connection; but
//! nothing panics, storms or goes on for ever, and what is closed gets closed. Without forgeries both stay connected.
#![no_main]

#[path = "common/sessions.rs"]
mod sessions;

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use session::datachannel::{self, Message};
use session::{ConnectionState, OfferOptions};
use sessions::{World, address};

#[derive(Arbitrary, Debug)]
enum Step {
    Open {
        side: bool,
        label: String,
        protocol: String,
        ordered: bool,
        negotiated: Option<u16>,
    },
    Send {
        side: bool,
        channel: u8,
        length: u32,
        is_text: bool,
    },
    CloseChannel {
        side: bool,
        channel: u8,
    },
    Datagram {
        to: bool,
        bytes: Vec<u8>,
    },
    /// A datagram that was seen, with one byte changed.
    Mutated {
        index: u8,
        place: u16,
        with: u8,
    },
    Replayed {
        index: u8,
    },
    Restart {
        side: bool,
    },
    Time {
        milliseconds: u16,
    },
    /// The next packet of data is changed on its way, at a place and at distances from there.
    Changed {
        to: bool,
        place: u16,
        changes: Vec<(u8, u8)>,
    },
}

fuzz_target!(|steps: Vec<Step>| {
    let mut world = World::new();
    let now = world.now;
    world.sessions[0].open_channel(now, datachannel::Options::new("channel")).expect("a first channel");
    negotiate(&mut world, 0);
    world.run_for(Duration::from_secs(2));
    let is_connected =
        |world: &World| world.sessions.iter().all(|session| session.connection_state() == ConnectionState::Connected);
    assert!(is_connected(&world));
    let mut is_forged = false;
    for step in steps.into_iter().take(64) {
        is_forged |= matches!(step, Step::Datagram { .. } | Step::Mutated { .. } | Step::Changed { .. });
        take(&mut world, step);
        world.settle();
    }
    world.run_for(Duration::from_secs(5));
    assert!(is_forged || is_connected(&world), "commands and repetitions must not end a connection");
    let now = world.now;
    world.sessions[0].close(now);
    world.run_for(Duration::from_secs(30));
    assert!(world.sessions[0].is_closed());
});

fn take(world: &mut World, step: Step) {
    let now = world.now;
    match step {
        Step::Open { side, label, protocol, ordered, negotiated } => {
            let options = datachannel::Options { protocol, ordered, negotiated, ..datachannel::Options::new(label) };
            let _ = world.sessions[usize::from(side)].open_channel(now, options);
        }
        Step::Send { side, channel, length, is_text } => {
            let session = &mut world.sessions[usize::from(side)];
            let Some(id) = session.channels().ids().nth(usize::from(channel)) else { return };
            let bytes = vec![b'x'; length as usize % 300_000];
            let message = if is_text {
                Message::text(String::from_utf8_lossy(&bytes).into_owned())
            } else {
                Message::binary(bytes)
            };
            let _ = session.send(now, id, message);
        }
        Step::CloseChannel { side, channel } => {
            let session = &mut world.sessions[usize::from(side)];
            let id = session.channels().ids().nth(usize::from(channel));
            if let Some(id) = id {
                session.close_channel(now, id);
            }
        }
        Step::Datagram { to, mut bytes } => {
            let to = usize::from(to);
            world.sessions[to].handle_datagram(now, address(to), address(1 - to), &mut bytes);
        }
        Step::Mutated { index, place, with } => {
            let Some((to, mut bytes)) = world.seen.get(usize::from(index)).cloned() else { return };
            let place = usize::from(place) % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= with;
            }
            world.sessions[to].handle_datagram(now, address(to), address(1 - to), &mut bytes);
        }
        Step::Replayed { index } => {
            let Some((to, mut bytes)) = world.seen.get(usize::from(index)).cloned() else { return };
            world.sessions[to].handle_datagram(now, address(to), address(1 - to), &mut bytes);
        }
        Step::Restart { side } => {
            world.sessions[usize::from(side)].restart_ice(now);
            negotiate(world, usize::from(side));
        }
        Step::Changed { to, place, changes } => world.changes[usize::from(to)] = Some((place, changes)),
        Step::Time { milliseconds } => world.run_for(Duration::from_millis(u64::from(milliseconds % 5000))),
    }
}

fn negotiate(world: &mut World, side: usize) {
    let now = world.now;
    let offerer = &mut world.sessions[side];
    let offer = offerer.create_offer(now, OfferOptions::default()).expect("stable");
    offerer.set_local_description(now, offer).expect("our own offer");
    let offer = offerer.local_description().expect("just set");
    let answerer = &mut world.sessions[1 - side];
    answerer.set_remote_description(now, offer).expect("an offer of our own kind");
    let answer = answerer.create_answer(now).expect("an offer is pending");
    answerer.set_local_description(now, answer).expect("our own answer");
    let answer = answerer.local_description().expect("just set");
    world.sessions[side].set_remote_description(now, answer).expect("an answer of our own kind");
}
