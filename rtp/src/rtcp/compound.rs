//! What is common to all packets, and how they stand in a datagram (RFC 3550, section 6.1; RFC 5506).

use super::{
    Application, CongestionFeedback, ExtendedReport, FullIntraRequest, Goodbye, Nack, PictureLoss, ReceiverReport,
    Remb, SenderReport, SourceDescription, format, kind,
};
use wire::{Malformed, Put, Reader};

/// The version of RTP, in the two highest bits of every packet.
const VERSION: u8 = 2 << 6;
/// The P bit.
const PADDING: u8 = 1 << 5;
/// The bits of count or format.
const COUNT: u8 = 0x1f;
/// The most that a packet can count.
pub(super) const MAX_COUNT: usize = COUNT as usize;

/// Whether a datagram that came where RTP is expected is RTCP (RFC 5761, section 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first & 0xc0 == VERSION)
}

/// The packets in a datagram, one after another: a compound (RFC 3550, section 6.1), or fewer than a compound must have
/// (RFC 5506). A packet whose content makes no sense is an error among others; one whose length does is the last.
pub const fn packets(datagram: &[u8]) -> Packets<'_> {
    Packets { reader: Reader::new(datagram) }
}

/// Iterates over the packets of a datagram; see [`packets`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let framed = frame(&mut self.reader);
        if framed.is_err() {
            self.reader.rest();
        }
        let is_last = self.reader.is_empty();
        Some(framed.and_then(|(flags, raw)| Packet::decode(without_padding(flags, raw, is_last)?)))
    }
}

/// Takes one packet, as long as its header says.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|  count  |      type     |  length in words, less one    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
fn frame<'a>(reader: &mut Reader<'a>) -> Result<(u8, Unknown<'a>), Malformed> {
    let flags = reader.u8("RTCP header")?;
    if flags & 0xc0 != VERSION {
        return Err(Malformed::new("RTCP version"));
    }
    let kind = reader.u8("RTCP packet type")?;
    let words = reader.u16("RTCP length")?;
    let body = reader.bytes(usize::from(words) * 4, "RTCP length")?;
    Ok((flags, Unknown { kind, count: flags & COUNT, body }))
}

/// Takes padding off, which only the last packet may have, in whole words (RFC 3550, section 6.4.1).
///
/// Transport-wide feedback is passed as it is: browsers fill up its last word, and say so with a count of less than four.
/// What reads it finds its end by itself.
fn without_padding(flags: u8, raw: Unknown<'_>, is_last: bool) -> Result<Unknown<'_>, Malformed> {
    let is_self_delimiting = raw.kind == kind::TRANSPORT_FEEDBACK && raw.count == format::TRANSPORT_WIDE;
    if flags & PADDING == 0 || is_self_delimiting {
        return Ok(raw);
    }
    let padding = usize::from(raw.body.last().copied().unwrap_or_default());
    let kept = raw.body.len().checked_sub(padding).filter(|_| is_last && padding > 0 && padding.is_multiple_of(4));
    let body = kept.and_then(|kept| raw.body.get(..kept)).ok_or(Malformed::new("RTCP padding"))?;
    Ok(Unknown { body, ..raw })
}

/// Appends one packet: the header, and what `body` appends, filled up with zeros to whole words. `body` returns the
/// count or format. More than 65,535 words are the caller's bug.
pub(crate) fn put_packet(buf: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>) -> u8) {
    let start = buf.len();
    buf.put_bytes(&[VERSION, kind, 0, 0]);
    let count = body(buf);
    let length = buf.len().saturating_sub(start);
    let padded = length.next_multiple_of(4);
    buf.put_zeros(padded - length);
    let words = padded / 4 - 1;
    debug_assert!(words <= usize::from(u16::MAX), "an RTCP packet of {words} words");
    let [high, low] = (words as u16).to_be_bytes();
    if let Some(header) = buf.get_mut(start..start + 4) {
        header.copy_from_slice(&[VERSION | count & COUNT, kind, high, low]);
    }
}

/// Appends packets that count what they hold, 31 items in each, until there are no more: one packet even where there
/// is none. `kinds` are the types of the first and of the others; `head` and `item` append to the one being written.
pub(super) fn put_counted<T>(
    buf: &mut Vec<u8>,
    kinds: [u8; 2],
    items: impl IntoIterator<Item = T>,
    head: impl Fn(&mut Vec<u8>, u8),
    item: impl Fn(&mut Vec<u8>, T),
) {
    let mut items = items.into_iter().peekable();
    let [mut kind, further] = kinds;
    loop {
        put_packet(buf, kind, |buf| {
            head(buf, kind);
            let mut count = 0;
            for next in items.by_ref().take(MAX_COUNT) {
                item(buf, next);
                count += 1;
            }
            count
        });
        if items.peek().is_none() {
            return;
        }
        kind = further;
    }
}

/// A packet whose type has no decoder, or that has not been through one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// The packet type.
    pub kind: u8,
    /// The five bits that are a count, a subtype or a format.
    pub count: u8,
    /// What follows the length, without padding.
    pub body: &'a [u8],
}

impl Unknown<'_> {
    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        put_packet(buf, self.kind, |buf| {
            buf.put_bytes(self.body);
            self.count
        });
    }
}

/// One RTCP packet, where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// SR: what a sender tells of its stream, and of those it receives (RFC 3550, section 6.4.1).
    SenderReport(SenderReport<'a>),
    /// RR: what somebody tells of the streams it receives (section 6.4.2).
    ReceiverReport(ReceiverReport<'a>),
    /// SDES: who the sources are (section 6.5).
    SourceDescription(SourceDescription<'a>),
    /// BYE: sources that are no more (section 6.6).
    Goodbye(Goodbye<'a>),
    /// APP: what only an application understands (section 6.7).
    Application(Application<'a>),
    /// XR: further reports (RFC 3611).
    ExtendedReport(ExtendedReport<'a>),
    /// Packets that are missing (RFC 4585, section 6.2.1).
    Nack(Nack<'a>),
    /// A picture is lost: a key frame is wanted (RFC 4585, section 6.3.1).
    PictureLoss(PictureLoss),
    /// A key frame is wanted (RFC 5104, section 4.3.1).
    FullIntraRequest(FullIntraRequest<'a>),
    /// What a receiver thinks that the path carries (draft-alvestrand-rmcat-remb-03).
    Remb(Remb<'a>),
    /// Which packets of a transport arrived when (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1):
    /// what follows the length, from the SSRC of the sender on.
    TransportFeedback(&'a [u8]),
    /// Which packets of each source arrived when (RFC 8888).
    CongestionFeedback(CongestionFeedback<'a>),
    /// Any other type, subtype or format; to be ignored.
    Unknown(Unknown<'a>),
}

impl<'a> Packet<'a> {
    fn decode(raw: Unknown<'a>) -> Result<Self, Malformed> {
        let mut body = Reader::new(raw.body);
        Ok(match raw.kind {
            kind::SENDER_REPORT => Self::SenderReport(SenderReport::decode(raw.count, &mut body)?),
            kind::RECEIVER_REPORT => Self::ReceiverReport(ReceiverReport::decode(raw.count, &mut body)?),
            kind::SOURCE_DESCRIPTION => Self::SourceDescription(SourceDescription::decode(raw.count, raw.body)?),
            kind::GOODBYE => Self::Goodbye(Goodbye::decode(raw.count, &mut body)?),
            kind::APPLICATION => Self::Application(Application::decode(raw.count, &mut body)?),
            kind::EXTENDED_REPORT => Self::ExtendedReport(ExtendedReport::decode(&mut body)?),
            kind::TRANSPORT_FEEDBACK => match raw.count {
                format::NACK => Self::Nack(Nack::decode(&mut body)?),
                format::CONGESTION => Self::CongestionFeedback(CongestionFeedback::decode(&mut body)?),
                format::TRANSPORT_WIDE => Self::TransportFeedback(raw.body),
                _ => Self::Unknown(raw),
            },
            kind::PAYLOAD_FEEDBACK => match raw.count {
                format::PICTURE_LOSS => Self::PictureLoss(PictureLoss::decode(body)?),
                format::FULL_INTRA_REQUEST => Self::FullIntraRequest(FullIntraRequest::decode(&mut body)?),
                format::APPLICATION if Remb::is(raw.body) => Self::Remb(Remb::decode(body)?),
                _ => Self::Unknown(raw),
            },
            _ => Self::Unknown(raw),
        })
    }

    /// Appends the packet.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        match self {
            Self::SenderReport(packet) => packet.encode(buf),
            Self::ReceiverReport(packet) => packet.encode(buf),
            Self::SourceDescription(packet) => packet.encode(buf),
            Self::Goodbye(packet) => packet.encode(buf),
            Self::Application(packet) => packet.encode(buf),
            Self::ExtendedReport(packet) => packet.encode(buf),
            Self::Nack(packet) => packet.encode(buf),
            Self::PictureLoss(packet) => packet.encode(buf),
            Self::FullIntraRequest(packet) => packet.encode(buf),
            Self::Remb(packet) => packet.encode(buf),
            Self::TransportFeedback(body) => {
                Unknown { kind: kind::TRANSPORT_FEEDBACK, count: format::TRANSPORT_WIDE, body }.encode(buf);
            }
            Self::CongestionFeedback(packet) => packet.encode(buf),
            Self::Unknown(packet) => packet.encode(buf),
        }
    }
}

/// The only packet in `datagram`, for tests of each type.
#[cfg(test)]
#[track_caller]
pub(super) fn only(datagram: &[u8]) -> Packet<'_> {
    let mut packets = packets(datagram);
    let packet = packets.next().expect("a packet").expect("a packet that can be read");
    assert_eq!(packets.next(), None, "one packet only");
    let mut again = Vec::new();
    packet.encode(&mut again);
    assert_eq!(again, datagram, "written otherwise than read");
    packet
}

/// Whether the first packet in `datagram` makes no sense.
#[cfg(test)]
pub(super) fn is_refused(datagram: &[u8]) -> bool {
    packets(datagram).next().is_some_and(|packet| packet.is_err())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SequenceNumber;
    use crate::rtcp::{ReportBlock, SenderInfo};
    use proptest::prelude::*;

    #[test]
    fn feedback_that_fills_up_its_last_word_is_passed_on_wherever_it_stands() {
        // One packet that arrived, with one byte of padding behind its time.
        let feedback = [0xaf, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 1, 0, 0, 1, 0, 0x20, 1, 9, 1];
        let datagram = [&feedback[..], &PLI].concat();
        assert_eq!(kinds(&datagram), ["other", "PLI"]);
        let Some(Ok(Packet::TransportFeedback(body))) = packets(&datagram).next() else { panic!("no feedback") };
        assert!(crate::rtcp::TransportFeedback::decode_body(body).is_ok());
    }

    const PLI: [u8; 12] = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];

    fn kinds(datagram: &[u8]) -> Vec<&'static str> {
        let name = |packet: Result<Packet<'_>, Malformed>| match packet {
            Ok(Packet::SenderReport(_)) => "SR",
            Ok(Packet::SourceDescription(_)) => "SDES",
            Ok(Packet::Nack(_)) => "NACK",
            Ok(Packet::PictureLoss(_)) => "PLI",
            Ok(Packet::Unknown(_)) => "unknown",
            Ok(_) => "other",
            Err(malformed) => malformed.what(),
        };
        packets(datagram).map(name).collect()
    }

    #[test]
    fn a_compound_is_written_and_read_one_packet_after_another() {
        let mut buf = Vec::new();
        SenderReport::write(1, &SenderInfo::default(), [ReportBlock::default()], &mut buf);
        SourceDescription::write_cname(1, "somebody", &mut buf);
        Nack::write(1, 2, [SequenceNumber(7)], &mut buf);
        PictureLoss { sender_ssrc: 1, media_ssrc: 2 }.encode(&mut buf);
        assert_eq!(kinds(&buf), ["SR", "SDES", "NACK", "PLI"]);
        assert!(is_rtcp(&buf));
        assert_eq!(kinds(&buf[..buf.len() - 1]), ["SR", "SDES", "NACK", "RTCP length"]);
    }

    #[test]
    fn one_packet_that_makes_no_sense_does_not_hide_the_others() {
        let mut buf = PLI.to_vec();
        buf.extend([0x81, 206, 0, 0]);
        buf.extend([0x81, 199, 0, 0]);
        buf.extend(PLI);
        assert_eq!(kinds(&buf), ["PLI", "sender of feedback", "unknown", "PLI"]);
        buf.extend([0x41, 206, 0, 0, 0x81, 206, 0, 0]);
        assert_eq!(kinds(&buf)[4..], ["RTCP version"], "no length can be believed from there on");
        assert_eq!(kinds(&[]), [""; 0]);
    }

    #[test]
    fn padding_stands_at_the_end_of_the_last_packet_in_whole_words() {
        let padded = |padding: &[u8]| {
            let mut bytes = [&PLI[..], padding].concat();
            bytes[0] |= PADDING;
            bytes[3] += padding.len() as u8 / 4;
            bytes
        };
        assert_eq!(kinds(&padded(&[0, 0, 0, 4])), ["PLI"]);
        assert_eq!(kinds(&padded(&[0, 0, 0, 0, 0, 0, 0, 8])), ["PLI"]);
        for refused in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 2], &[0, 0, 0, 20], &[0, 0, 0, 255]] {
            assert_eq!(kinds(&padded(refused)), ["RTCP padding"], "{refused:?}");
        }
        assert_eq!(kinds(&padded(&[0, 0, 0, 8])), ["source that feedback is for"], "half of the packet is padding");
        let twice = [padded(&[0, 0, 0, 4]), padded(&[0, 0, 0, 4])].concat();
        assert_eq!(kinds(&twice), ["RTCP padding", "PLI"]);
    }

    #[test]
    fn what_has_no_decoder_is_passed_through() {
        for bytes in [
            &[0x9f, 195, 0, 1, 1, 2, 3, 4][..],
            &[0x83, 205, 0, 1, 1, 2, 3, 4],
            &[0x82, 206, 0, 1, 1, 2, 3, 4],
            &[0x8f, 206, 0, 1, 1, 2, 3, 4],
        ] {
            let expected = Unknown { kind: bytes[1], count: bytes[0] & COUNT, body: &[1, 2, 3, 4] };
            assert_eq!(only(bytes), Packet::Unknown(expected));
        }
        let feedback = [0x8f, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(only(&feedback), Packet::TransportFeedback(&feedback[4..]));
    }

    #[test]
    fn media_is_not_taken_for_reports() {
        assert!(!is_rtcp(&[0x80, 96, 0, 0]) && !is_rtcp(&[0x80, 224, 0, 0]) && !is_rtcp(&[0x80]));
        assert!(is_rtcp(&[0x80, 192]) && is_rtcp(&[0x81, 223]) && !is_rtcp(&[0x40, 200]));
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_and_decodes_alike(
            kind in prop_oneof![200u8..208, Just(205u8), Just(206u8)],
            count in prop_oneof![0u8..6, Just(11u8), Just(15u8), 0u8..32],
            body in proptest::collection::vec(prop_oneof![Just(0u8), Just(1u8), any::<u8>()], 0..80),
        ) {
            let mut bytes = Vec::new();
            Unknown { kind, count, body: &body }.encode(&mut bytes);
            for packet in packets(&bytes).flatten() {
                let mut written = Vec::new();
                packet.encode(&mut written);
                let again: Vec<_> = packets(&written).collect();
                prop_assert_eq!(again, [Ok(packet)]);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(packets(&bytes).count() <= bytes.len() / 4 + 1);
        }
    }
}
