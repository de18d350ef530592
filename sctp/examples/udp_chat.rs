//! A chat over SCTP in UDP (RFC 6951): lines that are typed here are messages there.
//!
//! Between two terminals:
//!
//! ```text
//! cargo run -p visavis-sctp --example udp_chat -- 9001
//! cargo run -p visavis-sctp --example udp_chat -- 9002 127.0.0.1:9001
//! ```
//!
//! Or with a program of usrsctp's (Debian: libusrsctp-examples) that sends everything back:
//!
//! ```text
//! /usr/lib/usrsctp/echo_server 9001 9002
//! cargo run -p visavis-sctp --example udp_chat -- 9002 127.0.0.1:9001 7
//! ```
//!
//! The arguments are the own UDP port, the other side's UDP address if this side is to call, and the other side's SCTP
//! port if it is not 5000. The end of the input (Ctrl-D) ends the chat, once all lines have arrived.

use std::error::Error;
use std::io::{BufRead, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};
use visavis_sctp::{Association, Closed, Config, Event, Message, SendOptions};

/// The stream that lines go on, and the payload protocol identifier that says that they are text (RFC 8831).
const STREAM: u16 = 0;
const TEXT: u32 = 51;

/// How long the socket may keep the loop from looking at the keyboard.
const PATIENCE: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "a program has a clock")]
fn now() -> Instant {
    Instant::now()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("which UDP port? See the top of udp_chat.rs")?.parse()?;
    let remote: Option<SocketAddr> = arguments.next().map(|text| text.parse()).transpose()?;
    let remote_port: u16 = arguments.next().map_or(Ok(5000), |text| text.parse())?;

    let socket = UdpSocket::bind(("0.0.0.0", port))?;
    // The kernel's own randomness seeds the association.
    let mut seed = [0; 32];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut seed)?;
    let config = Config { remote_port, ..Config::default() };
    let mut association = Association::new(config, now(), seed);
    if remote.is_some() {
        association.connect(now());
    } else {
        println!("waiting on UDP port {port}");
    }
    match run(&socket, remote, &mut association, &lines())? {
        Closed::Shutdown | Closed::Aborted => Ok(()),
        why @ (Closed::PeerAborted { .. } | Closed::TimedOut | Closed::ProtocolViolation(_)) => Err(why.into()),
    }
}

/// What is typed, line by line, from a thread of its own.
fn lines() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Until the association ends: what is typed and what arrives goes in, what is to be sent and printed comes out.
fn run(
    socket: &UdpSocket,
    mut remote: Option<SocketAddr>,
    association: &mut Association,
    lines: &Receiver<String>,
) -> Result<Closed, Box<dyn Error>> {
    let mut buffer = vec![0; 65_536];
    let mut packet = Vec::new();
    let calls = remote.is_some();
    let mut is_connected = false;
    loop {
        // Lines typed before anyone is there wait in the channel.
        match lines.try_recv() {
            Ok(line) if !line.is_empty() => {
                let message = Message { ppid: TEXT, payload: line.into() };
                association.send(now(), STREAM, message, SendOptions::default())?;
            }
            Ok(_) | Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) if is_connected || calls => association.shutdown(now()),
            Err(TryRecvError::Disconnected) => {}
        }
        while association.poll_transmit(now(), &mut packet) {
            if let Some(remote) = remote {
                socket.send_to(&packet, remote)?;
            }
            packet.clear();
        }
        while let Some(event) = association.poll_event() {
            match event {
                Event::Connected => {
                    is_connected = true;
                    println!("connected");
                }
                Event::Readable(stream) => {
                    while let Some(message) = association.read(now(), stream) {
                        println!("> {}", String::from_utf8_lossy(&message.payload));
                    }
                }
                Event::Restarted => println!("the other side started over"),
                Event::Closed(why) => {
                    println!("{why}");
                    // The last packet may still wait.
                    while association.poll_transmit(now(), &mut packet) {
                        if let Some(remote) = remote {
                            socket.send_to(&packet, remote)?;
                        }
                        packet.clear();
                    }
                    return Ok(why);
                }
                Event::Writable
                | Event::BufferedAmountLow(_)
                | Event::OutgoingReset(_)
                | Event::ResetRefused(_)
                | Event::Delivered(_)
                | Event::Abandoned(_)
                | Event::IncomingReset(_) => {}
            }
        }
        let wait = association.poll_timeout().map_or(PATIENCE, |at| at.saturating_duration_since(now()).min(PATIENCE));
        socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                // Whoever calls first is the other side.
                if remote.is_none_or(|remote| remote == from)
                    && let Some(datagram) = buffer.get_mut(..length)
                {
                    remote = Some(from);
                    association.handle_datagram(now(), datagram);
                }
            }
            // Nothing came; or what was sent before met no socket, which the timers will take care of.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => return Err(error.into()),
        }
        association.handle_timeout(now());
    }
}
