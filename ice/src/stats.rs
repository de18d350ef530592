use crate::Route;
use std::time::Duration;

/// What an agent did. Counters only grow; a restart forgets the pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The pairs of this generation, best first.
    pub pairs: Vec<PairStats>,
    /// Datagrams and bytes handed out and taken in, of all kinds.
    pub totals: Totals,
    /// Datagrams that changed nothing, by reason.
    pub drops: Drops,
}

/// Sums over everything since the agent was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Datagrams handed out by [`poll_transmit`](crate::Agent::poll_transmit).
    pub datagrams_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Datagrams given to [`handle_datagram`](crate::Agent::handle_datagram).
    pub datagrams_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Checks sent, retransmissions and consent checks included.
    pub checks_sent: u64,
    /// Checks of the peer that were authentic.
    pub checks_received: u64,
    /// Checks of the peer answered with an error.
    pub checks_refused: u64,
    /// How often the roles of the two sides were the same and one gave way.
    pub role_conflicts: u64,
    /// Datagrams not sent because too many were waiting (`Config::max_outgoing`).
    pub outgoing_overflows: u64,
    /// Events dropped because too many were waiting (`Config::max_events`).
    pub event_overflows: u64,
    /// Candidates not taken because of a bound in `Config`.
    pub candidates_refused: u64,
    /// How often a pair was selected, the first time included.
    pub selections: u64,
}

/// Why a datagram changed nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// Not a STUN message, or one whose fields make no sense.
    pub malformed: u64,
    /// A wrong checksum (FINGERPRINT).
    pub fingerprint: u64,
    /// A missing or wrong MESSAGE-INTEGRITY.
    pub integrity: u64,
    /// A user name that is not ours.
    pub username: u64,
    /// Came to an address that is no host candidate.
    pub unknown_local: u64,
    /// An answer to nothing that was asked, or to something long past.
    pub unknown_transaction: u64,
    /// An answer from, or to, another address than that of the request.
    pub asymmetric: u64,
    /// Another method, or an indication.
    pub not_a_check: u64,
    /// Refused without an answer, which would have been larger than the request, or one of too many.
    pub unanswered: u64,
}

/// One pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairStats {
    /// Which.
    pub route: Route,
    /// Where its checks are.
    pub state: PairState,
    /// Whether data goes over it.
    pub is_selected: bool,
    /// Whether either side chose it.
    pub is_nominated: bool,
    /// Its priority (RFC 8445, section 6.1.2.3).
    pub priority: u64,
    /// The smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
    /// The round-trip time that was measured last.
    pub last_rtt: Option<Duration>,
    /// The sum of all that were measured.
    pub total_rtt: Duration,
    /// Checks sent over it, retransmissions and consent checks included.
    pub requests_sent: u64,
    /// Retransmissions among them.
    pub requests_repeated: u64,
    /// Consent checks among them (RFC 7675).
    pub consents_sent: u64,
    /// Authentic checks of the peer received over it.
    pub requests_received: u64,
    /// Answers sent.
    pub responses_sent: u64,
    /// Answers received.
    pub responses_received: u64,
    /// Bytes of the above sent; data is counted by those who send it.
    pub bytes_sent: u64,
    /// Bytes of the above received.
    pub bytes_received: u64,
}

/// Where the checks of a pair are (RFC 8445, section 6.1.2.6).
///
/// ```text
/// Frozen ──▶ Waiting ──▶ InProgress ──▶ Succeeded
///                            └────────▶ Failed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairState {
    /// Another pair of its foundation is checked first.
    Frozen,
    /// To be checked.
    Waiting,
    /// Being checked.
    InProgress,
    /// It works.
    Succeeded,
    /// It does not.
    Failed,
}
