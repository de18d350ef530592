//! Messages that are written: appended to a buffer of the caller, whole after each step.

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;
use wire::Put;

use crate::attribute::{Attribute, kind};
use crate::header::{HEADER_LENGTH, MAGIC_COOKIE, message_type};
use crate::integrity::{IntegrityKey, cover, fingerprint, keyed};
use crate::value::{ErrorCode, PasswordAlgorithm};
use crate::{Class, Message, Method, TransactionId};

/// Appends one message to a buffer, which may hold other bytes before it. The message is complete and its length right
/// after each step; nothing remains to be finished. A message holds at most 65,535 bytes of attributes: one that does
/// not fit is the caller's bug, caught in debug builds and left out otherwise.
#[derive(Debug)]
pub struct Builder<'b> {
    buf: &'b mut Vec<u8>,
    /// Where the message starts in `buf`.
    start: usize,
    id: TransactionId,
}

impl<'b> Builder<'b> {
    /// Appends a header without attributes (RFC 8489, section 5).
    pub fn new(buf: &'b mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        let start = buf.len();
        buf.put_u16(message_type(class, method));
        buf.put_u16(0);
        buf.put_u32(MAGIC_COOKIE);
        buf.put_bytes(&id.0);
        Self { buf, start, id }
    }

    /// Starts the success response to `request`.
    pub fn success(buf: &'b mut Vec<u8>, request: &Message<'_>) -> Self {
        Self::new(buf, Class::Success, request.method(), request.transaction_id())
    }

    /// Starts the error response to `request`, with ERROR-CODE.
    pub fn error(buf: &'b mut Vec<u8>, request: &Message<'_>, error: ErrorCode<'_>) -> Self {
        let mut builder = Self::new(buf, Class::Error, request.method(), request.transaction_id());
        builder.attribute(&Attribute::ErrorCode(error));
        builder
    }

    /// If `request` is one, and has attributes that must be understood and are not known here, appends the answer that
    /// says so: error 420 with UNKNOWN-ATTRIBUTES (RFC 8489, section 6.3.1). To be called once the request is
    /// authenticated, where authentication is asked for.
    pub fn refuse_unknown(buf: &'b mut Vec<u8>, request: &Message<'_>) -> Option<Self> {
        request.unknown_required().next()?;
        if request.class() != Class::Request {
            return None;
        }
        let mut builder = Self::error(buf, request, ErrorCode::UNKNOWN_ATTRIBUTE);
        builder.unknown_attributes(request.unknown_required());
        Some(builder)
    }

    /// Appends `attribute`.
    pub fn attribute(&mut self, attribute: &Attribute<'_>) -> &mut Self {
        let id = self.id;
        self.append(attribute.kind(), |buf| attribute.encode_value(buf, id))
    }

    /// Appends UNKNOWN-ATTRIBUTES with `kinds`.
    pub fn unknown_attributes(&mut self, kinds: impl IntoIterator<Item = u16>) -> &mut Self {
        self.append(kind::UNKNOWN_ATTRIBUTES, |buf| kinds.into_iter().for_each(|kind| buf.put_u16(kind)))
    }

    /// Appends PASSWORD-ALGORITHMS with `algorithms`, in order of preference.
    pub fn password_algorithms<'p>(
        &mut self,
        algorithms: impl IntoIterator<Item = PasswordAlgorithm<'p>>,
    ) -> &mut Self {
        self.append(kind::PASSWORD_ALGORITHMS, |buf| {
            algorithms.into_iter().for_each(|algorithm| algorithm.encode(buf));
        })
    }

    /// Appends MESSAGE-INTEGRITY over what is there. Only MESSAGE-INTEGRITY-SHA256 and FINGERPRINT may follow
    /// (RFC 8489, section 14.5).
    pub fn integrity(&mut self, key: &[u8]) -> &mut Self {
        self.append_sha1(keyed(key))
    }

    /// Appends MESSAGE-INTEGRITY, with a key made ready before.
    pub fn integrity_with(&mut self, key: &IntegrityKey) -> &mut Self {
        self.append_sha1(key.sha1().clone())
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 over what is there. Only FINGERPRINT may follow (RFC 8489, section 14.6).
    pub fn integrity_sha256(&mut self, key: &[u8]) -> &mut Self {
        self.append_sha256(keyed(key), 32)
    }

    /// Appends MESSAGE-INTEGRITY-SHA256, with a key made ready before.
    pub fn integrity_sha256_with(&mut self, key: &IntegrityKey) -> &mut Self {
        self.append_sha256(key.sha256().clone(), 32)
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 truncated to `length` bytes, for usages that say so. `length` is brought to the
    /// next value allowed: 16, 20, 24, 28 or 32 (RFC 8489, section 14.6).
    pub fn integrity_sha256_truncated(&mut self, key: &[u8], length: usize) -> &mut Self {
        self.append_sha256(keyed(key), length.clamp(16, 32).next_multiple_of(4))
    }

    /// Appends FINGERPRINT over what is there. Nothing may follow (RFC 8489, section 14.7).
    pub fn fingerprint(&mut self) -> &mut Self {
        let end = self.buf.len();
        self.append(kind::FINGERPRINT, |buf| buf.put_u32(0));
        let value = fingerprint(self.buf.get(self.start..end).unwrap_or_default());
        self.fill_end(&value.to_be_bytes());
        self
    }

    fn append_sha1(&mut self, mac: Hmac<Sha1>) -> &mut Self {
        let tag = cover(mac, self.message(), 20).finalize().into_bytes();
        self.append(kind::MESSAGE_INTEGRITY, |buf| buf.put_bytes(&tag))
    }

    fn append_sha256(&mut self, mac: Hmac<Sha256>, length: usize) -> &mut Self {
        let tag = cover(mac, self.message(), length).finalize().into_bytes();
        self.append(kind::MESSAGE_INTEGRITY_SHA256, |buf| buf.put_bytes(tag.get(..length).unwrap_or(&tag)))
    }

    /// The message so far.
    fn message(&self) -> &[u8] {
        self.buf.get(self.start..).unwrap_or_default()
    }

    /// Appends number, length, what `value` appends, and padding of zeros; then counts it in the header.
    fn append(&mut self, kind: u16, value: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        let before = self.buf.len();
        self.buf.put_u16(kind);
        self.buf.put_u16(0);
        let start = self.buf.len();
        value(self.buf);
        let length = self.buf.len().saturating_sub(start);
        self.buf.put_zeros(length.next_multiple_of(4) - length);
        let total = self.buf.len().saturating_sub(self.start + HEADER_LENGTH);
        match (u16::try_from(length), u16::try_from(total)) {
            (Ok(length), Ok(total)) => {
                self.fill(start - 2, &length.to_be_bytes());
                self.fill(self.start + 2, &total.to_be_bytes());
            }
            (Ok(_) | Err(_), Ok(_) | Err(_)) => {
                debug_assert!(false, "a message holds 65,535 bytes of attributes, not {total}");
                self.buf.truncate(before);
            }
        }
        self
    }

    fn fill(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.buf.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    fn fill_end(&mut self, bytes: &[u8]) {
        self.fill(self.buf.len().saturating_sub(bytes.len()), bytes);
    }
}
