//! Offer and answer (RFC 8829, RFC 3264): what each side has said, and what follows from both.
//!
//! ```text
//!                 set_local(offer)                set_remote(answer)
//!        Stable -----------------> HaveLocalOffer -------------------> Stable
//!          |                          |  ^ rollback: back to Stable
//!          |                          +--set_remote(pranswer)--> HaveRemotePranswer --answer--> Stable
//!          |      set_remote(offer)                set_local(answer)
//!          +-----------------------> HaveRemoteOffer -----------------> Stable
//!                                     +--set_local(pranswer)--> HaveLocalPranswer --answer--> Stable
//! ```

mod create;
mod local;
mod media;
mod remote;
mod set;

use rand::Rng;
use rand::rngs::StdRng;

use crate::media::{
    ExtensionNumbers, LocalMedia, MediaKind, MediaParameters, Numbers, Origin, TransceiverId, TransceiverOptions,
    Transceivers,
};
use crate::transport::Security;
use crate::{BundlePolicy, Config, Error, SessionDescription, SignalingState};

use local::Local;
pub(crate) use media::TrackChange;
pub(crate) use remote::Trickled;
use remote::{Remote, RemoteIce};

/// What an offer is to do beside describing what is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfferOptions {
    /// Look for a path anew, with fresh credentials (RFC 8839, section 4.4.1.1.1). Data flows on meanwhile.
    pub ice_restart: bool,
}

/// A media section as both sides number it. Its index and mid never change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    mid: Option<String>,
    /// `application`, `audio`, …, as the offer had it.
    media: String,
    protocol: String,
    formats: Vec<String>,
    /// Whether it is in the BUNDLE group of the offer.
    bundled: bool,
    /// Whether it is offered on condition that it goes with its group (RFC 9143, section 6).
    bundle_only: bool,
    purpose: Purpose,
}

impl Section {
    fn is_refused(&self) -> bool {
        self.purpose == Purpose::Refused
    }

    fn media(&self) -> Option<&LocalMedia> {
        match &self.purpose {
            Purpose::Media(media) => Some(media),
            Purpose::Channels | Purpose::Refused => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    /// Carries the data channels.
    Channels,
    /// Carries what a transceiver sends and receives.
    Media(Box<LocalMedia>),
    /// Refused, with port 0.
    Refused,
}

/// The exchange of descriptions of one session.
pub(crate) struct Negotiation {
    state: SignalingState,
    /// The session id of our origin line (RFC 8866, section 5.2).
    session_id: u64,
    /// Its version, which grows with every description made.
    version: u64,
    rng: StdRng,
    preferred_role: dtls::Role,
    max_message: usize,
    sctp_port: u16,
    fingerprint: String,
    /// The name that all of our sources share (RFC 8834, section 4.9).
    cname: String,
    pub(crate) transceivers: Transceivers,
    max_transceivers: usize,
    numbers: Numbers,
    extensions: ExtensionNumbers,
    bundle_policy: BundlePolicy,
    wants_channels: bool,
    wants_restart: bool,
    /// Whether the peer's answer kept a section that cannot be, which the next offer tells it.
    wants_refusal: bool,
    /// Transceivers whose section the peer's offer refuses, which goes with the offer if that is taken back.
    stopped_by_offer: Vec<TransceiverId>,
    /// Whether ICE has been restarted in the exchange that is pending.
    has_restarted: bool,
    /// Whether an event already told that an offer is due.
    told_needed: bool,
    ice_role: Option<ice::Role>,
    /// Sections agreed in the last exchange.
    sections: Vec<Section>,
    /// Numbers from here on were no section's mid yet, so that a section never gets the name of one that is over.
    next_mid: u32,
    /// What was made last, and may be set.
    created_offer: Option<Created>,
    created_answer: Option<Created>,
    current_local: Option<Local>,
    pending_local: Option<Local>,
    current_remote: Option<Remote>,
    pending_remote: Option<Remote>,
    /// Candidates of the current generation, in the order they were found.
    candidates: Vec<ice::Candidate>,
}

/// A description that was made here but is not set yet.
#[derive(Clone)]
struct Created {
    sdp: String,
    local: Local,
    /// Credentials of the restart that setting it begins.
    restart: Option<ice::Credentials>,
}

/// What follows from a description that was set, for the layers beneath.
#[derive(Default)]
pub(crate) struct Applied {
    pub(crate) ice_role: Option<ice::Role>,
    pub(crate) restart: Option<ice::Credentials>,
    pub(crate) remote_ice: Option<RemoteIce>,
    pub(crate) remote_max_message: Option<usize>,
    pub(crate) remote_sctp_port: Option<u16>,
    pub(crate) security: Option<Security>,
    /// What is sent and received from now on, once both sides agree.
    pub(crate) media: Option<Vec<MediaParameters>>,
    /// Tracks that the peer begins or ceases to send.
    pub(crate) tracks: Vec<TrackChange>,
    pub(crate) signaling_state: Option<SignalingState>,
}

impl Negotiation {
    pub(crate) fn new(mut rng: StdRng, config: &Config) -> Self {
        let cname = format!("{:016x}", rng.next_u64());
        Self {
            state: SignalingState::Stable,
            // RFC 8829, section 5.2.1: a 64-bit number with the highest bit 0.
            session_id: rng.next_u64() >> 1,
            version: 0,
            rng,
            preferred_role: config.dtls_role,
            max_message: config.channels.sctp.max_message,
            sctp_port: config.channels.sctp.local_port,
            fingerprint: config.identity.fingerprint(dtls::HashAlgorithm::Sha256).to_string(),
            cname,
            transceivers: Transceivers::default(),
            max_transceivers: config.max_transceivers,
            numbers: Numbers::default(),
            extensions: ExtensionNumbers::default(),
            bundle_policy: config.bundle_policy,
            wants_channels: false,
            wants_restart: false,
            wants_refusal: false,
            stopped_by_offer: Vec::new(),
            has_restarted: false,
            told_needed: false,
            ice_role: None,
            sections: Vec::new(),
            next_mid: 0,
            created_offer: None,
            created_answer: None,
            current_local: None,
            pending_local: None,
            current_remote: None,
            pending_remote: None,
            candidates: Vec::new(),
        }
    }

    pub(crate) const fn state(&self) -> SignalingState {
        self.state
    }

    /// Whether the state changed.
    pub(crate) fn close(&mut self) -> bool {
        std::mem::replace(&mut self.state, SignalingState::Closed) != SignalingState::Closed
    }

    /// The name that all of our sources share.
    pub(crate) fn cname(&self) -> &str {
        &self.cname
    }

    pub(crate) const fn want_channels(&mut self) {
        self.wants_channels = true;
    }

    pub(crate) const fn want_restart(&mut self) {
        self.wants_restart = true;
    }

    /// Whether an offer is due that nobody was told of yet (W3C WebRTC 1.0, section 4.7.3).
    pub(crate) fn take_needed(&mut self) -> bool {
        if self.state != SignalingState::Stable {
            return false;
        }
        let needed = self.wants_restart
            || self.wants_refusal
            || (self.wants_channels && self.channel_section().is_none())
            || self.transceivers.need_negotiation(|mid| {
                self.sections.iter().any(|section| section.is_refused() && section.mid.as_deref() == Some(mid))
            });
        let news = needed && !self.told_needed;
        self.told_needed = needed;
        news
    }

    /// Makes a transceiver for the application.
    pub(crate) fn add_transceiver(
        &mut self,
        kind: MediaKind,
        origin: Origin,
        options: TransceiverOptions,
    ) -> Result<TransceiverId, Error> {
        if self.transceivers.len() >= self.max_transceivers {
            return Err(Error::TooManyTransceivers { limit: self.max_transceivers });
        }
        Ok(self.transceivers.add(&mut self.rng, kind, origin, options))
    }

    fn channel_section(&self) -> Option<&Section> {
        channel_section(&self.sections)
    }

    /// Whether both sides want data channels, by the last exchange or by a provisional answer.
    pub(crate) fn has_channels(&self) -> bool {
        let (state, remote) = (self.state, self.pending_remote.as_ref());
        self.channel_section().is_some()
            || (state == SignalingState::HaveRemotePranswer && remote.is_some_and(|remote| remote.channels().is_some()))
            || (state == SignalingState::HaveLocalPranswer
                && self.pending_local.as_ref().is_some_and(|local| channel_section(&local.sections).is_some()))
    }

    pub(crate) const fn has_remote(&self) -> bool {
        self.current_remote.is_some() || self.pending_remote.is_some()
    }

    fn remote(&self) -> Option<&Remote> {
        self.pending_remote.as_ref().or(self.current_remote.as_ref())
    }

    fn local(&self) -> Option<&Local> {
        self.pending_local.as_ref().or(self.current_local.as_ref())
    }

    pub(crate) fn remote_description(&self) -> Option<SessionDescription> {
        self.remote().map(|remote| remote.description.clone())
    }
}

fn channel_section(sections: &[Section]) -> Option<&Section> {
    sections.iter().find(|section| section.purpose == Purpose::Channels)
}
