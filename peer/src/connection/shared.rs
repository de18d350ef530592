//! What handles and the driver share of a connection: its states, its channels, and the way to the driver.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::channel::{Channel, ChannelOptions, Limits};
use crate::config::Config;
use crate::description::{IceConnectionState, IceGatheringState, PeerConnectionState, SignalingState};
use crate::driver::Driver;
use crate::error::Error;
use crate::events::{ConnectionEvent, Listeners, Subscribers};
use crate::sync::{Signal, Wakers, lock};

/// Something for the driver to do, with the answer's way back inside.
pub(crate) type Command = Box<dyn FnOnce(&mut Driver, Instant) + Send>;

/// What handles and the driver share of one connection.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) signal: Arc<Signal>,
    pub(crate) max_message: Arc<AtomicUsize>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) registry: Mutex<Registry>,
    pub(crate) states: States,
    pub(crate) listeners: Arc<Listeners<ConnectionEvent>>,
    pub(crate) subscribers: Subscribers<ConnectionEvent>,
    /// How it ended, once it has.
    pub(super) ended: watch::Sender<Option<Ended>>,
}

/// How a connection ended.
#[derive(Clone)]
pub(crate) struct Ended {
    /// Why, if it was not asked to.
    pub(crate) reason: Option<Arc<str>>,
    /// Bytes that were accepted and could not be delivered.
    pub(crate) unsent: usize,
}

/// The current states, which can be watched.
pub(crate) struct States {
    pub(crate) signaling: watch::Sender<SignalingState>,
    pub(crate) gathering: watch::Sender<IceGatheringState>,
    pub(crate) ice: watch::Sender<IceConnectionState>,
    pub(crate) connection: watch::Sender<PeerConnectionState>,
}

#[derive(Default)]
pub(super) struct Registry {
    /// All channels that are not closed, in the order of their making.
    pub(super) channels: Vec<Arc<Channel>>,
    /// Those that the peer opened and nobody has accepted.
    pub(super) incoming: VecDeque<Arc<Channel>>,
    pub(super) acceptors: Wakers,
    pub(super) ended: bool,
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
            states: States {
                signaling: watch::Sender::new(SignalingState::Stable),
                gathering: watch::Sender::new(IceGatheringState::New),
                ice: watch::Sender::new(IceConnectionState::New),
                connection: watch::Sender::new(PeerConnectionState::New),
            },
            listeners: Arc::new(Listeners::new()),
            ended: watch::Sender::new(None),
        }
    }

    pub(super) fn new_channel(&self, label: String, options: ChannelOptions) -> Arc<Channel> {
        let limits = Limits {
            send_buffer: self.config.send_buffer,
            receive_buffer: self.config.receive_buffer.max(1),
            event_queue: self.config.event_queue,
            max_message: self.max_message.clone(),
        };
        Arc::new(Channel::new(label, options, limits, self.signal.clone()))
    }

    /// A channel that the peer opened. It waits to be accepted from now on.
    pub(crate) fn add_incoming(&self, label: String, options: ChannelOptions) -> Arc<Channel> {
        let channel = self.new_channel(label, options);
        lock(&self.registry).channels.push(channel.clone());
        channel
    }

    /// Lets it be accepted, after its listeners had their chance.
    pub(crate) fn announce(&self, channel: Arc<Channel>) {
        let acceptors = {
            let mut registry = lock(&self.registry);
            registry.incoming.push_back(channel);
            registry.acceptors.take()
        };
        acceptors.wake();
    }

    /// A closed channel is no longer found by its label. One that nobody accepted yet still can be, for what it
    /// brought; but these must not pile up, so the oldest give way.
    pub(crate) fn forget(&self, channel: &Arc<Channel>) {
        let mut registry = lock(&self.registry);
        registry.channels.retain(|other| !Arc::ptr_eq(other, channel));
        let mut budget = (self.config.receive_buffer, self.config.max_channels);
        let mut newest_first = std::mem::take(&mut registry.incoming);
        newest_first.make_contiguous().reverse();
        newest_first.retain(|other| {
            if registry.channels.iter().any(|open| Arc::ptr_eq(open, other)) {
                return true;
            }
            let fits = budget.0 > 0 && budget.1 > 0;
            budget = (budget.0.saturating_sub(other.inbox_cost()), budget.1.saturating_sub(1));
            fits
        });
        newest_first.make_contiguous().reverse();
        registry.incoming = newest_first;
    }

    pub(crate) fn channels(&self) -> Vec<Arc<Channel>> {
        lock(&self.registry).channels.clone()
    }

    pub(crate) fn emit(&self, event: &ConnectionEvent) {
        tracing::debug!(?event, "connection event");
        self.listeners.dispatch(event);
        self.subscribers.publish(event);
    }

    /// Nothing more will happen: whoever waits is told, and listeners go with the handles they captured.
    pub(crate) fn end(&self, ended: Ended) {
        let acceptors = {
            let mut registry = lock(&self.registry);
            registry.ended = true;
            registry.channels.clear();
            registry.acceptors.take()
        };
        self.signal.end();
        self.ended.send_replace(Some(ended));
        acceptors.wake();
        self.subscribers.end();
        self.listeners.clear();
    }

    /// Has the driver do something, unless it has ended.
    pub(crate) async fn command(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    pub(super) fn closed_error(&self) -> Error {
        Error::ConnectionClosed { reason: self.ended.borrow().as_ref().and_then(|ended| ended.reason.clone()) }
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
