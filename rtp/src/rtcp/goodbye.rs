//! Goodbyes (RFC 3550, section 6.6).

use super::compound::MAX_COUNT;
use super::{kind, put_packet};
use crate::packet::Ssrcs;
use wire::{Malformed, Put, Reader};

/// BYE: sources that are no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goodbye<'a> {
    /// The sources.
    pub ssrcs: Ssrcs<'a>,
    /// Why, in UTF-8; empty where nothing is said.
    pub reason: &'a [u8],
}

impl<'a> Goodbye<'a> {
    pub(super) fn decode(count: u8, reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let ssrcs = Ssrcs::decode(reader, usize::from(count))?;
        let reason = if reader.is_empty() { &[] } else { reader.sub_u8("reason for leaving")?.rest() };
        Ok(Self { ssrcs, reason })
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        put_goodbyes(self.ssrcs.iter(), self.reason, buf);
    }

    /// Appends packets that say goodbye to these sources, 31 in each. Of the reason, which may be empty, at most 255
    /// bytes are written.
    pub fn write(ssrcs: impl IntoIterator<Item = u32>, reason: &str, buf: &mut Vec<u8>) {
        let reason = reason.get(..reason.floor_char_boundary(usize::from(u8::MAX))).unwrap_or_default();
        put_goodbyes(ssrcs, reason.as_bytes(), buf);
    }
}

fn put_goodbyes(ssrcs: impl IntoIterator<Item = u32>, reason: &[u8], buf: &mut Vec<u8>) {
    let mut ssrcs = ssrcs.into_iter().peekable();
    loop {
        put_packet(buf, kind::GOODBYE, |buf| {
            let mut count = 0;
            for ssrc in ssrcs.by_ref().take(MAX_COUNT) {
                buf.put_u32(ssrc);
                count += 1;
            }
            if !reason.is_empty() {
                buf.put_prefixed_u8(|buf| buf.put_bytes(reason));
            }
            count
        });
        if ssrcs.peek().is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::compound::{is_refused, only};
    use super::super::{Packet, packets};
    use super::*;

    fn read(bytes: &[u8]) -> (Vec<u32>, &[u8]) {
        let Packet::Goodbye(goodbye) = only(bytes) else { panic!("not a goodbye") };
        (goodbye.ssrcs.iter().collect(), goodbye.reason)
    }

    #[test]
    fn sources_and_reason_are_read() {
        let bytes = [0x82, 203, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 4, b'd', b'o', b'n', b'e', 0, 0, 0];
        assert_eq!(read(&bytes), (vec![1, 2], &b"done"[..]));
        assert_eq!(read(&[0x80, 203, 0, 0]), (vec![], &[][..]));
        assert!(is_refused(&[0x81, 203, 0, 0]) && is_refused(&[0x80, 203, 0, 1, 4, 1, 2, 3]));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut buf = Vec::new();
        Goodbye::write([1, 2], "done", &mut buf);
        assert_eq!(read(&buf), (vec![1, 2], &b"done"[..]));
        buf.clear();
        Goodbye::write(0..40, &"é".repeat(200), &mut buf);
        let mut sources = Vec::new();
        for packet in packets(&buf) {
            let Ok(Packet::Goodbye(goodbye)) = packet else { panic!("{packet:?}") };
            assert_eq!(goodbye.reason, "é".repeat(127).as_bytes());
            sources.extend(goodbye.ssrcs.iter());
        }
        assert!(sources.into_iter().eq(0..40));
    }
}
