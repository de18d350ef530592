//! Reading WAV.

use std::io::{Read, Seek};

use super::{ALAW, EXTENSIBLE, FRAME, PCM, RATE, ULAW};
use crate::error::show;
use crate::source::{Source, field, u16_at, u32_at};
use crate::{Codec, Error, Frame, g711, time};

/// How the samples are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// A byte of G.711 each.
    G711,
    /// 16-bit PCM of so many channels, which are mixed to one and encoded as they are read.
    Pcm { channels: u16 },
}

/// Reads frames of 20 ms; the last one may be shorter. The format may be A-law or µ-law of one channel, or 16-bit PCM of
/// one or two, which becomes µ-law; 8 kHz in all cases.
pub struct Reader<R> {
    source: Source<R>,
    codec: Codec,
    layout: Layout,
    /// Where the samples begin.
    first: u64,
    /// How many bytes of samples there are by the header; `None` for as many as the file has.
    length: Option<u64>,
    left: Option<u64>,
    /// Samples returned so far.
    position: u64,
    is_cut_off: bool,
    has_ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header up to the samples.
    ///
    /// # Errors
    /// [`Error::Malformed`] if this is not WAV, or of another format; [`Error::Read`].
    pub fn new(inner: R) -> Result<Self, Error> {
        let mut source = Source::new(inner);
        let riff: [u8; 12] = source.header("the header of WAV")?;
        if !riff.starts_with(b"RIFF") {
            return Err(Error::malformed(0, "the signature of WAV, RIFF", show(&field::<4>(&riff, 0))));
        }
        if !riff.ends_with(b"WAVE") {
            return Err(Error::malformed(8, "RIFF of the form WAVE", show(&field::<4>(&riff, 8))));
        }
        let mut format = None;
        loop {
            let offset = source.offset();
            let chunk: [u8; 8] = source.header("a chunk of samples (data)")?;
            let size = u32_at(&chunk, 4);
            match field::<4>(&chunk, 0) {
                [b'f', b'm', b't', b' '] => format = Some(read_format(&mut source, size)?),
                [b'd', b'a', b't', b'a'] => {
                    let (codec, layout) =
                        format.ok_or_else(|| Error::malformed(offset, "a chunk fmt before the samples", "none"))?;
                    // Who writes while the samples still come leaves the length at zero, or at the largest there is.
                    let length = Some(u64::from(size)).filter(|size| (1..u64::from(u32::MAX)).contains(size));
                    let first = source.offset();
                    let (is_cut_off, has_ended) = (false, false);
                    let left = length;
                    return Ok(Self { source, codec, layout, first, length, left, position: 0, is_cut_off, has_ended });
                }
                // Anything else may stand in between; chunks begin at even offsets.
                _ => _ = source.skip(u64::from(size).next_multiple_of(2))?,
            }
        }
    }

    /// What frames are in: [`Codec::Pcmu`] also where the file has PCM.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether there are fewer samples than the header says.
    pub const fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// The next 20 ms, `None` behind the last sample and behind an error.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        if self.has_ended {
            return Ok(None);
        }
        let result = self.advance();
        self.has_ended = !matches!(result, Ok(Some(_)));
        result
    }

    fn advance(&mut self) -> Result<Option<Frame>, Error> {
        let block = match self.layout {
            Layout::G711 => 1,
            Layout::Pcm { channels } => 2 * u64::from(channels),
        };
        let wanted = (u64::from(FRAME) * block).min(self.left.unwrap_or(u64::MAX));
        let mut bytes = Vec::new();
        let read = self.source.append(wanted, &mut bytes)?;
        self.is_cut_off |= read < wanted && self.length.is_some();
        self.left = self.left.map(|left| left.saturating_sub(read));
        let data = match self.layout {
            Layout::G711 => bytes,
            Layout::Pcm { channels } => encode(&bytes, channels),
        };
        if data.is_empty() {
            return Ok(None);
        }
        let samples = data.len() as u64;
        let timestamp = time::from_samples(self.position, RATE);
        self.position = self.position.saturating_add(samples);
        Ok(Some(Frame { data, timestamp, duration: time::from_samples(samples, RATE), is_key_frame: true }))
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Begins again with the first sample.
    ///
    /// # Errors
    /// [`Error::Read`] if the source cannot go back.
    pub fn rewind(&mut self) -> Result<(), Error> {
        self.source.seek(self.first)?;
        self.left = self.length;
        self.position = 0;
        (self.is_cut_off, self.has_ended) = (false, false);
        Ok(())
    }
}

/// The chunk `fmt `: format tag, channels, samples per second, bytes per second, bytes per sample of all channels, bits
/// per sample; in the extensible form the tag is the beginning of a GUID further on.
fn read_format<R: Read>(source: &mut Source<R>, size: u32) -> Result<(Codec, Layout), Error> {
    let offset = source.offset();
    if size < 16 {
        return Err(Error::malformed(offset, "a chunk fmt of 16 bytes or more", size.to_string()));
    }
    let mut format = [0; 40];
    let kept = usize::try_from(size).unwrap_or(usize::MAX).min(format.len());
    let filled = source.fill(format.get_mut(..kept).unwrap_or_default())?;
    if filled < kept {
        return Err(Error::malformed(offset, "a whole chunk fmt", format!("the end of the file after {filled} bytes")));
    }
    source.skip(u64::from(size).next_multiple_of(2).saturating_sub(kept as u64))?;
    let tag = match u16_at(&format, 0) {
        EXTENSIBLE => u16_at(&format, 24),
        tag => tag,
    };
    let (channels, rate, bits) = (u16_at(&format, 2), u32_at(&format, 4), u16_at(&format, 14));
    if rate != RATE {
        let expected = "8000 samples per second, which is all that G.711 is sent with";
        return Err(Error::malformed(offset + 4, expected, rate.to_string()));
    }
    match (tag, channels, bits) {
        (ALAW, 1, 8) => Ok((Codec::Pcma, Layout::G711)),
        (ULAW, 1, 8) => Ok((Codec::Pcmu, Layout::G711)),
        (PCM, 1 | 2, 16) => Ok((Codec::Pcmu, Layout::Pcm { channels })),
        _ => {
            let expected = "A-law (6) or µ-law (7) of one channel and 8 bits, or PCM (1) of one or two and 16";
            let found = format!("format {tag} of {channels} channels and {bits} bits");
            Err(Error::malformed(offset, expected, found))
        }
    }
}

/// Whole blocks of 16-bit PCM as µ-law; two channels become their mean.
fn encode(bytes: &[u8], channels: u16) -> Vec<u8> {
    let samples = |block: &[u8]| -> i16 {
        let sum: i32 = block.chunks_exact(2).map(|sample| i32::from(i16::from_le_bytes(field(sample, 0)))).sum();
        i16::try_from(sum / i32::from(channels.max(1))).unwrap_or_default()
    };
    bytes.chunks_exact(2 * usize::from(channels.max(1))).map(|block| g711::encode_ulaw(samples(block))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of PCM with two channels, and two moments of it.
    fn file() -> Vec<u8> {
        let mut file = b"RIFF\x2c\0\0\0WAVEJUNK\x01\0\0\0\x07\0fmt \x10\0\0\0\x01\0\x02\0\x40\x1f\0\0".to_vec();
        file.extend(b"\0\x7d\0\0\x04\0\x10\0data\x08\0\0\0");
        for sample in [1000_i16, 3000, i16::MIN, i16::MIN] {
            file.extend(sample.to_le_bytes());
        }
        file
    }

    fn error(at: usize, bytes: &[u8]) -> String {
        let mut file = file();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        Reader::new(&file[..]).err().expect("a header that is refused").to_string()
    }

    #[test]
    fn pcm_becomes_mu_law_and_two_channels_their_mean() {
        let file = file();
        let mut reader = Reader::new(&file[..]).unwrap();
        assert_eq!(reader.codec(), Codec::Pcmu);
        let frame = reader.next_frame().unwrap().unwrap();
        assert_eq!(frame.data, [g711::encode_ulaw(2000), 0x00]);
        assert_eq!(frame.duration, std::time::Duration::from_micros(250));
        assert!(reader.next_frame().unwrap().is_none());
        assert!(!reader.is_cut_off());
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        assert_eq!(error(0, b"RIFX"), r#"byte 0: expected the signature of WAV, RIFF, found 52 49 46 58 "RIFX""#);
        assert_eq!(error(8, b"AVI "), r#"byte 8: expected RIFF of the form WAVE, found 41 56 49 20 "AVI ""#);
        assert_eq!(error(22, b"junk"), "byte 46: expected a chunk fmt before the samples, found none");
        assert_eq!(error(26, &[15]), "byte 30: expected a chunk fmt of 16 bytes or more, found 15");
        let rate = "byte 34: expected 8000 samples per second, which is all that G.711 is sent with, found 48000";
        assert_eq!(error(34, &48_000_u32.to_le_bytes()), rate);
        assert!(error(30, &[3]).ends_with("found format 3 of 2 channels and 16 bits"));
        assert!(error(30, &[7]).ends_with("found format 7 of 2 channels and 16 bits"));
        let text = error(46, b"LIST");
        assert_eq!(text, "byte 62: expected a chunk of samples (data), found the end of the file after 0 of 8 bytes");
    }

    #[test]
    fn a_length_that_is_not_known_yet_is_that_of_the_file() {
        for length in [0, u32::MAX] {
            let mut file = file();
            file[50..54].copy_from_slice(&length.to_le_bytes());
            let mut reader = Reader::new(&file[..]).unwrap();
            assert_eq!(reader.next_frame().unwrap().unwrap().data.len(), 2);
            assert!(reader.next_frame().unwrap().is_none() && !reader.is_cut_off());
        }
    }
}
