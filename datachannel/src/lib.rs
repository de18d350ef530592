//! WebRTC data channels over SCTP, without I/O.
//!
//! A [`Channels`] owns one SCTP association and all data channels on it: it opens and closes them, and sends and
//! receives their messages. It takes and gives SCTP packets, to be carried by DTLS (or, for trying things out, by plain
//! UDP: see the example `channel_chat`); time is an argument and randomness a seed. What the peer can make it keep is bounded
//! by its [`Config`].
//!
//! # Use
//!
//! Two ends in one process, with packets handed over at once:
//!
//! ```
//! use std::time::Instant;
//! use visavis_datachannel::{Channels, Config, Event, Message, Options, Role};
//!
//! let now = Instant::now();
//! let mut alice = Channels::new(Config::default(), now, [1; 32]); // seeds must be random
//! let mut bob = Channels::new(Config::default(), now, [2; 32]);
//! let chat = alice.open(now, Options::new("chat"))?;
//! alice.send(now, chat, Message::text("hello"))?; // waits until the channel is open
//! alice.connect(now, Role::Client);
//! bob.connect(now, Role::Server);
//!
//! let (mut packet, mut heard) = (Vec::new(), None);
//! loop {
//!     packet.clear();
//!     if alice.poll_transmit(now, &mut packet) {
//!         bob.handle_datagram(now, &mut packet);
//!     } else if bob.poll_transmit(now, &mut packet) {
//!         alice.handle_datagram(now, &mut packet);
//!     } else {
//!         break; // a real driver waits for a packet or for poll_timeout here
//!     }
//!     while let Some(event) = bob.poll_event() {
//!         if let Event::Readable(channel) = event {
//!             while let Some(message) = bob.read(now, channel) {
//!                 heard = Some((bob.info(channel).map(|info| info.label), message.to_text()));
//!             }
//!         }
//!     }
//! }
//! assert_eq!(heard, Some((Some("chat".into()), "hello".into())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is implemented
//!
//! - RFC 8831: kinds of messages and their identifiers (section 6.6), negotiated channels (6.5), closing by resetting
//!   streams in both directions (6.7). Identifiers that are not of user messages close the channel, the deprecated ones
//!   of partial messages among them.
//! - RFC 8832: the establishment protocol, with stream identifiers by DTLS role.
//! - Priorities (RFC 8831, section 6.4): channels share the association by their weights. Where the peer supports
//!   interleaving (RFC 8260), a large message holds up no other channel; otherwise the next channel has its turn when a
//!   message has been sent whole.
//! - Messages larger than any buffer, sent and read in parts; receipts of delivery.
//! - RFC 8841, section 6: the largest message of either side.
//! - Of the W3C interface: `bufferedAmount` and its low threshold, `readyState`, channels made before the connection.
//!   Unlike there, `send` on a channel that is still connecting waits.
//!
//! # Closing
//!
//! [`Channels::close`] delivers what [`Channels::send`] has accepted, then resets the stream. The peer is told
//! ([`Event::Closing`]) when it has everything, and can still read it when the channel is closed. Who closes a channel
//! gives up what it has not read.
//!
//! # Left out on purpose
//!
//! - A time limit for closing: a peer that never resets its side leaves a channel closing until the association ends.

mod channel;
mod channels;
mod config;
mod dcep;
mod dialect;
mod error;
mod event;
mod message;
mod streams;

pub use channel::{ChannelId, Info, Options, Priority, State, Traffic};
pub use channels::Channels;
pub use config::{Config, Dialect, Stats};
pub use dcep::{Dcep, Open};
pub use error::{ChannelError, OpenError, SendError, SendErrorReason};
pub use event::Event;
pub use message::{Kind, Message, Part};
pub use sctp::{self, Progress, Reliability};
pub use streams::Role;
