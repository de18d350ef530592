//! How much the path carries: feedback, estimation, pacing.
//!
//! The receiver of media keeps [`Arrivals`] and sends transport-wide feedback. The sender's [`Estimator`] numbers what it
//! sends, takes that feedback in, and says how much may be sent: Google congestion control
//! (draft-ietf-rmcat-gcc-02, in the shape that browsers have given it since), with a delay-based part, a loss-based part
//! and probes. A [`Pacer`] says when the next packet may leave, and [`allocate`] splits the estimate among streams and
//! simulcast layers.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use visavis_rtp::bandwidth::{Config, Estimator, Pacer, PacerConfig};
//!
//! # fn example(start: Instant) {
//! let mut estimator = Estimator::new(Config::default(), start);
//! let mut pacer = Pacer::new(PacerConfig::default(), estimator.target());
//! let now = start + Duration::from_millis(20);
//! estimator.handle_timeout(now);
//! while let Some(probe) = estimator.poll_probe(now) {
//!     pacer.start_probe(now, probe);
//! }
//! while pacer.can_send(now) {
//!     let length = 1200; // the next packet's, of media or of padding if `pacer.is_probing()`
//!     let transport_sequence = estimator.on_sent(now, length, pacer.cluster());
//!     pacer.on_sent(now, length);
//!     # let _ = transport_sequence;
//! }
//! # }
//! ```

mod acknowledged;
mod allocation;
mod arrivals;
mod config;
mod delay;
mod drain;
mod estimator;
mod grouping;
mod limited;
mod loss;
mod measurement;
mod pacer;
mod probing;
mod rate;
mod rate_control;
mod sent;
mod trendline;

pub use allocation::{Layer, allocate};
pub use arrivals::{Arrivals, ArrivalsConfig};
pub use config::Config;
pub use estimator::{Estimator, Event};
pub use pacer::{Pacer, PacerConfig};
pub use probing::{Cluster, Probe};
pub use rate::Bitrate;
pub use sent::{PacketResult, SentPackets};
