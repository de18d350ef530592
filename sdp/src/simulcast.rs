//! Simulcast: restricted streams (RFC 8851) and which of them go at once (RFC 8853).

use std::{fmt, str::FromStr};

use crate::{
    Expected,
    grammar::{cut, join, token, words},
};

/// Which way a stream goes, seen by whoever wrote the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// It is sent.
    Send,
    /// It is received.
    Recv,
}

impl FromStr for Way {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        match text {
            "send" => Ok(Self::Send),
            "recv" => Ok(Self::Recv),
            _ => Err(Expected("send or recv")),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "send",
            Self::Recv => "recv",
        })
    }
}

/// `a=rid`: one stream, and what it is restricted to (RFC 8851, section 10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rid {
    /// Letters, digits, `-` and `_`.
    pub id: String,
    /// Whether it is sent or received.
    pub way: Way,
    /// The payload types it may use; empty for all.
    pub formats: Vec<String>,
    /// Further restrictions such as `max-width` and its value, in order; an empty value stands for none.
    pub restrictions: Vec<(String, String)>,
}

/// `rid-id = 1*(alpha-numeric / "-" / "_")` (RFC 8851, section 10; erratum on the underscore aside, browsers use it).
fn is_rid_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl FromStr for Rid {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=rid: with a name, send or recv, and perhaps restrictions with semicolons between";
        let (id, rest) = cut(text);
        let (way, restrictions) = cut(rest.ok_or(Expected(EXPECTED))?);
        let way = way.parse().map_err(|_| Expected(EXPECTED))?;
        if !is_rid_id(id) {
            return Err(Expected(EXPECTED));
        }
        let mut rid = Self { id: id.to_owned(), way, formats: Vec::new(), restrictions: Vec::new() };
        for part in restrictions.unwrap_or_default().split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = token(name, EXPECTED)?;
            // `pt=` may stand only once, and first; a second one is kept among the restrictions, unread.
            if name == "pt" && rid.formats.is_empty() && rid.restrictions.is_empty() {
                rid.formats = value.split(',').map(|f| token(f.trim(), EXPECTED)).collect::<Result<_, _>>()?;
            } else {
                rid.restrictions.push((name, value.to_owned()));
            }
        }
        Ok(rid)
    }
}

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.way)?;
        let mut separator = " ";
        if !self.formats.is_empty() {
            f.write_str(" pt=")?;
            join(f, &self.formats, ",")?;
            separator = ";";
        }
        for (name, value) in &self.restrictions {
            write!(f, "{separator}{name}")?;
            if !value.is_empty() {
                write!(f, "={value}")?;
            }
            separator = ";";
        }
        Ok(())
    }
}

/// `a=simulcast`: streams that go at once, each with alternatives (RFC 8853, section 5.1).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Simulcast {
    /// What is sent, best first; empty if nothing is.
    pub send: Vec<Vec<SimulcastRid>>,
    /// What is received; empty if nothing is.
    pub recv: Vec<Vec<SimulcastRid>>,
}

/// One alternative of a simulcast stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulcastRid {
    /// The id of an `a=rid`.
    pub id: String,
    /// Whether it begins paused (`~` before the id).
    pub paused: bool,
}

impl Simulcast {
    /// All ids that are sent (or received), alternatives one after another.
    pub fn ids(&self, way: Way) -> impl Iterator<Item = &str> {
        let streams = match way {
            Way::Send => &self.send,
            Way::Recv => &self.recv,
        };
        streams.iter().flatten().map(|rid| rid.id.as_str())
    }
}

/// `sc-str-list = sc-alt-list *( ";" sc-alt-list )`
fn streams(text: &str) -> Option<Vec<Vec<SimulcastRid>>> {
    let alternative = |text: &str| {
        let (paused, id) = text.strip_prefix('~').map_or((false, text), |id| (true, id));
        is_rid_id(id).then(|| SimulcastRid { id: id.to_owned(), paused })
    };
    text.split(';').map(|stream| stream.split(',').map(alternative).collect()).collect()
}

impl FromStr for Simulcast {
    type Err = Expected;

    fn from_str(text: &str) -> Result<Self, Expected> {
        const EXPECTED: &str = "a=simulcast: with send or recv, or both, each with a list of rids";
        let mut fields = words(text);
        let mut simulcast = Self::default();
        while let Some(way) = fields.next() {
            let list = fields.next().and_then(streams).ok_or(Expected(EXPECTED))?;
            let place = match way.parse().map_err(|_| Expected(EXPECTED))? {
                Way::Send => &mut simulcast.send,
                Way::Recv => &mut simulcast.recv,
            };
            if !place.is_empty() {
                return Err(Expected(EXPECTED));
            }
            *place = list;
        }
        if simulcast.send.is_empty() && simulcast.recv.is_empty() { Err(Expected(EXPECTED)) } else { Ok(simulcast) }
    }
}

impl fmt::Display for Simulcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |streams: &[Vec<SimulcastRid>]| {
            let stream = |stream: &Vec<SimulcastRid>| {
                let rids = stream.iter().map(|rid| format!("{}{}", if rid.paused { "~" } else { "" }, rid.id));
                rids.collect::<Vec<_>>().join(",")
            };
            streams.iter().map(stream).collect::<Vec<_>>().join(";")
        };
        match (self.send.is_empty(), self.recv.is_empty()) {
            (false, true) => write!(f, "send {}", text(&self.send)),
            (true, false) => write!(f, "recv {}", text(&self.recv)),
            _ => write!(f, "send {} recv {}", text(&self.send), text(&self.recv)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_restrictions_of_the_rfc() {
        let rid: Rid = "5 send pt=99,102;max-br=64000;max-width=1280;max-height=720;max-fps=30".parse().unwrap();
        assert_eq!(rid.formats, ["99", "102"]);
        assert_eq!(rid.restrictions.first(), Some(&("max-br".into(), "64000".into())));
        assert_eq!(rid.to_string(), "5 send pt=99,102;max-br=64000;max-width=1280;max-height=720;max-fps=30");
        assert_eq!(
            "foo recv max-width=1280;depend".parse::<Rid>().unwrap().to_string(),
            "foo recv max-width=1280;depend"
        );
        for not in ["", "hi", "hi both", "h!i send", "hi send pt=", "hi send a b=1"] {
            assert!(not.parse::<Rid>().is_err(), "{not:?}");
        }
    }

    #[test]
    fn reads_the_lists_of_the_rfc() {
        let both: Simulcast = "recv 1;~4,3 send 6,7;~8".parse().unwrap();
        assert_eq!(both.ids(Way::Recv).collect::<Vec<_>>(), ["1", "4", "3"]);
        assert_eq!(both.to_string(), "send 6,7;~8 recv 1;~4,3");
        for not in ["", "send", "send ;", "send a,,b", "send a send b", "both a", "send a recv", "send ~"] {
            assert!(not.parse::<Simulcast>().is_err(), "{not:?}");
        }
    }
}
