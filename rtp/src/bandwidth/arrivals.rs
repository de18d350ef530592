//! The receiver's side of transport-wide feedback: what arrived when, and when to tell.

use super::Bitrate;
use crate::rtcp::{FeedbackHeader, TransportFeedback};
use crate::{SequenceNumber, Unwrapper};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The bytes that a feedback packet of average size has on the wire, all headers included.
const AVERAGE_FEEDBACK: u64 = 68;
/// Feedback takes one part in so many of what is received.
const SHARE: u64 = 20;
/// The limit in bytes is at least this: then every packet reports of something.
const LEAST_BYTES: usize = 64;

/// Bounds of [`Arrivals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivalsConfig {
    /// The shortest time between two feedbacks.
    pub min_interval: Duration,
    /// The longest time that an arrival waits to be reported of, however little is received.
    pub max_interval: Duration,
    /// How many arrivals are remembered, reported or not.
    pub capacity: usize,
    /// A gap of more numbers than this is not reported as lost packets: feedback goes on behind it.
    pub max_gap: u16,
    /// The most bytes of a feedback packet.
    pub max_bytes: usize,
    /// The most packets that are sent at once; the rest follows an interval later.
    pub max_packets: u8,
}

impl Default for ArrivalsConfig {
    fn default() -> Self {
        Self {
            min_interval: Duration::from_millis(50),
            max_interval: Duration::from_millis(250),
            capacity: 2048,
            max_gap: 1000,
            max_bytes: 1100,
            max_packets: 10,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    number: u64,
    /// In units of 250 microseconds since the epoch.
    ticks: i64,
    is_reported: bool,
}

/// Records the arrival of packets with transport-wide sequence numbers, and reports of them every 50 to 250 ms: as often
/// as 5 % of what is received allows. Each number is reported of once; a packet that comes after it was called lost is
/// reported of by itself.
#[derive(Debug)]
pub struct Arrivals {
    config: ArrivalsConfig,
    epoch: Instant,
    unwrapper: Unwrapper,
    /// In the order of their numbers.
    packets: VecDeque<Arrival>,
    /// How many of them are not reported of.
    unreported: usize,
    /// All numbers before this one have been reported of, as received or not.
    next: Option<u64>,
    due: Option<Instant>,
    /// Packets that may still be sent in this interval.
    packets_left: u8,
    interval: Duration,
    /// Bytes received since then, and the smoothed rate.
    bytes: u64,
    since: Instant,
    rate: Option<Bitrate>,
    feedback_count: u8,
}

impl Arrivals {
    /// Nothing has arrived. The reported times count from `now`.
    pub fn new(config: ArrivalsConfig, now: Instant) -> Self {
        Self {
            config,
            epoch: now,
            unwrapper: Unwrapper::default(),
            packets: VecDeque::new(),
            unreported: 0,
            next: None,
            due: None,
            packets_left: config.max_packets.max(1),
            interval: Duration::from_millis(100)
                .clamp(config.min_interval, config.max_interval.max(config.min_interval)),
            bytes: 0,
            since: now,
            rate: None,
            feedback_count: 0,
        }
    }

    /// A packet of `size` bytes has arrived under this number. The first arrival counts; one that is older than all
    /// that is remembered does not.
    pub fn record(&mut self, now: Instant, sequence: SequenceNumber, size: usize) {
        self.bytes = self.bytes.saturating_add(size as u64);
        let number = self.unwrapper.unwrap(sequence);
        let place = match self.packets.back() {
            Some(last) if last.number >= number => self.packets.partition_point(|packet| packet.number < number),
            Some(_) | None => self.packets.len(),
        };
        let is_full = self.packets.len() >= self.config.capacity.max(1);
        if self.packets.get(place).is_some_and(|packet| packet.number == number) || (is_full && place == 0) {
            return;
        }
        let micros = now.saturating_duration_since(self.epoch).as_micros();
        let ticks = i64::try_from(micros / 250).unwrap_or(i64::MAX);
        self.packets.insert(place, Arrival { number, ticks, is_reported: false });
        self.unreported += 1;
        if is_full && let Some(forgotten) = self.packets.pop_front() {
            self.unreported -= usize::from(!forgotten.is_reported);
        }
        self.due.get_or_insert(now + self.interval);
    }

    /// Appends a feedback packet if one is due, and says so. To be called until it says that there is none.
    pub fn poll_feedback(&mut self, now: Instant, sender_ssrc: u32, media_ssrc: u32, buf: &mut Vec<u8>) -> bool {
        if self.due.is_none_or(|due| now < due) {
            return false;
        }
        let first = self.packets.iter().position(|packet| !packet.is_reported);
        let Some(first) = first.filter(|_| self.packets_left > 0) else {
            self.end_interval(now);
            return false;
        };
        self.packets_left -= 1;
        let header = FeedbackHeader {
            sender_ssrc,
            media_ssrc,
            feedback_count: self.feedback_count,
            ..FeedbackHeader::default()
        };
        let written = self.write(first, header, buf);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        if self.unreported == 0 {
            self.end_interval(now);
        }
        written
    }

    /// When feedback is due; `None` while there is nothing to report of.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Reports of the first packet that was not, and what follows it.
    fn write(&mut self, first: usize, header: FeedbackHeader, buf: &mut Vec<u8>) -> bool {
        let Some(arrival) = self.packets.get(first) else { return false };
        let next = self.next.unwrap_or(arrival.number);
        let max_gap = u64::from(self.config.max_gap);
        let is_late = arrival.number < next;
        // A late packet stands alone with those right behind it that are late too; others were reported of.
        let end = if is_late { next } else { u64::MAX };
        let gap = if is_late { 0 } else { max_gap };
        let base = if arrival.number.saturating_sub(next) > gap { arrival.number } else { next.min(arrival.number) };
        let span = self
            .packets
            .range(first..)
            .take_while(|packet| packet.number < end && !packet.is_reported)
            .scan(base, |expected, packet| {
                let missing = packet.number.saturating_sub(*expected);
                *expected = packet.number + 1;
                (missing <= gap).then(|| {
                    let missing = usize::try_from(missing).unwrap_or_default();
                    std::iter::repeat_n(None, missing).chain([Some(packet.ticks)])
                })
            })
            .flatten();
        // The low bits are the number on the wire.
        let header = FeedbackHeader { base: SequenceNumber(base as u16), ..header };
        let count = TransportFeedback::write(header, span, self.config.max_bytes.max(LEAST_BYTES), buf);
        // What cannot be reported of, if that could be, is passed over.
        let end = (base + u64::from(count)).max(if count == 0 { arrival.number + 1 } else { 0 });
        for packet in self.packets.range_mut(first..).take_while(|packet| packet.number < end) {
            if !std::mem::replace(&mut packet.is_reported, true) {
                self.unreported -= 1;
            }
        }
        self.next = Some(next.max(end));
        count > 0
    }

    /// Measures what came, and so how soon feedback may be sent again.
    fn end_interval(&mut self, now: Instant) {
        if let Some(sample) = Bitrate::of(self.bytes, now.saturating_duration_since(self.since)) {
            let rate = self.rate.map_or(sample, |rate| Bitrate(rate.0 / 4 * 3 + sample.0 / 4));
            self.rate = Some(rate);
            let interval = rate.time_for(AVERAGE_FEEDBACK * SHARE);
            self.interval = interval.min(self.config.max_interval).max(self.config.min_interval);
        }
        (self.bytes, self.since) = (0, now);
        self.packets_left = self.config.max_packets.max(1);
        self.due = (self.unreported > 0).then(|| now + self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(millis: u64) -> Instant {
        sim::start() + Duration::from_millis(millis)
    }

    fn arrivals() -> Arrivals {
        Arrivals::new(ArrivalsConfig::default(), sim::start())
    }

    /// All feedback that is due: the base of each, and what it says.
    fn feedback(arrivals: &mut Arrivals, now: Instant) -> Vec<(u16, Vec<Option<i64>>)> {
        let mut all = Vec::new();
        let mut buf = Vec::new();
        while arrivals.poll_feedback(now, 1, 2, &mut buf) {
            let feedback = TransportFeedback::decode(&buf).unwrap();
            all.push((feedback.header.base.0, feedback.statuses().map(|status| status.arrival).collect()));
            buf.clear();
        }
        all
    }

    #[test]
    fn what_arrives_is_reported_once_and_gaps_with_it() {
        let mut arrivals = arrivals();
        assert_eq!(arrivals.poll_timeout(), None);
        for (millis, number) in [(10, 65_534), (20, 65_535), (30, 2), (30, 2), (25, 65_535)] {
            arrivals.record(after(millis), SequenceNumber(number), 1000);
        }
        assert_eq!(arrivals.poll_timeout(), Some(after(110)));
        assert_eq!(feedback(&mut arrivals, after(109)), []);
        let expected = vec![Some(40), Some(80), None, None, Some(120)];
        assert_eq!(feedback(&mut arrivals, after(110)), [(65_534, expected)]);
        assert_eq!((arrivals.poll_timeout(), feedback(&mut arrivals, after(500))), (None, vec![]));
        arrivals.record(after(600), SequenceNumber(4), 1000);
        let due = arrivals.poll_timeout().unwrap();
        assert_eq!(feedback(&mut arrivals, due), [(3, vec![None, Some(2400)])]);
    }

    #[test]
    fn what_comes_late_is_reported_by_itself() {
        let mut arrivals = arrivals();
        for number in [1, 2, 5, 9] {
            arrivals.record(after(4), SequenceNumber(number), 1000);
        }
        assert_eq!(feedback(&mut arrivals, after(200)).len(), 1);
        for number in [4, 3, 7, 10, 5] {
            arrivals.record(after(300), SequenceNumber(number), 1000);
        }
        let late = Some(1200);
        let expected = [(3, vec![late, late]), (7, vec![late]), (10, vec![late])];
        assert_eq!(feedback(&mut arrivals, after(600)), expected);
    }

    #[test]
    fn a_large_gap_is_jumped_over() {
        let mut arrivals = arrivals();
        for number in [1, 2, 20_000, 20_001] {
            arrivals.record(after(1), SequenceNumber(number), 1000);
        }
        let here = Some(4);
        let expected = [(1, vec![here, here]), (20_000, vec![here, here])];
        assert_eq!(feedback(&mut arrivals, after(200)), expected);
    }

    #[test]
    fn many_arrivals_are_split_among_packets_of_bounded_number_and_size() {
        let mut arrivals = arrivals();
        for number in 0..2048_u16 {
            // Apart by more than a small delta says.
            arrivals.record(after(u64::from(number) * 70), SequenceNumber(number), 1000);
        }
        let now = after(2048 * 70);
        let first = feedback(&mut arrivals, now);
        assert!(first.len() > 1 && first.len() <= 10, "{} packets", first.len());
        let reported: usize = first.iter().map(|(_, statuses)| statuses.len()).sum();
        assert_eq!(reported, 2048);

        // Every other number came late, and many gaps make many packets.
        for number in (3000..3100).step_by(2) {
            arrivals.record(now, SequenceNumber(number), 1000);
        }
        feedback(&mut arrivals, now + Duration::from_secs(1));
        for number in (3001..3100).step_by(2) {
            arrivals.record(now + Duration::from_secs(1), SequenceNumber(number), 1000);
        }
        let now = now + Duration::from_secs(2);
        assert_eq!(feedback(&mut arrivals, now).len(), 10);
        assert_eq!(feedback(&mut arrivals, now).len(), 0);
        let due = arrivals.poll_timeout().unwrap();
        assert_eq!(feedback(&mut arrivals, due).len(), 10);
    }

    #[test]
    fn memory_is_bounded_and_feedback_nobody_asks_for_is_forgotten() {
        let mut arrivals = Arrivals::new(ArrivalsConfig { capacity: 10, ..ArrivalsConfig::default() }, sim::start());
        for number in 0..30_000_u16 {
            arrivals.record(after(1), SequenceNumber(number.wrapping_mul(7)), 1000);
        }
        assert!(arrivals.packets.len() <= 10 && arrivals.unreported <= 10);
        assert!(!feedback(&mut arrivals, after(1000)).is_empty());
    }

    #[test]
    fn the_interval_follows_the_rate() {
        for (bytes, expected) in [(12_500, 50), (1000, 136), (100, 250)] {
            let mut arrivals = arrivals();
            let mut last = after(0);
            for number in 0..100_u16 {
                let now = after(u64::from(number) * 100);
                arrivals.record(now, SequenceNumber(number), bytes);
                last = now;
                if arrivals.poll_timeout().is_some_and(|due| due <= now) {
                    feedback(&mut arrivals, now);
                }
            }
            feedback(&mut arrivals, last + Duration::from_millis(250));
            let interval = arrivals.interval.as_millis() as i64;
            assert!((interval - expected).abs() <= expected / 2, "{interval} ms, not about {expected}");
        }
    }
}
