//! What is sent: frames become packets, and packets leave as fast as the path takes them.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use rtp::packet::{AbsSendTime, ExtensionWriter, Values};
use rtp::send::{self, Kind, OutgoingFrame, SendError, Sender};

use super::super::frame::{Frame, FrameError};
use super::super::{Layer, MediaKind, SendParameters};
use super::redundancy::Redundancy;
use super::{Engine, MediaConfig, Section};

/// One layer that is sent.
pub(super) struct Outbound {
    pub(super) ssrc: u32,
    pub(super) rid: Option<String>,
    pub(super) payload_type: u8,
    pub(super) clock_rate: u32,
    /// When the last frame was sent, and its timestamp.
    last: Option<(Instant, u32)>,
    /// Where each packet carries those before it.
    red: Option<Redundancy>,
    pub(super) sender: Sender,
    /// Bytes of headers and padding that were sent.
    pub(super) header_bytes: u64,
    /// Width and height, as the last key frame says.
    pub(super) frame_size: Option<(u32, u32)>,
}

impl Outbound {
    fn new(now: Instant, layer: &Layer, send: &SendParameters, config: &MediaConfig, rng: &mut StdRng) -> Option<Self> {
        // What can be packetised comes first; events ride along.
        let best = send.types.iter().find(|one| one.codec.format().is_some())?;
        let media = match best.codec.kind {
            MediaKind::Audio => send::Media::Audio,
            MediaKind::Video => send::Media::Video,
        };
        let mut sender = send::Config::new(media, layer.ssrc, best.number, best.codec.clock_rate);
        sender.format = best.codec.format();
        sender.rtx = best.rtx.map(|payload_type| send::Rtx { ssrc: layer.rtx_ssrc, payload_type });
        // Each transmission has a transport sequence number of its own, so the very same packet cannot be sent again,
        // and an AEAD must not seal another one under its number (RFC 7714, section 8.4).
        sender.resends_without_rtx = false;
        sender.max_payload = config.max_payload;
        sender.header_size = HEADER_BYTES;
        sender.queue_packets = config.max_queued_packets;
        sender.history_packets = config.history;
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Some(Self {
            ssrc: layer.ssrc,
            rid: layer.encoding.rid.clone(),
            payload_type: best.number,
            clock_rate: best.codec.clock_rate,
            last: None,
            red: None,
            sender: Sender::new(sender, now, seed),
            header_bytes: 0,
            frame_size: None,
        })
    }

    pub(super) fn has_queued(&self) -> bool {
        self.sender.next_size().is_some()
    }

    pub(super) fn send_frame(&mut self, now: Instant, frame: &Frame) -> Result<(), FrameError> {
        let timestamp = ticks(frame.timestamp, self.clock_rate);
        self.last = Some((now, timestamp));
        let is_key_frame = frame.is_key_frame;
        let outgoing = OutgoingFrame { data: &frame.data, timestamp, is_key_frame, ..OutgoingFrame::default() };
        let sent = match &mut self.red {
            Some(red) if !frame.data.is_empty() => {
                red.send(now, &mut self.sender, self.payload_type, timestamp, &frame.data)
            }
            Some(_) | None => self.sender.send_frame(now, &outgoing),
        };
        sent.map_err(|error| match error {
            SendError::Frame(error) => FrameError::Frame(error),
            SendError::QueueFull(_) => FrameError::Full { packets: self.sender.stats().queued_packets },
            // Streams here are always active and take frames.
            SendError::Inactive | SendError::NoFormat | SendError::TooLong { .. } | SendError::BadNumber | _ => {
                FrameError::NotReady
            }
        })
    }
}

impl Outbound {
    /// The timestamp of what is sampled now: what the frames' own clock shows, or where there were none yet, one that
    /// began with the session.
    pub(super) fn timestamp(&self, now: Instant, began: Instant) -> u32 {
        let (at, timestamp) = self.last.unwrap_or((began, 0));
        timestamp.wrapping_add(ticks(now.saturating_duration_since(at), self.clock_rate))
    }

    /// Whether what it is sending is of no more use, and nothing of it may leave.
    fn set_active(&mut self, now: Instant, is_active: bool) {
        self.sender.set_active(now, is_active);
    }
}

/// A time in ticks of a clock; as timestamps do, it wraps.
fn ticks(time: Duration, clock_rate: u32) -> u32 {
    let whole = time.as_secs().wrapping_mul(u64::from(clock_rate));
    let part = u64::from(time.subsec_nanos()) * u64::from(clock_rate) / 1_000_000_000;
    whole.wrapping_add(part) as u32
}

impl Section {
    /// Streams for the layers that are agreed; those that were there go on, and those of before go on where they
    /// stopped, as a source never gives a sequence number twice.
    pub(super) fn configure_outbound(&mut self, now: Instant, config: &MediaConfig, rng: &mut StdRng) {
        let types = self.parameters.send.iter().flat_map(|send| &send.types);
        let best = types.into_iter().find(|one| one.codec.format().is_some()).map(|one| one.number);
        let layers = self.parameters.send.iter().flat_map(|send| &send.layers);
        let is_agreed = |stream: &Outbound, layer: &Layer| {
            Some(stream.payload_type) == best && layer.ssrc == stream.ssrc && layer.encoding.rid == stream.rid
        };
        let mut before: Vec<Outbound> = self.outbound.drain(..).chain(self.parked.drain(..)).collect();
        for layer in layers {
            let known = before.iter().position(|stream| is_agreed(stream, layer));
            match (known.map(|index| before.swap_remove(index)), &self.parameters.send) {
                (Some(mut stream), _) => {
                    stream.set_active(now, true);
                    self.outbound.push(stream);
                }
                (None, Some(send)) => {
                    before.retain(|stream| stream.ssrc != layer.ssrc);
                    self.outbound.extend(Outbound::new(now, layer, send, config, rng));
                }
                (None, None) => {}
            }
        }
        before.iter_mut().for_each(|stream| stream.set_active(now, false));
        self.parked = before;
        let Some(send) = &self.parameters.send else { return };
        for stream in &mut self.outbound {
            let red = Redundancy::new(send, config);
            if red.as_ref().map(Redundancy::payload_type) != stream.red.as_ref().map(Redundancy::payload_type) {
                stream.red = red;
            }
        }
    }
}

impl Engine {
    /// Appends one protected datagram: reports and requests first, then sound, then pictures as the pacer allows.
    pub(crate) fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.keys.is_some() && (self.transmit_rtcp(now, buf) || self.transmit_rtp(now, buf))
    }

    fn transmit_rtp(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        if self.transmit_where(now, buf, |section| section.is_audio()) {
            return true;
        }
        let paced = || self.sections.iter().filter(|section| !section.is_audio()).flat_map(|section| &section.outbound);
        let queued = paced().map(|stream| stream.sender.queued_bytes()).sum();
        let oldest = paced().filter_map(|stream| stream.sender.waiting_since()).min();
        if !self.bandwidth.can_send(now, queued, oldest) {
            return false;
        }
        self.transmit_where(now, buf, |section| !section.is_audio()) || self.transmit_probe(now, buf)
    }

    /// The next packet of the sections that `is_meant` says, each having its turn.
    fn transmit_where(&mut self, now: Instant, buf: &mut Vec<u8>, is_meant: impl Fn(&Section) -> bool) -> bool {
        let is_ready = |section: &Section| is_meant(section) && section.outbound.iter().any(Outbound::has_queued);
        let after = self.sections.iter().enumerate().skip(self.turn + 1);
        let next = after.chain(self.sections.iter().enumerate()).find(|(_, section)| is_ready(section));
        let Some(index) = next.map(|(index, _)| index) else { return false };
        self.turn = index;
        self.transmit_from(now, buf, index)
    }

    /// Fills a probe of the path with packets of before, which may do some good, or with padding.
    fn transmit_probe(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let mut streams = (0..)
            .zip(&mut self.sections)
            .flat_map(|(index, section)| section.outbound.iter_mut().map(move |stream| (index, stream)));
        if !self.bandwidth.is_probing() {
            return false;
        }
        let filled = streams.find_map(|(index, stream)| (stream.sender.padding(now, PROBE_BYTES) > 0).then_some(index));
        filled.is_some_and(|index| self.transmit_from(now, buf, index))
    }

    /// The next packet of one section, whose layers take turns.
    fn transmit_from(&mut self, now: Instant, buf: &mut Vec<u8>, index: usize) -> bool {
        let ntp = self.ntp(now);
        let (Some(keys), Some(section)) = (&mut self.keys, self.sections.get_mut(index)) else { return false };
        let has_turns = section.outbound.len() > 1;
        section.outbound.rotate_left(usize::from(has_turns));
        let (map, mid) = (&section.sent_map, &section.parameters.mid);
        let mut streams = section.outbound.iter_mut();
        let next = streams
            .find_map(|stream| Some((stream.rid.as_deref(), &mut stream.header_bytes, stream.sender.poll(now)?)));
        let Some((rid, header_bytes, outgoing)) = next else { return false };
        let (start, is_repair) = (buf.len(), outgoing.kind != Kind::Media);
        let sequence = self.bandwidth.on_sent(now, HEADER_BYTES + outgoing.payload_size() + PROTECTION_BYTES);
        let values = Values {
            abs_send_time: Some(AbsSendTime::from_ntp(ntp)),
            transport_sequence: Some(sequence.0),
            mid: Some(mid),
            rid: rid.filter(|_| !is_repair),
            repaired_rid: rid.filter(|_| is_repair),
            ..Values::default()
        };
        // What is not in the map was not agreed, and is not written.
        let write = |writer: &mut ExtensionWriter<'_>| values.write(map, writer);
        if outgoing.payload.is_empty() && outgoing.padding > 0 {
            outgoing.header.encode_padding(outgoing.padding, write, buf);
        } else {
            outgoing.header.encode_with(&[], write, buf);
            outgoing.append_payload(buf);
        }
        let payload = outgoing.payload_size() - usize::from(outgoing.padding);
        *header_bytes += (buf.len() - start).saturating_sub(payload) as u64;
        // A packet that cannot be protected does not leave.
        keys.outbound.protect_rtp(buf, start).is_ok()
    }
}

/// Header and extensions of a packet, about.
const HEADER_BYTES: usize = 32;
/// What protection adds at most.
const PROTECTION_BYTES: usize = 16;
/// How much of a probe is filled at a time, in bytes: a few packets.
const PROBE_BYTES: usize = 1_000;
