//! The lines that are no attributes (RFC 8866, sections 5.1 to 5.12 and 5.14).

use std::{fmt, net::IpAddr, str::FromStr};

use crate::{
    Expected,
    grammar::{cut, digits, is_byte_string, is_token, join, non_ws, token, words},
};

/// `o=`: who made the description, and which version of it this is (RFC 8866, section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Login on the originating host, or `-`.
    pub username: String,
    /// Together with user name and address, names the session for ever. The grammar sets no bound; here it must
    /// fit 64 bits, as JSEP's do (RFC 8829, section 5.2.1: 63 bits).
    pub session_id: u64,
    /// Grows by one with each changed description of the session.
    pub session_version: u64,
    /// Network and address of the originating machine.
    pub connection: Connection,
}

impl Origin {
    /// The origin of a peer that keeps its address to itself: `- ID VERSION IN IP4 127.0.0.1`, as browsers write it
    /// (RFC 8829, section 5.2.1).
    pub fn new(session_id: u64, session_version: u64) -> Self {
        let connection = Connection::new("127.0.0.1");
        Self { username: "-".into(), session_id, session_version, connection }
    }
}

impl FromStr for Origin {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "o=, six fields: user name, session id, session version, IN, IP4 or IP6, address";
        let (username, rest) = cut(text);
        let (session_id, rest) = cut(rest.ok_or(Expected(EXPECTED))?);
        let (session_version, rest) = cut(rest.ok_or(Expected(EXPECTED))?);
        Ok(Self {
            username: non_ws(username, EXPECTED)?,
            session_id: digits(session_id, "o= with a session id below 2^64")?,
            session_version: digits(session_version, "o= with a session version below 2^64")?,
            connection: rest.and_then(|rest| rest.parse().ok()).ok_or(Expected(EXPECTED))?,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, session_id, session_version, connection } = self;
        write!(f, "{username} {session_id} {session_version} {connection}")
    }
}

/// `c=`: where media is sent to (RFC 8866, section 5.7). With ICE it says nothing of use: the default candidate, or
/// `0.0.0.0` while there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The kind of network, `IN` for the Internet.
    pub network: String,
    /// The kind of address, `IP4` or `IP6`.
    pub address_type: String,
    /// The address or name; a multicast address may be followed by `/TTL` and `/COUNT`.
    pub address: String,
}

impl Connection {
    /// An Internet address or host name; `IP6` if there is a colon in it.
    pub fn new(address: impl Into<String>) -> Self {
        let address = address.into();
        let address_type = if address.contains(':') { "IP6" } else { "IP4" };
        Self { network: "IN".into(), address_type: address_type.into(), address }
    }

    /// The address without the multicast suffix, if it is one and not a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.split('/').next()?.parse().ok()
    }

    /// Time to live of an IPv4 multicast address (RFC 8866, section 5.7).
    pub fn ttl(&self) -> Option<u8> {
        let suffix = self.address.split('/').nth(1)?;
        if self.ip()?.is_ipv4() { digits(suffix, "").ok() } else { None }
    }

    /// How many consecutive multicast addresses there are; 1 unless it is said.
    pub fn count(&self) -> u32 {
        let at = if self.ip().is_some_and(|ip| ip.is_ipv4()) { 2 } else { 1 };
        self.address.split('/').nth(at).and_then(|count| digits(count, "").ok()).unwrap_or(1)
    }
}

impl FromStr for Connection {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "three fields: IN, IP4 or IP6, address";
        let mut fields = words(text);
        let mut next = || fields.next().ok_or(Expected(EXPECTED));
        let network = token(next()?, EXPECTED)?;
        let address_type = token(next()?, EXPECTED)?;
        let address = non_ws(next()?, EXPECTED)?;
        if next().is_ok() { Err(Expected(EXPECTED)) } else { Ok(Self { network, address_type, address }) }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.network, self.address_type, self.address)
    }
}

/// `b=`: bandwidth that is proposed (RFC 8866, section 5.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// `CT` (all media together), `AS` (one media), `TIAS` (RFC 3890), or another kind.
    pub kind: String,
    /// In kilobit per second, except for kinds that say otherwise (`TIAS`: bit per second).
    pub value: u64,
}

impl FromStr for Bandwidth {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "b=, a kind, a colon and a number, such as b=AS:128";
        let (kind, value) = text.split_once(':').ok_or(Expected(EXPECTED))?;
        Ok(Self { kind: token(kind, EXPECTED)?, value: digits(value, EXPECTED)? })
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// `m=`: the line that opens a media section (RFC 8866, section 5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaLine {
    /// `audio`, `video`, `application` and so on.
    pub kind: String,
    /// Where media is sent to; 0 refuses the section (RFC 3264, section 6), 9 says that ICE will tell.
    pub port: u16,
    /// How many ports follow one another, if it is said.
    pub ports: Option<u32>,
    /// The protocols, such as `UDP/TLS/RTP/SAVPF` or `UDP/DTLS/SCTP`.
    pub protocol: String,
    /// RTP payload types, or what else the protocol calls a format: `webrtc-datachannel`.
    pub formats: Vec<String>,
}

/// Most formats of a section. RTP has 128 payload types; whoever looks up each format among the attributes must not
/// be made to do it a million times.
const MOST_FORMATS: usize = 256;

impl FromStr for MediaLine {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "m=, a kind, a port up to 65535, a protocol and at least one format";
        let mut fields = words(text);
        let mut next = || fields.next().ok_or(Expected(EXPECTED));
        let kind = token(next()?, EXPECTED)?;
        let port = next()?;
        let (port, ports) = match port.split_once('/') {
            Some((port, ports)) => (port, Some(digits(ports, EXPECTED)?)),
            None => (port, None),
        };
        let port = digits(port, EXPECTED)?;
        let protocol = next()?.to_owned();
        if ports == Some(0) || !protocol.split('/').all(is_token) {
            return Err(Expected(EXPECTED));
        }
        let formats =
            fields.take(MOST_FORMATS + 1).map(|format| token(format, EXPECTED)).collect::<Result<Vec<_>, _>>()?;
        match formats.len() {
            0 => Err(Expected(EXPECTED)),
            1..=MOST_FORMATS => Ok(Self { kind, port, ports, protocol, formats }),
            _ => Err(Expected("m= with at most 256 formats")),
        }
    }
}

impl fmt::Display for MediaLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.port)?;
        if let Some(ports) = self.ports {
            write!(f, "/{ports}")?;
        }
        write!(f, " {} ", self.protocol)?;
        join(f, &self.formats, " ")
    }
}

/// `k=`: a key in clear (RFC 8866, section 5.12: obsolete, must not be used; it is read so that it can be refused).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// `prompt`: ask the user.
    Prompt,
    /// `clear:` and the key.
    Clear(String),
    /// `base64:` and the key in base 64.
    Base64(String),
    /// `uri:` and where to get the key.
    Uri(String),
}

impl FromStr for Key {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "k=, one of prompt, clear:, base64: and uri:";
        match text.split_once(':') {
            None if text == "prompt" => Ok(Self::Prompt),
            Some(("clear", key)) if is_byte_string(key) => Ok(Self::Clear(key.to_owned())),
            Some(("base64", key)) if is_base64(key) => Ok(Self::Base64(key.to_owned())),
            Some(("uri", uri)) if is_uri(uri) => Ok(Self::Uri(uri.to_owned())),
            Some(_) | None => Err(Expected(EXPECTED)),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt => f.write_str("prompt"),
            Self::Clear(key) => write!(f, "clear:{key}"),
            Self::Base64(key) => write!(f, "base64:{key}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
        }
    }
}

/// `base64 = *base64-unit [base64-pad]`
pub(crate) fn is_base64(text: &str) -> bool {
    let body = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    text.len().is_multiple_of(4) && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

/// `URI-reference` of RFC 3986, by its characters: whether it leads anywhere is not asked.
pub(crate) fn is_uri(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
        let fine = match byte {
            b'%' => hex(bytes.next()) && hex(bytes.next()),
            _ => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&byte),
        };
        if !fine {
            return false;
        }
    }
    !text.is_empty()
}

/// `email-safe`: anything but the quoting characters.
fn is_email_safe(text: &str) -> bool {
    is_byte_string(text) && !text.contains(['(', ')', '<', '>'])
}

/// `addr-spec` of RFC 5322 as it is met: something, an at sign, a domain. A quoted local part may hold anything.
fn is_addr_spec(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let literal = domain.starts_with('[') && domain.ends_with(']');
    (quoted || local.split('.').all(is_atom)) && (literal || domain.split('.').all(is_atom))
}

/// `atext` of RFC 5322, and every character beyond ASCII (RFC 6532).
fn is_atom(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
}

/// `email-address`: `a@b`, `a@b (Name)` or `Name <a@b>`.
pub(crate) fn is_email(text: &str) -> bool {
    if let Some((address, comment)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        return address.ends_with(' ') && is_addr_spec(address.trim_end_matches(' ')) && is_email_safe(comment);
    }
    match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((name, address)) => is_email_safe(name) && name.ends_with(' ') && is_addr_spec(address),
        None => is_addr_spec(text),
    }
}

/// `phone = ["+"] DIGIT 1*(SP / "-" / DIGIT)`
fn is_phone_digits(text: &str) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    text.len() >= 2
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_digit() || b == b' ' || b == b'-')
}

/// `phone-number`: `+1 617 555-6011`, the same with `(Name)` after it, or `Name <+1 617 555-6011>`.
pub(crate) fn is_phone(text: &str) -> bool {
    if let Some((phone, comment)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        return is_phone_digits(phone) && is_email_safe(comment);
    }
    match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((name, phone)) => is_email_safe(name) && is_phone_digits(phone),
        None => is_phone_digits(text),
    }
}

/// Checks a line whose value is used as it stands.
pub(crate) fn checked(text: &str, rule: fn(&str) -> bool, expected: &'static str) -> Result<String, Expected> {
    if rule(text) { Ok(text.to_owned()) } else { Err(Expected(expected)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_origins_of_browsers() {
        let origin: Origin = "mozilla...THIS_IS_SDPARTA-99.0 3211030174751102912 0 IN IP4 0.0.0.0".parse().unwrap();
        assert_eq!((origin.session_id, origin.session_version), (3_211_030_174_751_102_912, 0));
        assert_eq!(Origin::new(7, 2).to_string(), "- 7 2 IN IP4 127.0.0.1");
        for not in ["", "- 1 1 IN IP4", "- 1 1 IN IP4 a b", "- x 1 IN IP4 a", "- 99999999999999999999 1 IN IP4 a"] {
            assert!(not.parse::<Origin>().is_err(), "{not:?}");
        }
    }

    #[test]
    fn reads_addresses_with_their_multicast_suffix() {
        let all: Connection = "IN IP4 233.252.0.1/127/3".parse().unwrap();
        assert_eq!((all.ip(), all.ttl(), all.count()), (Some([233, 252, 0, 1].into()), Some(127), 3));
        let six: Connection = "IN IP6 ff00::db8:0:101/3".parse().unwrap();
        assert_eq!((six.ttl(), six.count()), (None, 3));
        let name: Connection = "IN IP4 host.atlanta.example.com".parse().unwrap();
        assert_eq!((name.ip(), name.ttl(), name.count()), (None, None, 1));
        assert_eq!(Connection::new("::1").to_string(), "IN IP6 ::1");
    }

    #[test]
    fn reads_media_lines_and_refuses_broken_ones() {
        let line: MediaLine = "audio 49170/2 RTP/AVP 0 97".parse().unwrap();
        assert_eq!((line.port, line.ports), (49170, Some(2)));
        assert_eq!(line.formats, ["0", "97"]);
        assert_eq!(line.to_string(), "audio 49170/2 RTP/AVP 0 97");
        for not in ["", "audio", "audio 9", "audio 9 RTP/AVP", "audio 65536 RTP/AVP 0", "audio 9/0 RTP/AVP 0"] {
            assert!(not.parse::<MediaLine>().is_err(), "{not:?}");
        }
        assert!("audio 9 RTP//AVP 0".parse::<MediaLine>().is_err());
        assert!(format!("audio 9 RTP/AVP{}", " 0".repeat(256)).parse::<MediaLine>().is_ok());
        assert!(format!("audio 9 RTP/AVP{}", " 0".repeat(257)).parse::<MediaLine>().is_err());
    }

    #[test]
    fn tells_addresses_phones_and_uris_from_other_text() {
        for email in ["j.doe@example.com", "j.doe@example.com (Jane Doe)", "Jane Doe <j.doe@example.com>"] {
            assert!(is_email(email), "{email}");
        }
        for not in ["", "jane", "a b@c", "Jane <jane>", "j@e(x)", "@", "a@"] {
            assert!(!is_email(not), "{not}");
        }
        for phone in ["+1 617 555-6011", "+1 617 555-6011 (Jane Doe)", "Jane Doe <+1 617 555-6011>", "112"] {
            assert!(is_phone(phone), "{phone}");
        }
        for not in ["", "+", "1", "call me", "+1 617 (", "<+1 617 555-6011>"] {
            assert!(!is_phone(not), "{not}");
        }
        assert!(is_uri("https://www.example.com/seminars/sdp.pdf?x=%20#a"));
        for not in ["", "a b", "%2", "%zz", "<a>", "\u{e4}"] {
            assert!(!is_uri(not), "{not}");
        }
    }

    #[test]
    fn reads_keys_of_every_kind() {
        for text in ["prompt", "clear:secret words", "base64:c2VjcmV0", "base64:c2VjcmU=", "uri:https://k.example/"] {
            assert_eq!(text.parse::<Key>().unwrap().to_string(), text);
        }
        for not in ["", "Prompt", "clear:", "base64:a", "base64:*===", "uri:a b", "rot13:x"] {
            assert!(not.parse::<Key>().is_err(), "{not:?}");
        }
    }
}
