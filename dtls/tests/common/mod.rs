//! Two connections over a simulated network.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sim::{Endpoint, Link, Pair, Side};
use visavis_dtls::{Config, Connection, Event, HashAlgorithm, Identity, KeyAlgorithm, Role};

/// Longer than any handshake may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A connection and what came out of it.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) events: Vec<Event>,
    pub(crate) received: Vec<Vec<u8>>,
    /// Application data to be sent once connected, the last first, a datagram each.
    pub(crate) outgoing: Vec<Vec<u8>>,
    /// Says what arrives in a datagram's place, if not the datagram.
    pub(crate) disturb: Option<Disturb>,
}

/// Makes any number of datagrams of one.
pub(crate) type Disturb = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>> + Send>;

impl Peer {
    pub(crate) fn new(config: Config, seed: u64) -> Self {
        let seed = sim::seed_bytes(seed, config.role as u64);
        let connection = Connection::new(config, sim::start(), seed).expect("a valid configuration");
        Self { connection, events: Vec::new(), received: Vec::new(), outgoing: Vec::new(), disturb: None }
    }

    /// Whether the handshake has ended, well or not.
    pub(crate) fn is_settled(&self) -> bool {
        !self.events.is_empty()
    }

    fn collect(&mut self) {
        self.events.extend(std::iter::from_fn(|| self.connection.poll_event()));
    }
}

impl Endpoint for Peer {
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        let arriving = match &mut self.disturb {
            Some(disturb) => disturb(datagram),
            None => vec![datagram.to_vec()],
        };
        for mut datagram in arriving {
            let received = &mut self.received;
            self.connection.handle_datagram(now, &mut datagram, |text| received.push(text.to_vec()));
        }
        self.collect();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.connection.handle_timeout(now);
        self.collect();
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        if self.connection.poll_transmit(now, buf) {
            return true;
        }
        if !self.connection.is_connected() {
            return false;
        }
        let Some(text) = self.outgoing.pop() else { return false };
        self.connection.seal(buf, |buf| {
            buf.extend_from_slice(&text);
            true
        })
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.connection.poll_timeout()
    }
}

/// The client is A, the server is B.
pub(crate) type Peers = Pair<Peer>;

/// Both ends.
pub(crate) const SIDES: [Side; 2] = [Side::A, Side::B];

/// Identities are made once: a thousand handshakes need no thousand keys.
pub(crate) fn identity(role: Role, algorithm: KeyAlgorithm) -> Identity {
    static IDENTITIES: [[OnceLock<Identity>; 4]; 2] = [const { [const { OnceLock::new() }; 4] }; 2];
    let made = IDENTITIES.get(role as usize).and_then(|made| made.get(algorithm as usize)).expect("two by four");
    made.get_or_init(|| Identity::generate_with(algorithm).expect("keys can be made")).clone()
}

/// A configuration that expects the other side's identity.
pub(crate) fn config_with(role: Role, own: KeyAlgorithm, peer: KeyAlgorithm) -> Config {
    let other = match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    };
    let fingerprint = identity(other, peer).fingerprint(HashAlgorithm::Sha256);
    let mut config = Config::new(identity(role, own), role, vec![fingerprint]);
    config.rtt = Some(Duration::from_millis(50));
    config
}

pub(crate) fn config(role: Role) -> Config {
    config_with(role, KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP256)
}

pub(crate) fn pair(seed: u64, link: Link, client: Config, server: Config) -> Peers {
    Pair::new(seed, link, Peer::new(client, seed), Peer::new(server, seed))
}

/// A pair with the default configurations.
pub(crate) fn default_pair(seed: u64, link: Link) -> Peers {
    pair(seed, link, config(Role::Client), config(Role::Server))
}

/// A link that does nothing but take 25 ms, so that a round trip takes the 50 ms that the configurations tell.
pub(crate) fn calm() -> Link {
    Link::delay(Duration::from_millis(25))
}

/// Runs until both sides are connected, to each other.
pub(crate) fn connect(pair: &mut Peers) {
    pair.expect("both settled", LIMIT, |pair| pair.a.is_settled() && pair.b.is_settled());
    for (side, peer) in SIDES.into_iter().zip([&pair.a, &pair.b]) {
        assert_eq!(peer.events, [Event::Connected], "{side}, seed {}", pair.seed());
    }
    assert_eq!(exported(&pair.a), exported(&pair.b), "seed {}", pair.seed());
}

/// Key material that only the two of them have.
pub(crate) fn exported(peer: &Peer) -> [u8; 32] {
    let mut out = [0; 32];
    peer.connection.export_keying_material("EXPERIMENTAL test", None, &mut out).expect("connected");
    out
}

/// Appends one record of application data.
pub(crate) fn seal(peer: &mut Peer, text: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    let sealed = peer.connection.seal(&mut datagram, |buf| {
        buf.extend_from_slice(text);
        true
    });
    assert!(sealed, "connected");
    datagram
}
