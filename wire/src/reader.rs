use std::fmt;

/// The bytes make no sense. Names the field that was being read; what arrived is to be counted and dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    what: &'static str,
}

impl Malformed {
    /// A complaint about the field named `what`.
    pub const fn new(what: &'static str) -> Self {
        Self { what }
    }

    /// The name of the field that could not be read.
    pub const fn what(&self) -> &'static str {
        self.what
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {}", self.what)
    }
}

impl std::error::Error for Malformed {}

/// A cursor over borrowed bytes. Every read either advances by exactly what it returns or fails and leaves the
/// cursor where it was.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left, without consuming it.
    pub const fn peek(&self) -> &'a [u8] {
        self.rest
    }

    /// All that is left.
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// The next `length` bytes.
    pub fn bytes(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.rest.split_at_checked(length).ok_or(Malformed::new(what))?;
        self.rest = tail;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(Malformed::new(what))?;
        self.rest = tail;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        let [byte] = self.array(what)?;
        Ok(byte)
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// Three bytes, big-endian.
    pub fn u24(&mut self, what: &'static str) -> Result<u32, Malformed> {
        let [a, b, c] = self.array(what)?;
        Ok(u32::from_be_bytes([0, a, b, c]))
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// Six bytes, big-endian.
    pub fn u48(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let [a, b, c, d, e, f] = self.array(what)?;
        Ok(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// A reader over the next `length` bytes, which are consumed here. For nested structures: end it with
    /// [`finish`](Self::finish).
    pub fn sub(&mut self, length: usize, what: &'static str) -> Result<Self, Malformed> {
        self.bytes(length, what).map(Self::new)
    }

    /// A reader over a value with its length in one byte before it.
    pub fn sub_u8(&mut self, what: &'static str) -> Result<Self, Malformed> {
        self.prefixed(what, |reader| reader.u8(what).map(usize::from))
    }

    /// A reader over a value with its length in two bytes before it.
    pub fn sub_u16(&mut self, what: &'static str) -> Result<Self, Malformed> {
        self.prefixed(what, |reader| reader.u16(what).map(usize::from))
    }

    /// A reader over a value with its length in three bytes before it.
    pub fn sub_u24(&mut self, what: &'static str) -> Result<Self, Malformed> {
        self.prefixed(what, |reader| reader.u24(what).map(|length| length as usize))
    }

    fn prefixed(
        &mut self,
        what: &'static str,
        length: impl Fn(&mut Self) -> Result<usize, Malformed>,
    ) -> Result<Self, Malformed> {
        let mut ahead = self.clone();
        let length = length(&mut ahead)?;
        let sub = ahead.sub(length, what)?;
        *self = ahead;
        Ok(sub)
    }

    /// Refuses trailing bytes.
    pub const fn finish(self, what: &'static str) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::new(what)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_failed_read_consumes_nothing() {
        let mut reader = Reader::new(&[0, 9, 1, 2]);
        assert_eq!(reader.sub_u16("value").map(|r| r.remaining()), Err(Malformed::new("value")));
        assert_eq!(reader.remaining(), 4);
        assert_eq!(reader.u64("number"), Err(Malformed::new("number")));
        assert_eq!(reader.u32("number"), Ok(0x0009_0102));
        assert_eq!(reader.finish("number"), Ok(()));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut reader = Reader::new(&[3, 1, 2, 3, 4]);
        let mut sub = reader.sub_u8("list").unwrap();
        assert_eq!(sub.u16("item"), Ok(0x0102));
        assert_eq!(sub.finish("list"), Err(Malformed::new("list")));
        assert_eq!(reader.rest(), [4]);
    }

    proptest! {
        #[test]
        fn any_order_of_reads_is_total(bytes: Vec<u8>, reads: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            for read in reads {
                let before = reader.remaining();
                let (asked, ok) = match read % 6 {
                    0 => (1, reader.u8("x").is_ok()),
                    1 => (2, reader.u16("x").is_ok()),
                    2 => (3, reader.u24("x").is_ok()),
                    3 => (6, reader.u48("x").is_ok()),
                    4 => (8, reader.u64("x").is_ok()),
                    _ => (usize::from(read), reader.bytes(usize::from(read), "x").is_ok()),
                };
                prop_assert_eq!(ok, before >= asked);
                prop_assert_eq!(reader.remaining(), if ok { before - asked } else { before });
            }
        }
    }
}
