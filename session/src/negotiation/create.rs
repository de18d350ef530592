//! Making offers and answers (RFC 8829, sections 5.2 and 5.3).

use sdp::Setup;

use crate::media::{LocalMedia, Transceiver};
use crate::transport::Transport;
use crate::{BundlePolicy, Error, OfferOptions, SdpKind, SessionDescription, SignalingState};

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
    fn offered_sections(&self) -> Vec<Section> {
        let mut sections = self.sections.clone();
        // An offer that is taken back, or never set, leaves no number behind: the peer may need it for something else.
        let (mut numbers, mut extensions) = (self.numbers.clone(), self.extensions.clone());
        let mut media_of = |one: &Transceiver| LocalMedia::offered(one, &mut numbers, &mut extensions);
        for section in &mut sections {
            if !matches!(section.purpose, Purpose::Channels) {
                // All that its transceiver could do, not only what was agreed.
                let by_mid = section.mid.as_ref().and_then(|mid| self.transceivers.by_mid(mid));
                let again = by_mid.filter(|one| !one.stopped).map(&mut media_of);
                section.purpose = again.map_or(Purpose::Refused, |media| Purpose::Media(Box::new(media)));
            }
        }
        for one in self.transceivers.iter().filter(|one| one.mid.is_none() && !one.stopped) {
            let purpose = Purpose::Media(Box::new(media_of(one)));
            self.add_section(&mut sections, one.kind.name(), "UDP/TLS/RTP/SAVPF", purpose);
        }
        if self.wants_channels && self.channel_section().is_none() {
            self.add_section(&mut sections, "application", "UDP/DTLS/SCTP", Purpose::Channels);
        }
        sections
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

    /// Adds a section with a mid of its own, in the place of one of its kind that both sides know to be refused, if there
    /// is one (RFC 8829, section 5.2.2). Which of them could do without the first, whose transport they share, is a
    /// matter of the policy (section 4.1.1).
    fn add_section(&self, sections: &mut Vec<Section>, media: &str, protocol: &str, purpose: Purpose) {
        let used = |mid: &String| sections.iter().any(|section| section.mid.as_ref() == Some(mid));
        let mut others = sections.iter().filter(|section| !section.is_refused());
        let section = Section {
            mid: (self.next_mid..).chain(0..self.next_mid).map(|number| number.to_string()).find(|mid| !used(mid)),
            media: media.into(),
            protocol: protocol.into(),
            formats: vec!["webrtc-datachannel".into()],
            bundled: true,
            bundle_only: match self.bundle_policy {
                BundlePolicy::MaxBundle => others.next().is_some(),
                BundlePolicy::Balanced => others.any(|section| section.media == media),
                BundlePolicy::MaxCompat => false,
            },
            purpose,
        };
        let was_refused = |index: usize| self.sections.get(index).is_some_and(Section::is_refused);
        let mut places = sections.iter_mut().enumerate();
        let free = places.find(|(index, old)| old.is_refused() && old.media == section.media && was_refused(*index));
        match free {
            Some((_, old)) => *old = section,
            None => sections.push(section),
        }
    }
}
