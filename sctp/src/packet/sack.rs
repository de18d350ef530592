use crate::serial::Tsn;
use wire::{Malformed, Put, Reader};

/// A run of TSNs received beyond a hole, both ends included, counted from the cumulative TSN ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapBlock {
    /// The first TSN minus the cumulative one; at least 2 in a sensible report.
    pub start: u16,
    /// The last TSN minus the cumulative one.
    pub end: u16,
}

/// Selective acknowledgement (RFC 9260, section 3.3.4).
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |   Type = 3    |  Chunk Flags  |         Chunk Length          |
/// +---------------+---------------+-------------------------------+
/// |                      Cumulative TSN Ack                       |
/// +---------------------------------------------------------------+
/// |          Advertised Receiver Window Credit (a_rwnd)           |
/// +-------------------------------+-------------------------------+
/// | Number of Gap Ack Blocks = N  |  Number of Duplicate TSNs = M |
/// +-------------------------------+-------------------------------+
/// /          N times: start (16 bits), end (16 bits)              /
/// +---------------------------------------------------------------+
/// /                       M times: TSN                            /
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sack<'a> {
    /// The last TSN received in sequence.
    pub cumulative_tsn_ack: Tsn,
    /// Bytes that the receiver can still take, those in flight not subtracted.
    pub a_rwnd: u32,
    gaps: &'a [u8],
    duplicates: &'a [u8],
}

impl<'a> Sack<'a> {
    /// Bytes of a SACK chunk without gap blocks and duplicates.
    pub const OVERHEAD: usize = 16;

    pub(super) fn decode(mut value: Reader<'a>) -> Result<Self, Malformed> {
        let cumulative_tsn_ack = Tsn(value.u32("cumulative TSN ack")?);
        let a_rwnd = value.u32("a_rwnd")?;
        let gaps = usize::from(value.u16("number of gap blocks")?);
        let duplicates = usize::from(value.u16("number of duplicate TSNs")?);
        let gaps = value.bytes(gaps.saturating_mul(4), "gap blocks")?;
        let duplicates = value.bytes(duplicates.saturating_mul(4), "duplicate TSNs")?;
        value.finish("SACK")?;
        Ok(Self { cumulative_tsn_ack, a_rwnd, gaps, duplicates })
    }

    /// A report without gaps and duplicates.
    pub const fn new(cumulative_tsn_ack: Tsn, a_rwnd: u32) -> Self {
        Self { cumulative_tsn_ack, a_rwnd, gaps: &[], duplicates: &[] }
    }

    /// A report whose gap blocks and duplicate TSNs are encoded already, four bytes each.
    pub(crate) const fn from_encoded(
        cumulative_tsn_ack: Tsn,
        a_rwnd: u32,
        gaps: &'a [u8],
        duplicates: &'a [u8],
    ) -> Self {
        Self { cumulative_tsn_ack, a_rwnd, gaps, duplicates }
    }

    pub(super) fn encode(&self, buf: &mut Vec<u8>) {
        buf.put_u32(self.cumulative_tsn_ack.0);
        buf.put_u32(self.a_rwnd);
        buf.put_u16((self.gaps.len() / 4) as u16);
        buf.put_u16((self.duplicates.len() / 4) as u16);
        buf.put_bytes(self.gaps);
        buf.put_bytes(self.duplicates);
    }

    /// The gap blocks in the order of the wire.
    pub fn gap_blocks(&self) -> impl Iterator<Item = GapBlock> + Clone + use<'a> {
        let (blocks, _) = self.gaps.as_chunks::<4>();
        blocks
            .iter()
            .map(|[a, b, c, d]| GapBlock { start: u16::from_be_bytes([*a, *b]), end: u16::from_be_bytes([*c, *d]) })
    }

    /// TSNs that arrived more than once since the last report.
    pub fn duplicate_tsns(&self) -> impl Iterator<Item = Tsn> + Clone + use<'a> {
        let (tsns, _) = self.duplicates.as_chunks::<4>();
        tsns.iter().map(|bytes| Tsn(u32::from_be_bytes(*bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Chunk;
    use super::*;

    #[test]
    fn gaps_and_duplicates_are_read_in_order() {
        let bytes = [
            3, 0, 0, 28, 0, 0, 0, 9, 0, 0, 4, 0, 0, 2, 0, 1, 0, 2, 0, 3, 0, 5, 0, 5, 0, 0, 0, 8, //
        ];
        let Ok(Chunk::Sack(sack)) = Chunk::decode(&mut Reader::new(&bytes)) else { panic!() };
        assert_eq!((sack.cumulative_tsn_ack, sack.a_rwnd), (Tsn(9), 1024));
        let gaps: Vec<_> = sack.gap_blocks().collect();
        assert_eq!(gaps, [GapBlock { start: 2, end: 3 }, GapBlock { start: 5, end: 5 }]);
        assert_eq!(sack.duplicate_tsns().collect::<Vec<_>>(), [Tsn(8)]);
        let mut again = Vec::new();
        Chunk::Sack(sack).encode(&mut again);
        assert_eq!(again, bytes);
    }

    #[test]
    fn counts_beyond_the_chunk_are_refused() {
        let bytes = [3, 0, 0, 16, 0, 0, 0, 9, 0, 0, 4, 0, 0xff, 0xff, 0xff, 0xff];
        assert!(Chunk::decode(&mut Reader::new(&bytes)).is_err());
        let trailing = [3, 0, 0, 20, 0, 0, 0, 9, 0, 0, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4];
        assert!(Chunk::decode(&mut Reader::new(&trailing)).is_err());
    }
}
