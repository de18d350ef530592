//! The peer's descriptions: what of them matters here, and what makes one unusable.

use sdp::{Description, Media};

use crate::transport::Security;
use crate::{Error, IceCandidate, SdpKind, SessionDescription};

use super::local::Setup;
use super::{Negotiation, Purpose, Section};

/// What a peer that says nothing of it accepts, in bytes (RFC 8841, section 6).
const DEFAULT_MAX_MESSAGE: usize = 65_536;
/// What peers of before RFC 8841 mean when they name no port.
const DEFAULT_SCTP_PORT: u16 = 5000;

/// A description of the peer that has been read.
pub(super) struct Remote {
    pub(super) description: SessionDescription,
    pub(super) lite: bool,
    sections: Vec<RemoteSection>,
}

struct RemoteSection {
    section: Section,
    /// Port 0 without `bundle-only` (RFC 9143, section 6).
    refused: bool,
    channels: Option<ChannelSection>,
}

/// The section that carries data channels.
pub(super) struct ChannelSection {
    credentials: ice::Credentials,
    fingerprints: Vec<dtls::Fingerprint>,
    setup: Setup,
    candidates: Vec<ice::Candidate>,
    /// No candidates will follow (RFC 8838, section 8.2).
    complete: bool,
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
        let parsed: Description =
            description.sdp.parse().map_err(|error| Error::Description { kind, error })?;
        let bundle = parsed.bundle();
        let mut sections: Vec<RemoteSection> = Vec::with_capacity(parsed.media.len());
        for media in &parsed.media {
            let has_channels = sections.iter().any(|earlier| earlier.channels.is_some());
            let section = read_section(kind, &parsed, media, &bundle, has_channels)?;
            if let Some(mid) = &section.section.mid
                && sections.iter().any(|earlier| earlier.section.mid.as_ref() == Some(mid))
            {
                return Err(Error::Unacceptable { kind, problem: format!("two media sections have the mid `{mid}`") });
            }
            sections.push(section);
        }
        Ok(Self { description: description.clone(), lite: parsed.is_ice_lite(), sections })
    }

    pub(super) fn channels(&self) -> Option<&ChannelSection> {
        self.sections.iter().find_map(|section| section.channels.as_ref())
    }

    pub(super) fn credentials(&self) -> Option<&ice::Credentials> {
        self.channels().map(|channels| &channels.credentials)
    }

    /// What was said about DTLS roles; a peer without data channels has no need of one.
    pub(super) fn setup(&self) -> Setup {
        self.channels().map_or(Setup::ActPass, |channels| channels.setup)
    }

    /// What DTLS needs to know, when our role is `role`.
    pub(super) fn security(&self, role: dtls::Role) -> Option<Security> {
        let channels = self.channels()?;
        Some(Security { role, peer_fingerprints: channels.fingerprints.clone() })
    }

    /// What ICE needs to know; the credentials only where they are new.
    pub(super) fn ice(&self, new_generation: bool) -> Option<RemoteIce> {
        let channels = self.channels()?;
        Some(RemoteIce {
            credentials: new_generation.then(|| channels.credentials.clone()),
            lite: self.lite,
            candidates: channels.candidates.clone(),
            complete: channels.complete,
        })
    }

    /// Our answer's sections: one for each offered, in the same order (RFC 3264, section 6).
    pub(super) fn answered_sections(&self) -> Vec<Section> {
        self.sections.iter().map(|section| section.section.clone()).collect()
    }

    /// The indices of the sections that the peer does not take.
    pub(super) fn refused_sections(&self) -> Vec<usize> {
        let refused = |(index, section): (usize, &RemoteSection)| section.refused.then_some(index);
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
            if ours.purpose != Purpose::Refused && theirs.section.mid != ours.mid {
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
                let problem =
                    format!("media section {index} is `{}`, but `{}` was offered", theirs.section.media, ours.media);
                return Err(self.unacceptable(problem));
            }
            if theirs.section.mid.is_some() && theirs.section.mid != ours.mid {
                let (theirs, ours) = (name(theirs.section.mid.as_ref()), name(ours.mid.as_ref()));
                return Err(self.unacceptable(format!("media section {index} has the mid {theirs}, not {ours}")));
            }
        }
        if self.channels().is_some_and(|channels| channels.setup == Setup::ActPass) {
            return Err(self.unacceptable("an answer says `a=setup:active` or `a=setup:passive`, not `actpass`".into()));
        }
        Ok(())
    }

    /// The certificate of a running DTLS cannot change (RFC 8842, section 5.5, asks for a new association then).
    pub(super) fn check_security(&self, running: Option<&Security>) -> Result<(), Error> {
        match (running, self.channels()) {
            (Some(running), Some(channels)) if !running.same_peer(&channels.fingerprints) => Err(self.unacceptable(
                "its fingerprint is another than that of the connection; use a new connection for a new peer".into(),
            )),
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }

    fn unacceptable(&self, problem: String) -> Error {
        Error::Unacceptable { kind: self.description.kind, problem }
    }

    /// Whether a candidate for this section is one for the data channels: its own, or one of its BUNDLE group.
    fn is_for_channels(&self, candidate: &IceCandidate) -> bool {
        let place = match (&candidate.sdp_mid, candidate.sdp_m_line_index) {
            (Some(mid), _) => self.sections.iter().find(|section| section.section.mid.as_ref() == Some(mid)),
            (None, Some(index)) => self.sections.get(usize::from(index)),
            (None, None) => self.sections.first(),
        };
        place.is_some_and(|section| {
            section.channels.is_some()
                || (section.section.bundled
                    && self.sections.iter().any(|other| other.channels.is_some() && other.section.bundled))
        })
    }
}

impl Negotiation {
    /// Reads a candidate that came through signalling. `None`: not for us, or none at all.
    pub(crate) fn remote_candidate(&self, candidate: &IceCandidate) -> Result<Option<ice::Candidate>, Error> {
        let Some(remote) = self.remote() else { return Ok(None) };
        let known = |ufrag: &String| remote.credentials().is_some_and(|credentials| &credentials.ufrag == ufrag);
        if candidate.candidate.is_empty() || !remote.is_for_channels(candidate) {
            return Ok(None);
        }
        let parsed = parse_candidate(&candidate.candidate)?;
        let ufrag = candidate.username_fragment.as_ref().or(parsed.ufrag.as_ref());
        if ufrag.is_some_and(|ufrag| !known(ufrag)) {
            tracing::debug!(?ufrag, "a candidate of another generation");
            return Ok(None);
        }
        Ok(Some(parsed))
    }
}

fn parse_candidate(text: &str) -> Result<ice::Candidate, Error> {
    text.parse()
        .map_err(|error: ice::CandidateError| Error::Candidate { candidate: text.into(), problem: error.to_string() })
}

fn read_section(
    kind: SdpKind,
    description: &Description,
    media: &Media,
    bundle: &[&str],
    has_channels: bool,
) -> Result<RemoteSection, Error> {
    let mid = media.mid().map(str::to_owned);
    let bundled = mid.as_deref().is_some_and(|mid| bundle.contains(&mid));
    let refused = media.port == 0 && !media.is_bundle_only();
    let wanted = !refused && !has_channels && is_data_channel(media);
    let channels = wanted.then(|| read_channels(kind, description, media, bundled, bundle)).transpose()?;
    let purpose = if channels.is_some() { Purpose::Channels } else { Purpose::Refused };
    let section = Section {
        mid,
        media: media.kind.to_string(),
        protocol: media.protocol.to_string(),
        formats: media.formats.join(" "),
        bundled,
        purpose,
    };
    Ok(RemoteSection { section, refused, channels })
}

/// `UDP/DTLS/SCTP webrtc-datachannel` (RFC 8841), and `DTLS/SCTP 5000` of the drafts before it.
fn is_data_channel(media: &Media) -> bool {
    let by_rfc = matches!(media.protocol.as_str(), "UDP/DTLS/SCTP" | "TCP/DTLS/SCTP")
        && media.formats.iter().any(|format| format == "webrtc-datachannel");
    media.kind == "application" && (by_rfc || media.protocol == "DTLS/SCTP")
}

fn read_channels(
    kind: SdpKind,
    description: &Description,
    media: &Media,
    bundled: bool,
    bundle: &[&str],
) -> Result<ChannelSection, Error> {
    let missing = |attribute: &str| Error::Unacceptable {
        kind,
        problem: format!("the media section for data channels has no `a={attribute}`"),
    };
    // A bundled section shares the transport of the group's first one (RFC 9143, section 7.1.3).
    let tagged = bundle.first().filter(|_| bundled).and_then(|mid| description.media_by_mid(mid));
    let shared = |name| {
        description.effective(media, name).or_else(|| tagged.and_then(|tagged| description.effective(tagged, name)))
    };
    let ufrag = shared("ice-ufrag").ok_or_else(|| missing("ice-ufrag"))?;
    let pwd = shared("ice-pwd").ok_or_else(|| missing("ice-pwd"))?;
    let credentials = ice::Credentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() };
    if !credentials.is_well_formed() {
        let problem = "`a=ice-ufrag` has 4 to 256 characters and `a=ice-pwd` 22 to 256, of A-Z a-z 0-9 + /".into();
        return Err(Error::Unacceptable { kind, problem });
    }
    let fingerprints = read_fingerprints(kind, description, media, tagged)?;
    let mut candidates = read_candidates(media);
    if let Some(tagged) = tagged.filter(|tagged| tagged.mid() != media.mid()) {
        candidates.extend(read_candidates(tagged));
    }
    let trickles = shared("ice-options").is_some_and(|options| options.split(' ').any(|option| option == "trickle"));
    let ended = media.has("end-of-candidates") || description.has("end-of-candidates");
    Ok(ChannelSection {
        credentials,
        fingerprints,
        setup: read_setup(kind, shared("setup"))?,
        candidates,
        complete: ended || !trickles,
        sctp_port: read_sctp_port(media),
        max_message: media.max_message_size().unwrap_or(DEFAULT_MAX_MESSAGE),
    })
}

/// All fingerprints with a hash that is good enough; one of them must match (RFC 8122, section 5).
fn read_fingerprints(
    kind: SdpKind,
    description: &Description,
    media: &Media,
    tagged: Option<&Media>,
) -> Result<Vec<dtls::Fingerprint>, Error> {
    let mut texts: Vec<&str> = description.effective_all(media, "fingerprint");
    if texts.is_empty()
        && let Some(tagged) = tagged
    {
        texts = description.effective_all(tagged, "fingerprint");
    }
    let mut problem = "it has no `a=fingerprint`, so the peer could be anybody".to_owned();
    let mut fingerprints = Vec::new();
    for text in texts {
        match text.parse::<dtls::Fingerprint>() {
            Ok(fingerprint) => fingerprints.push(fingerprint),
            Err(error) => problem = format!("its fingerprint `{text}` is of no use: {error}"),
        }
    }
    if fingerprints.is_empty() { Err(Error::Unacceptable { kind, problem }) } else { Ok(fingerprints) }
}

/// Candidates of a section. One that does not parse is no reason to refuse the others.
fn read_candidates(media: &Media) -> Vec<ice::Candidate> {
    media
        .all("candidate")
        .filter_map(|text| match parse_candidate(&format!("candidate:{text}")) {
            Ok(candidate) => Some(candidate),
            Err(error) => {
                tracing::debug!(%error, "ignored a candidate");
                None
            }
        })
        .collect()
}

/// Absent means that the choice is ours, as for those who do not know RFC 8842.
fn read_setup(kind: SdpKind, setup: Option<&str>) -> Result<Setup, Error> {
    match setup {
        None | Some("actpass") => Ok(Setup::ActPass),
        Some("active") => Ok(Setup::Active),
        Some("passive") => Ok(Setup::Passive),
        Some(other) => {
            let problem = format!("`a=setup:{other}` is not one of actpass, active and passive");
            Err(Error::Unacceptable { kind, problem })
        }
    }
}

/// `a=sctp-port` (RFC 8841, section 5), or where the drafts before it had the port.
fn read_sctp_port(media: &Media) -> u16 {
    let by_draft = || media.formats.first().and_then(|format| format.parse().ok());
    media.sctp_port().or_else(by_draft).unwrap_or(DEFAULT_SCTP_PORT)
}

fn name(mid: Option<&String>) -> String {
    mid.map_or_else(|| "(none)".to_owned(), |mid| format!("`{mid}`"))
}
