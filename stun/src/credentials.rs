//! Keys from passwords (RFC 8489, sections 9.1.1, 9.2.2, 14.4 and 18.5.1).
//!
//! Usernames, realms and passwords are taken as they are. RFC 8489 wants them prepared with the OpaqueString profile
//! (RFC 8265), which changes nothing in printable ASCII and needs tables of Unicode for the rest; who accepts such
//! passwords from people prepares them before. What ICE generates is ASCII.

use md5::{Digest, Md5};
use sha2::Sha256;

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
