//! The client's side of a request: when to send it again, and when to give up (RFC 8489, section 6.2).

use std::time::{Duration, Instant};

use crate::{Class, Message, TransactionId};

/// No interval grows beyond this, whatever is configured.
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);

/// When requests are sent again (RFC 8489, section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The first interval, which doubles with each request ("RTO"). At most one hour counts.
    pub rto: Duration,
    /// How many requests are sent in all ("Rc"). At least one is sent.
    pub requests: u32,
    /// How many RTOs after the last request the transaction fails ("Rm").
    pub patience: u32,
}

impl Default for Schedule {
    /// 500 ms, 7 requests, 16 RTOs: fails after 39.5 s.
    fn default() -> Self {
        Self { rto: Duration::from_millis(500), requests: 7, patience: 16 }
    }
}

impl Schedule {
    /// Over TCP and TLS, which repeat by themselves: one request, 39.5 s (RFC 8489, section 6.2.2).
    pub const RELIABLE: Self = Self { rto: Duration::from_millis(39_500), requests: 1, patience: 1 };
}

/// What a [`Retransmission`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the request, the same bytes each time.
    Send,
    /// Nothing is due.
    Wait,
    /// Nobody answered; nothing will be due any more.
    Failed,
}

/// A transaction's timer, without I/O. Ask [`handle_timeout`](Self::handle_timeout) at the start and whenever
/// [`poll_timeout`](Self::poll_timeout) says, and drop it when the response is there.
#[derive(Clone, Debug)]
pub struct Retransmission {
    schedule: Schedule,
    /// Requests sent so far.
    sent: u32,
    /// When the first request was sent.
    started: Instant,
    /// When something is due next, and the interval after it; `None` once failed.
    due: Option<(Instant, Duration)>,
}

impl Retransmission {
    /// Starts at `now` with an RTO of `rto` and the defaults of [`Schedule`] otherwise.
    pub fn new(now: Instant, rto: Duration) -> Self {
        Self::with_schedule(now, Schedule { rto, ..Schedule::default() })
    }

    /// Starts at `now` with `schedule`.
    pub fn with_schedule(now: Instant, schedule: Schedule) -> Self {
        Self { schedule, sent: 0, started: now, due: Some((now, schedule.rto.min(LONGEST_INTERVAL))) }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to say; `None` once failed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due.map(|(at, _)| at)
    }

    /// What is due at `now`. Called late, it sends once and goes on from `now`: no burst makes up for lost time.
    pub fn handle_timeout(&mut self, now: Instant) -> Action {
        let Some((at, interval)) = self.due else { return Action::Failed };
        if now < at {
            return Action::Wait;
        }
        let requests = self.schedule.requests.max(1);
        if self.sent >= requests {
            self.due = None;
            return Action::Failed;
        }
        if self.sent == 0 {
            self.started = now;
        }
        self.sent += 1;
        let wait =
            if self.sent == requests { self.schedule.rto.saturating_mul(self.schedule.patience) } else { interval };
        let doubled = interval.saturating_mul(2).min(LONGEST_INTERVAL);
        self.due = Some((now + wait.min(LONGEST_INTERVAL), doubled));
        Action::Send
    }

    /// How many requests have been sent.
    pub const fn sent(&self) -> u32 {
        self.sent
    }

    /// The round-trip time if a response arrives at `now`. `None` after a repetition, since nobody knows then which
    /// request is answered (Karn's algorithm; RFC 8489, section 6.2.1).
    pub fn rtt(&self, now: Instant) -> Option<Duration> {
        (self.sent == 1).then(|| now.saturating_duration_since(self.started))
    }
}

/// A request under way: its id and its timer.
#[derive(Clone, Debug)]
pub struct Transaction {
    id: TransactionId,
    retransmission: Retransmission,
}

impl Transaction {
    /// Starts at `now`. `id` must be unpredictable: whoever guesses it can answer in the server's place.
    pub fn new(now: Instant, id: TransactionId, schedule: Schedule) -> Self {
        Self { id, retransmission: Retransmission::with_schedule(now, schedule) }
    }

    /// The id that the request bears.
    pub const fn id(&self) -> TransactionId {
        self.id
    }

    /// Whether `message` is a response to this request. Whether it may be believed is not said.
    pub fn is_answered_by(&self, message: &Message<'_>) -> bool {
        matches!(message.class(), Class::Success | Class::Error) && message.transaction_id() == self.id
    }

    /// See [`Retransmission::poll_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.retransmission.poll_timeout()
    }

    /// See [`Retransmission::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) -> Action {
        self.retransmission.handle_timeout(now)
    }

    /// See [`Retransmission::rtt`].
    pub fn rtt(&self, now: Instant) -> Option<Duration> {
        self.retransmission.rtt(now)
    }
}

/// What is known of the round trip to one server, to start the next transaction's RTO from (RFC 8489, section 6.2.1;
/// RFC 6298, section 2).
#[derive(Clone, Copy, Debug)]
pub struct RoundTrip {
    minimum: Duration,
    /// Smoothed value, its variation, and when the last sample came.
    known: Option<(Duration, Duration, Instant)>,
}

impl RoundTrip {
    /// What is known is forgotten after ten minutes without a transaction.
    const LIFETIME: Duration = Duration::from_secs(600);

    /// Nothing is known yet. The RTO is never below `minimum`; 500 ms where nothing else prevents congestion.
    pub const fn new(minimum: Duration) -> Self {
        Self { minimum, known: None }
    }

    /// Takes in a round trip that ended at `now`, as [`Retransmission::rtt`] tells it.
    pub fn sample(&mut self, now: Instant, rtt: Duration) {
        let rtt = rtt.min(LONGEST_INTERVAL);
        let (smoothed, variation) = match self.fresh(now) {
            None => (rtt, rtt / 2),
            Some((smoothed, variation)) => {
                let error = smoothed.abs_diff(rtt);
                ((smoothed * 7 + rtt) / 8, (variation * 3 + error) / 4)
            }
        };
        self.known = Some((smoothed.min(LONGEST_INTERVAL), variation.min(LONGEST_INTERVAL), now));
    }

    /// The RTO for a transaction that starts at `now`.
    pub fn rto(&self, now: Instant) -> Duration {
        let known = self.fresh(now).map(|(smoothed, variation)| smoothed + variation * 4);
        known.map_or(self.minimum, |rto| rto.max(self.minimum))
    }

    fn fresh(&self, now: Instant) -> Option<(Duration, Duration)> {
        let (smoothed, variation, at) = self.known?;
        (now.saturating_duration_since(at) <= Self::LIFETIME).then_some((smoothed, variation))
    }
}
