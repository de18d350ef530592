use super::{Causes, Data, ForwardTsn, IData, IForwardTsn, Init, Parameters, Sack, pad, skip_padding};
use crate::serial::Tsn;
use wire::{Malformed, Put, Reader};

/// Chunk types (RFC 9260, section 3.2; RFC 3758; RFC 6525; RFC 8260; RFC 4820).
pub mod kind {
    /// DATA
    pub const DATA: u8 = 0;
    /// INIT
    pub const INIT: u8 = 1;
    /// INIT ACK
    pub const INIT_ACK: u8 = 2;
    /// SACK
    pub const SACK: u8 = 3;
    /// HEARTBEAT
    pub const HEARTBEAT: u8 = 4;
    /// HEARTBEAT ACK
    pub const HEARTBEAT_ACK: u8 = 5;
    /// ABORT
    pub const ABORT: u8 = 6;
    /// SHUTDOWN
    pub const SHUTDOWN: u8 = 7;
    /// SHUTDOWN ACK
    pub const SHUTDOWN_ACK: u8 = 8;
    /// ERROR
    pub const ERROR: u8 = 9;
    /// COOKIE ECHO
    pub const COOKIE_ECHO: u8 = 10;
    /// COOKIE ACK
    pub const COOKIE_ACK: u8 = 11;
    /// ECNE (RFC 9260, section 3.2; without a decoder)
    pub const ECNE: u8 = 12;
    /// CWR (RFC 9260, section 3.2; without a decoder)
    pub const CWR: u8 = 13;
    /// SHUTDOWN COMPLETE
    pub const SHUTDOWN_COMPLETE: u8 = 14;
    /// I-DATA (RFC 8260)
    pub const I_DATA: u8 = 64;
    /// RE-CONFIG (RFC 6525)
    pub const RE_CONFIG: u8 = 130;
    /// PAD (RFC 4820)
    pub const PAD: u8 = 132;
    /// FORWARD TSN (RFC 3758)
    pub const FORWARD_TSN: u8 = 192;
    /// I-FORWARD-TSN (RFC 8260)
    pub const I_FORWARD_TSN: u8 = 194;
}

/// The T bit of ABORT and SHUTDOWN COMPLETE: the verification tag is the one received, sent back.
const REFLECTED: u8 = 1;

/// A chunk whose type has no decoder, or that has not been through one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawChunk<'a> {
    /// The chunk type.
    pub kind: u8,
    /// The flags, whose meaning depends on the type.
    pub flags: u8,
    /// What follows the length, without padding.
    pub value: &'a [u8],
}

/// What to do with a chunk or parameter of unknown type; its two highest bits say it (RFC 9260, sections 3.2 and 3.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrecognized {
    /// Ignore it and go on with the next one; otherwise stop processing here.
    pub skip: bool,
    /// Tell the peer.
    pub report: bool,
}

impl<'a> RawChunk<'a> {
    #[inline]
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let kind = reader.u8("chunk type")?;
        let flags = reader.u8("chunk flags")?;
        let length = usize::from(reader.u16("chunk length")?);
        let value = reader.bytes(length.checked_sub(4).ok_or(Malformed::new("chunk length"))?, "chunk")?;
        skip_padding(reader, length);
        Ok(Self { kind, flags, value })
    }

    /// The action that the type asks of those who do not know it (RFC 9260, section 3.2).
    pub const fn unrecognized(&self) -> Unrecognized {
        Unrecognized { skip: self.kind & 0x80 != 0, report: self.kind & 0x40 != 0 }
    }

    fn encode(&self, buf: &mut Vec<u8>) {
        put_chunk(buf, self.kind, self.flags, |buf| buf.put_bytes(self.value));
    }
}

/// Every chunk type of RFC 9260, RFC 3758, RFC 6525, RFC 8260 and RFC 4820.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// A message or a fragment of one (RFC 9260, section 3.3.1).
    Data(Data<'a>),
    /// Opens an association (section 3.3.2).
    Init(Init<'a>),
    /// The answer to INIT (section 3.3.3).
    InitAck(Init<'a>),
    /// Selective acknowledgement (section 3.3.4).
    Sack(Sack<'a>),
    /// Asks whether the peer is there; the parameters come back unchanged (section 3.3.5).
    Heartbeat(&'a [u8]),
    /// The answer to HEARTBEAT (section 3.3.6).
    HeartbeatAck(&'a [u8]),
    /// Ends the association at once (section 3.3.7).
    Abort {
        /// The T bit: the verification tag is the one received.
        reflected: bool,
        /// Why.
        causes: Causes<'a>,
    },
    /// Asks to end the association; nothing new will be sent (section 3.3.8).
    Shutdown {
        /// The last TSN received in sequence.
        cumulative_tsn_ack: Tsn,
    },
    /// The answer to SHUTDOWN (section 3.3.9).
    ShutdownAck,
    /// Something was wrong, but not fatally (section 3.3.10).
    Error(Causes<'a>),
    /// The state cookie, returned (section 3.3.11).
    CookieEcho(&'a [u8]),
    /// The cookie was accepted (section 3.3.12).
    CookieAck,
    /// The answer to SHUTDOWN ACK (section 3.3.13).
    ShutdownComplete {
        /// The T bit: the verification tag is the one received.
        reflected: bool,
    },
    /// Requests and responses that change streams (RFC 6525, section 3.1).
    ReConfig(Parameters<'a>),
    /// Skips what was abandoned (RFC 3758, section 3.2).
    ForwardTsn(ForwardTsn<'a>),
    /// A message or a fragment of one, between others (RFC 8260, section 2.1).
    IData(IData<'a>),
    /// Skips what was abandoned among those (RFC 8260, section 2.3.1).
    IForwardTsn(IForwardTsn<'a>),
    /// Fills a packet; no meaning (RFC 4820). The value is its length without the header of four bytes.
    Pad(usize),
    /// Any other type.
    Unknown(RawChunk<'a>),
}

impl<'a> Chunk<'a> {
    /// Reads one chunk and its padding.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut ahead = reader.clone();
        let chunk = Self::decode_value(RawChunk::decode(&mut ahead)?)?;
        *reader = ahead;
        Ok(chunk)
    }

    fn decode_value(raw: RawChunk<'a>) -> Result<Self, Malformed> {
        let mut value = Reader::new(raw.value);
        Ok(match raw.kind {
            kind::DATA => Self::Data(Data::decode(raw.flags, value)?),
            kind::INIT => Self::Init(Init::decode(value)?),
            kind::INIT_ACK => Self::InitAck(Init::decode(value)?),
            kind::SACK => Self::Sack(Sack::decode(value)?),
            kind::HEARTBEAT => Self::Heartbeat(raw.value),
            kind::HEARTBEAT_ACK => Self::HeartbeatAck(raw.value),
            kind::ABORT => Self::Abort { reflected: raw.flags & REFLECTED != 0, causes: Causes::new(raw.value) },
            kind::SHUTDOWN => {
                let cumulative_tsn_ack = Tsn(value.u32("cumulative TSN ack")?);
                value.finish("SHUTDOWN")?;
                Self::Shutdown { cumulative_tsn_ack }
            }
            kind::SHUTDOWN_ACK => Self::ShutdownAck,
            kind::ERROR => Self::Error(Causes::new(raw.value)),
            kind::COOKIE_ECHO => Self::CookieEcho(raw.value),
            kind::COOKIE_ACK => Self::CookieAck,
            kind::SHUTDOWN_COMPLETE => Self::ShutdownComplete { reflected: raw.flags & REFLECTED != 0 },
            kind::RE_CONFIG => Self::ReConfig(Parameters::new(raw.value)),
            kind::FORWARD_TSN => Self::ForwardTsn(ForwardTsn::decode(value)?),
            kind::I_DATA => Self::IData(IData::decode(raw.flags, value)?),
            kind::I_FORWARD_TSN => Self::IForwardTsn(IForwardTsn::decode(value)?),
            kind::PAD => Self::Pad(raw.value.len()),
            _ => Self::Unknown(raw),
        })
    }

    /// Appends the chunk and its padding. What does not fit the length field of 16 bits is the caller's bug.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        match self {
            Self::Data(data) => data.encode(buf),
            Self::Init(init) => put_chunk(buf, kind::INIT, 0, |buf| init.encode(buf)),
            Self::InitAck(init) => put_chunk(buf, kind::INIT_ACK, 0, |buf| init.encode(buf)),
            Self::Sack(sack) => put_chunk(buf, kind::SACK, 0, |buf| sack.encode(buf)),
            Self::Heartbeat(value) => put_chunk(buf, kind::HEARTBEAT, 0, |buf| buf.put_bytes(value)),
            Self::HeartbeatAck(value) => put_chunk(buf, kind::HEARTBEAT_ACK, 0, |buf| buf.put_bytes(value)),
            Self::Abort { reflected, causes } => {
                put_chunk(buf, kind::ABORT, u8::from(*reflected), |buf| buf.put_bytes(causes.as_bytes()));
            }
            Self::Shutdown { cumulative_tsn_ack } => {
                put_chunk(buf, kind::SHUTDOWN, 0, |buf| buf.put_u32(cumulative_tsn_ack.0));
            }
            Self::ShutdownAck => put_chunk(buf, kind::SHUTDOWN_ACK, 0, |_| {}),
            Self::Error(causes) => put_chunk(buf, kind::ERROR, 0, |buf| buf.put_bytes(causes.as_bytes())),
            Self::CookieEcho(cookie) => put_chunk(buf, kind::COOKIE_ECHO, 0, |buf| buf.put_bytes(cookie)),
            Self::CookieAck => put_chunk(buf, kind::COOKIE_ACK, 0, |_| {}),
            Self::ShutdownComplete { reflected } => {
                put_chunk(buf, kind::SHUTDOWN_COMPLETE, u8::from(*reflected), |_| {});
            }
            Self::ReConfig(parameters) => {
                put_chunk(buf, kind::RE_CONFIG, 0, |buf| buf.put_bytes(parameters.as_bytes()));
            }
            Self::ForwardTsn(forward) => put_chunk(buf, kind::FORWARD_TSN, 0, |buf| forward.encode(buf)),
            Self::IData(data) => data.encode(buf),
            Self::IForwardTsn(forward) => put_chunk(buf, kind::I_FORWARD_TSN, 0, |buf| forward.encode(buf)),
            Self::Pad(length) => put_chunk(buf, kind::PAD, 0, |buf| buf.put_zeros(*length)),
            Self::Unknown(raw) => raw.encode(buf),
        }
    }
}

/// Appends the header, what `value` appends, and the padding.
pub(super) fn put_chunk(buf: &mut Vec<u8>, kind: u8, flags: u8, value: impl FnOnce(&mut Vec<u8>)) {
    let start = buf.len();
    buf.put_u8(kind);
    buf.put_u8(flags);
    buf.put_u16(0);
    value(buf);
    let length = buf.len().saturating_sub(start);
    debug_assert!(length <= usize::from(u16::MAX), "a chunk of {length} bytes");
    if let Some(field) = buf.get_mut(start + 2..start + 4) {
        // The length counts the header but not the padding (RFC 9260, section 3.2).
        field.copy_from_slice(&(length as u16).to_be_bytes());
    }
    pad(buf, start);
}

/// Iterates over the chunks of a packet; ends after the first malformed one.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    reader: Reader<'a>,
}

impl<'a> Chunks<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes) }
    }

    /// Whether the next chunk says that it is data.
    pub(crate) fn begins_with_data(&self) -> bool {
        self.reader.peek().first().is_some_and(|first| [kind::DATA, kind::I_DATA].contains(first))
    }

    /// The next chunk if it is DATA. A [`Chunk`] is moved from place to place, for which processors wait until what was
    /// written before is out of their way, as payloads are; most chunks are data.
    #[inline]
    pub(crate) fn next_data(&mut self) -> Option<Data<'a>> {
        self.next_of(kind::DATA, Data::decode)
    }

    /// The same for I-DATA.
    #[inline]
    pub(crate) fn next_idata(&mut self) -> Option<IData<'a>> {
        self.next_of(kind::I_DATA, IData::decode)
    }

    #[inline]
    fn next_of<T>(&mut self, kind: u8, decode: impl FnOnce(u8, Reader<'a>) -> Result<T, Malformed>) -> Option<T> {
        if self.reader.peek().first() != Some(&kind) {
            return None;
        }
        let mut ahead = self.reader.clone();
        let raw = RawChunk::decode(&mut ahead).ok()?;
        let chunk = decode(raw.flags, Reader::new(raw.value)).ok()?;
        self.reader = ahead;
        Some(chunk)
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let chunk = Chunk::decode(&mut self.reader);
        if chunk.is_err() {
            self.reader.rest();
        }
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(bytes: &[u8]) -> Result<(), TestCaseError> {
        let mut reader = Reader::new(bytes);
        let Ok(chunk) = Chunk::decode(&mut reader) else { return Ok(()) };
        let mut again = Vec::new();
        chunk.encode(&mut again);
        prop_assert_eq!(again.len() % 4, 0);
        let decoded = Chunk::decode(&mut Reader::new(&again));
        prop_assert_eq!(decoded, Ok(chunk));
        Ok(())
    }

    #[test]
    fn lengths_shorter_than_the_header_or_longer_than_the_packet_are_refused() {
        for bytes in [&[11, 0, 0, 3][..], &[11, 0, 0, 0], &[11, 0, 0, 5], &[11, 0], &[]] {
            let mut reader = Reader::new(bytes);
            assert!(Chunk::decode(&mut reader).is_err(), "{bytes:?}");
            assert_eq!(reader.remaining(), bytes.len(), "nothing is consumed by a refusal");
        }
    }

    #[test]
    fn the_high_bits_of_an_unknown_type_say_what_to_do() {
        let action = |kind| RawChunk { kind, flags: 0, value: &[] }.unrecognized();
        assert_eq!(action(0x3f), Unrecognized { skip: false, report: false });
        assert_eq!(action(0x7f), Unrecognized { skip: false, report: true });
        assert_eq!(action(0xbf), Unrecognized { skip: true, report: false });
        assert_eq!(action(0xff), Unrecognized { skip: true, report: true });
    }

    #[test]
    fn a_malformed_chunk_ends_the_packet() {
        let mut chunks = Chunks::new(&[11, 0, 0, 4, 7, 0, 0, 4, 11, 0, 0, 4]);
        assert_eq!(chunks.next(), Some(Ok(Chunk::CookieAck)));
        assert!(chunks.next().is_some_and(|chunk| chunk.is_err()), "SHUTDOWN without its TSN");
        assert_eq!(chunks.next(), None);
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_and_decodes_alike(
            kind in prop_oneof![0u8..16, Just(64), 128u8..134, 190u8..195, any::<u8>()],
            flags: u8,
            value in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut bytes = Vec::new();
            RawChunk { kind, flags, value: &value }.encode(&mut bytes);
            round_trip(&bytes)?;
        }

        #[test]
        fn data_is_read_alike_by_itself_and_as_a_chunk(
            kind in prop_oneof![Just(kind::DATA), Just(kind::I_DATA), Just(kind::SACK)],
            flags: u8,
            value in proptest::collection::vec(any::<u8>(), 0..40),
            rest in proptest::collection::vec(any::<u8>(), 0..8),
        ) {
            let mut bytes = Vec::new();
            RawChunk { kind, flags, value: &value }.encode(&mut bytes);
            bytes.extend(rest);
            let (mut alone, mut as_chunk) = (Chunks::new(&bytes), Chunks::new(&bytes));
            prop_assert_eq!(alone.begins_with_data(), kind != kind::SACK);
            let read = alone.next_data().map(Chunk::Data).or_else(|| alone.next_idata().map(Chunk::IData));
            let decoded = as_chunk.next().and_then(Result::ok).filter(|_| kind != kind::SACK);
            prop_assert_eq!(read, decoded);
            let left = if read.is_some() { as_chunk.reader.remaining() } else { bytes.len() };
            prop_assert_eq!(alone.reader.remaining(), left, "what cannot be read stays");
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for chunk in Chunks::new(&bytes).flatten() {
                let mut again = Vec::new();
                chunk.encode(&mut again);
            }
        }
    }
}
