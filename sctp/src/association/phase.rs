use super::reset::PeerResets;
use crate::inbound::Inbound;
use std::time::{Duration, Instant};

/// The state of an association (RFC 9260, section 4).
///
/// ```text
///                      Closed
///            connect  /      \  COOKIE ECHO, valid
///                    v        \
///              CookieWait      \
///        INIT ACK |             |
///                 v             v
///           CookieEchoed --> Established        COOKIE ACK, or the peer's COOKIE ECHO
///                     shutdown /     \ SHUTDOWN
///                             v       v
///              ShutdownPending         ShutdownReceived
///   all acknowledged |                     | all acknowledged
///                    v                     v
///               ShutdownSent           ShutdownAckSent
///       SHUTDOWN ACK |                     | SHUTDOWN COMPLETE
///                    v                     v
///                           Closed
/// ```
///
/// Every state but Closed can also end by ABORT or by timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not begun, or over.
    Closed,
    /// INIT sent.
    CookieWait,
    /// COOKIE ECHO sent.
    CookieEchoed,
    /// Data flows.
    Established,
    /// To be shut down once all that is queued has been acknowledged.
    ShutdownPending,
    /// SHUTDOWN sent.
    ShutdownSent,
    /// SHUTDOWN received; what is queued is still being sent.
    ShutdownReceived,
    /// SHUTDOWN ACK sent.
    ShutdownAckSent,
}

/// The stages of an open association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Established,
    ShutdownPending,
    ShutdownSent,
    ShutdownReceived,
    ShutdownAckSent,
}

/// INIT has been sent.
#[derive(Debug)]
pub(super) struct CookieWait {
    /// INIT waits to be sent.
    pub(super) due: bool,
    pub(super) attempts: u32,
    /// T1-init, doubled each time.
    pub(super) timeout: Duration,
    /// When INIT was sent first, to measure the round trip; None once it had to be repeated.
    pub(super) sent: Option<Instant>,
    /// Milliseconds more of life to ask for, after the peer found our cookie stale.
    pub(super) preservative: Option<u32>,
}

/// COOKIE ECHO has been sent.
#[derive(Debug)]
pub(super) struct CookieEchoed {
    pub(super) due: bool,
    pub(super) attempts: u32,
    /// T1-cookie, doubled each time.
    pub(super) timeout: Duration,
    pub(super) sent: Option<Instant>,
    pub(super) cookie: Vec<u8>,
    /// ERROR chunk about parameters of INIT ACK, goes with the first COOKIE ECHO.
    pub(super) complaint: Vec<u8>,
    /// Tried already with a longer-lived cookie.
    pub(super) preserved: bool,
}

/// What is known of the peer, and what came from it.
#[derive(Debug)]
pub(super) struct Peer {
    /// The verification tag of what we send.
    pub(super) tag: u32,
    pub(super) initial_tsn: crate::Tsn,
    pub(super) reconfig: bool,
    /// Accepts packets with a checksum of zero (RFC 9653).
    pub(super) zero_checksum: bool,
    /// Streams that we may send on.
    pub(super) outbound_streams: u16,
    pub(super) inbound: Inbound,
    /// A SACK goes out with the next packet.
    pub(super) sack_due: bool,
    /// Packets with data since the last SACK.
    pub(super) unacknowledged: u32,
    pub(super) resets: PeerResets,
}

/// The state with what belongs to it.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not begun; an INIT of the peer is answered.
    Idle,
    CookieWait(CookieWait),
    CookieEchoed(CookieEchoed, Box<Peer>),
    Open(Stage, Box<Peer>),
    /// Over; what had arrived can still be read.
    Ended(Option<Box<Peer>>),
}

impl Phase {
    pub(super) const fn state(&self) -> State {
        match self {
            Self::Idle | Self::Ended(_) => State::Closed,
            Self::CookieWait(_) => State::CookieWait,
            Self::CookieEchoed(..) => State::CookieEchoed,
            Self::Open(Stage::Established, _) => State::Established,
            Self::Open(Stage::ShutdownPending, _) => State::ShutdownPending,
            Self::Open(Stage::ShutdownSent, _) => State::ShutdownSent,
            Self::Open(Stage::ShutdownReceived, _) => State::ShutdownReceived,
            Self::Open(Stage::ShutdownAckSent, _) => State::ShutdownAckSent,
        }
    }

    pub(super) fn peer(&self) -> Option<&Peer> {
        match self {
            Self::Idle | Self::CookieWait(_) => None,
            Self::CookieEchoed(_, peer) | Self::Open(_, peer) => Some(peer),
            Self::Ended(peer) => peer.as_deref(),
        }
    }

    pub(super) fn peer_mut(&mut self) -> Option<&mut Peer> {
        match self {
            Self::Idle | Self::CookieWait(_) => None,
            Self::CookieEchoed(_, peer) | Self::Open(_, peer) => Some(peer),
            Self::Ended(peer) => peer.as_deref_mut(),
        }
    }

    pub(super) fn take_peer(&mut self) -> Option<Box<Peer>> {
        match std::mem::replace(self, Self::Idle) {
            Self::Idle | Self::CookieWait(_) => None,
            Self::CookieEchoed(_, peer) | Self::Open(_, peer) => Some(peer),
            Self::Ended(peer) => peer,
        }
    }

    pub(super) const fn stage(&self) -> Option<Stage> {
        match self {
            Self::Open(stage, _) => Some(*stage),
            Self::Idle | Self::CookieWait(_) | Self::CookieEchoed(..) | Self::Ended(_) => None,
        }
    }
}
