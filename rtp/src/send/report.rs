//! Sender reports, and what receivers report (RFC 3550, section 6.4.1).

use super::stats::RemoteStats;
use crate::rtcp::ReportBlock;
use crate::{NtpTime, SequenceNumber, duration_from_compact};
use std::time::{Duration, Instant};

/// The round-trip time that a report block shows (RFC 3550, section 6.4.1): the time since our report that it names,
/// without what the receiver kept it for. `None` where it names none; clocks that drift do not make it negative.
pub fn round_trip(ntp_now: NtpTime, block: &ReportBlock) -> Option<Duration> {
    if block.last_sender_report == 0 {
        return None;
    }
    let units = ntp_now
        .compact()
        .wrapping_sub(block.last_sender_report)
        .wrapping_sub(block.delay_since_last_sender_report)
        .cast_signed();
    Some(duration_from_compact(u32::try_from(units).unwrap_or(0)))
}

/// Ticks of a clock in a time; wraps as timestamps do.
pub(crate) const fn ticks(time: Duration, clock_rate: u32) -> u32 {
    (time.as_nanos().wrapping_mul(clock_rate as u128) / 1_000_000_000) as u32
}

/// A moment on both clocks: that of the machine and that of the timestamps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference {
    pub(crate) timestamp: u32,
    pub(crate) captured: Instant,
}

impl Reference {
    /// The timestamp of another moment.
    pub(crate) fn at(&self, now: Instant, clock_rate: u32) -> u32 {
        match now.checked_duration_since(self.captured) {
            Some(later) => self.timestamp.wrapping_add(ticks(later, clock_rate)),
            None => self.timestamp.wrapping_sub(ticks(self.captured.saturating_duration_since(now), clock_rate)),
        }
    }

    /// Takes the later of two: frames may come in the order of decoding.
    pub(crate) fn update(reference: &mut Option<Self>, new: Self) {
        let is_late = |old: Self| new.timestamp.wrapping_sub(old.timestamp).cast_signed() < 0;
        if !reference.is_some_and(is_late) {
            *reference = Some(new);
        }
    }
}

impl RemoteStats {
    /// Takes in a report about the stream that began with `first`.
    pub(crate) fn report(
        &mut self,
        now: Instant,
        block: &ReportBlock,
        first: SequenceNumber,
        clock_rate: u32,
        round_trip_time: Option<Duration>,
    ) {
        self.reports_received += 1;
        self.last_report = Some(now);
        self.packets_lost = i64::from(block.cumulative_lost);
        let expected = i64::from(block.extended_highest_sequence) - i64::from(first.0) + 1;
        self.packets_received = u64::try_from(expected - self.packets_lost).unwrap_or(0);
        self.fraction_lost = f64::from(block.fraction_lost) / 256.0;
        let nanos = u64::from(block.jitter).saturating_mul(1_000_000_000) / u64::from(clock_rate.max(1));
        self.jitter = Duration::from_nanos(nanos);
        if let Some(time) = round_trip_time {
            self.round_trip_time = round_trip_time;
            self.total_round_trip_time = self.total_round_trip_time.saturating_add(time);
            self.round_trip_time_measurements += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(last_sender_report: u32, delay: u32) -> ReportBlock {
        ReportBlock { last_sender_report, delay_since_last_sender_report: delay, ..ReportBlock::default() }
    }

    /// RFC 3550, figure 2.
    #[test]
    fn the_example_of_the_rfc_gives_six_seconds_and_an_eighth() {
        let now = NtpTime(0xb710_8000 << 16);
        assert_eq!(round_trip(now, &block(0xb705_2000, 0x0005_4000)), Some(Duration::from_millis(6125)));
    }

    #[test]
    fn a_round_trip_is_found_over_the_wrap_and_is_never_negative() {
        let now = NtpTime(0x0000_8000 << 16);
        assert_eq!(round_trip(now, &block(0xffff_8000, 0)), Some(Duration::from_secs(1)));
        assert_eq!(round_trip(now, &block(0xffff_8000, 2 << 16)), Some(Duration::ZERO));
        assert_eq!(round_trip(now, &block(0, 0)), None);
    }

    #[test]
    fn timestamps_are_carried_on_in_both_directions() {
        let captured = sim::start();
        let reference = Reference { timestamp: 10, captured };
        assert_eq!(reference.at(captured + Duration::from_millis(20), 90_000), 1810);
        assert_eq!(reference.at(captured - Duration::from_millis(20), 90_000), 10u32.wrapping_sub(1800));
        let day = Duration::from_secs(86_400);
        assert_eq!(reference.at(captured + day, 90_000), 10u32.wrapping_add((86_400u64 * 90_000) as u32));
    }
}
