use bytes::Bytes;
use sctp::Progress;
use std::fmt;

/// Whether a message is text or bytes to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8: a string in JavaScript.
    Text,
    /// Bytes: a `Blob` or an `ArrayBuffer` in JavaScript.
    Binary,
}

/// One message of a channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Text or bytes.
    pub kind: Kind,
    /// The content, possibly empty. Text from the peer is as it came and need not be UTF-8; see [`Message::to_text`].
    pub payload: Bytes,
}

/// A piece of a message, read before the rest has come; see [`Channels::read_part`](crate::Channels::read_part).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Text or bytes. A part of a text may end in the middle of a character.
    pub kind: Kind,
    /// The bytes that follow those of the part before.
    pub payload: Bytes,
    /// Whether the message begins here.
    pub is_first: bool,
    /// Whether there is more.
    pub progress: Progress,
}

impl Part {
    pub(crate) fn is_whole(&self) -> bool {
        self.is_first && self.progress == Progress::Complete
    }
}

impl From<Message> for Part {
    fn from(message: Message) -> Self {
        Self { kind: message.kind, payload: message.payload, is_first: true, progress: Progress::Complete }
    }
}

impl From<Part> for Message {
    fn from(part: Part) -> Self {
        Self { kind: part.kind, payload: part.payload }
    }
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: Kind::Text, payload: Bytes::from(text.into()) }
    }

    /// A binary message. `Bytes` are shared, not copied.
    pub fn binary(payload: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Binary, payload: payload.into() }
    }

    /// The text, if this is a text message and UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        match self.kind {
            Kind::Text => std::str::from_utf8(&self.payload).ok(),
            Kind::Binary => None,
        }
    }

    /// The content as text, with U+FFFD for what is not UTF-8: what browsers hand to `onmessage`.
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        let shown = self.payload.get(..SHOWN).unwrap_or(&self.payload);
        match self.kind {
            Kind::Text => write!(f, "Text({:?}", String::from_utf8_lossy(shown))?,
            Kind::Binary => write!(f, "Binary({shown:02x?}")?,
        }
        if shown.len() < self.payload.len() {
            write!(f, "…, {} bytes", self.payload.len())?;
        }
        f.write_str(")")
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<Bytes> for Message {
    fn from(payload: Bytes) -> Self {
        Self::binary(payload)
    }
}

impl From<Vec<u8>> for Message {
    fn from(payload: Vec<u8>) -> Self {
        Self::binary(payload)
    }
}

/// SCTP payload protocol identifiers (RFC 8831, section 8; RFC 8832, section 8.1).
pub(crate) mod ppid {
    pub(crate) const DCEP: u32 = 50;
    pub(crate) const STRING: u32 = 51;
    pub(crate) const BINARY: u32 = 53;
    pub(crate) const STRING_EMPTY: u32 = 56;
    pub(crate) const BINARY_EMPTY: u32 = 57;
}

/// The SCTP message for `message`. SCTP has no empty messages, so one zero byte and a PPID of its own stand for them
/// (RFC 8831, section 6.6).
pub(crate) fn to_sctp(message: Message) -> sctp::Message {
    let Message { kind, payload } = message;
    if payload.is_empty() {
        let ppid = match kind {
            Kind::Text => ppid::STRING_EMPTY,
            Kind::Binary => ppid::BINARY_EMPTY,
        };
        return sctp::Message { ppid, payload: Bytes::from_static(&[0]) };
    }
    let ppid = match kind {
        Kind::Text => ppid::STRING,
        Kind::Binary => ppid::BINARY,
    };
    sctp::Message { ppid, payload }
}

/// The inverse of [`to_sctp`]; the identifier, if it is none of a user message. The deprecated partial messages (52 and
/// 54) are among those: nothing has sent them for years, and half a message is none.
pub(crate) fn from_sctp(message: sctp::Message) -> Result<Message, u32> {
    let sctp::Message { ppid, payload } = message;
    match ppid {
        ppid::STRING => Ok(Message { kind: Kind::Text, payload }),
        ppid::BINARY => Ok(Message { kind: Kind::Binary, payload }),
        ppid::STRING_EMPTY => Ok(Message { kind: Kind::Text, payload: Bytes::new() }),
        ppid::BINARY_EMPTY => Ok(Message { kind: Kind::Binary, payload: Bytes::new() }),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_identifier_and_comes_back() {
        for (message, ppid, length) in [
            (Message::text("ü"), 51, 2),
            (Message::binary(vec![1, 2, 3]), 53, 3),
            (Message::text(""), 56, 1),
            (Message::binary(Vec::new()), 57, 1),
        ] {
            let sent = to_sctp(message.clone());
            assert_eq!((sent.ppid, sent.payload.len()), (ppid, length));
            assert_eq!(from_sctp(sent), Ok(message));
        }
    }

    #[test]
    fn other_identifiers_are_handed_back() {
        for ppid in [0, 50, 52, 54, 55, 58, u32::MAX] {
            assert_eq!(from_sctp(sctp::Message { ppid, payload: Bytes::from_static(b"x") }), Err(ppid));
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_replaced() {
        let message = Message { kind: Kind::Text, payload: Bytes::from_static(b"a\xffb") };
        assert_eq!((message.as_text(), message.to_text()), (None, "a\u{fffd}b".to_owned()));
        assert_eq!(Message::binary(&b"a"[..]).as_text(), None);
        assert_eq!(Message::from("a").as_text(), Some("a"));
    }

    #[test]
    fn long_messages_are_shown_by_their_start() {
        assert_eq!(format!("{:?}", Message::text("hello")), "Text(\"hello\")");
        let long = format!("{:?}", Message::binary(vec![0; 1000]));
        assert!(long.ends_with("00]…, 1000 bytes)") && long.len() < 300, "{long}");
    }
}
