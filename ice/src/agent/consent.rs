//! Consent to send, asked for again and again (RFC 7675).

use super::Agent;
use super::checklist::Pair;
use super::restart::Generation;
use super::state::earliest;
use super::transmit::{Check, Outgoing};
use crate::{ConnectionState, PairState, Route};
use rand::RngExt;
use std::time::{Duration, Instant};
use stun::TransactionId;
use tracing::debug;

impl Agent {
    /// The time to the next consent check: 0.8 to 1.2 times the mean, so that checks of many sessions do not march in
    /// step (RFC 7675, section 5.1). A lite agent sends keepalives instead.
    pub(super) fn consent_interval(&mut self) -> Duration {
        if self.config.lite {
            return self.config.keepalive_interval;
        }
        self.config.consent_interval.mul_f64(self.rng.random_range(0.8..1.2))
    }

    /// Sends the consent checks that are due, over the pair in use of this generation and of the one before.
    pub(super) fn keep_consent(&mut self, now: Instant) {
        let interval = self.consent_interval();
        let numbers = [Some(self.current.number), self.previous.as_ref().map(|previous| previous.number)];
        for number in numbers.into_iter().flatten() {
            let Some(generation) = self.generation_mut(number) else { continue };
            let Some(route) = generation.active().map(|pair| pair.route) else {
                generation.next_consent = None;
                continue;
            };
            let due = *generation.next_consent.get_or_insert(now + interval);
            if due <= now {
                generation.next_consent = Some(now + interval);
                self.ask_consent(now, number, route);
            }
        }
    }

    fn ask_consent(&mut self, now: Instant, number: u32, route: Route) {
        let id = TransactionId(self.rng.random());
        if self.config.lite {
            return self.push_outgoing(Outgoing::Keepalive { route, id });
        }
        if let Some(pair) = self.generation_mut(number).and_then(|generation| generation.pairs.get_mut(route)) {
            pair.expect_consent(id, now);
            pair.counters.consents_sent += 1;
        }
        self.push_outgoing(Outgoing::Check(Check {
            route,
            generation: number,
            id,
            role: self.role,
            tie_breaker: self.tie_breaker,
            priority: self.locals.peer_reflexive_priority(route.local),
            use_candidate: false,
        }));
    }

    /// The peer answered a consent check.
    pub(super) fn renew_consent(&mut self, now: Instant, number: u32, route: Route, id: TransactionId) {
        let Some(pair) = self.generation_mut(number).and_then(|generation| generation.pairs.get_mut(route)) else {
            return;
        };
        let Some(place) = pair.consents.iter().position(|(sent, _)| *sent == id) else { return };
        if let Some((_, sent)) = pair.consents.remove(place) {
            pair.measure(now.saturating_duration_since(sent));
            pair.consented = Some(now);
        }
    }

    /// The peer wants no more (RFC 7675, section 5.2).
    pub(super) fn revoke_consent(&mut self, number: u32, route: Route) {
        if let Some(generation) = self.generation_mut(number) {
            lose_consent(generation, route);
        }
    }

    /// Ends the use of pairs whose consent has expired: not one more datagram leaves over them.
    pub(super) fn expire_consent(&mut self, now: Instant) {
        let expiry = self.config.consent_expiry;
        for generation in [Some(&mut self.current), self.previous.as_deref_mut()].into_iter().flatten() {
            // Bounded by the pairs: each turn ends one of them.
            let expired = |pair: &&Pair| expires(pair, expiry).is_some_and(|end| end <= now);
            while let Some(route) = generation.active().filter(expired).map(|pair| pair.route) {
                debug!(?route, "consent expired");
                lose_consent(generation, route);
            }
        }
        if self.previous.as_ref().is_some_and(|previous| previous.active().is_none()) {
            self.end_previous(now);
        }
    }

    /// When the next consent check, the silence that means disconnection, or the expiry is due.
    pub(super) fn consent_deadline(&self, now: Instant) -> Option<Instant> {
        let generations = [Some(&self.current), self.previous.as_deref()].into_iter().flatten();
        generations.fold(None, |deadline, generation| {
            let Some(pair) = generation.active() else { return deadline };
            let silent = pair.heard.map(|heard| heard + self.config.disconnected_after).filter(|silent| *silent > now);
            let silent = silent.filter(|_| self.state != ConnectionState::Disconnected);
            let deadline = earliest(deadline, generation.next_consent);
            earliest(earliest(deadline, silent), expires(pair, self.config.consent_expiry))
        })
    }
}

/// When the consent of a pair in use ends. It has been answered once, or it would not be in use.
fn expires(pair: &Pair, expiry: Duration) -> Option<Instant> {
    pair.consented.map(|consented| consented + expiry)
}

/// These credentials are of no more use on this route.
fn lose_consent(generation: &mut Generation, route: Route) {
    if let Some(pair) = generation.pairs.get_mut(route) {
        pair.is_valid = false;
        pair.is_nominated = false;
        pair.consents.clear();
        pair.check = None;
        pair.superseded = None;
        pair.state = PairState::Failed;
        pair.has_lost_consent = true;
    }
    generation.selected = generation.selected.filter(|selected| *selected != route);
    if generation.active().is_none() {
        generation.has_failed = true;
        generation.has_lost_consent = true;
    }
}
