//! What arrives: each source finds its section, and each section hands out frames or packets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp::SequenceNumber;
use rtp::packet::{FIXED_HEADER_LENGTH, Values};
use rtp::payload::telephone_event;
use rtp::receive::{self, Receiver};
use rtp::rtcp::SenderInfo;

use super::super::frame::{ReceivedFrame, ReceivedPacket};
use super::super::{Codec, MediaKind, TransceiverId};
use super::redundancy::Heard;
use super::{Door, Engine, MAX_TOLD, MediaConfig, Place, Section, Told};

/// One stream of the peer: a source, its retransmissions, and the frames that they become.
pub(super) struct Inbound {
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: Option<u32>,
    pub(super) rid: Option<Arc<str>>,
    /// Made with the first packet, which says the codec.
    stream: Option<Stream>,
    rtt: Option<Duration>,
    /// Counts full intra requests (RFC 5104, section 4.3.1.1).
    pub(super) fir_sequence: u8,
    /// When a key frame was last asked for, whatever source and codec the stream had then.
    pub(super) asked: Option<Instant>,
    /// How many of these were sent.
    pub(super) fir_count: u64,
    /// Width and height, as the last key frame says.
    pub(super) frame_size: Option<(u32, u32)>,
    /// What came, where packets carry those before them.
    pub(super) heard: Heard,
    /// What it makes of telephone events, once there are any.
    pub(super) keys: Option<Box<telephone_event::Receiver>>,
    /// The last packet: its number, and when it came.
    last: Option<(SequenceNumber, Instant)>,
    /// The peer said goodbye: how long what is missing may still come.
    ends: Option<Instant>,
}

struct Stream {
    receiver: Receiver,
    payload_type: u8,
    codec: Arc<Codec>,
    /// The timestamp of the first frame, in ticks that never wrap.
    first: Option<u64>,
    /// That of the latest.
    latest: Option<u64>,
}

impl Stream {
    /// How long the next frame lasts: see [`ReceivedFrame::duration`].
    fn duration(&mut self, frame: &receive::Frame) -> Option<Duration> {
        let before = self.latest.replace(frame.extended_timestamp).filter(|_| !frame.discontinuity);
        match self.codec.kind {
            MediaKind::Audio => self.codec.duration(&frame.data),
            MediaKind::Video => {
                let distance = ticks(frame.extended_timestamp.checked_sub(before?)?, self.codec.clock_rate);
                (!distance.is_zero() && distance <= LONGEST_PICTURE).then_some(distance)
            }
        }
    }
}

impl Inbound {
    fn new(ssrc: u32, rtx_ssrc: Option<u32>, rid: Option<Arc<str>>) -> Self {
        Self {
            ssrc,
            rtx_ssrc,
            rid,
            stream: None,
            rtt: None,
            fir_sequence: 0,
            asked: None,
            fir_count: 0,
            frame_size: None,
            heard: Heard::default(),
            keys: None,
            last: None,
            ends: None,
        }
    }

    pub(super) const fn is_ended(&self) -> bool {
        self.ends.is_some()
    }

    /// A packet came. One beyond all others shows that the source goes on after its goodbye.
    fn hear(&mut self, now: Instant, sequence: SequenceNumber) {
        if self.last.is_none_or(|(last, _)| last.precedes(sequence)) {
            self.last = Some((sequence, now));
            self.ends = None;
        }
    }

    pub(super) fn receiver(&self) -> Option<&Receiver> {
        self.stream.as_ref().map(|stream| &stream.receiver)
    }

    /// The type and the codec of the last packet.
    pub(super) fn codec(&self) -> Option<(u8, &Arc<Codec>)> {
        self.stream.as_ref().map(|stream| (stream.payload_type, &stream.codec))
    }

    pub(super) fn receiver_mut(&mut self) -> Option<&mut Receiver> {
        self.stream.as_mut().map(|stream| &mut stream.receiver)
    }

    pub(super) fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = Some(rtt);
        if let Some(receiver) = self.receiver_mut() {
            receiver.set_rtt(rtt);
        }
    }

    /// The stream for packets of this type; another codec begins another one.
    fn stream(
        &mut self,
        now: Instant,
        payload_type: u8,
        codec: &Arc<Codec>,
        config: &MediaConfig,
    ) -> Option<&mut Stream> {
        if self.stream.as_ref().is_none_or(|stream| stream.payload_type != payload_type && stream.codec != *codec) {
            let mut receiver = Receiver::new(receiver_config(codec, config)?, self.ssrc, now);
            if let Some(rtt) = self.rtt {
                receiver.set_rtt(rtt);
            }
            self.stream = Some(Stream { receiver, payload_type, codec: codec.clone(), first: None, latest: None });
        }
        self.stream.as_mut()
    }

    pub(super) fn has_frame(&self) -> bool {
        self.receiver().is_some_and(Receiver::has_frame)
    }

    pub(super) fn read(&mut self, now: Instant) -> Option<ReceivedFrame> {
        let stream = self.stream.as_mut()?;
        let frame = stream.receiver.read(now)?;
        let first = *stream.first.get_or_insert(frame.extended_timestamp);
        let duration = stream.duration(&frame);
        if frame.is_keyframe {
            self.frame_size = stream.codec.frame_size(&frame.data).or(self.frame_size);
        }
        Some(ReceivedFrame {
            data: frame.data,
            timestamp: ticks(frame.extended_timestamp.saturating_sub(first), stream.codec.clock_rate),
            duration,
            rtp_timestamp: frame.timestamp,
            is_key_frame: frame.is_keyframe,
            follows_loss: frame.discontinuity,
            codec: stream.codec.clone(),
            rid: self.rid.clone(),
            received: frame.received,
        })
    }

    pub(super) fn request_keyframe(&mut self, now: Instant) {
        if let Some(receiver) = self.receiver_mut() {
            receiver.request_keyframe(now);
        }
    }

    pub(super) fn handle_sender_report(&mut self, now: Instant, ssrc: u32, info: &SenderInfo) {
        if let Some(receiver) = self.receiver_mut() {
            receiver.handle_sender_report(now, ssrc, info);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(receiver) = self.receiver_mut() {
            receiver.handle_timeout(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let keys = self.keys.as_ref().and_then(|keys| keys.poll_timeout());
        // What is not read yet keeps an ended source, however long that takes.
        let ends = self.ends.filter(|_| !self.has_frame());
        [self.receiver().and_then(Receiver::poll_timeout), keys, ends].into_iter().flatten().min()
    }
}

/// A source that was silent for so long gives way to a new one where there are as many as may be.
const SILENCE: Duration = Duration::from_secs(2);

/// Pictures that are further apart are no measure of each other: it was a pause.
const LONGEST_PICTURE: Duration = Duration::from_secs(1);

/// How long so many ticks of a clock are.
fn ticks(count: u64, clock_rate: u32) -> Duration {
    let rate = u64::from(clock_rate.max(1));
    Duration::from_secs(count / rate) + Duration::from_nanos((count % rate) * 1_000_000_000 / rate)
}

fn receiver_config(codec: &Codec, config: &MediaConfig) -> Option<receive::Config> {
    let mut receiver = receive::Config::new(codec.format()?, codec.clock_rate);
    receiver.max_wait = match codec.kind {
        MediaKind::Audio => config.max_audio_wait,
        MediaKind::Video => config.max_video_wait,
    };
    receiver.max_packets = config.max_buffered_packets;
    Some(receiver)
}

impl Section {
    /// The sources that the peer has told, and no others of before.
    pub(super) fn configure_inbound(&mut self) {
        let Some(receive) = &self.parameters.receive else {
            self.inbound.clear();
            self.is_muted = false;
            return;
        };
        let has_rids = !receive.rids.is_empty();
        if receive.sources.is_empty() || has_rids {
            return;
        }
        let sources = receive.sources.clone();
        self.inbound.retain(|stream| sources.iter().any(|(ssrc, _)| *ssrc == stream.ssrc));
        for (ssrc, rtx) in sources {
            match self.inbound.iter_mut().find(|stream| stream.ssrc == ssrc) {
                Some(stream) => stream.rtx_ssrc = rtx,
                None => self.inbound.push(Inbound::new(ssrc, rtx, None)),
            }
        }
    }

    pub(super) fn stream_mut(&mut self, ssrc: u32) -> Option<&mut Inbound> {
        self.inbound.iter_mut().find(|stream| stream.ssrc == ssrc)
    }

    /// The name of a layer, if there is one of this name.
    fn rid(&self, name: &str) -> Option<Arc<str>> {
        let receive = self.parameters.receive.as_ref()?;
        receive.rids.iter().find(|rid| *rid == name).map(|rid| Arc::from(rid.as_str()))
    }

    /// Makes room for another source: that which was silent longest goes, unless all are in use.
    fn forget_silent(&mut self, now: Instant) -> Option<()> {
        let heard = |stream: &Inbound| stream.last.map(|(_, at)| at);
        let streams = self.inbound.iter().enumerate().map(|(index, stream)| (heard(stream), index));
        let (last, index) = streams.min()?;
        let is_silent = last.is_none_or(|last| now.saturating_duration_since(last) >= SILENCE);
        is_silent.then(|| _ = self.inbound.swap_remove(index))
    }

    /// Takes up a source that was not told before (RFC 8843, section 9.2). `None`: it belongs to nothing here.
    fn add_source(
        &mut self,
        now: Instant,
        ssrc: u32,
        payload_type: u8,
        values: &Values<'_>,
        limit: usize,
    ) -> Option<Place> {
        let is_rtx = self.received_type(payload_type)?.rtx == Some(payload_type);
        let transceiver = self.parameters.transceiver;
        if is_rtx {
            let rid = values.repaired_rid.or(values.rid);
            let of_layer = |stream: &&mut Inbound| stream.rtx_ssrc.is_none() && stream.rid.as_deref() == rid;
            let stream = self.inbound.iter_mut().find(of_layer)?;
            stream.rtx_ssrc = Some(ssrc);
            return Some(Place { transceiver, stream: stream.ssrc, is_rtx });
        }
        let rid = values.rid.and_then(|rid| self.rid(rid));
        // A layer that goes on under another source, as after a restart of its encoder.
        let old = self.inbound.iter().position(|stream| rid.is_some() && stream.rid == rid);
        let asked = old.and_then(|old| self.inbound.swap_remove(old).asked);
        if self.inbound.len() >= limit {
            self.forget_silent(now)?;
        }
        self.inbound.push(Inbound { asked, ..Inbound::new(ssrc, None, rid) });
        Some(Place { transceiver, stream: ssrc, is_rtx })
    }
}

impl Engine {
    /// A packet of RTP arrived. It is unprotected in place.
    pub(crate) fn handle_rtp(&mut self, now: Instant, datagram: &mut [u8]) {
        let Some(plain) = self.keys.as_mut().and_then(|keys| keys.inbound.unprotect_rtp(datagram)) else {
            self.stats.unprotected_dropped += 1;
            return;
        };
        let plain_length = plain.len();
        let Ok(packet) = rtp::Packet::decode(plain) else {
            self.stats.malformed_dropped += 1;
            return;
        };
        let header = packet.header;
        let Some((index, place)) = self.place(now, &packet) else {
            self.stats.unknown_dropped += 1;
            return;
        };
        let Some(section) = self.sections.get_mut(index) else { return };
        let values = Values::read(&packet.extensions, &section.map);
        if let Some(sequence) = values.transport_sequence {
            self.bandwidth.handle_arrival(now, header.ssrc, SequenceNumber(sequence), plain_length);
        }
        let taken = if place.is_rtx {
            section.handle_repair(now, &self.config, place.stream, header, packet.payload)
        } else if section.is_redundant(header.payload_type) {
            section.handle_redundant(now, &self.config, place.stream, header, packet.payload)
        } else {
            section.handle_media(now, &self.config, place.stream, header, packet.payload)
        };
        if taken.is_none() {
            self.stats.unknown_dropped += 1;
        } else if let Some(stream) = section.stream_mut(place.stream) {
            let beyond_fixed = packet.header_len.saturating_sub(FIXED_HEADER_LENGTH) + usize::from(packet.padding);
            if let Some(receiver) = stream.receiver_mut() {
                receiver.count_header_bytes(beyond_fixed);
            }
            if !place.is_rtx {
                stream.hear(now, header.sequence);
                if !stream.is_ended() && std::mem::take(&mut section.is_muted) && self.told.len() < MAX_TOLD {
                    self.told.push_back(Told::Muted(section.parameters.transceiver, false));
                }
            }
        }
        section.tell_tones(&mut self.told);
        section.tell_readable(&mut self.told);
    }

    /// The peer ended a source (RFC 3550, section 6.6). What was lost of it may still come for a while.
    pub(super) fn handle_goodbye(&mut self, now: Instant, ssrc: u32) {
        let Some(place) = self.places.get(&ssrc).copied() else { return };
        let (audio, video) = (self.config.max_audio_wait, self.config.max_video_wait);
        let Some(section) = self.section_mut(place.transceiver) else { return };
        let wait = if section.is_audio() { audio } else { video };
        let Some(stream) = section.stream_mut(place.stream) else { return };
        if place.is_rtx {
            stream.rtx_ssrc = None;
            self.places.remove(&ssrc);
            return;
        }
        if stream.last.is_none() || stream.ends.is_some() {
            return;
        }
        stream.ends = Some(now + wait);
        let is_silent = section.inbound.iter().all(|stream| stream.is_ended() || stream.last.is_none());
        if is_silent && !std::mem::replace(&mut section.is_muted, true) {
            self.tell(Told::Muted(place.transceiver, true));
        }
    }

    /// Drops the sources that the peer ended, once all that came of them was read.
    pub(super) fn forget_ended(&mut self, now: Instant) {
        let is_over = |stream: &Inbound| stream.ends.is_some_and(|ends| ends <= now) && !stream.has_frame();
        if self.sections.iter().flat_map(|section| &section.inbound).any(is_over) {
            self.sections.iter_mut().for_each(|section| section.inbound.retain(|stream| !is_over(stream)));
            self.route();
        }
    }

    /// The section and the stream of a packet.
    fn place(&mut self, now: Instant, packet: &rtp::Packet<'_>) -> Option<(usize, Place)> {
        let ssrc = packet.header.ssrc;
        let index_of = |sections: &[Section], id: TransceiverId| {
            sections.iter().position(|section| section.parameters.transceiver == id)
        };
        if let Some(place) = self.places.get(&ssrc) {
            return index_of(&self.sections, place.transceiver).map(|index| (index, *place));
        }
        let index = self.section_of(packet)?;
        let section = self.sections.get_mut(index)?;
        let values = Values::read(&packet.extensions, &section.map);
        let place = section.add_source(now, ssrc, packet.header.payload_type, &values, self.config.max_sources)?;
        tracing::debug!(ssrc, ?place, "a new source");
        self.route();
        self.tell_rtt();
        Some((index, place))
    }

    /// The section of a new source: the one that its header names, or the only one that knows its payload type.
    fn section_of(&self, packet: &rtp::Packet<'_>) -> Option<usize> {
        let named = self.sections.iter().position(|section| {
            let mid = Values::read(&packet.extensions, &section.map).mid;
            mid.is_some_and(|mid| mid == section.parameters.mid)
        });
        if named.is_some() {
            return named;
        }
        let number = packet.header.payload_type;
        let mut fitting =
            self.sections.iter().enumerate().filter(|(_, section)| section.received_type(number).is_some());
        let (index, _) = fitting.next()?;
        fitting.next().is_none().then_some(index)
    }
}

impl Section {
    /// What was sent again tells its first number in front (RFC 4588, section 4).
    fn handle_repair(
        &mut self,
        now: Instant,
        config: &MediaConfig,
        stream: u32,
        header: rtp::Header,
        payload: &[u8],
    ) -> Option<()> {
        let payload_type = self.received_type(header.payload_type)?.number;
        let inbound = self.stream_mut(stream)?;
        let ssrc = inbound.rtx_ssrc?;
        // What came before the first packet of the stream itself repairs nothing.
        let receiver = inbound.receiver_mut()?;
        receiver.set_rtx_ssrc(now, ssrc);
        let duplicates = receiver.stats().duplicates;
        receiver.handle_rtx(now, &rtp::Header { payload_type, ..header }, payload);
        // Some senders fill the path with what has come already.
        if receiver.stats().duplicates > duplicates {
            return Some(());
        }
        // Without a payload it only probes the path.
        let Some((sequence, payload)) = rtp::payload::rtx::decode(payload).ok()? else { return Some(()) };
        let header = rtp::Header { sequence, payload_type, ssrc: stream, ..header };
        self.forward(now, config, stream, header, payload)
    }

    pub(super) fn handle_media(
        &mut self,
        now: Instant,
        config: &MediaConfig,
        ssrc: u32,
        header: rtp::Header,
        payload: &[u8],
    ) -> Option<()> {
        let codec = self.codec(header.payload_type)?;
        let stream = self.stream_mut(ssrc)?;
        let duplicates = |stream: &Inbound| stream.receiver().map(|receiver| receiver.stats().duplicates);
        let before = duplicates(stream).unwrap_or_default();
        if codec.format().is_some() {
            stream.stream(now, header.payload_type, &codec, config)?.receiver.handle_packet(now, &header, payload);
        } else {
            // What rides along, as telephone events do, has its place among the numbers of the sound.
            if let Some(receiver) = stream.receiver_mut() {
                receiver.handle_packet(now, &header, &[]);
            }
        }
        let is_duplicate = duplicates(stream).is_some_and(|now| now > before);
        if codec.is_telephone_event() {
            self.hear_tones(now, ssrc, codec.clock_rate, &header, payload)?;
        }
        if is_duplicate {
            return Some(());
        }
        self.forward(now, config, ssrc, header, payload)
    }

    pub(super) fn codec(&self, payload_type: u8) -> Option<Arc<Codec>> {
        self.codecs.iter().find(|(number, _)| *number == payload_type).map(|(_, codec)| codec.clone())
    }

    /// Hands a packet out to those who forward.
    pub(super) fn forward(
        &mut self,
        now: Instant,
        config: &MediaConfig,
        ssrc: u32,
        header: rtp::Header,
        payload: &[u8],
    ) -> Option<()> {
        if self.door == Door::Frames {
            return Some(());
        }
        let codec = self.codec(header.payload_type)?;
        let stream = self.stream_mut(ssrc)?;
        // Frames are nobody's business here, but reports and requests for what is missing are.
        while stream.read(now).is_some() {}
        let rid = stream.rid.clone();
        if self.packets.len() >= config.max_waiting_packets {
            self.packets.pop_front();
        }
        let payload = Bytes::copy_from_slice(payload);
        self.packets.push_back(ReceivedPacket { header, payload, codec, rid, received: now });
        Some(())
    }
}
