//! Answers to our checks (RFC 8445, section 7.2.5).

use super::Agent;
use super::check::Check;
use crate::{CandidateKind, PairState, Role, Route};
use std::time::Instant;
use stun::{Class, Message, TransactionId};
use tracing::debug;

/// Role Conflict (RFC 8445, section 16.2) and Forbidden (RFC 7675, section 5.2).
const ROLE_CONFLICT: u16 = 487;
const FORBIDDEN: u16 = 403;

/// Which request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    /// A check of the current generation, over the pair of this route.
    Check(Route),
    /// A consent check of a generation.
    Consent(u32, Route),
}

impl Agent {
    /// Takes a response, to a check or of a STUN server.
    pub(super) fn handle_response(&mut self, now: Instant, route: Route, message: &Message<'_>, length: u64) {
        if self.handle_server_response(now, route, message) {
            return;
        }
        let Some(answered) = self.find_request(message.transaction_id()) else {
            self.drops.unknown_transaction += 1;
            debug!(?route, "dropped: answers nothing");
            return;
        };
        let (number, asked) = match answered {
            Answered::Check(route) => (self.current.number, route),
            Answered::Consent(number, route) => (number, route),
        };
        let key = self.remote_credentials_of(number).map(|remote| remote.pwd.as_bytes());
        let is_authentic = key.is_some_and(|key| message.check_integrity(key).is_ok());
        if !is_authentic {
            return self.handle_unauthenticated(route, asked, answered, message);
        }
        if asked != route {
            self.drops.asymmetric += 1;
            return self.handle_asymmetric(asked, answered);
        }
        if let Some(pair) = self.generation_mut(number).and_then(|generation| generation.pairs.get_mut(route)) {
            pair.heard = Some(now);
            pair.counters.responses_received += 1;
            pair.counters.bytes_received += length;
        }
        let code = message.error_code().map(|error| error.code);
        match (answered, message.class()) {
            (Answered::Check(_), Class::Success) => self.succeed(now, route, message),
            (Answered::Check(_), _) => self.handle_error(route, code.unwrap_or_default(), message.transaction_id()),
            (Answered::Consent(number, _), Class::Success) => {
                self.renew_consent(now, number, route, message.transaction_id())
            }
            (Answered::Consent(number, _), _) if code == Some(FORBIDDEN) => self.revoke_consent(number, route),
            (Answered::Consent(..), _) => debug!(?route, ?code, "a consent check was refused"),
        }
    }

    fn find_request(&self, id: TransactionId) -> Option<Answered> {
        let is_this = |check: &Option<Check>| check.as_ref().is_some_and(|check| check.id == id);
        let mut checks = self.current.pairs.iter();
        if let Some(pair) = checks.find(|pair| is_this(&pair.check) || is_this(&pair.superseded)) {
            return Some(Answered::Check(pair.route));
        }
        [Some(&self.current), self.previous.as_deref()].into_iter().flatten().find_map(|generation| {
            let mut pairs = generation.pairs.iter();
            let pair = pairs.find(|pair| pair.consents.iter().any(|(other, _)| *other == id))?;
            Some(Answered::Consent(generation.number, pair.route))
        })
    }

    /// An answer without, or with a wrong, MESSAGE-INTEGRITY. Only the refusal of a stranger may lack it (RFC 8489,
    /// section 9.1.3): the peer knows no such user name or password.
    fn handle_unauthenticated(&mut self, route: Route, asked: Route, answered: Answered, message: &Message<'_>) {
        let code = message.error_code().map(|error| error.code);
        let is_refusal = message.class() == Class::Error && matches!(code, Some(400 | 401)) && !message.has_integrity();
        if is_refusal && asked == route && matches!(answered, Answered::Check(_)) {
            self.handle_error(route, code.unwrap_or_default(), message.transaction_id());
        } else {
            self.drops.integrity += 1;
            debug!(?route, "dropped: an answer of nobody we know");
        }
    }

    /// The answer came another way than the request went, so that the pair is of no use (RFC 8445, section 7.2.5.2.1).
    fn handle_asymmetric(&mut self, asked: Route, answered: Answered) {
        match answered {
            Answered::Check(_) => self.fail_pair(asked, "asymmetric"),
            Answered::Consent(..) => debug!(route = ?asked, "an asymmetric answer to a consent check"),
        }
    }

    fn handle_error(&mut self, route: Route, code: u16, id: TransactionId) {
        let Some(pair) = self.current.pairs.get_mut(route) else { return };
        let check = [&pair.check, &pair.superseded].into_iter().flatten().find(|check| check.id == id);
        let Some((role, tie_breaker)) = check.map(|check| (check.role, check.tie_breaker)) else { return };
        if code != ROLE_CONFLICT {
            return self.fail_pair(route, "refused");
        }
        if self.current.nominating == Some(route) {
            self.current.nominating = None;
        }
        pair.check = None;
        pair.superseded = None;
        if !pair.is_valid {
            pair.state = PairState::Waiting;
        }
        self.current.pairs.trigger(route);
        // Several checks may have claimed the same role: only the first refusal changes it.
        if self.role == role && self.tie_breaker == tie_breaker {
            self.totals.role_conflicts += 1;
            self.switch_role(role.opposite());
            self.renew_tie_breaker();
        }
    }

    /// A check succeeded: the pair is valid (RFC 8445, section 7.2.5.3).
    fn succeed(&mut self, now: Instant, route: Route, message: &Message<'_>) {
        let id = message.transaction_id();
        let mapped = message.mapped_address();
        let Some(pair) = self.current.pairs.get_mut(route) else { return };
        let answers_latest = pair.check.as_ref().is_some_and(|check| check.id == id);
        let check = if answers_latest { pair.check.take() } else { pair.superseded.take() };
        let Some(check) = check else { return };
        // The answer to an earlier check ends a later one too, unless that one also nominates.
        if answers_latest || pair.check.as_ref().is_some_and(|latest| !latest.use_candidate) {
            pair.check = None;
        }
        if let Some(sample) = check.timer.rtt(now).filter(|_| !check.is_ambiguous) {
            pair.measure(sample);
        }
        pair.state = PairState::Succeeded;
        pair.is_valid = true;
        pair.consented = Some(now);
        pair.mapped = mapped.or(pair.mapped);
        debug!(?route, rtt = ?pair.rtt, "check succeeded");
        let wants_nomination = match check.role {
            Role::Controlling => check.use_candidate,
            Role::Controlled => std::mem::take(&mut pair.nominate_on_success),
        };
        let foundation = pair.foundation.clone();
        self.current.pairs.unfreeze(&foundation);
        self.current.was_connected = true;
        self.current.first_valid.get_or_insert(now);
        if let Some(mapped) = mapped {
            let (kind, limit) = (CandidateKind::PeerReflexive, self.config.max_local_candidates);
            self.locals.add_reflexive(kind, route.local, mapped, None, limit);
        }
        match (wants_nomination, self.role) {
            (true, Role::Controlling) => self.select(now, route),
            (true, Role::Controlled) => self.accept_nomination(now, route),
            (false, _) => {}
        }
    }
}
