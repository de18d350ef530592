//! Blocks of header extensions: elements with an id and a value of bytes (RFC 8285, section 4).

use std::fmt;
use wire::{Malformed, Put, Reader};

/// The profile of a block whose elements have headers of one byte (RFC 8285, section 4.2).
const ONE_BYTE: u16 = 0xbede;
/// The profile of a block whose elements have headers of two bytes, without the four bits that are the application's
/// (RFC 8285, section 4.3).
const TWO_BYTE: u16 = 0x1000;
/// Profile and length of a block.
const BLOCK_HEADER: usize = 4;
/// What the length of a block can count, in bytes.
const MAX_BLOCK: usize = u16::MAX as usize * 4;
/// The id that ends a block of one-byte headers.
const RESERVED_ID: u8 = 15;

/// The block of header extensions of one packet, where it lies.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Extensions<'a> {
    profile: u16,
    data: &'a [u8],
}

impl<'a> Extensions<'a> {
    /// Reads profile, length and content (RFC 3550, section 5.3.1).
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let profile = reader.u16("extension profile")?;
        let words = reader.u16("extension length")?;
        let data = reader.bytes(usize::from(words) * 4, "extension")?;
        Ok(Self { profile, data })
    }

    /// The 16 bits that say of which form the elements are.
    pub const fn profile(&self) -> u16 {
        self.profile
    }

    /// The block behind its length.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.data
    }

    /// Each element: its id, from 1 to 255, and its value. The iteration ends where an element leads out of the block,
    /// and at id 15 of the one-byte form; a block of another profile than those of RFC 8285 has no elements.
    pub const fn iter(&self) -> Elements<'a> {
        let form = match self.profile {
            ONE_BYTE => Form::OneByte,
            profile if profile & 0xfff0 == TWO_BYTE => Form::TwoByte,
            _ => return Elements { form: Form::OneByte, rest: &[] },
        };
        Elements { form, rest: self.data }
    }

    /// The value of the first element with this id.
    pub fn get(&self, id: u8) -> Option<&'a [u8]> {
        self.iter().find(|(candidate, _)| *candidate == id).map(|(_, value)| value)
    }
}

impl fmt::Debug for Extensions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// How long the headers of elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
}

/// Iterates over the elements of a block; see [`Extensions::iter`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    form: Form,
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// The element that begins with `first`, and what is behind it.
    fn element(&self, first: u8, rest: &'a [u8]) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (id, length, rest) = match self.form {
            Form::OneByte => (first >> 4, (first & 0x0f) + 1, rest),
            Form::TwoByte => {
                let (length, rest) = rest.split_first()?;
                (first, *length, rest)
            }
        };
        // Id 0 with a length is no padding, and no element either (RFC 8285, section 4.2).
        if id == 0 || (id == RESERVED_ID && self.form == Form::OneByte) {
            return None;
        }
        let (value, rest) = rest.split_at_checked(usize::from(length))?;
        Some((id, value, rest))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            if *first == 0 {
                continue;
            }
            let element = self.element(*first, rest);
            let (_, _, behind) = element.unwrap_or_default();
            self.rest = behind;
            return element.map(|(id, value, _)| (id, value));
        }
    }
}

/// Writes a block of header extensions.
///
/// Headers have one byte as long as all ids and lengths allow it (RFC 8285, section 4.1.2). With the first that does
/// not, the block becomes one of two-byte headers, which only those peers expect that were offered it (section 6).
#[derive(Debug)]
pub struct ExtensionWriter<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    form: Form,
}

impl<'b> ExtensionWriter<'b> {
    /// Appends a block with the elements that `elements` writes; nothing where it writes none. Whether there is a
    /// block.
    pub fn block(buf: &'b mut Vec<u8>, elements: impl FnOnce(&mut ExtensionWriter<'_>)) -> bool {
        let mut writer = ExtensionWriter { start: buf.len(), buf, form: Form::OneByte };
        elements(&mut writer);
        writer.finish()
    }

    /// Adds an element. One that no block can hold is left out: id 0, a value of more than 255 bytes, or more than
    /// 262,140 bytes in all.
    pub fn put(&mut self, id: u8, value: &[u8]) {
        let Ok(length) = u8::try_from(value.len()) else { return };
        // What is written, and this element with the longer header and padding.
        let written = self.buf.len().saturating_sub(self.start);
        if id == 0 || written + value.len() + 5 > MAX_BLOCK {
            return;
        }
        if written == 0 {
            self.buf.put_u16(ONE_BYTE);
            self.buf.put_u16(0);
        }
        let fits_one_byte = id < RESERVED_ID && (1..=16).contains(&length);
        if self.form == Form::OneByte && !fits_one_byte {
            self.widen();
        }
        match self.form {
            Form::OneByte => self.buf.put_u8(id << 4 | length.saturating_sub(1)),
            Form::TwoByte => self.buf.put_bytes(&[id, length]),
        }
        self.buf.put_bytes(value);
    }

    /// Gives the elements so far headers of two bytes. It moves what is behind each of them, but they are few and
    /// small, and most blocks never need it.
    fn widen(&mut self) {
        self.form = Form::TwoByte;
        self.set_field(0, TWO_BYTE);
        let mut at = self.start + BLOCK_HEADER;
        while let Some(header) = self.buf.get_mut(at) {
            let (id, length) = (*header >> 4, (*header & 0x0f) + 1);
            *header = id;
            self.buf.insert(at + 1, length);
            at += 2 + usize::from(length);
        }
    }

    /// Pads the block to whole words and fills in how many there are.
    fn finish(mut self) -> bool {
        let written = self.buf.len().saturating_sub(self.start);
        if written == 0 {
            return false;
        }
        let padded = written.next_multiple_of(4);
        self.buf.put_zeros(padded - written);
        let words = padded.saturating_sub(BLOCK_HEADER) / 4;
        self.set_field(2, u16::try_from(words).unwrap_or(u16::MAX));
        true
    }

    fn set_field(&mut self, offset: usize, value: u16) {
        let at = self.start + offset;
        if let Some(field) = self.buf.get_mut(at..at + 2) {
            field.copy_from_slice(&value.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Owned = Vec<(u8, Vec<u8>)>;

    fn read(block: &[u8]) -> Owned {
        let extensions = Extensions::decode(&mut Reader::new(block)).unwrap();
        extensions.iter().map(|(id, value)| (id, value.to_vec())).collect()
    }

    fn write(elements: &[(u8, &[u8])]) -> Vec<u8> {
        let mut buf = Vec::new();
        let any = ExtensionWriter::block(&mut buf, |writer| elements.iter().for_each(|(id, v)| writer.put(*id, v)));
        assert_eq!(any, !buf.is_empty());
        buf
    }

    /// The example of RFC 8285, section 4.2, with ids and data filled in.
    const ONE: &[u8] = &[0xbe, 0xde, 0, 3, 0x10, 0xa0, 0x21, 0xb0, 0xb1, 0, 0, 0x33, 0xc0, 0xc1, 0xc2, 0xc3];
    /// The example of RFC 8285, section 4.3.
    const TWO: &[u8] = &[0x10, 0, 0, 3, 1, 0, 2, 1, 0xb0, 0, 3, 4, 0xc0, 0xc1, 0xc2, 0xc3];

    #[test]
    fn the_examples_of_the_specification_are_read() {
        assert_eq!(read(ONE), [(1, vec![0xa0]), (2, vec![0xb0, 0xb1]), (3, vec![0xc0, 0xc1, 0xc2, 0xc3])]);
        assert_eq!(read(TWO), [(1, vec![]), (2, vec![0xb0]), (3, vec![0xc0, 0xc1, 0xc2, 0xc3])]);
        let application_bits = [&[0x10, 0x0f][..], &TWO[2..]].concat();
        assert_eq!(read(&application_bits), read(TWO));
    }

    #[test]
    fn id_fifteen_ends_a_block_of_one_byte_headers_only() {
        assert_eq!(read(&[0xbe, 0xde, 0, 2, 0x10, 1, 0xf0, 2, 0x20, 3, 0, 0]), [(1, vec![1])]);
        assert_eq!(read(&[0x10, 0, 0, 2, 15, 1, 9, 16, 1, 8, 0, 0]), [(15, vec![9]), (16, vec![8])]);
    }

    #[test]
    fn an_element_that_leads_out_of_the_block_ends_it() {
        assert_eq!(read(&[0xbe, 0xde, 0, 1, 0x10, 7, 0x22, 1]), [(1, vec![7])]);
        assert_eq!(read(&[0x10, 0, 0, 1, 1, 0, 2, 1]), [(1, vec![])]);
        assert_eq!(read(&[0x10, 0, 0, 1, 1, 1, 7, 2]), [(1, vec![7])], "the length is missing");
        assert_eq!(read(&[0xbe, 0xde, 0, 1, 0x10, 7, 0x01, 1]), [(1, vec![7])], "id 0 with a length");
        assert_eq!(read(&[0xab, 0xcd, 0, 1, 0x10, 7, 0x10, 1]), [], "another profile");
    }

    #[test]
    fn the_shorter_form_is_taken_where_it_serves() {
        assert_eq!(write(&[(1, &[7]), (14, &[8; 16])])[..6], [0xbe, 0xde, 0, 5, 0x10, 7]);
        for wide in [(15, &[1][..]), (1, &[]), (1, &[1; 17]), (255, &[1; 255])] {
            let block = write(&[(3, &[5, 6]), (4, &[7; 16]), wide, (5, &[8])]);
            assert_eq!(block[..2], [0x10, 0], "{wide:?}");
            assert_eq!(block.len() % 4, 0);
            let elements = [(3, vec![5, 6]), (4, vec![7; 16]), (wide.0, wide.1.to_vec()), (5, vec![8])];
            assert_eq!(read(&block), elements);
        }
    }

    #[test]
    fn what_no_block_can_hold_is_left_out() {
        assert_eq!(write(&[(0, &[1]), (1, &[0; 256])]), []);
        assert_eq!(read(&write(&[(0, &[1]), (2, &[3]), (1, &[0; 256])])), [(2, vec![3])]);
        let block = write(&[(200, &[1; 255][..]); 1100]);
        assert!(block.len() <= BLOCK_HEADER + MAX_BLOCK);
        assert_eq!(read(&block).len(), 1019, "as many as the length can count");
    }

    proptest! {
        #[test]
        fn any_block_is_read_without_panic(one_byte: bool, data in proptest::collection::vec(any::<u8>(), 0..80)) {
            let profile = if one_byte { ONE_BYTE } else { TWO_BYTE };
            let extensions = Extensions { profile, data: &data };
            let mut elements = extensions.iter();
            let read: Vec<_> = elements.by_ref().collect();
            prop_assert_eq!(elements.next(), None);
            prop_assert!(read.iter().map(|(_, value)| value.len() + 1).sum::<usize>() <= data.len());
            // Written anew, they are read as the same.
            let written = write(&read);
            if !written.is_empty() {
                let again = Extensions::decode(&mut Reader::new(&written)).unwrap();
                prop_assert!(again.iter().eq(read));
            }
        }
    }
}
