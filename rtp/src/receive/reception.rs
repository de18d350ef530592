use super::RemoteStats;
use crate::rtcp::{ReportBlock, SenderInfo};
use crate::{NtpTime, SequenceNumber, compact_duration};
use std::time::Instant;

/// A number so far ahead of the highest is no gap, but another sequence (`MAX_DROPOUT` of RFC 3550, appendix A.1).
const MAX_DROPOUT: i16 = 3000;

/// The least that counts as late rather than as another sequence (`MAX_MISORDER` of RFC 3550, appendix A.1).
const MIN_MISORDER: usize = 100;

/// One turn of sequence numbers.
const TURN: u64 = 1 << 16;

/// Where a packet stands in the sequence of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The first one heard.
    First(u64),
    /// In the range that is expected, be it new, late or seen before.
    Expected(u64),
    /// Far off. Only if the next one follows it, it was right.
    Suspect,
    /// It follows the suspect: the source began anew, or was away for long.
    Restart {
        /// The number of the suspect.
        suspect: u64,
        /// The number of this one.
        this: u64,
    },
}

/// The sequence of a source (`struct source` of RFC 3550, appendix A.1), in numbers that do not wrap.
#[derive(Clone, Copy, Debug)]
struct Sequence {
    /// The number 0 of the turn in which it began.
    origin: u64,
    base: u64,
    highest: u64,
    /// What would follow the packet that was far off.
    after_suspect: Option<SequenceNumber>,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
}

impl Sequence {
    const fn new(origin: u64, base: u64) -> Self {
        Self { origin, base, highest: base, after_suspect: None, received: 1, expected_prior: 0, received_prior: 0 }
    }

    const fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }

    /// Lost since the last call, in 256ths of what was expected (RFC 3550, appendix A.3).
    fn fraction_lost(&mut self) -> u8 {
        let expected = self.expected() - self.expected_prior;
        let received = self.received - self.received_prior;
        self.expected_prior = self.expected();
        self.received_prior = self.received;
        let fraction = (expected.saturating_sub(received) << 8).checked_div(expected).unwrap_or(0);
        u8::try_from(fraction).unwrap_or(u8::MAX)
    }
}

/// A sender report, and when it came.
#[derive(Clone, Copy, Debug)]
struct Heard {
    info: SenderInfo,
    at: Instant,
    /// Whether its timestamp is on the clock that the stream has now.
    is_current: bool,
}

/// What the reports of a receiver tell of one source (RFC 3550, appendices A.1, A.3 and A.8).
#[derive(Clone, Debug)]
pub(super) struct Reception {
    ssrc: u32,
    clock_rate: u32,
    max_misorder: i16,
    epoch: Instant,
    sequence: Option<Sequence>,
    /// The transit time of the packet before, in ticks, with an unknown offset.
    transit: Option<u32>,
    /// In 16ths of a tick.
    jitter: u64,
    sender_report: Option<Heard>,
    sender_reports: u64,
}

impl Reception {
    /// `late` is how far behind the highest number a packet may be of use.
    pub(super) fn new(ssrc: u32, clock_rate: u32, late: usize, now: Instant) -> Self {
        let max_misorder = i16::try_from(late.max(MIN_MISORDER)).unwrap_or(i16::MAX);
        Self {
            ssrc,
            clock_rate,
            max_misorder,
            epoch: now,
            sequence: None,
            transit: None,
            jitter: 0,
            sender_report: None,
            sender_reports: 0,
        }
    }

    pub(super) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Whether any packet has come.
    pub(super) const fn is_heard(&self) -> bool {
        self.sequence.is_some()
    }

    /// Timestamps have another clock from here on.
    pub(super) const fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate;
        self.forget_clock();
    }

    /// Takes note of a packet. The first one is believed at once, as it came through SRTP; after that two in sequence
    /// are needed where a number is far off.
    pub(super) fn receive(&mut self, now: Instant, number: SequenceNumber, timestamp: u32) -> Arrival {
        let arrival = self.place(number);
        match arrival {
            Arrival::Suspect => return arrival,
            Arrival::Restart { .. } => self.forget_clock(),
            Arrival::First(_) | Arrival::Expected(_) => {}
        }
        self.measure_jitter(now, timestamp);
        arrival
    }

    fn place(&mut self, number: SequenceNumber) -> Arrival {
        let Some(sequence) = &mut self.sequence else {
            let first = TURN + u64::from(number.0);
            self.sequence = Some(Sequence::new(TURN, first));
            return Arrival::First(first);
        };
        let distance = SequenceNumber(sequence.highest as u16).distance_to(number);
        if distance < MAX_DROPOUT && distance > -self.max_misorder {
            // The numbers begin a turn above zero, and none is more than half a turn behind.
            let extended = sequence.highest.saturating_add_signed(i64::from(distance));
            sequence.highest = sequence.highest.max(extended);
            sequence.received += 1;
            return Arrival::Expected(extended);
        }
        if sequence.after_suspect != Some(number) {
            sequence.after_suspect = Some(number.next());
            return Arrival::Suspect;
        }
        // A turn is left out, so that all numbers grow, even late ones of the new sequence.
        let origin = (sequence.highest / TURN + 2) * TURN;
        let suspect = origin + u64::from(number.plus(u16::MAX).0);
        let mut anew = Sequence::new(origin, suspect);
        (anew.highest, anew.received) = (suspect + 1, 2);
        *sequence = anew;
        Arrival::Restart { suspect, this: suspect + 1 }
    }

    /// The extended number of a packet that does not count here: one that was sent again as part of another stream.
    pub(super) fn locate(&self, number: SequenceNumber) -> Option<u64> {
        let sequence = self.sequence.as_ref()?;
        let distance = SequenceNumber(sequence.highest as u16).distance_to(number);
        let is_near = distance < MAX_DROPOUT && distance > -self.max_misorder;
        is_near.then(|| sequence.highest.saturating_add_signed(i64::from(distance)))
    }

    /// RFC 3550, appendix A.8, in integers.
    fn measure_jitter(&mut self, now: Instant, timestamp: u32) {
        let elapsed = now.saturating_duration_since(self.epoch).as_nanos();
        // Only differences matter, so that the wrapping is harmless.
        let arrival = (elapsed * u128::from(self.clock_rate) / 1_000_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
            self.jitter = self.jitter + u64::from(difference) - ((self.jitter + 8) >> 4);
        }
    }

    /// The timestamps of before say nothing about those that follow.
    const fn forget_clock(&mut self) {
        self.transit = None;
        if let Some(heard) = &mut self.sender_report {
            heard.is_current = false;
        }
    }

    /// In ticks of the clock.
    pub(super) fn jitter(&self) -> u32 {
        u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX)
    }

    /// Expected less received; duplicates count against losses.
    pub(super) fn lost(&self) -> i64 {
        self.sequence.map_or(0, |sequence| sequence.expected().cast_signed() - sequence.received.cast_signed())
    }

    pub(super) const fn handle_sender_report(&mut self, now: Instant, info: &SenderInfo) {
        self.sender_reports += 1;
        self.sender_report = Some(Heard { info: *info, at: now, is_current: true });
    }

    /// The sender's clock when `timestamp` was sampled.
    pub(super) fn capture_time(&self, timestamp: u32) -> Option<NtpTime> {
        let Heard { info, is_current, .. } = self.sender_report?;
        // A sender without a clock says zero (RFC 3550, section 6.4.1).
        if !is_current || info.ntp == NtpTime::default() {
            return None;
        }
        let ticks = i64::from(timestamp.wrapping_sub(info.rtp_timestamp).cast_signed());
        let offset = (ticks << 32) / i64::from(self.clock_rate);
        Some(NtpTime(info.ntp.0.wrapping_add_signed(offset)))
    }

    /// What the sender's reports say, once there was one.
    pub(super) fn remote_stats(&self) -> Option<RemoteStats> {
        let Heard { info, at, .. } = self.sender_report?;
        Some(RemoteStats { reports_received: self.sender_reports, info, received: at })
    }

    /// The block for a report that is sent now; the next one tells of what came in between.
    pub(super) fn report(&mut self, now: Instant) -> ReportBlock {
        const MOST: i64 = 0x7f_ffff;
        let mut block = ReportBlock { ssrc: self.ssrc, jitter: self.jitter(), ..ReportBlock::default() };
        block.cumulative_lost = self.lost().clamp(-MOST - 1, MOST) as i32;
        if let Some(sequence) = &mut self.sequence {
            block.fraction_lost = sequence.fraction_lost();
            block.extended_highest_sequence = (sequence.highest - sequence.origin) as u32;
        }
        if let Some(Heard { info, at, .. }) = self.sender_report {
            block.last_sender_report = info.ntp.compact();
            block.delay_since_last_sender_report = compact_duration(now.saturating_duration_since(at));
        }
        block
    }
}
