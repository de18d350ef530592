//! Transceivers and what offers and answers make of them.

use std::time::Duration;

use sim::{Link, NodeId};
use visavis_session::datachannel::Message;
use visavis_session::sdp::Direction;
use visavis_session::{
    Codec, Encoding, Event, MediaKind, OfferOptions, SessionDescription, SignalingState, TransceiverId,
    TransceiverOptions,
};

use crate::common::{PATIENCE, World, lines};

fn world() -> World {
    World::new(1, Link::delay(Duration::from_millis(5)))
}

fn add_track(world: &mut World, node: NodeId, kind: MediaKind, name: &str) -> TransceiverId {
    world.on(node, |now, host| host.session.add_track(now, kind, name.into(), vec!["stream".into()]).unwrap())
}

fn add(world: &mut World, node: NodeId, kind: MediaKind, options: TransceiverOptions) -> TransceiverId {
    world.on(node, |now, host| host.session.add_transceiver(now, kind, options).unwrap())
}

/// What `track` told one host, as names.
fn tracks(world: &World, node: NodeId) -> Vec<String> {
    let name = |event: &Event| if let Event::Track { track, .. } = event { track.clone() } else { None };
    world.host(node).events.iter().filter_map(name).collect()
}

/// Mid, kind and agreed direction of each transceiver.
fn agreed(world: &World, node: NodeId) -> Vec<(String, MediaKind, Option<Direction>)> {
    let info = world.host(node).session.transceivers();
    info.map(|one| (one.mid.unwrap_or_default(), one.kind, one.current_direction)).collect()
}

fn needed(world: &World, node: NodeId) -> usize {
    world.host(node).events.iter().filter(|event| matches!(event, Event::NegotiationNeeded)).count()
}

#[test]
fn a_track_of_either_side_shares_one_section() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    add_track(&mut world, a, MediaKind::Audio, "a-audio");
    add_track(&mut world, a, MediaKind::Video, "a-video");
    add_track(&mut world, b, MediaKind::Video, "b-video");
    world.negotiate(a, b);
    assert_eq!(tracks(&world, b), ["a-audio", "a-video"]);
    assert_eq!(tracks(&world, a), ["b-video"]);
    let both = |way| (Some(way), Some(Direction::reversed(way)));
    let (audio, video) = (both(Direction::SendOnly), both(Direction::SendRecv));
    assert_eq!(agreed(&world, a), [("0".into(), MediaKind::Audio, audio.0), ("1".into(), MediaKind::Video, video.0)]);
    // The other side made its transceiver for video first.
    let mut there = agreed(&world, b);
    there.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(there, [("0".into(), MediaKind::Audio, audio.1), ("1".into(), MediaKind::Video, video.1)]);
    world.await_connected();
}

#[test]
fn media_and_channels_go_over_one_transport() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    add_track(&mut world, a, MediaKind::Audio, "a-audio");
    add_track(&mut world, a, MediaKind::Video, "a-video");
    let channel = world.open(a, "beside media");
    let offer = world.offer(a);
    assert_eq!(lines(&offer, "a=group"), ["a=group:BUNDLE 0 1 2"]);
    assert_eq!(lines(&offer, "a=bundle-only").len(), 2, "{}", offer.sdp);
    let answer = world.answer(b, offer);
    assert_eq!(lines(&answer, "a=group"), ["a=group:BUNDLE 0 1 2"]);
    assert!(
        lines(&answer, "a=bundle-only").is_empty() && lines(&answer, "m=").iter().all(|line| !line.contains(" 0 U"))
    );
    world.accept(a, answer);
    world.await_open(1);
    world.send(a, channel, Message::text("beside media"));
    world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 1);
}

#[test]
fn negotiation_is_needed_when_what_is_wanted_differs_from_what_was_agreed() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    let id = add_track(&mut world, a, MediaKind::Audio, "a-audio");
    assert_eq!(needed(&world, a), 1);
    world.negotiate(a, b);
    assert_eq!((needed(&world, a), needed(&world, b)), (1, 0), "agreed");
    world.on(a, |now, host| host.session.remove_track(now, id).unwrap());
    assert_eq!(needed(&world, a), 2);
    world.negotiate(a, b);
    assert_eq!(agreed(&world, a), [("0".into(), MediaKind::Audio, Some(Direction::Inactive))]);
    assert!(world.host(b).events.iter().any(|event| matches!(event, Event::TrackRemoved(_))));
    let again = add_track(&mut world, a, MediaKind::Audio, "another");
    assert_eq!((again, needed(&world, a)), (id, 3), "the transceiver is used again");
    world.negotiate(a, b);
    assert_eq!(tracks(&world, b), ["a-audio", "another"]);
    world.on(b, |now, host| {
        let id = host.session.transceivers().next().unwrap().id;
        host.session.set_direction(now, id, Direction::Inactive).unwrap();
    });
    assert_eq!(needed(&world, b), 1);
}

#[test]
fn a_stopped_section_is_refused_and_taken_over() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    let audio = add_track(&mut world, a, MediaKind::Audio, "a-audio");
    add_track(&mut world, a, MediaKind::Video, "a-video");
    world.negotiate(a, b);
    world.on(a, |now, host| host.session.stop_transceiver(now, audio).unwrap());
    world.negotiate(a, b);
    assert!(world.host(a).session.transceiver(audio).is_none());
    assert_eq!(agreed(&world, b), [("1".into(), MediaKind::Video, Some(Direction::RecvOnly))]);
    add_track(&mut world, b, MediaKind::Audio, "b-audio");
    let offer = world.offer(b);
    assert_eq!(lines(&offer, "a=mid"), ["a=mid:2", "a=mid:1"], "{}", offer.sdp);
    let answer = world.answer(a, offer);
    world.accept(b, answer);
    assert_eq!(tracks(&world, a), ["b-audio"]);
}

#[test]
fn a_codec_that_nobody_has_is_refused_and_the_rest_goes_on() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    add_track(&mut world, a, MediaKind::Video, "a-video");
    world.open(a, "channel");
    let mut offer = world.offer(a);
    for name in ["VP8", "VP9", "H264", "AV1", "H265"] {
        offer.sdp = offer.sdp.replace(&format!(" {name}/90000"), " XVC/90000");
    }
    let answer = world.answer(b, offer);
    assert!(lines(&answer, "m=video 0 ").len() == 1, "{}", answer.sdp);
    world.accept(a, answer);
    assert_eq!(agreed(&world, a), []);
    world.await_open(1);
}

#[test]
fn preferences_decide_which_codecs_are_offered_and_which_is_first() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    let codecs = vec![Codec::av1(), Codec::vp8()];
    let id = add(&mut world, a, MediaKind::Video, TransceiverOptions { codecs, ..TransceiverOptions::default() });
    let offer = world.offer(a);
    assert_eq!(lines(&offer, "m="), ["m=video 1000 UDP/TLS/RTP/SAVPF 45 46 96 97"]);
    let answer = world.answer(b, offer);
    world.accept(a, answer);
    let codec = world.host(a).session.transceiver(id).unwrap().codec;
    assert_eq!(codec.map(|codec| codec.name), Some("AV1".into()));
}

#[test]
fn layers_are_offered_by_rid_and_taken_by_those_who_know_them() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    let encodings = ["hi", "mid", "lo"].map(Encoding::layer).to_vec();
    add(&mut world, a, MediaKind::Video, TransceiverOptions { encodings, ..TransceiverOptions::default() });
    let offer = world.offer(a);
    assert_eq!(lines(&offer, "a=simulcast"), ["a=simulcast:send hi;mid;lo"]);
    assert!(lines(&offer, "a=ssrc").is_empty());
    let answer = world.answer(b, offer);
    assert_eq!(lines(&answer, "a=simulcast"), ["a=simulcast:recv hi;mid;lo"]);
    assert_eq!(lines(&answer, "a=rid").len(), 3);
}

#[test]
fn two_hundred_sections_are_answered_as_far_as_transceivers_are_allowed() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    add_track(&mut world, a, MediaKind::Audio, "a-audio");
    let offer = world.offer(a);
    let start = offer.sdp.find("m=audio").unwrap();
    let section = offer.sdp[start..].replace("a=mid:0\r\n", "a=mid:MID\r\n");
    let mids: Vec<String> = (0..200).map(|number| format!("m{number}")).collect();
    let head = offer.sdp[..start].replace("BUNDLE 0", &format!("BUNDLE {}", mids.join(" ")));
    let sections: String = mids.iter().map(|mid| section.replace("MID", mid)).collect();
    let answer = world.answer(b, SessionDescription::offer(head + &sections));
    assert_eq!(lines(&answer, "m=audio").len(), 200);
    assert_eq!(lines(&answer, "m=audio 0 ").len(), 200 - 64);
    assert_eq!(world.host(b).session.transceivers().count(), 64);
}

#[test]
fn a_number_that_stands_for_two_codecs_stands_for_the_first() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    let id = add_track(&mut world, a, MediaKind::Video, "a-video");
    let mut offer = world.offer(a);
    offer.sdp = offer
        .sdp
        .replace("SAVPF 96 ", "SAVPF 96 96 ")
        .replace("a=rtpmap:96 VP8/90000\r\n", "a=rtpmap:96 VP8/90000\r\na=rtpmap:96 VP9/90000\r\n");
    let answer = world.answer(b, offer);
    world.accept(a, answer);
    assert_eq!(world.host(a).session.transceiver(id).unwrap().codec, Some(Codec::vp8()));
}

#[test]
fn numbers_of_the_peer_are_kept_in_later_offers() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    add_track(&mut world, a, MediaKind::Video, "a-video");
    let mut offer = world.offer(a);
    // As if the peer had other habits: 120 is VP8, and 96 is nothing.
    offer.sdp = offer.sdp.replace(":96 ", ":120 ").replace("apt=96", "apt=120").replace("SAVPF 96 ", "SAVPF 120 ");
    world.answer(b, offer);
    add_track(&mut world, b, MediaKind::Video, "one");
    add_track(&mut world, b, MediaKind::Video, "two");
    let offer = world.offer(b);
    let maps = lines(&offer, "a=rtpmap:120 VP8/90000");
    assert_eq!((maps.len(), lines(&offer, "a=rtpmap:96 ").len()), (2, 0), "{}", offer.sdp);
}

#[test]
fn an_offer_taken_back_leaves_no_transceiver_and_no_mid_behind() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    add_track(&mut world, a, MediaKind::Audio, "a-audio");
    let offer = world.offer(a);
    world.on(b, |now, host| host.session.set_remote_description(now, offer).unwrap());
    assert_eq!(tracks(&world, b), ["a-audio"]);
    let rollback = SessionDescription::rollback;
    world.on(a, |now, host| host.session.set_local_description(now, rollback()).unwrap());
    world.on(b, |now, host| host.session.set_remote_description(now, rollback()).unwrap());
    assert_eq!(world.host(b).session.transceivers().count(), 0);
    assert!(world.host(b).events.iter().any(|event| matches!(event, Event::TrackRemoved(_))));
    assert_eq!(agreed(&world, a), [(String::new(), MediaKind::Audio, None)]);
    world.negotiate(a, b);
    assert_eq!(tracks(&world, b), ["a-audio", "a-audio"]);
}

/// The answer to an offer of video in which something is replaced.
fn answer_to(from: &str, to: &str) -> SessionDescription {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    let encodings = ["hi", "lo"].map(Encoding::layer).to_vec();
    add(&mut world, a, MediaKind::Video, TransceiverOptions { encodings, ..TransceiverOptions::default() });
    let mut offer = world.offer(a);
    assert!(offer.sdp.contains(from), "{}", offer.sdp);
    offer.sdp = offer.sdp.replace(from, to);
    world.answer(b, offer)
}

#[test]
fn restrictions_of_layers_are_answered_as_they_were_told() {
    let rids = |to: &str| {
        let answer = answer_to("a=rid:hi send\r\n", to);
        let lines = lines(&answer, "a=rid").into_iter().map(str::to_owned).collect::<Vec<_>>();
        (lines, lines_of_simulcast(&answer))
    };
    let lines_are = |to: &str, lines: &[&str], simulcast: &str| {
        let (got, layers) = rids(to);
        assert_eq!((got, layers.as_str()), (lines.iter().map(ToString::to_string).collect(), simulcast), "{to}");
    };
    lines_are("a=rid:hi send\r\n", &["a=rid:hi recv", "a=rid:lo recv"], "a=simulcast:recv hi;lo");
    lines_are(
        "a=rid:hi send pt=96,98,99,5;max-width=1280;new-thing=1\r\n",
        &["a=rid:hi recv pt=96,98,99;max-width=1280;new-thing=1", "a=rid:lo recv"],
        "a=simulcast:recv hi;lo",
    );
    // Payload types that are not there make no layer, and a name that stands twice stands for none.
    lines_are("a=rid:hi send pt=5\r\n", &["a=rid:lo recv"], "a=simulcast:recv lo");
    lines_are("a=rid:hi send\r\na=rid:hi send\r\n", &["a=rid:lo recv"], "a=simulcast:recv lo");
    lines_are("", &["a=rid:lo recv"], "a=simulcast:recv lo");
}

fn lines_of_simulcast(description: &SessionDescription) -> String {
    lines(description, "a=simulcast").concat()
}

#[test]
fn of_alternatives_the_first_that_holds_is_taken_and_nothing_is_paused() {
    let of = |to: &str| lines_of_simulcast(&answer_to("a=simulcast:send hi;lo", to));
    assert_eq!(of("a=simulcast:send hi,lo"), "a=simulcast:recv hi");
    assert_eq!(of("a=simulcast:send none,lo;~hi"), "a=simulcast:recv lo;hi");
    assert_eq!(of("a=simulcast:send ~hi;~lo"), "a=simulcast:recv hi;lo");
    assert_eq!(of("a=simulcast:recv hi;lo"), "", "the lines of the layers say that they are sent");
}

#[test]
fn what_only_an_offer_may_bring_up_is_answered_in_kind() {
    assert_eq!(lines(&answer_to("a=rtcp-rsize", "a=rtcp-rsize"), "a=rtcp-rsize").len(), 1);
    assert!(lines(&answer_to("a=rtcp-rsize\r\n", ""), "a=rtcp-rsize").is_empty());
    assert_eq!(lines(&answer_to("a=extmap-allow-mixed", "a=extmap-allow-mixed"), "a=extmap-allow-mixed").len(), 1);
    assert!(lines(&answer_to("a=extmap-allow-mixed\r\n", ""), "a=extmap-allow-mixed").is_empty());
    let orientation = |id: &str| {
        let answer = answer_to(" urn:3gpp:video-orientation", &format!("{id} urn:3gpp:video-orientation some=thing"));
        let mut lines = lines(&answer, "a=extmap:").into_iter().filter(|line| line.ends_with("orientation"));
        lines.next().map(|line| line.split(' ').next().unwrap().trim_start_matches(|c| c != '/').to_owned())
    };
    assert_eq!(orientation(""), Some(String::new()));
    assert_eq!(orientation("/sendonly"), Some("/recvonly".into()));
    assert_eq!(orientation("/recvonly"), Some("/sendonly".into()));
    assert_eq!(orientation("/inactive"), None);
    // Feedback for all is feedback for each.
    let answer = answer_to("a=rtcp-fb:96 nack pli", "a=rtcp-fb:* nack pli");
    assert!(lines(&answer, "a=rtcp-fb:96 nack pli").len() == 1, "{}", answer.sdp);
}

#[test]
fn error_correction_and_rates_disturb_nothing() {
    let extra = "a=rtpmap:96 VP8/90000\r\na=rtpmap:121 flexfec-03/90000\r\na=fmtp:121 repair-window=10000000\r\n\
                 a=rtpmap:122 ulpfec/90000\r\na=rtpmap:123 red/90000\r\na=ssrc-group:FEC-FR 5 6\r\n\
                 a=ssrc:5 cname:x\r\na=ssrc:6 cname:x\r\na=maxptime:120\r\na=ptime:20\r\n";
    let (mut world, a, b) = {
        let world = world();
        let (a, b) = (world.a, world.b);
        (world, a, b)
    };
    add_track(&mut world, a, MediaKind::Video, "a-video");
    let mut offer = world.offer(a);
    offer.sdp = offer
        .sdp
        .replace("SAVPF 96 ", "SAVPF 96 121 122 123 ")
        .replace("a=rtpmap:96 VP8/90000\r\n", extra)
        .replacen("c=IN IP4 192.0.2.1\r\n", "c=IN IP4 192.0.2.1\r\nb=AS:500\r\nb=TIAS:500000\r\nb=CT:1\r\n", 1);
    assert!(offer.sdp.contains("b=TIAS") && offer.sdp.contains("FEC-FR"), "{}", offer.sdp);
    let answer = world.answer(b, offer);
    for what in ["fec", "red/90000", "FEC-FR", ":121 ", ":122 ", ":123 "] {
        assert!(!answer.sdp.contains(what), "{what} is not answered: {}", answer.sdp);
    }
    world.accept(a, answer);
    assert!(world.host(b).session.remote_description().unwrap().sdp.contains("b=TIAS:500000"), "it is kept");
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let mut world = world();
    let a = world.a;
    let refuse = |world: &mut World, kind, options: TransceiverOptions| {
        world.on(a, |now, host| host.session.add_transceiver(now, kind, options).unwrap_err().to_string())
    };
    let twice = ["x", "x"].map(Encoding::layer).to_vec();
    let options = TransceiverOptions { encodings: twice, ..TransceiverOptions::default() };
    assert_eq!(refuse(&mut world, MediaKind::Video, options.clone()), "two layers have the rid `x`");
    assert!(refuse(&mut world, MediaKind::Audio, options).contains("audio has one layer"));
    let options = TransceiverOptions { codecs: vec![Codec::opus()], ..TransceiverOptions::default() };
    assert!(refuse(&mut world, MediaKind::Video, options).contains("`opus` is no video codec"));
    let options = TransceiverOptions { track: Some("two words".into()), ..TransceiverOptions::default() };
    assert!(refuse(&mut world, MediaKind::Video, options).contains("without spaces"));
    add_track(&mut world, a, MediaKind::Audio, "once");
    let twice = world.on(a, |now, host| host.session.add_track(now, MediaKind::Audio, "once".into(), vec![]));
    assert!(twice.unwrap_err().to_string().contains("is sent already"));
}

/// Perfect negotiation: who is polite gives way when both offer at once (W3C WebRTC 1.0, section 10.7).
fn exchange(world: &mut World, first: NodeId, second: NodeId, is_glare: bool) {
    let offer = world.offer(first);
    if is_glare {
        // The polite one has offered too, and takes it back when the other offer comes.
        world.offer(second);
    }
    let answer = world.answer(second, offer);
    world.accept(first, answer);
    if is_glare && world.on(second, |now, host| host.session.create_offer(now, OfferOptions::default()).is_ok()) {
        world.negotiate(second, first);
    }
}

#[test]
fn sections_keep_index_and_mid_through_changes_from_both_sides_at_once() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    let channel = world.open(a, "alive throughout");
    world.negotiate(a, b);
    world.await_open(1);
    let mut places: Vec<(String, String)> = Vec::new();
    for round in 0..30_usize {
        let (first, second) = if round % 2 == 0 { (a, b) } else { (b, a) };
        for (node, side) in [(first, "first"), (second, "second")] {
            let kind = if (round + side.len()) % 3 == 0 { MediaKind::Audio } else { MediaKind::Video };
            let ids: Vec<TransceiverId> = world.host(node).session.transceivers().map(|one| one.id).collect();
            world.on(node, |now, host| {
                match (round / 2 + side.len()) % 4 {
                    0 | 1 if ids.len() < 12 => {
                        host.session.add_track(now, kind, format!("{side}-{round}"), vec![]).map(|_| ())
                    }
                    2 => ids.first().map_or(Ok(()), |id| host.session.remove_track(now, *id)),
                    3 if round % 8 > 5 => ids.last().map_or(Ok(()), |id| host.session.stop_transceiver(now, *id)),
                    _ => ids.get(1).map_or(Ok(()), |id| host.session.set_direction(now, *id, Direction::RecvOnly)),
                }
                .unwrap()
            });
        }
        exchange(&mut world, first, second, round % 3 == 0);
        world.send(a, channel, Message::text("still here"));
        world.network.expect("the message", PATIENCE, |network| network.get(b).messages() > round);
        let description = world.host(a).session.local_description().unwrap();
        let now: Vec<(String, String)> = lines(&description, "m=")
            .into_iter()
            .zip(lines(&description, "a=mid"))
            .map(|(line, mid)| (line.split(' ').take(2).collect::<Vec<_>>().join(" "), mid.to_owned()))
            .collect();
        for (index, ((old, mid), (new, other))) in places.iter().zip(&now).enumerate() {
            let was_refused = old.ends_with(" 0");
            assert!(was_refused || mid == other, "round {round}: section {index} was {mid} and is {other}, {new}");
        }
        assert!(now.len() >= places.len(), "round {round}");
        places = now;
        for node in [a, b] {
            assert_eq!(world.host(node).session.signaling_state(), SignalingState::Stable);
        }
        let mut directions = [a, b].map(|node| agreed(&world, node));
        directions.iter_mut().for_each(|list| list.retain(|(_, _, direction)| direction.is_some()));
        directions.iter_mut().for_each(|list| list.sort_by(|one, other| one.0.cmp(&other.0)));
        let [here, there] = directions;
        assert_eq!(here.len(), there.len(), "round {round}");
        for (here, there) in here.iter().zip(&there) {
            assert_eq!((&here.0, here.2), (&there.0, there.2.map(Direction::reversed)), "round {round}");
        }
    }
}
