//! Packets of applications (RFC 3550, section 6.7).

use super::{kind, put_packet};
use wire::{Malformed, Put, Reader};

/// APP: what only an application understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application<'a> {
    /// 0 to 31, with whatever meaning the name gives it.
    pub subtype: u8,
    /// Who sends it.
    pub ssrc: u32,
    /// Four characters of ASCII.
    pub name: [u8; 4],
    /// Whole words; what is written is filled up with zeros.
    pub data: &'a [u8],
}

impl<'a> Application<'a> {
    pub(super) fn decode(subtype: u8, reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let ssrc = reader.u32("sender of an application's packet")?;
        let name = reader.array("name of an application's packet")?;
        Ok(Self { subtype, ssrc, name, data: reader.rest() })
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        put_packet(buf, kind::APPLICATION, |buf| {
            buf.put_u32(self.ssrc);
            buf.put_bytes(&self.name);
            buf.put_bytes(self.data);
            self.subtype
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Packet;
    use super::super::compound::{is_refused, only};
    use super::*;

    #[test]
    fn what_is_written_is_read_in_whole_words() {
        let mut buf = Vec::new();
        Application { subtype: 31, ssrc: 5, name: *b"test", data: &[1, 2, 3, 4, 5] }.encode(&mut buf);
        assert_eq!(buf, [0x9f, 204, 0, 4, 0, 0, 0, 5, b't', b'e', b's', b't', 1, 2, 3, 4, 5, 0, 0, 0]);
        let expected = Application { subtype: 31, ssrc: 5, name: *b"test", data: &[1, 2, 3, 4, 5, 0, 0, 0] };
        assert_eq!(only(&buf), Packet::Application(expected));
        assert!(is_refused(&[0x80, 204, 0, 1, 0, 0, 0, 5]));
    }
}
