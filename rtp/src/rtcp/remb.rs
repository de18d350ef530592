//! Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03, section 2.2).

use super::{format, kind, put_packet};
use crate::packet::Ssrcs;
use wire::{Malformed, Put, Reader};

/// What tells it from other feedback of applications.
const IDENTIFIER: &[u8; 4] = b"REMB";
/// Bits of the mantissa, beside six of the exponent.
const MANTISSA_BITS: u32 = 18;

/// REMB: what a receiver thinks that the path carries.
///
/// ```text
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    "REMB"                                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Num SSRC     | BR Exp    |  BR Mantissa                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   SSRCs, as many as are counted                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remb<'a> {
    /// Who estimates.
    pub sender_ssrc: u32,
    /// Bits per second, of all these sources together.
    pub bitrate: u64,
    /// The sources that it is about.
    pub ssrcs: Ssrcs<'a>,
}

impl<'a> Remb<'a> {
    /// Whether feedback of an application is this.
    pub(super) fn is(body: &[u8]) -> bool {
        body.get(8..12).is_some_and(|identifier| identifier == IDENTIFIER)
    }

    pub(super) fn decode(mut reader: Reader<'a>) -> Result<Self, Malformed> {
        let sender_ssrc = reader.u32("sender of feedback")?;
        reader.u32("source that feedback is for")?;
        reader.u32("REMB identifier")?;
        let count = reader.u8("REMB source count")?;
        let bits = reader.u24("REMB bitrate")?;
        let (exponent, mantissa) = (bits >> MANTISSA_BITS, u64::from(bits & ((1 << MANTISSA_BITS) - 1)));
        let bitrate = mantissa << exponent;
        if bitrate >> exponent != mantissa {
            return Err(Malformed::new("REMB bitrate"));
        }
        let ssrcs = Ssrcs::decode(&mut reader, usize::from(count))?;
        reader.finish("REMB")?;
        Ok(Self { sender_ssrc, bitrate, ssrcs })
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        Self::write(self.sender_ssrc, self.bitrate, self.ssrcs.iter(), buf);
    }

    /// Appends a packet that tells `bitrate` in bits per second, rounded down to 18 bits, of these sources, of which at
    /// most 255 are named.
    pub fn write(sender_ssrc: u32, bitrate: u64, ssrcs: impl IntoIterator<Item = u32>, buf: &mut Vec<u8>) {
        put_packet(buf, kind::PAYLOAD_FEEDBACK, |buf| {
            buf.put_u32(sender_ssrc);
            buf.put_u32(0);
            buf.put_bytes(IDENTIFIER);
            let exponent = (u64::BITS - bitrate.leading_zeros()).saturating_sub(MANTISSA_BITS);
            // What is left of the rate has 18 bits, and so fits beside its exponent.
            let bits = exponent << MANTISSA_BITS | (bitrate >> exponent) as u32;
            let at = buf.len();
            buf.put_u32(bits);
            let mut count = 0;
            for ssrc in ssrcs.into_iter().take(usize::from(u8::MAX)) {
                buf.put_u32(ssrc);
                count += 1;
            }
            if let Some(field) = buf.get_mut(at) {
                *field = count;
            }
            format::APPLICATION
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::compound::{is_refused, only};
    use super::super::{Packet, packets};
    use super::*;
    use proptest::prelude::*;

    const BYTES: [u8; 28] =
        [0x8f, 206, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 2, 0x0b, 0xd0, 0x90, 0, 0, 0, 7, 0, 0, 0, 8];

    #[test]
    fn the_rate_has_a_mantissa_and_an_exponent() {
        let Packet::Remb(remb) = only(&BYTES) else { panic!("not a REMB") };
        assert_eq!((remb.sender_ssrc, remb.bitrate), (1, 1_000_000));
        assert!(remb.ssrcs.iter().eq([7, 8]));
    }

    #[test]
    fn a_rate_beyond_64_bits_or_a_wrong_count_is_refused() {
        for (at, value) in [(17, 0xff), (16, 1), (16, 3)] {
            let mut bytes = BYTES;
            bytes[at] = value;
            assert!(is_refused(&bytes), "byte {at}");
        }
        let mut bytes = BYTES;
        bytes[12] = b'r';
        assert!(matches!(only(&bytes), Packet::Unknown(_)), "other feedback of an application");
    }

    proptest! {
        #[test]
        fn a_rate_is_read_as_it_was_written_but_for_rounding(shift in 0u32..64, rate: u64) {
            let rate = rate >> shift;
            let mut buf = Vec::new();
            Remb::write(1, rate, (0..300).take(shift as usize * 5), &mut buf);
            let Some(Ok(Packet::Remb(remb))) = packets(&buf).next() else { panic!("refused") };
            prop_assert!(remb.bitrate <= rate && rate - remb.bitrate <= rate >> 17);
            prop_assert_eq!(remb.ssrcs.len(), (shift as usize * 5).min(255));
        }
    }
}
