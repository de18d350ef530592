//! A blocking UDP socket on loopback, with and without offload.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::Result;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

const KERNEL_BUFFER: usize = 4 << 20;
const BUFFERS: usize = 4;

pub(crate) struct Socket {
    io: UdpSocket,
    state: Option<UdpSocketState>,
    buffer: Vec<u8>,
}

impl Socket {
    pub(crate) fn bind(has_offload: bool) -> Result<Self> {
        let socket = RawSocket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let io = UdpSocket::from(socket);
        let state = if has_offload { Some(UdpSocketState::new(UdpSockRef::from(&io))?) } else { None };
        // It is the stacks that need sockets that do not block.
        io.set_nonblocking(false)?;
        Ok(Self { io, state, buffer: vec![0; BUFFERS << 16] })
    }

    pub(crate) fn port(&self) -> Result<u16> {
        Ok(self.io.local_addr()?.port())
    }

    pub(crate) fn send_one(&self, target: SocketAddr, datagram: &[u8]) -> Result<()> {
        self.io.send_to(datagram, target)?;
        Ok(())
    }

    pub(crate) fn send(&self, destination: SocketAddr, contents: &[u8], segment: usize) -> io::Result<()> {
        let transmit = Transmit { destination, ecn: None, contents, segment_size: Some(segment), src_ip: None };
        match &self.state {
            Some(state) => state.try_send(UdpSockRef::from(&self.io), &transmit),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn receive_one(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr)> {
        Ok(self.io.recv_from(buffer)?)
    }

    /// Waits for datagrams and hands them out.
    pub(crate) fn receive(&mut self, mut handle: impl FnMut(&mut [u8])) -> io::Result<()> {
        let Some(state) = &self.state else { return Err(io::ErrorKind::Unsupported.into()) };
        let mut chunks = self.buffer.chunks_mut(1 << 16);
        let mut slices: [_; BUFFERS] = std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let mut metas = [RecvMeta::default(); BUFFERS];
        let received = state.recv(UdpSockRef::from(&self.io), &mut slices, &mut metas)?;
        for (slice, meta) in slices.iter_mut().zip(&metas).take(received) {
            slice[..meta.len].chunks_mut(meta.stride.max(1)).for_each(&mut handle);
        }
        Ok(())
    }
}
