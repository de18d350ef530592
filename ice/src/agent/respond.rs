//! Answering the peer's checks, and what follows from them (RFC 8445, section 7.3).

use super::Agent;
use super::remote::EarlyCheck;
use super::transmit::{Outgoing, Refusal, amplifies};
use crate::{CandidateKind, PairState, Role, Route, priority};
use rand::RngExt;
use std::time::Instant;
use stun::{Message, TransactionId};
use tracing::debug;

impl Agent {
    /// Takes a Binding request: authenticates it, answers it, learns from it.
    pub(super) fn handle_request(&mut self, now: Instant, route: Route, message: &Message<'_>, length: u64) {
        let (generation, ufrag) = match self.authenticate(message) {
            Ok(found) => found,
            Err(refusal) => return self.refuse_stranger(route, message, length, refusal),
        };
        self.totals.checks_received += 1;
        let unknown: Vec<u16> = message.unknown_required().take(8).collect();
        if !unknown.is_empty() {
            return self.refuse(route, Some(generation), message, Refusal::UnknownAttributes(unknown));
        }
        let is_current = generation == self.current.number;
        // The roles of a generation that is over are nobody's concern.
        if is_current && !self.agree_on_roles(message) {
            return self.refuse(route, Some(generation), message, Refusal::RoleConflict);
        }
        self.push_outgoing(Outgoing::Success { route, generation, id: message.transaction_id() });
        self.note_check(now, route, generation, length);
        if !is_current {
            return;
        }
        let priority = message.priority().unwrap_or_else(|| priority::of_candidate(CandidateKind::PeerReflexive, 0));
        let nomination = message.use_candidate().then(|| message.transaction_id());
        match &self.current.remote {
            Some(remote) if remote.credentials.ufrag == ufrag => self.learn(now, route, priority, nomination),
            Some(_) => debug!(?route, ufrag, "a check of another generation of the peer"),
            None => self.remember(EarlyCheck { route, ufrag, priority, nomination }),
        }
    }

    /// Finds the generation that a request names and checks its integrity (RFC 8489, section 9.1.3). Gives the user
    /// name fragment that the peer claims, too.
    fn authenticate(&mut self, message: &Message<'_>) -> Result<(u32, String), Refusal> {
        let username = message.username().filter(|_| message.has_integrity()).ok_or(Refusal::BadRequest)?;
        let named = username.split_once(':');
        let found = named.and_then(|(ours, theirs)| Some((self.local_credentials_named(ours)?, theirs)));
        let Some(((generation, credentials), theirs)) = found else {
            self.drops.username += 1;
            return Err(Refusal::Unauthenticated);
        };
        if message.check_integrity(credentials.pwd.as_bytes()).is_err() {
            self.drops.integrity += 1;
            return Err(Refusal::Unauthenticated);
        }
        Ok((generation, theirs.to_owned()))
    }

    fn refuse_stranger(&mut self, route: Route, message: &Message<'_>, length: u64, refusal: Refusal) {
        if matches!(refusal, Refusal::BadRequest) {
            self.drops.integrity += 1;
        }
        // Strangers may fill a part of the queue only, so that they keep no checks from being sent.
        if amplifies(length) || self.outgoing.len() >= self.config.max_outgoing / 4 {
            self.drops.unanswered += 1;
        } else {
            self.refuse(route, None, message, refusal);
        }
    }

    fn refuse(&mut self, route: Route, generation: Option<u32>, message: &Message<'_>, refusal: Refusal) {
        debug!(?route, code = refusal.code(), "refused");
        self.totals.checks_refused += 1;
        let id = message.transaction_id();
        self.push_outgoing(Outgoing::Refusal { route, generation, id, refusal });
    }

    /// Detects and repairs a role conflict (RFC 8445, section 7.3.1.1). Returns false if the peer has to give way.
    fn agree_on_roles(&mut self, message: &Message<'_>) -> bool {
        let theirs = match self.role {
            Role::Controlling => message.ice_controlling(),
            Role::Controlled => message.ice_controlled(),
        };
        let Some(theirs) = theirs else { return true };
        self.totals.role_conflicts += 1;
        // The larger one controls. Whoever claims the wrong role is to change it: we here, the peer when refused.
        let deserved = if self.tie_breaker >= theirs { Role::Controlling } else { Role::Controlled };
        debug!(?deserved, "role conflict");
        if self.role == deserved {
            return false;
        }
        self.switch_role(deserved);
        true
    }

    /// Counts an authentic check where it belongs.
    fn note_check(&mut self, now: Instant, route: Route, generation: u32, length: u64) {
        let is_lite = self.config.lite;
        let Some(pair) = self.generation_mut(generation).and_then(|each| each.pairs.get_mut(route)) else { return };
        pair.heard = Some(now);
        pair.has_been_checked = true;
        pair.counters.requests_received += 1;
        pair.counters.bytes_received += length;
        if is_lite {
            pair.consented = Some(now); // the peer's checks are all the consent that a lite agent gets
        }
    }

    /// Remembers a check that came before the other side's credentials.
    fn remember(&mut self, check: EarlyCheck) {
        let early = &mut self.current.early;
        if let Some(known) = early.iter_mut().find(|known| known.route == check.route && known.ufrag == check.ufrag) {
            known.nomination = check.nomination.or(known.nomination);
        } else if early.len() < self.config.max_early_checks {
            debug!(route = ?check.route, "early check");
            early.push_back(check);
        } else {
            self.totals.candidates_refused += 1;
        }
    }

    /// Makes a pair of where an authentic check came from, if there is none, and checks it in turn (RFC 8445, sections
    /// 7.3.1.3 to 7.3.1.5).
    pub(super) fn learn(&mut self, now: Instant, route: Route, priority: u32, nomination: Option<TransactionId>) {
        if route.local.is_ipv4() != route.remote.is_ipv4() {
            return;
        }
        let is_known = self.current.candidates.iter().any(|remote| remote.address == route.remote);
        if !is_known && !self.add_peer_reflexive(route.remote, priority) {
            return;
        }
        if self.current.pairs.get(route).is_none() && !self.form_pair(now, route) {
            return;
        }
        self.revive(now);
        if !std::mem::replace(&mut self.current.is_heard, true) && self.role == Role::Controlled {
            self.current.begin(now);
        }
        let is_lite = self.config.lite;
        let Some(pair) = self.current.pairs.get_mut(route) else { return };
        pair.heard = Some(now);
        pair.has_been_checked = true;
        pair.was_checked_plainly |= nomination.is_none();
        let is_nomination = nomination.is_some() && nomination != pair.last_nomination;
        pair.last_nomination = nomination.or(pair.last_nomination);
        if is_lite {
            pair.state = PairState::Succeeded;
            pair.consented = Some(now);
            pair.is_valid |= is_nomination;
        }
        let is_valid = pair.is_valid;
        if is_nomination && self.role == Role::Controlled {
            if is_valid {
                self.accept_nomination(now, route);
            } else {
                pair.nominate_on_success = true;
            }
        }
        if !is_valid && !is_lite {
            self.trigger_check(now, route);
        }
    }

    /// Answers a check with one of our own (RFC 8445, section 7.3.1.4). One that is in flight goes out again, as the
    /// peer's may just have opened the way, but not sooner than an answer to it could be here.
    fn trigger_check(&mut self, now: Instant, route: Route) {
        let rto = self.rto(route);
        let Some(pair) = self.current.pairs.get_mut(route) else { return };
        let is_recent = pair.check.as_ref().is_some_and(|check| now < check.last_sent + rto);
        if is_recent || pair.has_lost_consent {
            return;
        }
        if pair.check.is_none() {
            pair.state = PairState::Waiting;
        }
        self.current.pairs.trigger(route);
    }

    /// A fresh tie-breaker, after the old one lost (RFC 8445, section 7.2.5.1).
    pub(super) fn renew_tie_breaker(&mut self) {
        self.tie_breaker = self.rng.random();
    }
}
