//! Generations: what belongs to one exchange of credentials, and the step to the next (RFC 8445, section 9).

use super::Agent;
use super::checklist::{Checklist, Pair};
use super::remote::{EarlyCheck, RemoteCandidate, RemoteParameters};
use crate::{Candidate, Credentials, Route};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tracing::debug;

/// How long the peer may go on sending over the old pairs once a new one is selected here: it follows with an answer to
/// a check, which may have to be sent again a few times.
const LINGER: Duration = Duration::from_secs(5);

/// Everything that hangs on one pair of credentials.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) number: u32,
    pub(super) local: Credentials,
    pub(super) remote: Option<RemoteParameters>,
    pub(super) candidates: Vec<RemoteCandidate>,
    /// How many peer-reflexive candidates there were, which tells their foundations apart.
    pub(super) learnt: u64,
    /// Candidates whose name is being looked up.
    pub(super) unresolved: Vec<Candidate>,
    pub(super) has_all_candidates: bool,
    pub(super) early: VecDeque<EarlyCheck>,
    pub(super) pairs: Checklist,
    pub(super) selected: Option<Route>,
    /// The pair whose check carries USE-CANDIDATE.
    pub(super) nominating: Option<Route>,
    /// A check of the other side has come, with the credentials that it was told.
    pub(super) is_heard: bool,
    /// When checks could begin: both credentials known.
    pub(super) started: Option<Instant>,
    /// When pairs that failed are tried again.
    pub(super) next_retry: Option<Instant>,
    pub(super) first_valid: Option<Instant>,
    pub(super) was_connected: bool,
    pub(super) has_failed: bool,
    /// Consent expired or was revoked, which these credentials cannot repair (RFC 7675, section 5.1).
    pub(super) has_lost_consent: bool,
    pub(super) next_consent: Option<Instant>,
}

impl Generation {
    pub(super) fn shrink_to_fit(&mut self) {
        self.candidates.shrink_to_fit();
        self.unresolved.shrink_to_fit();
        self.early.shrink_to_fit();
        self.pairs.shrink_to_fit();
    }

    pub(super) fn new(number: u32, local: Credentials) -> Self {
        Self {
            number,
            local,
            remote: None,
            candidates: Vec::new(),
            learnt: 0,
            unresolved: Vec::new(),
            has_all_candidates: false,
            early: VecDeque::new(),
            pairs: Checklist::default(),
            selected: None,
            nominating: None,
            is_heard: false,
            started: None,
            next_retry: None,
            first_valid: None,
            was_connected: false,
            has_failed: false,
            has_lost_consent: false,
            next_consent: None,
        }
    }

    /// Patience starts.
    pub(super) const fn begin(&mut self, now: Instant) {
        self.started = Some(now);
        self.next_retry = Some(now);
    }

    /// Forgets what the other side told, and what came of it.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.number, self.local.clone());
    }

    /// The pair in use: the selected one, else the best that works.
    pub(super) fn active(&self) -> Option<&Pair> {
        match self.selected {
            Some(route) => self.pairs.get(route),
            None => self.pairs.best_valid(),
        }
    }
}

impl Agent {
    /// Begins anew with `local`, fresh credentials ([`Credentials::random`]) that are to be told to the other side
    /// together with the candidates, all of which come again as events. Until a new pair is selected the old one
    /// carries the data, and checks that still use the old credentials are answered.
    pub fn restart(&mut self, now: Instant, local: Credentials) {
        if self.state == crate::ConnectionState::Closed {
            return;
        }
        debug!(ufrag = %local.ufrag, "restart");
        self.begin_generation(local);
        self.gather_again();
        self.settle(now);
    }

    /// Puts the current generation aside: as the previous one if it carries data, else for good.
    pub(super) fn begin_generation(&mut self, local: Credentials) {
        let number = self.current.number.wrapping_add(1);
        let mut old = std::mem::replace(&mut self.current, Generation::new(number, local));
        if old.local != self.current.local {
            // Two are enough: the peer follows within the time of an offer and its answer.
            self.retired.push_back((old.number, old.local.clone()));
            if self.retired.len() > 2 {
                self.retired.pop_front();
            }
        }
        if let Some(active) = old.active().map(|pair| pair.route) {
            old.selected = Some(active);
            old.pairs.remove(|pair| !pair.is_valid && !pair.has_been_checked);
            old.pairs.iter_mut().for_each(|pair| {
                pair.check = None;
                pair.superseded = None;
            });
            old.nominating = None;
            self.linger(&old);
            self.previous = Some(Box::new(old));
        }
    }

    /// Remembers on which routes the peer may still send while it follows.
    fn linger(&mut self, old: &Generation) {
        self.lingering = old.pairs.iter().filter(|pair| pair.is_valid).map(|pair| pair.route).collect();
        self.linger_until = None;
    }

    /// The generation before carries no data any more, and the peer will soon send nothing over it either.
    pub(super) fn end_previous(&mut self, now: Instant) {
        self.previous = None;
        if !self.lingering.is_empty() {
            self.linger_until.get_or_insert(now + LINGER);
        }
    }

    /// Old routes do not stay open for ever: who is at such an address now may be somebody else.
    pub(super) fn expire_lingering(&mut self, now: Instant) {
        if self.linger_until.is_some_and(|end| end <= now) {
            self.lingering.clear();
            self.linger_until = None;
        }
    }

    /// The generation whose pair carries the data: the new one as soon as it has a selected pair, or if the old one
    /// has none any more.
    pub(super) fn active_generation(&self) -> &Generation {
        match &self.previous {
            Some(previous) if self.current.selected.is_none() && previous.active().is_some() => previous,
            _ => &self.current,
        }
    }

    /// The local credentials that a check names, with the number of their generation.
    pub(super) fn local_credentials_named(&self, ufrag: &str) -> Option<(u32, &Credentials)> {
        if self.current.local.ufrag == ufrag {
            return Some((self.current.number, &self.current.local));
        }
        self.retired.iter().find(|(_, old)| old.ufrag == ufrag).map(|(number, old)| (*number, old))
    }

    /// The local credentials of a generation.
    pub(super) fn local_credentials_of(&self, number: u32) -> Option<&Credentials> {
        if self.current.number == number {
            return Some(&self.current.local);
        }
        let previous = self.previous.as_ref().filter(|previous| previous.number == number).map(|old| &old.local);
        previous.or_else(|| self.retired.iter().find(|(old, _)| *old == number).map(|(_, credentials)| credentials))
    }

    /// The remote credentials of a generation.
    pub(super) fn remote_credentials_of(&self, number: u32) -> Option<&Credentials> {
        let generation = self.generation(number)?;
        generation.remote.as_ref().map(|remote| &remote.credentials)
    }

    pub(super) fn generation(&self, number: u32) -> Option<&Generation> {
        [Some(&self.current), self.previous.as_deref()].into_iter().flatten().find(|each| each.number == number)
    }

    pub(super) fn generation_mut(&mut self, number: u32) -> Option<&mut Generation> {
        [Some(&mut self.current), self.previous.as_deref_mut()].into_iter().flatten().find(|each| each.number == number)
    }
}
