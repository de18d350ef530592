//! IVF: a header, then each frame behind its size and its time. All fields are little-endian.
//!
//! ```text
//! header:  0 "DKIF"   4 version 0   6 length of this header, 32   8 FourCC   12 width   14 height
//!         16 time units per second, or the denominator of a unit  20 its numerator     24 frames  28 unused
//! frame:   0 size     4 time in units, of 8 bytes                 12 the frame
//! ```
//!
//! There is no standard; the layout is that of libvpx. How many frames the header counts does not matter to anybody
//! who reads: what counts is what is there.

mod reader;
mod writer;

pub use reader::{Header, Reader};
pub use writer::Writer;

use crate::Codec;

const SIGNATURE: [u8; 4] = *b"DKIF";
const HEADER_LENGTH: u16 = 32;

/// The codec of a FourCC. H.264 and H.265 are rare in IVF, but libwebrtc writes them, and so their times are kept.
const fn codec_of(fourcc: [u8; 4]) -> Option<Codec> {
    match &fourcc {
        b"VP80" => Some(Codec::Vp8),
        b"VP90" => Some(Codec::Vp9),
        b"AV01" => Some(Codec::Av1),
        b"H264" => Some(Codec::H264),
        b"H265" => Some(Codec::H265),
        _ => None,
    }
}

/// What is written. H.265 is not: ffmpeg and what is built on it do not know it in IVF.
const fn fourcc_of(codec: Codec) -> Option<[u8; 4]> {
    match codec {
        Codec::Vp8 => Some(*b"VP80"),
        Codec::Vp9 => Some(*b"VP90"),
        Codec::Av1 => Some(*b"AV01"),
        Codec::H264 => Some(*b"H264"),
        Codec::H265 | Codec::Opus | Codec::Pcmu | Codec::Pcma => None,
    }
}
