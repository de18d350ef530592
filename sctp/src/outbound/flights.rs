//! Transmissions in the order of time, and how fast they are delivered.
//!
//! Chunks that leave at one instant one after another are one flight, so that loss detection and rate measurement touch
//! a few flights where there are thousands of chunks.

use super::congestion::Rate;
use crate::serial::Tsn;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Chunks in one flight at most.
const MOST: u32 = 512;

/// Chunks sent at one instant, with TSNs one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) first: Tsn,
    pub(super) last: Tsn,
    pub(super) sent: Instant,
    /// Chunks that are in flight by this transmission.
    pub(super) live: u32,
    /// All chunks before this one have been looked at for loss.
    pub(super) scanned: Tsn,
    /// Bytes delivered before it was sent, and when the last of them were.
    delivered: u64,
    delivered_at: Instant,
    /// When the first chunk of the flights that it was measured with was sent.
    first_sent: Instant,
    app_limited: bool,
}

/// Every flight with chunks that are still in flight.
///
/// Rates are measured as in draft-cheng-iccrg-delivery-rate-estimation.
#[derive(Debug, Default)]
pub(super) struct Flights {
    list: VecDeque<Flight>,
    /// The number of the first in the list.
    first_id: u32,
    /// Bytes acknowledged so far.
    delivered: u64,
    delivered_at: Option<Instant>,
    first_sent: Option<Instant>,
    /// Until this many bytes are delivered, rates say what the application did.
    app_limited_until: u64,
    /// A round trip is over when what is sent after this many bytes were delivered is acknowledged.
    round_end: u64,
}

impl Flights {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Flight> {
        self.list.get(id.wrapping_sub(self.first_id) as usize)
    }

    /// Whether the flight `id` left before `other`.
    pub(super) const fn is_before(id: u32, other: u32) -> bool {
        (other.wrapping_sub(id) as i32) > 0
    }

    /// The flight at this place, and its number.
    pub(super) fn at(&self, place: usize) -> Option<(u32, &Flight)> {
        Some((self.first_id.wrapping_add(place as u32), self.list.get(place)?))
    }

    pub(super) fn scanned(&mut self, place: usize, upto: Tsn) {
        if let Some(flight) = self.list.get_mut(place) {
            flight.scanned = upto;
        }
    }

    /// A chunk is sent. Returns the number of its flight. `idle` if nothing else is in flight.
    pub(super) fn push(&mut self, now: Instant, tsn: Tsn, idle: bool) -> u32 {
        if idle {
            (self.first_sent, self.delivered_at) = (Some(now), Some(now));
        }
        let delivered = self.delivered;
        if let Some(last) = self.list.back_mut()
            && last.sent == now
            && last.delivered == delivered
            && last.last.next() == tsn
            && last.first.distance_to(tsn) < MOST
        {
            last.last = tsn;
            last.live += 1;
        } else {
            self.list.push_back(Flight {
                first: tsn,
                last: tsn,
                sent: now,
                live: 1,
                scanned: tsn,
                delivered,
                delivered_at: self.delivered_at.unwrap_or(now),
                first_sent: self.first_sent.unwrap_or(now),
                app_limited: self.app_limited_until > 0 && self.app_limited_until >= delivered,
            });
        }
        self.first_id.wrapping_add(self.list.len() as u32).wrapping_sub(1)
    }

    /// A chunk of this flight is not in flight by it any more. Flights stay until [`trim`](Self::trim).
    pub(super) fn settle(&mut self, id: u32) {
        if let Some(flight) = self.list.get_mut(id.wrapping_sub(self.first_id) as usize) {
            flight.live = flight.live.saturating_sub(1);
        }
    }

    /// Forgets flights that nothing is left of.
    pub(super) fn trim(&mut self) {
        while self.list.front().is_some_and(|flight| flight.live == 0) {
            self.list.pop_front();
            self.first_id = self.first_id.wrapping_add(1);
        }
    }

    /// Nothing is in flight any more.
    pub(super) fn clear(&mut self) {
        self.first_id = self.first_id.wrapping_add(self.list.len() as u32);
        self.list.clear();
    }

    /// `bytes` were delivered, the latest of them by this flight. Says at which rate, and whether a round trip is over.
    pub(super) fn deliver(&mut self, now: Instant, bytes: usize, flight: Option<Flight>) -> (Option<Rate>, bool) {
        self.delivered = self.delivered.saturating_add(bytes as u64);
        let Some(flight) = flight else {
            self.delivered_at = Some(now);
            return (None, false);
        };
        let round = flight.delivered >= self.round_end;
        if round {
            self.round_end = self.delivered;
        }
        let sending = flight.sent.saturating_duration_since(flight.first_sent);
        let arriving = now.saturating_duration_since(flight.delivered_at);
        self.first_sent = Some(flight.sent);
        self.delivered_at = Some(now);
        let interval = sending.max(arriving);
        let amount = self.delivered.saturating_sub(flight.delivered);
        let rate = (interval > Duration::ZERO && amount > 0)
            .then(|| Rate { bytes: amount as f64 / interval.as_secs_f64(), app_limited: flight.app_limited });
        (rate, round)
    }

    /// There is less to send than the path would take.
    pub(super) const fn app_limited(&mut self, in_flight: usize) {
        let until = self.delivered.saturating_add(in_flight as u64);
        self.app_limited_until = if until > 0 { until } else { 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do as the origin")]
    fn rates_are_what_the_slower_of_sending_and_arriving_allows() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut flights = Flights::default();
        let first = flights.push(start, Tsn(u32::MAX), true);
        assert_eq!(flights.push(start, Tsn(0), false), first, "one flight");
        let second = flights.push(start + ms(10), Tsn(1), false);
        assert!(Flights::is_before(first, second));
        // Both chunks of the first flight, and then the other.
        let flight = flights.get(first).copied();
        flights.settle(first);
        flights.settle(first);
        let (rate, round) = flights.deliver(start + ms(50), 2000, flight);
        assert!(round);
        assert!((rate.map_or(0.0, |rate| rate.bytes) - 40_000.0).abs() < 1.0);
        flights.trim();
        assert_eq!(flights.len(), 1);
        let flight = flights.get(second).copied();
        let (rate, round) = flights.deliver(start + ms(60), 1000, flight);
        assert!(!round, "sent before the round began");
        assert!((rate.map_or(0.0, |rate| rate.bytes) - 50_000.0).abs() < 1.0);
        flights.app_limited(0);
        let third = flights.push(start + ms(70), Tsn(2), true);
        assert!(flights.get(third).is_some_and(|flight| flight.app_limited));
    }
}
