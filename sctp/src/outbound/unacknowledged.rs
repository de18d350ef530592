//! What was accepted for sending and is not known to have arrived: asked for at an end, which names what it loses.

use super::Outbound;
use std::collections::BTreeMap;

/// What is not known to have arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unacknowledged {
    /// Messages of which any part is missing.
    pub messages: usize,
    /// Bytes of their payload that are missing.
    pub bytes: usize,
}

/// The same for each stream and payload protocol identifier.
pub(crate) type ByStream = BTreeMap<(u16, u32), Unacknowledged>;

impl Outbound {
    /// Walks over everything that waits or is in flight. What was given up, as its limit asks for, is not missed.
    pub(crate) fn unacknowledged(&self) -> ByStream {
        let mut all = ByStream::new();
        let sent = self.ring.unacknowledged().map(|chunk| {
            // The end of a message that was sent in part is still in the queue, where it is counted.
            (chunk.stream, chunk.ppid, usize::from(chunk.flags.end), chunk.payload.len())
        });
        let waiting = self.queue.waiting().map(|(stream, ppid, bytes)| (stream, ppid, 1, bytes));
        for (stream, ppid, messages, bytes) in sent.chain(waiting) {
            let of_stream = all.entry((stream, ppid)).or_default();
            of_stream.messages = of_stream.messages.saturating_add(messages);
            of_stream.bytes = of_stream.bytes.saturating_add(bytes);
        }
        all
    }
}
