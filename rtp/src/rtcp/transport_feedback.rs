//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).

use crate::SequenceNumber;
use std::time::Duration;
use wire::{Malformed, Put, Reader};

/// RTPFB
const PACKET_TYPE: u8 = 205;
const FORMAT: u8 = 15;
const VERSION: u8 = 2 << 6;
const PADDING: u8 = 1 << 5;
/// The bytes before the first chunk, with the header that all RTCP packets have.
const HEADER_LENGTH: usize = 20;
/// The reference time counts 64 ms, which is so many ticks in powers of two.
const REFERENCE_SHIFT: u32 = 8;
/// What a run length counts at most: it has 13 bits.
const LONGEST_RUN: u16 = 0x1fff;
/// Symbols in a status vector of one bit each, and of two.
const ONE_BIT_SYMBOLS: u8 = 14;
const TWO_BIT_SYMBOLS: u8 = 7;

/// The fixed part of the packet that the one who reports decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedbackHeader {
    /// Who reports.
    pub sender_ssrc: u32,
    /// A source of the transport that is reported of; which one makes no difference.
    pub media_ssrc: u32,
    /// The first packet that is reported of.
    pub base: SequenceNumber,
    /// Counts these packets, so that lost ones can be noticed.
    pub feedback_count: u8,
}

/// Which packets of a transport arrived, and when.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|  FMT=15 |    PT=205     |           length              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of packet sender                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      SSRC of media source                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      base sequence number     |      packet status count      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 reference time                | fb pkt. count |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |          packet chunk         | … |  recv delta   | …         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportFeedback<'a> {
    /// Who reports of what, and where it begins.
    pub header: FeedbackHeader,
    /// What the first delta is added to, in units of 64 ms since a moment that only the reporter knows: 24 bits with a
    /// sign, which wrap.
    pub reference_time: i32,
    status_count: u16,
    /// Both checked against the count: the chunks cover it, and each arrival has its delta.
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// What became of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketStatus {
    /// Its transport-wide number.
    pub sequence: SequenceNumber,
    /// When it arrived, in ticks of 250 microseconds on the reporter's clock ([`TransportFeedback::TICK`]); `None` where it has not.
    pub arrival: Option<i64>,
}

impl<'a> TransportFeedback<'a> {
    /// The unit of arrival times: 250 microseconds.
    pub const TICK: Duration = Duration::from_micros(250);

    /// Reads a whole RTCP packet, its header included.
    ///
    /// # Errors
    /// [`Malformed`] if it is no such packet, the chunks say less than the count promises, or deltas are missing.
    pub fn decode(packet: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        let flags = reader.u8("RTCP header")?;
        if flags & !PADDING != VERSION | FORMAT || reader.u8("RTCP packet type")? != PACKET_TYPE {
            return Err(Malformed::new("header of transport feedback"));
        }
        let length = usize::from(reader.u16("RTCP length")?) * 4;
        let body = reader.bytes(length, "RTCP length")?;
        reader.finish("end of transport feedback")?;
        // Padding that fills up a word needs no count, which is as well: not all that write it count right.
        let padding = body.last().map_or(0, |last| usize::from(*last));
        let padding = if flags & PADDING == 0 || padding < 4 { 0 } else { padding };
        let kept = body.len().checked_sub(padding).and_then(|kept| body.get(..kept));
        Self::decode_body(kept.ok_or(Malformed::new("RTCP padding"))?)
    }

    /// Reads what follows the length in the header, from the SSRC of the sender on. Bytes that fill up the last word
    /// are ignored, as they may or may not be declared as padding.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_body(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (sender_ssrc, media_ssrc) = (reader.u32("sender of feedback")?, reader.u32("source that feedback is for")?);
        let base = SequenceNumber(reader.u16("base sequence number")?);
        let status_count = reader.u16("packet status count")?;
        // The sign is in the highest of 24 bits.
        let reference_time = (reader.u24("reference time")? << 8).cast_signed() >> 8;
        let feedback_count = reader.u8("feedback packet count")?;
        let header = FeedbackHeader { sender_ssrc, media_ssrc, base, feedback_count };
        if status_count == 0 {
            return Err(Malformed::new("packet status count"));
        }
        let tail = reader.peek();
        let mut deltas = 0_usize;
        let mut left = status_count;
        // Every round takes two bytes, so that the bytes that are there are the bound.
        while left > 0 {
            let chunk = Chunk::decode(reader.u16("packet chunk")?)?;
            let covered = chunk.symbols.min(left);
            deltas = deltas.saturating_add(chunk.delta_bytes(covered)?);
            left -= covered;
        }
        let chunks = tail.get(..tail.len() - reader.remaining()).unwrap_or_default();
        let deltas = reader.bytes(deltas, "receive deltas")?;
        if reader.remaining() > 3 {
            return Err(Malformed::new("end of transport feedback"));
        }
        Ok(Self { header, reference_time, status_count, chunks, deltas })
    }

    /// How many packets are reported of, received or not; never 0.
    pub const fn status_count(&self) -> u16 {
        self.status_count
    }

    /// Each packet that is reported of, upwards from the base.
    pub fn statuses(&self) -> impl Iterator<Item = PacketStatus> + use<'a> {
        let mut sequence = self.header.base;
        let mut arrival = i64::from(self.reference_time) << REFERENCE_SHIFT;
        let mut deltas = Reader::new(self.deltas);
        symbols(self.chunks).take(usize::from(self.status_count)).map(move |symbol| {
            let delta = match symbol {
                Symbol::NotReceived => None,
                Symbol::Small => deltas.u8("small delta").ok().map(i64::from),
                Symbol::Large => deltas.u16("large delta").ok().map(|bits| i64::from(bits.cast_signed())),
            };
            // At most 65,535 deltas of 16 bits on top of 32 bits.
            arrival = arrival.saturating_add(delta.unwrap_or(0));
            let status = PacketStatus { sequence, arrival: delta.map(|_| arrival) };
            sequence = sequence.next();
            status
        })
    }

    /// Appends the packet, with its header.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        let start = put_header(buf, &self.header, self.reference_time);
        buf.put_bytes(self.chunks);
        buf.put_bytes(self.deltas);
        finish(buf, start, self.status_count);
    }

    /// Appends a packet that reports of `arrivals`: for each packet from the base on when it arrived, in ticks of 250
    /// microseconds since a moment of the reporter's choice. Returns how many of them it reports of: as many as fit
    /// into `limit` bytes and 65,535 packets, and none behind an arrival more than about 8 s apart from the one before,
    /// which is where the next packet begins. Nothing is appended where nothing has arrived.
    pub fn write<I>(header: FeedbackHeader, arrivals: I, limit: usize, buf: &mut Vec<u8>) -> u16
    where
        I: Iterator<Item = Option<i64>> + Clone,
    {
        let Some(first) = arrivals.clone().take(usize::from(u16::MAX)).flatten().next() else { return 0 };
        let reference = first >> REFERENCE_SHIFT;
        let start = put_header(buf, &header, reference as i32);
        let mut chunks = ChunkWriter::default();
        let mut last = reference << REFERENCE_SHIFT;
        let mut deltas_length = 0;
        let mut count = 0_u16;
        for arrival in arrivals.clone().take(usize::from(u16::MAX)) {
            let Some((symbol, length)) = classify(arrival, &mut last) else { break };
            // Two chunks may still have to be written: the one begun, and one for this symbol. Three bytes fill up.
            if buf.len().saturating_sub(start) + 2 * 2 + deltas_length + length + 3 > limit {
                break;
            }
            chunks.push(symbol, buf);
            deltas_length += length;
            count += 1;
        }
        chunks.finish(buf);
        let mut last = reference << REFERENCE_SHIFT;
        for arrival in arrivals.take(usize::from(count)).flatten() {
            let delta = arrival.wrapping_sub(last);
            match u8::try_from(delta) {
                Ok(small) => buf.put_u8(small),
                Err(_) => buf.put_u16((delta as i16).cast_unsigned()),
            }
            last = arrival;
        }
        if deltas_length == 0 {
            // The limit did not even reach the first arrival.
            buf.truncate(start);
            return 0;
        }
        finish(buf, start, count);
        count
    }
}

/// The symbol of an arrival and the bytes of its delta to `last`, which it becomes; `None` if no delta reaches it.
fn classify(arrival: Option<i64>, last: &mut i64) -> Option<(Symbol, usize)> {
    let Some(arrival) = arrival else { return Some((Symbol::NotReceived, 0)) };
    let delta = arrival.checked_sub(*last)?;
    *last = arrival;
    match (u8::try_from(delta), i16::try_from(delta)) {
        (Ok(_), _) => Some((Symbol::Small, 1)),
        (Err(_), Ok(_)) => Some((Symbol::Large, 2)),
        (Err(_), Err(_)) => None,
    }
}

/// Appends everything before the first chunk and returns where it starts. Length and count are left for [`finish`].
fn put_header(buf: &mut Vec<u8>, header: &FeedbackHeader, reference_time: i32) -> usize {
    let start = buf.len();
    buf.put_bytes(&[VERSION | FORMAT, PACKET_TYPE, 0, 0]);
    buf.put_u32(header.sender_ssrc);
    buf.put_u32(header.media_ssrc);
    buf.put_u16(header.base.0);
    buf.put_u16(0);
    // A cast to 24 bits, which is how the reference wraps.
    buf.put_u24(reference_time.cast_unsigned() & 0x00ff_ffff);
    buf.put_u8(header.feedback_count);
    start
}

/// Fills up the last word with zeros, and length and count in.
fn finish(buf: &mut Vec<u8>, start: usize, status_count: u16) {
    let length = buf.len().saturating_sub(start);
    buf.put_zeros(length.next_multiple_of(4) - length);
    let words = u16::try_from(length.div_ceil(4).saturating_sub(1)).unwrap_or(u16::MAX);
    let header = buf.get_mut(start..).and_then(|packet| packet.first_chunk_mut::<HEADER_LENGTH>());
    if let Some([_, _, length_high, length_low, _, _, _, _, _, _, _, _, _, _, count_high, count_low, ..]) = header {
        [*length_high, *length_low] = words.to_be_bytes();
        [*count_high, *count_low] = status_count.to_be_bytes();
    }
}

/// Packet status symbols (section 3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    NotReceived,
    Small,
    Large,
}

impl Symbol {
    /// 3 is reserved, and nobody knows how many bytes of delta would belong to it.
    const fn decode(bits: u16) -> Result<Self, Malformed> {
        match bits & 3 {
            0 => Ok(Self::NotReceived),
            1 => Ok(Self::Small),
            2 => Ok(Self::Large),
            _ => Err(Malformed::new("packet status symbol")),
        }
    }

    const fn bits(self) -> u16 {
        match self {
            Self::NotReceived => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }

    const fn delta_bytes(self) -> usize {
        self.bits() as usize
    }
}

/// A packet status chunk (sections 3.1.3 and 3.1.4), and how many symbols of it are there.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    kind: ChunkKind,
    symbols: u16,
}

#[derive(Clone, Copy, Debug)]
enum ChunkKind {
    Run(Symbol),
    OneBit(u16),
    TwoBits(u16),
}

impl Chunk {
    fn decode(bits: u16) -> Result<Self, Malformed> {
        Ok(match bits >> 14 {
            0 | 1 => Self { kind: ChunkKind::Run(Symbol::decode(bits >> 13)?), symbols: bits & LONGEST_RUN },
            2 => Self { kind: ChunkKind::OneBit(bits), symbols: u16::from(ONE_BIT_SYMBOLS) },
            _ => Self { kind: ChunkKind::TwoBits(bits), symbols: u16::from(TWO_BIT_SYMBOLS) },
        })
    }

    /// The symbol at a place below `symbols`.
    fn symbol(self, place: u16) -> Result<Symbol, Malformed> {
        match self.kind {
            ChunkKind::Run(symbol) => Ok(symbol),
            ChunkKind::OneBit(bits) => Symbol::decode(bits >> 13_u16.saturating_sub(place) & 1),
            ChunkKind::TwoBits(bits) => Symbol::decode(bits >> (2 * 6_u16.saturating_sub(place))),
        }
    }

    /// The bytes of the deltas that belong to its first `covered` symbols.
    fn delta_bytes(self, covered: u16) -> Result<usize, Malformed> {
        match self.kind {
            ChunkKind::Run(symbol) => Ok(symbol.delta_bytes() * usize::from(covered)),
            ChunkKind::OneBit(_) | ChunkKind::TwoBits(_) => {
                (0..covered).try_fold(0, |sum, place| Ok(sum + self.symbol(place)?.delta_bytes()))
            }
        }
    }
}

/// The symbols of chunks that were found to be good; those that fill up the last vector too.
fn symbols(chunks: &[u8]) -> impl Iterator<Item = Symbol> {
    let (chunks, _) = chunks.as_chunks::<2>();
    let chunks = chunks.iter().filter_map(|bytes| Chunk::decode(u16::from_be_bytes(*bytes)).ok());
    chunks.flat_map(|chunk| (0..chunk.symbols).map_while(move |place| chunk.symbol(place).ok()))
}

/// Packs symbols into chunks as they come: a run while all are equal, else a vector of one bit each as long as nothing
/// needs two. Only the last vector of a packet may be less than full.
#[derive(Clone, Copy, Debug, Default)]
struct ChunkWriter {
    /// The symbols not yet written, two bits each, the oldest highest; a run may be longer than what is here.
    pending: u32,
    count: u16,
    /// What all pending symbols are, if they are equal.
    run: Option<u16>,
    has_large: bool,
}

impl ChunkWriter {
    fn push(&mut self, symbol: Symbol, buf: &mut Vec<u8>) {
        let is_large = symbol == Symbol::Large;
        let vector = if self.has_large || is_large { TWO_BIT_SYMBOLS } else { ONE_BIT_SYMBOLS };
        let goes_on = self.run == Some(symbol.bits()) && self.count < LONGEST_RUN;
        if self.count >= u16::from(vector) && !goes_on {
            self.write(self.count == u16::from(ONE_BIT_SYMBOLS), buf);
        }
        self.run = if self.count == 0 { Some(symbol.bits()) } else { self.run.filter(|run| *run == symbol.bits()) };
        self.has_large |= is_large;
        self.pending = self.pending << 2 | u32::from(symbol.bits());
        self.count += 1;
    }

    /// Writes one chunk. Where a vector takes only the older symbols, the others stay.
    fn write(&mut self, fits_one_bit: bool, buf: &mut Vec<u8>) {
        let mut written = self.count;
        if let Some(bits) = self.run {
            buf.put_u16(bits << 13 | self.count);
        } else if fits_one_bit && !self.has_large {
            buf.put_u16(2 << 14 | (0..written).fold(0, |vector, place| vector | self.at(place) << (13 - place)));
        } else {
            written = written.min(u16::from(TWO_BIT_SYMBOLS));
            buf.put_u16(3 << 14 | (0..written).fold(0, |vector, place| vector | self.at(place) << (2 * (6 - place))));
        }
        // What stays was waiting for a vector of one bit each, and so is not large.
        let first = self.at(written);
        self.run = (written..self.count).all(|place| self.at(place) == first).then_some(first);
        self.count -= written;
        self.has_large = false;
    }

    /// The symbol at a place, counted from the oldest.
    fn at(&self, place: u16) -> u16 {
        let behind = u32::from(self.count.saturating_sub(1).saturating_sub(place));
        (self.pending >> (2 * behind).min(30)) as u16 & 3
    }

    fn finish(&mut self, buf: &mut Vec<u8>) {
        if self.count > 0 {
            self.write(true, buf);
        }
    }
}

#[cfg(test)]
mod tests;
