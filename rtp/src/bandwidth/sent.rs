//! What was sent, until it is reported of.

use super::Cluster;
use crate::SequenceNumber;
use crate::rtcp::TransportFeedback;
use std::collections::VecDeque;
use std::time::Instant;

/// How many packets can be remembered: half of all numbers.
const MOST: usize = 1 << 15;

/// What feedback said of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketResult {
    /// When it was sent.
    pub sent: Instant,
    /// Its size in bytes, as given when it was sent.
    pub size: usize,
    /// The probe that it belonged to.
    pub cluster: Option<Cluster>,
    /// When it arrived, in microseconds on the receiver's clock; `None` if it was lost, so far.
    pub arrival: Option<i64>,
    /// Whether earlier feedback had called it lost.
    pub was_lost: bool,
    /// Bytes of the packets before it that no feedback has told of, as it seems to be lost itself.
    pub skipped: usize,
    /// Bytes that left without a number of their own since the last packet that arrived, and that are taken to have
    /// arrived with it; where most packets are lost, since the packet before only.
    pub beside: usize,
}

/// What is known of a packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unreported,
    Lost,
    Arrived,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    size: usize,
    beside: usize,
    cluster: Option<Cluster>,
    state: State,
}

/// A bounded history of packets sent, under their transport-wide sequence numbers.
#[derive(Debug)]
pub struct SentPackets {
    /// Packets by number, the first of which is `first`.
    packets: VecDeque<Sent>,
    first: u64,
    capacity: usize,
    /// Bytes sent that no feedback has told of.
    in_flight: usize,
    /// Packets up to this number are not in flight any more.
    settled: u64,
    /// Bytes that left since the last packet without a number.
    beside: usize,
    /// The last reference time, for its wraps.
    reference: Option<i64>,
    results: Vec<PacketResult>,
}

impl SentPackets {
    /// Remembers up to `capacity` packets, 32,768 at most.
    pub fn new(capacity: usize) -> Self {
        Self {
            packets: VecDeque::new(),
            first: 0,
            capacity: capacity.clamp(1, MOST),
            in_flight: 0,
            settled: 0,
            beside: 0,
            reference: None,
            results: Vec::new(),
        }
    }

    /// Notes a packet of `size` bytes that leaves now, and returns its transport-wide sequence number. The oldest packet
    /// is forgotten if there are too many.
    pub fn on_sent(&mut self, now: Instant, size: usize, cluster: Option<Cluster>) -> SequenceNumber {
        if self.packets.len() >= self.capacity {
            self.settle(self.first + 1);
            self.packets.pop_front();
            self.first += 1;
        }
        let number = self.first + self.packets.len() as u64;
        let beside = std::mem::take(&mut self.beside);
        self.packets.push_back(Sent { at: now, size, beside, cluster, state: State::Unreported });
        self.in_flight = self.in_flight.saturating_add(size);
        // The low bits are the number on the wire.
        SequenceNumber(number as u16)
    }

    /// Notes bytes that leave now on the same path, and that no feedback tells of.
    pub const fn on_sent_beside(&mut self, size: usize) {
        self.beside = self.beside.saturating_add(size);
    }

    /// What feedback says that was not known before, in the order of numbers. What it repeats, and packets that are not
    /// remembered, are left out.
    pub fn handle_feedback(&mut self, feedback: &TransportFeedback<'_>) -> &[PacketResult] {
        self.results.clear();
        let shift = self.unwrap_reference(feedback.reference_time);
        let Some(base) = self.number_of(feedback.header.base) else { return &self.results };
        let (mut settled, mut beside) = (self.settled, 0_usize);
        // What finds a queue full is lost, whether it has a number or not.
        let lost = feedback.statuses().filter(|status| status.arrival.is_none()).count();
        let is_most_lost = lost.saturating_mul(2) > feedback.statuses().count();
        let mut skipped = self.bytes_between(settled, base, |sent| sent.size.saturating_add(sent.beside));
        for (number, status) in (base..).zip(feedback.statuses()) {
            let Some(place) = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()) else {
                continue;
            };
            // Numbers that were not sent yet: nothing behind them was either.
            let Some(sent) = self.packets.get_mut(place) else { break };
            settled = settled.max(number + 1);
            let was_lost = sent.state == State::Lost;
            let arrival = status.arrival.map(|ticks| ticks.saturating_add(shift).saturating_mul(250));
            match (sent.state, arrival) {
                (State::Arrived, _) | (State::Lost, None) => continue,
                (State::Unreported, None) => sent.state = State::Lost,
                (State::Unreported | State::Lost, Some(_)) => sent.state = State::Arrived,
            }
            let Sent { at, size, cluster, .. } = *sent;
            if arrival.is_some() || !is_most_lost {
                beside = beside.saturating_add(std::mem::take(&mut sent.beside));
            }
            let (skipped, beside) =
                if arrival.is_some() { (std::mem::take(&mut skipped), std::mem::take(&mut beside)) } else { (0, 0) };
            self.results.push(PacketResult { sent: at, size, cluster, arrival, was_lost, skipped, beside });
        }
        self.settle(settled);
        &self.results
    }

    /// The results of the last feedback, sorted by when packets arrived, the lost ones first.
    pub(super) fn results_by_arrival(&mut self) -> &[PacketResult] {
        self.results.sort_unstable_by_key(|result| (result.arrival, result.sent));
        &self.results
    }

    /// Bytes that were sent and that no feedback has told of.
    pub const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// When the oldest packet that feedback has not passed yet was sent.
    pub(super) fn oldest_in_flight(&self) -> Option<Instant> {
        let place = usize::try_from(self.settled.saturating_sub(self.first)).ok()?;
        self.packets.get(place).map(|sent| sent.at)
    }

    /// The packets before `number` are not in flight any more: feedback has passed them.
    fn settle(&mut self, number: u64) {
        self.in_flight = self.in_flight.saturating_sub(self.bytes_between(self.settled, number, |sent| sent.size));
        self.settled = self.settled.max(number);
    }

    /// What packets that are remembered count, from one number to before another.
    fn bytes_between(&self, from: u64, to: u64, bytes: impl Fn(&Sent) -> usize) -> usize {
        let place = |number: u64| usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let (from, to) = (place(from), place(to).min(self.packets.len()));
        if from >= to {
            return 0;
        }
        self.packets.range(from..to).fold(0, |sum, sent| sum.saturating_add(bytes(sent)))
    }

    /// The number that was sent under these low bits most lately; `None` if it was none.
    fn number_of(&self, sequence: SequenceNumber) -> Option<u64> {
        let next = self.first + self.packets.len() as u64;
        let last = next.checked_sub(1)?;
        let behind = sequence.distance_to(SequenceNumber(last as u16));
        // What lies ahead was never sent, or so long ago that it is forgotten.
        u64::try_from(behind).ok().and_then(|behind| last.checked_sub(behind))
    }

    /// What to add to arrival times, in ticks, because the reference time wraps in 24 bits.
    fn unwrap_reference(&mut self, reference: i32) -> i64 {
        let reference = i64::from(reference);
        let last = self.reference.unwrap_or(reference);
        // The distance on the shorter way around.
        let distance = ((reference - last) << 40) >> 40;
        let unwrapped = last.saturating_add(distance);
        self.reference = Some(unwrapped);
        (unwrapped - reference) << 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::FeedbackHeader;
    use std::time::Duration;

    fn feedback(base: u16, arrivals: &[Option<i64>]) -> Vec<u8> {
        let header = FeedbackHeader { base: SequenceNumber(base), ..FeedbackHeader::default() };
        let mut buf = Vec::new();
        TransportFeedback::write(header, arrivals.iter().copied(), 1200, &mut buf);
        buf
    }

    fn handle(sent: &mut SentPackets, bytes: &[u8]) -> Vec<(Option<i64>, bool)> {
        let feedback = TransportFeedback::decode(bytes).unwrap();
        sent.handle_feedback(&feedback).iter().map(|result| (result.arrival, result.was_lost)).collect()
    }

    fn ten() -> SentPackets {
        let mut sent = SentPackets::new(100);
        for number in 0..10 {
            let at = sim::start() + Duration::from_millis(number);
            assert_eq!(sent.on_sent(at, 100, None), SequenceNumber(number as u16));
        }
        sent
    }

    #[test]
    fn feedback_is_told_once_and_a_late_arrival_makes_up_for_a_loss() {
        let mut sent = ten();
        let first = feedback(0, &[Some(4), None, Some(8)]);
        assert_eq!(handle(&mut sent, &first), [(Some(1000), false), (None, false), (Some(2000), false)]);
        assert_eq!((sent.in_flight(), sent.oldest_in_flight()), (700, Some(sim::start() + Duration::from_millis(3))));
        assert_eq!(handle(&mut sent, &first), []);
        assert_eq!(handle(&mut sent, &feedback(1, &[Some(9), None])), [(Some(2250), true)]);
        // Feedback of 3 to 6 is lost.
        let last = feedback(7, &[None, Some(20), Some(21)]);
        let results = sent.handle_feedback(&TransportFeedback::decode(&last).unwrap());
        assert_eq!(results.iter().map(|result| result.skipped).collect::<Vec<_>>(), [0, 400, 0]);
        assert_eq!(sent.in_flight(), 0);
    }

    #[test]
    fn what_leaves_beside_arrives_with_the_next_packet_that_does() {
        let mut sent = ten();
        sent.on_sent_beside(700);
        sent.on_sent_beside(50);
        let number = sent.on_sent(sim::start(), 100, None);
        sent.on_sent(sim::start(), 100, None);
        sent.on_sent(sim::start(), 100, None);
        assert_eq!(sent.in_flight(), 1300);
        let bytes = feedback(number.0, &[None, Some(4), Some(8)]);
        let results = sent.handle_feedback(&TransportFeedback::decode(&bytes).unwrap());
        assert_eq!(results.iter().map(|result| result.beside).collect::<Vec<_>>(), [0, 750, 0]);
        assert_eq!(sent.in_flight(), 0);
    }

    #[test]
    fn what_leaves_beside_is_lost_where_most_is() {
        let mut sent = ten();
        for beside in [100, 20, 3] {
            sent.on_sent_beside(beside);
            sent.on_sent(sim::start(), 100, None);
        }
        let bytes = feedback(10, &[None, None, Some(8)]);
        let results = sent.handle_feedback(&TransportFeedback::decode(&bytes).unwrap());
        assert_eq!(results.iter().map(|result| result.beside).collect::<Vec<_>>(), [0, 0, 3]);
        let bytes = feedback(10, &[Some(4)]);
        let results = sent.handle_feedback(&TransportFeedback::decode(&bytes).unwrap());
        assert_eq!(results.iter().map(|result| result.beside).collect::<Vec<_>>(), [100]);
    }

    #[test]
    fn numbers_that_were_never_sent_mean_nothing() {
        let mut sent = ten();
        assert_eq!(handle(&mut sent, &feedback(10, &[Some(4)])), []);
        assert_eq!(handle(&mut sent, &feedback(65_535, &[Some(4)])), []);
        assert_eq!(handle(&mut sent, &feedback(9, &[Some(4), Some(5), Some(6)])).len(), 1);
        assert_eq!(sent.in_flight(), 0);
        assert_eq!(handle(&mut SentPackets::new(1), &feedback(0, &[Some(4)])), []);
    }

    #[test]
    fn the_history_is_bounded_and_numbers_wrap() {
        let mut sent = SentPackets::new(50);
        for number in 0..70_000_u64 {
            assert_eq!(sent.on_sent(sim::start(), 10, None), SequenceNumber(number as u16));
        }
        assert_eq!((sent.packets.len(), sent.in_flight()), (50, 500));
        let last = 69_999_u64 as u16;
        assert_eq!(handle(&mut sent, &feedback(last - 50, &[Some(1), Some(2)])), [(Some(500), false)]);
        assert_eq!(handle(&mut sent, &feedback(last, &[Some(3)])), [(Some(750), false)]);
        assert_eq!(sent.in_flight(), 0);
    }

    #[test]
    fn arrival_times_go_on_over_the_wrap_of_the_reference() {
        let mut sent = ten();
        let highest = (1 << 31) - 1;
        let before = handle(&mut sent, &feedback(0, &[Some(highest)]));
        let after = handle(&mut sent, &feedback(1, &[Some(highest + 5)]));
        assert_eq!(after[0].0.unwrap() - before[0].0.unwrap(), 5 * 250);
    }
}
