//! The messages of the Data Channel Establishment Protocol (RFC 8832, section 5).

use crate::{Options, Priority};
use sctp::Reliability;
use std::time::Duration;
use wire::{Malformed, Put, Reader};

const ACK: u8 = 0x02;
const OPEN: u8 = 0x03;

const RELIABLE: u8 = 0x00;
const PARTIAL_RELIABLE_REXMIT: u8 = 0x01;
const PARTIAL_RELIABLE_TIMED: u8 = 0x02;
/// Set in the channel type of each unordered variant.
const UNORDERED: u8 = 0x80;

/// A message of the establishment protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dcep<'a> {
    /// `DATA_CHANNEL_OPEN`.
    Open(Open<'a>),
    /// `DATA_CHANNEL_ACK`.
    Ack,
}

/// `DATA_CHANNEL_OPEN` (RFC 8832, section 5.1): what the peer has to know of a channel.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Message Type |  Channel Type |            Priority           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                    Reliability Parameter                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |         Label Length          |       Protocol Length         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                       Label, Protocol                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// Whether messages keep their order.
    pub ordered: bool,
    /// How hard delivery is tried. A lifetime is carried in whole milliseconds.
    pub reliability: Reliability,
    /// The channel's share of a busy association.
    pub priority: Priority,
    /// At most 65,535 bytes.
    pub label: &'a str,
    /// At most 65,535 bytes; empty if unspecified.
    pub protocol: &'a str,
}

impl<'a> Dcep<'a> {
    /// Reads one message, which fills `bytes`.
    ///
    /// # Errors
    ///
    /// An unknown message or channel type, a label or protocol that is cut short or not UTF-8, trailing bytes.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let message = match reader.u8("DCEP message type")? {
            ACK => Self::Ack,
            OPEN => Self::Open(Open::decode(&mut reader)?),
            _ => return Err(Malformed::new("DCEP message type")),
        };
        reader.finish("DCEP message")?;
        Ok(message)
    }

    /// Appends the message to `buf`.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        match self {
            Self::Ack => buf.put_u8(ACK),
            Self::Open(open) => open.encode(buf),
        }
    }
}

impl<'a> Open<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let channel_type = reader.u8("channel type")?;
        let priority = Priority(reader.u16("priority")?);
        let parameter = reader.u32("reliability parameter")?;
        let label_length = reader.u16("label length")?;
        let protocol_length = reader.u16("protocol length")?;
        let reliability = match channel_type & !UNORDERED {
            // "MUST be ignored on the receiving side"
            RELIABLE => Reliability::Reliable,
            // More retransmissions than the field of the W3C interface can say are as good as its most.
            PARTIAL_RELIABLE_REXMIT => Reliability::MaxRetransmits(u16::try_from(parameter).unwrap_or(u16::MAX)),
            PARTIAL_RELIABLE_TIMED => Reliability::MaxLifetime(Duration::from_millis(u64::from(parameter))),
            _ => return Err(Malformed::new("channel type")),
        };
        let label = text(reader.bytes(usize::from(label_length), "label")?, "label")?;
        let protocol = text(reader.bytes(usize::from(protocol_length), "protocol")?, "protocol")?;
        Ok(Self { ordered: channel_type & UNORDERED == 0, reliability, priority, label, protocol })
    }

    fn encode(&self, buf: &mut Vec<u8>) {
        let (kind, parameter) = match self.reliability {
            Reliability::Reliable => (RELIABLE, 0),
            Reliability::MaxRetransmits(count) => (PARTIAL_RELIABLE_REXMIT, u32::from(count)),
            Reliability::MaxLifetime(lifetime) => {
                (PARTIAL_RELIABLE_TIMED, u32::try_from(lifetime.as_millis()).unwrap_or(u32::MAX))
            }
        };
        let (label, protocol) = (clip(self.label), clip(self.protocol));
        buf.put_u8(OPEN);
        buf.put_u8(if self.ordered { kind } else { kind | UNORDERED });
        buf.put_u16(self.priority.0);
        buf.put_u32(parameter);
        buf.put_u16(label.len() as u16);
        buf.put_u16(protocol.len() as u16);
        buf.put_bytes(label.as_bytes());
        buf.put_bytes(protocol.as_bytes());
    }
}

impl<'a> From<&'a Options> for Open<'a> {
    fn from(options: &'a Options) -> Self {
        let Options { label, protocol, ordered, reliability, priority, negotiated: _ } = options;
        Self { ordered: *ordered, reliability: *reliability, priority: *priority, label, protocol }
    }
}

fn text<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::new(what))
}

/// As much of `text` as a length of two bytes can say. `Channels::open` refuses longer names, so nothing is cut there.
fn clip(text: &str) -> &str {
    let end = text.floor_char_boundary(usize::from(u16::MAX));
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(message: &Dcep<'_>) -> Vec<u8> {
        let mut buf = Vec::new();
        message.encode(&mut buf);
        buf
    }

    #[test]
    fn openings_of_chromium_are_read_and_written_alike() {
        // As captured from Chromium 156: createDataChannel("x") and, with maxRetransmits 0, unordered, protocol "p".
        let reliable = Open {
            ordered: true,
            reliability: Reliability::Reliable,
            priority: Priority::NORMAL,
            label: "x",
            protocol: "",
        };
        let unreliable = Open {
            ordered: false,
            reliability: Reliability::MaxRetransmits(0),
            priority: Priority::NORMAL,
            label: "unrel",
            protocol: "p",
        };
        for (bytes, open) in [
            (&b"\x03\x00\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00x"[..], reliable),
            (&b"\x03\x81\x01\x00\x00\x00\x00\x00\x00\x05\x00\x01unrelp"[..], unreliable),
        ] {
            let open = Dcep::Open(open);
            assert_eq!(Dcep::decode(bytes), Ok(open.clone()));
            assert_eq!(encoded(&open), bytes);
        }
    }

    #[test]
    fn an_ack_is_one_byte() {
        assert_eq!(Dcep::decode(&[2]), Ok(Dcep::Ack));
        assert_eq!(encoded(&Dcep::Ack), [2]);
        assert_eq!(Dcep::decode(&[2, 0]), Err(Malformed::new("DCEP message")));
    }

    #[test]
    fn the_parameter_of_a_reliable_channel_is_ignored() {
        let mut bytes = *b"\x03\x00\x01\x00\xff\xff\xff\xff\x00\x00\x00\x00";
        assert!(matches!(Dcep::decode(&bytes), Ok(Dcep::Open(Open { reliability: Reliability::Reliable, .. }))));
        bytes[1] = 0x81;
        let open = Dcep::decode(&bytes);
        assert!(matches!(open, Ok(Dcep::Open(Open { reliability: Reliability::MaxRetransmits(65_535), .. }))));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let whole = b"\x03\x00\x01\x00\x00\x00\x00\x00\x00\x02\x00\x01abc";
        for length in 0..whole.len() {
            assert!(Dcep::decode(&whole[..length]).is_err(), "cut to {length} bytes");
        }
        for (index, byte, what) in
            [(0, 4, "DCEP message type"), (0, 0, "DCEP message type"), (1, 3, "channel type"), (12, 0xff, "label")]
        {
            let mut bytes = *whole;
            bytes[index] = byte;
            assert_eq!(Dcep::decode(&bytes), Err(Malformed::new(what)));
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        assert_eq!(Dcep::decode(&longer), Err(Malformed::new("DCEP message")));
    }

    fn reliability() -> impl Strategy<Value = Reliability> {
        prop_oneof![
            Just(Reliability::Reliable),
            any::<u16>().prop_map(Reliability::MaxRetransmits),
            any::<u32>().prop_map(|ms| Reliability::MaxLifetime(Duration::from_millis(u64::from(ms)))),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            ordered: bool, reliability in reliability(), priority: u16, label: String, protocol: String,
        ) {
            let (label, protocol) = (label.as_str(), protocol.as_str());
            let open = Dcep::Open(Open { ordered, reliability, priority: Priority(priority), label, protocol });
            let bytes = encoded(&open);
            prop_assert_eq!(Dcep::decode(&bytes), Ok(open));
        }

        #[test]
        fn reading_is_total(bytes: Vec<u8>) {
            if let Ok(message) = Dcep::decode(&bytes) {
                let again = encoded(&message);
                prop_assert_eq!(Dcep::decode(&again), Ok(message));
            }
        }
    }
}
