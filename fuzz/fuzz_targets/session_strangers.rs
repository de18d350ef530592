//! Anything from the network before and during the handshake, from the peer's address and from others: at worst the
//! connection does not come about; after a quiet while it does, unless it was ended.
#![no_main]

#[path = "common/sessions.rs"]
mod sessions;

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use session::{IceCandidate, OfferOptions, datachannel};
use sessions::{World, address};

#[derive(Arbitrary, Debug)]
enum Step {
    Datagram {
        to: bool,
        from_peer: bool,
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
    Candidate {
        to: bool,
        text: String,
    },
    Negotiate,
    Time {
        milliseconds: u16,
    },
}

fuzz_target!(|steps: Vec<Step>| {
    let mut world = World::new();
    let now = world.now;
    let _ = world.sessions[0].open_channel(now, datachannel::Options::new("channel"));
    for step in steps.into_iter().take(64) {
        let now = world.now;
        match step {
            Step::Datagram { to, from_peer, mut bytes } => {
                let to = usize::from(to);
                let from = if from_peer { address(1 - to) } else { address(7) };
                world.sessions[to].handle_datagram(now, address(to), from, &mut bytes);
            }
            Step::Mutated { index, place, with } => {
                if let Some((to, mut bytes)) = world.seen.get(usize::from(index)).cloned() {
                    let place = usize::from(place) % bytes.len().max(1);
                    if let Some(byte) = bytes.get_mut(place) {
                        *byte ^= with;
                    }
                    world.sessions[to].handle_datagram(now, address(to), address(1 - to), &mut bytes);
                }
            }
            Step::Replayed { index } => {
                if let Some((to, mut bytes)) = world.seen.get(usize::from(index)).cloned() {
                    world.sessions[to].handle_datagram(now, address(to), address(1 - to), &mut bytes);
                }
            }
            Step::Candidate { to, text } => {
                let candidate = IceCandidate { candidate: text, ..IceCandidate::default() };
                let _ = world.sessions[usize::from(to)].add_ice_candidate(now, candidate);
            }
            Step::Negotiate => negotiate(&mut world),
            Step::Time { milliseconds } => world.run_for(Duration::from_millis(u64::from(milliseconds % 5000))),
        }
        world.drain(0);
        world.drain(1);
    }
    world.run_for(Duration::from_secs(5));
});

fn negotiate(world: &mut World) {
    let now = world.now;
    let [a, b] = &mut world.sessions;
    let Ok(offer) = a.create_offer(now, OfferOptions::default()) else { return };
    if a.set_local_description(now, offer).is_err() {
        return;
    }
    let Some(offer) = a.local_description() else { return };
    if b.set_remote_description(now, offer).is_err() {
        return;
    }
    let Ok(answer) = b.create_answer(now) else { return };
    if b.set_local_description(now, answer).is_ok()
        && let Some(answer) = b.local_description()
    {
        let _ = a.set_remote_description(now, answer);
    }
}
