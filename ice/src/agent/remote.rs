//! What the other side tells: credentials and candidates (RFC 8445, section 5.3; RFC 8838).

use super::Agent;
use super::checklist::Pair;
use crate::{
    Candidate, CandidateAddress, CandidateKind, ConnectionState, Credentials, Event, Role, Route, Transport, priority,
};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use stun::TransactionId;
use tracing::debug;

/// The other side's credentials, and whether it only answers.
#[derive(Debug)]
pub(super) struct RemoteParameters {
    pub(super) credentials: Credentials,
    pub(super) is_lite: bool,
}

/// A candidate of the other side whose address is known.
#[derive(Debug)]
pub(super) struct RemoteCandidate {
    pub(super) address: SocketAddr,
    pub(super) candidate: Candidate,
}

/// A check that came before the other side's credentials: answered at once, made a pair later (RFC 8445, section 7.3).
#[derive(Debug)]
pub(super) struct EarlyCheck {
    pub(super) route: Route,
    /// The user name fragment that the other side claims.
    pub(super) ufrag: String,
    pub(super) priority: u32,
    /// The transaction that nominates, if it does.
    pub(super) nomination: Option<TransactionId>,
}

impl Agent {
    /// Takes the other side's credentials, which start the checks. Other credentials than before mean that it has
    /// restarted: its old candidates are forgotten, and the old pair carries the data until a new one is selected.
    pub fn set_remote(&mut self, now: Instant, credentials: Credentials, lite: bool) {
        if self.state == ConnectionState::Closed {
            return;
        }
        if let Some(remote) = &mut self.current.remote {
            if remote.credentials == credentials {
                remote.is_lite = lite;
                return;
            }
            self.begin_generation(self.current.local.clone());
        }
        debug!(ufrag = %credentials.ufrag, lite, "remote credentials");
        let ufrag = credentials.ufrag.clone();
        self.current.remote = Some(RemoteParameters { credentials, is_lite: lite });
        self.current.begin(now);
        if let Some(role) = self.forced_role(lite) {
            self.switch_role(role);
        }
        let is_ours = |candidate: &Candidate| candidate.ufrag.as_ref().is_none_or(|theirs| *theirs == ufrag);
        self.current.candidates.retain(|remote| is_ours(&remote.candidate));
        self.current.unresolved.retain(is_ours);
        self.form_pairs(now);
        for early in std::mem::take(&mut self.current.early) {
            if early.ufrag == ufrag {
                self.learn(now, early.route, early.priority, early.nomination);
            }
        }
        self.settle(now);
    }

    /// The role that follows from one side being lite: the full one controls (RFC 8445, section 6.1.1).
    pub(super) const fn forced_role(&self, remote_is_lite: bool) -> Option<Role> {
        match (self.config.lite, remote_is_lite) {
            (false, true) => Some(Role::Controlling),
            (true, false) => Some(Role::Controlled),
            (false, false) | (true, true) => None,
        }
    }

    /// Adds a candidate of the other side, before or after its credentials.
    ///
    /// Ignored are those that this agent cannot use: over TCP, of another component or generation, or at an address
    /// that is nobody's, as well as what exceeds `Config::max_remote_candidates`. A `.local` name comes back as
    /// [`Event::Resolve`]; other names are ignored, as in browsers.
    pub fn add_remote_candidate(&mut self, now: Instant, candidate: Candidate) {
        if !self.is_wanted(&candidate) {
            debug!(%candidate, "ignored");
            return;
        }
        let known =
            self.current.candidates.iter().filter(|remote| remote.candidate.kind != CandidateKind::PeerReflexive);
        if known.count() + self.current.unresolved.len() >= self.config.max_remote_candidates {
            self.totals.candidates_refused += 1;
            return;
        }
        match &candidate.address {
            CandidateAddress::Ip(address) => {
                let address = *address;
                self.add_remote_address(now, address, candidate);
            }
            CandidateAddress::Name(name, _) => {
                let name = name.to_ascii_lowercase();
                let is_same = |other: &Candidate| names(other, &name);
                let is_asked = self.current.unresolved.iter().any(is_same);
                if self.current.unresolved.contains(&candidate) {
                    return;
                }
                self.current.unresolved.push(candidate);
                if !is_asked {
                    self.push_event(Event::Resolve(name));
                }
            }
        }
        self.settle(now);
    }

    fn is_wanted(&self, candidate: &Candidate) -> bool {
        let ufrag = self.current.remote.as_ref().map(|remote| &remote.credentials.ufrag);
        let is_foreign = ufrag.is_some() && candidate.ufrag.is_some() && candidate.ufrag.as_ref() != ufrag;
        let is_somewhere = match &candidate.address {
            CandidateAddress::Ip(address) => is_usable(*address),
            CandidateAddress::Name(name, port) => *port != 0 && name.to_ascii_lowercase().ends_with(".local"),
        };
        self.state != ConnectionState::Closed
            && candidate.transport == Transport::Udp
            && candidate.component == 1
            && is_somewhere
            && !is_foreign
    }

    /// Answers [`Event::Resolve`]. `None`, if the name means nothing: its candidates are dropped, and nothing else
    /// happens.
    pub fn handle_resolved(&mut self, now: Instant, name: &str, address: Option<IpAddr>) {
        let name = name.to_ascii_lowercase();
        let unresolved = std::mem::take(&mut self.current.unresolved);
        let (resolved, rest) = unresolved.into_iter().partition::<Vec<_>, _>(|candidate| names(candidate, &name));
        self.current.unresolved = rest;
        for candidate in resolved {
            let address = address.map(|ip| SocketAddr::new(ip, candidate.address.port()));
            match address.filter(|address| is_usable(*address)) {
                Some(address) => self.add_remote_address(now, address, candidate),
                None => debug!(name, "name without an address"),
            }
        }
        self.settle(now);
    }

    /// Tells that the other side has no more candidates (RFC 8838, section 14).
    pub fn end_of_remote_candidates(&mut self, now: Instant) {
        self.current.has_all_candidates = true;
        self.settle(now);
    }

    fn add_remote_address(&mut self, now: Instant, address: SocketAddr, candidate: Candidate) {
        if let Some(known) = self.current.candidates.iter_mut().find(|remote| remote.address == address) {
            // A check was faster than its signalling, or a better candidate names the same address.
            if known.candidate.kind == CandidateKind::PeerReflexive || candidate.priority > known.candidate.priority {
                known.candidate = candidate.clone();
                for pair in self.current.pairs.iter_mut().filter(|pair| pair.route.remote == address) {
                    pair.remote_priority = candidate.priority;
                    pair.foundation.1.clone_from(&candidate.foundation);
                    pair.rank(self.role);
                }
            }
            return;
        }
        self.current.candidates.push(RemoteCandidate { address, candidate });
        self.form_pairs(now);
    }

    /// Takes a peer-reflexive candidate (RFC 8445, section 7.3.1.3). Returns false if there are too many.
    pub(super) fn add_peer_reflexive(&mut self, address: SocketAddr, priority: u32) -> bool {
        let learnt = |remote: &&RemoteCandidate| remote.candidate.kind == CandidateKind::PeerReflexive;
        let count = self.current.candidates.iter().filter(learnt).count();
        if count >= self.config.max_peer_reflexive && !self.forget_peer_reflexive() {
            self.totals.candidates_refused += 1;
            return false;
        }
        self.current.learnt = self.current.learnt.wrapping_add(1);
        let candidate = Candidate {
            // Unlike all others, as section 7.3.1.3 wants it.
            foundation: format!("p{}", self.current.learnt),
            component: 1,
            transport: Transport::Udp,
            priority,
            address: CandidateAddress::Ip(address),
            kind: CandidateKind::PeerReflexive,
            related: None,
            tcp_type: None,
            ufrag: None,
            extensions: Vec::new(),
        };
        debug!(%address, "peer-reflexive candidate");
        self.current.candidates.push(RemoteCandidate { address, candidate });
        true
    }

    /// Forgets the oldest peer-reflexive candidate that is not in use, with its pairs: a peer whose NAT forgets its
    /// mappings again and again is to be followed all the same. Returns false if there is none.
    fn forget_peer_reflexive(&mut self) -> bool {
        let active = self.current.active().map(|pair| pair.route);
        let in_use = [active, self.current.nominating].map(|route| route.map(|route| route.remote));
        let is_dispensable = |remote: &RemoteCandidate| {
            remote.candidate.kind == CandidateKind::PeerReflexive && !in_use.contains(&Some(remote.address))
        };
        let Some(place) = self.current.candidates.iter().position(is_dispensable) else { return false };
        let address = self.current.candidates.remove(place).address;
        debug!(%address, "peer-reflexive candidate forgotten");
        self.current.pairs.remove(|pair| pair.route.remote == address);
        true
    }

    /// Pairs every host with every remote candidate of its family that it is not paired with (RFC 8445, section
    /// 6.1.2.2). A lite agent has nothing to check: it learns its pairs from the checks of the peer.
    pub(super) fn form_pairs(&mut self, now: Instant) {
        if self.current.remote.is_none() || self.config.lite {
            return;
        }
        let routes: Vec<Route> = self
            .locals
            .hosts
            .iter()
            .flat_map(|host| self.current.candidates.iter().map(move |remote| (host.address, remote.address)))
            .filter(|(local, remote)| can_pair(*local, *remote))
            .map(|(local, remote)| Route { local, remote })
            .filter(|route| self.current.pairs.get(*route).is_none())
            .collect();
        for route in routes {
            self.form_pair(now, route);
        }
    }

    /// Adds one pair to the checklist. Returns false if it would be the worst of too many.
    pub(super) fn form_pair(&mut self, now: Instant, route: Route) -> bool {
        let host = self.locals.host_parts(route.local);
        let remote = self.current.candidates.iter().find(|remote| remote.address == route.remote);
        let (Some((local_priority, local_foundation)), Some(remote)) = (host, remote) else { return false };
        let priorities = (local_priority, remote.candidate.priority);
        let foundation = (local_foundation, remote.candidate.foundation.clone());
        let pair = Pair::new(route, priorities, foundation, self.role);
        let is_added = self.current.pairs.add(pair, self.config.max_pairs);
        if is_added {
            self.revive(now);
        } else {
            self.totals.candidates_refused += 1;
        }
        is_added
    }

    pub(super) fn switch_role(&mut self, role: Role) {
        if self.role != role {
            debug!(?role, "role");
            self.role = role;
            self.current.nominating = None;
            self.current.pairs.rank(role);
        }
    }
}

/// Whether a candidate goes by this name, which is in lower case.
fn names(candidate: &Candidate, name: &str) -> bool {
    matches!(&candidate.address, CandidateAddress::Name(other, _) if other.eq_ignore_ascii_case(name))
}

/// Whether an address can be anybody's.
fn is_usable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

/// Same family, and link-local addresses of IPv6 only with their like (RFC 8445, section 6.1.2.2). Loopback is paired
/// with everything: a socket there reaches all addresses of its machine, and nothing else.
fn can_pair(local: SocketAddr, remote: SocketAddr) -> bool {
    local.is_ipv4() == remote.is_ipv4()
        && (local.is_ipv4() || priority::is_link_local(local.ip()) == priority::is_link_local(remote.ip()))
}
