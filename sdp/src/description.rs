//! The whole description, and what holds for a section when the session speaks for it.

use std::fmt;

use crate::{
    Active, Attribute, Connection, Direction, Field, Group, Line, LineEnd, Media, Origin, Setup,
    line::{insert, replace},
    media::{all, find},
};

/// A session description: lines about the session, then media sections.
///
/// It is written as it was read, byte for byte, except for lines that were replaced or added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    lines: Vec<Line>,
    /// The media sections, in the order that offer and answer share. There may be any number.
    pub media: Vec<Media>,
    /// Blank lines that were read after the last one.
    blank: String,
}

impl Description {
    /// A description as JSEP has it: `v=0`, `o=- ID VERSION IN IP4 127.0.0.1`, `s=-`, `t=0 0` (RFC 8829, section
    /// 5.2.1). The id should be random and below 2^63.
    pub fn new(session_id: u64, session_version: u64) -> Self {
        let origin = Origin::new(session_id, session_version);
        let fields =
            [Field::Version(0), Field::Origin(origin), Field::Name("-".into()), Field::Active(Active::default())];
        Self { lines: fields.into_iter().map(Line::new).collect(), media: Vec::new(), blank: String::new() }
    }

    /// Without any line, for the parser to fill.
    pub(crate) fn empty(blank: &str) -> Self {
        Self { lines: Vec::new(), media: Vec::new(), blank: blank.to_owned() }
    }

    pub(crate) fn lines_mut(&mut self) -> &mut Vec<Line> {
        &mut self.lines
    }

    /// The lines about the session, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// `o=`; every description has one.
    pub fn origin(&self) -> Option<&Origin> {
        self.field(|field| if let Field::Origin(origin) = field { Some(origin) } else { None })
    }

    /// `s=`
    pub fn name(&self) -> &str {
        self.field(|field| if let Field::Name(name) = field { Some(name) } else { None }).map_or("", String::as_str)
    }

    /// `c=` about the session.
    pub fn session_connection(&self) -> Option<&Connection> {
        self.field(|field| if let Field::Connection(connection) = field { Some(connection) } else { None })
    }

    fn field<'a, T>(&'a self, pick: impl Fn(&'a Field) -> Option<T>) -> Option<T> {
        self.lines.iter().map(Line::field).find_map(pick)
    }

    /// Changes the origin, such as its version.
    pub fn set_origin(&mut self, origin: Origin) -> &mut Self {
        self.push_or_replace(Field::Origin(origin))
    }

    /// Replaces the first line of this kind (`o=`, `s=`, `c=`, …), or puts it where the grammar wants it.
    pub fn push_or_replace(&mut self, field: Field) -> &mut Self {
        replace(&mut self.lines, field);
        self
    }

    /// Adds an attribute of the session, after those there are.
    pub fn push(&mut self, attribute: Attribute) -> &mut Self {
        insert(&mut self.lines, Field::Attribute(attribute));
        self
    }

    /// Keeps the attributes of the session for which `keep` says so; all other lines stay.
    pub fn retain(&mut self, mut keep: impl FnMut(&Attribute) -> bool) {
        self.lines.retain(|line| line.attribute().is_none_or(&mut keep));
    }

    /// The attributes of the session, in order.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.lines.iter().filter_map(Line::attribute)
    }

    /// Whether the session has this very attribute; for flags.
    pub fn has(&self, attribute: &Attribute) -> bool {
        self.attributes().any(|one| one == attribute)
    }

    /// The section of this name, with its place among the sections.
    pub fn by_mid(&self, mid: &str) -> Option<(usize, &Media)> {
        self.media.iter().enumerate().find(|(_, media)| media.mid() == Some(mid))
    }
}

/// Groups.
impl Description {
    /// `a=group` lines.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        all!(self, Group)
    }

    /// The BUNDLE groups: sections that share one transport (RFC 9143).
    pub fn bundles(&self) -> impl Iterator<Item = &Group> {
        self.groups().filter(|group| group.semantics == "BUNDLE")
    }

    /// The section whose transport this one uses: the first of its BUNDLE group that is there, or itself. ICE, DTLS
    /// and candidates are read from it (RFC 9143, section 7.1.3: the tagged section).
    pub fn transport<'a>(&'a self, media: &'a Media) -> &'a Media {
        let Some(mid) = media.mid() else { return media };
        let bundle = self.bundles().find(|group| group.mids.iter().any(|one| one == mid));
        let tagged = bundle.and_then(|group| group.mids.first()).and_then(|tag| self.by_mid(tag));
        tagged.map_or(media, |(_, tagged)| tagged)
    }
}

/// What holds for a section: what it says itself, or else what the session says.
impl Description {
    /// User name fragment of ICE (RFC 8839, section 5.4).
    pub fn ice_ufrag<'a>(&'a self, media: &'a Media) -> Option<&'a str> {
        media.ice_ufrag().or_else(|| find!(self, IceUfrag(ufrag) => ufrag.as_str()))
    }

    /// Password of ICE (RFC 8839, section 5.4).
    pub fn ice_pwd<'a>(&'a self, media: &'a Media) -> Option<&'a str> {
        media.ice_pwd().or_else(|| find!(self, IcePwd(pwd) => pwd.as_str()))
    }

    /// Whether ICE has this option, `trickle` for instance: those of the session and of the section count
    /// together (RFC 8839, section 5.6).
    pub fn has_ice_option(&self, media: &Media, option: &str) -> bool {
        let session = find!(self, IceOptions(options) => options.as_slice()).unwrap_or_default();
        session.iter().chain(media.ice_options().unwrap_or_default()).any(|one| one == option)
    }

    /// Whether the one who wrote this does ICE-lite; a matter of the session (RFC 8839, section 5.3).
    pub fn ice_lite(&self) -> bool {
        self.has(&Attribute::IceLite)
    }

    /// Whether no more candidates will come, for this section or for all (RFC 8840, section 8.2).
    pub fn end_of_candidates(&self, media: &Media) -> bool {
        media.end_of_candidates() || self.has(&Attribute::EndOfCandidates)
    }

    /// Fingerprints of the certificate: those of the section, or else those of the session (RFC 8122, section 5).
    pub fn fingerprints<'a>(&'a self, media: &'a Media) -> impl Iterator<Item = &'a str> {
        let own = media.fingerprints().next().is_some();
        media.fingerprints().chain(all!(self, Fingerprint).map(String::as_str).filter(move |_| !own))
    }

    /// Who opens the DTLS connection (RFC 4145, section 4).
    pub fn setup(&self, media: &Media) -> Option<Setup> {
        media.setup().or_else(|| find!(self, Setup(setup) => *setup))
    }

    /// The name of the DTLS association (RFC 8842, section 4).
    pub fn tls_id<'a>(&'a self, media: &'a Media) -> Option<&'a str> {
        media.tls_id().or_else(|| find!(self, TlsId(id) => id.as_str()))
    }

    /// Who sends; both if neither the section nor the session says (RFC 8866, section 6.7).
    pub fn direction(&self, media: &Media) -> Direction {
        media.direction().or_else(|| find!(self, Direction(direction) => *direction)).unwrap_or_default()
    }

    /// Where media goes to without ICE (RFC 8866, section 5.7).
    pub fn connection<'a>(&'a self, media: &'a Media) -> Option<&'a Connection> {
        media.connections().next().or_else(|| self.session_connection())
    }

    /// Whether header extensions of both forms may be mixed in a stream (RFC 8285, section 6).
    pub fn extmap_allow_mixed(&self, media: &Media) -> bool {
        media.has(&Attribute::ExtmapAllowMixed) || self.has(&Attribute::ExtmapAllowMixed)
    }
}

/// Writes lines with their ends. A line that was the last one of its text and had no end gets one if another
/// follows now.
fn write_lines<'a>(f: &mut fmt::Formatter<'_>, lines: impl Iterator<Item = &'a Line>, blank: &str) -> fmt::Result {
    let mut lines = lines.peekable();
    while let Some(line) = lines.next() {
        f.write_str(line.text())?;
        let last = lines.peek().is_none() && blank.is_empty();
        let end = if line.end() == LineEnd::None && !last { LineEnd::CrLf } else { line.end() };
        f.write_str(end.as_str())?;
    }
    f.write_str(blank)
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lines(f, self.lines.iter().chain(self.media.iter().flat_map(Media::lines)), &self.blank)
    }
}

impl fmt::Display for Media {
    /// Writes the section alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lines(f, self.lines().iter(), "")
    }
}
