//! Opus in Ogg (RFC 7845). Pages are read and written by the crate `ogg`; what is here is what they mean for Opus:
//! headers, durations, granule positions.

mod pages;
mod reader;
mod toc;
mod writer;

pub use reader::{Head, Reader};
pub use toc::duration;
pub use writer::Writer;

/// Opus counts at 48 kHz whatever it was encoded from (RFC 7845, section 4).
const RATE: u32 = 48_000;

/// Magic of the two header packets (RFC 7845, sections 5.1 and 5.2).
const HEAD: &[u8] = b"OpusHead";
const TAGS: &[u8] = b"OpusTags";
