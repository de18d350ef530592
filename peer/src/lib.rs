//! WebRTC from scratch: peers that talk directly, between Rust programs and browsers.
//!
//! This is the front door: [`Initiator`] and [`Receiver`] negotiate with two messages that the application carries in
//! whatever way it likes, and beneath them is [`PeerConnection`], the W3C interface in Rust clothes. Everything runs
//! on tokio, one task for each connection. Messages travel over [`DataChannel`]s: encrypted, ordered and reliable
//! unless asked otherwise, with back-pressure in both directions. Audio and video travel as encoded frames through
//! [`LocalTrack`]s and [`RemoteTrack`]s; encoders, decoders and devices are the application's business.
//!
//! ```
//! use visavis::{Config, Initiator, Receiver, event};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), visavis::Error> {
//! # let config = || Config { include_loopback: true, ..Config::default() };
//! // One peer offers a channel …
//! let initiator = Initiator::new(config())?;
//! let offer = initiator.create_data_channel_offer("text-channel-1").await?;
//!
//! // … the other answers; offer and answer are JSON to serde, the same that browsers use …
//! let receiver = Receiver::new(config())?;
//! let answer = receiver.process_offer(offer).await?;
//!
//! // … and the two connect.
//! initiator.process_answer(answer).await?;
//!
//! let channel = initiator.peer_connection().data_channel("text-channel-1").expect("it was offered");
//! channel.add_event_listener(event::CLOSE, |()| println!("closed"));
//! channel.send("hello").await?; // waits for the channel to open, and while the buffer is full
//!
//! let incoming = receiver.peer_connection().accept_data_channel().await?;
//! let message = incoming.recv().await.expect("the channel is open");
//! assert_eq!(message.as_text(), Some("hello"));
//! println!("{}: {message:?}", incoming.label());
//!
//! incoming.send(vec![1, 2, 3]).await?;
//! assert_eq!(channel.recv().await.expect("the channel is open").as_bytes(), [1, 2, 3]);
//!
//! initiator.peer_connection().close().await?; // what was accepted is delivered first
//! # Ok(())
//! # }
//! ```
//!
//! # Events
//!
//! Events have their W3C names ([`event`]). They can be given to any number of listeners (`add_event_listener`),
//! taken as a stream ([`Events`], [`Messages`]), or awaited ([`DataChannel::opened`], [`PeerConnection::connected`]);
//! states can be watched ([`PeerConnection::watch_connection_state`]).
//!
//! # The end
//!
//! Handles are cheap to clone and can be used from any thread. When the last one of a connection goes, what was
//! accepted for sending is delivered, the peer is told, and the sockets are released. `close().await` does the same
//! and waits for it.
//!
//! # What it implements, and what not
//!
//! The protocols are in crates of their own, beneath [`session`]; here are the parts of W3C WebRTC 1.0 (sections 4, 5
//! and 6) that concern connections, data channels and tracks, the STUN URLs of RFC 7064, candidates on all interfaces as in
//! RFC 8445, section 5.1.1, and multicast DNS for the `.local` candidates of browsers (RFC 6762). Left out on purpose:
//! ICE over TCP, `blob` as a binary type (bytes are bytes), and names of one's own in multicast DNS, since a program
//! has no web page to hide its address from.

mod channel;
mod config;
mod connection;
mod description;
mod driver;
mod error;
mod events;
mod forwarder;
mod initiator;
mod message;
mod receiver;
mod stats;
mod sync;
mod track;

pub use channel::{ByteStream, ChannelOptions, DataChannel, MessageReader, MessageWriter, Messages, Receipt};
pub use config::{Config, InterfaceFilter};
pub use connection::{OfferOptions, PeerConnection};
pub use description::{
    CandidatePair, DataChannelState, DtlsTransportState, IceCandidate, IceCandidateError, IceConnectionState,
    IceGatheringState, PeerConnectionState, SctpTransportState, SdpType, SessionDescription, SignalingState,
};
pub use driver::interfaces::Interface;
pub use error::Error;
pub use events::{
    ChannelEvent, ChannelEventKind, ConnectionEvent, ConnectionEventKind, Events, Listener, TrackEvent, TrackMuteEvent,
    event,
};
pub use forwarder::Forwarder;
pub use initiator::Initiator;
pub use message::Message;
pub use receiver::Receiver;
pub use stats::{
    CandidatePairStats, CandidateStats, CertificateStats, CodecStats, DataChannelStats, InboundRtpStats,
    OutboundRtpStats, PeerConnectionStats, RemoteInboundRtpStats, RemoteOutboundRtpStats, SocketCounters, SocketStats,
    Stats, StatsEntry, StatsReport, TransportStats,
};
pub use track::{LocalTrack, RemoteTrack};

pub use session;
pub use session::datachannel::Priority;
pub use session::datachannel::sctp::Congestion;
pub use session::dtls::{Identity, KeyLog, SrtpProfile};
pub use session::sdp::Direction;
pub use session::{
    BundlePolicy, Codec, Encoding, Frame, FrameError, LayerBitrate, MediaConfig, MediaKind, Packet, ReceivedFrame,
    ReceivedPacket, ToneError, ToneEvent, TransceiverId, TransceiverInfo, TransceiverOptions,
};

/// Has the source of keys seeded, on a thread of its own and without waiting for it.
///
/// The first key of a process takes tens of milliseconds of one processor, because the cryptographic library then
/// gathers entropy from the processor's timing. A program that calls this when it starts has that behind it when the
/// first connection is made; one that does not pays it with that connection. Where the system's own entropy will do,
/// building with `AWS_LC_SYS_NO_JITTER_ENTROPY=1` in the environment leaves it out altogether.
///
/// ```
/// visavis::warm_up();
/// ```
pub fn warm_up() {
    // Without a thread the first connection does it, as if this had not been called.
    let _ = std::thread::Builder::new().name("visavis-warm-up".to_owned()).spawn(session::dtls::warm_up);
}
