//! What a session counts, with a network whose losses are known.

use std::time::Duration;

use sim::{Link, NodeId};
use visavis_session::datachannel::Message;
use visavis_session::{
    Codec, Encoding, Frame, InboundStats, MediaKind, OutboundStats, Report, TransceiverId, TransceiverOptions,
};

use crate::common::{PATIENCE, World, config};

const FRAME: Duration = Duration::from_millis(33);
const DELAY: Duration = Duration::from_millis(20);

/// A sends video to B.
struct Call {
    world: World,
    a: NodeId,
    b: NodeId,
    sent: TransceiverId,
}

impl Call {
    fn new(seed: u64, link: Link) -> Self {
        let config = |side| {
            let mut config = config(side);
            config.media.start_bitrate = 5_000_000;
            config.unix_time = Duration::from_secs(1_700_000_000);
            config
        };
        let mut world = World::with(seed, link, config(0), config(1));
        let (a, b) = (world.a, world.b);
        let options = TransceiverOptions { codecs: vec![Codec::vp8()], ..TransceiverOptions::default() };
        let sent = world.on(a, |now, host| host.session.add_transceiver(now, MediaKind::Video, options).unwrap());
        world.negotiate(a, b);
        world.await_connected();
        Self { world, a, b, sent }
    }

    /// Sends so many frames at 30 a second, the first of which is a key frame of 640 by 360.
    fn play(&mut self, frames: u32) {
        for number in 0..frames {
            let mut data = vec![number as u8; 2_000 + (number as usize * 977) % 6_000];
            data[..10].copy_from_slice(&[u8::from(number > 0), 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
            let frame =
                Frame { data: data.into(), timestamp: FRAME * number, is_key_frame: number == 0, ..Frame::default() };
            let (a, sent) = (self.a, self.sent);
            self.world.on(a, |now, host| host.session.send_frame(now, sent, &frame).unwrap());
            self.world.network.run_for(FRAME);
        }
    }

    fn report(&self, node: NodeId) -> Report {
        self.world.host(node).session.report(self.world.now())
    }

    fn outbound(&self) -> OutboundStats {
        self.report(self.a).outbound.remove(0)
    }

    fn inbound(&self) -> InboundStats {
        self.report(self.b).inbound.remove(0)
    }
}

#[test]
fn without_loss_all_that_was_sent_is_received() {
    let mut call = Call::new(1, Link::delay(DELAY));
    call.play(60);
    call.world.network.run_for(Duration::from_secs(3));
    let (outbound, inbound) = (call.outbound(), call.inbound());
    let (sent, received) = (&outbound.sent, &inbound.received);
    assert_eq!((outbound.ssrc, outbound.rtx_ssrc, &*outbound.mid), (inbound.ssrc, inbound.rtx_ssrc, &*inbound.mid));
    assert_eq!((sent.frames_sent, sent.key_frames_sent), (60, 1));
    assert_eq!((received.frames_received, received.key_frames_received, received.frames_dropped), (60, 1, 0));
    // Probes of the path arrive too.
    assert_eq!((sent.packets_sent, sent.bytes_sent), (received.packets_received, received.bytes_received));
    assert_eq!(outbound.header_bytes, received.header_bytes_received);
    assert_eq!((received.packets_lost, received.nack_count, received.packets_discarded), (0, 0, 0));
    assert_eq!((sent.retransmitted_packets_sent, sent.nack_count), (0, 0));
    assert_eq!((outbound.frame_size, inbound.frame_size), (Some((640, 360)), Some((640, 360))));
}

#[test]
fn losses_are_counted_by_both_sides() {
    for seed in 0..10 {
        let mut call = Call::new(seed, Link { loss: 0.05, ..Link::delay(DELAY) });
        call.play(150);
        // The last reports have arrived, even if some were lost.
        call.world.network.run_for(Duration::from_secs(8));
        let (outbound, inbound) = (call.outbound(), call.inbound());
        let (sent, received) = (&outbound.sent, &inbound.received);
        let first = sent.packets_sent - sent.retransmitted_packets_sent - sent.padding_packets_sent;
        // Each way the link loses 5 % twice: at the sender's end, and at the receiver's.
        let share = received.packets_lost as f64 / first as f64;
        assert!((0.05..0.16).contains(&share), "seed {seed}: {share} of {first} packets");
        // What was sent arrived or is lost, be it for the first time or again.
        assert!(received.packets_received < sent.packets_sent, "seed {seed}");
        assert!(received.packets_nacked >= received.packets_lost.unsigned_abs() / 2, "seed {seed}: {received:?}");
        assert!((1..=received.nack_count).contains(&sent.nack_count), "seed {seed}: {sent:?}");
        let repaired = received.retransmitted_packets_received;
        let repeated = sent.retransmitted_packets_sent + sent.padding_packets_sent;
        assert!((1..repeated).contains(&repaired), "seed {seed}: {repaired} of {repeated}");
        let remote = outbound.remote.expect("the receiver has reported");
        assert_eq!(remote.packets_lost, received.packets_lost, "seed {seed}");
        // That the very first and the very last packets are missing is never seen.
        let arrived = first - remote.packets_lost.unsigned_abs();
        assert!(remote.packets_received.abs_diff(arrived) < 5, "seed {seed}: {remote:?}, {first} sent");
        let theirs = inbound.remote.expect("the sender has reported");
        assert_eq!((u64::from(theirs.info.packets), theirs.reports_received > 3), (first, true), "seed {seed}");
    }
}

#[test]
fn round_trips_are_those_of_the_path() {
    let mut call = Call::new(1, Link::delay(DELAY));
    call.play(90);
    let is_near = |time: Duration| time.abs_diff(4 * DELAY) < Duration::from_millis(2);
    let remote = call.outbound().remote.expect("the receiver has reported");
    assert!(remote.round_trip_time.is_some_and(is_near), "{remote:?}");
    assert!(is_near(remote.total_round_trip_time / u32::try_from(remote.round_trip_time_measurements).unwrap()));
    let report = call.report(call.a);
    let pair = report.pairs.iter().find(|pair| pair.checks.is_selected).expect("a pair is in use");
    assert!(pair.checks.last_rtt.is_some_and(is_near), "{pair:?}");
    let answers = u32::try_from(pair.checks.responses_received).unwrap();
    assert!(is_near(pair.checks.total_rtt / answers), "{pair:?}");
    let expected = Duration::from_secs(1_700_000_000) + call.world.network.elapsed();
    assert!(report.unix_time.abs_diff(expected) < Duration::from_micros(1), "{:?}", report.unix_time);
}

#[test]
fn traffic_of_pairs_is_that_of_the_transport_without_checks() {
    let mut world = World::new(1, Link::delay(DELAY));
    let (here, _) = world.connect();
    let (a, b) = (world.a, world.b);
    let before = world.host(a).session.report(world.now());
    // Only checks pass meanwhile, so that nothing but they are counted.
    world.network.run_for(Duration::from_secs(60));
    let quiet = world.host(a).session.report(world.now());
    let of = |report: &Report| report.pairs.iter().find(|pair| pair.checks.is_selected).unwrap().clone();
    let consents = of(&quiet).checks.consents_sent - of(&before).checks.consents_sent;
    assert!((9..=16).contains(&consents), "{consents} in a minute");
    assert_eq!(of(&quiet).checks.requests_repeated, 0);
    world.send(a, here, Message::binary(vec![1; 100_000]));
    world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 1);
    world.network.run_for(Duration::from_secs(1));
    let (ours, theirs) = (world.host(a).session.report(world.now()), world.host(b).session.report(world.now()));
    assert_eq!(of(&ours).traffic, ours.traffic);
    assert_eq!(
        (ours.traffic.packets_sent, ours.traffic.bytes_sent),
        (theirs.traffic.packets_received, theirs.traffic.bytes_received)
    );
    assert!(ours.traffic.bytes_sent - quiet.traffic.bytes_sent > 100_000);
    assert_eq!((ours.selections, theirs.selections), (1, 1));
    let [(_, sent)] = ours.channels.as_slice() else { panic!("one channel: {:?}", ours.channels) };
    assert_eq!((sent.sent.messages, sent.sent.bytes), (1, 100_000));
}

#[test]
fn layers_are_told_in_their_order_each_with_its_counts() {
    let mut world = World::new(1, Link::delay(DELAY));
    let (a, b) = (world.a, world.b);
    let layers = ["hi", "mid", "lo"];
    let options = TransceiverOptions {
        encodings: layers.map(Encoding::layer).to_vec(),
        codecs: vec![Codec::vp8()],
        ..TransceiverOptions::default()
    };
    let id = world.on(a, |now, host| host.session.add_transceiver(now, MediaKind::Video, options).unwrap());
    world.negotiate(a, b);
    world.await_connected();
    for number in 0..10 {
        for (index, rid) in layers.into_iter().enumerate() {
            let data = vec![u8::from(number > 0); 300 - 100 * index];
            let timestamp = FRAME * number;
            let (is_key_frame, rid) = (number == 0, Some(rid.to_owned()));
            let frame = Frame { data: data.into(), timestamp, is_key_frame, rid, ..Frame::default() };
            world.on(a, |now, host| host.session.send_frame(now, id, &frame).unwrap());
        }
        world.network.run_for(FRAME);
        let report = world.host(a).session.report(world.now());
        let rids: Vec<&str> = report.outbound.iter().filter_map(|stream| stream.rid.as_deref()).collect();
        assert_eq!(rids, layers, "frame {number}");
    }
    world.network.run_for(Duration::from_secs(1));
    let (ours, theirs) = (world.host(a).session.report(world.now()), world.host(b).session.report(world.now()));
    for stream in &ours.outbound {
        let there = theirs.inbound.iter().find(|there| there.ssrc == stream.ssrc).unwrap();
        assert_eq!((there.rid.as_deref(), there.received.frames_received), (stream.rid.as_deref(), 10));
    }
}
