//! Writing WAV.

use std::io::{Seek, Write};

use super::{ALAW, RATE, ULAW};
use crate::sink::Sink;
use crate::{Codec, Error, Frame, Kind, g711, time};

/// The header's length, and where it states lengths: of all that follows, of the samples twice.
const HEADER_LENGTH: u32 = 58;
const RIFF_SIZE_AT: u64 = 4;
const FACT_AT: u64 = 46;
const DATA_SIZE_AT: u64 = 54;

/// How many samples may come before the header is brought up to date: a second.
const PATCHING: u64 = RATE as u64;

/// The longest gap that is filled with silence: an hour. Whatever is longer is no pause but another clock.
const LONGEST_GAP: u64 = 3600 * RATE as u64;

/// Writes samples. Each frame is in the file when [`write`](Self::write) returns; the lengths in the header are brought up
/// to date once a second, so that a player never looks for samples that are not there.
///
/// The file begins with the first frame; where a frame comes later than the one before it ended, silence is put between.
/// Gaps of more than an hour are taken for a change of clock and left out.
pub struct Writer<W> {
    sink: Sink<W>,
    silence: u8,
    /// What the header says of the samples.
    patched: u64,
    /// Samples written.
    count: u64,
    /// The time of the file's first sample on the frames' clock, in samples; `None` before the first frame.
    start: Option<u64>,
}

impl<W: Write + Seek> Writer<W> {
    /// Writes the header at the first byte of `inner`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if `codec` is neither PCMU nor PCMA; [`Error::Write`].
    pub fn new(inner: W, codec: Codec) -> Result<Self, Error> {
        let (tag, silence) = match codec {
            Codec::Pcma => (ALAW, g711::ALAW_SILENCE),
            Codec::Pcmu => (ULAW, g711::ULAW_SILENCE),
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 | Codec::H264 | Codec::H265 | Codec::Opus => {
                return Err(Error::Unsupported { container: Kind::Wav, codec });
            }
        };
        let mut header = b"RIFF".to_vec();
        header.extend((HEADER_LENGTH - 8).to_le_bytes());
        header.extend(b"WAVEfmt ");
        header.extend(18_u32.to_le_bytes());
        header.extend(tag.to_le_bytes());
        header.extend(1_u16.to_le_bytes()); // channels
        header.extend(RATE.to_le_bytes());
        header.extend(RATE.to_le_bytes()); // bytes per second
        header.extend(1_u16.to_le_bytes()); // bytes per sample
        header.extend(8_u16.to_le_bytes()); // bits per sample
        header.extend(0_u16.to_le_bytes()); // no extension
        // What is not PCM says a second time how many samples there are.
        header.extend(b"fact");
        header.extend(4_u32.to_le_bytes());
        header.extend(0_u32.to_le_bytes());
        header.extend(b"data");
        header.extend(0_u32.to_le_bytes());
        let mut sink = Sink::new(inner);
        sink.append(&header)?;
        Ok(Self { sink, silence, patched: 0, count: 0, start: None })
    }

    /// Appends samples, one byte each.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&mut self, frame: &Frame) -> Result<(), Error> {
        let due = time::to_ticks(frame.timestamp, RATE);
        let start = *self.start.get_or_insert(due);
        self.fill_gap(due.saturating_sub(start).saturating_sub(self.count))?;
        self.append(&frame.data)
    }

    fn fill_gap(&mut self, gap: u64) -> Result<(), Error> {
        if gap > LONGEST_GAP {
            self.start = self.start.map(|start| start.saturating_add(gap));
            return Ok(());
        }
        let silence = [self.silence; 4096];
        let mut left = usize::try_from(gap).unwrap_or(0);
        while left > 0 {
            let piece = silence.get(..left).unwrap_or(&silence);
            self.append(piece)?;
            left = left.saturating_sub(piece.len());
        }
        Ok(())
    }

    fn append(&mut self, samples: &[u8]) -> Result<(), Error> {
        self.sink.append(samples)?;
        self.count = self.count.saturating_add(samples.len() as u64);
        if self.count.saturating_sub(self.patched) >= PATCHING { self.flush() } else { Ok(()) }
    }

    /// Brings the header up to date.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn flush(&mut self) -> Result<(), Error> {
        // Six days of G.711 are more than the fields can say: then they say the most.
        let samples = u32::try_from(self.count).unwrap_or(u32::MAX).min(u32::MAX - HEADER_LENGTH);
        self.sink.patch(FACT_AT, &samples.to_le_bytes())?;
        self.sink.patch(DATA_SIZE_AT, &samples.to_le_bytes())?;
        let all = samples.next_multiple_of(2).saturating_add(HEADER_LENGTH - 8);
        self.sink.patch(RIFF_SIZE_AT, &all.to_le_bytes())?;
        self.patched = self.count;
        Ok(())
    }

    /// Brings the header up to date and gives back what was written to.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<W, Error> {
        self.close()?;
        Ok(self.sink.into_inner())
    }

    pub(crate) fn close(&mut self) -> Result<(), Error> {
        self.flush()?;
        // Chunks end at even offsets.
        if self.count % 2 == 1 { self.sink.append(&[0]) } else { Ok(()) }
    }
}
