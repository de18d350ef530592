//! Descriptions and candidates, and what follows from them for the layers beneath.

use std::time::Instant;

use super::{Life, Session};
use crate::negotiation::{Applied, Trickled};
use crate::{Error, Event, IceCandidate, OfferOptions, SessionDescription};

impl Session {
    /// Makes an offer of all that is wanted (RFC 8829, section 5.2). Nothing changes until it is set.
    pub fn create_offer(&mut self, _now: Instant, options: OfferOptions) -> Result<SessionDescription, Error> {
        self.check_open()?;
        self.negotiation.create_offer(&self.transport, options)
    }

    /// Makes the answer to the offer that was set (RFC 8829, section 5.3). Nothing changes until it is set.
    pub fn create_answer(&mut self, _now: Instant) -> Result<SessionDescription, Error> {
        self.check_open()?;
        self.negotiation.create_answer(&self.transport)
    }

    /// Makes a description that was created here the local one, which starts gathering (RFC 8829, section 5.5).
    pub fn set_local_description(&mut self, now: Instant, description: SessionDescription) -> Result<(), Error> {
        self.check_open()?;
        let applied = self.negotiation.set_local(&description)?;
        self.apply(now, applied);
        Ok(())
    }

    /// Hears the peer's description (RFC 8829, section 5.6). One that cannot be used changes nothing.
    pub fn set_remote_description(&mut self, now: Instant, description: SessionDescription) -> Result<(), Error> {
        self.check_open()?;
        let applied = self.negotiation.set_remote(&description, &self.transport)?;
        self.apply(now, applied);
        for candidate in std::mem::take(&mut self.early_candidates) {
            if let Err(error) = self.add_ice_candidate(now, candidate) {
                tracing::debug!(%error, "a candidate that came before its description does not belong to it");
            }
        }
        Ok(())
    }

    /// Carries out what follows from a description that was set.
    fn apply(&mut self, now: Instant, applied: Applied) {
        if let Some(role) = applied.ice_role {
            self.transport.ice.set_role(now, role);
        }
        if let Some(local) = applied.restart {
            self.transport.ice.restart(now, local);
        }
        if let Some(remote) = applied.remote_ice {
            if let Some(credentials) = remote.credentials {
                self.transport.ice.set_remote(now, credentials, remote.lite);
            }
            for candidate in remote.candidates {
                self.transport.ice.add_remote_candidate(now, candidate);
            }
            if remote.complete {
                self.transport.ice.end_of_remote_candidates(now);
            }
        }
        if let Some(limit) = applied.remote_max_message {
            self.channels.set_remote_max_message(limit);
        }
        if let Some(port) = applied.remote_sctp_port {
            self.channels.set_remote_port(port);
        }
        self.start_channels(now);
        if let Some(security) = applied.security {
            self.transport.secure(security);
        }
        if let Some(state) = applied.signaling_state {
            self.tell(Event::SignalingState(state));
        }
        self.tell_tracks(applied.tracks);
        if let Some(media) = applied.media {
            self.configure_media(now, media);
        }
        self.react(now);
        self.check_negotiation_needed();
    }

    /// The local description with all candidates known by now: the pending one, or the current one.
    pub fn local_description(&self) -> Option<SessionDescription> {
        self.negotiation.local_description(&self.transport)
    }

    /// The remote description: the pending one, or the current one.
    pub fn remote_description(&self) -> Option<SessionDescription> {
        self.negotiation.remote_description()
    }

    /// Hears a candidate of the peer (RFC 8838); an empty one ends them. One that comes before the remote
    /// description waits for it.
    pub fn add_ice_candidate(&mut self, now: Instant, candidate: IceCandidate) -> Result<(), Error> {
        self.check_open()?;
        if !self.negotiation.has_remote() {
            if self.early_candidates.len() >= self.early_candidates_limit {
                return Err(Error::TooManyCandidates { limit: self.early_candidates_limit });
            }
            self.early_candidates.push(candidate);
            return Ok(());
        }
        match self.negotiation.remote_candidate(&candidate)? {
            Trickled::Candidate(candidate) => self.transport.ice.add_remote_candidate(now, *candidate),
            Trickled::End => self.transport.ice.end_of_remote_candidates(now),
            Trickled::Foreign => {}
        }
        self.react(now);
        Ok(())
    }

    /// The next offer is to restart ICE (W3C WebRTC 1.0, `restartIce`).
    pub fn restart_ice(&mut self, _now: Instant) {
        self.negotiation.want_restart();
        self.check_negotiation_needed();
    }

    pub(super) fn check_negotiation_needed(&mut self) {
        if self.life == Life::Open && self.negotiation.take_needed() {
            self.tell(Event::NegotiationNeeded);
        }
    }
}
