//! Messages sent in parts, and what streams are told about how to send.

use super::Outbound;
use super::fill::overhead;
use super::queue::Receipt;
use crate::stats::Stats;
use bytes::Bytes;

impl Outbound {
    /// Both sides understand I-DATA, or not.
    pub(crate) fn set_interleaving(&mut self, interleaving: bool) {
        self.interleaving = interleaving;
        self.queue.set_interleaving(interleaving);
        self.queue.set_full(self.packet.saturating_sub(overhead(interleaving)));
    }

    pub(crate) const fn is_interleaving(&self) -> bool {
        self.interleaving
    }

    pub(crate) fn set_weight(&mut self, stream: u16, weight: u16) {
        self.queue.set_weight(stream, weight);
    }

    /// Whether the last message of a stream waits for more parts.
    pub(crate) fn is_open(&self, stream: u16) -> bool {
        self.queue.is_open(stream)
    }

    /// Whether the message that was being sent in parts was given up; told once.
    pub(crate) fn take_cut_short(&mut self, stream: u16) -> bool {
        self.queue.take_cut_short(stream)
    }

    pub(crate) fn append(&mut self, stream: u16, part: Bytes, end: bool, receipt: Receipt) {
        self.queue.append(stream, part, end, receipt);
    }

    /// Gives up the open message of a stream. What has been sent of it is skipped by the peer, if it understands that;
    /// otherwise the message ends where it is.
    pub(crate) fn cancel_open(&mut self, stream: u16, stats: &mut Stats) {
        if let Some(taken) = self.queue.drop_open(stream) {
            stats.messages_abandoned += 1;
            self.tell_dropped(taken);
        } else if let Some(begun) = self.queue.begun_open(stream) {
            if self.partial_reliability {
                self.abandon_rest(begun, stats);
                self.queue.take_cut_short(stream);
            } else {
                self.queue.append(stream, Bytes::new(), true, None);
            }
        }
        self.tell_writable();
    }

    pub(crate) fn cancel_all_open(&mut self, stats: &mut Stats) {
        for stream in self.queue.open_streams() {
            self.cancel_open(stream, stats);
        }
    }
}
