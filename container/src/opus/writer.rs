//! Writing Opus packets to Ogg.

use std::io::{Seek, Write};

use ::ogg::writing::{PacketWriteEndInfo, PacketWriter};

use super::{HEAD, RATE, TAGS, toc};
use crate::sink::Sink;
use crate::{Codec, Error, Frame, time};

/// How much audio a page holds, and so how much is lost when the program ends without warning: 200 ms. Pages of a
/// second and more would hardly be smaller (RFC 7845, section 6).
const PAGE: u64 = RATE as u64 / 5;

/// The lookahead of libopus's encoder, which is what there is to leave out of a stream that begins with its encoder.
/// RFC 7845, section 4.2, would rather have 80 ms where the encoder began earlier; that would cut off real sound.
const PRE_SKIP: u16 = 312;

/// The longest gap that is filled: an hour. Whatever is longer is no pause but another clock.
const LONGEST_GAP: u64 = 3600 * RATE as u64;

/// The shortest frame there is, 2.5 ms; smaller gaps are left alone until they add up.
const SHORTEST_FRAME: u64 = 120;

/// CELT, full band, 2.5 ms; its longer kin follow, each twice as long (RFC 6716, table 2).
const CELT_FULL_BAND: u8 = 28 << 3;

/// The number of the logical stream. It tells streams within a file apart, and there is one.
const SERIAL: u32 = 1;

/// Writes packets. A page of 200 ms is in the file as soon as the packet behind it comes, or [`flush`](Self::flush) is
/// called.
///
/// The first packet's time is the file's beginning; where a packet comes later than the one before it ended, the gap is
/// filled with packets that ask the decoder to conceal it (RFC 7845, section 4.1). Gaps of more than an hour are taken
/// for a change of clock and left out.
pub struct Writer<W> {
    sink: Sink<W>,
    pages: PacketWriter<'static, Vec<u8>>,
    /// The newest packet, held back so that the last one can end the stream.
    held: Option<Held>,
    /// Where the page ended that was written last.
    page_end: u64,
    /// Where the newest packet ends; `None` before the first.
    position: Option<u64>,
    /// How many samples the file's clock is behind the caller's, after a change of clock.
    behind: u64,
    /// The first byte of the newest packet that had sound, which fillers resemble.
    toc: u8,
}

/// A packet that is not on a page yet.
struct Held {
    packet: Vec<u8>,
    /// Where it ends, in samples.
    end: u64,
    /// How many samples at its end are not to be played if it is the last.
    cut: u64,
}

impl<W: Write + Seek> Writer<W> {
    /// Writes both headers. `channels` is what players open their output with, 1 or 2 (others are taken as 2); packets
    /// may be mono or stereo in either case.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn new(inner: W, channels: u8) -> Result<Self, Error> {
        let mut head = HEAD.to_vec();
        head.extend([1, if channels == 1 { 1 } else { 2 }]);
        head.extend(PRE_SKIP.to_le_bytes());
        head.extend(RATE.to_le_bytes());
        head.extend([0, 0, 0]); // no gain, mapping family 0
        let vendor = b"visavis";
        let mut tags = TAGS.to_vec();
        tags.extend((vendor.len() as u32).to_le_bytes());
        tags.extend(vendor);
        tags.extend(0_u32.to_le_bytes());
        let mut writer = Self {
            sink: Sink::new(inner),
            pages: PacketWriter::new(Vec::new()),
            held: None,
            page_end: 0,
            position: None,
            behind: 0,
            toc: CELT_FULL_BAND,
        };
        writer.emit(head, PacketWriteEndInfo::EndPage, 0)?;
        writer.emit(tags, PacketWriteEndInfo::EndPage, 0)?;
        Ok(writer)
    }

    /// Appends a packet. If it is the last one, and its frame's duration is shorter than what is in it, then players are
    /// told to leave out the rest (RFC 7845, section 4.4).
    ///
    /// # Errors
    /// [`Error::NotAFrame`] if its duration cannot be told; [`Error::Write`].
    pub fn write(&mut self, frame: &Frame) -> Result<(), Error> {
        let reason = "its first bytes are not those of an Opus packet of at most 120 ms";
        let samples = toc::samples(&frame.data).ok_or(Error::NotAFrame { codec: Codec::Opus, reason })?;
        let due = time::to_ticks(frame.timestamp, RATE);
        match self.position {
            None => {
                // Room for all that can follow: granule positions are signed for some readers.
                let start = due.min(u64::MAX >> 2);
                self.behind = due - start;
                (self.position, self.page_end) = (Some(start), start);
            }
            Some(position) => self.fill_gap(position, due)?,
        }
        if let Some(toc) = frame.data.first().filter(|_| frame.data.len() > 1) {
            self.toc = *toc;
        }
        let played = Some(time::to_ticks(frame.duration, RATE)).filter(|played| *played > 0);
        let cut = played.map_or(0, |played| samples.saturating_sub(played));
        self.push(frame.data.clone(), samples, cut)
    }

    /// Fills what is missing between `position` and `due`.
    fn fill_gap(&mut self, position: u64, due: u64) -> Result<(), Error> {
        let mut gap = due.saturating_sub(self.behind).saturating_sub(position);
        if gap > LONGEST_GAP {
            self.behind = self.behind.saturating_add(gap);
            return Ok(());
        }
        // One packet without a byte of sound per frame of the size in use, then smaller ones for the rest.
        let kept = self.toc & !3;
        let sizes = [kept, CELT_FULL_BAND | 3 << 3, CELT_FULL_BAND | 2 << 3, CELT_FULL_BAND | 1 << 3, CELT_FULL_BAND];
        let stereo = self.toc & 4;
        while gap >= SHORTEST_FRAME {
            let toc = sizes.into_iter().find(|toc| toc::samples_of_frame(*toc) <= gap).unwrap_or(CELT_FULL_BAND);
            let samples = toc::samples_of_frame(toc);
            self.push(vec![toc & !7 | stereo], samples, 0)?;
            gap = gap.saturating_sub(samples);
        }
        Ok(())
    }

    /// Holds the packet back and hands on the one that was held.
    fn push(&mut self, packet: Vec<u8>, samples: u64, cut: u64) -> Result<(), Error> {
        let end = self.position.unwrap_or(0).saturating_add(samples);
        self.position = Some(end);
        if let Some(Held { packet, end, .. }) = self.held.replace(Held { packet, end, cut }) {
            let is_full = end.saturating_sub(self.page_end) >= PAGE;
            let place = if is_full { PacketWriteEndInfo::EndPage } else { PacketWriteEndInfo::NormalPacket };
            self.emit(packet, place, end)?;
        }
        Ok(())
    }

    /// Gives a packet to the page, and the page to the file if the page is full.
    fn emit(&mut self, packet: Vec<u8>, place: PacketWriteEndInfo, end: u64) -> Result<(), Error> {
        let result = self.pages.write_packet(packet, SERIAL, place, end);
        result.map_err(|source| Error::Write { offset: self.sink.end(), source })?;
        if self.pages.inner().is_empty() {
            return Ok(());
        }
        self.page_end = end;
        let result = self.sink.append(self.pages.inner());
        // A page that could not be written is lost, as a page that waits would grow without bound.
        self.pages.inner_mut().clear();
        result
    }

    /// Puts everything into the file that came so far, on a page that may be short. Worth calling in pauses.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn flush(&mut self) -> Result<(), Error> {
        match self.held.take() {
            Some(Held { packet, end, .. }) => self.emit(packet, PacketWriteEndInfo::EndPage, end),
            None => Ok(()),
        }
    }

    /// Ends the stream and gives back what was written to. The mark of the end is missing if [`flush`](Self::flush) came
    /// right before, which players do not mind.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<W, Error> {
        self.close()?;
        Ok(self.sink.into_inner())
    }

    pub(crate) fn close(&mut self) -> Result<(), Error> {
        match self.held.take() {
            Some(Held { packet, end, cut }) => {
                self.emit(packet, PacketWriteEndInfo::EndStream, end.saturating_sub(cut))
            }
            None => Ok(()),
        }
    }
}
