//! What the payload formats of H.264 and H.265 share: single NAL units, aggregation, fragmentation.
//!
//! ```text
//! single        | NAL unit                                                |
//! aggregation   | header | length | NAL unit | length | NAL unit | …       |
//! fragment      | header | S E type | a part of the NAL unit, header cut off |
//! ```

use super::annexb::{self, NalUnits};
use super::{FrameError, Inspection, Payloads};
use wire::{Malformed, Put, Reader};

/// The bit of a fragment's header that says that the NAL unit begins here.
const START: u8 = 0x80;
/// The bit of a fragment's header that says that the NAL unit ends here.
const END: u8 = 0x40;

/// What a type of NAL units is to RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of a frame that a decoder can begin with.
    Key,
    /// Part of any frame.
    Plain,
    /// Says that a frame begins, which RTP tells by other means: it is not sent.
    Delimiter,
    /// Reserved: neither sent nor taken.
    Ignored,
    /// Not a NAL unit but several in one payload.
    Aggregation,
    /// Not a NAL unit but a part of one.
    Fragment,
    /// A payload structure of modes that are not negotiated.
    Refused,
}

/// The header of a NAL unit, which is that of a payload as well.
pub(super) trait Header: Copy {
    /// Its length in bytes.
    const LENGTH: usize;
    /// The type of aggregation packets.
    const AGGREGATION: u8;
    /// The type of fragmentation units.
    const FRAGMENT: u8;
    /// The bits of a fragment's header that are the type.
    const TYPE_MASK: u8;

    /// The header, and what is behind it.
    fn split(bytes: &[u8]) -> Option<(Self, &[u8])>;
    fn put(self, buf: &mut Vec<u8>);
    fn unit_type(self) -> u8;
    fn with_type(self, unit_type: u8) -> Self;
    /// The header of a packet that carries units with this one and with `other`.
    fn join(self, other: Self) -> Self;
    fn kind(unit_type: u8) -> Kind;
}

/// Cuts the access unit `frame` into payloads, which may aggregate and fragment. Where that fails, none is added.
pub(super) fn packetize<H: Header>(frame: &[u8], limit: usize, payloads: &mut Payloads) -> Result<(), FrameError> {
    // An aggregated unit has its length in two bytes.
    all_or_none(payloads, |payloads| cut::<H>(byte_stream(frame)?, limit.min(usize::from(u16::MAX)), payloads))
}

/// Gives each NAL unit of `frame` a payload of its own. Where that fails, none is added.
pub(super) fn packetize_single<H: Header>(
    frame: &[u8],
    limit: usize,
    payloads: &mut Payloads,
) -> Result<(), FrameError> {
    all_or_none(payloads, |payloads| {
        for unit in byte_stream(frame)? {
            if unit.len() > limit {
                return Err(FrameError::TooLong { length: unit.len(), limit });
            }
            if is_sent::<H>(unit)? {
                payloads.push_with(|buf| buf.put_bytes(unit));
            }
        }
        Ok(())
    })
}

fn all_or_none(
    payloads: &mut Payloads,
    add: impl FnOnce(&mut Payloads) -> Result<(), FrameError>,
) -> Result<(), FrameError> {
    let before = payloads.len();
    let added = match add(payloads) {
        Ok(()) if payloads.len() == before => Err(FrameError::Invalid("no NAL unit that could be sent")),
        result => result,
    };
    if added.is_err() {
        payloads.truncate(before);
    }
    added
}

fn byte_stream(frame: &[u8]) -> Result<NalUnits<'_>, FrameError> {
    if !annexb::begins_with_start_code(frame) {
        return Err(FrameError::Invalid("no start code in front"));
    }
    Ok(annexb::nal_units(frame))
}

/// Whether a receiver has a use for this NAL unit.
fn is_sent<H: Header>(unit: &[u8]) -> Result<bool, FrameError> {
    let (header, _) = H::split(unit).ok_or(FrameError::Invalid("a NAL unit shorter than its header"))?;
    Ok(match H::kind(header.unit_type()) {
        Kind::Key | Kind::Plain => true,
        // What would be taken for a payload structure must not go out either.
        Kind::Delimiter | Kind::Ignored | Kind::Aggregation | Kind::Fragment | Kind::Refused => false,
    })
}

/// Puts units that fit together into one payload, and those that do not fit at all into several.
fn cut<H: Header>(mut units: NalUnits<'_>, limit: usize, payloads: &mut Payloads) -> Result<(), FrameError> {
    // The units that wait for company, as an iterator that stands before the first of them.
    let mut waiting = Run { units: units.clone(), count: 0, length: H::LENGTH };
    loop {
        let before = units.clone();
        let Some(unit) = units.next() else { break };
        if !is_sent::<H>(unit)? {
            continue;
        }
        let length = unit.len().saturating_add(2);
        if waiting.count > 0 && waiting.length.saturating_add(length) <= limit {
            waiting.count += 1;
            waiting.length += length;
            continue;
        }
        waiting.flush::<H>(payloads);
        if unit.len() <= limit {
            waiting = Run { units: before, count: 1, length: H::LENGTH + length };
        } else {
            waiting.count = 0;
            fragment::<H>(unit, limit, payloads)?;
        }
    }
    waiting.flush::<H>(payloads);
    Ok(())
}

/// Consecutive NAL units that go into one payload.
struct Run<'a> {
    units: NalUnits<'a>,
    /// How many of `units` that are sent belong to it.
    count: usize,
    /// The bytes of an aggregation packet that has them.
    length: usize,
}

impl Run<'_> {
    fn flush<H: Header>(&self, payloads: &mut Payloads) {
        let units = || self.units.clone().filter(|unit| is_sent::<H>(unit) == Ok(true)).take(self.count);
        if self.count <= 1 {
            units().for_each(|unit| payloads.push_with(|buf| buf.put_bytes(unit)));
            return;
        }
        let headers = units().filter_map(|unit| H::split(unit)).map(|(header, _)| header);
        let Some(joined) = headers.reduce(H::join) else { return };
        payloads.push_with(|buf| {
            joined.with_type(H::AGGREGATION).put(buf);
            units().for_each(|unit| buf.put_prefixed_u16(|buf| buf.put_bytes(unit)));
        });
    }
}

/// Cuts a NAL unit that is longer than `limit` into fragments of about the same size.
fn fragment<H: Header>(unit: &[u8], limit: usize, payloads: &mut Payloads) -> Result<(), FrameError> {
    let too_long = FrameError::TooLong { length: unit.len(), limit };
    let (header, data) = H::split(unit).ok_or(too_long)?;
    let room = limit.saturating_sub(H::LENGTH + 1);
    if room == 0 {
        return Err(too_long);
    }
    // No fragment may have both the start and the end; there are two at least, as the unit does not fit one payload.
    let size = data.len().div_ceil(data.len().div_ceil(room).max(1)).max(1);
    let last = data.len().div_ceil(size).saturating_sub(1);
    for (index, part) in data.chunks(size).enumerate() {
        let start = if index == 0 { START } else { 0 };
        let end = if index == last { END } else { 0 };
        payloads.push_with(|buf| {
            header.with_type(H::FRAGMENT).put(buf);
            buf.put_u8(start | end | header.unit_type());
            buf.put_bytes(part);
        });
    }
    Ok(())
}

/// What a payload is made of.
enum Structure<'a, H> {
    Single(Kind),
    Aggregation(Aggregation<'a>),
    Fragment {
        /// The header of the NAL unit.
        header: H,
        kind: Kind,
        is_start: bool,
        is_end: bool,
        data: &'a [u8],
    },
    Ignored,
}

impl<'a, H: Header> Structure<'a, H> {
    fn decode(payload: &'a [u8]) -> Result<Self, Malformed> {
        let (header, rest) = H::split(payload).ok_or(Malformed::new("payload header"))?;
        match H::kind(header.unit_type()) {
            kind @ (Kind::Key | Kind::Plain | Kind::Delimiter) => Ok(Self::Single(kind)),
            Kind::Ignored => Ok(Self::Ignored),
            Kind::Refused => Err(Malformed::new("payload structure, of a mode that was not negotiated")),
            Kind::Aggregation if rest.is_empty() => Err(Malformed::new("aggregation packet without NAL units")),
            Kind::Aggregation => Ok(Self::Aggregation(Aggregation { reader: Reader::new(rest) })),
            Kind::Fragment => {
                let (fragment, data) = rest.split_first().ok_or(Malformed::new("fragment header"))?;
                let unit_type = fragment & H::TYPE_MASK;
                match H::kind(unit_type) {
                    kind @ (Kind::Key | Kind::Plain | Kind::Delimiter) => Ok(Self::Fragment {
                        header: header.with_type(unit_type),
                        kind,
                        is_start: fragment & START != 0,
                        is_end: fragment & END != 0,
                        data,
                    }),
                    Kind::Ignored => Ok(Self::Ignored),
                    Kind::Aggregation | Kind::Fragment | Kind::Refused => {
                        Err(Malformed::new("fragment of what is no NAL unit"))
                    }
                }
            }
        }
    }
}

/// The NAL units of an aggregation packet.
struct Aggregation<'a> {
    reader: Reader<'a>,
}

impl<'a> Aggregation<'a> {
    /// The next unit that is not to be ignored.
    fn next<H: Header>(&mut self) -> Result<Option<(Kind, &'a [u8])>, Malformed> {
        while !self.reader.is_empty() {
            let unit = self.reader.sub_u16("aggregated NAL unit")?.rest();
            let (header, _) = H::split(unit).ok_or(Malformed::new("header of an aggregated NAL unit"))?;
            match H::kind(header.unit_type()) {
                kind @ (Kind::Key | Kind::Plain | Kind::Delimiter) => return Ok(Some((kind, unit))),
                Kind::Ignored => {}
                Kind::Aggregation | Kind::Fragment | Kind::Refused => {
                    return Err(Malformed::new("aggregation of what is no NAL unit"));
                }
            }
        }
        Ok(None)
    }
}

/// Puts the payloads of an access unit together again.
#[derive(Clone, Debug, Default)]
pub(super) struct Joiner {
    /// The type of the NAL unit of which the beginning has come, but not the end.
    unfinished: Option<u8>,
}

impl Joiner {
    pub(super) const fn begin(&mut self) {
        self.unfinished = None;
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.unfinished.is_none()
    }

    /// Appends what the payload adds to the byte stream `frame`; nothing where it is malformed. At most its own length
    /// is added, and 4 bytes for each NAL unit in it.
    pub(super) fn append<H: Header>(&mut self, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
        let before = frame.len();
        let appended = self.append_structure::<H>(payload, frame);
        if appended.is_err() {
            frame.truncate(before);
            // Whatever follows of that NAL unit has lost its beginning.
            self.unfinished = None;
        }
        appended
    }

    fn append_structure<H: Header>(&mut self, payload: &[u8], frame: &mut Vec<u8>) -> Result<(), Malformed> {
        match Structure::<H>::decode(payload)? {
            Structure::Single(_) => {
                self.expect_no_fragment()?;
                annexb::put_nal_unit(payload, frame);
            }
            Structure::Aggregation(mut units) => {
                self.expect_no_fragment()?;
                while let Some((_, unit)) = units.next::<H>()? {
                    annexb::put_nal_unit(unit, frame);
                }
            }
            Structure::Fragment { header, kind: _, is_start, is_end, data } => {
                if is_start {
                    self.expect_no_fragment()?;
                    frame.put_bytes(&annexb::START_CODE);
                    header.put(frame);
                } else if self.unfinished != Some(header.unit_type()) {
                    return Err(Malformed::new("fragment without its beginning"));
                }
                frame.put_bytes(data);
                // Start and end in one fragment are against the rules, but there are cameras that do so, and it is
                // clear what they mean.
                self.unfinished = (!is_end).then(|| header.unit_type());
            }
            Structure::Ignored => {}
        }
        Ok(())
    }

    const fn expect_no_fragment(&self) -> Result<(), Malformed> {
        if self.is_complete() { Ok(()) } else { Err(Malformed::new("fragment without its end")) }
    }
}

/// Looks at one payload.
pub(super) fn inspect<H: Header>(payload: &[u8]) -> Result<Inspection, Malformed> {
    Ok(match Structure::<H>::decode(payload)? {
        Structure::Single(kind) => Inspection { starts_frame: starts_frame(kind), is_keyframe: kind == Kind::Key },
        Structure::Aggregation(mut units) => {
            let mut inspection = Inspection::default();
            let mut is_first = true;
            while let Some((kind, _)) = units.next::<H>()? {
                if is_first {
                    inspection.starts_frame = starts_frame(kind);
                }
                is_first = false;
                inspection.is_keyframe |= kind == Kind::Key;
            }
            inspection
        }
        Structure::Fragment { header: _, kind, is_start, .. } => Inspection {
            starts_frame: if is_start { starts_frame(kind) } else { Some(false) },
            is_keyframe: kind == Kind::Key,
        },
        Structure::Ignored => Inspection::default(),
    })
}

/// A delimiter is the first NAL unit of its access unit; of all others, it depends on what was sent before.
fn starts_frame(kind: Kind) -> Option<bool> {
    (kind == Kind::Delimiter).then_some(true)
}
