//! What handles and the driver share of a data channel: two queues, and who waits for what.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use session::datachannel::{self, ChannelId};

use super::ChannelOptions;
use crate::description::DataChannelState;
use crate::error::Error;
use crate::events::{ChannelEvent, Listeners, Subscribers};
use crate::message::Message;
use crate::sync::{Signal, Wakers, lock};

/// What each waiting message is charged beside its bytes, so that empty ones are bounded too.
const OVERHEAD: usize = 64;

/// What handles and the driver share of one channel.
pub(crate) struct Channel {
    /// How many channels of its connection were made before it.
    pub(crate) serial: u64,
    pub(crate) label: String,
    pub(crate) options: ChannelOptions,
    limits: Limits,
    signal: Arc<Signal>,
    pub(super) state: Mutex<State>,
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

pub(super) struct State {
    pub(super) ready: DataChannelState,
    id: Option<ChannelId>,
    pub(super) stream: Option<u16>,
    error: Option<Error>,
    /// The driver has been told to look at this channel and has not done so yet.
    marked: bool,
    close_asked: bool,
    outbox: VecDeque<datachannel::Message>,
    outbox_bytes: usize,
    /// Bytes that the driver took over and the peer has not acknowledged.
    in_flight: usize,
    pub(super) low_threshold: usize,
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
    pub(super) const fn buffered(&self) -> usize {
        self.outbox_bytes.saturating_add(self.in_flight)
    }

    /// As the application sees it: closing from the moment it asked for that.
    pub(super) const fn ready(&self) -> DataChannelState {
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
    pub(crate) fn new(
        serial: u64,
        label: String,
        options: ChannelOptions,
        limits: Limits,
        signal: Arc<Signal>,
    ) -> Self {
        let event_queue = limits.event_queue;
        Self {
            serial,
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

    pub(super) fn not_open(&self, state: &State) -> Error {
        if let Some(error) = &state.error {
            return error.clone();
        }
        Error::NotOpen { label: self.label.clone(), state: state.ready() }
    }

    /// Takes a message for sending, or says why not; `None` while the state or the buffer may still change.
    pub(super) fn offer(
        self: &Arc<Self>,
        message: &mut Option<Message>,
        cx: Option<&Context<'_>>,
    ) -> Poll<Result<(), Error>> {
        let len = message.as_ref().map_or(0, Message::len);
        let (max_message_size, send_buffer) =
            (self.limits.max_message.load(Ordering::Relaxed), self.limits.send_buffer);
        let limit = max_message_size.min(send_buffer);
        let mark = {
            let mut state = lock(&self.state);
            let is_open = state.ready() == DataChannelState::Open;
            let may_open = state.ready() == DataChannelState::Connecting;
            if !is_open && (!may_open || cx.is_none()) {
                return Poll::Ready(Err(self.not_open(&state)));
            }
            if is_open && len > limit {
                return Poll::Ready(Err(Error::MessageTooLarge { len, limit, max_message_size, send_buffer }));
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
    pub(super) fn poll_recv(self: &Arc<Self>, cx: &Context<'_>) -> Poll<Option<Message>> {
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
    pub(super) async fn wait_until<T>(&self, mut done: impl FnMut(&State) -> Option<T> + Send) -> T {
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

    pub(super) fn ask_to_close(self: &Arc<Self>) {
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

    pub(super) fn remove_listeners(&self) {
        self.events.clear();
        self.messages.clear();
    }

    fn emit(&self, event: &ChannelEvent) {
        tracing::debug!(label = %self.label, ?event, "channel event");
        self.events.dispatch(event);
        self.subscribers.publish(event);
    }
}
