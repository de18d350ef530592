//! Interactive Connectivity Establishment: finds a way between two peers through whatever NATs and firewalls lie
//! between them, and keeps watch over it. An [`Agent`] is a state machine without I/O: it is given datagrams and the
//! time, and hands out datagrams, events and its next deadline. It serves one component of one stream, which is all
//! that WebRTC with BUNDLE and rtcp-mux needs.
//!
//! # A complete use
//!
//! Two agents in one program, which exchange by function calls what signalling and sockets would carry:
//!
//! ```
//! use std::time::{Duration, Instant};
//! # use visavis_ice as ice;
//! use ice::{Agent, Config, Event, Role};
//!
//! let mut now = Instant::now();
//! let controlled = Config { role: Role::Controlled, ..Config::default() };
//! let mut agents = [Agent::new(Config::default(), now, [1; 32]), Agent::new(controlled, now, [2; 32])];
//!
//! // Each is told its sockets and what the other said; a program does this for its one agent.
//! let hosts = ["192.0.2.1:5000".parse()?, "192.0.2.2:6000".parse()?];
//! let credentials = [agents[1].local_credentials().clone(), agents[0].local_credentials().clone()];
//! for ((agent, host), credentials) in agents.iter_mut().zip(hosts).zip(credentials) {
//!     agent.add_host(now, host);
//!     agent.end_of_hosts(now);
//!     agent.set_remote(now, credentials, false);
//! }
//!
//! let mut buf = Vec::new();
//! while agents.iter().any(|agent| agent.selected().is_none()) {
//!     for this in 0..2 {
//!         let other = 1 - this;
//!         // What it says goes to the other by way of signalling …
//!         while let Some(event) = agents[this].poll_event() {
//!             match event {
//!                 Event::Candidate(candidate) => {
//!                     let line = candidate.to_string(); // "candidate:… typ host"
//!                     agents[other].add_remote_candidate(now, line.parse()?);
//!                 }
//!                 Event::GatheringState(ice::GatheringState::Complete) => agents[other].end_of_remote_candidates(now),
//!                 event => println!("{this}: {event:?}"),
//!             }
//!         }
//!         // … and what it sends, by way of the network.
//!         if agents[this].poll_timeout().is_some_and(|deadline| deadline <= now) {
//!             agents[this].handle_timeout(now);
//!         }
//!         while let Some(route) = agents[this].poll_transmit(now, &mut buf) {
//!             agents[other].handle_datagram(now, route.remote, route.local, &mut buf);
//!             buf.clear();
//!         }
//!     }
//!     now += Duration::from_millis(5);
//! }
//! assert_eq!(agents[0].route().map(|route| (route.local, route.remote)), Some((hosts[0], hosts[1])));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With sockets: bind one per interface address, tell each by [`add_host`](Agent::add_host), give each datagram that
//! [`stun::is_stun`] recognises to [`handle_datagram`](Agent::handle_datagram) together with the address of the socket
//! it came to, and accept all others only if [`is_valid`](Agent::is_valid) says so. `examples/rendezvous.rs` does it.
//!
//! # What it does
//!
//! - RFC 8445: full agent. Host, server-reflexive and peer-reflexive candidates; foundations, priorities, pairing,
//!   pruning, states, pacing, triggered checks, role conflicts, regular nomination, restarts. It can be lite itself.
//! - RFC 8838 and 8863: candidates and credentials in any order and at any time; checks that come before the
//!   credentials are answered at once and turned into pairs later; patience.
//! - RFC 8839: `candidate:…` lines of all forms, extensions kept.
//! - RFC 7675: consent, asked for every 4 to 6 s; it expires after 30 s and can be revoked.
//! - RFC 8421: IPv6 and IPv4 take turns, so that a broken family delays nothing.
//! - RFC 8489: short-term credentials; errors 400, 401 and 420; no answer is longer than its request.
//! - Browsers: aggressive nomination (Firefox), pairs that change in mid-session (Chromium), and `.local` candidates,
//!   for which [`mdns`] is the other half.
//!
//! # Left out on purpose
//!
//! Several components and streams, relayed candidates (they come with TURN), ICE-TCP (RFC 6544), two lite agents facing
//! each other, and RFC 5245's `a=ice-mismatch`. Candidates of these kinds are read, and ignored.
//!
//! Where it departs from the letter: the first retransmission comes after 250 ms instead of 500 ms (RFC 8445, section
//! 14.3), and after twice the round-trip time where that is known; triggered checks have a pace of their own; a
//! triggered check of a pair that is being checked repeats that check instead of replacing it; and a pair that has
//! fallen silent gives way to another without a restart.

mod agent;
mod candidate;
mod config;
mod credentials;
mod event;
pub mod mdns;
mod priority;
mod stats;

pub use agent::Agent;
pub use candidate::{Candidate, CandidateAddress, CandidateError, CandidateKind, TcpType, Transport};
pub use config::{Config, Role};
pub use credentials::Credentials;
pub use event::{ConnectionState, Event, GatheringState, Route};
pub use stats::{Drops, PairState, PairStats, Stats, Totals};
