//! Packets through whole sessions, as those send them who forward.

use std::sync::Arc;
use std::time::Duration;

use sim::{Link, NodeId};
use visavis_session::{
    Codec, Door, Event, Frame, FrameError, MediaKind, Packet, ReceivedPacket, TransceiverId, TransceiverOptions,
};

use crate::common::{A, World, address, config};

const TICKS: u32 = 3_000;

struct Relay {
    world: World,
    a: NodeId,
    b: NodeId,
    sent: TransceiverId,
    received: TransceiverId,
    vp8: Arc<Codec>,
    h264: Arc<Codec>,
}

/// A sends packets to B, in VP8 or H.264, and both are connected.
fn relay(seed: u64, link: Link) -> Relay {
    let config = |side| {
        let mut config = config(side);
        config.media.start_bitrate = 5_000_000;
        config.media.max_queued_packets = 100;
        config
    };
    let mut world = World::with(seed, link, config(0), config(1));
    let (a, b) = (world.a, world.b);
    let codecs = vec![Codec::vp8(), Codec::h264()];
    let options = TransceiverOptions { codecs, ..TransceiverOptions::default() };
    let sent = world.on(a, |now, host| host.session.add_transceiver(now, MediaKind::Video, options).unwrap());
    world.negotiate(a, b);
    world.await_connected();
    let received = world.host(b).session.transceivers().next().unwrap().id;
    world.on(b, |_, host| host.session.set_door(received, Door::Packets));
    Relay { world, a, b, sent, received, vp8: Arc::new(Codec::vp8()), h264: Arc::new(Codec::h264()) }
}

impl Relay {
    /// The packet of a frame of VP8 that fits one packet; `number` makes its number, its time and its bytes.
    fn packet(&self, number: u16) -> Packet {
        Packet {
            payload: vec![0x10, 0, number as u8, (number >> 8) as u8].into(),
            codec: self.vp8.clone(),
            marker: true,
            timestamp: u32::from(number).wrapping_mul(TICKS),
            sequence: Some(number),
            is_key_frame: false,
            captured: None,
            rid: None,
        }
    }

    fn send(&mut self, packet: &Packet) -> Result<(), FrameError> {
        let (a, sent) = (self.a, self.sent);
        self.world.on(a, |now, host| host.session.send_packet(now, sent, packet))
    }

    /// What arrived of that which was sent lately.
    fn arrived(&mut self) -> Vec<ReceivedPacket> {
        self.world.network.run_for(Duration::from_secs(2));
        let b = self.b;
        self.world.on(b, |_, host| std::mem::take(&mut host.packets))
    }
}

/// How far each packet's number is from the one before.
fn steps(packets: &[ReceivedPacket]) -> Vec<u16> {
    packets.windows(2).map(|two| two[1].header.sequence.0.wrapping_sub(two[0].header.sequence.0)).collect()
}

#[test]
fn packets_keep_their_gaps_and_follow_upon_what_was_sent_before() {
    let mut relay = relay(1, Link::delay(Duration::from_millis(5)));
    for number in [65_534, 65_535, 1, 0, 3] {
        relay.send(&relay.packet(number)).unwrap();
    }
    // A frame, and packets that nobody numbered.
    let (a, sent) = (relay.a, relay.sent);
    let frame = Frame { data: vec![0; 100].into(), is_key_frame: true, ..Frame::default() };
    relay.world.on(a, |now, host| host.session.send_frame(now, sent, &frame).unwrap());
    relay.send(&Packet { sequence: None, ..relay.packet(4) }).unwrap();
    // Numbers of another stream.
    relay.send(&relay.packet(500)).unwrap();
    relay.send(&relay.packet(502)).unwrap();
    let got = relay.arrived();
    let minus_one = 65_535;
    assert_eq!(steps(&got), [1, 2, minus_one, 3, 1, 1, 1, 2]);
    for (packet, number) in got.iter().zip([65_534, 65_535, 1, 0, 3]) {
        let expected = relay.packet(number);
        assert_eq!((&packet.payload, packet.header.marker), (&expected.payload, true));
        let ticks = packet.header.timestamp.wrapping_sub(got[0].header.timestamp);
        assert_eq!(ticks, expected.timestamp.wrapping_sub(relay.packet(65_534).timestamp));
    }
    // The same offset for whatever is sent.
    let ticks = got[6].header.timestamp.wrapping_sub(got[7].header.timestamp);
    assert_eq!(ticks, relay.packet(4).timestamp.wrapping_sub(relay.packet(500).timestamp));
}

#[test]
fn a_packet_goes_under_the_number_of_its_codec_and_is_repaired() {
    let mut relay = relay(5, Link { loss: 0.1, ..Link::delay(Duration::from_millis(20)) });
    // The first packet makes the stream known; what was lost before it nobody misses.
    while relay.world.host(relay.b).packets.is_empty() {
        relay.send(&relay.packet(0)).ok();
        relay.send(&Packet { sequence: None, ..relay.packet(0) }).unwrap();
        relay.world.network.run_for(Duration::from_millis(100));
    }
    relay.arrived();
    for number in 1..200 {
        // A single NAL unit, first in VP8, then in H.264.
        let codec = if number < 100 { relay.vp8.clone() } else { relay.h264.clone() };
        let packet = Packet { codec, ..relay.packet(number) };
        relay.send(&packet).unwrap();
        relay.world.network.run_for(Duration::from_millis(20));
    }
    let got = relay.arrived();
    for (codec, payload_type, numbers) in [(Codec::vp8(), 96, 1..95), (Codec::h264(), 108, 102..195)] {
        let of_codec = got.iter().filter(|packet| packet.codec.matches(&codec)).collect::<Vec<_>>();
        assert!(of_codec.iter().all(|packet| packet.header.payload_type == payload_type));
        for number in numbers {
            let payload = relay.packet(number).payload;
            assert!(of_codec.iter().any(|packet| packet.payload == payload), "{number} in {codec:?} is missing");
        }
    }
}

#[test]
fn what_cannot_be_sent_is_refused_with_its_reason() {
    let mut relay = relay(1, Link::delay(Duration::from_millis(5)));
    let packet = relay.packet(9);
    let av1 = Packet { codec: Arc::new(Codec::av1()), ..packet.clone() };
    assert_eq!(relay.send(&av1), Err(FrameError::NoCodec { codec: Box::new(Codec::av1()) }));
    let opus = Packet { codec: Arc::new(Codec::opus()), ..packet.clone() };
    assert_eq!(relay.send(&opus), Err(FrameError::NoCodec { codec: Box::new(Codec::opus()) }));
    let long = Packet { payload: vec![0; 1_201].into(), ..packet.clone() };
    assert_eq!(relay.send(&long), Err(FrameError::PacketTooLong { length: 1_201, limit: 1_200 }));
    let layer = Packet { rid: Some("hi".into()), ..packet.clone() };
    assert_eq!(relay.send(&layer), Err(FrameError::NoLayer { rid: Some("hi".into()) }));
    // Nothing may be numbered below what was sent, and before anything was there is no telling.
    relay.send(&Packet { sequence: None, ..packet.clone() }).unwrap();
    relay.arrived();
    relay.send(&packet).unwrap();
    assert_eq!(relay.send(&packet), Err(FrameError::UsedNumber { sequence: 9 }));
    assert_eq!(relay.send(&relay.packet(8)), Err(FrameError::UsedNumber { sequence: 8 }), "from before the first");
    let full = (10..).map(|number| relay.send(&relay.packet(number))).find(Result::is_err);
    // Frames that wait are bounded before packets are.
    assert_eq!(full, Some(Err(FrameError::Full { packets: 60 })));
    let (a, sent) = (relay.a, relay.sent);
    relay.world.on(a, |now, host| host.session.stop_transceiver(now, sent).unwrap());
    assert_eq!(relay.send(&packet), Err(FrameError::NoTransceiver));

    let mut world = World::new(1, Link::delay(Duration::from_millis(5)));
    let a = world.a;
    let id = world.on(a, |now, host| host.session.add_track(now, MediaKind::Video, "v".into(), vec![]).unwrap());
    assert_eq!(world.on(a, |now, host| host.session.send_packet(now, id, &packet)), Err(FrameError::NotReady));
}

#[test]
fn a_stream_that_begins_anew_goes_on_after_its_second_packet() {
    let mut relay = relay(1, Link::delay(Duration::from_millis(5)));
    relay.send(&relay.packet(30_000)).unwrap();
    for number in [100, 101] {
        assert_eq!(relay.send(&relay.packet(number)), Err(FrameError::UsedNumber { sequence: number }));
    }
    for number in [102, 103] {
        relay.send(&relay.packet(number)).unwrap();
    }
    assert_eq!(steps(&relay.arrived()), [1, 1]);
}

#[test]
fn padding_is_handed_out_to_those_who_forward() {
    let mut relay = relay(1, Link::delay(Duration::from_millis(5)));
    relay.send(&relay.packet(1)).unwrap();
    relay.send(&Packet { payload: Vec::new().into(), marker: false, ..relay.packet(2) }).unwrap();
    relay.send(&relay.packet(3)).unwrap();
    let lengths = relay.arrived().iter().map(|packet| packet.payload.len()).collect::<Vec<_>>();
    assert_eq!(lengths, [4, 0, 4]);
}

#[test]
fn a_request_that_comes_too_soon_after_another_is_told_when_its_time_has_come() {
    let mut relay = relay(1, Link::delay(Duration::from_millis(5)));
    relay.send(&relay.packet(1)).unwrap();
    relay.arrived();
    let (a, b, received) = (relay.a, relay.b, relay.received);
    let is_request = |event: &&Event| matches!(event, Event::KeyframeRequested { .. });
    let before = relay.world.host(a).events.iter().filter(is_request).count();
    let link = |relay: &mut Relay, milliseconds| {
        let (out, back) = (Link::delay(Duration::from_millis(5)), Link::delay(Duration::from_millis(milliseconds)));
        relay.world.network.set_links(a, address(A).ip(), out, back);
    };
    let told = |relay: &Relay| relay.world.host(a).events.iter().filter(is_request).count() - before;
    // The first request takes 120 ms; the next, which is made 200 ms behind it, takes none.
    link(&mut relay, 120);
    relay.world.on(b, |now, host| host.session.request_keyframe(now, received, None));
    relay.world.network.run_for(Duration::from_millis(190));
    assert_eq!(told(&relay), 1);
    link(&mut relay, 1);
    relay.world.network.run_for(Duration::from_millis(60));
    assert_eq!(told(&relay), 1, "the second has come, and is too soon");
    relay.world.network.run_for(Duration::from_millis(100));
    assert_eq!(told(&relay), 2);
}
