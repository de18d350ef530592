//! Messages read before their end has come (partial delivery, RFC 9260, section 6.9, and RFC 8260, section 2).
//!
//! A stream hands out one message at a time: once its first part was read, the rest follows before anything else.

use super::reassembly::{Complete, Key};
use super::{Inbound, MESSAGE_OVERHEAD, Stream};
use crate::event::Event;
use crate::message::{Part, Progress};
use crate::stats::Stats;
use bytes::Bytes;

/// The message that a stream hands out in parts.
#[derive(Debug)]
pub(super) enum Reading {
    /// More of it is still to come.
    Open { key: Key, ppid: u32 },
    /// All of it has come; this was not read yet, and is charged.
    Complete { ppid: u32, rest: Bytes },
    /// The peer gave it up.
    Abandoned { ppid: u32 },
}

impl Reading {
    /// What is left of it after a restart: of a message whose end has not come, the rest will not.
    pub(super) fn after_restart(self) -> Self {
        match self {
            Self::Complete { .. } | Self::Abandoned { .. } => self,
            Self::Open { ppid, .. } => Self::Abandoned { ppid },
        }
    }

    /// How much of the window it holds beside what reassembly counts.
    pub(super) fn charge(&self) -> usize {
        match self {
            Self::Complete { rest, .. } => rest.len() + MESSAGE_OVERHEAD,
            Self::Open { .. } | Self::Abandoned { .. } => 0,
        }
    }
}

impl Stream {
    /// The end of the message being read has come, and perhaps of others behind it. Returns what that is charged.
    pub(super) fn finish_reading(&mut self, complete: Complete) -> usize {
        let reading = Reading::Complete { ppid: complete.ppid, rest: complete.payload };
        let charge = reading.charge();
        self.reading = Some(reading);
        if !complete.unordered {
            self.next += 1;
            self.release();
        }
        charge
    }
}

impl Inbound {
    /// Tells of a stream whose next message has come in part, if parts are wanted.
    pub(super) fn announce_partial(&mut self, id: u16) {
        if !self.partial_delivery {
            return;
        }
        let stream = self.streams.entry(id).or_default();
        if stream.announced {
            return;
        }
        let has_part = match &stream.reading {
            // Whatever has come for it can be taken: asking costs no more than telling.
            Some(_) => true,
            None => self.reassembly.readable(id, stream.next, self.tracker.cumulative()).is_some(),
        };
        if has_part {
            stream.announced = true;
            self.events.push_back(Event::Readable(id));
        }
    }

    /// The next part of the message at hand, or of the next one.
    pub(crate) fn read_part(&mut self, id: u16, stats: &mut Stats) -> Option<Part> {
        let part = self.next_part(id, stats);
        if part.is_none()
            && let Some(stream) = self.streams.get_mut(&id)
        {
            stream.announced = false;
        }
        part
    }

    fn next_part(&mut self, id: u16, stats: &mut Stats) -> Option<Part> {
        let stream = self.streams.get_mut(&id)?;
        match stream.reading.take() {
            Some(Reading::Complete { ppid, rest }) => {
                self.held -= rest.len() + MESSAGE_OVERHEAD;
                stats.messages_received += 1;
                Some(Part { ppid, payload: rest, is_first: false, progress: Progress::Complete })
            }
            Some(Reading::Abandoned { ppid }) => {
                Some(Part { ppid, payload: Bytes::new(), is_first: false, progress: Progress::Abandoned })
            }
            Some(Reading::Open { key, ppid }) => match self.reassembly.take(id, key) {
                Some((_, payload)) => {
                    stream.reading = Some(Reading::Open { key, ppid });
                    Some(Part { ppid, payload, is_first: false, progress: Progress::More })
                }
                None if self.has_ended => {
                    Some(Part { ppid, payload: Bytes::new(), is_first: false, progress: Progress::Abandoned })
                }
                None => {
                    stream.reading = Some(Reading::Open { key, ppid });
                    None
                }
            },
            None => {
                if let Some(message) = stream.ready.pop_front() {
                    self.held -= message.payload.len() + MESSAGE_OVERHEAD;
                    stats.messages_received += 1;
                    let (ppid, payload) = (message.ppid, message.payload);
                    return Some(Part { ppid, payload, is_first: true, progress: Progress::Complete });
                }
                let key = self.reassembly.readable(id, stream.next, self.tracker.cumulative())?;
                let (ppid, payload) = self.reassembly.take(id, key)?;
                stream.reading = Some(Reading::Open { key, ppid });
                Some(Part { ppid, payload, is_first: true, progress: Progress::More })
            }
        }
    }

    /// Nothing comes any more: whoever reads a message in parts is told that its rest does not, and reads what is
    /// behind it.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
        let open = self.streams.iter_mut().filter(|(_, stream)| stream.reading.is_some() && !stream.announced);
        for (id, stream) in open {
            stream.announced = true;
            self.events.push_back(Event::Readable(*id));
        }
    }

    /// Ends the message being read in parts if it is gone.
    pub(super) fn end_abandoned(&mut self, id: u16) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let Some(Reading::Open { key, ppid }) = &stream.reading
            && !self.reassembly.has(id, *key)
        {
            stream.reading = Some(Reading::Abandoned { ppid: *ppid });
            if !stream.announced {
                stream.announced = true;
                self.events.push_back(Event::Readable(id));
            }
        }
    }

    /// The same for all streams: FORWARD TSN does not name those of unordered messages.
    pub(super) fn end_all_abandoned(&mut self) {
        if self.partial_delivery {
            let reading: Vec<u16> =
                self.streams.iter().filter(|(_, stream)| stream.reading.is_some()).map(|(id, _)| *id).collect();
            for id in reading {
                self.end_abandoned(id);
            }
        }
    }
}
