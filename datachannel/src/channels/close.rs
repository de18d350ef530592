//! Closing (RFC 8831, section 6.7): each side resets its outgoing stream, and when both have, the channel is closed and
//! the stream can be used again.

use super::receive::unread_charge;
use super::{Channels, Life};
use crate::channel::{Outgoing, Reset};
use crate::{ChannelError, ChannelId, Event, State};
use std::time::Instant;
use tracing::debug;

impl Channels {
    /// Closes a channel. What `send` has accepted is still delivered; what arrives from now on is discarded, and so is
    /// what was not read. [`Event::Closed`] tells when the peer has closed its side too.
    pub fn close(&mut self, now: Instant, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.deaf = true;
        let unread: usize = channel.inbox.drain(..).map(|part| unread_charge(&part)).sum();
        self.unread = self.unread.saturating_sub(unread);
        match channel.state {
            State::Connecting | State::Open => channel.state = State::Closing,
            State::Closing => {}
            State::Closed => return self.forget_if_over(id),
        }
        debug!(%id, "closing");
        match channel.stream {
            // Nobody knows of it, so nobody has to be told.
            None if !channel.has_unsent_messages() => self.finish(now, id),
            None => {}
            Some(stream) => {
                self.discard(now, stream);
                self.reset_if_flushed(now, id);
            }
        }
        self.pump(now);
    }

    /// Closes a channel on which the peer broke the rules.
    pub(super) fn fail(&mut self, now: Instant, id: ChannelId, error: ChannelError) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        debug!(%id, %error, "failed");
        channel.deaf = true;
        match channel.state {
            State::Connecting | State::Open => {
                channel.state = State::Closing;
                self.events.push_back(Event::Error(id, error));
            }
            State::Closing | State::Closed => {}
        }
        if let Some(stream) = channel.stream {
            self.discard(now, stream);
        }
        self.reset_if_flushed(now, id);
    }

    /// Resets our direction of a closing channel, once all its messages are with the association (which delivers them
    /// first) and nothing of the peer's is left there that would be taken for another channel's.
    pub(super) fn reset_if_flushed(&mut self, now: Instant, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        let is_unread = channel.incoming == Reset::Done && channel.reads_stream();
        let is_due = channel.state == State::Closing && channel.outgoing == Reset::No && channel.pending.is_empty();
        if let Some(stream) = channel.stream
            && is_due
            && !is_unread
            && self.life == Life::Connected
        {
            channel.outgoing = Reset::Requested;
            self.association.reset_streams(now, &[stream]);
        }
    }

    /// The peer has reset its direction: all that it sent before can be read.
    pub(super) fn handle_incoming_reset(&mut self, now: Instant, stream: u16) {
        let Some(id) = self.streams.channel(stream) else { return self.handle_incoming_reset_unused(now, stream) };
        let is_taken = self.take_unread(now, id);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.incoming = Reset::Done;
        channel.stream_is_read |= is_taken;
        match channel.state {
            State::Connecting | State::Open => {
                if !channel.heard && channel.options.negotiated.is_none() {
                    self.events.push_back(Event::Error(id, ChannelError::Refused));
                }
                channel.state = State::Closing;
                self.events.push_back(Event::Closing(id));
            }
            State::Closing | State::Closed => {}
        }
        self.reset_if_flushed(now, id);
        self.finish_if_reset(now, id);
    }

    /// Answers the reset of a stream that no channel uses, so that the peer's channel gets to its end.
    fn handle_incoming_reset_unused(&mut self, now: Instant, stream: u16) {
        match self.streams.resetting(stream) {
            Some((outgoing, incoming)) => {
                *incoming = Reset::Done;
                if *outgoing == Reset::Done {
                    self.streams.release(stream);
                    self.handle_freed(now, stream);
                }
            }
            None => {
                self.discard_all(now, stream);
                self.streams.set_resetting(stream, Reset::Requested, Reset::Done);
                self.association.reset_streams(now, &[stream]);
            }
        }
    }

    /// The peer has confirmed the reset of our direction.
    pub(super) fn handle_outgoing_reset(&mut self, now: Instant, stream: u16) {
        if let Some(id) = self.streams.channel(stream) {
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.outgoing = Reset::Done;
            }
            self.finish_if_reset(now, id);
        } else if let Some((outgoing, incoming)) = self.streams.resetting(stream) {
            *outgoing = Reset::Done;
            if *incoming == Reset::Done {
                self.streams.release(stream);
                self.handle_freed(now, stream);
            }
        }
    }

    /// The peer cannot reset streams. The channel ends here all the same, but its stream is used up.
    pub(super) fn handle_reset_refused(&mut self, now: Instant, stream: u16) {
        let channel = self.streams.channel(stream);
        self.streams.retire(stream);
        if let Some(id) = channel {
            self.end(now, id, None);
        }
    }

    fn finish_if_reset(&mut self, now: Instant, id: ChannelId) {
        let both =
            |channel: &crate::channel::Channel| channel.outgoing == Reset::Done && channel.incoming == Reset::Done;
        if self.channels.get(&id).is_some_and(|channel| both(channel)) {
            self.finish(now, id);
        }
    }

    /// The channel has ended, and its stream is free.
    pub(super) fn finish(&mut self, now: Instant, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.state == State::Closed {
            return;
        }
        debug!(%id, "closed");
        channel.state = State::Closed;
        channel.stream_is_read = true;
        let stream = channel.stream;
        // A stream is reset once all of it is acknowledged, so that only what never left can be lost.
        let messages = channel.pending.iter().filter(|outgoing| matches!(outgoing, Outgoing::User(..))).count();
        let lost = sctp::Unacknowledged { messages, bytes: channel.pending_bytes };
        self.tell_undelivered(id, lost);
        self.drop_pending(id);
        self.stats.closed += 1;
        self.events.push_back(Event::Closed(id));
        if let Some(stream) = stream {
            self.streams.release(stream);
            self.handle_freed(now, stream);
        }
    }

    fn tell_undelivered(&mut self, id: ChannelId, lost: sctp::Unacknowledged) {
        if lost != sctp::Unacknowledged::default() {
            self.events.push_back(Event::Undelivered(id, lost));
        }
    }

    fn drop_pending(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        self.pending_charge = self.pending_charge.saturating_sub(channel.pending_charge());
        let lost = channel.pending.drain(..).filter_map(|outgoing| match outgoing {
            Outgoing::User(_, receipt) => receipt,
            Outgoing::Open | Outgoing::Accept | Outgoing::Complete => None,
        });
        self.events.extend(lost.map(Event::Abandoned));
        channel.pending_bytes = 0;
        channel.part_sent = None;
        self.blocked.retain(|blocked| *blocked != id);
    }

    /// Everything of a channel that the peer has closed was read: now our direction can be reset.
    pub(super) fn handle_drained(&mut self, now: Instant, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.incoming == Reset::Done || channel.state == State::Closed {
            channel.stream_is_read = true;
        }
        self.reset_if_flushed(now, id);
    }

    /// The peer has started anew and knows nothing of its channels.
    pub(super) fn handle_restarted(&mut self, now: Instant) {
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        for id in ids {
            self.end(now, id, Some(ChannelError::Disconnected));
            if let Some(channel) = self.channels.get_mut(&id) {
                channel.stream_is_read = true;
            }
        }
        self.association.forget_lost();
        self.streams.clear();
        self.early.clear();
        self.early_bytes = 0;
    }

    /// The association is over. What arrived can still be read from it.
    pub(super) fn handle_closed(&mut self, now: Instant, closed: sctp::Closed) {
        self.life = Life::Ended;
        let error = match closed {
            sctp::Closed::Shutdown | sctp::Closed::Aborted => None,
            sctp::Closed::PeerAborted { .. } | sctp::Closed::TimedOut | sctp::Closed::ProtocolViolation(_) => {
                Some(ChannelError::Disconnected)
            }
        };
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        for id in ids {
            self.end(now, id, error);
        }
        self.early.clear();
        self.early_bytes = 0;
        self.events.push_back(Event::Disconnected(closed));
    }

    /// A channel ends without the agreement of both sides. What has arrived for it stays to be read.
    fn end(&mut self, now: Instant, id: ChannelId, error: Option<ChannelError>) {
        let is_taken = self.take_unread(now, id);
        let Some(channel) = self.channels.get_mut(&id) else { return };
        channel.stream_is_read |= is_taken;
        if channel.state == State::Closed {
            return;
        }
        channel.state = State::Closed;
        self.stats.closed += 1;
        let lost = self.unacknowledged(id);
        self.tell_undelivered(id, lost);
        self.events.extend(error.map(|error| Event::Error(id, error)));
        self.events.push_back(Event::Closed(id));
        self.drop_pending(id);
    }
}
