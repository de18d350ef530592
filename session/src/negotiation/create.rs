//! Making offers and answers (RFC 8829, sections 5.2 and 5.3).

use sdp::Setup;

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

    /// All sections so far, each where it was, and one for data channels if they are wanted for the first time.
    fn offered_sections(&self) -> Vec<Section> {
        let mut sections = self.sections.clone();
        if self.wants_channels && self.channel_section().is_none() {
            let used = |mid: &String| sections.iter().any(|section| section.mid.as_ref() == Some(mid));
            let section = Section {
                mid: (0_u32..).map(|number| number.to_string()).find(|mid| !used(mid)),
                media: "application".into(),
                protocol: "UDP/DTLS/SCTP".into(),
                formats: vec!["webrtc-datachannel".into()],
                bundled: true,
                purpose: Purpose::Channels,
            };
            // A refused section is taken over, with a new mid (RFC 8829, section 5.2.2).
            let is_free = |old: &&mut Section| old.purpose == Purpose::Refused && old.media == section.media;
            match sections.iter_mut().find(is_free) {
                Some(old) => *old = section,
                None => sections.push(section),
            }
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
        let local = Local { kind: SdpKind::Answer, version: self.version, sections: offer.answered_sections(), setup };
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
