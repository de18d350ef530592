//! Connectivity checks as browsers send them, captured on loopback.

use visavis_stun::{Attribute, Class, Message, Method, is_stun};

/// The first check of Chromium 156, with the id and cost of its network in 0xC057.
const CHROMIUM: &str = "
    0001004c 2112a442 56373673 34444248 65536255 00060009 7234584f 3a325834 71000000 c0570004 00020000 80290008
    eeef1dd2 4e9b2d32 00240004 6e7f32ff 00080014 43a84606 3f3d35fa 5f9a79c2 81a54bca b6ab76fd 80280004 72d5b4b3";

/// The first check of Firefox 153, which nominates at once.
const FIREFOX: &str = "
    00010050 2112a442 eca81681 8b438a44 263fa52d 00060011 31343438 66363035 3a366562 36303134 30000000 00250000
    00240004 6e7e00ff 802a0008 8958c4c5 56585d14 00080014 c330e862 3659b3e3 431a25d9 f9522bb5 60cf6f2f 80280004
    5b07cf9e";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.as_chunks().0.iter().map(|[high, low]| high << 4 | low).collect()
}

#[test]
fn chromiums_check_is_understood() {
    let bytes = bytes(CHROMIUM);
    assert!(is_stun(&bytes));
    let message = Message::decode(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    let attributes: Vec<_> = message.attributes().map(Result::unwrap).collect();
    assert_eq!(
        attributes[..4],
        [
            Attribute::Username("r4XO:2X4q"),
            Attribute::Unknown { kind: 0xC057, value: &[0, 2, 0, 0] },
            Attribute::IceControlled(0xeeef_1dd2_4e9b_2d32),
            Attribute::Priority(0x6e7f_32ff),
        ]
    );
    assert_eq!(message.unknown_required().count(), 0, "0xC057 may be ignored");
    assert!(message.has_integrity() && !message.use_candidate());
    assert_eq!(message.check_fingerprint(), Ok(()));
}

#[test]
fn firefoxs_check_is_understood() {
    let bytes = bytes(FIREFOX);
    let message = Message::decode(&bytes).unwrap();
    assert_eq!(message.username(), Some("1448f605:6eb60140"));
    assert_eq!((message.priority(), message.use_candidate()), (Some(0x6e7e_00ff), true));
    assert_eq!((message.ice_controlling(), message.ice_controlled()), (Some(0x8958_c4c5_5658_5d14), None));
    assert_eq!(message.unknown_required().count(), 0);
    assert!(message.has_integrity());
    assert_eq!(message.check_fingerprint(), Ok(()));
}
