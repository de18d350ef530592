//! Reading Opus packets from Ogg, and when they are due.

use std::collections::VecDeque;
use std::io::{Read, Seek};

use super::pages::{Packets, Page};
use super::{HEAD, RATE, TAGS, toc};
use crate::error::show;
use crate::source::{Source, u16_at, u32_at};
use crate::{Error, Frame, Options, time};

/// The identification header (RFC 7845, section 5.1), as far as one stream of one or two channels goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// 1 or 2.
    pub channels: u8,
    /// How many samples of 48 kHz a player leaves out at the beginning, while the decoder settles. Frames and their
    /// times include them.
    pub pre_skip: u16,
    /// The sampling rate before encoding in Hz, for information; 0 if unknown.
    pub input_sample_rate: u32,
    /// To apply to the decoded samples, in 1/256 dB.
    pub output_gain: i16,
}

/// Reads the packets of the first Opus stream; pages of other streams are passed over.
///
/// A packet's time is the sum of what came before it. Where the granule position of a page says that there was more, as
/// after a gap and in recordings of a live stream, the page's packets begin so much later (RFC 7845, section 4).
pub struct Reader<R> {
    source: Source<R>,
    options: Options,
    head: Head,
    /// Where the stream's first page is, and the number that all of its pages bear.
    first: u64,
    serial: u32,
    packets: Packets,
    /// What ended on the last page and was not yet returned.
    queue: VecDeque<Vec<u8>>,
    /// When the first of `queue` is due, in samples.
    position: u64,
    /// Where the stream ends, in samples, once its last page was read: before the end of the last packet if not all of
    /// that is played (RFC 7845, section 4.4).
    end: Option<u64>,
    /// Where the last page is, for errors.
    page: u64,
    is_cut_off: bool,
    /// No more pages; the queue may still hold packets.
    has_last_page: bool,
    has_failed: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the file is not Ogg, has no stream of Opus, or one of more than two channels;
    /// [`Error::TooLarge`] for tags beyond the limit; [`Error::Read`].
    pub fn new(inner: R, options: Options) -> Result<Self, Error> {
        let mut source = Source::new(inner);
        let mut is_cut_off = false;
        // The first pages of all streams stand before anything else (RFC 3533, section 4).
        let page = loop {
            let offset = source.offset();
            match Page::read(&mut source, &mut is_cut_off)? {
                Some(page) if page.is_first() && page.body.starts_with(HEAD) => break page,
                Some(page) if page.is_first() => {}
                Some(page) => {
                    let found = show(&page.body);
                    return Err(Error::malformed(page.offset, "a stream of Opus (OpusHead)", found));
                }
                None => return Err(Error::malformed(offset, "a stream of Opus (OpusHead)", "the end of the file")),
            }
        };
        let head = decode(&page)?;
        let mut reader = Self {
            source,
            options,
            head,
            first: page.offset,
            serial: page.serial(),
            packets: Packets::new(options.frame_limit),
            queue: VecDeque::new(),
            position: 0,
            end: None,
            page: page.offset,
            is_cut_off,
            has_last_page: false,
            has_failed: false,
        };
        reader.begin(page)?;
        Ok(reader)
    }

    /// Joins packets from the first page on, up to the first one of audio.
    fn begin(&mut self, first: Page) -> Result<(), Error> {
        self.packets = Packets::new(self.options.frame_limit);
        self.packets.push(first, &mut self.queue)?;
        self.queue.clear();
        self.pass_tags()
    }

    /// The comment header: pages of its own, and nothing in it that matters for playing (RFC 7845, section 5.2).
    fn pass_tags(&mut self) -> Result<(), Error> {
        while self.queue.is_empty() {
            let offset = self.source.offset();
            let Some(page) = self.next_page()? else {
                return Err(Error::malformed(offset, "the tags of Opus (OpusTags)", "the end of the file"));
            };
            self.packets.push(page, &mut self.queue)?;
        }
        let tags = self.queue.pop_front().unwrap_or_default();
        if !tags.starts_with(TAGS) {
            return Err(Error::malformed(self.page, "the tags of Opus (OpusTags)", show(&tags)));
        }
        // Audio on the same page is against the rules; it has no time of its own, but it is there.
        self.schedule(None)
    }

    /// What the identification header says.
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Whether the end came in the middle of a page, which is then left out.
    pub const fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// The next packet, `None` behind the last one and behind an error.
    ///
    /// # Errors
    /// [`Error::Malformed`] if a page or a packet is not what it should be, [`Error::TooLarge`], [`Error::Read`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        while self.queue.is_empty() && !self.has_failed {
            if let Err(error) = self.fill_queue() {
                self.has_failed = true;
                self.queue.clear();
                return Err(error);
            }
            if self.queue.is_empty() && self.has_last_page {
                return Ok(None);
            }
        }
        let Some(data) = self.queue.pop_front() else { return Ok(None) };
        let samples = toc::samples(&data).unwrap_or(0);
        let timestamp = time::from_samples(self.position, RATE);
        let played = self.end.map_or(samples, |end| end.saturating_sub(self.position).min(samples));
        self.position = self.position.saturating_add(samples);
        let duration = time::from_samples(played, RATE);
        Ok(Some(Frame { data, timestamp, duration, is_key_frame: true }))
    }

    fn fill_queue(&mut self) -> Result<(), Error> {
        let Some(page) = self.next_page()? else { return Ok(()) };
        let granule_position = page.granule_position();
        self.end = granule_position.filter(|_| page.is_last());
        self.packets.push(page, &mut self.queue)?;
        self.schedule(granule_position)
    }

    /// The next page of the stream, `None` behind the last one.
    fn next_page(&mut self) -> Result<Option<Page>, Error> {
        while !self.has_last_page {
            match Page::read(&mut self.source, &mut self.is_cut_off)? {
                Some(page) if page.serial() == self.serial => {
                    self.page = page.offset;
                    self.has_last_page = page.is_last();
                    return Ok(Some(page));
                }
                Some(_) => {}
                None => self.has_last_page = true,
            }
        }
        Ok(None)
    }

    /// Checks the packets of a page and says when the first of them is due.
    fn schedule(&mut self, granule_position: Option<u64>) -> Result<(), Error> {
        let mut sum = 0_u64;
        for packet in &self.queue {
            let samples = toc::samples(packet).ok_or_else(|| {
                Error::malformed(
                    self.page,
                    "pages of Opus packets of at most 120 ms",
                    format!("a packet {}", show(packet)),
                )
            })?;
            sum = sum.saturating_add(samples);
        }
        // Less than the sum is how a stream says that its last packet is played in part (RFC 7845, section 4.4).
        let start = granule_position.unwrap_or(0).saturating_sub(sum);
        self.position = self.position.max(start);
        Ok(())
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Begins again with the first packet.
    ///
    /// # Errors
    /// [`Error::Read`] if the source cannot go back, and all of [`new`](Self::new) if the file is no longer the same.
    pub fn rewind(&mut self) -> Result<(), Error> {
        self.source.seek(self.first)?;
        (self.is_cut_off, self.has_last_page, self.has_failed) = (false, false, false);
        (self.position, self.end) = (0, None);
        match Page::read(&mut self.source, &mut self.is_cut_off)? {
            Some(page) => self.begin(page),
            None => Err(Error::malformed(self.first, "a stream of Opus (OpusHead)", "the end of the file")),
        }
    }
}

fn decode(page: &Page) -> Result<Head, Error> {
    let (body, offset) = (&page.body[..], page.offset);
    if body.len() < 19 {
        let found = format!("{} bytes", body.len());
        return Err(Error::malformed(offset, "an identification header of 19 bytes", found));
    }
    let [version, channels] = crate::source::field(body, 8);
    // Minor versions are compatible, major ones, in the upper four bits, are not.
    if version >> 4 != 0 {
        return Err(Error::malformed(offset, "version 0 or 1 of Ogg Opus", version.to_string()));
    }
    let [family] = crate::source::field(body, 18);
    if family != 0 || !(1..=2).contains(&channels) {
        let found = format!("{channels} channels of mapping family {family}");
        return Err(Error::malformed(offset, "one or two channels of mapping family 0", found));
    }
    Ok(Head {
        channels,
        pre_skip: u16_at(body, 10),
        input_sample_rate: u32_at(body, 12),
        output_gain: u16_at(body, 16).cast_signed(),
    })
}
