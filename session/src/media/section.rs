//! What a media section says of media: ours, and the peer's.

use sdp::{
    Attribute, Direction, Extmap, Fmtp, Media, Msid, Rid, RtcpFb, Rtpmap, Simulcast, SimulcastRid, Ssrc, SsrcGroup, Way,
};

use super::codec::{Codec, MediaKind, Numbers, PayloadType, feedback_of, keep_useful_red, name_in_red};
use super::transceiver::{Layer, Transceiver, TransceiverId};

/// How many payload types of a section are looked at; no browser has half as many.
const MAX_PAYLOAD_TYPES: usize = 128;
/// How many layers of simulcast are taken.
const MAX_LAYERS: usize = 8;
/// How many `a=rid` lines are looked at.
const MAX_RIDS: usize = 64;

/// The header extensions that are used, for sound and for pictures.
pub(crate) fn supported_extensions(kind: MediaKind) -> &'static [&'static str] {
    const AUDIO: [&str; 4] = [
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "urn:ietf:params:rtp-hdrext:sdes:mid",
    ];
    const VIDEO: [&str; 6] = [
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        "urn:3gpp:video-orientation",
    ];
    match kind {
        MediaKind::Audio => &AUDIO,
        MediaKind::Video => &VIDEO,
    }
}

/// Which numbers the header extensions have in this session; as with payload types, a number keeps its meaning.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExtensionNumbers {
    known: Vec<(u16, String)>,
}

impl ExtensionNumbers {
    pub(crate) fn learn(&mut self, extensions: &[(u16, String)]) {
        for (number, uri) in extensions {
            if self.known.iter().all(|(known, _)| known != number) {
                self.known.push((*number, uri.clone()));
            }
        }
    }

    fn assign(&mut self, uri: &str) -> Option<(u16, String)> {
        if let Some(known) = self.known.iter().find(|(_, known)| known == uri) {
            return Some(known.clone());
        }
        // The one-byte form ends at 14.
        let number = (1..=14).chain(16..=255).find(|number| self.known.iter().all(|(known, _)| known != number))?;
        self.known.push((number, uri.to_owned()));
        Some((number, uri.to_owned()))
    }
}

/// A media section of ours as it stands in a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalMedia {
    pub(crate) transceiver: TransceiverId,
    pub(crate) direction: Direction,
    pub(crate) types: Vec<PayloadType>,
    pub(crate) extensions: Vec<(u16, String)>,
    track: String,
    pub(crate) streams: Vec<String>,
    pub(crate) layers: Vec<Layer>,
    /// The layers that are received, with what the peer said of them.
    receive_rids: Vec<Rid>,
    /// Extensions that only one side uses, and which.
    one_way: Vec<(u16, Direction)>,
    /// Whether RTCP may come without a report in front (RFC 5506).
    pub(crate) has_reduced_size: bool,
}

impl LocalMedia {
    /// For an offer: all that the transceiver could do (RFC 8829, section 5.2.1).
    pub(crate) fn offered(transceiver: &Transceiver, numbers: &mut Numbers, extensions: &mut ExtensionNumbers) -> Self {
        let mut types = transceiver.allowed_codecs().iter().filter_map(|codec| numbers.assign(codec)).collect();
        name_in_red(&mut types);
        let uris = supported_extensions(transceiver.kind).iter();
        let extensions = uris.filter_map(|uri| extensions.assign(uri)).collect();
        Self::new(transceiver, transceiver.direction, types, extensions, Vec::new())
    }

    /// For an answer: what both can do (RFC 8829, section 5.3.1). `None` where they have no codec in common.
    pub(crate) fn answering(transceiver: &Transceiver, offer: &RemoteMedia) -> Option<Self> {
        let allowed = transceiver.allowed_codecs();
        let mut types = offer.common_types(&allowed);
        if !transceiver.codecs.is_empty() {
            types.sort_by_key(|one| allowed.iter().position(|codec| codec.matches(&one.codec)));
        }
        types.iter().any(|one| one.codec.format().is_some()).then_some(())?;
        let supported = supported_extensions(transceiver.kind);
        let extensions =
            offer.extensions.iter().filter(|(_, uri)| supported.contains(&uri.as_str())).cloned().collect();
        let direction = offer.direction.reversed().and(transceiver.direction);
        let mut section = Self::new(transceiver, direction, types, extensions, offer.answered_rids());
        // RFC 8285, section 7: who only sends an extension is answered by one who only receives it.
        section.one_way = offer.one_way.iter().map(|(id, direction)| (*id, direction.reversed())).collect();
        section.has_reduced_size = offer.has_reduced_size;
        section.restrict_rids();
        // Of our layers only those that the peer takes are sent; who knows no simulcast gets the first.
        if section.layers.iter().any(|layer| layer.encoding.rid.is_some()) {
            let is_wanted =
                |layer: &Layer| layer.encoding.rid.as_ref().is_some_and(|rid| offer.receive_rids.contains(rid));
            if section.layers.iter().any(is_wanted) {
                section.layers.retain(is_wanted);
            } else {
                section.layers.truncate(1);
                section.layers.iter_mut().for_each(|layer| layer.encoding.rid = None);
            }
        }
        Some(section)
    }

    fn new(
        transceiver: &Transceiver,
        direction: Direction,
        types: Vec<PayloadType>,
        extensions: Vec<(u16, String)>,
        receive_rids: Vec<Rid>,
    ) -> Self {
        Self {
            transceiver: transceiver.id,
            direction,
            types,
            extensions,
            // A sender without a track has a name nevertheless (RFC 8829, section 5.2.1).
            track: transceiver.track.clone().unwrap_or_else(|| format!("track-{}", transceiver.id.0)),
            streams: transceiver.streams.clone(),
            layers: transceiver.layers.clone(),
            receive_rids,
            one_way: Vec::new(),
            has_reduced_size: true,
        }
    }

    /// Of the payload types that a layer is restricted to those that are answered; without any it is none (RFC 8851,
    /// section 6.3).
    fn restrict_rids(&mut self) {
        let formats = self.formats();
        self.receive_rids.retain_mut(|rid| {
            let was_restricted = !rid.formats.is_empty();
            rid.formats.retain(|format| formats.contains(format));
            !was_restricted || !rid.formats.is_empty()
        });
    }

    /// The names of the layers that are received.
    pub(crate) fn received_rids(&self) -> Vec<String> {
        self.receive_rids.iter().map(|rid| rid.id.clone()).collect()
    }

    /// The payload types of the m-line.
    pub(crate) fn formats(&self) -> Vec<String> {
        let numbers = self.types.iter().flat_map(|one| [Some(one.number), one.rtx]).flatten();
        numbers.map(|number| number.to_string()).collect()
    }

    /// Appends all attributes that concern media.
    pub(crate) fn write(&self, cname: &str, media: &mut Media) {
        for (id, uri) in &self.extensions {
            let direction = self.one_way.iter().find(|(one, _)| one == id).map(|(_, direction)| *direction);
            media.push(Attribute::Extmap(Extmap { id: *id, direction, uri: uri.clone(), attributes: None }));
        }
        media.push(Attribute::Direction(self.direction));
        if self.direction.sends() {
            let track = Some(self.track.clone());
            let none = (!self.streams.is_empty()).then_some(()).map_or(vec!["-".to_owned()], |()| self.streams.clone());
            for stream in none {
                media.push(Attribute::Msid(Msid { stream, track: track.clone() }));
            }
        }
        media.push(Attribute::RtcpMux);
        if self.has_reduced_size {
            media.push(Attribute::RtcpRsize);
        }
        for one in &self.types {
            write_type(one, media);
        }
        self.write_layers(cname, media);
    }

    fn write_layers(&self, cname: &str, media: &mut Media) {
        let sends = if self.direction.sends() { self.layers.as_slice() } else { &[] };
        let send_rids: Vec<&String> = sends.iter().filter_map(|layer| layer.encoding.rid.as_ref()).collect();
        let receive_rids: &[Rid] = if self.direction.receives() { &self.receive_rids } else { &[] };
        for id in send_rids.iter().map(ToString::to_string) {
            media.push(Attribute::Rid(Rid { id, way: Way::Send, formats: Vec::new(), restrictions: Vec::new() }));
        }
        receive_rids.iter().for_each(|rid| _ = media.push(Attribute::Rid(rid.clone())));
        if !send_rids.is_empty() || !receive_rids.is_empty() {
            let alternatives = |id: &String| vec![SimulcastRid { id: id.clone(), paused: false }];
            let send = send_rids.into_iter().map(alternatives).collect();
            // What may pause is left to RTCP that is not spoken here (RFC 7728), so nothing is paused from the start.
            let recv = receive_rids.iter().map(|rid| alternatives(&rid.id)).collect();
            media.push(Attribute::Simulcast(Simulcast { send, recv }));
        }
        // With rids the sources name themselves in the packets (RFC 8829, section 5.2.1).
        for layer in sends.iter().filter(|layer| layer.encoding.rid.is_none()) {
            let has_rtx = self.types.iter().any(|one| one.rtx.is_some());
            let sources = if has_rtx { vec![layer.ssrc, layer.rtx_ssrc] } else { vec![layer.ssrc] };
            if has_rtx {
                media.push(Attribute::SsrcGroup(SsrcGroup { semantics: "FID".into(), ssrcs: sources.clone() }));
            }
            for ssrc in sources {
                media.push(Attribute::Ssrc(Ssrc { ssrc, attribute: "cname".into(), value: Some(cname.to_owned()) }));
            }
        }
    }
}

fn write_type(one: &PayloadType, media: &mut Media) {
    let (number, codec) = (one.number, &one.codec);
    let parameters = codec.channels.map(|channels| channels.to_string());
    let (encoding, clock_rate) = (codec.name.clone(), codec.clock_rate);
    media.push(Attribute::Rtpmap(Rtpmap { payload_type: number, encoding, clock_rate, parameters }));
    for feedback in &one.feedback {
        let (kind, parameter) =
            feedback.split_once(' ').map_or((feedback.as_str(), None), |(kind, rest)| (kind, Some(rest)));
        let (kind, parameter) = (kind.to_owned(), parameter.map(str::to_owned));
        media.push(Attribute::RtcpFb(RtcpFb { payload_type: Some(number), kind, parameter }));
    }
    if !codec.parameters.is_empty() {
        let parameters = codec.parameters.clone();
        media.push(Attribute::Fmtp(Fmtp { format: number.to_string(), parameters }));
    }
    if let Some(rtx) = one.rtx {
        media.push(Attribute::Rtpmap(Rtpmap {
            payload_type: rtx,
            encoding: "rtx".into(),
            clock_rate,
            parameters: None,
        }));
        media.push(Attribute::Fmtp(Fmtp { format: rtx.to_string(), parameters: format!("apt={number}") }));
    }
}

/// A media section of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteMedia {
    pub(crate) kind: MediaKind,
    /// As the peer wrote it.
    pub(crate) direction: Direction,
    pub(crate) types: Vec<PayloadType>,
    pub(crate) extensions: Vec<(u16, String)>,
    pub(crate) streams: Vec<String>,
    pub(crate) track: Option<String>,
    /// The peer's sources, each with that of its retransmissions.
    pub(crate) sources: Vec<(u32, Option<u32>)>,
    /// The layers that the peer sends, and those that it takes.
    pub(crate) send_rids: Vec<String>,
    pub(crate) receive_rids: Vec<String>,
    /// What it said of its layers.
    rids: Vec<Rid>,
    /// Extensions that only one side uses, as the peer wrote it.
    one_way: Vec<(u16, Direction)>,
    pub(crate) has_reduced_size: bool,
}

impl RemoteMedia {
    /// Reads a section that carries media with keys from DTLS over the same port as its RTCP; `None` for others.
    pub(crate) fn read(description: &sdp::Description, media: &Media) -> Option<Self> {
        let kind = MediaKind::from_name(media.kind())?;
        let is_secure =
            matches!(media.protocol(), "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "RTP/SAVPF" | "TCP/TLS/RTP/SAVPF");
        if !is_secure || !media.rtcp_mux() {
            return None;
        }
        let rids = read_rids(media);
        let (send_rids, receive_rids) = read_simulcast(media, &rids);
        let extensions = read_extensions(media);
        let one_way = media.extmaps().filter_map(|map| Some((map.id, map.direction?)));
        Some(Self {
            kind,
            direction: description.direction(media),
            types: read_types(kind, media),
            one_way: one_way.filter(|(_, direction)| *direction != Direction::SendRecv).collect(),
            extensions,
            streams: media.msids().map(|msid| msid.stream.clone()).filter(|stream| stream != "-").collect(),
            track: media.msids().find_map(|msid| msid.track.clone()),
            sources: read_sources(media),
            send_rids,
            receive_rids,
            rids,
            has_reduced_size: media.has(&Attribute::RtcpRsize),
        })
    }

    /// The layers that the peer sends, seen from here, with the restrictions that it told.
    fn answered_rids(&self) -> Vec<Rid> {
        let told = self.send_rids.iter().filter_map(|id| self.rids.iter().find(|rid| rid.id == *id));
        told.map(|rid| Rid { way: Way::Recv, ..rid.clone() }).collect()
    }

    /// Whether the peer wants to get this extension.
    pub(crate) fn receives_extension(&self, id: u16) -> bool {
        self.one_way.iter().all(|(one, direction)| *one != id || direction.receives())
    }

    /// Whether it has a codec that carries media here, so that there is any use in it.
    pub(crate) fn is_known(&self) -> bool {
        let all = Codec::all(self.kind);
        self.common_types(&all).iter().any(|one| one.codec.format().is_some())
    }

    /// The peer's types that we have too, in the peer's order; feedback that both understand.
    pub(crate) fn common_types(&self, allowed: &[Codec]) -> Vec<PayloadType> {
        let is_allowed = |one: &&PayloadType| allowed.iter().any(|codec| codec.matches(&one.codec));
        let common = self.types.iter().filter(is_allowed).map(|one| {
            let understood = feedback_of(&one.codec);
            let feedback = one.feedback.iter().filter(|kind| understood.contains(&kind.as_str())).cloned().collect();
            PayloadType { feedback, ..one.clone() }
        });
        let mut common = common.collect();
        keep_useful_red(&mut common);
        common
    }
}

fn read_types(kind: MediaKind, media: &Media) -> Vec<PayloadType> {
    let numbers = media.formats().iter().filter_map(|format| format.parse::<u8>().ok()).filter(|number| *number < 128);
    let mut types: Vec<PayloadType> = Vec::new();
    let mut repairs: Vec<(u8, u8)> = Vec::new();
    for number in numbers.take(MAX_PAYLOAD_TYPES) {
        // Of a number that stands twice the first meaning counts.
        if types.iter().any(|one| one.number == number) {
            continue;
        }
        let parameters =
            media.fmtp(&number.to_string()).map(|fmtp| fmtp.parameters.as_str()).collect::<Vec<_>>().join(";");
        let Some(codec) = read_codec(kind, number, media, parameters) else { continue };
        if codec.name.eq_ignore_ascii_case("rtx") {
            repairs.extend(codec.parameter("apt").and_then(|apt| apt.parse().ok()).map(|apt: u8| (apt, number)));
            continue;
        }
        let feedback = media.rtcp_fbs(number).map(|fb| match &fb.parameter {
            Some(parameter) => format!("{} {parameter}", fb.kind),
            None => fb.kind.clone(),
        });
        types.push(PayloadType { number, codec, rtx: None, feedback: feedback.collect() });
    }
    for one in &mut types {
        one.rtx = repairs.iter().find(|(apt, _)| *apt == one.number).map(|(_, number)| *number);
    }
    types
}

/// The codec of a payload type; those that need no `a=rtpmap` are known (RFC 3551, section 6).
fn read_codec(kind: MediaKind, number: u8, media: &Media, parameters: String) -> Option<Codec> {
    match (media.rtpmap(number), kind, number) {
        (Some(map), ..) => {
            let channels =
                map.parameters.as_ref().and_then(|text| text.parse().ok()).filter(|_| kind == MediaKind::Audio);
            Some(Codec { kind, name: map.encoding.clone(), clock_rate: map.clock_rate, channels, parameters })
        }
        (None, MediaKind::Audio, 0) => Some(Codec::pcmu()),
        (None, MediaKind::Audio, 8) => Some(Codec::pcma()),
        (None, ..) => None,
    }
}

fn read_extensions(media: &Media) -> Vec<(u16, String)> {
    let mut extensions: Vec<(u16, String)> = Vec::new();
    for map in media.extmaps() {
        // Higher numbers are placeholders, which only an offer for more than we have would need (RFC 8285, section 5).
        let is_new = extensions.iter().all(|(id, uri)| *id != map.id && *uri != map.uri);
        if (1..=255).contains(&map.id) && map.id != 15 && is_new && map.direction != Some(Direction::Inactive) {
            extensions.push((map.id, map.uri.clone()));
        }
    }
    extensions
}

fn read_sources(media: &Media) -> Vec<(u32, Option<u32>)> {
    let mut sources: Vec<(u32, Option<u32>)> = Vec::new();
    let mut repairs: Vec<u32> = Vec::new();
    for group in media.ssrc_groups().filter(|group| group.semantics == "FID") {
        if let [source, repair] = group.ssrcs.as_slice()
            && sources.len() < MAX_LAYERS
        {
            sources.push((*source, Some(*repair)));
            repairs.push(*repair);
        }
    }
    let in_other_groups = |ssrc: u32| {
        media
            .ssrc_groups()
            .filter(|group| group.semantics.starts_with("FEC"))
            .any(|group| group.ssrcs.get(1) == Some(&ssrc))
    };
    for ssrc in media.ssrcs().map(|line| line.ssrc) {
        let is_known = sources.iter().any(|(known, _)| *known == ssrc) || repairs.contains(&ssrc);
        if !is_known && !in_other_groups(ssrc) && sources.len() < MAX_LAYERS {
            sources.push((ssrc, None));
        }
    }
    sources
}

/// What a sender must keep to that gets such a layer, and that its encoder can (RFC 8851, section 5).
const KNOWN_RESTRICTIONS: [&str; 7] = ["max-width", "max-height", "max-fps", "max-fs", "max-br", "max-pps", "max-bpp"];

/// The `a=rid` lines that hold (RFC 8851, section 6.2.2): each name once, with payload types that are there, and nothing
/// asked of us that nobody here knows of.
fn read_rids(media: &Media) -> Vec<Rid> {
    let is_unique = |rid: &&Rid| media.rids().filter(|other| other.id == rid.id).count() == 1;
    let is_kept = |rid: &Rid| {
        let known = |(name, _): &(String, String)| KNOWN_RESTRICTIONS.contains(&name.as_str());
        rid.way == Way::Send || rid.restrictions.iter().all(known)
    };
    let checked = media.rids().take(MAX_RIDS).filter(is_unique).filter_map(|rid| {
        let formats: Vec<String> =
            rid.formats.iter().filter(|format| media.formats().contains(format)).cloned().collect();
        let is_empty = formats.is_empty() && !rid.formats.is_empty();
        (!is_empty && is_kept(rid)).then(|| Rid { formats, ..rid.clone() })
    });
    checked.collect()
}

/// The rids that are sent and those that are received; of alternatives the first that holds.
fn read_simulcast(media: &Media, rids: &[Rid]) -> (Vec<String>, Vec<String>) {
    let Some(simulcast) = media.simulcast() else { return Default::default() };
    let of = |streams: &[Vec<SimulcastRid>], way: Way| {
        // A rid without its own line is no rid (RFC 8853, section 5.2).
        let holds = |one: &&SimulcastRid| rids.iter().any(|rid| rid.id == one.id && rid.way == way);
        let first = streams.iter().filter_map(|alternatives| alternatives.iter().find(holds));
        first.map(|one| one.id.clone()).take(MAX_LAYERS).collect()
    };
    (of(&simulcast.send, Way::Send), of(&simulcast.recv, Way::Recv))
}
