use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// One transport address at which a peer may be reached, as descriptions carry it (RFC 8839, section 5.1).
///
/// [`FromStr`] reads `candidate:…`, with or without `a=` before it; [`Display`](fmt::Display) writes `candidate:…`.
/// Extensions that are not known here are kept, in order.
///
/// ```
/// # use visavis_ice as ice;
/// let line = "candidate:1 1 udp 2122194687 192.0.2.2 43526 typ host generation 0 network-id 1";
/// let candidate: ice::Candidate = line.parse()?;
/// assert_eq!(candidate.kind, ice::CandidateKind::Host);
/// assert_eq!(candidate.to_string(), line);
/// # Ok::<(), ice::CandidateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Equal for candidates that are likely to work or fail together: 1 to 32 characters.
    pub foundation: String,
    /// The component of the stream, from 1; this agent has component 1 only (RTP and RTCP are multiplexed).
    pub component: u16,
    /// What carries the datagrams.
    pub transport: Transport,
    /// Higher is better (RFC 8445, section 5.1.2).
    pub priority: u32,
    /// Where to send.
    pub address: CandidateAddress,
    /// How the address was found.
    pub kind: CandidateKind,
    /// The base of a reflexive candidate, the mapped address of a relayed one (`raddr`, `rport`).
    pub related: Option<SocketAddr>,
    /// Who opens the connection of a TCP candidate (RFC 6544, section 4.5).
    pub tcp_type: Option<TcpType>,
    /// The user name fragment of the generation it belongs to, if it says so.
    pub ufrag: Option<String>,
    /// All other attributes, name and value.
    pub extensions: Vec<(String, String)>,
}

/// What carries the datagrams of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `udp`, the only one that this agent checks.
    Udp,
    /// `tcp` (RFC 6544).
    Tcp,
    /// Any other word.
    Other(String),
}

/// Where a candidate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CandidateAddress {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A name and a port. Browsers hide their addresses behind random names that end in `.local`.
    Name(String, u16),
}

/// How the address of a candidate was found (RFC 8445, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// `host`: the address of an interface.
    Host,
    /// `srflx`: as a STUN server sees it.
    ServerReflexive,
    /// `prflx`: as the peer sees it.
    PeerReflexive,
    /// `relay`: at a TURN server.
    Relayed,
}

/// Who opens the connection of a TCP candidate (RFC 6544, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpType {
    /// `active`: this side opens it.
    Active,
    /// `passive`: the other side opens it.
    Passive,
    /// `so`: both at once.
    SimultaneousOpen,
}

/// A line that is not a candidate: what was expected, and what stood there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a candidate: expected {expected}, found {found:?}")]
pub struct CandidateError {
    /// The field of RFC 8839, section 5.1 that was being read.
    pub expected: &'static str,
    /// The text in its place, at most 64 characters of it; empty if the line ended.
    pub found: String,
}

/// Longer lines are refused; those seen in the wild are below 200 bytes.
const LONGEST_LINE: usize = 1024;
const ROOM_FOR_ADDRESSES: usize = 64;

impl CandidateAddress {
    /// The address, unless it is a name.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Name(..) => None,
        }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }
}

impl FromStr for Candidate {
    type Err = CandidateError;

    fn from_str(line: &str) -> Result<Self, CandidateError> {
        let line = line.trim_end_matches(['\r', '\n']);
        let line = line.strip_prefix("a=").unwrap_or(line);
        if line.len() > LONGEST_LINE {
            return Err(CandidateError::new("a line of at most 1024 bytes", line));
        }
        if line.contains(char::is_control) {
            return Err(CandidateError::new("one line", line));
        }
        let rest = line.strip_prefix("candidate:").ok_or_else(|| CandidateError::new("candidate:", line))?;
        let mut words = rest.split(' ').filter(|word| !word.is_empty());
        let mut next = |expected| words.next().ok_or_else(|| CandidateError::new(expected, ""));

        let foundation = next("a foundation")?;
        if foundation.len() > 32 {
            return Err(CandidateError::new("a foundation of at most 32 characters", foundation));
        }
        let component = number("a component", next("a component")?)?;
        let transport = Transport::from(next("a transport")?);
        let priority = number("a priority", next("a priority")?)?;
        let host = next("an address")?;
        let port = number("a port", next("a port")?)?;
        match next("typ")? {
            "typ" => {}
            other => return Err(CandidateError::new("typ", other)),
        }
        let kind = next("a candidate type")?.parse()?;
        let mut candidate = Self {
            foundation: foundation.to_owned(),
            component,
            transport,
            priority,
            address: address(host, port)?,
            kind,
            related: None,
            tcp_type: None,
            ufrag: None,
            extensions: Vec::new(),
        };
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| CandidateError::new("the value of an attribute", name))?;
            candidate.extend(name, value);
        }
        candidate.relate();
        // Some addresses of IPv6 are longer as they are written than as they were read, so that a line that was just
        // short enough could not be read again.
        if line.len() + ROOM_FOR_ADDRESSES > LONGEST_LINE && candidate.to_string().len() > LONGEST_LINE {
            return Err(CandidateError::new("a line of at most 1024 bytes", line));
        }
        Ok(candidate)
    }
}

impl Candidate {
    fn extend(&mut self, name: &str, value: &str) {
        match (name, TcpType::named(value)) {
            ("tcptype", Some(tcp_type)) if self.tcp_type.is_none() => self.tcp_type = Some(tcp_type),
            ("ufrag", _) if self.ufrag.is_none() => self.ufrag = Some(value.to_owned()),
            _ => self.extensions.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Makes `raddr` and `rport` the related address. If it is a name (browsers hide it too), they stay extensions.
    fn relate(&mut self) {
        let [(raddr, ip), (rport, port), ..] = self.extensions.as_slice() else { return };
        if raddr == "raddr"
            && rport == "rport"
            && let (Ok(ip), Ok(port)) = (ip.parse::<IpAddr>(), port.parse())
        {
            self.related = Some(SocketAddr::new(ip, port));
            self.extensions.drain(..2);
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { foundation, component, transport, priority, address, kind, .. } = self;
        write!(f, "candidate:{foundation} {component} {transport} {priority} {address} typ {kind}")?;
        if let Some(related) = self.related {
            write!(f, " raddr {} rport {}", related.ip(), related.port())?;
        }
        if let Some(tcp_type) = self.tcp_type {
            write!(f, " tcptype {tcp_type}")?;
        }
        // Where Chromium writes the fragment: behind the generation.
        let ahead = self.extensions.iter().take_while(|(name, _)| matches!(&**name, "raddr" | "rport" | "generation"));
        let behind = ahead.clone().count();
        for (name, value) in ahead {
            write!(f, " {name} {value}")?;
        }
        if let Some(ufrag) = &self.ufrag {
            write!(f, " ufrag {ufrag}")?;
        }
        for (name, value) in self.extensions.iter().skip(behind) {
            write!(f, " {name} {value}")?;
        }
        Ok(())
    }
}

impl CandidateError {
    fn new(expected: &'static str, found: &str) -> Self {
        Self { expected, found: found.chars().take(64).collect() }
    }
}

/// Digits only: `+1` and the like are not numbers here.
fn number<T: FromStr>(expected: &'static str, word: &str) -> Result<T, CandidateError> {
    let is_digits = word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|_| is_digits).ok_or_else(|| CandidateError::new(expected, word))
}

fn address(host: &str, port: u16) -> Result<CandidateAddress, CandidateError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(CandidateAddress::Ip(SocketAddr::new(ip, port)));
    }
    let is_name = host.len() <= 255
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if is_name {
        Ok(CandidateAddress::Name(host.to_owned(), port))
    } else {
        Err(CandidateError::new("an address", host))
    }
}

impl From<&str> for Transport {
    fn from(word: &str) -> Self {
        if word.eq_ignore_ascii_case("udp") {
            Self::Udp
        } else if word.eq_ignore_ascii_case("tcp") {
            Self::Tcp
        } else {
            Self::Other(word.to_owned())
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Other(word) => word,
        })
    }
}

impl fmt::Display for CandidateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{} {}", address.ip(), address.port()),
            Self::Name(name, port) => write!(f, "{name} {port}"),
        }
    }
}

impl FromStr for CandidateKind {
    type Err = CandidateError;

    fn from_str(word: &str) -> Result<Self, CandidateError> {
        match word {
            "host" => Ok(Self::Host),
            "srflx" => Ok(Self::ServerReflexive),
            "prflx" => Ok(Self::PeerReflexive),
            "relay" => Ok(Self::Relayed),
            other => Err(CandidateError::new("a candidate type", other)),
        }
    }
}

impl fmt::Display for CandidateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        })
    }
}

impl TcpType {
    fn named(word: &str) -> Option<Self> {
        match word {
            "active" => Some(Self::Active),
            "passive" => Some(Self::Passive),
            "so" => Some(Self::SimultaneousOpen),
            _ => None,
        }
    }
}

impl fmt::Display for TcpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    const SEEN: &str = include_str!("../tests/data/candidates.txt");

    #[test]
    fn every_form_in_the_wild_is_read_and_written_back() {
        for line in SEEN.lines() {
            let candidate: Candidate = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            let spelled = line.replace(" UDP ", " udp ").replace(" TCP ", " tcp ");
            assert_eq!(candidate.to_string(), spelled);
            assert_eq!(format!("a={line}\r\n").parse(), Ok(candidate));
        }
    }

    #[test]
    fn fields_are_where_they_belong() {
        let line = "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 192.168.1.5 rport 46155 \
                    generation 0 ufrag lffX network-id 1 network-cost 10";
        let candidate: Candidate = line.parse().unwrap();
        assert_eq!(candidate.kind, CandidateKind::ServerReflexive);
        assert_eq!(candidate.address.ip(), "203.0.113.7:46154".parse().ok());
        assert_eq!(candidate.related, "192.168.1.5:46155".parse().ok());
        assert_eq!(candidate.ufrag.as_deref(), Some("lffX"));
        let extensions = [("generation", "0"), ("network-id", "1"), ("network-cost", "10")];
        assert_eq!(candidate.extensions, extensions.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_hidden_related_address_is_kept_as_it_is() {
        let line = "candidate:2 1 udp 1686052863 203.0.113.7 46611 typ srflx raddr some-name.local rport 46611";
        let candidate: Candidate = line.parse().unwrap();
        assert_eq!(candidate.related, None);
        assert_eq!(candidate.to_string(), line);
    }

    #[test]
    fn what_is_no_candidate_is_refused_with_what_was_expected() {
        let good = "candidate:1 1 udp 1 192.0.2.1 9 typ host";
        assert!(good.parse::<Candidate>().is_ok());
        for (wrong, expected) in [
            ("", "candidate:"),
            ("a=mid:0", "candidate:"),
            ("candidate:", "a foundation"),
            ("candidate:1 x udp 1 192.0.2.1 9 typ host", "a component"),
            ("candidate:1 70000 udp 1 192.0.2.1 9 typ host", "a component"),
            ("candidate:1 1 udp 4294967296 192.0.2.1 9 typ host", "a priority"),
            ("candidate:1 1 udp +1 192.0.2.1 9 typ host", "a priority"),
            ("candidate:1 1 udp 1 fe80::1%eth0 9 typ host", "an address"),
            ("candidate:1 1 udp 1 192.0.2.1 65536 typ host", "a port"),
            ("candidate:1 1 udp 1 192.0.2.1 9 type host", "typ"),
            ("candidate:1 1 udp 1 192.0.2.1 9 typ host2", "a candidate type"),
            ("candidate:1 1 udp 1 192.0.2.1 9", "typ"),
            ("candidate:1 1 udp 1 192.0.2.1 9 typ host generation", "the value of an attribute"),
            (
                "candidate:123456789012345678901234567890123 1 udp 1 192.0.2.1 9 typ host",
                "a foundation of at most 32 characters",
            ),
        ] {
            assert_eq!(wrong.parse::<Candidate>().map_err(|error| error.expected), Err(expected), "{wrong}");
        }
        let long = format!("{good} {}", "x 1 ".repeat(300));
        assert!(long.parse::<Candidate>().is_err());
    }

    #[test]
    fn the_longest_lines_can_be_read_again() {
        for length in 980..1040 {
            // Written as ::ffff:10.11.12.13, which is longer.
            let start = "candidate:1 1 udp 1 ::ffff:a0b:c0d 9 typ host x ";
            let line = format!("{start}{}", "y".repeat(length - start.len()));
            if let Ok(candidate) = line.parse::<Candidate>() {
                let written = candidate.to_string();
                assert!(written.len() > line.len());
                assert_eq!(written.parse().as_ref(), Ok(&candidate));
                assert_eq!(format!("a={written}\r\n").parse(), Ok(candidate));
            } else {
                assert!(length > 1000, "{length} bytes are not too many");
            }
        }
    }

    fn word() -> impl Strategy<Value = String> {
        "[a-z0-9+/-]{1,8}"
    }

    prop_compose! {
        fn any_candidate()(
            foundation in "[A-Za-z0-9+/]{1,32}", component: u16, transport in "udp|tcp|sctp", priority: u32,
            ip: IpAddr, name in option::of("[a-z0-9-]{1,30}\\.local"), port: u16,
            kind in prop_oneof![Just(CandidateKind::Host), Just(CandidateKind::ServerReflexive),
                                Just(CandidateKind::PeerReflexive), Just(CandidateKind::Relayed)],
            related in option::of((any::<IpAddr>(), any::<u16>())),
            tcp_type in option::of(prop_oneof![Just(TcpType::Active), Just(TcpType::Passive),
                                               Just(TcpType::SimultaneousOpen)]),
            ufrag in option::of(word()), extensions in vec((word(), word()), 0..4),
        ) -> Candidate {
            let address = match name {
                Some(name) => CandidateAddress::Name(name, port),
                None => CandidateAddress::Ip(SocketAddr::new(ip, port)),
            };
            let related = related.map(SocketAddr::from);
            let transport = Transport::from(&*transport);
            // Names that mean something are not extensions.
            let known = ["tcptype", "ufrag", "raddr", "rport", "generation"];
            let extensions = extensions.into_iter().filter(|(name, _)| !known.contains(&&**name)).collect();
            Candidate {
                foundation, component, transport, priority, address, kind, related, tcp_type, ufrag, extensions,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(candidate in any_candidate()) {
            prop_assert_eq!(candidate.to_string().parse(), Ok(candidate));
        }

        #[test]
        fn nothing_makes_it_panic(line in "(a=)?candidate:[ -~\r\né]{0,80}") {
            if let Ok(candidate) = line.parse::<Candidate>() {
                prop_assert_eq!(candidate.to_string().parse(), Ok(candidate));
            }
        }
    }
}
