use crate::record::RecordHeader;

/// Protected records that arrived before their keys, or application data before the handshake was complete: the network
/// may deliver ChangeCipherSpec and Finished before what was sent before them. Bounded; beyond that they are lost.
pub(crate) struct Early {
    records: Vec<Vec<u8>>,
    bytes: usize,
    limit: usize,
}

/// What one record costs besides its bytes.
const OVERHEAD: usize = 64;

impl Early {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { records: Vec::new(), bytes: 0, limit }
    }

    /// Keeps a copy, if there is room.
    pub(crate) fn push(&mut self, header: &RecordHeader, content: &[u8]) -> bool {
        let cost = OVERHEAD + RecordHeader::SIZE + content.len();
        let fits = self.bytes + cost <= self.limit;
        if fits {
            let mut record = Vec::with_capacity(RecordHeader::SIZE + content.len());
            header.encode(&mut record);
            record.extend_from_slice(content);
            self.records.push(record);
            self.bytes += cost;
        }
        fits
    }

    /// Gives all back, in the order of arrival.
    pub(crate) fn take(&mut self) -> Vec<Vec<u8>> {
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ContentType;

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut early = Early::new(1000);
        let header =
            RecordHeader { kind: ContentType::APPLICATION_DATA, version: 0xfefd, epoch: 1, sequence: 1, length: 0 };
        let kept = (0..100).filter(|_| early.push(&header, &[])).count();
        assert_eq!(kept, 1000 / 77);
        assert_eq!(early.take().len(), kept);
        assert!(early.push(&header, &[]), "room again");
    }
}
