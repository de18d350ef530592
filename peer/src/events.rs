//! Events: their kinds, listeners that are called, and streams that are awaited.
//!
//! The names are those of the W3C interface. Any number of listeners and streams may exist at once, and each of them
//! is given every event of its kind.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::channel::DataChannel;
use crate::description::{
    CandidatePair, DtlsTransportState, IceCandidate, IceCandidateError, IceConnectionState, IceGatheringState,
    PeerConnectionState, SctpTransportState, SignalingState,
};
use crate::error::Error;
use crate::message::Message;
use crate::sync::{Wakers, lock};
use crate::track::RemoteTrack;

/// What happened to a [`crate::PeerConnection`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// The peer opened a data channel; it can be used at once.
    DataChannel(DataChannel),
    /// The peer sends a track, or will when the connection is made.
    Track(TrackEvent),
    /// What this transceiver received will not go on.
    TrackRemoved(session::TransceiverId),
    /// The peer sends nothing for now over a transceiver, or sends again (`mute`, `unmute`).
    TrackMute(TrackMuteEvent),
    /// A local candidate to hand to the peer when trickling; `None`: there will be no more.
    IceCandidate(Option<IceCandidate>),
    /// A STUN server did not answer, or refused. Harmless unless all do.
    IceCandidateError(IceCandidateError),
    /// A new offer and answer are needed before the latest change takes effect.
    NegotiationNeeded,
    /// Where the exchange of descriptions stands.
    SignalingStateChange(SignalingState),
    /// Whether local candidates are still being found.
    IceGatheringStateChange(IceGatheringState),
    /// Whether the peer can be reached.
    IceConnectionStateChange(IceConnectionState),
    /// How far the two are in agreeing on keys.
    DtlsStateChange(DtlsTransportState),
    /// How far the association is that carries data channels.
    SctpStateChange(SctpTransportState),
    /// Data travels between these two from now on.
    SelectedCandidatePairChange(Box<CandidatePair>),
    /// The state of everything together: this is the one to show to people.
    ConnectionStateChange(PeerConnectionState),
}

/// A track of the peer (`RTCTrackEvent`).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrackEvent {
    /// The track.
    pub track: RemoteTrack,
    /// The names of the streams it belongs to.
    pub streams: Vec<String>,
    /// The transceiver that receives it.
    pub transceiver: session::TransceiverId,
}

/// A track of the peer falls silent, or is heard again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackMuteEvent {
    /// The transceiver that receives it.
    pub transceiver: session::TransceiverId,
    /// Whether nothing comes.
    pub is_muted: bool,
}

/// What happened to a [`DataChannel`], its messages apart.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ChannelEvent {
    /// Messages can be sent now.
    Open,
    /// The amount of data waiting to be sent fell to the threshold.
    BufferedAmountLow,
    /// One side is closing the channel; what was accepted before is still delivered.
    Closing,
    /// The channel is closed.
    Close,
    /// The channel failed; [`ChannelEvent::Close`] follows.
    Error(Error),
}

/// A kind of connection event, and what its listeners are given: the constants of [`crate::event`].
pub struct ConnectionEventKind<P> {
    pub(crate) name: &'static str,
    pub(crate) select: fn(&ConnectionEvent) -> Option<&P>,
}

/// A kind of channel event, and what its listeners are given: the constants of [`crate::event`].
pub struct ChannelEventKind<P> {
    pub(crate) name: &'static str,
    pub(crate) source: ChannelSource<P>,
}

/// Messages are many and large, and go a way of their own.
pub(crate) enum ChannelSource<P> {
    Event(fn(&ChannelEvent) -> Option<&P>),
    Message(fn(&Message) -> &P),
}

impl<P> fmt::Debug for ConnectionEventKind<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl<P> fmt::Debug for ChannelEventKind<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The kinds of events, by their W3C names, for `add_event_listener`.
pub mod event {
    use super::{
        ChannelEvent, ChannelEventKind, ChannelSource, ConnectionEvent, ConnectionEventKind, TrackEvent, TrackMuteEvent,
    };
    use crate::channel::DataChannel;
    use crate::description::{
        CandidatePair, DtlsTransportState, IceCandidate, IceCandidateError, IceConnectionState, IceGatheringState,
        PeerConnectionState, SctpTransportState, SignalingState,
    };
    use crate::error::Error;
    use crate::message::Message;

    /// One constant: its documentation, its W3C name, what it carries, and the variant that holds it.
    macro_rules! connection_event {
        ($(#[$doc:meta])* $constant:ident, $name:literal, $payload:ty, $pattern:pat => $value:expr) => {
            $(#[$doc])*
            pub const $constant: ConnectionEventKind<$payload> = ConnectionEventKind {
                name: $name,
                select: |event| if let $pattern = event { Some($value) } else { None },
            };
        };
    }

    /// As above, for the events of a channel.
    macro_rules! channel_event {
        ($(#[$doc:meta])* $constant:ident, $name:literal, $payload:ty, $pattern:pat => $value:expr) => {
            $(#[$doc])*
            pub const $constant: ChannelEventKind<$payload> = ChannelEventKind {
                name: $name,
                source: ChannelSource::Event(|event| if let $pattern = event { Some($value) } else { None }),
            };
        };
    }

    connection_event!(
        /// `datachannel`: the peer opened a channel.
        DATA_CHANNEL, "datachannel", DataChannel, ConnectionEvent::DataChannel(channel) => channel
    );
    connection_event!(
        /// `track`: the peer sends a track.
        TRACK, "track", TrackEvent, ConnectionEvent::Track(event) => event
    );
    connection_event!(
        /// `mute` and `unmute`: the peer falls silent, or is heard again.
        TRACK_MUTE, "trackmute", TrackMuteEvent, ConnectionEvent::TrackMute(event) => event
    );
    connection_event!(
        /// `icecandidate`: a local candidate was found; `None` after the last one.
        ICE_CANDIDATE, "icecandidate", Option<IceCandidate>, ConnectionEvent::IceCandidate(candidate) => candidate
    );
    connection_event!(
        /// `icecandidateerror`: a STUN server failed.
        ICE_CANDIDATE_ERROR, "icecandidateerror", IceCandidateError,
        ConnectionEvent::IceCandidateError(error) => error
    );
    connection_event!(
        /// `negotiationneeded`: make a new offer.
        NEGOTIATION_NEEDED, "negotiationneeded", (), ConnectionEvent::NegotiationNeeded => &()
    );
    connection_event!(
        /// `signalingstatechange`.
        SIGNALING_STATE_CHANGE, "signalingstatechange", SignalingState,
        ConnectionEvent::SignalingStateChange(state) => state
    );
    connection_event!(
        /// `icegatheringstatechange`.
        ICE_GATHERING_STATE_CHANGE, "icegatheringstatechange", IceGatheringState,
        ConnectionEvent::IceGatheringStateChange(state) => state
    );
    connection_event!(
        /// `iceconnectionstatechange`.
        ICE_CONNECTION_STATE_CHANGE, "iceconnectionstatechange", IceConnectionState,
        ConnectionEvent::IceConnectionStateChange(state) => state
    );
    connection_event!(
        /// `statechange` of the DTLS transport.
        DTLS_STATE_CHANGE, "dtlsstatechange", DtlsTransportState, ConnectionEvent::DtlsStateChange(state) => state
    );
    connection_event!(
        /// `statechange` of the SCTP transport.
        SCTP_STATE_CHANGE, "sctpstatechange", SctpTransportState, ConnectionEvent::SctpStateChange(state) => state
    );
    connection_event!(
        /// `selectedcandidatepairchange`: data travels between two other ends.
        SELECTED_CANDIDATE_PAIR_CHANGE, "selectedcandidatepairchange", CandidatePair,
        ConnectionEvent::SelectedCandidatePairChange(pair) => pair
    );
    connection_event!(
        /// `connectionstatechange`.
        CONNECTION_STATE_CHANGE, "connectionstatechange", PeerConnectionState,
        ConnectionEvent::ConnectionStateChange(state) => state
    );

    channel_event!(
        /// `open`: messages can be sent.
        OPEN, "open", (), ChannelEvent::Open => &()
    );
    channel_event!(
        /// `bufferedamountlow`: little is left to be sent.
        BUFFERED_AMOUNT_LOW, "bufferedamountlow", (), ChannelEvent::BufferedAmountLow => &()
    );
    channel_event!(
        /// `closing`: one side is closing the channel.
        CLOSING, "closing", (), ChannelEvent::Closing => &()
    );
    channel_event!(
        /// `close`: the channel is closed.
        CLOSE, "close", (), ChannelEvent::Close => &()
    );
    channel_event!(
        /// `error`: the channel failed.
        ERROR, "error", Error, ChannelEvent::Error(error) => error
    );

    /// `message`: a message arrived. While a channel has such listeners its messages go to them, not to `recv`.
    pub const MESSAGE: ChannelEventKind<Message> =
        ChannelEventKind { name: "message", source: ChannelSource::Message(|message| message) };
}

type Callback<E> = Mutex<Box<dyn FnMut(&E) + Send>>;

struct Entry<E> {
    serial: u64,
    callback: Callback<E>,
}

struct Entries<E> {
    last_serial: u64,
    list: Arc<Vec<Arc<Entry<E>>>>,
}

/// The listeners of one target for events of type `E`.
///
/// The list is copied when it changes and not when it is read, so that giving a message to its listeners allocates
/// nothing, and a listener may add or remove listeners while it runs.
pub(crate) struct Listeners<E> {
    entries: Mutex<Entries<E>>,
}

impl<E: 'static> Listeners<E> {
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::new(Entries { last_serial: 0, list: Arc::default() }) }
    }

    pub(crate) fn add(self: &Arc<Self>, callback: impl FnMut(&E) + Send + 'static) -> Listener {
        let mut entries = lock(&self.entries);
        entries.last_serial = entries.last_serial.wrapping_add(1);
        let serial = entries.last_serial;
        let entry = Arc::new(Entry { serial, callback: Mutex::new(Box::new(callback)) });
        Arc::make_mut(&mut entries.list).push(entry);
        let target = Arc::downgrade(self);
        Listener { remove: Box::new(move || target.upgrade().into_iter().for_each(|list| list.remove(serial))) }
    }

    fn remove(&self, serial: u64) {
        // What is removed is dropped outside the lock: a callback may own handles whose drop comes back here.
        let old = {
            let mut entries = lock(&self.entries);
            let kept = entries.list.iter().filter(|entry| entry.serial != serial).cloned().collect();
            std::mem::replace(&mut entries.list, Arc::new(kept))
        };
        drop(old);
    }

    /// Drops every listener, and with them the handles that they captured.
    pub(crate) fn clear(&self) {
        let old = std::mem::take(&mut lock(&self.entries).list);
        drop(old);
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.entries).list.is_empty()
    }

    /// Calls every listener in the order in which they were added.
    pub(crate) fn dispatch(&self, event: &E) {
        let entries = lock(&self.entries).list.clone();
        for entry in entries.iter() {
            let mut callback = lock(&entry.callback);
            // A listener that panics must not take the connection with it: the others still get the event.
            if catch_unwind(AssertUnwindSafe(|| callback(event))).is_err() {
                tracing::error!("an event listener panicked");
            }
        }
    }
}

/// A listener that was added. Dropping this changes nothing; [`Listener::remove`] ends it.
pub struct Listener {
    remove: Box<dyn FnOnce() + Send + Sync>,
}

impl Listener {
    /// No further event is given to the listener; one that is being handled right now still is.
    pub fn remove(self) {
        (self.remove)();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

struct Queue<E> {
    events: VecDeque<E>,
    limit: usize,
    missed: u64,
    ended: bool,
    wakers: Wakers,
}

/// Events as they happen, to be awaited with [`Events::next`] or used as a `Stream`. Ends when its target closes.
///
/// At most [`crate::Config::event_queue`] events wait here; when nobody takes them the oldest give way, and
/// [`Events::missed`] counts them.
pub struct Events<E> {
    queue: Arc<Mutex<Queue<E>>>,
}

impl<E> Events<E> {
    /// The next event, or `None` when there will be no more.
    pub async fn next(&mut self) -> Option<E> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// How many events gave way because nobody took them in time.
    pub fn missed(&self) -> u64 {
        lock(&self.queue).missed
    }

    fn poll_event(&mut self, cx: &Context<'_>) -> Poll<Option<E>> {
        let mut queue = lock(&self.queue);
        match queue.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.ended => Poll::Ready(None),
            None => {
                queue.wakers.register(cx.waker());
                Poll::Pending
            }
        }
    }
}

impl<E> Stream for Events<E> {
    type Item = E;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<E>> {
        self.get_mut().poll_event(cx)
    }
}

impl<E> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("waiting", &lock(&self.queue).events.len()).finish()
    }
}

/// The streams that were asked for.
pub(crate) struct Subscribers<E> {
    limit: usize,
    queues: Mutex<Queues<E>>,
}

struct Queues<E> {
    list: Vec<Weak<Mutex<Queue<E>>>>,
    ended: bool,
}

impl<E: Clone> Subscribers<E> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), queues: Mutex::new(Queues { list: Vec::new(), ended: false }) }
    }

    pub(crate) fn subscribe(&self) -> Events<E> {
        let mut queues = lock(&self.queues);
        let queue = Queue {
            events: VecDeque::new(),
            limit: self.limit,
            missed: 0,
            ended: queues.ended,
            wakers: Wakers::default(),
        };
        let queue = Arc::new(Mutex::new(queue));
        queues.list.retain(|queue| queue.strong_count() > 0);
        queues.list.push(Arc::downgrade(&queue));
        Events { queue }
    }

    pub(crate) fn publish(&self, event: &E) {
        let queues: Vec<_> = lock(&self.queues).list.iter().filter_map(Weak::upgrade).collect();
        for queue in queues {
            let (wakers, _displaced) = {
                let mut queue = lock(&queue);
                let displaced = if queue.events.len() >= queue.limit {
                    queue.missed = queue.missed.saturating_add(1);
                    queue.events.pop_front()
                } else {
                    None
                };
                queue.events.push_back(event.clone());
                (queue.wakers.take(), displaced)
            };
            wakers.wake();
        }
    }

    /// Every stream ends after what it still holds.
    pub(crate) fn end(&self) {
        let queues = {
            let mut queues = lock(&self.queues);
            queues.ended = true;
            std::mem::take(&mut queues.list)
        };
        for queue in queues.iter().filter_map(Weak::upgrade) {
            let wakers = {
                let mut queue = lock(&queue);
                queue.ended = true;
                queue.wakers.take()
            };
            wakers.wake();
        }
    }
}
