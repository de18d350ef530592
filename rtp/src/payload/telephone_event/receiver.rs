use std::time::{Duration, Instant};

use super::{LENGTH, TelephoneEvent};
use wire::{Malformed, Reader};

/// After so long without a report an event is over: three intervals between packets (RFC 4733, section 2.5.2.2), of
/// which the longest in use is 100 ms.
const SILENCE: Duration = Duration::from_millis(300);
/// A timestamp so many seconds behind is not late any more, but of a clock that was set. The end of a segment is told
/// again after the next one began, so that it is two segments if that is longer.
const LATE: u32 = 5;
/// The longest that one segment lasts, in ticks.
const SEGMENT: u32 = 0xffff;

/// What a sender did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An event began.
    Started {
        /// Which: see [`key`](super::key).
        event: u8,
        /// How quiet it is: dBm0 with the sign dropped, 0 to 63. 0 may mean that the sender does not say.
        volume: u8,
    },
    /// The event that was started is over.
    Ended {
        /// Which.
        event: u8,
        /// How long it lasted, as far as was heard.
        duration: Duration,
    },
}

/// Turns the many packets about an event into its start and its end, once each (RFC 4733, section 2.5.2).
#[derive(Clone, Debug)]
pub struct Receiver {
    clock_rate: u32,
    /// The latest event.
    latest: Option<Heard>,
}

#[derive(Clone, Debug)]
struct Heard {
    event: u8,
    /// The timestamp of its latest segment.
    segment: u32,
    /// The ticks of the segments before that.
    before: u32,
    /// How long the latest segment has lasted.
    lasted: u16,
    is_over: bool,
    /// When the last report came.
    at: Instant,
}

impl Receiver {
    /// For a stream with so many ticks a second.
    pub fn new(clock_rate: u32) -> Self {
        Self { clock_rate: clock_rate.max(1), latest: None }
    }

    /// Takes the payload of a packet, in whatever order they come, and tells `report` what is new in it.
    ///
    /// # Errors
    /// [`Malformed`] if it is no sequence of events; nothing of it is taken then.
    pub fn handle_payload(
        &mut self,
        now: Instant,
        timestamp: u32,
        payload: &[u8],
        mut report: impl FnMut(Event),
    ) -> Result<(), Malformed> {
        if payload.is_empty() || !payload.len().is_multiple_of(LENGTH) {
            return Err(Malformed::new("telephone events"));
        }
        let mut reader = Reader::new(payload);
        let mut start = timestamp;
        while !reader.is_empty() {
            let event = TelephoneEvent::decode(&mut reader)?;
            self.handle_event(now, start, event, &mut report);
            // The next one follows without a gap (RFC 4733, section 2.5.2.4).
            start = start.wrapping_add(u32::from(event.duration));
        }
        Ok(())
    }

    fn handle_event(&mut self, now: Instant, start: u32, event: TelephoneEvent, report: &mut impl FnMut(Event)) {
        if event.duration == 0 {
            // Only a state may last for ever (RFC 4733, section 2.3.5).
            return;
        }
        if let Some(heard) = &mut self.latest {
            let ahead = start.wrapping_sub(heard.segment).cast_signed();
            if ahead < 0 && ahead.unsigned_abs() <= self.clock_rate.saturating_mul(LATE).max(2 * SEGMENT) {
                return;
            }
            // Segments follow each other without a gap, and more than one may be lost.
            let is_next_segment = ahead > 0 && ahead.unsigned_abs().is_multiple_of(SEGMENT);
            if heard.event == event.event && !heard.is_over && (ahead == 0 || is_next_segment) {
                if is_next_segment {
                    heard.before = heard.before.saturating_add(ahead.unsigned_abs());
                    heard.segment = start;
                    heard.lasted = 0;
                }
                heard.at = now;
                heard.lasted = heard.lasted.max(event.duration);
                if event.is_end {
                    heard.end(self.clock_rate, report);
                }
                return;
            }
            if ahead == 0 {
                // It is over, and told.
                return;
            }
            heard.end(self.clock_rate, report);
        }
        report(Event::Started { event: event.event, volume: event.volume });
        let (event, lasted, is_end) = (event.event, event.duration, event.is_end);
        let heard = self.latest.insert(Heard { event, segment: start, before: 0, lasted, is_over: false, at: now });
        if is_end {
            heard.end(self.clock_rate, report);
        }
    }

    /// When an event will be taken to be over, unless it is heard of.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.latest.as_ref().filter(|heard| !heard.is_over).map(|heard| heard.at + SILENCE)
    }

    /// Tells `report` of an event that has not been heard of for too long.
    pub fn handle_timeout(&mut self, now: Instant, mut report: impl FnMut(Event)) {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now)
            && let Some(heard) = &mut self.latest
        {
            heard.end(self.clock_rate, &mut report);
        }
    }
}

impl Heard {
    /// Tells of the end, unless that was done.
    fn end(&mut self, clock_rate: u32, report: &mut impl FnMut(Event)) {
        if !self.is_over {
            self.is_over = true;
            let ticks = u64::from(self.before) + u64::from(self.lasted);
            let duration = Duration::from_nanos(ticks.saturating_mul(1_000_000_000) / u64::from(clock_rate));
            report(Event::Ended { event: self.event, duration });
        }
    }
}
