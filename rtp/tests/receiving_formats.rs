//! Every format of video on its way through packets: cut, disordered, lost, repaired, joined.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::time::{Duration, Instant};
use visavis_rtp::payload::annexb::put_nal_unit;
use visavis_rtp::payload::{Format, Packetizer, Payloads};
use visavis_rtp::receive::{Config, Feedback, Receiver};
use visavis_rtp::{Header, SequenceNumber};

/// Payloads are short, so that frames have several.
const LIMIT: usize = 200;
/// A key frame comes this often.
const GROUP: usize = 5;

const VIDEO: [Format; 5] = [Format::Vp8, Format::Vp9, Format::Av1, Format::H264, Format::H265];

/// A frame whose rest is of no interest to anybody on the way.
fn frame(format: Format, is_key: bool, size: usize) -> Vec<u8> {
    let rest = (0..size).map(|index| (index % 251) as u8 + 4);
    let with = |head: &[u8]| head.iter().copied().chain(rest.clone()).collect::<Vec<u8>>();
    let units = |sets: &[&[u8]], head: &[u8]| {
        let mut frame = Vec::new();
        sets.iter().for_each(|set| put_nal_unit(set, &mut frame));
        put_nal_unit(&with(head), &mut frame);
        frame
    };
    match (format, is_key) {
        (Format::Vp8, true) => with(&[0x70, 0x07, 0x00, 0x9d, 0x01, 0x2a, 0xb0, 0x00, 0x90, 0x00]),
        (Format::Vp8, false) => with(&[0x31, 0x02, 0x00]),
        (Format::Vp9, true) => with(&[0x82, 0x49, 0x83, 0x42, 0x00, 0x0a, 0xf0, 0x08, 0xf6, 0x00, 0x38]),
        (Format::Vp9, false) => with(&[0x86, 0x00]),
        (Format::Av1, _) => {
            let sequence: &[u8] = &[0x0a, 0x0b, 0x00, 0x00, 0x00, 0x03, 0xbd, 0x7c, 0x79, 0xb5, 0xf2, 0x00, 0x80];
            let mut frame = if is_key { sequence.to_vec() } else { Vec::new() };
            let length = size + 1;
            frame.extend([0x32, (length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
            frame.extend(with(&[if is_key { 0x10 } else { 0x30 }]));
            frame
        }
        (Format::H264, true) => {
            units(&[&[0x67, 0x42, 0x00, 0x0a, 0xf8, 0x41, 0xa2], &[0x68, 0xce, 0x38, 0x80]], &[0x65, 0x88])
        }
        (Format::H264, false) => units(&[], &[0x41, 0x9a]),
        (_, true) => units(
            &[&[0x40, 0x01, 0x0c, 0x01], &[0x42, 0x01, 0x01, 0x01], &[0x44, 0x01, 0xc1, 0x73]],
            &[0x26, 0x01, 0xaf],
        ),
        (_, false) => units(&[], &[0x02, 0x01, 0xd0]),
    }
}

/// A packet, and the number of its frame.
type Sent = (Header, Vec<u8>, usize);

/// Packets of `count` frames, and the frames.
fn stream(format: Format, count: usize) -> (Vec<Sent>, Vec<Vec<u8>>) {
    let mut packetizer = Packetizer::new(format, 9);
    let (mut payloads, mut sent, mut frames) = (Payloads::default(), Vec::new(), Vec::new());
    let mut sequence = SequenceNumber(65_500);
    for number in 0..count {
        let frame = frame(format, number % GROUP == 0, 150 + number * 37 % 600);
        payloads.clear();
        packetizer.packetize(&frame, LIMIT, &mut payloads).expect("a frame of this format");
        let last = payloads.len() - 1;
        for (index, payload) in payloads.iter().enumerate() {
            let header =
                Header { marker: index == last, sequence, timestamp: number as u32 * 3000, ..Header::default() };
            sent.push((header, payload.to_vec(), number));
            sequence = sequence.next();
        }
        frames.push(frame);
    }
    (sent, frames)
}

struct Screen {
    now: Instant,
    receiver: Receiver,
    received: Vec<(bool, Vec<u8>)>,
    key_frames_asked: usize,
}

impl Screen {
    fn new(format: Format) -> Self {
        let now = sim::start();
        let receiver = Receiver::new(Config::new(format, 90_000), 1, now);
        Self { now, receiver, received: Vec::new(), key_frames_asked: 0 }
    }

    fn take(&mut self, (header, payload, _): &Sent) {
        self.now += Duration::from_millis(1);
        self.receiver.handle_packet(self.now, header, payload);
        self.look();
    }

    fn look(&mut self) {
        while let Some(feedback) = self.receiver.poll_feedback(self.now) {
            self.key_frames_asked += usize::from(feedback == Feedback::KeyframeRequest);
        }
        while let Some(frame) = self.receiver.read(self.now) {
            self.received.push((frame.is_keyframe, frame.data.to_vec()));
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.receiver.handle_timeout(self.now);
        self.look();
    }

    fn expect(&self, frames: &[&[Vec<u8>]], what: &str) {
        let expected = frames.concat();
        let keys = self.received.iter().filter(|(is_key, _)| *is_key).count();
        assert!(self.received.iter().map(|(_, data)| data).eq(&expected), "{what}: {} frames", self.received.len());
        assert!(keys >= expected.len() / GROUP && keys <= expected.len().div_ceil(GROUP), "{what}: {keys} key frames");
    }
}

#[test]
fn frames_of_every_format_survive_disorder_and_repair() {
    for format in VIDEO {
        for seed in 0..20 {
            let mut rng = StdRng::seed_from_u64(seed);
            let (mut sent, frames) = stream(format, 40);
            // The first frame comes in order, as a stream has to begin somewhere.
            let begun = sent.iter().filter(|(_, _, number)| *number == 0).count();
            for place in begun..sent.len() {
                let other = (place + rng.random_range(0..6)).min(sent.len() - 1);
                sent.swap(place, other);
            }
            let mut screen = Screen::new(format);
            let mut lost = Vec::new();
            for packet in sent {
                if packet.2 > 0 && packet.2 < 39 && rng.random_bool(0.1) {
                    lost.push(packet);
                } else {
                    screen.take(&packet);
                }
                while lost.len() > 3 {
                    let (header, payload, _) = lost.remove(0);
                    screen.receiver.handle_recovered(screen.now, &header, &payload);
                    screen.look();
                }
            }
            for (header, payload, _) in lost {
                screen.receiver.handle_recovered(screen.now, &header, &payload);
            }
            screen.look();
            screen.expect(&[&frames], &format!("{format:?}, seed {seed}"));
            assert_eq!(screen.receiver.stats().frames_dropped, 0);
        }
    }
}

#[test]
fn whichever_packet_is_lost_for_good_no_frame_that_needs_it_is_handed_out() {
    for format in VIDEO {
        let (sent, frames) = stream(format, 3 * GROUP);
        for (lost, (_, _, number)) in sent.iter().enumerate().filter(|(_, packet)| packet.2 < 2 * GROUP) {
            let mut screen = Screen::new(format);
            for (place, packet) in sent.iter().enumerate() {
                if place != lost {
                    screen.take(packet);
                }
            }
            screen.pass(Duration::from_millis(500));
            // Of the very first packet nobody knows, but what follows is no beginning.
            let next_key = (number / GROUP + 1) * GROUP;
            let what = format!("{format:?} without packet {lost} of frame {number}");
            screen.expect(&[&frames[..*number], &frames[next_key..]], &what);
        }
    }
}

#[test]
fn joining_in_the_middle_begins_with_the_next_key_frame() {
    for format in VIDEO {
        let (sent, frames) = stream(format, 2 * GROUP);
        for skipped in 1..sent.len() {
            let mut screen = Screen::new(format);
            sent[skipped..].iter().for_each(|packet| screen.take(packet));
            let (_, _, number) = sent[skipped];
            let is_begin = sent[skipped - 1].2 < number;
            let next_key = if is_begin { number.div_ceil(GROUP) } else { number / GROUP + 1 } * GROUP;
            screen.expect(&[&frames[next_key.min(frames.len())..]], &format!("{format:?} from packet {skipped}"));
            assert_eq!(screen.receiver.needs_keyframe(), next_key >= frames.len());
            assert!(screen.key_frames_asked > 0 || number % GROUP == 0);
        }
    }
}
