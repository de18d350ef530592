//! Descriptions that no well-meaning peer would write: each ends in a clear answer or a clear error.

use std::time::Duration;

use proptest::prelude::*;
use sim::Link;
use visavis_session::datachannel;
use visavis_session::{
    BundlePolicy, Error, Event, MediaKind, OfferOptions, SdpKind, Session, SessionDescription, SignalingState,
    TransceiverInfo, sdp,
};

use crate::common::{World, config, is_refused, lines};
use crate::descriptions::corpus;

/// One change to a text of many lines; places are taken modulo the number of lines.
#[derive(Clone, Debug)]
enum Change {
    Delete(usize),
    Duplicate(usize),
    Swap(usize, usize),
    /// Another number for the one that stands at this place of the line.
    Number(usize, usize, u32),
    /// A byte in the middle of a line.
    Byte(usize, usize, char),
    /// A line of a description that somebody else made.
    Foreign(usize, &'static str),
}

const FOREIGN: [&str; 24] = [
    "a=mid:0",
    "a=mid:ünïcödé",
    "a=mid:averyveryveryveryveryveryveryveryveryverylongnameforasectionwhichnobodywouldgive",
    "a=group:BUNDLE",
    "a=group:BUNDLE 0 0 7",
    "m=audio 9 UDP/TLS/RTP/SAVPF 0",
    "m=video 0 UDP/TLS/RTP/SAVPF 96 96",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "m=application 9 UDP/OTHER anything",
    "m=text 9 RTP/AVP 98",
    "a=setup:active",
    "a=setup:passive",
    "a=setup:holdconn",
    "a=bundle-only",
    "a=ice-lite",
    "a=ice-ufrag:x",
    "a=rtcp-mux-only",
    "a=extmap:1 urn:example:other",
    "a=extmap:4096 urn:example:placeholder",
    "a=simulcast:send hi,~lo;mid recv ~x",
    "a=rid:hi send pt=96;max-width=640;never-heard-of=1",
    "a=ssrc-group:FEC-FR 1 2",
    "a=rtpmap:96 flexfec-03/90000",
    "a=inactive",
];

fn change() -> impl Strategy<Value = Change> {
    let place = 0..200_usize;
    prop_oneof![
        3 => place.clone().prop_map(Change::Delete),
        2 => place.clone().prop_map(Change::Duplicate),
        2 => (place.clone(), place.clone()).prop_map(|(one, other)| Change::Swap(one, other)),
        4 => (place.clone(), 0..6_usize, prop_oneof![0..300_u32, any::<u32>()])
            .prop_map(|(line, number, new)| Change::Number(line, number, new)),
        1 => (place.clone(), 0..80_usize, any::<char>()).prop_map(|(line, byte, new)| Change::Byte(line, byte, new)),
        2 => (place, prop::sample::select(&FOREIGN[..])).prop_map(|(line, text)| Change::Foreign(line, text)),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for change in changes {
        let count = lines.len().max(1);
        match *change {
            Change::Delete(line) if !lines.is_empty() => _ = lines.remove(line % count),
            Change::Duplicate(line) if !lines.is_empty() => lines.insert(line % count, lines[line % count].clone()),
            Change::Swap(one, other) if !lines.is_empty() => lines.swap(one % count, other % count),
            Change::Number(line, number, new) if !lines.is_empty() => {
                lines[line % count] = with_number(&lines[line % count], number, new);
            }
            Change::Byte(line, byte, new) if !lines.is_empty() => {
                let mut chars: Vec<char> = lines[line % count].chars().collect();
                let place = byte % chars.len().max(1);
                if let Some(one) = chars.get_mut(place) {
                    *one = new;
                }
                lines[line % count] = chars.into_iter().collect();
            }
            Change::Foreign(line, text) => lines.insert(line % count, text.to_owned()),
            Change::Delete(_) | Change::Duplicate(_) | Change::Swap(..) | Change::Number(..) | Change::Byte(..) => {}
        }
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

/// The line with its nth number replaced.
fn with_number(line: &str, number: usize, new: u32) -> String {
    let bytes = line.as_bytes();
    let is_digit = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_digit);
    let starts: Vec<usize> =
        (0..bytes.len()).filter(|place| is_digit(*place) && (*place == 0 || !is_digit(place - 1))).collect();
    let Some(start) = starts.get(number % starts.len().max(1)) else { return line.to_owned() };
    let end = (*start..=bytes.len()).find(|place| !is_digit(*place)).unwrap_or(bytes.len());
    format!("{}{new}{}", &line[..*start], &line[end..])
}

/// What of a session must not change when a description is refused.
fn state(session: &Session) -> (SignalingState, Option<SessionDescription>, Vec<TransceiverInfo>, Option<String>) {
    let local = session.local_description().map(|description| description.sdp);
    (session.signaling_state(), session.remote_description(), session.transceivers().collect(), local)
}

fn session(has_own: bool) -> Session {
    let now = sim::start();
    let mut session = Session::new(config(0), now, [7; 32]);
    session.add_host(now, "192.0.2.1:1000".parse().unwrap());
    session.end_of_hosts(now);
    if has_own {
        session.add_track(now, MediaKind::Video, "own-video".into(), vec!["own".into()]).unwrap();
        session.add_track(now, MediaKind::Audio, "own-audio".into(), vec![]).unwrap();
        session.open_channel(now, datachannel::Options::new("own")).unwrap();
    }
    session
}

/// Answers the offer that is set; the answer is one to this offer.
fn answer(session: &mut Session, offer: &str) {
    let now = sim::start();
    let answer = session.create_answer(now).unwrap();
    let parsed: sdp::Description = answer.sdp.parse().unwrap();
    let offered: sdp::Description = offer.parse().unwrap();
    assert_eq!(parsed.media.len(), offered.media.len());
    for (ours, theirs) in parsed.media.iter().zip(&offered.media) {
        assert_eq!((ours.kind(), ours.protocol(), ours.mid()), (theirs.kind(), theirs.protocol(), theirs.mid()));
        assert!(!theirs.is_rejected() || ours.is_rejected(), "a refused section is not taken");
        assert!(ours.is_rejected() || ours.formats().iter().all(|format| theirs.formats().contains(format)));
    }
    session.set_local_description(now, answer).unwrap();
    assert_eq!(session.signaling_state(), SignalingState::Stable);
    drain(session);
}

fn drain(session: &mut Session) {
    let now = sim::start();
    let mut buf = Vec::new();
    assert!((0..1_000).any(|_| session.poll_event().is_none()), "events never end");
    assert!((0..1_000).any(|_| session.poll_transmit(now, &mut buf).is_none()), "datagrams never end");
    session.handle_timeout(now);
}

fn offers() -> Vec<String> {
    corpus().into_iter().filter(|(name, _)| !name.contains("answer")).map(|(_, sdp)| sdp).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_spoilt_offer_is_answered_or_refused_and_a_good_one_works_afterwards(
        which in 0..1_000_usize, has_own: bool, is_first: bool, changes in prop::collection::vec(change(), 1..6),
    ) {
        let offers = offers();
        let good = &offers[which % offers.len()];
        let bad = changed(good, &changes);
        let now = sim::start();
        let mut session = session(has_own);
        if !is_first {
            session.set_remote_description(now, SessionDescription::offer(good.clone())).unwrap();
            answer(&mut session, good);
        }
        let before = state(&session);
        match session.set_remote_description(now, SessionDescription::offer(bad.clone())) {
            Ok(()) => answer(&mut session, &bad),
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                prop_assert_eq!(state(&session), before);
                session.set_remote_description(now, SessionDescription::offer(good.clone())).unwrap();
                answer(&mut session, good);
            }
        }
        // Whatever it was, this side can go on.
        let offer = session.create_offer(now, OfferOptions::default()).unwrap();
        prop_assert!(offer.sdp.parse::<sdp::Description>().is_ok());
        session.set_local_description(now, offer).unwrap();
        session.set_local_description(now, SessionDescription::rollback()).unwrap();
        drain(&mut session);
    }

    #[test]
    fn a_spoilt_answer_is_taken_or_refused_and_the_good_one_works_afterwards(
        changes in prop::collection::vec(change(), 1..5),
    ) {
        let now = sim::start();
        let (mut offerer, mut answerer) = (session(true), session(true));
        let offer = offerer.create_offer(now, OfferOptions::default()).unwrap();
        offerer.set_local_description(now, offer.clone()).unwrap();
        answerer.set_remote_description(now, offer.clone()).unwrap();
        answer(&mut answerer, &offer.sdp);
        let good = answerer.local_description().unwrap();
        let bad = SessionDescription::answer(changed(&good.sdp, &changes));
        let before = state(&offerer);
        if offerer.set_remote_description(now, bad).is_err() {
            prop_assert_eq!(state(&offerer), before);
            offerer.set_remote_description(now, good).unwrap();
        }
        prop_assert_eq!(offerer.signaling_state(), SignalingState::Stable);
        drain(&mut offerer);
        // Every transceiver is settled: with what is wanted, or over.
        let again = offerer.create_offer(now, OfferOptions::default()).unwrap();
        prop_assert!(again.sdp.parse::<sdp::Description>().is_ok());
    }
}

fn world() -> World {
    World::new(1, Link::delay(Duration::from_millis(5)))
}

/// An offer with sound, pictures and data channels, with something in it replaced.
fn offer_with(from: &str, to: &str) -> (World, SessionDescription) {
    let mut world = world();
    let a = world.a;
    world.on(a, |now, host| {
        host.session.add_track(now, MediaKind::Audio, "sound".into(), vec![]).unwrap();
        host.session.add_track(now, MediaKind::Video, "picture".into(), vec![]).unwrap();
        host.session.open_channel(now, datachannel::Options::new("channel")).unwrap();
    });
    let mut offer = world.offer(a);
    assert!(offer.sdp.contains(from), "{}", offer.sdp);
    offer.sdp = offer.sdp.replace(from, to);
    (world, offer)
}

/// Whether each section of the answer is taken.
fn taken(from: &str, to: &str) -> Vec<bool> {
    let (mut world, offer) = offer_with(from, to);
    let b = world.b;
    let answer = world.answer(b, offer);
    lines(&answer, "m=").iter().map(|line| !is_refused(line)).collect()
}

fn refusal(from: &str, to: &str) -> String {
    let (mut world, offer) = offer_with(from, to);
    let b = world.b;
    let error = world.on(b, |now, host| host.session.set_remote_description(now, offer).unwrap_err());
    assert!(matches!(error, Error::Unacceptable { kind: SdpKind::Offer, .. } | Error::Description { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn odd_sections_are_refused_and_the_others_work() {
    assert_eq!(taken("a=mid:0", "a=mid:0"), [true; 3], "as it is");
    assert_eq!(taken("opus/48000/2", "speex/48000/2").len(), 3);
    let no_common = |line: &str| line.replace("rtpmap:111 opus", "rtpmap:111 x").replace("PCM", "XCM");
    let (mut world, offer) = offer_with("a=mid:0", "a=mid:0");
    let b = world.b;
    let answer =
        world.answer(b, SessionDescription::offer(no_common(&offer.sdp).replace("SAVPF 111 0 8", "SAVPF 111 50 51")));
    assert!(lines(&answer, "m=audio")[0].starts_with("m=audio 0 "), "{}", answer.sdp);
    assert_eq!(lines(&answer, "a=group"), ["a=group:BUNDLE 1 2"]);
    // Without rtcp-mux media would need a port of its own for RTCP; data channels have none.
    assert_eq!(taken("a=rtcp-mux\r\n", ""), [false, false, true]);
    assert_eq!(taken("m=audio 1000 UDP/TLS/RTP/SAVPF", "m=text 1000 UDP/TLS/RTP/SAVPF"), [false, true, true]);
    assert_eq!(taken("UDP/TLS/RTP/SAVPF", "RTP/AVP"), [false, false, true], "keys in the clear are none");
    assert_eq!(taken("a=mid:1\r\n", ""), [true, false, true], "nothing says that it is in the group");
    assert_eq!(taken("webrtc-datachannel", "chess"), [true, true, false]);
}

#[test]
fn odd_mids_are_kept_as_they_are() {
    let long = "m".repeat(300);
    for mid in ["~", "*a'b!", "0123456789abcdefg", long.as_str()] {
        let (mut world, offer) = offer_with("a=mid:0", &format!("a=mid:{mid}"));
        let b = world.b;
        let sdp = offer.sdp.replace("BUNDLE 0 ", &format!("BUNDLE {mid} "));
        let answer = world.answer(b, SessionDescription::offer(sdp));
        assert_eq!(lines(&answer, "a=mid:")[0], format!("a=mid:{mid}"));
        assert_eq!(lines(&answer, "a=group"), [format!("a=group:BUNDLE {mid} 1 2")]);
    }
    assert_eq!(refusal("a=mid:1", "a=mid:0"), "the offer cannot be used: two media sections have the mid `0`");
    let error = refusal("a=mid:0", "a=mid:zwölf");
    assert!(error.contains("a=mid: with a token"), "{error}");
}

#[test]
fn what_the_transport_lacks_is_named() {
    let error = refusal("a=ice-ufrag:", "a=x-ufrag:");
    assert!(error.contains("has no `a=ice-ufrag`"), "{error}");
    let error = refusal("a=fingerprint:", "a=x-fingerprint:");
    assert!(error.contains("has no `a=fingerprint`"), "{error}");
    let error = refusal("a=setup:actpass", "a=setup:holdconn");
    assert!(error.contains("leaves nobody to open DTLS"), "{error}");
}

#[test]
fn roles_in_a_running_connection_cannot_change() {
    let (mut world, offer) = offer_with("a=mid:0", "a=mid:0");
    let (a, b) = (world.a, world.b);
    let answer = world.answer(b, offer);
    assert!(answer.sdp.contains("a=setup:active"));
    world.accept(a, answer);
    world.await_open(1);
    let offer = world.offer(a);
    let say = |setup: &str| SessionDescription::offer(offer.sdp.replace("a=setup:actpass", setup));
    let error = world.on(b, |now, host| host.session.set_remote_description(now, say("a=setup:active")).unwrap_err());
    assert!(error.to_string().contains("it says `a=setup:active`, but the peer is `passive`"), "{error}");
    let answer = world.answer(b, say("a=setup:passive"));
    let turned = SessionDescription::answer(answer.sdp.replace("a=setup:active", "a=setup:passive"));
    let error = world.on(a, |now, host| host.session.set_remote_description(now, turned).unwrap_err());
    assert!(error.to_string().contains("the peer is `active`"), "{error}");
    world.accept(a, answer);
}

#[test]
fn numbers_with_two_meanings_mean_the_first() {
    // An extension that is another one in the second section, and twice in the first.
    let (mut world, offer) =
        offer_with("a=mid:1\r\n", "a=mid:1\r\na=extmap:1 urn:3gpp:video-orientation\r\na=extmap:1 urn:x\r\n");
    let b = world.b;
    let answer = world.answer(b, offer);
    let parsed: sdp::Description = answer.sdp.parse().unwrap();
    let ids = |index: usize| parsed.media[index].extmaps().map(|map| map.id).collect::<Vec<_>>();
    let (first, second) = (ids(0), ids(1));
    for ids in [&first, &second] {
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), ids.len(), "{ids:?}");
    }
    assert!(parsed.media[1].extmaps().any(|map| map.id == 1 && map.uri == "urn:3gpp:video-orientation"));
}

#[test]
fn an_answer_that_cannot_be_is_told_to_the_peer_once() {
    // The peer took a section, but over a transport of its own.
    let (mut world, offer) = offer_with("a=mid:0", "a=mid:0");
    let (a, b) = (world.a, world.b);
    let answer = world.answer(b, offer);
    let apart = SessionDescription::answer(answer.sdp.replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 2"));
    let needed =
        |world: &World| world.host(a).events.iter().filter(|event| matches!(event, Event::NegotiationNeeded)).count();
    let before = needed(&world);
    world.accept(a, apart);
    assert_eq!(needed(&world), before + 1);
    let kinds: Vec<MediaKind> = world.host(a).session.transceivers().map(|one| one.kind).collect();
    assert_eq!(kinds, [MediaKind::Audio], "the video is over");
    let offer = world.offer(a);
    assert_eq!(lines(&offer, "m=video").len(), 1);
    assert!(lines(&offer, "m=video")[0].starts_with("m=video 0 "), "{}", offer.sdp);
    let answer = world.answer(b, offer);
    world.accept(a, answer);
    assert_eq!(needed(&world), before + 1);
    world.await_open(1);
}

#[test]
fn of_sections_that_are_not_bundled_one_is_taken() {
    // As an offer: data channels rather than media, and media rather than nothing.
    assert_eq!(taken("a=group:BUNDLE 0 1 2\r\n", ""), [false, false, true]);
    assert_eq!(taken("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 0 1"), [false, false, true]);
    assert_eq!(taken("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 1 2"), [false, true, true]);
    // As an answer to an offer in which every section could do without the others.
    let mut config = config(0);
    config.bundle_policy = BundlePolicy::MaxCompat;
    let mut world = World::with(1, Link::delay(Duration::from_millis(5)), config, crate::common::config(1));
    let (a, b) = (world.a, world.b);
    world.on(a, |now, host| {
        host.session.add_track(now, MediaKind::Audio, "sound".into(), vec![]).unwrap();
        host.session.open_channel(now, datachannel::Options::new("channel")).unwrap();
    });
    let offer = world.offer(a);
    let answer = world.answer(b, offer);
    world.accept(a, SessionDescription::answer(answer.sdp.replace("a=group:BUNDLE 0 1\r\n", "")));
    assert_eq!(world.host(a).session.transceivers().count(), 0, "the sound is over");
    world.await_open(1);
    world.negotiate(a, b);
    assert_eq!(world.host(b).session.transceivers().count(), 0, "and the peer has heard of it");
}

#[test]
fn the_policy_says_which_sections_need_a_peer_that_bundles() {
    for (policy, bundle_only) in [
        (BundlePolicy::MaxBundle, [false, true, true, true]),
        (BundlePolicy::Balanced, [false, false, true, false]),
        (BundlePolicy::MaxCompat, [false; 4]),
    ] {
        let mut config = config(0);
        config.bundle_policy = policy;
        let mut world = World::with(1, Link::delay(Duration::from_millis(5)), config, crate::common::config(1));
        let (a, b) = (world.a, world.b);
        world.on(a, |now, host| {
            for (kind, name) in [(MediaKind::Audio, "0"), (MediaKind::Video, "1"), (MediaKind::Video, "2")] {
                host.session.add_track(now, kind, name.into(), vec![]).unwrap();
            }
            host.session.open_channel(now, datachannel::Options::new("channel")).unwrap();
        });
        let offer = world.offer(a);
        let parsed: sdp::Description = offer.sdp.parse().unwrap();
        let marked: Vec<bool> = parsed.media.iter().map(|media| media.port() == 0 && !media.is_rejected()).collect();
        assert_eq!(marked, bundle_only, "{policy:?}");
        let answer = world.answer(b, offer);
        assert_eq!(lines(&answer, "a=group"), ["a=group:BUNDLE 0 1 2 3"]);
        world.accept(a, answer);
        world.await_open(1);
        assert!(!world.offer(a).sdp.contains("a=bundle-only"), "once it is agreed");
    }
}

#[test]
fn an_offer_with_a_transport_for_each_section_is_taken_over_that_of_the_first() {
    // As browsers make it under `max-compat`: only the first section's credentials are those of this session.
    let (mut world, offer) = offer_with("a=mid:0", "a=mid:0");
    let (a, b) = (world.a, world.b);
    let parts: Vec<&str> = offer.sdp.split("m=").collect();
    let (head, first) = (parts[0], parts[1]);
    let elsewhere = |part: &str| {
        let ufrag = lines(&offer, "a=ice-ufrag:")[0];
        let own = part.replace(ufrag, "a=ice-ufrag:elsewhere").replace(" 0 UDP", " 9 UDP");
        own.replace("a=bundle-only\r\n", "a=candidate:1 1 udp 2130706431 192.0.2.77 7 typ host\r\n")
    };
    let apart = format!("{head}m={first}m={}m={}", elsewhere(parts[2]), elsewhere(parts[3]));
    let answer = world.answer(b, SessionDescription::offer(apart));
    assert_eq!(lines(&answer, "a=group"), ["a=group:BUNDLE 0 1 2"]);
    world.accept(a, answer);
    world.await_open(1);
}
