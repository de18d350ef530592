//! Requests for key frames (RFC 4585, section 6.3.1; RFC 5104, section 4.3.1).

use super::{format, kind, lists, put_packet, words};
use wire::{Malformed, Put, Reader};

/// PLI: a picture is lost, and only a key frame helps (RFC 4585, section 6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLoss {
    /// Who lost it.
    pub sender_ssrc: u32,
    /// The source of the pictures.
    pub media_ssrc: u32,
}

impl PictureLoss {
    pub(super) fn decode(mut reader: Reader<'_>) -> Result<Self, Malformed> {
        let sender_ssrc = reader.u32("sender of feedback")?;
        let media_ssrc = reader.u32("source that feedback is for")?;
        reader.finish("picture loss")?;
        Ok(Self { sender_ssrc, media_ssrc })
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        put_packet(buf, kind::PAYLOAD_FEEDBACK, |buf| {
            buf.put_u32(self.sender_ssrc);
            buf.put_u32(self.media_ssrc);
            format::PICTURE_LOSS
        });
    }
}

/// FIR: key frames are wanted, as for somebody who joins (RFC 5104, section 4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullIntraRequest<'a> {
    /// Who wants them.
    pub sender_ssrc: u32,
    /// From which sources; one at least.
    pub entries: FirEntries<'a>,
}

lists! {
    /// The sources that are to send key frames.
    FirEntries of FirEntry, 8 bytes, "full intra requests";
}

/// One source that is to send a key frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirEntry {
    /// The source.
    pub ssrc: u32,
    /// Counts requests of this sender to this source; the same number again is the same request again.
    pub sequence: u8,
}

impl FirEntry {
    fn from_bytes(record: [u8; 8]) -> Self {
        let [ssrc, second] = words(record);
        let [sequence, ..] = second.to_be_bytes();
        Self { ssrc, sequence }
    }
}

impl<'a> FullIntraRequest<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let sender_ssrc = reader.u32("sender of feedback")?;
        // The entries name the sources (RFC 5104, section 4.3.1.2).
        reader.u32("source that feedback is for")?;
        let count = reader.remaining() / 8;
        let entries = FirEntries::decode(reader, count)?;
        if entries.is_empty() {
            return Err(Malformed::new("full intra requests"));
        }
        Ok(Self { sender_ssrc, entries })
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        Self::write(self.sender_ssrc, self.entries.iter(), buf);
    }

    /// Appends a packet with these requests, or nothing where there are none.
    pub fn write(sender_ssrc: u32, entries: impl IntoIterator<Item = FirEntry>, buf: &mut Vec<u8>) {
        let mut entries = entries.into_iter().peekable();
        if entries.peek().is_none() {
            return;
        }
        put_packet(buf, kind::PAYLOAD_FEEDBACK, |buf| {
            buf.put_u32(sender_ssrc);
            buf.put_u32(0);
            for entry in entries {
                buf.put_u32(entry.ssrc);
                buf.put_bytes(&[entry.sequence, 0, 0, 0]);
            }
            format::FULL_INTRA_REQUEST
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::compound::{is_refused, only};
    use super::super::{Packet, packets};
    use super::*;

    #[test]
    fn a_picture_loss_has_two_sources_and_nothing_else() {
        let mut bytes = Vec::new();
        let loss = PictureLoss { sender_ssrc: 1, media_ssrc: 2 };
        loss.encode(&mut bytes);
        assert_eq!(bytes, [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(only(&bytes), Packet::PictureLoss(loss));
        bytes[3] = 3;
        bytes.extend([0; 4]);
        assert!(is_refused(&bytes));
    }

    #[test]
    fn full_intra_requests_name_their_sources() {
        let entries = [FirEntry { ssrc: 7, sequence: 255 }, FirEntry { ssrc: 8, sequence: 0 }];
        let mut bytes = Vec::new();
        FullIntraRequest::write(1, entries, &mut bytes);
        assert_eq!(bytes[..12], [0x84, 206, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(bytes[12..20], [0, 0, 0, 7, 255, 0, 0, 0]);
        let Packet::FullIntraRequest(request) = only(&bytes) else { panic!("not a request") };
        assert!(request.entries.iter().eq(entries));
        // What is reserved is ignored.
        bytes[11] = 9;
        bytes[17] = 9;
        let again = packets(&bytes).next().unwrap().unwrap();
        assert!(matches!(again, Packet::FullIntraRequest(request) if request.entries.iter().eq(entries)));
    }

    #[test]
    fn a_full_intra_request_without_a_source_is_neither_written_nor_read() {
        let mut bytes = Vec::new();
        FullIntraRequest::write(1, [], &mut bytes);
        assert!(bytes.is_empty());
        assert!(is_refused(&[0x84, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]));
    }
}
