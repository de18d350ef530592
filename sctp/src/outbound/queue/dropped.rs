//! What leaves the queue without being sent.

use super::{Begun, OVERHEAD, Queue, Taken};

impl Queue {
    /// Drops all that is queued on streams from `limit` on; returns how many messages that were.
    pub(crate) fn drop_streams_from(&mut self, limit: u16) -> u64 {
        let dropped = self.streams.split_off(&limit);
        self.turns.retain(|stream| stream < limit);
        self.current = self.current.filter(|stream| *stream < limit);
        let mut count = 0;
        for message in dropped.values().flat_map(|stream| &stream.queue) {
            self.charged -= message.left + OVERHEAD;
            self.messages -= 1;
            count += 1;
        }
        self.skip_idle();
        count
    }

    /// Drops what is left of the first message of a stream.
    pub(crate) fn drop_front(&mut self, stream_id: u16) -> Option<Taken> {
        let stream = self.streams.get_mut(&stream_id)?;
        let front = stream.queue.front()?;
        let (length, receipt) = (front.left, front.receipt);
        stream.cut_short |= front.open;
        let low = stream.release_bytes(length);
        self.charged -= length;
        self.pop(stream_id);
        self.release(stream_id);
        Some(Taken { stream: stream_id, low, receipt })
    }

    /// Drops the last message of a stream, which waits for parts and has not been begun. None if it was begun, which
    /// makes it the only one.
    pub(crate) fn drop_open(&mut self, stream_id: u16) -> Option<Taken> {
        let stream = self.streams.get_mut(&stream_id)?;
        stream.queue.back().filter(|message| message.open && message.begun.is_none())?;
        let message = stream.queue.pop_back()?;
        let low = stream.release_bytes(message.left);
        self.charged -= message.left + OVERHEAD;
        self.messages -= 1;
        self.skip_idle();
        Some(Taken { stream: stream_id, low, receipt: message.receipt })
    }

    /// The open message of a stream, if some of it has been sent.
    pub(crate) fn begun_open(&self, stream: u16) -> Option<Begun> {
        let message = self.streams.get(&stream)?.queue.front().filter(|message| message.open)?;
        Some(Begun { stream, mid: message.begun?, unordered: message.unordered })
    }

    pub(super) fn pop(&mut self, stream_id: u16) {
        let popped = self.streams.get_mut(&stream_id).and_then(|stream| stream.queue.pop_front());
        if popped.is_some() {
            self.charged -= OVERHEAD;
            self.messages -= 1;
        }
    }
}
