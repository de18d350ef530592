//! One direction of a path, without sockets: which datagrams arrive, and when.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::Path;

/// What one direction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that came.
    pub received: u64,
    /// Datagrams that were passed on.
    pub forwarded: u64,
    /// Datagrams lost by chance.
    pub lost: u64,
    /// Datagrams lost because the queue was full.
    pub overflowed: u64,
    /// Bytes that waited before the narrowest place when a datagram came, added up over all of them.
    pub waited_before: u64,
}

/// A datagram on its way.
struct Flying {
    due: Instant,
    /// Of those due at once the first sent is the first to arrive.
    number: u64,
    bytes: Vec<u8>,
}

impl Ord for Flying {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Flying {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flying {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Flying {}

/// How many bytes fly at most: more than any sensible rate times any sensible delay.
const MAX_FLYING: usize = 256 << 20;

pub(crate) struct Way {
    rng: StdRng,
    flying: BinaryHeap<Reverse<Flying>>,
    flying_bytes: usize,
    number: u64,
    /// When the last one set out.
    last: Instant,
    /// When the narrowest place has let through all that waits before it.
    free: Instant,
    /// When what waits there leaves it, and its size.
    waiting: VecDeque<(Instant, usize)>,
    waiting_bytes: usize,
    /// Buffers that are used again.
    spare: Vec<Vec<u8>>,
    pub(crate) counters: Counters,
}

impl Way {
    pub(crate) fn new(now: Instant, seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            flying: BinaryHeap::new(),
            flying_bytes: 0,
            number: 0,
            last: now,
            free: now,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            spare: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// A datagram sets out, no sooner than those before it.
    pub(crate) fn send(&mut self, now: Instant, path: &Path, datagram: &[u8]) {
        let now = now.max(self.last);
        self.last = now;
        self.counters.received += 1;
        if path.loss > 0.0 && self.rng.random_bool(path.loss.clamp(0.0, 1.0)) {
            self.counters.lost += 1;
            return;
        }
        let Some(passed) = self.pass(now, path, datagram.len()) else {
            self.counters.overflowed += 1;
            return;
        };
        let jitter = if path.jitter.is_zero() { Duration::ZERO } else { path.jitter.mul_f64(self.rng.random()) };
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(datagram);
        self.flying_bytes += bytes.len();
        self.number += 1;
        self.flying.push(Reverse(Flying { due: passed + path.delay + jitter, number: self.number, bytes }));
    }

    /// When a datagram has passed the narrowest place; not at all if the queue before it is full.
    fn pass(&mut self, now: Instant, path: &Path, size: usize) -> Option<Instant> {
        if self.flying_bytes + size > MAX_FLYING {
            return None;
        }
        while let Some((_, size)) = self.waiting.pop_front_if(|(left, _)| *left <= now) {
            self.waiting_bytes -= size;
        }
        let Some(rate) = path.rate else { return Some(now) };
        self.counters.waited_before += self.waiting_bytes as u64;
        // What nobody else is before does not wait, however small the queue.
        if self.waiting_bytes > 0 && self.waiting_bytes + size > path.queue {
            return None;
        }
        let takes = Duration::from_secs_f64(size as f64 * 8.0 / rate.max(1) as f64);
        self.free = self.free.max(now) + takes;
        self.waiting.push_back((self.free, size));
        self.waiting_bytes += size;
        Some(self.free)
    }

    /// The next datagram that has arrived by now.
    pub(crate) fn arrive(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.flying.peek()?.0.due > now {
            return None;
        }
        let Reverse(flying) = self.flying.pop()?;
        self.flying_bytes -= flying.bytes.len();
        self.counters.forwarded += 1;
        Some(flying.bytes)
    }

    /// The length of the datagram that [`arrive`](Self::arrive) would give.
    pub(crate) fn arriving(&self, now: Instant) -> Option<usize> {
        self.flying.peek().filter(|next| next.0.due <= now).map(|next| next.0.bytes.len())
    }

    /// Gives back a buffer.
    pub(crate) fn recycle(&mut self, bytes: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(bytes);
        }
    }

    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.flying.peek().map(|next| next.0.due)
    }
}

const MAX_SPARE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 1000;

    fn way() -> (Way, Instant) {
        let now = Instant::now();
        (Way::new(now, 7), now)
    }

    /// When each of `count` datagrams sent at once arrives, in milliseconds, and which it is.
    fn arrivals(path: Path, count: u8) -> (Vec<(u128, u8)>, Counters) {
        let (mut way, start) = way();
        for number in 0..count {
            way.send(start, &path, &[number; SIZE]);
        }
        let mut all = Vec::new();
        while let Some(due) = way.next_arrival() {
            let bytes = way.arrive(due).unwrap();
            all.push(((due - start).as_millis(), bytes[0]));
            way.recycle(bytes);
        }
        (all, way.counters)
    }

    #[test]
    fn a_perfect_path_delivers_at_once_and_in_order() {
        let (all, counters) = arrivals(Path::default(), 3);
        assert_eq!(all, [(0, 0), (0, 1), (0, 2)]);
        assert_eq!(counters, Counters { received: 3, forwarded: 3, ..Counters::default() });
    }

    #[test]
    fn delay_is_the_least_and_jitter_reorders() {
        let (delay, jitter) = (Duration::from_millis(20), Duration::from_millis(30));
        let (all, _) = arrivals(Path { delay, jitter, ..Path::default() }, 50);
        assert!(all.iter().all(|(at, _)| (20..=50).contains(at)), "{all:?}");
        assert!(all.windows(2).any(|pair| pair[0].1 > pair[1].1), "{all:?}");
    }

    #[test]
    fn a_limited_rate_spaces_datagrams_and_its_queue_overflows() {
        // 1000 bytes take 10 ms, and two of them may wait behind the one that is being sent.
        let (all, counters) = arrivals(Path { rate: Some(800_000), queue: 3 * SIZE, ..Path::default() }, 5);
        assert_eq!(all, [(10, 0), (20, 1), (30, 2)]);
        assert_eq!((counters.forwarded, counters.overflowed), (3, 2));
    }

    #[test]
    fn the_queue_drains_with_time() {
        let (mut way, start) = way();
        let path = Path { rate: Some(800_000), queue: SIZE, ..Path::default() };
        way.send(start, &path, &[0; SIZE]);
        way.send(start, &path, &[1; SIZE]);
        way.send(start + Duration::from_millis(10), &path, &[2; SIZE]);
        assert_eq!(way.counters.overflowed, 1);
        assert_eq!(way.waiting_bytes, SIZE);
    }

    #[test]
    fn about_as_many_are_lost_as_asked_for() {
        let (all, counters) = arrivals(Path { loss: 0.25, ..Path::default() }, 200);
        assert_eq!(all.len() as u64 + counters.lost, 200);
        assert!((30..70).contains(&counters.lost), "{}", counters.lost);
        assert_eq!(arrivals(Path { loss: 1.0, ..Path::default() }, 9).0, []);
    }
}
