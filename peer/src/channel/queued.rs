//! What waits in the two queues between handles and the driver.

use bytes::{Bytes, BytesMut};
use session::datachannel::{self, Kind, Progress};
use std::collections::VecDeque;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::message::Message;

/// Where the fate of a message is told: true for delivered, false for given up.
pub(crate) type Confirm = oneshot::Sender<bool>;

/// What was accepted and not delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl Lost {
    pub(crate) const fn add(&mut self, other: Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    pub(crate) const fn is_nothing(self) -> bool {
        self.messages == 0 && self.bytes == 0
    }

    pub(crate) const fn into_result(self) -> Result<(), Error> {
        if self.is_nothing() {
            return Ok(());
        }
        Err(Error::Undelivered { messages: self.messages, unsent: self.bytes })
    }
}

impl From<datachannel::sctp::Unacknowledged> for Lost {
    fn from(of_session: datachannel::sctp::Unacknowledged) -> Self {
        Self { messages: of_session.messages, bytes: of_session.bytes }
    }
}

/// What the application sent.
pub(crate) enum Outgoing {
    Message(datachannel::Message, Option<Confirm>),
    Part {
        part: datachannel::Message,
        is_last: bool,
        confirm: Option<Confirm>,
    },
    /// The message in parts comes to no end.
    Cancel,
}

impl Outgoing {
    /// As what it counts if it is lost. A message in parts counts with its last one.
    pub(crate) const fn as_lost(&self) -> Lost {
        let ends = matches!(self, Self::Message(..) | Self::Part { is_last: true, .. });
        Lost { messages: ends as usize, bytes: self.len() }
    }

    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Message(message, _) | Self::Part { part: message, .. } => message.payload.len(),
            Self::Cancel => 0,
        }
    }
}

/// What arrived.
pub(crate) enum Incoming {
    Whole(Message),
    /// A part of a message that has others.
    Part(datachannel::Part),
}

impl Incoming {
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Whole(message) => message.len(),
            Self::Part(part) => part.payload.len(),
        }
    }

    const fn ends(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Part(part) => !matches!(part.progress, Progress::More),
        }
    }

    /// As a part, be it the only one.
    pub(super) fn into_part(self) -> datachannel::Part {
        match self {
            Self::Whole(message) => datachannel::Message::from(message).into(),
            Self::Part(part) => part,
        }
    }
}

impl From<datachannel::Part> for Incoming {
    fn from(part: datachannel::Part) -> Self {
        if part.is_first && part.progress == Progress::Complete {
            Self::Whole(datachannel::Message::from(part).into())
        } else {
            Self::Part(part)
        }
    }
}

/// Messages and parts in the order of their arrival, with what they cost.
#[derive(Default)]
pub(super) struct Inbox {
    queue: VecDeque<Incoming>,
    cost: usize,
    /// Ends of messages that are here.
    ends: usize,
    /// The rest of the message at hand is not wanted.
    skips: bool,
}

/// What each waiting message is charged beside its bytes, so that empty ones are bounded too.
pub(super) const OVERHEAD: usize = 64;

impl Inbox {
    pub(super) const fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn push(&mut self, incoming: Incoming) {
        if let Incoming::Part(part) = &incoming
            && self.skips
            && !part.is_first
        {
            self.skips = !incoming.ends();
            return;
        }
        self.skips = false;
        self.cost = self.cost.saturating_add(incoming.len().saturating_add(OVERHEAD));
        self.ends += usize::from(incoming.ends());
        self.queue.push_back(incoming);
    }

    pub(super) fn pop(&mut self) -> Option<Incoming> {
        let incoming = self.queue.pop_front()?;
        self.cost = self.cost.saturating_sub(incoming.len().saturating_add(OVERHEAD));
        self.ends = self.ends.saturating_sub(usize::from(incoming.ends()));
        Some(incoming)
    }

    /// The next message that is here whole, its parts put together.
    pub(super) fn pop_message(&mut self) -> Option<Message> {
        while self.ends > 0 {
            let part = match self.pop()? {
                Incoming::Whole(message) => return Some(message),
                Incoming::Part(part) => part,
            };
            if let Some(message) = self.put_together(part) {
                return Some(message);
            }
        }
        None
    }

    fn put_together(&mut self, first: datachannel::Part) -> Option<Message> {
        let (kind, is_whole) = (first.kind, first.is_first);
        let mut progress = first.progress;
        let mut bytes = BytesMut::from(first.payload);
        while progress == Progress::More {
            let part = self.pop()?.into_part();
            progress = part.progress;
            bytes.extend_from_slice(&part.payload);
        }
        (is_whole && progress == Progress::Complete)
            .then(|| datachannel::Message { kind, payload: bytes.freeze() }.into())
    }

    /// Drops what is here, and will come, of the message at hand.
    pub(super) fn skip_rest(&mut self) {
        while let Some(incoming) = self.pop() {
            if incoming.ends() {
                return;
            }
        }
        self.skips = true;
    }

    pub(super) fn clear(&mut self) {
        (self.cost, self.ends) = (0, 0);
        self.queue.clear();
    }
}

/// A part as the driver hands it on.
pub(super) const fn part(kind: Kind, payload: Bytes) -> datachannel::Message {
    datachannel::Message { kind, payload }
}
