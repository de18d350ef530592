//! The addresses of this side (RFC 8445, section 5.1.1).

use super::Agent;
use super::restart::Generation;
use crate::event::without_scope;
use crate::{Candidate, CandidateAddress, CandidateKind, Event, GatheringState, Route, Transport, priority};
use std::net::SocketAddr;
use std::time::Instant;
use tracing::debug;

/// Host addresses, and how others see them.
#[derive(Debug)]
pub(super) struct Locals {
    /// Makes foundations differ between agents.
    salt: u32,
    pub(super) hosts: Vec<Host>,
    /// Server-reflexive and peer-reflexive candidates.
    reflexive: Vec<Reflexive>,
}

/// A socket's address.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) address: SocketAddr,
    /// Within the type, so that reflexive candidates inherit it.
    preference: u16,
    candidate: Candidate,
}

#[derive(Debug)]
struct Reflexive {
    base: SocketAddr,
    candidate: Candidate,
}

impl Locals {
    pub(super) const fn new(salt: u32) -> Self {
        Self { salt, hosts: Vec::new(), reflexive: Vec::new() }
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.hosts.shrink_to_fit();
        self.reflexive.shrink_to_fit();
    }

    pub(super) fn has_host(&self, address: SocketAddr) -> bool {
        self.host(address).is_some()
    }

    pub(super) fn host(&self, address: SocketAddr) -> Option<&Host> {
        self.hosts.iter().find(|host| host.address == address)
    }

    pub(super) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        let hosts = self.hosts.iter().map(|host| &host.candidate);
        hosts.chain(self.reflexive.iter().map(|each| &each.candidate))
    }

    /// Priority and foundation of a host candidate.
    pub(super) fn host_parts(&self, address: SocketAddr) -> Option<(u32, String)> {
        self.host(address).map(|host| (host.candidate.priority, host.candidate.foundation.clone()))
    }

    /// The priority that a peer-reflexive candidate of this base would have: the PRIORITY of checks from it (RFC 8445,
    /// section 7.1.1).
    pub(super) fn peer_reflexive_priority(&self, base: SocketAddr) -> u32 {
        let preference = self.host(base).map_or(0, |host| host.preference);
        priority::of_candidate(CandidateKind::PeerReflexive, preference)
    }

    fn make(
        &self,
        kind: CandidateKind,
        address: SocketAddr,
        host: (SocketAddr, u16),
        server: Option<SocketAddr>,
    ) -> Candidate {
        let (base, preference) = host;
        Candidate {
            foundation: priority::foundation(self.salt, kind, base, server),
            component: 1,
            transport: Transport::Udp,
            priority: priority::of_candidate(kind, preference),
            address: CandidateAddress::Ip(address),
            kind,
            related: (kind != CandidateKind::Host).then_some(base),
            tcp_type: None,
            ufrag: None,
            extensions: Vec::new(),
        }
    }

    /// The candidate at which the peer sees what is sent from `base`.
    fn seen_as(&self, base: SocketAddr, mapped: Option<SocketAddr>) -> Option<&Candidate> {
        let is_mapped = |each: &&Reflexive| each.base == base && each.candidate.address.ip() == mapped;
        let reflexive = self.reflexive.iter().find(is_mapped).map(|each| &each.candidate);
        reflexive.or_else(|| self.host(base).map(|host| &host.candidate))
    }

    /// Adds a reflexive candidate, unless it is redundant (RFC 8445, section 5.1.3) or there are too many.
    pub(super) fn add_reflexive(
        &mut self,
        kind: CandidateKind,
        base: SocketAddr,
        mapped: SocketAddr,
        server: Option<SocketAddr>,
        limit: usize,
    ) -> Option<Candidate> {
        let preference = self.host(base)?.preference;
        let is_known =
            self.reflexive.iter().any(|each| each.base == base && each.candidate.address.ip() == Some(mapped));
        if mapped == without_scope(base) || is_known || self.hosts.len() + self.reflexive.len() >= limit {
            return None;
        }
        let candidate = self.make(kind, mapped, (base, preference), server);
        self.reflexive.push(Reflexive { base, candidate: candidate.clone() });
        Some(candidate)
    }

    pub(super) fn forget_reflexive(&mut self) {
        self.reflexive.clear();
    }
}

impl Agent {
    /// Adds the concrete address of a bound UDP socket. Its candidate comes as an event; the order of the calls is the
    /// order of preference within each family.
    ///
    /// Returns false, and does nothing, if the address is unspecified or multicast or has no port, if it was added
    /// before, or if there are `Config::max_hosts` already.
    pub fn add_host(&mut self, now: Instant, local: SocketAddr) -> bool {
        let ip = local.ip();
        let is_usable = local.port() != 0 && !ip.is_unspecified() && !ip.is_multicast();
        let is_closed = self.state == crate::ConnectionState::Closed;
        if !is_usable || is_closed || self.locals.has_host(local) {
            return false;
        }
        if self.locals.hosts.len() >= self.config.max_hosts {
            self.totals.candidates_refused += 1;
            return false;
        }
        let earlier = self.locals.hosts.iter().filter(|host| host.address.is_ipv4() == local.is_ipv4()).count();
        let preference = priority::local_preference(ip, earlier);
        let candidate = self.locals.make(CandidateKind::Host, local, (local, preference), None);
        self.locals.hosts.push(Host { address: local, preference, candidate: candidate.clone() });
        debug!(%local, "host");
        self.begin_gathering();
        self.announce(candidate);
        self.query_servers(|query| query.base == local);
        self.form_pairs(now);
        self.settle(now);
        true
    }

    /// Takes an address away: its interface is gone. Pairs from it are forgotten; if one of them carried the data,
    /// another one that works takes over, or is looked for.
    pub fn remove_host(&mut self, now: Instant, local: SocketAddr) {
        self.locals.hosts.retain(|host| host.address != local);
        self.locals.reflexive.retain(|each| each.base != local);
        self.gathering.queries.retain(|query| query.base != local);
        let is_gone = |route: &Route| route.local == local;
        self.lingering.retain(|route| !is_gone(route));
        for generation in [Some(&mut self.current), self.previous.as_deref_mut()].into_iter().flatten() {
            let had_way = generation.active().is_some();
            generation.pairs.remove(|pair| is_gone(&pair.route));
            generation.selected = generation.selected.filter(|route| !is_gone(route));
            generation.nominating = generation.nominating.filter(|route| !is_gone(route));
            if had_way && generation.active().is_none() {
                generation.begin(now);
            }
        }
        if self.current.selected.is_none() {
            self.recheck();
        }
        self.settle(now);
    }

    /// Tells that no more hosts are coming: gathering completes when the STUN servers have answered or are given up.
    pub fn end_of_hosts(&mut self, now: Instant) {
        self.gathering.has_all_hosts = true;
        self.begin_gathering();
        self.settle(now);
    }

    fn begin_gathering(&mut self) {
        if self.gathering.state == GatheringState::New {
            self.set_gathering_state(GatheringState::Gathering);
        }
    }

    /// Tells a local candidate, marked with the generation it belongs to.
    pub(super) fn announce(&mut self, mut candidate: Candidate) {
        candidate.ufrag = Some(self.current.local.ufrag.clone());
        self.push_event(Event::Candidate(candidate));
    }

    /// After a restart: all candidates once more.
    pub(super) fn gather_again(&mut self) {
        if self.gathering.state == GatheringState::New {
            return;
        }
        self.set_gathering_state(GatheringState::Gathering);
        self.locals.forget_reflexive();
        let hosts: Vec<Candidate> = self.locals.hosts.iter().map(|host| host.candidate.clone()).collect();
        hosts.into_iter().for_each(|candidate| self.announce(candidate));
        self.gathering.queries.clear();
        self.query_servers(|_| true);
    }

    /// A route's two ends as candidates.
    pub(super) fn candidates_of(&self, generation: &Generation, route: Route) -> Option<(Candidate, Candidate)> {
        let pair = generation.pairs.get(route)?;
        let local = self.locals.seen_as(route.local, pair.mapped)?;
        let remote = generation.candidates.iter().find(|remote| remote.address == route.remote)?;
        Some((local.clone(), remote.candidate.clone()))
    }
}
