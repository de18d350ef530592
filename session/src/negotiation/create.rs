//! Making offers and answers (RFC 8829, sections 5.2 and 5.3).

use sdp::Setup;

use crate::media::{LocalMedia, TransceiverId};
use crate::transport::Transport;
use crate::{Error, OfferOptions, SdpKind, SessionDescription, SignalingState};

use super::local::{Local, answer_to};
use super::{Created, Negotiation, Purpose, Section};

impl Negotiation {
    pub(crate) fn create_offer(
        &mut self,
        transport: &Transport,
        options: OfferOptions,
    ) -> Result<SessionDescription, Error> {
        match self.state {
            SignalingState::Stable | SignalingState::HaveLocalOffer => {}
            SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPranswer => {
                return Err(
                    self.wrong("create an offer", "an offer of the peer is pending; answer it, or roll it back")
                );
            }
            SignalingState::HaveRemotePranswer => {
                return Err(self.wrong("create an offer", "wait for the peer's final answer"));
            }
            SignalingState::Closed => return Err(Error::Closed),
        }
        let restart = (self.current_local.is_some() && (options.ice_restart || self.wants_restart))
            .then(|| ice::Credentials::random(&mut self.rng));
        let setup = Setup::Actpass;
        let local = Local { kind: SdpKind::Offer, version: self.version, sections: self.offered_sections(), setup };
        let created = self.created(transport, local, restart);
        let sdp = created.sdp.clone();
        self.created_offer = Some(created);
        Ok(SessionDescription { kind: SdpKind::Offer, sdp })
    }

    /// All sections so far, each where it was, then those that are wanted for the first time (RFC 8829, sections 5.2.1
    /// and 5.2.2).
    fn offered_sections(&mut self) -> Vec<Section> {
        let mut sections = self.sections.clone();
        for section in &mut sections {
            if !matches!(section.purpose, Purpose::Channels) {
                section.purpose = self.offered_again(section);
            }
        }
        let waiting = self.transceivers.iter().filter(|one| one.mid.is_none() && !one.stopped);
        for (id, kind) in waiting.map(|one| (one.id, one.kind)).collect::<Vec<_>>() {
            if let Some(media) = self.offered_media(id) {
                add_section(&mut sections, kind.name(), "UDP/TLS/RTP/SAVPF", Purpose::Media(Box::new(media)));
            }
        }
        if self.wants_channels && self.channel_section().is_none() {
            add_section(&mut sections, "application", "UDP/DTLS/SCTP", Purpose::Channels);
        }
        sections
    }

    /// What becomes of a section of audio or video in a new offer: all that its transceiver could do, not only what
    /// was agreed.
    fn offered_again(&mut self, section: &Section) -> Purpose {
        let by_mid = section.mid.as_ref().and_then(|mid| self.transceivers.by_mid(mid));
        let Some(id) = by_mid.filter(|one| !one.stopped).map(|one| one.id) else { return Purpose::Refused };
        self.offered_media(id).map_or(Purpose::Refused, |media| Purpose::Media(Box::new(media)))
    }

    fn offered_media(&mut self, id: TransceiverId) -> Option<LocalMedia> {
        let transceiver = self.transceivers.by_id(id)?;
        Some(LocalMedia::offered(transceiver, &mut self.numbers, &mut self.extensions))
    }

    pub(crate) fn create_answer(&mut self, transport: &Transport) -> Result<SessionDescription, Error> {
        if !matches!(self.state, SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPranswer) {
            return Err(self.wrong("create an answer", "set the peer's offer as the remote description first"));
        }
        let Some(offer) = &self.pending_remote else {
            return Err(self.wrong("create an answer", "set the peer's offer as the remote description first"));
        };
        let role = transport.security().map(|security| security.role);
        let setup = answer_to(offer.setup(), role.unwrap_or(self.preferred_role));
        let sections = offer.answered_sections(&self.transceivers);
        let local = Local { kind: SdpKind::Answer, version: self.version, sections, setup };
        let created = self.created(transport, local, None);
        let sdp = created.sdp.clone();
        self.created_answer = Some(created);
        Ok(SessionDescription { kind: SdpKind::Answer, sdp })
    }

    fn created(&mut self, transport: &Transport, local: Local, restart: Option<ice::Credentials>) -> Created {
        self.version += 1;
        let sdp = match &restart {
            // Candidates of the new generation are yet to be found.
            Some(credentials) => self.render(&local, credentials, &[], false),
            None => self.render_now(&local, transport),
        };
        Created { sdp, local, restart }
    }

    pub(super) const fn wrong(&self, action: &'static str, advice: &'static str) -> Error {
        Error::State { action, state: self.state, advice }
    }
}

/// Adds a section with a mid of its own, in the place of a refused one if there is one of its kind (RFC 8829, section
/// 5.2.2). All but the first go with the first: there is one transport.
fn add_section(sections: &mut Vec<Section>, media: &str, protocol: &str, purpose: Purpose) {
    let used = |mid: &String| sections.iter().any(|section| section.mid.as_ref() == Some(mid));
    let section = Section {
        mid: (0_u32..).map(|number| number.to_string()).find(|mid| !used(mid)),
        media: media.into(),
        protocol: protocol.into(),
        formats: vec!["webrtc-datachannel".into()],
        bundled: true,
        bundle_only: sections.iter().any(|section| !section.is_refused()),
        purpose,
    };
    match sections.iter_mut().find(|old| old.is_refused() && old.media == section.media) {
        Some(old) => *old = section,
        None => sections.push(section),
    }
}
