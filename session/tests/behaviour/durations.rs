//! How long frames last: what those that arrive say of it, and what becomes of it where they are sent.

use std::time::Duration;

use sim::{Link, NodeId};
use visavis_session::{Codec, Door, Frame, MediaKind, TransceiverId};

use crate::common::World;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct Call {
    world: World,
    a: NodeId,
    b: NodeId,
    sent: TransceiverId,
    received: TransceiverId,
}

/// A sends to B, in these codecs by preference.
fn call(link: Link, kind: MediaKind, codecs: Vec<Codec>) -> Call {
    let mut world = World::new(1, link);
    let (sent, received) = world.one_way(kind, codecs);
    Call { a: world.a, b: world.b, world, sent, received }
}

fn near() -> Link {
    Link::delay(millis(5))
}

impl Call {
    /// Sends a frame, and waits until it has arrived.
    fn send(&mut self, data: &[u8], timestamp: Duration, duration: Option<Duration>) {
        let (a, sent, is_key_frame) = (self.a, self.sent, data.first() == Some(&0));
        let frame = Frame { data: data.to_vec().into(), timestamp, duration, is_key_frame, rid: None };
        self.world.on(a, |now, host| host.session.send_frame(now, sent, &frame).unwrap());
        self.world.network.run_for(millis(20));
    }

    /// How long those that arrived last.
    fn durations(&mut self) -> Vec<Option<Duration>> {
        self.world.network.run_for(Duration::from_secs(2));
        let frames = self.world.host(self.b).frames.get(&self.received).map(Vec::as_slice).unwrap_or_default();
        frames.iter().map(|frame| frame.duration).collect()
    }
}

#[test]
fn sound_lasts_as_long_as_what_is_in_it() {
    let mut call = call(near(), MediaKind::Audio, vec![Codec::opus()]);
    // RFC 6716, section 3.1: 20 ms, twice 20 ms, three times 2.5 ms, 60 ms; then one that claims 140 ms.
    for (number, packet) in (0..).zip([&[0xfc, 1][..], &[0xfd, 1, 1], &[0xe3, 3, 1], &[0x18, 1], &[0xff, 7]]) {
        call.send(packet, millis(100) * number, None);
    }
    let micros = call.durations().into_iter().map(|duration| duration.map(|duration| duration.as_micros()));
    assert_eq!(micros.collect::<Vec<_>>(), [Some(20_000), Some(40_000), Some(7_500), Some(60_000), None]);

    for codec in [Codec::pcmu(), Codec::pcma()] {
        let mut call = self::call(near(), MediaKind::Audio, vec![codec]);
        call.send(&[0xff; 160], Duration::ZERO, None);
        call.send(&[0xff; 80], millis(20), None);
        assert_eq!(call.durations(), [Some(millis(20)), Some(millis(10))]);
    }
}

/// A frame of VP8, as far as its first byte says (RFC 6386, section 9.1).
fn picture(is_key_frame: bool) -> [u8; 200] {
    let mut data = [7; 200];
    data[0] = u8::from(!is_key_frame);
    data
}

#[test]
fn a_picture_lasts_as_long_as_the_one_before_it_where_that_says_something() {
    let mut call = call(near(), MediaKind::Video, vec![Codec::vp8()]);
    let mut expected = Vec::new();
    for (time, duration) in [
        (0, None), // nothing was before it
        (40, Some(40)),
        (80, Some(40)),
        (180, Some(100)),
        (1_180, Some(1_000)),
        (2_200, None), // a pause
        (2_200, None), // no time has passed
        (2_240, Some(40)),
        (2_220, None), // another order than that of showing
        (2_280, Some(60)),
    ] {
        call.send(&picture(time == 0), millis(time), None);
        expected.push(duration.map(millis));
    }
    assert_eq!(call.durations(), expected);
}

#[test]
fn a_picture_behind_losses_does_not_say_how_long_it_lasts() {
    let mut call = call(Link { loss: 0.3, ..near() }, MediaKind::Video, vec![Codec::vp8()]);
    for number in 0..200 {
        call.send(&picture(number % 5 == 0), millis(40) * number, None);
    }
    call.durations();
    let frames = &call.world.host(call.b).frames[&call.received];
    let lost = frames.iter().filter(|frame| frame.follows_loss).count();
    assert!(frames.iter().all(|frame| !frame.follows_loss || frame.duration.is_none()));
    let known = frames.iter().filter(|frame| frame.duration == Some(millis(40))).count();
    assert_eq!(known + lost + 1, frames.len(), "{lost} of {} frames follow losses", frames.len());
}

/// Whether the packets of frames at these times, in milliseconds, are marked, the second of each being how long it lasts.
fn marks(codecs: Vec<Codec>, frames: &[(u64, Option<u64>)]) -> Vec<bool> {
    let mut call = call(near(), MediaKind::Audio, codecs);
    let (b, received) = (call.b, call.received);
    call.world.on(b, |_, host| host.session.set_door(received, Door::Packets));
    for (time, duration) in frames {
        call.send(&[0xfc, 1, 2, 3], millis(*time), duration.map(millis));
    }
    call.world.network.run_for(Duration::from_secs(1));
    call.world.host(b).packets.iter().map(|packet| packet.header.marker).collect()
}

#[test]
fn sound_behind_silence_begins_a_talk_spurt_where_frames_say_how_long_they_last() {
    let twenty = Some(20);
    let frames = [(0, twenty), (20, twenty), (40, twenty), (100, twenty), (120, twenty), (3_600_000, twenty)];
    let expected = [true, false, false, true, false, true];
    for codecs in [vec![Codec::opus()], vec![Codec::pcmu()], vec![Codec::red(), Codec::opus()]] {
        assert_eq!(marks(codecs, &frames), expected);
    }
    // Where nobody says it there is no telling: but nothing is before the first.
    let silent = [(0, None), (20, None), (100, None), (120, twenty), (140, None), (200, None)];
    assert_eq!(marks(vec![Codec::opus()], &silent), [true, false, false, false, false, false]);
}
