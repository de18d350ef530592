//! An agent under any sequence of commands, datagrams (many of them with valid integrity) and timeouts.

#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use ice::{Agent, Config, ConnectionState, Credentials, Role, Route};
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use stun::{Attribute, Builder, Class, ErrorCode, Message, Method, TransactionId};

/// Any moment will do, but the same for the whole process.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A run ends after this many steps.
const STEPS: usize = 400;

#[derive(Arbitrary, Debug)]
enum Step {
    Wait {
        milliseconds: u16,
    },
    Datagram {
        local: u8,
        remote: u8,
        bytes: Vec<u8>,
    },
    Check {
        local: u8,
        remote: u8,
        stranger: u8,
        priority: Option<u32>,
        claim: Claim,
        nominates: bool,
        extra: Option<(u16, Vec<u8>)>,
    },
    Answer {
        which: u8,
        elsewhere: Option<u8>,
        mapped: u8,
        code: Option<u16>,
        is_forged: bool,
    },
    AddHost(u8),
    RemoveHost(u8),
    Candidate {
        remote: u8,
        priority: u32,
        foundation: u8,
        is_named: bool,
    },
    CandidateLine(String),
    Resolved {
        remote: u8,
        is_found: bool,
    },
    Remote {
        which: u8,
        lite: bool,
    },
    Restart(u8),
    Server(u8),
    EndOfHosts,
    EndOfCandidates,
    Role(bool),
    Close,
}

#[derive(Arbitrary, Debug)]
enum Claim {
    Nothing,
    Controlling(u64),
    Controlled(u64),
}

/// A small world, so that addresses meet again.
fn address(which: u8) -> SocketAddr {
    let port = 1000 + u16::from(which / 8);
    match which % 8 {
        0 => SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port),
        1 => SocketAddr::new("fe80::1".parse().expect("an address"), port),
        2 | 3 => SocketAddr::new(format!("2001:db8::{which:x}").parse().expect("an address"), port),
        4 => SocketAddr::new("224.0.0.251".parse().expect("an address"), port),
        n => SocketAddr::new(IpAddr::from([192, 0, 2, n]), port),
    }
}

fn credentials(which: u8) -> Credentials {
    let which = which % 3;
    Credentials { ufrag: format!("peer{which}"), pwd: format!("password+of+the+peer+{which}") }
}

struct Run {
    agent: Agent,
    now: Instant,
    remote: Credentials,
    /// Requests of the agent, oldest first.
    asked: Vec<(Route, TransactionId, Option<String>)>,
    transactions: u64,
}

impl Run {
    /// Half of all runs begin where a pair is selected.
    fn connect(&mut self) {
        self.step(Step::AddHost(5));
        self.step(Step::Remote { which: 0, lite: false });
        self.step(Step::Check {
            local: 5,
            remote: 6,
            stranger: 0,
            priority: Some(1),
            claim: Claim::Nothing,
            nominates: true,
            extra: None,
        });
        for _ in 0..50 {
            self.wait(Duration::from_millis(5));
            self.drain();
            while !self.asked.is_empty() {
                self.step(Step::Answer { which: 0, elsewhere: None, mapped: 5, code: None, is_forged: false });
            }
        }
        assert!(self.agent.selected().is_some(), "a peer that answers everything is connected to");
    }

    fn step(&mut self, step: Step) {
        let now = self.now;
        let agent = &mut self.agent;
        match step {
            Step::Wait { milliseconds } => self.wait(Duration::from_millis(u64::from(milliseconds))),
            Step::Datagram { local, remote, mut bytes } => {
                agent.handle_datagram(now, address(local), address(remote), &mut bytes);
            }
            Step::Check { local, remote, stranger, priority, claim, nominates, extra } => {
                let mut check = self.check(stranger, priority, &claim, nominates, extra);
                self.agent.handle_datagram(now, address(local), address(remote), &mut check);
            }
            Step::Answer { which, elsewhere, mapped, code, is_forged } => {
                self.answer(which, elsewhere, mapped, code, is_forged);
            }
            Step::AddHost(which) => {
                agent.add_host(now, address(which));
            }
            Step::RemoveHost(which) => agent.remove_host(now, address(which)),
            Step::Candidate { remote, priority, foundation, is_named } => {
                let at = address(remote);
                let host = if is_named { format!("name-{remote}.local") } else { at.ip().to_string() };
                let line = format!("candidate:{foundation} 1 udp {priority} {host} {} typ host", at.port());
                agent.add_remote_candidate(now, line.parse().expect("a candidate"));
            }
            Step::CandidateLine(line) => {
                if let Ok(candidate) = line.parse() {
                    agent.add_remote_candidate(now, candidate);
                }
            }
            Step::Resolved { remote, is_found } => {
                let found = is_found.then(|| address(remote).ip());
                agent.handle_resolved(now, &format!("name-{remote}.local"), found);
            }
            Step::Remote { which, lite } => {
                self.remote = credentials(which);
                agent.set_remote(now, self.remote.clone(), lite);
            }
            Step::Restart(which) => {
                let pwd = "our+own+password+of+24+ch".to_owned();
                agent.restart(now, Credentials { ufrag: format!("ours{which}"), pwd });
            }
            Step::Server(which) => agent.add_stun_server(now, address(which)),
            Step::EndOfHosts => agent.end_of_hosts(now),
            Step::EndOfCandidates => agent.end_of_remote_candidates(now),
            Step::Role(is_controlling) => {
                agent.set_role(now, if is_controlling { Role::Controlling } else { Role::Controlled });
            }
            Step::Close => agent.close(),
        }
    }

    fn check(
        &mut self,
        stranger: u8,
        priority: Option<u32>,
        claim: &Claim,
        nominates: bool,
        extra: Option<(u16, Vec<u8>)>,
    ) -> Vec<u8> {
        self.transactions += 1;
        let mut id = [1; 12];
        id[..8].copy_from_slice(&self.transactions.to_be_bytes());
        let ours = self.agent.local_credentials().clone();
        // Mostly the peer; sometimes somebody else who knows our password; sometimes nobody.
        let theirs = if stranger < 200 { self.remote.ufrag.clone() } else { credentials(stranger).ufrag };
        let mut buf = Vec::new();
        let mut builder = Builder::new(&mut buf, Class::Request, Method::BINDING, TransactionId(id));
        let username = format!("{}:{theirs}", ours.ufrag);
        builder.attribute(&Attribute::Username(&username));
        if let Some(priority) = priority {
            builder.attribute(&Attribute::Priority(priority));
        }
        match claim {
            Claim::Nothing => {}
            Claim::Controlling(tie_breaker) => {
                builder.attribute(&Attribute::IceControlling(*tie_breaker));
            }
            Claim::Controlled(tie_breaker) => {
                builder.attribute(&Attribute::IceControlled(*tie_breaker));
            }
        }
        if nominates {
            builder.attribute(&Attribute::UseCandidate);
        }
        if let Some((kind, value)) = &extra {
            builder.attribute(&Attribute::Unknown { kind: *kind, value: value.get(..100).unwrap_or(value) });
        }
        if stranger != 255 {
            builder.integrity(ours.pwd.as_bytes());
        }
        builder.fingerprint();
        buf
    }

    fn answer(&mut self, which: u8, elsewhere: Option<u8>, mapped: u8, code: Option<u16>, is_forged: bool) {
        let Some(place) = usize::from(which).checked_rem(self.asked.len()) else { return };
        let (route, id, username) = self.asked.remove(place);
        let class = if code.is_some() { Class::Error } else { Class::Success };
        let mut buf = Vec::new();
        let mut builder = Builder::new(&mut buf, class, Method::BINDING, id);
        match code {
            Some(code) => builder.attribute(&Attribute::ErrorCode(ErrorCode::new(300 + code % 400, ""))),
            None => builder.attribute(&Attribute::XorMappedAddress(address(mapped))),
        };
        if username.is_some() {
            // Signed by whom the check named.
            let named = username.as_deref().and_then(|name| name.split(':').next()).unwrap_or_default();
            let signer = (0..3).map(credentials).find(|peer| peer.ufrag == named).unwrap_or(self.remote.clone());
            builder.integrity(if is_forged { b"forged" } else { signer.pwd.as_bytes() });
        }
        builder.fingerprint();
        let remote = elsewhere.map_or(route.remote, address);
        self.agent.handle_datagram(self.now, route.local, remote, &mut buf);
    }

    /// Lets time pass. A timer that does not move on, or a storm of them, is a failure.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        let mut wakeups = 0;
        while let Some(due) = self.agent.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.agent.handle_timeout(self.now);
            wakeups += 1;
            assert!(wakeups < 40_000, "a storm of wake-ups in {time:?}");
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        let mut buf = Vec::new();
        let mut datagrams = 0;
        while let Some(route) = self.agent.poll_transmit(self.now, &mut buf) {
            datagrams += 1;
            assert!(datagrams <= 128, "more than the queue holds");
            let message = Message::decode(&buf).expect("what it writes can be read");
            if message.class() == Class::Request {
                self.asked.push((route, message.transaction_id(), message.username().map(str::to_owned)));
            }
            buf.clear();
        }
        assert!(buf.is_empty());
        while self.agent.poll_event().is_some() {}
        let excess = self.asked.len().saturating_sub(64);
        self.asked.drain(..excess);
        if let Some(route) = self.agent.route() {
            assert!(self.agent.is_valid(route), "data goes where data may not come from");
        }
    }
}

fn run(data: &[u8]) -> Result<()> {
    let mut input = Unstructured::new(data);
    let config = Config {
        role: if input.arbitrary()? { Role::Controlling } else { Role::Controlled },
        lite: input.ratio(1, 8)?,
        max_pairs: 12,
        max_remote_candidates: 8,
        max_peer_reflexive: 6,
        max_hosts: 4,
        ..Config::default()
    };
    let agent = Agent::new(config, *START, [5; 32]);
    let mut run = Run { agent, now: *START, remote: credentials(0), asked: Vec::new(), transactions: 0 };
    if input.arbitrary()? {
        run.connect();
    }
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        run.step(input.arbitrary()?);
        run.drain();
        assert!(run.agent.stats().pairs.len() <= 12);
    }
    run.agent.close();
    assert_eq!(run.agent.state(), ConnectionState::Closed);
    assert_eq!((run.agent.poll_timeout(), run.agent.route()), (None, None));
    run.asked.clear();
    run.drain();
    assert!(run.asked.is_empty(), "nothing is sent after close");
    Ok(())
}

fuzz_target!(|data: &[u8]| {
    // Input that ends in the middle of a step ends the run.
    let _ = run(data);
});
