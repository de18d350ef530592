//! Where a source can be begun: at the first packet of a key frame.

use super::Incoming;
use crate::SequenceNumber;
use crate::payload::{self, Format};

/// Watches a source whose key frame is awaited.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// The number behind the last packet, if that one ended a frame.
    next_frame: Option<SequenceNumber>,
}

impl Watch {
    /// Whether a decoder that knows nothing of the source can begin with this packet.
    pub(super) fn begins(&mut self, packet: &Incoming) -> bool {
        let is_next = self.next_frame == Some(packet.header.sequence);
        // Packets of padding stand between frames.
        let is_between = packet.payload.is_empty() && is_next;
        self.next_frame = (packet.header.marker || is_between).then(|| packet.header.sequence.next());
        let Some(format) = packet.format else { return false };
        let Ok(inspection) = payload::inspect(format, &packet.payload) else { return false };
        inspection.is_keyframe
            && inspection.starts_frame.unwrap_or_else(|| is_next || starts_sequence(format, &packet.payload))
    }
}

/// Whether this payload, where the format does not mark the beginning of frames, begins with what a decoder must have
/// first: parameter sets of H.264 (RFC 6184, section 5.4) and H.265 (RFC 7798, section 4.4), alone or aggregated; of
/// AV1, a sequence header in it.
fn starts_sequence(format: Format, payload: &[u8]) -> bool {
    const H264_SPS: u8 = 7;
    const H264_STAP_A: u8 = 24;
    const H265_VPS_SPS: std::ops::RangeInclusive<u8> = 32..=33;
    const H265_AP: u8 = 48;
    let byte = |place: usize| payload.get(place).copied().unwrap_or_default();
    // Aggregated units stand behind two bytes of size, behind the header.
    match format {
        Format::H264 => match byte(0) & 0x1f {
            H264_STAP_A => byte(3) & 0x1f == H264_SPS,
            kind => kind == H264_SPS,
        },
        Format::H265 => match byte(0) >> 1 & 0x3f {
            H265_AP => H265_VPS_SPS.contains(&(byte(4) >> 1 & 0x3f)),
            kind => H265_VPS_SPS.contains(&kind),
        },
        Format::Av1 | Format::Opus | Format::Pcmu | Format::Pcma | Format::Vp8 | Format::Vp9 => true,
    }
}
