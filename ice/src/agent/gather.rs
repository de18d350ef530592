//! Asking STUN servers how they see this side (RFC 8445, section 5.1.1.2).

use super::Agent;
use super::check::sent_now;
use super::state::earliest;
use super::transmit::Outgoing;
use crate::event::without_scope;
use crate::{CandidateKind, ConnectionState, Event, GatheringState, Route, priority};
use rand::RngExt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stun::{Action, Class, Message, Retransmission, TransactionId};
use tracing::debug;

/// The servers, and what each was asked from each host.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) state: GatheringState,
    pub(super) has_all_hosts: bool,
    servers: Vec<SocketAddr>,
    pub(super) queries: Vec<Query>,
}

impl Default for Gathering {
    fn default() -> Self {
        Self { state: GatheringState::New, has_all_hosts: false, servers: Vec::new(), queries: Vec::new() }
    }
}

/// One server asked from one host.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) base: SocketAddr,
    server: SocketAddr,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    /// Waits for its turn.
    Queued,
    Asked {
        id: TransactionId,
        timer: Retransmission,
        give_up: Instant,
    },
    /// Answered; asked again then, to keep the binding of the NAT alive.
    Answered {
        refresh: Instant,
    },
    /// Asked again, with no effect on gathering.
    Refreshing {
        id: TransactionId,
        refresh: Instant,
    },
    Failed,
}

/// RFC 8445, section 14.3 for gathering; servers are farther away than peers.
const RTO: Duration = Duration::from_millis(500);

/// The code of a server that does not answer, as in `RTCPeerConnectionIceErrorEvent`.
const UNREACHABLE: u16 = 701;

impl Gathering {
    /// When a retransmission or a refresh is due. The start of a query is due with the next check.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.queries.iter().fold(None, |deadline, query| match &query.progress {
            Progress::Queued | Progress::Failed => deadline,
            Progress::Asked { timer, give_up, .. } => {
                earliest(deadline, earliest(timer.poll_timeout(), Some(*give_up)))
            }
            Progress::Answered { refresh } | Progress::Refreshing { refresh, .. } => earliest(deadline, Some(*refresh)),
        })
    }

    pub(super) fn has_queued(&self) -> bool {
        self.queries.iter().any(|query| matches!(query.progress, Progress::Queued))
    }

    fn is_done(&self) -> bool {
        let is_open = |query: &Query| matches!(query.progress, Progress::Queued | Progress::Asked { .. });
        self.has_all_hosts && !self.queries.iter().any(is_open)
    }
}

impl Agent {
    /// Adds a STUN server, which is asked from every host of its family. Beyond `Config::max_stun_servers`, and a
    /// second time, it is ignored.
    pub fn add_stun_server(&mut self, now: Instant, server: SocketAddr) {
        let server = without_scope(server);
        let is_full = self.gathering.servers.len() >= self.config.max_stun_servers;
        let is_closed = self.state == ConnectionState::Closed;
        if is_full || is_closed || server.port() == 0 || self.gathering.servers.contains(&server) {
            return;
        }
        self.gathering.servers.push(server);
        self.query_servers(|query| query.server == server);
        self.settle(now);
    }

    /// Queues the queries that `wanted` picks among all pairs of host and server.
    pub(super) fn query_servers(&mut self, wanted: impl Fn(&Query) -> bool) {
        if self.config.lite {
            return; // a lite agent has host candidates only (RFC 8445, section 5.2)
        }
        for host in &self.locals.hosts {
            let reachable = self.gathering.servers.iter().filter(|server| can_reach(host.address, **server));
            let queries =
                reachable.map(|server| Query { base: host.address, server: *server, progress: Progress::Queued });
            self.gathering.queries.extend(queries.filter(&wanted));
        }
        if self.gathering.state == GatheringState::Complete && self.gathering.has_queued() {
            self.set_gathering_state(GatheringState::Gathering);
        }
    }

    /// Whether a STUN server has this address.
    pub(super) fn is_server(&self, address: SocketAddr) -> bool {
        self.gathering.servers.contains(&address)
    }

    /// Starts the next query. The caller paces.
    pub(super) fn start_query(&mut self, now: Instant) -> bool {
        let (pacing, queries) = (self.config.pacing, u32::try_from(self.gathering.queries.len()).unwrap_or(u32::MAX));
        let queued = self.gathering.queries.iter_mut().find(|query| matches!(query.progress, Progress::Queued));
        let Some(query) = queued else { return false };
        let id = TransactionId(self.rng.random());
        let timer = sent_now(now, RTO.max(pacing.saturating_mul(queries)));
        query.progress = Progress::Asked { id, timer, give_up: now + self.config.gathering_timeout };
        let route = Route { local: query.base, remote: query.server };
        self.push_outgoing(Outgoing::Query { route, id });
        true
    }

    /// Retransmits, gives up and refreshes.
    pub(super) fn expire_queries(&mut self, now: Instant) {
        // Bindings matter until a pair is selected; its own checks keep that one's alive.
        let keep_alive = self.current.selected.is_none() && self.state != ConnectionState::Failed;
        let mut to_send = Vec::new();
        let mut errors = Vec::new();
        for query in &mut self.gathering.queries {
            let route = Route { local: query.base, remote: query.server };
            match &mut query.progress {
                Progress::Queued | Progress::Failed => {}
                Progress::Asked { id, timer, give_up } => match timer.handle_timeout(now) {
                    Action::Wait if *give_up > now => {}
                    Action::Send if *give_up > now => to_send.push((route, *id)),
                    Action::Wait | Action::Send | Action::Failed => {
                        query.progress = Progress::Failed;
                        errors.push(route);
                    }
                },
                Progress::Answered { refresh } | Progress::Refreshing { refresh, .. } if *refresh > now => {}
                Progress::Answered { .. } | Progress::Refreshing { .. } if keep_alive => {
                    let id = TransactionId(self.rng.random());
                    query.progress = Progress::Refreshing { id, refresh: now + self.config.keepalive_interval };
                    to_send.push((route, id));
                }
                Progress::Answered { refresh } | Progress::Refreshing { refresh, .. } => {
                    *refresh = now + self.config.keepalive_interval * 4;
                }
            }
        }
        to_send.into_iter().for_each(|(route, id)| self.push_outgoing(Outgoing::Query { route, id }));
        errors.into_iter().for_each(|route| self.fail_query(route, UNREACHABLE, "no answer"));
    }

    /// Takes a server's answer. Returns false if it answers no query.
    pub(super) fn handle_server_response(&mut self, now: Instant, route: Route, message: &Message<'_>) -> bool {
        let asked = message.transaction_id();
        let query = self.gathering.queries.iter_mut().find(|query| match &query.progress {
            Progress::Asked { id, .. } | Progress::Refreshing { id, .. } => *id == asked,
            Progress::Queued | Progress::Answered { .. } | Progress::Failed => false,
        });
        let Some(query) = query else { return false };
        let server = query.server;
        if query.base != route.local || server != route.remote {
            self.drops.asymmetric += 1;
            return true;
        }
        match message.mapped_address().filter(|_| message.class() == Class::Success) {
            Some(mapped) => {
                query.progress = Progress::Answered { refresh: now + self.config.keepalive_interval };
                self.add_server_reflexive(route, mapped);
            }
            None => {
                query.progress = Progress::Failed;
                let (code, reason) =
                    message.error_code().map_or((400, "no address"), |error| (error.code, error.reason));
                self.fail_query(route, code, reason);
            }
        }
        true
    }

    fn add_server_reflexive(&mut self, route: Route, mapped: SocketAddr) {
        let is_usable = mapped.port() != 0 && !mapped.ip().is_unspecified() && !mapped.ip().is_multicast();
        if !is_usable || mapped.is_ipv4() != route.local.is_ipv4() {
            return;
        }
        let (kind, limit) = (CandidateKind::ServerReflexive, self.config.max_local_candidates);
        if let Some(candidate) = self.locals.add_reflexive(kind, route.local, mapped, Some(route.remote), limit) {
            debug!(%mapped, server = %route.remote, "server-reflexive candidate");
            self.announce(candidate);
        }
    }

    fn fail_query(&mut self, route: Route, code: u16, reason: &str) {
        debug!(?route, code, reason, "no candidate from this server");
        let reason = reason.chars().take(128).collect();
        self.push_event(Event::GatheringError { server: route.remote, local: route.local, code, reason });
    }

    /// Completes gathering once nothing more can come of it.
    pub(super) fn update_gathering(&mut self) {
        if self.gathering.state == GatheringState::Gathering && self.gathering.is_done() {
            self.set_gathering_state(GatheringState::Complete);
        }
    }

    pub(super) fn set_gathering_state(&mut self, state: GatheringState) {
        if self.gathering.state != state {
            self.gathering.state = state;
            self.push_event(Event::GatheringState(state));
        }
    }
}

/// Whether asking makes sense: same family, and not from an address that goes nowhere near the server.
fn can_reach(base: SocketAddr, server: SocketAddr) -> bool {
    let (from, to) = (base.ip(), server.ip());
    base.is_ipv4() == server.is_ipv4()
        && from.is_loopback() == to.is_loopback()
        && priority::is_link_local(from) == priority::is_link_local(to)
}
