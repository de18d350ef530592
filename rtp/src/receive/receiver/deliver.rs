//! The way of a frame out of the buffer, and what is done where there is none.

use super::Receiver;
use crate::receive::Frame;
use crate::receive::assembly::{Partial, Step};
use crate::receive::buffer::{Content, Slot};
use std::time::Instant;

impl Receiver {
    /// Hands out what is whole and in order, and gives up what has been waited for long enough.
    pub(super) fn advance(&mut self, now: Instant) {
        loop {
            match self.assembly.step(&self.buffer) {
                Step::Frame(frame) if self.needs_keyframe && !frame.is_keyframe => {
                    self.discard_before(now, self.assembly.scan());
                }
                Step::Frame(frame) => self.finish(now, frame),
                // Padding, or the rest of a frame whose beginning is lost.
                Step::Leftover => self.discard_before(now, self.assembly.scan()),
                Step::Broken => {
                    self.discard_before(now, self.assembly.scan());
                    self.lose(now);
                }
                Step::Hole if self.is_overdue(now) => self.give_up(now),
                Step::Hole | Step::Wait => break,
            }
        }
    }

    /// Whether the first missing packet has been waited for long enough.
    fn is_overdue(&self, now: Instant) -> bool {
        let waits_until = self.missing.first().and_then(|(_, since)| since.checked_add(self.config.max_wait));
        waits_until.is_none_or(|until| until <= now)
    }

    /// Gives up the packets that were looked at and the one that is missing after them.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.assembly.give_up(&self.buffer);
        self.discard_before(now, self.assembly.scan());
        self.lose(now);
    }

    /// Something that may have been needed is gone. With key frames, nothing is of use before the next.
    pub(super) fn lose(&mut self, now: Instant) {
        self.has_lost = true;
        if self.config.has_keyframes && !self.needs_keyframe {
            self.needs_keyframe = true;
            self.request.want(now);
            let is_coming =
                self.buffer.iter_from(self.buffer.first()).any(|(_, slot)| slot.is_some_and(Slot::is_keyframe));
            self.seek_keyframe(now, is_coming);
        }
    }

    /// Goes to a whole key frame if there is one, whatever is missing before it: nothing of that is needed any more.
    pub(super) fn seek_keyframe(&mut self, now: Instant, is_coming: bool) {
        if let Some(begin) = self.assembly.whole_keyframe(&self.buffer) {
            self.discard_before(now, begin);
            self.assembly.begin(begin);
        } else if is_coming && let Some(until) = now.checked_add(self.config.max_wait) {
            self.request.hold(until);
        }
    }

    /// Drops all packets before `end`.
    pub(super) fn discard_before(&mut self, now: Instant, end: u64) {
        while self.buffer.first() < end && !self.buffer.is_empty() {
            let Some(slot) = self.buffer.pop() else { continue };
            if slot.content != Content::Padding {
                self.stats.packets_discarded += 1;
                self.count_dropped(slot.timestamp);
            }
            if slot.is_keyframe() && self.needs_keyframe {
                // It was waited for, and there is nothing to wait for now.
                self.request.want(now);
            }
            self.buffer.recycle(slot.payload);
        }
        self.left();
    }

    /// Counts a frame of which a packet was dropped.
    fn count_dropped(&mut self, timestamp: u32) {
        if self.dropped != Some(timestamp) {
            self.dropped = Some(timestamp);
            self.stats.frames_dropped += 1;
        }
    }

    /// Packets have left the buffer: those before the first are not waited for.
    fn left(&mut self) {
        self.is_fresh = false;
        self.missing.remove_before(self.buffer.first());
    }

    /// The packets before the scan are a frame: puts it together.
    fn finish(&mut self, now: Instant, partial: Partial) {
        let first_sequence = self.buffer.first();
        if !self.has_room() {
            self.discard_before(now, self.assembly.scan());
            self.lose(now);
            return;
        }
        self.framing.begin();
        // Formats whose frames have start codes add some bytes for each packet.
        let mut data = Vec::with_capacity(partial.bytes + 4 * partial.packets);
        let mut is_whole = true;
        let (mut begun, mut received, mut timestamp, mut marker) = (now, None, 0, false);
        while self.buffer.first() < self.assembly.scan() {
            let Some(slot) = self.buffer.pop() else { break };
            if slot.content != Content::Padding {
                is_whole = is_whole && self.framing.append(&slot.payload, &mut data).is_ok();
                begun = begun.min(slot.received);
                received = received.max(Some(slot.received));
                (timestamp, marker) = (slot.timestamp, slot.marker);
            }
            self.buffer.recycle(slot.payload);
        }
        self.left();
        if !is_whole || !self.framing.is_complete() {
            self.stats.malformed += 1;
            self.count_dropped(timestamp);
            self.lose(now);
            return;
        }
        let frame = Frame {
            data: data.into(),
            timestamp,
            extended_timestamp: self.timeline.extend(timestamp),
            is_keyframe: partial.is_keyframe,
            marker,
            first_sequence,
            last_sequence: self.buffer.first() - 1,
            received: received.unwrap_or(now),
            discontinuity: self.has_lost && self.stats.frames_received > 0,
        };
        self.deliver(now, begun, frame, partial.packets);
    }

    fn deliver(&mut self, now: Instant, begun: Instant, frame: Frame, packets: usize) {
        self.has_lost = false;
        self.stats.frames_received += 1;
        self.stats.buffer_delay = self.stats.buffer_delay.saturating_add(now.saturating_duration_since(begun));
        if packets > 1 {
            let assembly = frame.received.saturating_duration_since(begun);
            self.stats.frames_assembled_from_multiple_packets += 1;
            self.stats.total_assembly_time = self.stats.total_assembly_time.saturating_add(assembly);
        }
        if frame.is_keyframe {
            self.needs_keyframe = false;
            self.request.satisfy();
            self.stats.key_frames_received += 1;
        }
        if self.config.has_keyframes {
            self.freezes.frame(now, &mut self.stats);
        }
        self.unread = self.unread.saturating_add(frame.data.len());
        self.ready.push_back(frame);
    }
}
