//! The exchange of descriptions: its states, its errors, glare and rollback.

use std::time::Duration;

use sim::Link;
use visavis_session::datachannel::Message;
use visavis_session::{Error, Event, IceCandidate, OfferOptions, SdpKind, SessionDescription, SignalingState};

use crate::common::{PATIENCE, World, without_candidates};

fn world() -> World {
    World::new(1, Link::delay(Duration::from_millis(5)))
}

#[test]
fn the_first_channel_asks_for_negotiation_once() {
    let mut world = world();
    let a = world.a;
    world.open(a, "one");
    world.open(a, "two");
    let needed = world.host(a).events.iter().filter(|event| matches!(event, Event::NegotiationNeeded)).count();
    assert_eq!(needed, 1);
}

#[test]
fn states_follow_offer_and_answer() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = world.offer(a);
    assert_eq!(world.host(a).session.signaling_state(), SignalingState::HaveLocalOffer);
    world.on(b, |now, host| host.session.set_remote_description(now, offer).unwrap());
    assert_eq!(world.host(b).session.signaling_state(), SignalingState::HaveRemoteOffer);
    let answer = world.on(b, |now, host| {
        let answer = host.session.create_answer(now).unwrap();
        host.session.set_local_description(now, answer).unwrap();
        host.session.local_description().unwrap()
    });
    assert_eq!(world.host(b).session.signaling_state(), SignalingState::Stable);
    world.accept(a, answer);
    assert_eq!(world.host(a).session.signaling_state(), SignalingState::Stable);
}

#[test]
fn an_answer_processed_twice_is_refused_and_changes_nothing() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = world.offer(a);
    let answer = world.answer(b, offer);
    world.accept(a, answer.clone());
    let error = world.on(a, |now, host| host.session.set_remote_description(now, answer)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot set a remote answer while the signaling state is stable: \
         no offer of ours awaits one; each answer is processed once, after its offer"
    );
    world.await_open(1);
}

#[test]
fn a_malformed_description_is_refused_with_its_line() {
    let mut world = world();
    let a = world.a;
    world.open(a, "channel");
    let mut offer = world.offer(a);
    offer.sdp = offer.sdp.replace("a=setup:actpass", "a=setup:whoever");
    let b = world.b;
    let error = world.on(b, |now, host| host.session.set_remote_description(now, offer)).unwrap_err();
    let Error::Description { kind: SdpKind::Offer, error } = &error else { panic!("{error}") };
    assert!(error.text.contains("a=setup:whoever"), "{error}");
    assert_eq!(world.host(b).session.signaling_state(), SignalingState::Stable);
}

#[test]
fn what_a_connection_needs_must_be_there() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = world.offer(a);
    let drop_line = |name: &str| {
        let kept: Vec<&str> = offer.sdp.split_inclusive("\r\n").filter(|line| !line.starts_with(name)).collect();
        SessionDescription::offer(kept.concat())
    };
    for (line, problem) in
        [("a=ice-ufrag", "`a=ice-ufrag`"), ("a=ice-pwd", "`a=ice-pwd`"), ("a=fingerprint", "`a=fingerprint`")]
    {
        let broken = drop_line(line);
        let error = world.on(b, |now, host| host.session.set_remote_description(now, broken)).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
    let weak = SessionDescription::offer(offer.sdp.replace("a=fingerprint:sha-256", "a=fingerprint:sha-1"));
    let error = world.on(b, |now, host| host.session.set_remote_description(now, weak)).unwrap_err();
    assert!(error.to_string().contains("sha-1"), "{error}");
    // None of this has spoilt anything.
    let answer = world.answer(b, offer);
    world.accept(a, answer);
    world.await_open(1);
}

#[test]
fn a_changed_local_description_is_refused() {
    let mut world = world();
    let a = world.a;
    world.open(a, "channel");
    let error = world.on(a, |now, host| {
        let mut offer = host.session.create_offer(now, OfferOptions::default()).unwrap();
        offer.sdp.push_str("a=x\r\n");
        host.session.set_local_description(now, offer).unwrap_err()
    });
    assert_eq!(error, Error::Modified { kind: SdpKind::Offer });
}

#[test]
fn glare_is_resolved_by_rollback() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "from a");
    world.open(b, "from b");
    let (offer_a, offer_b) = (world.offer(a), world.offer(b));
    // `b` is polite: it gives way. `a` ignores what it is offered.
    let error = world.on(a, |now, host| host.session.create_answer(now)).unwrap_err();
    assert!(matches!(error, Error::State { .. }), "{error}");
    drop(offer_b);
    let answer = world.answer(b, offer_a);
    world.accept(a, answer);
    world.await_open(2);
}

#[test]
fn a_rolled_back_offer_can_be_made_again() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    world.offer(a);
    world.on(a, |now, host| host.session.set_local_description(now, SessionDescription::rollback()).unwrap());
    assert_eq!(world.host(a).session.signaling_state(), SignalingState::Stable);
    world.negotiate(a, b);
    world.await_open(1);
}

#[test]
fn renegotiation_keeps_sections_and_the_connection() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.connect();
    // From the other side, with another channel, which needs no negotiation itself.
    world.open(b, "second");
    world.negotiate(b, a);
    world.await_open(2);
    let sdp = world.host(a).session.local_description().unwrap().sdp;
    assert_eq!(sdp.matches("m=application").count(), 1, "{sdp}");
    world.negotiate(a, b);
    assert!(world.host(a).is_connected() && world.host(b).is_connected());
}

#[test]
fn candidates_that_come_before_the_description_wait_for_it() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = world.offer(a);
    let candidates: Vec<IceCandidate> = world
        .host(a)
        .events
        .iter()
        .filter_map(
            |event| if let Event::IceCandidate(Some(candidate)) = event { Some(candidate.clone()) } else { None },
        )
        .collect();
    assert!(!candidates.is_empty());
    let offer = without_candidates(offer);
    for candidate in candidates {
        world.on(b, |now, host| host.session.add_ice_candidate(now, candidate).unwrap());
    }
    let answer = world.answer(b, offer);
    world.accept(a, answer);
    world.await_open(1);
}

#[test]
fn trickled_candidates_connect() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = without_candidates(world.offer(a));
    let answer = without_candidates(world.answer(b, offer));
    world.accept(a, answer);
    world.network.run_for(Duration::from_secs(1));
    for (from, to) in [(a, b), (b, a)] {
        let events = std::mem::take(&mut world.network.get_mut(from).events);
        for event in events {
            if let Event::IceCandidate(candidate) = event {
                let candidate = candidate.unwrap_or_default();
                world.on(to, |now, host| host.session.add_ice_candidate(now, candidate).unwrap());
            }
        }
    }
    world.await_open(1);
}

#[test]
fn an_offer_without_anything_is_answered_with_nothing() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.negotiate(a, b);
    assert_eq!(world.host(a).session.signaling_state(), SignalingState::Stable);
    // A channel that is wanted later is negotiated then.
    world.open(a, "channel");
    world.negotiate(a, b);
    world.await_open(1);
}

#[test]
fn a_peer_with_another_certificate_is_refused_in_mid_session() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.connect();
    let mut offer = world.offer(a);
    let start = offer.sdp.find("sha-256 ").unwrap() + 8;
    let digit = if &offer.sdp[start..=start] == "0" { "1" } else { "0" };
    offer.sdp.replace_range(start..=start, digit);
    let error = world.on(b, |now, host| host.session.set_remote_description(now, offer)).unwrap_err();
    assert!(error.to_string().contains("fingerprint"), "{error}");
    world.network.run_for(PATIENCE);
    assert!(world.host(a).is_connected() && world.host(b).is_connected());
}

#[test]
fn a_peer_that_refuses_data_channels_is_asked_again_only_for_another() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    for round in 1..=3 {
        let offer = world.offer(a);
        assert_eq!(offer.sdp.matches("m=application").count(), 1, "sections are reused: {}", offer.sdp);
        let line = offer.sdp.lines().find(|line| line.starts_with("m=application")).unwrap();
        let mid = offer.sdp.lines().find(|line| line.starts_with("a=mid:")).unwrap();
        let refusal = format!(
            "v=0\r\no=- {round} 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{}\r\n{mid}\r\n",
            line.replacen(line.split(' ').nth(1).unwrap(), "0", 1)
        );
        world.accept(a, SessionDescription::answer(refusal));
        let told = |world: &World| {
            world.host(a).events.iter().filter(|event| matches!(event, Event::NegotiationNeeded)).count()
        };
        assert_eq!(told(&world), round, "no event follows from the refusal itself");
        world.open(a, "another");
        assert_eq!(told(&world), round + 1);
    }
    world.negotiate(a, b);
    world.await_open(4);
}

#[test]
fn a_rolled_back_restart_is_made_up_for() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    let (here, _) = world.connect();
    world.on(a, |now, host| {
        let offer = host.session.create_offer(now, OfferOptions { ice_restart: true }).unwrap();
        host.session.set_local_description(now, offer).unwrap();
        host.session.set_local_description(now, SessionDescription::rollback()).unwrap();
    });
    assert!(matches!(world.host(a).events.last(), Some(Event::NegotiationNeeded)));
    world.send(a, here, Message::text("on the old path"));
    world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 1);
    world.negotiate(a, b);
    world.network.run_for(PATIENCE);
    assert!(world.host(a).is_connected() && world.host(b).is_connected());
    world.send(a, here, Message::text("on the new path"));
    world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 2);
}

#[test]
fn a_glare_of_restarts_ends_well() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    let (here, _) = world.connect();
    for node in [a, b] {
        world.on(node, |now, host| {
            let offer = host.session.create_offer(now, OfferOptions { ice_restart: true }).unwrap();
            host.session.set_local_description(now, offer).unwrap();
        });
    }
    // `b` is polite and gives way.
    let offer = world.host(a).session.local_description().unwrap();
    let answer = world.answer(b, offer);
    world.accept(a, answer);
    assert!(matches!(world.host(b).events.last(), Some(Event::NegotiationNeeded)), "its own restart is still due");
    world.negotiate(b, a);
    world.network.run_for(PATIENCE);
    assert!(world.host(a).is_connected() && world.host(b).is_connected());
    world.send(a, here, Message::text("after the glare"));
    world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 1);
}

#[test]
fn dtls_that_comes_before_the_answer_is_kept() {
    let round_trip = Duration::from_millis(40);
    let mut world = World::new(2, Link::delay(round_trip / 4));
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = world.offer(a);
    let answer = world.answer(b, offer);
    // The answerer finds its path and says hello, while its answer is still on the way.
    world.network.run_for(Duration::from_millis(100));
    let late = world.host(a).session.stats().transport;
    assert!(world.network.trace().any(|entry| entry.head().first() == Some(&22)), "a hello is on the wire");
    assert_eq!((late.early_dropped, late.unchecked_dropped), (0, 0));
    world.accept(a, answer);
    world.network.expect("open channels", 4 * round_trip, |network| {
        network.get(a).open.len() == 1 && network.get(b).open.len() == 1
    });
}

#[test]
fn an_end_of_candidates_of_another_generation_ends_nothing() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = world.offer(a);
    let candidate = offer.sdp.lines().find_map(|line| line.strip_prefix("a=candidate:")).unwrap().to_owned();
    let answer = world.answer(b, without_candidates(offer));
    world.accept(a, without_candidates(answer));
    let old = IceCandidate { username_fragment: Some("gone".into()), ..IceCandidate::default() };
    world.on(b, |now, host| host.session.add_ice_candidate(now, old).unwrap());
    world.network.run_for(Duration::from_secs(1));
    let candidate = IceCandidate { candidate: format!("candidate:{candidate}"), ..IceCandidate::default() };
    world.on(b, |now, host| host.session.add_ice_candidate(now, candidate).unwrap());
    world.await_open(1);
}

#[test]
fn an_answer_that_takes_minutes_still_connects() {
    for minutes in [1, 5, 10] {
        let mut world = world();
        let (a, b) = (world.a, world.b);
        world.open(a, "channel");
        let offer = world.offer(a);
        let answer = world.answer(b, offer);
        world.network.run_for(Duration::from_secs(60 * minutes));
        assert!(!world.host(b).session.is_closed(), "{:?}", world.host(b).events);
        world.accept(a, answer);
        world.network.expect("open channels", Duration::from_secs(4), |network| {
            network.get(a).open.len() == 1 && network.get(b).open.len() == 1
        });
    }
}

#[test]
fn sctp_waits_for_its_section_to_be_agreed() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = world.offer(a);
    let answer = world.answer(b, offer);
    // A provisional answer is enough for ICE and DTLS; the final one takes the data channels back.
    let refusal = answer.sdp.replacen("m=application 2000 ", "m=application 0 ", 1);
    assert_ne!(refusal, answer.sdp);
    world.accept(a, SessionDescription { kind: SdpKind::Pranswer, ..answer });
    world.accept(a, SessionDescription::answer(refusal));
    let sent = |world: &World| world.host(a).session.channels().association().stats().packets_sent;
    world.network.run_for(Duration::from_secs(3));
    assert!(world.host(a).is_connected() && world.host(b).is_connected());
    assert_eq!(sent(&world), 0, "the peer's INIT is not even answered");
    // Another exchange agrees. `b` has never heard of the refusal, so that its section is still the first.
    world.open(a, "another");
    let offer = world.offer(a);
    assert!(offer.sdp.contains("a=mid:1\r\n"), "{}", offer.sdp);
    let rename = |sdp: &str, from: &str, to: &str| {
        sdp.replace(&format!("a=mid:{from}\r\n"), &format!("a=mid:{to}\r\n"))
            .replace(&format!("BUNDLE {from}\r\n"), &format!("BUNDLE {to}\r\n"))
    };
    let answer = world.answer(b, SessionDescription::offer(rename(&offer.sdp, "1", "0")));
    world.accept(a, SessionDescription::answer(rename(&answer.sdp, "0", "1")));
    world.await_open(2);
}

#[test]
fn a_candidate_for_an_unknown_section_is_refused_with_the_known_ones() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = world.offer(a);
    let text = offer.sdp.lines().find_map(|line| line.strip_prefix("a=candidate:")).unwrap();
    let candidate = IceCandidate { candidate: format!("candidate:{text}"), ..IceCandidate::default() };
    // A section that is there and means nothing here, besides that of the data channels.
    let refused = "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=mid:sound\r\n";
    world.answer(b, SessionDescription::offer(without_candidates(offer).sdp + refused));
    let mut add = |candidate| world.on(b, |now, host| host.session.add_ice_candidate(now, candidate));
    let by_mid = |mid: &str| IceCandidate { sdp_mid: Some(mid.into()), ..candidate.clone() };
    let by_index = |index| IceCandidate { sdp_m_line_index: Some(index), ..candidate.clone() };
    let error = add(by_mid("7")).unwrap_err().to_string();
    assert_eq!(error, "the candidate is for the media section `7`, but the remote description has `0`, `sound`");
    let error = add(by_index(2)).unwrap_err();
    assert!(matches!(&error, Error::UnknownSection { section, .. } if section == "with the index 2"), "{error}");
    let error = add(IceCandidate { candidate: String::new(), ..by_mid("7") }).unwrap_err();
    assert!(matches!(error, Error::UnknownSection { .. }), "{error}");
    for known in [by_mid("0"), by_mid("sound"), by_index(0), by_index(1), candidate.clone()] {
        add(known).unwrap();
    }
    let old = IceCandidate { username_fragment: Some("gone".into()), ..by_mid("0") };
    add(old).unwrap();
}
