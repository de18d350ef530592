//! `a=`: attributes, typed where WebRTC gives them a meaning (RFC 8866, section 5.13).

use std::{fmt, str::FromStr};

use crate::{
    Expected,
    fields::is_base64,
    grammar::{digits, is_byte_string, is_non_ws, is_token, join, words},
    rtp::{Extmap, Fmtp, Msid, MsidSemantic, Rtcp, RtcpFb, Rtpmap, Ssrc, SsrcGroup},
    simulcast::{Rid, Simulcast},
    transport::{Direction, DtlsConnection, Group, RemoteCandidate, Sctpmap, Setup},
};

/// One attribute. Those without a variant of their own are [`Attribute::Other`], and lose nothing there.
///
/// Values that belong to another layer stay text: `candidate` is read by an ICE agent, `fingerprint` by DTLS,
/// `sctp-init` by SCTP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute {
    /// `a=group`: media sections that belong together (RFC 5888, RFC 9143).
    Group(Group),
    /// `a=mid`: the name of a media section, a token (RFC 5888, section 4).
    Mid(String),
    /// `a=bundle-only`: port 0 here means "with the bundle", not "refused" (RFC 9143, section 6).
    BundleOnly,
    /// `a=ice-ufrag`: 4 to 256 characters (RFC 8839, section 5.4).
    IceUfrag(String),
    /// `a=ice-pwd`: 22 to 256 characters (RFC 8839, section 5.4).
    IcePwd(String),
    /// `a=ice-options`: tokens such as `trickle` and `renomination` (RFC 8839, section 5.6).
    IceOptions(Vec<String>),
    /// `a=ice-lite` (RFC 8839, section 5.3).
    IceLite,
    /// `a=ice-mismatch` (RFC 8839, section 5.3).
    IceMismatch,
    /// `a=ice-pacing`: milliseconds between checks (RFC 8839, section 5.5).
    IcePacing(u32),
    /// `a=candidate`: what follows the colon, for an ICE agent to read (RFC 8839, section 5.1).
    Candidate(String),
    /// `a=remote-candidates`: the pairs that were selected (RFC 8839, section 5.2).
    RemoteCandidates(Vec<RemoteCandidate>),
    /// `a=end-of-candidates` (RFC 8840, section 8.1).
    EndOfCandidates,
    /// `a=fingerprint`: hash name, a space, hexadecimal pairs with colons, for DTLS to read (RFC 8122, section 5).
    Fingerprint(String),
    /// `a=setup`: who opens the DTLS connection (RFC 4145, section 4; RFC 8842).
    Setup(Setup),
    /// `a=connection`: whether the old connection goes on (RFC 4145, section 5).
    Connection(DtlsConnection),
    /// `a=tls-id`: 20 to 255 characters that change with the DTLS association (RFC 8842, section 4).
    TlsId(String),
    /// `a=sctp-port` (RFC 8841, section 5).
    SctpPort(u16),
    /// `a=max-message-size`: octets; 0 for any size (RFC 8841, section 6).
    MaxMessageSize(u64),
    /// `a=sctpmap`: the older form of `a=sctp-port` (draft-ietf-mmusic-sctp-sdp-05).
    Sctpmap(Sctpmap),
    /// `a=sctp-init`: an INIT chunk in base 64, for SCTP to read (draft-hancke-tsvwg-snap).
    SctpInit(String),
    /// `a=sendrecv`, `a=sendonly`, `a=recvonly` or `a=inactive` (RFC 8866, section 6.7).
    Direction(Direction),
    /// `a=rtpmap`: what a payload type means (RFC 8866, section 6.6).
    Rtpmap(Rtpmap),
    /// `a=fmtp`: parameters of a format (RFC 8866, section 6.15).
    Fmtp(Fmtp),
    /// `a=rtcp-fb`: feedback that is understood (RFC 4585, section 4.2).
    RtcpFb(RtcpFb),
    /// `a=extmap`: number of an RTP header extension (RFC 8285, section 8).
    Extmap(Extmap),
    /// `a=extmap-allow-mixed`: headers of one and of two bytes in one stream (RFC 8285, section 6).
    ExtmapAllowMixed,
    /// `a=msid`: the stream and the track that a section carries (RFC 8830, section 2).
    Msid(Msid),
    /// `a=msid-semantic`: `WMS` and streams (an early draft of RFC 8830 that browsers still write).
    MsidSemantic(MsidSemantic),
    /// `a=ssrc`: something about one source (RFC 5576, section 4.1).
    Ssrc(Ssrc),
    /// `a=ssrc-group`: sources that belong together (RFC 5576, section 4.2).
    SsrcGroup(SsrcGroup),
    /// `a=rid`: a restricted stream of a simulcast (RFC 8851, section 4).
    Rid(Rid),
    /// `a=simulcast`: which streams are sent or received at once (RFC 8853, section 5.1).
    Simulcast(Simulcast),
    /// `a=rtcp`: where RTCP goes if not to the next port (RFC 3605, section 2.1).
    Rtcp(Rtcp),
    /// `a=rtcp-mux`: RTCP on the port of RTP (RFC 5761, section 5.1.1).
    RtcpMux,
    /// `a=rtcp-mux-only`: and nowhere else (RFC 8858, section 3).
    RtcpMuxOnly,
    /// `a=rtcp-rsize`: reduced-size RTCP (RFC 5506, section 5).
    RtcpRsize,
    /// `a=ptime`: milliseconds of media in a packet (RFC 8866, section 6.4).
    Ptime(u32),
    /// `a=maxptime`: the most of it (RFC 8866, section 6.5).
    Maxptime(u32),
    /// `a=quality`: 0 to 10, 10 is the best (RFC 8866, section 6.14).
    Quality(u8),
    /// `a=framerate`: pictures in a second, a number with or without a fraction, as text (RFC 8866, section 6.13).
    Framerate(String),
    /// Any other.
    Other {
        /// The name, a token.
        name: String,
        /// What follows the colon, if there is one.
        value: Option<String>,
    },
}

impl Attribute {
    /// An attribute that has no variant of its own; `None` for a flag.
    pub fn other(name: impl Into<String>, value: Option<&str>) -> Self {
        Self::Other { name: name.into(), value: value.map(Into::into) }
    }

    /// The name that stands before the colon.
    pub fn name(&self) -> &str {
        match self {
            Self::Group(_) => "group",
            Self::Mid(_) => "mid",
            Self::BundleOnly => "bundle-only",
            Self::IceUfrag(_) => "ice-ufrag",
            Self::IcePwd(_) => "ice-pwd",
            Self::IceOptions(_) => "ice-options",
            Self::IceLite => "ice-lite",
            Self::IceMismatch => "ice-mismatch",
            Self::IcePacing(_) => "ice-pacing",
            Self::Candidate(_) => "candidate",
            Self::RemoteCandidates(_) => "remote-candidates",
            Self::EndOfCandidates => "end-of-candidates",
            Self::Fingerprint(_) => "fingerprint",
            Self::Setup(_) => "setup",
            Self::Connection(_) => "connection",
            Self::TlsId(_) => "tls-id",
            Self::SctpPort(_) => "sctp-port",
            Self::MaxMessageSize(_) => "max-message-size",
            Self::Sctpmap(_) => "sctpmap",
            Self::SctpInit(_) => "sctp-init",
            Self::Direction(direction) => direction.name(),
            Self::Rtpmap(_) => "rtpmap",
            Self::Fmtp(_) => "fmtp",
            Self::RtcpFb(_) => "rtcp-fb",
            Self::Extmap(_) => "extmap",
            Self::ExtmapAllowMixed => "extmap-allow-mixed",
            Self::Msid(_) => "msid",
            Self::MsidSemantic(_) => "msid-semantic",
            Self::Ssrc(_) => "ssrc",
            Self::SsrcGroup(_) => "ssrc-group",
            Self::Rid(_) => "rid",
            Self::Simulcast(_) => "simulcast",
            Self::Rtcp(_) => "rtcp",
            Self::RtcpMux => "rtcp-mux",
            Self::RtcpMuxOnly => "rtcp-mux-only",
            Self::RtcpRsize => "rtcp-rsize",
            Self::Ptime(_) => "ptime",
            Self::Maxptime(_) => "maxptime",
            Self::Quality(_) => "quality",
            Self::Framerate(_) => "framerate",
            Self::Other { name, .. } => name,
        }
    }
}

impl FromStr for Attribute {
    type Err = Expected;

    /// Reads what follows `a=`. A known attribute whose value is broken is an error, as JSEP asks (RFC 8829,
    /// section 5.8); a flag that comes with a value, which no RFC foresees, is kept as [`Attribute::Other`].
    fn from_str(text: &str) -> Result<Self, Expected> {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if !is_token(name) {
            return Err(Expected("a= with a name and perhaps a colon and a value"));
        }
        if let Some(flag) = value.is_none().then(|| flag(name)).flatten() {
            return Ok(flag);
        }
        if let Some(known) = transport(name, value).or_else(|| media(name, value)) {
            return known;
        }
        if value.is_some_and(|value| !value.is_empty() && !is_byte_string(value)) {
            return Err(Expected("a= with a value without control characters"));
        }
        Ok(Self::other(name, value))
    }
}

/// Attributes that are only a name.
fn flag(name: &str) -> Option<Attribute> {
    Some(match name {
        "bundle-only" => Attribute::BundleOnly,
        "ice-lite" => Attribute::IceLite,
        "ice-mismatch" => Attribute::IceMismatch,
        "end-of-candidates" => Attribute::EndOfCandidates,
        "extmap-allow-mixed" => Attribute::ExtmapAllowMixed,
        "rtcp-mux" => Attribute::RtcpMux,
        "rtcp-mux-only" => Attribute::RtcpMuxOnly,
        "rtcp-rsize" => Attribute::RtcpRsize,
        _ => return Direction::from_name(name).map(Attribute::Direction),
    })
}

/// A value that is kept as text if it follows the rule.
fn text(value: &str, rule: impl Fn(&str) -> bool, expected: &'static str) -> Result<String, Expected> {
    if rule(value) { Ok(value.to_owned()) } else { Err(Expected(expected)) }
}

/// Attributes of the transport: grouping, ICE, DTLS, SCTP. `None` for the names of others.
fn transport(name: &str, value: Option<&str>) -> Option<Result<Attribute, Expected>> {
    use Attribute as A;
    let v = value.unwrap_or_default();
    Some(match name {
        "group" => v.parse().map(A::Group),
        "mid" => text(v, is_token, "a=mid: with a token").map(A::Mid),
        "ice-ufrag" => text(v, |v| is_secret(v, 4), "a=ice-ufrag: with 4 to 256 characters").map(A::IceUfrag),
        "ice-pwd" => text(v, |v| is_secret(v, 22), "a=ice-pwd: with 22 to 256 characters").map(A::IcePwd),
        "ice-options" => ice_options(v).map(A::IceOptions),
        "ice-pacing" => digits(v, "a=ice-pacing: with a number of milliseconds").map(A::IcePacing),
        "candidate" => text(v, is_byte_string, "a=candidate: with a candidate").map(A::Candidate),
        "remote-candidates" => RemoteCandidate::list(v).map(A::RemoteCandidates),
        "fingerprint" => {
            text(v, is_fingerprint, "a=fingerprint: with a hash name and hexadecimal pairs").map(A::Fingerprint)
        }
        "setup" => v.parse().map(A::Setup),
        "connection" => v.parse().map(A::Connection),
        "tls-id" => text(v, is_tls_id, "a=tls-id: with 20 to 255 letters, digits and +/-_").map(A::TlsId),
        "sctp-port" => digits(v, "a=sctp-port: with a port up to 65535").map(A::SctpPort),
        "max-message-size" => digits(v, "a=max-message-size: with a number of octets").map(A::MaxMessageSize),
        "sctpmap" => v.parse().map(A::Sctpmap),
        "sctp-init" => {
            text(v, |v| !v.is_empty() && is_base64(v), "a=sctp-init: with a chunk in base 64").map(A::SctpInit)
        }
        _ => return None,
    })
}

/// Attributes of media. `None` for the names of others.
fn media(name: &str, value: Option<&str>) -> Option<Result<Attribute, Expected>> {
    use Attribute as A;
    let v = value.unwrap_or_default();
    Some(match name {
        "rtpmap" => v.parse().map(A::Rtpmap),
        "fmtp" => v.parse().map(A::Fmtp),
        "rtcp-fb" => v.parse().map(A::RtcpFb),
        "extmap" => v.parse().map(A::Extmap),
        "msid" => v.parse().map(A::Msid),
        "msid-semantic" => v.parse().map(A::MsidSemantic),
        "ssrc" => v.parse().map(A::Ssrc),
        "ssrc-group" => v.parse().map(A::SsrcGroup),
        "rid" => v.parse().map(A::Rid),
        "simulcast" => v.parse().map(A::Simulcast),
        "rtcp" => v.parse().map(A::Rtcp),
        "ptime" => digits(v, "a=ptime: with a number of milliseconds").map(A::Ptime),
        "maxptime" => digits(v, "a=maxptime: with a number of milliseconds").map(A::Maxptime),
        "quality" => quality(v).map(A::Quality),
        "framerate" => text(v, is_real, "a=framerate: with a number above 0").map(A::Framerate),
        _ => return None,
    })
}

/// What `ice-ufrag` and `ice-pwd` may be. The grammar has letters, digits, `+` and `/`; other visible characters
/// are met and do no harm, but for the colon that separates the two names of a STUN username.
fn is_secret(value: &str, shortest: usize) -> bool {
    (shortest..=256).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic() && b != b':')
}

/// `fingerprint = hash-func SP 2UHEX *(":" 2UHEX)` (RFC 8122, section 5); lower case is met too.
fn is_fingerprint(value: &str) -> bool {
    let is_pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    value.split_once(' ').is_some_and(|(hash, pairs)| is_token(hash) && pairs.split(':').all(is_pair))
}

fn is_tls_id(value: &str) -> bool {
    (20..=255).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b))
}

fn ice_options(value: &str) -> Result<Vec<String>, Expected> {
    let expected = Expected("a=ice-options: with at least one word");
    let options: Vec<String> = words(value).map(str::to_owned).collect();
    if options.is_empty() || !options.iter().all(|option| is_non_ws(option)) { Err(expected) } else { Ok(options) }
}

fn quality(value: &str) -> Result<u8, Expected> {
    digits(value, "a=quality: with a number from 0 to 10")
        .and_then(|q| if q <= 10 { Ok(q) } else { Err(Expected("a=quality: with a number from 0 to 10")) })
}

/// `non-zero-int-or-real`
fn is_real(value: &str) -> bool {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_digits(whole) && is_digits(fraction) && value.bytes().any(|b| (b'1'..=b'9').contains(&b))
}

impl fmt::Display for Attribute {
    /// Writes what follows `a=`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::BundleOnly | Self::IceLite | Self::IceMismatch | Self::EndOfCandidates => Ok(()),
            Self::ExtmapAllowMixed | Self::RtcpMux | Self::RtcpMuxOnly | Self::RtcpRsize | Self::Direction(_) => Ok(()),
            Self::Mid(text) | Self::IceUfrag(text) | Self::IcePwd(text) => write!(f, ":{text}"),
            Self::Candidate(text) | Self::Fingerprint(text) | Self::TlsId(text) => write!(f, ":{text}"),
            Self::SctpInit(text) | Self::Framerate(text) => write!(f, ":{text}"),
            Self::IcePacing(number) | Self::Ptime(number) | Self::Maxptime(number) => write!(f, ":{number}"),
            Self::Quality(number) => write!(f, ":{number}"),
            Self::SctpPort(port) => write!(f, ":{port}"),
            Self::MaxMessageSize(size) => write!(f, ":{size}"),
            Self::IceOptions(options) => {
                f.write_str(":")?;
                join(f, options, " ")
            }
            Self::RemoteCandidates(candidates) => {
                f.write_str(":")?;
                join(f, candidates, " ")
            }
            Self::Group(value) => write!(f, ":{value}"),
            Self::Setup(value) => write!(f, ":{value}"),
            Self::Connection(value) => write!(f, ":{value}"),
            Self::Sctpmap(value) => write!(f, ":{value}"),
            Self::Rtpmap(value) => write!(f, ":{value}"),
            Self::Fmtp(value) => write!(f, ":{value}"),
            Self::RtcpFb(value) => write!(f, ":{value}"),
            Self::Extmap(value) => write!(f, ":{value}"),
            Self::Msid(value) => write!(f, ":{value}"),
            Self::MsidSemantic(value) => write!(f, ":{value}"),
            Self::Ssrc(value) => write!(f, ":{value}"),
            Self::SsrcGroup(value) => write!(f, ":{value}"),
            Self::Rid(value) => write!(f, ":{value}"),
            Self::Simulcast(value) => write!(f, ":{value}"),
            Self::Rtcp(value) => write!(f, ":{value}"),
            Self::Other { value: Some(value), .. } => write!(f, ":{value}"),
            Self::Other { value: None, .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_known_and_a_flag_with_a_value_is_kept_as_it_is() {
        for name in ["bundle-only", "ice-lite", "rtcp-mux", "rtcp-rsize", "end-of-candidates", "sendrecv", "inactive"] {
            let flag: Attribute = name.parse().unwrap();
            assert!(!matches!(flag, Attribute::Other { .. }), "{name}");
            assert_eq!(flag.to_string(), name);
        }
        let odd: Attribute = "rtcp-mux:yes".parse().unwrap();
        assert_eq!(odd, Attribute::other("rtcp-mux", Some("yes")));
        assert_eq!(odd.to_string(), "rtcp-mux:yes");
    }

    #[test]
    fn unknown_attributes_keep_name_and_value() {
        for text in
            ["x-google-flag:conference", "imageattr:97 send [x=800]", "recorded", "odd:", "crypto:1 A inline:b|2^20"]
        {
            let attribute: Attribute = text.parse().unwrap();
            assert!(matches!(attribute, Attribute::Other { .. }), "{text}");
            assert_eq!(attribute.to_string(), text);
        }
    }

    #[test]
    fn broken_values_of_known_attributes_say_what_was_expected() {
        for (text, expected) in [
            ("mid", "a=mid: with a token"),
            ("mid:a b", "a=mid: with a token"),
            ("ice-ufrag:abc", "a=ice-ufrag: with 4 to 256 characters"),
            ("ice-pwd:tooshort", "a=ice-pwd: with 22 to 256 characters"),
            ("ice-options:", "a=ice-options: with at least one word"),
            ("candidate:", "a=candidate: with a candidate"),
            ("fingerprint:sha-256", "a=fingerprint: with a hash name and hexadecimal pairs"),
            ("fingerprint:sha-256 AB:C", "a=fingerprint: with a hash name and hexadecimal pairs"),
            ("sctp-port:65536", "a=sctp-port: with a port up to 65535"),
            ("max-message-size:-1", "a=max-message-size: with a number of octets"),
            ("sctp-init:***", "a=sctp-init: with a chunk in base 64"),
            ("tls-id:short", "a=tls-id: with 20 to 255 letters, digits and +/-_"),
            ("quality:11", "a=quality: with a number from 0 to 10"),
            ("framerate:0.0", "a=framerate: with a number above 0"),
            ("sp ace:1", "a= with a name and perhaps a colon and a value"),
            ("", "a= with a name and perhaps a colon and a value"),
        ] {
            assert_eq!(text.parse::<Attribute>(), Err(Expected(expected)), "{text:?}");
        }
    }
}
