//! The message header: class, method and transaction id (RFC 8489, section 5).

use std::fmt;

/// The fixed value in bytes 4 to 7 of every message (RFC 8489, section 5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// The length of the header in bytes; the length field counts what follows it.
pub const HEADER_LENGTH: usize = 20;

/// Whether `datagram` looks like one whole STUN message: the first two bits are zero, the magic cookie is there, and
/// the length field counts exactly the rest, in steps of four (RFC 8489, section 6.3). Attributes are not looked at.
///
/// This tells STUN from DTLS, RTP and TURN channel data on the same port (RFC 7983).
pub fn is_stun(datagram: &[u8]) -> bool {
    message_length(datagram) == Some(datagram.len())
}

/// How many bytes the message that starts with `bytes` occupies, header included, as the header says. `None` if fewer
/// than 20 bytes are there or they are no header. For cutting messages out of a byte stream (RFC 8489, section 6.2.2).
pub fn message_length(bytes: &[u8]) -> Option<usize> {
    let [kind, _, length_high, length_low, a, b, c, d] = *bytes.first_chunk::<8>()?;
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let header = bytes.len() >= HEADER_LENGTH && kind < 4 && u32::from_be_bytes([a, b, c, d]) == MAGIC_COOKIE;
    (header && length.is_multiple_of(4)).then_some(HEADER_LENGTH + length)
}

/// What a message is for (RFC 8489, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Expects an answer.
    Request,
    /// Expects none.
    Indication,
    /// Answers a request that was done.
    Success,
    /// Answers a request that was refused; an ERROR-CODE says why.
    Error,
}

/// What a request asks for, 12 bits (RFC 8489, section 18.2). Printed by name where it has one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(u16);

impl Method {
    /// Binding: what is my address? Also the connectivity check of ICE (RFC 8489).
    pub const BINDING: Self = Self(0x001);
    /// Allocate a relayed address (RFC 8656).
    pub const ALLOCATE: Self = Self(0x003);
    /// Refresh or end an allocation (RFC 8656).
    pub const REFRESH: Self = Self(0x004);
    /// Send through the relay, an indication (RFC 8656).
    pub const SEND: Self = Self(0x006);
    /// What the relay received, an indication (RFC 8656).
    pub const DATA: Self = Self(0x007);
    /// Permit a peer (RFC 8656).
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// Bind a channel to a peer (RFC 8656).
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// Connect the relay to a peer by TCP (RFC 6062).
    pub const CONNECT: Self = Self(0x00A);
    /// Join a connection of the relay to this one (RFC 6062).
    pub const CONNECTION_BIND: Self = Self(0x00B);
    /// A peer connected to the relay, an indication (RFC 6062).
    pub const CONNECTION_ATTEMPT: Self = Self(0x00C);

    /// The method with this number; only the low 12 bits count.
    pub const fn new(number: u16) -> Self {
        Self(number & 0x0FFF)
    }

    /// The number, 0 to 0xFFF.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::BINDING => "Binding",
            Self::ALLOCATE => "Allocate",
            Self::REFRESH => "Refresh",
            Self::SEND => "Send",
            Self::DATA => "Data",
            Self::CREATE_PERMISSION => "CreatePermission",
            Self::CHANNEL_BIND => "ChannelBind",
            Self::CONNECT => "Connect",
            Self::CONNECTION_BIND => "ConnectionBind",
            Self::CONNECTION_ATTEMPT => "ConnectionAttempt",
            Self(number) => return write!(f, "Method({number:#05x})"),
        };
        f.write_str(name)
    }
}

/// What ties a response to its request: 96 bits that nobody can guess (RFC 8489, section 5). Printed in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub [u8; 12]);

impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first two bytes of a message. The two bits of the class lie between those of the method:
///
/// ```text
///  0                 1
///  2  3  4 5 6 7 8 9 0 1 2 3 4 5
/// +--+--+-+-+-+-+-+-+-+-+-+-+-+-+
/// |M |M |M|M|M|C|M|M|M|C|M|M|M|M|
/// |11|10|9|8|7|1|6|5|4|0|3|2|1|0|
/// +--+--+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
pub(crate) const fn message_type(class: Class, method: Method) -> u16 {
    let class = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    let Method(m) = method;
    class | (m & 0x00F) | ((m & 0x070) << 1) | ((m & 0xF80) << 2)
}

/// The class in the first two bytes of a message.
pub(crate) const fn class_of(message_type: u16) -> Class {
    match (message_type & 0x100 != 0, message_type & 0x010 != 0) {
        (false, false) => Class::Request,
        (false, true) => Class::Indication,
        (true, false) => Class::Success,
        (true, true) => Class::Error,
    }
}

/// The method in the first two bytes of a message.
pub(crate) const fn method_of(message_type: u16) -> Method {
    Method((message_type & 0x000F) | ((message_type & 0x00E0) >> 1) | ((message_type & 0x3E00) >> 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_and_method_survives_the_shuffle_of_bits() {
        for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
            for number in 0..=0xFFF {
                let bits = message_type(class, Method::new(number));
                assert_eq!((class_of(bits), method_of(bits)), (class, Method::new(number)));
                assert_eq!(bits >> 14, 0, "the first two bits are zero");
            }
        }
    }

    #[test]
    fn message_types_are_those_on_the_wire() {
        assert_eq!(message_type(Class::Request, Method::BINDING), 0x0001);
        assert_eq!(message_type(Class::Indication, Method::BINDING), 0x0011);
        assert_eq!(message_type(Class::Success, Method::BINDING), 0x0101);
        assert_eq!(message_type(Class::Error, Method::ALLOCATE), 0x0113);
        assert_eq!(format!("{:?} {:?}", Method::BINDING, Method::new(0xF02)), "Binding Method(0xf02)");
    }

    #[test]
    fn other_protocols_are_not_stun() {
        let header = |first: u8, cookie: u8, length: u8, extra: usize| {
            let mut bytes = vec![first, 1, 0, length, cookie, 0x12, 0xA4, 0x42];
            bytes.resize(HEADER_LENGTH + extra, 0);
            bytes
        };
        assert!(is_stun(&header(0, 0x21, 0, 0)));
        assert!(is_stun(&header(3, 0x21, 4, 4)));
        assert!(!is_stun(&header(4, 0x21, 0, 0)), "first byte");
        assert!(!is_stun(&header(22, 0x21, 0, 0)), "DTLS");
        assert!(!is_stun(&header(0, 0x20, 0, 0)), "cookie");
        assert!(!is_stun(&header(0, 0x21, 3, 3)), "length in steps of four");
        assert!(!is_stun(&header(0, 0x21, 4, 0)), "cut short");
        assert!(!is_stun(&header(0, 0x21, 0, 4)), "bytes behind");
        assert!(!is_stun(&header(0, 0x21, 0, 0)[..19]), "cut header");
        assert!(!is_stun(&[]));
        assert_eq!(message_length(&header(0, 0x21, 8, 0)), Some(28), "the rest of a stream is still to come");
    }
}
