//! AV1 (the Alliance for Open Media's "RTP Payload Format For AV1", version 1.0). A frame is a temporal unit in the
//! low-overhead format: OBUs with their sizes.

mod depacketizer;
mod descriptor;
mod obu;
mod packetizer;
mod sequence;
#[cfg(test)]
mod tests;

use super::Inspection;
use descriptor::Elements;
use obu::{ObuHeader, kind};
use wire::{Malformed, Reader};

pub use depacketizer::Depacketizer;
pub use descriptor::Descriptor;
pub use packetizer::Packetizer;
pub use sequence::{dimensions, is_keyframe};

/// Looks at one payload. Whether a temporal unit begins with it shows only where it cannot, within an OBU, and where a
/// coded video sequence begins.
///
/// # Errors
/// [`Malformed`] if an element leads out of the payload.
pub fn inspect(payload: &[u8]) -> Result<Inspection, Malformed> {
    let (descriptor, elements) = Elements::new(payload)?;
    let mut has_sequence_header = false;
    for element in elements {
        let element = element?;
        let header = ObuHeader::decode(&mut Reader::new(element.bytes));
        has_sequence_header |= element.is_begun && header.is_ok_and(|header| header.kind() == kind::SEQUENCE_HEADER);
    }
    let starts_frame = match (descriptor.continues_previous, descriptor.starts_sequence) {
        (true, _) => Some(false),
        (false, true) => Some(true),
        (false, false) => None,
    };
    Ok(Inspection { starts_frame, is_keyframe: descriptor.starts_sequence || has_sequence_header })
}
