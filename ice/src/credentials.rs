use rand::{Rng, RngExt};
use std::fmt;

/// A user name fragment and a password, the short-term credential of one side of a session (RFC 8445, section 5.3).
///
/// The password authenticates the checks that the other side sends here; it never travels over the wire itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name fragment (`ice-ufrag`): 4 to 256 characters of `A-Z a-z 0-9 + /`.
    pub ufrag: String,
    /// The password (`ice-pwd`): 22 to 256 characters of the same alphabet.
    pub pwd: String,
}

impl Credentials {
    /// Draws fresh ones: 48 bits of fragment and 144 bits of password, where RFC 8445, section 5.3 asks for 24 and 128.
    #[must_use]
    pub fn random(rng: &mut impl Rng) -> Self {
        Self { ufrag: random_text(rng, 8), pwd: random_text(rng, 24) }
    }

    /// Whether both parts have the lengths and the alphabet of RFC 8839, section 5.4.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let is_text = |text: &str, shortest: usize| {
            (shortest..=256).contains(&text.len()) && text.bytes().all(|byte| ALPHABET.contains(&byte))
        };
        is_text(&self.ufrag, 4) && is_text(&self.pwd, 22)
    }
}

impl fmt::Debug for Credentials {
    /// Leaves the password out, so that a log does not give sessions away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// The `ice-char` of RFC 8839, section 5.1.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn random_text(rng: &mut impl Rng, length: usize) -> String {
    (0..length)
        .map(|_| {
            let place = usize::from(rng.random::<u8>() % 64);
            char::from(ALPHABET.get(place).copied().unwrap_or(b'A'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    #[test]
    fn fresh_credentials_are_well_formed_and_differ() {
        let mut rng = StdRng::from_seed([7; 32]);
        let (one, two) = (Credentials::random(&mut rng), Credentials::random(&mut rng));
        assert!(one.is_well_formed() && two.is_well_formed());
        assert_ne!(one, two);
    }

    #[test]
    fn short_or_foreign_credentials_are_refused() {
        let good = Credentials { ufrag: "abcd".into(), pwd: "0123456789012345678901".into() };
        assert!(good.is_well_formed());
        assert!(!Credentials { ufrag: "abc".into(), ..good.clone() }.is_well_formed());
        assert!(!Credentials { ufrag: "ab:d".into(), ..good.clone() }.is_well_formed());
        assert!(!Credentials { pwd: "short".into(), ..good }.is_well_formed());
    }

    #[test]
    fn the_password_stays_out_of_logs() {
        let credentials = Credentials { ufrag: "abcd".into(), pwd: "0123456789012345678901".into() };
        assert!(!format!("{credentials:?}").contains("0123456789"));
    }
}
