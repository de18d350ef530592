//! MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489, sections 14.5 to 14.7).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use crate::header::HEADER_LENGTH;

/// The length of an attribute's number and length together.
pub(crate) const ATTRIBUTE_HEADER: usize = 4;

/// What FINGERPRINT is XORed with, so that it differs from a CRC-32 which the application wrote itself.
const FINGERPRINT_MASK: u32 = 0x5354_554E;

/// A message is not proven to come from who knows the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntegrityError {
    /// The attribute is not there.
    #[error("the message has no such integrity attribute")]
    Missing,
    /// The attribute is there and wrong: another key, or changed bytes, or truncated more than allowed.
    #[error("the message integrity does not match")]
    Mismatch,
}

/// A message's checksum is not right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// The attribute is not there.
    #[error("the message has no fingerprint")]
    Missing,
    /// The attribute is there and wrong.
    #[error("the fingerprint does not match")]
    Mismatch,
}

/// An HMAC key whose first blocks are hashed already. Worth keeping where many messages use one key: a check costs
/// half the blocks then, and ICE checks are short.
#[derive(Clone)]
pub struct IntegrityKey {
    sha1: Hmac<Sha1>,
    sha256: Hmac<Sha256>,
}

impl IntegrityKey {
    /// Prepares `key`: the bytes of a short-term password, or a long-term key (see [`credentials`](crate::credentials)).
    pub fn new(key: &[u8]) -> Self {
        Self { sha1: keyed(key), sha256: keyed(key) }
    }

    pub(crate) const fn sha1(&self) -> &Hmac<Sha1> {
        &self.sha1
    }

    pub(crate) const fn sha256(&self) -> &Hmac<Sha256> {
        &self.sha256
    }
}

impl fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntegrityKey") // the key is nobody's business
    }
}

/// An HMAC with its key.
pub(crate) fn keyed<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes keys of every length")
}

/// Feeds `mac` with what an integrity attribute of `length` bytes at the end of `message` covers: all of `message`,
/// but with a header whose length field counts that attribute and nothing behind it.
pub(crate) fn cover<M: Mac>(mac: M, message: &[u8], length: usize) -> M {
    let counted = (message.len() + ATTRIBUTE_HEADER + length).saturating_sub(HEADER_LENGTH);
    let counted = u16::try_from(counted).unwrap_or(u16::MAX);
    let (kind, rest) = message.split_at_checked(2).unwrap_or_default();
    let (_, rest) = rest.split_at_checked(2).unwrap_or_default();
    mac.chain_update(kind).chain_update(counted.to_be_bytes()).chain_update(rest)
}

/// Whether `tag`, which may be a truncated one, is what `mac` comes to. In constant time.
pub(crate) fn verify<M: Mac>(mac: M, tag: &[u8]) -> Result<(), IntegrityError> {
    let verified = mac.verify_truncated_left(tag).map_err(|_| IntegrityError::Mismatch);
    // A fuzzer does not guess tags: all of the right length pass, so that it reaches what is behind them.
    if cfg!(fuzzing) { Ok(()) } else { verified }
}

/// The value of FINGERPRINT behind `message`, whose length field must count the FINGERPRINT already.
pub(crate) fn fingerprint(message: &[u8]) -> u32 {
    crc32fast::hash(message) ^ FINGERPRINT_MASK
}
