//! Data channels on the driver's side: from the handles' queues to the session, and back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use session::datachannel::{self, ChannelError, ChannelId, Event, SendError, SendErrorReason};

use super::Driver;
use crate::channel::{Channel, ChannelOptions, Confirm, Incoming, Lost, Outgoing};
use crate::error::Error;
use crate::events::ConnectionEvent;
use crate::message::Message;

/// How many messages of one channel listeners are given before others have their turn.
const MESSAGES_PER_TURN: usize = 256;

/// All channels that the session knows, and which of them need attention.
#[derive(Default)]
pub(super) struct Channels {
    entries: HashMap<ChannelId, Entry>,
    /// Those with messages to be read.
    readable: Vec<ChannelId>,
    /// Those with something on its way to the peer.
    sending: Vec<ChannelId>,
    /// Who waits for the fate of a message, by the number of its receipt.
    receipts: HashMap<u64, (ChannelId, Confirm)>,
    next_receipt: u64,
    /// Those that ended in this turn.
    ended: Vec<ChannelId>,
}

struct Entry {
    channel: Arc<Channel>,
    /// What the application sent and the session has no room for.
    pending: VecDeque<Outgoing>,
    /// The parts that follow belong to a message that cannot be sent.
    skips_parts: bool,
    pending_bytes: usize,
    is_readable: bool,
    is_sending: bool,
    /// What came too late, the peer having closed the channel, or was lost with the session's part of it.
    lost: Lost,
    close: Close,
    /// What ends the channel, told before its end.
    error: Option<ChannelError>,
}

impl Entry {
    /// What waits for room in the session, or has not even come that far.
    fn waiting(&self) -> Lost {
        let mut sum = self.channel.waiting();
        self.pending.iter().for_each(|outgoing| sum.add(outgoing.as_lost()));
        sum
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Close {
    No,
    /// Once everything pending is with the session.
    Asked,
    Begun,
}

impl Channels {
    fn insert(&mut self, id: ChannelId, channel: Arc<Channel>) {
        let entry = Entry {
            channel,
            pending: VecDeque::new(),
            skips_parts: false,
            pending_bytes: 0,
            lost: Lost::default(),
            is_readable: false,
            is_sending: false,
            close: Close::No,
            error: None,
        };
        self.entries.insert(id, entry);
    }

    fn set_readable(&mut self, id: ChannelId) {
        if let Some(entry) = self.entries.get_mut(&id)
            && !std::mem::replace(&mut entry.is_readable, true)
        {
            self.readable.push(id);
        }
    }

    fn set_sending(&mut self, id: ChannelId) {
        if let Some(entry) = self.entries.get_mut(&id)
            && !std::mem::replace(&mut entry.is_sending, true)
        {
            self.sending.push(id);
        }
    }

    fn confirm(&mut self, receipt: u64, is_delivered: bool) {
        if let Some((_, confirm)) = self.receipts.remove(&receipt) {
            // Nobody has to wait for it.
            let _ = confirm.send(is_delivered);
        }
    }

    /// Whoever still waits for the fate of a message of a channel that has ended learns that it is not known. To be called
    /// when the session has told everything, which may be of messages after the end of their channel.
    pub(super) fn end_receipts(&mut self) {
        if !self.ended.is_empty() {
            let ended = std::mem::take(&mut self.ended);
            self.receipts.retain(|_, (channel, _)| !ended.contains(channel));
        }
    }

    /// Whether the session has everything that was accepted.
    pub(super) fn is_flushed(&self) -> bool {
        self.entries.values().all(|entry| entry.pending.is_empty())
    }
}

impl Driver {
    /// A handle has marked this channel: something was sent, read, or asked for.
    pub(super) fn attend(&mut self, now: Instant, channel: &Arc<Channel>) {
        let id = match channel.id() {
            Some(id) => id,
            None => match self.open_channel(now, channel) {
                Some(id) => id,
                None => return,
            },
        };
        let Some(entry) = self.channels.entries.get_mut(&id) else {
            // Closed meanwhile.
            channel.unmark();
            return;
        };
        let (bytes, close) = channel.take_outbox(&mut entry.pending);
        entry.pending_bytes = entry.pending_bytes.saturating_add(bytes);
        if close && entry.close == Close::No {
            entry.close = Close::Asked;
        }
        self.channels.set_sending(id);
        self.channels.set_readable(id);
    }

    fn open_channel(&mut self, now: Instant, channel: &Arc<Channel>) -> Option<ChannelId> {
        let options = session_options(&channel.label, &channel.options);
        match self.session.open_channel(now, options) {
            Ok(id) => {
                channel.set_id(id);
                self.channels.insert(id, channel.clone());
                Some(id)
            }
            Err(error) => {
                let (label, reason) = (channel.label.clone(), error.to_string());
                self.shared.forget(channel);
                channel.set_closed(Some(Error::ChannelFailed { label, reason }));
                None
            }
        }
    }

    /// Hands what was sent to the session, as much as it takes.
    pub(super) fn flush_outboxes(&mut self, now: Instant) {
        // The first in the list would take all the room there is; so each turn another one is first.
        if !self.channels.sending.is_empty() {
            self.channels.sending.rotate_left(1);
        }
        let mut sending = std::mem::take(&mut self.channels.sending);
        sending.retain(|id| {
            let is_sending = self.flush_outbox(now, *id);
            if !is_sending && let Some(entry) = self.channels.entries.get_mut(id) {
                entry.is_sending = false;
            }
            is_sending
        });
        // Nothing is added meanwhile: listeners that send only mark their channel.
        self.channels.sending = sending;
    }

    /// The same for one channel. Returns whether something is still on its way.
    fn flush_outbox(&mut self, now: Instant, id: ChannelId) -> bool {
        let Some(entry) = self.channels.entries.get_mut(&id) else { return false };
        while let Some(outgoing) = entry.pending.pop_front() {
            let (len, as_lost) = (outgoing.len(), outgoing.as_lost());
            match hand_out(
                &mut self.session,
                now,
                id,
                entry,
                &mut self.channels.receipts,
                self.channels.next_receipt,
                outgoing,
            ) {
                Handed::Over => entry.pending_bytes = entry.pending_bytes.saturating_sub(len),
                Handed::Back(outgoing) => {
                    entry.pending.push_front(outgoing);
                    break;
                }
                Handed::Refused => {
                    entry.pending_bytes = entry.pending_bytes.saturating_sub(len);
                    entry.lost.add(as_lost);
                }
            }
            self.channels.next_receipt += 1;
        }
        if entry.close == Close::Asked && entry.pending.is_empty() {
            entry.close = Close::Begun;
            entry.channel.set_closing();
            self.session.close_channel(now, id);
        }
        let in_flight = entry.pending_bytes.saturating_add(self.session.channels().buffered_amount(id));
        entry.channel.set_in_flight(in_flight);
        in_flight > 0 || !entry.pending.is_empty()
    }

    /// Hands what arrived to the application, as much as it has room for.
    pub(super) fn deliver(&mut self, now: Instant) {
        let mut readable = std::mem::take(&mut self.channels.readable);
        readable.retain(|id| {
            let Some(entry) = self.channels.entries.get_mut(id) else { return false };
            let session = &mut self.session;
            if entry.channel.messages.is_empty() || entry.channel.reads_in_parts() {
                entry.channel.deliver(|in_parts| read_next(session, now, *id, in_parts));
                entry.channel.dispatch_inbox();
                entry.is_readable = false;
                return false;
            }
            let mut read = || session.read(now, *id).map(Message::from);
            entry.channel.dispatch_inbox();
            for _ in 0..MESSAGES_PER_TURN {
                let Some(message) = read() else {
                    entry.is_readable = false;
                    return false;
                };
                entry.channel.messages.dispatch(&message);
            }
            true
        });
        self.is_busy |= !readable.is_empty();
        self.channels.readable = readable;
    }

    pub(super) fn handle_channel_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Opened(id) => self.handle_opened(id),
            Event::Incoming(id) => self.handle_incoming(id),
            Event::Readable(id) => self.channels.set_readable(id),
            Event::Closing(id) => {
                if let Some(entry) = self.channels.entries.get(&id) {
                    entry.channel.set_closing();
                }
            }
            Event::Error(id, error) => {
                if let Some(entry) = self.channels.entries.get_mut(&id) {
                    entry.error = Some(error);
                }
            }
            Event::Undelivered(id, lost) => {
                if let Some(entry) = self.channels.entries.get_mut(&id) {
                    entry.lost.add(lost.into());
                }
            }
            Event::Closed(id) => self.handle_closed(now, id),
            Event::Delivered(receipt) => self.channels.confirm(receipt, true),
            Event::Abandoned(receipt) => self.channels.confirm(receipt, false),
            // Room and buffered amounts are looked at in each turn, and every channel is told of its own end.
            Event::Connected | Event::Writable(_) | Event::BufferedAmountLow(_) | Event::Disconnected(_) => {}
        }
    }

    fn handle_opened(&mut self, id: ChannelId) {
        let stream = self.session.channels().info(id).and_then(|info| info.stream_id);
        if let Some(entry) = self.channels.entries.get(&id) {
            entry.channel.set_open(stream);
        }
    }

    fn handle_incoming(&mut self, id: ChannelId) {
        let Some(info) = self.session.channels().info(id) else { return };
        let channel = self.shared.add_incoming(info.label.clone(), options_of(&info));
        channel.set_id(id);
        self.channels.insert(id, channel.clone());
        // Listeners are added by those of `datachannel`, so that comes first, and `open` as in a browser after it.
        if let Some(data_channel) = self.data_channel(&channel) {
            self.shared.emit(&ConnectionEvent::DataChannel(data_channel));
        }
        channel.set_open(info.stream_id);
        self.shared.announce(channel);
        self.channels.set_readable(id);
    }

    fn handle_closed(&mut self, now: Instant, id: ChannelId) {
        let Some(mut entry) = self.channels.entries.remove(&id) else { return };
        hand_over(&mut self.session, now, id, &entry.channel);
        // What was accepted after the peer had closed can no longer be delivered either.
        let mut left = entry.waiting();
        left.add(entry.lost);
        // Of a connection that stops where it stands the session has not told.
        left.add(self.session.channels().unacknowledged(id).into());
        entry.channel.take_outbox(&mut entry.pending);
        entry.channel.set_lost(left);
        self.lost.add(left);
        self.channels.ended.push(id);
        self.shared.forget(&entry.channel);
        let error = self.failure.clone().or_else(|| {
            let failed = |error: ChannelError| Error::ChannelFailed {
                label: entry.channel.label.clone(),
                reason: error.to_string(),
            };
            entry.error.map(failed).or(left.into_result().err())
        });
        entry.channel.set_closed(error);
    }

    /// What of a channel was accepted and is not known to have arrived.
    pub(crate) fn undelivered(&self, channel: &Channel) -> Lost {
        let Some((id, entry)) = channel.id().and_then(|id| self.channels.entries.get_key_value(&id)) else {
            return channel.lost();
        };
        let mut left = entry.waiting();
        left.add(entry.lost);
        left.add(self.session.channels().unacknowledged(*id).into());
        left
    }

    /// At the end of the connection, whatever its channels have not been told.
    pub(super) fn close_channels(&mut self, now: Instant) {
        let ids: Vec<_> = self.channels.entries.keys().copied().collect();
        for id in ids {
            self.handle_closed(now, id);
        }
        // Those that the session never heard of.
        for channel in self.shared.channels() {
            self.shared.forget(&channel);
            channel.set_closed(self.failure.clone());
        }
    }
}

/// Everything that arrived, however much the application has room for: the receive window has bounded it.
fn hand_over(session: &mut session::Session, now: Instant, id: ChannelId, channel: &Channel) {
    let in_parts = channel.reads_in_parts();
    channel.deliver_all(std::iter::from_fn(|| read_next(session, now, id, in_parts)));
    channel.dispatch_inbox();
}

fn read_next(session: &mut session::Session, now: Instant, id: ChannelId, in_parts: bool) -> Option<Incoming> {
    if in_parts {
        session.read_part(now, id).map(Incoming::from)
    } else {
        session.read(now, id).map(|message| Incoming::Whole(message.into()))
    }
}

/// What became of an attempt to hand something to the session.
enum Handed {
    Over,
    /// It has no room.
    Back(Outgoing),
    Refused,
}

/// Hands one message, or a part of one, to the session.
fn hand_out(
    session: &mut session::Session,
    now: Instant,
    id: ChannelId,
    entry: &mut Entry,
    receipts: &mut HashMap<u64, (ChannelId, Confirm)>,
    number: u64,
    outgoing: Outgoing,
) -> Handed {
    let (result, confirm, part) = match outgoing {
        Outgoing::Message(message, None) => (session.send(now, id, message), None, None),
        Outgoing::Message(message, confirm) => (session.send_with_receipt(now, id, message, number), confirm, None),
        Outgoing::Part { is_last, .. } if entry.skips_parts => {
            entry.skips_parts = !is_last;
            return Handed::Over;
        }
        Outgoing::Part { part, is_last, confirm } => {
            let receipt = confirm.is_some().then_some(number);
            (session.send_part(now, id, part, is_last, receipt), confirm, Some(is_last))
        }
        Outgoing::Cancel => {
            entry.skips_parts = false;
            session.cancel_parts(now, id);
            return Handed::Over;
        }
    };
    match result {
        Ok(()) => {
            receipts.extend(confirm.map(|confirm| (number, (id, confirm))));
            Handed::Over
        }
        Err(SendError { reason: SendErrorReason::Full { .. }, message }) => Handed::Back(match part {
            Some(is_last) => Outgoing::Part { part: message, is_last, confirm },
            None => Outgoing::Message(message, confirm),
        }),
        // The peer is closing or has closed the channel, or the message in parts was given up.
        Err(error) => {
            tracing::debug!(label = %entry.channel.label, %error, "message dropped");
            if let Some(is_last) = part {
                entry.skips_parts = !is_last;
                let label = entry.channel.label.clone();
                entry.channel.refuse_parts(if error.reason == SendErrorReason::Abandoned {
                    Error::MessageAbandoned { label }
                } else {
                    Error::ChannelFailed { label, reason: error.reason.to_string() }
                });
            }
            Handed::Refused
        }
    }
}

fn session_options(label: &str, options: &ChannelOptions) -> datachannel::Options {
    use session::datachannel::Reliability;
    let reliability = match (options.max_retransmits, options.max_packet_life_time) {
        (Some(count), _) => Reliability::MaxRetransmits(count),
        (None, Some(time)) => Reliability::MaxLifetime(time),
        (None, None) => Reliability::Reliable,
    };
    datachannel::Options {
        label: label.to_owned(),
        protocol: options.protocol.clone(),
        ordered: options.ordered,
        reliability,
        negotiated: options.negotiated,
        priority: options.priority,
    }
}

fn options_of(info: &datachannel::Info) -> ChannelOptions {
    use session::datachannel::Reliability;
    let (max_retransmits, max_packet_life_time) = match info.reliability {
        Reliability::Reliable => (None, None),
        Reliability::MaxRetransmits(count) => (Some(count), None),
        Reliability::MaxLifetime(time) => (None, Some(time)),
    };
    ChannelOptions {
        protocol: info.protocol.clone(),
        ordered: info.ordered,
        max_retransmits,
        max_packet_life_time,
        negotiated: None,
        priority: info.priority,
    }
}
