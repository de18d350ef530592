//! Names: compressed ones on the wire, and the host names that are asked for.

use std::fmt;
use std::str::FromStr;

use wire::{Malformed, Put, Reader};

/// No name is longer on the wire, in bytes (RFC 1035, section 3.1).
const LONGEST_NAME: usize = 255;
/// No label is longer, in bytes (RFC 1035, section 3.1).
const LONGEST_LABEL: usize = 63;
/// So many pointers may follow another until a name's end. Writers use one; a chain of thousands only costs time.
const MOST_POINTERS: usize = 16;

/// A name in a message, perhaps compressed. It has been checked: all of it is there and it ends.
#[derive(Clone, Copy)]
pub struct Name<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Name<'a> {
    /// Reads the name at `reader`, which must be at the end of `message` that it reads.
    pub(super) fn decode(message: &'a [u8], reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let name = Self { message, at: message.len().saturating_sub(reader.remaining()) };
        let mut labels = name.walk();
        let length: usize = labels.by_ref().map(|label| label.len() + 1).sum();
        if !labels.ended || length >= LONGEST_NAME {
            return Err(Malformed::new("DNS name"));
        }
        reader.bytes(labels.in_place, "DNS name")?;
        Ok(name)
    }

    /// The labels, from the host to the domain: `host`, `local`.
    pub fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        self.walk()
    }

    fn walk(self) -> Labels<'a> {
        Labels { message: self.message, at: self.at, limit: self.at, pointers: 0, length: 0, in_place: 0, ended: false }
    }

    /// Whether this is `host`. The case of ASCII letters does not matter (RFC 6762, section 16).
    pub fn is(self, host: &HostName) -> bool {
        let mut wanted = host.as_str().split('.');
        self.labels().all(|label| wanted.next().is_some_and(|other| label.eq_ignore_ascii_case(other.as_bytes())))
            && wanted.next().is_none()
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.labels().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{}", label.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Walks over labels and pointers (RFC 1035, section 4.1.4). Each pointer must lead to before where the last one led,
/// so the walk ends.
struct Labels<'a> {
    message: &'a [u8],
    at: usize,
    /// Pointers must lead to before this.
    limit: usize,
    pointers: usize,
    length: usize,
    /// How many bytes the name occupies where it stands: up to its end or its first pointer.
    in_place: usize,
    /// Whether the end was found, and not a mistake.
    ended: bool,
}

impl<'a> Labels<'a> {
    fn step(&mut self, bytes: usize) {
        self.at += bytes;
        if self.pointers == 0 {
            self.in_place += bytes;
        }
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.ended {
            let length = *self.message.get(self.at)?;
            match length >> 6 {
                0 if length == 0 => {
                    self.step(1);
                    self.ended = true;
                }
                0 => {
                    let length = usize::from(length);
                    let label = self.message.get(self.at + 1..self.at + 1 + length)?;
                    self.length += length + 1;
                    if self.length >= LONGEST_NAME {
                        return None;
                    }
                    self.step(1 + length);
                    return Some(label);
                }
                3 => {
                    let target = u16::from_be_bytes([length & 0x3F, *self.message.get(self.at + 1)?]);
                    let target = usize::from(target);
                    if target >= self.limit || self.pointers >= MOST_POINTERS {
                        return None;
                    }
                    self.step(2);
                    self.pointers += 1;
                    self.limit = target;
                    self.at = target;
                }
                _ => return None, // reserved
            }
        }
        None
    }
}

/// A name that may be asked for: one label and `.local`, in lower case.
///
/// Other names are never asked for: with more labels, the name is a service or somebody's attempt to have this machine
/// ask for something else (draft-ietf-mmusic-mdns-ice-candidates, section 3.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostName(String);

/// A text is no name that may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a single label of 1 to 63 letters, digits, hyphens and underscores, and `.local` behind it")]
pub struct HostNameError;

impl HostName {
    /// The name, such as `1f4712db-ea17-4bcf-a596-105139dfd8bf.local`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends the name, uncompressed.
    pub(super) fn encode(&self, buf: &mut Vec<u8>) {
        for label in self.0.split('.') {
            buf.put_prefixed_u8(|buf| buf.put_bytes(label.as_bytes()));
        }
        buf.put_u8(0);
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, HostNameError> {
        let lower = text.to_ascii_lowercase();
        let label = lower.strip_suffix(".local").ok_or(HostNameError)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = (1..=LONGEST_LABEL).contains(&label.len()) && label.bytes().all(allowed);
        fits.then_some(Self(lower)).ok_or(HostNameError)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
