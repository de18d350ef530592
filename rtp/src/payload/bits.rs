use wire::Malformed;

/// Reads the bits of a codec's header, the highest of each byte first.
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// How many bits were read.
    position: usize,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// One bit.
    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, Malformed> {
        let byte = self.bytes.get(self.position / 8).ok_or(Malformed::new(what))?;
        let is_set = byte << (self.position % 8) & 0x80 != 0;
        self.position += 1;
        Ok(is_set)
    }

    /// The next `count` bits as a number, at most 32.
    pub(super) fn number(&mut self, count: u32, what: &'static str) -> Result<u32, Malformed> {
        (0..count).try_fold(0, |number: u32, _| Ok(number << 1 | u32::from(self.flag(what)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_from_the_highest() {
        let mut bits = Bits::new(&[0b1010_0001, 0xff, 0x00, 0xff, 0x80]);
        assert_eq!(bits.flag("bit"), Ok(true));
        assert_eq!(bits.number(3, "bits"), Ok(0b010));
        assert_eq!(bits.number(32, "bits"), Ok(0x1ff0_0ff8));
        assert_eq!(bits.number(5, "bits"), Err(Malformed::new("bits")));
        assert_eq!(bits.number(0, "bits"), Ok(0));
    }
}
