use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// What a mapping or a filter of a NAT depends on (RFC 4787, sections 4.1 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// Nothing but the inner address and port.
    EndpointIndependent,
    /// The remote address too.
    AddressDependent,
    /// The remote address and port too.
    AddressAndPortDependent,
}

impl Dependence {
    /// The part of `remote` that matters.
    fn key(self, remote: SocketAddr) -> Option<(IpAddr, u16)> {
        match self {
            Self::EndpointIndependent => None,
            Self::AddressDependent => Some((remote.ip(), 0)),
            Self::AddressAndPortDependent => Some((remote.ip(), remote.port())),
        }
    }
}

/// A network address translator with one external address, in the words of RFC 4787.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nat {
    /// Its address on the outer side. It translates this family only.
    pub external: IpAddr,
    /// When an inner address keeps its external port.
    pub mapping: Dependence,
    /// From whom a mapping lets datagrams in.
    pub filtering: Dependence,
    /// How long a mapping, and each permission of it, lives without outgoing datagrams.
    pub timeout: Duration,
    /// Whether inner hosts reach each other by their external addresses.
    pub hairpin: bool,
    /// How many mappings it holds; beyond that, new ones are not made.
    pub max_mappings: usize,
}

impl Nat {
    const fn of(external: IpAddr, mapping: Dependence, filtering: Dependence) -> Self {
        let timeout = Duration::from_secs(120);
        Self { external, mapping, filtering, timeout, hairpin: false, max_mappings: 4096 }
    }

    /// One external port for each inner one, open to everybody.
    ///
    /// # Panics
    ///
    /// As its siblings: if `external` is not an IP address.
    pub fn full_cone(external: &str) -> Self {
        Self::of(ip(external), Dependence::EndpointIndependent, Dependence::EndpointIndependent)
    }

    /// One external port for each inner one, open to addresses that were sent to.
    pub fn address_restricted(external: &str) -> Self {
        Self::of(ip(external), Dependence::EndpointIndependent, Dependence::AddressDependent)
    }

    /// One external port for each inner one, open to addresses and ports that were sent to.
    pub fn port_restricted(external: &str) -> Self {
        Self::of(ip(external), Dependence::EndpointIndependent, Dependence::AddressAndPortDependent)
    }

    /// An external port for each inner one and each remote address and port, open to that one only.
    pub fn symmetric(external: &str) -> Self {
        Self::of(ip(external), Dependence::AddressAndPortDependent, Dependence::AddressAndPortDependent)
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is not an IP address"))
}

/// Which way a datagram goes through a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From inside to outside.
    Out,
    /// From outside to inside.
    In,
}

type Rule = Box<dyn FnMut(Direction, SocketAddr, SocketAddr) -> bool + Send>;

/// A router that does not translate, but decides what passes. What is behind it is reachable from outside by its own
/// address.
pub struct Firewall {
    kind: FirewallKind,
}

enum FirewallKind {
    Stateful { timeout: Duration, flows: BTreeMap<(SocketAddr, SocketAddr), Instant> },
    Rule(Rule),
}

impl Firewall {
    /// How many flows a stateful firewall remembers.
    const MAX_FLOWS: usize = 4096;

    /// Lets everything out, and in only what answers something that went out within `timeout`.
    pub const fn stateful(timeout: Duration) -> Self {
        Self { kind: FirewallKind::Stateful { timeout, flows: BTreeMap::new() } }
    }

    /// Lets nothing through.
    pub fn block() -> Self {
        Self::rule(|_, _, _| false)
    }

    /// Lets everything through: a plain router.
    pub fn open() -> Self {
        Self::rule(|_, _, _| true)
    }

    /// Asks `rule` with the direction, the source and the destination.
    pub fn rule(rule: impl FnMut(Direction, SocketAddr, SocketAddr) -> bool + Send + 'static) -> Self {
        Self { kind: FirewallKind::Rule(Box::new(rule)) }
    }

    pub(crate) fn passes(
        &mut self,
        now: Instant,
        direction: Direction,
        source: SocketAddr,
        destination: SocketAddr,
    ) -> bool {
        match (&mut self.kind, direction) {
            (FirewallKind::Rule(rule), _) => rule(direction, source, destination),
            (FirewallKind::Stateful { timeout, flows }, Direction::Out) => {
                flows.retain(|_, until| *until > now);
                if flows.len() < Self::MAX_FLOWS {
                    flows.insert((source, destination), now + *timeout);
                }
                true
            }
            (FirewallKind::Stateful { flows, .. }, Direction::In) => {
                flows.get(&(destination, source)).is_some_and(|until| *until > now)
            }
        }
    }
}

impl fmt::Debug for Firewall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FirewallKind::Stateful { .. } => "Firewall(stateful)",
            FirewallKind::Rule(_) => "Firewall(rule)",
        })
    }
}

/// A mapping of a NAT at work.
#[derive(Debug)]
struct Mapping {
    inner: SocketAddr,
    /// The part of the remote address for which this mapping was made.
    made_for: Option<(IpAddr, u16)>,
    used: Instant,
    /// Until when each remote, as far as filtering looks at it, may send in.
    permissions: BTreeMap<Option<(IpAddr, u16)>, Instant>,
}

/// A NAT with its mappings.
#[derive(Debug)]
pub(crate) struct Translator {
    pub(crate) nat: Nat,
    /// By external port.
    mappings: BTreeMap<u16, Mapping>,
    next_port: u16,
}

impl Translator {
    /// Where external ports start. Far from what hosts use, so that a test sees at once which is which.
    const FIRST_PORT: u16 = 40_000;
    const MAX_PERMISSIONS: usize = 1024;

    pub(crate) const fn new(nat: Nat) -> Self {
        Self { nat, mappings: BTreeMap::new(), next_port: Self::FIRST_PORT }
    }

    /// Forgets every mapping; new ones get ports that were not used before.
    pub(crate) fn rebind(&mut self) {
        self.mappings.clear();
    }

    /// The external address for a datagram from `inner` to `remote`, or `None` if the table is full.
    pub(crate) fn outgoing(&mut self, now: Instant, inner: SocketAddr, remote: SocketAddr) -> Option<SocketAddr> {
        let timeout = self.nat.timeout;
        self.mappings.retain(|_, mapping| mapping.used + timeout > now);
        let made_for = self.nat.mapping.key(remote);
        let known = self.mappings.iter().find(|(_, m)| m.inner == inner && m.made_for == made_for).map(|(p, _)| *p);
        let port = match known {
            Some(port) => port,
            None => self.new_port()?,
        };
        let permission = self.nat.filtering.key(remote);
        let mapping = self.mappings.entry(port).or_insert_with(|| Mapping {
            inner,
            made_for,
            used: now,
            permissions: BTreeMap::new(),
        });
        mapping.used = now;
        mapping.permissions.retain(|_, until| *until > now);
        if mapping.permissions.len() < Self::MAX_PERMISSIONS {
            mapping.permissions.insert(permission, now + timeout);
        }
        Some(SocketAddr::new(self.nat.external, port))
    }

    /// The inner address for a datagram from `remote` to `port`, if it may come in. Does not keep the mapping alive
    /// (RFC 4787, section 4.3: what comes in must not be able to).
    pub(crate) fn incoming(&self, now: Instant, port: u16, remote: SocketAddr) -> Option<SocketAddr> {
        let mapping = self.mappings.get(&port).filter(|mapping| mapping.used + self.nat.timeout > now)?;
        let permission = self.nat.filtering.key(remote);
        mapping.permissions.get(&permission).is_some_and(|until| *until > now).then_some(mapping.inner)
    }

    fn new_port(&mut self) -> Option<u16> {
        if self.mappings.len() >= self.nat.max_mappings {
            return None;
        }
        for _ in 0..=u16::MAX {
            let port = self.next_port;
            self.next_port = self.next_port.checked_add(1).unwrap_or(Self::FIRST_PORT);
            if !self.mappings.contains_key(&port) {
                return Some(port);
            }
        }
        None
    }
}
