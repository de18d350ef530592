//! Payload formats: how frames of a codec are cut into packets, and put together again.

pub mod annexb;
pub mod av1;
mod bits;
mod even;
pub mod g711;
pub mod h264;
pub mod h265;
mod nal;
pub mod opus;
mod picture_id;
pub mod red;
pub mod rtx;
pub mod telephone_event;
#[cfg(test)]
mod testing;
pub mod vp8;
pub mod vp9;

use wire::Malformed;

/// The payload formats that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// RFC 7587
    Opus,
    /// G.711 µ-law (RFC 3551, section 4.5.14)
    Pcmu,
    /// G.711 A-law (RFC 3551, section 4.5.14)
    Pcma,
    /// RFC 7741
    Vp8,
    /// RFC 9628
    Vp9,
    /// RFC 6184
    H264,
    /// RFC 7798
    H265,
    /// The Alliance for Open Media's "RTP Payload Format For AV1"
    Av1,
}

/// The payloads that one frame was cut into, one behind another.
#[derive(Clone, Debug, Default)]
pub struct Payloads {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Payloads {
    /// Forgets all; the memory stays for the next frame.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Each payload in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..*end))
    }

    /// Keeps the first `count`.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.ends.truncate(count);
        self.bytes.truncate(self.ends.last().copied().unwrap_or_default());
    }

    /// Adds the payload that `append` writes.
    pub(crate) fn push_with(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }
}

/// A frame cannot be sent in this format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// There is nothing in it.
    #[error("the frame is empty")]
    Empty,
    /// A frame of this format cannot be cut, and it is too long for a packet.
    #[error("the frame has {length} bytes, but this format fits frames of at most {limit} bytes into a packet")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The most bytes a packet takes.
        limit: usize,
    },
    /// Its bytes are not what the codec's frames look like.
    #[error("the frame is not what this codec's frames look like: {0}")]
    Invalid(&'static str),
}

/// What one payload says of the frame it belongs to, without any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Whether it is the first payload of its frame; `None` where the format does not tell.
    pub starts_frame: Option<bool>,
    /// Whether a decoder can begin with this frame, as far as this payload shows it.
    pub is_keyframe: bool,
}

/// Looks at one payload.
pub fn inspect(format: Format, payload: &[u8]) -> Result<Inspection, Malformed> {
    match format {
        Format::Opus | Format::Pcmu | Format::Pcma => Ok(Inspection { starts_frame: Some(true), is_keyframe: true }),
        Format::Vp8 => vp8::inspect(payload),
        Format::Vp9 => vp9::inspect(payload),
        Format::Av1 => av1::inspect(payload),
        Format::H264 => h264::inspect(payload),
        Format::H265 => h265::inspect(payload),
    }
}

/// Cuts frames into payloads.
#[derive(Clone, Debug)]
pub struct Packetizer(Cutter);

#[derive(Clone, Debug)]
enum Cutter {
    /// A frame is a payload.
    Audio,
    Vp8(vp8::Packetizer),
    Vp9(vp9::Packetizer),
    Av1(av1::Packetizer),
    H264(h264::Packetizer),
    H265(h265::Packetizer),
}

impl Packetizer {
    /// For frames of this format. `seed` decides where the counters of the format begin.
    pub fn new(format: Format, seed: u32) -> Self {
        Self(match format {
            Format::Opus | Format::Pcmu | Format::Pcma => Cutter::Audio,
            Format::Vp8 => Cutter::Vp8(vp8::Packetizer::new(seed)),
            Format::Vp9 => Cutter::Vp9(vp9::Packetizer::new(seed)),
            Format::Av1 => Cutter::Av1(av1::Packetizer::new(seed)),
            Format::H264 => Cutter::H264(h264::Packetizer::default()),
            Format::H265 => Cutter::H265(h265::Packetizer::default()),
        })
    }

    /// For H.264 in a packetization mode of its own; [`new`](Self::new) assumes mode 1.
    pub const fn h264(mode: h264::PacketizationMode) -> Self {
        Self(Cutter::H264(h264::Packetizer::new(mode)))
    }

    /// Cuts `frame` into payloads of at most `limit` bytes, which are appended to `payloads`; none where it fails.
    pub fn packetize(&mut self, frame: &[u8], limit: usize, payloads: &mut Payloads) -> Result<(), FrameError> {
        if frame.is_empty() {
            return Err(FrameError::Empty);
        }
        match &mut self.0 {
            Cutter::Audio if frame.len() > limit => Err(FrameError::TooLong { length: frame.len(), limit }),
            Cutter::Audio => {
                payloads.push_with(|buf| buf.extend_from_slice(frame));
                Ok(())
            }
            Cutter::Vp8(packetizer) => packetizer.packetize(frame, limit, payloads),
            Cutter::Vp9(packetizer) => packetizer.packetize(frame, limit, payloads),
            Cutter::Av1(packetizer) => packetizer.packetize(frame, limit, payloads),
            Cutter::H264(packetizer) => packetizer.packetize(frame, limit, payloads),
            Cutter::H265(packetizer) => packetizer.packetize(frame, limit, payloads),
        }
    }
}

/// Puts the payloads of a frame together again.
#[derive(Clone, Debug)]
pub struct Depacketizer(Joiner);

#[derive(Clone, Debug)]
enum Joiner {
    /// A payload is a frame.
    Audio,
    Vp8(vp8::Depacketizer),
    Vp9(vp9::Depacketizer),
    Av1(av1::Depacketizer),
    H264(h264::Depacketizer),
    H265(h265::Depacketizer),
}

impl Depacketizer {
    /// For payloads of this format.
    pub fn new(format: Format) -> Self {
        Self(match format {
            Format::Opus | Format::Pcmu | Format::Pcma => Joiner::Audio,
            Format::Vp8 => Joiner::Vp8(vp8::Depacketizer::new()),
            Format::Vp9 => Joiner::Vp9(vp9::Depacketizer::new()),
            Format::Av1 => Joiner::Av1(av1::Depacketizer::new()),
            Format::H264 => Joiner::H264(h264::Depacketizer::new()),
            Format::H265 => Joiner::H265(h265::Depacketizer::new()),
        })
    }

    /// Begins a frame, whatever became of the one before.
    pub fn begin(&mut self) {
        match &mut self.0 {
            Joiner::Audio => {}
            Joiner::Vp8(depacketizer) => depacketizer.begin(),
            Joiner::Vp9(depacketizer) => depacketizer.begin(),
            Joiner::Av1(depacketizer) => depacketizer.begin(),
            Joiner::H264(depacketizer) => depacketizer.begin(),
            Joiner::H265(depacketizer) => depacketizer.begin(),
        }
    }

    /// Appends what this payload, the next of the frame in order, adds to it. What is malformed appends nothing that
    /// could be taken for a whole frame: the frame is to be given up.
    pub fn append(&mut self, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
        match &mut self.0 {
            Joiner::Audio => {
                frame.extend_from_slice(payload);
                Ok(())
            }
            Joiner::Vp8(depacketizer) => depacketizer.append(payload, frame),
            Joiner::Vp9(depacketizer) => depacketizer.append(payload, frame),
            Joiner::Av1(depacketizer) => depacketizer.append(payload, frame),
            Joiner::H264(depacketizer) => depacketizer.append(payload, frame),
            Joiner::H265(depacketizer) => depacketizer.append(payload, frame),
        }
    }

    /// Whether the frame can end with the last payload. A frame that ends where it cannot is to be given up.
    pub fn is_complete(&self) -> bool {
        match &self.0 {
            Joiner::Audio | Joiner::Vp8(_) | Joiner::Vp9(_) => true,
            Joiner::Av1(depacketizer) => depacketizer.is_complete(),
            Joiner::H264(depacketizer) => depacketizer.is_complete(),
            Joiner::H265(depacketizer) => depacketizer.is_complete(),
        }
    }
}
