use super::descriptor::Elements;
use super::obu::{HAS_SIZE, ObuHeader, leb128, leb128_bytes};
use wire::{Malformed, Put, Reader};

/// Puts the payloads of a temporal unit together again, in the low-overhead format: each OBU with its size. Temporal
/// delimiters, tile lists and padding are left out.
#[derive(Clone, Debug, Default)]
pub struct Depacketizer {
    /// Where in the frame the OBU begins that is not here yet in full.
    unfinished: Option<usize>,
    /// Something was malformed; nothing is taken for this temporal unit any more.
    is_broken: bool,
}

impl Depacketizer {
    /// Ready for a temporal unit.
    pub const fn new() -> Self {
        Self { unfinished: None, is_broken: false }
    }

    /// Begins a temporal unit, whatever became of the one before.
    pub fn begin(&mut self) {
        *self = Self::new();
    }

    /// Whether the temporal unit may end here: its last OBU does.
    pub const fn is_complete(&self) -> bool {
        self.unfinished.is_none() && !self.is_broken
    }

    /// Appends the OBUs in `payload`. Of one that goes on in the next payload, what is here already stands in `frame`
    /// without a size.
    ///
    /// # Errors
    /// [`Malformed`] if an element leads out of the payload, or continues what was not begun, or an OBU's size is not
    /// what came. Until [`begin`](Self::begin), everything is malformed then.
    pub fn append(&mut self, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
        if self.is_broken {
            return Err(Malformed::new("AV1 temporal unit, as something before"));
        }
        let before = self.unfinished.unwrap_or(frame.len());
        let result = self.join(payload, frame);
        if result.is_err() {
            self.is_broken = true;
            frame.truncate(before);
        }
        result
    }

    fn join(&mut self, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
        let (descriptor, elements) = Elements::new(payload)?;
        if descriptor.continues_previous != self.unfinished.is_some() {
            return Err(Malformed::new("continuation of an OBU"));
        }
        for element in elements {
            let element = element?;
            let start = self.unfinished.take().unwrap_or(frame.len());
            frame.put_bytes(element.bytes);
            if element.is_ended {
                finish(start, frame)?;
            } else {
                self.unfinished = Some(start);
            }
        }
        Ok(())
    }
}

/// Gives the OBU that begins at `start` its size, or takes it away if it is of no use.
fn finish(start: usize, frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let obu = frame.get(start..).unwrap_or_default();
    let mut reader = Reader::new(obu);
    let header = ObuHeader::decode(&mut reader)?;
    let size_at = frame.len().saturating_sub(reader.remaining());
    if header.has_size() && leb128(&mut reader, "obu_size")? != reader.remaining() {
        return Err(Malformed::new("obu_size"));
    }
    let size = reader.remaining();
    if !header.is_sent() {
        frame.truncate(start);
    } else if !header.has_size() {
        if let Some(byte) = frame.get_mut(start) {
            *byte |= HAS_SIZE;
        }
        frame.splice(size_at..size_at, leb128_bytes(size));
    }
    Ok(())
}
