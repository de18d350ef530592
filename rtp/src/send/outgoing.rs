use crate::{Header, SequenceNumber};
use bytes::Bytes;
use std::time::Instant;
use wire::Put;

/// A whole encoded frame, to be cut into packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutgoingFrame<'a> {
    /// What the encoder made.
    pub data: &'a [u8],
    /// When it was sampled, in ticks of the stream's clock since whatever moment the application counts from.
    pub timestamp: u32,
    /// The same moment on the clock of the machine, for reports; `None` for the moment of the call.
    pub captured: Option<Instant>,
    /// Whether a decoder can begin here. For statistics, and it answers requests for a key frame.
    pub is_key_frame: bool,
    /// Audio: whether silence, in which nothing was sent, ends here (RFC 3551, section 4.1).
    pub starts_talk_spurt: bool,
    /// Given back with each of its packets, retransmissions too: what the caller needs to write their extensions.
    pub tag: u64,
}

/// A packet that was made elsewhere.
#[derive(Clone, Debug, Default)]
pub struct OutgoingPacket {
    /// Marker and payload type are taken as they are, the source is replaced by ours; for sequence number and timestamp
    /// see [`Numbering`](super::Numbering).
    pub header: Header,
    /// What it carries, without padding.
    pub payload: Bytes,
    /// When it was sampled, for reports; `None` for the moment of the call.
    pub captured: Option<Instant>,
    /// Whether it belongs to a key frame; enough on one packet of the frame.
    pub is_key_frame: bool,
    /// Given back with the packet.
    pub tag: u64,
}

/// Why a packet is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// For the first time.
    Media,
    /// Again, as the receiver missed it.
    Retransmission,
    /// To fill the path: a packet of before, or nothing but padding.
    Padding,
}

/// A packet to send now. The caller writes [`header`](Self::header) with its extensions, with the padding bit where
/// [`padding`](Self::padding) is not 0, and then [`append_payload`](Self::append_payload).
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Why it is sent.
    pub kind: Kind,
    /// The fixed header.
    pub header: Header,
    /// For a retransmission on the RTX stream: what the packet's number was, which goes before the payload (RFC 4588,
    /// section 4).
    pub original: Option<SequenceNumber>,
    /// What it carries.
    pub payload: &'a [u8],
    /// Bytes of padding behind the payload, the last of which says how many there are (RFC 3550, section 5.1).
    pub padding: u8,
    /// What the caller said of the frame or packet; 0 where there is nothing but padding.
    pub tag: u64,
    /// Whether the packet belongs to a key frame, as far as the application said so.
    pub is_key_frame: bool,
}

impl Outgoing<'_> {
    /// Bytes that [`append_payload`](Self::append_payload) appends.
    pub const fn payload_size(&self) -> usize {
        let original = if self.original.is_some() { size_of::<u16>() } else { 0 };
        original + self.payload.len() + self.padding as usize
    }

    /// Appends all that is behind header and extensions.
    pub fn append_payload(&self, buf: &mut Vec<u8>) {
        if let Some(original) = self.original {
            buf.put_u16(original.0);
        }
        buf.put_bytes(self.payload);
        if let Some(zeros) = self.padding.checked_sub(1) {
            buf.put_zeros(usize::from(zeros));
            buf.put_u8(self.padding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(outgoing: &Outgoing<'_>) -> Vec<u8> {
        let mut buf = vec![0xff];
        outgoing.append_payload(&mut buf);
        assert_eq!(buf.len(), 1 + outgoing.payload_size());
        buf
    }

    #[test]
    fn a_retransmission_begins_with_the_original_number() {
        let outgoing = Outgoing {
            kind: Kind::Retransmission,
            header: Header::default(),
            original: Some(SequenceNumber(0x0102)),
            payload: b"abc",
            padding: 0,
            tag: 0,
            is_key_frame: false,
        };
        assert_eq!(appended(&outgoing), [0xff, 1, 2, b'a', b'b', b'c']);
        assert_eq!(appended(&Outgoing { original: None, ..outgoing }), [0xff, b'a', b'b', b'c']);
    }

    #[test]
    fn padding_ends_with_its_length() {
        let outgoing = Outgoing {
            kind: Kind::Padding,
            header: Header::default(),
            original: None,
            payload: &[],
            padding: 4,
            tag: 0,
            is_key_frame: false,
        };
        assert_eq!(appended(&outgoing), [0xff, 0, 0, 0, 4]);
        assert_eq!(appended(&Outgoing { padding: 1, ..outgoing }), [0xff, 1]);
    }
}
