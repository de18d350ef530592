use bytes::Bytes;
use std::time::Instant;

/// A whole frame of the codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the decoder takes.
    pub data: Bytes,
    /// When it was sampled, in ticks of the stream's clock.
    pub timestamp: u32,
    /// The same in 64 bits that do not wrap; the lower half is `timestamp`. It lies next to that of the frame before, and
    /// above it where the source began anew.
    pub extended_timestamp: u64,
    /// Whether a decoder can begin here. True for every frame of audio.
    pub is_keyframe: bool,
    /// The marker bit of its last packet (RFC 3550, section 5.1). In audio it says that a talk spurt begins.
    pub marker: bool,
    /// The sequence number of its first packet, in 64 bits that do not wrap and grow even where the source began anew.
    /// The lowest 16 bits are those on the wire.
    pub first_sequence: u64,
    /// The sequence number of its last packet; padding between its packets is counted in, and
    /// padding after it where it has no marker.
    pub last_sequence: u64,
    /// When the last of its packets to arrive did.
    pub received: Instant,
    /// Whether packets were lost, or frames dropped, since the frame before.
    pub discontinuity: bool,
}

/// Counts on where timestamps wrap.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeline {
    last: Option<u64>,
    /// The next timestamp has nothing to do with the last one.
    is_new: bool,
}

impl Timeline {
    /// The extended timestamp nearest to the last one. The first is one turn above zero, so that there is room below.
    pub(super) fn extend(&mut self, timestamp: u32) -> u64 {
        const TURN: u64 = 1 << 32;
        let extended = match self.last {
            None => TURN + u64::from(timestamp),
            Some(last) if self.is_new => (last & !(TURN - 1)) + TURN + u64::from(timestamp),
            Some(last) => {
                let distance = timestamp.wrapping_sub(last as u32).cast_signed();
                // A source that only goes backwards would get below zero: it is lifted by a turn instead.
                last.checked_add_signed(i64::from(distance)).unwrap_or(TURN + u64::from(timestamp))
            }
        };
        self.last = Some(extended);
        self.is_new = false;
        extended
    }

    /// The source begins anew.
    pub(super) const fn restart(&mut self) {
        self.is_new = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_extended_both_ways_and_over_a_restart() {
        let mut timeline = Timeline::default();
        let start = timeline.extend(u32::MAX - 9);
        assert_eq!(timeline.extend(20), start + 30);
        assert_eq!(timeline.extend(u32::MAX), start + 9, "frames that are not in order of display");
        timeline.restart();
        let anew = timeline.extend(3000);
        assert!(anew > start && anew as u32 == 3000);
        assert_eq!(timeline.extend(6000), anew + 3000);
    }

    #[test]
    fn going_backwards_for_ever_stays_defined() {
        let mut timeline = Timeline::default();
        for step in 0..8_u32 {
            let timestamp = 0x4000_0000_u32.wrapping_sub(step << 30);
            assert_eq!(timeline.extend(timestamp) as u32, timestamp);
        }
    }
}
