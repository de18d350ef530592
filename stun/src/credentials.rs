//! Keys from passwords, and the client's side of the long-term mechanism (RFC 8489, section 9).
//!
//! Usernames, realms and passwords are taken as they are. RFC 8489 wants them prepared with the OpaqueString profile
//! (RFC 8265), which changes nothing in printable ASCII and needs tables of Unicode for the rest; who accepts such
//! passwords from people prepares them before. What ICE generates is ASCII.

mod long_term;
mod nonce;

use md5::{Digest, Md5};
use sha2::Sha256;

pub use long_term::{Attempt, LongTerm, Verdict};
pub use nonce::SecurityFeatures;

/// The HMAC key of a short-term credential: the password's bytes (RFC 8489, section 9.1.1).
pub const fn short_term_key(password: &str) -> &[u8] {
    password.as_bytes()
}

/// The HMAC key of a long-term credential, 16 bytes: MD5 of `username:realm:password` (RFC 8489, section 18.5.1.1).
pub fn long_term_key_md5(username: &str, realm: &str, password: &str) -> [u8; 16] {
    joined(Md5::new(), &[username, realm, password]).into()
}

/// The HMAC key of a long-term credential, 32 bytes: SHA-256 of `username:realm:password` (RFC 8489,
/// section 18.5.1.2).
pub fn long_term_key_sha256(username: &str, realm: &str, password: &str) -> [u8; 32] {
    joined(Sha256::new(), &[username, realm, password]).into()
}

/// The value of USERHASH: SHA-256 of `username:realm` (RFC 8489, section 14.4).
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    joined(Sha256::new(), &[username, realm]).into()
}

fn joined<D: Digest>(mut hash: D, parts: &[&str]) -> md5::digest::Output<D> {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update(b":");
        }
        hash.update(part.as_bytes());
    }
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_term_key_is_that_of_the_specification() {
        // RFC 8489, section 9.2.2.
        let key = u128::from_be_bytes(long_term_key_md5("user", "realm", "pass"));
        assert_eq!(key, 0x8493_fbc5_3ba5_82fb_4c04_4c45_6bdc_40eb);
    }

    #[test]
    fn the_short_term_key_is_the_password() {
        assert_eq!(short_term_key("VOkJxbRl1RmTxUk/WvJxBt"), b"VOkJxbRl1RmTxUk/WvJxBt");
    }
}
