//! What the agent says about the connection as a whole.

use super::Agent;
use crate::{ConnectionState, Event, GatheringState, PairState, Role};
use std::time::{Duration, Instant};
use tracing::debug;

/// Pairs that were refused are not tried again sooner. Those that were not answered take longer than that to fail.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The earlier of two deadlines.
pub(super) fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl Agent {
    /// Tells a change of state, and looks for other ways when the one in use falls silent.
    pub(super) fn update_state(&mut self, now: Instant) {
        let state = self.find_state(now);
        if state == self.state {
            return;
        }
        debug!(from = ?self.state, to = ?state, "state");
        self.state = state;
        self.push_event(Event::State(state));
        if state == ConnectionState::Disconnected {
            self.recheck();
        }
    }

    fn find_state(&self, now: Instant) -> ConnectionState {
        if let Some(pair) = self.current.active() {
            let is_silent = !pair.is_fresh(now, self.config.disconnected_after);
            return match (is_silent, self.is_complete()) {
                (true, _) => ConnectionState::Disconnected,
                (false, true) => ConnectionState::Completed,
                (false, false) => ConnectionState::Connected,
            };
        }
        // During a restart the old pair counts only as long as it is heard of: the restart forgets that it was silent.
        let carried = self.previous.as_ref().and_then(|previous| previous.active());
        if carried.is_some_and(|pair| pair.is_fresh(now, self.config.disconnected_after)) {
            ConnectionState::Connected
        } else if self.current.has_failed {
            ConnectionState::Failed
        } else if self.current.was_connected {
            ConnectionState::Disconnected
        } else if self.current.remote.is_some() || self.state != ConnectionState::New {
            ConnectionState::Checking
        } else {
            ConnectionState::New
        }
    }

    /// Whether nothing better will be looked for.
    fn is_complete(&self) -> bool {
        self.current.selected.is_some()
            && self.gathering.state == GatheringState::Complete
            && self.current.has_all_candidates
            && self.current.pairs.iter().all(|pair| pair.check.is_none())
    }

    /// Lets every pair but the one in use be checked again.
    pub(super) fn recheck(&mut self) {
        let active = self.current.active().map(|pair| pair.route);
        for pair in self.current.pairs.iter_mut().filter(|pair| Some(pair.route) != active) {
            if pair.check.is_none() && !pair.has_lost_consent {
                pair.state = PairState::Waiting;
            }
        }
    }

    /// While nothing works and nothing is left to check: tries all pairs again as long as patience lasts, then fails
    /// (RFC 8863). Firewalls open late, and people who carry descriptions by hand are slow.
    pub(super) fn give_up(&mut self, now: Instant) {
        if self.hope_deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        if self.patience_end().is_some_and(|end| end <= now) {
            debug!("nothing left to check");
            self.current.has_failed = true;
        } else {
            self.current.next_retry = Some(now + RETRY_AFTER);
            self.recheck();
        }
    }

    /// When to try again or fail, if nothing works and nothing is left to check.
    pub(super) fn hope_deadline(&self) -> Option<Instant> {
        let end = self.patience_end()?;
        let mut pairs = self.current.pairs.iter();
        if self.current.pairs.has_triggered() || pairs.any(|pair| pair.is_open()) {
            return None;
        }
        let has_pairs = self.current.pairs.iter().next().is_some();
        let retry = self.current.next_retry.filter(|_| has_pairs && !self.config.lite);
        Some(retry.map_or(end, |retry| retry.min(end)))
    }

    fn patience_end(&self) -> Option<Instant> {
        let is_looking = !self.current.has_failed && self.current.active().is_none();
        // Who controls has made the offer, and has the answer once it is here.
        let is_unheard = self.role == Role::Controlled && !self.current.is_heard;
        let patience = if is_unheard { self.config.unheard_patience } else { self.config.patience };
        self.current.started.filter(|_| is_looking).map(|started| started + patience.max(self.config.patience))
    }

    /// Hope again: a new pair, or a check of the peer, came after everything had failed.
    ///
    /// People paste descriptions by hand, and take longer than any sensible patience. What ended for want of consent
    /// stays ended: that takes a restart (RFC 7675, section 5.1).
    pub(super) fn revive(&mut self, now: Instant) {
        if self.current.has_failed && !self.current.has_lost_consent {
            debug!("looking again");
            self.current.has_failed = false;
            self.current.begin(now);
        }
    }
}
