//! The streams of a session: what becomes of packets between the transport and the application.
//!
//! An engine comes to be with the first transceiver, so a session of data alone has none. Each media section is a
//! [`Section`] with the streams that it sends and receives; packets find their stream by their source, and a new source
//! finds its section by the header extensions (RFC 8843, section 9.2).

mod bandwidth;
mod inbound;
mod layers;
mod outbound;
mod redundancy;
mod rtcp;
mod share;
mod stats;
#[cfg(test)]
mod tests;
mod tones;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rtp::NtpTime;
use rtp::packet::{Extension, ExtensionMap};

use super::dtmf::ToneEvent;
use super::frame::{Frame, FrameError, Packet, ReceivedFrame, ReceivedPacket};
use super::{Codec, MediaKind, MediaParameters, PayloadType, TransceiverId};
use bandwidth::Bandwidth;
use inbound::Inbound;
use outbound::Outbound;
use rtcp::{Goodbye, Reports};
pub use stats::{InboundStats, OutboundStats};
use tones::Tones;

/// Bounds and defaults of media.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MediaConfig {
    /// The largest RTP payload, in bytes: what is left of the session's MTU for it.
    pub max_payload: usize,
    /// The largest payload of a packet that was made elsewhere, in bytes. Browsers fill packets of 1,200 bytes, headers
    /// included.
    pub max_packet_payload: usize,
    /// How many sources of the peer one media section may have, layers and retransmissions apart.
    pub max_sources: usize,
    /// How long a gap may hold up the video behind it.
    pub max_video_wait: Duration,
    /// How long a gap may hold up the sound behind it.
    pub max_audio_wait: Duration,
    /// How many packets of a stream wait for those missing before them.
    pub max_buffered_packets: usize,
    /// How many packets wait for a transceiver that forwards packets before the oldest give way.
    pub max_waiting_packets: usize,
    /// How many packets of a stream wait to be sent.
    pub max_queued_packets: usize,
    /// How many packets of a stream are kept to be sent again.
    pub history: usize,
    /// How many earlier frames of sound each packet repeats, where redundancy was agreed and preferred.
    pub red_frames: u8,
    /// How many tones may be given at once to be sent.
    pub max_tones: usize,
    /// The estimate of the bandwidth before anything was measured, in bits per second.
    pub start_bitrate: u64,
    /// The least that is ever estimated, in bits per second.
    pub min_bitrate: u64,
    /// The most that is ever estimated, in bits per second. Where the path carries about as much, data channels are
    /// not held back beside video.
    pub max_bitrate: u64,
    /// The part of the path that data channels are sure of beside video, from 0 to 1, when both have more to send than
    /// the path carries. What either does not use is the other's.
    pub share_of_data: f64,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            max_payload: 1100,
            max_packet_payload: 1200,
            max_sources: 16,
            max_video_wait: Duration::from_millis(500),
            max_audio_wait: Duration::from_millis(120),
            max_buffered_packets: 2048,
            max_waiting_packets: 512,
            max_queued_packets: 2048,
            history: 2048,
            red_frames: 1,
            max_tones: 1024,
            start_bitrate: 500_000,
            min_bitrate: 30_000,
            max_bitrate: 30_000_000,
            share_of_data: 1.0 / 3.0,
        }
    }
}

/// How a transceiver hands out what it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// Whole frames in order.
    #[default]
    Frames,
    /// Packets as they arrive, those that were sent again among them, but each once.
    Packets,
}

/// What the application is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Readable(TransceiverId),
    KeyframeRequested(TransceiverId, Option<String>),
    Bandwidth(u64),
    /// What the layers of this one may send.
    Layers(TransceiverId),
    /// A tone begins to be sent; none: all were.
    ToneChange(TransceiverId, Option<char>),
    /// A tone of the peer begins or ends.
    Tone(TransceiverId, ToneEvent),
    /// The peer ended all that it sent here, or sends again.
    Muted(TransceiverId, bool),
}

/// What is agreed for one transceiver, and its streams.
struct Section {
    parameters: MediaParameters,
    map: ExtensionMap,
    /// The extensions that are sent.
    sent_map: ExtensionMap,
    codecs: Vec<(u8, Arc<Codec>)>,
    outbound: Vec<Outbound>,
    inbound: Vec<Inbound>,
    door: Door,
    packets: VecDeque<ReceivedPacket>,
    was_told_readable: bool,
    /// Whether its layers were told what they may send.
    was_allotted: bool,
    /// Tones that are sent.
    tones: Option<Box<Tones>>,
    /// Tones of the peer that nobody was told of yet.
    tones_heard: VecDeque<ToneEvent>,
    /// Whether the peer said goodbye to all that it sent here.
    is_muted: bool,
    /// What was sent before and may be again, so that its numbers go on.
    parked: Vec<Outbound>,
}

/// Which stream a source of the peer belongs to.
#[derive(Clone, Copy, Debug)]
struct Place {
    transceiver: TransceiverId,
    /// The source of the stream itself, where this one only repairs it.
    stream: u32,
    is_rtx: bool,
}

/// All media of one session.
pub(crate) struct Engine {
    config: MediaConfig,
    rng: StdRng,
    /// When the session began, and what an NTP clock showed then.
    began: (Instant, NtpTime),
    cname: String,
    keys: Option<Box<Keys>>,
    sections: Vec<Section>,
    /// The section that sent last.
    turn: usize,
    places: HashMap<u32, Place>,
    bandwidth: Bandwidth,
    /// When it was last looked at what each layer may send.
    allotted: Option<Instant>,
    reports: Reports,
    /// Sources of ours that are over, which the peer is yet to hear.
    goodbyes: Vec<u32>,
    told: VecDeque<Told>,
    rtt: Option<Duration>,
    stats: MediaStats,
}

struct Keys {
    outbound: srtp::Outbound,
    inbound: srtp::Inbound,
}

/// What was counted of media as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaStats {
    /// Packets of RTP and RTCP that were not authentic, came twice, or came before there were keys.
    pub unprotected_dropped: u64,
    /// Packets that make no sense.
    pub malformed_dropped: u64,
    /// Packets that belong to nothing that was agreed.
    pub unknown_dropped: u64,
    /// What the path is estimated to carry, in bits per second: media of every kind, and data channels beside video.
    pub estimate: u64,
}

impl Engine {
    pub(crate) fn new(
        config: MediaConfig,
        now: Instant,
        began: (Instant, NtpTime),
        cname: String,
        seed: [u8; 32],
    ) -> Self {
        let mut rng = StdRng::from_seed(seed);
        Self {
            bandwidth: Bandwidth::new(&config, now),
            reports: Reports::new(rng.next_u32()),
            config,
            rng,
            began,
            cname,
            keys: None,
            allotted: None,
            sections: Vec::new(),
            turn: 0,
            places: HashMap::new(),
            goodbyes: Vec::new(),
            told: VecDeque::new(),
            rtt: None,
            stats: MediaStats::default(),
        }
    }

    /// DTLS has agreed on keys.
    pub(crate) fn set_keys(&mut self, (profile, material, role): (dtls::SrtpProfile, Vec<u8>, dtls::Role)) {
        let is_client = role == dtls::Role::Client;
        let Some(profile) = srtp::Profile::from_id(profile.id()) else { return };
        if let Some((outbound, inbound)) = srtp::Session::from_exporter(profile, &material, is_client) {
            self.keys = Some(Box::new(Keys { outbound, inbound }));
        }
    }

    pub(crate) const fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Both sides agree on what each section sends and receives.
    pub(crate) fn configure(&mut self, now: Instant, all: Vec<MediaParameters>) {
        let mut old = std::mem::take(&mut self.sections);
        for parameters in all {
            let known = old.iter().position(|section| section.parameters.transceiver == parameters.transceiver);
            let mut section = match known {
                Some(index) => old.swap_remove(index),
                None => Section::new(parameters.clone()),
            };
            section.set_parameters(parameters);
            let before: Vec<Goodbye> = section.outbound.iter().map(Goodbye::of).collect();
            section.configure_outbound(now, &self.config, &mut self.rng);
            let is_over = |one: &Goodbye| section.outbound.iter().all(|stream| stream.ssrc != one.ssrc);
            self.goodbyes.extend(before.into_iter().filter(is_over).flatten());
            section.configure_inbound();
            self.sections.push(section);
        }
        self.goodbyes.extend(old.iter().flat_map(|section| &section.outbound).flat_map(Goodbye::of));
        self.route();
        self.tell_rtt();
        self.bandwidth.set_feedback(now, self.sections.iter().any(Section::has_transport_feedback));
        self.reports.set_in_use(now, !self.sections.is_empty());
        self.allot(now, true);
    }

    /// Rebuilds what packets are routed by.
    fn route(&mut self) {
        self.places.clear();
        for section in &self.sections {
            let transceiver = section.parameters.transceiver;
            for stream in &section.inbound {
                self.places.insert(stream.ssrc, Place { transceiver, stream: stream.ssrc, is_rtx: false });
                if let Some(rtx) = stream.rtx_ssrc {
                    self.places.insert(rtx, Place { transceiver, stream: stream.ssrc, is_rtx: true });
                }
            }
        }
    }

    /// Nothing is sent any more but goodbyes (RFC 3550, section 6.3.7).
    pub(crate) fn close(&mut self, now: Instant) {
        self.sections.iter_mut().for_each(|section| self.goodbyes.extend(section.silence()));
        self.reports.set_in_use(now, false);
    }

    /// Nothing is sent over this transceiver any more.
    pub(crate) fn silence(&mut self, id: TransceiverId) {
        let goodbyes = self.section_mut(id).map(Section::silence).unwrap_or_default();
        self.goodbyes.extend(goodbyes);
    }

    fn section_mut(&mut self, id: TransceiverId) -> Option<&mut Section> {
        self.sections.iter_mut().find(|section| section.parameters.transceiver == id)
    }

    /// What an NTP clock that agrees with ours shows now.
    fn ntp(&self, now: Instant) -> NtpTime {
        self.began.1.plus(now.saturating_duration_since(self.began.0))
    }

    pub(crate) fn send_frame(&mut self, now: Instant, id: TransceiverId, frame: &Frame) -> Result<(), FrameError> {
        let has_keys = self.has_keys();
        let section = self.section_mut(id).ok_or(FrameError::NotReady)?;
        if section.outbound.is_empty() || !has_keys {
            return Err(FrameError::NotReady);
        }
        let no_layer = || FrameError::NoLayer { rid: frame.rid.clone() };
        let stream = section.outbound.iter_mut().find(|stream| stream.rid == frame.rid).ok_or_else(no_layer)?;
        stream.send_frame(now, section.parameters.send.as_ref(), frame)
    }

    pub(crate) fn send_packet(&mut self, now: Instant, id: TransceiverId, packet: &Packet) -> Result<(), FrameError> {
        let has_keys = self.has_keys();
        let section = self.section_mut(id).ok_or(FrameError::NotReady)?;
        let (Some(send), true) = (&section.parameters.send, has_keys) else { return Err(FrameError::NotReady) };
        let rid = packet.rid.as_deref();
        let no_layer = || FrameError::NoLayer { rid: rid.map(str::to_owned) };
        let stream = section.outbound.iter_mut().find(|stream| stream.rid.as_deref() == rid).ok_or_else(no_layer)?;
        stream.send_packet(now, send, packet)
    }

    pub(crate) fn set_door(&mut self, id: TransceiverId, door: Door) {
        if let Some(section) = self.section_mut(id) {
            section.door = door;
            section.packets.clear();
        }
    }

    pub(crate) fn read_frame(&mut self, now: Instant, id: TransceiverId) -> Option<ReceivedFrame> {
        let section = self.section_mut(id)?;
        let frame = section.inbound.iter_mut().find_map(|stream| stream.read(now));
        section.was_told_readable = frame.is_some();
        if frame.is_none() && section.inbound.iter().any(Inbound::is_ended) {
            self.forget_ended(now);
        }
        frame
    }

    pub(crate) fn read_packet(&mut self, id: TransceiverId) -> Option<ReceivedPacket> {
        let section = self.section_mut(id)?;
        let packet = section.packets.pop_front();
        section.was_told_readable = packet.is_some();
        packet
    }

    /// Asks the peer for a frame that a decoder can begin with.
    pub(crate) fn request_keyframe(&mut self, now: Instant, id: TransceiverId, rid: Option<&str>) {
        if let Some(section) = self.section_mut(id) {
            let of_layer = |stream: &&mut Inbound| rid.is_none() || stream.rid.as_deref() == rid;
            section.inbound.iter_mut().filter(of_layer).for_each(|stream| stream.request_keyframe(now));
        }
    }

    pub(crate) fn set_rtt(&mut self, rtt: Option<Duration>) {
        if rtt == self.rtt {
            return;
        }
        self.rtt = rtt;
        self.tell_rtt();
    }

    /// Lets every stream know the round trip, those that are new among them.
    fn tell_rtt(&mut self) {
        let Some(rtt) = self.rtt else { return };
        for section in &mut self.sections {
            section.inbound.iter_mut().for_each(|stream| stream.set_rtt(rtt));
            section.outbound.iter_mut().for_each(|stream| stream.sender.set_rtt(rtt));
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for section in &mut self.sections {
            section.inbound.iter_mut().for_each(|stream| stream.handle_timeout(now));
            section.handle_tones(now, self.began.0, &mut self.told);
            section.end_tones(now);
            section.tell_tones(&mut self.told);
            section.tell_readable(&mut self.told);
        }
        self.tell_requests(now);
        self.forget_ended(now);
        self.bandwidth.handle_timeout(now);
        self.tell_bandwidth(now);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.keys.as_ref()?;
        let streams = self.sections.iter().flat_map(|section| &section.inbound).filter_map(Inbound::poll_timeout);
        let sent = self.sections.iter().flat_map(|section| &section.outbound);
        let requests = sent.filter_map(|stream| stream.sender.poll_timeout());
        let has_queued = self.sections.iter().flat_map(|section| &section.outbound).any(Outbound::has_queued);
        let others = [self.reports.poll_timeout(), self.bandwidth.poll_timeout(has_queued)];
        let tones = self.sections.iter().filter_map(Section::tones_timeout);
        streams.chain(requests).chain(tones).chain(others.into_iter().flatten()).min()
    }

    pub(crate) fn poll_told(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    fn tell(&mut self, told: Told) {
        if self.told.len() < MAX_TOLD && !self.told.contains(&told) {
            self.told.push_back(told);
        }
    }

    fn tell_bandwidth(&mut self, now: Instant) {
        self.allot(now, false);
        if let Some(estimate) = self.bandwidth.take_news() {
            self.told.retain(|told| !matches!(told, Told::Bandwidth(_)));
            self.tell(Told::Bandwidth(estimate));
        }
    }

    /// What may be sent now, in bits per second.
    pub(crate) fn estimate(&self) -> u64 {
        self.bandwidth.estimate()
    }

    pub(crate) const fn stats(&self) -> MediaStats {
        MediaStats { estimate: self.bandwidth.total(), ..self.stats }
    }
}

/// Each transceiver is told of at most once at a time, so only a crowd of layers comes near this.
const MAX_TOLD: usize = 1024;

impl Section {
    fn new(parameters: MediaParameters) -> Self {
        Self {
            parameters,
            map: ExtensionMap::default(),
            sent_map: ExtensionMap::default(),
            codecs: Vec::new(),
            outbound: Vec::new(),
            inbound: Vec::new(),
            door: Door::default(),
            packets: VecDeque::new(),
            was_told_readable: false,
            was_allotted: false,
            tones: None,
            tones_heard: VecDeque::new(),
            is_muted: false,
            parked: Vec::new(),
        }
    }

    /// Ceases to send. Returns the sources that are over.
    fn silence(&mut self) -> Vec<u32> {
        self.parameters.send = None;
        self.tones = None;
        self.outbound.drain(..).flat_map(|stream| Goodbye::of(&stream)).collect()
    }

    fn set_parameters(&mut self, parameters: MediaParameters) {
        (self.map, self.sent_map) = Default::default();
        for (id, uri) in &parameters.extensions {
            if let (Ok(number), Some(extension)) = (u8::try_from(*id), Extension::from_uri(uri)) {
                self.map.insert(number, extension);
                if !parameters.silent_extensions.contains(id) {
                    self.sent_map.insert(number, extension);
                }
            }
        }
        let types = parameters.receive.iter().flat_map(|receive| &receive.types);
        self.codecs = types.map(|one| (one.number, Arc::new(one.codec.clone()))).collect();
        self.parameters = parameters;
    }

    const fn is_audio(&self) -> bool {
        matches!(self.parameters.kind, MediaKind::Audio)
    }

    /// The payload type that is sent under this number, itself or again.
    fn received_type(&self, number: u8) -> Option<&PayloadType> {
        let types = self.parameters.receive.iter().flat_map(|receive| &receive.types);
        types.into_iter().find(|one| one.number == number || one.rtx == Some(number))
    }

    fn has_transport_feedback(&self) -> bool {
        let sends = self.parameters.send.iter().flat_map(|send| &send.types);
        let wants = sends.flat_map(|one| &one.feedback).any(|kind| kind == "transport-cc");
        wants && self.sent_map.id(Extension::TransportSequence).is_some()
    }

    fn tell_readable(&mut self, told: &mut VecDeque<Told>) {
        let is_readable = match self.door {
            Door::Frames => self.inbound.iter().any(Inbound::has_frame),
            Door::Packets => !self.packets.is_empty(),
        };
        if is_readable && !self.was_told_readable && told.len() < MAX_TOLD {
            self.was_told_readable = true;
            told.push_back(Told::Readable(self.parameters.transceiver));
        }
    }
}
