#![no_main]
//! The receiving side of a stream, whatever packets come and when. Nothing panics, frames never go back, no poll goes on
//! for ever, and no timer stays in the past.
//!
//! The first byte says which format the payloads have, the second how much room there is. Then follow steps: a byte for
//! what to do, and what it takes.

use libfuzzer_sys::fuzz_target;
use rtp::payload::Format;
use rtp::receive::{Config, Feedback, Receiver};
use rtp::rtcp::SenderInfo;
use rtp::{Header, Malformed, NtpTime, SequenceNumber};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use wire::Reader;

const FORMATS: [Format; 8] =
    [Format::Vp8, Format::Opus, Format::Vp9, Format::H264, Format::H265, Format::Av1, Format::Pcmu, Format::Pcma];

/// Bytes of payload that may wait, where there is little room.
const LITTLE: usize = 5000;
/// What one poll may return at once: no more is missing than that.
const MOST: usize = 1100;

struct World {
    now: Instant,
    receiver: Receiver,
    /// The number of the last packet, and where its frame was.
    number: u16,
    timestamp: u32,
    /// The last number that was handed out.
    last: u64,
    max_frame: usize,
}

fn config(format: Format, room: u8) -> Config {
    let config = Config::new(format, 90_000);
    if room & 1 == 0 {
        return config;
    }
    Config {
        rtx: (room & 2 != 0).then_some(8),
        nack_delay: Duration::from_millis(u64::from(room & 4)),
        max_wait: Duration::from_millis(u64::from(room)),
        max_packets: 16 + usize::from(room),
        max_bytes: LITTLE,
        max_frame: LITTLE / 2,
        max_unread: 3,
        max_missing: usize::from(room / 4),
        ..config
    }
}

impl World {
    fn step(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match reader.u8("step")? % 12 {
            // The next packet, one near it, one anywhere.
            0..=3 => self.packet(1, reader)?,
            4 | 5 => {
                let distance = reader.u8("distance")?.cast_signed();
                self.packet(i16::from(distance), reader)?;
            }
            6 => {
                let distance = reader.u16("distance")?.cast_signed();
                self.packet(distance, reader)?;
            }
            7 => self.now += Duration::from_millis(u64::from(reader.u8("milliseconds")?)),
            8 => self.now += Duration::from_millis(u64::from(reader.u16("milliseconds")?)),
            9 => self.read(),
            10 => self.wake(),
            _ => self.control(reader)?,
        }
        Ok(())
    }

    fn packet(&mut self, distance: i16, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let flags = reader.u8("flags")?;
        let mut payload = reader.sub_u8("payload")?;
        self.number = self.number.wrapping_add_signed(distance);
        // Most packets belong to the frame of the one before, or to the next.
        self.timestamp = match flags & 6 {
            0 => reader.u32("timestamp").unwrap_or_default(),
            2 => self.timestamp.wrapping_add(3000),
            _ => self.timestamp,
        };
        let header = Header {
            marker: flags & 1 != 0,
            sequence: SequenceNumber(self.number),
            timestamp: self.timestamp,
            ssrc: 7,
            ..Header::default()
        };
        match flags & 0x38 {
            0 => self.receiver.handle_recovered(self.now, &header, payload.rest()),
            8 => self.receiver.handle_rtx(self.now, &Header { ssrc: 8, ..header }, payload.rest()),
            _ => self.receiver.handle_packet(self.now, &header, payload.rest()),
        }
        Ok(())
    }

    fn control(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match reader.u8("control")? % 6 {
            0 => self.receiver.request_keyframe(self.now),
            1 => self.receiver.set_rtt(Duration::from_millis(u64::from(reader.u16("milliseconds")?))),
            2 => {
                let info = SenderInfo {
                    ntp: NtpTime(reader.u64("ntp")?),
                    rtp_timestamp: self.timestamp,
                    ..SenderInfo::default()
                };
                self.receiver.handle_sender_report(self.now, 7, &info);
                self.receiver.capture_time(reader.u32("timestamp")?);
            }
            3 => {
                let block = self.receiver.report(self.now);
                assert!((-0x80_0000..=0x7f_ffff).contains(&block.cumulative_lost));
            }
            4 => self.receiver.set_rtx_ssrc(self.now, 8),
            _ => {
                let [format, room] = reader.array("config")?;
                let config = config(FORMATS[usize::from(format) % FORMATS.len()], room);
                self.max_frame = self.max_frame.max(config.max_frame);
                self.receiver.set_config(self.now, config);
            }
        }
        Ok(())
    }

    fn read(&mut self) {
        while let Some(frame) = self.receiver.read(self.now) {
            assert!(frame.first_sequence > self.last && frame.last_sequence >= frame.first_sequence, "frames go back");
            assert_eq!(frame.extended_timestamp as u32, frame.timestamp);
            // Formats may add some bytes for each piece, which has some bytes itself.
            assert!(frame.data.len() <= 8 * self.max_frame);
            self.last = frame.last_sequence;
        }
        assert_eq!(self.receiver.read(self.now), None, "nothing stays nothing");
    }

    fn wake(&mut self) {
        if let Some(due) = self.receiver.poll_timeout() {
            self.now = self.now.max(due);
            self.receiver.handle_timeout(self.now);
        }
    }

    /// Takes all feedback; then nothing is due now.
    fn feedback(&mut self) -> usize {
        let (mut count, mut asked) = (0, 0);
        while let Some(feedback) = self.receiver.poll_feedback(self.now) {
            count += 1;
            asked += match feedback {
                Feedback::Nack(numbers) => numbers.len(),
                Feedback::KeyframeRequest => 1,
            };
            assert!(asked <= MOST, "a poll goes on for ever");
        }
        assert!(self.receiver.poll_timeout().is_none_or(|due| due > self.now), "a timer stays in the past");
        count
    }
}

fuzz_target!(|data: &[u8]| {
    static START: OnceLock<Instant> = OnceLock::new();
    let now = *START.get_or_init(Instant::now);
    let [format, room, rest @ ..] = data else { return };
    let config = config(FORMATS[usize::from(*format) % FORMATS.len()], *room);
    let max_frame = config.max_frame;
    let receiver = Receiver::new(config, 7, now);
    let mut world = World { now, receiver, number: 65_530, timestamp: 0, last: 0, max_frame };
    let mut reader = Reader::new(rest);
    while !reader.is_empty() {
        if world.step(&mut reader).is_err() {
            break;
        }
        world.feedback();
    }
    // Silence: what is waited for is given up, and requests end.
    let mut wakes = 0;
    while world.receiver.poll_timeout().is_some() {
        world.wake();
        world.feedback();
        world.read();
        wakes += 1;
        assert!(wakes < 30_000, "nothing ever ends");
    }
    world.read();
    world.receiver.stats();
});
