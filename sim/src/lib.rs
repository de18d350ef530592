//! A deterministic network in virtual time, for tests of state machines that do no I/O.
//!
//! [`Pair`] joins two endpoints without addresses by two [`Link`]s; [`Network`] has nodes with addresses, in zones that
//! are joined by [`Nat`]s and [`Firewall`]s. Links lose (alone and in bursts), delay, reorder, duplicate, corrupt,
//! queue and limit. Nothing sleeps and nothing reads a clock: the same seed gives the same run, hundreds of them in a
//! second.
//!
//! # A test
//!
//! ```
//! use std::time::{Duration, Instant};
//! use visavis_sim::{self as sim, Endpoint, Link, Pair};
//!
//! /// Sends its number every 100 ms until it has been echoed.
//! #[derive(Default)]
//! struct Sender { number: u8, due: Option<Instant>, to_send: bool, echoed: bool }
//!
//! impl Endpoint for Sender {
//!     fn handle_datagram(&mut self, _: Instant, datagram: &mut [u8]) {
//!         self.echoed |= datagram == [self.number];
//!         self.due = self.due.filter(|_| !self.echoed);
//!     }
//!     fn handle_timeout(&mut self, now: Instant) {
//!         if self.due.is_some_and(|due| due <= now) {
//!             self.due = Some(now + Duration::from_millis(100));
//!             self.to_send = true;
//!         }
//!     }
//!     fn poll_transmit(&mut self, _: Instant, buf: &mut Vec<u8>) -> bool {
//!         let has = std::mem::take(&mut self.to_send);
//!         buf.extend(has.then_some(self.number));
//!         has
//!     }
//!     fn poll_timeout(&self) -> Option<Instant> { self.due }
//! }
//!
//! #[derive(Default)]
//! struct Echo(Vec<Vec<u8>>);
//!
//! impl Endpoint for Echo {
//!     fn handle_datagram(&mut self, _: Instant, datagram: &mut [u8]) { self.0.push(datagram.to_vec()) }
//!     fn handle_timeout(&mut self, _: Instant) {}
//!     fn poll_transmit(&mut self, _: Instant, buf: &mut Vec<u8>) -> bool {
//!         let Some(datagram) = self.0.pop() else { return false };
//!         buf.extend(datagram);
//!         true
//!     }
//!     fn poll_timeout(&self) -> Option<Instant> { None }
//! }
//!
//! for seed in sim::seeds(20) {
//!     let sender = Sender { number: 7, due: Some(sim::start()), ..Sender::default() };
//!     let mut pair = Pair::new(seed, Link::rough(seed), sender, Echo::default());
//!     pair.expect("the echo", Duration::from_secs(10), |pair| pair.a.echoed);
//!     pair.run_for(Duration::from_secs(1)); // what was on the way arrives
//!     pair.expect_quiet(Duration::from_secs(60));
//! }
//! ```
//!
//! # A network
//!
//! ```no_run
//! # use visavis_sim::{Link, Nat, Network, Node};
//! # use std::time::Duration;
//! # fn world<N: Node>(alice: N, bob: N, server: N) {
//! let mut network = Network::new(1);
//! let internet = network.internet();
//! let (_, home) = network.nat(internet, Nat::port_restricted("203.0.113.1"));
//! let (_, office) = network.nat(internet, Nat::symmetric("203.0.113.2"));
//! let link = Link { loss: 0.01, ..Link::delay(Duration::from_millis(10)) };
//! let alice = network.node_at(home, "192.168.0.2".parse().expect("an address"), link, alice);
//! let bob = network.node_at(office, "10.0.0.2".parse().expect("an address"), link, bob);
//! network.node_at(internet, "198.51.100.1".parse().expect("an address"), link, server);
//! network.run_for(Duration::from_secs(10));
//! let (alice, bob) = (network.get(alice), network.get(bob));
//! # }
//! ```
//!
//! # When a run fails
//!
//! The panic is followed by the seed and the last datagrams. `SIM_SEED=17 cargo test name_of_the_test` replays that run
//! alone, and with `SIM_TRACE=1` every datagram is printed as it is sent.
//!
//! # What every run checks
//!
//! - A `poll_timeout` in the past that never moves on, a storm of wake-ups and a storm of datagrams end the run
//!   ([`Budget`]).
//! - `poll_transmit` appends: it leaves alone what is in the buffer, appends a datagram when it says so and only then,
//!   and having said that there is nothing it keeps to it until the next input.
//! - After `close`, [`Pair::expect_quiet`] and [`Network::expect_quiet`].
//!
//! # Left out on purpose
//!
//! TCP, ICMP and fragmentation: a datagram that does not fit is dropped, as on the paths that cause trouble. Routers
//! take no time; links do.

mod clock;
mod identity;
mod link;
mod network;
mod pair;
mod router;
mod seeds;
mod watch;

pub use clock::start;
pub use identity::IDENTITIES;
pub use link::{Burst, Fate, Link};
pub use network::{Network, Node, NodeId, RouterId, ZoneId};
pub use pair::{Endpoint, Pair, Side, Verdict};
pub use router::{Dependence, Direction, Firewall, Nat};
pub use seeds::{Seeds, rng, seed_bytes, seeds};
pub use watch::{Budget, Counts, Entry, Way};
