//! A sender under arbitrary commands and feedback. Nothing panics, no poll goes on for ever, what is held stays within
//! the bounds, packets have the size that was told before, and no sequence number is given to two packets.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rtp::payload::Format;
use rtp::rtcp::ReportBlock;
use rtp::send::{Config, Kind, Media, Numbering, OutgoingFrame, OutgoingPacket, Rewriter, Rtx, Sender};
use rtp::{Header, NtpTime, SequenceNumber, Unwrapper};
use std::collections::HashSet;
use std::time::{Duration, Instant};

#[derive(Arbitrary, Debug)]
struct Script {
    is_kept: bool,
    is_audio: bool,
    has_rtx: bool,
    has_history: bool,
    format: Option<u8>,
    first: u16,
    commands: Vec<Command>,
}

#[derive(Arbitrary, Debug)]
enum Command {
    Frame { data: Vec<u8>, timestamp: u32, is_key_frame: bool },
    LongFrame { length: u16, timestamp: u32 },
    Packet { marker: bool, payload_type: u8, sequence: u16, timestamp: u32, length: u16 },
    Near { ahead: i8, marker: bool, length: u8 },
    Forward { source: u8, ahead: i8, timestamp: u32 },
    Switch { source: u8 },
    Poll { count: u8 },
    Nack { lost: Vec<u16> },
    NackLast { count: u8 },
    Padding { bytes: u16 },
    Pass { milliseconds: u16 },
    Active(bool),
    Format { format: Option<u8>, payload_type: u8, clock_rate: u32 },
    Rtx(bool),
    Sizes { max_payload: u16, header_size: u8 },
    Rtt { milliseconds: u32 },
    Report { block: [u32; 6], ntp: u64 },
    KeyFrame(Option<u8>),
    Numbering { is_kept: bool },
}

const SSRC: u32 = 1;
const RTX: Rtx = Rtx { ssrc: 2, payload_type: 97 };
const COMMANDS: usize = 500;
const QUEUE: usize = 50;
const QUEUE_BYTES: usize = 20_000;
const HISTORY: usize = 40;
const HISTORY_BYTES: usize = 10_000;
const AGAIN_BYTES: usize = 3000;
/// Padding of 64 KiB in packets of 16 bytes, and all else that can be held.
const BURST: usize = 4096 + 2 * (QUEUE + HISTORY);

fn format(number: u8) -> Format {
    const FORMATS: [Format; 8] =
        [Format::Opus, Format::Pcmu, Format::Pcma, Format::Vp8, Format::Vp9, Format::H264, Format::H265, Format::Av1];
    FORMATS[usize::from(number) % FORMATS.len()]
}

/// The sequence numbers that a source has used.
#[derive(Default)]
struct Used {
    count: Unwrapper,
    numbers: HashSet<u64>,
}

impl Used {
    fn insert(&mut self, sequence: SequenceNumber) -> bool {
        self.numbers.insert(self.count.unwrap(sequence))
    }
}

struct World {
    now: Instant,
    sender: Sender,
    rewriter: Rewriter,
    last: SequenceNumber,
    forwarded: SequenceNumber,
    media: Used,
    rtx: Used,
    buf: Vec<u8>,
}

impl World {
    fn new(script: &Script) -> Self {
        let now = Instant::now();
        let media = if script.is_audio { Media::Audio } else { Media::Video };
        let config = Config {
            format: script.format.map(format),
            rtx: script.has_rtx.then_some(RTX),
            numbering: if script.is_kept { Numbering::Kept } else { Numbering::Continuous },
            history_packets: if script.has_history { HISTORY } else { 0 },
            history_bytes: HISTORY_BYTES,
            retransmission_bytes: AGAIN_BYTES,
            queue_packets: QUEUE,
            queue_bytes: QUEUE_BYTES,
            queue_frames: 20,
            first_sequence: Some(SequenceNumber(script.first)),
            ..Config::new(media, SSRC, 96, 90_000)
        };
        Self {
            now,
            sender: Sender::new(config, now, [3; 32]),
            rewriter: Rewriter::new(90_000, SequenceNumber(script.first), 0),
            last: SequenceNumber(script.first),
            forwarded: SequenceNumber(script.first),
            media: Used::default(),
            rtx: Used::default(),
            buf: Vec::new(),
        }
    }

    /// Takes one packet; says whether there was one.
    fn poll(&mut self) -> bool {
        let (size, kind) = (self.sender.next_size(), self.sender.next_kind());
        let header_size = self.sender.config().header_size;
        let Some(packet) = self.sender.poll(self.now) else {
            assert!(size.is_none() && kind.is_none(), "a packet was announced");
            return false;
        };
        self.buf.clear();
        packet.append_payload(&mut self.buf);
        assert_eq!(size, Some(header_size + self.buf.len()), "another size than was told");
        assert_eq!(kind, Some(packet.kind), "another kind than was told");
        assert!(packet.header.payload_type < 128);
        let is_again = packet.header.ssrc == SSRC && packet.kind == Kind::Retransmission;
        let used = if packet.header.ssrc == SSRC { &mut self.media } else { &mut self.rtx };
        assert!(used.insert(packet.header.sequence) != is_again, "a number for two packets");
        if packet.header.ssrc == SSRC {
            self.last = packet.header.sequence;
        }
        true
    }

    fn check(&mut self) {
        let stats = self.sender.stats();
        assert!(stats.queued_packets <= QUEUE && stats.queued_bytes <= QUEUE_BYTES, "{stats:?}");
        assert!(stats.history_packets <= HISTORY && stats.history_bytes <= HISTORY_BYTES, "{stats:?}");
        assert!(stats.retransmission_packets <= stats.history_packets, "{stats:?}");
        assert!(stats.retransmission_bytes <= AGAIN_BYTES.min(stats.history_bytes), "{stats:?}");
        let _ = self.sender.sender_info(self.now, NtpTime(0));
        if self.sender.poll_event().is_some() {
            assert!(self.sender.poll_event().is_none(), "one request, two events");
        }
    }

    fn packet(&mut self, header: Header, length: usize) {
        let payload = vec![1; length].into();
        let _ = self.sender.send_packet(self.now, OutgoingPacket { header, payload, ..OutgoingPacket::default() });
    }

    fn frame(&mut self, data: &[u8], timestamp: u32, is_key_frame: bool) {
        let frame = OutgoingFrame { data, timestamp, is_key_frame, ..OutgoingFrame::default() };
        let _ = self.sender.send_frame(self.now, &frame);
    }

    fn ahead(from: SequenceNumber, ahead: i8) -> SequenceNumber {
        from.plus(i16::from(ahead).cast_unsigned())
    }

    fn give(&mut self, command: Command) {
        let ssrc = 9;
        match command {
            Command::Frame { data, timestamp, is_key_frame } => self.frame(&data, timestamp, is_key_frame),
            Command::LongFrame { length, timestamp } => self.frame(&vec![0; usize::from(length)], timestamp, true),
            Command::Packet { marker, payload_type, sequence, timestamp, length } => {
                let sequence = SequenceNumber(sequence);
                self.packet(Header { marker, payload_type, sequence, timestamp, ssrc }, usize::from(length));
            }
            Command::Near { ahead, marker, length } => {
                let sequence = Self::ahead(self.last, ahead);
                let header = Header { marker, payload_type: 96, sequence, timestamp: 0, ssrc };
                self.packet(header, usize::from(length));
            }
            Command::Forward { source, ahead, timestamp } => {
                self.forwarded = Self::ahead(self.forwarded, ahead);
                let header = Header { marker: true, payload_type: 96, sequence: self.forwarded, timestamp, ssrc };
                if let Some(header) = self.rewriter.rewrite(self.now, u64::from(source % 3), &header) {
                    self.packet(header, 100);
                }
            }
            Command::Switch { source } => self.rewriter.switch_to(u64::from(source % 3)),
            other => self.answer(other),
        }
    }

    /// Feedback, time and settings.
    fn answer(&mut self, command: Command) {
        let now = self.now;
        match command {
            Command::Poll { count } => _ = (0..count).all(|_| self.poll()),
            Command::Nack { lost } => self.sender.handle_nack(now, lost.into_iter().map(SequenceNumber)),
            Command::NackLast { count } => {
                let last = self.last;
                let lost = (0..u16::from(count)).map(|back| last.plus(0u16.wrapping_sub(back)));
                self.sender.handle_nack(now, lost);
            }
            Command::Padding { bytes } => _ = self.sender.padding(now, usize::from(bytes)),
            Command::Pass { milliseconds } => self.now += Duration::from_millis(u64::from(milliseconds)),
            Command::Active(is_active) => self.sender.set_active(now, is_active),
            Command::Format { format: number, payload_type, clock_rate } => {
                self.sender.set_format(number.map(format), payload_type, clock_rate);
            }
            Command::Rtx(has_rtx) => self.sender.set_rtx(has_rtx.then_some(RTX)),
            Command::Sizes { max_payload, header_size } => {
                self.sender.set_sizes(usize::from(max_payload) % 2000, usize::from(header_size));
            }
            Command::Rtt { milliseconds } => self.sender.set_rtt(Duration::from_millis(u64::from(milliseconds))),
            Command::Report { block: [fraction, lost, highest, jitter, report, delay], ntp } => {
                let block = ReportBlock {
                    ssrc: SSRC,
                    fraction_lost: fraction as u8,
                    cumulative_lost: lost.cast_signed(),
                    extended_highest_sequence: highest,
                    jitter,
                    last_sender_report: report,
                    delay_since_last_sender_report: delay,
                };
                let _ = self.sender.handle_report(now, &block, NtpTime(ntp));
            }
            Command::KeyFrame(fir) => self.sender.handle_key_frame_request(now, fir),
            Command::Numbering { is_kept } => {
                self.sender.set_numbering(if is_kept { Numbering::Kept } else { Numbering::Continuous });
            }
            given => unreachable!("{given:?} is not for here"),
        }
    }
}

fuzz_target!(|script: Script| {
    let mut world = World::new(&script);
    for command in script.commands.into_iter().take(COMMANDS) {
        world.give(command);
        world.check();
    }
    assert!((0..=BURST).any(|_| !world.poll()), "sends without end");
    assert!(!world.poll(), "nothing, then something");
    world.check();
});
