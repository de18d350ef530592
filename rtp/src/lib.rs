//! RTP and RTCP without I/O: packets, payload formats, streams received and sent, their repair and feedback. Packets are
//! read where they lie, by borrowing, and written by appending to a buffer of the caller; neither allocates. Time is an
//! argument, randomness comes from the caller, and no byte from the network makes anything panic.
//!
//! # What it implements
//!
//! - RFC 3550, section 5: RTP packets with padding, CSRCs and extensions ([`Packet`], [`Header`]). RFC 5761, section 4:
//!   what is RTCP among them ([`rtcp::is_rtcp`]).
//! - RFC 8285, section 4: header extensions of one-byte and two-byte headers ([`packet::Extensions`],
//!   [`packet::ExtensionWriter`]), and the values that browsers put into them ([`Values`]): RFC 5450, RFC 6464,
//!   RFC 6465, RFC 8852, RFC 9143, and those that have a web page instead of an RFC.
//! - RFC 3550, section 6: SR, RR, SDES, BYE and APP, in compounds ([`rtcp::packets`]) and out of them (RFC 5506);
//!   round-trip times (6.4.1, [`rtcp::round_trip`]).
//! - RFC 3611, sections 4.4 and 4.5: reference times of receivers, and the answers. RFC 4585, section 6: generic NACK
//!   and PLI. RFC 5104, section 4.3.1: FIR. RFC 8888: congestion control feedback. REMB
//!   (draft-alvestrand-rmcat-remb-03) and transport-wide feedback
//!   (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! - Payload formats ([`payload`]): RFC 7741 (VP8), RFC 9628 (VP9), RFC 6184 (H.264), RFC 7798 (H.265), AV1, RFC 7587
//!   (Opus), RFC 3551 (G.711), RFC 2198 (RED), RFC 4733 (telephone events), RFC 4588 (RTX).
//! - One stream received ([`receive`]) and sent ([`send`]): whole frames in order, requests for what is missing and for
//!   key frames, retransmission, the statistics of reports (RFC 3550, appendix A).
//! - One unbroken stream out of several ([`forward`]), as forwarding a layer of simulcast needs it (RFC 7667, section 3.7).
//! - What the path carries ([`bandwidth`]): arrivals, Google congestion control (draft-ietf-rmcat-gcc-02), a pacer.
//!
//! # What it leaves out on purpose
//!
//! - RFC 3550, section 9 (encryption): that is SRTP's business, which stands beneath.
//! - RFC 3550, section 8.2 (collisions and loops of SSRCs): session descriptions and mids say which stream is which.
//! - RFC 3550, section 7 (mixers and translators): CSRCs are read and written; whoever forwards has the packets.
//! - Slice loss, reference picture selection, temporary bitrates (RFC 4585, RFC 5104) and other reports of RFC 3611: no
//!   browser sends them. They are read as [`rtcp::Unknown`] and [`rtcp::ExtendedBlock::Other`].
//! - Extensions encrypted by themselves (RFC 6904).
//!
//! # Use
//!
//! A packet goes to a receiver, which misses the one before it and says so:
//!
//! ```
//! # use visavis_rtp as rtp;
//! use rtp::{Extension, ExtensionMap, Header, Packet, SequenceNumber, Values, rtcp};
//!
//! // What both sides have negotiated.
//! let map = ExtensionMap::from_iter([(3, Extension::TransportSequence), (4, Extension::Mid)]);
//!
//! // The sender writes a header, and the payload behind it.
//! let header = Header { marker: true, payload_type: 96, sequence: SequenceNumber(8), timestamp: 90_000, ssrc: 1 };
//! let values = Values { transport_sequence: Some(17), mid: Some("video"), ..Values::default() };
//! let mut datagram = Vec::new();
//! header.encode_with(&[], |extensions| values.write(&map, extensions), &mut datagram);
//! datagram.extend_from_slice(b"payload");
//!
//! // The receiver reads it where it lies.
//! assert!(!rtcp::is_rtcp(&datagram));
//! let packet = Packet::decode(&datagram)?;
//! assert_eq!((packet.header, packet.payload), (header, &b"payload"[..]));
//! assert_eq!(Values::read(&packet.extensions, &map), values);
//!
//! // It answers with a compound: a report, then which packet it misses.
//! let mut answer = Vec::new();
//! rtcp::ReceiverReport::write(2, [], &mut answer);
//! rtcp::SourceDescription::write_cname(2, "receiver", &mut answer);
//! rtcp::Nack::write(2, packet.header.ssrc, [SequenceNumber(7)], &mut answer);
//!
//! for feedback in rtcp::packets(&answer) {
//!     if let rtcp::Packet::Nack(nack) = feedback? {
//!         assert!(nack.sequences().eq([SequenceNumber(7)]));
//!     }
//! }
//! # Ok::<(), rtp::Malformed>(())
//! ```

pub mod bandwidth;
pub mod forward;
pub mod packet;
pub mod payload;
pub mod receive;
pub mod rtcp;
pub mod send;
mod sequence;
mod time;

pub use packet::{Extension, ExtensionMap, Header, Packet, Values};
pub use sequence::{SequenceNumber, Unwrapper};
pub use time::{NtpTime, compact_duration, duration_from_compact};
pub use wire::Malformed;
