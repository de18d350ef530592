//! Data channels with usrsctp's example program `rtcweb` as the other side, over SCTP in UDP (RFC 6951).
//!
//! It needs that program (Debian: libusrsctp-examples), and runs with `--features interop`. The program speaks the
//! draft of the establishment protocol, hence [`Dialect::Draft2012`]; kinds of messages, streams and their resets are
//! those of the RFC.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};
use visavis_datachannel::{ChannelId, Channels, Config, Dialect, Event, Message, Options, Reliability, Role, sctp};

const PROGRAM: &str = "/usr/lib/usrsctp/rtcweb";
/// For each thing that is waited for.
const LIMIT: Duration = Duration::from_secs(15);

#[expect(clippy::disallowed_methods, reason = "the other side lives in real time")]
fn now() -> Instant {
    Instant::now()
}

/// The program at work; killed when dropped.
struct Rtcweb {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    said: Vec<String>,
}

impl Rtcweb {
    /// Waits for us on `local`, as the server.
    fn start(local: u16, remote: u16) -> Self {
        // Its output is for a terminal; without help it would come in blocks of 4 KiB.
        let mut child = Command::new("stdbuf")
            .args(["-oL", PROGRAM, &local.to_string(), &remote.to_string(), "5000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("stdbuf runs");
        let input = child.stdin.take().expect("it was asked for");
        let lines = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, input, output, said: Vec::new() }
    }

    fn command(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("it reads commands");
        self.input.flush().expect("it reads commands");
    }

    fn listen(&mut self) {
        loop {
            match self.output.try_recv() {
                Ok(line) => self.said.push(line),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn has_said(&self, words: &str) -> bool {
        self.said.iter().any(|line| line.contains(words))
    }
}

impl Drop for Rtcweb {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("rtcweb said {:#?}", self.said);
        }
    }
}

/// Channels on a UDP socket, and the program at the other end.
struct World {
    rtcweb: Rtcweb,
    socket: UdpSocket,
    remote: SocketAddr,
    channels: Channels,
    events: Vec<Event>,
}

impl World {
    fn connected() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a socket has a timeout");
        let local = socket.local_addr().expect("it is bound").port();
        // A port that was free a moment ago.
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a port");
        let rtcweb = Rtcweb::start(free.port(), local);
        // There is no DTLS here that would find errors in place of the checksum.
        let sctp = sctp::Config { zero_checksum: false, ..Config::default().sctp };
        let config = Config { dialect: Dialect::Draft2012, sctp, ..Config::default() };
        let mut channels = Channels::new(config, now(), [7; 32]);
        channels.connect(now(), Role::Client);
        let mut world = Self { rtcweb, socket, remote: free, channels, events: Vec::new() };
        world.expect("the association", |world| world.has(&Event::Connected) && world.rtcweb.has_said("SCTP_COMM_UP"));
        // The program answers channels only once it reads commands: what it hears before goes unanswered for good.
        world.rtcweb.command("help");
        world.expect("the command line", |world| world.rtcweb.has_said("Commands:"));
        world
    }

    fn has(&self, event: &Event) -> bool {
        self.events.contains(event)
    }

    /// One turn of a driver.
    fn turn(&mut self) {
        let mut packet = Vec::new();
        while self.channels.poll_transmit(now(), &mut packet) {
            self.socket.send_to(&packet, self.remote).expect("loopback takes it");
            packet.clear();
        }
        let mut packet = [0; 65_536];
        match self.socket.recv_from(&mut packet) {
            Ok((length, _)) => self.channels.handle_datagram(now(), packet.get_mut(..length).expect("it fits")),
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused),
                "{error}"
            ),
        }
        self.channels.handle_timeout(now());
        self.events.extend(std::iter::from_fn(|| self.channels.poll_event()));
        self.rtcweb.listen();
    }

    fn expect(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = now() + LIMIT;
        while !done(self) {
            assert!(now() < end, "{what} did not happen; events: {:?}", self.events);
            self.turn();
        }
    }

    fn read(&mut self, id: ChannelId) -> Option<Message> {
        self.channels.read(now(), id)
    }
}

#[test]
fn we_open_talk_close_and_open_again() {
    let mut world = World::connected();
    for round in 0..3 {
        let id = world.channels.open(now(), Options::new("ours")).expect("a channel can be opened");
        world.expect("the channel", |world| world.has(&Event::Opened(id)));
        // The stream of the round before is used again.
        assert_eq!(world.channels.info(id).and_then(|info| info.stream_id), Some(1));
        for n in 0..20 {
            world.channels.send(now(), id, Message::text(format!("hello {round} {n}"))).expect("there is room");
        }
        world.expect("the last message", |world| world.rtcweb.has_said(&format!("hello {round} 19")));
        let heard = world.rtcweb.said.iter().filter(|line| line.contains(&format!("hello {round} "))).count();
        assert_eq!(heard, 20);
        world.rtcweb.command(&format!("send 0:back {round}"));
        let mut answer = None;
        world.expect("the answer", |world| {
            answer = world.read(id);
            answer.is_some()
        });
        assert_eq!(answer, Some(Message::text(format!("back {round}"))));
        // What was accepted before the close arrives.
        world.channels.send(now(), id, Message::text(format!("bye {round}"))).expect("there is room");
        world.channels.close(now(), id);
        world.expect("the close", |world| world.has(&Event::Closed(id)));
        // What it wrote may still be on its way through the pipe.
        world.expect("the last words", |world| world.rtcweb.has_said(&format!("bye {round}")));
    }
}

#[test]
fn the_other_side_opens_every_kind_talks_and_closes() {
    let mut world = World::connected();
    for (command, ordered, reliability) in [
        ("open 0 0 0", true, Reliability::Reliable),
        ("open 1 0 0", false, Reliability::Reliable),
        ("open 0 3 2", true, Reliability::MaxRetransmits(2)),
        ("open 1 1 500", false, Reliability::MaxLifetime(Duration::from_millis(500))),
    ] {
        world.events.clear();
        world.rtcweb.command(command);
        let mut incoming = None;
        world.expect("the channel", |world| {
            let id = |event: &Event| if let Event::Incoming(id) = event { Some(*id) } else { None };
            incoming = world.events.iter().find_map(id);
            incoming.is_some()
        });
        let id = incoming.expect("it was waited for");
        let info = world.channels.info(id).expect("it is open");
        assert_eq!((info.ordered, info.reliability), (ordered, reliability));
        world.rtcweb.command("send 0:from there");
        let mut heard = None;
        world.expect("their message", |world| {
            heard = world.read(id);
            heard.is_some()
        });
        assert_eq!(heard, Some(Message::text("from there")));
        world.channels.send(now(), id, Message::text(format!("from here after {command}"))).expect("there is room");
        world.expect("our message", |world| world.rtcweb.has_said(&format!("from here after {command}")));
        world.rtcweb.command("close 0");
        world.expect("the close", |world| world.has(&Event::Closed(id)));
        assert!(world.has(&Event::Closing(id)));
    }
}

#[test]
fn many_channels_of_both_sides_and_large_messages() {
    let mut world = World::connected();
    let mut ids = Vec::new();
    // It has five streams, and uses all but the first.
    for n in 0..4 {
        // One after the other, as the draft leaves the choice of streams to either side alone.
        let id = world.channels.open(now(), Options::new(format!("{n}"))).expect("a channel can be opened");
        world.expect("the channel", |world| world.has(&Event::Opened(id)));
        ids.push(id);
    }
    for (n, id) in ids.iter().enumerate() {
        let text = format!("{n}:{}", "x".repeat(60_000));
        world.channels.send(now(), *id, Message::text(text)).expect("there is room");
    }
    for n in 0..ids.len() {
        world.expect("a large message", |world| {
            world.rtcweb.has_said(&format!("of length 60002 on channel with id {n}: {n}:xxx"))
        });
    }
    world.rtcweb.command("status");
    world
        .expect("the status", |world| world.rtcweb.said.iter().filter(|line| line.contains("state OPEN")).count() == 4);
}

#[test]
fn either_side_can_end_the_association() {
    let mut world = World::connected();
    world.rtcweb.command("quit");
    let over = Event::Disconnected(sctp::Closed::Shutdown);
    world.expect("their end", |world| world.has(&over));
    let mut world = World::connected();
    let id = world.channels.open(now(), Options::new("short")).expect("a channel can be opened");
    world.channels.send(now(), id, Message::text("the last words")).expect("there is room");
    world.channels.shutdown(now());
    world.expect("our end", |world| world.has(&over) && world.rtcweb.has_said("SCTP_SHUTDOWN_COMP"));
}
