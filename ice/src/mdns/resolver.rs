//! Asking until somebody answers, or for long enough.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tracing::{debug, trace};

use super::message::{TYPE_A, TYPE_AAAA};
use super::{Data, HostName, Message, Query, Section};

/// Whatever is configured, nobody waits longer,
const LONGEST_DEADLINE: Duration = Duration::from_secs(3600);
/// and nobody asks more often.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// What a [`Resolver`] may spend.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many names may be asked for at once, those whose outcome was not yet polled included. 32 by default.
    pub max_names: usize,
    /// After what time a question is asked again; doubles each time, and is lengthened at random by up to a fifth, so
    /// that peers which got the same names together do not ask in step. 200 ms by default, since Firefox answers for its
    /// names only once it has both descriptions, which may be just after the first question.
    pub interval: Duration,
    /// After what time nobody will answer any more. 5 s by default.
    pub deadline: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_names: 32, interval: Duration::from_millis(200), deadline: Duration::from_secs(5) }
    }
}

/// The outcome of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Who was asked for, in lower case.
    pub name: String,
    /// The first address that came; `None` if none came in time.
    pub address: Option<IpAddr>,
}

/// A name is not asked for, and no [`Resolved`] will come for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It is no name that may be asked for by multicast.
    #[error("only names of one label and `.local` are asked for")]
    NotLocal,
    /// [`Config::max_names`] are asked for already.
    #[error("too many names are asked for already")]
    Full,
}

/// What came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams handled.
    pub datagrams: u64,
    /// Of these, no DNS messages.
    pub malformed: u64,
    /// Of these, queries of others, and responses to what was not asked here.
    pub unasked: u64,
}

/// A name that is being asked for.
#[derive(Debug)]
struct Lookup {
    name: HostName,
    /// The types of records that are to be asked for now.
    due: &'static [u16],
    /// When to ask again, and after what time the next time.
    next: Instant,
    interval: Duration,
    /// When to give up.
    deadline: Instant,
}

/// Resolves names by multicast, without I/O.
///
/// Each name is asked for in both families at once, and again until the first address comes or the deadline passes.
///
/// Queries may go out from any port, but responses do not all come back to it: RFC 6762, section 6.7 says that they
/// must, and Chromium and Firefox send them to the group nevertheless. So the caller listens on port 5353, with address
/// and port shared, in the groups [`GROUP_V4`](super::GROUP_V4) and [`GROUP_V6`](super::GROUP_V6) on every interface;
/// asking from that same socket is fine. Responses by unicast from beyond the local network should be kept away from
/// here (RFC 6762, section 11).
#[derive(Debug)]
pub struct Resolver {
    config: Config,
    rng: StdRng,
    lookups: Vec<Lookup>,
    events: VecDeque<Resolved>,
    stats: Stats,
}

impl Resolver {
    /// A resolver that asks for nothing yet. Nothing depends on `now`, which is here as it is everywhere.
    pub fn new(config: Config, _now: Instant, seed: [u8; 32]) -> Self {
        Self {
            config,
            rng: StdRng::from_seed(seed),
            lookups: Vec::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Starts to ask for `name`. Asking for a name that is being asked for changes nothing; one [`Resolved`] comes.
    ///
    /// # Errors
    /// [`ResolveError`] if the name is not to be asked for.
    pub fn resolve(&mut self, now: Instant, name: &str) -> Result<(), ResolveError> {
        let name: HostName = name.parse().map_err(|_| ResolveError::NotLocal)?;
        if self.lookups.iter().any(|lookup| lookup.name == name) {
            return Ok(());
        }
        if self.lookups.len() + self.events.len() >= self.config.max_names {
            return Err(ResolveError::Full);
        }
        debug!(%name, "asking");
        let deadline = now + self.config.deadline.min(LONGEST_DEADLINE);
        let interval = self.config.interval.max(SHORTEST_INTERVAL);
        let mut lookup = Lookup { name, due: &[], next: now, interval, deadline };
        lookup.ask(now, &mut self.rng);
        self.lookups.push(lookup);
        Ok(())
    }

    /// Stops asking for `name`; no [`Resolved`] comes for it unless it is there already.
    pub fn cancel(&mut self, name: &str) {
        self.lookups.retain(|lookup| !lookup.name.as_str().eq_ignore_ascii_case(name));
    }

    /// Takes in a datagram that came to one of the sockets. What is no answer to a question asked here is counted and
    /// dropped.
    pub fn handle_datagram(&mut self, _now: Instant, datagram: &[u8]) {
        self.stats.datagrams += 1;
        let message = match Message::decode(datagram) {
            Ok(message) => message,
            Err(error) => {
                self.stats.malformed += 1;
                debug!(%error, "dropped");
                return;
            }
        };
        let before = self.lookups.len();
        if message.is_response() {
            self.handle_response(&message);
        }
        if self.lookups.len() == before {
            self.stats.unasked += 1;
            trace!("nothing that was asked here");
        }
    }

    fn handle_response(&mut self, message: &Message<'_>) {
        // The id is not looked at, as multicast responses have none (RFC 6762, section 18.1).
        for (section, record) in message.records() {
            let address = match record.data {
                Data::A(address) => IpAddr::V4(address),
                Data::Aaaa(address) => IpAddr::V6(address),
                Data::Other(_) => continue,
            };
            // Who only claims a name does not have it yet, and who says goodbye has it no more.
            if section == Section::Authority || record.ttl == 0 || address.is_unspecified() || address.is_multicast() {
                continue;
            }
            let Some(index) = self.lookups.iter().position(|lookup| record.name.is(&lookup.name)) else { continue };
            let lookup = self.lookups.swap_remove(index);
            self.finish(&lookup.name, Some(address));
        }
    }

    /// Asks again, and gives up, as `now` demands.
    pub fn handle_timeout(&mut self, now: Instant) {
        for lookup in std::mem::take(&mut self.lookups) {
            if now >= lookup.deadline {
                self.finish(&lookup.name, None);
            } else {
                self.lookups.push(lookup);
            }
        }
        for lookup in &mut self.lookups {
            if now >= lookup.next {
                lookup.ask(now, &mut self.rng);
            }
        }
    }

    fn finish(&mut self, name: &HostName, address: Option<IpAddr>) {
        debug!(%name, ?address, "resolved");
        self.events.push_back(Resolved { name: name.as_str().to_owned(), address });
    }

    /// Appends one query, to be sent to [`GROUP_V4`](super::GROUP_V4) and [`GROUP_V6`](super::GROUP_V6). `false` if
    /// there is none.
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut Vec<u8>) -> bool {
        for lookup in &mut self.lookups {
            if let Some((kind, rest)) = lookup.due.split_first() {
                lookup.due = rest;
                Query { name: &lookup.name, kind: *kind }.encode(buf);
                return true;
            }
        }
        false
    }

    /// The next outcome.
    pub fn poll_event(&mut self) -> Option<Resolved> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.lookups.iter().map(|lookup| lookup.next.min(lookup.deadline)).min()
    }

    /// Whether nothing is being asked for: the sockets may rest.
    pub fn is_idle(&self) -> bool {
        self.lookups.is_empty()
    }

    /// What came in.
    pub const fn stats(&self) -> Stats {
        self.stats
    }
}

impl Lookup {
    /// Makes both questions due, unless they still are.
    fn ask(&mut self, now: Instant, rng: &mut StdRng) {
        self.due = &[TYPE_A, TYPE_AAAA];
        let fifth = self.interval / 5;
        let interval = self.interval.saturating_add(fifth.mul_f32(rng.random::<f32>()));
        // An interval too long for the clock is one that the deadline comes before.
        self.next = now.checked_add(interval).unwrap_or(self.deadline);
        self.interval = self.interval.saturating_mul(2);
    }
}
