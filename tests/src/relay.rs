//! A bad path on loopback: a UDP relay that loses and delays datagrams, by a seed.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{net::UdpSocket, task::JoinHandle};

use crate::Failure;

/// What happens to datagrams, either way.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Of a hundred datagrams, how many are lost.
    pub loss: f64,
    /// How much longer than the quickest the slowest takes.
    pub jitter: Duration,
}

/// Between one peer, which is called, and one that calls here. Ends when dropped.
pub struct Relay {
    /// Where the caller sends to.
    pub address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Relay {
    /// Relays what comes to a port of the same address as `called` to it, and what comes back to whoever sent last.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start(called: SocketAddr, path: Path, seed: u64) -> Result<Self, Failure> {
        let outer = Arc::new(UdpSocket::bind((called.ip(), 0)).await?);
        let inner = Arc::new(UdpSocket::bind((called.ip(), 0)).await?);
        let address = outer.local_addr()?;
        inner.connect(called).await?;
        let caller = Arc::new(std::sync::Mutex::new(None));
        let seen = caller.clone();
        let inwards = tokio::spawn({
            let (from, to) = (outer.clone(), inner.clone());
            run(
                path,
                seed,
                async move |buf: &mut [u8]| {
                    let (length, source) = from.recv_from(buf).await?;
                    *seen.lock().expect("nothing panics while it is held") = Some(source);
                    Ok((length, None))
                },
                to,
            )
        });
        let outwards = tokio::spawn(run(
            path,
            seed + 1,
            async move |buf: &mut [u8]| {
                let length = inner.recv(buf).await?;
                Ok((length, *caller.lock().expect("nothing panics while it is held")))
            },
            outer,
        ));
        Ok(Self { address, tasks: [inwards, outwards] })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Carries datagrams one way until the socket is gone. `receive` gives the length, and where it goes if `to` is not
/// connected.
async fn run<R>(path: Path, seed: u64, receive: R, to: Arc<UdpSocket>)
where
    R: AsyncFn(&mut [u8]) -> std::io::Result<(usize, Option<SocketAddr>)>,
{
    let mut rng = StdRng::seed_from_u64(seed);
    let mut buf = vec![0; 65_536];
    loop {
        // A port that nobody listens on yet is refused, and may be taken the next time.
        let Ok((length, target)) = receive(&mut buf).await else { continue };
        if rng.random_bool(path.loss / 100.0) {
            continue;
        }
        let delay = path.jitter.mul_f64(rng.random());
        let (datagram, to) = (buf.get(..length).unwrap_or_default().to_vec(), to.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            // What the kernel refuses is lost as well.
            let _ = match target {
                Some(target) => to.send_to(&datagram, target).await,
                None => to.send(&datagram).await,
            };
        });
    }
}
