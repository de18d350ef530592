//! Files of encoded media, read and written frame by frame.
//!
//! [`Reader`] opens what people have at hand, and says of each [`Frame`] when it is due; [`Writer`] makes files that are
//! playable at every moment, so that a recording survives the end of its program. [`Paced`] hands out frames when they are
//! due, and [`Timeline`] says when that is for those who play several files in step. Nothing here encodes, decodes or
//! waits, or reads a clock.
//!
//! | kind | codecs | read from | written to | times |
//! | --- | --- | --- | --- | --- |
//! | [`Kind::Ivf`] | VP8, VP9, AV1, H.264; H.265 is only read | `DKIF` | `.ivf` | kept, in units of 1/90000 s |
//! | [`Kind::Ogg`] | Opus (RFC 7845) | `OggS` | `.opus`, `.ogg` | kept; gaps are filled with packets that ask for concealment |
//! | [`Kind::AnnexB`] | H.264, H.265 | a start code | `.h264`, `.h265` | none: [`Options::frame_rate`] |
//! | [`Kind::Wav`] | PCMU, PCMA; 16-bit PCM becomes PCMU | `RIFF` | `.wav` | from zero; gaps are filled with silence |
//!
//! Files that end in the middle of a frame are read up to there ([`Reader::is_cut_off`]). Whatever is in a file, reading
//! neither panics nor takes more memory than the file is long, or [`Options::frame_limit`] if that is less, a buffer or
//! two aside.
//!
//! Left out on purpose: Matroska and MP4, seeking, more than one stream per file, chained Ogg streams (the first is
//! read), interlaced video as frames of two fields, other sampling rates of WAV than 8 kHz.
//!
//! ```
//! # use visavis_container as container;
//! use std::time::Duration;
//! use container::{Codec, Frame, Reader, Writer};
//!
//! # fn main() -> Result<(), container::Error> {
//! # let folder = std::env::temp_dir().join(format!("container-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).expect("a folder for the example");
//! let mut writer = Writer::create(folder.join("tone"), Codec::Pcmu, None)?;
//! for index in 0..5 {
//!     let timestamp = index * Duration::from_millis(20);
//!     let data = vec![container::g711::encode_ulaw(1000); 160];
//!     writer.write(&Frame { data, timestamp, duration: Duration::from_millis(20), is_key_frame: true })?;
//! }
//! let path = writer.path().to_owned();
//! writer.finish()?;
//! assert!(path.ends_with("tone.wav"));
//!
//! let mut reader = Reader::open(&path)?;
//! assert_eq!(reader.codec(), Codec::Pcmu);
//! while let Some(frame) = reader.next_frame()? {
//!     println!("{:?}: {} bytes", frame.timestamp, frame.data.len());
//! }
//! reader.rewind()?; // and play it again
//! # std::fs::remove_dir_all(&folder).expect("the folder of the example");
//! # Ok(())
//! # }
//! ```

pub mod annexb;
mod bits;
mod codec;
mod error;
pub mod g711;
pub mod ivf;
pub mod opus;
mod pace;
mod picture;
mod reader;
mod sink;
mod source;
mod time;
pub mod wav;
mod writer;

pub use codec::{Codec, Kind};
pub use error::Error;
pub use pace::{MAX_LATE, Paced, Repeat, Timeline};
pub use picture::{dimensions, is_key_frame};
pub use reader::{Options, Reader};
pub use time::FrameRate;
pub use writer::Writer;

use std::time::Duration;

/// One encoded picture, or one packet of audio, as it goes to and comes from an encoder.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The bytes. VP8 and VP9: a frame or superframe. AV1: a temporal unit, each OBU with its size. H.264 and H.265: an
    /// access unit, each NAL unit behind a start code. Opus: a packet. PCMU and PCMA: samples.
    pub data: Vec<u8>,
    /// When it is due, on the file's own clock.
    pub timestamp: Duration,
    /// How long it lasts: until the next frame is due; less for the last packet of Opus, if not all of it is played. Zero
    /// if nobody knows. Writers look at it there only (RFC 7845, section 4.4).
    pub duration: Duration,
    /// Whether decoding can begin here. True for all audio. Writers do not look at it.
    pub is_key_frame: bool,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame")
            .field("bytes", &self.data.len())
            .field("timestamp", &self.timestamp)
            .field("duration", &self.duration)
            .field("is_key_frame", &self.is_key_frame)
            .finish()
    }
}
