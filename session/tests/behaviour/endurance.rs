//! An hour of a call on a bad path, in virtual time: numbers wrap, nothing gets stuck, nothing grows.

use std::time::Duration;

use sim::{Link, NodeId};
use visavis_session::{Codec, Event, Frame, FrameError, MediaKind, ReceivedFrame, TransceiverId, TransceiverOptions};

use crate::common::{World, config};

/// Between two frames of pictures; sound comes with each of them.
const EVERY: Duration = Duration::from_millis(40);
/// Frames in a minute.
const MINUTE: u32 = 1_500;
const PACKETS_PER_FRAME: usize = 3;
/// Ticks of the clock of pictures after which timestamps wrap.
const WRAP: u64 = 1 << 32;

struct Call {
    world: World,
    a: NodeId,
    b: NodeId,
    /// Sound and pictures.
    sent: Vec<TransceiverId>,
    received: Vec<TransceiverId>,
    requests: usize,
    /// Frames that the queue had no room for.
    full: usize,
}

/// Each of the two has such a link, so that one packet in twenty is lost between them.
fn bad_path() -> Link {
    Link {
        loss: 0.025,
        jitter: Duration::from_millis(8),
        reorder: 0.02,
        reorder_by: Duration::from_millis(20),
        duplicate: 0.01,
        ..Link::delay(Duration::from_millis(12))
    }
}

fn call(seed: u64, link: Link) -> Call {
    let config = |side| {
        let mut config = config(side);
        config.media.start_bitrate = 3_000_000;
        config
    };
    let mut world = World::with(seed, link, config(0), config(1));
    let (a, b) = (world.a, world.b);
    let sent = [(MediaKind::Audio, Codec::opus()), (MediaKind::Video, Codec::vp8())]
        .into_iter()
        .map(|(kind, codec)| {
            let options = TransceiverOptions { codecs: vec![codec], ..TransceiverOptions::default() };
            world.on(a, |now, host| host.session.add_transceiver(now, kind, options).unwrap())
        })
        .collect();
    world.negotiate(a, b);
    world.await_connected();
    let received = world.host(b).session.transceivers().map(|one| one.id).collect();
    Call { world, a, b, sent, received, requests: 0, full: 0 }
}

impl Call {
    /// One frame of pictures, of sound, and the time between two.
    fn step(&mut self, begin: Duration, number: u32) {
        let asked = self.world.host(self.a).events.iter().filter(|event| is_request(event)).count();
        let is_key_frame = number == 0 || asked > std::mem::replace(&mut self.requests, asked);
        let timestamp = begin + EVERY * number;
        let mut data = vec![number as u8; PACKETS_PER_FRAME * 1_000];
        data[0] = u8::from(!is_key_frame);
        let picture = Frame { data: data.into(), timestamp, is_key_frame, ..Frame::default() };
        let sound = Frame { data: vec![7; 60].into(), timestamp, is_key_frame: true, ..Frame::default() };
        let (a, sent) = (self.a, self.sent.clone());
        let full = self.world.on(a, |now, host| {
            let mut full = 0;
            for (id, frame) in sent.iter().zip([sound, picture]) {
                // Where the estimate is low for a while, an encoder leaves frames out.
                let result = host.session.send_frame(now, *id, &frame);
                assert!(matches!(result, Ok(()) | Err(FrameError::Full { .. })), "{result:?}");
                full += usize::from(result.is_err());
            }
            full
        });
        self.full += full;
        self.world.network.run_for(EVERY);
    }

    /// Takes the frames that have come, of sound and of pictures.
    fn take(&mut self) -> [Vec<ReceivedFrame>; 2] {
        let (b, ids) = (self.b, [self.received[0], self.received[1]]);
        self.world.on(b, |_, host| ids.map(|id| host.frames.remove(&id).unwrap_or_default()))
    }
}

fn is_request(event: &Event) -> bool {
    matches!(event, Event::KeyframeRequested { .. })
}

/// The timestamp of the very first frame of pictures with this seed: the offset is drawn from it.
fn first_timestamp(seed: u64) -> u32 {
    let mut call = call(seed, Link::delay(Duration::from_millis(25)));
    (0..3).for_each(|number| call.step(Duration::ZERO, number));
    call.world.network.run_for(Duration::from_secs(1));
    call.take()[1][0].rtp_timestamp
}

#[test]
fn an_hour_with_loss_and_reordering_goes_on_and_on() {
    const SEED: u64 = 5;
    // Timestamps wrap in the tenth minute.
    let ticks = WRAP - u64::from(first_timestamp(SEED)) + WRAP - 10 * 60 * 90_000;
    let begin = Duration::from_secs(ticks / 90_000);
    let mut call = call(SEED, bad_path());
    let (mut last, mut has_wrapped, mut packets) = (None::<ReceivedFrame>, false, 0);
    for minute in 0..60 {
        for number in minute * MINUTE..(minute + 1) * MINUTE {
            call.step(begin, number);
        }
        let [sound, pictures] = call.take();
        // Two streams of 16 bits of numbers each: sound wraps once, pictures four times.
        packets += pictures.len() * PACKETS_PER_FRAME;
        println!(
            "minute {minute}: {} of sound, {} of pictures, {:?} bit/s, {} full",
            sound.len(),
            pictures.len(),
            call.world.host(call.a).session.bandwidth(),
            call.full
        );
        assert!(sound.len() as u32 > MINUTE * 92 / 100, "minute {minute}: {} frames of sound", sound.len());
        assert!(pictures.len() as u32 > MINUTE * 95 / 100, "minute {minute}: {} frames of pictures", pictures.len());
        for frame in pictures {
            if let Some(last) = &last {
                assert!(frame.timestamp > last.timestamp, "minute {minute}: time goes back");
                has_wrapped |= frame.rtp_timestamp < last.rtp_timestamp;
            }
            last = Some(frame);
        }
    }
    assert!(has_wrapped, "timestamps wrap");
    assert!(packets > 3 * (1 << 16), "numbers wrap: {packets} packets");
    let asked = call.world.host(call.a).events.iter().filter(|event| is_request(event)).count();
    assert!(asked < 60 * 10, "{asked} requests for key frames in an hour");
}

#[test]
fn tracks_that_come_and_go_by_the_hundred_leave_room_for_the_next() {
    let mut call = call(6, Link::delay(Duration::from_millis(10)));
    let (a, b) = (call.a, call.b);
    let begin = Duration::ZERO;
    let mut sections = 0;
    for round in 0..200_u32 {
        // Pictures of before end, others begin, from either side's offer in turn.
        let old = call.sent[1];
        let options = TransceiverOptions { codecs: vec![Codec::vp8()], ..TransceiverOptions::default() };
        call.sent[1] = call.world.on(a, |now, host| {
            host.session.stop_transceiver(now, old).unwrap();
            host.session.add_transceiver(now, MediaKind::Video, options).unwrap()
        });
        call.world.negotiate(a, b);
        let of_pictures = |one: &visavis_session::TransceiverInfo| one.kind == MediaKind::Video && one.mid.is_some();
        let alive: Vec<_> = call.world.host(b).session.transceivers().filter(of_pictures).map(|one| one.id).collect();
        call.received[1] = *alive.last().expect("pictures");
        (0..5).for_each(|number| call.step(begin, if number == 0 { 0 } else { round * 5 + number }));
        call.world.network.run_for(Duration::from_millis(200));
        let [sound, pictures] = call.take();
        assert!(pictures.len() >= 4, "round {round}: {} frames of pictures", pictures.len());
        assert!(sound.len() >= 4, "round {round}: {} frames of sound", sound.len());
        let sdp = call.world.host(a).session.local_description().expect("set").sdp;
        sections = sdp.matches("m=video").count();
        let count = call.world.host(b).session.transceivers().count();
        assert!(sections <= 3 && count <= 3, "round {round}: {sections} sections, {count} transceivers");
    }
    assert!(sections > 0);
}
