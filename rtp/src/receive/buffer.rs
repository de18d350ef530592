use std::collections::VecDeque;
use std::time::Instant;

/// What a packet is to the frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A piece of a frame.
    Media {
        /// Whether it is the first piece; `None` where the format does not tell.
        starts_frame: Option<bool>,
        /// Whether the frame is a key frame, as far as this piece shows it.
        is_keyframe: bool,
    },
    /// Nothing: it only moves the sequence on.
    Padding,
    /// A piece of a frame that cannot be used.
    Malformed,
}

/// A packet that has come.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) payload: Vec<u8>,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) content: Content,
    pub(super) received: Instant,
}

impl Slot {
    pub(super) const fn is_keyframe(&self) -> bool {
        matches!(self.content, Content::Media { is_keyframe: true, .. })
    }
}

/// Packets that wait for others: a stretch of sequence numbers, with holes where packets are missing.
///
/// The bytes of packets lie in buffers that are used again, so that nothing is allocated per packet.
#[derive(Debug)]
pub(super) struct Buffer {
    /// The number of the first slot.
    first: u64,
    slots: VecDeque<Option<Slot>>,
    /// The memory of the packets here.
    held: usize,
    spare: Vec<Vec<u8>>,
    /// The memory of the spare buffers.
    spared: usize,
    max_bytes: usize,
}

impl Buffer {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self { first: 0, slots: VecDeque::new(), held: 0, spare: Vec::new(), spared: 0, max_bytes }
    }

    /// The first number that is not done with.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// One past the highest number here.
    pub(super) fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether a payload of this length still fits.
    pub(super) const fn has_room(&self, length: usize) -> bool {
        self.held.saturating_add(length) <= self.max_bytes
    }

    pub(super) const fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    /// Packets and holes from `from` on, in order.
    pub(super) fn iter_from(&self, from: u64) -> impl Iterator<Item = (u64, Option<&Slot>)> {
        let skipped = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.slots.len());
        (self.first + skipped as u64..).zip(self.slots.range(skipped..).map(Option::as_ref))
    }

    pub(super) fn get(&self, number: u64) -> Option<&Slot> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.slots.get(place)?.as_ref()
    }

    /// A copy of these bytes in a buffer that has been used before, if there is one.
    pub(super) fn copy(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut copy = self.spare.pop().unwrap_or_default();
        self.spared = self.spared.saturating_sub(copy.capacity());
        copy.clear();
        copy.reserve_exact(payload.len());
        copy.extend_from_slice(payload);
        copy
    }

    /// Takes back the buffer of a packet.
    pub(super) fn recycle(&mut self, payload: Vec<u8>) {
        if payload.capacity() > 0 && self.spared.saturating_add(payload.capacity()) <= self.max_bytes {
            self.spared += payload.capacity();
            self.spare.push(payload);
        }
    }

    /// Puts a packet in its place, which must not lie before the first. Whoever calls bounds the distance.
    pub(super) fn put(&mut self, number: u64, slot: Slot) {
        let Some(place) = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()) else { return };
        if place >= self.slots.len() {
            self.slots.resize_with(place + 1, || None);
        }
        if let Some(free) = self.slots.get_mut(place) {
            self.held += slot.payload.capacity();
            *free = Some(slot);
        }
    }

    /// Begins at a lower number, with holes up to the old one. Whoever calls bounds the distance.
    pub(super) fn lower(&mut self, first: u64) {
        while self.first > first {
            self.slots.push_front(None);
            self.first -= 1;
        }
    }

    /// Takes the first packet out. `None` if that was a hole, or there is nothing.
    pub(super) fn pop(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front()?;
        self.first += 1;
        if let Some(slot) = &slot {
            self.held = self.held.saturating_sub(slot.payload.capacity());
        }
        slot
    }

    /// An empty buffer goes on somewhere else.
    pub(super) fn go_to(&mut self, first: u64) {
        debug_assert!(self.slots.is_empty(), "packets would be lost");
        self.first = first;
    }
}
