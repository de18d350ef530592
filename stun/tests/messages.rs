//! Messages as a whole: what counts, what is refused, and what is answered.

use std::net::SocketAddr;

use proptest::prelude::*;
use visavis_stun::{
    Attribute, Builder, Class, ErrorCode, FingerprintError, IntegrityError, IntegrityKey, Message, Method,
    TransactionId, is_stun, kind,
};

const ID: TransactionId = TransactionId(*b"transaction!");

fn request(attributes: &[Attribute<'_>]) -> Vec<u8> {
    let mut buf = Vec::new();
    let mut builder = Builder::new(&mut buf, Class::Request, Method::BINDING, ID);
    for attribute in attributes {
        builder.attribute(attribute);
    }
    buf
}

fn kinds(bytes: &[u8]) -> Vec<u16> {
    let message = Message::decode(bytes).expect("this test builds whole messages");
    message.attributes().flatten().map(|attribute| attribute.kind()).collect()
}

#[test]
fn a_connectivity_check_is_read_as_it_was_written() {
    let mut buf = b"other bytes".to_vec();
    let key = IntegrityKey::new(b"password");
    Builder::new(&mut buf, Class::Request, Method::BINDING, ID)
        .attribute(&Attribute::Username("remote:local"))
        .attribute(&Attribute::Priority(0x6e00_1eff))
        .attribute(&Attribute::IceControlling(42))
        .attribute(&Attribute::UseCandidate)
        .integrity_with(&key)
        .fingerprint();
    let (before, message) = buf.split_at(11);
    assert_eq!(before, b"other bytes", "the builder only appends");
    assert!(is_stun(message));
    let message = Message::decode(message).unwrap();
    assert_eq!(message.username(), Some("remote:local"));
    assert_eq!((message.priority(), message.use_candidate()), (Some(0x6e00_1eff), true));
    assert_eq!((message.ice_controlling(), message.ice_controlled()), (Some(42), None));
    assert_eq!(message.unknown_required().count(), 0);
    assert_eq!(message.check_integrity(b"password"), Ok(()));
    assert_eq!(message.check_fingerprint(), Ok(()));
    let printed = format!("{message:?}");
    assert!(printed.contains("Binding Request") && printed.contains("remote:local"), "{printed}");
}

#[test]
fn the_message_is_whole_after_each_step() {
    let mut buf = Vec::new();
    let mut builder = Builder::new(&mut buf, Class::Request, Method::BINDING, ID);
    builder.attribute(&Attribute::Software("a"));
    builder.integrity(b"k");
    builder.integrity_sha256(b"k");
    builder.fingerprint();
    assert_eq!(kinds(&buf), [0x8022, 0x0008, 0x001C, 0x8028]);
    let message = Message::decode(&buf).unwrap();
    assert_eq!(message.check_integrity(b"k"), Ok(()));
    assert_eq!(message.check_integrity_sha256(b"k"), Ok(()));
    assert_eq!(message.check_fingerprint(), Ok(()));
}

#[test]
fn what_follows_integrity_does_not_count() {
    let mut buf = Vec::new();
    Builder::new(&mut buf, Class::Request, Method::BINDING, ID)
        .attribute(&Attribute::Priority(1))
        .integrity(b"k")
        .attribute(&Attribute::UseCandidate)
        .attribute(&Attribute::Unknown { kind: 0x0099, value: b"" })
        .integrity_sha256(b"k")
        .attribute(&Attribute::Username("late"))
        .integrity(b"k")
        .fingerprint();
    assert_eq!(
        kinds(&buf),
        [kind::PRIORITY, kind::MESSAGE_INTEGRITY, kind::MESSAGE_INTEGRITY_SHA256, kind::FINGERPRINT]
    );
    let message = Message::decode(&buf).unwrap();
    assert!(!message.use_candidate());
    assert_eq!(message.username(), None);
    assert_eq!(message.unknown_required().count(), 0);
    assert_eq!(message.check_integrity(b"k"), Ok(()), "the first one is meant");
    assert_eq!(message.check_integrity_sha256(b"k"), Ok(()));
}

#[test]
fn integrity_behind_the_stronger_one_does_not_count() {
    let mut buf = Vec::new();
    Builder::new(&mut buf, Class::Request, Method::BINDING, ID).integrity_sha256(b"k").integrity(b"k");
    let message = Message::decode(&buf).unwrap();
    assert!(!message.has_integrity() && message.has_integrity_sha256());
    assert_eq!(message.check_integrity(b"k"), Err(IntegrityError::Missing));
}

#[test]
fn the_first_of_several_equal_attributes_counts() {
    let bytes = request(&[Attribute::Priority(1), Attribute::Priority(2)]);
    assert_eq!(Message::decode(&bytes).unwrap().priority(), Some(1));
    let bytes = request(&[Attribute::Unknown { kind: kind::PRIORITY, value: b"bad" }, Attribute::Priority(2)]);
    assert_eq!(Message::decode(&bytes).unwrap().priority(), None);
}

#[test]
fn nothing_may_follow_the_fingerprint() {
    let mut buf = Vec::new();
    Builder::new(&mut buf, Class::Request, Method::BINDING, ID).fingerprint().attribute(&Attribute::UseCandidate);
    assert!(Message::decode(&buf).is_err());
}

#[test]
fn truncated_hmacs_pass_only_where_they_are_allowed() {
    for (length, written) in [(0, 16), (16, 16), (17, 20), (28, 28), (32, 32), (99, 32)] {
        let mut buf = Vec::new();
        Builder::new(&mut buf, Class::Request, Method::BINDING, ID).integrity_sha256_truncated(b"k", length);
        assert_eq!(buf.len(), 20 + 4 + written);
        let message = Message::decode(&buf).unwrap();
        assert_eq!(message.check_integrity_sha256(b"k").is_ok(), written == 32);
        assert_eq!(message.check_integrity_sha256_truncated(b"k", 20).is_ok(), written >= 20);
        assert_eq!(message.check_integrity_sha256_truncated(b"k", 0), Ok(()));
        assert_eq!(message.check_integrity_sha256_truncated(b"x", 0), Err(IntegrityError::Mismatch));
    }
    for length in [0, 4, 12, 18, 36] {
        let value = &[0; 36][..length];
        let bytes = request(&[Attribute::Unknown { kind: kind::MESSAGE_INTEGRITY_SHA256, value }]);
        let message = Message::decode(&bytes).unwrap();
        assert_eq!(message.check_integrity_sha256_truncated(b"k", 0), Err(IntegrityError::Mismatch));
    }
    let bytes = request(&[Attribute::Unknown { kind: kind::MESSAGE_INTEGRITY, value: b"" }]);
    assert_eq!(Message::decode(&bytes).unwrap().check_integrity(b"k"), Err(IntegrityError::Mismatch));
}

#[test]
fn checks_of_what_is_not_there_fail() {
    let bytes = request(&[]);
    let message = Message::decode(&bytes).unwrap();
    assert_eq!(message.check_integrity(b"k"), Err(IntegrityError::Missing));
    assert_eq!(message.check_integrity_sha256(b"k"), Err(IntegrityError::Missing));
    assert_eq!(message.check_fingerprint(), Err(FingerprintError::Missing));
    let bytes = request(&[Attribute::Fingerprint(0)]);
    assert_eq!(Message::decode(&bytes).unwrap().check_fingerprint(), Err(FingerprintError::Mismatch));
}

#[test]
fn the_old_mapped_address_counts_if_the_new_one_is_not_there() {
    let (old, new): (SocketAddr, SocketAddr) = (([192, 0, 2, 1], 1).into(), ([192, 0, 2, 2], 2).into());
    let bytes = request(&[Attribute::MappedAddress(old)]);
    assert_eq!(Message::decode(&bytes).unwrap().mapped_address(), Some(old));
    let bytes = request(&[Attribute::MappedAddress(old), Attribute::XorMappedAddress(new)]);
    assert_eq!(Message::decode(&bytes).unwrap().mapped_address(), Some(new));
}

#[test]
fn requests_with_unknown_required_attributes_are_answered_420() {
    let unknown = |kind| Attribute::Unknown { kind, value: b"?" };
    let bytes = request(&[unknown(0x7777), Attribute::Priority(1), unknown(0xC057), unknown(0x0002)]);
    let message = Message::decode(&bytes).unwrap();
    assert!(message.unknown_required().eq([0x7777, 0x0002]), "0xC057 may be ignored");

    let mut answer = Vec::new();
    let mut builder = Builder::refuse_unknown(&mut answer, &message).unwrap();
    builder.fingerprint();
    let answer = Message::decode(&answer).unwrap();
    assert_eq!((answer.class(), answer.method(), answer.transaction_id()), (Class::Error, Method::BINDING, ID));
    assert_eq!(answer.error_code(), Some(ErrorCode::UNKNOWN_ATTRIBUTE));
    let listed: Vec<u16> = answer
        .attributes()
        .find_map(|attribute| match attribute {
            Ok(Attribute::UnknownAttributes(kinds)) => Some(kinds.iter().collect()),
            _ => None,
        })
        .unwrap();
    assert_eq!(listed, [0x7777, 0x0002]);
}

#[test]
fn nothing_else_is_answered_420() {
    let mut answer = Vec::new();
    let known = request(&[Attribute::Priority(1), Attribute::Unknown { kind: 0x8055, value: b"" }]);
    assert!(Builder::refuse_unknown(&mut answer, &Message::decode(&known).unwrap()).is_none());
    for class in [Class::Indication, Class::Success, Class::Error] {
        let mut bytes = Vec::new();
        Builder::new(&mut bytes, class, Method::BINDING, ID)
            .attribute(&Attribute::Unknown { kind: 0x7777, value: b"" });
        assert!(Builder::refuse_unknown(&mut answer, &Message::decode(&bytes).unwrap()).is_none());
    }
    assert_eq!(answer, b"");
}

#[test]
fn a_malformed_attribute_does_not_hide_the_others() {
    let bytes = request(&[Attribute::Unknown { kind: kind::USERNAME, value: b"\xff" }, Attribute::Priority(7)]);
    let message = Message::decode(&bytes).unwrap();
    assert_eq!((message.username(), message.priority(), message.has(kind::USERNAME)), (None, Some(7), true));
    assert_eq!(message.attributes().filter(Result::is_err).count(), 1);
}

#[test]
fn messages_cut_anywhere_are_refused() {
    let mut buf = Vec::new();
    Builder::new(&mut buf, Class::Success, Method::BINDING, ID)
        .attribute(&Attribute::Software("visavis"))
        .attribute(&Attribute::XorMappedAddress(([127, 0, 0, 1], 9).into()))
        .fingerprint();
    for length in 0..buf.len() {
        assert!(Message::decode(&buf[..length]).is_err(), "{length}");
    }
    // An attribute that leads out of a message whose header is right.
    buf[23] = 200;
    assert!(Message::decode(&buf).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert!(message.attributes().count() <= bytes.len() / 4);
        }
    }

    #[test]
    fn any_attributes_are_read_or_refused(body in proptest::collection::vec(any::<u32>(), 0..60)) {
        let mut bytes = Vec::new();
        Builder::new(&mut bytes, Class::Request, Method::BINDING, ID);
        bytes[3] = u8::try_from(body.len() * 4).unwrap();
        // Short lengths, so that many attributes fit.
        body.iter().for_each(|word| bytes.extend((word & 0x803F_0007).to_be_bytes()));
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert!(message.attributes().count() <= body.len());
            let _ = (message.check_fingerprint(), message.check_integrity(b"k"), message.check_integrity_sha256(b"k"));
            prop_assert!(!message.unknown_required().any(|kind| kind >= 0x8000));
        }
    }

    #[test]
    fn any_flipped_byte_breaks_integrity(at in 0usize..60, flip in 1u8..) {
        let mut buf = Vec::new();
        Builder::new(&mut buf, Class::Request, Method::BINDING, ID)
            .attribute(&Attribute::Username("remote:local"))
            .integrity_sha256(b"k");
        buf[at] ^= flip;
        if let Ok(message) = Message::decode(&buf) {
            prop_assert!(message.check_integrity_sha256(b"k").is_err());
        }
    }
}
