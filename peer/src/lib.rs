//! WebRTC from scratch: peers that talk directly, between Rust programs and browsers.

mod channel;
mod config;
mod connection;
mod description;
mod driver;
mod error;
mod events;
mod initiator;
mod message;
mod receiver;
mod stats;
mod sync;

pub use channel::{ChannelOptions, DataChannel, Messages};
pub use config::{Config, InterfaceFilter};
pub use connection::{OfferOptions, PeerConnection};
pub use description::{
    DataChannelState, IceCandidate, IceCandidateError, IceConnectionState, IceGatheringState, PeerConnectionState,
    SdpType, SessionDescription, SignalingState,
};
pub use driver::interfaces::Interface;
pub use error::Error;
pub use events::{ChannelEvent, ChannelEventKind, ConnectionEvent, ConnectionEventKind, Events, Listener, event};
pub use initiator::Initiator;
pub use message::Message;
pub use receiver::Receiver;
pub use stats::{SocketCounters, SocketStats, Stats};

pub use session;
pub use session::datachannel::Priority;
pub use session::dtls::{Identity, KeyLog};
