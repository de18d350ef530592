//! Video in virtual time: VP8 with a descriptor of one byte (RFC 7741, section 4.2). Here rather than among the tests of
//! the crate, as what is held is looked at, too.

mod hostile;
mod keyframes;
mod order;
mod repair;

use super::{Config, Feedback, Frame, Receiver};
use crate::payload::Format;
use crate::{Header, SequenceNumber};
use std::time::{Duration, Instant};

const SSRC: u32 = 0x1234_5678;
const RTX: u32 = 0x8765_4321;
/// Ticks between two frames of 30 in a second.
const FRAME: u32 = 3000;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn config() -> Config {
    Config { rtx: Some(RTX), ..Config::new(Format::Vp8, 90_000) }
}

/// A packet on its way.
#[derive(Clone, Debug)]
struct Sent {
    header: Header,
    payload: Vec<u8>,
}

/// A camera: frames, their packets and what is in them.
#[derive(Clone, Debug)]
struct Camera {
    sequence: SequenceNumber,
    timestamp: u32,
    count: u32,
}

impl Camera {
    fn new(sequence: u16, timestamp: u32) -> Self {
        Self { sequence: SequenceNumber(sequence), timestamp, count: 0 }
    }

    /// The packets of the next frame, and the frame.
    fn frame(&mut self, is_keyframe: bool, packets: usize) -> (Vec<Sent>, Vec<u8>) {
        let head: &[u8] = if is_keyframe { &[0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 1, 0xf0, 0] } else { &[0x11, 2, 0] };
        let (mut sent, mut whole) = (Vec::new(), Vec::new());
        for index in 0..packets {
            let mut payload = vec![if index == 0 { 0x10 } else { 0x00 }];
            payload.extend_from_slice(if index == 0 { head } else { &[] });
            payload.extend(self.count.to_be_bytes());
            payload.extend([index as u8; 20]);
            whole.extend_from_slice(&payload[1..]);
            sent.push(self.packet(payload, index + 1 == packets));
        }
        self.timestamp = self.timestamp.wrapping_add(FRAME);
        self.count += 1;
        (sent, whole)
    }

    fn packet(&mut self, payload: Vec<u8>, marker: bool) -> Sent {
        let header =
            Header { marker, payload_type: 96, sequence: self.sequence, timestamp: self.timestamp, ssrc: SSRC };
        self.sequence = self.sequence.next();
        Sent { header, payload }
    }
}

/// A receiver, and the time.
struct Screen {
    now: Instant,
    receiver: Receiver,
}

impl Screen {
    fn new(config: Config) -> Self {
        let now = sim::start();
        Self { now, receiver: Receiver::new(config, SSRC, now) }
    }

    fn take(&mut self, packets: &[Sent]) {
        for Sent { header, payload } in packets {
            self.receiver.handle_packet(self.now, header, payload);
        }
    }

    fn retransmit(&mut self, Sent { header, payload }: &Sent) {
        self.receiver.handle_recovered(self.now, header, payload);
    }

    /// Time passes, and what is due on the way is done. Returns the feedback.
    fn pass(&mut self, time: Duration) -> Vec<Told> {
        let end = self.now + time;
        let mut told = self.told();
        while let Some(due) = self.receiver.poll_timeout().filter(|due| *due <= end) {
            assert!(due > self.now || told.is_empty(), "what is due has been done");
            self.now = self.now.max(due);
            self.receiver.handle_timeout(self.now);
            told.extend(self.told());
        }
        self.now = end;
        self.receiver.handle_timeout(end);
        told.extend(self.told());
        told
    }

    /// The feedback that is due now.
    fn told(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(feedback) = self.receiver.poll_feedback(self.now) {
            told.push(match feedback {
                Feedback::Nack(numbers) => Told::Nack(numbers.iter().map(|number| number.0).collect()),
                Feedback::KeyframeRequest => Told::Keyframe,
            });
            assert!(told.len() < 100, "a poll never ends");
        }
        assert_eq!(self.receiver.poll_feedback(self.now), None, "nothing stays nothing");
        told
    }

    fn frames(&mut self) -> Vec<Frame> {
        let now = self.now;
        std::iter::from_fn(|| self.receiver.read(now)).collect()
    }

    fn data(&mut self) -> Vec<Vec<u8>> {
        self.frames().into_iter().map(|frame| frame.data.to_vec()).collect()
    }
}

/// Feedback that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Nack(Vec<u16>),
    Keyframe,
}
