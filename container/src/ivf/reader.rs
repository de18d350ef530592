//! Reading IVF.

use std::io::{Read, Seek};
use std::num::NonZeroU32;
use std::time::Duration;

use super::{HEADER_LENGTH, SIGNATURE, codec_of};
use crate::error::show;
use crate::source::{Source, field, u16_at, u32_at, u64_at};
use crate::{Codec, Error, Frame, Options, is_key_frame, time};

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What is in the file.
    pub codec: Codec,
    /// In pixels; some writers leave it zero.
    pub width: u16,
    /// In pixels; some writers leave it zero.
    pub height: u16,
    /// Times count units of `numerator / denominator` seconds.
    pub numerator: NonZeroU32,
    /// See [`numerator`](Self::numerator).
    pub denominator: NonZeroU32,
}

/// Reads frames. One header is read ahead, as a frame lasts until the next one.
pub struct Reader<R> {
    source: Source<R>,
    header: Header,
    options: Options,
    /// Where the first frame's header is.
    first: u64,
    /// The next frame's header, if it was read already, and its offset.
    ahead: Option<(u64, [u8; 12])>,
    /// How long the last frame lasted.
    duration: Duration,
    is_cut_off: bool,
    has_ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is not IVF of a known codec, or says that time stands still; [`Error::Read`].
    pub fn new(inner: R, options: Options) -> Result<Self, Error> {
        let mut source = Source::new(inner);
        let bytes: [u8; 32] = source.header("the header of IVF")?;
        let header = decode(&bytes)?;
        // A longer header may come one day; a shorter one was refused.
        let length = u64::from(u16_at(&bytes, 6));
        source.skip(length.saturating_sub(u64::from(HEADER_LENGTH)))?;
        let first = source.offset();
        let duration = time::from_ticks(1, header.numerator, header.denominator).unwrap_or_default();
        Ok(Self { source, header, options, first, ahead: None, duration, is_cut_off: false, has_ended: false })
    }

    /// What the header says.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the end came in the middle of a frame, which is then left out.
    pub const fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// The next frame, `None` behind the last one and behind an error. Frames without data are passed over.
    ///
    /// # Errors
    /// [`Error::TooLarge`]; [`Error::Malformed`] if a time is beyond 2^64 seconds; [`Error::Read`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        while !self.has_ended {
            let result = self.advance();
            self.has_ended = !matches!(result, Ok(Some(_)));
            match result {
                Ok(Some(frame)) if frame.data.is_empty() => {}
                other => return other,
            }
        }
        Ok(None)
    }

    fn advance(&mut self) -> Result<Option<Frame>, Error> {
        let ahead = match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.frame_header()?,
        };
        let Some((offset, header)) = ahead else { return Ok(None) };
        let timestamp = self.time_of(&header).ok_or_else(|| {
            let found = u64_at(&header, 4).to_string();
            Error::malformed(offset + 4, "a time of less than 2^64 seconds", found)
        })?;
        let size = u32_at(&header, 0);
        let limit = self.options.frame_limit;
        if usize::try_from(size).map_or(true, |size| size > limit) {
            return Err(Error::TooLarge { offset, size: size.into(), limit });
        }
        let mut data = Vec::new();
        if self.source.append(size.into(), &mut data)? < u64::from(size) {
            self.is_cut_off = true;
            return Ok(None);
        }
        self.ahead = self.frame_header()?;
        let next = self.ahead.and_then(|(_, header)| self.time_of(&header));
        // Behind the last frame, and where times run backwards, one is taken to last as long as the one before.
        if let Some(duration) = next.and_then(|next| next.checked_sub(timestamp)).filter(|time| !time.is_zero()) {
            self.duration = duration;
        }
        let is_key_frame = is_key_frame(self.header.codec, &data);
        Ok(Some(Frame { data, timestamp, duration: self.duration, is_key_frame }))
    }

    fn frame_header(&mut self) -> Result<Option<(u64, [u8; 12])>, Error> {
        let offset = self.source.offset();
        let mut header = [0; 12];
        let filled = self.source.fill(&mut header)?;
        if filled < header.len() {
            self.is_cut_off |= filled > 0;
            return Ok(None);
        }
        Ok(Some((offset, header)))
    }

    fn time_of(&self, header: &[u8; 12]) -> Option<Duration> {
        time::from_ticks(u64_at(header, 4), self.header.numerator, self.header.denominator)
    }
}

impl<R: Read + Seek> Reader<R> {
    /// Begins again with the first frame.
    ///
    /// # Errors
    /// [`Error::Read`] if the source cannot go back.
    pub fn rewind(&mut self) -> Result<(), Error> {
        self.source.seek(self.first)?;
        self.ahead = None;
        self.duration = time::from_ticks(1, self.header.numerator, self.header.denominator).unwrap_or_default();
        (self.is_cut_off, self.has_ended) = (false, false);
        Ok(())
    }
}

fn decode(bytes: &[u8; 32]) -> Result<Header, Error> {
    let signature: [u8; 4] = field(bytes, 0);
    if signature != SIGNATURE {
        return Err(Error::malformed(0, "the signature of IVF, DKIF", show(&signature)));
    }
    if u16_at(bytes, 4) != 0 {
        return Err(Error::malformed(4, "version 0 of IVF", u16_at(bytes, 4).to_string()));
    }
    if u16_at(bytes, 6) < HEADER_LENGTH {
        return Err(Error::malformed(6, "a header of 32 bytes or more", u16_at(bytes, 6).to_string()));
    }
    let fourcc: [u8; 4] = field(bytes, 8);
    let codec = codec_of(fourcc)
        .ok_or_else(|| Error::malformed(8, "a codec of VP80, VP90, AV01, H264 or H265", show(&fourcc)))?;
    let denominator = NonZeroU32::new(u32_at(bytes, 16))
        .ok_or_else(|| Error::malformed(16, "the denominator of a unit of time", "0"))?;
    let numerator = NonZeroU32::new(u32_at(bytes, 20))
        .ok_or_else(|| Error::malformed(20, "the numerator of a unit of time", "0"))?;
    Ok(Header { codec, width: u16_at(bytes, 12), height: u16_at(bytes, 14), numerator, denominator })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8; 57] = b"DKIF\0\0\x20\0VP80\x40\0\x30\0\x1e\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\
        \x01\0\0\0\x05\0\0\0\0\0\0\0\x10\0\0\0\0\x08\0\0\0\0\0\0\0";

    fn error(at: usize, bytes: &[u8]) -> String {
        let mut file = FILE.to_vec();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        let mut reader = match Reader::new(&file[..], Options::default()) {
            Ok(reader) => reader,
            Err(error) => return error.to_string(),
        };
        loop {
            match reader.next_frame() {
                Ok(frame) => assert!(frame.is_some(), "no error"),
                Err(error) => {
                    assert!(reader.next_frame().unwrap().is_none(), "frames behind an error");
                    return error.to_string();
                }
            }
        }
    }

    #[test]
    fn frames_have_the_times_of_the_file_and_last_until_the_next() {
        let mut reader = Reader::new(&FILE[..], Options::default()).unwrap();
        let header = reader.header();
        assert_eq!((header.codec, header.width, header.height), (Codec::Vp8, 64, 48));
        let frame = reader.next_frame().unwrap().unwrap();
        assert_eq!((&frame.data[..], frame.is_key_frame), (&[0x10][..], true));
        assert_eq!(frame.timestamp, Duration::from_nanos(166_666_666));
        assert_eq!(frame.duration, Duration::from_millis(100), "three units of a thirtieth");
        assert!(reader.next_frame().unwrap().is_none(), "the second frame is empty");
        assert!(!reader.is_cut_off());
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        assert_eq!(error(0, b"RIFF"), r#"byte 0: expected the signature of IVF, DKIF, found 52 49 46 46 "RIFF""#);
        assert_eq!(error(4, &[1]), "byte 4: expected version 0 of IVF, found 1");
        assert_eq!(error(6, &[31]), "byte 6: expected a header of 32 bytes or more, found 31");
        let codecs = "VP80, VP90, AV01, H264 or H265";
        assert_eq!(error(8, b"MJPG"), format!(r#"byte 8: expected a codec of {codecs}, found 4d 4a 50 47 "MJPG""#));
        assert_eq!(error(16, &[0]), "byte 16: expected the denominator of a unit of time, found 0");
        assert_eq!(error(20, &[0]), "byte 20: expected the numerator of a unit of time, found 0");
        let limit = Options::default().frame_limit;
        let size = u32::MAX;
        let text = format!("byte 32: a frame of {size} bytes or more, and the limit is {limit}");
        assert_eq!(error(32, &size.to_le_bytes()), text);
        let mut file = FILE.to_vec();
        file[20..24].fill(0xff);
        file[16] = 1;
        file[36..44].fill(0xff);
        let mut reader = Reader::new(&file[..], Options::default()).unwrap();
        let text = "byte 36: expected a time of less than 2^64 seconds, found 18446744073709551615";
        assert_eq!(reader.next_frame().unwrap_err().to_string(), text);
        let text = "byte 0: expected the header of IVF, found the end of the file after 31 of 32 bytes";
        assert_eq!(Reader::new(&FILE[..31], Options::default()).err().unwrap().to_string(), text);
    }

    #[test]
    fn a_longer_header_is_passed_over() {
        let mut file = FILE.to_vec();
        file[6] = 34;
        file.splice(32..32, [7, 7]);
        let mut reader = Reader::new(&file[..], Options::default()).unwrap();
        assert_eq!(reader.next_frame().unwrap().unwrap().data, [0x10]);
    }
}
