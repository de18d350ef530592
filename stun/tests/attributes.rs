//! Every attribute is read as it was written, and refused when it is not what its number says.

use std::net::SocketAddr;

use proptest::prelude::*;
use visavis_stun::{
    AddressErrorCode, AddressFamily, Attribute, Builder, ChangeRequest, Class, ErrorCode, Icmp, Message, Method,
    PasswordAlgorithm, PasswordAlgorithms, TransactionId, kind,
};

const ID: TransactionId = TransactionId(*b"\x00\x01\xfe\xff56789abc");

/// A Binding request with one attribute of these bytes.
fn raw(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut buf = Vec::new();
    Builder::new(&mut buf, Class::Request, Method::BINDING, ID).attribute(&Attribute::Unknown { kind, value });
    buf
}

fn only<'a>(bytes: &'a [u8]) -> Result<Attribute<'a>, String> {
    let message = Message::decode(bytes).map_err(|malformed| malformed.to_string())?;
    let mut attributes = message.attributes();
    let first = attributes.next().ok_or("nothing there")?.map_err(|malformed| malformed.to_string())?;
    attributes.next().map_or(Ok(first), |_| Err("more than one".into()))
}

fn address() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from),
        (any::<[u8; 16]>(), any::<u16>()).prop_map(SocketAddr::from),
    ]
}

/// Writes `attribute` into a message and reads it back.
fn survives(attribute: &Attribute<'_>) -> Result<(), TestCaseError> {
    let mut buf = Vec::new();
    Builder::new(&mut buf, Class::Indication, Method::DATA, ID).attribute(attribute);
    prop_assert_eq!(only(&buf), Ok(*attribute));
    prop_assert_eq!(buf.len() % 4, 0);
    Ok(())
}

proptest! {
    #[test]
    fn addresses_survive(address in address()) {
        for attribute in [
            Attribute::MappedAddress, Attribute::XorMappedAddress, Attribute::XorPeerAddress,
            Attribute::XorRelayedAddress, Attribute::AlternateServer, Attribute::ResponseOrigin,
            Attribute::OtherAddress,
        ] {
            survives(&attribute(address))?;
        }
    }

    #[test]
    fn texts_survive(text in ".{0,300}") {
        for attribute in [
            Attribute::Username, Attribute::Realm, Attribute::Nonce, Attribute::Software, Attribute::AlternateDomain,
        ] {
            survives(&attribute(&text))?;
        }
    }

    #[test]
    fn numbers_survive(a: u8, b: u16, c: u32, d: u64, flag: bool) {
        for attribute in [
            Attribute::ChannelNumber(b), Attribute::ResponsePort(b), Attribute::Lifetime(c), Attribute::Priority(c),
            Attribute::ConnectionId(c), Attribute::CacheTimeout(c), Attribute::Fingerprint(c),
            Attribute::IceControlled(d), Attribute::IceControlling(d), Attribute::EvenPort(flag),
            Attribute::RequestedTransport(a), Attribute::RequestedAddressFamily(AddressFamily(a)),
            Attribute::AdditionalAddressFamily(AddressFamily(a)), Attribute::ReservationToken(d.to_be_bytes()),
            Attribute::ChangeRequest(ChangeRequest { ip: flag, port: a > 9 }),
            Attribute::Icmp(Icmp { kind: a, code: a ^ 85, data: c }), Attribute::UseCandidate, Attribute::DontFragment,
        ] {
            survives(&attribute)?;
        }
    }

    #[test]
    fn bytes_survive(bytes: Vec<u8>, hmac: [u8; 20], hash: [u8; 32], length in 4usize..=8) {
        let unknown = Attribute::Unknown { kind: 0xC057, value: &bytes };
        let truncated = hash.get(..length * 4).unwrap();
        for attribute in [
            Attribute::Data(&bytes), Attribute::Padding(&bytes), unknown, Attribute::MessageIntegrity(&hmac),
            Attribute::Userhash(&hash), Attribute::MessageIntegritySha256(truncated),
            Attribute::PasswordAlgorithm(PasswordAlgorithm { number: 9, parameters: &bytes }),
        ] {
            survives(&attribute)?;
        }
    }

    #[test]
    fn errors_survive(code in 300u16..700, reason in ".{0,127}", family: u8) {
        survives(&Attribute::ErrorCode(ErrorCode { code, reason: &reason }))?;
        let family = AddressFamily(family);
        survives(&Attribute::AddressErrorCode(AddressErrorCode { family, code, reason: &reason }))?;
    }

    #[test]
    fn lists_survive(kinds: Vec<u16>, algorithms: Vec<(u16, Vec<u8>)>) {
        let mut buf = Vec::new();
        let algorithms = || algorithms.iter().map(|(number, parameters)| {
            PasswordAlgorithm { number: *number, parameters }
        });
        Builder::new(&mut buf, Class::Error, Method::BINDING, ID)
            .unknown_attributes(kinds.iter().copied())
            .password_algorithms(algorithms());
        let message = Message::decode(&buf).unwrap();
        prop_assert!(message.password_algorithms().unwrap().iter().eq(algorithms()));
        match message.attributes().next() {
            Some(Ok(Attribute::UnknownAttributes(list))) => prop_assert!(list.iter().eq(kinds.iter().copied())),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn any_value_of_any_attribute_is_read_or_refused(kind in 0u16..0x40, high: bool, value: Vec<u8>) {
        let bytes = raw(kind | u16::from(high) << 15, &value);
        if let Ok(attribute) = only(&bytes) {
            survives(&attribute)?;
        }
    }
}

#[test]
fn values_are_read_as_the_specifications_draw_them() {
    // By hand, after the drawings in the specifications; what receivers must ignore is not zero everywhere.
    for (kind, value, attribute) in [
        (
            kind::MAPPED_ADDRESS,
            &b"\0\x01\x0d\x96\x7f\0\0\x01"[..],
            Attribute::MappedAddress(([127, 0, 0, 1], 3478).into()),
        ),
        (kind::CHANGE_REQUEST, b"\0\0\0\x06", Attribute::ChangeRequest(ChangeRequest { ip: true, port: true })),
        (kind::CHANGE_REQUEST, b"\0\0\0\x02", Attribute::ChangeRequest(ChangeRequest { ip: false, port: true })),
        (kind::ERROR_CODE, b"\0\0\x04\x57Role Conflict", Attribute::ErrorCode(ErrorCode::ROLE_CONFLICT)),
        (kind::CHANNEL_NUMBER, b"\x40\x01\xff\xff", Attribute::ChannelNumber(0x4001)),
        (kind::EVEN_PORT, b"\xff", Attribute::EvenPort(true)),
        (kind::REQUESTED_TRANSPORT, b"\x11\xff\xff\xff", Attribute::RequestedTransport(17)),
        (kind::REQUESTED_ADDRESS_FAMILY, b"\x02\0\0\0", Attribute::RequestedAddressFamily(AddressFamily::IPV6)),
        (kind::ICMP, b"\xff\xff\x03\x04\0\0\x05\x78", Attribute::Icmp(Icmp { kind: 3, code: 4, data: 1400 })),
        (kind::PASSWORD_ALGORITHM, b"\0\x02\0\0", Attribute::PasswordAlgorithm(PasswordAlgorithm::SHA256)),
    ] {
        assert_eq!(only(&raw(kind, value)), Ok(attribute), "{kind:#06x}");
    }
    // What Chromium adds to its checks: the id and the cost of the network.
    let bytes = raw(0xC057, &[0, 1, 0, 10]);
    assert_eq!(only(&bytes), Ok(Attribute::Unknown { kind: 0xC057, value: &[0, 1, 0, 10] }));
}

#[test]
fn values_of_another_form_are_refused() {
    let long = [0; 36];
    for (kind, value) in [
        (kind::MAPPED_ADDRESS, &b"\0\x03\0\x01\x7f\0\0\x01"[..]), // no such family
        (kind::MAPPED_ADDRESS, b"\0\x01\0\x01\x7f\0\0"),
        (kind::XOR_MAPPED_ADDRESS, b"\0\x02\0\x01\x7f\0\0\x01"), // IPv6 of four bytes
        (kind::XOR_MAPPED_ADDRESS, b"\0\x01\0\x01\x7f\0\0\x01\0"),
        (kind::XOR_MAPPED_ADDRESS, b""),
        (kind::USERNAME, b"\xff\xfe"),
        (kind::REALM, b"\xc3"),
        (kind::MESSAGE_INTEGRITY, &[0; 19]),
        (kind::MESSAGE_INTEGRITY_SHA256, &[0; 12]),
        (kind::MESSAGE_INTEGRITY_SHA256, &[0; 30]),
        (kind::MESSAGE_INTEGRITY_SHA256, &long),
        (kind::ERROR_CODE, b"\0\0\x02\0"), // 200
        (kind::ERROR_CODE, b"\0\0\x07\0"),
        (kind::ERROR_CODE, b"\0\0\x04\x64"), // 4 hundreds and 100
        (kind::ERROR_CODE, b"\0\0\x04"),
        (kind::UNKNOWN_ATTRIBUTES, b"\0\x01\0"),
        (kind::USERHASH, &[0; 31]),
        (kind::PRIORITY, b"\0\0\0"),
        (kind::PRIORITY, b"\0\0\0\0\0"),
        (kind::USE_CANDIDATE, b"\0"),
        (kind::ICE_CONTROLLED, b"\0\0\0\0\0\0\0"),
        (kind::FINGERPRINT, b"\0"),
        (kind::EVEN_PORT, b""),
        (kind::RESERVATION_TOKEN, b"1234567"),
        (kind::PASSWORD_ALGORITHM, b"\0\x01\0\x01"),
        (kind::PASSWORD_ALGORITHMS, b"\0\x01\0\0\0\x02\0"),
        (kind::PASSWORD_ALGORITHMS, b"\0\x01\0\x09\0\0\0\0"),
    ] {
        assert!(only(&raw(kind, value)).is_err(), "{kind:#06x} {value:x?}");
    }
}

#[test]
fn a_reason_that_is_no_text_does_not_hide_the_code() {
    let bytes = raw(kind::ERROR_CODE, b"\0\0\x04\x26Stale \xff Nonce");
    assert_eq!(Message::decode(&bytes).unwrap().error_code(), Some(ErrorCode::new(438, "Stale ")));
}

#[test]
fn an_address_is_not_on_the_wire_as_it_is() {
    let mut buf = Vec::new();
    let address: SocketAddr = "192.0.2.1:32853".parse().unwrap();
    Builder::new(&mut buf, Class::Success, Method::BINDING, ID).attribute(&Attribute::XorMappedAddress(address));
    assert_eq!(&buf[20..], b"\0\x20\0\x08\0\x01\xa1\x47\xe1\x12\xa6\x43");
}

#[test]
fn a_list_of_algorithms_is_kept_as_it_came() {
    let bytes = [0, 2, 0, 0, 0, 77, 0, 5, b's', b'a', b'l', b't', b'!', 9, 9, 9, 0, 1, 0, 0];
    let list = PasswordAlgorithms::new(&bytes).unwrap();
    assert_eq!(list.as_bytes(), bytes);
    let numbers: Vec<_> = list.iter().map(|algorithm| (algorithm.number, algorithm.parameters)).collect();
    assert_eq!(numbers, [(2, &b""[..]), (77, b"salt!"), (1, b"")]);
    assert!(PasswordAlgorithms::new(&bytes[..10]).is_err());
}
