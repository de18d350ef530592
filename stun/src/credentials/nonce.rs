//! The nonce cookie, with which a server says what it supports in a place that an attacker cannot change unnoticed.

use std::fmt;

/// What every nonce of a server that follows RFC 8489 starts with.
const COOKIE: &str = "obMatJos2";
/// The digits of base64 (RFC 4648, section 4).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The 24 security feature bits of a nonce (RFC 8489, sections 9.2 and 18.1). Printed as the nonce cookie, the 13
/// characters that a server puts before its nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecurityFeatures(u32);

impl SecurityFeatures {
    /// No feature.
    pub const NONE: Self = Self(0);
    /// Bit 0, the most significant of 24: the server offers a choice of password algorithms.
    pub const PASSWORD_ALGORITHMS: Self = Self(1 << 23);
    /// Bit 1: the client shall hash its username.
    pub const USERNAME_ANONYMITY: Self = Self(1 << 22);

    /// The features that `nonce` announces; `None` if it does not start with a nonce cookie.
    pub fn of_nonce(nonce: &str) -> Option<Self> {
        let digits = nonce.strip_prefix(COOKIE)?.as_bytes().first_chunk::<4>()?;
        digits.iter().try_fold(0, |bits, digit| Some(bits << 6 | value(*digit)?)).map(Self)
    }

    /// Whether all of `features` are among these.
    pub const fn has(self, features: Self) -> bool {
        self.0 & features.0 == features.0
    }

    /// These features and those.
    #[must_use]
    pub const fn and(self, features: Self) -> Self {
        Self(self.0 | features.0)
    }
}

impl fmt::Display for SecurityFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(COOKIE)?;
        [18, 12, 6, 0].into_iter().try_for_each(|shift| {
            let digit = usize::try_from(self.0 >> shift & 63).ok().and_then(|index| DIGITS.get(index));
            write!(f, "{}", char::from(*digit.unwrap_or(&b'A')))
        })
    }
}

/// The six bits of a digit of base64.
fn value(digit: u8) -> Option<u32> {
    DIGITS.iter().position(|known| *known == digit).and_then(|index| u32::try_from(index).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bits_count_from_the_most_significant() {
        let both = SecurityFeatures::PASSWORD_ALGORITHMS.and(SecurityFeatures::USERNAME_ANONYMITY);
        assert_eq!(SecurityFeatures::NONE.to_string(), "obMatJos2AAAA");
        assert_eq!(SecurityFeatures::PASSWORD_ALGORITHMS.to_string(), "obMatJos2gAAA");
        assert_eq!(both.to_string(), "obMatJos2wAAA");
        assert_eq!(SecurityFeatures::of_nonce("obMatJos2wAAAwhatever"), Some(both));
        assert!(both.has(SecurityFeatures::USERNAME_ANONYMITY));
        assert!(!SecurityFeatures::PASSWORD_ALGORITHMS.has(both));
    }

    #[test]
    fn nonces_without_a_cookie_announce_nothing() {
        for nonce in
            ["", "f//499k954d6OL34oL9FSTvy64sA", "obMatJos2AA", "obMatJos2AA=A", "obmatjos2AAAA", "obMatJos2ééé"]
        {
            assert_eq!(SecurityFeatures::of_nonce(nonce), None, "{nonce}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bits in 0u32..1 << 24, rest: String) {
            let features = SecurityFeatures(bits);
            prop_assert_eq!(SecurityFeatures::of_nonce(&format!("{features}{rest}")), Some(features));
        }
    }
}
