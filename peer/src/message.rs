//! What travels over data channels.

use bytes::Bytes;
use session::datachannel;

/// One message of a data channel: text or bytes, either of which may be empty (RFC 8831, section 6.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text, as when a browser calls `send` with a string. What was no UTF-8 has replacement characters, as there.
    Text(String),
    /// Bytes, as when a browser sends an `ArrayBuffer` or a `Blob`.
    Binary(Bytes),
}

impl Message {
    /// The length in bytes; of text, that of its UTF-8.
    pub const fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether nothing is inside.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The bytes, of text those of its UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The bytes, of text those of its UTF-8, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Message {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}

impl From<Message> for datachannel::Message {
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => Self { kind: datachannel::Kind::Text, payload: text.into() },
            Message::Binary(payload) => Self { kind: datachannel::Kind::Binary, payload },
        }
    }
}

impl From<datachannel::Message> for Message {
    fn from(message: datachannel::Message) -> Self {
        match message.kind {
            datachannel::Kind::Binary => Self::Binary(message.payload),
            // The payload was assembled for us alone, so this takes it over without a copy.
            datachannel::Kind::Text => Self::Text(
                String::from_utf8(message.payload.into())
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            ),
        }
    }
}
