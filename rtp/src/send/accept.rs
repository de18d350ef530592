//! What the application gives: frames, or packets.

use super::outgoing::{OutgoingFrame, OutgoingPacket};
use super::queue::Waiting;
use super::report::Reference;
use super::{Media, Numbering, SendError, Sender};
use crate::payload::Payloads;
use bytes::BytesMut;
use std::time::Instant;

/// Frames up to this length are cut in memory that stays; a longer one is an exception.
const USUAL_FRAME: usize = 256 << 10;

impl Sender {
    /// Cuts a frame into packets, which wait for [`poll`](Self::poll). All of it is taken, or nothing: after
    /// [`SendError::QueueFull`] the next frame of video should be a key frame.
    pub fn send_frame(&mut self, now: Instant, frame: &OutgoingFrame<'_>) -> Result<(), SendError> {
        self.requests.advance(now, self.config.key_frame_interval);
        if !self.stats.active {
            return Err(SendError::Inactive);
        }
        if self.config.numbering == Numbering::Kept {
            return Err(SendError::NoFormat);
        }
        // Before work and memory go into it; what the payload format adds is looked at below.
        if !frame.is_key_frame || frame.data.len() > self.config.queue_bytes {
            self.check_room(1, frame.data.len(), 1)?;
        }
        let packetizer = self.packetizer.as_mut().ok_or(SendError::NoFormat)?;
        self.payloads.clear();
        packetizer.packetize(frame.data, self.config.payload_limit(), &mut self.payloads)?;
        let size = self.payloads.iter().map(<[u8]>::len).sum();
        let count = self.payloads.len();
        if frame.is_key_frame {
            self.make_way(frame.timestamp.wrapping_add(self.timestamp_offset));
        }
        self.check_room(count, size, 1)?;
        self.queue_payloads(now, frame, count, size);
        if frame.data.len() > USUAL_FRAME {
            self.payloads = Payloads::default();
        }
        if frame.is_key_frame {
            self.requests.answer();
        }
        Ok(())
    }

    /// The receiver decodes nothing that comes before a key frame that it asked for: what of that waits to be sent, or
    /// to be sent again, would only hold the key frame up. Of one that comes as packets, some may have come before, and
    /// are known by its timestamp.
    fn make_way(&mut self, timestamp: u32) {
        if !self.requests.is_open() || self.config.media != Media::Video {
            return;
        }
        self.stats.dropped += self.queue.drop_others(timestamp, self.is_amid_frame) as u64;
        if !self.history.has_recent(timestamp) {
            self.history.clear();
            self.repeated = None;
        }
    }

    fn queue_payloads(&mut self, now: Instant, frame: &OutgoingFrame<'_>, count: usize, size: usize) {
        let timestamp = frame.timestamp.wrapping_add(self.timestamp_offset);
        Reference::update(&mut self.reference, Reference { timestamp, captured: frame.captured.unwrap_or(now) });
        // One buffer for the frame; its packets are ranges of it.
        let mut buffer = BytesMut::with_capacity(size);
        self.payloads.iter().for_each(|payload| buffer.extend_from_slice(payload));
        let mut rest = buffer.freeze();
        for (index, payload) in self.payloads.iter().enumerate() {
            let is_last = index + 1 == count;
            let marker = match self.config.media {
                Media::Audio => frame.starts_talk_spurt && index == 0,
                Media::Video => is_last,
            };
            let payload = if is_last { std::mem::take(&mut rest) } else { rest.split_to(payload.len()) };
            self.queue.push(Waiting {
                number: None,
                marker,
                payload_type: self.config.payload_type,
                timestamp,
                payload,
                ends_frame: is_last,
                is_key_frame: frame.is_key_frame,
                tag: frame.tag,
                since: now,
            });
        }
    }

    /// Takes a packet that was made elsewhere; it waits for [`poll`](Self::poll).
    pub fn send_packet(&mut self, now: Instant, packet: OutgoingPacket) -> Result<(), SendError> {
        self.requests.advance(now, self.config.key_frame_interval);
        if !self.stats.active {
            return Err(SendError::Inactive);
        }
        let (length, limit) = (packet.payload.len(), self.config.packet_limit());
        if length > limit {
            return Err(SendError::TooLong { length, limit });
        }
        let marker = packet.header.marker;
        let ends_frame = self.config.media == Media::Audio || marker;
        if packet.is_key_frame && self.config.numbering == Numbering::Continuous {
            self.make_way(packet.header.timestamp.wrapping_add(self.timestamp_offset));
        }
        self.check_room(1, length, usize::from(ends_frame))?;
        let (number, timestamp) = match self.config.numbering {
            Numbering::Continuous => (None, packet.header.timestamp.wrapping_add(self.timestamp_offset)),
            Numbering::Kept => {
                let number = self.numbers.peek(packet.header.sequence);
                // A pause may have dropped what lay between. Who sees only what went out, the receiver and SRTP among
                // them, would take a longer step for one back.
                let is_too_far = self.highest.is_some_and(|highest| number >= highest.saturating_add(1 << 15));
                if is_too_far || !self.used.insert(number) {
                    return Err(SendError::BadNumber);
                }
                if packet.is_key_frame {
                    self.make_way(packet.header.timestamp);
                }
                (Some(self.numbers.unwrap(packet.header.sequence)), packet.header.timestamp)
            }
        };
        Reference::update(&mut self.reference, Reference { timestamp, captured: packet.captured.unwrap_or(now) });
        self.queue.push(Waiting {
            number,
            marker,
            payload_type: packet.header.payload_type & 0x7f,
            timestamp,
            payload: packet.payload,
            ends_frame,
            is_key_frame: packet.is_key_frame,
            tag: packet.tag,
            since: now,
        });
        if packet.is_key_frame {
            self.requests.answer();
        }
        Ok(())
    }

    /// Whether the queue takes so much more; counts where it does not.
    fn check_room(&mut self, packets: usize, bytes: usize, frames: usize) -> Result<(), SendError> {
        self.queue.check(&self.config, packets, bytes, frames).map_err(|limit| {
            self.stats.refused += 1;
            tracing::debug!(ssrc = self.config.ssrc, %limit, "the queue is full");
            SendError::QueueFull(limit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::send::Config;

    /// Queues a frame as if a payload format had cut it so.
    fn queue(sender: &mut Sender, cut: &[&[u8]]) {
        let now = sim::start();
        sender.payloads.clear();
        cut.iter().for_each(|payload| sender.payloads.push_with(|buf| buf.extend_from_slice(payload)));
        let frame = OutgoingFrame { is_key_frame: true, tag: 9, ..OutgoingFrame::default() };
        sender.queue_payloads(now, &frame, cut.len(), cut.iter().map(|payload| payload.len()).sum());
    }

    #[test]
    fn packets_of_a_frame_are_ranges_of_one_buffer() {
        let mut sender = Sender::new(Config::new(Media::Video, 1, 96, 90_000), sim::start(), [1; 32]);
        queue(&mut sender, &[b"one", b"two", b"three"]);
        let packets = std::iter::from_fn(|| sender.queue.pop()).collect::<Vec<_>>();
        assert_eq!(
            packets.iter().map(|packet| &packet.payload[..]).collect::<Vec<_>>(),
            [&b"one"[..], b"two", b"three"]
        );
        let places = packets.iter().map(|packet| packet.payload.as_ptr() as usize).collect::<Vec<_>>();
        assert_eq!([places[1] - places[0], places[2] - places[1]], [3, 3]);
        assert_eq!(packets.iter().map(|packet| packet.marker).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(packets.iter().map(|packet| packet.ends_frame).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn a_frame_counts_when_its_last_packet_goes() {
        let (mut sender, now) =
            (Sender::new(Config::new(Media::Video, 1, 96, 90_000), sim::start(), [1; 32]), sim::start());
        queue(&mut sender, &[b"one", b"two"]);
        assert!(sender.poll(now).is_some_and(|packet| packet.tag == 9 && packet.is_key_frame && !packet.header.marker));
        assert_eq!((sender.stats().frames_sent, sender.stats().key_frames_sent), (0, 0));
        assert!(sender.poll(now).is_some_and(|packet| packet.tag == 9 && packet.header.marker));
        assert_eq!((sender.stats().frames_sent, sender.stats().key_frames_sent), (1, 1));
    }
}
