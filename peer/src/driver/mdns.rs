//! Names of browsers' candidates: looked up by multicast DNS, on the interfaces that the connection uses.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Instant;

use session::ice::mdns;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::Driver;
use super::interfaces::{self, Interface};
use crate::config::Config;

/// Where queries go (RFC 6762, section 3).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// How many answers one turn takes from each socket.
const BURST: usize = 16;

/// The longest message (RFC 6762, section 17).
const MAX_MESSAGE: usize = 9000;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Lookups under way, and the sockets for them. There are none of either as long as no name has come.
#[derive(Default)]
pub(super) struct Mdns {
    lookups: Option<Lookups>,
    /// Datagrams that came from elsewhere than the links in use.
    off_link: u64,
}

struct Lookups {
    resolver: mdns::Resolver,
    /// One for each interface, from an ephemeral port: who answers directly answers there.
    queries: Vec<(UdpSocket, SocketAddr)>,
    /// One for each family, at the well-known port: who answers everybody (as browsers do) is heard there.
    answers: Vec<UdpSocket>,
    /// The addresses that are asked from, and all of this machine.
    used: Vec<IpAddr>,
    interfaces: Vec<Interface>,
}

impl Lookups {
    /// Opens sockets on the interfaces that are used; those that cannot be opened are done without.
    fn new(now: Instant, config: &Config) -> Self {
        // Not the addresses of the connection's sockets: an offer comes before there are any.
        let locals = interfaces::addresses(config).unwrap_or_default();
        let all = interfaces::all();
        let index_of = |local: &SocketAddr| {
            all.iter().find(|interface| interface.address == local.ip()).map_or(0, |interface| interface.index)
        };
        let interfaces: Vec<_> = locals.iter().map(|local| (*local, index_of(local))).collect();
        let queries = interfaces.iter().filter_map(|(local, index)| logged(query_socket(*local, *index))).collect();
        let answers = [true, false]
            .into_iter()
            .filter(|is_ipv4| locals.iter().any(|local| local.is_ipv4() == *is_ipv4))
            .filter_map(|is_ipv4| logged(answer_socket(is_ipv4, &interfaces)))
            .collect();
        Self {
            resolver: mdns::Resolver::new(mdns::Config::default(), now, rand::random()),
            queries,
            answers,
            used: locals.iter().map(SocketAddr::ip).collect(),
            interfaces: all,
        }
    }

    fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.queries.iter().map(|(socket, _)| socket).chain(&self.answers)
    }

    /// Reads what came; bad messages are the resolver's to drop. Names are local, so that who is elsewhere has no say
    /// in them (RFC 6762, section 11). Tells how many datagrams of such there were.
    fn drain(&mut self, now: Instant) -> u64 {
        let mut off_link = 0;
        BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(MAX_MESSAGE, 0);
            let sockets = self.queries.iter().map(|(socket, _)| socket).chain(&self.answers);
            for socket in sockets {
                for _ in 0..BURST {
                    let Ok((len, source)) = socket.try_recv_from(buffer) else { break };
                    if !interfaces::is_on_link(source.ip(), &self.interfaces, &self.used) {
                        tracing::debug!(%source, "dropped: multicast DNS from off the link");
                        off_link += 1;
                        continue;
                    }
                    if let Some(message) = buffer.get_mut(..len) {
                        self.resolver.handle_datagram(now, message);
                    }
                }
            }
        });
        off_link
    }

    /// Sends what is due to every interface.
    fn transmit(&mut self, now: Instant) {
        let mut message = Vec::new();
        while self.resolver.poll_transmit(now, &mut message) {
            for (socket, group) in &self.queries {
                // An interface that cannot send now may still hear an answer; a retransmission follows anyway.
                if let Err(error) = socket.try_send_to(&message, *group) {
                    tracing::debug!(%group, %error, "cannot ask for a name");
                }
            }
            message.clear();
        }
    }
}

impl Mdns {
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ready = Poll::Pending;
        for socket in self.lookups.iter().flat_map(Lookups::sockets) {
            if socket.poll_recv_ready(cx).is_ready() {
                ready = Poll::Ready(());
            }
        }
        ready
    }

    pub(super) const fn off_link_answers(&self) -> u64 {
        self.off_link
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.lookups.as_ref()?.resolver.poll_timeout()
    }
}

impl Driver {
    /// Begins to look a name up.
    pub(super) fn resolve(&mut self, now: Instant, name: &str) {
        let config = &self.shared.config;
        let lookups = self.mdns.lookups.get_or_insert_with(|| Lookups::new(now, config));
        if let Err(error) = lookups.resolver.resolve(now, name) {
            tracing::debug!(name, %error, "not looked up");
            self.session.handle_resolved(now, name, None);
        }
        self.advance_mdns(now);
    }

    /// Reads and sends for lookups, and tells the session what they found.
    pub(super) fn advance_mdns(&mut self, now: Instant) {
        let Some(lookups) = &mut self.mdns.lookups else { return };
        let off_link = lookups.drain(now);
        self.mdns.off_link = self.mdns.off_link.wrapping_add(off_link);
        lookups.resolver.handle_timeout(now);
        lookups.transmit(now);
        while let Some(mdns::Resolved { name, address }) = lookups.resolver.poll_event() {
            tracing::debug!(name, ?address, "looked up");
            self.session.handle_resolved(now, &name, address);
        }
        if lookups.resolver.is_idle() {
            // Nothing is being looked up: the sockets are not kept for what may never come.
            self.mdns.lookups = None;
        }
    }
}

fn logged<T>(result: io::Result<T>) -> Option<T> {
    result.inspect_err(|error| tracing::debug!(%error, "cannot open a socket for multicast DNS")).ok()
}

/// A socket that asks on one interface, and where it asks.
fn query_socket(local: SocketAddr, index: u32) -> io::Result<(UdpSocket, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    let group = match local {
        SocketAddr::V4(address) => {
            socket.set_multicast_if_v4(address.ip())?;
            mdns::GROUP_V4
        }
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_multicast_if_v6(index)?;
            mdns::GROUP_V6
        }
    };
    let mut any_port = local;
    any_port.set_port(0);
    socket.bind(&any_port.into())?;
    Ok((UdpSocket::from_std(socket.into())?, group))
}

/// A socket that hears what is said to everybody on these interfaces. The port is shared with other responders.
fn answer_socket(is_ipv4: bool, interfaces: &[(SocketAddr, u32)]) -> io::Result<UdpSocket> {
    let domain = if is_ipv4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    if is_ipv4 {
        // Bound to the group, it takes nothing that is meant for others at this port, where the system can do that.
        let address = if cfg!(unix) { GROUP_V4 } else { Ipv4Addr::UNSPECIFIED };
        socket.bind(&SocketAddr::from((address, mdns::PORT)).into())?;
    } else {
        // The IPv6 group needs a scope to be bound to, and there is one for each interface.
        socket.set_only_v6(true)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, mdns::PORT)).into())?;
    }
    for (local, index) in interfaces.iter().filter(|(local, _)| local.is_ipv4() == is_ipv4) {
        let joined = match local {
            SocketAddr::V4(local) => {
                socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Address(*local.ip()))
            }
            SocketAddr::V6(_) => socket.join_multicast_v6(&GROUP_V6, *index),
        };
        // Two addresses of one interface join once.
        if let Err(error) = joined {
            tracing::debug!(%local, %error, "cannot join the group of multicast DNS");
        }
    }
    UdpSocket::from_std(socket.into())
}
