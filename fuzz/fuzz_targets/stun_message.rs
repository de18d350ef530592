//! STUN messages: any datagram, and any attributes behind a header that is right. What can be read can be written and
//! is then read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stun::{Attribute, Builder, Class, IntegrityKey, Message, Method, TransactionId};

fuzz_target!(|data: &[u8]| {
    walk(data);
    // The header's length in bytes is rarely guessed right; so it is put right here.
    let (body, _) = data.split_at(data.len() / 4 * 4);
    let mut bytes = Vec::new();
    Builder::new(&mut bytes, Class::Request, Method::BINDING, TransactionId([7; 12]));
    if let Ok(length) = u16::try_from(body.len()) {
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(body);
        walk(&bytes);
    }
});

fn walk(datagram: &[u8]) {
    let Ok(message) = Message::decode(datagram) else { return };
    assert!(stun::is_stun(datagram));
    let key = IntegrityKey::new(b"key");
    assert_eq!(message.check_integrity(b"key"), message.check_integrity_with(&key));
    assert_eq!(message.check_integrity_sha256(b"key"), message.check_integrity_sha256_with(&key));
    let _ = (message.check_fingerprint(), message.check_integrity_sha256_truncated(b"key", 0));
    let _ = (message.mapped_address(), message.username(), message.error_code(), format!("{message:?}"));

    let attributes: Vec<Attribute<'_>> = message.attributes().flatten().collect();
    for attribute in &attributes {
        match attribute {
            Attribute::UnknownAttributes(kinds) => assert!(kinds.iter().count() <= datagram.len() / 2),
            Attribute::PasswordAlgorithms(list) => assert!(list.iter().count() <= datagram.len() / 4),
            _ => {}
        }
    }
    let mut written = Vec::new();
    let mut builder = Builder::new(&mut written, message.class(), message.method(), message.transaction_id());
    for attribute in &attributes {
        builder.attribute(attribute);
    }
    let again = Message::decode(&written).expect("what the builder writes can be read");
    assert!(again.attributes().map(Result::unwrap).eq(attributes.iter().copied()));

    let mut refusal = Vec::new();
    let refused = Builder::refuse_unknown(&mut refusal, &message).is_some();
    assert_eq!(refused, !refusal.is_empty());
    assert_eq!(refused, message.class() == Class::Request && message.unknown_required().next().is_some());
    assert!(refusal.is_empty() || Message::decode(&refusal).is_ok());
}
