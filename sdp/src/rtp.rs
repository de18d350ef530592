//! Attributes of RTP: codecs, feedback, header extensions, sources, tracks.

use std::{fmt, str::FromStr};

use crate::{
    Connection, Direction, Expected,
    grammar::{cut, digits, is_byte_string, non_ws, token, words},
};

/// `a=rtpmap`: the codec of a payload type (RFC 8866, section 6.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtpmap {
    /// 0 to 127.
    pub payload_type: u8,
    /// `opus`, `VP8`, `rtx`; compared without regard to case (RFC 4855, section 3).
    pub encoding: String,
    /// Ticks of the RTP timestamp in a second.
    pub clock_rate: u32,
    /// For audio the number of channels, 1 if it is not said; nothing for video.
    pub parameters: Option<String>,
}

impl FromStr for Rtpmap {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=rtpmap: with a payload type up to 127, a name, a slash and a clock rate";
        let (payload_type, rest) = cut(text);
        let mut parts = rest.ok_or(Expected(EXPECTED))?.splitn(3, '/');
        let mut next = || parts.next().ok_or(Expected(EXPECTED));
        let (encoding, clock_rate) = (token(next()?, EXPECTED)?, digits(next()?, EXPECTED)?);
        let parameters = next().ok().map(|text| non_ws(text, EXPECTED)).transpose()?;
        Ok(Self { payload_type: payload_type_of(payload_type, EXPECTED)?, encoding, clock_rate, parameters })
    }
}

impl fmt::Display for Rtpmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.encoding, self.clock_rate)?;
        self.parameters.as_ref().map_or(Ok(()), |parameters| write!(f, "/{parameters}"))
    }
}

/// RTP has seven bits for it (RFC 3550, section 5.1).
fn payload_type_of(text: &str, expected: &'static str) -> Result<u8, Expected> {
    digits(text, expected).and_then(|number| if number < 128 { Ok(number) } else { Err(Expected(expected)) })
}

/// `a=fmtp`: parameters of a format (RFC 8866, section 6.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fmtp {
    /// A format of the m-line, for RTP a payload type.
    pub format: String,
    /// The parameters as they stand, mostly `name=value` with semicolons between.
    pub parameters: String,
}

impl Fmtp {
    /// The parameters that look like `name=value`, in order; a lone word comes with an empty value.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let parts = self.parameters.split(';').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| part.split_once('=').map_or((part, ""), |(name, value)| (name.trim_end(), value.trim_start())))
    }

    /// The value of one parameter, whose name is compared without regard to case (RFC 4855, section 3).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl FromStr for Fmtp {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=fmtp: with a format and its parameters";
        let (format, parameters) = cut(text);
        let parameters = parameters.filter(|text| is_byte_string(text)).ok_or(Expected(EXPECTED))?;
        Ok(Self { format: token(format, EXPECTED)?, parameters: parameters.to_owned() })
    }
}

impl fmt::Display for Fmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.format, self.parameters)
    }
}

/// `a=rtcp-fb`: one kind of feedback that is understood (RFC 4585, section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpFb {
    /// The payload type, or `None` for `*`: all of the section.
    pub payload_type: Option<u8>,
    /// `nack`, `ccm`, `transport-cc` and others.
    pub kind: String,
    /// `pli` after `nack`, `fir` after `ccm`, and so on.
    pub parameter: Option<String>,
}

impl FromStr for RtcpFb {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=rtcp-fb: with a payload type or *, and a kind of feedback";
        let (payload_type, rest) = cut(text);
        let (kind, parameter) = cut(rest.ok_or(Expected(EXPECTED))?);
        let payload_type = if payload_type == "*" { None } else { Some(payload_type_of(payload_type, EXPECTED)?) };
        let parameter = parameter.filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self { payload_type, kind: token(kind, EXPECTED)?, parameter })
    }
}

impl fmt::Display for RtcpFb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(payload_type) => write!(f, "{payload_type} {}", self.kind)?,
            None => write!(f, "* {}", self.kind)?,
        }
        self.parameter.as_ref().map_or(Ok(()), |parameter| write!(f, " {parameter}"))
    }
}

/// `a=extmap`: the number of an RTP header extension (RFC 8285, section 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extmap {
    /// 1 to 14 fit the one-byte header, to 255 the two-byte header; 4096 to 4351 are placeholders in offers.
    pub id: u16,
    /// In which direction it is used; both if nothing is said.
    pub direction: Option<Direction>,
    /// What the extension is.
    pub uri: String,
    /// What the extension wants to add.
    pub attributes: Option<String>,
}

impl FromStr for Extmap {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=extmap: with a number from 1, perhaps a direction, and a URI";
        let (id, rest) = cut(text);
        let (uri, attributes) = cut(rest.ok_or(Expected(EXPECTED))?);
        let (id, direction) = match id.split_once('/') {
            Some((id, direction)) => (id, Some(Direction::from_name(direction).ok_or(Expected(EXPECTED))?)),
            None => (id, None),
        };
        let id = digits(id, EXPECTED)?;
        let attributes = attributes.filter(|text| !text.is_empty()).map(str::to_owned);
        if id == 0 {
            Err(Expected(EXPECTED))
        } else {
            Ok(Self { id, direction, uri: non_ws(uri, EXPECTED)?, attributes })
        }
    }
}

impl fmt::Display for Extmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(direction) = self.direction {
            write!(f, "/{direction}")?;
        }
        write!(f, " {}", self.uri)?;
        self.attributes.as_ref().map_or(Ok(()), |attributes| write!(f, " {attributes}"))
    }
}

/// `a=msid`: the stream and the track that a section carries (RFC 8830, section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msid {
    /// The stream, or `-` for a track without one (RFC 8829, section 5.2.1).
    pub stream: String,
    /// The track; JSEP left it out for good, browsers still write it.
    pub track: Option<String>,
}

impl FromStr for Msid {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=msid: with a stream and perhaps a track";
        let mut words = words(text);
        let stream = non_ws(words.next().unwrap_or_default(), EXPECTED)?;
        let track = words.next().map(|track| non_ws(track, EXPECTED)).transpose()?;
        if words.next().is_some() { Err(Expected(EXPECTED)) } else { Ok(Self { stream, track }) }
    }
}

impl fmt::Display for Msid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stream)?;
        self.track.as_ref().map_or(Ok(()), |track| write!(f, " {track}"))
    }
}

/// `a=msid-semantic`: what `a=msid` stands for; always `WMS` (an early draft of RFC 8830).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsidSemantic {
    /// `WMS`.
    pub semantic: String,
    /// Streams, or `*`.
    pub streams: Vec<String>,
}

impl FromStr for MsidSemantic {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=msid-semantic: with WMS and perhaps streams";
        let mut words = words(text);
        let semantic = token(words.next().unwrap_or_default(), EXPECTED)?;
        Ok(Self { semantic, streams: words.map(|stream| non_ws(stream, EXPECTED)).collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for MsidSemantic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantic)?;
        self.streams.iter().try_for_each(|stream| write!(f, " {stream}"))
    }
}

/// `a=ssrc`: something about one source (RFC 5576, section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssrc {
    /// The source.
    pub ssrc: u32,
    /// `cname`, `msid`, `label` and others.
    pub attribute: String,
    /// What follows the colon, if there is one.
    pub value: Option<String>,
}

impl FromStr for Ssrc {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=ssrc: with a number, and an attribute of its own";
        let (ssrc, rest) = cut(text);
        let rest = rest.ok_or(Expected(EXPECTED))?;
        let (attribute, value) = match rest.split_once(':') {
            Some((attribute, value)) => (attribute, Some(value.to_owned())),
            None => (rest, None),
        };
        Ok(Self { ssrc: digits(ssrc, EXPECTED)?, attribute: token(attribute, EXPECTED)?, value })
    }
}

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.ssrc, self.attribute)?;
        self.value.as_ref().map_or(Ok(()), |value| write!(f, ":{value}"))
    }
}

/// `a=ssrc-group`: sources that belong together (RFC 5576, section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcGroup {
    /// `FID` (a source and its retransmissions), `SIM` (an older simulcast), `FEC-FR`.
    pub semantics: String,
    /// The sources, in order.
    pub ssrcs: Vec<u32>,
}

impl FromStr for SsrcGroup {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=ssrc-group: with semantics and sources";
        let mut words = words(text);
        let semantics = token(words.next().unwrap_or_default(), EXPECTED)?;
        Ok(Self { semantics, ssrcs: words.map(|ssrc| digits(ssrc, EXPECTED)).collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for SsrcGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.ssrcs.iter().try_for_each(|ssrc| write!(f, " {ssrc}"))
    }
}

/// `a=rtcp`: where RTCP goes if not to the next port (RFC 3605, section 2.1). With `a=rtcp-mux` it means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtcp {
    /// The port.
    pub port: u16,
    /// The address, if it is another one than that of the media.
    pub connection: Option<Connection>,
}

impl FromStr for Rtcp {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=rtcp: with a port and perhaps IN, IP4 or IP6, and an address";
        let (port, rest) = cut(text);
        let connection = rest.map(|rest| rest.parse().map_err(|_| Expected(EXPECTED))).transpose()?;
        Ok(Self { port: digits(port, EXPECTED)?, connection })
    }
}

impl fmt::Display for Rtcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.port)?;
        self.connection.as_ref().map_or(Ok(()), |connection| write!(f, " {connection}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_codecs_and_their_parameters() {
        let opus: Rtpmap = "111 opus/48000/2".parse().unwrap();
        assert_eq!((opus.payload_type, opus.clock_rate, opus.parameters.as_deref()), (111, 48000, Some("2")));
        let fmtp: Fmtp = "39 level-asymmetry-allowed=1; packetization-mode=0;profile-level-id=4d001f".parse().unwrap();
        assert_eq!((fmtp.get("Packetization-Mode"), fmtp.get("apt")), (Some("0"), None));
        assert_eq!("101 0-15".parse::<Fmtp>().unwrap().pairs().collect::<Vec<_>>(), [("0-15", "")]);
        for not in ["", "111", "111 opus", "128 opus/48000", "x opus/48000", "111 opus/fast", "111 /48000"] {
            assert!(not.parse::<Rtpmap>().is_err(), "{not:?}");
        }
        for not in ["", "111", "111 "] {
            assert!(not.parse::<Fmtp>().is_err(), "{not:?}");
        }
    }

    #[test]
    fn reads_feedback_for_one_and_for_all() {
        let one: RtcpFb = "96 nack pli".parse().unwrap();
        assert_eq!((one.payload_type, one.kind.as_str(), one.parameter.as_deref()), (Some(96), "nack", Some("pli")));
        assert_eq!("* transport-cc".parse::<RtcpFb>().unwrap().payload_type, None);
        for not in ["", "96", "96 ", "opus nack"] {
            assert!(not.parse::<RtcpFb>().is_err(), "{not:?}");
        }
    }

    #[test]
    fn reads_header_extensions_with_a_direction() {
        let map: Extmap = "6/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay".parse().unwrap();
        assert_eq!((map.id, map.direction), (6, Some(Direction::RecvOnly)));
        for not in ["", "6", "0 urn:x", "6/both urn:x", "6 "] {
            assert!(not.parse::<Extmap>().is_err(), "{not:?}");
        }
    }

    #[test]
    fn reads_tracks_and_sources() {
        assert_eq!("- track".parse::<Msid>().unwrap().stream, "-");
        assert_eq!(" WMS *".parse::<MsidSemantic>().unwrap().streams, ["*"]);
        let ssrc: Ssrc = "1260513409 msid:stream track".parse().unwrap();
        assert_eq!((ssrc.attribute.as_str(), ssrc.value.as_deref()), ("msid", Some("stream track")));
        assert_eq!("FID 1 4294967295".parse::<SsrcGroup>().unwrap().ssrcs, [1, u32::MAX]);
        assert!("".parse::<Msid>().is_err() && "a b c".parse::<Msid>().is_err());
        assert!("4294967296 cname:x".parse::<Ssrc>().is_err() && "1".parse::<Ssrc>().is_err());
        assert!("FID x".parse::<SsrcGroup>().is_err());
    }

    #[test]
    fn reads_where_rtcp_goes() {
        let rtcp: Rtcp = "33512 IN IP4 f8500d16.local".parse().unwrap();
        assert_eq!(rtcp.connection.map(|connection| connection.address), Some("f8500d16.local".into()));
        assert_eq!("9".parse::<Rtcp>().unwrap().connection, None);
        assert!("9 IN".parse::<Rtcp>().is_err() && "".parse::<Rtcp>().is_err());
    }
}
