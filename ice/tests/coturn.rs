//! Gathering with coturn's `turnserver`, started here on loopback: `cargo test -p visavis-ice --features interop`.

use ice::{Agent, CandidateKind, Config, Event, GatheringState};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stun::{Builder, Class, Method, TransactionId};
use visavis_ice as ice;

/// A `turnserver` that ends with the test, however that ends.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(name: &str) -> Self {
        let address = unused();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", address.port()));
        std::fs::create_dir_all(&folder).expect("the target folder is ours");
        let (config, path) = (folder.join("turnserver.conf"), folder.display());
        let lines = format!(
            "listening-ip=127.0.0.1\nlistening-port={}\nstun-only\nno-auth\nno-tls\nno-dtls\nno-cli\n\
             userdb={path}/turndb\npidfile={path}/turnserver.pid\nlog-file=stdout\nsimple-log\n",
            address.port()
        );
        std::fs::write(&config, lines).expect("the target folder is ours");
        let mut command = Command::new("turnserver");
        command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("this test needs coturn: apt-get install coturn");
        let server = Self { process, address };
        server.await_answer();
        server
    }

    /// Asks until there is an answer: gathering waits for less long than a slow machine takes to start the program.
    fn await_answer(&self) {
        let (socket, mut request) = (bound(), Vec::new());
        let _ = Builder::new(&mut request, Class::Request, Method::BINDING, TransactionId([7; 12]));
        let answer = (0..15_000).find_map(|_| {
            socket.send_to(&request, self.address).expect("loopback takes it");
            receive(&socket)
        });
        assert!(answer.is_some(), "turnserver does not answer at {}", self.address);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is as good.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A port that nobody listens on.
fn unused() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
    socket.local_addr().expect("it is bound")
}

/// Turns up to one datagram over, after a few milliseconds at most.
fn receive(socket: &UdpSocket) -> Option<(Vec<u8>, SocketAddr)> {
    let mut datagram = [0; 1500];
    // A refusal by a port that is not open yet is no datagram either.
    let (length, from) = socket.recv_from(&mut datagram).ok()?;
    datagram.get(..length).map(|datagram| (datagram.to_vec(), from))
}

fn bound() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
    socket.set_read_timeout(Some(Duration::from_millis(2))).expect("not zero");
    socket
}

/// A NAT for one inner socket and one server: what comes to `inner` leaves from `outer`, and back.
struct Translator {
    inner: UdpSocket,
    outer: UdpSocket,
    server: SocketAddr,
    client: Option<SocketAddr>,
}

impl Translator {
    fn new(server: SocketAddr) -> Self {
        Self { inner: bound(), outer: bound(), server, client: None }
    }

    fn forward(&mut self) {
        if let Some((datagram, client)) = receive(&self.inner) {
            self.client = Some(client);
            self.outer.send_to(&datagram, self.server).ok();
        }
        if let (Some((datagram, _)), Some(client)) = (receive(&self.outer), self.client) {
            self.inner.send_to(&datagram, client).ok();
        }
    }
}

/// Gathers from `socket` with these servers, and returns all events.
#[expect(clippy::disallowed_methods, reason = "real sockets need the real clock")]
fn gather(socket: &UdpSocket, servers: &[SocketAddr], translators: &mut [Translator]) -> Vec<Event> {
    let config = Config { gathering_timeout: Duration::from_secs(3), ..Config::default() };
    let started = Instant::now();
    let mut agent = Agent::new(config, started, [1; 32]);
    let local = socket.local_addr().expect("it is bound");
    agent.add_host(started, local);
    servers.iter().for_each(|server| agent.add_stun_server(started, *server));
    agent.end_of_hosts(started);
    let (mut events, mut buf) = (Vec::new(), Vec::new());
    while agent.gathering_state() != GatheringState::Complete {
        let now = Instant::now();
        assert!(now - started < Duration::from_secs(20), "gathering does not end");
        agent.handle_timeout(now);
        while let Some(route) = agent.poll_transmit(now, &mut buf) {
            socket.send_to(&buf, route.remote).ok();
            buf.clear();
        }
        if let Some((mut datagram, from)) = receive(socket) {
            agent.handle_datagram(Instant::now(), local, from, &mut datagram);
        }
        translators.iter_mut().for_each(Translator::forward);
    }
    events.extend(std::iter::from_fn(|| agent.poll_event()));
    events
}

#[test]
fn several_servers_and_a_dead_one_give_what_they_see() {
    let (one, two, dead) = (Server::start("one"), Server::start("two"), unused());
    let mut translators = [Translator::new(one.address), Translator::new(two.address)];
    let seen = translators.each_ref().map(|nat| nat.outer.local_addr().expect("it is bound"));
    let asked = translators.each_ref().map(|nat| nat.inner.local_addr().expect("it is bound"));
    let events = gather(&bound(), &[asked[0], dead, asked[1]], &mut translators);
    let mut reflexive: Vec<_> = events
        .iter()
        .filter_map(|event| if let Event::Candidate(it) = event { Some(it) } else { None })
        .filter(|candidate| candidate.kind == CandidateKind::ServerReflexive)
        .filter_map(|candidate| candidate.address.ip())
        .collect();
    reflexive.sort_unstable();
    let mut seen = seen.to_vec();
    seen.sort_unstable();
    assert_eq!(reflexive, seen);
    let errors: Vec<_> = events.iter().filter(|event| matches!(event, Event::GatheringError { .. })).collect();
    assert!(
        matches!(errors.as_slice(), [Event::GatheringError { server, code: 701, .. }] if *server == dead),
        "{errors:?}"
    );
}

#[test]
fn without_a_nat_a_server_adds_nothing() {
    let server = Server::start("plain");
    let events = gather(&bound(), &[server.address], &mut []);
    let candidates = events.iter().filter(|event| matches!(event, Event::Candidate(_))).count();
    let errors = events.iter().filter(|event| matches!(event, Event::GatheringError { .. })).count();
    assert_eq!((candidates, errors), (1, 0));
}
