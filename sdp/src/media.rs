//! Media sections: an `m=` line and what follows it (RFC 8866, section 5.14).

use crate::{
    Attribute, Bandwidth, Connection, Direction, Extmap, Field, Fmtp, Line, MediaLine, Msid, Rid, RtcpFb, Rtpmap,
    Setup, Simulcast, Ssrc, SsrcGroup,
    line::{insert, replace},
};

/// Finds the first attribute of one kind.
macro_rules! find {
    ($self:ident, $variant:ident ($name:ident) $(if $condition:expr)? => $value:expr) => {
        $self.attributes().find_map(|attribute| match attribute {
            Attribute::$variant($name) $(if $condition)? => Some($value),
            _ => None,
        })
    };
}
/// Finds all attributes of one kind.
macro_rules! all {
    ($self:ident, $variant:ident) => {
        $self.attributes().filter_map(|attribute| match attribute {
            Attribute::$variant(value) => Some(value),
            _ => None,
        })
    };
}
pub(crate) use {all, find};

/// One media section. Its lines stay as they were read until they are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The m= line as it is now; the same as that in the first of `lines`.
    head: MediaLine,
    lines: Vec<Line>,
}

impl Media {
    /// A section with nothing but its `m=` line.
    ///
    /// ```
    /// let media = sdp::Media::new("application", 9, "UDP/DTLS/SCTP", ["webrtc-datachannel"]);
    /// assert_eq!(media.to_string(), "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n");
    /// # use visavis_sdp as sdp;
    /// ```
    pub fn new<F: Into<String>>(
        kind: impl Into<String>,
        port: u16,
        protocol: impl Into<String>,
        formats: impl IntoIterator<Item = F>,
    ) -> Self {
        let formats = formats.into_iter().map(Into::into).collect();
        let head = MediaLine { kind: kind.into(), port, ports: None, protocol: protocol.into(), formats };
        Self { lines: vec![Line::new(Field::Media(head.clone()))], head }
    }

    /// The section of data channels: `m=application PORT UDP/DTLS/SCTP webrtc-datachannel` (RFC 8841, section 4.4).
    pub fn data_channels(port: u16) -> Self {
        Self::new("application", port, "UDP/DTLS/SCTP", ["webrtc-datachannel"])
    }

    /// A section from an `m=` line that was read.
    pub(crate) fn opened_by(head: MediaLine, line: Line) -> Self {
        Self { head, lines: vec![line] }
    }

    pub(crate) fn lines_mut(&mut self) -> &mut Vec<Line> {
        &mut self.lines
    }

    /// All lines, the `m=` line first.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The `m=` line.
    pub fn media_line(&self) -> &MediaLine {
        &self.head
    }

    /// `audio`, `video`, `application` and so on.
    pub fn kind(&self) -> &str {
        &self.head.kind
    }

    /// The port: 9 while ICE has still to find one, 0 for a section that is refused or goes with its bundle.
    pub fn port(&self) -> u16 {
        self.head.port
    }

    /// The protocols, such as `UDP/TLS/RTP/SAVPF`.
    pub fn protocol(&self) -> &str {
        &self.head.protocol
    }

    /// The formats in order of preference: payload types, or `webrtc-datachannel`.
    pub fn formats(&self) -> &[String] {
        &self.head.formats
    }

    /// Whether the section was refused or is stopped: port 0, and not because it is `a=bundle-only` (RFC 9143,
    /// section 6).
    pub fn is_rejected(&self) -> bool {
        self.port() == 0 && !self.has(&Attribute::BundleOnly)
    }

    /// Whether it carries data channels, in the form of RFC 8841 or an older one (`DTLS/SCTP 5000`).
    pub fn is_data_channels(&self) -> bool {
        let format = |format: &String| format == "webrtc-datachannel" || self.sctpmap_of(format).is_some();
        self.kind() == "application" && self.protocol().ends_with("DTLS/SCTP") && self.formats().iter().any(format)
    }

    /// Changes the `m=` line.
    pub fn set_media_line(&mut self, head: MediaLine) -> &mut Self {
        self.head = head.clone();
        replace(&mut self.lines, Field::Media(head));
        self
    }

    /// Changes the port.
    pub fn set_port(&mut self, port: u16) -> &mut Self {
        self.set_media_line(MediaLine { port, ..self.head.clone() })
    }

    /// Changes the first `c=` line, or adds one.
    pub fn set_connection(&mut self, connection: Connection) -> &mut Self {
        replace(&mut self.lines, Field::Connection(connection));
        self
    }

    /// Adds a line of another kind where the grammar wants it, such as `b=`.
    pub fn push_field(&mut self, field: Field) -> &mut Self {
        insert(&mut self.lines, field);
        self
    }

    /// Adds an attribute at the end.
    pub fn push(&mut self, attribute: Attribute) -> &mut Self {
        self.push_field(Field::Attribute(attribute))
    }

    /// Adds an attribute at the end; for chains.
    #[must_use]
    pub fn with(mut self, attribute: Attribute) -> Self {
        self.push(attribute);
        self
    }

    /// Keeps the attributes for which `keep` says so; all other lines stay.
    pub fn retain(&mut self, mut keep: impl FnMut(&Attribute) -> bool) {
        self.lines.retain(|line| line.attribute().is_none_or(&mut keep));
    }

    /// All attributes in order.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.lines.iter().filter_map(Line::attribute)
    }

    /// Whether there is this very attribute; for flags.
    pub fn has(&self, attribute: &Attribute) -> bool {
        self.attributes().any(|one| one == attribute)
    }

    /// The `c=` lines.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.lines
            .iter()
            .filter_map(|line| if let Field::Connection(connection) = line.field() { Some(connection) } else { None })
    }

    /// The `b=` lines.
    pub fn bandwidths(&self) -> impl Iterator<Item = &Bandwidth> {
        self.lines
            .iter()
            .filter_map(|line| if let Field::Bandwidth(bandwidth) = line.field() { Some(bandwidth) } else { None })
    }

    /// `a=sctpmap` for this format of the `m=` line.
    fn sctpmap_of(&self, format: &str) -> Option<u16> {
        find!(self, Sctpmap(map) if map.port.to_string() == format && map.application == "webrtc-datachannel" => map.port)
    }

    /// The SCTP port: `a=sctp-port`, or that of an older `a=sctpmap`.
    pub fn sctp_port(&self) -> Option<u16> {
        find!(self, SctpPort(port) => *port)
            .or_else(|| self.formats().iter().find_map(|format| self.sctpmap_of(format)))
    }
}

/// What the section itself says. For values that a session-level line may stand in for, ask the
/// [`Description`](crate::Description).
impl Media {
    /// `a=mid`: the section's name.
    pub fn mid(&self) -> Option<&str> {
        find!(self, Mid(mid) => mid.as_str())
    }

    /// `a=ice-ufrag`
    pub fn ice_ufrag(&self) -> Option<&str> {
        find!(self, IceUfrag(ufrag) => ufrag.as_str())
    }

    /// `a=ice-pwd`
    pub fn ice_pwd(&self) -> Option<&str> {
        find!(self, IcePwd(pwd) => pwd.as_str())
    }

    /// `a=ice-options`
    pub fn ice_options(&self) -> Option<&[String]> {
        find!(self, IceOptions(options) => options.as_slice())
    }

    /// `a=candidate`: what follows the colon of each.
    pub fn candidates(&self) -> impl Iterator<Item = &str> {
        all!(self, Candidate).map(String::as_str)
    }

    /// Whether no more candidates will come.
    pub fn end_of_candidates(&self) -> bool {
        self.has(&Attribute::EndOfCandidates)
    }

    /// `a=fingerprint`: hash name and digest of each.
    pub fn fingerprints(&self) -> impl Iterator<Item = &str> {
        all!(self, Fingerprint).map(String::as_str)
    }

    /// `a=setup`
    pub fn setup(&self) -> Option<Setup> {
        find!(self, Setup(setup) => *setup)
    }

    /// `a=tls-id`
    pub fn tls_id(&self) -> Option<&str> {
        find!(self, TlsId(id) => id.as_str())
    }

    /// `a=max-message-size` in octets, 0 for any size. If it is not there, 65,536 holds (RFC 8841, section 6.1).
    pub fn max_message_size(&self) -> Option<u64> {
        find!(self, MaxMessageSize(size) => *size)
    }

    /// `a=sctp-init`: an INIT chunk in base 64.
    pub fn sctp_init(&self) -> Option<&str> {
        find!(self, SctpInit(init) => init.as_str())
    }

    /// Who sends, as the section says it.
    pub fn direction(&self) -> Option<Direction> {
        find!(self, Direction(direction) => *direction)
    }

    /// `a=rtpmap` of each payload type.
    pub fn rtpmaps(&self) -> impl Iterator<Item = &Rtpmap> {
        all!(self, Rtpmap)
    }

    /// `a=rtpmap` of one payload type.
    pub fn rtpmap(&self, payload_type: u8) -> Option<&Rtpmap> {
        self.rtpmaps().find(|map| map.payload_type == payload_type)
    }

    /// `a=fmtp` lines of one format.
    pub fn fmtp(&self, format: &str) -> impl Iterator<Item = &Fmtp> {
        all!(self, Fmtp).filter(move |fmtp| fmtp.format == format)
    }

    /// `a=rtcp-fb` lines that apply to one payload type, those for all of them included.
    pub fn rtcp_fbs(&self, payload_type: u8) -> impl Iterator<Item = &RtcpFb> {
        all!(self, RtcpFb).filter(move |fb| fb.payload_type.is_none_or(|one| one == payload_type))
    }

    /// `a=extmap` lines.
    pub fn extmaps(&self) -> impl Iterator<Item = &Extmap> {
        all!(self, Extmap)
    }

    /// `a=msid` lines: one for each stream that the track belongs to.
    pub fn msids(&self) -> impl Iterator<Item = &Msid> {
        all!(self, Msid)
    }

    /// `a=ssrc` lines.
    pub fn ssrcs(&self) -> impl Iterator<Item = &Ssrc> {
        all!(self, Ssrc)
    }

    /// `a=ssrc-group` lines.
    pub fn ssrc_groups(&self) -> impl Iterator<Item = &SsrcGroup> {
        all!(self, SsrcGroup)
    }

    /// `a=rid` lines.
    pub fn rids(&self) -> impl Iterator<Item = &Rid> {
        all!(self, Rid)
    }

    /// `a=simulcast`
    pub fn simulcast(&self) -> Option<&Simulcast> {
        find!(self, Simulcast(simulcast) => simulcast)
    }

    /// Whether RTCP may go to the port of RTP.
    pub fn rtcp_mux(&self) -> bool {
        self.has(&Attribute::RtcpMux)
    }
}
