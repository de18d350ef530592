//! Extended reports (RFC 3611): round-trip times for those who only receive.

use super::report::round_trip_since;
use super::{kind, lists, put_packet, words};
use crate::NtpTime;
use std::time::Duration;
use wire::{Malformed, Put, Reader};

/// The block type of a receiver's reference time (RFC 3611, section 4.4).
const REFERENCE_TIME: u8 = 4;
/// The block type of the answers to it (RFC 3611, section 4.5).
const DLRR: u8 = 5;
/// The most answers that the length of a block can count.
const MAX_DLRRS: usize = u16::MAX as usize / 3;

/// XR: blocks of several types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub ssrc: u32,
    body: &'a [u8],
}

impl<'a> ExtendedReport<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let ssrc = reader.u32("sender of the report")?;
        let body = reader.rest();
        // All blocks are walked here, so that nobody has to ask for errors later.
        let mut blocks = Reader::new(body);
        while !blocks.is_empty() {
            ExtendedBlock::decode(&mut blocks)?;
        }
        Ok(Self { ssrc, body })
    }

    /// Each block in order.
    pub fn blocks(&self) -> impl Iterator<Item = ExtendedBlock<'a>> + use<'a> {
        let mut reader = Reader::new(self.body);
        std::iter::from_fn(move || ExtendedBlock::decode(&mut reader).ok())
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        put_extended(self.ssrc, buf, |buf| buf.put_bytes(self.body));
    }

    /// Appends a report with the time at which it is sent, so that the answer measures the round trip (RFC 3611,
    /// section 4.4).
    pub fn write_reference_time(ssrc: u32, now: NtpTime, buf: &mut Vec<u8>) {
        put_extended(ssrc, buf, |buf| {
            buf.put_bytes(&[REFERENCE_TIME, 0, 0, 2]);
            buf.put_u64(now.0);
        });
    }

    /// Appends a report that answers the reference times of these receivers (RFC 3611, section 4.5).
    pub fn write_dlrr(ssrc: u32, answers: impl IntoIterator<Item = Dlrr>, buf: &mut Vec<u8>) {
        put_extended(ssrc, buf, |buf| {
            let start = buf.len();
            buf.put_bytes(&[DLRR, 0, 0, 0]);
            let mut words = 0_u16;
            for answer in answers.into_iter().take(MAX_DLRRS) {
                answer.encode(buf);
                words += 3;
            }
            if let Some(field) = buf.get_mut(start + 2..start + 4) {
                field.copy_from_slice(&words.to_be_bytes());
            }
        });
    }
}

fn put_extended(ssrc: u32, buf: &mut Vec<u8>, blocks: impl FnOnce(&mut Vec<u8>)) {
    put_packet(buf, kind::EXTENDED_REPORT, |buf| {
        buf.put_u32(ssrc);
        blocks(buf);
        0
    });
}

/// A block of an extended report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtendedBlock<'a> {
    /// When a receiver sent the report, on its own clock (RFC 3611, section 4.4).
    ReferenceTime(NtpTime),
    /// The answers to reference times (RFC 3611, section 4.5).
    Dlrr(Dlrrs<'a>),
    /// Any other block, and one whose length is not that of its type; to be skipped.
    Other {
        /// The block type.
        kind: u8,
        /// The byte whose meaning depends on the type.
        specific: u8,
        /// What follows the length.
        body: &'a [u8],
    },
}

impl<'a> ExtendedBlock<'a> {
    /// Reads one block (RFC 3611, section 3).
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let kind = reader.u8("report block type")?;
        let specific = reader.u8("report block")?;
        let words = usize::from(reader.u16("report block length")?);
        let body = reader.bytes(words * 4, "report block")?;
        Ok(match (kind, <[u8; 8]>::try_from(body)) {
            (REFERENCE_TIME, Ok(time)) => Self::ReferenceTime(NtpTime(u64::from_be_bytes(time))),
            (DLRR, _) if words.is_multiple_of(3) => Self::Dlrr(Dlrrs::decode(&mut Reader::new(body), words / 3)?),
            _ => Self::Other { kind, specific, body },
        })
    }
}

lists! {
    /// The answers to reference times, one for each receiver.
    Dlrrs of Dlrr, 12 bytes, "answers to reference times";
}

/// Delay since the last receiver report: the answer to one receiver's reference time (RFC 3611, section 4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dlrr {
    /// The receiver.
    pub ssrc: u32,
    /// The middle of its last reference time ([`NtpTime::compact`]); 0 before there was one.
    pub last_receiver_report: u32,
    /// How long ago that came, in units of 2^-16 seconds.
    pub delay_since_last_receiver_report: u32,
}

impl Dlrr {
    /// The time that the reference time and this answer spent on the way, as [`round_trip`](super::round_trip) has it.
    pub fn round_trip(&self, now: NtpTime) -> Option<Duration> {
        round_trip_since(self.last_receiver_report, self.delay_since_last_receiver_report, now)
    }

    fn from_bytes(record: [u8; 12]) -> Self {
        let [ssrc, last_receiver_report, delay_since_last_receiver_report] = words(record);
        Self { ssrc, last_receiver_report, delay_since_last_receiver_report }
    }

    fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u32(self.ssrc);
        buf.put_u32(self.last_receiver_report);
        buf.put_u32(self.delay_since_last_receiver_report);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Packet;
    use super::super::compound::{is_refused, only};
    use super::*;

    fn read(bytes: &[u8]) -> (u32, Vec<ExtendedBlock<'_>>) {
        let Packet::ExtendedReport(report) = only(bytes) else { panic!("not an extended report") };
        (report.ssrc, report.blocks().collect())
    }

    #[test]
    fn a_reference_time_and_its_answer_measure_the_round_trip() {
        let sent = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
        let mut buf = Vec::new();
        ExtendedReport::write_reference_time(7, sent, &mut buf);
        assert_eq!(buf[..12], [0x80, 207, 0, 4, 0, 0, 0, 7, 4, 0, 0, 2]);
        let (7, blocks) = read(&buf) else { panic!("another sender") };
        let [ExtendedBlock::ReferenceTime(time)] = blocks[..] else { panic!("{blocks:?}") };
        assert_eq!(time, sent);

        let answer = Dlrr {
            ssrc: 7,
            last_receiver_report: time.compact(),
            delay_since_last_receiver_report: crate::compact_duration(Duration::from_millis(250)),
        };
        let other = Dlrr { ssrc: 8, ..Dlrr::default() };
        buf.clear();
        ExtendedReport::write_dlrr(1, [answer, other], &mut buf);
        assert_eq!(buf[..12], [0x80, 207, 0, 8, 0, 0, 0, 1, 5, 0, 0, 6]);
        let (1, blocks) = read(&buf) else { panic!("another sender") };
        let [ExtendedBlock::Dlrr(answers)] = blocks[..] else { panic!("{blocks:?}") };
        assert!(answers.iter().eq([answer, other]));
        assert_eq!(answer.round_trip(sent.plus(Duration::from_millis(375))), Some(Duration::from_millis(125)));
        assert_eq!(other.round_trip(sent), None);
    }

    #[test]
    fn blocks_of_other_types_and_lengths_are_skipped() {
        let bytes = [
            0x80, 207, 0, 7, 0, 0, 0, 1, // the sender
            42, 3, 0, 1, 9, 9, 9, 9, // an unknown type
            4, 0, 0, 1, 0, 0, 0, 1, // a reference time of half its length
            5, 0, 0, 1, 0, 0, 0, 1, // a third of an answer
        ];
        let other = |kind, specific, body| ExtendedBlock::Other { kind, specific, body };
        let expected = vec![other(42, 3, &[9, 9, 9, 9]), other(4, 0, &[0, 0, 0, 1]), other(5, 0, &[0, 0, 0, 1])];
        assert_eq!(read(&bytes), (1, expected));
        assert_eq!(read(&[0x80, 207, 0, 1, 0, 0, 0, 1]), (1, vec![]));
    }

    #[test]
    fn a_block_that_leads_out_of_the_packet_is_refused() {
        assert!(is_refused(&[0x80, 207, 0, 2, 0, 0, 0, 1, 42, 0, 0, 1]));
        assert!(is_refused(&[0x80, 207, 0, 0]));
    }
}
