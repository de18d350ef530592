//! Opening (RFC 8831, section 6.5; RFC 8832, section 6).

use super::{Channels, Life};
use crate::channel::{Channel, Outgoing, Reset};
use crate::dcep::Open;
use crate::streams::HIGHEST;
use crate::{ChannelError, ChannelId, Event, OpenError, Options, State};
use std::time::Instant;
use tracing::debug;

impl Channels {
    /// Opens a channel. [`Event::Opened`] tells when the peer has acknowledged it; messages can be sent before.
    ///
    /// A channel may be opened before [`connect`](Self::connect); it gets its stream identifier there, in the order of
    /// opening.
    ///
    /// # Errors
    ///
    /// If a name is too long, the negotiated stream is in use, there are too many channels, or the association is over.
    pub fn open(&mut self, now: Instant, options: Options) -> Result<ChannelId, OpenError> {
        self.check_open(&options)?;
        let id = ChannelId(self.next_id);
        let mut channel = Channel::new(options);
        match channel.options.negotiated {
            Some(stream) => {
                self.streams.assign(stream, id);
                channel.stream = Some(stream);
                self.association.set_priority(stream, channel.options.priority.0);
            }
            None => {
                if self.streams.role().is_some() {
                    let stream = self.streams.allocate(id).ok_or(OpenError::NoStreamLeft)?;
                    channel.stream = Some(stream);
                    self.association.set_priority(stream, channel.options.priority.0);
                }
                channel.pending.push_back(Outgoing::Open);
                self.blocked.push_back(id);
            }
        }
        self.next_id = self.next_id.wrapping_add(1);
        debug!(%id, label = channel.options.label, stream = channel.stream, "opening");
        let negotiated = channel.options.negotiated;
        self.channels.insert(id, Box::new(channel));
        self.stats.opened += 1;
        if let Some(stream) = negotiated {
            if self.life == Life::Connected {
                self.set_open(id);
            }
            self.take_early(now, id, stream);
        }
        self.flush(now);
        self.pump(now);
        Ok(id)
    }

    fn check_open(&self, options: &Options) -> Result<(), OpenError> {
        let length = options.label.len().max(options.protocol.len());
        if length > usize::from(u16::MAX) {
            return Err(OpenError::NameTooLong { length });
        }
        match self.life {
            Life::New | Life::Connected => {}
            Life::ShuttingDown | Life::Ended => return Err(OpenError::Disconnected),
        }
        if let Some(stream) = options.negotiated {
            if stream > HIGHEST {
                return Err(OpenError::InvalidStream(stream));
            }
            if self.streams.is_used(stream) {
                return Err(OpenError::StreamInUse(stream));
            }
        }
        if self.channels.len() >= self.config.max_channels {
            return Err(OpenError::TooManyChannels { limit: self.config.max_channels });
        }
        Ok(())
    }

    /// The DTLS role is known: channels that were opened before get their streams.
    pub(super) fn assign_streams(&mut self, now: Instant) {
        let waiting: Vec<ChannelId> =
            self.channels.iter().filter(|(_, channel)| channel.stream.is_none()).map(|(id, _)| *id).collect();
        for id in waiting {
            match self.streams.allocate(id) {
                Some(stream) => {
                    if let Some(channel) = self.channels.get_mut(&id) {
                        channel.stream = Some(stream);
                        self.association.set_priority(stream, channel.options.priority.0);
                    }
                }
                None => {
                    self.events.push_back(Event::Error(id, ChannelError::NoStreamLeft));
                    self.finish(now, id);
                }
            }
        }
        self.flush(now);
    }

    pub(super) fn handle_connected(&mut self, now: Instant) {
        self.is_connected = true;
        if self.life == Life::New {
            self.life = Life::Connected;
        }
        self.events.push_back(Event::Connected);
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        for id in ids {
            if self.channels.get(&id).is_some_and(|channel| channel.options.negotiated.is_some()) {
                self.set_open(id);
            }
            self.reset_if_flushed(now, id);
        }
        self.flush(now);
    }

    /// Our channel is open.
    pub(super) fn set_open(&mut self, id: ChannelId) {
        if let Some(channel) = self.channels.get_mut(&id)
            && channel.state == State::Connecting
        {
            channel.state = State::Open;
            self.stats.ever_open += 1;
            debug!(%id, "open");
            self.events.push_back(Event::Opened(id));
        }
    }

    /// The peer wants to open a channel on a stream that nobody uses. Either the channel is open, or the stream is
    /// reset (RFC 8832, section 6).
    pub(super) fn handle_open(&mut self, now: Instant, stream: u16, open: &Open<'_>) {
        let names = open.label.len() + open.protocol.len();
        let refusal = if !self.streams.is_theirs(stream) {
            Some("wrong parity")
        } else if self.channels.len() >= self.config.max_channels {
            Some("too many channels")
        } else if self.peer_names.saturating_add(names) > self.config.max_peer_names {
            Some("names too long")
        } else {
            None
        };
        if let Some(why) = refusal {
            return self.refuse(now, stream, why);
        }
        let id = ChannelId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let mut channel = Channel::new(Options {
            label: open.label.to_owned(),
            protocol: open.protocol.to_owned(),
            ordered: open.ordered,
            reliability: open.reliability,
            negotiated: None,
            priority: open.priority,
        });
        channel.stream = Some(stream);
        self.association.set_priority(stream, open.priority.0);
        channel.state = State::Open;
        channel.heard = true;
        channel.by_peer = true;
        debug!(%id, label = open.label, stream, "opened by the peer");
        self.channels.insert(id, Box::new(channel));
        self.streams.assign(stream, id);
        self.peer_names += names;
        self.stats.accepted += 1;
        self.stats.ever_open += 1;
        self.events.push_back(Event::Incoming(id));
        self.push_pending(now, id, Outgoing::Accept);
    }

    /// Resets a stream on which something came that cannot become a channel.
    pub(super) fn refuse(&mut self, now: Instant, stream: u16, why: &'static str) {
        debug!(stream, why, "refusing a channel");
        self.stats.refused += 1;
        self.streams.set_resetting(stream, Reset::Requested, Reset::No);
        self.association.reset_streams(now, &[stream]);
    }
}
