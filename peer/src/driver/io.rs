//! A UDP socket as the runtime watches it: for something to read, and for room only once there was none.
//!
//! Watched for both, a socket tells of room whenever a datagram has left its buffer, which wakes a thread for nothing
//! after each one sent.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::task::{Context, Poll};

use tokio::io::Interest;

#[cfg(unix)]
pub(super) use unix::Io;

#[cfg(not(unix))]
pub(super) use other::Io;

#[cfg(unix)]
mod unix {
    use super::{Context, Interest, Poll, SocketAddr, UdpSocket, io};
    use tokio::io::unix::AsyncFd;

    pub(in crate::driver) struct Io {
        readable: AsyncFd<UdpSocket>,
        /// The same socket by another number, since the first time it had no room: one cannot be watched twice.
        writable: Option<AsyncFd<UdpSocket>>,
    }

    #[expect(
        deprecated,
        reason = "what replaces it is unsafe, as a type may lie about its descriptor, which a socket of the standard library does not"
    )]
    fn watch(socket: UdpSocket, interest: Interest) -> io::Result<AsyncFd<UdpSocket>> {
        AsyncFd::with_interest(socket, interest)
    }

    impl Io {
        /// `socket` does not block.
        pub(in crate::driver) fn new(socket: UdpSocket) -> io::Result<Self> {
            Ok(Self { readable: watch(socket, Interest::READABLE)?, writable: None })
        }

        pub(in crate::driver) fn socket(&self) -> &UdpSocket {
            self.readable.get_ref()
        }

        pub(in crate::driver) fn local_addr(&self) -> io::Result<SocketAddr> {
            self.socket().local_addr()
        }

        /// Receives if there may be something. What `WouldBlock` is returned for waits for the next that arrives.
        pub(in crate::driver) fn receive<T>(&self, receive: impl FnOnce(&UdpSocket) -> io::Result<T>) -> io::Result<T> {
            self.readable.try_io(Interest::READABLE, receive)
        }

        /// Sends; if there is no room, notes that somebody waits for it.
        pub(in crate::driver) fn send(&mut self, mut send: impl FnMut(&UdpSocket) -> io::Result<()>) -> io::Result<()> {
            match send(self.readable.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            match &self.writable {
                // Once more under the eyes of the runtime, which takes note of it.
                Some(writable) => writable.try_io(Interest::WRITABLE, send),
                None => {
                    let again = self.readable.get_ref().try_clone()?;
                    self.writable = Some(watch(again, Interest::WRITABLE)?);
                    Err(io::ErrorKind::WouldBlock.into())
                }
            }
        }

        pub(in crate::driver) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
            self.readable.poll_read_ready(cx).map(|_| ())
        }

        /// Ready when there is room again, if there was none.
        pub(in crate::driver) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
            match &self.writable {
                Some(writable) => writable.poll_write_ready(cx).map(|_| ()),
                None => Poll::Ready(()),
            }
        }
    }
}

#[cfg(not(unix))]
mod other {
    use super::{Context, Interest, Poll, SocketAddr, UdpSocket, io};

    pub(in crate::driver) struct Io(tokio::net::UdpSocket);

    impl Io {
        /// `socket` does not block.
        pub(in crate::driver) fn new(socket: UdpSocket) -> io::Result<Self> {
            tokio::net::UdpSocket::from_std(socket).map(Self)
        }

        pub(in crate::driver) fn socket(&self) -> &tokio::net::UdpSocket {
            &self.0
        }

        pub(in crate::driver) fn local_addr(&self) -> io::Result<SocketAddr> {
            self.0.local_addr()
        }

        /// Receives if there may be something. What `WouldBlock` is returned for waits for the next that arrives.
        pub(in crate::driver) fn receive<T>(
            &self,
            receive: impl FnOnce(&tokio::net::UdpSocket) -> io::Result<T>,
        ) -> io::Result<T> {
            self.0.try_io(Interest::READABLE, || receive(&self.0))
        }

        /// Sends; if there is no room, notes that somebody waits for it.
        pub(in crate::driver) fn send(
            &mut self,
            mut send: impl FnMut(&tokio::net::UdpSocket) -> io::Result<()>,
        ) -> io::Result<()> {
            match send(&self.0) {
                // Once more under the eyes of the runtime, which takes note of it. It is not asked first because of a
                // new socket it only knows later that it has room.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.0.try_io(Interest::WRITABLE, || send(&self.0))
                }
                result => result,
            }
        }

        pub(in crate::driver) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
            self.0.poll_recv_ready(cx).map(|_| ())
        }

        pub(in crate::driver) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
            self.0.poll_send_ready(cx).map(|_| ())
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::future::poll_fn;
    use std::net::{Ipv4Addr, UdpSocket};
    use std::task::Poll;
    use std::time::Duration;

    use super::{Io, io};

    fn blocked(_: &UdpSocket) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Whether there is room before long.
    async fn has_room(io: &Io) -> bool {
        let writable = poll_fn(|cx| io.poll_writable(cx));
        tokio::time::timeout(Duration::from_secs(10), writable).await.is_ok()
    }

    #[tokio::test]
    async fn who_finds_no_room_is_told_of_it_each_time() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let to_itself = socket.local_addr().unwrap();
        let mut io = Io::new(socket).unwrap();
        assert_eq!(io.send(blocked).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(has_room(&io).await);
        for _ in 0..3 {
            assert_eq!(io.send(blocked).unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let is_ready = poll_fn(|cx| Poll::Ready(io.poll_writable(cx).is_ready())).await;
            assert!(!is_ready, "there was no room a moment ago");
            // The datagram leaves the buffer, and then there is.
            io.send(|socket| socket.send_to(b"something", to_itself).map(|_| ())).unwrap();
            assert!(has_room(&io).await);
        }
    }
}
