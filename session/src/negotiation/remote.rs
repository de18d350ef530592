//! The peer's descriptions: what of them matters here, and what makes one unusable.

use sdp::{Description, Media, Setup};

use crate::error::quoted;
use crate::media::{LocalMedia, RemoteMedia, TransceiverId, Transceivers};
use crate::transport::Security;
use crate::{Error, IceCandidate, SdpKind, SessionDescription};

use super::local::role_of;
use super::{Negotiation, Purpose, Section};

/// What a peer that says nothing of it accepts, in bytes (RFC 8841, section 6).
const DEFAULT_MAX_MESSAGE: u64 = 65_536;
/// What peers of before RFC 8841 mean when they name no port.
const DEFAULT_SCTP_PORT: u16 = 5000;

/// A description of the peer that has been read.
pub(super) struct Remote {
    pub(super) description: SessionDescription,
    pub(super) lite: bool,
    /// Whether header extensions of both forms may be mixed in a stream.
    pub(super) allows_mixed: bool,
    /// The one transport that everything goes over; none where every section is refused.
    transport: Option<RemoteTransport>,
    pub(super) sections: Vec<RemoteSection>,
}

pub(super) struct RemoteSection {
    pub(super) section: Section,
    /// Port 0 without `bundle-only` (RFC 9143, section 6).
    pub(super) refused: bool,
    channels: Option<ChannelSection>,
    pub(super) media: Option<RemoteMedia>,
    /// The transceiver that takes it up.
    pub(super) transceiver: Option<TransceiverId>,
}

impl RemoteSection {
    const fn is_usable(&self) -> bool {
        self.channels.is_some() || self.media.is_some()
    }

    /// Whether the peer wants it, and in a way that cannot be.
    pub(super) const fn cannot_be(&self) -> bool {
        !self.refused && !self.is_usable()
    }
}

/// Where the peer is, and who.
struct RemoteTransport {
    /// The section that it was read for.
    index: usize,
    credentials: ice::Credentials,
    fingerprints: Vec<dtls::Fingerprint>,
    setup: Setup,
    candidates: Vec<ice::Candidate>,
    /// No candidates will follow (RFC 8838, section 8.2).
    complete: bool,
}

/// The section that carries data channels.
pub(super) struct ChannelSection {
    pub(super) sctp_port: u16,
    pub(super) max_message: usize,
}

/// What ICE must hear of a description.
pub(crate) struct RemoteIce {
    /// `None` where they are those of before.
    pub(crate) credentials: Option<ice::Credentials>,
    pub(crate) lite: bool,
    pub(crate) candidates: Vec<ice::Candidate>,
    pub(crate) complete: bool,
}

impl Remote {
    /// Reads a description, and refuses one that lacks what a connection needs.
    pub(super) fn read(description: &SessionDescription) -> Result<Self, Error> {
        let kind = description.kind;
        let parsed: Description = description.sdp.parse().map_err(|error| Error::Description { kind, error })?;
        let mut sections: Vec<RemoteSection> = Vec::with_capacity(parsed.media.len());
        for media in &parsed.media {
            let has_channels = sections.iter().any(|earlier| earlier.channels.is_some());
            let section = read_section(&parsed, media, has_channels);
            if let Some(mid) = &section.section.mid
                && sections.iter().any(|earlier| earlier.section.mid.as_ref() == Some(mid))
            {
                return Err(Error::Unacceptable {
                    kind,
                    problem: format!("two media sections have the mid {}", quoted(mid)),
                });
            }
            sections.push(section);
        }
        let transport = transport_of(kind, &parsed, &mut sections)?;
        let allows_mixed = parsed.media.iter().any(|media| parsed.extmap_allow_mixed(media));
        Ok(Self { description: description.clone(), lite: parsed.ice_lite(), allows_mixed, transport, sections })
    }

    pub(super) fn channels(&self) -> Option<&ChannelSection> {
        self.sections.iter().find_map(|section| section.channels.as_ref())
    }

    pub(super) fn credentials(&self) -> Option<&ice::Credentials> {
        self.transport.as_ref().map(|transport| &transport.credentials)
    }

    /// What was said about DTLS roles; a peer that uses no section has no need of one.
    pub(super) fn setup(&self) -> Setup {
        self.transport.as_ref().map_or(Setup::Actpass, |transport| transport.setup)
    }

    /// What DTLS needs to know, when our role is `role`.
    pub(super) fn security(&self, role: dtls::Role) -> Option<Security> {
        let transport = self.transport.as_ref()?;
        Some(Security { role, peer_fingerprints: transport.fingerprints.clone() })
    }

    /// What ICE needs to know; the credentials only where they are new.
    pub(super) fn ice(&self, new_generation: bool) -> Option<RemoteIce> {
        let transport = self.transport.as_ref()?;
        Some(RemoteIce {
            credentials: new_generation.then(|| transport.credentials.clone()),
            lite: self.lite,
            candidates: transport.candidates.clone(),
            complete: transport.complete,
        })
    }

    /// Our answer's sections: one for each offered, in the same order (RFC 3264, section 6).
    pub(super) fn answered_sections(&self, transceivers: &Transceivers) -> Vec<Section> {
        let answered = self.sections.iter().map(|remote| {
            let mut section = remote.section.clone();
            if let (Some(media), Some(transceiver)) =
                (&remote.media, remote.transceiver.and_then(|id| transceivers.by_id(id)))
                && !transceiver.stopped
                && let Some(media) = LocalMedia::answering(transceiver, media)
            {
                section.purpose = Purpose::Media(Box::new(media));
            }
            section
        });
        answered.collect()
    }

    /// The indices of the sections that the peer does not take, or takes in a way that cannot be: over another
    /// transport, say.
    pub(super) fn refused_sections(&self) -> Vec<usize> {
        let refused = |(index, section): (usize, &RemoteSection)| (!section.is_usable()).then_some(index);
        self.sections.iter().enumerate().filter_map(refused).collect()
    }

    /// A later offer keeps every section where it was (RFC 3264, section 8).
    pub(super) fn check_sections(&self, agreed: &[Section]) -> Result<(), Error> {
        if self.sections.len() < agreed.len() {
            let problem = format!("it has {} media sections where {} are agreed", self.sections.len(), agreed.len());
            return Err(self.unacceptable(problem));
        }
        for (index, (theirs, ours)) in self.sections.iter().zip(agreed).enumerate() {
            // A refused section may be taken over by another one (RFC 8829, section 5.2.2).
            if !ours.is_refused() && theirs.section.mid != ours.mid {
                let (theirs, ours) = (name(theirs.section.mid.as_ref()), name(ours.mid.as_ref()));
                let problem = format!("media section {index} has the mid {theirs}, but {ours} is agreed for it");
                return Err(self.unacceptable(problem));
            }
        }
        Ok(())
    }

    /// An answer has the sections of its offer (RFC 3264, section 6).
    pub(super) fn check_answers(&self, offered: &[Section]) -> Result<(), Error> {
        if self.sections.len() != offered.len() {
            let problem = format!(
                "it has {} media sections where the offer has {}; is it the answer to an earlier offer?",
                self.sections.len(),
                offered.len()
            );
            return Err(self.unacceptable(problem));
        }
        for (index, (theirs, ours)) in self.sections.iter().zip(offered).enumerate() {
            if theirs.section.media != ours.media {
                let problem = format!(
                    "media section {index} is {}, but `{}` was offered",
                    quoted(&theirs.section.media),
                    ours.media
                );
                return Err(self.unacceptable(problem));
            }
            if theirs.section.mid.is_some() && theirs.section.mid != ours.mid {
                let (theirs, ours) = (name(theirs.section.mid.as_ref()), name(ours.mid.as_ref()));
                return Err(self.unacceptable(format!("media section {index} has the mid {theirs}, not {ours}")));
            }
        }
        if self.transport.as_ref().is_some_and(|transport| transport.setup == Setup::Actpass) {
            return Err(self.unacceptable("an answer says `a=setup:active` or `a=setup:passive`, not `actpass`".into()));
        }
        Ok(())
    }

    /// The certificate of a running DTLS cannot change (RFC 8842, section 5.5, asks for a new association then).
    pub(super) fn check_security(&self, running: Option<&Security>) -> Result<(), Error> {
        match (running, &self.transport) {
            (Some(running), Some(transport)) if !running.same_peer(&transport.fingerprints) => Err(self.unacceptable(
                "its fingerprint is another than that of the connection; use a new connection for a new peer".into(),
            )),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    /// Who is client of a running DTLS cannot change either (RFC 8842, section 5.5).
    pub(super) fn check_role(&self, running: Option<&Security>) -> Result<(), Error> {
        let (Some(running), Some(transport)) = (running, &self.transport) else { return Ok(()) };
        let theirs = match (self.description.kind, transport.setup) {
            (_, Setup::Actpass | Setup::Holdconn) => return Ok(()),
            (_, setup) => role_of(setup),
        };
        if theirs != running.role {
            return Ok(());
        }
        let (is, was) = if theirs == dtls::Role::Client { ("active", "passive") } else { ("passive", "active") };
        Err(self.unacceptable(format!("it says `a=setup:{is}`, but the peer is `{was}` in the running connection")))
    }

    fn unacceptable(&self, problem: String) -> Error {
        Error::Unacceptable { kind: self.description.kind, problem }
    }

    /// A candidate must name a section that exists, if it names any (W3C WebRTC 1.0, section 4.4.2).
    fn check_place(&self, candidate: &IceCandidate) -> Result<(), Error> {
        let (exists, section) = match (&candidate.sdp_mid, candidate.sdp_m_line_index) {
            (Some(mid), _) => {
                (self.sections.iter().any(|section| section.section.mid.as_ref() == Some(mid)), quoted(mid))
            }
            (None, Some(index)) => (usize::from(index) < self.sections.len(), format!("with the index {index}")),
            (None, None) => return Ok(()),
        };
        if exists {
            return Ok(());
        }
        let known: Vec<String> = self.sections.iter().map(|section| name(section.section.mid.as_ref())).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(Error::UnknownSection { section, known })
    }

    /// Whether a candidate for this section is one for the transport: that of its own section, or of one that goes
    /// with it.
    fn is_for_transport(&self, candidate: &IceCandidate) -> bool {
        let Some(transport) = &self.transport else { return false };
        let place = match (&candidate.sdp_mid, candidate.sdp_m_line_index) {
            (Some(mid), _) => self.sections.iter().position(|section| section.section.mid.as_ref() == Some(mid)),
            (None, Some(index)) => Some(usize::from(index)),
            (None, None) => Some(0),
        };
        let is_bundled = |index: usize| self.sections.get(index).is_some_and(|section| section.section.bundled);
        place.is_some_and(|index| index == transport.index || (is_bundled(index) && is_bundled(transport.index)))
    }
}

impl Negotiation {
    /// Reads a candidate that came through signalling.
    pub(crate) fn remote_candidate(&self, candidate: &IceCandidate) -> Result<Trickled, Error> {
        let Some(remote) = self.remote() else { return Ok(Trickled::Foreign) };
        remote.check_place(candidate)?;
        if !remote.is_for_transport(candidate) {
            return Ok(Trickled::Foreign);
        }
        let parsed = match candidate.candidate.as_str() {
            "" => None,
            text => Some(parse_candidate(text)?),
        };
        let in_text = parsed.as_ref().and_then(|parsed| parsed.ufrag.as_ref());
        let current = remote.credentials().map(|credentials| &credentials.ufrag);
        match candidate.username_fragment.as_ref().or(in_text) {
            Some(ufrag) if Some(ufrag) != current => {
                tracing::debug!(ufrag, "a candidate of another generation");
                Ok(Trickled::Foreign)
            }
            Some(_) | None => Ok(parsed.map_or(Trickled::End, |parsed| Trickled::Candidate(Box::new(parsed)))),
        }
    }
}

/// A candidate that came through signalling.
pub(crate) enum Trickled {
    Candidate(Box<ice::Candidate>),
    /// No more will come (RFC 8838, section 8.2).
    End,
    /// Of another generation, or of a section that has nothing to do with ours.
    Foreign,
}

fn parse_candidate(text: &str) -> Result<ice::Candidate, Error> {
    text.parse()
        .map_err(|error: ice::CandidateError| Error::Candidate { candidate: text.into(), problem: error.to_string() })
}

fn read_section(description: &Description, media: &Media, has_channels: bool) -> RemoteSection {
    let mid = media.mid().map(str::to_owned);
    let bundled = mid.as_ref().is_some_and(|mid| description.bundles().any(|bundle| bundle.mids.contains(mid)));
    let refused = media.is_rejected();
    let channels = (!refused && !has_channels && media.is_data_channels()).then(|| read_channels(media));
    let section = Section {
        mid,
        media: media.kind().to_owned(),
        protocol: media.protocol().to_owned(),
        formats: media.formats().to_vec(),
        bundled,
        bundle_only: false,
        purpose: if channels.is_some() { Purpose::Channels } else { Purpose::Refused },
    };
    let media = RemoteMedia::read(description, media).filter(|media| !refused && media.is_known());
    RemoteSection { section, refused, channels, media, transceiver: None }
}

fn read_channels(media: &Media) -> ChannelSection {
    let max_message = media.max_message_size().unwrap_or(DEFAULT_MAX_MESSAGE);
    ChannelSection {
        sctp_port: media.sctp_port().unwrap_or(DEFAULT_SCTP_PORT),
        max_message: usize::try_from(max_message).unwrap_or(usize::MAX),
    }
}

/// Reads the one transport: that of the data channels and what is bundled with them, or else of the first section that
/// can be used. Sections that do not go with it by BUNDLE would need one of their own, and are refused.
fn transport_of(
    kind: SdpKind,
    description: &Description,
    sections: &mut [RemoteSection],
) -> Result<Option<RemoteTransport>, Error> {
    let has_channels = |section: &RemoteSection| section.channels.is_some();
    let index = sections.iter().position(has_channels).or_else(|| sections.iter().position(RemoteSection::is_usable));
    let Some((index, media)) = index.and_then(|index| Some((index, description.media.get(index)?))) else {
        return Ok(None);
    };
    let group =
        description.bundles().find(|group| media.mid().is_some_and(|mid| group.mids.iter().any(|one| one == mid)));
    for (place, section) in sections.iter_mut().enumerate() {
        let goes_along =
            group.is_some_and(|group| section.section.mid.as_ref().is_some_and(|mid| group.mids.contains(mid)));
        if place != index && !goes_along {
            section.channels = None;
            section.media = None;
            section.section.purpose = Purpose::Refused;
        }
    }
    let index = tagged_section(kind, description, sections).unwrap_or(index);
    description.media.get(index).map(|media| read_transport(kind, description, media, index)).transpose()
}

/// The section whose transport all of an offer's bundled ones are to share: the first that will not be refused and has
/// one of its own (RFC 8843, section 7.3.1). What the answer says counts for all alike.
fn tagged_section(kind: SdpKind, description: &Description, sections: &[RemoteSection]) -> Option<usize> {
    let has_own = |(index, section): &(usize, &RemoteSection)| {
        section.is_usable() && description.media.get(*index).is_some_and(|media| media.port() != 0)
    };
    (kind == SdpKind::Offer).then(|| sections.iter().enumerate().find(has_own).map(|(index, _)| index)).flatten()
}

fn read_transport(
    kind: SdpKind,
    description: &Description,
    media: &Media,
    index: usize,
) -> Result<RemoteTransport, Error> {
    let what = if media.is_data_channels() { "data channels" } else { media.kind() };
    let missing = |attribute: &str| Error::Unacceptable {
        kind,
        problem: format!("the media section for {what} has no `a={attribute}`"),
    };
    // A bundled section of an answer shares the transport of the group's tagged one, whatever it says itself; that of an
    // offer was chosen because it has one, unless all of them are bundle-only.
    let (media, tagged) = match kind {
        SdpKind::Offer => (media, description.transport(media)),
        SdpKind::Answer | SdpKind::Pranswer | SdpKind::Rollback => (description.transport(media), media),
    };
    let ufrag = description.ice_ufrag(media).or_else(|| description.ice_ufrag(tagged));
    let pwd = description.ice_pwd(media).or_else(|| description.ice_pwd(tagged));
    let credentials = ice::Credentials {
        ufrag: ufrag.ok_or_else(|| missing("ice-ufrag"))?.to_owned(),
        pwd: pwd.ok_or_else(|| missing("ice-pwd"))?.to_owned(),
    };
    if !credentials.is_well_formed() {
        let problem = "`a=ice-ufrag` has 4 to 256 characters and `a=ice-pwd` 22 to 256, of A-Z a-z 0-9 + /".into();
        return Err(Error::Unacceptable { kind, problem });
    }
    let mut candidates = read_candidates(media);
    // Candidates of another transport, which the offer has as well, are none of this one.
    let is_shared = description.ice_ufrag(tagged).is_none_or(|other| other == credentials.ufrag);
    if media.mid() != tagged.mid() && is_shared {
        candidates.extend(read_candidates(tagged));
    }
    let setup = description.setup(media).or_else(|| description.setup(tagged)).unwrap_or(Setup::Actpass);
    if setup == Setup::Holdconn {
        let problem = "`a=setup:holdconn` leaves nobody to open DTLS; actpass, active or passive would".into();
        return Err(Error::Unacceptable { kind, problem });
    }
    let trickles = description.has_ice_option(media, "trickle") || description.has_ice_option(tagged, "trickle");
    // They are kept as long as the description stands.
    candidates.shrink_to_fit();
    let ended = description.end_of_candidates(media) || description.end_of_candidates(tagged);
    Ok(RemoteTransport {
        index,
        credentials,
        fingerprints: read_fingerprints(kind, description, media, tagged)?,
        setup,
        candidates,
        complete: ended || !trickles,
    })
}

/// All fingerprints with a hash that is good enough; one of them must match (RFC 8122, section 5).
fn read_fingerprints(
    kind: SdpKind,
    description: &Description,
    media: &Media,
    tagged: &Media,
) -> Result<Vec<dtls::Fingerprint>, Error> {
    let mut texts: Vec<&str> = description.fingerprints(media).collect();
    if texts.is_empty() {
        texts.extend(description.fingerprints(tagged));
    }
    let mut problem = "it has no `a=fingerprint`, so the peer could be anybody".to_owned();
    let mut fingerprints = Vec::new();
    for text in texts {
        match text.parse::<dtls::Fingerprint>() {
            Ok(fingerprint) => fingerprints.push(fingerprint),
            Err(error) => problem = format!("its fingerprint {} is of no use: {error}", quoted(text)),
        }
    }
    if fingerprints.is_empty() { Err(Error::Unacceptable { kind, problem }) } else { Ok(fingerprints) }
}

/// Candidates of a section. One that does not parse is no reason to refuse the others.
fn read_candidates(media: &Media) -> Vec<ice::Candidate> {
    let parsed = media.candidates().map(|text| parse_candidate(&format!("candidate:{text}")));
    parsed.filter_map(|candidate| candidate.inspect_err(|error| tracing::debug!(%error, "ignored")).ok()).collect()
}

fn name(mid: Option<&String>) -> String {
    mid.map_or_else(|| "(none)".to_owned(), |mid| quoted(mid))
}
