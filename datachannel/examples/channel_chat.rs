//! A chat over data channels, over SCTP straight in UDP (RFC 6951): no DTLS, so for trying things out only.
//!
//! Between two terminals:
//!
//! ```text
//! cargo run -p visavis-datachannel --example channel_chat -- 9911 127.0.0.1:9912
//! cargo run -p visavis-datachannel --example channel_chat -- 9912 127.0.0.1:9911
//! ```
//!
//! With usrsctp's example program (Debian: libusrsctp-examples), which speaks the first draft of the establishment
//! protocol; its commands are `open 0 0 0`, `send 0:hello`, `close 0`, `help`:
//!
//! ```text
//! /usr/lib/usrsctp/rtcweb 9912 9911 5000
//! cargo run -p visavis-datachannel --example channel_chat -- --rtcweb 9911 127.0.0.1:9912
//! ```
//!
//! A line is sent on the current channel, the one that was opened last. `/open LABEL` opens another, `/use STREAM`
//! changes to it, `/close` closes the current one, `/quit` or the end of the input ends everything.

use std::error::Error;
use std::io::{BufRead, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};
use visavis_datachannel::{ChannelId, Channels, Config, Dialect, Event, Message, Options, Role};

const USAGE: &str = "usage: channel_chat [--rtcweb] <local UDP port> <remote address:port>";

fn main() -> ExitCode {
    let Some((dialect, port, remote)) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(dialect, port, remote) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("channel_chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Option<(Dialect, u16, SocketAddr)> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments.len();
    arguments.retain(|argument| argument != "--rtcweb");
    let dialect = if arguments.len() < count { Dialect::Draft2012 } else { Dialect::Rfc8832 };
    let [port, remote] = arguments.as_slice() else { return None };
    Some((dialect, port.parse().ok()?, remote.parse().ok()?))
}

fn run(dialect: Dialect, port: u16, remote: SocketAddr) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    socket.connect(remote)?;
    let mut config = Config { dialect, remote_max_message: Some(0), ..Config::default() };
    // There is no DTLS here that would find errors in place of the checksum.
    config.sctp.zero_checksum = false;
    let mut channels = Channels::new(config, now(), seed());
    // With DTLS beneath, its role would decide; here the ports do.
    channels.connect(now(), if port < remote.port() { Role::Client } else { Role::Server });
    println!("* connecting to {remote}");
    let mut chat = Chat { channels, socket, lines: read_lines(), current: None, is_over: false };
    while !chat.is_over {
        chat.flush()?;
        chat.wait()?;
        chat.take_lines();
        chat.tell_events();
    }
    chat.flush()?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program has a clock; the crate is given its time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a program draws its seed; the crate is given it")]
fn seed() -> [u8; 32] {
    rand::random()
}

/// Standard input, line by line, from a thread of its own.
fn read_lines() -> Receiver<String> {
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

struct Chat {
    channels: Channels,
    socket: UdpSocket,
    lines: Receiver<String>,
    current: Option<ChannelId>,
    is_over: bool,
}

impl Chat {
    /// Sends what there is to send.
    fn flush(&mut self) -> Result<(), Box<dyn Error>> {
        let mut packet = Vec::new();
        while self.channels.poll_transmit(now(), &mut packet) {
            match self.socket.send(&packet) {
                // The other side may not be there yet; SCTP tries again by itself.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error.into()),
            }
            packet.clear();
        }
        Ok(())
    }

    /// Waits for a packet or for the time, but not for long, so that what is typed gets its turn.
    fn wait(&mut self) -> Result<(), Box<dyn Error>> {
        let timer = self.channels.poll_timeout().map_or(Duration::MAX, |at| at.saturating_duration_since(now()));
        let patience = timer.clamp(Duration::from_millis(1), Duration::from_millis(50));
        self.socket.set_read_timeout(Some(patience))?;
        let mut packet = [0; 65_536];
        match self.socket.recv(&mut packet) {
            Ok(length) => self.channels.handle_datagram(now(), packet.get_mut(..length).unwrap_or_default()),
            Err(error) => {
                let kinds = [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::ConnectionRefused];
                if !kinds.contains(&error.kind()) {
                    return Err(error.into());
                }
            }
        }
        self.channels.handle_timeout(now());
        Ok(())
    }

    fn take_lines(&mut self) {
        loop {
            match self.lines.try_recv() {
                Ok(line) => self.take_line(&line),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => return self.channels.shutdown(now()),
            }
        }
    }

    fn take_line(&mut self, line: &str) {
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "/quit" => self.channels.shutdown(now()),
            "/open" => self.open(argument),
            "/use" => self.current = self.channels.ids().find(|id| self.name(*id).0.to_string() == argument),
            "/close" => {
                if let Some(id) = self.current.take() {
                    self.channels.close(now(), id);
                }
            }
            _ => self.say(line),
        }
    }

    fn open(&mut self, label: &str) {
        match self.channels.open(now(), Options::new(label)) {
            Ok(id) => self.current = Some(id),
            Err(error) => println!("* cannot open a channel: {error}"),
        }
    }

    fn say(&mut self, line: &str) {
        if self.current.is_none() {
            self.open("chat");
        }
        let Some(id) = self.current else { return };
        if let Err(error) = self.channels.send(now(), id, Message::text(line)) {
            println!("* not sent: {error}");
        }
    }

    fn tell_events(&mut self) {
        while let Some(event) = self.channels.poll_event() {
            match event {
                Event::Connected => println!("* connected; a line opens a channel"),
                Event::Opened(id) => self.tell(id, "is open"),
                Event::Incoming(id) => {
                    self.current = Some(id);
                    self.tell(id, "was opened by the other side");
                }
                Event::Readable(id) => {
                    while let Some(message) = self.channels.read(now(), id) {
                        println!("{}> {}", self.name(id).0, message.to_text());
                    }
                }
                Event::Closing(id) => self.tell(id, "is being closed by the other side"),
                Event::Error(id, error) => println!("* {id} failed: {error}"),
                Event::Undelivered(id, lost) => println!("* {id} lost {} messages", lost.messages),
                Event::Closed(id) => {
                    println!("* {id} is closed");
                    self.current = self.current.filter(|current| *current != id);
                }
                Event::Disconnected(why) => {
                    println!("* the end: {why}");
                    self.is_over = true;
                }
                Event::Writable(_) | Event::BufferedAmountLow(_) | Event::Delivered(_) | Event::Abandoned(_) => {}
            }
        }
    }

    fn tell(&self, id: ChannelId, what: &str) {
        let (stream, label) = self.name(id);
        println!("* {id} {label:?} on stream {stream} {what}");
    }

    fn name(&self, id: ChannelId) -> (u16, String) {
        self.channels.info(id).map(|info| (info.stream_id.unwrap_or_default(), info.label)).unwrap_or_default()
    }
}
