//! Two connected sessions with sound, a picture and layers of a picture both ways, and a peer that has the keys and
//! means ill: packets of RTP and RTCP of any content, datagrams of any bytes, and commands on both sides, renegotiation
//! among them. (Tags pass while fuzzing, so what comes in clear is taken as if it had been sealed.) Nothing panics; what
//! comes in sets little free to go out; nothing is kept without bound; timers go by.
#![no_main]

#[path = "common/sessions.rs"]
mod sessions;

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use session::sdp::Direction;
use session::{
    ConnectionState, Door, Encoding, Frame, MediaKind, OfferOptions, Packet, Session, TransceiverId, TransceiverOptions,
};
use sessions::{World, address};

/// What comes before the payload of a packet of RTP.
#[derive(Arbitrary, Debug)]
struct Header {
    /// One of the numbers that the descriptions name, or any.
    payload_type: u8,
    /// One of the sources that the descriptions name, or any.
    source: u8,
    /// How far it is from the packet before, of whatever source.
    step: i8,
    /// Marker, padding, extension.
    flags: u8,
    timestamp: u16,
    extension: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
enum Report {
    Nack { source: u8, numbers: Vec<(u16, u16)> },
    Keyframe { source: u8, is_full: bool, sequence: u8 },
    Bitrate { exponent: u8, mantissa: u32 },
    Arrivals { base: u16, count: u8, time: u32, number: u8, rest: Vec<u8> },
    Sender { source: u8, ntp: u64, timestamp: u32, block: [u8; 20], about: u8 },
    Goodbye { source: u8 },
    Any { kind: u8, count: u8, source: u8, rest: Vec<u8> },
}

#[derive(Arbitrary, Debug)]
enum Change {
    Nothing,
    Add { is_video: bool, layers: u8 },
    Direction { number: u8, direction: u8 },
    Remove { number: u8 },
    Stop { number: u8 },
    Restart,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Rtp {
        to: bool,
        header: Header,
        payload: Vec<u8>,
    },
    /// Many in a row, each with a step as given: a stream, or a thousand sources.
    Many {
        to: bool,
        header: Header,
        payload: Vec<u8>,
        count: u8,
        sources: bool,
    },
    Rtcp {
        to: bool,
        reports: Vec<Report>,
    },
    Datagram {
        to: bool,
        bytes: Vec<u8>,
    },
    Mutated {
        index: u8,
        place: u16,
        with: u8,
    },
    Frame {
        side: bool,
        number: u8,
        length: u16,
        is_key_frame: bool,
        layer: u8,
    },
    Read {
        side: bool,
    },
    /// Sends what was received in packets back, under other numbers or the same.
    Forward {
        side: bool,
        number: u8,
        keeps: bool,
        step: i8,
    },
    Keys {
        side: bool,
        keys: String,
    },
    Door {
        side: bool,
        number: u8,
        is_packets: bool,
    },
    Ask {
        side: bool,
        number: u8,
    },
    Negotiate {
        side: bool,
        change: Change,
    },
    Time {
        milliseconds: u16,
    },
}

const LAYERS: [&str; 3] = ["q", "h", "f"];
/// Datagrams that may leave because one came, or by one command, while no time passes: what the pacer lets go at once,
/// answers, and sound, of which as many packets may be forwarded as wait at most.
const BURST: u64 = 1_200;
/// Bytes per second that both together may send over a run, whatever comes: the most that the pacer is ever set to, and
/// as much again for sound, padding and reports.
const RATE: u64 = 2 * 30_000_000 / 8;

struct Play {
    world: World,
    /// The numbers and sources that either side says its packets have, for packets to the other one.
    types: Vec<u8>,
    sources: Vec<u32>,
    sequence: u16,
    /// The index of reports: each comes once.
    index: u32,
    frames: u32,
}

fuzz_target!(|steps: Vec<Step>| {
    let mut play = Play::new();
    let begin = play.world.now;
    for step in steps.into_iter().take(64) {
        play.take(step);
        play.settle();
    }
    play.world.run_for(Duration::from_secs(3));
    let seconds = play.world.now.saturating_duration_since(begin).as_secs() + 1;
    let bytes: u64 = play.world.sessions.iter().map(|session| session.stats().transport.bytes_sent).sum();
    assert!(bytes < seconds * RATE, "{bytes} bytes left in {seconds} s");
    (0..2).for_each(|side| play.read(side));
    let now = play.world.now;
    play.world.sessions[0].close(now);
    play.world.run_for(Duration::from_secs(30));
    assert!(play.world.sessions[0].is_closed());
});

impl Play {
    fn new() -> Self {
        let mut world = World::new();
        let now = world.now;
        let with_layers = TransceiverOptions {
            encodings: LAYERS.iter().copied().map(Encoding::layer).collect(),
            ..TransceiverOptions::default()
        };
        for session in &mut world.sessions {
            for (kind, track) in [(MediaKind::Audio, "a"), (MediaKind::Video, "v")] {
                session.add_track(now, kind, track.into(), Vec::new()).expect("a first track");
            }
        }
        world.sessions[0].add_transceiver(now, MediaKind::Video, with_layers).expect("a transceiver");
        let (types, sources) = (Vec::new(), Vec::new());
        let mut play = Self { world, types, sources, sequence: 0, index: 0, frames: 0 };
        assert!(play.negotiate(0));
        play.world.run_for(Duration::from_secs(1));
        assert!(play.world.sessions.iter().all(|one| one.connection_state() == ConnectionState::Connected));
        play
    }

    /// One exchange of descriptions, as far as both sides agree.
    fn negotiate(&mut self, side: usize) -> bool {
        let now = self.world.now;
        let exchange = |sessions: &mut [Session; 2]| {
            let offer = sessions[side].create_offer(now, OfferOptions::default()).ok()?;
            sessions[side].set_local_description(now, offer).ok()?;
            let offer = sessions[side].local_description()?;
            sessions[1 - side].set_remote_description(now, offer.clone()).ok()?;
            let answer = sessions[1 - side].create_answer(now).expect("an offer is pending");
            sessions[1 - side].set_local_description(now, answer).expect("our own answer");
            let answer = sessions[1 - side].local_description().expect("just set");
            sessions[side].set_remote_description(now, answer.clone()).expect("an answer of our own kind");
            Some(offer.sdp + &answer.sdp)
        };
        let Some(text) = exchange(&mut self.world.sessions) else { return false };
        for line in text.lines() {
            if let Some(line) = line.strip_prefix("a=rtpmap:") {
                remember(&mut self.types, line.split(' ').next().and_then(|number| number.parse().ok()));
            }
            if let Some(line) = line.strip_prefix("a=ssrc:") {
                remember(&mut self.sources, line.split(' ').next().and_then(|number| number.parse().ok()));
            }
        }
        true
    }

    fn sent(&self) -> u64 {
        self.world.sessions.iter().map(|session| session.stats().transport.datagrams_sent).sum()
    }

    /// Lets both say what they have to, which is not much; then nothing is due that was due before.
    fn settle(&mut self) {
        let before = self.sent();
        self.world.settle();
        let now = self.world.now;
        for _ in 0..8 {
            let is_due = |session: &Session| session.poll_timeout().is_some_and(|due| due <= now);
            if !self.world.sessions.iter().any(is_due) {
                break;
            }
            self.world.sessions.iter_mut().for_each(|session| session.handle_timeout(now));
            self.world.settle();
        }
        for session in &self.world.sessions {
            assert!(session.poll_timeout().is_none_or(|due| due > now), "a timer stays in the past");
        }
        let sent = self.sent() - before;
        assert!(sent <= BURST, "{sent} datagrams at once");
    }

    fn source(&self, number: u8) -> u32 {
        self.sources.get(usize::from(number)).copied().unwrap_or(u32::from(number))
    }

    fn take(&mut self, step: Step) {
        let now = self.world.now;
        match step {
            Step::Rtp { to, header, payload } => self.rtp(usize::from(to), &header, 0, &payload),
            Step::Many { to, header, payload, count, sources } => {
                for number in 0..u32::from(count) {
                    self.rtp(usize::from(to), &header, if sources { number } else { 0 }, &payload);
                }
            }
            Step::Rtcp { to, reports } => self.rtcp(usize::from(to), &reports),
            Step::Datagram { to, mut bytes } => self.give(usize::from(to), &mut bytes),
            Step::Mutated { index, place, with } => {
                let Some((to, mut bytes)) = self.world.seen.get(usize::from(index)).cloned() else { return };
                let place = usize::from(place) % bytes.len().max(1);
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= with;
                }
                self.give(to, &mut bytes);
            }
            Step::Frame { side, number, length, is_key_frame, layer } => {
                self.frames += 1;
                let mut data = vec![self.frames as u8; usize::from(length)];
                if let Some(first) = data.first_mut() {
                    *first = u8::from(!is_key_frame);
                }
                let rid = LAYERS.get(usize::from(layer)).map(|rid| (*rid).to_owned());
                let timestamp = Duration::from_millis(33) * self.frames;
                let frame = Frame { data: data.into(), timestamp, is_key_frame, rid, ..Frame::default() };
                if let Some(id) = self.transceiver(usize::from(side), number) {
                    let _ = self.world.sessions[usize::from(side)].send_frame(now, id, &frame);
                }
            }
            Step::Read { side } => self.read(usize::from(side)),
            Step::Forward { side, number, keeps, step } => self.forward(usize::from(side), number, keeps, step),
            Step::Keys { side, keys } => {
                if let Some(id) = self.transceiver(usize::from(side), 0) {
                    let session = &mut self.world.sessions[usize::from(side)];
                    let _ = session.insert_dtmf(now, id, &keys, Duration::from_millis(100), Duration::from_millis(70));
                }
            }
            Step::Door { side, number, is_packets } => {
                let door = if is_packets { Door::Packets } else { Door::Frames };
                if let Some(id) = self.transceiver(usize::from(side), number) {
                    self.world.sessions[usize::from(side)].set_door(id, door);
                }
            }
            Step::Ask { side, number } => {
                if let Some(id) = self.transceiver(usize::from(side), number) {
                    self.world.sessions[usize::from(side)].request_keyframe(now, id, None);
                }
            }
            Step::Negotiate { side, change } => self.change(usize::from(side), &change),
            Step::Time { milliseconds } => self.world.run_for(Duration::from_millis(u64::from(milliseconds % 5000))),
        }
    }

    fn transceiver(&self, side: usize, number: u8) -> Option<TransceiverId> {
        self.world.sessions[side].transceivers().nth(usize::from(number)).map(|one| one.id)
    }

    fn give(&mut self, to: usize, datagram: &mut [u8]) {
        let now = self.world.now;
        self.world.sessions[to].handle_datagram(now, address(to), address(1 - to), datagram);
    }

    /// A packet in clear, with room for a tag that nobody checks.
    fn rtp(&mut self, to: usize, header: &Header, source: u32, payload: &[u8]) {
        self.sequence = self.sequence.wrapping_add_signed(i16::from(header.step));
        let extension = &header.extension[..header.extension.len().min(200) / 4 * 4];
        let has_extension = header.flags & 1 != 0;
        let (marker, padding) = (header.flags & 2 << 6, header.flags & 4 << 3);
        let kind = self.types.get(usize::from(header.payload_type)).copied().unwrap_or(header.payload_type);
        let mut packet = vec![0x80 | u8::from(has_extension) << 4 | padding & 0x20, marker & 0x80 | kind & 0x7f];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((u32::from(header.timestamp) * 100).to_be_bytes());
        packet.extend(self.source(header.source).wrapping_add(source).to_be_bytes());
        if has_extension {
            packet.extend(if header.flags & 8 == 0 { [0xbe, 0xde] } else { [0x10, 0] });
            packet.extend((extension.len() as u16 / 4).to_be_bytes());
            packet.extend(extension);
        }
        packet.extend(&payload[..payload.len().min(1200)]);
        packet.extend([0; 16]);
        self.give(to, &mut packet);
    }

    /// A compound in clear, behind it room for a tag, and a new index.
    fn rtcp(&mut self, to: usize, reports: &[Report]) {
        let mut packet = Vec::new();
        for report in reports.iter().take(32) {
            self.report(report, &mut packet);
        }
        packet.extend([0; 16]);
        packet.extend((1 << 31 | self.index).to_be_bytes());
        self.index += 1;
        self.give(to, &mut packet);
    }

    fn report(&self, report: &Report, packet: &mut Vec<u8>) {
        let mut put = |count: u8, kind: u8, content: &[&[u8]]| {
            let mut content = content.concat();
            content.resize(content.len().next_multiple_of(4), 0);
            packet.extend([0x80 | count & 0x1f, kind]);
            packet.extend((content.len() as u16 / 4).to_be_bytes());
            packet.extend(content);
        };
        let sender = 7_u32.to_be_bytes();
        let source = |number: u8| self.source(number).to_be_bytes();
        match report {
            Report::Nack { source: about, numbers } => {
                let numbers: Vec<u8> = numbers
                    .iter()
                    .flat_map(|(number, mask)| [number.to_be_bytes(), mask.to_be_bytes()].concat())
                    .take(1000)
                    .collect();
                put(1, 205, &[&sender, &source(*about), &numbers]);
            }
            Report::Keyframe { source: about, is_full: false, .. } => put(1, 206, &[&sender, &source(*about)]),
            Report::Keyframe { source: about, is_full: true, sequence } => {
                put(4, 206, &[&sender, &[0; 4], &source(*about), &[*sequence, 0, 0, 0]]);
            }
            Report::Bitrate { exponent, mantissa } => {
                let [_, high, rest @ ..] = mantissa.to_be_bytes();
                put(15, 206, &[&sender, &[0; 4], b"REMB", &[0, exponent << 2 | high & 3], &rest]);
            }
            Report::Arrivals { base, count, time, number, rest } => {
                let [_, time @ ..] = time.to_be_bytes();
                let count = u16::from(*count).to_be_bytes();
                let rest = &rest[..rest.len().min(1000)];
                put(15, 205, &[&sender, &[0; 4], &base.to_be_bytes(), &count, &time, &[*number], rest]);
            }
            Report::Sender { source: from, ntp, timestamp, block, about } => {
                let counts = [0; 8];
                let info = [&ntp.to_be_bytes()[..], &timestamp.to_be_bytes(), &counts].concat();
                put(1, 200, &[&source(*from), &info, &source(*about), block]);
            }
            Report::Goodbye { source: from } => put(1, 203, &[&source(*from)]),
            Report::Any { kind, count, source: from, rest } => {
                put(*count, 192 + kind % 32, &[&source(*from), &rest[..rest.len().min(1000)]]);
            }
        }
    }

    /// Reads all there is, which is not much more than there was room for.
    fn read(&mut self, side: usize) {
        let now = self.world.now;
        let ids: Vec<_> = self.world.sessions[side].transceivers().map(|one| one.id).collect();
        for id in ids {
            let session = &mut self.world.sessions[side];
            let frames = std::iter::from_fn(|| session.read_frame(now, id)).take(5000).count();
            assert!(frames < 5000, "frames without end");
            let packets = std::iter::from_fn(|| session.read_packet(now, id)).take(1000).count();
            assert!(packets <= 512, "more packets than wait at most");
        }
    }

    fn forward(&mut self, side: usize, number: u8, keeps: bool, step: i8) {
        let now = self.world.now;
        let Some(id) = self.transceiver(side, number) else { return };
        let session = &mut self.world.sessions[side];
        for received in std::iter::from_fn(|| session.read_packet(now, id)).take(600).collect::<Vec<_>>() {
            let mut packet = Packet::from(received);
            packet.sequence = packet.sequence.filter(|_| keeps).map(|one| one.wrapping_mul(step as u16 | 1));
            packet.timestamp = packet.timestamp.wrapping_mul(step as u32 | 1);
            let _ = session.send_packet(now, id, &packet);
        }
    }

    fn change(&mut self, side: usize, change: &Change) {
        let now = self.world.now;
        let id = |number: &u8| self.transceiver(side, *number);
        match change {
            Change::Nothing => {}
            Change::Add { is_video, layers } => {
                let kind = if *is_video { MediaKind::Video } else { MediaKind::Audio };
                let encodings = LAYERS.iter().copied().map(Encoding::layer).take(usize::from(layers % 4)).collect();
                let options = TransceiverOptions { encodings, ..TransceiverOptions::default() };
                let _ = self.world.sessions[side].add_transceiver(now, kind, options);
            }
            Change::Direction { number, direction } => {
                let direction = Direction::new(direction & 1 != 0, direction & 2 != 0);
                if let Some(id) = id(number) {
                    let _ = self.world.sessions[side].set_direction(now, id, direction);
                }
            }
            Change::Remove { number } => {
                if let Some(id) = id(number) {
                    let _ = self.world.sessions[side].remove_track(now, id);
                }
            }
            Change::Stop { number } => {
                if let Some(id) = id(number) {
                    let _ = self.world.sessions[side].stop_transceiver(now, id);
                }
            }
            Change::Restart => self.world.sessions[side].restart_ice(now),
        }
        self.negotiate(side);
    }
}

fn remember<T: PartialEq>(known: &mut Vec<T>, new: Option<T>) {
    if let Some(new) = new.filter(|new| known.len() < 128 && !known.contains(new)) {
        known.push(new);
    }
}
