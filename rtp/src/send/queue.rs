//! Packets that wait to be sent for the first time.

use super::config::Config;
use super::error::Limit;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Instant;

/// A packet before it is sent. Numbers of our own are given when it goes, so that what is dropped leaves no hole.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The number that it came with, where numbers are kept.
    pub(crate) number: Option<u64>,
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) timestamp: u32,
    pub(crate) payload: Bytes,
    pub(crate) ends_frame: bool,
    pub(crate) is_key_frame: bool,
    pub(crate) tag: u64,
    pub(crate) since: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    packets: VecDeque<Waiting>,
    bytes: usize,
    frames: usize,
}

impl Queue {
    /// Whether so much more fits.
    pub(crate) fn check(&self, config: &Config, packets: usize, bytes: usize, frames: usize) -> Result<(), Limit> {
        let fits = |held: usize, more: usize, limit| held.checked_add(more).is_some_and(|sum| sum <= limit);
        if !fits(self.frames, frames, config.queue_frames) {
            return Err(Limit::Frames);
        }
        if !fits(self.bytes, bytes, config.queue_bytes) {
            return Err(Limit::Bytes);
        }
        if !fits(self.packets.len(), packets, config.queue_packets) {
            return Err(Limit::Packets);
        }
        Ok(())
    }

    pub(crate) fn push(&mut self, packet: Waiting) {
        self.bytes += packet.payload.len();
        self.frames += usize::from(packet.ends_frame);
        self.packets.push_back(packet);
    }

    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.payload.len();
        self.frames -= usize::from(packet.ends_frame);
        Some(packet)
    }

    /// Drops all frames but that of this `timestamp`, the rest of the first one if that `has_begun` to be sent, and
    /// packets that brought their numbers, of which none may be missing. Returns how many packets are gone.
    pub(crate) fn drop_others(&mut self, timestamp: u32, has_begun: bool) -> usize {
        let before = self.packets.len();
        let mut is_rest = has_begun;
        let (bytes, frames) = (&mut self.bytes, &mut self.frames);
        self.packets.retain(|packet| {
            let stays = is_rest || packet.number.is_some() || packet.timestamp == timestamp;
            is_rest &= !packet.ends_frame;
            if !stays {
                *bytes -= packet.payload.len();
                *frames -= usize::from(packet.ends_frame);
            }
            stays
        });
        before - self.packets.len()
    }

    pub(crate) fn has_key_frame(&self) -> bool {
        self.packets.iter().any(|packet| packet.is_key_frame)
    }

    pub(crate) fn front(&self) -> Option<&Waiting> {
        self.packets.front()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.packets.iter_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}
