//! RTCP packets (RFC 3550, section 6, and its extensions).
//!
//! [`packets`] reads what is in a datagram; each type of packet has a `write` that appends one to a buffer from its
//! parts, so that compounds are written one packet after another. What is read can be written again by `encode`.

mod application;
mod compound;
mod congestion;
mod description;
mod extended;
mod goodbye;
mod keyframe;
mod nack;
mod remb;
mod report;
mod transport_feedback;

pub use application::Application;
pub(crate) use compound::put_packet;
pub use compound::{Packet, Packets, Unknown, is_rtcp, packets};
pub use congestion::{Arrival, CongestionBlock, CongestionFeedback, Ecn};
pub use description::{Chunk, Item, SourceDescription};
pub use extended::{Dlrr, Dlrrs, ExtendedBlock, ExtendedReport};
pub use goodbye::Goodbye;
pub use keyframe::{FirEntries, FirEntry, FullIntraRequest, PictureLoss};
pub use nack::Nack;
pub use remb::Remb;
pub use report::{ReceiverReport, ReportBlocks, SenderReport, round_trip};
pub use transport_feedback::{FeedbackHeader, PacketStatus, TransportFeedback};

use crate::NtpTime;

/// Packet types (RFC 3550, section 12.1; RFC 4585, section 6.1; RFC 3611, section 2).
pub mod kind {
    /// SR
    pub const SENDER_REPORT: u8 = 200;
    /// RR
    pub const RECEIVER_REPORT: u8 = 201;
    /// SDES
    pub const SOURCE_DESCRIPTION: u8 = 202;
    /// BYE
    pub const GOODBYE: u8 = 203;
    /// APP
    pub const APPLICATION: u8 = 204;
    /// RTPFB: feedback on the transport
    pub const TRANSPORT_FEEDBACK: u8 = 205;
    /// PSFB: feedback on the payload
    pub const PAYLOAD_FEEDBACK: u8 = 206;
    /// XR
    pub const EXTENDED_REPORT: u8 = 207;
}

/// Formats of feedback, which stand where other packets have a count.
pub mod format {
    /// Generic NACK, on the transport (RFC 4585, section 6.2.1).
    pub const NACK: u8 = 1;
    /// Congestion control feedback, on the transport (RFC 8888, section 3.1).
    pub const CONGESTION: u8 = 11;
    /// Transport-wide feedback, on the transport (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).
    pub const TRANSPORT_WIDE: u8 = 15;
    /// Picture loss indication, on the payload (RFC 4585, section 6.3.1).
    pub const PICTURE_LOSS: u8 = 1;
    /// Full intra request, on the payload (RFC 5104, section 4.3.1).
    pub const FULL_INTRA_REQUEST: u8 = 4;
    /// What an application makes of it, on the payload (RFC 4585, section 6.4); REMB is one of these.
    pub const APPLICATION: u8 = 15;
}

/// What a sender tells of its stream (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// The moment of the report.
    pub ntp: NtpTime,
    /// The same moment on the clock of the stream's timestamps.
    pub rtp_timestamp: u32,
    /// Packets sent so far; wraps.
    pub packets: u32,
    /// Bytes of payload sent so far; wraps.
    pub octets: u32,
}

/// What a receiver tells of one source (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Packets lost since the last report, in 256ths of those expected.
    pub fraction_lost: u8,
    /// Packets lost in all, 24 bits with a sign: duplicates count against losses.
    pub cumulative_lost: i32,
    /// The highest sequence number received, with the count of wraps above it.
    pub extended_highest_sequence: u32,
    /// Variation of the interarrival time, in ticks of the stream's clock.
    pub jitter: u32,
    /// The middle of the last sender report's time stamp ([`NtpTime::compact`]); 0 before there was one.
    pub last_sender_report: u32,
    /// How long ago that came, in units of 2^-16 seconds.
    pub delay_since_last_sender_report: u32,
}

/// Lists of records of fixed size, where they lie.
macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident of $item:ident, $size:literal bytes, $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default)]
        pub struct $name<'a> {
            records: &'a [[u8; $size]],
        }

        impl<'a> $name<'a> {
            /// Reads `count` records.
            pub(super) fn decode(reader: &mut wire::Reader<'a>, count: usize) -> Result<Self, wire::Malformed> {
                let (records, _) = reader.bytes(count.saturating_mul($size), $what)?.as_chunks();
                Ok(Self { records })
            }

            /// How many there are.
            pub const fn len(&self) -> usize {
                self.records.len()
            }

            /// Whether there is none.
            pub const fn is_empty(&self) -> bool {
                self.records.is_empty()
            }

            /// Each of them in order.
            pub fn iter(&self) -> impl ExactSizeIterator<Item = $item> + use<'a> {
                self.records.iter().map(|record| $item::from_bytes(*record))
            }
        }

        // What is reserved in a record makes no difference.
        impl PartialEq for $name<'_> {
            fn eq(&self, other: &Self) -> bool {
                self.iter().eq(other.iter())
            }
        }

        impl Eq for $name<'_> {}

        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_list().entries(self.iter()).finish()
            }
        }
    )*};
}
use lists;

/// `N` words of 32 bits in a record.
fn words<const N: usize, const M: usize>(record: [u8; M]) -> [u32; N] {
    let (words, _) = record.as_chunks();
    let mut words = words.iter().map(|word| u32::from_be_bytes(*word));
    std::array::from_fn(|_| words.next().unwrap_or_default())
}
