//! Sending (RFC 8831, section 6.6).

use super::{Channels, Life};
use crate::channel::{Channel, Outgoing};
use crate::dcep::Open;
use crate::dialect::Control;
use crate::message::{from_sctp, ppid, to_sctp};
use crate::{ChannelError, ChannelId, Event, Message, SendError, SendErrorReason, State};
use sctp::{Reliability, SendOptions};
use std::time::Instant;

/// What a peer accepts that does not say (RFC 8841, section 6.1).
const DEFAULT_REMOTE_MAX_MESSAGE: usize = 65_536;

impl Channel {
    pub(super) fn send_options(&self) -> SendOptions {
        // Before anything was heard, a message must not overtake the opening (RFC 8832, section 6).
        let may_overtake = self.heard || self.options.negotiated.is_some();
        SendOptions { unordered: !self.options.ordered && may_overtake, reliability: self.options.reliability }
    }

    /// What the pending messages of the application count.
    pub(super) fn pending_charge(&self) -> usize {
        let messages = self.pending.iter().filter(|outgoing| matches!(outgoing, Outgoing::User(..))).count();
        self.pending_bytes.saturating_add(messages.saturating_mul(OVERHEAD))
    }
}

/// What became of an attempt to hand the next pending message to the association.
enum Handed {
    /// It has it.
    Over,
    /// It has no room.
    Full,
    /// It has no such stream, or has ended.
    Refused,
}

/// What a message that waits here counts beyond its bytes, so that many small ones are bounded too.
const OVERHEAD: usize = size_of::<Outgoing>();

impl Channels {
    /// Sends a message. It waits while the channel is still being opened (where the W3C interface would throw), at most
    /// as many bytes as the association's send buffer has.
    ///
    /// # Errors
    ///
    /// If there is no room now, the message is too large for the peer, or the channel is closing or closed. The message
    /// is handed back.
    pub fn send(&mut self, now: Instant, id: ChannelId, message: Message) -> Result<(), SendError> {
        self.accept(now, id, message, None)
    }

    /// Sends a message as [`send`](Self::send) does, and tells what becomes of it: [`Event::Delivered`] or
    /// [`Event::Abandoned`] with this receipt, which should be a number not used before.
    ///
    /// # Errors
    ///
    /// As for `send`.
    pub fn send_with_receipt(
        &mut self,
        now: Instant,
        id: ChannelId,
        message: Message,
        receipt: u64,
    ) -> Result<(), SendError> {
        self.accept(now, id, message, Some(receipt))
    }

    fn accept(&mut self, now: Instant, id: ChannelId, message: Message, receipt: Option<u64>) -> Result<(), SendError> {
        let length = message.payload.len();
        if let Err(reason) = self.check_send(id, length) {
            return Err(SendError { reason, message });
        }
        let stream = self.channels.get(&id).filter(|channel| channel.pending.is_empty()).and_then(|c| c.stream);
        match stream {
            Some(stream) => self.send_at_once(now, id, stream, message, receipt)?,
            None => self.send_later(now, id, message, receipt)?,
        }
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.sent.count(length);
        }
        self.note_above(id);
        self.pump(now);
        Ok(())
    }

    pub(super) fn check_send(&self, id: ChannelId, len: usize) -> Result<(), SendErrorReason> {
        match self.channels.get(&id).map(|channel| channel.state) {
            None => return Err(SendErrorReason::NoSuchChannel),
            Some(State::Closing | State::Closed) => return Err(SendErrorReason::Closed),
            Some(State::Connecting | State::Open) => {}
        }
        match self.life {
            Life::New | Life::Connected => {}
            Life::ShuttingDown | Life::Ended => return Err(SendErrorReason::Closed),
        }
        let limit = self.max_message();
        if len > limit { Err(SendErrorReason::TooLarge { limit, len }) } else { Ok(()) }
    }

    /// Hands a message to the association, which has all that came before it on this channel.
    fn send_at_once(
        &mut self,
        now: Instant,
        id: ChannelId,
        stream: u16,
        message: Message,
        receipt: Option<u64>,
    ) -> Result<(), SendError> {
        let Some(channel) = self.channels.get_mut(&id) else {
            return Err(SendError { reason: SendErrorReason::NoSuchChannel, message });
        };
        let message = to_sctp(message);
        let length = message.payload.len();
        let options = channel.send_options();
        let sent = match receipt {
            Some(receipt) => self.association.send_with_receipt(now, stream, message, options, receipt),
            None => self.association.send(now, stream, message, options),
        };
        let (reason, message) = match sent {
            Ok(()) => {
                channel.handed_over = channel.handed_over.saturating_add(length as u64);
                return Ok(());
            }
            Err(sctp::SendError::Full { message, free }) => {
                channel.wants_room = true;
                (SendErrorReason::Full { capacity: free }, message)
            }
            Err(sctp::SendError::InParts(message)) => (SendErrorReason::InParts, message),
            Err(error) => {
                self.fail_refused(now, id);
                (SendErrorReason::Closed, error.into_message())
            }
        };
        match from_sctp(message) {
            Ok(message) => Err(SendError { reason, message }),
            Err(_) => Err(SendError { reason, message: Message::binary(bytes::Bytes::new()) }),
        }
    }

    /// Keeps a message until the stream is known and what comes before it is gone.
    fn send_later(
        &mut self,
        now: Instant,
        id: ChannelId,
        message: Message,
        receipt: Option<u64>,
    ) -> Result<(), SendError> {
        let length = message.payload.len();
        let capacity = self.send_capacity(id);
        let Some(channel) = self.channels.get_mut(&id) else {
            return Err(SendError { reason: SendErrorReason::NoSuchChannel, message });
        };
        // As in the association, a message larger than the whole buffer is taken if nothing else waits.
        if self.pending_charge > 0 && length.saturating_add(OVERHEAD) > capacity {
            channel.wants_room = true;
            return Err(SendError { reason: SendErrorReason::Full { capacity }, message });
        }
        channel.pending_bytes = channel.pending_bytes.saturating_add(length);
        self.pending_charge = self.pending_charge.saturating_add(length).saturating_add(OVERHEAD);
        self.push_pending(now, id, Outgoing::User(message, receipt));
        Ok(())
    }

    /// The largest message that the peer accepts, in bytes; `usize::MAX` if it has no limit.
    pub fn max_message(&self) -> usize {
        match self.config.remote_max_message {
            None => DEFAULT_REMOTE_MAX_MESSAGE,
            Some(0) => usize::MAX,
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
        }
    }

    /// Tells what the peer accepts at most, in bytes: the `a=max-message-size` of its description (RFC 8841, section 6).
    /// 0 is no limit.
    pub fn set_remote_max_message(&mut self, bytes: usize) {
        self.config.remote_max_message = Some(bytes as u64);
    }

    /// How many bytes `send` would take on this channel now, at least. The buffer is shared by all channels, and takes
    /// one message larger than itself when it is empty.
    pub fn send_capacity(&self, id: ChannelId) -> usize {
        match self.channels.get(&id).map(|channel| channel.state) {
            Some(State::Connecting | State::Open) => {
                self.association.send_capacity().saturating_sub(self.pending_charge)
            }
            Some(State::Closing | State::Closed) | None => 0,
        }
    }

    /// Bytes of messages that were accepted and have not been sent for the first time or abandoned; what the protocols
    /// add does not count. This is how Chromium counts its `bufferedAmount`.
    pub fn buffered_amount(&self, id: ChannelId) -> usize {
        self.channels.get(&id).map_or(0, |channel| self.buffered(channel))
    }

    fn buffered(&self, channel: &Channel) -> usize {
        let in_association = channel.stream.map_or(0, |stream| self.association.buffered_amount(stream));
        // A message of the establishment protocol is first on its stream and leaves first, so whatever exceeds the
        // application's bytes is of it.
        let of_application = in_association.min(usize::try_from(channel.handed_over).unwrap_or(usize::MAX));
        channel.pending_bytes.saturating_add(of_application)
    }

    /// What was accepted for a channel and the peer's SCTP has not acknowledged: what waits, and what is in flight. This
    /// looks at everything in flight.
    pub fn unacknowledged(&self, id: ChannelId) -> sctp::Unacknowledged {
        let Some(channel) = self.channels.get(&id) else { return sctp::Unacknowledged::default() };
        let of_stream = |ppid: fn(u32) -> bool| {
            channel.stream.map(|stream| self.association.unacknowledged(stream, ppid)).unwrap_or_default()
        };
        // An empty message is one byte to SCTP.
        let full = of_stream(|id| matches!(id, ppid::STRING | ppid::BINARY));
        let empty = of_stream(|id| matches!(id, ppid::STRING_EMPTY | ppid::BINARY_EMPTY));
        let waiting = channel.pending.iter().filter(|outgoing| matches!(outgoing, Outgoing::User(..))).count();
        sctp::Unacknowledged {
            messages: full.messages.saturating_add(empty.messages).saturating_add(waiting),
            bytes: full.bytes.saturating_add(channel.pending_bytes),
        }
    }

    /// Sets the level at or below which [`Event::BufferedAmountLow`] comes, once the amount was above it. 0 at first.
    pub fn set_buffered_amount_low_threshold(&mut self, id: ChannelId, bytes: usize) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.low_threshold = bytes;
        if let Some(stream) = channel.stream {
            self.association.set_buffered_amount_low_threshold(stream, bytes);
        }
        self.note_above(id);
    }

    /// Notes whether the amount is above the threshold, so that its fall will be told.
    pub(super) fn note_above(&mut self, id: ChannelId) {
        let amount = self.buffered_amount(id);
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.above_threshold = amount > channel.low_threshold;
        }
    }

    /// Tells if the amount has fallen to the threshold.
    pub(super) fn check_low(&mut self, id: ChannelId) {
        let amount = self.buffered_amount(id);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.above_threshold && amount <= channel.low_threshold {
            channel.above_threshold = false;
            if !std::mem::replace(&mut channel.announced.low, true) {
                self.events.push_back(Event::BufferedAmountLow(id));
            }
        }
    }

    pub(super) fn handle_writable(&mut self, now: Instant) {
        self.flush(now);
        if self.blocked.is_empty() {
            self.announce_writable();
        }
    }

    fn announce_writable(&mut self) {
        for (id, channel) in &mut self.channels {
            if std::mem::take(&mut channel.wants_room) && !std::mem::replace(&mut channel.announced.writable, true) {
                self.events.push_back(Event::Writable(*id));
            }
        }
    }

    /// Queues what has to wait its turn.
    pub(super) fn push_pending(&mut self, now: Instant, id: ChannelId, outgoing: Outgoing) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.pending.push_back(outgoing);
        if channel.pending.len() == 1 {
            self.blocked.push_back(id);
        }
        self.flush(now);
    }

    /// Hands pending messages to the association, one of each channel in turn, until it is full.
    pub(super) fn flush(&mut self, now: Instant) {
        // Channels without a stream stay behind; the count ends the turn when only those are left.
        let mut idle = 0;
        let had_pending = self.pending_charge > 0;
        while idle < self.blocked.len() {
            let Some(id) = self.blocked.pop_front() else { break };
            match self.hand_over(now, id) {
                None => {
                    self.blocked.push_back(id);
                    idle += 1;
                    continue;
                }
                Some(Handed::Over) => {}
                Some(Handed::Full) => {
                    self.blocked.push_front(id);
                    break;
                }
                Some(Handed::Refused) => {
                    self.fail_refused(now, id);
                    continue;
                }
            }
            idle = 0;
            if self.channels.get(&id).is_some_and(|channel| !channel.pending.is_empty()) {
                self.blocked.push_back(id);
            } else {
                self.check_low(id);
                self.reset_if_flushed(now, id);
            }
        }
        if had_pending && self.pending_charge == 0 {
            self.announce_writable();
        }
        self.shut_down_if_flushed(now);
    }

    /// Hands over the first pending message. `None` if the channel has no stream yet.
    fn hand_over(&mut self, now: Instant, id: ChannelId) -> Option<Handed> {
        let Some(channel) = self.channels.get_mut(&id) else { return Some(Handed::Over) };
        let stream = channel.stream?;
        let Some(outgoing) = channel.pending.pop_front() else { return Some(Handed::Over) };
        let control = SendOptions { unordered: false, reliability: Reliability::Reliable };
        let encoded = |message: Control<'_>| {
            let payload = self.config.dialect.encode(stream, &message).into();
            sctp::Message { ppid: ppid::DCEP, payload }
        };
        let (message, options, length, receipt) = match &outgoing {
            Outgoing::Open => (encoded(Control::Open(Open::from(&channel.options))), control, 0, None),
            Outgoing::Accept => (encoded(Control::Accept), control, 0, None),
            Outgoing::Complete => (encoded(Control::Complete), control, 0, None),
            Outgoing::User(message, receipt) => {
                (to_sctp(message.clone()), channel.send_options(), message.payload.len(), *receipt)
            }
        };
        let taken = message.payload.len();
        let sent = match receipt {
            Some(receipt) => self.association.send_with_receipt(now, stream, message, options, receipt),
            None => self.association.send(now, stream, message, options),
        };
        match sent {
            Ok(()) => {
                if matches!(outgoing, Outgoing::User(..)) {
                    channel.handed_over = channel.handed_over.saturating_add(taken as u64);
                    channel.pending_bytes = channel.pending_bytes.saturating_sub(length);
                    self.pending_charge = self.pending_charge.saturating_sub(length.saturating_add(OVERHEAD));
                } else {
                    self.association.set_buffered_amount_low_threshold(stream, channel.low_threshold);
                }
                Some(Handed::Over)
            }
            Err(sctp::SendError::Full { .. }) => {
                channel.pending.push_front(outgoing);
                Some(Handed::Full)
            }
            Err(_) => {
                channel.pending.push_front(outgoing);
                Some(Handed::Refused)
            }
        }
    }

    /// The association does not take messages on this stream.
    pub(super) fn fail_refused(&mut self, now: Instant, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let error = channel.stream.map_or(ChannelError::Disconnected, ChannelError::StreamRefused);
        self.events.push_back(Event::Error(id, error));
        self.finish(now, id);
    }
}
