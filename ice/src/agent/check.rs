//! Sending checks: which, when, and how often (RFC 8445, sections 6.1.4 and 14).

use super::Agent;
use super::checklist::Pair;
use super::state::earliest;
use super::transmit::{Check as Request, Outgoing};
use crate::{ConnectionState, PairState, Role, Route};
use rand::RngExt;
use std::time::{Duration, Instant};
use stun::{Action, Retransmission, TransactionId};
use tracing::debug;

/// A check in flight.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) id: TransactionId,
    pub(super) use_candidate: bool,
    /// The role it claimed: an answer that says "conflict" is about this one.
    pub(super) role: Role,
    pub(super) tie_breaker: u64,
    pub(super) priority: u32,
    pub(super) timer: Retransmission,
    /// When it was last sent, and whether that was out of turn: then an answer tells no round trip.
    pub(super) last_sent: Instant,
    pub(super) is_ambiguous: bool,
}

/// A round trip that takes longer than this is measured, but nobody waits twice as long for an answer.
const MAX_RTO: Duration = Duration::from_secs(3);

/// The timer of a request that is sent now.
pub(super) fn sent_now(now: Instant, rto: Duration) -> Retransmission {
    let mut timer = Retransmission::new(now, rto);
    timer.handle_timeout(now); // the first sending, which is the caller's
    timer
}

impl Agent {
    /// Starts the next triggered check, if it may start now.
    pub(super) fn schedule_triggered(&mut self, now: Instant) {
        if self.can_check() && self.next_triggered <= now {
            while let Some(route) = self.current.pairs.next_triggered() {
                if self.start_triggered(now, route) {
                    self.next_triggered = now + self.config.triggered_pacing;
                    break;
                }
            }
        }
    }

    /// Starts the next ordinary check or query, at most one per Ta.
    ///
    /// Only time starts them, not the command that makes them possible: of many candidates that come one by one, but at
    /// the same moment, the best is to be checked first.
    pub(super) fn schedule_ordinary(&mut self, now: Instant) {
        if self.next_check > now {
            return;
        }
        let ordinary = self.current.pairs.next_ordinary().filter(|_| self.wants_ordinary());
        // Queries and checks take turns when there are both, so that neither many dead servers nor many dead pairs
        // keep the others waiting.
        let is_query = self.gathering.has_queued() && !(ordinary.is_some() && self.was_query);
        let has_started = match ordinary {
            Some(route) if !is_query => self.start_check(now, route, false),
            Some(_) | None => self.start_query(now),
        };
        if has_started {
            self.was_query = is_query;
            self.next_check = now + self.config.pacing;
        }
    }

    /// When the next check can start, or the next retransmission is due.
    pub(super) fn schedule_deadline(&self, now: Instant) -> Option<Instant> {
        let mut deadline = None;
        if self.can_check() && self.current.pairs.has_triggered() {
            deadline = Some(self.next_triggered);
        }
        let has_ordinary = self.wants_ordinary() && self.current.pairs.next_ordinary().is_some();
        if has_ordinary || self.gathering.has_queued() {
            deadline = earliest(deadline, Some(self.next_check.max(now)));
        }
        let resend = |pair: &Pair| pair.check.as_ref().and_then(|check| check.timer.poll_timeout());
        self.current.pairs.iter().fold(deadline, |deadline, pair| earliest(deadline, resend(pair)))
    }

    /// Whether checks may be sent at all.
    fn can_check(&self) -> bool {
        self.current.remote.is_some() && !self.config.lite && !self.current.has_failed
    }

    /// Ordinary checks end with the selection (RFC 8445, section 8.1.2) and begin again when that pair falls silent.
    fn wants_ordinary(&self) -> bool {
        let is_looking = self.current.selected.is_none() || self.state == ConnectionState::Disconnected;
        self.can_check() && is_looking
    }

    /// Sends a triggered check. One in flight is sent again rather than replaced by another, as RFC 8445, section
    /// 7.3.1.4 has it: over a long path two agents would else go on replacing checks whose answers are on their way.
    fn start_triggered(&mut self, now: Instant, route: Route) -> bool {
        let (rto, role) = (self.rto(route), self.role);
        let pair = self.current.pairs.get_mut(route);
        let check = pair.and_then(|pair| pair.check.as_mut()).filter(|check| check.role == role);
        let Some(check) = check else { return self.start_check(now, route, false) };
        check.timer = sent_now(now, rto);
        check.last_sent = now;
        check.is_ambiguous = true;
        self.send_check(route);
        true
    }

    /// Sends a first check over a pair. Returns false if there is no such pair.
    pub(super) fn start_check(&mut self, now: Instant, route: Route, use_candidate: bool) -> bool {
        let rto = self.rto(route);
        let priority = self.locals.peer_reflexive_priority(route.local);
        let (id, role, tie_breaker) = (TransactionId(self.rng.random()), self.role, self.tie_breaker);
        let Some(pair) = self.current.pairs.get_mut(route) else { return false };
        debug!(?route, use_candidate, ?rto, "check");
        pair.supersede();
        let timer = sent_now(now, rto);
        pair.check =
            Some(Check { id, use_candidate, role, tie_breaker, priority, timer, last_sent: now, is_ambiguous: false });
        // A pair that is known to work stays so while it is nominated, or checked again.
        pair.state = if pair.is_valid { PairState::Succeeded } else { PairState::InProgress };
        self.send_check(route);
        true
    }

    /// Queues the check in flight of a pair, for the first time or again.
    fn send_check(&mut self, route: Route) {
        let Some(check) = self.current.pairs.get(route).and_then(|pair| pair.check.as_ref()) else { return };
        let request = Request {
            route,
            generation: self.current.number,
            id: check.id,
            role: check.role,
            tie_breaker: check.tie_breaker,
            priority: check.priority,
            use_candidate: check.use_candidate,
        };
        self.push_outgoing(Outgoing::Check(request));
    }

    /// The retransmission time-out: twice the round trip if that is known, else what RFC 8445, section 14.3 makes of
    /// the number of checks that share the pace.
    pub(super) fn rto(&self, route: Route) -> Duration {
        let measured = self.current.pairs.get(route).and_then(|pair| pair.rtt);
        match measured {
            Some(rtt) => (rtt * 2).max(self.config.min_rto).min(MAX_RTO.max(self.config.min_rto)),
            None => self.config.initial_rto.max(self.config.pacing.saturating_mul(self.current.pairs.load())),
        }
    }

    /// Retransmits what is due, and fails what was sent often enough.
    pub(super) fn expire_checks(&mut self, now: Instant) {
        let mut due = Vec::new();
        let mut failed = Vec::new();
        for pair in self.current.pairs.iter_mut() {
            let Some(check) = &mut pair.check else { continue };
            match check.timer.handle_timeout(now) {
                Action::Send => {
                    check.last_sent = now;
                    pair.counters.requests_repeated += 1;
                    due.push(pair.route);
                }
                Action::Failed => failed.push(pair.route),
                Action::Wait => {}
            }
        }
        due.into_iter().for_each(|route| self.send_check(route));
        failed.into_iter().for_each(|route| self.fail_pair(route, "no answer"));
    }

    /// A check failed (RFC 8445, section 7.2.5.2). If it was the one that nominates, another pair will be.
    pub(super) fn fail_pair(&mut self, route: Route, reason: &str) {
        debug!(?route, reason, "check failed");
        if self.current.nominating == Some(route) {
            self.current.nominating = None;
        }
        let is_selected = self.current.selected == Some(route);
        if let Some(pair) = self.current.pairs.get_mut(route) {
            pair.check = None;
            pair.superseded = None;
            pair.nominate_on_success = false;
            // Consent, not a check, ends the pair in use.
            if !is_selected {
                pair.is_valid = false;
                pair.is_nominated = false;
                pair.state = PairState::Failed;
            }
        }
    }
}
