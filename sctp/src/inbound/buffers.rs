//! Where messages of many fragments are put together: in buffers as large as the last such message, some of which were
//! used before.

use bytes::Bytes;
use std::collections::VecDeque;

/// How many bytes a message is expected to have at most.
const MOST_EXPECTED: usize = 256 << 10;

/// How many incomplete messages may have room that was made for them in advance, which is not charged.
const EXPECTATIONS: usize = 4;

/// How much memory waits to be used again, in bytes.
const MOST_SPARE: usize = 1 << 20;

/// How many buffers do, each of which may be looked at for a new message.
const MOST_SPARES: usize = 64;

/// Shorter messages are not worth it.
const LEAST_SPARE: usize = 4 << 10;

/// Room for messages. Who sends large messages mostly sends more of that size: room made at once spares the copies that
/// growing would make, and a buffer whose message was read and dropped spares the allocator the work of giving memory
/// back to the system, only to ask for it again.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// The size of the last message.
    expected: usize,
    /// The last messages, oldest first, which the application may still have.
    spare: VecDeque<Bytes>,
    /// The bytes in those.
    held: usize,
}

impl Buffers {
    /// A message has been put together.
    pub(super) fn learn(&mut self, message: &Bytes) {
        self.expected = message.len().min(MOST_EXPECTED);
        if !(LEAST_SPARE..=MOST_SPARE / 8).contains(&message.len()) {
            return;
        }
        self.spare.push_back(message.clone());
        self.held += message.len();
        while (self.held > MOST_SPARE || self.spare.len() > MOST_SPARES)
            && let Some(oldest) = self.spare.pop_front()
        {
            self.held -= oldest.len();
        }
    }

    /// A buffer for a message of which at least this has come, while so many others are incomplete.
    pub(super) fn begin(&mut self, incomplete: usize, first: &[u8]) -> Vec<u8> {
        let room = if incomplete < EXPECTATIONS { self.expected.max(first.len()) } else { first.len() };
        let mut buffer = self.reuse(room).unwrap_or_else(|| Vec::with_capacity(room));
        buffer.extend_from_slice(first);
        buffer
    }

    /// The last buffer of this size that nobody else has any more: the cache knows it best.
    fn reuse(&mut self, room: usize) -> Option<Vec<u8>> {
        if room < LEAST_SPARE {
            return None;
        }
        let fits = |spare: &Bytes| (room..=room.saturating_mul(2)).contains(&spare.len()) && spare.is_unique();
        let place = self.spare.iter().rposition(fits)?;
        let mut spare = self.spare.remove(place)?;
        self.held -= spare.len();
        // What is in it need not be moved.
        spare.clear();
        Some(spare.into()).filter(|buffer: &Vec<u8>| buffer.capacity() >= room)
    }

    /// Nothing has come for long.
    pub(super) fn release(&mut self) {
        *self = Self { expected: self.expected, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message as it is put together, and where it is in memory.
    fn message(buffers: &mut Buffers, length: usize) -> (Bytes, *const u8) {
        let mut buffer = buffers.begin(0, &[1; 1000]);
        buffer.resize(length, 2);
        let message = Bytes::from(buffer);
        buffers.learn(&message);
        let place = message.as_ptr();
        (message, place)
    }

    #[test]
    fn the_buffer_of_a_message_that_was_dropped_is_used_again() {
        let mut buffers = Buffers::default();
        let (first, place) = message(&mut buffers, 50_000);
        let (second, other) = message(&mut buffers, 50_000);
        assert_ne!(place, other, "the application has the first");
        drop(first);
        let (third, again) = message(&mut buffers, 50_000);
        assert_eq!(place, again);
        assert_eq!((third.len(), third.first(), third.last()), (50_000, Some(&1), Some(&2)));
        drop((second, third));
        buffers.release();
        assert_eq!((buffers.spare.len(), buffers.held), (0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut buffers = Buffers::default();
        let lengths = [5_000, 70_000, 128 << 10, 20_000, 300_000, 100, 100_000];
        let kept: Vec<Bytes> = (0..100).map(|turn| message(&mut buffers, lengths[turn % lengths.len()]).0).collect();
        let held: usize = buffers.spare.iter().map(Bytes::len).sum();
        assert_eq!(held, buffers.held);
        assert!(held <= MOST_SPARE, "{held}");
        drop(kept);
        let small: Vec<Bytes> = (0..100).map(|_| message(&mut buffers, LEAST_SPARE).0).collect();
        assert_eq!(buffers.spare.len(), MOST_SPARES);
        drop(small);
        // Room that nobody asked for is not made.
        assert!(buffers.begin(EXPECTATIONS, &[0; 10]).capacity() < 100);
    }
}
