//! What waits to be sent, and how it becomes bytes.

use super::Agent;
use crate::{Credentials, Role, Route};
use std::time::Instant;
use stun::{Attribute, Builder, Class, ErrorCode, Method, TransactionId};
use tracing::trace;

/// A datagram to send. Bytes are made when it is polled, so that waiting costs no buffers.
#[derive(Debug)]
pub(super) enum Outgoing {
    Check(Check),
    /// A Binding request to a STUN server.
    Query {
        route: Route,
        id: TransactionId,
    },
    /// Keeps bindings of NATs alive where no consent checks do (RFC 8445, section 11).
    Keepalive {
        route: Route,
        id: TransactionId,
    },
    /// The answer to a check, with credentials of that generation.
    Success {
        route: Route,
        generation: u32,
        id: TransactionId,
    },
    /// A refusal; authenticated if the request was.
    Refusal {
        route: Route,
        generation: Option<u32>,
        id: TransactionId,
        refusal: Refusal,
    },
}

/// All that a check says (RFC 8445, section 7.1).
#[derive(Debug)]
pub(super) struct Check {
    pub(super) route: Route,
    pub(super) generation: u32,
    pub(super) id: TransactionId,
    pub(super) role: Role,
    pub(super) tie_breaker: u64,
    pub(super) priority: u32,
    pub(super) use_candidate: bool,
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// 400: no credentials.
    BadRequest,
    /// 401: wrong credentials.
    Unauthenticated,
    /// 420: attributes that must be understood are not, at most eight of which are named.
    UnknownAttributes(Vec<u16>),
    /// 487: both sides claim the same role.
    RoleConflict,
}

impl Refusal {
    pub(super) const fn code(&self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::UnknownAttributes(_) => 420,
            Self::RoleConflict => 487,
        }
    }
}

impl Agent {
    /// Queues a datagram. If too many wait, it is not sent: requests come again by themselves.
    pub(super) fn push_outgoing(&mut self, outgoing: Outgoing) {
        if self.outgoing.len() >= self.config.max_outgoing {
            self.totals.outgoing_overflows += 1;
            return;
        }
        self.outgoing.push_back(outgoing);
    }

    /// Appends one datagram to `buf` and says where it goes; `None`, and nothing appended, if there is none.
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut Vec<u8>) -> Option<Route> {
        while let Some(outgoing) = self.outgoing.pop_front() {
            let start = buf.len();
            // Nothing comes of it if its generation, or its socket, is gone by now.
            if let Some(route) = self.append(&outgoing, buf) {
                let length = buf.len().saturating_sub(start) as u64;
                self.count_sent(&outgoing, route, length);
                trace!(?route, length, "sent");
                return Some(route.with_scope());
            }
            buf.truncate(start);
        }
        None
    }

    fn append(&self, outgoing: &Outgoing, buf: &mut Vec<u8>) -> Option<Route> {
        let route = outgoing.route();
        if !self.locals.has_host(route.local) {
            return None;
        }
        match outgoing {
            Outgoing::Check(check) => {
                let local = self.generation(check.generation).map(|generation| &generation.local)?;
                append_check(check, local, self.remote_credentials_of(check.generation)?, buf);
            }
            Outgoing::Query { id, .. } => {
                Builder::new(buf, Class::Request, Method::BINDING, *id).fingerprint();
            }
            Outgoing::Keepalive { id, .. } => {
                Builder::new(buf, Class::Indication, Method::BINDING, *id).fingerprint();
            }
            Outgoing::Success { generation, id, .. } => {
                let key = self.local_credentials_of(*generation)?.pwd.as_bytes();
                let mut builder = Builder::new(buf, Class::Success, Method::BINDING, *id);
                builder.attribute(&Attribute::XorMappedAddress(route.remote));
                builder.integrity(key);
                builder.fingerprint();
            }
            Outgoing::Refusal { generation, id, refusal, .. } => {
                let key = generation.and_then(|number| self.local_credentials_of(number));
                append_refusal(*id, refusal, key, buf);
            }
        }
        Some(route)
    }

    fn count_sent(&mut self, outgoing: &Outgoing, route: Route, length: u64) {
        self.totals.datagrams_sent += 1;
        self.totals.bytes_sent += length;
        let is_check = matches!(outgoing, Outgoing::Check(_));
        let is_answer = matches!(outgoing, Outgoing::Success { .. });
        self.totals.checks_sent += u64::from(is_check);
        if let Some(pair) = self.current.pairs.get_mut(route) {
            pair.counters.requests_sent += u64::from(is_check);
            pair.counters.responses_sent += u64::from(is_answer);
            pair.counters.bytes_sent += length;
        }
    }
}

impl Outgoing {
    const fn route(&self) -> Route {
        match self {
            Self::Check(check) => check.route,
            Self::Query { route, .. }
            | Self::Keepalive { route, .. }
            | Self::Success { route, .. }
            | Self::Refusal { route, .. } => *route,
        }
    }
}

/// A connectivity check (RFC 8445, section 7.2.4).
fn append_check(check: &Check, local: &Credentials, remote: &Credentials, buf: &mut Vec<u8>) {
    let username = format!("{}:{}", remote.ufrag, local.ufrag);
    let mut builder = Builder::new(buf, Class::Request, Method::BINDING, check.id);
    builder.attribute(&Attribute::Username(&username));
    builder.attribute(&Attribute::Priority(check.priority));
    match check.role {
        Role::Controlling => builder.attribute(&Attribute::IceControlling(check.tie_breaker)),
        Role::Controlled => builder.attribute(&Attribute::IceControlled(check.tie_breaker)),
    };
    if check.use_candidate {
        builder.attribute(&Attribute::UseCandidate);
    }
    builder.integrity(remote.pwd.as_bytes());
    builder.fingerprint();
}

/// An error response without words: it must not be longer than what it answers.
fn append_refusal(id: TransactionId, refusal: &Refusal, key: Option<&Credentials>, buf: &mut Vec<u8>) {
    let mut builder = Builder::new(buf, Class::Error, Method::BINDING, id);
    builder.attribute(&Attribute::ErrorCode(ErrorCode::new(refusal.code(), "")));
    if let Refusal::UnknownAttributes(kinds) = refusal {
        builder.unknown_attributes(kinds.iter().copied());
    }
    if let Some(key) = key {
        builder.integrity(key.pwd.as_bytes());
    }
    builder.fingerprint();
}

/// The length of an error response to an unauthenticated request.
pub(super) const SHORTEST_REFUSAL: u64 = 20 + 8 + 8;

/// Where the answer to an unauthenticated request would go is anybody's claim, so that it must not be larger.
pub(super) const fn amplifies(length: u64) -> bool {
    length < SHORTEST_REFUSAL
}
