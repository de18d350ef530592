//! Bytes that both sides of a transfer can make for themselves, in Rust here and in JavaScript in `pages/peer.js`.

/// `length` pseudo-random bytes from xorshift32, as little-endian words. A seed of 0 counts as 1.
///
/// ```
/// assert_eq!(visavis_tests::pattern::bytes(6, 1), [0x21, 0x20, 0x04, 0x00, 0x01, 0x06]);
/// ```
#[must_use]
pub fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.max(1);
    let mut bytes = Vec::with_capacity(length + 3);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
