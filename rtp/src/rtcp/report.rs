//! Sender and receiver reports, and the round-trip time they measure (RFC 3550, section 6.4).

use super::compound::put_counted;
use super::{ReportBlock, SenderInfo, kind, lists, words};
use crate::{NtpTime, duration_from_compact};
use std::time::Duration;
use wire::{Malformed, Put, Reader};

/// How much longer the other side may claim to have waited than time has passed here: 1 s, in units of 2^-16 seconds.
/// That much a coarse clock may be off; more is nonsense.
const MAX_SKEW: u32 = 1 << 16;

lists! {
    /// What is told of each source.
    ReportBlocks of ReportBlock, 24 bytes, "report blocks";
}

impl SenderInfo {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            ntp: NtpTime(reader.u64("NTP timestamp")?),
            rtp_timestamp: reader.u32("RTP timestamp")?,
            packets: reader.u32("packet count")?,
            octets: reader.u32("octet count")?,
        })
    }

    fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u64(self.ntp.0);
        buf.put_u32(self.rtp_timestamp);
        buf.put_u32(self.packets);
        buf.put_u32(self.octets);
    }
}

impl ReportBlock {
    /// What 24 bits with a sign hold.
    const LOSSES: std::ops::RangeInclusive<i32> = -0x80_0000..=0x7f_ffff;

    pub(super) fn from_bytes(record: [u8; 24]) -> Self {
        let [ssrc, lost, sequence, jitter, last, delay] = words(record);
        let [fraction_lost, ..] = lost.to_be_bytes();
        Self {
            ssrc,
            fraction_lost,
            // The sign of the lower 24 bits is carried on into the upper eight.
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            extended_highest_sequence: sequence,
            jitter,
            last_sender_report: last,
            delay_since_last_sender_report: delay,
        }
    }

    fn encode(&self, buf: &mut Vec<u8>) {
        let lost = self.cumulative_lost.clamp(*Self::LOSSES.start(), *Self::LOSSES.end());
        buf.put_u32(self.ssrc);
        buf.put_u8(self.fraction_lost);
        buf.put_u24(lost.cast_unsigned());
        buf.put_u32(self.extended_highest_sequence);
        buf.put_u32(self.jitter);
        buf.put_u32(self.last_sender_report);
        buf.put_u32(self.delay_since_last_sender_report);
    }
}

/// SR (RFC 3550, section 6.4.1). Extensions of a profile behind the blocks are ignored (section 6.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// What it sends.
    pub info: SenderInfo,
    /// What it receives.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> SenderReport<'a> {
    pub(super) fn decode(count: u8, reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let ssrc = reader.u32("sender of the report")?;
        let info = SenderInfo::decode(reader)?;
        Ok(Self { ssrc, info, blocks: ReportBlocks::decode(reader, usize::from(count))? })
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        Self::write(self.ssrc, &self.info, self.blocks.iter(), buf);
    }

    /// Appends a sender report. What is more than 31 blocks goes into receiver reports behind it (RFC 3550, section
    /// 6.1).
    pub fn write(ssrc: u32, info: &SenderInfo, blocks: impl IntoIterator<Item = ReportBlock>, buf: &mut Vec<u8>) {
        let head = |buf: &mut Vec<u8>, kind| {
            buf.put_u32(ssrc);
            if kind == kind::SENDER_REPORT {
                info.encode(buf);
            }
        };
        let kinds = [kind::SENDER_REPORT, kind::RECEIVER_REPORT];
        put_counted(buf, kinds, blocks, head, |buf, block| block.encode(buf));
    }
}

/// RR (RFC 3550, section 6.4.2). Extensions of a profile behind the blocks are ignored (section 6.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    /// What it receives.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn decode(count: u8, reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let ssrc = reader.u32("sender of the report")?;
        Ok(Self { ssrc, blocks: ReportBlocks::decode(reader, usize::from(count))? })
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        Self::write(self.ssrc, self.blocks.iter(), buf);
    }

    /// Appends receiver reports with these blocks, 31 in each: one report even where there is nothing to tell.
    pub fn write(ssrc: u32, blocks: impl IntoIterator<Item = ReportBlock>, buf: &mut Vec<u8>) {
        let kinds = [kind::RECEIVER_REPORT; 2];
        put_counted(buf, kinds, blocks, |buf, _| buf.put_u32(ssrc), |buf, block| block.encode(buf));
    }
}

/// The time that a sender report and this answer to it spent on the way (RFC 3550, section 6.4.1). `now` is when the
/// answer came, on the clock that the sender report had its time from.
///
/// `None` where the other side had no sender report yet, or claims to have waited for more than a second longer than
/// time has passed. Where it is less than a second, its clock runs a little faster than ours, and the time is zero.
pub fn round_trip(report: &ReportBlock, now: NtpTime) -> Option<Duration> {
    round_trip_since(report.last_sender_report, report.delay_since_last_sender_report, now)
}

/// The time between `sent` and `now` without the `delay` in between, all in units of 2^-16 seconds.
pub(super) fn round_trip_since(sent: u32, delay: u32, now: NtpTime) -> Option<Duration> {
    if sent == 0 {
        return None;
    }
    let on_the_way = now.compact().wrapping_sub(sent).wrapping_sub(delay);
    // The clocks wrap after 18 hours; what is more than half of that is a time below zero.
    let below_zero = on_the_way.wrapping_neg();
    match on_the_way.cast_signed() {
        0.. => Some(duration_from_compact(on_the_way)),
        _ if below_zero <= MAX_SKEW => Some(Duration::ZERO),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::compound::{is_refused, only};
    use super::super::{Packet, packets};
    use super::*;
    use proptest::prelude::*;

    const SENDER: &[u8] = &[
        0x81, 200, 0, 12, 0, 0, 0, 1, // one block
        0x83, 0xaa, 0x7e, 0x80, 0x80, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 5, 0, 0, 0x20, 0, // sender info
        0, 0, 0, 2, 64, 0xff, 0xff, 0xfe, 0, 1, 0, 9, 0, 0, 0, 90, 0x7e, 0x80, 0x80, 0, 0, 1, 0, 0,
    ];

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 2,
        fraction_lost: 64,
        cumulative_lost: -2,
        extended_highest_sequence: 0x1_0009,
        jitter: 90,
        last_sender_report: 0x7e80_8000,
        delay_since_last_sender_report: 0x1_0000,
    };

    #[test]
    fn a_sender_report_has_its_fields_where_the_specification_has_them() {
        let Packet::SenderReport(report) = only(SENDER) else { panic!("not a sender report") };
        let ntp = NtpTime::from_unix(Duration::from_millis(500));
        assert_eq!(report.info, SenderInfo { ntp, rtp_timestamp: 0x1000, packets: 5, octets: 0x2000 });
        assert_eq!((report.ssrc, report.blocks.iter().collect::<Vec<_>>()), (1, vec![BLOCK]));
    }

    #[test]
    fn a_report_shorter_than_its_count_is_refused_and_a_longer_one_is_read() {
        let mut bytes = SENDER.to_vec();
        bytes[0] += 1;
        assert!(is_refused(&bytes));
        bytes[0] -= 2;
        let [Ok(Packet::SenderReport(report))] = packets(&bytes).collect::<Vec<_>>()[..] else { panic!("refused") };
        assert!(report.blocks.is_empty(), "what is behind the blocks is a profile's");
        assert_eq!(only(&[0x80, 201, 0, 1, 0, 0, 0, 9]), {
            Packet::ReceiverReport(ReceiverReport { ssrc: 9, blocks: ReportBlocks::default() })
        });
        assert!(is_refused(&[0x80, 201, 0, 0]) && is_refused(&SENDER[..8]));
    }

    #[test]
    fn more_than_31_blocks_go_on_in_receiver_reports() {
        let blocks = |range: std::ops::Range<u32>| range.map(|ssrc| ReportBlock { ssrc, ..BLOCK });
        let mut buf = Vec::new();
        SenderReport::write(7, &SenderInfo::default(), blocks(0..70), &mut buf);
        let packets: Vec<_> = packets(&buf).map(Result::unwrap).collect();
        let [Packet::SenderReport(first), Packet::ReceiverReport(second), Packet::ReceiverReport(third)] = packets[..]
        else {
            panic!("{packets:?}")
        };
        assert_eq!((second.ssrc, third.ssrc), (7, 7));
        let read = first.blocks.iter().chain(second.blocks.iter()).chain(third.blocks.iter());
        assert!(read.eq(blocks(0..70)));
        buf.clear();
        ReceiverReport::write(7, blocks(0..31), &mut buf);
        assert!(matches!(only(&buf), Packet::ReceiverReport(report) if report.blocks.len() == 31));
    }

    #[test]
    fn losses_are_bounded_by_their_24_bits() {
        for (lost, read) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000), (-1, -1), (0, 0)] {
            let mut buf = Vec::new();
            ReceiverReport::write(1, [ReportBlock { cumulative_lost: lost, ..BLOCK }], &mut buf);
            let Packet::ReceiverReport(report) = only(&buf) else { panic!("not a receiver report") };
            assert_eq!(report.blocks.iter().next().map(|block| block.cumulative_lost), Some(read));
        }
    }

    /// The example of RFC 3550, figure 2.
    #[test]
    fn the_round_trip_of_the_specifications_example_is_right() {
        let block = ReportBlock {
            last_sender_report: 0xb705_2000,
            delay_since_last_sender_report: 0x0005_4000,
            ..ReportBlock::default()
        };
        let now = NtpTime(0xb710_8000 << 16);
        assert_eq!(round_trip(&block, now), Some(Duration::from_millis(6125)));
    }

    #[test]
    fn skewed_clocks_make_a_round_trip_zero_and_nonsense_none() {
        let sent = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
        let at = |millis| sent.plus(Duration::from_millis(millis));
        let block = |delay| ReportBlock {
            last_sender_report: sent.compact(),
            delay_since_last_sender_report: crate::compact_duration(Duration::from_millis(delay)),
            ..ReportBlock::default()
        };
        let rounded = |block: &ReportBlock, now| round_trip(block, now).map(|time| time.as_millis());
        assert_eq!(rounded(&block(500), at(520)), Some(19), "20 ms, but for the rounding of both");
        assert_eq!(rounded(&block(500), at(499)), Some(0));
        assert_eq!(rounded(&block(1400), at(500)), Some(0));
        assert_eq!(rounded(&block(1600), at(500)), None);
        assert_eq!(rounded(&ReportBlock::default(), at(500)), None, "no sender report had come");
    }

    proptest! {
        #[test]
        fn any_block_is_read_as_it_was_written(
            (ssrc, fraction_lost) in any::<(u32, u8)>(), lost in ReportBlock::LOSSES, rest: [u32; 4],
        ) {
            let [extended_highest_sequence, jitter, last_sender_report, delay_since_last_sender_report] = rest;
            let block = ReportBlock {
                ssrc, fraction_lost, cumulative_lost: lost, extended_highest_sequence, jitter, last_sender_report,
                delay_since_last_sender_report,
            };
            let mut buf = Vec::new();
            block.encode(&mut buf);
            prop_assert_eq!(ReportBlock::from_bytes(buf.try_into().unwrap()), block);
            let _ = round_trip(&block, NtpTime(u64::from(ssrc) << 20));
        }
    }
}
