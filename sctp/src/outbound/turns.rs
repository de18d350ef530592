//! Whose turn it is: the schedulers of RFC 8260, section 3.

use crate::config::Scheduler;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A byte of a stream with weight 1 takes this long in the scheduler's time.
const BYTE: u64 = 1 << 16;

/// What each chunk counts beyond its payload.
const CHUNK: u64 = 20;

/// The order of streams that have something to send. Each has one entry at most; who has sent goes in again behind.
///
/// Shares are kept by start-time fair queueing: a stream that has been served for its bytes, divided by its weight, waits
/// until others have been served as much. A stream that comes new starts where the one served last started, so that
/// idleness is no credit.
#[derive(Debug)]
pub(super) struct Turns {
    scheduler: Scheduler,
    /// What comes first by rank, then by age.
    order: BinaryHeap<Reverse<(u64, u64, u16)>>,
    /// Entries made so far.
    entered: u64,
    /// The start of the stream served last, in the scheduler's time.
    clock: u64,
    /// The stream that the packet at hand belongs to.
    packet: Option<u16>,
}

impl Turns {
    pub(super) const fn new(scheduler: Scheduler) -> Self {
        Self { scheduler, order: BinaryHeap::new(), entered: 0, clock: 0, packet: None }
    }

    /// Puts a stream into the order. `arrival` is when its next message came, and `served` the share it has had; returns
    /// the latter, raised to what others have had.
    pub(super) fn enter(&mut self, stream: u16, arrival: u64, served: u64, weight: u16) -> u64 {
        let served = served.max(self.clock);
        let rank = match self.scheduler {
            Scheduler::FirstCome => arrival,
            Scheduler::RoundRobin | Scheduler::RoundRobinPerPacket => 0,
            Scheduler::Priority => u64::from(u16::MAX - weight),
            Scheduler::Fair | Scheduler::Weighted => served,
        };
        self.order.push(Reverse((rank, self.entered, stream)));
        self.entered += 1;
        served
    }

    /// Whose turn it is.
    pub(super) fn next(&self) -> Option<u16> {
        self.order.peek().map(|Reverse((_, _, stream))| *stream)
    }

    /// The next stream has its turn.
    pub(super) fn take(&mut self) {
        if let Some(Reverse((rank, ..))) = self.order.pop()
            && matches!(self.scheduler, Scheduler::Fair | Scheduler::Weighted)
        {
            self.clock = self.clock.max(rank);
        }
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(u16) -> bool) {
        self.order.retain(|Reverse((_, _, stream))| keep(*stream));
    }

    /// The share of a stream after it has sent a chunk with `length` bytes.
    pub(super) fn charge(&mut self, served: u64, length: usize, weight: u16) -> u64 {
        let weight = match self.scheduler {
            Scheduler::Weighted => u64::from(weight.max(1)),
            Scheduler::FirstCome
            | Scheduler::RoundRobin
            | Scheduler::RoundRobinPerPacket
            | Scheduler::Priority
            | Scheduler::Fair => 1,
        };
        let bytes = (length as u64).saturating_add(CHUNK);
        served.saturating_add(bytes.saturating_mul(BYTE) / weight)
    }

    /// Whether a packet stays with the stream that it was begun for: now this one.
    pub(super) fn keeps_packet(&mut self, stream: u16) -> bool {
        let keeps = self.scheduler == Scheduler::RoundRobinPerPacket;
        if keeps {
            self.packet = Some(stream);
        }
        keeps
    }

    /// Whether chunks of this stream may go into the packet at hand.
    pub(super) fn may_share_packet(&self, stream: u16) -> bool {
        self.packet.is_none_or(|owner| owner == stream)
    }

    /// The packet at hand is done. True if turns change with the packet.
    pub(super) fn begin_packet(&mut self) -> bool {
        self.packet = None;
        self.scheduler == Scheduler::RoundRobinPerPacket
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves `rounds` chunks of `length` bytes to streams that always have more; how many each got.
    fn serve(scheduler: Scheduler, streams: &[(u16, usize)], rounds: usize) -> Vec<usize> {
        let mut turns = Turns::new(scheduler);
        let mut served = vec![0; streams.len()];
        let mut bytes = vec![0; streams.len()];
        for (id, (weight, _)) in streams.iter().enumerate() {
            served[id] = turns.enter(id as u16, id as u64, 0, *weight);
        }
        for _ in 0..rounds {
            let id = usize::from(turns.next().expect("all have more"));
            turns.take();
            let (weight, length) = streams[id];
            bytes[id] += length;
            let so_far = turns.charge(served[id], length, weight);
            served[id] = turns.enter(id as u16, id as u64, so_far, weight);
        }
        bytes
    }

    #[test]
    fn shares_follow_the_weights_whatever_the_chunks_measure() {
        let bytes = serve(Scheduler::Weighted, &[(128, 1000), (256, 200), (512, 1100), (1024, 300)], 20_000);
        let total: usize = bytes.iter().sum();
        for (got, share) in bytes.iter().zip([1.0, 2.0, 4.0, 8.0]) {
            // Small chunks count their headers too, hence the margin.
            let ratio = *got as f64 / total as f64 / (share / 15.0);
            assert!((0.85..1.1).contains(&ratio), "{bytes:?}");
        }
    }

    #[test]
    fn equal_shares_ignore_the_weights() {
        let bytes = serve(Scheduler::Fair, &[(128, 1000), (1024, 1000)], 1000);
        assert_eq!(bytes, [500_000, 500_000]);
    }

    #[test]
    fn strict_priority_starves_the_rest_and_equals_take_turns() {
        let bytes = serve(Scheduler::Priority, &[(128, 10), (512, 10), (512, 10)], 100);
        assert_eq!(bytes, [0, 500, 500]);
    }

    #[test]
    fn idleness_is_no_credit() {
        let mut turns = Turns::new(Scheduler::Weighted);
        let mut first = turns.enter(1, 0, 0, 256);
        for _ in 0..100 {
            turns.take();
            first = turns.charge(first, 1000, 256);
            first = turns.enter(1, 0, first, 256);
        }
        let second = turns.enter(2, 0, 0, 256);
        assert!(second > 0 && first.saturating_sub(second) <= turns.charge(0, 1000, 256));
    }
}
