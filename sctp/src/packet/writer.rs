use super::{Chunk, HEADER_LENGTH, Header, write_checksum};
use wire::Put;

/// One packet being appended to a buffer that may already hold others.
pub(crate) struct Writer<'b> {
    pub(crate) buf: &'b mut Vec<u8>,
    start: usize,
    limit: usize,
}

impl<'b> Writer<'b> {
    /// Begins a packet of at most `limit` bytes.
    pub(crate) fn new(buf: &'b mut Vec<u8>, header: Header, limit: usize) -> Self {
        let start = buf.len();
        buf.put_u16(header.source_port);
        buf.put_u16(header.destination_port);
        buf.put_u32(header.verification_tag);
        buf.put_u32(0);
        Self { buf, start, limit }
    }

    /// Bytes that still fit, whole words only so that padding never crosses the limit.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.buf.len().saturating_sub(self.start)) & !3
    }

    /// Whether no chunk has been appended yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.buf.len() <= self.start + HEADER_LENGTH
    }

    /// Appends a chunk. The caller has checked that it fits.
    pub(crate) fn chunk(&mut self, chunk: &Chunk<'_>) {
        chunk.encode(self.buf);
    }

    /// Appends chunks that are encoded already.
    pub(crate) fn raw(&mut self, chunks: &[u8]) {
        self.buf.put_bytes(chunks);
    }

    /// Leaves the checksum zero, where the peer takes that; true if there is a packet.
    pub(crate) fn finish_without_checksum(self) -> bool {
        let is_empty = self.is_empty();
        if is_empty {
            self.buf.truncate(self.start);
        }
        !is_empty
    }

    /// Writes the checksum; true if there is a packet. Without chunks the header is taken back.
    pub(crate) fn finish(self) -> bool {
        if self.is_empty() {
            self.buf.truncate(self.start);
            return false;
        }
        if let Some(packet) = self.buf.get_mut(self.start..) {
            write_checksum(packet);
        }
        true
    }
}
