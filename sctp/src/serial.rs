//! Serial numbers that wrap (RFC 9260, section 1.6; RFC 1982). They have no `Ord`: an order that wraps is not one.

macro_rules! serial {
    ($(#[$doc:meta])* $name:ident, $number:ty, $signed:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub $number);

        impl $name {
            /// Whether this number comes before `other`, which is less than half the number space away. Two numbers
            /// exactly half the space apart precede each other in neither direction.
            pub const fn precedes(self, other: Self) -> bool {
                (other.0.wrapping_sub(self.0) as $signed) > 0
            }

            /// The number after this one.
            pub const fn next(self) -> Self {
                self.plus(1)
            }

            /// The number before this one.
            pub const fn previous(self) -> Self {
                Self(self.0.wrapping_sub(1))
            }

            /// The number `count` after this one.
            pub const fn plus(self, count: $number) -> Self {
                Self(self.0.wrapping_add(count))
            }

            /// How many steps lead from this number up to `other`, around the wrap where needed.
            pub const fn distance_to(self, other: Self) -> $number {
                other.0.wrapping_sub(self.0)
            }
        }
    };
}

serial!(
    /// A transmission sequence number: counts DATA chunks (RFC 9260, section 1.6).
    Tsn, u32, i32
);
serial!(
    /// A stream sequence number: counts the ordered messages of one stream (RFC 9260, section 6.5).
    Ssn, u16, i16
);
serial!(
    /// A message identifier: counts the ordered messages of one stream, or the unordered ones (RFC 8260, section 2.1).
    Mid, u32, i32
);
serial!(
    /// A re-configuration request sequence number (RFC 6525, section 4).
    RequestNumber, u32, i32
);

/// The count without a wrap that is nearest to `near` and equals `value` in its low 32 bits. The receiving side keys
/// its maps by such counts, since a map needs a total order. A `near` of 2^32 or more keeps the result positive.
pub(crate) const fn unwrap_tsn(near: u64, value: Tsn) -> u64 {
    near.wrapping_add_signed((value.0.wrapping_sub(near as u32) as i32) as i64)
}

/// The same for stream sequence numbers, of 16 bits.
pub(crate) const fn unwrap_ssn(near: u64, value: Ssn) -> u64 {
    near.wrapping_add_signed((value.0.wrapping_sub(near as u16) as i16) as i64)
}

/// Back to the wire.
pub(crate) const fn wrap_tsn(count: u64) -> Tsn {
    Tsn(count as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_holds_across_the_wrap() {
        assert!(Tsn(u32::MAX).precedes(Tsn(0)));
        assert!(!Tsn(0).precedes(Tsn(u32::MAX)));
        assert!(Ssn(u16::MAX).precedes(Ssn(3)));
        assert!(!Tsn(5).precedes(Tsn(5)));
        assert_eq!(Ssn(u16::MAX).next(), Ssn(0));
        assert_eq!(Tsn(0).previous(), Tsn(u32::MAX));
        assert_eq!(Tsn(u32::MAX - 1).distance_to(Tsn(2)), 4);
    }

    #[test]
    fn half_the_space_apart_is_in_no_order() {
        assert!(!Tsn(0).precedes(Tsn(1 << 31)));
        assert!(!Tsn(1 << 31).precedes(Tsn(0)));
    }

    proptest! {
        #[test]
        fn at_most_one_precedes(a: u32, b: u32) {
            prop_assert!(!(Tsn(a).precedes(Tsn(b)) && Tsn(b).precedes(Tsn(a))));
            prop_assert_eq!(Tsn(a).plus(Tsn(a).distance_to(Tsn(b))), Tsn(b));
        }

        #[test]
        fn unwrapping_is_near_and_wraps_back(near in 1u64 << 32..1 << 60, step in -0x7fff_ffffi64..0x7fff_ffff) {
            let count = near.wrapping_add_signed(step);
            prop_assert_eq!(unwrap_tsn(near, wrap_tsn(count)), count);
            let small = near.wrapping_add_signed(step % 0x7fff);
            prop_assert_eq!(unwrap_ssn(near, Ssn(small as u16)), small);
        }
    }
}
