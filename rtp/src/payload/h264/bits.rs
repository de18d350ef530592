use wire::Malformed;

/// Reads the bits of a NAL unit's payload, without the bytes that keep start codes from appearing in it
/// (emulation_prevention_three_byte, ITU-T H.264, section 7.3.1).
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    rest: &'a [u8],
    /// How many zero bytes came last.
    zeros: u8,
    /// The byte being read, its next bit at the top.
    current: u8,
    /// How many of its bits are left.
    left: u8,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, zeros: 0, current: 0, left: 0 }
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, Malformed> {
        loop {
            let (byte, rest) = self.rest.split_first().ok_or(Malformed::new(what))?;
            self.rest = rest;
            let prevents_emulation = self.zeros >= 2 && *byte == 3;
            self.zeros = if *byte == 0 { self.zeros.saturating_add(1) } else { 0 };
            if !prevents_emulation {
                return Ok(*byte);
            }
        }
    }

    /// u(1)
    pub(super) fn bit(&mut self, what: &'static str) -> Result<bool, Malformed> {
        if self.left == 0 {
            self.current = self.byte(what)?;
            self.left = 8;
        }
        let bit = self.current & 0x80 != 0;
        self.current <<= 1;
        self.left -= 1;
        Ok(bit)
    }

    /// u(n), at most 32 bits.
    pub(super) fn bits(&mut self, count: u32, what: &'static str) -> Result<u32, Malformed> {
        let mut value = 0_u32;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit(what)?);
        }
        Ok(value)
    }

    /// ue(v), the Exp-Golomb code (ITU-T H.264, section 9.1): as many zeros as bits come behind the one.
    pub(super) fn unsigned(&mut self, what: &'static str) -> Result<u32, Malformed> {
        let mut zeros = 0_u32;
        while !self.bit(what)? {
            zeros += 1;
            if zeros == 32 {
                // No field of the standard has so large a value.
                return Err(Malformed::new(what));
            }
        }
        Ok(((1 << zeros) - 1) + self.bits(zeros, what)?)
    }

    /// se(v): 0, 1, -1, 2, -2 and so on.
    pub(super) fn signed(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let code = i64::from(self.unsigned(what)?);
        Ok(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_standard_are_read() {
        // 1, 010, 011, 00100, 00101, 00110: the codes of 0 to 5 (table 9-2).
        let bytes = [0b1010_0110, 0b0100_0010, 0b1001_1000];
        let mut bits = Bits::new(&bytes);
        assert_eq!([0; 6].map(|_: u8| bits.unsigned("code").unwrap()), [0, 1, 2, 3, 4, 5]);
        let mut bits = Bits::new(&bytes);
        assert_eq!([0; 6].map(|_: u8| bits.signed("code").unwrap()), [0, 1, -1, 2, -2, 3]);
    }

    #[test]
    fn bytes_against_emulation_are_skipped() {
        let mut bits = Bits::new(&[0, 0, 3, 1, 3, 0, 0, 3, 0, 0, 3]);
        let read = [0; 7].map(|_: u8| bits.bits(8, "byte").unwrap());
        assert_eq!(read, [0, 0, 1, 3, 0, 0, 0]);
        assert_eq!(bits.bits(8, "byte"), Ok(0));
        assert_eq!(bits.bits(1, "byte"), Err(Malformed::new("byte")));
    }

    #[test]
    fn the_longest_code_is_read_and_longer_ones_are_refused() {
        // 31 zeros, a one, 31 ones.
        let longest = [0, 0, 3, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        assert_eq!(Bits::new(&longest).unsigned("code"), Ok(u32::MAX - 1));
        assert_eq!(Bits::new(&[0; 64]).unsigned("code"), Err(Malformed::new("code")));
        assert_eq!(Bits::new(&[]).unsigned("code"), Err(Malformed::new("code")));
    }
}
