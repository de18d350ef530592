use super::buffer::Content;
use crate::payload::{Depacketizer, Format, inspect};
use wire::Malformed;

/// What is asked of a payload format.
#[derive(Clone, Debug)]
pub(super) struct Framing {
    format: Format,
    depacketizer: Depacketizer,
}

impl Framing {
    pub(super) fn new(format: Format) -> Self {
        Self { format, depacketizer: Depacketizer::new(format) }
    }

    /// Whether each packet is a frame, whatever its marker and timestamp say.
    pub(super) const fn is_packet_per_frame(&self) -> bool {
        match self.format {
            Format::Opus | Format::Pcmu | Format::Pcma => true,
            Format::Vp8 | Format::Vp9 | Format::H264 | Format::H265 | Format::Av1 => false,
        }
    }

    /// What a payload is.
    pub(super) fn content(&self, payload: &[u8]) -> Content {
        match inspect(self.format, payload) {
            _ if payload.is_empty() => Content::Padding,
            Ok(seen) => Content::Media {
                starts_frame: seen.starts_frame.or_else(|| self.has_parameter_sets(payload).then_some(true)),
                is_keyframe: seen.is_keyframe,
            },
            Err(malformed) => {
                tracing::trace!(%malformed, "payload");
                Content::Malformed
            }
        }
    }

    /// Whether the parameter sets that a decoder begins with come first in this payload of H.264 or H.265: then no other
    /// packet of the frame that matters comes before (H.264, section 7.4.1.2.3; H.265, section 7.4.2.4.4).
    fn has_parameter_sets(&self, payload: &[u8]) -> bool {
        match (self.format, payload) {
            // A sequence parameter set, alone or first in a STAP-A (RFC 6184, section 5.7.1).
            (Format::H264, [header, ..]) if header & 0x1f == 7 => true,
            (Format::H264, [header, _, _, first, ..]) => header & 0x1f == 24 && first & 0x1f == 7,
            // A video parameter set, alone or first in an aggregation packet (RFC 7798, section 4.4.2).
            (Format::H265, [header, ..]) if header >> 1 & 0x3f == 32 => true,
            (Format::H265, [header, _, _, _, first, ..]) => header >> 1 & 0x3f == 48 && first >> 1 & 0x3f == 32,
            _ => false,
        }
    }

    pub(super) fn begin(&mut self) {
        self.depacketizer.begin();
    }

    /// Whether a frame can end with the payload that was appended last.
    pub(super) fn is_complete(&self) -> bool {
        self.depacketizer.is_complete()
    }

    pub(super) fn append(&mut self, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
        self.depacketizer.append(payload, frame)
    }
}
