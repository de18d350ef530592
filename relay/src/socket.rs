//! Sockets, read and written in batches.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Bytes that the kernel may hold, so that the only losses are those asked for. What is granted may be less.
const KERNEL_BUFFER: usize = 8 << 20;

/// The longest that the kernel joins of several datagrams.
const BUFFER: usize = 1 << 16;

/// How many of those one system call fills.
const BATCH: usize = 4;

/// A joined send must fit one IP packet, headers included.
const MAX_SEND: usize = 65_000;

/// The longest that a datagram can have waited for us to look, unless the clock was set.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// A port of the same IP address as `beside`.
pub(crate) fn bind(beside: SocketAddr) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(beside), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // Less than asked for is granted, or nothing.
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
    let mut address = beside;
    address.set_port(0);
    socket.bind(&address.into())?;
    Ok(socket)
}

/// When datagrams came: a path goes on while the relay is kept waiting for a processor.
struct Arrived {
    now: Instant,
    /// The same moment on the kernel's clock.
    wall: Duration,
}

impl Arrived {
    fn new() -> Self {
        Self { now: Instant::now(), wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// What the kernel says, where it says anything.
    fn at(&self, meta: &RecvMeta) -> Instant {
        let waited = meta.timestamp.and_then(|at| self.wall.checked_sub(at)).unwrap_or_default();
        self.now.checked_sub(waited.min(LONGEST_WAIT)).unwrap_or(self.now)
    }
}

pub(crate) struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    buffer: Vec<u8>,
}

impl Socket {
    pub(crate) fn new(socket: RawSocket) -> io::Result<Self> {
        let io = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        Ok(Self { io, state, buffer: vec![0; BUFFER * BATCH] })
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Hands out what has come with where it came from and when, in one system call.
    pub(crate) fn receive(&mut self, mut handle: impl FnMut(SocketAddr, Instant, &[u8])) {
        let mut chunks = self.buffer.chunks_mut(BUFFER);
        let mut slices: [_; BATCH] = std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let mut metas = [RecvMeta::default(); BATCH];
        let received =
            self.io.try_io(Interest::READABLE, || self.state.recv(UdpSockRef::from(&self.io), &mut slices, &mut metas));
        // Nothing there, or a port that nobody listens on yet.
        let Ok(received) = received else { return };
        let arrived = Arrived::new();
        for (slice, meta) in slices.iter().zip(&metas).take(received) {
            let (bytes, at) = (slice.get(..meta.len).unwrap_or_default(), arrived.at(meta));
            if bytes.is_empty() {
                handle(meta.addr, at, bytes);
            }
            bytes.chunks(meta.stride.max(1)).for_each(|datagram| handle(meta.addr, at, datagram));
        }
    }

    /// How many datagrams of this size leave in one call.
    pub(crate) fn max_segments(&self, segment: usize) -> usize {
        self.state.max_gso_segments().min(MAX_SEND / segment.max(1)).max(1)
    }

    /// Sends datagrams of `segment` bytes each. What the kernel has no room for is lost, as on any network.
    pub(crate) fn send(&self, destination: SocketAddr, contents: &[u8], segment: usize) {
        let segment_size = (contents.len() > segment).then_some(segment);
        let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
        if let Err(error) = self.state.try_send(UdpSockRef::from(&self.io), &transmit) {
            tracing::debug!(%destination, %error, "not relayed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_came_when_the_kernel_says_so() {
        let arrived = Arrived { now: Instant::now(), wall: Duration::from_secs(1_000_000) };
        let before = |timestamp: Option<Duration>| {
            let mut meta = RecvMeta::default();
            meta.timestamp = timestamp;
            arrived.now - arrived.at(&meta)
        };
        let waited = Duration::from_millis(7);
        assert_eq!(before(Some(arrived.wall - waited)), waited);
        // Nothing is known, or the clock was set.
        assert_eq!(before(None), Duration::ZERO);
        assert_eq!(before(Some(arrived.wall + waited)), Duration::ZERO);
        assert_eq!(before(Some(Duration::ZERO)), LONGEST_WAIT);
    }
}
