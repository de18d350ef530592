//! Source descriptions (RFC 3550, section 6.5).

use super::compound::put_counted;
use super::{kind, put_packet};
use wire::{Malformed, Put, Reader};

/// SDES: items of text about sources.
///
/// ```text
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                             SSRC                              |  a chunk for each source
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  item's type  |    length     | text, next item, …, 0 (pad)   |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceDescription<'a> {
    count: u8,
    body: &'a [u8],
}

impl<'a> SourceDescription<'a> {
    pub(super) fn decode(count: u8, body: &'a [u8]) -> Result<Self, Malformed> {
        // All chunks are walked here, so that nobody has to ask for errors later.
        let mut reader = Reader::new(body);
        for _ in 0..count {
            Chunk::decode(&mut reader)?;
        }
        reader.finish("source description")?;
        Ok(Self { count, body })
    }

    /// What is told of each source.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'a>> + use<'a> {
        let mut reader = Reader::new(self.body);
        (0..self.count).map_while(move |_| Chunk::decode(&mut reader).ok())
    }

    /// The name of a source that it keeps when its SSRC changes (RFC 3550, section 6.5.1).
    pub fn cname(&self, ssrc: u32) -> Option<&'a str> {
        self.chunks().find(|chunk| chunk.ssrc == ssrc)?.cname()
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        put_packet(buf, kind::SOURCE_DESCRIPTION, |buf| {
            buf.put_bytes(self.body);
            self.count
        });
    }

    /// Appends a packet with the CNAME of one source, of which at most 255 bytes are written.
    pub fn write_cname(ssrc: u32, cname: &str, buf: &mut Vec<u8>) {
        Self::write([(ssrc, &[Item::cname(cname)][..])], buf);
    }

    /// Appends packets that tell these items of these sources, 31 sources in each. Of a text, at most 255 bytes are
    /// written; an item of type 0 is none.
    pub fn write<'i>(chunks: impl IntoIterator<Item = (u32, &'i [Item<'i>])>, buf: &mut Vec<u8>) {
        put_counted(
            buf,
            [kind::SOURCE_DESCRIPTION; 2],
            chunks,
            |_, _| {},
            |buf, (ssrc, items)| {
                buf.put_u32(ssrc);
                let start = buf.len();
                for item in items.iter().filter(|item| item.kind != Item::END) {
                    buf.put_u8(item.kind);
                    let text = item.text.get(..Item::MAX_TEXT).unwrap_or(item.text);
                    buf.put_prefixed_u8(|buf| buf.put_bytes(text));
                }
                // At least one zero ends the list, and the chunk is whole words.
                let length = buf.len().saturating_sub(start);
                buf.put_zeros((length + 1).next_multiple_of(4) - length);
            },
        );
    }
}

/// What is told of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The source.
    pub ssrc: u32,
    /// The items without the zeros behind them.
    items: &'a [u8],
}

impl<'a> Chunk<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let ssrc = reader.u32("source of a description")?;
        let list = reader.peek();
        let mut ahead = reader.clone();
        while let Some(_item) = Item::decode(&mut ahead)? {}
        let length = list.len() - ahead.remaining();
        reader.bytes(length.next_multiple_of(4), "end of a description")?;
        Ok(Self { ssrc, items: list.get(..length).unwrap_or_default() })
    }

    /// Each item in order.
    pub fn items(&self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let mut reader = Reader::new(self.items);
        std::iter::from_fn(move || Item::decode(&mut reader).ok().flatten())
    }

    /// The text of the first CNAME, if it is one.
    pub fn cname(&self) -> Option<&'a str> {
        let item = self.items().find(|item| item.kind == Item::CNAME)?;
        std::str::from_utf8(item.text).ok()
    }
}

/// One thing told of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// What it is: [`CNAME`](Self::CNAME), or a type of RFC 3550, sections 6.5.2 to 6.5.8, or a later one.
    pub kind: u8,
    /// UTF-8, up to 255 bytes.
    pub text: &'a [u8],
}

impl<'a> Item<'a> {
    /// The type that ends a list.
    const END: u8 = 0;
    /// The type of a canonical name (RFC 3550, section 6.5.1).
    pub const CNAME: u8 = 1;
    const MAX_TEXT: usize = u8::MAX as usize;

    /// A canonical name, cut to what an item holds.
    pub fn cname(name: &'a str) -> Self {
        let text = name.get(..name.floor_char_boundary(Self::MAX_TEXT)).unwrap_or_default();
        Self { kind: Self::CNAME, text: text.as_bytes() }
    }

    /// The next item, or the zero that ends the list.
    fn decode(reader: &mut Reader<'a>) -> Result<Option<Self>, Malformed> {
        let kind = reader.u8("description item")?;
        if kind == Self::END {
            return Ok(None);
        }
        let text = reader.sub_u8("description item")?.rest();
        Ok(Some(Self { kind, text }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::compound::{is_refused, only};
    use super::super::{Packet, packets};
    use super::*;

    const TWO: &[u8] = &[
        0x82, 202, 0, 6, 0, 0, 0, 1, 2, 1, b'n', 1, 3, b'a', b'b', b'c', 0, 0, 0, 0, // the name fills its words
        0, 0, 0, 2, 0, 0, 0, 0, // nothing is told of the second source
    ];

    fn read(bytes: &[u8]) -> SourceDescription<'_> {
        let Packet::SourceDescription(description) = only(bytes) else { panic!("not a description") };
        description
    }

    #[test]
    fn every_item_of_every_chunk_is_found() {
        let description = read(TWO);
        let chunks: Vec<_> = description.chunks().collect();
        assert_eq!(chunks.iter().map(|chunk| chunk.ssrc).collect::<Vec<_>>(), [1, 2]);
        let items: Vec<_> = chunks[0].items().collect();
        assert_eq!(items, [Item { kind: 2, text: b"n" }, Item::cname("abc")]);
        assert_eq!(chunks[1].items().count(), 0);
        assert_eq!((description.cname(1), description.cname(2), description.cname(3)), (Some("abc"), None, None));
    }

    #[test]
    fn what_is_written_is_read_and_whole_words() {
        for length in 0..9 {
            let name = "n".repeat(length);
            let mut buf = Vec::new();
            SourceDescription::write(
                [(1, &[Item { kind: 7, text: b"?" }, Item::cname(&name)][..]), (2, &[])],
                &mut buf,
            );
            assert_eq!((buf.len() % 4, read(&buf).cname(1)), (0, Some(&*name)));
        }
        let mut buf = Vec::new();
        SourceDescription::write_cname(1, &"ä".repeat(200), &mut buf);
        assert_eq!(read(&buf).cname(1), Some(&*"ä".repeat(127)), "cut between characters");
        buf.clear();
        SourceDescription::write((0..40).map(|ssrc| (ssrc, &[Item { kind: 2, text: &[b'x'; 300] }][..])), &mut buf);
        assert_eq!(packets(&buf).filter(Result::is_ok).count(), 2);
    }

    #[test]
    fn descriptions_that_do_not_end_are_refused() {
        for bytes in [
            &[0x81, 202, 0, 0][..],
            &[0x81, 202, 0, 1, 0, 0, 0, 1],
            &[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, b'a', b'b'],
            &[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 3, b'a', b'b'],
            &[0x80, 202, 0, 1, 0, 0, 0, 1],
            &[0x82, 202, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0],
        ] {
            assert!(is_refused(bytes), "{bytes:?}");
        }
        assert_eq!(read(&[0x80, 202, 0, 0]).chunks().count(), 0);
    }
}
