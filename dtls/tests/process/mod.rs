//! Another implementation in a process of its own, and a bad network between it and a connection of ours.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use visavis_dtls::rustls::crypto::CryptoProvider;
use visavis_dtls::{Config, Connection, Event, Fingerprint, HashAlgorithm, Identity, Role};

/// The time one scenario may take. The other sides repeat lost flights after 1 s, 2 s, 4 s, …
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A running program, killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// All that was read of its output.
    pub(crate) seen: Vec<String>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let errors = sender.clone();
        std::thread::spawn(move || forward(stdout, |line| sender.send(line).is_ok()));
        std::thread::spawn(move || forward(stderr, |line| errors.send(line).is_ok()));
        let stdin = child.stdin.take();
        Self { child, stdin, lines, seen: Vec::new() }
    }

    pub(crate) fn write(&mut self, line: &str) {
        self.stdin.as_mut().unwrap().write_all(line.as_bytes()).expect("the other side reads its input");
    }

    pub(crate) fn read(&mut self) {
        self.seen.extend(self.lines.try_iter());
    }

    /// Waits for a line that contains `text`, and gives what stands behind it.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(rest) = self.find(text) {
                return rest;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("{error} before {text:?}:\n{}", self.seen.join("\n")),
            }
        }
    }

    pub(crate) fn find(&self, text: &str) -> Option<String> {
        self.seen.iter().find_map(|line| line.split_once(text)).map(|(_, rest)| rest.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left of it afterwards.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn forward(output: impl std::io::Read, mut send: impl FnMut(String) -> bool) {
    let mut output = BufReader::new(output);
    let mut bytes = Vec::new();
    while output.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        if !send(String::from_utf8_lossy(&bytes).trim_end().to_owned()) {
            return;
        }
        bytes.clear();
    }
}

/// Keys and certificates that OpenSSL made, in a directory that goes away with it.
pub(crate) struct Certificates {
    directory: PathBuf,
}

/// The kinds of certificate that [`Certificates::make`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    EcdsaP256,
    EcdsaP384,
    Rsa2048,
    /// Without any extension, which makes it a certificate of version 1.
    EcdsaVersion1,
    RsaVersion1,
    Ed25519,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("visavis-dtls-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A certificate NAME.pem and its key NAME.key.
    pub(crate) fn make(&self, name: &str, kind: Kind) -> (PathBuf, PathBuf) {
        let (certificate, key) = (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        let algorithm: &[&str] = match kind {
            Kind::EcdsaP256 | Kind::EcdsaVersion1 => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Kind::EcdsaP384 => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Kind::Rsa2048 | Kind::RsaVersion1 => &["-newkey", "rsa:2048"],
            Kind::Ed25519 => &["-newkey", "ed25519"],
        };
        let version_1 = matches!(kind, Kind::EcdsaVersion1 | Kind::RsaVersion1);
        let request = self.path(&format!("{name}.csr"));
        let mut command = Command::new("openssl");
        command.arg("req").args(algorithm).args(["-nodes", "-subj", "/CN=test", "-keyout"]).arg(&key).arg("-out");
        if version_1 {
            run(command.arg(&request));
            let mut sign = Command::new("openssl");
            run(sign
                .args(["x509", "-req", "-in"])
                .arg(&request)
                .arg("-signkey")
                .arg(&key)
                .arg("-out")
                .arg(&certificate));
        } else {
            run(command.arg(&certificate).arg("-x509"));
        }
        (certificate, key)
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // Leaving files in the temporary directory harms nobody.
        _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn identity((certificate, key): &(PathBuf, PathBuf)) -> Identity {
    Identity::from_pem(&read(certificate), &read(key)).unwrap()
}

pub(crate) fn fingerprint((certificate, _): &(PathBuf, PathBuf)) -> Fingerprint {
    Fingerprint::from_pem(HashAlgorithm::Sha256, &read(certificate)).unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The provider of the default configuration with some of its suites and groups only.
pub(crate) fn provider(suite: Option<&str>, group: Option<&str>, default: &CryptoProvider) -> Arc<CryptoProvider> {
    let mut provider = default.clone();
    let named = |what: &dyn std::fmt::Debug, name: Option<&str>| name.is_none_or(|name| format!("{what:?}") == name);
    provider.cipher_suites.retain(|found| named(&found.suite(), suite));
    provider.kx_groups.retain(|found| named(&found.name(), group));
    assert!(!provider.cipher_suites.is_empty() && !provider.kx_groups.is_empty(), "{suite:?} {group:?}");
    Arc::new(provider)
}

/// What the network does to a datagram, in one direction or the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) lost: f64,
    pub(crate) duplicated: f64,
    pub(crate) reordered: f64,
}

pub(crate) const FAIR: Weather = Weather { lost: 0.0, duplicated: 0.0, reordered: 0.0 };
pub(crate) const FOUL: Weather = Weather { lost: 0.15, duplicated: 0.2, reordered: 0.3 };

/// How long a reordered datagram is held back: longer than anything on loopback, shorter than any timer.
const DELAY: Duration = Duration::from_millis(20);

/// A connection of ours on a socket, with weather between the two.
pub(crate) struct Ours {
    pub(crate) connection: Connection,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    weather: Weather,
    rng: StdRng,
    /// Datagrams that are held back: when to go on, whether inwards, and the bytes.
    held: VecDeque<(Instant, bool, Vec<u8>)>,
    pub(crate) received: Vec<u8>,
    pub(crate) events: Vec<Event>,
}

impl Ours {
    /// A client of `peer`, or a server that waits for whoever comes.
    pub(crate) fn new(config: Config, peer: Option<SocketAddr>, weather: Weather, seed: u64) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert_eq!(peer.is_some(), config.role == Role::Client);
        Self {
            connection: Connection::new(config, Instant::now(), [seed as u8; 32]).unwrap(),
            socket,
            peer,
            weather,
            rng: StdRng::seed_from_u64(seed),
            held: VecDeque::new(),
            received: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) fn send(&mut self, text: &[u8]) {
        let mut buf = Vec::new();
        let append = |buf: &mut Vec<u8>| {
            buf.extend_from_slice(text);
            true
        };
        assert!(self.connection.seal(&mut buf, append));
        self.socket.send_to(&buf, self.peer.unwrap()).unwrap();
    }

    /// Runs until `done`, or panics with what the other side said.
    pub(crate) fn run(&mut self, process: &mut Process, what: &str, mut done: impl FnMut(&Self, &Process) -> bool) {
        let end = Instant::now() + LIMIT;
        loop {
            process.read();
            if done(self, process) {
                return;
            }
            let said = || process.seen.join("\n");
            assert!(Instant::now() < end, "no {what}; {:?}, {:?}:\n{}", self.events, self.connection.stats(), said());
            self.turn();
        }
    }

    fn turn(&mut self) {
        let mut buf = Vec::new();
        while self.connection.poll_transmit(Instant::now(), &mut buf) {
            self.expose(false, std::mem::take(&mut buf));
        }
        let now = Instant::now();
        let held = self.held.front().map(|(when, ..)| *when);
        let due = [self.connection.poll_timeout(), held].into_iter().flatten().min();
        // The process may say something at any time, so look after it now and then.
        let wait = due.map_or(DELAY, |due| due.saturating_duration_since(now)).clamp(Duration::from_millis(1), DELAY);
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut datagram = vec![0; 65536];
        if let Ok((length, from)) = self.socket.recv_from(&mut datagram) {
            datagram.truncate(length);
            if *self.peer.get_or_insert(from) == from {
                self.expose(true, datagram);
            }
        }
        while self.held.front().is_some_and(|(when, ..)| *when <= Instant::now()) {
            let (_, inwards, datagram) = self.held.pop_front().unwrap();
            self.pass(inwards, datagram);
        }
        self.connection.handle_timeout(Instant::now());
        self.events.extend(std::iter::from_fn(|| self.connection.poll_event()));
    }

    fn expose(&mut self, inwards: bool, datagram: Vec<u8>) {
        let Weather { lost, duplicated, reordered } = self.weather;
        if self.rng.random_bool(lost) {
            return;
        }
        if self.rng.random_bool(duplicated) {
            self.pass(inwards, datagram.clone());
        }
        if self.rng.random_bool(reordered) {
            self.held.push_back((Instant::now() + DELAY, inwards, datagram));
        } else {
            self.pass(inwards, datagram);
        }
    }

    fn pass(&mut self, inwards: bool, mut datagram: Vec<u8>) {
        if inwards {
            let received = &mut self.received;
            self.connection.handle_datagram(Instant::now(), &mut datagram, |text| received.extend_from_slice(text));
        } else {
            // The other side may not be there yet, or not any more.
            _ = self.socket.send_to(&datagram, self.peer.unwrap());
        }
    }
}
