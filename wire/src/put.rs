/// Appends big-endian fields to a buffer. Nothing here fails; a value too large for its field is the caller's bug.
pub trait Put {
    /// Appends `bytes`.
    fn put_bytes(&mut self, bytes: &[u8]);
    /// Appends `count` zero bytes.
    fn put_zeros(&mut self, count: usize);
    /// Appends one byte.
    fn put_u8(&mut self, value: u8) {
        self.put_bytes(&[value]);
    }
    /// Appends two bytes.
    fn put_u16(&mut self, value: u16) {
        self.put_bytes(&value.to_be_bytes());
    }
    /// Appends the low three bytes of `value`.
    fn put_u24(&mut self, value: u32) {
        let [_, a, b, c] = value.to_be_bytes();
        self.put_bytes(&[a, b, c]);
    }
    /// Appends four bytes.
    fn put_u32(&mut self, value: u32) {
        self.put_bytes(&value.to_be_bytes());
    }
    /// Appends the low six bytes of `value`.
    fn put_u48(&mut self, value: u64) {
        let [_, _, a, b, c, d, e, f] = value.to_be_bytes();
        self.put_bytes(&[a, b, c, d, e, f]);
    }
    /// Appends eight bytes.
    fn put_u64(&mut self, value: u64) {
        self.put_bytes(&value.to_be_bytes());
    }
    /// Appends what `body` appends, behind its length in one byte. At most 255 bytes.
    fn put_prefixed_u8(&mut self, body: impl FnOnce(&mut Self));
    /// Appends what `body` appends, behind its length in two bytes. At most 65,535 bytes.
    fn put_prefixed_u16(&mut self, body: impl FnOnce(&mut Self));
    /// Appends what `body` appends, behind its length in three bytes. At most 16,777,215 bytes.
    fn put_prefixed_u24(&mut self, body: impl FnOnce(&mut Self));
}

impl Put for Vec<u8> {
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn put_zeros(&mut self, count: usize) {
        self.resize(self.len() + count, 0);
    }

    fn put_prefixed_u8(&mut self, body: impl FnOnce(&mut Self)) {
        prefixed::<1>(self, body);
    }

    fn put_prefixed_u16(&mut self, body: impl FnOnce(&mut Self)) {
        prefixed::<2>(self, body);
    }

    fn put_prefixed_u24(&mut self, body: impl FnOnce(&mut Self)) {
        prefixed::<3>(self, body);
    }
}

/// Leaves `N` bytes of room, lets `body` append, then fills in the length.
fn prefixed<const N: usize>(buf: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = buf.len();
    buf.put_zeros(N);
    body(buf);
    let length = buf.len().saturating_sub(start + N);
    debug_assert!(length < 1 << (8 * N), "{length} bytes do not fit a length of {N} bytes");
    for (place, byte) in buf.iter_mut().skip(start).zip(length.to_be_bytes().iter().skip(size_of::<usize>() - N)) {
        *place = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader;
    use proptest::prelude::*;

    #[test]
    fn nested_lengths_are_filled_in() {
        let mut buf = vec![0xff];
        buf.put_prefixed_u24(|buf| {
            buf.put_u8(1);
            buf.put_prefixed_u16(|buf| buf.put_bytes(b"ab"));
            buf.put_prefixed_u8(|_| {});
        });
        assert_eq!(buf, [0xff, 0, 0, 6, 1, 0, 2, b'a', b'b', 0]);
    }

    proptest! {
        #[test]
        fn what_is_put_is_read(a: u8, b: u16, c in 0u32..1 << 24, d: u32, e in 0u64..1 << 48, f: u64, g: Vec<u8>) {
            let mut buf = Vec::new();
            buf.put_u8(a);
            buf.put_u16(b);
            buf.put_u24(c);
            buf.put_u32(d);
            buf.put_u48(e);
            buf.put_u64(f);
            buf.put_prefixed_u16(|buf| buf.put_bytes(&g));
            let mut reader = Reader::new(&buf);
            prop_assert_eq!(reader.u8("a"), Ok(a));
            prop_assert_eq!(reader.u16("b"), Ok(b));
            prop_assert_eq!(reader.u24("c"), Ok(c));
            prop_assert_eq!(reader.u32("d"), Ok(d));
            prop_assert_eq!(reader.u48("e"), Ok(e));
            prop_assert_eq!(reader.u64("f"), Ok(f));
            prop_assert_eq!(reader.sub_u16("g").map(|mut r| r.rest().to_vec()), Ok(g));
            prop_assert_eq!(reader.finish("end"), Ok(()));
        }
    }
}
