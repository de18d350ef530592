#![no_main]
//! Retransmissions (RFC 4588): what carries a packet again, and a receiver that is given such packets among those that
//! came by themselves, late, twice, forged, or with nothing in them. Nothing panics, frames come in order and once each,
//! and as long as nothing was forged they are what was sent; what is sent again in time is not missing.
//!
//! The first byte says how long a packet is waited for. Then follow steps: a byte for what to do, and what it takes.

use libfuzzer_sys::fuzz_target;
use rtp::payload::{Format, rtx};
use rtp::receive::{Config, Feedback, Receiver};
use rtp::{Header, Malformed, SequenceNumber};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use wire::Reader;

const SSRC: u32 = 7;
const RTX: u32 = 8;
/// What is not further behind may still be waited for, however fast the others came.
const FEW: u64 = 50;
/// 20 ms at 48 kHz.
const TICKS: u32 = 960;

struct World {
    now: Instant,
    receiver: Receiver,
    /// How many packets were sent, and how many of those for retransmissions.
    sent: u64,
    resent: u16,
    /// The number of the first packet.
    first: u16,
    /// Packets that did not arrive, the latest last.
    lost: Vec<u64>,
    /// How much time has passed.
    passed: Duration,
    /// A stranger's packet was taken.
    is_disturbed: bool,
    /// How many frames were read.
    read: u64,
}

/// What the packet carries.
fn payload(index: u64) -> Vec<u8> {
    let length = 1 + index as usize * 7 % 40;
    index.to_be_bytes().into_iter().cycle().take(length.max(8)).collect()
}

impl World {
    fn header(&self, index: u64) -> Header {
        let sequence = SequenceNumber(self.first.wrapping_add(index as u16));
        let timestamp = (index as u32).wrapping_mul(TICKS);
        Header { marker: false, payload_type: 96, sequence, timestamp, ssrc: SSRC }
    }

    fn step(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match reader.u8("step")? % 8 {
            0..=2 => self.send(true),
            3 => self.send(false),
            4 => self.resend(reader.u8("place")?),
            5 => self.forge(reader)?,
            6 => self.pass(Duration::from_millis(u64::from(reader.u8("milliseconds")?))),
            _ => self.probe(),
        }
        Ok(())
    }

    fn send(&mut self, arrives: bool) {
        let index = self.sent;
        self.sent += 1;
        // Of what lies before the first that arrives nobody knows.
        if arrives || index == 0 {
            self.receiver.handle_packet(self.now, &self.header(index), &payload(index));
        } else {
            self.lost.push(index);
        }
    }

    /// Sends a packet again that was lost; or one that was not, which changes nothing.
    fn resend(&mut self, place: u8) {
        let index = match self.lost.len() {
            0 => self.sent.checked_sub(1 + u64::from(place)).filter(|_| self.sent > 0),
            length => Some(self.lost.remove(usize::from(place) % length)),
        };
        let Some(index) = index else { return };
        let header = self.header(index);
        let mut again = Vec::new();
        rtx::encode(header.sequence, &payload(index), &mut again);
        assert_eq!(rtx::decode(&again), Ok(Some((header.sequence, &payload(index)[..]))));
        self.handle_rtx(header.timestamp, &again);
    }

    fn handle_rtx(&mut self, timestamp: u32, payload: &[u8]) {
        self.resent = self.resent.wrapping_add(1);
        let sequence = SequenceNumber(self.resent);
        let header = Header { marker: false, payload_type: 97, sequence, timestamp, ssrc: RTX };
        self.receiver.handle_rtx(self.now, &header, payload);
    }

    /// Any bytes at all.
    fn forge(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let timestamp = reader.u32("timestamp")?;
        let mut payload = reader.sub_u8("payload")?;
        let payload = payload.rest();
        check_decode(payload);
        self.is_disturbed = true;
        self.handle_rtx(timestamp, payload);
        Ok(())
    }

    /// Padding, and half a number: neither is a packet.
    fn probe(&mut self) {
        let before = self.receiver.stats().packets_discarded;
        self.handle_rtx(0, &[]);
        self.handle_rtx(0, &[1]);
        assert_eq!(self.receiver.stats().packets_discarded, before);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.passed += time;
        // What was given up is no longer missed.
        if self.receiver.poll_timeout().is_some_and(|due| due <= self.now) {
            self.receiver.handle_timeout(self.now);
        }
        let mut asked = 0;
        while let Some(feedback) = self.receiver.poll_feedback(self.now) {
            if let Feedback::Nack(numbers) = feedback {
                asked += numbers.len();
            }
            assert!(asked <= 2_000, "a poll goes on for ever");
        }
    }

    fn read(&mut self) {
        while let Some(frame) = self.receiver.read(self.now) {
            let index = frame.first_sequence;
            assert_eq!(frame.first_sequence, frame.last_sequence, "a packet is a frame");
            if !self.is_disturbed {
                let sequence = SequenceNumber(index as u16);
                let place = (self.read..self.sent).find(|place| self.header(*place).sequence == sequence);
                let place = place.expect("a frame that was sent, behind the last one");
                assert_eq!(frame.data, payload(place), "another frame than was sent");
                assert_eq!(frame.timestamp, self.header(place).timestamp);
                assert!(frame.discontinuity || place == self.read, "a frame is missing, and nobody says so");
                self.read = place + 1;
            }
        }
    }
}

/// What is decoded is what was encoded.
fn check_decode(payload: &[u8]) {
    match rtx::decode(payload) {
        Ok(Some((original, rest))) => {
            let mut again = Vec::new();
            rtx::encode(original, rest, &mut again);
            assert_eq!(again, payload);
            assert_eq!(rest.len() + rtx::OVERHEAD, payload.len());
        }
        Ok(None) => assert!(payload.is_empty()),
        Err(_) => assert_eq!(payload.len(), 1),
    }
}

fuzz_target!(|data: &[u8]| {
    static START: OnceLock<Instant> = OnceLock::new();
    let now = *START.get_or_init(Instant::now);
    check_decode(data);
    let [patience, high, low, rest @ ..] = data else { return };
    let max_wait = Duration::from_millis(u64::from(*patience) * 4);
    let config = Config { rtx: Some(RTX), max_wait, ..Config::new(Format::Opus, 48_000) };
    let receiver = Receiver::new(config, SSRC, now);
    let first = u16::from_be_bytes([*high, *low]);
    let mut world = World {
        now,
        receiver,
        sent: 0,
        resent: 0,
        first,
        lost: Vec::new(),
        passed: Duration::ZERO,
        is_disturbed: false,
        read: 0,
    };
    let mut reader = Reader::new(rest);
    while !reader.is_empty() {
        if world.step(&mut reader).is_err() {
            break;
        }
        world.read();
    }
    // All that is still missing comes now. Nothing is, in the end, that could be waited for.
    while !world.lost.is_empty() {
        world.resend(0);
        world.read();
    }
    let is_given_up = world.is_disturbed || world.passed >= max_wait || world.sent > FEW;
    assert!(is_given_up || world.read == world.sent, "{} of {} frames", world.read, world.sent);
    let mut wakes = 0;
    while let Some(due) = world.receiver.poll_timeout() {
        world.pass(due.saturating_duration_since(world.now));
        world.read();
        wakes += 1;
        assert!(wakes < 30_000, "nothing ever ends");
    }
});
