//! Attributes of the transport: grouping, direction, DTLS roles, the selected candidates, the older SCTP form.

use std::{fmt, str::FromStr};

use crate::{
    Expected,
    grammar::{cut, digits, non_ws, token, words},
};

/// `a=group`: media sections that belong together (RFC 5888, section 5). `BUNDLE` puts them on one transport, that
/// of the first (RFC 9143).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// `BUNDLE`, `LS` (lip synchronisation), `FID` and others.
    pub semantics: String,
    /// The sections by their `a=mid`, in order; none if all were refused.
    pub mids: Vec<String>,
}

impl Group {
    /// A BUNDLE group of these sections; the first is the one whose transport all of them use.
    pub fn bundle<T: Into<String>>(mids: impl IntoIterator<Item = T>) -> Self {
        Self { semantics: "BUNDLE".into(), mids: mids.into_iter().map(Into::into).collect() }
    }
}

impl FromStr for Group {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=group: with semantics and the mids of the group";
        let mut words = words(text);
        let semantics = token(words.next().unwrap_or_default(), EXPECTED)?;
        Ok(Self { semantics, mids: words.map(|mid| token(mid, EXPECTED)).collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.mids.iter().try_for_each(|mid| write!(f, " {mid}"))
    }
}

/// Who sends media (RFC 8866, section 6.7). Data channels always go both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Both: what holds if nothing is said.
    #[default]
    SendRecv,
    /// Whoever wrote the description sends.
    SendOnly,
    /// Whoever wrote the description receives.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The opposite of [`Direction::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive].into_iter().find(|one| one.name() == name)
    }

    /// The same direction seen from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// What both allow: an answer's direction, from what the offer allows (reversed) and what we want.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// A direction from its two halves.
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// Whether whoever wrote the description sends.
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether whoever wrote the description receives.
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `a=setup`: who opens the connection (RFC 4145, section 4; for DTLS RFC 8842, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The one who wrote this opens: the DTLS client.
    Active,
    /// The one who wrote this waits: the DTLS server.
    Passive,
    /// Either; what an offer should say.
    Actpass,
    /// Nobody for now; WebRTC does not use it.
    Holdconn,
}

impl FromStr for Setup {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text.to_ascii_lowercase().as_str() {
            "active" => Ok(Self::Active),
            "passive" => Ok(Self::Passive),
            "actpass" => Ok(Self::Actpass),
            "holdconn" => Ok(Self::Holdconn),
            _ => Err(Expected("a=setup: with active, passive, actpass or holdconn")),
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Actpass => "actpass",
            Self::Holdconn => "holdconn",
        })
    }
}

/// `a=connection`: whether the connection that there is goes on (RFC 4145, section 5). DTLS says it with `a=tls-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsConnection {
    /// A new one.
    New,
    /// The one there is.
    Existing,
}

impl FromStr for DtlsConnection {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text.to_ascii_lowercase().as_str() {
            "new" => Ok(Self::New),
            "existing" => Ok(Self::Existing),
            _ => Err(Expected("a=connection: with new or existing")),
        }
    }
}

impl fmt::Display for DtlsConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Existing => "existing",
        })
    }
}

/// One entry of `a=remote-candidates` (RFC 8839, section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCandidate {
    /// 1 for RTP or data, 2 for RTCP.
    pub component: u16,
    /// An address or a name.
    pub address: String,
    /// The port.
    pub port: u16,
}

impl RemoteCandidate {
    /// The whole list.
    pub(crate) fn list(text: &str) -> Result<Vec<Self>, Expected> {
        const EXPECTED: &str = "a=remote-candidates: with triples of component, address and port";
        let mut fields = words(text);
        let mut all = Vec::new();
        while let Some(component) = fields.next() {
            let mut next = || fields.next().ok_or(Expected(EXPECTED));
            let (address, port) = (non_ws(next()?, EXPECTED)?, digits(next()?, EXPECTED)?);
            all.push(Self { component: digits(component, EXPECTED)?, address, port });
        }
        if all.is_empty() { Err(Expected(EXPECTED)) } else { Ok(all) }
    }
}

impl fmt::Display for RemoteCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.component, self.address, self.port)
    }
}

/// `a=sctpmap`: what a number in the m-line's formats means, before there was `a=sctp-port`
/// (draft-ietf-mmusic-sctp-sdp-05).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sctpmap {
    /// The SCTP port, which is also the format in the m-line.
    pub port: u16,
    /// `webrtc-datachannel`.
    pub application: String,
    /// How many streams there are at most, if it is said.
    pub streams: Option<u32>,
}

impl FromStr for Sctpmap {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=sctpmap: with a port, an application and perhaps a number of streams";
        let (port, rest) = cut(text);
        let (application, streams) = cut(rest.ok_or(Expected(EXPECTED))?);
        let streams = streams.map(|streams| digits(streams, EXPECTED)).transpose()?;
        Ok(Self { port: digits(port, EXPECTED)?, application: token(application, EXPECTED)?, streams })
    }
}

impl fmt::Display for Sctpmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.port, self.application)?;
        self.streams.map_or(Ok(()), |streams| write!(f, " {streams}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_group_may_be_empty() {
        assert_eq!("BUNDLE".parse(), Ok(Group::bundle::<String>([])));
        assert_eq!("BUNDLE 0 1 data".parse(), Ok(Group::bundle(["0", "1", "data"])));
        assert!("".parse::<Group>().is_err() && "BUNDLE a/b".parse::<Group>().is_err());
    }

    #[test]
    fn directions_reverse_and_meet() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        assert_eq!(
            [SendRecv, SendOnly, RecvOnly, Inactive].map(Direction::reversed),
            [SendRecv, RecvOnly, SendOnly, Inactive]
        );
        assert_eq!((SendRecv.and(RecvOnly), SendOnly.and(RecvOnly)), (RecvOnly, Inactive));
    }

    #[test]
    fn refuses_what_is_no_role() {
        assert_eq!("ACTPASS".parse(), Ok(Setup::Actpass));
        for not in ["", "both", "active "] {
            assert!(not.parse::<Setup>().is_err() && not.parse::<DtlsConnection>().is_err(), "{not:?}");
        }
    }

    #[test]
    fn reads_the_older_form_of_the_sctp_port() {
        let map: Sctpmap = "5000 webrtc-datachannel 1024".parse().unwrap();
        assert_eq!((map.port, map.streams), (5000, Some(1024)));
        for not in ["", "5000", "70000 webrtc-datachannel", "5000 webrtc-datachannel many"] {
            assert!(not.parse::<Sctpmap>().is_err(), "{not:?}");
        }
    }

    #[test]
    fn reads_remote_candidates_in_triples() {
        let list = RemoteCandidate::list("1 192.0.2.3 45664 2 192.0.2.3 45665").unwrap();
        assert_eq!(list.iter().map(|one| one.port).collect::<Vec<_>>(), [45664, 45665]);
        for not in ["", "1", "1 192.0.2.3", "1 192.0.2.3 port", "1 192.0.2.3 9 2"] {
            assert!(RemoteCandidate::list(not).is_err(), "{not:?}");
        }
    }
}
