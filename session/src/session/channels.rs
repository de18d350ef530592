//! Data channels, as the application uses them.

use std::time::Instant;

use datachannel::{ChannelId, Channels, Message};

use super::Session;

/// Four of these leave in one system call, where segmentation offload takes no more than an IP packet holds; of
/// datagrams that fill a record of DTLS, only three would.
const LARGEST_DATAGRAM: usize = 65_000 / 4;

impl Session {
    /// Makes a data channel. It opens when the connection does; the first one asks for negotiation.
    pub fn open_channel(
        &mut self,
        now: Instant,
        options: datachannel::Options,
    ) -> Result<ChannelId, datachannel::OpenError> {
        let id = self.channels.open(now, options)?;
        self.negotiation.want_channels();
        self.react(now);
        self.check_negotiation_needed();
        Ok(id)
    }

    /// Starts SCTP once DTLS is connected and a media section for it agreed, whichever comes last. Does nothing the
    /// second time.
    pub(super) fn start_channels(&mut self, now: Instant) {
        let Some(role) = self.transport.connected_role().filter(|_| self.negotiation.has_channels()) else { return };
        // A lost packet of the handshake costs a few round trips, not the second that is assumed of a path nobody has
        // measured.
        if let Some(rtt) = self.transport.rtt() {
            self.channels.set_rtt(rtt);
        }
        self.bound_packets();
        self.channels.connect(now, role_of(role));
    }

    /// A packet is one record, and a datagram: it is no larger than what the peer takes (RFC 8449).
    fn bound_packets(&mut self) {
        let limit = self.transport.record_limit();
        let base = self.mtu.saturating_sub(dtls::MAX_OVERHEAD);
        if let Some(limit) = limit.filter(|limit| *limit < base) {
            self.channels.set_max_packet(limit);
        }
        // Who does not say it may not read what DTLS has room for: the transport of Chromium ends at a large datagram.
        if let Some(limit) = limit.filter(|_| self.path_mtu_discovery) {
            self.channels.set_max_probed_packet(limit.min(LARGEST_DATAGRAM - dtls::MAX_OVERHEAD));
        }
    }

    /// Queues a message. One that cannot be taken is handed back in the error.
    pub fn send(&mut self, now: Instant, id: ChannelId, message: Message) -> Result<(), datachannel::SendError> {
        self.channels.send(now, id, message)
    }

    /// The next message of a channel, if one is there.
    pub fn read(&mut self, now: Instant, id: ChannelId) -> Option<Message> {
        self.channels.read(now, id)
    }

    /// Queues a message and tells by event, under the number of this receipt, whether it was delivered.
    pub fn send_with_receipt(
        &mut self,
        now: Instant,
        id: ChannelId,
        message: Message,
        receipt: u64,
    ) -> Result<(), datachannel::SendError> {
        self.channels.send_with_receipt(now, id, message, receipt)
    }

    /// Queues a part of a message; see [`Channels::send_part`].
    pub fn send_part(
        &mut self,
        now: Instant,
        id: ChannelId,
        part: Message,
        is_last: bool,
        receipt: Option<u64>,
    ) -> Result<(), datachannel::SendError> {
        self.channels.send_part(now, id, part, is_last, receipt)
    }

    /// Gives up the message that is being sent in parts; see [`Channels::cancel_parts`].
    pub fn cancel_parts(&mut self, now: Instant, id: ChannelId) {
        self.channels.cancel_parts(now, id);
    }

    /// The next part of a message, be the rest there or not; see [`Channels::read_part`].
    pub fn read_part(&mut self, now: Instant, id: ChannelId) -> Option<datachannel::Part> {
        self.channels.read_part(now, id)
    }

    /// Closes a channel once all that was sent on it is delivered.
    pub fn close_channel(&mut self, now: Instant, id: ChannelId) {
        self.channels.close(now, id);
        self.react(now);
    }

    /// The data channels, for what needs no more than to look.
    pub const fn channels(&self) -> &Channels {
        &self.channels
    }

    /// When the bytes that wait on a channel fall to `threshold` or below, an event tells.
    pub fn set_buffered_amount_low_threshold(&mut self, id: ChannelId, threshold: usize) {
        self.channels.set_buffered_amount_low_threshold(id, threshold);
    }
}

/// Data channels take even or odd stream ids after the role in DTLS (RFC 8832, section 6).
const fn role_of(role: dtls::Role) -> datachannel::Role {
    match role {
        dtls::Role::Client => datachannel::Role::Client,
        dtls::Role::Server => datachannel::Role::Server,
    }
}
