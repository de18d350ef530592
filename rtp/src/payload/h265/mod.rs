//! H.265 (RFC 7798) in one stream and in decoding order. A frame is an access unit as a byte stream: each NAL unit
//! behind a start code ([`annexb`](super::annexb)).
//!
//! Left out: decoding order numbers (DONL, DOND), which sprop-max-don-diff would have to announce, and PACI packets.

use super::nal::{self, Joiner, Kind};
use super::{FrameError, Inspection, Payloads};
use wire::{Malformed, Put};

/// Cuts access units into payloads.
#[derive(Clone, Debug, Default)]
pub struct Packetizer {}

impl Packetizer {
    /// Awaits the first frame.
    pub const fn new() -> Self {
        Self {}
    }

    /// Cuts the access unit `frame` into payloads of at most `limit` bytes, which are appended to `payloads`: small NAL
    /// units share one (AP), large ones are cut (FU). Access unit delimiters are left out, and NAL units of types that
    /// RTP took for itself.
    ///
    /// # Errors
    /// [`FrameError::Invalid`] if it does not begin with a start code, a NAL unit is shorter than its header, or nothing
    /// is left to send; [`FrameError::TooLong`] if `limit` leaves no room to cut. Nothing is appended then.
    pub fn packetize(&mut self, frame: &[u8], limit: usize, payloads: &mut Payloads) -> Result<(), FrameError> {
        nal::packetize::<Header>(frame, limit, payloads)
    }
}

/// Puts access units together again (RFC 7798, section 6).
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

/// Looks at one payload. It belongs to a key frame if a slice of an intra random access point (IRAP) is in it, or a
/// video or sequence parameter set.
pub fn inspect(payload: &[u8]) -> Result<Inspection, Malformed> {
    nal::inspect::<Header>(payload)
}

/// The header of a NAL unit (RFC 7798, section 1.1.4).
///
/// ```text
/// +-+------+---------+-----+
/// |F| Type | LayerId | TID |   1, 6, 6 and 3 bits
/// +-+------+---------+-----+
/// ```
#[derive(Clone, Copy, Debug)]
struct Header(u16);

impl nal::Header for Header {
    const LENGTH: usize = 2;
    const AGGREGATION: u8 = 48;
    const FRAGMENT: u8 = 49;
    const TYPE_MASK: u8 = 0x3f;

    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        bytes.split_first_chunk().map(|(header, rest)| (Self(u16::from_be_bytes(*header)), rest))
    }

    fn put(self, buf: &mut Vec<u8>) {
        buf.put_u16(self.0);
    }

    fn unit_type(self) -> u8 {
        (self.0 >> 9) as u8 & Self::TYPE_MASK
    }

    fn with_type(self, unit_type: u8) -> Self {
        Self(self.0 & 0x81ff | u16::from(unit_type & Self::TYPE_MASK) << 9)
    }

    /// A packet is as damaged as its most damaged unit, and has the lowest layer and sub-layer (section 4.4.2).
    fn join(self, other: Self) -> Self {
        let (forbidden, layer, temporal) = (0x8000, 0x01f8, 0x0007);
        let lowest = |field: u16| (self.0 & field).min(other.0 & field);
        Self((self.0 | other.0) & forbidden | lowest(layer) | lowest(temporal)).with_type(self.unit_type())
    }

    fn kind(unit_type: u8) -> Kind {
        match unit_type {
            // IRAP pictures; video and sequence parameter sets.
            16..=21 | 32 | 33 => Kind::Key,
            35 => Kind::Delimiter,
            0..=47 => Kind::Plain,
            Self::AGGREGATION => Kind::Aggregation,
            Self::FRAGMENT => Kind::Fragment,
            50 => Kind::Refused,
            _ => Kind::Ignored,
        }
    }
}

#[cfg(test)]
mod tests;
