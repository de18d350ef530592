//! What the tests share: peers on loopback, and a deadline for everything.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use visavis::{Config, DataChannel, Initiator, Message, PeerConnection, Receiver};

/// Whatever is awaited must happen within this time; it is long, for a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Awaits something that must happen.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it happens before the deadline")
}

/// A configuration that needs no network beyond loopback, whatever the machine has.
pub(crate) fn config() -> Config {
    Config { bind_addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..Config::default() }
}

/// Two peers that know of each other, and their channel once it is open at both ends.
pub(crate) struct Pair {
    pub(crate) initiator: Initiator,
    pub(crate) receiver: Receiver,
    pub(crate) here: DataChannel,
    pub(crate) there: DataChannel,
}

impl Pair {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::of(config.clone(), config).await
    }

    pub(crate) async fn of(initiating: Config, receiving: Config) -> Self {
        let initiator = Initiator::new(initiating).unwrap();
        let receiver = Receiver::new(receiving).unwrap();
        within(negotiate(&initiator, &receiver, "channel")).await;
        let here = initiator.peer_connection().data_channel("channel").unwrap();
        within(here.opened()).await.unwrap();
        let there = within(receiver.peer_connection().accept_data_channel()).await.unwrap();
        Self { initiator, receiver, here, there }
    }

    pub(crate) fn connections(&self) -> [&PeerConnection; 2] {
        [self.initiator.peer_connection(), self.receiver.peer_connection()]
    }
}

/// Offer and answer by way of the front door.
pub(crate) async fn negotiate(initiator: &Initiator, receiver: &Receiver, label: &str) {
    let offer = initiator.create_data_channel_offer(label).await.unwrap();
    let answer = receiver.process_offer(offer).await.unwrap();
    initiator.process_answer(answer).await.unwrap();
}

/// The next message, which must come.
pub(crate) async fn recv(channel: &DataChannel) -> Message {
    within(channel.recv()).await.expect("a message before the end")
}

/// Bytes that differ from place to place, so that a mistake in their order shows.
pub(crate) fn pattern(len: usize, seed: usize) -> Bytes {
    (0..len).map(|place| (place.wrapping_mul(31).wrapping_add(place >> 8).wrapping_add(seed) & 0xff) as u8).collect()
}
