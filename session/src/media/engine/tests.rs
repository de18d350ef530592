//! Two engines with the same keys and no network: what the peer's sources do behind an agreement that stays.

use std::time::{Duration, Instant};

use rtp::NtpTime;

use super::super::{Encoding, Frame, Layer, PayloadType, ReceiveParameters, SendParameters};
use super::*;

const ID: TransceiverId = TransceiverId(1);

fn engine(now: Instant, role: dtls::Role) -> Engine {
    let began = (now, NtpTime::from_unix(Duration::ZERO));
    let mut engine = Engine::new(MediaConfig::default(), now, began, "name".into(), [role as u8; 32]);
    engine.set_keys((dtls::SrtpProfile::AeadAes128Gcm, (0..56).collect(), role));
    engine
}

fn types() -> Vec<PayloadType> {
    vec![PayloadType { number: 111, codec: Codec::opus(), rtx: None, feedback: Vec::new() }]
}

fn parameters(send: Option<SendParameters>, receive: Option<ReceiveParameters>) -> Vec<MediaParameters> {
    let (kind, mid) = (MediaKind::Audio, "0".into());
    let (extensions, silent_extensions, has_reduced_size) = (Vec::new(), Vec::new(), true);
    vec![MediaParameters { transceiver: ID, kind, mid, extensions, silent_extensions, has_reduced_size, send, receive }]
}

/// What sends under this source.
fn sends(ssrc: u32) -> Vec<MediaParameters> {
    let layer = Layer { encoding: Encoding::default(), ssrc, rtx_ssrc: ssrc + 1 };
    parameters(Some(SendParameters { types: types(), layers: vec![layer] }), None)
}

struct Pair {
    now: Instant,
    from: Engine,
    to: Engine,
    sent: u32,
    /// Number and timestamp of the last packet.
    last: (u16, u32),
}

impl Pair {
    fn new() -> Self {
        let now = sim::start();
        let mut pair = Self {
            now,
            from: engine(now, dtls::Role::Server),
            to: engine(now, dtls::Role::Client),
            sent: 0,
            last: (0, 0),
        };
        pair.from.configure(now, sends(1));
        let receive = ReceiveParameters { types: types(), sources: Vec::new(), rids: Vec::new() };
        pair.to.configure(now, parameters(None, Some(receive)));
        pair
    }

    /// Passes on what waits.
    fn pass(&mut self) {
        let mut datagram = Vec::new();
        while self.from.poll_transmit(self.now, &mut datagram) {
            match datagram.get(1) {
                Some(200..=206) => self.to.handle_rtcp(self.now, &mut datagram),
                _ => {
                    let header = rtp::Packet::decode(&datagram).unwrap().header;
                    self.last = (header.sequence.0, header.timestamp);
                    self.to.handle_rtp(self.now, &mut datagram);
                }
            }
            datagram.clear();
        }
    }

    fn play(&mut self, frames: u32) {
        for _ in 0..frames {
            self.sent += 1;
            let frame = Frame {
                data: self.sent.to_be_bytes().to_vec().into(),
                timestamp: Duration::from_millis(20) * self.sent,
                ..Frame::default()
            };
            self.from.send_frame(self.now, ID, &frame).unwrap();
            self.pass();
            self.wait(Duration::from_millis(20));
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.from.handle_timeout(self.now);
        self.to.handle_timeout(self.now);
        self.pass();
    }

    fn heard(&mut self) -> usize {
        std::iter::from_fn(|| self.to.read_frame(self.now, ID)).count()
    }

    fn mutes(&mut self) -> Vec<bool> {
        let told = std::iter::from_fn(|| self.to.poll_told());
        told.filter_map(|told| if let Told::Muted(_, is_muted) = told { Some(is_muted) } else { None }).collect()
    }

    fn sources(&self) -> Vec<u32> {
        self.to.sections.iter().flat_map(|section| &section.inbound).map(|stream| stream.ssrc).collect()
    }
}

#[test]
fn a_goodbye_ends_a_source_and_another_one_goes_on() {
    let mut pair = Pair::new();
    pair.play(5);
    pair.from.configure(pair.now, sends(7));
    pair.pass();
    assert_eq!(pair.mutes(), [true]);
    // What was queued is still read, and what comes next is another source's.
    pair.play(5);
    assert_eq!(pair.mutes(), [false]);
    assert_eq!(pair.heard(), 10);
    pair.wait(Duration::from_secs(1));
    assert_eq!(pair.sources(), [7]);
    assert!(!pair.to.places.contains_key(&1), "nothing is left of the one that is over");
}

#[test]
fn a_source_that_goes_on_after_its_goodbye_is_the_same() {
    let mut pair = Pair::new();
    pair.play(5);
    for pause in [10, 2_000] {
        pair.from.configure(pair.now, parameters(None, None));
        pair.pass();
        assert_eq!(pair.mutes(), [true]);
        pair.wait(Duration::from_millis(pause));
        pair.from.configure(pair.now, sends(1));
        pair.play(5);
        assert_eq!(pair.mutes(), [false]);
        pair.wait(Duration::from_secs(1));
        assert_eq!(pair.sources(), [1]);
    }
    assert_eq!(pair.heard(), 15);
}

#[test]
fn what_is_not_read_outlives_its_source() {
    let mut pair = Pair::new();
    pair.play(5);
    pair.from.close(pair.now);
    pair.pass();
    pair.wait(Duration::from_secs(10));
    assert!(pair.to.sections[0].inbound[0].poll_timeout().is_none(), "it waits for nothing");
    assert_eq!((pair.sources().len(), pair.heard(), pair.sources().len()), (1, 5, 0));
}

#[test]
fn more_sources_than_may_be_replace_those_that_fell_silent() {
    let mut pair = Pair::new();
    pair.to.config.max_sources = 2;
    for ssrc in (10..100).step_by(10) {
        // Without a goodbye, as after a crash.
        pair.from.configure(pair.now, sends(ssrc));
        pair.from.goodbyes.clear();
        pair.play(3);
        assert_eq!(pair.heard(), 3, "source {ssrc}");
        pair.wait(Duration::from_secs(2));
        assert!(pair.sources().len() <= 2);
    }
}

#[test]
fn who_never_spoke_takes_no_leave() {
    let mut pair = Pair::new();
    pair.from.close(pair.now);
    assert!(pair.from.goodbyes.is_empty());
}

/// A packet so many behind the last one, with the frames of these times, its own last; without any it is padding.
fn hear_redundant(pair: &mut Pair, behind: u16, frames: &[u8]) {
    let time = |frame: u8| pair.last.1.wrapping_add(u32::from(frame) * 960);
    let mut writer = rtp::payload::red::Writer::new(2);
    let mut payload = Vec::new();
    for &frame in frames {
        payload.clear();
        writer.write(111, time(frame), &[frame], 100, &mut payload);
    }
    let timestamp = time(frames.last().copied().unwrap_or_default());
    let sequence = rtp::SequenceNumber(pair.last.0).plus(behind);
    let header = rtp::Header { payload_type: 63, sequence, timestamp, ..rtp::Header::default() };
    let config = pair.to.config.clone();
    pair.to.sections[0].handle_redundant(pair.now, &config, 1, header, &payload).unwrap();
}

/// What Chromium sends: probes of its path are packets of padding among those of the sound.
#[test]
fn redundant_frames_are_found_across_padding() {
    for (padding_is_lost, is_late) in [(false, false), (true, false), (true, true)] {
        let mut pair = Pair::new();
        pair.play(1);
        assert_eq!(pair.heard(), 1);
        hear_redundant(&mut pair, 1, &[1]);
        if !padding_is_lost {
            hear_redundant(&mut pair, 3, &[]);
        }
        // The second is lost, or comes after it was replaced, where nobody could know its number.
        hear_redundant(&mut pair, 4, &[2, 3]);
        if is_late {
            hear_redundant(&mut pair, 2, &[1, 2]);
        }
        hear_redundant(&mut pair, 5, &[3, 4]);
        pair.wait(Duration::from_secs(1));
        let frames = std::iter::from_fn(|| pair.to.read_frame(pair.now, ID));
        let heard: Vec<u8> = frames.map(|frame| frame.data[0]).collect();
        assert_eq!(heard, [1, 2, 3, 4], "padding is lost: {padding_is_lost}, late: {is_late}");
    }
}
