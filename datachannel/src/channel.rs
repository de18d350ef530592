use crate::{Message, Part};
use sctp::Reliability;
use std::collections::VecDeque;
use std::fmt;

/// A channel of one [`Channels`](crate::Channels), from its opening on. Never used again for another channel, unlike
/// the stream identifier, which is known only once the DTLS role is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub(crate) u32);

impl ChannelId {
    /// A number that no other channel has.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "channel {}", self.0)
    }
}

/// A channel's weight where channels compete (RFC 8831, section 6.4). It is told to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(pub u16);

impl Priority {
    /// "Below normal": `very-low` in the W3C interface.
    pub const BELOW_NORMAL: Self = Self(128);
    /// "Normal": `low` in the W3C interface, and its default.
    pub const NORMAL: Self = Self(256);
    /// "High": `medium` in the W3C interface.
    pub const HIGH: Self = Self(512);
    /// "Extra high": `high` in the W3C interface.
    pub const EXTRA_HIGH: Self = Self(1024);
}

impl Default for Priority {
    fn default() -> Self {
        Self::NORMAL
    }
}

/// What a channel is to be like. The default is ordered and reliable, opened in-band, without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its name, at most 65,535 bytes. Names need not differ.
    pub label: String,
    /// The protocol spoken on it, at most 65,535 bytes; empty if unspecified.
    pub protocol: String,
    /// Whether messages arrive in the order they were sent in.
    pub ordered: bool,
    /// How hard delivery is tried.
    pub reliability: Reliability,
    /// The stream identifier that both applications have agreed on by themselves: nothing is told to the peer, which
    /// has to open the channel too. `None` opens it in-band (RFC 8832).
    pub negotiated: Option<u16>,
    /// Its weight.
    pub priority: Priority,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            label: String::new(),
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
            negotiated: None,
            priority: Priority::NORMAL,
        }
    }
}

impl Options {
    /// An ordered and reliable channel with this label.
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// How many bytes its names take.
    pub(crate) const fn name_bytes(&self) -> usize {
        self.label.len().saturating_add(self.protocol.len())
    }
}

/// Where a channel is in its life: `RTCDataChannelState`.
///
/// ```text
/// Connecting ── acknowledged, or negotiated and the association is up ──▶ Open
///      │                                                                   │
///      └──── closed here, refused or reset by the peer ──▶ Closing ◀───────┘
///                                                             │ both directions are reset
///                                                             ▼
///                                                           Closed
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not yet known to the peer.
    Connecting,
    /// Messages pass.
    Open,
    /// What was sent before is being delivered, then the streams are reset. Nothing more can be sent.
    Closing,
    /// The end. What has arrived can still be read.
    Closed,
}

/// What is known of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its name.
    pub label: String,
    /// The protocol spoken on it.
    pub protocol: String,
    /// The SCTP stream in either direction, once assigned; the `id` of the W3C interface.
    pub stream_id: Option<u16>,
    /// Whether messages keep their order.
    pub ordered: bool,
    /// How hard delivery is tried.
    pub reliability: Reliability,
    /// Whether the applications agreed on the stream identifier.
    pub negotiated: bool,
    /// Where it is in its life.
    pub state: State,
    /// Its weight.
    pub priority: Priority,
    /// What was accepted for sending.
    pub sent: Traffic,
    /// What was handed to the application.
    pub received: Traffic,
}

/// Messages and their bytes, without what any protocol adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Traffic {
    pub(crate) const fn count(&mut self, length: usize) {
        self.count_part(length, true);
    }

    pub(crate) const fn count_part(&mut self, length: usize, ends: bool) {
        self.messages = self.messages.saturating_add(ends as u64);
        self.bytes = self.bytes.saturating_add(length as u64);
    }
}

/// What waits for room in the association, in the order it is to be sent in.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Open,
    Accept,
    Complete,
    User(Message, Option<u64>),
}

/// How far the reset of one direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// Nobody asked for it.
    No,
    /// Asked for, not confirmed. (Never so for the peer's direction, of which only the end is told.)
    Requested,
    /// The stream starts anew.
    Done,
}

/// One channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) options: Options,
    pub(crate) stream: Option<u16>,
    pub(crate) state: State,
    /// Something came from the peer, so it knows of the channel and messages may go unordered (RFC 8832, section 6).
    pub(crate) heard: bool,
    /// Not yet taken by the association.
    pub(crate) pending: VecDeque<Outgoing>,
    /// Bytes of user messages in `pending`.
    pub(crate) pending_bytes: usize,
    /// Bytes of user messages that the association has taken.
    pub(crate) handed_over: u64,
    /// Arrived and taken from the association, not yet read: what came ahead of an acknowledgement, or before a reset.
    pub(crate) inbox: VecDeque<Part>,
    /// The part that was taken from the association last has others behind it.
    pub(crate) in_parts: bool,
    /// Bytes so far of the message that is being sent in parts.
    pub(crate) part_sent: Option<usize>,
    pub(crate) outgoing: Reset,
    pub(crate) incoming: Reset,
    /// Closed here: what still arrives is for nobody.
    pub(crate) deaf: bool,
    /// Everything that the association had for this channel was taken from it.
    pub(crate) stream_is_read: bool,
    pub(crate) low_threshold: usize,
    /// The buffered amount was above the threshold when last looked at.
    pub(crate) above_threshold: bool,
    /// `send` was refused for want of room.
    pub(crate) wants_room: bool,
    /// An event that says so waits to be polled.
    pub(crate) announced: Announced,
    pub(crate) sent: Traffic,
    pub(crate) received: Traffic,
    /// Opened by the peer, so that its names count towards what strangers may occupy.
    pub(crate) by_peer: bool,
}

/// Which events of a channel wait to be polled: each is queued once, so that the queue is bounded by the channels.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Announced {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) low: bool,
    pub(crate) closed: bool,
}

impl Channel {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            stream: None,
            state: State::Connecting,
            heard: false,
            pending: VecDeque::new(),
            pending_bytes: 0,
            handed_over: 0,
            inbox: VecDeque::new(),
            in_parts: false,
            part_sent: None,
            outgoing: Reset::No,
            incoming: Reset::No,
            deaf: false,
            stream_is_read: false,
            low_threshold: 0,
            above_threshold: false,
            wants_room: false,
            announced: Announced::default(),
            sent: Traffic::default(),
            received: Traffic::default(),
            by_peer: false,
        }
    }

    pub(crate) fn info(&self) -> Info {
        Info {
            label: self.options.label.clone(),
            protocol: self.options.protocol.clone(),
            stream_id: self.stream,
            ordered: self.options.ordered,
            reliability: self.options.reliability,
            negotiated: self.options.negotiated.is_some(),
            state: self.state,
            priority: self.options.priority,
            sent: self.sent,
            received: self.received,
        }
    }

    /// Whether messages of the application wait that the association has not taken.
    pub(crate) fn has_unsent_messages(&self) -> bool {
        self.pending.iter().any(|outgoing| matches!(outgoing, Outgoing::User(..)))
    }
}
