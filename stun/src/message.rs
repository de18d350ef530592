//! Messages that are read: borrowed, and walked without copying.

use std::fmt;
use std::net::SocketAddr;

use hmac::Mac;
use wire::{Malformed, Reader};

use crate::attribute::{Attribute, kind};
use crate::header::{HEADER_LENGTH, class_of, message_length, method_of};
use crate::integrity::{
    ATTRIBUTE_HEADER, FingerprintError, IntegrityError, IntegrityKey, cover, fingerprint, keyed, verify,
};
use crate::value::{AddressErrorCode, ErrorCode, PasswordAlgorithms};
use crate::{Class, Method, TransactionId};

/// A message in somebody else's buffer. [`decode`](Self::decode) has checked header and frame of all attributes;
/// each value is checked when it is asked for.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Header and attributes.
    bytes: &'a [u8],
    message_type: u16,
    id: TransactionId,
    /// Where the attributes that cover what is before them start, from the first byte of the message.
    integrity: Option<usize>,
    integrity_sha256: Option<usize>,
    fingerprint: Option<usize>,
}

impl<'a> Message<'a> {
    /// Reads one message that fills `datagram` (RFC 8489, section 5). Nothing is copied or allocated.
    ///
    /// # Errors
    /// [`Malformed`] if the header is not that of STUN, an attribute leads out of the message, or something stands
    /// behind FINGERPRINT. Neither unknown attributes nor malformed values are errors here.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Malformed> {
        if message_length(datagram) != Some(datagram.len()) {
            return Err(Malformed::new("STUN header"));
        }
        let mut reader = Reader::new(datagram);
        let message_type = reader.u16("message type")?;
        reader.array::<6>("length and cookie")?;
        let id = TransactionId(reader.array("transaction id")?);
        let mut message =
            Self { bytes: datagram, message_type, id, integrity: None, integrity_sha256: None, fingerprint: None };
        while !reader.is_empty() {
            let at = datagram.len() - reader.remaining();
            if message.fingerprint.is_some() {
                return Err(Malformed::new("FINGERPRINT, which must be last"));
            }
            let (number, _) = frame(&mut reader)?;
            match number {
                kind::MESSAGE_INTEGRITY if message.integrity.is_none() && message.integrity_sha256.is_none() => {
                    message.integrity = Some(at);
                }
                kind::MESSAGE_INTEGRITY_SHA256 if message.integrity_sha256.is_none() => {
                    message.integrity_sha256 = Some(at);
                }
                kind::FINGERPRINT => message.fingerprint = Some(at),
                _ => {}
            }
        }
        Ok(message)
    }

    /// What the message is for.
    pub const fn class(&self) -> Class {
        class_of(self.message_type)
    }

    /// What it asks for or answers.
    pub const fn method(&self) -> Method {
        method_of(self.message_type)
    }

    /// What ties it to its request or response.
    pub const fn transaction_id(&self) -> TransactionId {
        self.id
    }

    /// The message as it is on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes in their order, each read or found malformed by itself. What stands behind an integrity
    /// attribute is not proven and left out, except the attributes that may stand there: MESSAGE-INTEGRITY-SHA256
    /// and FINGERPRINT (RFC 8489, sections 14.5 and 14.6).
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { frames: self.frames(), id: self.id }
    }

    fn frames(&self) -> Frames<'a> {
        let attributes = self.bytes.get(HEADER_LENGTH..).unwrap_or_default();
        Frames { reader: Reader::new(attributes), stage: Stage::Covered }
    }

    /// The first attribute numbered `number`; later ones do not count (RFC 8489, section 14). `None` also if its value
    /// is malformed.
    fn first(&self, number: u16) -> Option<Attribute<'a>> {
        let (_, value) = self.frames().find(|(kind, _)| *kind == number)?;
        Attribute::decode(number, value, self.id).ok()
    }

    /// Whether an attribute numbered `number` (see [`kind`]) is there, whatever its value.
    pub fn has(&self, number: u16) -> bool {
        self.frames().any(|(kind, _)| kind == number)
    }

    /// The numbers of the attributes that must be understood and that this crate does not know, in order. If there are
    /// any, a request is to be answered with error 420 ([`Builder::refuse_unknown`](crate::Builder::refuse_unknown)),
    /// all other messages to be ignored (RFC 8489, section 6.3).
    pub fn unknown_required(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.frames().map(|(number, _)| number).filter(|number| *number < 0x8000 && !kind::is_known(*number))
    }

    /// Whether MESSAGE-INTEGRITY is there.
    pub const fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// Whether MESSAGE-INTEGRITY-SHA256 is there.
    pub const fn has_integrity_sha256(&self) -> bool {
        self.integrity_sha256.is_some()
    }

    /// Whether FINGERPRINT is there.
    pub const fn has_fingerprint(&self) -> bool {
        self.fingerprint.is_some()
    }

    /// Checks MESSAGE-INTEGRITY in constant time (RFC 8489, section 14.5).
    ///
    /// # Errors
    /// [`IntegrityError`] if it is missing or does not match `key`.
    pub fn check_integrity(&self, key: &[u8]) -> Result<(), IntegrityError> {
        self.check(self.integrity, 20, || keyed::<hmac::Hmac<sha1::Sha1>>(key))
    }

    /// Checks MESSAGE-INTEGRITY as [`check_integrity`](Self::check_integrity) does, with a key made ready before.
    ///
    /// # Errors
    /// [`IntegrityError`] if it is missing or does not match `key`.
    pub fn check_integrity_with(&self, key: &IntegrityKey) -> Result<(), IntegrityError> {
        self.check(self.integrity, 20, || key.sha1().clone())
    }

    /// Checks MESSAGE-INTEGRITY-SHA256 in constant time. A truncated one is refused (RFC 8489, section 14.6).
    ///
    /// # Errors
    /// [`IntegrityError`] if it is missing, truncated or does not match `key`.
    pub fn check_integrity_sha256(&self, key: &[u8]) -> Result<(), IntegrityError> {
        self.check_integrity_sha256_truncated(key, 32)
    }

    /// Checks MESSAGE-INTEGRITY-SHA256 for usages that allow it to be truncated to `minimum` bytes; fewer than 16 are
    /// never allowed (RFC 8489, section 14.6).
    ///
    /// # Errors
    /// [`IntegrityError`] if it is missing, too short or does not match `key`.
    pub fn check_integrity_sha256_truncated(&self, key: &[u8], minimum: usize) -> Result<(), IntegrityError> {
        self.check(self.integrity_sha256, minimum, || keyed::<hmac::Hmac<sha2::Sha256>>(key))
    }

    /// Checks MESSAGE-INTEGRITY-SHA256 as [`check_integrity_sha256`](Self::check_integrity_sha256) does, with a key
    /// made ready before.
    ///
    /// # Errors
    /// [`IntegrityError`] if it is missing, truncated or does not match `key`.
    pub fn check_integrity_sha256_with(&self, key: &IntegrityKey) -> Result<(), IntegrityError> {
        self.check(self.integrity_sha256, 32, || key.sha256().clone())
    }

    fn check<M: Mac>(&self, at: Option<usize>, minimum: usize, mac: impl FnOnce() -> M) -> Result<(), IntegrityError> {
        let at = at.ok_or(IntegrityError::Missing)?;
        let (covered, attribute) = self.bytes.split_at_checked(at).ok_or(IntegrityError::Missing)?;
        let (number, tag) = frame(&mut Reader::new(attribute)).map_err(|_| IntegrityError::Mismatch)?;
        let lengths = if number == kind::MESSAGE_INTEGRITY { 20..=20 } else { minimum.max(16)..=32 };
        if !lengths.contains(&tag.len()) || !tag.len().is_multiple_of(4) {
            return Err(IntegrityError::Mismatch);
        }
        verify(cover(mac(), covered, tag.len()), tag)
    }

    /// Checks FINGERPRINT (RFC 8489, section 14.7).
    ///
    /// # Errors
    /// [`FingerprintError`] if it is missing or does not match.
    pub fn check_fingerprint(&self) -> Result<(), FingerprintError> {
        let at = self.fingerprint.ok_or(FingerprintError::Missing)?;
        let (covered, attribute) = self.bytes.split_at_checked(at).ok_or(FingerprintError::Missing)?;
        let value = attribute.get(ATTRIBUTE_HEADER..).ok_or(FingerprintError::Mismatch)?;
        // A fuzzer does not guess checksums: all of the right length pass.
        let matches = value == fingerprint(covered).to_be_bytes() || cfg!(fuzzing) && value.len() == 4;
        matches.then_some(()).ok_or(FingerprintError::Mismatch)
    }
}

/// One accessor for each of `names`: the first such attribute's value.
macro_rules! accessors {
    ($($(#[$doc:meta])* $name:ident: $kind:ident => $variant:ident -> $type:ty;)*) => {
        impl<'a> Message<'a> {
            $($(#[$doc])*
            pub fn $name(&self) -> Option<$type> {
                if let Attribute::$variant(value) = self.first(kind::$kind)? { Some(value) } else { None }
            })*
        }
    };
}

accessors! {
    /// USERNAME.
    username: USERNAME => Username -> &'a str;
    /// USERHASH.
    userhash: USERHASH => Userhash -> &'a [u8; 32];
    /// REALM.
    realm: REALM => Realm -> &'a str;
    /// NONCE.
    nonce: NONCE => Nonce -> &'a str;
    /// SOFTWARE.
    software: SOFTWARE => Software -> &'a str;
    /// ERROR-CODE.
    error_code: ERROR_CODE => ErrorCode -> ErrorCode<'a>;
    /// ADDRESS-ERROR-CODE.
    address_error_code: ADDRESS_ERROR_CODE => AddressErrorCode -> AddressErrorCode<'a>;
    /// PASSWORD-ALGORITHMS.
    password_algorithms: PASSWORD_ALGORITHMS => PasswordAlgorithms -> PasswordAlgorithms<'a>;
    /// ALTERNATE-SERVER.
    alternate_server: ALTERNATE_SERVER => AlternateServer -> SocketAddr;
    /// PRIORITY.
    priority: PRIORITY => Priority -> u32;
    /// The tie-breaker in ICE-CONTROLLED.
    ice_controlled: ICE_CONTROLLED => IceControlled -> u64;
    /// The tie-breaker in ICE-CONTROLLING.
    ice_controlling: ICE_CONTROLLING => IceControlling -> u64;
    /// XOR-RELAYED-ADDRESS.
    relayed_address: XOR_RELAYED_ADDRESS => XorRelayedAddress -> SocketAddr;
    /// The first XOR-PEER-ADDRESS.
    peer_address: XOR_PEER_ADDRESS => XorPeerAddress -> SocketAddr;
    /// LIFETIME in seconds.
    lifetime: LIFETIME => Lifetime -> u32;
    /// DATA.
    data: DATA => Data -> &'a [u8];
    /// CHANNEL-NUMBER.
    channel_number: CHANNEL_NUMBER => ChannelNumber -> u16;
}

impl Message<'_> {
    /// Whether USE-CANDIDATE is there.
    pub fn use_candidate(&self) -> bool {
        self.first(kind::USE_CANDIDATE).is_some()
    }

    /// XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS from servers older than that.
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        let found = self.first(kind::XOR_MAPPED_ADDRESS).or_else(|| self.first(kind::MAPPED_ADDRESS))?;
        if let Attribute::XorMappedAddress(address) | Attribute::MappedAddress(address) = found {
            Some(address)
        } else {
            None
        }
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?} ", self.method(), self.class(), self.id)?;
        f.debug_list().entries(self.attributes().flatten()).finish()
    }
}

/// The attributes of a message; see [`Message::attributes`].
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    frames: Frames<'a>,
    id: TransactionId,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, value) = self.frames.next()?;
        Some(Attribute::decode(kind, value, self.id))
    }
}

/// What has been passed, and so which attributes still count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No integrity attribute yet: all count.
    Covered,
    /// MESSAGE-INTEGRITY: its successor and the fingerprint count.
    AfterIntegrity,
    /// MESSAGE-INTEGRITY-SHA256: only the fingerprint counts.
    AfterSha256,
}

/// Numbers and values of the attributes that count.
#[derive(Clone, Debug)]
struct Frames<'a> {
    reader: Reader<'a>,
    stage: Stage,
}

impl<'a> Iterator for Frames<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (number, value) = frame(&mut self.reader).ok()?;
            self.stage = match (self.stage, number) {
                (Stage::Covered, kind::MESSAGE_INTEGRITY) => Stage::AfterIntegrity,
                (Stage::Covered | Stage::AfterIntegrity, kind::MESSAGE_INTEGRITY_SHA256) => Stage::AfterSha256,
                (Stage::Covered, _) | (_, kind::FINGERPRINT) => self.stage,
                (Stage::AfterIntegrity | Stage::AfterSha256, _) => continue,
            };
            return Some((number, value));
        }
    }
}

/// Number and value of one attribute. The padding may have any value (RFC 8489, section 14).
fn frame<'a>(reader: &mut Reader<'a>) -> Result<(u16, &'a [u8]), Malformed> {
    let number = reader.u16("attribute")?;
    let length = usize::from(reader.u16("attribute length")?);
    let padded = reader.bytes(length.next_multiple_of(4), "attribute value")?;
    let value = padded.get(..length).ok_or(Malformed::new("attribute value"))?;
    Ok((number, value))
}
