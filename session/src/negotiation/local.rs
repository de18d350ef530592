//! Our own descriptions: what they say, and candidates as they come to be known.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sdp::{Attribute, Connection, Description, Group, Media, Setup};

use crate::transport::Transport;
use crate::{IceCandidate, SdpKind, SessionDescription};

use super::{Negotiation, Purpose, Section};

/// What we answer: the other role than the peer's, or the preferred one where it leaves the choice (RFC 8842,
/// section 5.2).
pub(super) const fn answer_to(offer: Setup, preferred: dtls::Role) -> Setup {
    match (offer, preferred) {
        (Setup::Active, _) | (Setup::Actpass | Setup::Holdconn, dtls::Role::Server) => Setup::Passive,
        (Setup::Passive, _) | (Setup::Actpass | Setup::Holdconn, dtls::Role::Client) => Setup::Active,
    }
}

/// The DTLS role of the one who answered so.
pub(super) const fn role_of(answer: Setup) -> dtls::Role {
    match answer {
        Setup::Active => dtls::Role::Client,
        Setup::Passive | Setup::Actpass | Setup::Holdconn => dtls::Role::Server,
    }
}

/// The other role.
pub(super) const fn opposite(role: dtls::Role) -> dtls::Role {
    match role {
        dtls::Role::Client => dtls::Role::Server,
        dtls::Role::Server => dtls::Role::Client,
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

    /// The socket bound to this address is gone, and with it the candidates behind it.
    pub(crate) fn forget_host(&mut self, host: SocketAddr) {
        self.candidates.retain(|candidate| candidate.address.ip() != Some(host) && candidate.related != Some(host));
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
        let mut description = Description::new(self.session_id, local.version);
        let bundle: Vec<&str> = local
            .sections
            .iter()
            .filter(|section| section.bundled && section.purpose == Purpose::Channels)
            .filter_map(|section| section.mid.as_deref())
            .collect();
        if !bundle.is_empty() {
            description.push(Attribute::Group(Group::bundle(bundle)));
        }
        for section in &local.sections {
            let mut media = match section.purpose {
                Purpose::Channels => self.channels_media(local.setup, section, credentials, candidates, complete),
                Purpose::Refused => section.media(0),
            };
            media.set_connection(match section.purpose {
                Purpose::Channels => Connection::new(default_address(candidates).ip().to_string()),
                Purpose::Refused => Connection::new("0.0.0.0"),
            });
            description.media.push(media);
        }
        description.to_string()
    }

    fn channels_media(
        &self,
        setup: Setup,
        section: &Section,
        credentials: &ice::Credentials,
        candidates: &[ice::Candidate],
        complete: bool,
    ) -> Media {
        let mut media = section.media(default_address(candidates).port());
        for candidate in candidates {
            let text = candidate.to_string();
            media.push(Attribute::Candidate(text.strip_prefix("candidate:").unwrap_or(&text).to_owned()));
        }
        if complete {
            media.push(Attribute::EndOfCandidates);
        }
        media.push(Attribute::IceUfrag(credentials.ufrag.clone()));
        media.push(Attribute::IcePwd(credentials.pwd.clone()));
        media.push(Attribute::IceOptions(vec!["trickle".into(), "ice2".into()]));
        media.push(Attribute::Fingerprint(self.fingerprint.clone()));
        media.push(Attribute::Setup(setup));
        media.push(Attribute::SctpPort(self.sctp_port));
        media.push(Attribute::MaxMessageSize(self.max_message as u64));
        media
    }
}

impl Section {
    /// The section with this port and its mid, and nothing else yet.
    fn media(&self, port: u16) -> Media {
        let mut media = Media::new(&self.media, port, &self.protocol, &self.formats);
        if let Some(mid) = &self.mid {
            media.push(Attribute::Mid(mid.clone()));
        }
        media
    }
}

/// The default destination (RFC 8839, section 4.2.1.2): of the candidates the one most likely to work without ICE,
/// which has the lowest priority. Port 9 means that there is none yet (RFC 8840, section 4.1.1).
fn default_address(candidates: &[ice::Candidate]) -> SocketAddr {
    candidates
        .iter()
        .min_by_key(|candidate| candidate.priority)
        .and_then(|candidate| candidate.address.ip())
        .unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9))
}
