//! Data channels, as the application holds them.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use session::datachannel::{self, ChannelId, Priority};

use crate::connection::Handle;
use crate::description::DataChannelState;
use crate::error::Error;
use crate::events::{ChannelEvent, ChannelEventKind, ChannelSource, Events, Listener, Listeners, Subscribers};
use crate::message::Message;
use crate::sync::{Signal, Wakers, lock};

/// What each waiting message is charged beside its bytes, so that empty ones are bounded too.
const OVERHEAD: usize = 64;

/// How a data channel is made (`RTCDataChannelInit`). The default is ordered and reliable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// A name for what is spoken over the channel, free to choose; at most 65,535 bytes.
    pub protocol: String,
    /// Messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// A message is given up after it was retransmitted this often (RFC 7496, section 4.2).
    pub max_retransmits: Option<u16>,
    /// A message is given up after this time, in whole milliseconds (RFC 3758). Not together with the former.
    pub max_packet_life_time: Option<Duration>,
    /// Both sides create the channel with this id, from 0 to 65,534, and nothing is said about it on the wire.
    pub negotiated: Option<u16>,
    /// Which channel goes first where several have something to send.
    pub priority: Priority,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            protocol: String::new(),
            ordered: true,
            max_retransmits: None,
            max_packet_life_time: None,
            negotiated: None,
            priority: Priority::default(),
        }
    }
}

/// A data channel. Clones are handles to the same channel, and may be used from any task or thread.
///
/// The connection lives as long as any handle to it or to one of its channels.
#[derive(Clone)]
pub struct DataChannel {
    pub(crate) channel: Arc<Channel>,
    pub(crate) handle: Arc<Handle>,
}

/// What handles and the driver share of one channel.
pub(crate) struct Channel {
    pub(crate) label: String,
    pub(crate) options: ChannelOptions,
    limits: Limits,
    signal: Arc<Signal>,
    state: Mutex<State>,
    pub(crate) events: Arc<Listeners<ChannelEvent>>,
    pub(crate) messages: Arc<Listeners<Message>>,
    pub(crate) subscribers: Subscribers<ChannelEvent>,
}

/// Bounds that a channel takes over from its connection.
#[derive(Clone)]
pub(crate) struct Limits {
    pub(crate) send_buffer: usize,
    pub(crate) receive_buffer: usize,
    pub(crate) event_queue: usize,
    /// The largest message that the peer accepts; known before any channel opens.
    pub(crate) max_message: Arc<AtomicUsize>,
}

struct State {
    ready: DataChannelState,
    id: Option<ChannelId>,
    stream: Option<u16>,
    error: Option<Error>,
    /// The driver has been told to look at this channel and has not done so yet.
    marked: bool,
    close_asked: bool,
    outbox: VecDeque<datachannel::Message>,
    outbox_bytes: usize,
    /// Bytes that the driver took over and the peer has not acknowledged.
    in_flight: usize,
    low_threshold: usize,
    writers: Wakers,
    inbox: VecDeque<Message>,
    inbox_cost: usize,
    /// Somebody has received, or listens. Until then messages stay in SCTP, whose window bounds them: a peer that opens
    /// channels which nobody reads fills no inboxes.
    is_read: bool,
    /// The inbox was full, so there may be more to read; the driver is told once there is room.
    throttled: bool,
    readers: Wakers,
    /// Those who wait for the channel to open, to close or to run low.
    watchers: Wakers,
}

impl State {
    const fn buffered(&self) -> usize {
        self.outbox_bytes.saturating_add(self.in_flight)
    }

    /// As the application sees it: closing from the moment it asked for that.
    const fn ready(&self) -> DataChannelState {
        match self.ready {
            DataChannelState::Connecting | DataChannelState::Open if self.close_asked => DataChannelState::Closing,
            DataChannelState::Connecting => DataChannelState::Connecting,
            DataChannelState::Open => DataChannelState::Open,
            DataChannelState::Closing => DataChannelState::Closing,
            DataChannelState::Closed => DataChannelState::Closed,
        }
    }
}

impl Channel {
    pub(crate) fn new(label: String, options: ChannelOptions, limits: Limits, signal: Arc<Signal>) -> Self {
        let event_queue = limits.event_queue;
        Self {
            label,
            options,
            limits,
            signal,
            state: Mutex::new(State {
                ready: DataChannelState::Connecting,
                id: None,
                stream: None,
                error: None,
                marked: false,
                close_asked: false,
                outbox: VecDeque::new(),
                outbox_bytes: 0,
                in_flight: 0,
                low_threshold: 0,
                writers: Wakers::default(),
                inbox: VecDeque::new(),
                inbox_cost: 0,
                is_read: false,
                throttled: false,
                readers: Wakers::default(),
                watchers: Wakers::default(),
            }),
            events: Arc::new(Listeners::new()),
            messages: Arc::new(Listeners::new()),
            subscribers: Subscribers::new(event_queue),
        }
    }

    /// Tells the driver to look at this channel, once.
    pub(crate) fn mark(self: &Arc<Self>) {
        let was_marked = std::mem::replace(&mut lock(&self.state).marked, true);
        if !was_marked {
            self.signal.mark(self.clone());
        }
    }

    pub(crate) fn ready_state(&self) -> DataChannelState {
        lock(&self.state).ready()
    }

    fn not_open(&self, state: &State) -> Error {
        if let Some(error) = &state.error {
            return error.clone();
        }
        Error::NotOpen { label: self.label.clone(), state: state.ready() }
    }

    /// Takes a message for sending, or says why not; `None` while the state or the buffer may still change.
    fn offer(self: &Arc<Self>, message: &mut Option<Message>, cx: Option<&Context<'_>>) -> Poll<Result<(), Error>> {
        let len = message.as_ref().map_or(0, Message::len);
        let limit = self.limits.max_message.load(Ordering::Relaxed);
        let mark = {
            let mut state = lock(&self.state);
            let is_open = state.ready() == DataChannelState::Open;
            let may_open = state.ready() == DataChannelState::Connecting;
            if !is_open && (!may_open || cx.is_none()) {
                return Poll::Ready(Err(self.not_open(&state)));
            }
            if is_open && len > limit {
                return Poll::Ready(Err(Error::MessageTooLarge { len, limit }));
            }
            let buffered = state.buffered();
            let charged = buffered.saturating_add(state.outbox.len().saturating_mul(OVERHEAD));
            let is_full = charged > 0 && charged.saturating_add(len) > self.limits.send_buffer;
            match cx {
                Some(cx) if !is_open || is_full => {
                    state.writers.register(cx.waker());
                    return Poll::Pending;
                }
                None if is_full => {
                    let (label, limit) = (self.label.clone(), self.limits.send_buffer);
                    return Poll::Ready(Err(Error::SendBufferFull { label, buffered, limit }));
                }
                Some(_) | None => {}
            }
            state.outbox_bytes = state.outbox_bytes.saturating_add(len);
            state.outbox.extend(message.take().map(datachannel::Message::from));
            !std::mem::replace(&mut state.marked, true)
        };
        if mark {
            self.signal.mark(self.clone());
        }
        Poll::Ready(Ok(()))
    }

    /// The next message that waits for the application; `None` at the end.
    fn poll_recv(self: &Arc<Self>, cx: &Context<'_>) -> Poll<Option<Message>> {
        let (message, mark) = {
            let mut state = lock(&self.state);
            let Some(message) = state.inbox.pop_front() else {
                if state.ready == DataChannelState::Closed {
                    return Poll::Ready(None);
                }
                state.readers.register(cx.waker());
                let is_first = !std::mem::replace(&mut state.is_read, true);
                drop(state);
                if is_first {
                    self.mark();
                }
                return Poll::Pending;
            };
            state.inbox_cost = state.inbox_cost.saturating_sub(message.len().saturating_add(OVERHEAD));
            // Asking for more at half saves a wake of the driver for each message.
            let has_room = state.throttled && state.inbox_cost <= self.limits.receive_buffer / 2;
            if has_room {
                state.throttled = false;
            }
            (message, has_room && !std::mem::replace(&mut state.marked, true))
        };
        if mark {
            self.signal.mark(self.clone());
        }
        Poll::Ready(Some(message))
    }

    /// Waits until `done` says so of the state.
    async fn wait_until<T>(&self, mut done: impl FnMut(&State) -> Option<T> + Send) -> T {
        poll_fn(|cx| {
            let mut state = lock(&self.state);
            match done(&state) {
                Some(result) => Poll::Ready(result),
                None => {
                    state.watchers.register(cx.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn ask_to_close(self: &Arc<Self>) {
        lock(&self.state).close_asked = true;
        self.mark();
    }
}

/// What the driver does with a channel.
impl Channel {
    pub(crate) fn id(&self) -> Option<ChannelId> {
        lock(&self.state).id
    }

    pub(crate) fn set_id(&self, id: ChannelId) {
        lock(&self.state).id = Some(id);
    }

    /// Takes over what was sent; tells how many bytes that were and whether the channel shall close after it.
    pub(crate) fn take_outbox(&self, into: &mut VecDeque<datachannel::Message>) -> (usize, bool) {
        let mut state = lock(&self.state);
        state.marked = false;
        let bytes = std::mem::take(&mut state.outbox_bytes);
        state.in_flight = state.in_flight.saturating_add(bytes);
        if into.is_empty() {
            // The common case: the two queues change places and keep their capacity.
            std::mem::swap(&mut state.outbox, into);
        } else {
            into.append(&mut state.outbox);
        }
        (bytes, state.close_asked)
    }

    /// The driver has nothing to do for it.
    pub(crate) fn unmark(&self) {
        lock(&self.state).marked = false;
    }

    pub(crate) fn buffered(&self) -> usize {
        lock(&self.state).buffered()
    }

    /// What is left at the end, about which no event tells.
    pub(crate) fn set_in_flight_quietly(&self, bytes: usize) {
        lock(&self.state).in_flight = bytes;
    }

    /// How much of what the driver took over is still on its way.
    pub(crate) fn set_in_flight(&self, bytes: usize) {
        let (writers, watchers, is_low) = {
            let mut state = lock(&self.state);
            let before = state.buffered();
            state.in_flight = bytes;
            let after = state.buffered();
            if after >= before {
                return;
            }
            let is_low = before > state.low_threshold && after <= state.low_threshold;
            // Waking senders for every acknowledgement would cost more than the sending; they are woken at half.
            let has_room = after <= self.limits.send_buffer / 2;
            let writers = if has_room { state.writers.take() } else { Wakers::default() };
            let watchers = if is_low { state.watchers.take() } else { Wakers::default() };
            (writers, watchers, is_low)
        };
        writers.wake();
        watchers.wake();
        if is_low {
            self.emit(&ChannelEvent::BufferedAmountLow);
        }
    }

    /// Moves messages to the application while it has room; it says when it has room again.
    pub(crate) fn deliver(&self, mut read: impl FnMut() -> Option<Message>) {
        let mut state = lock(&self.state);
        if !state.is_read {
            return;
        }
        let mut more = true;
        let mut delivered = false;
        while state.inbox_cost < self.limits.receive_buffer {
            let Some(message) = read() else {
                more = false;
                break;
            };
            state.inbox_cost = state.inbox_cost.saturating_add(message.len().saturating_add(OVERHEAD));
            state.inbox.push_back(message);
            delivered = true;
        }
        state.throttled = more;
        let readers = if delivered { state.readers.take() } else { Wakers::default() };
        drop(state);
        readers.wake();
    }

    /// The same at the end, when nothing more will come and all that came is bounded by the receive window.
    pub(crate) fn deliver_all(&self, read: impl Iterator<Item = Message>) {
        let mut state = lock(&self.state);
        for message in read {
            state.inbox_cost = state.inbox_cost.saturating_add(message.len().saturating_add(OVERHEAD));
            state.inbox.push_back(message);
        }
        let readers = state.readers.take();
        drop(state);
        readers.wake();
    }

    /// What the messages that wait in the inbox are charged, in bytes.
    pub(crate) fn inbox_cost(&self) -> usize {
        lock(&self.state).inbox_cost
    }

    /// Gives to listeners what came before there were any.
    pub(crate) fn dispatch_inbox(&self) {
        if self.messages.is_empty() {
            return;
        }
        let inbox = {
            let mut state = lock(&self.state);
            state.inbox_cost = 0;
            state.throttled = false;
            std::mem::take(&mut state.inbox)
        };
        for message in inbox {
            self.messages.dispatch(&message);
        }
    }

    pub(crate) fn set_open(&self, stream: Option<u16>) {
        let (writers, watchers) = {
            let mut state = lock(&self.state);
            if state.ready != DataChannelState::Connecting {
                return;
            }
            state.ready = DataChannelState::Open;
            state.stream = stream;
            (state.writers.take(), state.watchers.take())
        };
        writers.wake();
        watchers.wake();
        self.emit(&ChannelEvent::Open);
    }

    pub(crate) fn set_closing(&self) {
        let (writers, watchers) = {
            let mut state = lock(&self.state);
            if matches!(state.ready, DataChannelState::Closing | DataChannelState::Closed) {
                return;
            }
            state.ready = DataChannelState::Closing;
            (state.writers.take(), state.watchers.take())
        };
        writers.wake();
        watchers.wake();
        self.emit(&ChannelEvent::Closing);
    }

    /// The end: everybody who waits is told, and listeners go, with the handles they captured.
    pub(crate) fn set_closed(&self, error: Option<Error>) {
        let (readers, writers, watchers) = {
            let mut state = lock(&self.state);
            if state.ready == DataChannelState::Closed {
                return;
            }
            state.ready = DataChannelState::Closed;
            state.error.clone_from(&error);
            (state.readers.take(), state.writers.take(), state.watchers.take())
        };
        readers.wake();
        writers.wake();
        watchers.wake();
        if let Some(error) = error {
            self.emit(&ChannelEvent::Error(error));
        }
        self.emit(&ChannelEvent::Close);
        self.subscribers.end();
        self.remove_listeners();
    }

    fn remove_listeners(&self) {
        self.events.clear();
        self.messages.clear();
    }

    fn emit(&self, event: &ChannelEvent) {
        tracing::debug!(label = %self.label, ?event, "channel event");
        self.events.dispatch(event);
        self.subscribers.publish(event);
    }
}

impl DataChannel {
    /// The name that the channel was created with.
    pub fn label(&self) -> &str {
        &self.channel.label
    }

    /// The name of what is spoken over the channel; often empty.
    pub fn protocol(&self) -> &str {
        &self.channel.options.protocol
    }

    /// The SCTP stream it uses, known when it is open, or from the start when negotiated (RFC 8831, section 6.4).
    pub fn id(&self) -> Option<u16> {
        lock(&self.channel.state).stream.or(self.channel.options.negotiated)
    }

    /// Whether messages arrive in the order in which they were sent.
    pub fn ordered(&self) -> bool {
        self.channel.options.ordered
    }

    /// How often a message is retransmitted before it is given up; `None`: without limit.
    pub fn max_retransmits(&self) -> Option<u16> {
        self.channel.options.max_retransmits
    }

    /// For how long a message is retransmitted before it is given up; `None`: without limit.
    pub fn max_packet_life_time(&self) -> Option<Duration> {
        self.channel.options.max_packet_life_time
    }

    /// Whether both sides created it with the same id, instead of one side telling the other.
    pub fn negotiated(&self) -> bool {
        self.channel.options.negotiated.is_some()
    }

    /// Which channel goes first where several have something to send.
    pub fn priority(&self) -> Priority {
        self.channel.options.priority
    }

    /// Where the channel stands.
    pub fn ready_state(&self) -> DataChannelState {
        self.channel.ready_state()
    }

    /// How many bytes were accepted for sending and are not yet acknowledged by the peer.
    pub fn buffered_amount(&self) -> usize {
        self.channel.buffered()
    }

    /// At which [`DataChannel::buffered_amount`], in bytes, `bufferedamountlow` happens; 0 at first.
    pub fn buffered_amount_low_threshold(&self) -> usize {
        lock(&self.channel.state).low_threshold
    }

    /// Sets that threshold, in bytes.
    pub fn set_buffered_amount_low_threshold(&self, bytes: usize) {
        lock(&self.channel.state).low_threshold = bytes;
    }

    /// Sends a message; waits while the channel is still opening or its buffer is full.
    ///
    /// # Errors
    ///
    /// [`Error::MessageTooLarge`] names the limit of the peer. Otherwise the channel is closing or closed.
    pub async fn send(&self, message: impl Into<Message> + Send) -> Result<(), Error> {
        let mut message = Some(message.into());
        poll_fn(|cx| self.channel.offer(&mut message, Some(cx))).await
    }

    /// Sends a message if that is possible at once.
    ///
    /// # Errors
    ///
    /// [`Error::SendBufferFull`] names the limit, and so does [`Error::MessageTooLarge`]; [`Error::NotOpen`] says
    /// where the channel stands.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        match self.channel.offer(&mut Some(message.into()), None) {
            Poll::Ready(result) => result,
            // Without a task to wake, nothing is ever pending.
            Poll::Pending => Err(self.channel.not_open(&lock(&self.channel.state))),
        }
    }

    /// The next message, in the order of arrival; `None` once the channel is closed and all was received.
    ///
    /// What comes before this is called waits, and when too much waits the peer does. Several tasks may receive: each message goes to one of them, unless there are [`crate::event::MESSAGE`] listeners,
    /// which are then given all messages instead.
    pub async fn recv(&self) -> Option<Message> {
        poll_fn(|cx| self.channel.poll_recv(cx)).await
    }

    /// The messages as a `Stream`, which ends when the channel is closed. As [`DataChannel::recv`] otherwise.
    pub fn messages(&self) -> Messages {
        Messages { channel: self.clone() }
    }

    /// Calls `listener` at each event of this kind: [`crate::event::OPEN`], [`crate::event::MESSAGE`],
    /// [`crate::event::BUFFERED_AMOUNT_LOW`], [`crate::event::CLOSING`], [`crate::event::CLOSE`],
    /// [`crate::event::ERROR`]. Any number may be added; they are called in that order. What has happened before is
    /// not told again, but for messages, which wait: add listeners before negotiating, or await
    /// [`DataChannel::opened`].
    ///
    /// Listeners run on the connection's own task and must not block. A listener that holds a handle keeps the
    /// connection alive until it is closed by either side or the listener is removed.
    pub fn add_event_listener<P: 'static>(
        &self,
        kind: ChannelEventKind<P>,
        mut listener: impl FnMut(&P) + Send + 'static,
    ) -> Listener {
        let added = match kind.source {
            ChannelSource::Event(select) => self.channel.events.add(move |event| {
                if let Some(payload) = select(event) {
                    listener(payload);
                }
            }),
            ChannelSource::Message(select) => {
                let added = self.channel.messages.add(move |message| listener(select(message)));
                // Messages may be waiting since before there was anyone to listen.
                self.channel.mark();
                added
            }
        };
        if self.ready_state() == DataChannelState::Closed {
            // What has arrived is all that can still be heard.
            self.channel.dispatch_inbox();
            self.channel.remove_listeners();
        }
        added
    }

    /// All events but messages, as they happen from now on.
    pub fn events(&self) -> Events<ChannelEvent> {
        self.channel.subscribers.subscribe()
    }

    /// Waits until messages can be sent.
    ///
    /// # Errors
    ///
    /// The channel closed before it opened, or is closing.
    pub async fn opened(&self) -> Result<(), Error> {
        self.channel
            .wait_until(|state| match state.ready {
                DataChannelState::Connecting => None,
                DataChannelState::Open => Some(Ok(())),
                DataChannelState::Closing | DataChannelState::Closed => Some(Err(self.channel.not_open(state))),
            })
            .await
    }

    /// Waits until the channel is closed, by whichever side.
    pub async fn closed(&self) {
        self.channel.wait_until(|state| (state.ready == DataChannelState::Closed).then_some(())).await;
    }

    /// Waits until no more than the threshold is buffered, or the channel is closed.
    pub async fn buffered_amount_low(&self) {
        let is_low = |state: &State| state.buffered() <= state.low_threshold || state.ready == DataChannelState::Closed;
        self.channel.wait_until(|state| is_low(state).then_some(())).await;
    }

    /// Closes the channel after delivering what was accepted (RFC 8831, section 6.7). Closing begins at once, whether
    /// or not the result is awaited; the result is there when the peer has confirmed.
    ///
    /// # Errors
    ///
    /// [`Error::Undelivered`]: the peer did not take everything within [`crate::Config::close_timeout`]; closing
    /// goes on nevertheless.
    pub fn close(&self) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        self.channel.ask_to_close();
        let this = self.clone();
        async move {
            let limit = this.handle.close_timeout();
            match tokio::time::timeout(limit, this.closed()).await {
                Ok(()) => Ok(()),
                Err(_) => Err(Error::Undelivered { unsent: this.buffered_amount() }),
            }
        }
    }
}

impl PartialEq for DataChannel {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.channel, &other.channel)
    }
}

impl Eq for DataChannel {}

impl fmt::Debug for DataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataChannel")
            .field("label", &self.label())
            .field("id", &self.id())
            .field("ready_state", &self.ready_state())
            .finish_non_exhaustive()
    }
}

/// The messages of a channel as a `Stream`: [`DataChannel::messages`].
#[derive(Debug)]
pub struct Messages {
    channel: DataChannel,
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.channel.channel.poll_recv(cx)
    }
}
