//! What handles and the driver share of a data channel: two queues, and who waits for what.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use session::datachannel::{self, ChannelId, Kind};

use super::ChannelOptions;
use super::queued::{Confirm, Inbox, Incoming, Lost, OVERHEAD, Outgoing, part};
use crate::description::DataChannelState;
use crate::error::Error;
use crate::events::{ChannelEvent, Listeners, Subscribers};
use crate::message::Message;
use crate::sync::{Signal, Wakers, lock};

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
    /// Messages of any size come, so they are read in parts, whoever receives them.
    pub(crate) any_size: bool,
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
    outbox: VecDeque<Outgoing>,
    /// A message is being sent in parts; others wait for its end.
    is_writing: bool,
    /// Why that message cannot be sent.
    refused: Option<Error>,
    outbox_bytes: usize,
    /// Bytes that the driver took over and that have not left yet.
    in_flight: usize,
    /// At the end: what was not delivered.
    lost: Lost,
    pub(super) low_threshold: usize,
    writers: Wakers,
    inbox: Inbox,
    /// Somebody reads messages before they are whole.
    in_parts: bool,
    /// A message is being read in parts; who waits for the next one waits for its end.
    is_reading: bool,
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
                is_writing: false,
                refused: None,
                outbox_bytes: 0,
                in_flight: 0,
                lost: Lost::default(),
                low_threshold: 0,
                writers: Wakers::default(),
                inbox: Inbox::default(),
                in_parts: false,
                is_reading: false,
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
        confirm: &mut Option<Confirm>,
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
            let is_full = state.is_writing || (charged > 0 && charged.saturating_add(len) > self.limits.send_buffer);
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
            state.outbox.extend(message.take().map(|message| Outgoing::Message(message.into(), confirm.take())));
            !std::mem::replace(&mut state.marked, true)
        };
        if mark {
            self.signal.mark(self.clone());
        }
        Poll::Ready(Ok(()))
    }

    /// The next message that waits for the application; `None` at the end.
    pub(super) fn poll_recv(self: &Arc<Self>, cx: &Context<'_>) -> Poll<Option<Message>> {
        self.poll_inbox(cx, |state, limits| {
            if state.is_reading {
                return None;
            }
            let message = state.inbox.pop_message();
            if message.is_none() && limits.receive_buffer <= state.inbox.cost() {
                // A message is here in part, and there is no room for the rest of it.
                state.error = Some(Error::ChannelFailed {
                    label: String::new(),
                    reason: "a message larger than `Config::receive_buffer` came; read it with `recv_chunks`"
                        .to_owned(),
                });
                state.inbox.clear();
                state.inbox.skip_rest();
                state.close_asked = true;
            }
            message
        })
    }

    /// The next part of any message.
    pub(super) fn poll_part(self: &Arc<Self>, cx: &Context<'_>) -> Poll<Option<datachannel::Part>> {
        self.poll_inbox(cx, |state, _| {
            state.in_parts = true;
            state.inbox.pop().map(Incoming::into_part)
        })
    }

    /// The first part of the next message; the message is being read from then on.
    pub(super) fn poll_first_part(self: &Arc<Self>, cx: &Context<'_>) -> Poll<Option<datachannel::Part>> {
        self.poll_inbox(cx, |state, _| {
            state.in_parts = true;
            let part = if state.is_reading { None } else { state.inbox.pop()?.into_part().into() };
            state.is_reading |= part.is_some();
            part
        })
    }

    /// The message being read in parts is at its end, or nobody wants its rest.
    pub(super) fn end_reading(&self, skip: bool) {
        let readers = {
            let mut state = lock(&self.state);
            state.is_reading = false;
            if skip {
                state.inbox.skip_rest();
            }
            state.readers.take()
        };
        readers.wake();
    }

    fn poll_inbox<T>(
        self: &Arc<Self>,
        cx: &Context<'_>,
        pop: impl FnOnce(&mut State, &Limits) -> Option<T>,
    ) -> Poll<Option<T>> {
        let (popped, mark) = {
            let mut state = lock(&self.state);
            let (was_in_parts, was_closing) = (state.in_parts, state.close_asked);
            let popped = pop(&mut state, &self.limits);
            let changed = state.in_parts != was_in_parts || state.close_asked != was_closing;
            if popped.is_none() {
                if state.ready == DataChannelState::Closed {
                    return Poll::Ready(None);
                }
                state.readers.register(cx.waker());
            }
            let is_first = popped.is_none() && !std::mem::replace(&mut state.is_read, true);
            // Asking for more at half saves a wake of the driver for each message.
            let has_room = state.throttled && state.inbox.cost() <= self.limits.receive_buffer / 2;
            if has_room {
                state.throttled = false;
            }
            let mark = (is_first || changed || has_room) && !std::mem::replace(&mut state.marked, true);
            (popped, mark)
        };
        if mark {
            self.signal.mark(self.clone());
        }
        popped.map_or(Poll::Pending, |popped| Poll::Ready(Some(popped)))
    }

    /// Begins a message in parts, once the channel is open and no other one is being sent so.
    pub(super) fn begin_parts(&self, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = lock(&self.state);
        match state.ready() {
            DataChannelState::Open if !state.is_writing => {
                state.is_writing = true;
                state.refused = None;
                Poll::Ready(Ok(()))
            }
            DataChannelState::Open | DataChannelState::Connecting => {
                state.writers.register(cx.waker());
                Poll::Pending
            }
            DataChannelState::Closing | DataChannelState::Closed => Poll::Ready(Err(self.not_open(&state))),
        }
    }

    /// Takes a part for sending, with which the message has `total` bytes.
    pub(super) fn offer_part(
        self: &Arc<Self>,
        kind: Kind,
        bytes: &mut Option<Bytes>,
        total: usize,
        is_last: bool,
        confirm: &mut Option<Confirm>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let (max_message_size, send_buffer) =
            (self.limits.max_message.load(Ordering::Relaxed), self.limits.send_buffer);
        let length = bytes.as_ref().map_or(0, Bytes::len);
        let (mark, writers) = {
            let mut state = lock(&self.state);
            if let Some(error) = state.refused.take() {
                return Poll::Ready(Err(error));
            }
            if state.ready() != DataChannelState::Open {
                return Poll::Ready(Err(self.not_open(&state)));
            }
            if total > max_message_size {
                let limit = max_message_size;
                return Poll::Ready(Err(Error::MessageTooLarge { len: total, limit, max_message_size, send_buffer }));
            }
            let charged = state.buffered().saturating_add(state.outbox.len().saturating_mul(OVERHEAD));
            if charged > 0 && charged.saturating_add(length) > send_buffer {
                state.writers.register(cx.waker());
                return Poll::Pending;
            }
            state.outbox_bytes = state.outbox_bytes.saturating_add(length);
            let confirm = confirm.take();
            state.outbox.extend(bytes.take().map(|bytes| Outgoing::Part { part: part(kind, bytes), is_last, confirm }));
            state.is_writing = !is_last;
            let writers = if is_last { state.writers.take() } else { Wakers::default() };
            (!std::mem::replace(&mut state.marked, true), writers)
        };
        writers.wake();
        if mark {
            self.signal.mark(self.clone());
        }
        Poll::Ready(Ok(()))
    }

    /// Gives up the message that is being sent in parts.
    pub(super) fn cancel_parts(self: &Arc<Self>) {
        let writers = {
            let mut state = lock(&self.state);
            state.is_writing = false;
            state.outbox.push_back(Outgoing::Cancel);
            state.writers.take()
        };
        writers.wake();
        self.mark();
    }

    /// The largest message that can be sent whole.
    pub(super) fn largest_message(&self) -> usize {
        self.limits.max_message.load(Ordering::Relaxed).min(self.limits.send_buffer)
    }

    /// Polls until `done` says so of the state.
    pub(super) fn poll_until<T>(&self, cx: &Context<'_>, done: impl FnOnce(&State) -> Option<T>) -> Poll<T> {
        let mut state = lock(&self.state);
        match done(&state) {
            Some(result) => Poll::Ready(result),
            None => {
                state.watchers.register(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Waits until `done` says so of the state.
    pub(super) async fn wait_until<T>(&self, mut done: impl FnMut(&State) -> Option<T> + Send) -> T {
        poll_fn(|cx| self.poll_until(cx, &mut done)).await
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
    pub(crate) fn take_outbox(&self, into: &mut VecDeque<Outgoing>) -> (usize, bool) {
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
    pub(crate) fn set_lost(&self, lost: Lost) {
        let mut state = lock(&self.state);
        (state.lost, state.in_flight) = (lost, lost.bytes);
    }

    /// What was not delivered; nothing before the end.
    pub(crate) fn lost(&self) -> Lost {
        lock(&self.state).lost
    }

    /// What waits here for the driver.
    pub(crate) fn waiting(&self) -> Lost {
        lock(&self.state).outbox.iter().fold(Lost::default(), |mut sum, outgoing| {
            sum.add(outgoing.as_lost());
            sum
        })
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

    /// Moves messages to the application while it has room; it says when it has room again. `read` is told whether parts
    /// of messages will do.
    pub(crate) fn deliver(&self, mut read: impl FnMut(bool) -> Option<Incoming>) {
        let mut state = lock(&self.state);
        if !state.is_read && self.messages.is_empty() {
            return;
        }
        let in_parts = state.in_parts || self.limits.any_size;
        let mut more = true;
        let mut delivered = false;
        while state.inbox.cost() < self.limits.receive_buffer {
            let Some(incoming) = read(in_parts) else {
                more = false;
                break;
            };
            state.inbox.push(incoming);
            delivered = true;
        }
        state.throttled = more;
        let readers = if delivered { state.readers.take() } else { Wakers::default() };
        drop(state);
        readers.wake();
    }

    /// The same at the end, when nothing more will come and all that came is bounded by the receive window.
    pub(crate) fn deliver_all(&self, read: impl Iterator<Item = Incoming>) {
        let mut state = lock(&self.state);
        for incoming in read {
            state.inbox.push(incoming);
        }
        let readers = state.readers.take();
        drop(state);
        readers.wake();
    }

    /// Whether messages are read before they are whole.
    pub(crate) fn reads_in_parts(&self) -> bool {
        self.limits.any_size || lock(&self.state).in_parts
    }

    /// The session did not take a part: whoever sends the message is told with the next one.
    pub(crate) fn refuse_parts(&self, error: Error) {
        let writers = {
            let mut state = lock(&self.state);
            state.refused = state.is_writing.then_some(error);
            state.writers.take()
        };
        writers.wake();
    }

    /// What the messages that wait in the inbox are charged, in bytes.
    pub(crate) fn inbox_cost(&self) -> usize {
        lock(&self.state).inbox.cost()
    }

    /// Gives to listeners what came before there were any.
    pub(crate) fn dispatch_inbox(&self) {
        if self.messages.is_empty() {
            return;
        }
        loop {
            let message = {
                let mut state = lock(&self.state);
                state.throttled = false;
                state.inbox.pop_message()
            };
            let Some(message) = message else { break };
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
        let (readers, writers, watchers, error) = {
            let mut state = lock(&self.state);
            if state.ready == DataChannelState::Closed {
                return;
            }
            state.ready = DataChannelState::Closed;
            // What went wrong here comes before what the connection says of it.
            if let Some(Error::ChannelFailed { label, .. }) = &mut state.error {
                label.clone_from(&self.label);
            }
            let error = state.error.take().or(error);
            state.error.clone_from(&error);
            (state.readers.take(), state.writers.take(), state.watchers.take(), error)
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
