//! Against coturn's `turnserver`, started here on loopback: `cargo test -p visavis-stun --features interop`.

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use visavis_stun::credentials::{LongTerm, Verdict};
use visavis_stun::{Action, Attribute, Builder, Class, Message, Method, Schedule, Transaction, TransactionId};

/// A `turnserver` that ends with the test, however that ends.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(name: &str) -> Self {
        let free = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", address.port()));
        fs::create_dir_all(&folder).expect("the target folder is ours");
        let config = folder.join("turnserver.conf");
        let path = folder.display();
        let lines = format!(
            "listening-ip=127.0.0.1\nlistening-port={}\nrelay-ip=127.0.0.1\nmin-port=49152\nmax-port=65535\n\
             lt-cred-mech\nrealm=visavis.test\nuser=alice:wonderland\nno-tls\nno-dtls\nno-cli\n\
             allow-loopback-peers\nfingerprint\n\
             userdb={path}/turndb\npidfile={path}/turnserver.pid\nlog-file=stdout\nsimple-log\n",
            address.port()
        );
        fs::write(&config, lines).expect("the target folder is ours");
        let process = Command::new("turnserver")
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs coturn: apt-get install coturn");
        Self { process, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is as good.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// One request and its response, from a socket of its own.
fn ask<T>(
    server: SocketAddr,
    method: Method,
    fill: impl FnOnce(&mut Builder<'_>) -> T,
    judge: impl FnMut(&Message<'_>, &T) -> bool,
) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    exchange(&socket, method, fill, judge)
}

/// One request, and the response that `judge` is content with. The server may still be starting: the request is
/// repeated, and a port that nobody listens on yet is no reason to give up.
#[expect(clippy::disallowed_methods, reason = "real sockets need the real clock and randomness")]
fn exchange<T>(
    socket: &UdpSocket,
    method: Method,
    fill: impl FnOnce(&mut Builder<'_>) -> T,
    mut judge: impl FnMut(&Message<'_>, &T) -> bool,
) -> Result<(), Box<dyn Error>> {
    let schedule = Schedule { rto: Duration::from_millis(100), ..Schedule::default() };
    let mut transaction = Transaction::new(Instant::now(), TransactionId(rand::random()), schedule);
    let mut request = Vec::new();
    let mut builder = Builder::new(&mut request, Class::Request, method, transaction.id());
    let state = fill(&mut builder);
    builder.fingerprint();
    let mut datagram = [0; 1500];
    loop {
        match transaction.handle_timeout(Instant::now()) {
            Action::Send => drop(socket.send(&request)),
            Action::Wait => {}
            Action::Failed => return Err("no answer".into()),
        }
        let due = transaction.poll_timeout().ok_or("no answer")?;
        let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(wait))?;
        match socket.recv(&mut datagram) {
            Ok(length) => {
                let response = Message::decode(datagram.get(..length).unwrap_or_default())?;
                if transaction.is_answered_by(&response) && judge(&response, &state) {
                    return Ok(());
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[test]
fn the_example_prints_its_address() {
    let server = Server::start("example");
    ask(server.address, Method::BINDING, |_| (), |_, ()| true).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["run", "-q", "-p", "visavis-stun", "--example", "my_address", "--", &server.address.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.starts_with("address    127.0.0.1:") && text.contains("translated no"), "{text}");
}

#[test]
fn a_binding_tells_the_socket_and_its_fingerprint_matches() {
    let server = Server::start("binding");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.address).unwrap();
    let fill = |_: &mut Builder<'_>| ();
    exchange(&socket, Method::BINDING, fill, |response, ()| {
        assert_eq!(response.class(), Class::Success);
        assert_eq!(response.check_fingerprint(), Ok(()));
        assert_eq!(response.mapped_address(), socket.local_addr().ok());
        assert!(response.attributes().all(|attribute| attribute.is_ok()), "{response:?}");
        true
    })
    .unwrap();
}

#[test]
fn unknown_required_attributes_are_listed_in_the_answer() {
    let server = Server::start("unknown");
    let fill = |request: &mut Builder<'_>| _ = request.attribute(&Attribute::Unknown { kind: 0x7777, value: b"?" });
    ask(server.address, Method::BINDING, fill, |response, ()| {
        assert_eq!(response.error_code().map(|error| error.code), Some(420));
        assert!(response.attributes().any(|attribute| match attribute {
            Ok(Attribute::UnknownAttributes(kinds)) => kinds.iter().any(|kind| kind == 0x7777),
            _ => false,
        }));
        true
    })
    .unwrap();
}

fn connected(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
    socket.connect(server).expect("it is an address");
    socket
}

/// Asks for a relayed address, with as many requests as the credentials ask for.
fn allocate(socket: &UdpSocket, credentials: &mut LongTerm) -> Vec<(Verdict, Option<u16>)> {
    let mut verdicts = Vec::new();
    while verdicts.last().is_none_or(|(verdict, _)| *verdict == Verdict::Retry) {
        let current = credentials.clone();
        let fill =
            |request: &mut Builder<'_>| current.authenticate(request.attribute(&Attribute::RequestedTransport(17)));
        exchange(socket, Method::ALLOCATE, fill, |response, attempt| {
            let verdict = credentials.handle_response(response, *attempt);
            assert_eq!(response.relayed_address().is_some(), response.class() == Class::Success, "{response:?}");
            verdicts.push((verdict, response.error_code().map(|error| error.code)));
            true
        })
        .expect("the server answers");
    }
    verdicts
}

#[test]
fn long_term_credentials_allocate_a_relayed_address() {
    let server = Server::start("allocate");
    let socket = connected(server.address);
    let mut alice = LongTerm::new("alice", "wonderland");
    assert_eq!(allocate(&socket, &mut alice), [(Verdict::Retry, Some(401)), (Verdict::Accepted, None)]);
    // Errors come without integrity, whatever the specification says.
    assert_eq!(allocate(&socket, &mut alice), [(Verdict::Unproven, Some(437))]);
    let mut mallory = LongTerm::new("alice", "looking-glass");
    let refused = [(Verdict::Retry, Some(401)), (Verdict::Refused, Some(401))];
    assert_eq!(allocate(&connected(server.address), &mut mallory), refused);
}
