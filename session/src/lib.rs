//! One WebRTC peer connection without I/O: offer/answer, demultiplexing and all layers wired together.
//!
//! A [`Session`] is told what arrives (descriptions and candidates from the application's signalling, datagrams from
//! sockets, the time) and asked what to send and what happened. It owns no socket, no clock and no thread, so a run
//! can be replayed from its seed; the crate `visavis` puts one on tokio. In here the crates [`ice`], [`dtls`],
//! [`datachannel`] and [`sdp`] meet, which know nothing of each other.
//!
//! Implemented: offer and answer as in JSEP (RFC 8829, sections 3 to 5) for data channels, with any number of media
//! sections over one transport, for data channels, audio and video; BUNDLE (RFC 9143) with the policies of the W3C
//! interface; restrictions of layers (RFC 8851) and simulcast (RFC 8853); redundant audio (RFC 2198); telephone events
//! (RFC 4733); demultiplexing by first byte (RFC 7983); trickle (RFC 8838); SCTP and DTLS in SDP (RFC 8841, RFC 8842);
//! ICE restart.
//!
//! Left out on purpose: a second transport, so that of media sections that a peer does not bundle only one is used;
//! forward error correction, whose lines are read and not answered; pausing of layers (RFC 7728); media sections without
//! a mid, which are refused; `a=tls-id` (RFC 8842, section 4), which no browser sends or asks for; a new DTLS association
//! within a session, which is refused with an error.
//!
//! # A session between two ends of a wire
//!
//! ```
//! use std::net::SocketAddr;
//! use std::time::Instant;
//! use visavis_session::{Config, Event, OfferOptions, Session, datachannel, dtls};
//!
//! /// Everything one end has to say goes to the other one; real sockets would stand between.
//! fn pass(now: Instant, from: &mut Session, to: &mut Session) -> bool {
//!     let mut datagram = Vec::new();
//!     let Some(route) = from.poll_transmit(now, &mut datagram) else { return false };
//!     to.handle_datagram(now, route.remote, route.local, &mut datagram);
//!     true
//! }
//!
//! let mut now = Instant::now();
//! let mut initiator = Session::new(Config::new(dtls::Identity::generate()?), now, [1; 32]);
//! let mut receiver = Session::new(Config::new(dtls::Identity::generate()?), now, [2; 32]);
//! for (session, address) in [(&mut initiator, "192.0.2.1:1000"), (&mut receiver, "192.0.2.2:2000")] {
//!     session.add_host(now, address.parse::<SocketAddr>()?);
//!     session.end_of_hosts(now);
//! }
//!
//! let channel = initiator.open_channel(now, datachannel::Options { label: "chat".into(), ..Default::default() })?;
//! let offer = initiator.create_offer(now, OfferOptions::default())?;
//! initiator.set_local_description(now, offer)?;
//! receiver.set_remote_description(now, initiator.local_description().expect("just set"))?;
//! let answer = receiver.create_answer(now)?;
//! receiver.set_local_description(now, answer)?;
//! initiator.set_remote_description(now, receiver.local_description().expect("just set"))?;
//!
//! let mut heard = None;
//! while heard.is_none() {
//!     while pass(now, &mut initiator, &mut receiver) || pass(now, &mut receiver, &mut initiator) {}
//!     while let Some(event) = initiator.poll_event() {
//!         if let Event::Channel(datachannel::Event::Opened(id)) = event {
//!             initiator.send(now, id, datachannel::Message::text("hello"))?;
//!         }
//!     }
//!     while let Some(event) = receiver.poll_event() {
//!         if let Event::Channel(datachannel::Event::Readable(id)) = event {
//!             heard = receiver.read(now, id);
//!         }
//!     }
//!     // Nothing is on its way: time passes.
//!     let due = [initiator.poll_timeout(), receiver.poll_timeout()].into_iter().flatten().min();
//!     now = now.max(due.expect("a session that is not closed has a timer"));
//!     initiator.handle_timeout(now);
//!     receiver.handle_timeout(now);
//! }
//! assert_eq!(heard, Some(datachannel::Message::text("hello")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod demux;
mod description;
mod error;
mod event;
mod media;
mod negotiation;
mod session;
mod state;
mod stats;
mod traffic;
mod transport;

pub use config::{BundlePolicy, Config};
pub use description::{IceCandidate, SdpKind, SessionDescription};
pub use error::Error;
pub use event::{Ended, Event};
pub use media::{
    Codec, Door, Encoding, Frame, FrameError, InboundStats, LayerBitrate, MediaConfig, MediaKind, MediaStats,
    OutboundStats, Packet, ReceivedFrame, ReceivedPacket, ToneError, ToneEvent, TransceiverId, TransceiverInfo,
    TransceiverOptions,
};
pub use negotiation::OfferOptions;
pub use session::Session;
pub use state::{ConnectionState, DtlsState, SctpState, SignalingState};
pub use stats::{PairReport, Report, SecurityReport, Stats, TransportStats};
pub use traffic::PathStats;

pub use {datachannel, dtls, ice, rtp, sdp};
