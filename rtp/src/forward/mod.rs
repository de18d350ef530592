//! One unbroken stream out of several incoming ones, of which one is forwarded at a time: what a middlebox does that
//! forwards one of several simulcast layers (RFC 7667, section 3.7).
//!
//! A [`Forwarder`] begins a source at a key frame only, and until that has come the one before goes on. Sequence numbers
//! and timestamps go on without a seam ([`Rewriter`]), and so do the counters in front of the payload: picture id,
//! TL0PICIDX and KEYIDX of VP8 (RFC 7741, section 4.2), picture id and TL0PICIDX of VP9 (RFC 9628, section 4.2). Other
//! formats have none.
//!
//! Left out on purpose: reading sender reports (timestamps go on as packets arrive, which is as exact as the path is
//! even); dropping temporal or spatial layers within a source; waiting until the last frame of the source before is whole
//! (the key frame takes its place).
//!
//! ```
//! # use std::time::Instant;
//! use rtp::forward::{Forwarder, Incoming};
//! use rtp::payload::Format;
//! # use visavis_rtp as rtp;
//!
//! # fn run(now: Instant, layers: impl Iterator<Item = (rtp::Header, bytes::Bytes)>) {
//! let mut forwarder = Forwarder::new(rtp::SequenceNumber(0), 0);
//! forwarder.choose(0x1234);
//! for (header, payload) in layers {
//!     let incoming = Incoming { source: header.ssrc.into(), format: Some(Format::Vp8), clock_rate: 90_000, header, payload };
//!     if let Some(outgoing) = forwarder.forward(now, &incoming) {
//!         println!("{} bytes go out as number {}", outgoing.payload.len(), outgoing.header.sequence.0);
//!     }
//!     if let Some(source) = forwarder.wants_key_frame(now) {
//!         println!("{source} should send a key frame");
//!     }
//! }
//! # }
//! ```

mod begin;
mod ids;
#[cfg(test)]
mod tests;

use crate::payload::{self, Format};
use crate::send::Rewriter;
use crate::{Header, SequenceNumber};
use begin::Watch;
use bytes::Bytes;
use ids::Ids;
use std::time::{Duration, Instant};

/// While a key frame is awaited, so much time passes between two requests for it: a request may get lost, and so may
/// the frame.
const REPEAT: Duration = Duration::from_millis(500);

/// A packet of one of the sources.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Which source it is of.
    pub source: u64,
    /// The format of its payload; `None` for what rides along, such as telephone events.
    pub format: Option<Format>,
    /// Ticks of its timestamp in a second.
    pub clock_rate: u32,
    /// Its header. SSRC and payload type come out as they are.
    pub header: Header,
    /// What it carries; empty where there is nothing but padding.
    pub payload: Bytes,
}

/// A packet to be sent on. Its payload is empty where it only keeps a place (see [`Rewriter::leave_out`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Its header, with the numbers of the outgoing stream.
    pub header: Header,
    /// What it carries; shared with the incoming packet unless there are counters in front.
    pub payload: Bytes,
    /// Whether it belongs to a key frame, as far as this packet shows it.
    pub is_key_frame: bool,
}

/// Turns several sources into one stream.
#[derive(Debug)]
pub struct Forwarder {
    rewriter: Rewriter,
    ids: Ids,
    /// The source that is to be forwarded. The one that is forwarded is the rewriter's.
    chosen: Option<u64>,
    watch: Watch,
    /// Whether somebody asked for a key frame of the source that is forwarded.
    is_asked: bool,
    asked: Option<Instant>,
}

impl Forwarder {
    /// The first packet that comes out gets this number and this timestamp (random ones: RFC 3550, section 5.1).
    pub fn new(sequence: SequenceNumber, timestamp: u32) -> Self {
        Self {
            // Each packet says what its clock is.
            rewriter: Rewriter::new(1, sequence, timestamp),
            ids: Ids::default(),
            chosen: None,
            watch: Watch::default(),
            is_asked: false,
            asked: None,
        }
    }

    /// Chooses the source that is to be forwarded, from its next key frame on; until then the one before goes on.
    pub fn choose(&mut self, source: u64) {
        if self.chosen != Some(source) {
            self.chosen = Some(source);
            self.asked = None;
        }
    }

    /// The source that is forwarded; `None` before the first key frame of one that was chosen.
    pub const fn source(&self) -> Option<u64> {
        self.rewriter.source()
    }

    /// Notes that whoever receives the outgoing stream needs a key frame.
    pub const fn request_key_frame(&mut self) {
        self.is_asked = true;
    }

    /// The source that is to be asked for a key frame now: the chosen one until its key frame has come, again and again;
    /// otherwise the one that is forwarded, once after each [`request_key_frame`](Self::request_key_frame).
    pub fn wants_key_frame(&mut self, now: Instant) -> Option<u64> {
        if self.chosen == self.source() {
            return std::mem::take(&mut self.is_asked).then_some(self.chosen).flatten();
        }
        // The key frame that is awaited serves whoever asks for one, too.
        let is_recent = self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < REPEAT);
        if is_recent {
            return None;
        }
        self.asked = Some(now);
        self.chosen
    }

    /// What becomes of a packet; `None` where it is not sent on: packets of other sources, and those that came before
    /// the key frame, twice, out of all order, or make no sense.
    pub fn forward(&mut self, now: Instant, packet: &Incoming) -> Option<Forwarded> {
        let begins = self.watch.begins(packet);
        if begins && self.chosen == Some(packet.source) && self.chosen != self.source() {
            self.rewriter.switch_to(packet.source);
            self.is_asked = false;
        }
        if self.source() != Some(packet.source) {
            return None;
        }
        self.rewriter.set_clock_rate(packet.clock_rate);
        let inspection = packet.format.map(|format| payload::inspect(format, &packet.payload));
        if packet.payload.is_empty() || matches!(inspection, Some(Err(_))) {
            let header = self.rewriter.leave_out(now, packet.source, &packet.header)?;
            return Some(Forwarded { header, payload: Bytes::new(), is_key_frame: false });
        }
        let header = self.rewriter.rewrite(now, packet.source, &packet.header)?;
        let payload = self.ids.rewrite(self.rewriter.beginnings(), packet.format, &packet.payload);
        let is_key_frame = matches!(inspection, Some(Ok(inspection)) if inspection.is_keyframe);
        Some(Forwarded { header, payload, is_key_frame })
    }
}
