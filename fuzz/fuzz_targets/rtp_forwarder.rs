//! A forwarder of arbitrary packets. Nothing panics, no number comes out twice, and what comes out is of the source that is
//! forwarded.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rtp::forward::{Forwarder, Incoming};
use rtp::payload::Format;
use rtp::{Header, SequenceNumber, Unwrapper};
use std::collections::HashSet;
use std::time::{Duration, Instant};

#[derive(Arbitrary, Debug)]
struct Script {
    format: u8,
    first: u16,
    commands: Vec<Command>,
}

#[derive(Arbitrary, Debug)]
enum Command {
    Choose {
        source: u8,
    },
    Packet {
        source: u8,
        ahead: i8,
        marker: bool,
        timestamp: u32,
        payload: Vec<u8>,
    },
    /// One that VP8 and VP9 can begin with.
    KeyFrame {
        source: u8,
        picture_id: u16,
    },
    Jump {
        source: u8,
        sequence: u16,
    },
    Ask,
    Pass {
        milliseconds: u16,
    },
}

const COMMANDS: usize = 1_000;
const SOURCES: usize = 40;

fn format(number: u8) -> Option<Format> {
    const FORMATS: [Option<Format>; 7] = [
        Some(Format::Vp8),
        Some(Format::Vp9),
        Some(Format::H264),
        Some(Format::H265),
        Some(Format::Av1),
        Some(Format::Opus),
        None,
    ];
    FORMATS[usize::from(number) % FORMATS.len()]
}

fuzz_target!(|script: Script| {
    let mut now = Instant::now();
    let mut forwarder = Forwarder::new(SequenceNumber(script.first), 0);
    let mut last = [SequenceNumber(0); SOURCES];
    let (mut count, mut used) = (Unwrapper::default(), HashSet::new());
    let place = |source: u8| usize::from(source) % SOURCES;
    for command in script.commands.into_iter().take(COMMANDS) {
        let (source, marker, timestamp, payload) = match command {
            Command::Choose { source } => {
                forwarder.choose(place(source) as u64);
                continue;
            }
            Command::Jump { source, sequence } => {
                last[place(source)] = SequenceNumber(sequence);
                continue;
            }
            Command::Ask => {
                forwarder.request_key_frame();
                let _ = forwarder.wants_key_frame(now);
                assert!(forwarder.wants_key_frame(now).is_none(), "asked twice at a time");
                continue;
            }
            Command::Pass { milliseconds } => {
                now += Duration::from_millis(milliseconds.into());
                continue;
            }
            Command::Packet { source, ahead, marker, timestamp, payload } => {
                let last = &mut last[place(source)];
                *last = last.plus(i16::from(ahead).cast_unsigned());
                (source, marker, timestamp, payload)
            }
            Command::KeyFrame { source, picture_id } => {
                let last = &mut last[place(source)];
                *last = last.next();
                let [high, low] = (picture_id | 0x8000).to_be_bytes();
                (source, true, 0, vec![0x90, 0x80, high, low, 0x10, 0, 0, 0])
            }
        };
        let header = Header { marker, payload_type: 96, sequence: last[place(source)], timestamp, ssrc: 1 };
        let (source, format, payload) = (place(source) as u64, format(script.format), payload.into());
        let incoming = Incoming { source, format, clock_rate: 90_000, header, payload };
        if let Some(forwarded) = forwarder.forward(now, &incoming) {
            assert_eq!(forwarder.source(), Some(source), "a packet of another source");
            assert!(used.insert(count.unwrap(forwarded.header.sequence)), "a number for two packets");
            // A picture id may become longer by a byte.
            assert!(forwarded.payload.len() <= incoming.payload.len() + 1);
        }
    }
});
