//! Our own descriptions: what they say, and candidates as they come to be known.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::transport::Transport;
use crate::{IceCandidate, SdpKind, SessionDescription};

use super::{Negotiation, Purpose, Section};

/// Who opens DTLS (`a=setup`, RFC 8842, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    /// Only in offers: the answerer chooses.
    ActPass,
    Active,
    Passive,
}

impl Setup {
    /// What we answer: the other role than the peer's, or the preferred one where it leaves the choice.
    pub(super) const fn answer_to(offer: Self, preferred: dtls::Role) -> Self {
        match (offer, preferred) {
            (Self::Active, _) | (Self::ActPass, dtls::Role::Server) => Self::Passive,
            (Self::Passive, _) | (Self::ActPass, dtls::Role::Client) => Self::Active,
        }
    }

    /// The role of the one that said so.
    pub(super) const fn role(self) -> dtls::Role {
        match self {
            Self::Active => dtls::Role::Client,
            Self::ActPass | Self::Passive => dtls::Role::Server,
        }
    }

    /// The role of the other one.
    pub(super) const fn peer_role(self) -> dtls::Role {
        match self.role() {
            dtls::Role::Client => dtls::Role::Server,
            dtls::Role::Server => dtls::Role::Client,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }
}

/// A description of ours, without what changes while it stands: candidates.
#[derive(Clone, Debug)]
pub(super) struct Local {
    pub(super) kind: SdpKind,
    pub(super) version: u64,
    pub(super) sections: Vec<Section>,
    pub(super) setup: Setup,
}

impl Local {
    /// The sections, with those of these indices refused.
    pub(super) fn without(&self, refused: &[usize]) -> Vec<Section> {
        let mut sections = self.sections.clone();
        for (index, section) in sections.iter_mut().enumerate() {
            if refused.contains(&index) {
                section.purpose = Purpose::Refused;
            }
        }
        sections
    }
}

impl Negotiation {
    pub(crate) fn local_description(&self, transport: &Transport) -> Option<SessionDescription> {
        self.local().map(|local| SessionDescription { kind: local.kind, sdp: self.render_now(local, transport) })
    }

    /// A candidate of ours was found. Returns it as it goes through signalling.
    pub(crate) fn local_candidate(&mut self, candidate: &ice::Candidate, transport: &Transport) -> IceCandidate {
        self.candidates.push(candidate.clone());
        let sections = self.local().map(|local| local.sections.as_slice()).unwrap_or_default();
        let index = sections.iter().position(|section| section.purpose == Purpose::Channels).unwrap_or(0);
        IceCandidate {
            candidate: candidate.to_string(),
            sdp_mid: sections.get(index).and_then(|section| section.mid.clone()),
            sdp_m_line_index: u16::try_from(index).ok(),
            username_fragment: Some(transport.ice.local_credentials().ufrag.clone()),
        }
    }

    pub(super) fn render_now(&self, local: &Local, transport: &Transport) -> String {
        let complete = transport.ice.gathering_state() == ice::GatheringState::Complete;
        self.render(local, transport.ice.local_credentials(), &self.candidates, complete)
    }

    /// The text of a description (RFC 8829, sections 5.2.1 and 5.3.1).
    pub(super) fn render(
        &self,
        local: &Local,
        credentials: &ice::Credentials,
        candidates: &[ice::Candidate],
        complete: bool,
    ) -> String {
        let mut sdp = String::with_capacity(1024);
        let Self { session_id, .. } = self;
        line(&mut sdp, format_args!("v=0"));
        line(&mut sdp, format_args!("o=- {session_id} {} IN IP4 127.0.0.1", local.version));
        line(&mut sdp, format_args!("s=-"));
        line(&mut sdp, format_args!("t=0 0"));
        let bundle: Vec<&str> = local
            .sections
            .iter()
            .filter(|section| section.bundled && section.purpose == Purpose::Channels)
            .filter_map(|section| section.mid.as_deref())
            .collect();
        if !bundle.is_empty() {
            line(&mut sdp, format_args!("a=group:BUNDLE {}", bundle.join(" ")));
        }
        for section in &local.sections {
            match section.purpose {
                Purpose::Channels => self.render_channels(&mut sdp, local, section, credentials, candidates, complete),
                Purpose::Refused => render_refused(&mut sdp, section),
            }
        }
        sdp
    }

    fn render_channels(
        &self,
        sdp: &mut String,
        local: &Local,
        section: &Section,
        credentials: &ice::Credentials,
        candidates: &[ice::Candidate],
        complete: bool,
    ) {
        let address = default_address(candidates);
        let Section { media, protocol, formats, .. } = section;
        line(sdp, format_args!("m={media} {} {protocol} {formats}", address.port()));
        line(sdp, format_args!("c=IN {} {}", if address.is_ipv4() { "IP4" } else { "IP6" }, address.ip()));
        for candidate in candidates {
            line(sdp, format_args!("a={candidate}"));
        }
        if complete {
            line(sdp, format_args!("a=end-of-candidates"));
        }
        line(sdp, format_args!("a=ice-ufrag:{}", credentials.ufrag));
        line(sdp, format_args!("a=ice-pwd:{}", credentials.pwd));
        line(sdp, format_args!("a=ice-options:trickle ice2"));
        line(sdp, format_args!("a=fingerprint:{}", self.fingerprint));
        line(sdp, format_args!("a=setup:{}", local.setup.name()));
        if let Some(mid) = &section.mid {
            line(sdp, format_args!("a=mid:{mid}"));
        }
        line(sdp, format_args!("a=sctp-port:5000"));
        line(sdp, format_args!("a=max-message-size:{}", self.max_message));
    }
}

fn render_refused(sdp: &mut String, section: &Section) {
    let Section { media, protocol, formats, .. } = section;
    line(sdp, format_args!("m={media} 0 {protocol} {formats}"));
    line(sdp, format_args!("c=IN IP4 0.0.0.0"));
    if let Some(mid) = &section.mid {
        line(sdp, format_args!("a=mid:{mid}"));
    }
}

/// The default destination (RFC 8839, section 4.2.1.2): of the candidates most likely to work without ICE, which are
/// those that the most servers stand behind. Port 9 means that there is none yet (RFC 8840, section 4.1.1).
fn default_address(candidates: &[ice::Candidate]) -> SocketAddr {
    candidates
        .iter()
        .rev()
        .min_by_key(|candidate| candidate.priority)
        .and_then(ice::Candidate::socket_addr)
        .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9))
}

fn line(sdp: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = write!(sdp, "{text}\r\n");
}
