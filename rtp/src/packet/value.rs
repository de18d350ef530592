//! What the bytes of a header extension mean.

use crate::NtpTime;
use std::time::Duration;

/// The bytes of a value whose length must be `N`.
pub(super) fn exact<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

/// When a packet was sent, in 24 bits: units of 2^-18 seconds that wrap after 64 seconds (abs-send-time).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AbsSendTime(pub u32);

impl AbsSendTime {
    /// Bits that count.
    const BITS: u32 = 24;

    /// The moment as packets carry it.
    pub const fn from_ntp(time: NtpTime) -> Self {
        Self((time.0 >> 14) as u32 & 0x00ff_ffff)
    }

    /// How much later this is than `earlier`, on the shorter way around; `None` where it is earlier.
    pub const fn since(self, earlier: Self) -> Option<Duration> {
        let units = self.0.wrapping_sub(earlier.0) & 0x00ff_ffff;
        if units >> (Self::BITS - 1) == 0 {
            Some(Duration::from_nanos((units as u64 * 1_000_000_000) >> 18))
        } else {
            None
        }
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let [a, b, c] = exact(value)?;
        Some(Self(u32::from_be_bytes([0, a, b, c])))
    }

    pub(super) const fn to_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

/// A sender's wish to be told what has arrived (transport-wide-cc-02).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FeedbackRequest {
    /// Whether arrival times are wanted, not only which packets have arrived.
    pub timestamps: bool,
    /// How many packets are to be told of, up to this one; 15 bits.
    pub count: u16,
}

impl FeedbackRequest {
    pub(super) const fn from_bits(bits: u16) -> Self {
        Self { timestamps: bits & 0x8000 != 0, count: bits & 0x7fff }
    }

    pub(super) const fn to_bits(self) -> u16 {
        self.count & 0x7fff | if self.timestamps { 0x8000 } else { 0 }
    }
}

/// How loud the payload is (RFC 6464, section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AudioLevel {
    /// Decibels below the loudest there is (-dBov), 0 to 127: 127 is silence.
    pub level: u8,
    /// Whether the sender takes it for speech. Only where `vad=on` was negotiated does `false` say anything.
    pub voice: bool,
}

impl AudioLevel {
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let [byte] = exact(value)?;
        Some(Self { level: byte & 0x7f, voice: byte & 0x80 != 0 })
    }

    pub(super) fn to_byte(self) -> u8 {
        self.level.min(0x7f) | if self.voice { 0x80 } else { 0 }
    }
}

/// How the camera was held (3GPP TS 26.114, section 7.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Orientation {
    /// Whether it is the camera that looks away from the user.
    pub back_camera: bool,
    /// Whether the picture is mirrored, left to right.
    pub flipped: bool,
    /// How often the picture is to be turned clockwise by 90 degrees before it is shown, 0 to 3.
    pub quarter_turns: u8,
}

impl Orientation {
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let [byte] = exact(value)?;
        Some(Self { back_camera: byte & 8 != 0, flipped: byte & 4 != 0, quarter_turns: byte & 3 })
    }

    pub(super) fn to_byte(self) -> u8 {
        u8::from(self.back_camera) << 3 | u8::from(self.flipped) << 2 | self.quarter_turns & 3
    }
}

/// Bounds of the time from capture to display that the sender wishes for, in steps of 10 ms up to 40.95 s
/// (playout-delay).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlayoutDelay {
    /// No sooner than this.
    pub min: Duration,
    /// No later than this.
    pub max: Duration,
}

impl PlayoutDelay {
    /// Milliseconds of one step.
    const STEP: u64 = 10;
    /// What 12 bits count.
    const MAX_STEPS: u64 = 0xfff;

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let [a, b, c] = exact(value)?;
        let bits = u64::from(u32::from_be_bytes([0, a, b, c]));
        let delay = |steps| Duration::from_millis(steps * Self::STEP);
        let (min, max) = (delay(bits >> 12), delay(bits & Self::MAX_STEPS));
        (min <= max).then_some(Self { min, max })
    }

    pub(super) fn to_bytes(self) -> [u8; 3] {
        let steps = |delay: Duration| {
            let steps = delay.as_millis() / u128::from(Self::STEP);
            u64::try_from(steps).unwrap_or(u64::MAX).min(Self::MAX_STEPS)
        };
        let (min, max) = (steps(self.min), steps(self.max));
        let [.., a, b, c] = (min.min(max) << 12 | max).to_be_bytes();
        [a, b, c]
    }
}

/// What sort of picture it is (video-content-type).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ContentType(pub u8);

impl ContentType {
    /// What a camera sees, or anything else.
    pub const UNSPECIFIED: Self = Self(0);
    /// A screen: text and sharp edges.
    pub const SCREENSHARE: Self = Self(1);

    /// Whether it is a screen. The other bits have had other meanings.
    pub const fn is_screenshare(self) -> bool {
        self.0 & Self::SCREENSHARE.0 != 0
    }
}

/// Where a frame spent its time, in milliseconds since it was captured (video-timing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VideoTiming {
    /// Why this frame is reported: bit 0 as it was time, bit 1 as it is large.
    pub flags: u8,
    /// The encoder began.
    pub encode_start: u16,
    /// The encoder was done.
    pub encode_finish: u16,
    /// The frame was cut into packets.
    pub packetization_finish: u16,
    /// The last packet left the pacer.
    pub pacer_exit: u16,
    /// For machines between the two ends.
    pub network: [u16; 2],
}

impl VideoTiming {
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let (flags, times) = value.split_first()?;
        let times: [u8; 12] = exact(times)?;
        let (times, _) = times.as_chunks();
        let mut times = times.iter().map(|time| u16::from_be_bytes(*time));
        Some(Self {
            flags: *flags,
            encode_start: times.next()?,
            encode_finish: times.next()?,
            packetization_finish: times.next()?,
            pacer_exit: times.next()?,
            network: [times.next()?, times.next()?],
        })
    }

    pub(super) fn to_bytes(self) -> [u8; 13] {
        let mut bytes = [self.flags; 13];
        let [first, second] = self.network;
        let times = [self.encode_start, self.encode_finish, self.packetization_finish, self.pacer_exit, first, second];
        let written = times.into_iter().flat_map(u16::to_be_bytes);
        bytes.iter_mut().skip(1).zip(written).for_each(|(place, byte)| *place = byte);
        bytes
    }
}

/// Which colours the samples mean (color-space). The numbers are those of ITU-T H.273.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ColorSpace<'a> {
    /// Colour primaries.
    pub primaries: u8,
    /// Transfer characteristics.
    pub transfer: u8,
    /// Matrix coefficients.
    pub matrix: u8,
    /// From the highest bit: two unused, two for the range, two each for the siting of chroma, across and down.
    pub range_and_siting: u8,
    /// Metadata of a high dynamic range, as it is on the wire.
    pub hdr: Option<&'a [u8; 24]>,
}

impl<'a> ColorSpace<'a> {
    pub(super) fn decode(value: &'a [u8]) -> Option<Self> {
        let ([primaries, transfer, matrix, range_and_siting], hdr) = value.split_first_chunk()?;
        let hdr = if hdr.is_empty() { None } else { Some(hdr.try_into().ok()?) };
        Some(Self {
            primaries: *primaries,
            transfer: *transfer,
            matrix: *matrix,
            range_and_siting: *range_and_siting,
            hdr,
        })
    }

    /// The value in an array that fits the longest, and its length.
    pub(super) fn to_bytes(self) -> ([u8; 28], usize) {
        let fixed = [self.primaries, self.transfer, self.matrix, self.range_and_siting];
        let hdr: &[u8] = self.hdr.map_or(&[], |hdr| hdr);
        let mut bytes = [0; 28];
        bytes.iter_mut().zip(fixed.iter().chain(hdr)).for_each(|(place, byte)| *place = *byte);
        (bytes, fixed.len() + hdr.len())
    }
}

/// When the payload was captured, on the clock of the machine that did (abs-capture-time).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AbsCaptureTime {
    /// The moment.
    pub time: NtpTime,
    /// What that clock is estimated to be ahead of the sender's, in units of 2^-32 seconds.
    pub clock_offset: Option<i64>,
}

impl AbsCaptureTime {
    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        let (time, offset) = value.split_first_chunk()?;
        let clock_offset = if offset.is_empty() { None } else { Some(i64::from_be_bytes(exact(offset)?)) };
        Some(Self { time: NtpTime(u64::from_be_bytes(*time)), clock_offset })
    }

    /// The value in an array that fits the longer form, and its length.
    pub(super) fn to_bytes(self) -> ([u8; 16], usize) {
        let both = u128::from(self.time.0) << 64 | u128::from(self.clock_offset.unwrap_or_default().cast_unsigned());
        (both.to_be_bytes(), if self.clock_offset.is_some() { 16 } else { 8 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn send_times_wrap_after_sixty_four_seconds() {
        let start = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
        let at = |millis| AbsSendTime::from_ntp(start.plus(Duration::from_millis(millis)));
        assert_eq!(AbsSendTime::from_ntp(NtpTime(1 << 32)), AbsSendTime(1 << 18), "a second has 2^18 units");
        assert_eq!(at(1500).since(at(1000)), Some(Duration::from_millis(500)));
        assert_eq!(at(64_000), at(0));
        assert_eq!(at(80_250).since(at(60_000)), Some(Duration::from_millis(20_250)), "over the wrap");
        assert_eq!(at(1000).since(at(1001)), None);
    }

    #[test]
    fn levels_and_orientations_are_bits() {
        assert_eq!(AudioLevel::decode(&[0x9e]), Some(AudioLevel { level: 30, voice: true }));
        assert_eq!(AudioLevel { level: 200, voice: false }.to_byte(), 0x7f);
        assert_eq!(AudioLevel::decode(&[0x9e, 0]), None);
        let turned = Orientation { back_camera: true, flipped: false, quarter_turns: 3 };
        assert_eq!((Orientation::decode(&[0x0b]), turned.to_byte()), (Some(turned), 0x0b));
    }

    #[test]
    fn a_playout_delay_has_its_bounds_in_order() {
        let delay = |min, max| PlayoutDelay { min: Duration::from_millis(min), max: Duration::from_millis(max) };
        assert_eq!(PlayoutDelay::decode(&[0x00, 0xa1, 0x90]), Some(delay(100, 4000)));
        assert_eq!(PlayoutDelay::decode(&[0x19, 0x00, 0x0a]), None, "the least is more than the most");
        assert_eq!(delay(100, 4000).to_bytes(), [0x00, 0xa1, 0x90]);
        let unbounded = PlayoutDelay { min: Duration::ZERO, max: Duration::MAX };
        assert_eq!(unbounded.to_bytes(), [0x00, 0x0f, 0xff]);
        assert!(PlayoutDelay::decode(&delay(500, 100).to_bytes()).is_some(), "what is written can be read");
    }

    #[test]
    fn longer_values_have_their_parts_in_order() {
        let timing = VideoTiming::decode(&[3, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 1, 0]).unwrap();
        assert_eq!((timing.flags, timing.encode_start, timing.pacer_exit, timing.network), (3, 1, 4, [5, 256]));
        assert_eq!(timing.to_bytes(), [3, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 1, 0]);
        let space = ColorSpace::decode(&[1, 2, 3, 0x10]).unwrap();
        assert_eq!((space.matrix, space.range_and_siting, space.hdr), (3, 0x10, None));
        assert_eq!(ColorSpace::decode(&[0; 27]), None);
        let capture = AbsCaptureTime::decode(&[0, 0, 0, 1, 0x80, 0, 0, 0]).unwrap();
        assert_eq!(capture, AbsCaptureTime { time: NtpTime(0x1_8000_0000), clock_offset: None });
        assert_eq!(AbsCaptureTime::decode(&[0; 12]), None);
    }
}
