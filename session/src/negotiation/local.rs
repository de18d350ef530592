//! Our own descriptions: what they say, and candidates as they come to be known.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sdp::{Attribute, Connection, Description, Group, Media, Setup};

use crate::media::LocalMedia;
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
            section.bundle_only = false;
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
        // All sections share the transport of the first that is not refused.
        let index = sections.iter().position(|section| !section.is_refused()).unwrap_or(0);
        IceCandidate {
            candidate: candidate.to_string(),
            sdp_mid: sections.get(index).and_then(|section| section.mid.clone()),
            sdp_m_line_index: u16::try_from(index).ok(),
            username_fragment: Some(transport.ice.local_credentials().ufrag.clone()),
        }
    }

    /// Gives back memory that is not needed.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.candidates.shrink_to_fit();
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
        let used = || local.sections.iter().filter(|section| !section.is_refused());
        let bundle: Vec<&str> = used().filter(|section| section.bundled).filter_map(|one| one.mid.as_deref()).collect();
        if !bundle.is_empty() {
            description.push(Attribute::Group(Group::bundle(bundle)));
        }
        // RFC 8285, section 6: an answer has it where the offer does.
        let allows_mixed = self.remote().is_none_or(|offer| local.kind == SdpKind::Offer || offer.allows_mixed);
        if allows_mixed && used().any(|section| section.media().is_some()) {
            description.push(Attribute::ExtmapAllowMixed);
        }
        let address = default_address(candidates);
        let mut is_tagged = true;
        for section in &local.sections {
            let mut media = section.head(match (section.is_refused(), section.bundle_only) {
                (true, _) | (false, true) => 0,
                (false, false) => address.port(),
            });
            media.set_connection(match section.is_refused() || section.bundle_only {
                true => Connection::new("0.0.0.0"),
                false => Connection::new(address.ip().to_string()),
            });
            if !section.is_refused() {
                if std::mem::take(&mut is_tagged) {
                    push_candidates(&mut media, candidates, complete);
                }
                self.push_transport(local.setup, section, credentials, &mut media);
                self.push_content(section, &mut media);
            }
            description.media.push(media);
        }
        description.to_string()
    }

    /// What concerns the transport, which every section repeats (RFC 9143, section 7.1.3, would have it once; some
    /// peers look for it in each).
    fn push_transport(&self, setup: Setup, section: &Section, credentials: &ice::Credentials, media: &mut Media) {
        if section.bundle_only {
            media.push(Attribute::BundleOnly);
        }
        media.push(Attribute::IceUfrag(credentials.ufrag.clone()));
        media.push(Attribute::IcePwd(credentials.pwd.clone()));
        media.push(Attribute::IceOptions(vec!["trickle".into(), "ice2".into()]));
        media.push(Attribute::Fingerprint(self.fingerprint.clone()));
        media.push(Attribute::Setup(setup));
    }

    fn push_content(&self, section: &Section, media: &mut Media) {
        match &section.purpose {
            Purpose::Channels => {
                media.push(Attribute::SctpPort(self.sctp_port));
                media.push(Attribute::MaxMessageSize(announced(self.max_message)));
            }
            Purpose::Media(content) => content.write(&self.cname, media),
            Purpose::Refused => {}
        }
    }
}

fn push_candidates(media: &mut Media, candidates: &[ice::Candidate], complete: bool) {
    for candidate in candidates {
        let text = candidate.to_string();
        media.push(Attribute::Candidate(text.strip_prefix("candidate:").unwrap_or(&text).to_owned()));
    }
    if complete {
        media.push(Attribute::EndOfCandidates);
    }
}

impl Section {
    /// The section with this port and its mid, and nothing else yet.
    fn head(&self, port: u16) -> Media {
        let formats = self.media().map_or_else(|| self.formats.clone(), LocalMedia::formats);
        let mut media = Media::new(&self.media, port, &self.protocol, formats);
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

/// The `max-message-size` to announce: 0 is no limit (RFC 8841, section 6.1).
const fn announced(max_message: usize) -> u64 {
    if max_message == usize::MAX { 0 } else { max_message as u64 }
}
