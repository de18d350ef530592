//! What is sent: frames become packets, and packets leave as fast as the path takes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;
use rtp::packet::{AbsSendTime, ExtensionWriter, Values};
use rtp::send::{self, Kind, Numbering, OutgoingFrame, OutgoingPacket, SendError, Sender};
use rtp::{Header, SequenceNumber};

use super::super::frame::{Frame, FrameError, Packet};
use super::super::{Codec, Encoding, Layer, MediaKind, PayloadType, SendParameters};
use super::layers::Allotted;
use super::redundancy::Redundancy;
use super::{Engine, MediaConfig, Section};

/// One layer that is sent.
pub(super) struct Outbound {
    pub(super) ssrc: u32,
    pub(super) rid: Option<String>,
    pub(super) encoding: Encoding,
    /// Its place among the layers.
    pub(super) place: usize,
    pub(super) allotted: Allotted,
    pub(super) payload_type: u8,
    pub(super) clock_rate: u32,
    /// When the last frame was sent, and its timestamp.
    last: Option<(Instant, u32)>,
    sound: Sound,
    /// Where each packet carries those before it.
    red: Option<Redundancy>,
    rtx_ssrc: u32,
    pub(super) sender: Sender,
    /// Bytes of headers and padding that were sent.
    pub(super) header_bytes: u64,
    /// Width and height, as the last key frame says.
    pub(super) frame_size: Option<(u32, u32)>,
    /// The codec of the last packet that was given, and its number here.
    given: Option<(Arc<Codec>, u8)>,
    /// What is added to the sequence numbers that packets are given with.
    number_offset: Option<u16>,
    /// After a number that could not be: the next one, which would show that whoever gives them has begun anew.
    suspect: Option<SequenceNumber>,
}

/// What there is to hear before the next frame of sound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sound {
    /// None was sent yet.
    Silence,
    /// It was not said how long the last frame lasts.
    Unknown,
    /// The timestamp at which the last frame is over.
    Until(u32),
}

impl Sound {
    /// Whether it is silent before a frame with this timestamp. Less than a millisecond is no silence but rounding.
    const fn is_over_at(self, timestamp: u32, clock_rate: u32) -> bool {
        match self {
            Self::Silence => true,
            Self::Unknown => false,
            Self::Until(end) => timestamp.wrapping_sub(end).cast_signed() >= (clock_rate / 1_000).cast_signed(),
        }
    }
}

impl Outbound {
    fn new(now: Instant, layer: &Layer, send: &SendParameters, config: &MediaConfig, rng: &mut StdRng) -> Option<Self> {
        let best = best_type(send)?;
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
        sender.max_packet_payload = Some(config.max_packet_payload);
        sender.header_size = HEADER_BYTES;
        sender.queue_packets = config.max_queued_packets;
        sender.history_packets = config.history;
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Some(Self {
            ssrc: layer.ssrc,
            rid: layer.encoding.rid.clone(),
            encoding: layer.encoding.clone(),
            place: 0,
            allotted: Allotted::default(),
            payload_type: best.number,
            clock_rate: best.codec.clock_rate,
            last: None,
            sound: Sound::Silence,
            red: None,
            rtx_ssrc: layer.rtx_ssrc,
            sender: Sender::new(sender, now, seed),
            header_bytes: 0,
            frame_size: None,
            given: None,
            number_offset: None,
            suspect: None,
        })
    }

    pub(super) fn has_queued(&self) -> bool {
        self.sender.next_size().is_some()
    }

    pub(super) fn send_frame(
        &mut self,
        now: Instant,
        send: Option<&SendParameters>,
        frame: &Frame,
    ) -> Result<(), FrameError> {
        let best = send.and_then(best_type);
        if let Some(best) = best {
            self.set_type(best);
        }
        self.count_by_ourselves();
        let timestamp = ticks(frame.timestamp, self.clock_rate);
        self.last = Some((now, timestamp));
        let is_key_frame = frame.is_key_frame;
        let starts_talk_spurt = self.sound.is_over_at(timestamp, self.clock_rate);
        let outgoing =
            OutgoingFrame { data: &frame.data, timestamp, is_key_frame, starts_talk_spurt, ..OutgoingFrame::default() };
        let sent = match &mut self.red {
            Some(red) if !frame.data.is_empty() => red.send(now, &mut self.sender, self.payload_type, &outgoing),
            Some(_) | None => self.sender.send_frame(now, &outgoing),
        };
        sent.map_err(|error| self.refused(error))?;
        self.sound = match frame.duration {
            Some(duration) => Sound::Until(timestamp.wrapping_add(ticks(duration, self.clock_rate))),
            None => Sound::Unknown,
        };
        if is_key_frame {
            self.frame_size = best.and_then(|best| best.codec.frame_size(&frame.data)).or(self.frame_size);
        }
        Ok(())
    }

    /// Sends a packet that was made elsewhere.
    pub(super) fn send_packet(
        &mut self,
        now: Instant,
        send: &SendParameters,
        packet: &Packet,
    ) -> Result<(), FrameError> {
        let payload_type = self.type_of(send, &packet.codec)?;
        let offset = match packet.sequence {
            Some(sequence) => self.number_offset(sequence),
            None => {
                self.count_by_ourselves();
                0
            }
        };
        // The sender does that by itself where it counts by itself.
        let timestamp_offset = packet.sequence.map_or(0, |_| self.sender.timestamp_offset());
        let header = Header {
            marker: packet.marker,
            payload_type,
            sequence: SequenceNumber(packet.sequence.unwrap_or_default()).plus(offset),
            timestamp: packet.timestamp.wrapping_add(timestamp_offset),
            ssrc: self.ssrc,
        };
        let outgoing = OutgoingPacket {
            header,
            payload: packet.payload.clone(),
            captured: packet.captured,
            is_key_frame: packet.is_key_frame,
            tag: 0,
        };
        let given = SequenceNumber(packet.sequence.unwrap_or_default());
        match self.sender.send_packet(now, outgoing) {
            Err(SendError::BadNumber) => {
                // The second in a row is believed: the packet behind it begins anew.
                if self.suspect.replace(given.next()) == Some(given) {
                    (self.number_offset, self.suspect) = (None, None);
                }
                Err(FrameError::UsedNumber { sequence: given.0 })
            }
            result => {
                self.suspect = None;
                result.map_err(|error| self.refused(error))
            }
        }
    }

    /// What is added to numbers that are given, so that the first follows upon what was sent before.
    fn number_offset(&mut self, first: u16) -> u16 {
        if self.number_offset.is_none() {
            self.sender.set_numbering(Numbering::Kept);
        }
        let next = self.sender.next_number();
        *self.number_offset.get_or_insert(next.0.wrapping_sub(first))
    }

    fn count_by_ourselves(&mut self) {
        self.sender.set_numbering(Numbering::Continuous);
        (self.number_offset, self.suspect) = (None, None);
    }

    /// The number of a codec here. That of the last packet is remembered, as codecs seldom change.
    fn type_of(&mut self, send: &SendParameters, codec: &Arc<Codec>) -> Result<u8, FrameError> {
        if let Some((last, number)) = &self.given
            && Arc::ptr_eq(last, codec)
        {
            return Ok(*number);
        }
        let agreed = send.types.iter().find(|one| one.codec.matches(codec));
        let agreed = agreed.ok_or_else(|| FrameError::NoCodec { codec: Box::new((**codec).clone()) })?;
        self.given = Some((codec.clone(), agreed.number));
        // What rides along leaves the stream as it is.
        if agreed.codec.format().is_some() {
            self.set_type(agreed);
        }
        Ok(agreed.number)
    }

    /// From now on the stream is of this type, and repaired by what is agreed for it.
    fn set_type(&mut self, one: &PayloadType) {
        if self.payload_type == one.number {
            return;
        }
        (self.payload_type, self.clock_rate, self.given) = (one.number, one.codec.clock_rate, None);
        // What it counts in may be other ticks.
        self.sound = Sound::Unknown;
        self.sender.set_format(one.codec.format(), one.number, one.codec.clock_rate);
        self.sender.set_rtx(one.rtx.map(|payload_type| send::Rtx { ssrc: self.rtx_ssrc, payload_type }));
    }

    fn refused(&self, error: SendError) -> FrameError {
        match error {
            SendError::Frame(error) => FrameError::Frame(error),
            SendError::QueueFull(_) => FrameError::Full { packets: self.sender.stats().queued_packets },
            SendError::TooLong { length, limit } => FrameError::PacketTooLong { length, limit },
            // Streams here are always active and take frames.
            SendError::Inactive | SendError::NoFormat | SendError::BadNumber | _ => FrameError::NotReady,
        }
    }
}

impl Outbound {
    /// The timestamp of what is sampled now: what the frames' own clock shows, or where there were none yet, one that
    /// began with the session.
    pub(super) fn timestamp(&self, now: Instant, began: Instant) -> u32 {
        let (at, timestamp) = self.last.unwrap_or((began, 0));
        timestamp.wrapping_add(ticks(now.saturating_duration_since(at), self.clock_rate))
    }

    /// The stream goes on under what is agreed now.
    fn resumed(mut self, now: Instant, send: &SendParameters) -> Self {
        self.sender.set_active(now, true);
        self.given = None;
        // A number keeps its meaning, but it may no longer be agreed.
        let is_agreed = send.types.iter().any(|one| one.number == self.payload_type);
        if let (false, Some(best)) = (is_agreed, best_type(send)) {
            self.set_type(best);
        }
        self
    }

    /// What it carries of earlier frames is what is agreed now.
    fn with_redundancy(mut self, send: &SendParameters, config: &MediaConfig) -> Self {
        let red = Redundancy::new(send, config);
        if red.as_ref().map(Redundancy::payload_type) != self.red.as_ref().map(Redundancy::payload_type) {
            self.red = red;
        }
        self
    }
}

/// What is sent where nobody says otherwise: of what can be packetised, the first.
fn best_type(send: &SendParameters) -> Option<&PayloadType> {
    send.types.iter().find(|one| one.codec.format().is_some())
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
        let mut before: Vec<Outbound> = self.outbound.drain(..).chain(self.parked.drain(..)).collect();
        if let Some(send) = &self.parameters.send {
            for (place, layer) in send.layers.iter().enumerate() {
                let is_of = |stream: &Outbound| stream.ssrc == layer.ssrc && stream.rid == layer.encoding.rid;
                let known = before.iter().position(is_of).map(|index| before.swap_remove(index));
                before.retain(|stream| stream.ssrc != layer.ssrc);
                let stream = match known {
                    Some(stream) => Some(stream.resumed(now, send)),
                    None => Outbound::new(now, layer, send, config, rng),
                };
                self.outbound.extend(stream.map(|stream| Outbound {
                    place,
                    encoding: layer.encoding.clone(),
                    ..stream.with_redundancy(send, config)
                }));
            }
        }
        before.iter_mut().for_each(|stream| stream.sender.set_active(now, false));
        self.parked = before;
    }
}

impl Engine {
    /// Appends one protected datagram: reports and requests first, then sound, then pictures as the pacer allows.
    pub(crate) fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        self.keys.is_some() && (self.transmit_rtcp(now, buf) || self.transmit_rtp(now, buf))
    }

    /// Whether data channels may send now, beside media.
    pub(crate) fn lets_data(&mut self, now: Instant) -> bool {
        self.bandwidth.lets_data(now)
    }

    /// So many bytes of data channels have left; or none could, though there are some.
    pub(crate) fn on_data(&mut self, now: Instant, sent: usize, has_more: bool) {
        if sent > 0 {
            self.bandwidth.on_data_sent(now, sent);
        } else if has_more {
            self.bandwidth.on_data_waiting(now);
        }
    }

    /// When data channels that have to wait may go on.
    pub(crate) const fn data_release(&self) -> Option<Instant> {
        self.bandwidth.data_release()
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
        let is_video = !section.is_audio();
        let has_turns = section.outbound.len() > 1;
        section.outbound.rotate_left(usize::from(has_turns));
        let (map, mid) = (&section.sent_map, &section.parameters.mid);
        let mut streams = section.outbound.iter_mut();
        let next = streams
            .find_map(|stream| Some((stream.rid.as_deref(), &mut stream.header_bytes, stream.sender.poll(now)?)));
        let Some((rid, header_bytes, outgoing)) = next else { return false };
        let (start, is_repair) = (buf.len(), outgoing.kind != Kind::Media);
        let bytes = HEADER_BYTES + outgoing.payload_size() + PROTECTION_BYTES;
        let sequence = self.bandwidth.on_sent(now, bytes, is_video);
        if outgoing.kind == Kind::Retransmission {
            self.bandwidth.on_repair(now, bytes);
        }
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
