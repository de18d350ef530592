#![no_main]
//! A client and a server, and a network that does what the input says: a handshake that is driven as it should be, whose
//! datagrams are changed, lost, repeated, held back, and mixed with arbitrary ones. Nothing panics, every poll comes to
//! an end, nobody is connected with the wrong peer, and nothing is delivered that was not sent. Since tags of application
//! data pass while fuzzing, that is not asked of a side that got something else than the other has sent.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use dtls::{Config, Connection, Event, HashAlgorithm, Identity, Role};
use libfuzzer_sys::fuzz_target;

/// What happens next.
#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// The oldest datagram on the way to one side arrives.
    Deliver { to_server: bool },
    /// It arrives with a byte changed.
    Change { to_server: bool, at: u16, value: u8 },
    /// It arrives cut short.
    Cut { to_server: bool, length: u16 },
    /// It arrives, and stays on the way.
    Repeat { to_server: bool },
    /// It is overtaken by all others.
    Delay { to_server: bool },
    /// It is lost.
    Lose { to_server: bool },
    /// Bytes of nobody's arrive.
    Inject { to_server: bool, datagram: &'a [u8] },
    /// A record in clear with a header that fits arrives.
    Record { to_server: bool, kind: u8, epoch: u8, sequence: u8, content: &'a [u8] },
    /// Time passes.
    Wait { milliseconds: u16 },
    /// A side sends application data.
    Send { to_server: bool },
    /// A side closes.
    Close { server: bool },
}

const DATA: &[u8] = b"application data";
/// More than any flight has datagrams.
const MOST_DATAGRAMS: usize = 64;

struct Side {
    connection: Connection,
    peer: Vec<u8>,
    /// Datagrams on the way to this side.
    inbox: Vec<Vec<u8>>,
    connected: bool,
    closed: bool,
    /// Whether something arrived that the other side has not sent.
    deceived: bool,
}

fn identities() -> &'static [Identity; 2] {
    static IDENTITIES: OnceLock<[Identity; 2]> = OnceLock::new();
    IDENTITIES.get_or_init(|| {
        let read = |certificate, key| Identity::from_pem(certificate, key).expect("a certificate and its key");
        [
            read(include_str!("dtls_identities/client.pem"), include_str!("dtls_identities/client.key")),
            read(include_str!("dtls_identities/server.pem"), include_str!("dtls_identities/server.key")),
        ]
    })
}

impl Side {
    fn new(role: Role, flags: u8, now: Instant) -> Self {
        let [client, server] = identities();
        let (own, peer) = if role == Role::Client { (client, server) } else { (server, client) };
        let mut config = Config::new(own.clone(), role, vec![peer.fingerprint(HashAlgorithm::Sha256)]);
        config.require_cookie = flags & 1 != 0;
        config.mtu = if flags & 2 != 0 { 200 } else { 1200 };
        config.require_extended_master_secret = flags & 4 == 0;
        config.max_early = 2000;
        config.max_reassembly = 8000;
        config.max_handshake_message = 4000;
        let connection = Connection::new(config, now, [role as u8; 32]).expect("a valid configuration");
        let peer = peer.certificate_der().to_vec();
        Self { connection, peer, inbox: Vec::new(), connected: false, closed: false, deceived: false }
    }

    fn receive_forged(&mut self, now: Instant, datagram: &mut [u8]) {
        self.deceived = true;
        self.receive(now, datagram);
    }

    fn receive(&mut self, now: Instant, datagram: &mut [u8]) {
        let deceived = self.deceived;
        self.connection.handle_datagram(now, datagram, |text| assert!(deceived || text == DATA, "nobody sent that"));
        self.check();
    }

    fn check(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            assert!(!self.closed, "{event:?} after the end");
            match event {
                Event::Connected => {
                    assert!(!self.connected);
                    self.connected = true;
                    // A connection may have ended in the same datagram.
                    let peer = self.connection.peer_certificate();
                    assert!(peer.is_none_or(|peer| peer == self.peer));
                }
                Event::Closed(_) => self.closed = true,
            }
        }
    }

    /// Puts all that this side has to send into the other's inbox.
    fn flush(&mut self, now: Instant, other: &mut Self) {
        for count in 0.. {
            assert!(count < MOST_DATAGRAMS, "sending comes to no end");
            let mut datagram = b"before".to_vec();
            if !self.connection.poll_transmit(now, &mut datagram) {
                assert_eq!(datagram, b"before");
                break;
            }
            other.inbox.push(datagram.split_off(6));
        }
        // The network has a bound too.
        other.inbox.truncate(4 * MOST_DATAGRAMS);
    }
}

fuzz_target!(|bytes: &[u8]| {
    static START: OnceLock<Instant> = OnceLock::new();
    let mut now = *START.get_or_init(Instant::now);
    let mut input = Unstructured::new(bytes);
    let Ok(flags) = input.arbitrary::<u8>() else { return };
    let mut sides = [Side::new(Role::Client, flags, now), Side::new(Role::Server, flags, now)];
    for _ in 0..200 {
        let [client, server] = &mut sides;
        client.flush(now, server);
        server.flush(now, client);
        if input.is_empty() {
            break;
        }
        let Ok(step) = Step::arbitrary(&mut input) else { break };
        now = apply(&mut sides, step, now);
    }
    let [client, server] = &mut sides;
    client.check();
    server.check();
    if client.connection.is_connected() && server.connection.is_connected() {
        let export = |side: &Side| {
            let mut out = [0; 32];
            side.connection.export_keying_material("EXPORTER", None, &mut out).map(|()| out)
        };
        assert_eq!(export(client), export(server));
    }
});

fn apply(sides: &mut [Side; 2], step: Step<'_>, now: Instant) -> Instant {
    let (to, what): (bool, &dyn Fn(&mut Side)) = match &step {
        Step::Deliver { to_server } => (*to_server, &|side| take(side, now, |_| {})),
        Step::Change { to_server, at, value } => (*to_server, &|side| {
            take(side, now, |datagram| {
                let at = usize::from(*at) % datagram.len();
                datagram[at] = *value;
            });
        }),
        Step::Cut { to_server, length } => {
            (*to_server, &|side| take(side, now, |datagram| datagram.truncate(usize::from(*length))))
        }
        Step::Repeat { to_server } => (*to_server, &|side| {
            if let Some(datagram) = side.inbox.first() {
                let mut datagram = datagram.clone();
                side.receive(now, &mut datagram);
            }
        }),
        Step::Delay { to_server } => (*to_server, &|side| {
            if !side.inbox.is_empty() {
                side.inbox.rotate_left(1);
            }
        }),
        Step::Lose { to_server } => (*to_server, &|side| drop(side.inbox.drain(..side.inbox.len().min(1)))),
        Step::Inject { to_server, datagram } => (*to_server, &|side| side.receive_forged(now, &mut datagram.to_vec())),
        Step::Record { to_server, kind, epoch, sequence, content } => (*to_server, &|side| {
            let content = &content[..content.len().min(2000)];
            let mut datagram = vec![20 + *kind % 5, 0xfe, 0xfd, 0, *epoch % 3, 0, 0, 0, 0, 0, *sequence];
            datagram.extend((content.len() as u16).to_be_bytes());
            datagram.extend(content);
            side.receive_forged(now, &mut datagram);
        }),
        Step::Wait { milliseconds } => {
            let later = now + Duration::from_millis(u64::from(*milliseconds));
            for side in sides {
                side.connection.handle_timeout(later);
                side.check();
                let due = side.connection.poll_timeout();
                assert!(due.is_none_or(|due| due > later), "a timer stays in the past");
            }
            return later;
        }
        Step::Send { to_server } => {
            let [client, server] = sides;
            let (from, to) = if *to_server { (client, server) } else { (server, client) };
            let mut datagram = Vec::new();
            let sealed = from.connection.seal(&mut datagram, |buf| {
                buf.extend_from_slice(DATA);
                true
            });
            assert_eq!(sealed, from.connection.is_connected());
            to.inbox.extend(sealed.then_some(datagram));
            return now;
        }
        Step::Close { server } => (*server, &|side| side.connection.close(now)),
    };
    what(&mut sides[usize::from(to)]);
    now
}

/// Delivers the oldest datagram, changed.
fn take(side: &mut Side, now: Instant, change: impl Fn(&mut Vec<u8>)) {
    if side.inbox.is_empty() {
        return;
    }
    let mut datagram = side.inbox.remove(0);
    let original = datagram.clone();
    change(&mut datagram);
    side.deceived |= datagram != original;
    side.receive(now, &mut datagram);
}
