use crate::Candidate;
use std::net::SocketAddr;

/// From which local socket to which remote address a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Route {
    /// The address of a host candidate: the socket to send from.
    pub local: SocketAddr,
    /// Where to.
    pub remote: SocketAddr,
}

impl Route {
    /// Link-local addresses of IPv6 belong to an interface, which sockets tell by a scope id, and candidates and STUN do
    /// not tell at all. Inside, remote addresses have none.
    pub(crate) fn without_scope(self) -> Self {
        Self { local: self.local, remote: without_scope(self.remote) }
    }

    /// For sockets: the remote address is on the interface of the local one.
    pub(crate) fn with_scope(self) -> Self {
        match (self.local, self.remote) {
            (SocketAddr::V6(local), SocketAddr::V6(mut remote)) if remote.ip().is_unicast_link_local() => {
                remote.set_scope_id(local.scope_id());
                Self { remote: remote.into(), ..self }
            }
            (SocketAddr::V4(_) | SocketAddr::V6(_), _) => self,
        }
    }
}

/// An address as candidates and STUN tell it.
pub(crate) const fn without_scope(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A local candidate to tell the other side.
    Candidate(Candidate),
    /// Gathering went on.
    GatheringState(GatheringState),
    /// The connection did.
    State(ConnectionState),
    /// From now on data goes over this pair.
    Selected {
        /// The local candidate, as the peer sees it.
        local: Candidate,
        /// The remote one.
        remote: Candidate,
    },
    /// A `.local` name to look up; answer with [`handle_resolved`](crate::Agent::handle_resolved).
    Resolve(String),
    /// A STUN server gave no candidate. Harmless; gathering goes on.
    GatheringError {
        /// The server.
        server: SocketAddr,
        /// The host address that asked.
        local: SocketAddr,
        /// The code of the server's answer, or 701 if none came (as in `RTCPeerConnectionIceErrorEvent`).
        code: u16,
        /// In words.
        reason: String,
    },
}

/// Whether more local candidates may come (`RTCIceGatheringState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatheringState {
    /// No host was added yet.
    New,
    /// Some may come.
    Gathering,
    /// All are known.
    Complete,
}

/// What is known about the way to the peer (`RTCIceConnectionState`).
///
/// ```text
/// New ──set_remote──▶ Checking ──a pair works──▶ Connected ──all done──▶ Completed
///                        │                         │    ▲                    │
///               nothing left to try             silence │ an answer       silence
///                        ▼                         ▼    │                    │
///                     Failed ◀──consent expired── Disconnected ◀─────────────┘
/// ```
///
/// A restart leads from `Disconnected` and `Failed` to `Checking`, from `Completed` to `Connected`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// The other side's credentials are not known.
    New,
    /// Pairs are being checked, none works yet.
    Checking,
    /// A pair works; better ones may be found.
    Connected,
    /// A pair is selected and nothing more is looked for.
    Completed,
    /// The peer is silent; it may come back by itself.
    Disconnected,
    /// There is no way, or there is none any more. A restart may find one.
    Failed,
    /// [`close`](crate::Agent::close) was called.
    Closed,
}
