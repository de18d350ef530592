//! Which channels there are, and which of them wait to be accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::channel::Channel;
use crate::sync::Wakers;

/// The channels of a connection, by their serial numbers and so in the order of their making. Each step costs little
/// however many there are: a peer may open and close them as fast as it likes.
#[derive(Default)]
pub(super) struct Registry {
    /// All that are not closed.
    channels: BTreeMap<u64, Arc<Channel>>,
    /// Those that the peer opened, nobody has accepted and nobody has closed.
    incoming: BTreeMap<u64, Arc<Channel>>,
    /// Those that closed before anybody accepted them, each with what its messages are charged, in bytes. They can be
    /// accepted for what they brought.
    leftover: BTreeMap<u64, (Arc<Channel>, usize)>,
    leftover_cost: usize,
    pub(super) acceptors: Wakers,
    pub(super) ended: bool,
}

impl Registry {
    pub(super) fn insert(&mut self, channel: &Arc<Channel>) {
        self.channels.insert(channel.serial, channel.clone());
    }

    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    /// All channels that are not closed.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.channels.values()
    }

    /// Lets it be accepted.
    pub(super) fn announce(&mut self, channel: Arc<Channel>) {
        self.incoming.insert(channel.serial, channel);
    }

    /// The oldest that waits to be accepted.
    pub(super) fn accept(&mut self) -> Option<Arc<Channel>> {
        let oldest = self.incoming.keys().next();
        match (oldest, self.leftover.keys().next()) {
            (Some(open), Some(closed)) if open < closed => self.incoming.pop_first().map(|(_, channel)| channel),
            (_, Some(_)) => self.pop_leftover(),
            (_, None) => self.incoming.pop_first().map(|(_, channel)| channel),
        }
    }

    /// A closed channel is no longer found by its label. One that nobody accepted yet still can be, for what it
    /// brought; but these must not pile up, so the oldest give way when the newer ones have `max_bytes` or are
    /// `max_channels`. Gives back those, to be dropped without the lock.
    pub(super) fn forget(&mut self, channel: &Channel, max_bytes: usize, max_channels: usize) -> Vec<Arc<Channel>> {
        self.channels.remove(&channel.serial);
        if let Some(waiting) = self.incoming.remove(&channel.serial) {
            let cost = waiting.inbox_cost();
            self.leftover_cost = self.leftover_cost.saturating_add(cost);
            self.leftover.insert(channel.serial, (waiting, cost));
        }
        let mut dropped = Vec::new();
        while let Some((_, (_, cost))) = self.leftover.first_key_value() {
            let newer = self.leftover_cost.saturating_sub(*cost);
            if newer < max_bytes && self.leftover.len() <= max_channels {
                break;
            }
            dropped.extend(self.pop_leftover());
        }
        dropped
    }

    fn pop_leftover(&mut self) -> Option<Arc<Channel>> {
        let (_, (channel, cost)) = self.leftover.pop_first()?;
        self.leftover_cost = self.leftover_cost.saturating_sub(cost);
        Some(channel)
    }

    /// The connection is over: nothing is found any more, but what came can be accepted.
    pub(super) fn end(&mut self) -> Wakers {
        self.ended = true;
        self.channels.clear();
        self.acceptors.take()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::Registry;
    use crate::channel::{Channel, ChannelOptions, Incoming, Limits};
    use crate::message::Message;
    use crate::sync::Signal;

    /// A channel of the peer that brought a message of so many bytes.
    fn channel(serial: u64, bytes: usize) -> Arc<Channel> {
        let max_message = Arc::new(AtomicUsize::new(usize::MAX));
        let limits = Limits { send_buffer: 1, receive_buffer: 1, event_queue: 1, any_size: false, max_message };
        let options = ChannelOptions::default();
        let channel = Channel::new(serial, serial.to_string(), options, limits, Arc::new(Signal::default()));
        channel.deliver_all(std::iter::once(Incoming::Whole(Message::from(vec![0; bytes]))));
        Arc::new(channel)
    }

    fn incoming(registry: &mut Registry, serial: u64, bytes: usize) -> Arc<Channel> {
        let channel = channel(serial, bytes);
        registry.insert(&channel);
        registry.announce(channel.clone());
        channel
    }

    fn accepted(registry: &mut Registry) -> Vec<u64> {
        std::iter::from_fn(|| registry.accept().map(|channel| channel.serial)).collect()
    }

    #[test]
    fn channels_are_accepted_in_the_order_of_their_opening_closed_or_not() {
        let mut registry = Registry::default();
        let channels = [1, 2, 3, 4].map(|serial| incoming(&mut registry, serial, 1));
        for place in [2, 0] {
            assert!(registry.forget(&channels[place], 1 << 20, 100).is_empty());
        }
        assert_eq!(registry.iter().map(|channel| channel.serial).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(accepted(&mut registry), [1, 2, 3, 4]);
        assert_eq!(registry.leftover_cost, 0);
        // What somebody has accepted is only forgotten.
        assert!(registry.forget(&channels[1], 0, 0).is_empty());
        assert_eq!(registry.len(), 1);
    }

    #[test]
    fn closed_channels_that_nobody_accepts_do_not_pile_up() {
        let mut registry = Registry::default();
        let open = incoming(&mut registry, 0, 1_000_000);
        for serial in 1..10_000 {
            let channel = incoming(&mut registry, serial, 0);
            registry.forget(&channel, 1 << 20, 16);
        }
        assert_eq!((registry.leftover.len(), registry.len()), (16, 1));
        assert_eq!(accepted(&mut registry), std::iter::once(open.serial).chain(9_984..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn what_closed_channels_hold_is_bounded_by_the_newer_ones() {
        let mut registry = Registry::default();
        let mut dropped = Vec::new();
        for serial in 0..10 {
            let channel = incoming(&mut registry, serial, 1_000);
            dropped.extend(registry.forget(&channel, 3_000, 100));
        }
        assert_eq!(dropped.iter().map(|channel| channel.serial).collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
        let large = incoming(&mut registry, 10, 1_000_000);
        assert_eq!(registry.forget(&large, 3_000, 100).len(), 3, "the newest stays however large it is");
        assert_eq!(accepted(&mut registry), [10]);
    }
}
