//! Congestion control feedback (RFC 8888).

use super::{format, kind, put_packet};
use crate::{NtpTime, SequenceNumber};
use std::time::Duration;
use wire::{Malformed, Put, Reader};

/// The most packets that a block may tell of: a quarter of all numbers (RFC 8888, section 3.1).
const MAX_METRICS: usize = 16_384;
/// The R bit: the packet was received.
const RECEIVED: u16 = 1 << 15;
/// The bits of the arrival time offset.
const OFFSET: u16 = 0x1fff;
/// The offset of what came longer ago than an offset can say.
const OVER_RANGE: u16 = 0x1ffe;
/// The offset of what came at an unknown time, or after the report's.
const UNAVAILABLE: u16 = 0x1fff;

/// Which packets of each source arrived when.
///
/// ```text
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                             SSRC                              |  a block for each source
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          begin_seq            |          num_reports          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |R|ECN|  Arrival time offset    | … for each packet, whole words|
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                 Report Timestamp (32 bits)                    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CongestionFeedback<'a> {
    /// Who reports.
    pub sender_ssrc: u32,
    /// The moment that all offsets count back from ([`NtpTime::compact`]), on the reporter's clock.
    pub report_timestamp: u32,
    body: &'a [u8],
}

impl<'a> CongestionFeedback<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let sender_ssrc = reader.u32("sender of feedback")?;
        let length = reader.remaining().checked_sub(4).ok_or(Malformed::new("report timestamp"))?;
        let body = reader.bytes(length, "congestion feedback")?;
        let report_timestamp = reader.u32("report timestamp")?;
        // All blocks are walked here, so that nobody has to ask for errors later.
        let mut blocks = Reader::new(body);
        while !blocks.is_empty() {
            CongestionBlock::decode(&mut blocks)?;
        }
        Ok(Self { sender_ssrc, report_timestamp, body })
    }

    /// What is told of each source.
    pub fn blocks(&self) -> impl Iterator<Item = CongestionBlock<'a>> + use<'a> {
        let mut reader = Reader::new(self.body);
        std::iter::from_fn(move || CongestionBlock::decode(&mut reader).ok())
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        put_packet(buf, kind::TRANSPORT_FEEDBACK, |buf| {
            buf.put_u32(self.sender_ssrc);
            buf.put_bytes(self.body);
            buf.put_u32(self.report_timestamp);
            format::CONGESTION
        });
    }

    /// Appends a report of `now`. Each block is a source, the number of the first packet that is told of, and for it
    /// and each behind it when it arrived, `None` where it did not; at most 16,384 packets. How many fit a datagram is
    /// the caller's to know.
    pub fn write<B, P>(sender_ssrc: u32, now: NtpTime, blocks: B, buf: &mut Vec<u8>)
    where
        B: IntoIterator<Item = (u32, SequenceNumber, P)>,
        P: IntoIterator<Item = Option<Arrival>>,
    {
        put_packet(buf, kind::TRANSPORT_FEEDBACK, |buf| {
            buf.put_u32(sender_ssrc);
            for (ssrc, begin, arrivals) in blocks {
                buf.put_u32(ssrc);
                buf.put_u16(begin.0);
                let at = buf.len();
                buf.put_u16(0);
                let mut count = 0_u16;
                for arrival in arrivals.into_iter().take(MAX_METRICS) {
                    buf.put_u16(arrival.map_or(0, Arrival::to_bits));
                    count += 1;
                }
                if let Some(field) = buf.get_mut(at..at + 2) {
                    field.copy_from_slice(&count.to_be_bytes());
                }
                buf.put_zeros(usize::from(count % 2) * 2);
            }
            buf.put_u32(now.compact());
            format::CONGESTION
        });
    }
}

/// What is told of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CongestionBlock<'a> {
    /// The source.
    pub ssrc: u32,
    /// The number of the first packet that is told of.
    pub begin: SequenceNumber,
    /// One word of 16 bits for each packet.
    metrics: &'a [[u8; 2]],
}

impl<'a> CongestionBlock<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let ssrc = reader.u32("source that feedback is for")?;
        let begin = SequenceNumber(reader.u16("first packet")?);
        // The text calls the range inclusive of its end, but a count of 0 means no packet: it is a count.
        let count = usize::from(reader.u16("number of packet metrics")?);
        if count > MAX_METRICS {
            return Err(Malformed::new("number of packet metrics"));
        }
        let (metrics, _) = reader.bytes(count * 2, "packet metrics")?.as_chunks();
        reader.bytes(count % 2 * 2, "packet metrics")?;
        Ok(Self { ssrc, begin, metrics })
    }

    /// How many packets are told of.
    pub const fn len(&self) -> usize {
        self.metrics.len()
    }

    /// Whether it tells of no packet.
    pub const fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// Each packet that is told of, upwards, and how it arrived; `None` where it has not.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = (SequenceNumber, Option<Arrival>)> + use<'a> {
        let begin = self.begin;
        // There are at most 16,384, so that the place of each fits 16 bits.
        let metrics = self.metrics.iter().map(|bits| Arrival::from_bits(u16::from_be_bytes(*bits)));
        metrics.enumerate().map(move |(at, arrival)| (begin.plus(at as u16), arrival))
    }
}

/// How a packet arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Arrival {
    /// What the network marked it with.
    pub ecn: Ecn,
    /// How long before the report's time, in 13 bits: units of 2^-10 seconds, and two values that are no time; see
    /// [`before_report`](Self::before_report).
    offset: u16,
}

impl Arrival {
    /// A packet that arrived so long before the time of the report, `None` where that is not known or it was after.
    pub fn new(ecn: Ecn, before_report: Option<Duration>) -> Self {
        let units = |before: Duration| {
            // More than the last unit is over the range, however little it is (RFC 8888, section 3.1).
            let scaled = before.as_nanos() << 10;
            let units = u16::try_from(scaled / 1_000_000_000).unwrap_or(OVER_RANGE);
            if scaled > u128::from(OVER_RANGE - 1) * 1_000_000_000 { OVER_RANGE } else { units }
        };
        Self { ecn, offset: before_report.map_or(UNAVAILABLE, units) }
    }

    /// How long before the time of the report the packet arrived; `None` where that is not known. 8190/1024 s stands
    /// for any longer time; see [`is_over_range`](Self::is_over_range).
    pub fn before_report(self) -> Option<Duration> {
        let nanos = (u64::from(self.offset) * 1_000_000_000) >> 10;
        (self.offset != UNAVAILABLE).then(|| Duration::from_nanos(nanos))
    }

    /// Whether the packet arrived longer ago than can be told.
    pub const fn is_over_range(self) -> bool {
        self.offset == OVER_RANGE
    }

    fn from_bits(bits: u16) -> Option<Self> {
        let arrival = Self { ecn: Ecn::from_bits(bits >> 13), offset: bits & OFFSET };
        (bits & RECEIVED != 0).then_some(arrival)
    }

    const fn to_bits(self) -> u16 {
        RECEIVED | (self.ecn as u16) << 13 | self.offset
    }
}

/// Explicit congestion notification, as in the header of IP (RFC 3168, section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// Not-ECT: not used.
    #[default]
    NotCapable = 0,
    /// ECT(1)
    Capable1 = 1,
    /// ECT(0)
    Capable0 = 2,
    /// CE: there was congestion on the way.
    CongestionExperienced = 3,
}

impl Ecn {
    const fn from_bits(bits: u16) -> Self {
        match bits & 3 {
            0 => Self::NotCapable,
            1 => Self::Capable1,
            2 => Self::Capable0,
            _ => Self::CongestionExperienced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::compound::{is_refused, only};
    use super::super::{Packet, packets};
    use super::*;
    use proptest::prelude::*;

    const BYTES: &[u8] = &[
        0x8b, 205, 0, 8, 0, 0, 0, 1, // the reporter
        0, 0, 0, 7, 0xff, 0xfe, 0, 3, 0x80, 0x10, 0, 0, 0xe2, 0, 0, 0, // three packets and padding
        0, 0, 0, 8, 0, 5, 0, 0, // none
        0x12, 0x34, 0x56, 0x78,
    ];

    fn read(bytes: &[u8]) -> CongestionFeedback<'_> {
        let Packet::CongestionFeedback(feedback) = only(bytes) else { panic!("not congestion feedback") };
        feedback
    }

    #[test]
    fn every_packet_of_every_source_is_told_of() {
        let feedback = read(BYTES);
        assert_eq!((feedback.sender_ssrc, feedback.report_timestamp), (1, 0x1234_5678));
        let blocks: Vec<_> = feedback.blocks().collect();
        assert_eq!((blocks.len(), blocks[0].ssrc, blocks[0].len()), (2, 7, 3));
        assert_eq!((blocks[1].ssrc, blocks[1].begin, blocks[1].is_empty()), (8, SequenceNumber(5), true));
        let early = Arrival::new(Ecn::NotCapable, Some(Duration::from_micros(15_625)));
        let marked = Arrival::new(Ecn::CongestionExperienced, Some(Duration::from_millis(500)));
        let expected = [(0xfffe, Some(early)), (0xffff, None), (0, Some(marked))];
        assert!(blocks[0].packets().eq(expected.map(|(number, arrival)| (SequenceNumber(number), arrival))));
    }

    #[test]
    fn offsets_say_what_they_cannot_count() {
        let offset = |before: Option<u64>| Arrival::new(Ecn::NotCapable, before.map(Duration::from_millis));
        assert_eq!(offset(None).to_bits(), 0x9fff);
        assert_eq!(offset(None).before_report(), None);
        for far in [7_998, 8_000, 64_000, 1 << 40] {
            assert_eq!(offset(Some(far)).to_bits(), 0x9ffe, "{far}");
            assert!(offset(Some(far)).is_over_range());
        }
        assert_eq!(offset(Some(7_997)).before_report(), Some(Duration::from_nanos(7_996_093_750)));
    }

    #[test]
    fn blocks_that_do_not_fill_the_packet_are_refused() {
        for (at, value) in [(14, 0x40), (15, 5), (15, 9), (30, 1), (3, 7)] {
            let mut bytes = BYTES.to_vec();
            bytes[at] = value;
            assert!(is_refused(&bytes), "byte {at}");
        }
        assert!(is_refused(&[0x8b, 205, 0, 1, 0, 0, 0, 1]));
        assert_eq!(read(&[0x8b, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9]).blocks().count(), 0);
    }

    #[test]
    fn no_more_than_a_quarter_of_all_numbers_is_told() {
        let mut buf = Vec::new();
        let many = std::iter::repeat_n(None, 20_000);
        CongestionFeedback::write(1, NtpTime(0), [(7, SequenceNumber(9), many)], &mut buf);
        assert_eq!(read(&buf).blocks().map(|block| block.len()).collect::<Vec<_>>(), [MAX_METRICS]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            sources in proptest::collection::vec(
                (any::<u32>(), any::<u16>(), proptest::collection::vec(any::<u16>(), 0..9)), 0..5),
        ) {
            let arrivals = |bits: &Vec<u16>| bits.iter().map(|bits| Arrival::from_bits(*bits)).collect::<Vec<_>>();
            let blocks = sources.iter().map(|(ssrc, begin, bits)| (*ssrc, SequenceNumber(*begin), arrivals(bits)));
            let mut buf = Vec::new();
            CongestionFeedback::write(3, NtpTime(0x1234_5678 << 16), blocks.clone(), &mut buf);
            let Some(Ok(Packet::CongestionFeedback(feedback))) = packets(&buf).next() else { panic!("refused") };
            prop_assert_eq!(feedback.report_timestamp, 0x1234_5678);
            let read = feedback.blocks().map(|block| {
                (block.ssrc, block.begin, block.packets().map(|(_, arrival)| arrival).collect::<Vec<_>>())
            });
            prop_assert!(read.eq(blocks));
        }
    }
}
