//! The receiving side of a stream: whole frames in order, and what the sender is to be told.
//!
//! A [`Receiver`] takes the packets of one source, and those that its retransmission stream brings back (RFC 4588). It
//! puts them in order, waits for the missing ones for a bounded time, asks for them (RFC 4585, section 6.2.1), and hands
//! out whole frames. What cannot be repaired ends, for video, in a request for a key frame (RFC 4585, section 6.3.1), and
//! nothing is handed out before that comes. It counts what reports tell (RFC 3550, section 6.4) and what the statistics
//! of the W3C ask for.
//!
//! Left out on purpose: when a frame is to be shown, and what fills a gap, is the business of whoever plays it.
//!
//! ```
//! use std::time::Instant;
//! use visavis_rtp::payload::Format;
//! use visavis_rtp::receive::{Config, Feedback, Receiver};
//! use visavis_rtp::{Header, SequenceNumber};
//!
//! # let now = Instant::now();
//! let mut receiver = Receiver::new(Config::new(Format::Opus, 48_000), 7, now);
//! for number in [1, 3, 2_u16] {
//!     let header = Header {
//!         sequence: SequenceNumber(number),
//!         timestamp: u32::from(number) * 960,
//!         ssrc: 7,
//!         ..Header::default()
//!     };
//!     receiver.handle_packet(now, &header, b"opus");
//!     while let Some(feedback) = receiver.poll_feedback(now) {
//!         assert_eq!(feedback, Feedback::Nack(&[SequenceNumber(2)]));
//!     }
//! }
//! let timestamps = std::iter::from_fn(|| receiver.read(now)).map(|frame| frame.timestamp);
//! assert!(timestamps.eq([960, 1920, 2880]));
//! ```

mod assembly;
mod buffer;
mod config;
mod frame;
mod framing;
mod history;
mod missing;
mod receiver;
mod reception;
mod request;
mod stats;
#[cfg(test)]
mod tests;

pub use config::Config;
pub use frame::Frame;
pub use receiver::{Feedback, Receiver};
pub use stats::{RemoteStats, Stats};
