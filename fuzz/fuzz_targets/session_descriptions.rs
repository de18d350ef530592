//! Any text as a description or a candidate: refused in words or answered, never a panic; and what is answered is
//! itself understood.
#![no_main]

use std::sync::LazyLock;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use session::dtls::Identity;
use session::{Config, IceCandidate, OfferOptions, Session, SessionDescription, datachannel};

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| Identity::generate().expect("a fresh certificate"));

fuzz_target!(|text: &str| {
    let now = Instant::now();
    let mut receiver = Session::new(Config::new(IDENTITY.clone()), now, [1; 32]);
    if receiver.set_remote_description(now, SessionDescription::offer(text)).is_ok() {
        let answer = receiver.create_answer(now).expect("an accepted offer can be answered");
        receiver.set_local_description(now, answer.clone()).expect("our own answer");
        answer.sdp.parse::<session::sdp::Description>().expect("our own answer parses");
        let again = receiver.create_offer(now, OfferOptions { ice_restart: true }).expect("stable");
        receiver.set_local_description(now, again).expect("our own offer");
    }
    let mut initiator = Session::new(Config::new(IDENTITY.clone()), now, [2; 32]);
    let _ = initiator.open_channel(now, datachannel::Options::new("channel"));
    let offer = initiator.create_offer(now, OfferOptions::default()).expect("an offer");
    initiator.set_local_description(now, offer).expect("our own offer");
    let _ = initiator.set_remote_description(now, SessionDescription::answer(text));
    for line in text.lines().take(16) {
        let candidate = IceCandidate { candidate: line.to_owned(), ..IceCandidate::default() };
        let _ = initiator.add_ice_candidate(now, candidate);
    }
    for session in [&mut initiator, &mut receiver] {
        let mut buf = Vec::new();
        for _ in 0..64 {
            while session.poll_transmit(now, &mut buf).is_some() {}
            while session.poll_event().is_some() {}
            let Some(due) = session.poll_timeout() else { break };
            session.handle_timeout(due);
        }
        assert!(buf.len() < 1 << 20, "an answer to nobody grows without bound");
    }
});
