//! Frames through whole sessions: in order, repaired, asked for, and silent where they must be.

use std::time::Duration;

use sim::{Link, NodeId};
use visavis_session::datachannel::Message;
use visavis_session::sdp::Direction;
use visavis_session::{Codec, Event, Frame, FrameError, MediaKind, TransceiverId};

use crate::common::{PATIENCE, World, config};

const FRAME: Duration = Duration::from_millis(33);

/// A frame of VP8, as far as its first byte says (RFC 6386, section 9.1).
fn video(number: u32, length: usize) -> Frame {
    coded(number, length, number == 0)
}

fn coded(number: u32, length: usize, is_key_frame: bool) -> Frame {
    let mut data: Vec<u8> = (0..length).map(|place| (place * 7 + number as usize * 13) as u8).collect();
    data[0] = u8::from(!is_key_frame);
    Frame { data: data.into(), timestamp: FRAME * number, is_key_frame, ..Frame::default() }
}

struct Call {
    world: World,
    a: NodeId,
    b: NodeId,
    /// What A sends, and what B receives of it.
    sent: TransceiverId,
    received: TransceiverId,
}

/// A sends video to B, and both are connected. It is as if it had been measured that the path carries what is sent.
fn call(seed: u64, link: Link) -> Call {
    let config = |side| {
        let mut config = config(side);
        config.media.start_bitrate = 5_000_000;
        config
    };
    let mut world = World::with(seed, link, config(0), config(1));
    let (sent, received) = world.one_way(MediaKind::Video, vec![Codec::vp8()]);
    Call { a: world.a, b: world.b, world, sent, received }
}

impl Call {
    fn send(&mut self, frame: &Frame) -> Result<(), FrameError> {
        let (a, sent) = (self.a, self.sent);
        self.world.on(a, |now, host| host.session.send_frame(now, sent, frame))
    }

    /// How often B asked for a key frame.
    fn requests(&self) -> usize {
        let is_request = |event: &&Event| matches!(event, Event::KeyframeRequested { .. });
        self.world.host(self.a).events.iter().filter(is_request).count()
    }

    /// Sends so many frames at 30 a second, key frames where they are asked for, and waits a while.
    fn play(&mut self, frames: std::ops::Range<u32>) -> Vec<Frame> {
        let mut answered = self.requests();
        let mut sent = Vec::new();
        for number in frames {
            let is_asked = self.requests() > std::mem::replace(&mut answered, self.requests());
            let frame = coded(number, 2_000 + (number as usize * 977) % 6_000, number == 0 || is_asked);
            self.send(&frame).unwrap();
            sent.push(frame);
            self.world.network.run_for(FRAME);
        }
        self.world.network.run_for(Duration::from_secs(2));
        sent
    }

    fn arrived(&self) -> usize {
        self.world.host(self.b).frames.get(&self.received).map_or(0, Vec::len)
    }
}

#[test]
fn frames_arrive_whole_and_in_order() {
    let mut call = call(1, Link::delay(Duration::from_millis(20)));
    let sent = call.play(0..60);
    let got = &call.world.host(call.b).frames[&call.received];
    assert_eq!(got.len(), sent.len());
    for (sent, got) in sent.iter().zip(got) {
        assert_eq!(sent.data, got.data);
        assert_eq!((sent.is_key_frame, got.follows_loss), (got.is_key_frame, false));
        assert!(sent.timestamp.abs_diff(got.timestamp) < Duration::from_millis(1));
        assert_eq!(*got.codec, Codec::vp8());
    }
}

#[test]
fn lost_packets_are_sent_again() {
    for seed in 0..20 {
        let mut call = call(seed, Link { loss: 0.05, ..Link::delay(Duration::from_millis(20)) });
        let sent = call.play(0..95);
        let got = &call.world.host(call.b).frames[&call.received];
        // Where the very first packet was lost nobody knows of it, and the first key frame that is whole is a later
        // one. That the very last packets are missing shows only when others follow.
        let first = sent.iter().position(|frame| frame.data == got[0].data).unwrap();
        assert!(first < 10 && got.len() + first >= 90, "seed {seed}: {} frames from {first} on", got.len());
        assert!(sent[first..].iter().zip(got).all(|(sent, got)| sent.data == got.data), "seed {seed}");
    }
}

#[test]
fn nothing_is_sent_before_both_sides_agree() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(5)));
    let a = world.a;
    let id = world.on(a, |now, host| host.session.add_track(now, MediaKind::Video, "v".into(), vec![]).unwrap());
    let refused = world.on(a, |now, host| host.session.send_frame(now, id, &video(0, 100)).unwrap_err());
    assert_eq!(refused, FrameError::NotReady);
}

#[test]
fn a_peer_that_only_receives_is_not_sent_to_when_it_pauses() {
    let mut call = call(1, Link::delay(Duration::from_millis(5)));
    call.play(0..5);
    assert_eq!(call.arrived(), 5);
    let (a, b, received) = (call.a, call.b, call.received);
    call.world.on(b, |now, host| host.session.set_direction(now, received, Direction::Inactive).unwrap());
    call.world.negotiate(b, a);
    assert_eq!(call.send(&video(5, 100)), Err(FrameError::NotReady));
    call.world.on(b, |now, host| host.session.set_direction(now, received, Direction::RecvOnly).unwrap());
    call.world.negotiate(b, a);
    call.play(0..5);
    assert_eq!(call.arrived(), 10);
}

#[test]
fn a_key_frame_is_asked_for_by_name() {
    let mut call = call(1, Link::delay(Duration::from_millis(5)));
    call.play(0..5);
    let (a, b, received, sent) = (call.a, call.b, call.received, call.sent);
    call.world.on(b, |now, host| host.session.request_keyframe(now, received, None));
    call.world.network.run_for(Duration::from_secs(1));
    let is_asked =
        |event: &Event| matches!(event, Event::KeyframeRequested { transceiver, rid: None } if *transceiver == sent);
    assert!(call.world.host(a).events.iter().any(is_asked));
}

#[test]
fn channels_go_on_beside_video() {
    let mut call = call(3, Link { loss: 0.02, ..Link::delay(Duration::from_millis(20)) });
    let (a, b) = (call.a, call.b);
    let channel = call.world.open(a, "beside");
    call.world.negotiate(a, b);
    call.world.await_open(1);
    for number in 0..60 {
        call.send(&video(number, 4_000)).unwrap();
        call.world.send(a, channel, Message::binary(vec![number as u8; 1_000]));
        call.world.network.run_for(FRAME);
    }
    call.world.network.expect("all messages", PATIENCE, |network| network.get(b).messages() == 60);
    call.world.network.run_for(Duration::from_secs(2));
    assert!(call.arrived() >= 55, "{} frames", call.arrived());
}

#[test]
fn flipped_bytes_of_media_change_nothing_but_counters() {
    let mut call = call(1, Link::delay(Duration::from_millis(5)));
    let (a, b) = (call.a, call.b);
    call.play(0..3);
    let before = call.arrived();
    call.send(&video(3, 900)).unwrap();
    let now = call.world.now();
    let mut datagram = Vec::new();
    let route = call.world.on(a, |now, host| host.session.poll_transmit(now, &mut datagram)).unwrap();
    for place in 0..datagram.len() {
        let mut flipped = datagram.clone();
        flipped[place] ^= 0x40;
        call.world.on(b, |_, host| host.session.handle_datagram(now, route.remote, route.local, &mut flipped));
    }
    assert_eq!(call.arrived(), before);
    assert!(call.world.host(b).session.stats().media.unprotected_dropped > 800);
    let sent = datagram.len();
    call.world.on(b, |_, host| host.session.handle_datagram(now, route.remote, route.local, &mut datagram));
    assert_eq!(call.arrived(), before + 1, "the packet itself, of {sent} bytes, is still taken");
}

#[test]
fn reports_and_requests_of_many_streams_fit_their_datagrams() {
    const TRACKS: usize = 40;
    let link = Link { loss: 0.08, ..Link::delay(Duration::from_millis(20)) };
    let mut world = World::with(4, link, config(0), config(1));
    let (a, b) = (world.a, world.b);
    let ids: Vec<TransceiverId> = (0..TRACKS)
        .map(|number| {
            let add = |now, host: &mut crate::common::Host| {
                host.session.add_track(now, MediaKind::Video, format!("track-{number}"), vec![]).unwrap()
            };
            world.on(a, add)
        })
        .collect();
    world.negotiate(a, b);
    world.await_connected();
    for number in 0..60 {
        for id in &ids {
            // Where the queue is full a frame is left out.
            let _ = world.on(a, |now, host| host.session.send_frame(now, *id, &coded(number, 400, number % 10 == 0)));
        }
        world.network.run_for(FRAME);
    }
    world.network.run_for(Duration::from_secs(3));
    let heard = world.host(b).frames.values().filter(|frames| !frames.is_empty()).count();
    assert!(heard > TRACKS / 2, "frames of {heard} tracks arrived");
    for node in [a, b] {
        assert!(world.host(node).largest <= 1_200, "{} bytes", world.host(node).largest);
    }
}

#[test]
fn media_waits_quietly_while_the_path_is_lost_and_goes_on_after_a_restart() {
    let mut call = call(1, Link::delay(Duration::from_millis(20)));
    call.play(0..30);
    let (a, b) = (call.a, call.b);
    let ip = crate::common::address(crate::common::A).ip();
    let set = |call: &mut Call, link: Link| call.world.network.set_links(a, ip, link, link);
    set(&mut call, Link { loss: 1.0, ..Link::default() });
    // Storms of wake-ups fail the run.
    for number in 30..60 {
        let _ = call.send(&coded(number, 3_000, false));
        call.world.network.run_for(Duration::from_secs(2));
    }
    set(&mut call, Link::delay(Duration::from_millis(20)));
    call.world.on(a, |now, host| host.session.restart_ice(now));
    call.world.negotiate(a, b);
    call.world.network.run_for(Duration::from_secs(2));
    let before = call.arrived();
    call.send(&coded(100, 3_000, true)).unwrap();
    call.world.network.run_for(Duration::from_secs(2));
    assert!(call.arrived() > before);
}
