use super::{Unrecognized, pad, skip_padding};
use crate::serial::{RequestNumber, Tsn};
use wire::{Malformed, Put, Reader};

/// Parameter types (RFC 9260, section 3.3.2; RFC 3758; RFC 5061; RFC 6525).
pub mod type_of {
    /// Heartbeat Info
    pub const HEARTBEAT_INFO: u16 = 1;
    /// IPv4 Address
    pub const IPV4_ADDRESS: u16 = 5;
    /// IPv6 Address
    pub const IPV6_ADDRESS: u16 = 6;
    /// State Cookie
    pub const STATE_COOKIE: u16 = 7;
    /// Unrecognized Parameter
    pub const UNRECOGNIZED_PARAMETER: u16 = 8;
    /// Cookie Preservative
    pub const COOKIE_PRESERVATIVE: u16 = 9;
    /// Host Name Address
    pub const HOST_NAME_ADDRESS: u16 = 11;
    /// Supported Address Types
    pub const SUPPORTED_ADDRESS_TYPES: u16 = 12;
    /// Outgoing SSN Reset Request (RFC 6525, section 4.1)
    pub const OUTGOING_RESET_REQUEST: u16 = 13;
    /// Incoming SSN Reset Request (RFC 6525, section 4.2)
    pub const INCOMING_RESET_REQUEST: u16 = 14;
    /// SSN/TSN Reset Request (RFC 6525, section 4.3)
    pub const TSN_RESET_REQUEST: u16 = 15;
    /// Re-configuration Response (RFC 6525, section 4.4)
    pub const RECONFIG_RESPONSE: u16 = 16;
    /// Add Outgoing Streams Request (RFC 6525, section 4.5)
    pub const ADD_OUTGOING_STREAMS: u16 = 17;
    /// Add Incoming Streams Request (RFC 6525, section 4.6)
    pub const ADD_INCOMING_STREAMS: u16 = 18;
    /// Zero Checksum Acceptable (RFC 9653, section 4)
    pub const ZERO_CHECKSUM_ACCEPTABLE: u16 = 0x8001;
    /// Supported Extensions (RFC 5061, section 4.2.7)
    pub const SUPPORTED_EXTENSIONS: u16 = 0x8008;
    /// Forward-TSN-Supported (RFC 3758, section 3.1)
    pub const FORWARD_TSN_SUPPORTED: u16 = 0xc000;
}

/// What finds errors where the checksum is zero (RFC 9653, section 3).
pub mod error_detection {
    /// DTLS around the packets (section 6).
    pub const DTLS: u32 = 1;
}

/// A list of stream identifiers, two bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamIds<'a>(&'a [u8]);

impl<'a> StreamIds<'a> {
    /// A list that is encoded already. An odd last byte is ignored.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The identifiers in order. None at all stands for every stream (RFC 6525, section 4.1).
    pub fn iter(&self) -> impl Iterator<Item = u16> + Clone + use<'a> {
        let (ids, _) = self.0.as_chunks::<2>();
        ids.iter().map(|id| u16::from_be_bytes(*id))
    }

    /// Whether no stream is named.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How a re-configuration request went (RFC 6525, section 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetResult {
    /// Success: nothing to do.
    NothingToDo,
    /// Success: performed.
    Performed,
    /// Denied.
    Denied,
    /// Error: wrong SSN.
    WrongSsn,
    /// Error: a request is already in progress.
    AlreadyInProgress,
    /// Error: bad sequence number.
    BadSequenceNumber,
    /// In progress: ask again.
    InProgress,
    /// A code unknown here.
    Unknown(u32),
}

impl ResetResult {
    const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::NothingToDo,
            1 => Self::Performed,
            2 => Self::Denied,
            3 => Self::WrongSsn,
            4 => Self::AlreadyInProgress,
            5 => Self::BadSequenceNumber,
            6 => Self::InProgress,
            _ => Self::Unknown(code),
        }
    }

    const fn code(self) -> u32 {
        match self {
            Self::NothingToDo => 0,
            Self::Performed => 1,
            Self::Denied => 2,
            Self::WrongSsn => 3,
            Self::AlreadyInProgress => 4,
            Self::BadSequenceNumber => 5,
            Self::InProgress => 6,
            Self::Unknown(code) => code,
        }
    }
}

/// A parameter of INIT, INIT ACK, HEARTBEAT or RE-CONFIG.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |        Parameter Type         |       Parameter Length        |
/// +-------------------------------+-------------------------------+
/// /                        Parameter Value                        /
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter<'a> {
    /// Opaque to all but its sender (RFC 9260, section 3.3.5).
    HeartbeatInfo(&'a [u8]),
    /// An address of the sender; meaningless over DTLS (RFC 8261, section 6). 4 or 16 bytes.
    Address(&'a [u8]),
    /// The state cookie of INIT ACK.
    StateCookie(&'a [u8]),
    /// A parameter that the sender of INIT ACK did not know, whole.
    UnrecognizedParameter(&'a [u8]),
    /// Asks for a cookie that lives this many milliseconds longer.
    CookiePreservative(u32),
    /// A host name, which must be refused (RFC 9260, section 3.3.2.1.4).
    HostNameAddress(&'a [u8]),
    /// The address families that the sender knows.
    SupportedAddressTypes(&'a [u8]),
    /// Asks to reset the sender's outgoing streams.
    OutgoingResetRequest {
        /// This request.
        request: RequestNumber,
        /// The incoming reset request that this answers, or the last number seen from the peer.
        response: RequestNumber,
        /// The last TSN that the sender assigned before the reset.
        last_tsn: Tsn,
        /// Which; none means all.
        streams: StreamIds<'a>,
    },
    /// Asks the peer to reset its outgoing streams.
    IncomingResetRequest {
        /// This request.
        request: RequestNumber,
        /// Which; none means all.
        streams: StreamIds<'a>,
    },
    /// Asks to start all numbers anew.
    TsnResetRequest {
        /// This request.
        request: RequestNumber,
    },
    /// The answer to a request.
    ReconfigResponse {
        /// The request answered.
        response: RequestNumber,
        /// How it went.
        result: ResetResult,
    },
    /// Announces more outgoing streams.
    AddOutgoingStreams {
        /// This request.
        request: RequestNumber,
        /// How many more.
        count: u16,
    },
    /// Asks for more streams from the peer.
    AddIncomingStreams {
        /// This request.
        request: RequestNumber,
        /// How many more.
        count: u16,
    },
    /// The sender accepts packets with a checksum of zero, as this method finds errors; see [`error_detection`].
    ZeroChecksumAcceptable(u32),
    /// Chunk types that the sender knows beyond RFC 9260.
    SupportedExtensions(&'a [u8]),
    /// The sender understands FORWARD TSN.
    ForwardTsnSupported,
    /// Any other type.
    Unknown {
        /// The parameter type.
        kind: u16,
        /// Its value, without padding.
        value: &'a [u8],
    },
}

impl<'a> Parameter<'a> {
    /// Reads one parameter and its padding.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut ahead = reader.clone();
        let kind = ahead.u16("parameter type")?;
        let length = usize::from(ahead.u16("parameter length")?);
        let value = ahead.bytes(length.checked_sub(4).ok_or(Malformed::new("parameter length"))?, "parameter")?;
        skip_padding(&mut ahead, length);
        let parameter = Self::decode_value(kind, value)?;
        *reader = ahead;
        Ok(parameter)
    }

    fn decode_value(kind: u16, value: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        Ok(match kind {
            type_of::HEARTBEAT_INFO => Self::HeartbeatInfo(value),
            type_of::IPV4_ADDRESS if value.len() == 4 => Self::Address(value),
            type_of::IPV6_ADDRESS if value.len() == 16 => Self::Address(value),
            type_of::IPV4_ADDRESS | type_of::IPV6_ADDRESS => return Err(Malformed::new("address")),
            type_of::STATE_COOKIE => Self::StateCookie(value),
            type_of::UNRECOGNIZED_PARAMETER => Self::UnrecognizedParameter(value),
            type_of::COOKIE_PRESERVATIVE => Self::CookiePreservative(reader.u32("cookie life-span increment")?),
            type_of::HOST_NAME_ADDRESS => Self::HostNameAddress(value),
            type_of::SUPPORTED_ADDRESS_TYPES => Self::SupportedAddressTypes(value),
            type_of::OUTGOING_RESET_REQUEST => Self::OutgoingResetRequest {
                request: request_number(&mut reader)?,
                response: request_number(&mut reader)?,
                last_tsn: Tsn(reader.u32("last assigned TSN")?),
                streams: StreamIds::new(reader.rest()),
            },
            type_of::INCOMING_RESET_REQUEST => Self::IncomingResetRequest {
                request: request_number(&mut reader)?,
                streams: StreamIds::new(reader.rest()),
            },
            type_of::TSN_RESET_REQUEST => Self::TsnResetRequest { request: request_number(&mut reader)? },
            type_of::RECONFIG_RESPONSE => Self::ReconfigResponse {
                response: request_number(&mut reader)?,
                result: ResetResult::from_code(reader.u32("result")?),
            },
            type_of::ADD_OUTGOING_STREAMS => {
                Self::AddOutgoingStreams { request: request_number(&mut reader)?, count: reader.u16("new streams")? }
            }
            type_of::ADD_INCOMING_STREAMS => {
                Self::AddIncomingStreams { request: request_number(&mut reader)?, count: reader.u16("new streams")? }
            }
            type_of::ZERO_CHECKSUM_ACCEPTABLE => {
                let method = reader.u32("error detection method")?;
                reader.finish("zero checksum acceptable")?;
                Self::ZeroChecksumAcceptable(method)
            }
            type_of::SUPPORTED_EXTENSIONS => Self::SupportedExtensions(value),
            type_of::FORWARD_TSN_SUPPORTED => Self::ForwardTsnSupported,
            _ => Self::Unknown { kind, value },
        })
    }

    /// Appends the parameter and its padding.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        let start = buf.len();
        buf.put_u16(self.kind());
        buf.put_u16(0);
        self.encode_value(buf);
        let length = buf.len().saturating_sub(start);
        debug_assert!(length <= usize::from(u16::MAX), "a parameter of {length} bytes");
        if let Some(field) = buf.get_mut(start + 2..start + 4) {
            field.copy_from_slice(&(length as u16).to_be_bytes());
        }
        pad(buf, start);
    }

    fn encode_value(&self, buf: &mut Vec<u8>) {
        match self {
            Self::HeartbeatInfo(value)
            | Self::Address(value)
            | Self::StateCookie(value)
            | Self::UnrecognizedParameter(value)
            | Self::HostNameAddress(value)
            | Self::SupportedAddressTypes(value)
            | Self::SupportedExtensions(value)
            | Self::Unknown { value, .. } => buf.put_bytes(value),
            Self::CookiePreservative(number) | Self::ZeroChecksumAcceptable(number) => buf.put_u32(*number),
            Self::OutgoingResetRequest { request, response, last_tsn, streams } => {
                buf.put_u32(request.0);
                buf.put_u32(response.0);
                buf.put_u32(last_tsn.0);
                buf.put_bytes(streams.0);
            }
            Self::IncomingResetRequest { request, streams } => {
                buf.put_u32(request.0);
                buf.put_bytes(streams.0);
            }
            Self::TsnResetRequest { request } => buf.put_u32(request.0),
            Self::ReconfigResponse { response, result } => {
                buf.put_u32(response.0);
                buf.put_u32(result.code());
            }
            Self::AddOutgoingStreams { request, count } | Self::AddIncomingStreams { request, count } => {
                buf.put_u32(request.0);
                buf.put_u16(*count);
                buf.put_u16(0);
            }
            Self::ForwardTsnSupported => {}
        }
    }

    /// The parameter type.
    pub const fn kind(&self) -> u16 {
        match self {
            Self::HeartbeatInfo(_) => type_of::HEARTBEAT_INFO,
            Self::Address(value) if value.len() == 4 => type_of::IPV4_ADDRESS,
            Self::Address(_) => type_of::IPV6_ADDRESS,
            Self::StateCookie(_) => type_of::STATE_COOKIE,
            Self::UnrecognizedParameter(_) => type_of::UNRECOGNIZED_PARAMETER,
            Self::CookiePreservative(_) => type_of::COOKIE_PRESERVATIVE,
            Self::HostNameAddress(_) => type_of::HOST_NAME_ADDRESS,
            Self::SupportedAddressTypes(_) => type_of::SUPPORTED_ADDRESS_TYPES,
            Self::OutgoingResetRequest { .. } => type_of::OUTGOING_RESET_REQUEST,
            Self::IncomingResetRequest { .. } => type_of::INCOMING_RESET_REQUEST,
            Self::TsnResetRequest { .. } => type_of::TSN_RESET_REQUEST,
            Self::ReconfigResponse { .. } => type_of::RECONFIG_RESPONSE,
            Self::AddOutgoingStreams { .. } => type_of::ADD_OUTGOING_STREAMS,
            Self::AddIncomingStreams { .. } => type_of::ADD_INCOMING_STREAMS,
            Self::ZeroChecksumAcceptable(_) => type_of::ZERO_CHECKSUM_ACCEPTABLE,
            Self::SupportedExtensions(_) => type_of::SUPPORTED_EXTENSIONS,
            Self::ForwardTsnSupported => type_of::FORWARD_TSN_SUPPORTED,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// The action that a type asks of those who do not know it (RFC 9260, section 3.2.1).
    pub const fn unrecognized(&self) -> Unrecognized {
        let kind = self.kind();
        Unrecognized { skip: kind & 0x8000 != 0, report: kind & 0x4000 != 0 }
    }
}

fn request_number(reader: &mut Reader<'_>) -> Result<RequestNumber, Malformed> {
    reader.u32("request sequence number").map(RequestNumber)
}

/// The parameters of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters<'a>(&'a [u8]);

impl<'a> Parameters<'a> {
    /// Parameters that are encoded already.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoded parameters.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The parameters in order; ends after the first malformed one.
    pub fn iter(&self) -> impl Iterator<Item = Result<Parameter<'a>, Malformed>> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            let parameter = Parameter::decode(&mut reader);
            if parameter.is_err() {
                reader.rest();
            }
            Some(parameter)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_captured_reset_request_reads_and_writes_alike() {
        // RE-CONFIG of Chromium: outgoing reset of stream 1.
        let bytes = [0, 13, 0, 18, 0, 0, 0, 10, 0, 0, 0, 4, 0, 0, 0, 99, 0, 1, 0, 0];
        let parameter = Parameter::decode(&mut Reader::new(&bytes)).unwrap();
        let Parameter::OutgoingResetRequest { request, response, last_tsn, streams } = parameter else {
            panic!("{parameter:?}")
        };
        assert_eq!((request, response, last_tsn), (RequestNumber(10), RequestNumber(4), Tsn(99)));
        assert_eq!(streams.iter().collect::<Vec<_>>(), [1]);
        let mut again = Vec::new();
        parameter.encode(&mut again);
        assert_eq!(again, bytes);
    }

    #[test]
    fn addresses_of_other_sizes_are_refused() {
        assert!(Parameter::decode(&mut Reader::new(&[0, 5, 0, 7, 1, 2, 3, 0])).is_err());
        assert!(Parameter::decode(&mut Reader::new(&[0, 5, 0, 8, 1, 2, 3, 4])).is_ok());
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_and_decodes_alike(
            kind in prop_oneof![0u16..20, Just(0x8001), Just(0x8008), Just(0xc000), any::<u16>()],
            value in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = Vec::new();
            Parameter::Unknown { kind, value: &value }.encode(&mut bytes);
            if let Ok(parameter) = Parameter::decode(&mut Reader::new(&bytes)) {
                let mut again = Vec::new();
                parameter.encode(&mut again);
                prop_assert_eq!(Parameter::decode(&mut Reader::new(&again)), Ok(parameter));
            }
        }
    }
}
