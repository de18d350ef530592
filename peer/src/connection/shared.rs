//! What handles and the driver share of a connection: its states, its channels, and the way to the driver.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::registry::Registry;
use crate::channel::{Channel, ChannelOptions, Limits, Lost};
use crate::config::Config;
use crate::description::{
    DtlsTransportState, IceConnectionState, IceGatheringState, PeerConnectionState, SctpTransportState, SignalingState,
};
use crate::driver::Driver;
use crate::error::Error;
use crate::events::{ConnectionEvent, Listeners, Subscribers};
use crate::sync::{Signal, Wakers, Watched, lock};
use crate::track::RemoteTrack;

/// Something for the driver to do, with the answer's way back inside.
pub(crate) type Command = Box<dyn FnOnce(&mut Driver, Instant) + Send>;

/// What handles and the driver share of one connection.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) signal: Arc<Signal>,
    pub(crate) max_message: Arc<AtomicUsize>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) registry: Mutex<Registry>,
    /// How many channels were made.
    serial: AtomicU64,
    pub(crate) states: States,
    /// What the path carries, in bits per second.
    pub(crate) bandwidth: Watched<u64>,
    /// Tracks of the peer that nobody accepted yet.
    tracks: Mutex<Arrivals>,
    pub(crate) listeners: Arc<Listeners<ConnectionEvent>>,
    pub(crate) subscribers: Subscribers<ConnectionEvent>,
    /// How it ended, once it has.
    pub(super) ended: Watched<Option<Ended>>,
}

/// Tracks of the peer on their way to whoever accepts them.
#[derive(Default)]
struct Arrivals {
    waiting: VecDeque<RemoteTrack>,
    has_ended: bool,
    wakers: Wakers,
}

/// How a connection ended.
#[derive(Clone)]
pub(crate) struct Ended {
    /// Why, if it was not asked to.
    pub(crate) reason: Option<Arc<str>>,
    /// What was accepted and could not be delivered.
    pub(crate) lost: Lost,
}

/// The current states, which can be watched.
pub(crate) struct States {
    pub(crate) signaling: Watched<SignalingState>,
    pub(crate) gathering: Watched<IceGatheringState>,
    pub(crate) ice: Watched<IceConnectionState>,
    pub(crate) dtls: Watched<DtlsTransportState>,
    pub(crate) sctp: Watched<Option<SctpTransportState>>,
    pub(crate) connection: Watched<PeerConnectionState>,
}

impl Shared {
    pub(super) fn new(config: Config, commands: mpsc::Sender<Command>) -> Self {
        Self {
            subscribers: Subscribers::new(config.event_queue),
            config,
            signal: Arc::new(Signal::default()),
            max_message: Arc::new(AtomicUsize::new(usize::MAX)),
            commands,
            registry: Mutex::new(Registry::default()),
            serial: AtomicU64::new(0),
            states: States {
                signaling: Watched::new(SignalingState::Stable),
                gathering: Watched::new(IceGatheringState::New),
                ice: Watched::new(IceConnectionState::New),
                dtls: Watched::new(DtlsTransportState::New),
                sctp: Watched::new(None),
                connection: Watched::new(PeerConnectionState::New),
            },
            bandwidth: Watched::new(0),
            tracks: Mutex::default(),
            listeners: Arc::new(Listeners::new()),
            ended: Watched::new(None),
        }
    }

    pub(super) fn new_channel(&self, label: String, options: ChannelOptions) -> Arc<Channel> {
        let limits = Limits {
            send_buffer: self.config.send_buffer,
            receive_buffer: self.config.receive_buffer.max(1),
            event_queue: self.config.event_queue,
            any_size: self.config.max_message_size == usize::MAX,
            max_message: self.max_message.clone(),
        };
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        Arc::new(Channel::new(serial, label, options, limits, self.signal.clone()))
    }

    /// A channel that the peer opened. It waits to be accepted from now on.
    pub(crate) fn add_incoming(&self, label: String, options: ChannelOptions) -> Arc<Channel> {
        let channel = self.new_channel(label, options);
        lock(&self.registry).insert(&channel);
        channel
    }

    /// Lets it be accepted, after its listeners had their chance.
    pub(crate) fn announce(&self, channel: Arc<Channel>) {
        let acceptors = {
            let mut registry = lock(&self.registry);
            registry.announce(channel);
            registry.acceptors.take()
        };
        acceptors.wake();
    }

    /// Lets a track be accepted, after its listeners had their chance. Where nobody does, the oldest give way.
    pub(crate) fn announce_track(&self, track: RemoteTrack) {
        let wakers = {
            let mut tracks = lock(&self.tracks);
            if tracks.waiting.len() >= self.config.max_transceivers {
                tracks.waiting.pop_front();
            }
            tracks.waiting.push_back(track);
            tracks.wakers.take()
        };
        wakers.wake();
    }

    /// The next track of the peer; `None` when there will be no more.
    pub(super) fn poll_track(&self, cx: &Context<'_>) -> Poll<Option<RemoteTrack>> {
        let mut tracks = lock(&self.tracks);
        match tracks.waiting.pop_front() {
            Some(track) => Poll::Ready(Some(track)),
            None if tracks.has_ended => Poll::Ready(None),
            None => {
                tracks.wakers.register(cx.waker());
                Poll::Pending
            }
        }
    }

    fn end_tracks(&self) {
        let (wakers, left) = {
            let mut tracks = lock(&self.tracks);
            tracks.has_ended = true;
            (tracks.wakers.take(), std::mem::take(&mut tracks.waiting))
        };
        drop(left);
        wakers.wake();
    }

    /// A closed channel is no longer found, and does not wait to be accepted for ever.
    pub(crate) fn forget(&self, channel: &Channel) {
        let (max_bytes, max_channels) = (self.config.receive_buffer, self.config.max_channels);
        // The lock is released at the end of this line; what gave way is dropped after that.
        let given_way = lock(&self.registry).forget(channel, max_bytes, max_channels);
        drop(given_way);
    }

    pub(crate) fn channels(&self) -> Vec<Arc<Channel>> {
        lock(&self.registry).iter().cloned().collect()
    }

    pub(crate) fn emit(&self, event: &ConnectionEvent) {
        tracing::debug!(?event, "connection event");
        self.listeners.dispatch(event);
        self.subscribers.publish(event);
    }

    /// Nothing more will happen: whoever waits is told, and listeners go with the handles they captured.
    pub(crate) fn end(&self, ended: Ended) {
        let acceptors = lock(&self.registry).end();
        self.signal.end();
        self.ended.set(Some(ended));
        acceptors.wake();
        self.end_tracks();
        self.subscribers.end();
        self.listeners.clear();
    }

    /// Has the driver do something, and waits for the answer.
    pub(crate) async fn call<T, F>(&self, f: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Driver, Instant) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let command: Command = Box::new(move |driver, now| {
            let result = f(driver, now);
            // States and events that follow are out before the answer is, so that the caller sees them.
            driver.handle_events(now);
            // Who asked may have stopped waiting; what was asked for is done nevertheless.
            let _ = reply.send(result);
        });
        if self.commands.send(command).await.is_err() {
            return Err(self.closed_error());
        }
        answer.await.map_err(|_| self.closed_error())
    }

    /// Has the driver do something, unless it has ended.
    pub(crate) async fn command(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    pub(crate) fn closed_error(&self) -> Error {
        Error::ConnectionClosed { reason: self.ended.value().and_then(|ended| ended.reason) }
    }
}

/// The end that all handles hold together: when the last one goes, the connection closes.
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    pub(crate) fn close_timeout(&self) -> Duration {
        self.shared.config.close_timeout
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.signal.close();
    }
}
