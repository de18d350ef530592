//! Anything from the network before and during the handshake, from the peer's address and from others: at worst the
//! connection does not come about, and can be closed. If nothing came that might pass for the peer's, it does come about
//! once both descriptions are known. (Checksums and tags pass while fuzzing, so more might than in earnest.)
#![no_main]

#[path = "common/sessions.rs"]
mod sessions;

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use session::{ConnectionState, IceCandidate, OfferOptions, Session, datachannel};
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
    let (mut is_negotiated, mut is_deceived) = (false, false);
    for step in steps.into_iter().take(64) {
        let now = world.now;
        is_deceived |= may_deceive(&step);
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
            Step::Negotiate => is_negotiated |= negotiate(&mut world),
            Step::Time { milliseconds } => world.run_for(Duration::from_millis(u64::from(milliseconds % 5000))),
        }
        world.drain(0);
        world.drain(1);
    }
    world.run_for(Duration::from_secs(10));
    let is_connected = world.sessions.iter().all(|session| session.connection_state() == ConnectionState::Connected);
    assert!(is_connected || is_deceived || !is_negotiated, "strangers keep the two apart");
    for side in 0..2 {
        let now = world.now;
        world.sessions[side].close(now);
    }
    world.run_for(Duration::from_secs(30));
    assert!(world.sessions.iter().all(Session::is_closed));
});

/// Whether a step brings a session something that might be the peer's: from its address, or a STUN message.
fn may_deceive(step: &Step) -> bool {
    match step {
        Step::Datagram { from_peer, bytes, .. } => *from_peer || bytes.first().is_some_and(|first| *first < 4),
        Step::Mutated { .. } => true,
        Step::Replayed { .. } | Step::Candidate { .. } | Step::Negotiate | Step::Time { .. } => false,
    }
}

/// One exchange of descriptions; true if both sides took them.
fn negotiate(world: &mut World) -> bool {
    let now = world.now;
    let [a, b] = &mut world.sessions;
    let Ok(offer) = a.create_offer(now, OfferOptions::default()) else { return false };
    if a.set_local_description(now, offer).is_err() {
        return false;
    }
    let Some(offer) = a.local_description() else { return false };
    if b.set_remote_description(now, offer).is_err() {
        return false;
    }
    let Ok(answer) = b.create_answer(now) else { return false };
    if b.set_local_description(now, answer).is_err() {
        return false;
    }
    b.local_description().is_some_and(|answer| a.set_remote_description(now, answer).is_ok())
}
