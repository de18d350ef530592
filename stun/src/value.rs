//! The values of attributes that are more than one number, text or byte string.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str;

use wire::{Malformed, Put, Reader};

use crate::TransactionId;
use crate::header::MAGIC_COOKIE;

/// An address family by its number, so that a server can refuse those it does not know (RFC 8489, section 14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressFamily(pub u8);

impl AddressFamily {
    /// IPv4.
    pub const IPV4: Self = Self(1);
    /// IPv6.
    pub const IPV6: Self = Self(2);

    /// The family of `address`.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::IPV4,
            IpAddr::V6(_) => Self::IPV6,
        }
    }
}

/// Reads family, port and address (RFC 8489, section 14.1).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |0 0 0 0 0 0 0 0|    Family     |             Port              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 Address (32 bits or 128 bits)                 |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub(crate) fn address(reader: &mut Reader<'_>, what: &'static str) -> Result<SocketAddr, Malformed> {
    let [_, family] = reader.array(what)?;
    let port = reader.u16(what)?;
    let ip = match AddressFamily(family) {
        AddressFamily::IPV4 => IpAddr::from(reader.array::<4>(what)?),
        AddressFamily::IPV6 => IpAddr::from(reader.array::<16>(what)?),
        AddressFamily(_) => return Err(Malformed::new(what)),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Reads an address whose port and bytes are XORed with cookie and transaction id (RFC 8489, section 14.2).
pub(crate) fn xor_address(
    reader: &mut Reader<'_>,
    id: TransactionId,
    what: &'static str,
) -> Result<SocketAddr, Malformed> {
    address(reader, what).map(|address| xor(address, id))
}

/// Writes what [`address`] reads.
pub(crate) fn put_address(buf: &mut Vec<u8>, address: SocketAddr) {
    let AddressFamily(family) = AddressFamily::of(address.ip());
    buf.put_u8(0);
    buf.put_u8(family);
    buf.put_u16(address.port());
    match address.ip() {
        IpAddr::V4(ip) => buf.put_bytes(&ip.octets()),
        IpAddr::V6(ip) => buf.put_bytes(&ip.octets()),
    }
}

/// Writes what [`xor_address`] reads.
pub(crate) fn put_xor_address(buf: &mut Vec<u8>, address: SocketAddr, id: TransactionId) {
    put_address(buf, xor(address, id));
}

/// Hides or reveals an address. Some NATs rewrite every copy of an address that they find in a datagram; XORed, they
/// do not find it.
fn xor(address: SocketAddr, TransactionId(id): TransactionId) -> SocketAddr {
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let [high, low, ..] = cookie;
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() ^ MAGIC_COOKIE)),
        IpAddr::V6(ip) => {
            let mut octets = ip.octets();
            for (octet, mask) in octets.iter_mut().zip(cookie.iter().chain(&id)) {
                *octet ^= mask;
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
    };
    SocketAddr::new(ip, address.port() ^ u16::from_be_bytes([high, low]))
}

/// All that is left, as text.
pub(crate) fn text<'a>(reader: &mut Reader<'a>, what: &'static str) -> Result<&'a str, Malformed> {
    str::from_utf8(reader.rest()).map_err(|_| Malformed::new(what))
}

/// Text for people to read. A bad byte ends it and is no reason to lose the number that came with it.
fn lenient_text<'a>(reader: &mut Reader<'a>) -> &'a str {
    let bytes = reader.rest();
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => bytes.get(..error.valid_up_to()).and_then(|good| str::from_utf8(good).ok()).unwrap_or_default(),
    }
}

/// Why a request is refused: a number and a phrase (RFC 8489, section 14.8).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           Reserved, should be 0         |Class|     Number    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      Reason Phrase (variable)                                ..
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode<'a> {
    /// 300 to 699.
    pub code: u16,
    /// For people to read, at most 127 characters. What is not UTF-8 on the wire is cut off here.
    pub reason: &'a str,
}

impl ErrorCode<'static> {
    /// Another server shall be asked (RFC 8489).
    pub const TRY_ALTERNATE: Self = Self::new(300, "Try Alternate");
    /// The request makes no sense (RFC 8489).
    pub const BAD_REQUEST: Self = Self::new(400, "Bad Request");
    /// Credentials are missing or wrong (RFC 8489).
    pub const UNAUTHENTICATED: Self = Self::new(401, "Unauthenticated");
    /// Not allowed (RFC 8656).
    pub const FORBIDDEN: Self = Self::new(403, "Forbidden");
    /// The request has attributes that must be understood and are not (RFC 8489).
    pub const UNKNOWN_ATTRIBUTE: Self = Self::new(420, "Unknown Attribute");
    /// There is an allocation where there must be none, or the other way round (RFC 8656).
    pub const ALLOCATION_MISMATCH: Self = Self::new(437, "Allocation Mismatch");
    /// The nonce is no longer valid (RFC 8489).
    pub const STALE_NONCE: Self = Self::new(438, "Stale Nonce");
    /// The server does not have that address family (RFC 8656).
    pub const ADDRESS_FAMILY_NOT_SUPPORTED: Self = Self::new(440, "Address Family not Supported");
    /// Other credentials than those of the allocation (RFC 8656).
    pub const WRONG_CREDENTIALS: Self = Self::new(441, "Wrong Credentials");
    /// The relay does not speak that protocol with peers (RFC 8656).
    pub const UNSUPPORTED_TRANSPORT_PROTOCOL: Self = Self::new(442, "Unsupported Transport Protocol");
    /// The peer's address family is not that of the relayed address (RFC 8656).
    pub const PEER_ADDRESS_FAMILY_MISMATCH: Self = Self::new(443, "Peer Address Family Mismatch");
    /// There is a connection to that peer already (RFC 6062).
    pub const CONNECTION_ALREADY_EXISTS: Self = Self::new(446, "Connection Already Exists");
    /// The peer did not answer (RFC 6062).
    pub const CONNECTION_TIMEOUT_OR_FAILURE: Self = Self::new(447, "Connection Timeout or Failure");
    /// This user has too many allocations (RFC 8656).
    pub const ALLOCATION_QUOTA_REACHED: Self = Self::new(486, "Allocation Quota Reached");
    /// Both agents believe to have the same role (RFC 8445, section 7.3.1.1).
    pub const ROLE_CONFLICT: Self = Self::new(487, "Role Conflict");
    /// The server failed and may be asked again (RFC 8489).
    pub const SERVER_ERROR: Self = Self::new(500, "Server Error");
    /// The relay has no room (RFC 8656).
    pub const INSUFFICIENT_CAPACITY: Self = Self::new(508, "Insufficient Capacity");
}

impl<'a> ErrorCode<'a> {
    /// An error code, 300 to 699, with a phrase.
    pub const fn new(code: u16, reason: &'a str) -> Self {
        Self { code, reason }
    }

    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let [_, _, class, number] = reader.array("ERROR-CODE")?;
        Ok(Self { code: code(class, number, "ERROR-CODE")?, reason: lenient_text(reader) })
    }

    pub(crate) fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u16(0);
        put_code(buf, self.code);
        buf.put_bytes(self.reason.as_bytes());
    }
}

impl fmt::Display for ErrorCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}

/// A code of 300 to 699 from its hundreds, in the low three bits, and the rest.
fn code(class: u8, number: u8, what: &'static str) -> Result<u16, Malformed> {
    let class = class & 7;
    let fits = (3..=6).contains(&class) && number < 100;
    fits.then(|| u16::from(class) * 100 + u16::from(number)).ok_or(Malformed::new(what))
}

fn put_code(buf: &mut Vec<u8>, code: u16) {
    debug_assert!((300..700).contains(&code), "{code} is no error code");
    let [_, class] = (code / 100).to_be_bytes();
    let [_, number] = (code % 100).to_be_bytes();
    buf.put_u8(class & 7);
    buf.put_u8(number);
}

/// Why an address of one family was not allocated (RFC 8656, section 18.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressErrorCode<'a> {
    /// Which family.
    pub family: AddressFamily,
    /// 440 or 508.
    pub code: u16,
    /// For people to read.
    pub reason: &'a str,
}

impl<'a> AddressErrorCode<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let [family, _, class, number] = reader.array("ADDRESS-ERROR-CODE")?;
        let code = code(class, number, "ADDRESS-ERROR-CODE")?;
        Ok(Self { family: AddressFamily(family), code, reason: lenient_text(reader) })
    }

    pub(crate) fn encode(&self, buf: &mut Vec<u8>) {
        let AddressFamily(family) = self.family;
        buf.put_u8(family);
        buf.put_u8(0);
        put_code(buf, self.code);
        buf.put_bytes(self.reason.as_bytes());
    }
}

/// The two flags of CHANGE-REQUEST (RFC 5780, section 7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeRequest {
    /// Answer from the other address.
    pub ip: bool,
    /// Answer from the other port.
    pub port: bool,
}

impl ChangeRequest {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let flags = reader.u32("CHANGE-REQUEST")?;
        Ok(Self { ip: flags & 4 != 0, port: flags & 2 != 0 })
    }

    pub(crate) fn encode(self, buf: &mut Vec<u8>) {
        buf.put_u32((u32::from(self.ip) << 2) | (u32::from(self.port) << 1));
    }
}

/// Why a relayed datagram was not delivered (RFC 8656, section 18.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// The type, of ICMP or ICMPv6 as the peer's address family says.
    pub kind: u8,
    /// The code.
    pub code: u8,
    /// The next hop's MTU in bytes where the type is "too big", else zero.
    pub data: u32,
}

impl Icmp {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let [_, _, kind, code] = reader.array("ICMP")?;
        Ok(Self { kind, code, data: reader.u32("ICMP")? })
    }

    pub(crate) fn encode(self, buf: &mut Vec<u8>) {
        buf.put_u16(0);
        buf.put_u8(self.kind);
        buf.put_u8(self.code);
        buf.put_u32(self.data);
    }
}

/// A list of attribute numbers, as it is on the wire (RFC 8489, section 14.13). To write one, see
/// [`Builder::unknown_attributes`](crate::Builder::unknown_attributes).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kinds<'a>(&'a [u8]);

impl<'a> Kinds<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let bytes = reader.rest();
        bytes.len().is_multiple_of(2).then_some(Self(bytes)).ok_or(Malformed::new("UNKNOWN-ATTRIBUTES"))
    }

    pub(crate) fn encode(self, buf: &mut Vec<u8>) {
        buf.put_bytes(self.0);
    }

    /// The numbers, in order.
    pub fn iter(self) -> impl Iterator<Item = u16> + use<'a> {
        let (pairs, _) = self.0.as_chunks::<2>();
        pairs.iter().map(|pair| u16::from_be_bytes(*pair))
    }
}

impl fmt::Debug for Kinds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// How a key is made from a long-term password (RFC 8489, section 18.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordAlgorithm<'a> {
    /// Its number in the registry.
    pub number: u16,
    /// Its parameters; those registered have none.
    pub parameters: &'a [u8],
}

impl PasswordAlgorithm<'static> {
    /// MD5, for servers that know nothing better.
    pub const MD5: Self = Self { number: 1, parameters: &[] };
    /// SHA-256.
    pub const SHA256: Self = Self { number: 2, parameters: &[] };
}

impl<'a> PasswordAlgorithm<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let number = reader.u16("PASSWORD-ALGORITHM")?;
        let parameters = reader.sub_u16("PASSWORD-ALGORITHM")?.rest();
        // Padding of the last one is left out by some and announced by others; both are understood.
        let padding = parameters.len().next_multiple_of(4) - parameters.len();
        reader.bytes(padding.min(reader.remaining()), "PASSWORD-ALGORITHM")?;
        Ok(Self { number, parameters })
    }

    pub(crate) fn encode(self, buf: &mut Vec<u8>) {
        buf.put_u16(self.number);
        buf.put_prefixed_u16(|buf| buf.put_bytes(self.parameters));
        buf.put_zeros(self.parameters.len().next_multiple_of(4) - self.parameters.len());
    }
}

/// A list of password algorithms, as it is on the wire: a client sends back the very bytes that it got (RFC 8489,
/// section 14.11). To write one, see [`Builder::password_algorithms`](crate::Builder::password_algorithms).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordAlgorithms<'a>(&'a [u8]);

impl<'a> PasswordAlgorithms<'a> {
    /// Reads a list, for example one that was kept.
    ///
    /// # Errors
    /// [`Malformed`] if a length leads out of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        Self::decode(&mut Reader::new(bytes))
    }

    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let list = Self(reader.rest());
        let mut items = Reader::new(list.0);
        while !items.is_empty() {
            PasswordAlgorithm::decode(&mut items)?;
        }
        Ok(list)
    }

    pub(crate) fn encode(self, buf: &mut Vec<u8>) {
        buf.put_bytes(self.0);
    }

    /// The list as it is on the wire.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The algorithms, in the server's order of preference.
    pub fn iter(self) -> impl Iterator<Item = PasswordAlgorithm<'a>> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || PasswordAlgorithm::decode(&mut reader).ok())
    }
}

impl fmt::Debug for PasswordAlgorithms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
