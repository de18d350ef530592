//! usrsctp's example programs as the other side, over SCTP in UDP (RFC 6951).
//!
//! Needs those programs (Debian: libusrsctp-examples), and runs with `--features interop`.

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use visavis_sctp::packet::Packet;
use visavis_sctp::{Association, Closed, Config, Event, Message, Reliability, SendError, SendOptions};

const PROGRAMS: &str = "/usr/lib/usrsctp";
/// For each thing that is waited for.
const LIMIT: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "the other side lives in real time")]
fn now() -> Instant {
    Instant::now()
}

/// A program at work; killed when dropped.
struct Program(Child);

impl Program {
    fn start(name: &str, arguments: &[String]) -> Self {
        let child = Command::new(format!("{PROGRAMS}/{name}"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("the program runs"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An association on a UDP socket, and the program at the other end.
struct World {
    _program: Program,
    socket: UdpSocket,
    remote: SocketAddr,
    association: Option<Association>,
    events: Vec<Event>,
    received: Vec<(u16, Message)>,
    /// Of our association, ports aside.
    config: Config,
    /// One packet in so many is dropped, in both directions; 0 for none.
    lose: u32,
    rng: StdRng,
}

impl World {
    /// `arguments` are given the program's UDP port and ours.
    fn new(name: &str, arguments: impl FnOnce(u16, u16) -> Vec<String>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a socket has a timeout");
        let ours = socket.local_addr().expect("it is bound").port();
        // A port that was free a moment ago.
        let remote = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port");
        let program = Program::start(name, &arguments(remote.port(), ours));
        let (events, received) = (Vec::new(), Vec::new());
        Self {
            _program: program,
            socket,
            remote,
            association: None,
            events,
            received,
            config: Config::default(),
            lose: 0,
            rng: StdRng::seed_from_u64(1),
        }
    }

    /// Calls the program's SCTP port, again as long as the program does not listen yet.
    fn connect(&mut self, port: u16) {
        let config = Config { remote_port: port, rto_initial: Duration::from_millis(100), ..self.config.clone() };
        self.expect("the association", |world| {
            if world.association.as_ref().is_none_or(Association::is_closed) {
                let mut association = Association::new(config.clone(), now(), [9; 32]);
                association.connect(now());
                world.association = Some(association);
            }
            world.events.contains(&Event::Connected)
        });
    }

    fn is_lost(&mut self) -> bool {
        self.lose > 0 && self.rng.random_ratio(1, self.lose)
    }

    /// One turn of a driver.
    fn turn(&mut self) {
        let mut buf = Vec::new();
        while self.association.as_mut().is_some_and(|association| association.poll_transmit(now(), &mut buf)) {
            if !self.is_lost() {
                // Before the program listens there may be nobody.
                let _ = self.socket.send_to(&buf, self.remote);
            }
            buf.clear();
        }
        let mut datagram = [0; 65_536];
        match self.socket.recv_from(&mut datagram) {
            Ok((length, _)) => {
                let datagram = datagram.get_mut(..length).expect("it fits");
                if !self.is_lost() {
                    self.receive(datagram);
                }
            }
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused),
                "{error}"
            ),
        }
        let Some(association) = &mut self.association else { return };
        association.handle_timeout(now());
        while let Some(event) = association.poll_event() {
            if let Event::Readable(stream) = event {
                while let Some(message) = association.read(now(), stream) {
                    self.received.push((stream, message));
                }
            }
            self.events.push(event);
        }
    }

    /// A program that calls does so from an SCTP port of its choice, which makes the association here.
    fn receive(&mut self, datagram: &mut [u8]) {
        let header = Packet::decode(datagram).expect("a packet").header;
        let (local_port, remote_port) = (header.destination_port, header.source_port);
        let config = &self.config;
        let association = self.association.get_or_insert_with(|| {
            Association::new(Config { local_port, remote_port, ..config.clone() }, now(), [8; 32])
        });
        association.handle_datagram(now(), datagram);
    }

    fn expect(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = now() + LIMIT;
        while !done(self) {
            let stats = self.association.as_ref().map(Association::stats);
            assert!(now() < end, "{what} did not happen; events: {:?}, {stats:?}", self.events);
            self.turn();
        }
    }

    fn send(&mut self, stream: u16, payload: Bytes, options: SendOptions) {
        let mut message = Message { ppid: 51, payload };
        self.expect("room in the send buffer", |world| {
            let Some(association) = &mut world.association else { return false };
            match association.send(now(), stream, message.clone(), options) {
                Ok(()) => true,
                Err(SendError::Full { message: back, .. }) => {
                    message = back;
                    false
                }
                Err(error) => panic!("{error}"),
            }
        });
    }

    fn shut_down(&mut self) {
        self.association.as_mut().expect("there is one").shutdown(now());
        self.expect("the shutdown", |world| world.events.contains(&Event::Closed(Closed::Shutdown)));
    }
}

fn echo_server() -> World {
    echo_server_with(Config::default())
}

fn echo_server_with(config: Config) -> World {
    let mut world = World::new("echo_server", |theirs, ours| vec![theirs.to_string(), ours.to_string()]);
    world.config = config;
    world.connect(7);
    world
}

/// Every combination of what we may offer and usrsctp's programs do not ask for.
fn offers() -> impl Iterator<Item = Config> {
    [(false, false), (false, true), (true, false), (true, true)]
        .into_iter()
        .map(|(interleaving, zero_checksum)| Config { interleaving, zero_checksum, ..Config::default() })
}

/// The program as it waits for bulk data, and as it sends it.
fn tsctp(options: &'static str, address: Option<&'static str>) -> World {
    World::new("tsctp", |theirs, ours| {
        let ports = ["-E".into(), theirs.to_string(), "-U".into(), ours.to_string(), "-p".into(), "5001".into()];
        let options = options.split_whitespace().chain(address).map(Into::into);
        ports.into_iter().chain(options).collect()
    })
}

fn pattern(length: usize, salt: usize) -> Bytes {
    (0..length).map(|at| (at * 31 + salt * 131 + (at >> 8)) as u8).collect()
}

#[test]
fn messages_come_back_from_an_echo() {
    let mut world = echo_server();
    for number in 0..200 {
        let options = SendOptions { unordered: number % 3 == 0, ..SendOptions::default() };
        world.send(0, pattern(1 + number * 49, number), options);
    }
    world.expect("all", |world| world.received.len() == 200);
    let mut got: Vec<Bytes> = world.received.iter().map(|(_, message)| message.payload.clone()).collect();
    let mut sent: Vec<Bytes> = (0..200).map(|number| pattern(1 + number * 49, number)).collect();
    got.sort();
    sent.sort();
    assert!(got == sent);
    world.shut_down();
}

#[test]
fn messages_come_back_in_order_in_spite_of_losses_both_ways() {
    let mut world = echo_server();
    world.lose = 13;
    for number in 0..100 {
        world.send(0, pattern(5000, number), SendOptions::default());
    }
    world.expect("all", |world| world.received.len() == 100);
    for (number, (_, message)) in world.received.iter().enumerate() {
        assert!(message.payload == pattern(5000, number), "message {number}");
    }
    world.shut_down();
}

#[test]
fn abandoned_messages_are_skipped_by_the_other_side() {
    let mut world = echo_server();
    world.lose = 7;
    let options = SendOptions { unordered: false, reliability: Reliability::MaxRetransmits(0) };
    for number in 0..200 {
        world.send(0, pattern(1000, number), options);
    }
    world.expect("losses", |world| {
        world.association.as_ref().is_some_and(|association| association.stats().messages_abandoned > 0)
    });
    world.lose = 0;
    world.send(0, pattern(10, 0), SendOptions::default());
    world.expect("the last", |world| world.received.last().is_some_and(|(_, message)| message.payload.len() == 10));
    // One may have arrived all the same, and only its acknowledgement been lost.
    let abandoned = world.association.as_ref().expect("there is one").stats().messages_abandoned as usize;
    assert!(world.received.len() + abandoned >= 201, "{} and {abandoned}", world.received.len());
    world.shut_down();
}

#[test]
fn bulk_data_goes_out() {
    let mut world = tsctp("", None);
    world.connect(5001);
    for number in 0..2000 {
        world.send(0, pattern(10_000, number), SendOptions::default());
    }
    world.shut_down();
    assert_eq!(world.association.as_ref().expect("there is one").stats().bytes_sent, 20_000_000);
}

#[test]
fn bulk_data_comes_in_from_a_caller() {
    let mut world = tsctp("-n 2000 -l 10000", Some("127.0.0.1"));
    world.expect("all", |world| world.received.len() == 2000);
    assert!(world.received.iter().all(|(_, message)| message.payload.len() == 10_000));
    world.expect("the shutdown", |world| world.events.contains(&Event::Closed(Closed::Shutdown)));
}

#[test]
fn bulk_data_comes_in_on_a_lossy_path() {
    let mut world = tsctp("-n 300 -l 10000", Some("127.0.0.1"));
    world.lose = 31;
    world.expect("all", |world| world.received.len() == 300);
    assert!(world.received.iter().all(|(_, message)| message.payload.len() == 10_000));
    world.expect("the shutdown", |world| world.events.contains(&Event::Closed(Closed::Shutdown)));
}

#[test]
fn what_we_offer_and_they_do_not_is_not_used_and_harms_nothing() {
    for config in offers() {
        let mut world = echo_server_with(config.clone());
        world.lose = 17;
        let is_interleaving = world.association.as_ref().is_some_and(Association::is_interleaving);
        println!("interleaving offered {}, used {is_interleaving}", config.interleaving);
        assert!(config.interleaving || !is_interleaving);
        for number in 0..40 {
            let options = match number % 4 {
                0 => SendOptions { unordered: true, ..SendOptions::default() },
                1 => SendOptions { unordered: false, reliability: Reliability::MaxRetransmits(20) },
                _ => SendOptions::default(),
            };
            world.send(0, pattern(1 + number * 120, number), options);
        }
        world.expect("all", |world| world.received.len() == 40);
        let mut lengths: Vec<usize> = world.received.iter().map(|(_, message)| message.payload.len()).collect();
        lengths.sort_unstable();
        assert!(lengths.iter().enumerate().all(|(number, length)| *length == 1 + number * 120));
        world.shut_down();
    }
}

#[test]
fn bulk_data_comes_in_whatever_we_offer() {
    for config in offers() {
        let mut world = tsctp("-n 300 -l 10000", Some("127.0.0.1"));
        world.config = config;
        world.expect("all", |world| world.received.len() == 300);
        assert!(world.received.iter().all(|(_, message)| message.payload.len() == 10_000));
        world.expect("the shutdown", |world| world.events.contains(&Event::Closed(Closed::Shutdown)));
    }
}

#[test]
fn resets_are_answered_and_the_stream_goes_on() {
    for config in offers() {
        let mut world = echo_server_with(config);
        world.send(0, pattern(3000, 1), SendOptions::default());
        world.expect("the echo", |world| world.received.len() == 1);
        world.association.as_mut().expect("there is one").reset_streams(now(), &[0]);
        world.expect("an answer", |world| {
            world.events.iter().any(|event| matches!(event, Event::OutgoingReset(0) | Event::ResetRefused(0)))
        });
        println!("{:?}", world.events.last());
        world.send(0, pattern(3000, 2), SendOptions::default());
        world.expect("another echo", |world| world.received.len() == 2);
        world.shut_down();
    }
}
