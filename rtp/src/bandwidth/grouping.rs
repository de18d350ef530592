//! Packets grouped by when they were sent (draft-ietf-rmcat-gcc-02, section 5.2), so that what a sender sends at once
//! counts as one.

/// Packets sent within this time are a group, in microseconds.
const BURST: i64 = 5_000;
/// A group that arrives at once lasts no longer than this, in microseconds.
const LONGEST_BURST: i64 = 100_000;
/// The arrival times have jumped if they say so much more than the clock here does, in microseconds.
const JUMP: i64 = 3_000_000;
/// After so many groups that arrived before the one ahead of them, the clock is taken to have been set back.
const MOST_REORDERED: u8 = 3;

/// When a packet was sent and came. All times are microseconds: `sent` and `now` here, `arrived` at the receiver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) sent: i64,
    pub(super) arrived: i64,
    pub(super) now: i64,
}

/// The differences between two groups, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deltas {
    pub(super) sent: i64,
    pub(super) arrived: i64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrived: i64,
    last_arrived: i64,
    now: i64,
}

impl Group {
    const fn new(timing: Timing) -> Self {
        let Timing { sent, arrived, now } = timing;
        Self { first_sent: sent, last_sent: sent, first_arrived: arrived, last_arrived: arrived, now }
    }

    /// Whether the packet is of this group: sent within 5 ms of its first, or queued somewhere and let go together.
    const fn takes(&self, timing: Timing) -> bool {
        self.is_same_burst(timing) || timing.sent.saturating_sub(self.first_sent) <= BURST
    }

    const fn is_same_burst(&self, timing: Timing) -> bool {
        let sent = timing.sent.saturating_sub(self.last_sent);
        let arrived = timing.arrived.saturating_sub(self.last_arrived);
        let caught_up =
            arrived < sent && arrived <= BURST && timing.arrived.saturating_sub(self.first_arrived) < LONGEST_BURST;
        sent == 0 || caught_up
    }

    fn add(&mut self, timing: Timing) {
        self.last_sent = self.last_sent.max(timing.sent);
        self.last_arrived = self.last_arrived.max(timing.arrived);
        self.now = timing.now;
    }
}

/// Makes groups of packets, and compares each with the one before.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    previous: Option<Group>,
    current: Option<Group>,
    reordered: u8,
}

impl Grouping {
    /// Takes the next packet, in the order of arrival. Gives the deltas of the group that it ends.
    pub(super) fn add(&mut self, timing: Timing) -> Option<Deltas> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::new(timing));
            return None;
        };
        if timing.sent < current.first_sent {
            return None;
        }
        if current.takes(timing) {
            current.add(timing);
            return None;
        }
        let ended = std::mem::replace(current, Group::new(timing));
        let previous = self.previous.replace(ended)?;
        self.compare(previous, ended)
    }

    fn compare(&mut self, previous: Group, ended: Group) -> Option<Deltas> {
        let sent = ended.last_sent.saturating_sub(previous.last_sent);
        let arrived = ended.last_arrived.saturating_sub(previous.last_arrived);
        if arrived.saturating_sub(ended.now.saturating_sub(previous.now)) >= JUMP {
            *self = Self::default();
            return None;
        }
        if arrived < 0 {
            self.reordered += 1;
            if self.reordered >= MOST_REORDERED {
                *self = Self::default();
            }
            return None;
        }
        self.reordered = 0;
        Some(Deltas { sent, arrived })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(grouping: &mut Grouping, sent: i64, arrived: i64) -> Option<Deltas> {
        grouping.add(Timing { sent: sent * 1000, arrived: arrived * 1000, now: arrived * 1000 })
    }

    #[test]
    fn what_is_sent_within_five_milliseconds_is_one_group() {
        let mut grouping = Grouping::default();
        for (sent, arrived) in [(0, 100), (3, 103), (5, 106), (20, 121), (22, 125), (40, 150)] {
            let deltas = add(&mut grouping, sent, arrived);
            // The second group, from 20 on, is compared once the third begins.
            assert_eq!(deltas, (sent == 40).then_some(Deltas { sent: 17_000, arrived: 19_000 }));
        }
    }

    #[test]
    fn what_was_held_up_and_arrives_at_once_is_one_group() {
        let mut grouping = Grouping::default();
        for (sent, arrived) in [(0, 100), (20, 200), (40, 201), (60, 202)] {
            assert_eq!(add(&mut grouping, sent, arrived), None);
        }
        assert_eq!(add(&mut grouping, 90, 240), Some(Deltas { sent: 60_000, arrived: 102_000 }));
    }

    #[test]
    fn a_jump_of_the_receivers_clock_begins_anew() {
        let mut grouping = Grouping::default();
        let mut at = |sent: i64, arrived: i64| grouping.add(Timing { sent, arrived, now: sent });
        at(0, 0);
        at(20_000, 20_000);
        at(40_000, 900_000_000);
        assert_eq!(at(60_000, 900_020_000), None);
        assert_eq!(at(80_000, 900_040_000), None);
        assert_eq!(at(100_000, 900_060_000), None);
        assert_eq!(at(120_000, 900_080_000), Some(Deltas { sent: 20_000, arrived: 20_000 }));
    }

    #[test]
    fn times_at_the_ends_of_their_range_are_taken() {
        let mut grouping = Grouping::default();
        for (sent, arrived) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, 0), (i64::MAX, i64::MAX)] {
            grouping.add(Timing { sent, arrived, now: 0 });
        }
    }
}
