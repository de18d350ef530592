//! The agent: its parts, and the methods that all state machines of this workspace share.
//!
//! Who looks for a behaviour finds it in the file of its procedure: `local` (host candidates), `gather` (STUN servers),
//! `remote` (what signalling brings), `checklist` (pairs), `check` (which check is sent when), `response` (what its
//! answer means), `respond` (the peer's checks), `nominate` (the choice of a pair), `consent`, `restart`, `state` (what
//! is told about it all) and `transmit` (how messages become bytes).

mod check;
mod checklist;
mod consent;
mod gather;
mod local;
mod nominate;
mod remote;
mod respond;
mod response;
mod restart;
mod state;
mod transmit;

use crate::{Candidate, Config, ConnectionState, Credentials, Event, GatheringState, PairStats, Role, Route, Stats};
use gather::Gathering;
use local::Locals;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use restart::Generation;
use state::earliest;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stun::{Class, Message, Method};
use tracing::{debug, trace};
use transmit::Outgoing;

/// Finds a way to a peer through whatever lies between, and keeps it (RFC 8445).
///
/// Like every state machine here it does no I/O and keeps no clock: datagrams and the time are given to it. Methods
/// come in groups: *commands* (`set_…`, `add_…`, `restart`), *input* (`handle_…`), *output* (`poll_…`) and *questions*
/// (the rest). Nothing from the network makes a method fail; what makes no sense is counted in
/// [`stats`](Self::stats) and dropped.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    rng: StdRng,
    role: Role,
    tie_breaker: u64,
    state: ConnectionState,
    locals: Locals,
    gathering: Gathering,
    /// What a restart begins anew.
    current: Generation,
    /// The generation before, as long as it carries the data (RFC 8445, section 9).
    previous: Option<Box<Generation>>,
    /// Credentials of earlier generations whose checks are still answered.
    retired: VecDeque<(u32, Credentials)>,
    /// Routes of earlier generations on which the peer may still send.
    lingering: Vec<Route>,
    /// When it no longer may, a new pair having been selected.
    linger_until: Option<Instant>,
    next_check: Instant,
    /// The last ordinary turn was a query's.
    was_query: bool,
    next_triggered: Instant,
    outgoing: VecDeque<Outgoing>,
    events: VecDeque<Event>,
    /// Where data goes, found once per input, so that asking for it with every datagram costs nothing.
    active: Option<Route>,
    /// The earliest moment at which anything is to be done, so that asking for it costs nothing.
    deadline: Option<Instant>,
    totals: crate::Totals,
    drops: crate::Drops,
}

impl Agent {
    /// An agent that knows no addresses yet, with fresh credentials. All its randomness comes from `seed`.
    #[must_use]
    pub fn new(config: Config, now: Instant, seed: [u8; 32]) -> Self {
        let config = config.within_limits();
        let mut rng = StdRng::from_seed(seed);
        let current = Generation::new(0, Credentials::random(&mut rng));
        Self {
            role: if config.lite { Role::Controlled } else { config.role },
            tie_breaker: rng.random(),
            state: ConnectionState::New,
            locals: Locals::new(rng.random()),
            gathering: Gathering::default(),
            current,
            previous: None,
            retired: VecDeque::new(),
            lingering: Vec::new(),
            linger_until: None,
            next_check: now,
            was_query: false,
            next_triggered: now,
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            active: None,
            deadline: None,
            totals: crate::Totals::default(),
            drops: crate::Drops::default(),
            config,
            rng,
        }
    }

    /// The user name fragment and password to tell the other side.
    #[must_use]
    pub const fn local_credentials(&self) -> &Credentials {
        &self.current.local
    }

    /// Who nominates.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Sets who nominates. A lite agent facing a full one stays controlled whatever is asked.
    pub fn set_role(&mut self, now: Instant, role: Role) {
        let forced = self.current.remote.as_ref().and_then(|remote| self.forced_role(remote.is_lite));
        self.switch_role(forced.unwrap_or(role));
        self.settle(now);
    }

    /// Takes in one datagram that came from `remote` to the socket bound to `local`.
    ///
    /// It should be STUN ([`stun::is_stun`]); anything else is counted and dropped.
    pub fn handle_datagram(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr, datagram: &mut [u8]) {
        if self.state == ConnectionState::Closed {
            return;
        }
        let length = datagram.len() as u64;
        self.totals.datagrams_received += 1;
        self.totals.bytes_received += length;
        let route = Route { local, remote }.without_scope();
        let Ok(message) = Message::decode(datagram) else {
            self.drops.malformed += 1;
            debug!(?route, "dropped: not a STUN message");
            return;
        };
        // Checks have it always (RFC 8445, section 7.2.4), answers of STUN servers may lack it.
        if message.check_fingerprint().is_err() && (message.has_fingerprint() || !self.is_server(route.remote)) {
            self.drops.fingerprint += 1;
            debug!(?route, "dropped: no fingerprint, or a wrong one");
            return;
        }
        if !self.locals.has_host(local) {
            self.drops.unknown_local += 1;
            return;
        }
        trace!(?route, class = ?message.class(), "received");
        match message.class() {
            Class::Request if message.method() == Method::BINDING => self.handle_request(now, route, &message, length),
            Class::Success | Class::Error if message.method() == Method::BINDING => {
                self.handle_response(now, route, &message, length);
            }
            Class::Request | Class::Indication | Class::Success | Class::Error => self.drops.not_a_check += 1,
        }
        self.settle(now);
    }

    /// Does what is due. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.expire_checks(now);
        self.expire_queries(now);
        self.schedule_ordinary(now);
        self.settle(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` if nothing is to be done by time alone.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Gives back the memory that finding a path took and keeping it does not need. Worth calling when a path is found
    /// or lost; it costs little when there is nothing to give back.
    pub fn shrink_to_fit(&mut self) {
        self.locals.shrink_to_fit();
        self.current.shrink_to_fit();
        self.retired.shrink_to_fit();
        self.lingering.shrink_to_fit();
        self.outgoing.shrink_to_fit();
        self.events.shrink_to_fit();
    }

    /// The state of the connection.
    #[must_use]
    pub const fn state(&self) -> ConnectionState {
        self.state
    }

    /// Whether more local candidates may come.
    #[must_use]
    pub const fn gathering_state(&self) -> GatheringState {
        self.gathering.state
    }

    /// Where application data goes now: the selected pair; before one is selected the best that works; during a
    /// restart the pair of the generation before. `None` when there is no consent to send (RFC 7675).
    #[must_use]
    pub const fn route(&self) -> Option<Route> {
        self.active
    }

    /// Whether data from this route is to be accepted: a check succeeded on it in either direction, each of which
    /// proves a password that only the two sides know.
    #[must_use]
    pub fn is_valid(&self, route: Route) -> bool {
        let is_active = self.active == Some(route.with_scope());
        let route = route.without_scope();
        let proven = |generation: &Generation| {
            generation.pairs.get(route).is_some_and(|pair| pair.is_valid || pair.has_been_checked)
        };
        is_active
            || proven(&self.current)
            || self.previous.as_deref().is_some_and(proven)
            || self.lingering.contains(&route)
            || self.current.early.iter().any(|early| early.route == route)
    }

    /// The smoothed round-trip time of the pair in use, as its checks measured it.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        self.active_generation().active().and_then(|pair| pair.rtt)
    }

    /// The selected pair, as candidates: local, then remote.
    #[must_use]
    pub fn selected(&self) -> Option<(Candidate, Candidate)> {
        let generation = self.active_generation();
        generation.selected.and_then(|route| self.candidates_of(generation, route))
    }

    /// The candidates of a pair of [`stats`](Self::stats): local, then remote.
    #[must_use]
    pub fn pair(&self, route: Route) -> Option<(Candidate, Candidate)> {
        self.candidates_of(&self.current, route.without_scope())
    }

    /// The candidates of this side, reflexive ones too.
    pub fn local_candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.locals.candidates()
    }

    /// The candidates of the other side whose addresses are known.
    pub fn remote_candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.current.candidates.iter().map(|remote| &remote.candidate)
    }

    /// The user name fragment of the other side, once it has told.
    #[must_use]
    pub fn remote_ufrag(&self) -> Option<&str> {
        self.current.remote.as_ref().map(|remote| remote.credentials.ufrag.as_str())
    }

    /// What was done so far. Collects, so not for every datagram.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut pairs: Vec<PairStats> =
            self.current.pairs.iter().map(|pair| pair.stats(self.current.selected)).collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.priority));
        Stats { pairs, totals: self.totals, drops: self.drops }
    }

    /// Ends it: nothing is sent or accepted any more. The last event says so.
    pub fn close(&mut self) {
        if self.state == ConnectionState::Closed {
            return;
        }
        self.outgoing.clear();
        self.events.clear();
        self.previous = None;
        self.lingering.clear();
        self.linger_until = None;
        self.retired.clear();
        self.current.clear();
        self.active = None;
        self.deadline = None;
        self.state = ConnectionState::Closed;
        self.push_event(Event::State(ConnectionState::Closed));
    }

    /// Queues an event. The caller who never asks loses the oldest.
    fn push_event(&mut self, event: Event) {
        if self.events.len() >= self.config.max_events {
            self.events.pop_front();
            self.totals.event_overflows += 1;
        }
        self.events.push_back(event);
    }

    /// What every command and input ends with: sends what may be sent, nominates, keeps consent, tells the state and
    /// finds the next deadline.
    fn settle(&mut self, now: Instant) {
        if self.state == ConnectionState::Closed {
            return;
        }
        self.expire_lingering(now);
        self.expire_consent(now);
        self.schedule_triggered(now);
        self.nominate(now);
        self.follow(now);
        self.keep_consent(now);
        self.give_up(now);
        self.update_gathering();
        self.update_state(now);
        self.active = self.active_generation().active().map(|pair| pair.route.with_scope());
        self.deadline = self.next_deadline(now);
    }

    /// The earliest timer. None of them may lie in the past once `settle` has run.
    fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let mut deadline = earliest(self.schedule_deadline(now), self.gathering.deadline());
        deadline = earliest(deadline, self.nomination_deadline(now));
        deadline = earliest(deadline, self.consent_deadline(now));
        deadline = earliest(deadline, self.linger_until);
        earliest(deadline, self.hope_deadline())
    }
}
