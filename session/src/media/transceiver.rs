//! Transceivers: what each side sends and receives in one media section (W3C WebRTC 1.0, section 5.4).

use datachannel::Priority;
use rand::Rng;
use rand::rngs::StdRng;
use sdp::Direction;

use super::codec::{Codec, MediaKind};

/// Names a transceiver of a session. It is never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransceiverId(pub(crate) u32);

impl TransceiverId {
    /// A number that no other transceiver of the session has.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// How a transceiver is made (`RTCRtpTransceiverInit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransceiverOptions {
    /// What this side would like to do; the peer may want less.
    pub direction: Direction,
    /// The name of the track that is sent, if there is one yet.
    pub track: Option<String>,
    /// The names of the streams that the sent track belongs to.
    pub streams: Vec<String>,
    /// The layers that are sent at once; one without a name where there is no simulcast.
    pub encodings: Vec<Encoding>,
    /// Which codecs may be used, by preference; empty for all.
    pub codecs: Vec<Codec>,
}

impl Default for TransceiverOptions {
    fn default() -> Self {
        Self {
            direction: Direction::SendRecv,
            track: None,
            streams: Vec::new(),
            encodings: Vec::new(),
            codecs: Vec::new(),
        }
    }
}

/// One layer of what is sent (`RTCRtpEncodingParameters`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The layer's name, up to 255 letters, digits, `-` and `_`; none where there is only one layer.
    pub rid: Option<String>,
    /// Whether it is sent now.
    pub active: bool,
    /// The most it may take, in bits per second. Of several layers, the one that takes least is the lowest; without it,
    /// the last takes 2.5 Mbit/s at most and each one before it a good quarter of the next.
    pub max_bitrate: Option<u64>,
    /// With less than this, in bits per second, it is better not sent; a quarter of the most where several layers do
    /// not say.
    pub min_bitrate: Option<u64>,
    /// How much its track counts against others where there is not enough for all.
    pub priority: Priority,
}

/// What a layer may send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerBitrate {
    /// The layer's name; none where there is only one.
    pub rid: Option<String>,
    /// In bits per second, all headers included; 0 where it is to pause.
    pub bitrate: u64,
}

impl Default for Encoding {
    fn default() -> Self {
        Self { rid: None, active: true, max_bitrate: None, min_bitrate: None, priority: Priority::default() }
    }
}

impl Encoding {
    /// A layer with this name.
    pub fn layer(rid: impl Into<String>) -> Self {
        Self { rid: Some(rid.into()), ..Self::default() }
    }
}

/// A layer with the sources it is sent under, which are ours for as long as the transceiver lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) encoding: Encoding,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: u32,
}

/// What is known of a transceiver, for those who only look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransceiverInfo {
    /// Its name here.
    pub id: TransceiverId,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// The name of its media section, once both sides know it.
    pub mid: Option<String>,
    /// What this side would like to do.
    pub direction: Direction,
    /// What both sides agreed on, once they have.
    pub current_direction: Option<Direction>,
    /// Whether it is over: its section is, or will be, refused.
    pub stopped: bool,
    /// The name of the track that is sent.
    pub track: Option<String>,
    /// The codec that is sent, once it is agreed.
    pub codec: Option<Codec>,
}

/// What both sides said in the last exchange that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Our direction, as it stood in our description.
    pub(crate) local: Direction,
    /// Theirs, seen from here.
    pub(crate) remote: Direction,
    pub(crate) we_offered: bool,
    pub(crate) streams: Vec<String>,
}

/// One transceiver.
#[derive(Clone, Debug)]
pub(crate) struct Transceiver {
    pub(crate) id: TransceiverId,
    pub(crate) kind: MediaKind,
    pub(crate) mid: Option<String>,
    pub(crate) direction: Direction,
    pub(crate) current_direction: Option<Direction>,
    pub(crate) stopped: bool,
    pub(crate) track: Option<String>,
    pub(crate) streams: Vec<String>,
    pub(crate) layers: Vec<Layer>,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) send_codec: Option<Codec>,
    pub(crate) origin: Origin,
    pub(crate) agreed: Option<Agreed>,
    /// Whether the application was told that the peer sends.
    pub(crate) is_receiving: bool,
}

/// Who made a transceiver, which decides what may take it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The application by name: an offer of the peer never takes it over.
    Transceiver,
    /// The application by a track that is to be sent.
    Track,
    /// An offer of the peer.
    Peer,
}

impl Transceiver {
    pub(crate) fn info(&self) -> TransceiverInfo {
        TransceiverInfo {
            id: self.id,
            kind: self.kind,
            mid: self.mid.clone(),
            direction: self.direction,
            current_direction: self.current_direction,
            stopped: self.stopped,
            track: self.track.clone(),
            codec: self.send_codec.clone(),
        }
    }

    /// The codecs that may be used, by preference.
    pub(crate) fn allowed_codecs(&self) -> Vec<Codec> {
        if self.codecs.is_empty() { Codec::all(self.kind) } else { self.codecs.clone() }
    }

    /// Whether the last exchange no longer says what is wanted (W3C WebRTC 1.0, section 4.7.3, step 5).
    fn needs_negotiation(&self, is_refused: impl Fn(&str) -> bool) -> bool {
        let Some(mid) = &self.mid else { return !self.stopped };
        if is_refused(mid) {
            return false;
        }
        let Some(agreed) = &self.agreed else { return true };
        if self.stopped || (self.direction.sends() && agreed.streams != self.streams) {
            return true;
        }
        if agreed.we_offered {
            agreed.local != self.direction && agreed.remote != self.direction
        } else {
            agreed.local != self.direction.and(agreed.remote)
        }
    }
}

/// All transceivers of a session, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transceivers {
    list: Vec<Transceiver>,
    last: u32,
}

impl Transceivers {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transceiver> {
        self.list.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Transceiver> {
        self.list.iter_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn by_id(&self, id: TransceiverId) -> Option<&Transceiver> {
        self.list.iter().find(|one| one.id == id)
    }

    pub(crate) fn by_id_mut(&mut self, id: TransceiverId) -> Option<&mut Transceiver> {
        self.list.iter_mut().find(|one| one.id == id)
    }

    pub(crate) fn by_mid(&self, mid: &str) -> Option<&Transceiver> {
        self.list.iter().find(|one| one.mid.as_deref() == Some(mid))
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Transceiver) -> bool) {
        self.list.retain(keep);
    }

    pub(crate) fn add(
        &mut self,
        rng: &mut StdRng,
        kind: MediaKind,
        origin: Origin,
        options: TransceiverOptions,
    ) -> TransceiverId {
        self.last += 1;
        let id = TransceiverId(self.last);
        let mut encodings = options.encodings;
        if encodings.is_empty() {
            encodings.push(Encoding::default());
        }
        let mut taken: Vec<u32> =
            self.list.iter().flat_map(|one| &one.layers).flat_map(|l| [l.ssrc, l.rtx_ssrc]).collect();
        let mut fresh = || loop {
            let ssrc = rng.next_u32();
            if ssrc != 0 && !taken.contains(&ssrc) {
                taken.push(ssrc);
                break ssrc;
            }
        };
        let layers =
            encodings.into_iter().map(|encoding| Layer { encoding, ssrc: fresh(), rtx_ssrc: fresh() }).collect();
        self.list.push(Transceiver {
            id,
            kind,
            mid: None,
            direction: options.direction,
            current_direction: None,
            stopped: false,
            track: options.track,
            streams: options.streams,
            layers,
            codecs: options.codecs,
            send_codec: None,
            origin,
            agreed: None,
            is_receiving: false,
        });
        id
    }

    /// The transceiver that sends a new track where one is free to (W3C WebRTC 1.0, `addTrack`, step 7).
    pub(crate) fn reusable(&mut self, kind: MediaKind) -> Option<&mut Transceiver> {
        let is_free = |one: &&mut Transceiver| {
            one.kind == kind && !one.stopped && one.track.is_none() && one.origin != Origin::Transceiver
        };
        self.list.iter_mut().find(is_free)
    }

    /// The transceiver that takes up a section which the peer offers for the first time (RFC 8829, section 5.10):
    /// one that was made for a track of the same kind and has no section yet.
    pub(crate) fn unassociated(&self, kind: MediaKind, taken: &[TransceiverId]) -> Option<TransceiverId> {
        let is_free = |one: &&Transceiver| {
            one.kind == kind
                && one.mid.is_none()
                && !one.stopped
                && one.origin == Origin::Track
                && !taken.contains(&one.id)
        };
        self.list.iter().find(is_free).map(|one| one.id)
    }

    pub(crate) fn need_negotiation(&self, is_refused: impl Fn(&str) -> bool) -> bool {
        self.list.iter().any(|one| one.needs_negotiation(&is_refused))
    }
}
