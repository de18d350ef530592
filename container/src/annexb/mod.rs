//! Byte streams of H.264 and H.265: NAL units behind start codes (ITU-T H.264 and H.265, annex B).
//!
//! There is no header and there are no times, only where access units begin. A file that was cut off anywhere is a
//! shorter stream, which makes it a safe format to record to; what it loses is when frames were due.

pub(crate) mod nal;
mod reader;
mod writer;

pub(crate) use writer::check;

pub use reader::Reader;
pub use writer::Writer;
