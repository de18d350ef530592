//! The test vectors of RFC 5769, and that of RFC 8489, appendix B.1.

use std::net::SocketAddr;

use visavis_stun::{Attribute, Builder, Class, IntegrityError, IntegrityKey, Message, Method, PasswordAlgorithm};
use visavis_stun::{TransactionId, credentials, is_stun};

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const ID: TransactionId = TransactionId([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
const LONG_TERM_ID: TransactionId =
    TransactionId([0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e]);

/// RFC 5769, section 2.1. Its padding is spaces, as receivers must not care.
const REQUEST: &str = "
    00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff
    80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249
    c1b571a2 80280004 e57a3bcf";

/// RFC 5769, section 2.2.
const IPV4_RESPONSE: &str = "
    0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200008 0001a147 e112a643
    00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96";

/// RFC 5769, section 2.3.
const IPV6_RESPONSE: &str = "
    01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220 00200014 0002a147 0113a9fa
    a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c";

/// RFC 5769, section 2.4.
const LONG_TERM_REQUEST: &str = "
    00010060 2112a442 78ad3433 c6ad72c0 29da412e 00060012 e3839ee3 8388e383 aae38383 e382afe3 82b90000 0015001c
    662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341 0014000b 6578616d 706c652e 6f726700 00080014
    f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666";

/// RFC 8489, appendix B.1, corrected. What is printed there announces 20 bytes more than it has, and its HMAC is over
/// that header; it also lacks the PASSWORD-ALGORITHM with which its key is made.
const SHA256_REQUEST: &str = "
    00010090 2112a442 78ad3433 c6ad72c0 29da412e 001e0020 4a3cf38f ef6992bd a952c678 0417da0f 24819415 569e60b2
    05c46e41 407f1704 00150029 6f624d61 744a6f73 32414141 43662f2f 3439396b 39353464 364f4c33 346f4c39 46535476
    79363473 41000000 0014000b 6578616d 706c652e 6f726700 001d0004 00020000 001c0020 b5c7bf00 5b6c52a2
    1c51c5e8 92f81924 136296cb 927c4314 9309278c c6518e65";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.as_chunks().0.iter().map(|[high, low]| high << 4 | low).collect()
}

fn attributes<'a>(message: &Message<'a>) -> Vec<Attribute<'a>> {
    message.attributes().collect::<Result<_, _>>().expect("the vectors are well-formed")
}

#[test]
fn the_sample_request_is_read_and_verified() {
    let bytes = bytes(REQUEST);
    assert!(is_stun(&bytes));
    let message = Message::decode(&bytes).unwrap();
    assert_eq!((message.class(), message.method(), message.transaction_id()), (Class::Request, Method::BINDING, ID));
    let attributes = attributes(&message);
    assert_eq!(
        attributes[..4],
        [
            Attribute::Software("STUN test client"),
            Attribute::Priority(0x6e00_01ff),
            Attribute::IceControlled(0x932f_f9b1_5126_3b36),
            Attribute::Username("evtj:h6vY"),
        ]
    );
    assert!(matches!(attributes[4..], [Attribute::MessageIntegrity(_), Attribute::Fingerprint(0xe57a_3bcf)]));
    assert_eq!(message.username(), Some("evtj:h6vY"));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!((message.ice_controlled(), message.ice_controlling()), (Some(0x932f_f9b1_5126_3b36), None));
    assert!(!message.use_candidate());
    assert_eq!(message.check_integrity(PASSWORD), Ok(()));
    assert_eq!(message.check_integrity_with(&IntegrityKey::new(PASSWORD)), Ok(()));
    assert_eq!(message.check_integrity(b"VOkJxbRl1RmTxUk/WvJxBu"), Err(IntegrityError::Mismatch));
    assert_eq!(message.check_integrity_sha256(PASSWORD), Err(IntegrityError::Missing));
    assert_eq!(message.check_fingerprint(), Ok(()));
}

#[test]
fn the_sample_responses_are_read_and_verified() {
    let addresses = ["192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"];
    for (hex, address) in [IPV4_RESPONSE, IPV6_RESPONSE].into_iter().zip(addresses) {
        let address: SocketAddr = address.parse().unwrap();
        let bytes = bytes(hex);
        let message = Message::decode(&bytes).unwrap();
        assert_eq!(
            (message.class(), message.method(), message.transaction_id()),
            (Class::Success, Method::BINDING, ID)
        );
        assert_eq!(
            attributes(&message)[..2],
            [Attribute::Software("test vector"), Attribute::XorMappedAddress(address)]
        );
        assert_eq!(message.mapped_address(), Some(address));
        assert_eq!(message.check_integrity(PASSWORD), Ok(()));
        assert_eq!(message.check_fingerprint(), Ok(()));
    }
}

#[test]
fn the_sample_request_with_long_term_credentials_is_read_verified_and_written() {
    let expected = bytes(LONG_TERM_REQUEST);
    let message = Message::decode(&expected).unwrap();
    let (username, realm, nonce) = ("マトリックス", "example.org", "f//499k954d6OL34oL9FSTvy64sA");
    assert_eq!((message.username(), message.realm(), message.nonce()), (Some(username), Some(realm), Some(nonce)));
    let key = credentials::long_term_key_md5(username, realm, "TheMatrIX");
    assert_eq!(message.check_integrity(&key), Ok(()));

    let mut buf = Vec::new();
    Builder::new(&mut buf, Class::Request, Method::BINDING, LONG_TERM_ID)
        .attribute(&Attribute::Username(username))
        .attribute(&Attribute::Nonce(nonce))
        .attribute(&Attribute::Realm(realm))
        .integrity(&key);
    assert_eq!(buf, expected);
}

#[test]
fn the_sample_request_with_sha256_and_userhash_is_read_verified_and_written() {
    let expected = bytes(SHA256_REQUEST);
    let message = Message::decode(&expected).unwrap();
    let (username, realm, nonce) = ("マトリックス", "example.org", "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
    let userhash = credentials::userhash(username, realm);
    assert_eq!((message.realm(), message.nonce(), message.userhash()), (Some(realm), Some(nonce), Some(&userhash)));
    let key = credentials::long_term_key_sha256(username, realm, "TheMatrIX");
    assert_eq!(message.check_integrity_sha256(&key), Ok(()));

    let mut buf = Vec::new();
    Builder::new(&mut buf, Class::Request, Method::BINDING, LONG_TERM_ID)
        .attribute(&Attribute::Userhash(&userhash))
        .attribute(&Attribute::Nonce(nonce))
        .attribute(&Attribute::Realm(realm))
        .attribute(&Attribute::PasswordAlgorithm(PasswordAlgorithm::SHA256))
        .integrity_sha256(&key);
    assert_eq!(buf, expected);
}

#[test]
fn every_flipped_bit_of_the_sample_request_is_noticed() {
    let original = bytes(REQUEST);
    for bit in 0..original.len() * 8 {
        let mut flipped = original.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(message) = Message::decode(&flipped) else { continue };
        assert!(message.check_fingerprint().is_err(), "bit {bit} is covered by the fingerprint");
        let behind_integrity = bit / 8 >= original.len() - 8;
        assert_eq!(message.check_integrity(PASSWORD).is_ok(), behind_integrity, "bit {bit}");
    }
}
