//! `stun:`, `stuns:`, `turn:` and `turns:` URIs (RFC 7064, RFC 7065).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Where a server is and how it is spoken to. Has the form `scheme:host[:port][?transport=udp|tcp]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    /// Protocol and security.
    pub scheme: Scheme,
    /// The server.
    pub host: Host,
    /// Its port, if one is given.
    pub port: Option<u16>,
    /// The transport between client and server, if one is given; only TURN has it.
    pub transport: Option<Transport>,
}

/// Protocol and security of a [`Uri`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// STUN.
    Stun,
    /// STUN over TLS or DTLS.
    Stuns,
    /// TURN.
    Turn,
    /// TURN over TLS or DTLS.
    Turns,
}

/// The host of a [`Uri`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name to be looked up, as it was written.
    Name(String),
}

/// The transport of a TURN [`Uri`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP, or DTLS with `turns:`.
    Udp,
    /// TCP, or TLS with `turns:`.
    Tcp,
}

/// Why a text is no STUN or TURN URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// It does not start with a known scheme.
    #[error("expected `stun:`, `stuns:`, `turn:` or `turns:`")]
    Scheme,
    /// The host is missing or has characters that no host has. These URIs have no `//` before it.
    #[error("expected a host name, an IPv4 address or an IPv6 address in brackets after the scheme (and no `//`)")]
    Host,
    /// The port is no number of 0 to 65535.
    #[error("expected a port number after the host")]
    Port,
    /// What follows `?` is not understood, or the scheme has no transport.
    #[error("expected `?transport=udp` or `?transport=tcp`, with `turn:` and `turns:` only")]
    Query,
}

impl Uri {
    /// The port to use: the one given, or 3478 without and 5349 with TLS or DTLS (RFC 8489, section 18.6).
    pub fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.is_secure() { 5349 } else { 3478 })
    }

    /// Whether TLS or DTLS is asked for.
    pub const fn is_secure(&self) -> bool {
        matches!(self.scheme, Scheme::Stuns | Scheme::Turns)
    }

    /// The transport to use: the one given, or UDP without and TCP with TLS (RFC 7065, section 3.1, and the practice of
    /// browsers).
    pub fn transport_or_default(&self) -> Transport {
        self.transport.unwrap_or(if self.is_secure() { Transport::Tcp } else { Transport::Udp })
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        let scheme: Scheme = scheme.parse()?;
        let (authority, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let (host, port) = split_port(authority)?;
        let transport = match (query, scheme) {
            (None, _) => None,
            (Some(query), Scheme::Turn | Scheme::Turns) => Some(transport(query)?),
            (Some(_), Scheme::Stun | Scheme::Stuns) => return Err(UriError::Query),
        };
        Ok(Self { scheme, host, port, transport })
    }
}

impl FromStr for Scheme {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let all = [Self::Stun, Self::Stuns, Self::Turn, Self::Turns];
        all.into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme.name())).ok_or(UriError::Scheme)
    }
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::Stuns => "stuns",
            Self::Turn => "turn",
            Self::Turns => "turns",
        }
    }
}

/// Takes `host[:port]` apart.
fn split_port(authority: &str) -> Result<(Host, Option<u16>), UriError> {
    let (host, rest) = if let Some(literal) = authority.strip_prefix('[') {
        let (literal, rest) = literal.split_once(']').ok_or(UriError::Host)?;
        let address: Ipv6Addr = literal.parse().map_err(|_| UriError::Host)?;
        (Host::Address(address.into()), rest)
    } else {
        let (host, rest) =
            authority.split_at_checked(authority.find(':').unwrap_or(authority.len())).unwrap_or_default();
        (name_or_ipv4(host)?, rest)
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return Err(UriError::Host),
        // A number's own parser would take a sign.
        Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().map_err(|_| UriError::Port)?)
        }
        Some(_) => return Err(UriError::Port),
    };
    Ok((host, port))
}

/// An IPv4 address, or a registered name (RFC 3986, section 3.2.2) of at least one character.
fn name_or_ipv4(host: &str) -> Result<Host, UriError> {
    if let Ok(address) = host.parse() {
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
    let is_name = !host.is_empty() && host.len() <= 255 && host.bytes().all(allowed);
    is_name.then(|| Host::Name(host.to_owned())).ok_or(UriError::Host)
}

fn transport(query: &str) -> Result<Transport, UriError> {
    let (key, value) = query.split_once('=').ok_or(UriError::Query)?;
    match (key.eq_ignore_ascii_case("transport"), value) {
        (true, value) if value.eq_ignore_ascii_case("udp") => Ok(Transport::Udp),
        (true, value) if value.eq_ignore_ascii_case("tcp") => Ok(Transport::Tcp),
        _ => Err(UriError::Query),
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme.name(), self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match self.transport {
            Some(Transport::Udp) => f.write_str("?transport=udp"),
            Some(Transport::Tcp) => f.write_str("?transport=tcp"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_specifications_are_read_and_written() {
        // RFC 7064, appendix B, and RFC 7065, appendix B: secure, port, transport.
        for (text, secure, port, transport) in [
            ("stun:example.org", false, 3478, None),
            ("stuns:example.org", true, 5349, None),
            ("stun:example.org:8000", false, 8000, None),
            ("turn:example.org", false, 3478, None),
            ("turns:example.org", true, 5349, None),
            ("turn:example.org:8000", false, 8000, None),
            ("turn:example.org?transport=udp", false, 3478, Some(Transport::Udp)),
            ("turn:example.org?transport=tcp", false, 3478, Some(Transport::Tcp)),
            ("turns:example.org?transport=tcp", true, 5349, Some(Transport::Tcp)),
            ("turn:192.0.2.1:3478?transport=udp", false, 3478, Some(Transport::Udp)),
            ("stun:[2001:db8::1]:19302", false, 19302, None),
            ("stun:[::1]", false, 3478, None),
        ] {
            let uri: Uri = text.parse().unwrap();
            assert_eq!((uri.is_secure(), uri.port_or_default(), uri.transport), (secure, port, transport), "{text}");
            assert_eq!(uri.to_string(), text);
        }
        assert_eq!("turns:a".parse::<Uri>().unwrap().transport_or_default(), Transport::Tcp);
        assert_eq!("turn:a".parse::<Uri>().unwrap().transport_or_default(), Transport::Udp);
    }

    #[test]
    fn case_does_not_matter_where_it_must_not() {
        let uri: Uri = "TuRn:Example.org?TRANSPORT=TCP".parse().unwrap();
        assert_eq!(uri.to_string(), "turn:Example.org?transport=tcp");
        assert_eq!(uri.host, Host::Name("Example.org".into()));
    }

    #[test]
    fn what_is_no_uri_is_refused_with_a_reason() {
        for (text, error) in [
            ("", UriError::Scheme),
            ("example.org", UriError::Scheme),
            ("http:example.org", UriError::Scheme),
            ("stun:", UriError::Host),
            ("stun:?transport=udp", UriError::Host),
            ("stun://example.org", UriError::Host),
            ("stun:user@example.org", UriError::Host),
            ("stun:example.org/path", UriError::Host),
            ("stun:ex ample.org", UriError::Host),
            ("stun:[2001:db8::1", UriError::Host),
            ("stun:[192.0.2.1]", UriError::Host),
            ("stun:[::1]3478", UriError::Host),
            ("stun:2001:db8::1", UriError::Port),
            ("stun:example.org:", UriError::Port),
            ("stun:example.org:+1", UriError::Port),
            ("stun:example.org:65536", UriError::Port),
            ("turn:example.org?transport=sctp", UriError::Query),
            ("turn:example.org?protocol=udp", UriError::Query),
            ("turn:example.org?", UriError::Query),
        ] {
            assert_eq!(text.parse::<Uri>(), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(text in "(stuns?|turns?):[a-z0-9.:\\[\\]%]{0,20}(\\?transport=(udp|tcp))?") {
            if let Ok(uri) = text.parse::<Uri>() {
                prop_assert_eq!(uri.to_string().parse(), Ok(uri));
            }
        }
    }
}
