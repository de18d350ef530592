//! Data channels, as the application holds them.

mod parts;
mod queued;
mod shared;

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use session::datachannel::Priority;

pub use self::parts::{ByteStream, MessageReader, MessageWriter, Receipt};
pub(crate) use self::queued::{Confirm, Incoming, Lost, Outgoing};
use self::shared::State;
pub(crate) use self::shared::{Channel, Limits};
use crate::connection::Handle;
use crate::description::DataChannelState;
use crate::error::Error;
use crate::events::{ChannelEvent, ChannelEventKind, ChannelSource, Events, Listener};
use crate::message::Message;
use crate::sync::lock;

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

    /// How many bytes were accepted for sending and have not been sent for the first time: what is in flight does not
    /// count, and nor does what the protocols add, as in W3C's `bufferedAmount`. Once the channel has closed, what
    /// could not be delivered.
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
    /// [`Error::MessageTooLarge`] names the limits of the peer and of [`crate::Config::send_buffer`]. Otherwise the
    /// channel is closing or closed.
    pub async fn send(&self, message: impl Into<Message> + Send) -> Result<(), Error> {
        let mut message = Some(message.into());
        poll_fn(|cx| self.channel.offer(&mut message, &mut None, Some(cx))).await
    }

    /// Sends a message if that is possible at once.
    ///
    /// # Errors
    ///
    /// [`Error::SendBufferFull`] names the limit, and so does [`Error::MessageTooLarge`]; [`Error::NotOpen`] says
    /// where the channel stands.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        match self.channel.offer(&mut Some(message.into()), &mut None, None) {
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
    /// or not the result is awaited; the result is there when the peer has confirmed. `Ok` says that the peer's SCTP has
    /// acknowledged every message that was accepted and not given up as the channel's reliability asks for.
    ///
    /// # Errors
    ///
    /// [`Error::Undelivered`]: how much was not acknowledged, because the connection ended, the peer closed the channel
    /// first, or [`crate::Config::close_timeout`] passed, in which case closing goes on nevertheless.
    pub fn close(&self) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        self.channel.ask_to_close();
        let this = self.clone();
        async move {
            let limit = this.handle.close_timeout();
            let lost = match tokio::time::timeout(limit, this.closed()).await {
                Ok(()) => this.channel.lost(),
                Err(_) => {
                    let channel = this.channel.clone();
                    let lost = this.handle.shared.call(move |driver, _| driver.undelivered(&channel)).await;
                    // Where the connection has ended meanwhile, so has the channel.
                    lost.unwrap_or_else(|_| this.channel.lost())
                }
            };
            lost.into_result()
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
