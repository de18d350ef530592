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
}

impl Pair {
    fn new() -> Self {
        let now = sim::start();
        let mut pair =
            Self { now, from: engine(now, dtls::Role::Server), to: engine(now, dtls::Role::Client), sent: 0 };
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
                _ => self.to.handle_rtp(self.now, &mut datagram),
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
