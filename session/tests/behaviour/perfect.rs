//! Perfect negotiation (W3C WebRTC 1.0, section 10.7): both sides change what they like, whenever they like.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sim::{Link, NodeId};
use visavis_session::datachannel::{self, Message};
use visavis_session::sdp::Direction;
use visavis_session::{
    Event, MediaKind, OfferOptions, SdpKind, SessionDescription, SignalingState, TransceiverId, TransceiverInfo, sdp,
};

use crate::common::{PATIENCE, World, is_refused, lines};

/// Descriptions on their way from one side to the other, in their order.
#[derive(Default)]
struct Wire {
    queue: VecDeque<(Instant, SessionDescription)>,
}

/// Both sides as the W3C's example has them; the second is polite.
struct Pair {
    world: World,
    rng: StdRng,
    /// What comes to each side.
    wires: [Wire; 2],
    /// How many events of each side were looked at.
    heard: [usize; 2],
    /// Index, mid and whether it is refused, of each section of the last description that both sides agreed on.
    places: [Vec<(String, bool)>; 2],
    names: u32,
    offers: usize,
    collisions: usize,
}

impl Pair {
    fn new(seed: u64) -> Self {
        Self {
            world: World::new(seed, Link::delay(Duration::from_millis(10))),
            rng: StdRng::seed_from_u64(seed),
            wires: Default::default(),
            heard: [0; 2],
            places: Default::default(),
            names: 0,
            offers: 0,
            collisions: 0,
        }
    }

    fn node(&self, side: usize) -> NodeId {
        if side == 0 { self.world.a } else { self.world.b }
    }

    fn send(&mut self, to: usize, description: SessionDescription) {
        let delay = Duration::from_millis(self.rng.random_range(0..400));
        let wire = &mut self.wires[to];
        let last = wire.queue.back().map_or(self.world.now(), |(at, _)| *at);
        wire.queue.push_back((last.max(self.world.now() + delay), description));
    }

    /// `onnegotiationneeded`
    fn hear_events(&mut self, side: usize) {
        let node = self.node(side);
        let events = &self.world.host(node).events;
        let needed = events[self.heard[side]..].iter().any(|event| matches!(event, Event::NegotiationNeeded));
        self.heard[side] = events.len();
        // One that came before an exchange that has begun since is made up for when that ends.
        if needed && self.world.host(node).session.signaling_state() == SignalingState::Stable {
            self.offers += 1;
            let offer = self.world.offer(node);
            self.send(1 - side, offer);
        }
    }

    /// `onmessage`
    fn deliver(&mut self, side: usize) {
        let now = self.world.now();
        let Some((_, description)) = self.wires[side].queue.pop_front_if(|(at, _)| *at <= now) else { return };
        let node = self.node(side);
        let is_offer = description.kind == SdpKind::Offer;
        let state = self.world.host(node).session.signaling_state();
        if is_offer && state != SignalingState::Stable {
            self.collisions += 1;
            if side == 0 {
                return;
            }
        }
        if is_offer {
            let answer = self.world.answer(node, description);
            self.send(1 - side, answer);
        } else if state == SignalingState::HaveLocalOffer {
            self.world.accept(node, description);
        }
        self.check_places(side);
    }

    fn step(&mut self) {
        for side in [0, 1] {
            self.deliver(side);
            self.hear_events(side);
        }
        self.world.network.run_for(Duration::from_millis(20));
    }

    /// In the descriptions that both agreed on, sections keep their index, and their mid as long as they live.
    fn check_places(&mut self, side: usize) {
        let session = &self.world.host(self.node(side)).session;
        if session.signaling_state() != SignalingState::Stable {
            return;
        }
        let local: sdp::Description = session.local_description().unwrap().sdp.parse().unwrap();
        let remote: sdp::Description = session.remote_description().unwrap().sdp.parse().unwrap();
        let mids = |description: &sdp::Description| {
            description.media.iter().map(|media| media.mid().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(mids(&local), mids(&remote));
        let places: Vec<(String, bool)> = local
            .media
            .iter()
            .zip(&remote.media)
            .map(|(ours, theirs)| (ours.mid().unwrap().to_owned(), ours.is_rejected() || theirs.is_rejected()))
            .collect();
        let before = std::mem::replace(&mut self.places[side], places);
        assert!(self.places[side].len() >= before.len(), "sections are never taken away");
        for (index, ((old, was_refused), (new, _))) in before.iter().zip(&self.places[side]).enumerate() {
            assert!(*was_refused || old == new, "section {index} was {old} and is {new}");
        }
    }

    /// Something that an application may do at any time.
    fn operate(&mut self, side: usize) {
        let node = self.node(side);
        let all: Vec<TransceiverInfo> =
            self.world.host(node).session.transceivers().filter(|one| !one.stopped).collect();
        let chosen = (!all.is_empty()).then(|| all[self.rng.random_range(0..all.len())].clone());
        let kind = if self.rng.random_bool(0.5) { MediaKind::Audio } else { MediaKind::Video };
        self.names += 1;
        let name = format!("{side}-{}", self.names);
        let way = self.rng.random_range(0..10);
        let directions = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
        let direction = directions[self.rng.random_range(0..4)];
        self.world.on(node, |now, host| {
            let session = &mut host.session;
            match (way, chosen) {
                (0..3, _) if all.len() < 10 => _ = session.add_track(now, kind, name, vec![]).unwrap(),
                (3, Some(one)) => session.remove_track(now, one.id).unwrap(),
                (4, Some(one)) => session.replace_track(now, one.id, Some(name)).unwrap(),
                (5 | 6, Some(one)) => session.set_direction(now, one.id, direction).unwrap(),
                (7, Some(one)) => session.stop_transceiver(now, one.id).unwrap(),
                (8, _) => _ = session.open_channel(now, datachannel::Options::new(name)).unwrap(),
                (9, _) => session.restart_ice(now),
                _ => {}
            }
        });
    }

    /// Until both sides have nothing to say any more.
    fn settle(&mut self) {
        let limit = self.offers + 40;
        for _ in 0..2_000 {
            self.step();
            let is_busy = self.wires.iter().any(|wire| !wire.queue.is_empty())
                || [0, 1].iter().any(|side| {
                    let host = self.world.host(self.node(*side));
                    host.session.signaling_state() != SignalingState::Stable || host.events.len() > self.heard[*side]
                });
            let infos = || [0, 1].map(|side| infos(&self.world, self.node(side)));
            assert!(self.offers < limit, "they never agree: {:#?}", infos());
            if !is_busy {
                return;
            }
        }
        panic!("they never come to rest");
    }

    /// Both know the same, and nothing that one of them wants was lost.
    fn check_agreement(&self) {
        let of = |side: usize| {
            let mut all: Vec<TransceiverInfo> = self.world.host(self.node(side)).session.transceivers().collect();
            all.sort_by_key(|one| one.mid.clone());
            all
        };
        let (here, there) = (of(0), of(1));
        assert_eq!(here.len(), there.len());
        for (a, b) in here.iter().zip(&there) {
            assert!(a.mid.is_some() && !a.stopped && !b.stopped, "{a:?} {b:?}");
            assert_eq!((&a.mid, a.kind), (&b.mid, b.kind));
            let sends =
                |from: &TransceiverInfo, to: &TransceiverInfo| from.direction.sends() && to.direction.receives();
            let agreed = Direction::new(sends(a, b), sends(b, a));
            assert_eq!(a.current_direction, Some(agreed), "{a:?} {b:?}");
            assert_eq!(b.current_direction, Some(agreed.reversed()), "{a:?} {b:?}");
            for (side, one) in [(0, a), (1, b)] {
                let is_told = self.is_receiving(side, one.id);
                assert_eq!(is_told, one.current_direction.is_some_and(Direction::receives), "{one:?}");
            }
        }
        let local = |side: usize| self.world.host(self.node(side)).session.local_description().unwrap();
        assert_eq!(lines(&local(0), "a=mid"), lines(&local(1), "a=mid"));
    }

    /// Whether the last that was told of a transceiver is that the peer sends.
    fn is_receiving(&self, side: usize, id: TransceiverId) -> bool {
        let is_of = |event: &&Event| matches!(event, Event::Track { transceiver, .. } | Event::TrackRemoved(transceiver) if *transceiver == id);
        let last = self.world.host(self.node(side)).events.iter().rev().find(is_of);
        last.is_some_and(|event| matches!(event, Event::Track { .. }))
    }
}

#[test]
fn both_sides_agree_whatever_they_do_at_once() {
    let mut collisions = 0;
    for seed in 0..150 {
        println!("seed {seed}");
        let mut pair = Pair::new(seed);
        let channel = pair.world.open(pair.world.a, "alive throughout");
        for _ in 0..25 {
            for side in [0, 1] {
                if pair.rng.random_bool(0.5) {
                    pair.operate(side);
                }
                if pair.rng.random_bool(0.2) {
                    pair.operate(side);
                }
            }
            for _ in 0..pair.rng.random_range(0..15) {
                pair.step();
            }
        }
        pair.settle();
        pair.check_agreement();
        let (a, b) = (pair.world.a, pair.world.b);
        let before = pair.world.host(b).messages();
        pair.world.await_open(1);
        pair.world.send(a, channel, Message::text("alive"));
        pair.world.network.expect("the message", PATIENCE, |network| network.get(b).messages() > before);
        collisions += pair.collisions;
    }
    assert!(collisions > 150, "only {collisions} offers met");
}

fn world() -> World {
    World::new(1, Link::delay(Duration::from_millis(5)))
}

fn add_track(world: &mut World, node: NodeId, kind: MediaKind, name: &str) -> TransceiverId {
    world.on(node, |now, host| host.session.add_track(now, kind, name.into(), vec![]).unwrap())
}

fn infos(world: &World, node: NodeId) -> Vec<TransceiverInfo> {
    world.host(node).session.transceivers().collect()
}

/// Two that have agreed on sound, with a change on the way: B adds video, and ends the sound.
fn in_mid_change() -> (World, SessionDescription) {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    add_track(&mut world, a, MediaKind::Audio, "sound");
    world.negotiate(a, b);
    let sound = infos(&world, b)[0].id;
    add_track(&mut world, b, MediaKind::Video, "picture");
    world.on(b, |now, host| host.session.stop_transceiver(now, sound).unwrap());
    let offer = world.offer(b);
    (world, offer)
}

fn set_remote(world: &mut World, node: NodeId, description: SessionDescription) {
    world.on(node, |now, host| host.session.set_remote_description(now, description).unwrap());
}

fn set_local(world: &mut World, node: NodeId, description: SessionDescription) {
    world.on(node, |now, host| host.session.set_local_description(now, description).unwrap());
}

#[test]
fn every_state_can_be_rolled_back_to_what_was_before() {
    let rollback = SessionDescription::rollback;
    let provisional = |description: SessionDescription| SessionDescription { kind: SdpKind::Pranswer, ..description };
    // Have-remote-offer, by an offer that would end one transceiver and make another.
    let (mut world, offer) = in_mid_change();
    let (a, b) = (world.a, world.b);
    let before = infos(&world, a);
    set_remote(&mut world, a, offer.clone());
    assert_ne!(infos(&world, a), before);
    set_remote(&mut world, a, rollback());
    assert_eq!(infos(&world, a), before);
    assert_eq!(world.host(a).session.signaling_state(), SignalingState::Stable);
    // Have-local-pranswer.
    set_remote(&mut world, a, offer.clone());
    let answer = world.on(a, |now, host| host.session.create_answer(now).unwrap());
    set_local(&mut world, a, provisional(answer.clone()));
    assert_eq!(world.host(a).session.signaling_state(), SignalingState::HaveLocalPranswer);
    set_local(&mut world, a, rollback());
    assert_eq!(infos(&world, a), before);
    // Have-remote-pranswer, and with it the offer.
    set_remote(&mut world, b, provisional(answer));
    assert_eq!(world.host(b).session.signaling_state(), SignalingState::HaveRemotePranswer);
    set_remote(&mut world, b, rollback());
    let mids: Vec<Option<String>> = infos(&world, b).into_iter().map(|one| one.mid).collect();
    assert_eq!(mids, [Some("0".into()), None], "the offered section is none");
    // Have-local-offer.
    let offer = world.offer(b);
    assert!(infos(&world, b)[1].mid.is_some());
    set_local(&mut world, b, rollback());
    assert_eq!(infos(&world, b)[1].mid, None);
    // Stable: there is nothing to take back.
    for way in [true, false] {
        let refused = world.on(b, |now, host| match way {
            true => host.session.set_local_description(now, rollback()),
            false => host.session.set_remote_description(now, rollback()),
        });
        assert!(refused.unwrap_err().to_string().contains("cannot roll back"));
    }
    // And all of it goes through afterwards.
    drop(offer);
    world.negotiate(b, a);
    let after: Vec<MediaKind> = infos(&world, a).iter().map(|one| one.kind).collect();
    assert_eq!(after, [MediaKind::Video]);
}

#[test]
fn an_offer_that_follows_another_replaces_it() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    add_track(&mut world, a, MediaKind::Audio, "sound");
    let picture = add_track(&mut world, a, MediaKind::Video, "picture");
    let offer = world.offer(a);
    set_remote(&mut world, b, offer);
    assert_eq!(infos(&world, b).len(), 2);
    set_local(&mut world, a, SessionDescription::rollback());
    world.on(a, |now, host| host.session.stop_transceiver(now, picture).unwrap());
    let offer = world.offer(a);
    let answer = world.answer(b, offer);
    world.accept(a, answer);
    assert_eq!(infos(&world, b).len(), 1, "what only the first offer had is gone");
    let needed = world.host(b).events.iter().any(|event| matches!(event, Event::NegotiationNeeded));
    assert!(!needed, "{:?}", world.host(b).events);
}

#[test]
fn numbers_of_an_offer_that_was_taken_back_are_free_again() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    // B would take 96 for VP8; A's offer comes first and has 96 for VP9.
    add_track(&mut world, b, MediaKind::Video, "b");
    world.offer(b);
    add_track(&mut world, a, MediaKind::Video, "a");
    let mut offer = world.offer(a);
    offer.sdp = offer
        .sdp
        .replace("rtpmap:96 VP8", "rtpmap:96 VP-")
        .replace("rtpmap:98 VP9", "rtpmap:98 VP8")
        .replace("VP-", "VP9")
        .replace("fmtp:98 profile-id=0", "fmtp:96 profile-id=0");
    world.answer(b, offer);
    let offer = world.offer(b);
    assert_eq!(lines(&offer, "a=rtpmap:96 "), ["a=rtpmap:96 VP9/90000"], "{}", offer.sdp);
    assert_eq!(lines(&offer, "a=rtpmap:98 "), ["a=rtpmap:98 VP8/90000"]);
}

#[test]
fn stopped_sections_are_used_again_in_their_place_by_their_kind() {
    let mut world = world();
    let (a, b) = (world.a, world.b);
    let ids: Vec<TransceiverId> = (0..4)
        .map(|number| {
            let kind = if number % 2 == 0 { MediaKind::Audio } else { MediaKind::Video };
            add_track(&mut world, a, kind, &format!("first-{number}"))
        })
        .collect();
    world.negotiate(a, b);
    for id in [ids[1], ids[2]] {
        world.on(a, |now, host| host.session.stop_transceiver(now, id).unwrap());
    }
    world.negotiate(a, b);
    let kept = |world: &World, node| infos(world, node).into_iter().filter_map(|one| one.mid).collect::<Vec<_>>();
    assert_eq!((kept(&world, a), kept(&world, b)), (vec!["0".into(), "3".into()], vec!["0".into(), "3".into()]));
    // Refused sections stay where they are in offers of either side.
    for (from, to) in [(b, a), (a, b)] {
        let offer = world.offer(from);
        assert_eq!(lines(&offer, "a=mid"), ["a=mid:0", "a=mid:1", "a=mid:2", "a=mid:3"]);
        let ports: Vec<bool> = lines(&offer, "m=").iter().map(|line| is_refused(line)).collect();
        assert_eq!(ports, [false, true, true, false]);
        let answer = world.answer(to, offer);
        world.accept(from, answer);
    }
    // Two new ones of video: the first takes the place of the one that was stopped, the other comes behind.
    add_track(&mut world, b, MediaKind::Video, "second-0");
    add_track(&mut world, b, MediaKind::Video, "second-1");
    add_track(&mut world, b, MediaKind::Video, "second-2");
    let offer = world.offer(b);
    let kinds: Vec<&str> = lines(&offer, "m=").iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(kinds, ["m=audio", "m=video", "m=audio", "m=video", "m=video"], "{}", offer.sdp);
    assert_eq!(lines(&offer, "a=mid"), ["a=mid:0", "a=mid:4", "a=mid:2", "a=mid:3", "a=mid:5"]);
    let answer = world.answer(a, offer);
    world.accept(b, answer);
    // The peer's own: sound goes where sound was.
    add_track(&mut world, a, MediaKind::Audio, "third");
    world.on(a, |now, host| host.session.create_offer(now, OfferOptions::default()).unwrap());
    let offer = world.offer(a);
    assert_eq!(lines(&offer, "a=mid")[2], "a=mid:6", "{}", offer.sdp);
    let answer = world.answer(b, offer);
    world.accept(a, answer);
    for (a, b) in infos(&world, a).iter().zip(infos(&world, b)) {
        assert!(a.current_direction.is_some() && b.current_direction.is_some());
    }
}
