//! What sockets had no room for.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use session::ice::Route;

/// How long a socket may take no more before what waits for it is given up, as a network that is down would do.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many bytes wait before the session is asked for no more. A full batch alone is about as much, so that bulk data
/// is held back where it is counted; checks and acknowledgements over other sockets go on beside it.
const LIMIT: usize = 64 << 10;

/// What each batch is charged beside its bytes.
const OVERHEAD: usize = 64;

/// Datagrams that a socket had no room for, one behind another: `segment` bytes each, but the last may be shorter.
pub(super) struct Batch {
    pub(super) buf: Vec<u8>,
    pub(super) route: Route,
    pub(super) segment: usize,
    /// Since when its socket has taken nothing.
    since: Instant,
}

impl Batch {
    fn cost(&self) -> usize {
        self.buf.len().saturating_add(OVERHEAD)
    }
}

/// What waits, in the order in which it is to leave. Bounded by one batch more than [`LIMIT`] for each sending.
#[derive(Default)]
pub(super) struct Backlog {
    batches: VecDeque<Batch>,
    cost: usize,
    /// The sockets that something waits for.
    blocked: Vec<SocketAddr>,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether nothing more should be asked of the session.
    pub(super) const fn is_full(&self) -> bool {
        self.cost >= LIMIT
    }

    /// The sockets that something waits for, each once.
    pub(super) fn blocked(&self) -> &[SocketAddr] {
        &self.blocked
    }

    /// Keeps datagrams until their socket has room.
    pub(super) fn push(&mut self, now: Instant, datagrams: &[u8], route: Route, segment: usize) {
        let mut same = self.batches.iter().filter(|batch| batch.route.local == route.local);
        let since = same.next_back().map_or(now, |batch| batch.since);
        let batch = Batch { buf: datagrams.to_vec(), route, segment, since };
        self.cost = self.cost.saturating_add(batch.cost());
        self.batches.push_back(batch);
        if !self.blocked.contains(&route.local) {
            self.blocked.push(route.local);
        }
    }

    /// Sends what can be sent now: `send` says whether there was room. Sockets do not wait for each other. Gives back
    /// what was given up: which sockets, and how many datagrams.
    pub(super) fn flush(&mut self, now: Instant, mut send: impl FnMut(&Batch) -> bool) -> Vec<(SocketAddr, u64)> {
        let (mut blocked, mut moved, mut lost) = (Vec::new(), Vec::new(), Vec::new());
        let mut cost = self.cost;
        self.batches.retain_mut(|batch| {
            let local = batch.route.local;
            if !blocked.contains(&local) {
                if send(batch) {
                    moved.push(local);
                    cost = cost.saturating_sub(batch.cost());
                    return false;
                }
                blocked.push(local);
            }
            if moved.contains(&local) {
                batch.since = now;
            }
            let is_late = now >= batch.since + PATIENCE;
            if is_late {
                cost = cost.saturating_sub(batch.cost());
                lost.push((local, batch.buf.len().div_ceil(batch.segment.max(1)) as u64));
            }
            !is_late
        });
        self.cost = cost;
        blocked.retain(|local| self.batches.iter().any(|batch| batch.route.local == *local));
        self.blocked = blocked;
        lost
    }

    /// When something is to be given up.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.batches.iter().map(|batch| batch.since + PATIENCE).min()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    use session::ice::Route;

    use super::{Backlog, LIMIT, PATIENCE};

    fn route(local: u16) -> Route {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Route { local: address(local), remote: address(9) }
    }

    /// Offers everything to sockets of which these have no room; tells what left, by its first byte, and what was lost.
    fn flush(backlog: &mut Backlog, now: Instant, full: &[u16]) -> (Vec<u8>, u64) {
        let mut left = Vec::new();
        let lost = backlog.flush(now, |batch| {
            let has_room = !full.contains(&batch.route.local.port());
            left.extend(batch.buf.first().filter(|_| has_room));
            has_room
        });
        (left, lost.iter().map(|(_, count)| count).sum())
    }

    #[test]
    fn a_blocked_socket_holds_up_no_other_and_keeps_its_order() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        for (number, local) in [(1, 1), (2, 2), (3, 1), (4, 2)] {
            backlog.push(now, &[number], route(local), 1);
        }
        assert_eq!(backlog.blocked(), [route(1).local, route(2).local]);
        assert_eq!(flush(&mut backlog, now, &[1]), (vec![2, 4], 0));
        assert_eq!(backlog.blocked(), [route(1).local]);
        assert_eq!(flush(&mut backlog, now, &[]), (vec![1, 3], 0));
        assert!(backlog.is_empty() && backlog.blocked().is_empty());
        assert_eq!((backlog.cost, backlog.poll_timeout()), (0, None));
    }

    #[test]
    fn what_waits_too_long_is_lost_and_counted() {
        let (mut backlog, start) = (Backlog::default(), Instant::now());
        backlog.push(start, &[1; 25], route(1), 10);
        // A later one for the same socket waits for no longer, the socket being the same.
        backlog.push(start + PATIENCE / 2, &[2; 10], route(1), 10);
        assert_eq!(backlog.poll_timeout(), Some(start + PATIENCE));
        let almost = start + PATIENCE - Duration::from_nanos(1);
        assert_eq!(flush(&mut backlog, almost, &[1]), (vec![], 0));
        assert_eq!(flush(&mut backlog, start + PATIENCE, &[1]), (vec![], 4));
        assert!(backlog.is_empty() && backlog.blocked().is_empty());
        assert_eq!(backlog.cost, 0);
    }

    #[test]
    fn a_socket_that_is_only_slow_loses_nothing() {
        let (mut backlog, mut now) = (Backlog::default(), Instant::now());
        for number in 0..5 {
            backlog.push(now, &[number], route(1), 1);
        }
        for number in 0..5 {
            now += PATIENCE / 2;
            assert_eq!(flush(&mut backlog, now, &[1]), (vec![], 0));
            let mut first = true;
            let lost = backlog.flush(now, |batch| {
                assert!(!first || batch.buf == [number]);
                std::mem::take(&mut first)
            });
            assert_eq!(lost, []);
        }
        assert!(backlog.is_empty());
    }

    #[test]
    fn the_session_is_asked_for_no_more_than_fits() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        let mut count = 0;
        while !backlog.is_full() {
            backlog.push(now, &[], route(1), 0);
            count += 1;
            assert!(count <= LIMIT, "empty datagrams are bounded too");
        }
        assert_eq!(flush(&mut backlog, now + PATIENCE, &[1]).0, []);
        assert!(!backlog.is_full());
    }
}
