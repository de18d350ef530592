//! Which messages have been delivered whole, for those who asked to be told.

use super::queue::Receipt;
use crate::event::Event;
use crate::serial::Tsn;
use std::collections::VecDeque;

/// Messages whose last fragment has been sent, in the order of its TSN. There are as many as the send buffer holds
/// messages at most.
#[derive(Debug, Default)]
pub(super) struct Receipts {
    waiting: VecDeque<(Tsn, Receipt)>,
}

impl Receipts {
    /// The last fragment of a message goes out with this TSN, higher than those before.
    pub(super) fn sent(&mut self, tsn: Tsn, receipt: Receipt) {
        if receipt.is_some() {
            self.waiting.push_back((tsn, receipt));
        }
    }

    /// The message whose last fragment has this TSN was given up.
    pub(super) fn abandon(&mut self, tsn: Tsn, events: &mut VecDeque<Event>) {
        let Some((first, _)) = self.waiting.front() else { return };
        let place = self.waiting.partition_point(|(waiting, _)| first.distance_to(*waiting) < first.distance_to(tsn));
        if let Some((_, receipt)) = self.waiting.get_mut(place).filter(|(waiting, _)| *waiting == tsn) {
            events.extend(receipt.take().map(Event::Abandoned));
        }
    }

    /// All up to this TSN has arrived, or was given up.
    pub(super) fn acknowledge(&mut self, cumulative: Tsn, events: &mut VecDeque<Event>) {
        while self.waiting.front().is_some_and(|(tsn, _)| !cumulative.precedes(*tsn)) {
            let receipt = self.waiting.pop_front().and_then(|(_, receipt)| receipt);
            events.extend(receipt.map(Event::Delivered));
        }
    }
}
