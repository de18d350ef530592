//! The counters in front of the payload, which go on from one source to the next.

use crate::payload::{Format, vp8, vp9};
use bytes::{Bytes, BytesMut};
use vp8::PictureId;
use wire::Reader;

/// Payloads are written into pieces of memory of this size, each of which serves many.
const CHUNK: usize = 64 << 10;

/// Numbers of pictures have at most so many bits; ours always do, as sources differ and their widths may change.
const PICTURE_BITS: u32 = 15;
const TL0PICIDX_BITS: u32 = 8;
const KEYIDX_BITS: u32 = 5;

/// Makes the counters of several sources one.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// Which beginning of a source the counters belong to.
    beginning: u64,
    picture: Counter,
    tl0picidx: Counter,
    keyidx: Counter,
    /// Where descriptors are written, and the payloads are.
    scratch: Vec<u8>,
    memory: BytesMut,
}

impl Ids {
    /// The payload with our counters. `beginning` is another one for each source that begins.
    pub(super) fn rewrite(&mut self, beginning: u64, format: Option<Format>, payload: &Bytes) -> Bytes {
        if std::mem::replace(&mut self.beginning, beginning) != beginning {
            self.picture.begin();
            self.tl0picidx.begin();
            self.keyidx.begin();
        }
        let mut reader = Reader::new(payload);
        self.scratch.clear();
        match format {
            Some(Format::Vp8) => {
                let Ok(mut descriptor) = vp8::Descriptor::decode(&mut reader) else { return payload.clone() };
                descriptor.picture_id = descriptor.picture_id.map(|id| self.picture_id(id));
                descriptor.tl0picidx = descriptor.tl0picidx.map(|index| self.tl0picidx(index));
                descriptor.keyidx =
                    descriptor.keyidx.map(|index| self.keyidx.advance(index.into(), KEYIDX_BITS, KEYIDX_BITS) as u8);
                descriptor.encode(&mut self.scratch);
            }
            Some(Format::Vp9) => {
                let Ok(mut descriptor) = vp9::Descriptor::decode(&mut reader) else { return payload.clone() };
                descriptor.picture_id = descriptor.picture_id.map(|id| self.picture_id(id));
                // In flexible mode there is none.
                if let (Some(layer), vp9::References::Group { .. }) = (&mut descriptor.layer, descriptor.references) {
                    layer.tl0picidx = self.tl0picidx(layer.tl0picidx);
                }
                descriptor.encode(&mut self.scratch);
            }
            Some(Format::Opus | Format::Pcmu | Format::Pcma | Format::H264 | Format::H265 | Format::Av1) | None => {
                return payload.clone();
            }
        }
        self.join(reader.rest())
    }

    fn picture_id(&mut self, id: PictureId) -> PictureId {
        let bits = match id {
            PictureId::Short(_) => 7,
            PictureId::Long(_) => PICTURE_BITS,
        };
        PictureId::Long(self.picture.advance(id.value(), bits, PICTURE_BITS))
    }

    fn tl0picidx(&mut self, index: u8) -> u8 {
        self.tl0picidx.advance(index.into(), TL0PICIDX_BITS, TL0PICIDX_BITS) as u8
    }

    /// The descriptor that was written, and the piece behind it.
    fn join(&mut self, piece: &[u8]) -> Bytes {
        let length = self.scratch.len() + piece.len();
        if self.memory.capacity() < length {
            self.memory = BytesMut::with_capacity(CHUNK.max(length));
        }
        self.memory.extend_from_slice(&self.scratch);
        self.memory.extend_from_slice(piece);
        self.memory.split().freeze()
    }
}

/// One counter of ours, made of those of the sources.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    /// The highest that came out, counted on where it wraps.
    highest: Option<u64>,
    source: Option<Source>,
}

/// How a source's counter becomes ours.
#[derive(Clone, Copy, Debug)]
struct Source {
    bits: u32,
    /// Its highest value.
    value: u64,
    /// Ours for that one.
    own: u64,
}

impl Counter {
    /// From now on another source counts: its first value follows upon our last.
    const fn begin(&mut self) {
        self.source = None;
    }

    /// Our value for one of the source that has so many bits, in so many bits.
    fn advance(&mut self, value: u16, bits: u32, own_bits: u32) -> u16 {
        let value = u64::from(value);
        let Some(source) = self.source else {
            // One turn above zero at first, so that what is late has a place.
            let own = self.highest.map_or(value + (1 << own_bits), |highest| highest.wrapping_add(1));
            self.highest = Some(own);
            self.source = Some(Source { bits, value, own });
            return low_bits(own, own_bits);
        };
        // A source may go over to more bits where fewer would wrap (RFC 7741, section 4.2): the lower ones go on.
        let turn = 1_u64 << bits.min(source.bits);
        let ahead = value.wrapping_sub(source.value) & (turn - 1);
        if ahead > turn / 2 {
            return low_bits(source.own.wrapping_sub(turn - ahead), own_bits);
        }
        let own = source.own.wrapping_add(ahead);
        self.source = Some(Source { bits, value, own });
        self.highest = Some(own);
        low_bits(own, own_bits)
    }
}

/// What goes out of a counter that is counted on where it wraps.
const fn low_bits(value: u64, bits: u32) -> u16 {
    (value & ((1 << bits) - 1)) as u16
}
