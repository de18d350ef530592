use std::time::Duration;

/// Who nominates the pair that is used (RFC 8445, section 6.1.1). The offerer controls, unless the peer is lite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nominates.
    Controlling,
    /// Waits for the nomination.
    Controlled,
}

impl Role {
    /// The role of the other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

/// How much to do, how fast, and how much to remember. Every queue and list of an agent is bounded by a field of this.
#[derive(Clone, Debug)]
pub struct Config {
    /// The role to begin with. Default: controlling.
    pub role: Role,
    /// Answers checks and sends none (RFC 8445, section 2.5). Default: false.
    pub lite: bool,
    /// Ta, the time between two new transactions (RFC 8445, section 14.2); at least 5 ms. Default: 50 ms.
    pub pacing: Duration,
    /// The time between two triggered checks, each of which answers an authenticated check of the peer; at least 5 ms.
    /// Default: 5 ms.
    pub triggered_pacing: Duration,
    /// The first retransmission time-out, for want of a measured round trip. Default: 250 ms.
    ///
    /// RFC 8445, section 14.3 says 500 ms; half of that lets a connection survive the loss of its first check
    /// without anybody noticing, and pacing still limits what leaves.
    pub initial_rto: Duration,
    /// The retransmission time-out is twice the measured round trip, at least this. Default: 50 ms.
    pub min_rto: Duration,
    /// How long to look for a first valid pair, counted from when both sides' credentials are known, before giving up
    /// with nothing left to check (the timer of RFC 8863, section 4). As long as it lasts, pairs that failed are tried
    /// again. Default: 30 s.
    pub patience: Duration,
    /// The same for a controlled agent as long as it has heard nothing of the other side, which may not have been told of
    /// it yet: people carry descriptions by hand. From the first check on [`patience`](Self::patience) counts, which
    /// is also the least that this means. Default: 0.
    pub unheard_patience: Duration,
    /// How long the controlling agent waits for pairs better than the one that works already. Default: 50 ms, or three
    /// round trips if that is more.
    pub nomination_patience: Duration,
    /// The longest such wait, whatever the round trip. Default: 500 ms.
    pub max_nomination_patience: Duration,
    /// The mean time between consent checks; each is 0.8 to 1.2 times it (RFC 7675, section 5.1). At least 5 s, so
    /// that none comes sooner than 4 s after another. Default: 5 s.
    pub consent_interval: Duration,
    /// After how long a silence the state is [`Disconnected`](crate::ConnectionState::Disconnected). Default: 10 s.
    pub disconnected_after: Duration,
    /// After how long without consent nothing is sent any more (RFC 7675, section 5.1). Default: 30 s.
    pub consent_expiry: Duration,
    /// How long a STUN server is asked before it is given up. Default: 10 s.
    pub gathering_timeout: Duration,
    /// How often the bindings of server-reflexive candidates are refreshed until a pair is selected (RFC 8445, section
    /// 5.1.1.4), and the time between keepalives of a lite agent (section 11). Default: 15 s.
    pub keepalive_interval: Duration,
    /// Host addresses accepted. Default: 16.
    pub max_hosts: usize,
    /// STUN servers asked. Default: 8.
    pub max_stun_servers: usize,
    /// Local candidates of all kinds. Default: 64.
    pub max_local_candidates: usize,
    /// Candidates accepted from the other side, those with a name included. Default: 64.
    pub max_remote_candidates: usize,
    /// Peer-reflexive candidates learnt from checks, besides; the oldest that is not in use gives way to a new one.
    /// Default: 32.
    pub max_peer_reflexive: usize,
    /// Pairs checked (RFC 8445, section 6.1.2.5). Default: 100.
    pub max_pairs: usize,
    /// Checks remembered that come before the other side's credentials. Default: 32.
    pub max_early_checks: usize,
    /// Datagrams waiting to be polled. Default: 128.
    pub max_outgoing: usize,
    /// Events waiting to be polled; beyond it the oldest is dropped. Default: 256.
    pub max_events: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            role: Role::Controlling,
            lite: false,
            pacing: Duration::from_millis(50),
            triggered_pacing: Duration::from_millis(5),
            initial_rto: Duration::from_millis(250),
            min_rto: Duration::from_millis(50),
            patience: Duration::from_secs(30),
            unheard_patience: Duration::ZERO,
            nomination_patience: Duration::from_millis(50),
            max_nomination_patience: Duration::from_millis(500),
            consent_interval: Duration::from_secs(5),
            disconnected_after: Duration::from_secs(10),
            consent_expiry: Duration::from_secs(30),
            gathering_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(15),
            max_hosts: 16,
            max_stun_servers: 8,
            max_local_candidates: 64,
            max_remote_candidates: 64,
            max_peer_reflexive: 32,
            max_pairs: 100,
            max_early_checks: 32,
            max_outgoing: 128,
            max_events: 256,
        }
    }
}

impl Config {
    /// Raises what is below its least value, so that no setting makes a busy loop or breaks an RFC's MUST NOT, and
    /// keeps times within a year, so that none of them leads beyond the end of time.
    pub(crate) fn within_limits(mut self) -> Self {
        const LEAST_PACING: Duration = Duration::from_millis(5);
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        for time in [
            &mut self.pacing,
            &mut self.triggered_pacing,
            &mut self.initial_rto,
            &mut self.min_rto,
            &mut self.patience,
            &mut self.unheard_patience,
            &mut self.nomination_patience,
            &mut self.max_nomination_patience,
            &mut self.consent_interval,
            &mut self.disconnected_after,
            &mut self.consent_expiry,
            &mut self.gathering_timeout,
            &mut self.keepalive_interval,
        ] {
            *time = YEAR.min(*time);
        }
        self.pacing = self.pacing.max(LEAST_PACING);
        self.triggered_pacing = self.triggered_pacing.max(LEAST_PACING);
        self.min_rto = self.min_rto.max(LEAST_PACING);
        self.initial_rto = self.initial_rto.max(self.min_rto);
        self.consent_interval = self.consent_interval.max(Duration::from_secs(5));
        self.consent_expiry = self.consent_expiry.max(self.consent_interval);
        self.keepalive_interval = self.keepalive_interval.max(Duration::from_secs(1));
        self.max_pairs = self.max_pairs.max(1);
        self.max_outgoing = self.max_outgoing.max(1);
        self.max_events = self.max_events.max(16);
        self
    }
}
