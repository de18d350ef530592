/// A sequence number of RTP, which wraps (RFC 3550, section 5.1). Numbers more than half the circle apart have no order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The number `count` after this one.
    #[must_use]
    pub const fn plus(self, count: u16) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// Whether this number comes before `other`, on the shorter way around.
    pub const fn precedes(self, other: Self) -> bool {
        self.distance_to(other) > 0
    }

    /// How far `other` lies ahead; negative where it lies behind.
    pub const fn distance_to(self, other: Self) -> i16 {
        other.0.wrapping_sub(self.0).cast_signed()
    }
}

/// Counts on where sequence numbers wrap: the number nearest to the last one, in 64 bits that never wrap.
///
/// The first number is put one turn above zero, so that those that come late before it have a place too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unwrapper {
    last: Option<u64>,
}

impl Unwrapper {
    /// The extended number, which becomes the reference where it is the highest so far.
    pub fn unwrap(&mut self, number: SequenceNumber) -> u64 {
        let extended = self.peek(number);
        self.last = Some(self.last.map_or(extended, |last| last.max(extended)));
        extended
    }

    /// The extended number; nothing changes.
    pub fn peek(&self, number: SequenceNumber) -> u64 {
        let Some(last) = self.last else { return u64::from(number.0) + (1 << 16) };
        // The low bits of the reference are its number on the wire.
        let distance = SequenceNumber(last as u16).distance_to(number);
        last.saturating_add_signed(i64::from(distance))
    }

    /// The highest number so far.
    pub const fn highest(&self) -> Option<u64> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_goes_the_shorter_way_around() {
        let (last, first) = (SequenceNumber(65_535), SequenceNumber(0));
        assert!(last.precedes(first) && !first.precedes(last) && !first.precedes(first));
        assert_eq!((last.next(), last.distance_to(first), first.distance_to(last)), (first, 1, -1));
    }

    #[test]
    fn unwrapped_numbers_grow_over_the_wrap_and_take_late_ones() {
        let mut unwrapper = Unwrapper::default();
        let start = unwrapper.unwrap(SequenceNumber(65_534));
        assert_eq!(unwrapper.unwrap(SequenceNumber(1)), start + 3);
        assert_eq!(unwrapper.unwrap(SequenceNumber(65_535)), start + 1);
        assert_eq!(unwrapper.highest(), Some(start + 3));
        let mut from_zero = Unwrapper::default();
        let zero = from_zero.unwrap(SequenceNumber(0));
        assert_eq!(from_zero.unwrap(SequenceNumber(65_535)), zero - 1);
    }
}
