//! Receiving (RFC 8831, section 6.6; RFC 8832, section 6).
//!
//! Messages stay in the association until they are read, so that what nobody reads closes the receive window. Taken out
//! ahead of that are only the messages of the establishment protocol, and at most one message behind each.

use super::{Channels, Life};
use crate::channel::{Channel, Outgoing, Reset};
use crate::dialect::Control;
use crate::message::{from_sctp, ppid};
use crate::{ChannelError, ChannelId, Event, Message, Part, State};
use std::collections::VecDeque;
use std::time::Instant;
use tracing::debug;
use wire::Malformed;

impl Channels {
    /// The next message of a channel, or `None` if there is none now. Makes room for more from the peer.
    pub fn read(&mut self, now: Instant, id: ChannelId) -> Option<Message> {
        let is_in_parts = self.channels.get(&id).is_some_and(|channel| channel.in_parts && channel.inbox.is_empty());
        let part = if is_in_parts { None } else { self.next_part(now, id, false) };
        self.after_reading(now, id, part.as_ref());
        part.map(Message::from)
    }

    pub(super) fn after_reading(&mut self, now: Instant, id: ChannelId, part: Option<&Part>) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        match part {
            Some(part) => channel.received.count_part(part.payload.len(), part.progress == sctp::Progress::Complete),
            None if channel.inbox.is_empty() => {
                self.handle_drained(now, id);
                self.forget_if_over(id);
            }
            None => {}
        }
        self.pump(now);
    }

    /// Something can be read from a stream.
    pub(super) fn handle_readable(&mut self, now: Instant, stream: u16) {
        let Some(id) = self.streams.channel(stream) else { return self.handle_readable_unused(now, stream) };
        let Some(channel) = self.channels.get(&id) else { return };
        if channel.deaf {
            self.discard(now, stream);
        } else if !channel.reads_stream() {
            // It came after the peer's reset: it is for the next user of this stream.
        } else if channel.heard || channel.options.negotiated.is_some() {
            self.announce_readable(id);
        } else {
            self.handle_answer(now, id, stream);
        }
    }

    /// The first thing heard on a channel that we opened: the acknowledgement, or, if that was overtaken, a message.
    fn handle_answer(&mut self, now: Instant, id: ChannelId, stream: u16) {
        let Some(message) = self.association.read(now, stream) else { return };
        let is_accepted = matches!(self.control(stream, &message), Some(Ok(Control::Accept)));
        if is_accepted || message.ppid != ppid::DCEP {
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.heard = true;
            }
            self.set_open(id);
        }
        if is_accepted && self.config.dialect.has_third_message() {
            self.push_pending(now, id, Outgoing::Complete);
        }
        self.keep(now, id, message);
        self.look_behind(now, id, stream);
    }

    /// Looks whether a message for the application has come behind one of the establishment protocol. If there is no room
    /// to take it out, the application has to look for itself.
    fn look_behind(&mut self, now: Instant, id: ChannelId, stream: u16) {
        while self.channels.get(&id).is_some_and(|channel| channel.inbox.is_empty() && channel.reads_stream()) {
            if self.unread > self.config.max_unread {
                return self.announce_readable(id);
            }
            let Some(message) = self.association.read(now, stream) else { return };
            self.keep(now, id, message);
        }
    }

    /// Puts a message that was taken from the association where `read` finds it.
    fn keep(&mut self, now: Instant, id: ChannelId, message: sctp::Message) {
        if let Some(message) = self.sort(now, id, message) {
            self.keep_part(id, message.into());
        }
    }

    fn keep_part(&mut self, id: ChannelId, part: Part) {
        if let Some(channel) = self.channels.get_mut(&id) {
            self.unread = self.unread.saturating_add(unread_charge(&part));
            channel.inbox.push_back(part);
            self.announce_readable(id);
        }
    }

    /// What a message on a channel in use is: one for the application, or something to be dealt with here.
    pub(super) fn sort(&mut self, now: Instant, id: ChannelId, message: sctp::Message) -> Option<Message> {
        if message.ppid == ppid::DCEP {
            self.handle_control(now, id, &message.payload);
            return None;
        }
        match from_sctp(message) {
            Ok(message) => Some(message),
            Err(ppid) => {
                debug!(%id, ppid, "unsupported payload protocol identifier");
                self.stats.unexpected += 1;
                // "The receiver SHOULD close the corresponding data channel."
                self.fail(now, id, ChannelError::Protocol("unsupported payload protocol identifier"));
                None
            }
        }
    }

    /// What a message of the establishment protocol says; `None` if it is none.
    fn control<'a>(&self, stream: u16, message: &'a sctp::Message) -> Option<Result<Control<'a>, Malformed>> {
        (message.ppid == ppid::DCEP).then(|| self.config.dialect.decode(stream, &message.payload))
    }

    fn handle_control(&mut self, now: Instant, id: ChannelId, bytes: &[u8]) {
        let Some(channel) = self.channels.get(&id) else { return };
        let is_ours = !channel.by_peer && channel.options.negotiated.is_none();
        match self.config.dialect.decode(channel.stream.unwrap_or_default(), bytes) {
            // Of a channel that a message of the peer had opened before, or a repetition.
            Ok(Control::Accept) if is_ours => {}
            Ok(Control::Complete) if channel.by_peer => {}
            Ok(Control::Accept | Control::Complete) => self.stats.unexpected += 1,
            Ok(Control::Open(_)) => {
                self.stats.refused += 1;
                self.fail(now, id, ChannelError::Protocol("a channel was opened twice"));
            }
            Err(error) => {
                debug!(%id, %error, "malformed");
                self.stats.malformed += 1;
                self.fail(now, id, ChannelError::Protocol(error.what()));
            }
        }
    }

    /// Something came on a stream that no channel uses.
    fn handle_readable_unused(&mut self, now: Instant, stream: u16) {
        match self.streams.resetting(stream) {
            // Both directions are about to start anew: what comes now is for the next user and waits.
            Some((_, Reset::Done)) => return,
            Some(_) => return self.discard(now, stream),
            None => {}
        }
        while !self.streams.is_used(stream) && (self.early_bytes < self.config.max_early) {
            let Some(message) = self.association.read(now, stream) else { return };
            self.handle_first(now, stream, message);
        }
    }

    /// A message on a stream that no channel uses: an opening, or data of a negotiated channel that was not opened here
    /// yet. (Data may also have overtaken the opening, if the peer sends it unordered too soon.)
    pub(super) fn handle_first(&mut self, now: Instant, stream: u16, message: sctp::Message) {
        match self.control(stream, &message) {
            Some(Ok(Control::Open(open))) => self.handle_open(now, stream, &open),
            Some(Ok(Control::Accept | Control::Complete)) => {
                self.stats.unexpected += 1;
                self.refuse(now, stream, "acknowledgement of nothing");
            }
            Some(Err(error)) => {
                self.stats.malformed += 1;
                self.refuse(now, stream, error.what());
            }
            None => return self.keep_early(now, stream, message),
        }
        match self.streams.channel(stream) {
            Some(id) => self.take_early(now, id, stream),
            None => self.discard_all(now, stream),
        }
    }

    /// Keeps a message for a channel that is still to be opened.
    fn keep_early(&mut self, now: Instant, stream: u16, message: sctp::Message) {
        let is_new = !self.early.contains_key(&stream);
        let bytes = self.early_bytes.saturating_add(early_charge(&message));
        if is_new && (bytes > self.config.max_early || self.early.len() >= self.config.max_channels) {
            self.stats.discarded += 1;
            self.refuse(now, stream, "too much for channels that are not open");
            return self.discard_all(now, stream);
        }
        self.early_bytes = bytes;
        self.early.entry(stream).or_default().push_back(message);
    }

    /// Gives a channel what came before it was opened.
    pub(super) fn take_early(&mut self, now: Instant, id: ChannelId, stream: u16) {
        for message in self.remove_early(stream) {
            self.keep(now, id, message);
        }
        self.look_behind(now, id, stream);
    }

    /// What was kept for a channel on this stream.
    pub(super) fn remove_early(&mut self, stream: u16) -> VecDeque<sctp::Message> {
        let early = self.early.remove(&stream).unwrap_or_default();
        let bytes: usize = early.iter().map(early_charge).sum();
        self.early_bytes = self.early_bytes.saturating_sub(bytes);
        early
    }

    /// Throws away what was kept for a channel on this stream, and what else has come.
    pub(super) fn discard_all(&mut self, now: Instant, stream: u16) {
        let early = self.remove_early(stream);
        self.stats.discarded = self.stats.discarded.saturating_add(early.len() as u64);
        self.discard(now, stream);
    }

    /// Throws away what has come on a stream for nobody. An opening is kept: the peer sends one only once it takes the
    /// stream for free again, so it is for the next channel.
    pub(super) fn discard(&mut self, now: Instant, stream: u16) {
        if self.early.contains_key(&stream) {
            return;
        }
        while let Some(message) = self.association.read(now, stream) {
            if matches!(self.control(stream, &message), Some(Ok(Control::Open(_))))
                && self.early_bytes.saturating_add(early_charge(&message)) <= self.config.max_early
            {
                self.early_bytes += early_charge(&message);
                self.early.entry(stream).or_default().push_back(message);
                return;
            }
            self.stats.discarded += 1;
        }
        self.discard_parts(now, stream);
    }

    /// A stream is free again; what had come on it too soon has its turn.
    pub(super) fn handle_freed(&mut self, now: Instant, stream: u16) {
        if self.life == Life::Ended {
            return;
        }
        for message in self.remove_early(stream) {
            self.handle_first(now, stream, message);
        }
        self.handle_readable_unused(now, stream);
    }

    /// Moves what has arrived for a channel from the association to its inbox, as far as the bound allows. Whether
    /// nothing is left there.
    pub(super) fn take_unread(&mut self, now: Instant, id: ChannelId) -> bool {
        loop {
            let Some(channel) = self.channels.get(&id) else { return true };
            let Some(stream) = channel.stream.filter(|_| channel.reads_stream()) else { return true };
            if self.unread > self.config.max_unread {
                return false;
            }
            let Some(part) = self.take_part(now, id, stream, false) else { return true };
            if let Some(part) = self.sort_part(now, id, part) {
                self.keep_part(id, part);
            }
        }
    }

    fn announce_readable(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.get_mut(&id)
            && !std::mem::replace(&mut channel.announced.readable, true)
        {
            self.events.push_back(Event::Readable(id));
        }
    }

    /// Forgets a channel that is over in every respect.
    pub(super) fn forget_if_over(&mut self, id: ChannelId) {
        let is_over = self.channels.get(&id).is_some_and(|channel| channel.is_over());
        if is_over && let Some(channel) = self.channels.remove(&id) {
            self.release_names(&channel);
        }
    }

    fn release_names(&mut self, channel: &Channel) {
        if channel.by_peer {
            self.peer_names = self.peer_names.saturating_sub(channel.options.name_bytes());
        }
    }
}

/// What a message counts that is kept for a channel not yet open, so that many small ones are bounded too.
fn early_charge(message: &sctp::Message) -> usize {
    message.payload.len().saturating_add(size_of::<sctp::Message>())
}

/// What a message counts that was taken from the association and not read.
pub(super) fn unread_charge(part: &Part) -> usize {
    part.payload.len().saturating_add(size_of::<Part>())
}

impl Channel {
    /// Whether what the association has for this stream is for this channel.
    pub(crate) const fn reads_stream(&self) -> bool {
        !self.deaf && !self.stream_is_read
    }

    fn is_over(&self) -> bool {
        self.state == State::Closed && self.announced.closed && self.inbox.is_empty() && !self.reads_stream()
    }
}
