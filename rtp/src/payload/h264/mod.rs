//! H.264 (RFC 6184), packetization modes 0 and 1. A frame is an access unit as a byte stream: each NAL unit behind a
//! start code ([`annexb`](super::annexb)).
//!
//! Left out: the interleaved mode with its decoding order numbers (STAP-B, MTAP, FU-B), which no browser offers.

mod bits;
mod parameters;
mod profile;

pub use parameters::SequenceParameterSet;
pub use profile::{Level, Profile, ProfileLevelId, is_same_profile};

use super::nal::{self, Joiner, Kind};
use super::{FrameError, Inspection, Payloads};
use wire::{Malformed, Put};

/// nal_unit_type of a sequence parameter set.
const SEQUENCE_PARAMETER_SET: u8 = 7;

/// Which payload structures may be sent (RFC 6184, section 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PacketizationMode {
    /// Mode 0: each NAL unit is a payload, and must fit into a packet.
    SingleNalUnit,
    /// Mode 1: small NAL units share a payload (STAP-A), large ones are cut (FU-A).
    #[default]
    NonInterleaved,
}

/// Cuts access units into payloads.
#[derive(Clone, Debug, Default)]
pub struct Packetizer {
    mode: PacketizationMode,
}

impl Packetizer {
    /// For receivers that take this mode.
    pub const fn new(mode: PacketizationMode) -> Self {
        Self { mode }
    }

    /// Cuts the access unit `frame` into payloads of at most `limit` bytes, which are appended to `payloads`. NAL units
    /// that a receiver has no use for are left out: access unit delimiters and those of types that RTP took for itself.
    ///
    /// # Errors
    /// [`FrameError::Invalid`] if it does not begin with a start code or nothing is left to send, and
    /// [`FrameError::TooLong`] if a NAL unit does not fit and the mode does not let it be cut. Nothing is appended then.
    pub fn packetize(&mut self, frame: &[u8], limit: usize, payloads: &mut Payloads) -> Result<(), FrameError> {
        match self.mode {
            PacketizationMode::SingleNalUnit => nal::packetize_single::<Header>(frame, limit, payloads),
            PacketizationMode::NonInterleaved => nal::packetize::<Header>(frame, limit, payloads),
        }
    }
}

/// Puts access units together again, whichever of both modes they come in (RFC 6184, section 7.1).
#[derive(Clone, Debug, Default)]
pub struct Depacketizer {
    joiner: Joiner,
}

impl Depacketizer {
    /// Awaits the first frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a frame, whatever became of the one before.
    pub const fn begin(&mut self) {
        self.joiner.begin();
    }

    /// Whether no NAL unit waits for its last fragment, as it is after the last payload of a frame.
    pub const fn is_complete(&self) -> bool {
        self.joiner.is_complete()
    }

    /// Appends the NAL units of this payload, the next of the frame in order, to `frame`, each behind four bytes of
    /// start code.
    ///
    /// # Errors
    /// [`Malformed`] if it is none of this format, or a fragment whose neighbour is missing. Nothing is appended then.
    pub fn append(&mut self, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
        self.joiner.append::<Header>(payload, frame)
    }
}

/// Looks at one payload. It belongs to a key frame if a slice of an IDR picture or a sequence parameter set is in it.
pub fn inspect(payload: &[u8]) -> Result<Inspection, Malformed> {
    nal::inspect::<Header>(payload)
}

/// The header of a NAL unit (RFC 6184, section 5.3).
///
/// ```text
/// +-+---+-----+
/// |F|NRI|Type |
/// +-+---+-----+
/// ```
#[derive(Clone, Copy, Debug)]
struct Header(u8);

impl nal::Header for Header {
    const LENGTH: usize = 1;
    const AGGREGATION: u8 = 24;
    const FRAGMENT: u8 = 28;
    const TYPE_MASK: u8 = 0x1f;

    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        bytes.split_first().map(|(byte, rest)| (Self(*byte), rest))
    }

    fn put(self, buf: &mut Vec<u8>) {
        buf.put_u8(self.0);
    }

    fn unit_type(self) -> u8 {
        self.0 & Self::TYPE_MASK
    }

    fn with_type(self, unit_type: u8) -> Self {
        Self(self.0 & !Self::TYPE_MASK | unit_type & Self::TYPE_MASK)
    }

    /// A packet is as damaged as its most damaged unit, and as important as the most important one (section 5.7).
    fn join(self, other: Self) -> Self {
        let (forbidden, importance) = (0x80, 0x60);
        let joined = (self.0 | other.0) & forbidden | (self.0 & importance).max(other.0 & importance);
        Self(joined).with_type(self.unit_type())
    }

    /// RFC 6184, section 5.4, table 3.
    fn kind(unit_type: u8) -> Kind {
        match unit_type {
            5 | SEQUENCE_PARAMETER_SET => Kind::Key,
            9 => Kind::Delimiter,
            1..=23 => Kind::Plain,
            Self::AGGREGATION => Kind::Aggregation,
            Self::FRAGMENT => Kind::Fragment,
            25..=27 | 29 => Kind::Refused,
            _ => Kind::Ignored,
        }
    }
}

#[cfg(test)]
mod tests;
