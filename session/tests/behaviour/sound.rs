//! What rides along with sound: earlier frames once more, and the keys of a telephone.

use std::time::Duration;

use sim::{Link, NodeId};
use visavis_session::{Codec, Frame, MediaKind, SessionDescription, TransceiverId, TransceiverOptions};

use crate::common::{PATIENCE, World, config, lines};

const FRAME: Duration = Duration::from_millis(20);

struct Call {
    world: World,
    a: NodeId,
    b: NodeId,
    sent: TransceiverId,
    received: TransceiverId,
}

/// A sends sound to B, with these codecs by preference.
fn call(seed: u64, link: Link, codecs: Vec<Codec>, red_frames: u8) -> Call {
    let mut here = config(0);
    here.media.red_frames = red_frames;
    let mut world = World::with(seed, link, here, config(1));
    let (a, b) = (world.a, world.b);
    let options = TransceiverOptions { codecs, ..TransceiverOptions::default() };
    let sent = world.on(a, |now, host| host.session.add_transceiver(now, MediaKind::Audio, options).unwrap());
    world.negotiate(a, b);
    world
        .network
        .expect("a connection", PATIENCE, |network| network.get(a).is_connected() && network.get(b).is_connected());
    let received = world.host(b).session.transceivers().next().unwrap().id;
    Call { world, a, b, sent, received }
}

/// A frame that tells its number.
fn frame(number: u32) -> Frame {
    let data: Vec<u8> = number.to_be_bytes().into_iter().chain((0..60).map(|place| place ^ number as u8)).collect();
    Frame { data: data.into(), timestamp: FRAME * number, ..Frame::default() }
}

impl Call {
    fn play(&mut self, count: u32) {
        for number in 0..count {
            let (a, sent) = (self.a, self.sent);
            self.world.on(a, |now, host| host.session.send_frame(now, sent, &frame(number)).unwrap());
            self.world.network.run_for(FRAME);
        }
        self.world.network.run_for(Duration::from_secs(1));
    }

    /// The numbers of the frames that arrived, each of which must be as it was sent.
    fn heard(&self) -> Vec<u32> {
        let frames = self.world.host(self.b).frames.get(&self.received).map(Vec::as_slice).unwrap_or_default();
        let number = |data: &[u8]| u32::from_be_bytes(data[..4].try_into().unwrap());
        let numbers: Vec<u32> = frames.iter().map(|frame| number(&frame.data)).collect();
        for (number, got) in numbers.iter().zip(frames) {
            assert_eq!(got.data, frame(*number).data);
            assert_eq!(*got.codec, Codec::opus());
            assert_eq!(got.rtp_timestamp.wrapping_sub(frames[0].rtp_timestamp), (number - numbers[0]) * 960);
        }
        numbers
    }
}

fn redundant() -> Vec<Codec> {
    vec![Codec::red(), Codec::opus()]
}

#[test]
fn redundancy_is_offered_behind_opus_and_names_it() {
    let mut world = World::new(1, Link::delay(FRAME));
    let (a, b) = (world.a, world.b);
    world.on(a, |now, host| host.session.add_track(now, MediaKind::Audio, "sound".into(), vec![]).unwrap());
    let mut offer = world.offer(a);
    assert_eq!(lines(&offer, "a=rtpmap:63 "), ["a=rtpmap:63 red/48000/2"]);
    assert_eq!(lines(&offer, "a=fmtp:63 "), ["a=fmtp:63 111/111"]);
    // One that is for something else is not taken.
    offer.sdp = offer.sdp.replace("a=fmtp:63 111/111", "a=fmtp:63 0/0");
    let answer = world.answer(b, offer);
    assert!(lines(&answer, "a=rtpmap:63 ").is_empty() && lines(&answer, "a=rtpmap:111 ").len() == 1, "{}", answer.sdp);
}

#[test]
fn lost_frames_come_from_the_packets_behind_them() {
    for (red_frames, loss) in [(1, 0.1), (3, 0.25)] {
        for seed in 0..10 {
            let link = Link { loss, jitter: Duration::from_millis(15), ..Link::delay(Duration::from_millis(20)) };
            let mut call = call(seed, link, redundant(), red_frames);
            call.play(300);
            let heard = call.heard();
            assert!(heard.windows(2).all(|pair| pair[0] < pair[1]), "in order, and each once: {heard:?}");
            // Both links lose, so that without redundancy 57 or 131 would be missing.
            assert!(heard.len() > 270, "seed {seed}: {} frames", heard.len());
        }
    }
}

#[test]
fn opus_before_redundancy_is_sent_alone() {
    let mut call = call(1, Link::delay(FRAME), vec![Codec::opus(), Codec::red()], 1);
    call.play(50);
    assert_eq!(call.heard().len(), 50);
    let largest = call.world.host(call.a).largest;
    let mut doubled = self::call(1, Link::delay(FRAME), redundant(), 1);
    doubled.play(50);
    assert_eq!(doubled.heard().len(), 50);
    assert_eq!(doubled.world.host(doubled.a).session.transceiver(doubled.sent).unwrap().codec, Some(Codec::opus()));
    let bytes = |call: &Call| call.world.host(call.a).session.stats().transport.bytes_sent;
    assert!(bytes(&doubled) > bytes(&call) + 49 * 60, "{} and {}, {largest}", bytes(&doubled), bytes(&call));
}

#[test]
fn redundancy_that_the_peer_does_not_know_is_left_out() {
    let mut world = World::new(1, Link::delay(FRAME));
    let (a, b) = (world.a, world.b);
    let options = TransceiverOptions { codecs: redundant(), ..TransceiverOptions::default() };
    let id = world.on(a, |now, host| host.session.add_transceiver(now, MediaKind::Audio, options).unwrap());
    let offer = world.offer(a);
    assert_eq!(lines(&offer, "m="), ["m=audio 1000 UDP/TLS/RTP/SAVPF 63 111"]);
    let answer = world.answer(b, SessionDescription::offer(offer.sdp.replace(":63 red", ":63 blue")));
    world.accept(a, answer);
    world.network.expect("a connection", PATIENCE, |network| network.get(a).is_connected());
    world.network.run_for(FRAME * 5);
    world.on(a, |now, host| host.session.send_frame(now, id, &frame(1)).unwrap());
    world.network.run_for(FRAME * 5);
    assert_eq!(world.host(b).frames.values().map(Vec::len).sum::<usize>(), 1);
}
