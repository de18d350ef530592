use std::fmt;
use wire::{Malformed, Reader};

/// A list of sources, where it lies.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Ssrcs<'a> {
    words: &'a [[u8; 4]],
}

impl<'a> Ssrcs<'a> {
    /// Reads `count` sources.
    pub(crate) fn decode(reader: &mut Reader<'a>, count: usize) -> Result<Self, Malformed> {
        let (words, _) = reader.bytes(count.saturating_mul(4), "list of sources")?.as_chunks();
        Ok(Self { words })
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Each of them in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.words.iter().map(|word| u32::from_be_bytes(*word))
    }
}

impl fmt::Debug for Ssrcs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
