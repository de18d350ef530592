//! UDP sockets: one for each local address, read and written in batches.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::task::{Context, Poll};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rand::RngExt;
use session::ice::Route;
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use super::io::Io;
use crate::stats::{SocketCounters, SocketStats};

/// How many receive buffers one system call fills.
const BATCH: usize = 4;

/// The size of each: what receive offload joins is no longer than an IP packet.
const BUFFER: usize = 1 << 16;

/// How many system calls drain one socket before others have their turn.
const BURST: usize = 2;

/// A joined send must fit one IP packet, headers included.
const MAX_SEND: usize = 65_000;

/// The system's number for a datagram that exceeds the interface's MTU, which `io::ErrorKind` has no name for.
const EMSGSIZE: i32 = if cfg!(windows) {
    10_040
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    90
} else {
    40
};

thread_local! {
    /// Where datagrams are received. It belongs to the thread, not to the connection: thousands of idle connections
    /// need none, and the busy ones share what is warm in the cache.
    static RECEIVE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One socket and what it counted.
pub(crate) struct Socket {
    local: SocketAddr,
    io: Io,
    state: UdpSocketState,
    counters: SocketCounters,
    /// The size of a datagram that exceeds the interface's MTU, until somebody asks for it.
    too_large: Option<usize>,
}

impl Socket {
    /// Binds an address, with a port from the range, and asks for large buffers.
    pub(crate) fn bind(address: SocketAddr, ports: &RangeInclusive<u16>, buffer: usize) -> io::Result<Self> {
        let socket = RawSocket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Less than asked for is granted, or nothing; what it is can be read from the stats.
        let _ = socket.set_recv_buffer_size(buffer);
        let _ = socket.set_send_buffer_size(buffer);
        bind_port(&socket, address, ports)?;
        let io = Io::new(socket.into())?;
        let local = io.local_addr()?;
        let state = UdpSocketState::new(UdpSockRef::from(io.socket()))?;
        Ok(Self { local, io, state, counters: SocketCounters::default(), too_large: None })
    }

    pub(crate) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Hands out datagrams until there are no more, or others should have their turn.
    fn drain(&mut self, buffer: &mut [u8], mut handle: impl FnMut(SocketAddr, SocketAddr, &mut [u8])) {
        for _ in 0..BURST {
            let mut chunks = buffer.chunks_mut(BUFFER);
            let mut slices: [_; BATCH] = std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            let mut metas = [RecvMeta::default(); BATCH];
            let mut received = 0;
            let result = self.io.receive(|socket| {
                received = self.state.recv(UdpSockRef::from(socket), &mut slices, &mut metas)?;
                // A batch that is not full has emptied the socket: saying so spares the call that would find that out.
                if received < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            let is_empty = match result {
                Ok(()) => false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
                Err(error) => {
                    // Such as an ICMP message about an earlier datagram: nothing that ends a socket.
                    tracing::debug!(local = %self.local, %error, "receiving failed");
                    self.counters.receive_errors = self.counters.receive_errors.wrapping_add(1);
                    false
                }
            };
            if received > 0 {
                self.counters.receives = self.counters.receives.wrapping_add(1);
            }
            for (slice, meta) in slices.iter_mut().zip(&metas).take(received) {
                let Some(bytes) = slice.get_mut(..meta.len) else { continue };
                self.counters.bytes_received = self.counters.bytes_received.wrapping_add(meta.len as u64);
                for datagram in bytes.chunks_mut(meta.stride.max(1)) {
                    self.counters.datagrams_received = self.counters.datagrams_received.wrapping_add(1);
                    handle(self.local, without_scope(meta.addr), datagram);
                }
            }
            if is_empty {
                break;
            }
        }
    }

    /// Sends a batch. `false`: the socket has no room. What the kernel refuses is lost, as on any network.
    fn send(&mut self, datagrams: &[u8], remote: SocketAddr, segment: usize) -> bool {
        let destination = with_scope(remote, self.local);
        // Without a size it is one datagram: pieces of nothing would never come to an end.
        let segment = if segment == 0 { datagrams.len() } else { segment };
        let mut rest = datagrams;
        while !rest.is_empty() {
            // Offload may turn out not to work after the batch was made; then it leaves one by one.
            let limit = segment.saturating_mul(self.state.max_gso_segments().max(1));
            let (now, later) = rest.split_at_checked(limit).unwrap_or((rest, &[]));
            let count = now.len().div_ceil(segment.max(1)) as u64;
            match self.send_once(destination, now, segment) {
                Ok(()) => {
                    self.counters.sends = self.counters.sends.wrapping_add(1);
                    self.counters.datagrams_sent = self.counters.datagrams_sent.wrapping_add(count);
                    self.counters.bytes_sent = self.counters.bytes_sent.wrapping_add(now.len() as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.counters.sends_blocked = self.counters.sends_blocked.wrapping_add(1);
                    return false;
                }
                // The failure may be that of offload alone, which is now switched off: once more, in smaller pieces.
                Err(_) if self.state.max_gso_segments().saturating_mul(segment) < now.len() => continue,
                Err(error) => {
                    tracing::debug!(local = %self.local, remote = %destination, %error, "sending failed");
                    if error.raw_os_error() == Some(EMSGSIZE) {
                        self.too_large = Some(segment.min(now.len()));
                    }
                    self.counters.send_errors = self.counters.send_errors.wrapping_add(count);
                }
            }
            rest = later;
        }
        true
    }

    fn send_once(&mut self, destination: SocketAddr, contents: &[u8], segment: usize) -> io::Result<()> {
        let segment_size = (contents.len() > segment).then_some(segment);
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
        self.io.send(|socket| self.state.try_send(UdpSockRef::from(socket), &transmit))
    }

    fn stats(&self) -> SocketStats {
        let socket = socket2::SockRef::from(self.io.socket());
        SocketStats {
            local: self.local,
            receive_buffer: socket.recv_buffer_size().unwrap_or(0),
            send_buffer: socket.send_buffer_size().unwrap_or(0),
            segments_per_send: self.state.max_gso_segments(),
            segments_per_receive: self.state.gro_segments(),
            counters: self.counters,
        }
    }
}

/// All sockets of a connection.
#[derive(Default)]
pub(crate) struct Sockets {
    list: Vec<Socket>,
}

impl Sockets {
    pub(crate) fn add(&mut self, socket: Socket) {
        self.list.push(socket);
    }

    pub(crate) fn remove(&mut self, local: SocketAddr) {
        self.list.retain(|socket| socket.local != local);
    }

    pub(crate) fn locals(&self) -> impl Iterator<Item = SocketAddr> {
        self.list.iter().map(Socket::local)
    }

    /// Hands out what came, a bounded part of it.
    pub(crate) fn drain(&mut self, mut handle: impl FnMut(SocketAddr, SocketAddr, &mut [u8])) {
        RECEIVE.with_borrow_mut(|buffer| {
            buffer.resize(BATCH * BUFFER, 0);
            for socket in &mut self.list {
                socket.drain(buffer, &mut handle);
            }
        });
    }

    /// How many datagrams of this size may leave in one call.
    pub(crate) fn max_segments(&self, local: SocketAddr, segment: usize) -> usize {
        let offload = self.find(local).map_or(1, |socket| socket.state.max_gso_segments());
        offload.min(MAX_SEND / segment.max(1)).max(1)
    }

    /// Sends datagrams of `segment` bytes each. `false`: the socket has no room now. A socket that is gone has room
    /// for everything.
    pub(crate) fn send(&mut self, datagrams: &[u8], route: Route, segment: usize) -> bool {
        match self.list.iter_mut().find(|socket| socket.local == route.local) {
            Some(socket) => socket.send(datagrams, route.remote, segment),
            None => true,
        }
    }

    /// The size of a datagram that the interface would not take, told once.
    pub(crate) fn take_too_large(&mut self, local: SocketAddr) -> Option<usize> {
        self.list.iter_mut().find(|socket| socket.local == local)?.too_large.take()
    }

    /// Counts datagrams that were given up because their socket had no room for too long.
    pub(crate) fn count_dropped(&mut self, local: SocketAddr, count: u64) {
        if let Some(socket) = self.list.iter_mut().find(|socket| socket.local == local) {
            tracing::debug!(%local, count, "dropped: the socket has had no room for too long");
            socket.counters.datagrams_dropped = socket.counters.datagrams_dropped.wrapping_add(count);
        }
    }

    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ready = Poll::Pending;
        for socket in &self.list {
            if socket.io.poll_readable(cx).is_ready() {
                ready = Poll::Ready(());
            }
        }
        ready
    }

    pub(crate) fn poll_writable(&self, local: SocketAddr, cx: &mut Context<'_>) -> Poll<()> {
        match self.find(local) {
            Some(socket) => socket.io.poll_writable(cx),
            None => Poll::Ready(()),
        }
    }

    pub(crate) fn stats(&self) -> Vec<SocketStats> {
        self.list.iter().map(Socket::stats).collect()
    }

    fn find(&self, local: SocketAddr) -> Option<&Socket> {
        self.list.iter().find(|socket| socket.local == local)
    }
}

/// Binds to a free port of the range, beginning anywhere in it so that connections spread.
fn bind_port(socket: &RawSocket, mut address: SocketAddr, ports: &RangeInclusive<u16>) -> io::Result<()> {
    let (first, last) = (*ports.start(), *ports.end());
    let count = u32::from(last.saturating_sub(first)).saturating_add(1);
    let offset = rand::rng().random_range(0..count);
    let mut result = Ok(());
    for step in 0..count {
        let place = offset.wrapping_add(step) % count;
        address.set_port(first.saturating_add(u16::try_from(place).unwrap_or(u16::MAX)));
        result = socket.bind(&address.into());
        match &result {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Ok(()) | Err(_) => return result,
        }
    }
    result
}

/// Candidates have no scope (RFC 8839), so the protocols never see one: the socket knows its interface.
fn without_scope(mut address: SocketAddr) -> SocketAddr {
    if let SocketAddr::V6(v6) = &mut address {
        v6.set_scope_id(0);
        v6.set_flowinfo(0);
    }
    address
}

/// A link-local destination is on the link of the socket that sends.
fn with_scope(mut remote: SocketAddr, local: SocketAddr) -> SocketAddr {
    if let (SocketAddr::V6(remote), SocketAddr::V6(local)) = (&mut remote, local)
        && remote.ip().is_unicast_link_local()
    {
        remote.set_scope_id(local.scope_id());
    }
    remote
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::time::Duration;

    use session::ice::Route;

    use super::{Socket, Sockets, with_scope, without_scope};

    fn loopback() -> Socket {
        Socket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &(0..=0), 1 << 20).unwrap()
    }

    fn sockets() -> (Sockets, SocketAddr) {
        let socket = loopback();
        let local = socket.local();
        let mut sockets = Sockets::default();
        sockets.add(socket);
        (sockets, local)
    }

    /// Receives until so many datagrams have come.
    async fn receive(sockets: &mut Sockets, count: usize) -> Vec<Vec<u8>> {
        let mut received = Vec::new();
        while received.len() < count {
            let readable = poll_fn(|cx| sockets.poll_readable(cx));
            tokio::time::timeout(Duration::from_secs(10), readable).await.unwrap();
            sockets.drain(|_, _, datagram| received.push(datagram.to_vec()));
        }
        received
    }

    #[tokio::test]
    async fn a_batch_arrives_as_the_datagrams_that_it_was() {
        let ((mut here, local), (mut there, remote)) = (sockets(), sockets());
        let route = Route { local, remote };
        for (segment, total) in [(1200, 1200), (1200, 1199), (1200, 1200 * 40 + 7), (100, 100 * 64), (9000, 9000 * 7)] {
            assert!(total <= here.max_segments(local, segment).max(64) * segment);
            let batch: Vec<u8> = (0..total).map(|place| (place / segment) as u8).collect();
            assert!(here.send(&batch, route, segment));
            let count = total.div_ceil(segment);
            let received = receive(&mut there, count).await;
            let expected: Vec<Vec<u8>> = batch.chunks(segment).map(<[u8]>::to_vec).collect();
            assert_eq!(received, expected, "{segment} of {total}");
        }
        let stats = &there.stats()[0].counters;
        assert_eq!(stats.datagrams_received, 1 + 1 + 41 + 64 + 7);
        assert_eq!(stats.datagrams_received, here.stats()[0].counters.datagrams_sent);
        assert_eq!(stats.bytes_received, here.stats()[0].counters.bytes_sent);
    }

    #[tokio::test]
    async fn what_the_kernel_refuses_is_counted_and_forgotten() {
        let (mut here, local) = sockets();
        // A multicast source, a port that does not exist, a datagram that fits no packet: each fails in its own way.
        let (mut there, remote) = sockets();
        let nowhere = Route { local, remote: SocketAddr::from(([127, 0, 0, 1], 0)) };
        assert!(here.send(b"lost", nowhere, 4));
        assert!(here.send(&vec![0; 70_000], Route { local, remote }, 70_000));
        assert_eq!(here.stats()[0].counters.send_errors, 2);
        assert_eq!((here.take_too_large(local), here.take_too_large(local)), (Some(70_000), None));
        assert!(here.send(b"found", Route { local, remote }, 5));
        assert_eq!(receive(&mut there, 1).await, [b"found"]);
    }

    #[tokio::test]
    async fn datagrams_without_a_size_are_one_and_end() {
        let ((mut here, local), (mut there, remote)) = (sockets(), sockets());
        assert!(here.send(b"whole", Route { local, remote }, 0));
        assert!(here.send(b"", Route { local, remote }, 0));
        assert_eq!(receive(&mut there, 1).await, [b"whole"]);
        assert_eq!(here.stats()[0].counters.datagrams_sent, 1);
    }

    #[tokio::test]
    async fn a_socket_that_is_gone_swallows_what_is_sent() {
        let ((mut here, local), (_there, remote)) = (sockets(), sockets());
        here.remove(local);
        assert!(here.send(b"lost", Route { local, remote }, 4));
        assert_eq!(here.locals().count(), 0);
    }

    #[tokio::test]
    async fn ports_come_from_their_range_until_it_is_used_up() {
        let first = loopback();
        let port = first.local().port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let error = Socket::bind(address, &(port..=port), 0).err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
        drop(first);
        assert_eq!(Socket::bind(address, &(port..=port), 0).unwrap().local().port(), port);
    }

    #[test]
    fn scopes_stay_with_the_socket() {
        let scoped: SocketAddr = "[fe80::1%3]:5".parse().unwrap();
        let plain: SocketAddr = "[fe80::1]:5".parse().unwrap();
        let global: SocketAddr = "[2001:db8::1]:5".parse().unwrap();
        assert_eq!(without_scope(scoped), plain);
        assert_eq!(with_scope(plain, "[fe80::2%3]:1".parse().unwrap()), scoped);
        assert_eq!(with_scope(global, "[fe80::2%3]:1".parse().unwrap()), global);
    }
}
