//! SCTP associations without I/O, as WebRTC uses them: many independent streams of messages over one path, each
//! message ordered or not, reliable or not. An [`Association`] is a state machine: packets, time and commands go in;
//! packets, events and messages come out. It expects DTLS around its packets (RFC 8261), or UDP (RFC 6951).
//!
//! # What it implements
//!
//! - RFC 9260: the handshake with authenticated and dated cookies (5), simultaneous open and restart (5.2), data with
//!   fragmentation and bundling (6), selective acknowledgement (6.2), retransmission (6.3), window probes (6.1),
//!   congestion control (7), failure detection and heartbeats (8), shutdown and abort (9), error causes (3.3.10),
//!   unknown chunks and parameters by their high bits (3.2).
//! - RFC 8985: losses found by time, with a window for reordering that adapts, and tail-loss probes; duplicates that the
//!   peer reports take back what was no loss. RFC 7053: acknowledgements asked for at once.
//! - Congestion control by choice: CUBIC (RFC 9438), NewReno (RFC 9260) or BBR, with HyStart++ (RFC 9406), an initial
//!   window of ten packets (RFC 6928), and pacing.
//! - RFC 3758: partial reliability by number of retransmissions and by lifetime.
//! - RFC 6525: resets of outgoing streams, ours and the peer's.
//! - RFC 8260: interleaving of messages (I-DATA, I-FORWARD-TSN) where both sides want it, and all schedulers.
//! - RFC 8899, section 6.2: how large packets may be on the path, by probes with heartbeats and padding.
//! - RFC 9653: packets without checksum, where both sides have DTLS around them.
//! - RFC 5061, section 4.2.7: Supported Extensions. RFC 4820: PAD.
//! - Messages larger than the buffers, sent and read in parts, with DATA and I-DATA alike.
//!
//! # What is left out on purpose
//!
//! - Several addresses per endpoint: over DTLS there is one path (RFC 8261, section 6), and ICE looks after it.
//! - Resetting TSNs and adding streams (RFC 6525): denied. All 65,535 streams exist from the start and cost nothing.
//! - Max.Burst (RFC 9260, section 6.1, D): here one acknowledgement may answer many packets, and a limit per
//!   acknowledgement would starve the path. Packets are paced instead, and a window that has been idle decays (7.2.1).
//! - ECN: its bits do not pass through DTLS. ECNE and CWR are let pass.
//!
//! # Use
//!
//! Two associations, a packet handed from one to the other wherever a real program has a network between:
//!
//! ```
//! # use visavis_sctp as sctp;
//! use sctp::{Association, Config, Event, Message, SendOptions};
//! use std::time::{Duration, Instant};
//!
//! fn exchange(now: Instant, a: &mut Association, b: &mut Association) {
//!     let mut packet = Vec::new();
//!     loop {
//!         packet.clear();
//!         if a.poll_transmit(now, &mut packet) {
//!             b.handle_datagram(now, &mut packet);
//!         } else if b.poll_transmit(now, &mut packet) {
//!             a.handle_datagram(now, &mut packet);
//!         } else {
//!             break;
//!         }
//!     }
//! }
//!
//! let now = Instant::now();
//! let mut client = Association::new(Config::default(), now, [1; 32]);
//! let mut server = Association::new(Config::default(), now, [2; 32]);
//! client.connect(now);
//! client.send(now, 7, Message { ppid: 51, payload: "hello".into() }, SendOptions::default())?;
//! exchange(now, &mut client, &mut server);
//!
//! assert_eq!(server.poll_event(), Some(Event::Connected));
//! assert_eq!(server.poll_event(), Some(Event::Readable(7)));
//! let message = server.read(now, 7).expect("it was announced");
//! assert_eq!(&message.payload[..], b"hello");
//!
//! // The acknowledgement waits a moment for company; a real program asks `poll_timeout` when to call.
//! let later = now + Duration::from_secs(1);
//! server.handle_timeout(later);
//! exchange(later, &mut client, &mut server);
//! client.shutdown(later);
//! exchange(later, &mut client, &mut server);
//! assert!(client.is_closed() && server.is_closed());
//! # Ok::<(), sctp::SendError>(())
//! ```

mod association;
mod config;
mod event;
mod inbound;
mod message;
mod outbound;
pub mod packet;
mod serial;
mod stats;

pub use association::{Association, Path, State};
pub use config::{Config, Congestion, Scheduler};
pub use event::{Closed, Event};
pub use message::{Message, Part, Progress, Reliability, SendError, SendOptions};
pub use outbound::Unacknowledged;
pub use serial::{Mid, RequestNumber, Ssn, Tsn};
pub use stats::Stats;
