//! Pairs of candidates and the list in which they are checked (RFC 8445, section 6.1.2).

use crate::agent::check::Check;
use crate::{PairState, PairStats, Role, Route, priority};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stun::TransactionId;

/// A local base and a remote address. Reflexive local candidates send from their base (RFC 8445, section 6.1.2.4), so
/// that a route is what tells pairs apart.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) route: Route,
    pub(super) local_priority: u32,
    pub(super) remote_priority: u32,
    pub(super) priority: u64,
    pub(super) foundation: (String, String),
    pub(super) state: PairState,
    /// The transaction that is being retransmitted.
    pub(super) check: Option<Check>,
    /// One that a triggered check replaced: not sent again, its answer still counts (RFC 8445, section 7.3.1.4).
    pub(super) superseded: Option<Check>,
    /// Consent checks in flight; each is sent once (RFC 7675, section 5.1).
    pub(super) consents: VecDeque<(TransactionId, Instant)>,
    /// A check from here succeeded: the pair is in the valid list.
    pub(super) is_valid: bool,
    /// It was chosen, by either side.
    pub(super) is_nominated: bool,
    /// The peer chose it before a check from here succeeded (RFC 8445, section 7.3.1.5).
    pub(super) nominate_on_success: bool,
    /// The peer checked it without nominating it.
    pub(super) was_checked_plainly: bool,
    /// The last nomination of the peer: it means nothing when it comes again.
    pub(super) last_nomination: Option<TransactionId>,
    /// An authenticated check of the peer came this way.
    pub(super) has_been_checked: bool,
    /// The address of this side as the peer sees it.
    pub(super) mapped: Option<SocketAddr>,
    /// When the peer last proved that it wants data here.
    pub(super) consented: Option<Instant>,
    /// When anything authenticated last came this way.
    pub(super) heard: Option<Instant>,
    /// Consent expired: these credentials are of no more use here (RFC 7675, section 5.1).
    pub(super) has_lost_consent: bool,
    /// Smoothed.
    pub(super) rtt: Option<Duration>,
    pub(super) last_rtt: Option<Duration>,
    pub(super) total_rtt: Duration,
    pub(super) counters: Counters,
}

/// What went over a pair.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) requests_sent: u64,
    pub(super) requests_repeated: u64,
    pub(super) consents_sent: u64,
    pub(super) requests_received: u64,
    pub(super) responses_sent: u64,
    pub(super) responses_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

/// As many consent checks as fit between the last answer and the expiry of consent.
const CONSENTS_IN_FLIGHT: usize = 8;

impl Pair {
    pub(super) fn new(route: Route, priorities: (u32, u32), foundation: (String, String), role: Role) -> Self {
        let (local_priority, remote_priority) = priorities;
        let mut pair = Self {
            route,
            local_priority,
            remote_priority,
            priority: 0,
            foundation,
            state: PairState::Frozen,
            check: None,
            superseded: None,
            consents: VecDeque::new(),
            is_valid: false,
            is_nominated: false,
            nominate_on_success: false,
            was_checked_plainly: false,
            last_nomination: None,
            has_been_checked: false,
            mapped: None,
            consented: None,
            heard: None,
            has_lost_consent: false,
            rtt: None,
            last_rtt: None,
            total_rtt: Duration::ZERO,
            counters: Counters::default(),
        };
        pair.rank(role);
        pair
    }

    /// Computes the priority, which depends on who controls (RFC 8445, section 6.1.2.3).
    pub(super) fn rank(&mut self, role: Role) {
        self.priority = match role {
            Role::Controlling => priority::of_pair(self.local_priority, self.remote_priority),
            Role::Controlled => priority::of_pair(self.remote_priority, self.local_priority),
        };
    }

    /// Whether a check may still show that it works.
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.state, PairState::Frozen | PairState::Waiting | PairState::InProgress)
    }

    /// Whether anything was heard within `span`.
    pub(super) fn is_fresh(&self, now: Instant, span: Duration) -> bool {
        self.heard.is_some_and(|heard| now.saturating_duration_since(heard) < span)
    }

    /// The pair as others see it.
    pub(super) fn stats(&self, selected: Option<Route>) -> PairStats {
        PairStats {
            route: self.route,
            state: self.state,
            is_selected: selected == Some(self.route),
            is_nominated: self.is_nominated,
            priority: self.priority,
            rtt: self.rtt,
            last_rtt: self.last_rtt,
            total_rtt: self.total_rtt,
            requests_sent: self.counters.requests_sent,
            requests_repeated: self.counters.requests_repeated,
            consents_sent: self.counters.consents_sent,
            requests_received: self.counters.requests_received,
            responses_sent: self.counters.responses_sent,
            responses_received: self.counters.responses_received,
            bytes_sent: self.counters.bytes_sent,
            bytes_received: self.counters.bytes_received,
        }
    }

    /// Stops retransmitting; an answer under way still counts.
    pub(super) fn supersede(&mut self) {
        if let Some(check) = self.check.take() {
            self.superseded = Some(check);
        }
    }

    /// Remembers a consent check that was sent.
    pub(super) fn expect_consent(&mut self, id: TransactionId, now: Instant) {
        if self.consents.len() >= CONSENTS_IN_FLIGHT {
            self.consents.pop_front();
        }
        self.consents.push_back((id, now));
    }

    /// Takes a round trip into account, smoothed as by RFC 6298.
    pub(super) fn measure(&mut self, sample: Duration) {
        self.last_rtt = Some(sample);
        self.total_rtt = self.total_rtt.saturating_add(sample);
        self.rtt = Some(match self.rtt {
            None => sample,
            Some(rtt) => (rtt * 7 + sample) / 8,
        });
    }
}

/// All pairs of a generation, and those whose check is wanted soon.
#[derive(Debug, Default)]
pub(super) struct Checklist {
    pairs: Vec<Pair>,
    /// The triggered-check queue (RFC 8445, section 6.1.4.1). Each route at most once.
    triggered: VecDeque<Route>,
}

impl Checklist {
    pub(super) fn shrink_to_fit(&mut self) {
        self.pairs.shrink_to_fit();
        self.triggered.shrink_to_fit();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pair> {
        self.pairs.iter_mut()
    }

    pub(super) fn get(&self, route: Route) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.route == route)
    }

    pub(super) fn get_mut(&mut self, route: Route) -> Option<&mut Pair> {
        self.pairs.iter_mut().find(|pair| pair.route == route)
    }

    /// Adds a pair, and drops the worst one that has not been checked if there are more than `limit` (RFC 8445,
    /// section 6.1.2.5). The new one may itself be the worst: then this returns false.
    pub(super) fn add(&mut self, mut pair: Pair, limit: usize) -> bool {
        if self.pairs.len() >= limit {
            let dispensable = |pair: &&Pair| pair.is_open() && pair.check.is_none() && !pair.is_valid;
            let failed = self.pairs.iter().filter(|pair| pair.state == PairState::Failed).map(|pair| pair.route).next();
            let worst = self.pairs.iter().filter(dispensable).min_by_key(|pair| pair.priority);
            let worst = worst.filter(|worst| worst.priority < pair.priority).map(|worst| worst.route);
            let Some(victim) = failed.or(worst) else { return false };
            self.remove(|pair| pair.route == victim);
        }
        // One pair of a foundation is checked before the others of it (RFC 8445, section 6.1.2.6); one that joins
        // a foundation that works already need not wait (RFC 8838, section 12).
        let is_busy = self.pairs.iter().any(|other| {
            other.foundation == pair.foundation && matches!(other.state, PairState::Waiting | PairState::InProgress)
        });
        pair.state = if is_busy { PairState::Frozen } else { PairState::Waiting };
        self.pairs.push(pair);
        true
    }

    pub(super) fn remove(&mut self, condemned: impl Fn(&Pair) -> bool) {
        self.pairs.retain(|pair| !condemned(pair));
        let pairs = &self.pairs;
        self.triggered.retain(|route| pairs.iter().any(|pair| pair.route == *route));
    }

    pub(super) fn rank(&mut self, role: Role) {
        self.pairs.iter_mut().for_each(|pair| pair.rank(role));
    }

    /// Puts a pair into the triggered-check queue, once.
    pub(super) fn trigger(&mut self, route: Route) {
        if !self.triggered.contains(&route) {
            self.triggered.push_back(route);
        }
    }

    pub(super) fn next_triggered(&mut self) -> Option<Route> {
        self.triggered.pop_front()
    }

    pub(super) fn has_triggered(&self) -> bool {
        !self.triggered.is_empty()
    }

    /// The pair for an ordinary check: the best that waits; if none does, of those whose foundation nobody is busy with
    /// (RFC 8445, section 6.1.4.2).
    pub(super) fn next_ordinary(&self) -> Option<Route> {
        let in_state = |state| self.pairs.iter().filter(move |pair| pair.state == state);
        let waiting = in_state(PairState::Waiting).max_by_key(|pair| pair.priority);
        let frozen = || in_state(PairState::Frozen).filter(|pair| !self.is_busy(&pair.foundation));
        waiting.or_else(|| frozen().max_by_key(|pair| pair.priority)).map(|pair| pair.route)
    }

    fn is_busy(&self, foundation: &(String, String)) -> bool {
        self.pairs.iter().any(|pair| pair.state == PairState::InProgress && pair.foundation == *foundation)
    }

    /// Lets the other pairs of a foundation that works be checked (RFC 8445, section 7.2.5.3.3).
    pub(super) fn unfreeze(&mut self, foundation: &(String, String)) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.foundation == *foundation) {
            if pair.state == PairState::Frozen {
                pair.state = PairState::Waiting;
            }
        }
    }

    /// How many checks are under way or due: what the retransmission time-out grows with (RFC 8445, section 14.3).
    pub(super) fn load(&self) -> u32 {
        let busy = self.pairs.iter().filter(|pair| matches!(pair.state, PairState::Waiting | PairState::InProgress));
        u32::try_from(busy.count()).unwrap_or(u32::MAX)
    }

    /// The best pair that a check has shown to work.
    pub(super) fn best_valid(&self) -> Option<&Pair> {
        self.pairs.iter().filter(|pair| pair.is_valid).max_by_key(|pair| pair.priority)
    }
}
