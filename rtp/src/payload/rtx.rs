//! Retransmissions (RFC 4588, section 4): the sequence number that a packet had, in front of what it carried. The
//! header of the new packet has the timestamp and the marker of the old one.
//!
//! ```text
//! | original sequence number, 2 bytes | original payload |
//! ```

use crate::SequenceNumber;
use wire::{Malformed, Put, Reader};

/// How much longer a payload gets.
pub const OVERHEAD: usize = 2;

/// Appends what carries `payload` again, which was sent with the number `original`.
pub fn encode(original: SequenceNumber, payload: &[u8], buf: &mut Vec<u8>) {
    buf.put_u16(original.0);
    buf.put_bytes(payload);
}

/// The original sequence number and payload. `None` of an empty payload: such packets probe for bandwidth, with padding
/// and nothing else.
pub fn decode(payload: &[u8]) -> Result<Option<(SequenceNumber, &[u8])>, Malformed> {
    if payload.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(payload);
    let original = SequenceNumber(reader.u16("original sequence number")?);
    Ok(Some((original, reader.rest())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_original_number_is_in_front() {
        let mut buf = vec![0xff];
        encode(SequenceNumber(0x1234), b"frame", &mut buf);
        assert_eq!(buf, *b"\xff\x12\x34frame");
        assert_eq!(decode(&buf[1..]), Ok(Some((SequenceNumber(0x1234), &b"frame"[..]))));
    }

    #[test]
    fn probes_carry_nothing_again() {
        assert_eq!(decode(&[]), Ok(None));
        assert_eq!(decode(&[0x12]), Err(Malformed::new("original sequence number")));
        assert_eq!(decode(&[0x12, 0x34]), Ok(Some((SequenceNumber(0x1234), &[][..]))));
    }

    proptest! {
        #[test]
        fn what_is_wrapped_is_unwrapped(number: u16, payload: Vec<u8>) {
            let mut buf = Vec::new();
            encode(SequenceNumber(number), &payload, &mut buf);
            prop_assert_eq!(buf.len(), payload.len() + OVERHEAD);
            prop_assert_eq!(decode(&buf), Ok(Some((SequenceNumber(number), &payload[..]))));
        }
    }
}
