//! Messages larger than any buffer: sent in parts, read in parts.

use super::Channels;
use super::receive::unread_charge;
use crate::message::{from_sctp, ppid, to_sctp};
use crate::{ChannelError, ChannelId, Message, Part, SendError, SendErrorReason};
use sctp::Progress;
use std::collections::VecDeque;
use std::time::Instant;

impl Channels {
    /// Sends a part of a message; the one that `is_last` ends it. Its kind is that of the first part, the receipt that of
    /// any; see [`send_with_receipt`](Self::send_with_receipt). Until the message has ended, other messages are refused
    /// on its channel. Without interleaving (a peer without RFC 8260), all other channels wait for its end too, once it
    /// has begun to leave.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send), with these differences. A channel that is not yet known to the peer has no room. A
    /// message that turns out too large for the peer is given up, and so is one whose time is over: then the next part
    /// begins another message. Only the last part may be empty.
    pub fn send_part(
        &mut self,
        now: Instant,
        id: ChannelId,
        part: Message,
        is_last: bool,
        receipt: Option<u64>,
    ) -> Result<(), SendError> {
        let before = self.channels.get(&id).and_then(|channel| channel.part_sent);
        let length = before.unwrap_or(0).saturating_add(part.payload.len());
        if let Err(reason) = self.check_send(id, length) {
            if matches!(reason, SendErrorReason::TooLarge { .. }) {
                self.cancel_parts(now, id);
            }
            return Err(SendError { reason, message: part });
        }
        if before.is_none() && is_last {
            return match receipt {
                Some(receipt) => self.send_with_receipt(now, id, part, receipt),
                None => self.send(now, id, part),
            };
        }
        let Some(channel) = self.channels.get_mut(&id) else {
            return Err(SendError { reason: SendErrorReason::NoSuchChannel, message: part });
        };
        let Some(stream) = channel.stream.filter(|_| channel.pending.is_empty()) else {
            channel.wants_room = true;
            return Err(SendError { reason: SendErrorReason::Full { capacity: 0 }, message: part });
        };
        let kind = part.kind;
        let mut message = to_sctp(part.clone());
        message.payload = part.payload;
        let added = message.payload.len();
        let options = channel.send_options();
        let reason = match self.association.send_part(now, stream, message, options, is_last, receipt) {
            Ok(()) => {
                channel.handed_over = channel.handed_over.saturating_add(added as u64);
                channel.part_sent = (!is_last).then_some(length);
                if is_last {
                    channel.sent.count(length);
                }
                self.note_above(id);
                self.pump(now);
                return Ok(());
            }
            Err(error) => self.refused_part(now, id, error),
        };
        Err(SendError { reason: reason.0, message: Message { kind, payload: reason.1 } })
    }

    fn refused_part(&mut self, now: Instant, id: ChannelId, error: sctp::SendError) -> (SendErrorReason, bytes::Bytes) {
        let reason = match &error {
            sctp::SendError::Full { free, .. } => SendErrorReason::Full { capacity: *free },
            sctp::SendError::Abandoned(_) => SendErrorReason::Abandoned,
            sctp::SendError::InParts(_) => SendErrorReason::InParts,
            sctp::SendError::Empty(_)
            | sctp::SendError::NoSuchStream { .. }
            | sctp::SendError::Resetting(_)
            | sctp::SendError::Closed(_) => SendErrorReason::Closed,
        };
        let is_bad = matches!(error, sctp::SendError::NoSuchStream { .. } | sctp::SendError::Resetting(_));
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.wants_room |= matches!(reason, SendErrorReason::Full { .. });
            if reason == SendErrorReason::Abandoned {
                channel.part_sent = None;
            }
        }
        if is_bad {
            self.fail_refused(now, id);
        }
        (reason, error.into_message().payload)
    }

    /// Gives up the message that is being sent in parts. The peer skips it if it supports partial reliability, as all
    /// browsers do; for others it ends with what was queued.
    pub fn cancel_parts(&mut self, now: Instant, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id) else { return };
        if channel.part_sent.take().is_some()
            && let Some(stream) = channel.stream
        {
            self.association.cancel_parts(now, stream);
            self.pump(now);
        }
    }

    /// The next part of a channel's message: all that has come of it in sequence, be the rest there or not. Once a part
    /// of a message was read, the rest follows before anything else, and [`read`](Self::read) finds nothing. With
    /// `partial_delivery` in the association's settings, [`Event::Readable`](crate::Event::Readable) tells of parts too.
    pub fn read_part(&mut self, now: Instant, id: ChannelId) -> Option<Part> {
        let part = self.next_part(now, id, true);
        self.after_reading(now, id, part.as_ref());
        part
    }

    /// The next part that waits, in the inbox or in the association; of a message that has not come whole only if
    /// `in_parts`, or if it is being read so already.
    pub(super) fn next_part(&mut self, now: Instant, id: ChannelId, in_parts: bool) -> Option<Part> {
        loop {
            let channel = self.channels.get_mut(&id)?;
            if let Some(part) = pop_if(&mut channel.inbox, |part| in_parts || part.is_whole()) {
                self.unread = self.unread.saturating_sub(unread_charge(&part));
                return Some(part);
            }
            if !channel.inbox.is_empty() {
                return None;
            }
            let stream = channel.stream.filter(|_| channel.reads_stream())?;
            let part = self.take_part(now, id, stream, in_parts)?;
            if let Some(part) = self.sort_part(now, id, part) {
                return Some(part);
            }
        }
    }

    /// Takes a part out of the association, or a whole message if parts are not wanted.
    pub(super) fn take_part(&mut self, now: Instant, id: ChannelId, stream: u16, in_parts: bool) -> Option<sctp::Part> {
        let channel = self.channels.get_mut(&id)?;
        if !in_parts && !channel.in_parts {
            let sctp::Message { ppid, payload } = self.association.read(now, stream)?;
            return Some(sctp::Part { ppid, payload, is_first: true, progress: Progress::Complete });
        }
        let part = self.association.read_part(now, stream)?;
        channel.in_parts = part.progress == Progress::More;
        Some(part)
    }

    /// What a part is: one for the application, or a message to be dealt with here.
    pub(super) fn sort_part(&mut self, now: Instant, id: ChannelId, part: sctp::Part) -> Option<Part> {
        let sctp::Part { ppid, payload, is_first, progress } = part;
        let message = sctp::Message { ppid, payload };
        if is_first && progress == Progress::Complete {
            return self.sort(now, id, message).map(Part::from);
        }
        // What has no length, and what opens channels, is too short to come in parts.
        match from_sctp(message) {
            Ok(Message { kind, payload }) if matches!(ppid, ppid::STRING | ppid::BINARY) => {
                Some(Part { kind, payload, is_first, progress })
            }
            Ok(_) | Err(_) => {
                self.stats.unexpected += 1;
                self.fail(now, id, ChannelError::Protocol("a message in parts of a kind that has none"));
                None
            }
        }
    }

    /// Throws away what a stream has, whole and in parts.
    pub(super) fn discard_parts(&mut self, now: Instant, stream: u16) {
        while let Some(part) = self.association.read_part(now, stream) {
            self.stats.discarded += u64::from(part.progress != Progress::More);
        }
    }
}

fn pop_if(inbox: &mut VecDeque<Part>, wanted: impl FnOnce(&Part) -> bool) -> Option<Part> {
    inbox.front().filter(|part| wanted(part))?;
    inbox.pop_front()
}
