//! Where a source can be begun: at the first packet of a key frame.

use super::Incoming;
use crate::SequenceNumber;
use crate::payload::{self, Format};

/// So many sources are watched; of more, the one that has been silent for longest is forgotten.
const MAX_SOURCES: usize = 32;

/// A source that is so far behind its highest number counts anew, if its next packet says so too.
const WINDOW: i16 = 2048;

/// Watches all sources, so that it is known where the one that will be chosen can be begun.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The one that was heard last is the last.
    sources: Vec<Source>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    id: u64,
    highest: SequenceNumber,
    /// The number behind the last packet, if that one ended a frame.
    next_frame: Option<SequenceNumber>,
    /// After a packet from long ago: the number behind it.
    suspect: Option<SequenceNumber>,
}

impl Watch {
    /// Whether a decoder that knows nothing of the source can begin with this packet. Not with one that others have come
    /// before: they would be missing. Some senders fill the path with packets of long ago, key frames among them.
    pub(super) fn begins(&mut self, packet: &Incoming) -> bool {
        let sequence = packet.header.sequence;
        let known = self.sources.iter().rposition(|source| source.id == packet.source);
        let Some(source) = known.and_then(|index| self.sources.get_mut(index)) else {
            if self.sources.len() >= MAX_SOURCES {
                self.sources.remove(0);
            }
            let next_frame = packet.header.marker.then(|| sequence.next());
            self.sources.push(Source { id: packet.source, highest: sequence, next_frame, suspect: None });
            return is_beginning(packet, false);
        };
        let distance = source.highest.distance_to(sequence);
        let counts_anew = source.suspect == Some(sequence);
        source.suspect = (distance <= -WINDOW).then(|| sequence.next());
        if distance <= 0 && !counts_anew {
            return false;
        }
        source.highest = sequence;
        let is_next = source.next_frame == Some(sequence);
        // Packets of padding stand between frames.
        let is_between = packet.payload.is_empty() && is_next;
        source.next_frame = (packet.header.marker || is_between).then(|| sequence.next());
        if let Some(index) = known.filter(|index| index + 1 < self.sources.len()) {
            self.sources.get_mut(index..).unwrap_or_default().rotate_left(1);
        }
        is_beginning(packet, is_next)
    }
}

/// Whether a key frame begins here. `follows_end` is whether the packet before it ended a frame.
fn is_beginning(packet: &Incoming, follows_end: bool) -> bool {
    let Some(format) = packet.format else { return false };
    let Ok(inspection) = payload::inspect(format, &packet.payload) else { return false };
    let begins = || follows_end || starts_sequence(format, &packet.payload);
    inspection.is_keyframe && inspection.starts_frame.unwrap_or_else(begins)
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
