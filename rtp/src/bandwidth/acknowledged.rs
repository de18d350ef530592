//! The rate at which what is sent arrives.

use super::Bitrate;
use std::collections::VecDeque;
use std::time::Duration;

/// The rate is that of this time, in microseconds; where little comes, of as much more as so many packets take.
const WINDOW: i64 = 500_000;
const LEAST_PACKETS: usize = 10;
/// What is older never counts, in microseconds.
const LONGEST: i64 = 2_000_000;
/// A rate is known once this time is covered, in microseconds.
const SHORTEST: i64 = 150_000;
/// More packets than this are not kept: at rates that high, less time says as much.
const MOST_PACKETS: usize = 4096;

/// Measures the acknowledged bitrate over the arrivals of the last half second.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    /// When each arrived in microseconds, and its size.
    packets: VecDeque<(i64, u64)>,
    bytes: u64,
}

impl Acknowledged {
    /// Takes a packet that arrived, in microseconds on the receiver's clock.
    pub(super) fn add(&mut self, arrived: i64, size: usize) {
        if self.packets.back().is_some_and(|(last, _)| arrived < *last) {
            // It came before what earlier feedback told of; where the clock was set back, all of that is void.
            let is_late = self.packets.back().is_some_and(|(last, _)| last.saturating_sub(arrived) < LONGEST);
            if is_late {
                return;
            }
            self.forget();
        }
        self.packets.push_back((arrived, size as u64));
        self.bytes = self.bytes.saturating_add(size as u64);
        while let Some((first, size)) = self.packets.front() {
            let age = arrived.saturating_sub(*first);
            let is_old = age > WINDOW && self.packets.len() > LEAST_PACKETS;
            if !is_old && age <= LONGEST && self.packets.len() <= MOST_PACKETS {
                break;
            }
            self.bytes = self.bytes.saturating_sub(*size);
            self.packets.pop_front();
        }
    }

    /// The rate is another one now: what arrived before does not count.
    pub(super) fn forget(&mut self) {
        self.packets.clear();
        self.bytes = 0;
    }

    /// `None` before enough has arrived.
    pub(super) fn rate(&self) -> Option<Bitrate> {
        let ((first, size), (last, _)) = (self.packets.front()?, self.packets.back()?);
        let elapsed = u64::try_from(last.saturating_sub(*first)).ok()?;
        if elapsed < SHORTEST.unsigned_abs() || self.packets.len() < LEAST_PACKETS {
            return None;
        }
        // The first packet took its time before.
        Bitrate::of(self.bytes.saturating_sub(*size), Duration::from_micros(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of so many bytes every 10 ms, from one hundredth of a second to another.
    fn run(acknowledged: &mut Acknowledged, from: i64, to: i64, size: usize) -> Option<Bitrate> {
        for time in from..to {
            acknowledged.add(time * 10_000, size);
        }
        acknowledged.rate()
    }

    #[test]
    fn a_steady_stream_is_measured_and_a_pause_does_not_count() {
        let mut acknowledged = Acknowledged::default();
        assert_eq!(run(&mut acknowledged, 0, 15, 1250), None);
        assert_eq!(run(&mut acknowledged, 15, 200, 1250), Some(Bitrate::kilobits(1000)));
        assert_eq!(run(&mut acknowledged, 6000, 6005, 1250), None);
        assert_eq!(run(&mut acknowledged, 6005, 6020, 1250), Some(Bitrate::kilobits(1000)));
    }

    #[test]
    fn a_change_is_followed_within_half_a_second() {
        let mut acknowledged = Acknowledged::default();
        run(&mut acknowledged, 0, 200, 1250);
        assert_eq!(run(&mut acknowledged, 200, 251, 400), Some(Bitrate::kilobits(320)));
    }

    #[test]
    fn times_that_make_no_sense_do_no_harm() {
        let mut acknowledged = Acknowledged::default();
        for arrived in [0, i64::MAX, i64::MIN, i64::MAX, -1, 0, i64::MAX - 1, i64::MAX] {
            acknowledged.add(arrived, usize::MAX);
            acknowledged.rate();
        }
        for _ in 0..2 * MOST_PACKETS {
            acknowledged.add(i64::MAX, usize::MAX);
        }
        assert!(acknowledged.packets.len() <= MOST_PACKETS);
    }
}
