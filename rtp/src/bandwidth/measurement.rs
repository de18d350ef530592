//! What probes found out: the rates at which they were sent and received.

use super::{Bitrate, Cluster, PacketResult, Probe};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Probes whose results are waited for at once.
const MOST: usize = 8;
/// Packets that must have come for a result, and how much of the bytes, in percent.
const LEAST_PACKETS: u32 = 4;
const LEAST_BYTES: u64 = 80;
/// What takes longer than this is no burst.
const LONGEST: Duration = Duration::from_secs(1);
/// What comes so much faster than it was sent was held up somewhere and says nothing.
const LARGEST_RATIO: u64 = 2;
/// Below this part of the sent rate, the received rate is the path's; a little less is right then, so that the queue
/// drains.
const FULL: f64 = 0.9;
const PART: f64 = 0.95;

/// What has come of a probe.
#[derive(Clone, Copy, Debug)]
struct Progress {
    packets: u32,
    bytes: u64,
    first_sent: Instant,
    /// When the last packet was sent, and its size.
    last_sent: (Instant, u64),
    /// When the first packet arrived in microseconds, and its size.
    first_arrived: (i64, u64),
    last_arrived: i64,
}

impl Progress {
    const fn new(sent: Instant, arrived: i64, size: u64) -> Self {
        Self {
            packets: 1,
            bytes: size,
            first_sent: sent,
            last_sent: (sent, size),
            first_arrived: (arrived, size),
            last_arrived: arrived,
        }
    }

    fn add(&mut self, sent: Instant, arrived: i64, size: u64) {
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
        self.first_sent = self.first_sent.min(sent);
        if sent > self.last_sent.0 {
            self.last_sent = (sent, size);
        }
        if arrived < self.first_arrived.0 {
            self.first_arrived = (arrived, size);
        }
        self.last_arrived = self.last_arrived.max(arrived);
    }

    /// The rate that the path carries, as far as the probe showed it. Of what was sent, the last packet took no time
    /// yet; of what arrived, the first.
    fn rate(&self) -> Option<Bitrate> {
        let sending = self.last_sent.0.saturating_duration_since(self.first_sent);
        let arriving = u64::try_from(self.last_arrived.saturating_sub(self.first_arrived.0)).ok()?;
        let arriving = Duration::from_micros(arriving);
        if sending > LONGEST || arriving > LONGEST {
            return None;
        }
        let sent = Bitrate::of(self.bytes.saturating_sub(self.last_sent.1), sending)?;
        let received = Bitrate::of(self.bytes.saturating_sub(self.first_arrived.1), arriving)?;
        if received.0 > sent.0.saturating_mul(LARGEST_RATIO) {
            return None;
        }
        let is_full = received >= sent.scaled(FULL);
        Some(if is_full { received.min(sent) } else { received.scaled(PART) })
    }
}

/// Follows probes until they have a result.
#[derive(Debug, Default)]
pub(super) struct Measurements {
    probes: VecDeque<(Probe, Option<Progress>)>,
    result: Option<Bitrate>,
}

impl Measurements {
    /// A probe is about to be sent.
    pub(super) fn expect(&mut self, probe: Probe) {
        if self.probes.len() >= MOST {
            self.probes.pop_front();
        }
        self.probes.push_back((probe, None));
    }

    /// Takes a packet that arrived.
    pub(super) fn add(&mut self, cluster: Cluster, packet: &PacketResult, arrived: i64) {
        let Some((probe, progress)) = self.probes.iter_mut().find(|(probe, _)| probe.cluster == cluster) else {
            return;
        };
        let size = packet.size.saturating_add(packet.beside) as u64;
        match progress {
            Some(progress) => progress.add(packet.sent, arrived, size),
            None => *progress = Some(Progress::new(packet.sent, arrived, size)),
        }
        let enough = |progress: &Progress| {
            progress.packets >= LEAST_PACKETS && progress.bytes.saturating_mul(100) >= probe.bytes * LEAST_BYTES
        };
        if let Some(rate) = progress.filter(enough).and_then(|progress| progress.rate()) {
            self.result = Some(rate);
        }
    }

    /// The latest result, once.
    pub(super) const fn take(&mut self) -> Option<Bitrate> {
        self.result.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: Probe = Probe { cluster: Cluster(7), rate: Bitrate(1_000_000), bytes: 6000 };

    /// Packets of 1,000 bytes sent and received every so many milliseconds.
    fn measure(count: u64, sent: u64, received: i64) -> Option<Bitrate> {
        let mut measurements = Measurements::default();
        measurements.expect(PROBE);
        for number in 0..count {
            let at = sim::start() + Duration::from_millis(number * sent);
            let packet = PacketResult {
                sent: at,
                size: 1000,
                cluster: None,
                arrival: None,
                was_lost: false,
                skipped: 0,
                beside: 0,
            };
            measurements.add(Cluster(7), &packet, number as i64 * received * 1000);
        }
        measurements.take()
    }

    #[test]
    fn the_lesser_rate_counts_and_a_full_path_a_little_less() {
        assert_eq!(measure(6, 8, 8), Some(Bitrate(1_000_000)));
        assert_eq!(measure(6, 8, 16), Some(Bitrate(475_000)));
        assert_eq!(measure(6, 8, 5), Some(Bitrate(1_000_000)));
    }

    #[test]
    fn what_says_nothing_has_no_result() {
        assert_eq!(measure(4, 8, 8), None, "too little of it has come");
        assert_eq!(measure(6, 8, 3), None, "it was held up and came at once");
        assert_eq!(measure(6, 8, 0), None);
        assert_eq!(measure(6, 0, 8), None);
        assert_eq!(measure(6, 300, 300), None, "it was no burst");
    }
}
