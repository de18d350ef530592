//! Sending: datagrams of one size and route stand one behind another and leave in one system call.

use std::cell::RefCell;
use std::time::Instant;

use session::ice::Route;

use super::Driver;

/// How many system calls one turn sends with, so that acknowledgements are read in between.
const BATCHES_PER_TURN: u32 = 8;

thread_local! {
    /// Where datagrams are written. As for receiving, connections that are idle need no buffer of their own.
    static TRANSMIT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What the datagrams that stand in the buffer have in common.
#[derive(Clone, Copy)]
struct Run {
    route: Route,
    /// The size of each but the last, which may be shorter.
    segment: usize,
    /// How many bytes may leave in one call.
    limit: usize,
}

impl Driver {
    /// Sends until nothing is left, too much waits for room in a socket, or the turn is over.
    pub(super) fn transmit(&mut self, now: Instant) {
        let sockets = &mut self.sockets;
        let lost = self.backlog.flush(now, |batch| sockets.send(&batch.buf, batch.route, batch.segment));
        for (local, count) in lost {
            self.sockets.count_dropped(local, count);
        }
        if self.backlog.is_full() {
            return;
        }
        let mut buf = TRANSMIT.take();
        buf.clear();
        self.transmit_from(now, &mut buf);
        TRANSMIT.set(buf);
    }

    fn transmit_from(&mut self, now: Instant, buf: &mut Vec<u8>) {
        let mut run: Option<Run> = None;
        let mut batches = 0;
        while batches < BATCHES_PER_TURN {
            let start = buf.len();
            let Some(route) = self.session.poll_transmit(now, buf) else {
                if let Some(run) = run {
                    self.send(now, buf, run);
                }
                return;
            };
            let len = buf.len().saturating_sub(start);
            self.attention.count(len);
            let current = match run {
                Some(run) if run.route == route && len <= run.segment => run,
                Some(previous) => {
                    // It does not go with those before it: they leave, and it stays as the first of the next run.
                    batches += 1;
                    let (before, after) = buf.split_at_checked(start).unwrap_or((buf, &[]));
                    let next = self.begin(route, len);
                    if !self.send(now, before, previous) {
                        self.send(now, after, next);
                        return;
                    }
                    buf.drain(..start);
                    next
                }
                None => self.begin(route, len),
            };
            run = Some(current);
            // Only the last of a run may be shorter, and there is a limit to its length.
            if len < current.segment || buf.len().saturating_add(current.segment) > current.limit {
                batches += 1;
                if !self.send(now, buf, current) {
                    return;
                }
                buf.clear();
                run = None;
            }
        }
        if let Some(run) = run {
            self.send(now, buf, run);
        }
        self.is_busy = true;
    }

    fn begin(&self, route: Route, segment: usize) -> Run {
        // What is larger than the path is known to carry is a probe. It leaves alone: with company the system would refuse
        // that too, and might do without segmentation offload from then on.
        let count =
            if segment > self.session.max_datagram() { 1 } else { self.sockets.max_segments(route.local, segment) };
        Run { route, segment, limit: count.saturating_mul(segment) }
    }

    /// Sends a run, or keeps it until the socket has room. Returns whether there may be more.
    fn send(&mut self, now: Instant, datagrams: &[u8], run: Run) -> bool {
        // What waits already comes first.
        let must_wait = self.backlog.blocked().contains(&run.route.local);
        if must_wait || !self.sockets.send(datagrams, run.route, run.segment) {
            self.backlog.push(now, datagrams, run.route, run.segment);
        }
        if let Some(bytes) = self.sockets.take_too_large(run.route.local) {
            self.session.datagram_too_large(bytes);
        }
        !self.backlog.is_full()
    }
}
