use super::obu::leb128;
use wire::{Malformed, Put, Reader};

/// The aggregation header in front of each payload (RTP payload format for AV1, section 4.4).
///
/// ```text
///  0 1 2 3 4 5 6 7
/// +-+-+-+-+-+-+-+-+
/// |Z|Y| W |N|-|-|-|
/// +-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// Z: the first element continues the last one of the payload before.
    pub continues_previous: bool,
    /// Y: the last element goes on in the next payload.
    pub continues_in_next: bool,
    /// W: how many elements there are, of which the last has no length; 0 if all have one.
    pub count: u8,
    /// N: a coded video sequence begins with this payload.
    pub starts_sequence: bool,
}

impl Descriptor {
    /// Reads one, and leaves the elements in `reader`.
    ///
    /// # Errors
    /// [`Malformed`] if there is none, or it says that a sequence begins in the middle of an OBU. Reserved bits are
    /// ignored.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let byte = reader.u8("AV1 aggregation header")?;
        let descriptor = Self {
            continues_previous: byte & 0x80 != 0,
            continues_in_next: byte & 0x40 != 0,
            count: byte >> 4 & 0x03,
            starts_sequence: byte & 0x08 != 0,
        };
        if descriptor.continues_previous && descriptor.starts_sequence {
            return Err(Malformed::new("AV1 aggregation header, whose Z and N exclude each other"));
        }
        Ok(descriptor)
    }

    /// Appends it. Bits that are too high for their field are dropped.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u8(
            u8::from(self.continues_previous) << 7
                | u8::from(self.continues_in_next) << 6
                | (self.count & 0x03) << 4
                | u8::from(self.starts_sequence) << 3,
        );
    }
}

/// An OBU, or a fragment of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether it begins here, rather than in the payload before.
    pub(super) is_begun: bool,
    /// Whether it ends here, rather than in a payload behind.
    pub(super) is_ended: bool,
}

/// The elements of a payload; the first malformed one ends them.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    reader: Reader<'a>,
    descriptor: Descriptor,
    index: u8,
    is_done: bool,
}

impl<'a> Elements<'a> {
    /// Reads the aggregation header.
    pub(super) fn new(payload: &'a [u8]) -> Result<(Descriptor, Self), Malformed> {
        let mut reader = Reader::new(payload);
        let descriptor = Descriptor::decode(&mut reader)?;
        Ok((descriptor, Self { reader, descriptor, index: 0, is_done: false }))
    }

    fn read(&mut self) -> Result<Element<'a>, Malformed> {
        let index = self.index;
        // No more than the first and one in the middle are told apart.
        self.index = index.saturating_add(1);
        let is_last_of_count = self.index == self.descriptor.count;
        let length = if is_last_of_count {
            self.reader.remaining()
        } else {
            leb128(&mut self.reader, "length of an OBU element")?
        };
        let bytes = self.reader.bytes(length, "OBU element")?;
        self.is_done = is_last_of_count || self.descriptor.count == 0 && self.reader.is_empty();
        Ok(Element {
            bytes,
            is_begun: index > 0 || !self.descriptor.continues_previous,
            is_ended: !self.is_done || !self.descriptor.continues_in_next,
        })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let element = self.read();
        self.is_done |= element.is_err();
        Some(element)
    }
}
