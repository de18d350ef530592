//! Attributes: their numbers, and their values in typed form (RFC 8489, section 14, and the usages' own).

use std::net::SocketAddr;

use wire::{Malformed, Put, Reader};

use crate::TransactionId;
use crate::value::{
    AddressErrorCode, AddressFamily, ChangeRequest, ErrorCode, Icmp, Kinds, PasswordAlgorithm, PasswordAlgorithms,
    address, put_address, put_xor_address, text, xor_address,
};

/// One attribute. What has a value of variable length borrows it from the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute<'a> {
    /// The reflexive address, in the clear (RFC 8489, section 14.1). NATs rewrite it; see `XorMappedAddress`.
    MappedAddress(SocketAddr),
    /// From where and to where the server shall answer, a test of NAT behaviour (RFC 5780, section 7.2).
    ChangeRequest(ChangeRequest),
    /// Who asks, at most 508 bytes, an OpaqueString (RFC 8489, section 14.3).
    Username(&'a str),
    /// HMAC-SHA1 of all before it (RFC 8489, section 14.5). Written by [`Builder::integrity`](crate::Builder::integrity).
    MessageIntegrity(&'a [u8; 20]),
    /// Why a request is refused (RFC 8489, section 14.8).
    ErrorCode(ErrorCode<'a>),
    /// Which attributes were not understood, with error 420 (RFC 8489, section 14.13).
    UnknownAttributes(Kinds<'a>),
    /// The channel to bind, 0x4000 to 0x4FFF (RFC 8656, section 18.1).
    ChannelNumber(u16),
    /// How long an allocation lasts, in seconds (RFC 8656, section 18.2).
    Lifetime(u32),
    /// The peer behind the relay (RFC 8656, section 18.3).
    XorPeerAddress(SocketAddr),
    /// What is relayed (RFC 8656, section 18.4).
    Data(&'a [u8]),
    /// In which realm the username is valid, at most 763 bytes (RFC 8489, section 14.9).
    Realm(&'a str),
    /// The server's challenge, at most 763 bytes (RFC 8489, section 14.10).
    Nonce(&'a str),
    /// The address allocated on the relay (RFC 8656, section 18.5).
    XorRelayedAddress(SocketAddr),
    /// Which family to allocate (RFC 8656, section 18.6).
    RequestedAddressFamily(AddressFamily),
    /// Wants an even port, and the next one reserved if `true` (RFC 8656, section 18.7).
    EvenPort(bool),
    /// The protocol between relay and peer, an IP protocol number: 17 for UDP (RFC 8656, section 18.8).
    RequestedTransport(u8),
    /// The relay shall set the DF bit (RFC 8656, section 18.9).
    DontFragment,
    /// Truncated or whole HMAC-SHA256 of all before it, 16 to 32 bytes (RFC 8489, section 14.6). Written by
    /// [`Builder::integrity_sha256`](crate::Builder::integrity_sha256).
    MessageIntegritySha256(&'a [u8]),
    /// With which algorithm the key was derived from the password (RFC 8489, section 14.12).
    PasswordAlgorithm(PasswordAlgorithm<'a>),
    /// SHA-256 of username and realm, in place of the username (RFC 8489, section 14.4).
    Userhash(&'a [u8; 32]),
    /// The reflexive address (RFC 8489, section 14.2).
    XorMappedAddress(SocketAddr),
    /// A token for a reserved port (RFC 8656, section 18.10).
    ReservationToken([u8; 8]),
    /// The priority that a peer-reflexive candidate from this check gets (RFC 8445, section 16.1).
    Priority(u32),
    /// This pair is nominated (RFC 8445, section 16.1).
    UseCandidate,
    /// Bytes that only make the message long (RFC 5780, section 7.6).
    Padding(&'a [u8]),
    /// To which port the server shall answer (RFC 5780, section 7.5).
    ResponsePort(u16),
    /// Which TCP connection of the relay (RFC 6062, section 6.2.1).
    ConnectionId(u32),
    /// Allocate this family besides IPv4 (RFC 8656, section 18.11).
    AdditionalAddressFamily(AddressFamily),
    /// Why one of two families was not allocated (RFC 8656, section 18.12).
    AddressErrorCode(AddressErrorCode<'a>),
    /// From what the server knows, in its order of preference (RFC 8489, section 14.11).
    PasswordAlgorithms(PasswordAlgorithms<'a>),
    /// The host name that the alternate server's certificate bears (RFC 8489, section 14.16).
    AlternateDomain(&'a str),
    /// Why a relayed datagram was not delivered (RFC 8656, section 18.13).
    Icmp(Icmp),
    /// What the sender runs, for people to read, at most 763 bytes (RFC 8489, section 14.14).
    Software(&'a str),
    /// Ask that server instead, with error 300 (RFC 8489, section 14.15).
    AlternateServer(SocketAddr),
    /// How long a server keeps a cached response, in seconds (RFC 5780, section 9, which says no more of it).
    CacheTimeout(u32),
    /// CRC-32 of all before it, XOR 0x5354554e (RFC 8489, section 14.7). Written by
    /// [`Builder::fingerprint`](crate::Builder::fingerprint).
    Fingerprint(u32),
    /// The sender is the controlled agent; its tie-breaker (RFC 8445, section 16.1).
    IceControlled(u64),
    /// The sender is the controlling agent; its tie-breaker (RFC 8445, section 16.1).
    IceControlling(u64),
    /// From where the response was sent (RFC 5780, section 7.3).
    ResponseOrigin(SocketAddr),
    /// The server's other address and port (RFC 5780, section 7.4).
    OtherAddress(SocketAddr),
    /// An attribute that this crate does not know.
    Unknown {
        /// Its number.
        kind: u16,
        /// Its value, without padding.
        value: &'a [u8],
    },
}

/// The numbers of the attributes (RFC 8489, section 18.3, and the registry it set up). Below 0x8000, an agent that
/// does not know the attribute must refuse the message ("comprehension-required").
pub mod kind {
    macro_rules! kinds {
        ($($name:ident = $number:literal,)*) => {
            $(#[doc = concat!("The number of ", stringify!($name), ", with hyphens for underscores.")]
            pub const $name: u16 = $number;)*
            /// Whether this crate knows the attribute.
            pub(crate) const fn is_known(kind: u16) -> bool {
                matches!(kind, $($number)|*)
            }
        };
    }
    kinds! {
        MAPPED_ADDRESS = 0x0001,
        CHANGE_REQUEST = 0x0003,
        USERNAME = 0x0006,
        MESSAGE_INTEGRITY = 0x0008,
        ERROR_CODE = 0x0009,
        UNKNOWN_ATTRIBUTES = 0x000A,
        CHANNEL_NUMBER = 0x000C,
        LIFETIME = 0x000D,
        XOR_PEER_ADDRESS = 0x0012,
        DATA = 0x0013,
        REALM = 0x0014,
        NONCE = 0x0015,
        XOR_RELAYED_ADDRESS = 0x0016,
        REQUESTED_ADDRESS_FAMILY = 0x0017,
        EVEN_PORT = 0x0018,
        REQUESTED_TRANSPORT = 0x0019,
        DONT_FRAGMENT = 0x001A,
        MESSAGE_INTEGRITY_SHA256 = 0x001C,
        PASSWORD_ALGORITHM = 0x001D,
        USERHASH = 0x001E,
        XOR_MAPPED_ADDRESS = 0x0020,
        RESERVATION_TOKEN = 0x0022,
        PRIORITY = 0x0024,
        USE_CANDIDATE = 0x0025,
        PADDING = 0x0026,
        RESPONSE_PORT = 0x0027,
        CONNECTION_ID = 0x002A,
        ADDITIONAL_ADDRESS_FAMILY = 0x8000,
        ADDRESS_ERROR_CODE = 0x8001,
        PASSWORD_ALGORITHMS = 0x8002,
        ALTERNATE_DOMAIN = 0x8003,
        ICMP = 0x8004,
        SOFTWARE = 0x8022,
        ALTERNATE_SERVER = 0x8023,
        CACHE_TIMEOUT = 0x8027,
        FINGERPRINT = 0x8028,
        ICE_CONTROLLED = 0x8029,
        ICE_CONTROLLING = 0x802A,
        RESPONSE_ORIGIN = 0x802B,
        OTHER_ADDRESS = 0x802C,
    }
}

impl<'a> Attribute<'a> {
    /// Reads the value of an attribute numbered `kind`. `id` is that of the message, for addresses that are XORed
    /// with it.
    ///
    /// # Errors
    /// [`Malformed`] if the value does not have the form its number asks for; a number unknown here is never
    /// malformed.
    pub(crate) fn decode(kind: u16, value: &'a [u8], id: TransactionId) -> Result<Self, Malformed> {
        let mut reader = Reader::new(value);
        let r = &mut reader;
        let attribute = match kind {
            kind::MAPPED_ADDRESS => Self::MappedAddress(address(r, "MAPPED-ADDRESS")?),
            kind::CHANGE_REQUEST => Self::ChangeRequest(ChangeRequest::decode(r)?),
            kind::USERNAME => Self::Username(text(r, "USERNAME")?),
            kind::MESSAGE_INTEGRITY => Self::MessageIntegrity(block(r, "MESSAGE-INTEGRITY")?),
            kind::ERROR_CODE => Self::ErrorCode(ErrorCode::decode(r)?),
            kind::UNKNOWN_ATTRIBUTES => Self::UnknownAttributes(Kinds::decode(r)?),
            kind::CHANNEL_NUMBER => Self::ChannelNumber(padded_u16(r, "CHANNEL-NUMBER")?),
            kind::LIFETIME => Self::Lifetime(r.u32("LIFETIME")?),
            kind::XOR_PEER_ADDRESS => Self::XorPeerAddress(xor_address(r, id, "XOR-PEER-ADDRESS")?),
            kind::DATA => Self::Data(r.rest()),
            kind::REALM => Self::Realm(text(r, "REALM")?),
            kind::NONCE => Self::Nonce(text(r, "NONCE")?),
            kind::XOR_RELAYED_ADDRESS => Self::XorRelayedAddress(xor_address(r, id, "XOR-RELAYED-ADDRESS")?),
            kind::REQUESTED_ADDRESS_FAMILY => {
                Self::RequestedAddressFamily(AddressFamily(padded_u8(r, "REQUESTED-ADDRESS-FAMILY")?))
            }
            kind::EVEN_PORT => Self::EvenPort(r.u8("EVEN-PORT")? & 0x80 != 0),
            kind::REQUESTED_TRANSPORT => Self::RequestedTransport(padded_u8(r, "REQUESTED-TRANSPORT")?),
            kind::DONT_FRAGMENT => Self::DontFragment,
            kind::MESSAGE_INTEGRITY_SHA256 => Self::MessageIntegritySha256(truncated_hmac(r)?),
            kind::PASSWORD_ALGORITHM => Self::PasswordAlgorithm(PasswordAlgorithm::decode(r)?),
            kind::USERHASH => Self::Userhash(block(r, "USERHASH")?),
            kind::XOR_MAPPED_ADDRESS => Self::XorMappedAddress(xor_address(r, id, "XOR-MAPPED-ADDRESS")?),
            kind::RESERVATION_TOKEN => Self::ReservationToken(r.array("RESERVATION-TOKEN")?),
            kind::PRIORITY => Self::Priority(r.u32("PRIORITY")?),
            kind::USE_CANDIDATE => Self::UseCandidate,
            kind::PADDING => Self::Padding(r.rest()),
            kind::RESPONSE_PORT => Self::ResponsePort(padded_u16(r, "RESPONSE-PORT")?),
            kind::CONNECTION_ID => Self::ConnectionId(r.u32("CONNECTION-ID")?),
            kind::ADDITIONAL_ADDRESS_FAMILY => {
                Self::AdditionalAddressFamily(AddressFamily(padded_u8(r, "ADDITIONAL-ADDRESS-FAMILY")?))
            }
            kind::ADDRESS_ERROR_CODE => Self::AddressErrorCode(AddressErrorCode::decode(r)?),
            kind::PASSWORD_ALGORITHMS => Self::PasswordAlgorithms(PasswordAlgorithms::decode(r)?),
            kind::ALTERNATE_DOMAIN => Self::AlternateDomain(text(r, "ALTERNATE-DOMAIN")?),
            kind::ICMP => Self::Icmp(Icmp::decode(r)?),
            kind::SOFTWARE => Self::Software(text(r, "SOFTWARE")?),
            kind::ALTERNATE_SERVER => Self::AlternateServer(address(r, "ALTERNATE-SERVER")?),
            kind::CACHE_TIMEOUT => Self::CacheTimeout(r.u32("CACHE-TIMEOUT")?),
            kind::FINGERPRINT => Self::Fingerprint(r.u32("FINGERPRINT")?),
            kind::ICE_CONTROLLED => Self::IceControlled(r.u64("ICE-CONTROLLED")?),
            kind::ICE_CONTROLLING => Self::IceControlling(r.u64("ICE-CONTROLLING")?),
            kind::RESPONSE_ORIGIN => Self::ResponseOrigin(address(r, "RESPONSE-ORIGIN")?),
            kind::OTHER_ADDRESS => Self::OtherAddress(address(r, "OTHER-ADDRESS")?),
            kind => Self::Unknown { kind, value: r.rest() },
        };
        reader.finish("attribute of fixed length")?;
        Ok(attribute)
    }

    /// The number of this attribute, one of [`kind`] unless it is unknown.
    pub const fn kind(&self) -> u16 {
        match self {
            Self::MappedAddress(_) => kind::MAPPED_ADDRESS,
            Self::ChangeRequest(_) => kind::CHANGE_REQUEST,
            Self::Username(_) => kind::USERNAME,
            Self::MessageIntegrity(_) => kind::MESSAGE_INTEGRITY,
            Self::ErrorCode(_) => kind::ERROR_CODE,
            Self::UnknownAttributes(_) => kind::UNKNOWN_ATTRIBUTES,
            Self::ChannelNumber(_) => kind::CHANNEL_NUMBER,
            Self::Lifetime(_) => kind::LIFETIME,
            Self::XorPeerAddress(_) => kind::XOR_PEER_ADDRESS,
            Self::Data(_) => kind::DATA,
            Self::Realm(_) => kind::REALM,
            Self::Nonce(_) => kind::NONCE,
            Self::XorRelayedAddress(_) => kind::XOR_RELAYED_ADDRESS,
            Self::RequestedAddressFamily(_) => kind::REQUESTED_ADDRESS_FAMILY,
            Self::EvenPort(_) => kind::EVEN_PORT,
            Self::RequestedTransport(_) => kind::REQUESTED_TRANSPORT,
            Self::DontFragment => kind::DONT_FRAGMENT,
            Self::MessageIntegritySha256(_) => kind::MESSAGE_INTEGRITY_SHA256,
            Self::PasswordAlgorithm(_) => kind::PASSWORD_ALGORITHM,
            Self::Userhash(_) => kind::USERHASH,
            Self::XorMappedAddress(_) => kind::XOR_MAPPED_ADDRESS,
            Self::ReservationToken(_) => kind::RESERVATION_TOKEN,
            Self::Priority(_) => kind::PRIORITY,
            Self::UseCandidate => kind::USE_CANDIDATE,
            Self::Padding(_) => kind::PADDING,
            Self::ResponsePort(_) => kind::RESPONSE_PORT,
            Self::ConnectionId(_) => kind::CONNECTION_ID,
            Self::AdditionalAddressFamily(_) => kind::ADDITIONAL_ADDRESS_FAMILY,
            Self::AddressErrorCode(_) => kind::ADDRESS_ERROR_CODE,
            Self::PasswordAlgorithms(_) => kind::PASSWORD_ALGORITHMS,
            Self::AlternateDomain(_) => kind::ALTERNATE_DOMAIN,
            Self::Icmp(_) => kind::ICMP,
            Self::Software(_) => kind::SOFTWARE,
            Self::AlternateServer(_) => kind::ALTERNATE_SERVER,
            Self::CacheTimeout(_) => kind::CACHE_TIMEOUT,
            Self::Fingerprint(_) => kind::FINGERPRINT,
            Self::IceControlled(_) => kind::ICE_CONTROLLED,
            Self::IceControlling(_) => kind::ICE_CONTROLLING,
            Self::ResponseOrigin(_) => kind::RESPONSE_ORIGIN,
            Self::OtherAddress(_) => kind::OTHER_ADDRESS,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// Appends the value alone: no number, no length, no padding.
    pub(crate) fn encode_value(&self, buf: &mut Vec<u8>, id: TransactionId) {
        match *self {
            Self::MappedAddress(address)
            | Self::AlternateServer(address)
            | Self::ResponseOrigin(address)
            | Self::OtherAddress(address) => put_address(buf, address),
            Self::XorPeerAddress(address) | Self::XorRelayedAddress(address) | Self::XorMappedAddress(address) => {
                put_xor_address(buf, address, id);
            }
            Self::Username(text)
            | Self::Realm(text)
            | Self::Nonce(text)
            | Self::AlternateDomain(text)
            | Self::Software(text) => buf.put_bytes(text.as_bytes()),
            Self::Data(bytes)
            | Self::MessageIntegritySha256(bytes)
            | Self::Padding(bytes)
            | Self::Unknown { value: bytes, .. } => buf.put_bytes(bytes),
            Self::MessageIntegrity(hmac) => buf.put_bytes(hmac),
            Self::Userhash(hash) => buf.put_bytes(hash),
            Self::ReservationToken(token) => buf.put_bytes(&token),
            Self::ChannelNumber(number) | Self::ResponsePort(number) => {
                buf.put_u16(number);
                buf.put_zeros(2);
            }
            Self::RequestedAddressFamily(AddressFamily(byte))
            | Self::AdditionalAddressFamily(AddressFamily(byte))
            | Self::RequestedTransport(byte) => {
                buf.put_u8(byte);
                buf.put_zeros(3);
            }
            Self::EvenPort(reserve) => buf.put_u8(u8::from(reserve) << 7),
            Self::Lifetime(number)
            | Self::CacheTimeout(number)
            | Self::Priority(number)
            | Self::ConnectionId(number)
            | Self::Fingerprint(number) => buf.put_u32(number),
            Self::IceControlled(tie_breaker) | Self::IceControlling(tie_breaker) => buf.put_u64(tie_breaker),
            Self::DontFragment | Self::UseCandidate => {}
            Self::ChangeRequest(request) => request.encode(buf),
            Self::ErrorCode(error) => error.encode(buf),
            Self::AddressErrorCode(error) => error.encode(buf),
            Self::UnknownAttributes(kinds) => kinds.encode(buf),
            Self::PasswordAlgorithm(algorithm) => algorithm.encode(buf),
            Self::PasswordAlgorithms(algorithms) => algorithms.encode(buf),
            Self::Icmp(icmp) => icmp.encode(buf),
        }
    }
}

/// A number followed by two bytes that mean nothing.
fn padded_u16(reader: &mut Reader<'_>, what: &'static str) -> Result<u16, Malformed> {
    let [high, low, _, _] = reader.array(what)?;
    Ok(u16::from_be_bytes([high, low]))
}

/// A number followed by three bytes that mean nothing.
fn padded_u8(reader: &mut Reader<'_>, what: &'static str) -> Result<u8, Malformed> {
    let [byte, _, _, _] = reader.array(what)?;
    Ok(byte)
}

/// Exactly `N` bytes, borrowed.
fn block<'a, const N: usize>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a [u8; N], Malformed> {
    reader.rest().try_into().map_err(|_| Malformed::new(what))
}

/// 16 to 32 bytes, in steps of four.
fn truncated_hmac<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let hmac = reader.rest();
    let fits = (16..=32).contains(&hmac.len()) && hmac.len().is_multiple_of(4);
    fits.then_some(hmac).ok_or(Malformed::new("MESSAGE-INTEGRITY-SHA256"))
}
