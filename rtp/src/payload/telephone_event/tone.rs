use std::time::Duration;

use super::TelephoneEvent;

/// How often it is told how long the event lasts (RFC 4733, section 2.5.1.2).
const INTERVAL: Duration = Duration::from_millis(50);
/// Intervals in a second.
const PER_SECOND: u64 = 20;
/// How often the end is told (RFC 4733, section 2.5.1.4).
const ENDS: u8 = 3;
/// The longest tone.
const LONGEST: Duration = Duration::from_secs(3600);
/// The longest that one segment lasts, in ticks (RFC 4733, section 2.5.1.3).
const SEGMENT: u64 = 0xffff;

/// A tone to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tone {
    /// Which event: see [`event_of_key`](super::event_of_key).
    pub event: u8,
    /// How quiet: dBm0 with the sign dropped, 0 to 63. 10 is usual.
    pub volume: u8,
    /// How long, at most an hour. Browsers take 100 ms where nothing else is said.
    pub duration: Duration,
    /// Ticks of the timestamp in a second, as negotiated: 8,000, or what the speech has.
    pub clock_rate: u32,
    /// The timestamp of its beginning, on the clock of the speech.
    pub timestamp: u32,
}

/// One packet about a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it is to be sent, counted from the beginning of the tone.
    pub at: Duration,
    /// The marker of the packet: set in the first.
    pub marker: bool,
    /// The timestamp of the packet: that of the tone's beginning, or of a segment of it.
    pub timestamp: u32,
    /// The payload.
    pub event: TelephoneEvent,
}

impl Tone {
    /// The packets in their order: each 50 ms how long the tone has lasted, and its end thrice. Tones longer than a
    /// duration can say, 8 seconds at 8 kHz, are sent in segments, whose ends are told thrice as well.
    pub fn reports(self) -> Reports {
        let rate = self.clock_rate.clamp(PER_SECOND as u32, 1_000_000);
        let duration = self.duration.min(LONGEST);
        // At most 3.6 thousand million.
        let total = (duration.as_nanos().saturating_mul(u128::from(rate)) / 1_000_000_000) as u64;
        Reports {
            tone: Self { duration, clock_rate: rate, ..self },
            total: total.max(1),
            updates: 0,
            ends: 0,
            segment: 0,
            segment_ends: 0,
            waiting: None,
        }
    }
}

/// The packets about a tone.
#[derive(Clone, Debug)]
pub struct Reports {
    tone: Tone,
    /// How long the tone lasts, in ticks.
    total: u64,
    /// How many intervals have been told of.
    updates: u32,
    /// How often the end has been told.
    ends: u8,
    /// The segment that is being told of.
    segment: u64,
    /// How often the end of the segment before is still to be told.
    segment_ends: u8,
    /// What goes out at the same time as the last report.
    waiting: Option<Report>,
}

impl Reports {
    /// A report of `segment`, `lasted` ticks after it began.
    fn report(&self, at: Duration, segment: u64, lasted: u64, is_end: bool) -> Report {
        let Tone { event, volume, timestamp, .. } = self.tone;
        let duration = u16::try_from(lasted).unwrap_or(u16::MAX);
        Report {
            at,
            marker: self.updates == 1,
            timestamp: timestamp.wrapping_add((segment * SEGMENT) as u32),
            event: TelephoneEvent { event, is_end, volume, duration },
        }
    }
}

impl Iterator for Reports {
    type Item = Report;

    fn next(&mut self) -> Option<Report> {
        if let Some(report) = self.waiting.take() {
            return Some(report);
        }
        if self.ends == ENDS {
            return None;
        }
        self.updates = self.updates.saturating_add(1);
        let told = u64::from(self.updates) * u64::from(self.tone.clock_rate) / PER_SECOND;
        let elapsed = told.clamp(1, self.total);
        let is_end = elapsed == self.total;
        let at = INTERVAL.saturating_mul(self.updates).min(self.tone.duration) + INTERVAL * u32::from(self.ends);
        self.ends += u8::from(is_end);
        // A tick at the border belongs to the segment before it.
        let segment = (elapsed - 1) / SEGMENT;
        let lasted = elapsed - segment * SEGMENT;
        if segment > self.segment {
            self.segment = segment;
            self.segment_ends = ENDS;
        }
        let report = self.report(at, segment, lasted, is_end);
        if self.segment_ends > 0 {
            self.segment_ends -= 1;
            self.waiting = Some(report);
            return Some(self.report(at, segment.saturating_sub(1), SEGMENT, false));
        }
        if lasted == SEGMENT && !is_end {
            // That was the end of the segment, once.
            self.segment = segment + 1;
            self.segment_ends = ENDS - 1;
        }
        Some(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tone(event: u8, millis: u64, timestamp: u32) -> Tone {
        Tone { event, volume: 10, duration: Duration::from_millis(millis), clock_rate: 8_000, timestamp }
    }

    /// Milliseconds, marker, timestamp, duration, end.
    fn rows(tone: Tone) -> Vec<(u128, bool, u32, u16, bool)> {
        let row = |report: Report| {
            assert_eq!((report.event.event, report.event.volume), (tone.event, tone.volume));
            (report.at.as_millis(), report.marker, report.timestamp, report.event.duration, report.event.is_end)
        };
        tone.reports().map(row).collect()
    }

    #[test]
    fn the_first_digit_of_the_example_is_sent() {
        // RFC 4733, section 5, table 5, but for the end, which is told as soon as it is known.
        let expected = [
            (50, true, 0, 400, false),
            (100, false, 0, 800, false),
            (150, false, 0, 1200, false),
            (200, false, 0, 1600, true),
            (250, false, 0, 1600, true),
            (300, false, 0, 1600, true),
        ];
        assert_eq!(rows(tone(9, 200, 0)), expected);
    }

    #[test]
    fn the_end_is_told_when_it_comes() {
        let expected = [
            (50, true, 7040, 400, false),
            (70, false, 7040, 560, true),
            (120, false, 7040, 560, true),
            (170, false, 7040, 560, true),
        ];
        assert_eq!(rows(tone(1, 70, 7040)), expected);
        assert_eq!(rows(tone(1, 40, 5)).first(), Some(&(40, true, 5, 320, true)));
        assert_eq!(rows(tone(1, 0, 5)).first(), Some(&(0, true, 5, 1, true)));
    }

    #[test]
    fn long_tones_are_sent_in_segments() {
        // 65,535 ticks of 8 kHz end between 8.15 and 8.2 seconds.
        let rows = rows(tone(1, 8_220, u32::MAX));
        let behind = rows.iter().skip_while(|row| row.0 < 8_150).copied().collect::<Vec<_>>();
        let (first, second) = (u32::MAX, 65_534);
        let expected = [
            (8_150, false, first, 65_200, false),
            (8_200, false, first, 65_535, false),
            (8_200, false, second, 65, false),
            (8_220, false, first, 65_535, false),
            (8_220, false, second, 225, true),
            (8_270, false, first, 65_535, false),
            (8_270, false, second, 225, true),
            (8_320, false, second, 225, true),
        ];
        assert_eq!(behind, expected);
        assert_eq!(rows.iter().filter(|row| row.1).count(), 1);
    }

    #[test]
    fn an_update_at_the_end_of_a_segment_tells_it_once() {
        // 4,369 ticks an interval, 15 of which are a segment.
        let tone = Tone { clock_rate: 4_369 * 20, ..tone(1, 1_000, 0) };
        let ends = tone.reports().filter(|report| report.event.duration == 0xffff).map(|report| report.at.as_millis());
        assert_eq!(ends.collect::<Vec<_>>(), [750, 800, 850]);
        assert_eq!(tone.reports().filter(|report| report.timestamp == 65_535).count(), 5 + 2);
    }

    proptest! {
        #[test]
        fn reports_grow_until_the_end_is_told_thrice(
            millis in 0_u64..20_000, clock_rate in prop::sample::select(&[8_000, 16_000, 44_100, 48_000][..]), timestamp: u32,
        ) {
            let tone = Tone { clock_rate, ..tone(3, millis, timestamp) };
            let reports = tone.reports().collect::<Vec<_>>();
            let total = (millis * u64::from(clock_rate) / 1000).max(1);
            let elapsed = |report: &Report| {
                u64::from(report.timestamp.wrapping_sub(timestamp)) + u64::from(report.event.duration)
            };
            prop_assert!(reports.is_sorted_by_key(|report| report.at));
            prop_assert!(reports[0].marker && reports[1..].iter().all(|report| !report.marker));
            prop_assert!(reports.iter().all(|report| report.event.duration > 0 && elapsed(report) <= total));
            let ends = reports.iter().filter(|report| report.event.is_end).collect::<Vec<_>>();
            prop_assert_eq!(ends.len(), 3);
            prop_assert!(ends.iter().all(|report| elapsed(report) == total));
            // Every segment begins where the one before ended, and each but the last ends thrice.
            for segment in 0..(total - 1) / SEGMENT {
                let start = timestamp.wrapping_add((segment * SEGMENT) as u32);
                let count = reports.iter().filter(|r| r.timestamp == start && r.event.duration == 0xffff).count();
                prop_assert_eq!(count, 3);
            }
        }

        #[test]
        fn any_tone_ends(millis in 0_u64..100_000, clock_rate: u32) {
            let count = Tone { clock_rate, ..tone(3, millis, 0) }.reports().take(100_000).count();
            prop_assert!(count < 100_000);
        }
    }
}
