//! One agent, and a peer whose every datagram is written by the test.

use crate::world::address;
use ice::{Agent, Config, Credentials, Event, Route};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stun::{Attribute, Builder, Class, Message, Method, TransactionId};
use visavis_ice as ice;

/// The agent under test, at one address, and what its scripted peer knows.
pub(crate) struct Script {
    pub(crate) agent: Agent,
    pub(crate) now: Instant,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    /// The peer's own credentials.
    pub(crate) peer: Credentials,
    transactions: u64,
}

/// A datagram of the agent, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) route: Route,
    pub(crate) class: Class,
    pub(crate) id: TransactionId,
    pub(crate) username: Option<String>,
    pub(crate) use_candidate: bool,
    pub(crate) code: Option<u16>,
    pub(crate) unknown: Vec<u16>,
    pub(crate) length: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Script {
    /// Peers that know each other's credentials, and no candidates.
    pub(crate) fn new(config: Config) -> Self {
        let mut script = Self::unintroduced(config);
        let peer = script.peer.clone();
        script.agent.set_remote(script.now, peer, false);
        script
    }

    /// The agent does not know its peer's credentials yet.
    pub(crate) fn unintroduced(config: Config) -> Self {
        Self::between(config, address("192.0.2.1:1000"), address("198.51.100.2:2000"))
    }

    pub(crate) fn between(config: Config, local: SocketAddr, remote: SocketAddr) -> Self {
        let now = sim::start();
        let mut agent = Agent::new(config, now, sim::seed_bytes(1, 1));
        assert!(agent.add_host(now, local));
        let peer = Credentials { ufrag: "peer".into(), pwd: "peer-password-of-24-chars".replace('-', "+") };
        Self { agent, now, local, remote, peer, transactions: 0 }
    }

    pub(crate) fn route(&self) -> Route {
        Route { local: self.local, remote: self.remote }
    }

    /// A check of the peer, with right credentials, changed by `change` before its integrity is computed.
    pub(crate) fn check(&mut self, extra: &[Attribute<'_>]) -> Vec<u8> {
        let ours = self.agent.local_credentials().clone();
        self.check_with(&format!("{}:{}", ours.ufrag, self.peer.ufrag), &ours.pwd, extra)
    }

    pub(crate) fn check_with(&mut self, username: &str, password: &str, extra: &[Attribute<'_>]) -> Vec<u8> {
        let mut datagram = Vec::new();
        let id = self.next_id();
        let mut builder = Builder::new(&mut datagram, Class::Request, Method::BINDING, id);
        builder.attribute(&Attribute::Username(username));
        builder.attribute(&Attribute::Priority(1_845_501_695));
        for attribute in extra {
            builder.attribute(attribute);
        }
        builder.integrity(password.as_bytes());
        builder.fingerprint();
        datagram
    }

    fn next_id(&mut self) -> TransactionId {
        self.transactions += 1;
        let mut id = [7; 12];
        id[..8].copy_from_slice(&self.transactions.to_be_bytes());
        TransactionId(id)
    }

    /// The peer's answer to one of the agent's checks.
    pub(crate) fn answer(&self, check: &Sent) -> Vec<u8> {
        self.answer_with(check, &self.peer.pwd, check.route.local)
    }

    pub(crate) fn answer_with(&self, check: &Sent, password: &str, mapped: SocketAddr) -> Vec<u8> {
        let mut datagram = Vec::new();
        let mut builder = Builder::new(&mut datagram, Class::Success, Method::BINDING, check.id);
        builder.attribute(&Attribute::XorMappedAddress(mapped));
        builder.integrity(password.as_bytes());
        builder.fingerprint();
        datagram
    }

    /// The peer's refusal of one of the agent's checks.
    pub(crate) fn refuse(&self, check: &Sent, code: u16) -> Vec<u8> {
        let mut datagram = Vec::new();
        let mut builder = Builder::new(&mut datagram, Class::Error, Method::BINDING, check.id);
        builder.attribute(&Attribute::ErrorCode(stun::ErrorCode::new(code, "")));
        builder.integrity(self.peer.pwd.as_bytes());
        builder.fingerprint();
        datagram
    }

    /// The agent gets a datagram from its peer.
    pub(crate) fn feed(&mut self, datagram: &[u8]) {
        self.feed_from(self.remote, datagram);
    }

    pub(crate) fn feed_from(&mut self, remote: SocketAddr, datagram: &[u8]) {
        self.agent.handle_datagram(self.now, self.local, remote, &mut datagram.to_vec());
    }

    /// Lets time pass, with all its timers.
    pub(crate) fn wait(&mut self, time: Duration) -> Vec<Sent> {
        let end = self.now + time;
        let mut sent = self.sent();
        while let Some(due) = self.agent.poll_timeout().filter(|due| *due <= end) {
            assert!(due >= self.now, "a timer in the past");
            self.now = due;
            self.agent.handle_timeout(due);
            sent.extend(self.sent());
        }
        self.now = end;
        sent
    }

    /// What the agent sends now.
    pub(crate) fn sent(&mut self) -> Vec<Sent> {
        if self.agent.poll_timeout().is_some_and(|due| due <= self.now) {
            self.agent.handle_timeout(self.now);
        }
        let mut sent = Vec::new();
        let mut buf = Vec::new();
        while let Some(route) = self.agent.poll_transmit(self.now, &mut buf) {
            sent.push(Sent::read(route, &buf));
            buf.clear();
        }
        sent
    }

    /// The one check that the agent sends now.
    pub(crate) fn sent_check(&mut self) -> Sent {
        let mut checks = self.sent();
        checks.retain(|sent| sent.class == Class::Request);
        let [check] = <[Sent; 1]>::try_from(checks).expect("one check");
        check
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.agent.poll_event()).collect()
    }

    /// The pair with the peer works, and is selected.
    pub(crate) fn connect(&mut self) {
        let check = self.check(&[Attribute::IceControlled(1)]);
        self.feed(&check);
        while self.agent.selected().is_none() {
            for sent in self.wait(Duration::from_millis(20)) {
                if sent.class == Class::Request {
                    let answer = self.answer(&sent);
                    self.feed(&answer);
                }
            }
        }
    }
}

impl Sent {
    fn read(route: Route, bytes: &[u8]) -> Self {
        let message = Message::decode(bytes).expect("the agent writes STUN");
        assert_eq!(message.check_fingerprint(), Ok(()), "every message has a fingerprint");
        let unknown = message.attributes().filter_map(|attribute| match attribute {
            Ok(Attribute::UnknownAttributes(kinds)) => Some(kinds.iter().collect::<Vec<u16>>()),
            Ok(_) | Err(_) => None,
        });
        Self {
            route,
            class: message.class(),
            id: message.transaction_id(),
            username: message.username().map(str::to_owned),
            use_candidate: message.use_candidate(),
            code: message.error_code().map(|error| error.code),
            unknown: unknown.flatten().collect(),
            length: bytes.len(),
            bytes: bytes.to_vec(),
        }
    }
}
