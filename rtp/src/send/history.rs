//! Packets kept for retransmission, in the order of their numbers, and which of them were asked for.

use super::config::Config;
use crate::Header;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A packet that was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Its sequence number, counted on where those wrap.
    pub(crate) number: u64,
    pub(crate) header: Header,
    pub(crate) payload: Bytes,
    pub(crate) is_key_frame: bool,
    pub(crate) tag: u64,
    /// When it was sent for the first time, and when again.
    pub(crate) at: Instant,
    pub(crate) again: Option<Instant>,
    /// Since when it waits to be sent again.
    pub(crate) wanted: Option<Instant>,
}

/// What has been sent of the present frame is among so many of the newest packets.
const MOST_RECENT: usize = 8;

/// What became of the request for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Queued,
    /// It waits already, or was sent again within a round trip.
    Underway,
    /// Too old, or never sent.
    Unknown,
    /// Too much waits already.
    Refused,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    /// Sorted by number. Numbers may be missing.
    packets: VecDeque<Sent>,
    bytes: usize,
    /// Numbers of packets above that wait to be sent again, and the bytes of these.
    wanted: VecDeque<u64>,
    wanted_bytes: usize,
    /// The last packet, where none is kept.
    unkept: Option<Sent>,
}

impl History {
    /// Keeps a packet, and forgets older ones to stay within bounds.
    pub(crate) fn insert(&mut self, config: &Config, now: Instant, sent: Sent) -> Option<&Sent> {
        if config.history_packets == 0 {
            return Some(self.unkept.insert(sent));
        }
        self.expire(config, now);
        let limit = config.history_bytes.saturating_sub(sent.payload.len());
        while !self.packets.is_empty() && (self.packets.len() >= config.history_packets || self.bytes > limit) {
            self.forget_oldest();
        }
        self.bytes += sent.payload.len();
        // Nearly always the last place; a packet that comes late has its own.
        let index = match self.packets.back() {
            Some(last) if last.number > sent.number => self.packets.partition_point(|kept| kept.number < sent.number),
            Some(_) | None => self.packets.len(),
        };
        self.packets.insert(index, sent);
        self.packets.get(index)
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, config: &Config, now: Instant) {
        let age = config.history_age;
        while self.packets.front().is_some_and(|sent| now.saturating_duration_since(sent.at) > age) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(sent) = self.packets.pop_front() else { return };
        self.bytes -= sent.payload.len();
        if sent.wanted.is_some() {
            self.wanted.retain(|number| *number != sent.number);
            self.wanted_bytes -= sent.payload.len();
        }
    }

    /// Whether one of the newest packets has this timestamp.
    pub(crate) fn has_recent(&self, timestamp: u32) -> bool {
        self.packets.iter().rev().take(MOST_RECENT).any(|sent| sent.header.timestamp == timestamp)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn index(&self, number: u64) -> Option<usize> {
        self.packets.binary_search_by_key(&number, |sent| sent.number).ok()
    }

    pub(crate) fn find(&self, number: u64) -> Option<&Sent> {
        self.packets.get(self.index(number)?)
    }

    pub(crate) fn find_mut(&mut self, number: u64) -> Option<&mut Sent> {
        let index = self.index(number)?;
        self.packets.get_mut(index)
    }

    /// The newest packet before the one with this number, or the newest of all.
    pub(crate) fn before(&self, number: Option<u64>) -> Option<&Sent> {
        let Some(number) = number else { return self.packets.back() };
        let index = self.packets.partition_point(|sent| sent.number < number);
        self.packets.get(index.checked_sub(1)?)
    }

    /// Asks for a packet, unless it was sent again within `rtt`. `suits` says whether it can be sent again at all.
    pub(crate) fn request(
        &mut self,
        now: Instant,
        number: u64,
        rtt: Duration,
        limit: usize,
        suits: impl FnOnce(&Header) -> bool,
    ) -> Request {
        let wanted_bytes = self.wanted_bytes;
        let Some(sent) = self.find_mut(number).filter(|sent| suits(&sent.header)) else { return Request::Unknown };
        let is_recent = sent.again.is_some_and(|again| now.saturating_duration_since(again) < rtt);
        if sent.wanted.is_some() || is_recent {
            return Request::Underway;
        }
        let length = sent.payload.len();
        if wanted_bytes.saturating_add(length) > limit {
            return Request::Refused;
        }
        sent.wanted = Some(now);
        self.wanted.push_back(number);
        self.wanted_bytes += length;
        Request::Queued
    }

    /// The packet that is to be sent again next.
    pub(crate) fn first_wanted(&self) -> Option<&Sent> {
        self.wanted.front().and_then(|number| self.find(*number))
    }

    /// Takes the next request; gives the packet's number, and since when it waited.
    pub(crate) fn take_wanted(&mut self) -> Option<(u64, Instant)> {
        let number = self.wanted.pop_front()?;
        let sent = self.find_mut(number)?;
        let (length, since) = (sent.payload.len(), sent.wanted.take()?);
        self.wanted_bytes -= length;
        Some((number, since))
    }

    /// Takes all requests back.
    pub(crate) fn forget_wanted(&mut self) {
        while self.take_wanted().is_some() {}
    }

    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn wanted(&self) -> usize {
        self.wanted.len()
    }

    pub(crate) const fn wanted_bytes(&self) -> usize {
        self.wanted_bytes
    }
}
