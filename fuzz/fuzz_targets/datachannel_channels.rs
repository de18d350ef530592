//! Channels under arbitrary commands, against channels, or against a bare association that sends whatever it likes.

#![no_main]

use arbitrary::Arbitrary;
use datachannel::sctp::{self, Association, SendOptions};
use datachannel::{ChannelId, Channels, Config, Dialect, Event, Message, Options, Priority, Reliability, Role};
use libfuzzer_sys::fuzz_target;
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

#[derive(Arbitrary, Debug)]
struct Script {
    /// 1: the first side is a bare association. 2: both speak the dialect of the draft. 4: messages go and come in parts,
    /// and the last one of a burst may stay open.
    mode: u8,
    commands: Vec<Command>,
}

#[derive(Arbitrary, Debug)]
enum Command {
    Open { on_a: bool, negotiated: Option<u8>, ordered: bool, retransmits: Option<u8>, lifetime: Option<u8>, name: u8 },
    Send { on_a: bool, channel: u8, is_text: bool, length: u16 },
    Read { on_a: bool, channel: u8 },
    Close { on_a: bool, channel: u8 },
    Threshold { on_a: bool, channel: u8, bytes: u16 },
    Pass { milliseconds: u16 },
    Exchange,
    Lose { from_a: bool, count: u8 },
    Raw { stream: u8, ppid: u8, unordered: bool, bytes: Vec<u8> },
    RawOpen { stream: u8, channel_type: u8, label: u8 },
    RawReset { streams: Vec<u8> },
    Shutdown { on_a: bool },
    Abort { on_a: bool },
}

const MAX_CHANNELS: usize = 8;

fn config(dialect: Dialect, in_parts: bool) -> Config {
    let mut config = Config { dialect, ..Config::default() };
    config.sctp.partial_delivery = in_parts;
    config.sctp.send_buffer = 64 * 1024;
    config.sctp.receive_window = 64 * 1024;
    config.sctp.max_message = 32 * 1024;
    Config { max_channels: MAX_CHANNELS, max_early: 4096, max_unread: 4096, max_peer_names: 1024, ..config }
}

enum End {
    Channels(Box<Channels>),
    Raw(Box<Association>),
}

impl End {
    fn channels(&mut self) -> Option<&mut Channels> {
        match self {
            Self::Channels(channels) => Some(channels),
            Self::Raw(_) => None,
        }
    }

    fn transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        match self {
            Self::Channels(channels) => channels.poll_transmit(now, buf),
            Self::Raw(association) => association.poll_transmit(now, buf),
        }
    }

    fn receive(&mut self, now: Instant, packet: &mut [u8]) {
        match self {
            Self::Channels(channels) => channels.handle_datagram(now, packet),
            Self::Raw(association) => association.handle_datagram(now, packet),
        }
    }

    fn timeout(&self) -> Option<Instant> {
        match self {
            Self::Channels(channels) => channels.poll_timeout(),
            Self::Raw(association) => association.poll_timeout(),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self {
            Self::Channels(channels) => channels.handle_timeout(now),
            Self::Raw(association) => association.handle_timeout(now),
        }
    }

    /// Takes events, and checks that their number is bounded by that of the channels.
    fn take_events(&mut self, now: Instant) {
        match self {
            Self::Channels(channels) => {
                assert!(channels.ids().count() <= MAX_CHANNELS);
                let mut count = 0;
                while let Some(event) = channels.poll_event() {
                    count += 1;
                    assert!(count <= 8 * MAX_CHANNELS + 8, "too many events");
                    if let Event::Opened(id) | Event::Incoming(id) = event {
                        // It may have ended since.
                        let _ = channels.send(now, id, Message::text("hello"));
                    }
                }
            }
            Self::Raw(association) => {
                while let Some(event) = association.poll_event() {
                    if let sctp::Event::Readable(stream) = event {
                        while association.read(now, stream).is_some() {}
                    }
                }
            }
        }
    }
}

struct World {
    now: Instant,
    dialect: Dialect,
    in_parts: bool,
    a: End,
    b: End,
}

impl World {
    fn new(is_raw: bool, dialect: Dialect, in_parts: bool) -> Self {
        let config = || config(dialect, in_parts);
        static START: OnceLock<Instant> = OnceLock::new();
        let now = *START.get_or_init(Instant::now);
        let a = if is_raw {
            let mut association = Association::new(config().sctp, now, [1; 32]);
            association.connect(now);
            End::Raw(Box::new(association))
        } else {
            let mut channels = Channels::new(config(), now, [1; 32]);
            channels.connect(now, Role::Client);
            End::Channels(Box::new(channels))
        };
        let mut b = Channels::new(config(), now, [2; 32]);
        b.connect(now, Role::Server);
        let mut world = Self { now, dialect, in_parts, a, b: End::Channels(Box::new(b)) };
        world.exchange(0, 0);
        world
    }

    /// Lets packets go to and fro until there are none, but for the first of each side, which are lost.
    fn exchange(&mut self, mut lost_by_a: u8, mut lost_by_b: u8) {
        let mut steps = 0;
        loop {
            let now = self.now;
            let mut packets = VecDeque::new();
            let mut packet = Vec::new();
            while self.a.transmit(now, &mut packet) {
                packets.push_back((true, std::mem::take(&mut packet)));
            }
            while self.b.transmit(now, &mut packet) {
                packets.push_back((false, std::mem::take(&mut packet)));
            }
            if packets.is_empty() {
                break;
            }
            for (from_a, mut packet) in packets {
                steps += 1;
                assert!(steps < 20_000, "packets for ever");
                let lost = if from_a { &mut lost_by_a } else { &mut lost_by_b };
                if *lost > 0 {
                    *lost -= 1;
                } else if from_a {
                    self.b.receive(now, &mut packet);
                } else {
                    self.a.receive(now, &mut packet);
                }
            }
        }
        self.a.take_events(self.now);
        self.b.take_events(self.now);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut steps = 0;
        while let Some(next) = [self.a.timeout(), self.b.timeout()].into_iter().flatten().min().filter(|at| *at <= end)
        {
            steps += 1;
            assert!(steps < 10_000, "a storm of wake-ups");
            self.now = self.now.max(next);
            self.a.handle_timeout(self.now);
            self.b.handle_timeout(self.now);
            self.exchange(0, 0);
        }
        self.now = end;
    }

    fn on(&mut self, on_a: bool) -> Option<&mut Channels> {
        if on_a { self.a.channels() } else { self.b.channels() }
    }

    fn with(&mut self, on_a: bool, channel: u8, act: impl FnOnce(&mut Channels, Instant, ChannelId)) {
        let now = self.now;
        let Some(channels) = self.on(on_a) else { return };
        let id = channels.ids().nth(usize::from(channel) % MAX_CHANNELS);
        if let Some(id) = id {
            act(channels, now, id);
        }
    }

    fn raw(&mut self, act: impl FnOnce(&mut Association, Instant)) {
        let now = self.now;
        if let End::Raw(association) = &mut self.a {
            act(association, now);
        }
    }

    fn send_raw(&mut self, stream: u8, ppid: u8, unordered: bool, bytes: Vec<u8>) {
        let message = sctp::Message { ppid: u32::from(ppid), payload: bytes.into() };
        let options = SendOptions { unordered, reliability: Reliability::Reliable };
        // Whether it is taken is the association's business.
        self.raw(|association, now| drop(association.send(now, u16::from(stream), message, options)));
    }

    fn act(&mut self, command: Command) {
        let now = self.now;
        let in_parts = self.in_parts;
        match command {
            Command::Open { on_a, negotiated, ordered, retransmits, lifetime, name } => {
                let reliability = match (retransmits, lifetime) {
                    (Some(count), _) => Reliability::MaxRetransmits(u16::from(count)),
                    (None, Some(time)) => Reliability::MaxLifetime(Duration::from_millis(u64::from(time))),
                    (None, None) => Reliability::Reliable,
                };
                let options = Options {
                    label: "l".repeat(usize::from(name)),
                    protocol: String::new(),
                    ordered,
                    reliability,
                    negotiated: negotiated.map(u16::from),
                    priority: Priority::NORMAL,
                };
                if let Some(channels) = self.on(on_a) {
                    let _ = channels.open(now, options);
                }
            }
            Command::Send { on_a, channel, is_text, length } => self.with(on_a, channel, |channels, now, id| {
                let bytes = vec![b'x'; usize::from(length)];
                let kind = if is_text { datachannel::Kind::Text } else { datachannel::Kind::Binary };
                let message = Message { kind, payload: bytes.into() };
                if in_parts {
                    // A third of the parts are the last ones of their messages.
                    let _ = channels.send_part(now, id, message, length % 3 == 0, Some(u64::from(length)));
                } else if let Err(error) = channels.send(now, id, message.clone()) {
                    assert_eq!(error.message, message, "handed back as it was");
                }
            }),
            Command::Read { on_a, channel } => self.with(on_a, channel, |channels, now, id| {
                while channels.read(now, id).is_some() || (in_parts && channels.read_part(now, id).is_some()) {}
            }),
            Command::Close { on_a, channel } => self.with(on_a, channel, Channels::close),
            Command::Threshold { on_a, channel, bytes } => self.with(on_a, channel, |channels, _, id| {
                channels.set_buffered_amount_low_threshold(id, usize::from(bytes));
            }),
            Command::Pass { milliseconds } => self.pass(Duration::from_millis(u64::from(milliseconds))),
            Command::Exchange => self.exchange(0, 0),
            Command::Lose { from_a, count } => {
                if from_a {
                    self.exchange(count % 8, 0)
                } else {
                    self.exchange(0, count % 8)
                }
            }
            Command::Raw { stream, ppid, unordered, bytes } => self.send_raw(stream, ppid, unordered, bytes),
            Command::RawOpen { stream, channel_type, label } => {
                let mut bytes = match self.dialect {
                    Dialect::Rfc8832 => vec![3, channel_type, 0, 0, 0, 0, 0, 1, 0, label, 0, 0],
                    Dialect::Draft2012 => vec![0, channel_type, 0, channel_type >> 4, 0, 1, 0, 0],
                };
                bytes.resize(bytes.len() + usize::from(label), b'l');
                self.send_raw(stream, 50, false, bytes);
            }
            Command::RawReset { streams } => {
                let streams: Vec<u16> = streams.into_iter().map(u16::from).collect();
                self.raw(|association, now| association.reset_streams(now, &streams));
            }
            Command::Shutdown { on_a } => {
                if let Some(channels) = self.on(on_a) {
                    channels.shutdown(now);
                }
            }
            Command::Abort { on_a } => {
                if let Some(channels) = self.on(on_a) {
                    channels.abort(now);
                }
            }
        }
    }
}

fuzz_target!(|script: Script| {
    let dialect = if script.mode & 2 == 0 { Dialect::Rfc8832 } else { Dialect::Draft2012 };
    let mut world = World::new(script.mode & 1 == 1, dialect, script.mode & 4 != 0);
    for command in script.commands.into_iter().take(200) {
        world.act(command);
    }
    world.pass(Duration::from_secs(5));
    // After the end there is peace.
    if let Some(channels) = world.b.channels() {
        let now = world.now;
        channels.abort(now);
    }
    world.exchange(0, 0);
    world.pass(Duration::from_secs(1000));
    world.b.take_events(world.now);
    assert_eq!(world.b.timeout(), None);
    let mut packet = Vec::new();
    assert!(!world.b.transmit(world.now, &mut packet));
});
