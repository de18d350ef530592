use super::{pad, skip_padding};
use wire::{Malformed, Put, Reader};

/// Error cause codes (RFC 9260, section 3.3.10).
pub mod code {
    /// Data for a stream that does not exist.
    pub const INVALID_STREAM_IDENTIFIER: u16 = 1;
    /// INIT or INIT ACK without something it must have.
    pub const MISSING_MANDATORY_PARAMETER: u16 = 2;
    /// The cookie came back too late.
    pub const STALE_COOKIE: u16 = 3;
    /// No memory.
    pub const OUT_OF_RESOURCE: u16 = 4;
    /// A host name, which nobody resolves.
    pub const UNRESOLVABLE_ADDRESS: u16 = 5;
    /// A chunk of unknown type that asked to be reported.
    pub const UNRECOGNIZED_CHUNK_TYPE: u16 = 6;
    /// A parameter with an impossible value.
    pub const INVALID_MANDATORY_PARAMETER: u16 = 7;
    /// Parameters of unknown type in INIT ACK that asked to be reported.
    pub const UNRECOGNIZED_PARAMETERS: u16 = 8;
    /// A DATA chunk without data.
    pub const NO_USER_DATA: u16 = 9;
    /// A COOKIE ECHO in SHUTDOWN-ACK-SENT.
    pub const COOKIE_RECEIVED_WHILE_SHUTTING_DOWN: u16 = 10;
    /// A restart that brings new addresses.
    pub const RESTART_WITH_NEW_ADDRESSES: u16 = 11;
    /// The application asked for it.
    pub const USER_INITIATED_ABORT: u16 = 12;
    /// The peer broke the rules.
    pub const PROTOCOL_VIOLATION: u16 = 13;
}

/// One error cause: a code, and details whose form depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause<'a> {
    /// One of [`code`], or one unknown here.
    pub code: u16,
    /// The cause-specific information, without padding.
    pub value: &'a [u8],
}

impl<'a> Cause<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let code = reader.u16("cause code")?;
        let length = usize::from(reader.u16("cause length")?);
        let value = reader.bytes(length.checked_sub(4).ok_or(Malformed::new("cause length"))?, "cause")?;
        skip_padding(reader, length);
        Ok(Self { code, value })
    }

    /// Appends the cause and its padding. The value is cut to what the length field can say.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        let start = buf.len();
        let value = self.value.get(..usize::from(u16::MAX) - 8).unwrap_or(self.value);
        buf.put_u16(self.code);
        buf.put_u16((value.len() + 4) as u16);
        buf.put_bytes(value);
        pad(buf, start);
    }
}

/// The causes of an ABORT or ERROR chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Causes<'a>(&'a [u8]);

impl<'a> Causes<'a> {
    /// Causes that are encoded already.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoded causes.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The causes in order; ends before the first malformed one, as causes only inform.
    pub fn iter(&self) -> impl Iterator<Item = Cause<'a>> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || Cause::decode(&mut reader).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_read_with_and_without_padding() {
        let mut bytes = Vec::new();
        Cause { code: code::PROTOCOL_VIOLATION, value: b"hello" }.encode(&mut bytes);
        Cause { code: code::NO_USER_DATA, value: &[0, 0, 0, 1] }.encode(&mut bytes);
        assert_eq!(bytes.len(), 12 + 8);
        let causes: Vec<_> = Causes::new(&bytes).iter().map(|cause| (cause.code, cause.value.len())).collect();
        assert_eq!(causes, [(13, 5), (9, 4)]);
        assert_eq!(Causes::new(&bytes[..9]).iter().count(), 1, "the last padding may be missing");
    }

    #[test]
    fn a_malformed_cause_ends_the_list() {
        assert_eq!(Causes::new(&[0, 13, 0, 3, 0, 9, 0, 4]).iter().count(), 0);
        assert_eq!(Causes::new(&[0, 13, 0, 9, 1]).iter().count(), 0);
    }
}
