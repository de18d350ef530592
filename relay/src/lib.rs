//! A UDP relay that behaves like a bad network.
//!
//! Between one peer, which is called, and one that calls the relay instead, it loses, delays, reorders and queues
//! datagrams as a [`Path`] says. The path may change while datagrams are on their way. For demonstrations, tests and
//! benchmarks, where the kernel offers nothing of the kind.
//!
//! ```
//! use std::net::UdpSocket;
//! use std::time::Duration;
//! use visavis_relay::{Path, Relay};
//!
//! # fn main() -> std::io::Result<()> {
//! let called = UdpSocket::bind("127.0.0.1:0")?;
//! let path = Path { delay: Duration::from_millis(5), ..Path::default() };
//! let relay = Relay::start(called.local_addr()?, path, 1)?;
//!
//! let caller = UdpSocket::bind("127.0.0.1:0")?;
//! caller.send_to(b"hello", relay.address())?;
//! let mut buf = [0; 16];
//! let (length, from) = called.recv_from(&mut buf)?;
//! called.send_to(&buf[..length], from)?;
//! assert_eq!(caller.recv(&mut buf)?, 5);
//!
//! relay.set_path(Path { loss: 1.0, ..path });
//! # Ok(())
//! # }
//! ```

mod carry;
mod socket;
mod way;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

pub use way::Counters;

/// What happens to datagrams, in each direction by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Path {
    /// The part of all datagrams that is lost, 0 to 1.
    pub loss: f64,
    /// How long each takes at least.
    pub delay: Duration,
    /// How much longer than the quickest the slowest takes; what is sent first may arrive last.
    pub jitter: Duration,
    /// What the narrowest place lets through, in bits of UDP payload per second. `None` is no limit.
    pub rate: Option<u64>,
    /// How many bytes may wait before that place; what comes to a full queue is lost. Without a limit nothing waits.
    pub queue: usize,
}

impl Default for Path {
    /// A perfect path.
    fn default() -> Self {
        Self { loss: 0.0, delay: Duration::ZERO, jitter: Duration::ZERO, rate: None, queue: 64 << 10 }
    }
}

/// What both directions share with whoever holds the relay.
#[derive(Debug)]
struct Shared {
    path: Path,
    inward: Counters,
    outward: Counters,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Numbers stay what they are whoever panicked.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running relay, on a thread of its own. Ends when dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    _stop: oneshot::Sender<()>,
}

impl Relay {
    /// Relays what comes to a new port of the same IP address as `called` to it, and what comes back to whoever sent
    /// last. The seed decides what is lost and how long it takes.
    ///
    /// # Errors
    ///
    /// When no port can be bound, or no thread be made.
    pub fn start(called: SocketAddr, path: Path, seed: u64) -> io::Result<Self> {
        let outer = socket::bind(called)?;
        let inner = socket::bind(called)?;
        inner.connect(&called.into())?;
        let address = outer.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let shared = Arc::new(Mutex::new(Shared { path, inward: Counters::default(), outward: Counters::default() }));
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let carried = shared.clone();
        std::thread::Builder::new().name("relay".into()).spawn(move || {
            if let Err(error) = runtime.block_on(carry::run(outer, inner, called, carried, seed, stopped)) {
                tracing::warn!(%error, "the relay ended");
            }
        })?;
        Ok(Self { address, shared, _stop: stop })
    }

    /// Where the caller is to send to.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens to datagrams from now on; those on their way arrive as they would have.
    pub fn set_path(&self, path: Path) {
        lock(&self.shared).path = path;
    }

    /// What was counted: towards the called peer, and back.
    pub fn counters(&self) -> (Counters, Counters) {
        let shared = lock(&self.shared);
        (shared.inward, shared.outward)
    }
}
