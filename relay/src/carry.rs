//! The loop that carries datagrams both ways.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::socket::Socket;
use crate::way::Way;
use crate::{Shared, lock};

/// Carries datagrams between whoever calls `outer` and `called`, until told to stop.
pub(crate) async fn run(
    outer: socket2::Socket,
    inner: socket2::Socket,
    called: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    seed: u64,
    mut stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let (mut outer, mut inner) = (Socket::new(outer)?, Socket::new(inner)?);
    let (mut inward, mut outward) = (Way::new(Instant::now(), seed), Way::new(Instant::now(), seed.wrapping_add(1)));
    let mut caller = None;
    let mut batch = Vec::new();
    loop {
        let next = [inward.next_arrival(), outward.next_arrival()].into_iter().flatten().min();
        tokio::select! {
            _ = &mut stopped => return Ok(()),
            result = outer.readable() => result?,
            result = inner.readable() => result?,
            () = until(next), if next.is_some() => {}
        }
        let path = lock(&shared).path;
        outer.receive(|from, at, datagram| {
            caller = Some(from);
            inward.send(at, &path, datagram);
        });
        inner.receive(|_, at, datagram| outward.send(at, &path, datagram));
        let now = Instant::now();
        // Whoever receives a datagram finds it counted.
        publish(&shared, &inward, &outward);
        deliver(&mut inward, now, &inner, called, &mut batch);
        if let Some(caller) = caller {
            deliver(&mut outward, now, &outer, caller, &mut batch);
        }
        publish(&shared, &inward, &outward);
    }
}

fn publish(shared: &Mutex<Shared>, inward: &Way, outward: &Way) {
    let mut shared = lock(shared);
    (shared.inward, shared.outward) = (inward.counters, outward.counters);
}

async fn until(next: Option<Instant>) {
    if let Some(next) = next {
        tokio::time::sleep_until(next.into()).await;
    }
}

/// Sends all that has arrived; datagrams of equal size that follow each other leave in one system call.
fn deliver(way: &mut Way, now: Instant, socket: &Socket, to: SocketAddr, batch: &mut Vec<u8>) {
    while let Some(segment) = way.arriving(now) {
        batch.clear();
        let room = socket.max_segments(segment).saturating_mul(segment.max(1));
        while let Some(length) = way.arriving(now)
            && (batch.is_empty() || (length == segment && batch.len() + length <= room))
            && let Some(datagram) = way.arrive(now)
        {
            batch.extend_from_slice(&datagram);
            way.recycle(datagram);
            // An empty datagram joins nothing.
            if segment == 0 {
                break;
            }
        }
        socket.send(to, batch, segment);
    }
}
