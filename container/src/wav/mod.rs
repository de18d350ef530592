//! WAV with G.711: a RIFF header, then samples. All fields are little-endian.
//!
//! `hound`, the crate for WAV, refuses the format tags of G.711, and so the few chunks that matter are read and written
//! here (Microsoft's *Multiple Channel Audio Data and WAVE Files*, and RFC 2361 for the tags).

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;

/// Samples per second, and bytes of G.711.
const RATE: u32 = 8000;

/// A frame is 20 ms, which is what RTP carries in a packet (RFC 3551, section 4.2).
const FRAME: u16 = 160;

/// Format tags (RFC 2361, appendix A); `EXTENSIBLE` puts the tag into a field further on.
const PCM: u16 = 1;
const ALAW: u16 = 6;
const ULAW: u16 = 7;
const EXTENSIBLE: u16 = 0xfffe;
