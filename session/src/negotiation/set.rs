//! Setting descriptions: the state machine of RFC 8829, section 3.2, and what each step means for the layers beneath.

use crate::transport::{Security, Transport};
use crate::{Error, SdpKind, SessionDescription, SignalingState};

use super::local::{opposite, role_of};
use super::remote::Remote;
use super::{Applied, Created, Negotiation};

impl Negotiation {
    pub(crate) fn set_local(&mut self, description: &SessionDescription) -> Result<Applied, Error> {
        use SignalingState as State;
        match (description.kind, self.state) {
            (SdpKind::Offer, State::Stable | State::HaveLocalOffer) => self.set_local_offer(description),
            (SdpKind::Answer, State::HaveRemoteOffer | State::HaveLocalPranswer) => {
                self.set_local_answer(description, State::Stable)
            }
            (SdpKind::Pranswer, State::HaveRemoteOffer | State::HaveLocalPranswer) => {
                self.set_local_answer(description, State::HaveLocalPranswer)
            }
            (SdpKind::Rollback, State::HaveLocalOffer | State::HaveLocalPranswer) => Ok(self.roll_back()),
            (SdpKind::Offer, _) => {
                Err(self.wrong("set a local offer", "finish the exchange that is pending, or roll it back"))
            }
            (SdpKind::Answer | SdpKind::Pranswer, _) => {
                Err(self.wrong("set a local answer", "no offer of the peer is pending; set that first"))
            }
            (SdpKind::Rollback, _) => Err(self.wrong("roll back", "no local description is pending")),
        }
    }

    fn set_local_offer(&mut self, description: &SessionDescription) -> Result<Applied, Error> {
        let created = taken(&mut self.created_offer, description)?;
        let mut applied = Applied { restart: created.restart, ..Applied::default() };
        if applied.restart.is_some() {
            self.wants_restart = false;
            self.has_restarted = true;
            self.candidates.clear();
        }
        applied.ice_role = self.take_role(ice::Role::Controlling);
        self.name_sections(&created.local.sections);
        self.pending_local = Some(created.local);
        applied.signaling_state = self.go(SignalingState::HaveLocalOffer);
        Ok(applied)
    }

    fn set_local_answer(&mut self, description: &SessionDescription, next: SignalingState) -> Result<Applied, Error> {
        let mut created = taken(&mut self.created_answer, description)?;
        created.local.kind = description.kind;
        let mut applied = Applied::default();
        if let Some(offer) = &self.pending_remote {
            applied.security = offer.security(role_of(created.local.setup));
        }
        self.pending_local = Some(created.local);
        if next == SignalingState::Stable {
            self.commit(&mut applied);
        }
        applied.signaling_state = self.go(next);
        Ok(applied)
    }

    pub(crate) fn set_remote(
        &mut self,
        description: &SessionDescription,
        transport: &Transport,
    ) -> Result<Applied, Error> {
        use SignalingState as State;
        match (description.kind, self.state) {
            (SdpKind::Offer, State::Stable | State::HaveRemoteOffer | State::HaveLocalOffer) => {
                let remote = Remote::read(description)?;
                self.check_offer(&remote, transport)?;
                Ok(self.set_remote_offer(remote))
            }
            (SdpKind::Answer | SdpKind::Pranswer, State::HaveLocalOffer | State::HaveRemotePranswer) => {
                let remote = Remote::read(description)?;
                self.check_answer(&remote, transport)?;
                Ok(self.set_remote_answer(remote))
            }
            (SdpKind::Rollback, State::HaveRemoteOffer | State::HaveRemotePranswer) => Ok(self.roll_back()),
            (SdpKind::Offer, _) => {
                Err(self.wrong("set a remote offer", "finish the exchange that is pending, or roll it back"))
            }
            (SdpKind::Answer | SdpKind::Pranswer, State::Stable) => Err(self.wrong(
                "set a remote answer",
                "no offer of ours awaits one; each answer is processed once, after its offer",
            )),
            (SdpKind::Answer | SdpKind::Pranswer, _) => {
                Err(self.wrong("set a remote answer", "the peer's offer is pending; answer that instead"))
            }
            (SdpKind::Rollback, _) => Err(self.wrong("roll back", "no remote description is pending")),
        }
    }

    /// An offer that meets one of ours replaces it (W3C WebRTC 1.0, section 4.4.1.5, implicit rollback), and so does one
    /// that follows another before that was answered.
    fn set_remote_offer(&mut self, mut remote: Remote) -> Applied {
        let mut applied = Applied::default();
        let old = self.current_remote.as_ref().and_then(Remote::credentials);
        let is_new = old != remote.credentials();
        let restarts = is_new && old.is_some();
        if self.state != SignalingState::Stable {
            let (is_ours, wanted) = (self.state == SignalingState::HaveLocalOffer, self.wants_restart);
            applied.tracks = self.roll_back().tracks;
            if restarts && !is_ours {
                // The new offer brings the restart that the one before would have brought.
                self.wants_restart = wanted;
            }
        }
        self.associate(&mut remote);
        applied.tracks.extend(self.track_changes(&remote));
        if restarts {
            applied.restart = Some(ice::Credentials::random(&mut self.rng));
            self.has_restarted = true;
            self.candidates.clear();
        }
        let role = if remote.lite { ice::Role::Controlling } else { ice::Role::Controlled };
        applied.ice_role = self.take_role(role);
        self.apply_remote(&remote, &mut applied, is_new);
        self.pending_remote = Some(remote);
        applied.signaling_state = self.go(SignalingState::HaveRemoteOffer);
        applied
    }

    fn set_remote_answer(&mut self, mut remote: Remote) -> Applied {
        self.associate_answer(&mut remote);
        let mut applied = Applied { tracks: self.track_changes(&remote), ..Applied::default() };
        if remote.lite {
            applied.ice_role = Some(ice::Role::Controlling);
        }
        let is_new = self.remote().and_then(Remote::credentials) != remote.credentials();
        self.apply_remote(&remote, &mut applied, is_new);
        applied.security = remote.security(opposite(role_of(remote.setup())));
        let next = if remote.description.kind == SdpKind::Answer {
            SignalingState::Stable
        } else {
            SignalingState::HaveRemotePranswer
        };
        self.pending_remote = Some(remote);
        if next == SignalingState::Stable {
            self.commit(&mut applied);
        }
        applied.signaling_state = self.go(next);
        applied
    }

    fn apply_remote(&self, remote: &Remote, applied: &mut Applied, new_generation: bool) {
        applied.remote_ice = remote.ice(new_generation);
        let Some(channels) = remote.channels() else { return };
        applied.remote_max_message = Some(channels.max_message);
        applied.remote_sctp_port = Some(channels.sctp_port);
    }

    /// Both sides agree: what was pending is current.
    fn commit(&mut self, applied: &mut Applied) {
        let we_offered = self.pending_local.as_ref().is_some_and(|local| local.kind == SdpKind::Offer);
        let answered = if we_offered {
            // Our offer: a section lives if the answer kept it.
            let refused = self.pending_remote.as_ref().map(Remote::refused_sections).unwrap_or_default();
            self.pending_local.as_ref().map(|local| local.without(&refused))
        } else {
            self.pending_local.as_ref().map(|local| local.sections.clone())
        };
        if let Some(sections) = answered {
            self.sections = sections;
        }
        let mids = self.sections.iter().filter_map(|section| section.mid.as_ref()?.parse::<u32>().ok());
        self.next_mid = mids.filter(|mid| *mid < MAX_COUNTED_MID).map(|mid| mid + 1).fold(self.next_mid, u32::max);
        // Who refuses data channels is not asked again until another one is wanted.
        self.wants_channels &= self.channel_section().is_some();
        self.has_restarted = false;
        self.stopped_by_offer.clear();
        self.wants_refusal = we_offered && self.keeps_what_cannot_be();
        self.current_local = self.pending_local.take().or(self.current_local.take());
        self.current_remote = self.pending_remote.take().or(self.current_remote.take());
        self.created_offer = None;
        self.created_answer = None;
        self.told_needed = false;
        let (media, tracks) = self.agree(we_offered);
        applied.media = Some(media);
        applied.tracks.extend(tracks);
    }

    /// Whether the peer took a section of our offer in a way that cannot be.
    fn keeps_what_cannot_be(&self) -> bool {
        let (Some(local), Some(remote)) = (&self.pending_local, &self.pending_remote) else { return false };
        local.sections.iter().zip(&remote.sections).any(|(ours, theirs)| !ours.is_refused() && theirs.cannot_be())
    }

    fn roll_back(&mut self) -> Applied {
        if self.pending_local.take().is_some_and(|local| local.kind == SdpKind::Offer) && self.current_local.is_none() {
            self.ice_role = None;
        }
        // ICE has moved on to credentials that the peer will not hear of now: another restart tells newer ones.
        self.wants_restart |= std::mem::take(&mut self.has_restarted);
        self.pending_remote = None;
        self.created_offer = None;
        self.created_answer = None;
        self.told_needed = false;
        let tracks = self.dissociate();
        Applied { tracks, signaling_state: self.go(SignalingState::Stable), ..Applied::default() }
    }

    /// The role of the first exchange stays (RFC 8445, section 6.1.1); conflicts are ICE's to repair.
    fn take_role(&mut self, role: ice::Role) -> Option<ice::Role> {
        if self.ice_role.is_some() {
            return None;
        }
        self.ice_role = Some(role);
        self.ice_role
    }

    fn go(&mut self, state: SignalingState) -> Option<SignalingState> {
        (std::mem::replace(&mut self.state, state) != state).then_some(state)
    }

    fn check_offer(&self, remote: &Remote, transport: &Transport) -> Result<(), Error> {
        remote.check_sections(&self.sections)?;
        remote.check_role(transport.running_security())?;
        remote.check_security(transport.running_security())
    }

    fn check_answer(&self, remote: &Remote, transport: &Transport) -> Result<(), Error> {
        let offered = self.pending_local.as_ref().map(|local| local.sections.as_slice()).unwrap_or_default();
        remote.check_answers(offered)?;
        remote.check_role(transport.running_security())?;
        remote.check_security(transport.running_security())
    }
}

/// Numbers beyond are a peer's own idea of a mid; ours stay short, as they are in packets.
const MAX_COUNTED_MID: u32 = 10_000;

/// Takes what was created, if it is what is being set. The text decides (RFC 8829, section 5.4).
fn taken(created: &mut Option<Created>, description: &SessionDescription) -> Result<Created, Error> {
    match created {
        Some(made) if made.sdp == description.sdp => Ok(made.clone()),
        Some(_) | None => Err(Error::Modified { kind: description.kind }),
    }
}

/// What the certificate's role is called in each description.
impl Security {
    pub(super) fn same_peer(&self, fingerprints: &[dtls::Fingerprint]) -> bool {
        fingerprints.iter().any(|new| self.peer_fingerprints.contains(new))
    }
}
