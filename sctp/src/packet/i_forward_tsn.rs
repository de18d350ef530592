use crate::serial::{Mid, Tsn};
use wire::{Malformed, Put, Reader};

/// The last message of one kind that a stream will not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkippedMessage {
    /// The stream.
    pub stream: u16,
    /// Whether the number is one of unordered messages.
    pub unordered: bool,
    /// The highest abandoned number.
    pub mid: Mid,
}

/// Moves the receiver past abandoned I-DATA chunks (RFC 8260, section 2.3.1).
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |   Type = 194  |  Flags = 0x00 |        Length = Variable      |
/// +---------------+---------------+-------------------------------+
/// |                      New Cumulative TSN                       |
/// +-------------------------------+-----------------------------+-+
/// /  N times:  Stream Identifier  |          Reserved           |U/
/// /                      Message Identifier                       /
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IForwardTsn<'a> {
    /// All up to here counts as received.
    pub new_cumulative_tsn: Tsn,
    skipped: &'a [u8],
}

impl<'a> IForwardTsn<'a> {
    /// Bytes of the chunk without its list of messages.
    pub const OVERHEAD: usize = 8;

    /// Bytes of one entry of the list.
    pub const ENTRY: usize = 8;

    pub(super) fn decode(mut value: Reader<'a>) -> Result<Self, Malformed> {
        let new_cumulative_tsn = Tsn(value.u32("new cumulative TSN")?);
        let skipped = value.rest();
        if skipped.len() % Self::ENTRY != 0 {
            return Err(Malformed::new("skipped messages"));
        }
        Ok(Self { new_cumulative_tsn, skipped })
    }

    /// A chunk whose list is encoded already, eight bytes for each entry.
    pub const fn from_encoded(new_cumulative_tsn: Tsn, skipped: &'a [u8]) -> Self {
        Self { new_cumulative_tsn, skipped }
    }

    pub(super) fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u32(self.new_cumulative_tsn.0);
        buf.put_bytes(self.skipped);
    }

    /// What streams have to skip.
    pub fn skipped(&self) -> impl Iterator<Item = SkippedMessage> + Clone + use<'a> {
        let (entries, _) = self.skipped.as_chunks::<{ IForwardTsn::ENTRY }>();
        entries.iter().map(|[a, b, _, unordered, c, d, e, f]| SkippedMessage {
            stream: u16::from_be_bytes([*a, *b]),
            unordered: unordered & 1 != 0,
            mid: Mid(u32::from_be_bytes([*c, *d, *e, *f])),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chunk;
    use super::*;

    #[test]
    fn the_list_is_read_and_a_torn_entry_refused() {
        let bytes = [194, 0, 0, 24, 0, 0, 0, 7, 0, 1, 0, 0, 0, 0, 0, 5, 0, 2, 0, 1, 0xff, 0, 0, 9];
        let Ok(Chunk::IForwardTsn(forward)) = Chunk::decode(&mut Reader::new(&bytes)) else { panic!() };
        assert_eq!(forward.new_cumulative_tsn, Tsn(7));
        let skipped: Vec<_> = forward.skipped().collect();
        assert_eq!(
            skipped,
            [
                SkippedMessage { stream: 1, unordered: false, mid: Mid(5) },
                SkippedMessage { stream: 2, unordered: true, mid: Mid(0xff00_0009) },
            ]
        );
        let mut again = Vec::new();
        Chunk::IForwardTsn(forward).encode(&mut again);
        assert_eq!(again, bytes);
        let torn = [194, 0, 0, 12, 0, 0, 0, 7, 0, 1, 0, 0];
        assert!(Chunk::decode(&mut Reader::new(&torn)).is_err());
    }
}
