use super::report::ticks;
use super::window::{WINDOW, Window};
use crate::{Header, SequenceNumber, Unwrapper};
use std::collections::VecDeque;
use std::time::Instant;

/// Packets further ahead than this begin a new count (MAX_DROPOUT of RFC 3550, appendix A.1).
const MAX_DROPOUT: i16 = 3000;

/// How many packets that were left out are remembered; what is older than the oldest of them is dropped.
const MAX_LEFT_OUT: usize = 256;

/// Turns several incoming streams, of which one is chosen at a time, into one that is unbroken: what forwarding one of
/// several simulcast layers needs (a selective forwarding middlebox, RFC 7667, section 3.7).
///
/// The first packet of a chosen source follows upon the last one of the source before, and its timestamp is as much
/// later as it came later. From then on, both run as they do in the source: what the source lost is missing here too,
/// so that the receiver can ask for it. No number comes out twice. Send the packets through a
/// [`Sender`](super::Sender) with [`Numbering::Kept`](super::Numbering::Kept).
///
/// Packets that are not sent on, as the stream is paused, are not to be rewritten either: the stream then goes on without
/// a hole. Single packets that carry nothing for the receiver, such as padding, are [left out](Self::leave_out).
///
/// A decoder must be able to begin with the first packet after a switch: choose a source when its key frame begins.
#[derive(Clone, Debug)]
pub struct Rewriter {
    clock_rate: u32,
    /// The number after the highest that came out.
    next: SequenceNumber,
    /// The latest timestamp that came out, and when its first packet did.
    latest: Latest,
    source: Option<u64>,
    mapping: Option<Mapping>,
    beginnings: u64,
}

#[derive(Clone, Copy, Debug)]
enum Latest {
    /// Nothing came out yet; the first packet gets this timestamp.
    First(u32),
    At(u32, Instant),
}

/// How a source's numbers and timestamps become ours.
#[derive(Clone, Debug)]
struct Mapping {
    /// Where it began: what is older would be numbered like packets of the source before.
    first: u64,
    numbers: Unwrapper,
    seen: Window,
    sequence_offset: u16,
    timestamp_offset: u32,
    /// After a packet out of all order: the number that would show that the source counts anew.
    suspect: Option<SequenceNumber>,
    /// The numbers that were left out, in order, and the highest of those that were forgotten.
    left_out: VecDeque<u64>,
    forgotten: Option<u64>,
}

impl Rewriter {
    /// The first packet that comes out gets this number and this timestamp (random ones: RFC 3550, section 5.1). All
    /// sources have timestamps with so many ticks in a second.
    pub const fn new(clock_rate: u32, sequence: SequenceNumber, timestamp: u32) -> Self {
        let latest = Latest::First(timestamp);
        Self { clock_rate, next: sequence, latest, source: None, mapping: None, beginnings: 0 }
    }

    /// Chooses the source whose packets come out from now on; nothing changes if it is the chosen one.
    pub fn switch_to(&mut self, source: u64) {
        if self.source != Some(source) {
            self.source = Some(source);
            self.mapping = None;
        }
    }

    /// The chosen source.
    pub const fn source(&self) -> Option<u64> {
        self.source
    }

    /// The header that this packet is to be forwarded with; its source and payload type are left alone. `None` for what
    /// is to be dropped: packets of other sources, from before the switch, seen before, or out of all order.
    pub fn rewrite(&mut self, now: Instant, source: u64, header: &Header) -> Option<Header> {
        let (sequence, mapping) = self.number(now, source, header)?;
        let timestamp = header.timestamp.wrapping_add(mapping.timestamp_offset);
        if !sequence.precedes(self.next) {
            self.next = sequence.next();
        }
        if self.latest.is_before(timestamp) {
            self.latest = Latest::At(timestamp, now);
        }
        Some(Header { sequence, timestamp, ..*header })
    }

    /// Takes a packet out of the stream that carries nothing, such as one of padding alone: those behind it move up, so
    /// that the receiver misses nothing. Where one behind it has gone out already it is too late for that, and an empty
    /// packet with this header is to be sent in its place.
    pub fn leave_out(&mut self, now: Instant, source: u64, header: &Header) -> Option<Header> {
        let is_in_order = self.mapping.as_ref().is_some_and(|mapping| mapping.is_ahead(header.sequence));
        let (sequence, mapping) = self.number(now, source, header)?;
        if is_in_order && mapping.leave_out() {
            return None;
        }
        let timestamp = header.timestamp.wrapping_add(mapping.timestamp_offset);
        if !sequence.precedes(self.next) {
            self.next = sequence.next();
        }
        Some(Header { sequence, timestamp, ..*header })
    }

    /// How often a source began: with each switch, and whenever it counted anew.
    pub const fn beginnings(&self) -> u64 {
        self.beginnings
    }

    /// Changes how many ticks there are in a second, where the source changes its codec.
    pub const fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate;
    }

    /// Our number for a packet, and how it came about.
    fn number(&mut self, now: Instant, source: u64, header: &Header) -> Option<(SequenceNumber, &mut Mapping)> {
        if self.source != Some(source) {
            return None;
        }
        if self.mapping.as_ref().is_none_or(|mapping| mapping.counts_anew(header.sequence)) {
            self.mapping = Some(self.begin(now, header));
            self.beginnings += 1;
        }
        let mapping = self.mapping.as_mut()?;
        Some((mapping.sequence(header.sequence)?, mapping))
    }

    /// The mapping that makes this packet follow upon the last.
    fn begin(&self, now: Instant, header: &Header) -> Mapping {
        let timestamp = match self.latest {
            Latest::First(timestamp) => timestamp,
            // At least one tick, as packets with one timestamp would be taken for one frame.
            Latest::At(timestamp, at) => {
                timestamp.wrapping_add(ticks(now.saturating_duration_since(at), self.clock_rate).max(1))
            }
        };
        Mapping {
            first: Unwrapper::default().unwrap(header.sequence),
            numbers: Unwrapper::default(),
            seen: Window::default(),
            sequence_offset: self.next.0.wrapping_sub(header.sequence.0),
            timestamp_offset: timestamp.wrapping_sub(header.timestamp),
            suspect: None,
            left_out: VecDeque::new(),
            forgotten: None,
        }
    }
}

impl Latest {
    const fn is_before(self, other: u32) -> bool {
        match self {
            Self::First(_) => true,
            Self::At(timestamp, _) => other.wrapping_sub(timestamp).cast_signed() > 0,
        }
    }
}

impl Mapping {
    /// Whether this packet is the second in a row that says that the source has jumped elsewhere.
    fn counts_anew(&self, sequence: SequenceNumber) -> bool {
        self.suspect == Some(sequence)
    }

    /// Our number for a packet of the source, which is taken for seen.
    fn sequence(&mut self, sequence: SequenceNumber) -> Option<SequenceNumber> {
        // The low bits are the number on the wire.
        let distance = self.numbers.highest().map_or(0, |highest| SequenceNumber(highest as u16).distance_to(sequence));
        if distance > MAX_DROPOUT || i64::from(distance) <= -(WINDOW as i64) {
            self.suspect = Some(sequence.next());
            return None;
        }
        self.suspect = None;
        let number = self.numbers.peek(sequence);
        let is_forgotten = self.forgotten.is_some_and(|forgotten| number < forgotten);
        if number < self.first || is_forgotten || !self.seen.insert(number) {
            return None;
        }
        self.numbers.unwrap(sequence);
        // The offset is that of the highest numbers; those before what was left out have moved up less.
        let behind = self.left_out.iter().rev().take_while(|left_out| **left_out > number).count();
        Some(sequence.plus(self.sequence_offset).plus(behind as u16))
    }

    /// Whether nothing from this number on has come.
    fn is_ahead(&self, sequence: SequenceNumber) -> bool {
        self.numbers.highest().is_some_and(|highest| self.numbers.peek(sequence) > highest)
    }

    /// Lets the numbers behind the highest, which was just given, move up by one. Not the first one: that it came says
    /// where the source begins.
    fn leave_out(&mut self) -> bool {
        let Some(highest) = self.numbers.highest() else { return false };
        if self.left_out.len() >= MAX_LEFT_OUT {
            self.forgotten = self.left_out.pop_front();
        }
        self.left_out.push_back(highest);
        self.sequence_offset = self.sequence_offset.wrapping_sub(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;

    const FRAME: Duration = Duration::from_millis(40);

    fn header(sequence: u16, timestamp: u32) -> Header {
        Header { sequence: SequenceNumber(sequence), timestamp, ssrc: 7, payload_type: 96, marker: false }
    }

    fn rewriter() -> Rewriter {
        Rewriter::new(90_000, SequenceNumber(65_534), 0xffff_ff00)
    }

    fn out(rewriter: &mut Rewriter, now: Instant, source: u64, sequence: u16, timestamp: u32) -> Option<(u16, u32)> {
        let rewritten = rewriter.rewrite(now, source, &header(sequence, timestamp))?;
        assert_eq!((rewritten.ssrc, rewritten.payload_type), (7, 96));
        Some((rewritten.sequence.0, rewritten.timestamp))
    }

    #[test]
    fn a_switch_follows_upon_the_last_packet() {
        let (mut rewriter, now) = (rewriter(), sim::start());
        assert_eq!(out(&mut rewriter, now, 1, 100, 0), None, "nothing is chosen");
        rewriter.switch_to(1);
        assert_eq!(out(&mut rewriter, now, 1, 100, 5), Some((65_534, 0xffff_ff00)));
        assert_eq!(out(&mut rewriter, now, 1, 101, 5), Some((65_535, 0xffff_ff00)));
        assert_eq!(out(&mut rewriter, now, 2, 7, 9), None, "not the chosen one");
        rewriter.switch_to(2);
        assert_eq!(out(&mut rewriter, now + FRAME, 2, 40_000, 1 << 31), Some((0, 0xffff_ff00u32.wrapping_add(3600))));
        assert_eq!(out(&mut rewriter, now + FRAME, 1, 102, 3605), None, "no longer the chosen one");
        assert_eq!(out(&mut rewriter, now + FRAME, 2, 40_001, 1 << 31), Some((1, 0xffff_ff00u32.wrapping_add(3600))));
    }

    #[test]
    fn gaps_and_late_packets_keep_their_places() {
        let (mut rewriter, now) = (rewriter(), sim::start());
        rewriter.switch_to(1);
        let numbers =
            [10, 13, 12, 15].map(|sequence| out(&mut rewriter, now, 1, sequence, 0).map(|(number, _)| number));
        assert_eq!(numbers, [Some(65_534), Some(1), Some(0), Some(3)]);
        rewriter.switch_to(2);
        assert_eq!(out(&mut rewriter, now, 2, 500, 0).map(|(number, _)| number), Some(4));
        assert_eq!(out(&mut rewriter, now, 2, 499, 0), None, "its number belongs to the source before");
        assert_eq!(out(&mut rewriter, now, 2, 500, 0), None, "seen before");
    }

    #[test]
    fn timestamps_grow_even_where_no_time_has_passed() {
        let (mut rewriter, now) = (rewriter(), sim::start());
        rewriter.switch_to(1);
        let (_, first) = out(&mut rewriter, now, 1, 1, 77).unwrap();
        rewriter.switch_to(2);
        let (_, second) = out(&mut rewriter, now, 2, 1, 3).unwrap();
        assert_eq!(second, first.wrapping_add(1));
    }

    #[test]
    fn timestamps_count_from_the_latest_frame_not_from_a_late_packet() {
        let (mut rewriter, now) = (rewriter(), sim::start());
        rewriter.switch_to(1);
        let (_, first) = out(&mut rewriter, now, 1, 1, 0).unwrap();
        out(&mut rewriter, now + FRAME, 1, 3, 3600).unwrap();
        out(&mut rewriter, now + FRAME * 2, 1, 2, 0).unwrap();
        rewriter.switch_to(2);
        let (_, second) = out(&mut rewriter, now + FRAME * 2, 2, 1, 0).unwrap();
        assert_eq!(second.wrapping_sub(first), 7200);
    }

    #[test]
    fn a_source_that_counts_anew_is_believed_the_second_time() {
        let (mut rewriter, now) = (rewriter(), sim::start());
        rewriter.switch_to(1);
        out(&mut rewriter, now, 1, 100, 0).unwrap();
        assert_eq!(out(&mut rewriter, now, 1, 30_000, 0), None);
        assert_eq!(out(&mut rewriter, now, 1, 101, 0).map(|(number, _)| number), Some(65_535), "a stray packet");
        assert_eq!(out(&mut rewriter, now, 1, 30_001, 0), None);
        assert_eq!(out(&mut rewriter, now + FRAME, 1, 30_002, 9).map(|(number, _)| number), Some(0));
        assert_eq!(out(&mut rewriter, now + FRAME, 1, 30_003, 9).map(|(number, _)| number), Some(1));
    }

    proptest::proptest! {
        /// Under SRTP a number that is used twice gives the key stream away.
        #[test]
        fn no_number_comes_out_twice(
            steps in proptest::collection::vec((0u64..3, 0u16..5, proptest::num::u16::ANY, 0u8..40), 1..400),
        ) {
            let (mut rewriter, now) = (rewriter(), sim::start());
            rewriter.switch_to(0);
            let (mut used, mut count, mut highest) = (BTreeSet::new(), Unwrapper::default(), [0u16; 3]);
            for (source, far, anywhere, what) in steps {
                match what {
                    0 => rewriter.switch_to(source),
                    1 | 2 => highest[source as usize] = anywhere,
                    _ => highest[source as usize] = highest[source as usize].wrapping_add(far).wrapping_sub(1),
                }
                let Some((number, _)) = out(&mut rewriter, now, source, highest[source as usize], 0) else { continue };
                proptest::prop_assert!(used.insert(count.unwrap(SequenceNumber(number))), "{number} came out twice");
            }
        }
    }
}
