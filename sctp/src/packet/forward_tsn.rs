use crate::serial::{Ssn, Tsn};
use wire::{Malformed, Put, Reader};

/// The last message that a stream will not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The stream.
    pub stream: u16,
    /// Its highest abandoned stream sequence number.
    pub ssn: Ssn,
}

/// Moves the receiver past abandoned chunks (RFC 3758, section 3.2).
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |   Type = 192  |  Flags = 0x00 |        Length = Variable      |
/// +---------------+---------------+-------------------------------+
/// |                      New Cumulative TSN                       |
/// +-------------------------------+-------------------------------+
/// /   N times: stream (16 bits), stream sequence number (16 bits) /
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardTsn<'a> {
    /// All up to here counts as received.
    pub new_cumulative_tsn: Tsn,
    skipped: &'a [u8],
}

impl<'a> ForwardTsn<'a> {
    /// Bytes of the chunk without its list of streams.
    pub const OVERHEAD: usize = 8;

    pub(super) fn decode(mut value: Reader<'a>) -> Result<Self, Malformed> {
        let new_cumulative_tsn = Tsn(value.u32("new cumulative TSN")?);
        let skipped = value.rest();
        if skipped.len() % 4 != 0 {
            return Err(Malformed::new("skipped streams"));
        }
        Ok(Self { new_cumulative_tsn, skipped })
    }

    /// A chunk whose list is encoded already, four bytes for each entry.
    pub(crate) const fn from_encoded(new_cumulative_tsn: Tsn, skipped: &'a [u8]) -> Self {
        Self { new_cumulative_tsn, skipped }
    }

    pub(super) fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u32(self.new_cumulative_tsn.0);
        buf.put_bytes(self.skipped);
    }

    /// What ordered streams have to skip.
    pub fn skipped(&self) -> impl Iterator<Item = Skipped> + Clone + use<'a> {
        let (entries, _) = self.skipped.as_chunks::<4>();
        entries.iter().map(|[a, b, c, d]| Skipped {
            stream: u16::from_be_bytes([*a, *b]),
            ssn: Ssn(u16::from_be_bytes([*c, *d])),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chunk;
    use super::*;

    #[test]
    fn the_list_is_read_and_a_torn_entry_refused() {
        let bytes = [192, 0, 0, 16, 0, 0, 0, 7, 0, 1, 0, 5, 0, 2, 0xff, 0xff];
        let Ok(Chunk::ForwardTsn(forward)) = Chunk::decode(&mut Reader::new(&bytes)) else { panic!() };
        assert_eq!(forward.new_cumulative_tsn, Tsn(7));
        let skipped: Vec<_> = forward.skipped().collect();
        assert_eq!(skipped, [Skipped { stream: 1, ssn: Ssn(5) }, Skipped { stream: 2, ssn: Ssn(0xffff) }]);
        let torn = [192, 0, 0, 10, 0, 0, 0, 7, 0, 1];
        assert!(Chunk::decode(&mut Reader::new(&torn)).is_err());
    }
}
