//! Sockets, read and written in batches.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

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

    /// Hands out what has come with where it came from, in one system call.
    pub(crate) fn receive(&mut self, mut handle: impl FnMut(SocketAddr, &[u8])) {
        let mut chunks = self.buffer.chunks_mut(BUFFER);
        let mut slices: [_; BATCH] = std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let mut metas = [RecvMeta::default(); BATCH];
        let received =
            self.io.try_io(Interest::READABLE, || self.state.recv(UdpSockRef::from(&self.io), &mut slices, &mut metas));
        // Nothing there, or a port that nobody listens on yet.
        let Ok(received) = received else { return };
        for (slice, meta) in slices.iter().zip(&metas).take(received) {
            let bytes = slice.get(..meta.len).unwrap_or_default();
            if bytes.is_empty() {
                handle(meta.addr, bytes);
            }
            bytes.chunks(meta.stride.max(1)).for_each(|datagram| handle(meta.addr, datagram));
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
