//! An echo server, and a client for it, over DTLS 1.2. Either can talk to OpenSSL.
//!
//! Each side needs a certificate with its key, and the certificate of the other side, by whose fingerprint it knows it:
//!
//! ```sh
//! for name in alice bob; do
//!   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name \
//!     -keyout $name.key -out $name.pem
//! done
//! ```
//!
//! The two of them here (each line typed into the client comes back):
//!
//! ```sh
//! cargo run -p visavis-dtls --example dtls_echo -- server 127.0.0.1:4433 alice bob.pem
//! cargo run -p visavis-dtls --example dtls_echo -- client 127.0.0.1:4433 bob alice.pem
//! ```
//!
//! OpenSSL as the client, or as the server (which shows what it gets, and sends what is typed):
//!
//! ```sh
//! openssl s_client -dtls1_2 -connect 127.0.0.1:4433 -cert bob.pem -key bob.key
//! openssl s_server -dtls1_2 -accept 127.0.0.1:4433 -cert alice.pem -key alice.key -Verify 1
//! ```
//!
//! With `SSLKEYLOGFILE` in the environment the secrets are written there, for Wireshark.

#![allow(clippy::disallowed_methods, reason = "a program lives in real time, unlike the crate")]

use std::collections::HashMap;
use std::error::Error;
use std::io::BufRead;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use visavis_dtls::{Config, Connection, Event, HashAlgorithm, Identity, Role, rustls};

/// A server for everybody who asks would need room for everybody.
const MAX_PEERS: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, address, own, peer] = arguments.as_slice() else {
        return Err("usage: echo server|client ADDRESS OWN_NAME PEER_CERTIFICATE; the source tells more".into());
    };
    let role = match role.as_str() {
        "server" => Role::Server,
        "client" => Role::Client,
        other => return Err(format!("{other}: neither server nor client").into()),
    };
    let config = config(role, own, peer)?;
    let address: SocketAddr = address.parse()?;
    let (inputs, input) = channel();
    match role {
        Role::Server => Program::new(config, UdpSocket::bind(address)?, inputs)?.run(&input),
        Role::Client => {
            let any: SocketAddr = if address.is_ipv4() { "0.0.0.0:0".parse()? } else { "[::]:0".parse()? };
            let mut program = Program::new(config, UdpSocket::bind(any)?, inputs.clone())?;
            std::thread::spawn(move || read_lines(&inputs));
            program.connect(address)?;
            program.run(&input)
        }
    }
}

/// The certificate in NAME.pem with the key in NAME.key, and the peer's certificate.
fn config(role: Role, own: &str, peer: &str) -> Result<Config, Box<dyn Error>> {
    let read = |name: String| std::fs::read_to_string(&name).map_err(|error| format!("{name}: {error}"));
    let identity = Identity::from_pem(&read(format!("{own}.pem"))?, &read(format!("{own}.key"))?)?;
    let peer = visavis_dtls::Fingerprint::from_pem(HashAlgorithm::Sha256, &read(peer.to_owned())?)?;
    let mut config = Config::new(identity, role, vec![peer]);
    // Nothing else proves here that a client is where it says it is.
    config.require_cookie = true;
    config.key_log = Some(Arc::new(rustls::KeyLogFile::new()));
    Ok(config)
}

/// What the program waits for, besides the time.
enum Input {
    Datagram(SocketAddr, Vec<u8>),
    Line(String),
    /// Standard input has ended.
    End,
}

fn read_lines(inputs: &Sender<Input>) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if inputs.send(Input::Line(line)).is_err() {
            return;
        }
    }
    // The program may have ended already, and then nobody wants to know.
    _ = inputs.send(Input::End);
}

fn read_datagrams(socket: &UdpSocket, inputs: &Sender<Input>) {
    let mut buf = [0; 65536];
    while let Ok((length, from)) = socket.recv_from(&mut buf) {
        let datagram = buf.iter().take(length).copied().collect();
        if inputs.send(Input::Datagram(from, datagram)).is_err() {
            return;
        }
    }
}

struct Program {
    config: Config,
    socket: UdpSocket,
    peers: HashMap<SocketAddr, Connection>,
    /// Lines that wait for the handshake.
    lines: Vec<String>,
    /// Whether to end when all is said.
    ending: bool,
}

impl Program {
    fn new(config: Config, socket: UdpSocket, inputs: Sender<Input>) -> std::io::Result<Self> {
        eprintln!("{:?} at {}", config.role, socket.local_addr()?);
        let reader = socket.try_clone()?;
        std::thread::spawn(move || read_datagrams(&reader, &inputs));
        Ok(Self { config, socket, peers: HashMap::new(), lines: Vec::new(), ending: false })
    }

    fn connect(&mut self, address: SocketAddr) -> Result<(), Box<dyn Error>> {
        let mut seed = [0; 32];
        self.config.provider.secure_random.fill(&mut seed).map_err(|_| "no randomness")?;
        let connection = Connection::new(self.config.clone(), Instant::now(), seed)?;
        self.peers.insert(address, connection);
        Ok(())
    }

    /// Flush, wait, handle, until a client has lost its only peer. A server runs until it is interrupted.
    fn run(&mut self, input: &Receiver<Input>) -> Result<(), Box<dyn Error>> {
        loop {
            self.flush()?;
            if self.config.role == Role::Client && self.peers.is_empty() {
                return Ok(());
            }
            let due = self.peers.values().filter_map(Connection::poll_timeout).min();
            let wait = due.map_or(Duration::from_secs(3600), |due| due.saturating_duration_since(Instant::now()));
            match input.recv_timeout(wait) {
                Ok(Input::Datagram(from, mut datagram)) => self.handle(from, &mut datagram)?,
                Ok(Input::Line(line)) => self.lines.push(line),
                Ok(Input::End) => self.ending = true,
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    self.peers.values_mut().for_each(|connection| connection.handle_timeout(now));
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn handle(&mut self, from: SocketAddr, datagram: &mut [u8]) -> Result<(), Box<dyn Error>> {
        if self.config.role == Role::Server && !self.peers.contains_key(&from) && self.peers.len() < MAX_PEERS {
            self.connect(from)?;
        }
        let Some(connection) = self.peers.get_mut(&from) else { return Ok(()) };
        let mut messages = Vec::new();
        connection.handle_datagram(Instant::now(), datagram, |text| messages.push(text.to_vec()));
        for message in messages {
            println!("{from}: {}", String::from_utf8_lossy(&message).trim_end());
            if self.config.role == Role::Server {
                send(&self.socket, from, connection, &message)?;
            }
        }
        Ok(())
    }

    /// Tells what happened and sends all that there is to send.
    fn flush(&mut self) -> std::io::Result<()> {
        for (address, connection) in &mut self.peers {
            while let Some(event) = connection.poll_event() {
                match event {
                    Event::Connected => eprintln!("{address}: connected, {:?}", connection.cipher_suite()),
                    Event::Closed(error) => eprintln!("{address}: closed: {error}"),
                }
            }
            if connection.is_connected() {
                for line in std::mem::take(&mut self.lines) {
                    send(&self.socket, *address, connection, format!("{line}\n").as_bytes())?;
                }
                if self.ending {
                    connection.close(Instant::now());
                }
            }
            let mut buf = Vec::new();
            while connection.poll_transmit(Instant::now(), &mut buf) {
                self.socket.send_to(&buf, address)?;
                buf.clear();
            }
        }
        self.peers.retain(|_, connection| !connection.is_closed());
        Ok(())
    }
}

fn send(socket: &UdpSocket, to: SocketAddr, connection: &mut Connection, message: &[u8]) -> std::io::Result<()> {
    let mut buf = Vec::new();
    let sealed = connection.seal(&mut buf, |buf| {
        buf.extend_from_slice(message);
        true
    });
    if sealed {
        socket.send_to(&buf, to)?;
    }
    Ok(())
}
