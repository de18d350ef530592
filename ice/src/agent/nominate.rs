//! Choosing the pair that carries the data (RFC 8445, section 8.1.1).

use super::Agent;
use super::checklist::Pair;
use crate::{ConnectionState, Event, PairState, Role, Route};
use std::time::{Duration, Instant};
use tracing::debug;

impl Agent {
    /// The controlling agent's part: nominates the best valid pair, at once if no better one can come, else when it has
    /// waited for the better ones long enough.
    pub(super) fn nominate(&mut self, now: Instant) {
        let Some((route, when)) = self.nomination() else { return };
        if when > now || !self.start_check(now, route, true) {
            return;
        }
        debug!(?route, "nominating");
        self.current.nominating = Some(route);
    }

    /// When patience with better pairs ends.
    pub(super) fn nomination_deadline(&self, now: Instant) -> Option<Instant> {
        self.nomination().map(|(_, when)| when).filter(|when| *when > now)
    }

    /// The pair to nominate, and from when on.
    fn nomination(&self) -> Option<(Route, Instant)> {
        if self.role != Role::Controlling || self.config.lite || self.current.nominating.is_some() {
            return None;
        }
        let selected = self.current.selected.and_then(|route| self.current.pairs.get(route));
        let is_silent = self.state == ConnectionState::Disconnected;
        // One nomination per generation, unless what was nominated has fallen silent.
        if selected.is_some() && !is_silent {
            return None;
        }
        // Then only a pair that answered since is better.
        let heard = selected.and_then(|pair| pair.consented);
        let is_candidate =
            |pair: &&Pair| pair.is_valid && pair.check.is_none() && (selected.is_none() || pair.consented > heard);
        let best = self.current.pairs.iter().filter(is_candidate).max_by_key(|pair| pair.priority)?;
        if Some(best.route) == self.current.selected {
            return None;
        }
        let since = self.current.first_valid?;
        let can_improve = self.current.pairs.iter().any(|pair| pair.is_open() && pair.priority > best.priority);
        let patience = if can_improve && selected.is_none() { self.nomination_patience(best) } else { Duration::ZERO };
        Some((best.route, since + patience))
    }

    fn nomination_patience(&self, best: &Pair) -> Duration {
        let round_trips = best.rtt.unwrap_or_default() * 3;
        self.config.nomination_patience.max(round_trips).min(self.config.max_nomination_patience)
    }

    /// The controlled agent's part. Aggressive peers (RFC 5245) nominate each pair with its very first check: of these
    /// the best counts. Who nominates a pair that it has checked before means it, even if that pair is a worse one:
    /// the one in use has failed it.
    pub(super) fn accept_nomination(&mut self, now: Instant, route: Route) {
        let Some(pair) = self.current.pairs.get_mut(route) else { return };
        pair.is_nominated = true;
        let (priority, is_deliberate) = (pair.priority, pair.was_checked_plainly);
        let in_use = self.current.selected.and_then(|selected| self.current.pairs.get(selected));
        let is_better = in_use.is_none_or(|selected| {
            is_deliberate || priority > selected.priority || !selected.is_fresh(now, self.config.disconnected_after)
        });
        if is_better {
            self.select(now, route);
        }
    }

    /// The controlled agent's part when the pair in use has fallen silent: if the peer's checks come another way, which
    /// works, data goes that way too. A NAT that forgets its mappings moves a peer without the peer knowing, so that
    /// no nomination will ever say so.
    pub(super) fn follow(&mut self, now: Instant) {
        if self.role != Role::Controlled || self.state != ConnectionState::Disconnected || self.config.lite {
            return;
        }
        let heard = self.current.selected.and_then(|route| self.current.pairs.get(route)).and_then(|pair| pair.heard);
        let is_used = |pair: &&Pair| pair.is_valid && pair.has_been_checked && pair.heard > heard;
        let used = self.current.pairs.iter().filter(is_used).max_by_key(|pair| pair.heard).map(|pair| pair.route);
        if let (Some(_), Some(route)) = (self.current.selected, used) {
            self.select(now, route);
        }
    }

    /// Data goes over this pair from now on.
    pub(super) fn select(&mut self, now: Instant, route: Route) {
        self.current.nominating = None;
        if let Some(pair) = self.current.pairs.get_mut(route) {
            pair.is_nominated = true;
        }
        if self.current.selected == Some(route) {
            return;
        }
        debug!(?route, "selected");
        self.current.selected = Some(route);
        self.totals.selections += 1;
        self.current.was_connected = true;
        self.end_previous(now);
        // The other checks have served their purpose (RFC 8445, section 8.1.2); answers under way still count.
        for pair in self.current.pairs.iter_mut().filter(|pair| pair.route != route && pair.check.is_some()) {
            pair.supersede();
            pair.state = if pair.is_valid { PairState::Succeeded } else { PairState::Waiting };
        }
        self.current.next_consent = Some(now + self.consent_interval());
        if let Some((local, remote)) = self.candidates_of(&self.current, route) {
            self.push_event(Event::Selected { local, remote });
        }
    }
}
