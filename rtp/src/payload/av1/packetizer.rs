use super::descriptor::Descriptor;
use super::obu::{Obu, leb128_bytes, leb128_length};
use super::sequence::is_keyframe;
use crate::payload::{FrameError, Payloads};

/// So many elements can be counted in the aggregation header, and then the last needs no length.
const COUNTED: usize = 3;
/// Behind another element, fewer bytes than these of an OBU are not worth a fragment.
const FRAGMENT: usize = 8;

/// Cuts temporal units in the low-overhead format into payloads about equally long, each of which takes what OBUs or
/// fragments fit into it (RTP payload format for AV1, section 5). Temporal delimiters, tile lists and padding are left
/// out, and so are sizes of OBUs.
#[derive(Clone, Debug, Default)]
pub struct Packetizer {
    /// Those of the temporal unit at hand, kept for their memory.
    obus: Vec<Obu>,
}

/// A place between two bytes of what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    /// The OBU that goes on there,
    index: usize,
    /// with this byte of it.
    offset: usize,
}

/// What a payload takes.
#[derive(Clone, Copy, Debug)]
struct Portion {
    start: Place,
    end: Place,
    elements: usize,
}

impl Packetizer {
    /// The least limit: a byte of header and one of an OBU.
    const LEAST: usize = 2;

    /// AV1 counts nothing in its payloads, so that `seed` decides nothing.
    pub const fn new(seed: u32) -> Self {
        let _ = seed;
        Self { obus: Vec::new() }
    }

    /// Appends the payloads of the temporal unit `frame`, each of at most `limit` bytes.
    ///
    /// # Errors
    /// [`FrameError`] if it has no OBU that is sent, is not made of OBUs, or `limit` leaves no room for any of it.
    pub fn packetize(&mut self, frame: &[u8], limit: usize, payloads: &mut Payloads) -> Result<(), FrameError> {
        self.obus.clear();
        for obu in Obu::all(frame) {
            let obu = obu.map_err(|malformed| FrameError::Invalid(malformed.what()))?;
            if obu.header.is_sent() {
                self.obus.push(obu);
            }
        }
        if self.obus.is_empty() {
            return Err(FrameError::Empty);
        }
        if limit < Self::LEAST {
            return Err(FrameError::TooLong { length: frame.len(), limit: 0 });
        }
        let limit = self.even_limit(limit);
        let mut starts_sequence = is_keyframe(frame);
        for portion in self.portions(limit) {
            payloads.push_with(|buf| self.put(frame, portion, starts_sequence, buf));
            starts_sequence = false;
        }
        Ok(())
    }

    /// The limit that spreads the bytes over as many payloads as `limit` makes.
    fn even_limit(&self, limit: usize) -> usize {
        let count = self.portions(limit).count().max(1);
        let bytes: usize = self.obus.iter().map(Obu::length).sum();
        // Header and rounding, and for whoever needs it, a length of up to three bytes in front of each element.
        let tight = (bytes / count).saturating_add(2);
        let loose = tight.saturating_add(3 * self.obus.len().div_ceil(count));
        let mut candidates = [tight, loose].into_iter().filter(|even| *even < limit);
        candidates.find(|even| self.portions(*even).count() == count).unwrap_or(limit)
    }

    fn portions(&self, limit: usize) -> impl Iterator<Item = Portion> + '_ {
        let mut start = Place::default();
        std::iter::from_fn(move || {
            let portion = self.portion(start, limit);
            start = portion.end;
            (portion.elements > 0).then_some(portion)
        })
    }

    /// What a payload of at most `limit` bytes takes from `start` on.
    fn portion(&self, start: Place, limit: usize) -> Portion {
        let mut portion = Portion { start, end: start, elements: 0 };
        // The header, and all elements so far with their lengths, as if others came behind them.
        let mut used: usize = 1;
        let mut layer = None;
        for obu in self.obus.iter().skip(start.index) {
            // All OBUs of a payload that name a layer name the same.
            let of_obu = obu.header.layer();
            if layer.is_some() && of_obu.is_some() && layer != of_obu {
                break;
            }
            layer = layer.or(of_obu);
            let rest = obu.length().saturating_sub(portion.end.offset);
            let room = limit.saturating_sub(used);
            let has_length = portion.elements >= COUNTED;
            let fitting = if has_length { longest_with_length(room) } else { room };
            if rest <= fitting {
                portion.elements += 1;
                portion.end = Place { index: portion.end.index + 1, offset: 0 };
                used = used.saturating_add(rest).saturating_add(leb128_length(rest));
                continue;
            }
            if fitting >= FRAGMENT || portion.elements == 0 && fitting > 0 {
                portion.elements += 1;
                portion.end.offset += fitting;
            }
            break;
        }
        portion
    }

    fn put(&self, frame: &[u8], portion: Portion, starts_sequence: bool, buf: &mut Vec<u8>) {
        let Portion { start, end, elements } = portion;
        let is_counted = elements <= COUNTED;
        let descriptor = Descriptor {
            continues_previous: start.offset > 0,
            continues_in_next: end.offset > 0,
            count: if is_counted { elements as u8 } else { 0 },
            starts_sequence,
        };
        descriptor.encode(buf);
        for (element, obu) in self.obus.iter().skip(start.index).take(elements).enumerate() {
            let is_last = element + 1 == elements;
            let from = if element == 0 { start.offset } else { 0 };
            let to = if is_last && end.offset > 0 { end.offset } else { obu.length() };
            if !(is_last && is_counted) {
                buf.extend(leb128_bytes(to.saturating_sub(from)));
            }
            obu.put(frame, from..to, buf);
        }
    }
}

/// How many bytes fit into `room` behind their length.
const fn longest_with_length(room: usize) -> usize {
    let length = room.saturating_sub(leb128_length(room));
    // One less may have let the length take a byte less.
    if length + 1 + leb128_length(length + 1) <= room { length + 1 } else { length }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_element_with_its_length_is_found() {
        let slow = |room: usize| (0..room).rev().find(|length| length + leb128_length(*length) <= room).unwrap_or(0);
        for room in (0..400).chain(16_300..16_500) {
            assert_eq!(longest_with_length(room), slow(room), "{room}");
        }
    }
}
