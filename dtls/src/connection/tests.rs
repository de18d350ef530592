//! What a hostile peer can do that holds the keys, or writes its messages itself: the tests here reach into one side to
//! make it misbehave.

use super::*;
use crate::identity::{Identity, KeyAlgorithm};
use crate::message::{Certificate, CertificateVerify, ClientHello, Extension, ExtensionType, Extensions};
use crate::{Fingerprint, HashAlgorithm};

type Fragment = (u16, FragmentHeader, Vec<u8>);

fn pair_with(change: impl Fn(&mut Config)) -> (Connection, Connection) {
    static IDENTITIES: std::sync::OnceLock<[Identity; 2]> = std::sync::OnceLock::new();
    let make = || Identity::generate_with(KeyAlgorithm::EcdsaP256).unwrap();
    let [client, server] = IDENTITIES.get_or_init(|| [make(), make()]);
    let of = |identity: &Identity| vec![Fingerprint::of(HashAlgorithm::Sha256, identity.certificate_der())];
    let side = |own: &Identity, role: Role, peer: &Identity, seed: u8| {
        let mut config = Config::new(own.clone(), role, of(peer));
        change(&mut config);
        Connection::new(config, sim::start(), [seed; 32]).unwrap()
    };
    (side(client, Role::Client, server, 1), side(server, Role::Server, client, 2))
}

fn pair() -> (Connection, Connection) {
    pair_with(|_| {})
}

/// All datagrams that a side has to send.
fn datagrams(from: &mut Connection) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| {
        let mut buf = Vec::new();
        from.poll_transmit(sim::start(), &mut buf).then_some(buf)
    })
    .collect()
}

fn deliver(to: &mut Connection, datagrams: Vec<Vec<u8>>) {
    for mut datagram in datagrams {
        to.handle_datagram(sim::start(), &mut datagram, |_| panic!("no data was sent"));
    }
}

/// The messages in clear that a side has to send. They fit one datagram and one fragment each.
fn clear_messages(from: &mut Connection) -> Vec<Fragment> {
    let mut messages = Vec::new();
    for mut datagram in datagrams(from) {
        let mut rest = &mut datagram[..];
        while let Ok((header, content, behind)) = RecordHeader::split(rest) {
            let mut reader = Reader::new(content);
            while let (0, ContentType::HANDSHAKE, false) = (header.epoch, header.kind, reader.is_empty()) {
                let (fragment, piece) = FragmentHeader::decode(&mut reader).unwrap();
                assert_eq!(fragment.length, fragment.fragment_length);
                messages.push((header.epoch, fragment, piece.to_vec()));
            }
            rest = behind;
        }
    }
    messages
}

/// Sends a message to `to` as if `from` had: with its keys, if the epoch is protected.
fn send(from: &mut Connection, to: &mut Connection, (epoch, header, body): &Fragment) {
    let length = body.len() as u32;
    let header = FragmentHeader { length, fragment_length: length, offset: 0, ..*header };
    let mut datagram = Vec::new();
    assert!(from.records.seal(*epoch, ContentType::HANDSHAKE, &mut datagram, |buf| {
        header.encode(buf);
        buf.extend_from_slice(body);
        true
    }));
    deliver(to, vec![datagram]);
}

/// Sends a message in clear that fails, twice: at first it might have been changed on its way.
fn insist(from: &mut Connection, to: &mut Connection, message: &Fragment) {
    let doubted = to.stats().doubted;
    send(from, to, message);
    assert_eq!((to.poll_event(), to.stats().doubted), (None, doubted + 1));
    send(from, to, message);
}

fn message(epoch: u16, kind: HandshakeType, sequence: u16, body: &[u8]) -> Fragment {
    let header = FragmentHeader { kind, sequence, length: 0, offset: 0, fragment_length: 0 };
    (epoch, header, body.to_vec())
}

/// Client and server, and the client's last flight of clear messages, which is not delivered.
fn before_the_clients_last_flight() -> (Connection, Connection, Vec<Fragment>) {
    let (mut client, mut server) = pair();
    deliver(&mut server, datagrams(&mut client));
    deliver(&mut client, datagrams(&mut server));
    let flight = clear_messages(&mut client);
    let kinds: Vec<HandshakeType> = flight.iter().map(|(_, header, _)| header.kind).collect();
    let expected = [HandshakeType::CERTIFICATE, HandshakeType::CLIENT_KEY_EXCHANGE, HandshakeType::CERTIFICATE_VERIFY];
    assert_eq!(kinds, expected);
    (client, server, flight)
}

fn connected() -> (Connection, Connection) {
    let (mut client, mut server) = pair();
    for _ in 0..2 {
        deliver(&mut server, datagrams(&mut client));
        deliver(&mut client, datagrams(&mut server));
    }
    assert_eq!(client.poll_event(), Some(Event::Connected));
    assert_eq!(server.poll_event(), Some(Event::Connected));
    (client, server)
}

/// The connection has ended with `error`, and tells the peer with a fatal alert.
fn assert_refused(connection: &mut Connection, error: &Error) {
    assert_eq!(connection.poll_event(), Some(Event::Closed(error.clone())));
    assert_eq!(connection.poll_event(), None);
    let sent = datagrams(connection);
    let alert = error.alert().expect("the peer is to be told");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0][sent[0].len() - 2..], [2, alert.0]);
    assert!(!connection.is_connected());
}

#[test]
fn connections_can_be_moved_between_threads_and_shared() {
    fn check<T: Send + Sync>() {}
    check::<Connection>();
    check::<Config>();
    check::<Event>();
}

/// CVE-2022-29222: Finished in place of CertificateVerify, protected with the right keys.
#[test]
fn a_client_that_does_not_prove_its_certificate_is_refused() {
    let (mut client, mut server, flight) = before_the_clients_last_flight();
    send(&mut client, &mut server, &flight[0]);
    send(&mut client, &mut server, &flight[1]);
    let proof = flight[2].1.sequence;
    send(&mut client, &mut server, &message(PROTECTED, HandshakeType::FINISHED, proof, &[0; 12]));
    let error = Error::UnexpectedMessage(HandshakeType::FINISHED, "CertificateVerify");
    assert_refused(&mut server, &error);
}

#[test]
fn a_client_that_proves_another_certificate_is_refused() {
    let (mut client, mut server, mut flight) = before_the_clients_last_flight();
    // A good signature, of the right bytes and with the right scheme, but with another key.
    let stranger = Identity::generate().unwrap();
    let scheme = CertificateVerify::decode(&flight[2].2).unwrap().scheme;
    let offered = [0, 2, scheme.to_be_bytes()[0], scheme.to_be_bytes()[1]];
    let schemes = crate::message::U16s::new(&offered[2..]);
    let (scheme, signature) = crate::crypto::signature::sign(&stranger, &schemes, |_| true, b"anything").unwrap();
    flight[2].2.clear();
    CertificateVerify { scheme, signature: &signature }.encode(&mut flight[2].2);
    send(&mut client, &mut server, &flight[0]);
    send(&mut client, &mut server, &flight[1]);
    insist(&mut client, &mut server, &flight[2]);
    assert_refused(&mut server, &Error::BadSignature);
}

#[test]
fn a_client_that_signs_with_a_scheme_nobody_offered_is_refused() {
    let (mut client, mut server, mut flight) = before_the_clients_last_flight();
    // ecdsa_sha1, and a scheme of TLS 1.3 only.
    flight[2].2[..2].copy_from_slice(&[2, 3]);
    send(&mut client, &mut server, &flight[0]);
    send(&mut client, &mut server, &flight[1]);
    insist(&mut client, &mut server, &flight[2]);
    assert_refused(&mut server, &Error::IllegalParameter("signature scheme"));
}

#[test]
fn a_client_without_certificate_is_refused() {
    let (mut client, mut server, flight) = before_the_clients_last_flight();
    let mut empty = Vec::new();
    Certificate::encode(std::iter::empty(), &mut empty);
    insist(&mut client, &mut server, &message(0, HandshakeType::CERTIFICATE, flight[0].1.sequence, &empty));
    assert_refused(&mut server, &Error::NoCertificate);

    let (mut client, mut server, flight) = before_the_clients_last_flight();
    let (_, header, body) = &flight[1];
    insist(&mut client, &mut server, &message(0, header.kind, flight[0].1.sequence, body));
    assert_refused(&mut server, &Error::NoCertificate);
}

#[test]
fn a_finished_that_is_wrong_is_refused() {
    let (mut client, mut server, flight) = before_the_clients_last_flight();
    for message in &flight {
        send(&mut client, &mut server, message);
    }
    let next = flight[2].1.sequence + 1;
    send(&mut client, &mut server, &message(PROTECTED, HandshakeType::FINISHED, next, &[0; 12]));
    assert_refused(&mut server, &Error::BadFinished);
}

#[test]
fn a_point_that_is_not_on_the_curve_is_refused() {
    for point in [&[0; 32][..], &[], &[4; 65]] {
        let (mut client, mut server, flight) = before_the_clients_last_flight();
        send(&mut client, &mut server, &flight[0]);
        let mut body = vec![point.len() as u8];
        body.extend_from_slice(point);
        insist(&mut client, &mut server, &message(0, flight[1].1.kind, flight[1].1.sequence, &body));
        assert_refused(&mut server, &Error::IllegalParameter("public key"));
    }
}

/// Every message of the handshake, with every kind it could have but its own.
#[test]
fn every_message_out_of_turn_is_refused() {
    let kinds = [1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 22, 99].map(HandshakeType);
    let mut refused = 0;
    for step in 0..9 {
        for kind in kinds {
            let (mut client, mut server) = pair();
            let hello = clear_messages(&mut client);
            let to_server = step == 0 || step > 5;
            let mut messages = hello.clone();
            if step > 0 {
                send(&mut client, &mut server, &hello[0]);
                messages.extend(clear_messages(&mut server));
            }
            for message in messages.iter().skip(1).take(if step > 5 { 5 } else { 0 }) {
                send(&mut server, &mut client, message);
            }
            messages.extend(clear_messages(&mut client));
            let place = if to_server { step - if step > 5 { 6 } else { 0 } } else { step - 1 };
            let first = if step == 0 {
                0
            } else if step > 5 {
                6
            } else {
                1
            };
            let (from, to) = if to_server { (&mut client, &mut server) } else { (&mut server, &mut client) };
            for message in &messages[first..first + place] {
                send(from, to, message);
            }
            let (epoch, header, body) = messages[first + place].clone();
            // Asking for a cookie, and not asking for a certificate, are the server's right.
            let allowed = header.kind == kind
                || (step == 1 && kind == HandshakeType::HELLO_VERIFY_REQUEST)
                || (step == 4 && kind == HandshakeType::SERVER_HELLO_DONE);
            if allowed {
                continue;
            }
            insist(from, to, &(epoch, FragmentHeader { kind, ..header }, body));
            match to.poll_event() {
                Some(Event::Closed(Error::UnexpectedMessage(found, _))) => assert_eq!(found, kind),
                Some(Event::Closed(Error::NoCertificate)) => assert_eq!(kind, HandshakeType::CLIENT_KEY_EXCHANGE),
                other => panic!("step {step}, {kind} for {}: {other:?}", header.kind),
            }
            refused += 1;
        }
    }
    assert_eq!(refused, 9 * 11 - 2);
}

#[test]
fn a_renegotiation_is_refused_with_a_warning_and_the_connection_goes_on() {
    for (asker, kind) in [(Role::Client, HandshakeType::CLIENT_HELLO), (Role::Server, HandshakeType::HELLO_REQUEST)] {
        let (mut client, mut server) = connected();
        let (from, to) = if asker == Role::Client { (&mut client, &mut server) } else { (&mut server, &mut client) };
        for sequence in 0..100 {
            send(from, to, &message(PROTECTED, kind, sequence, &[]));
        }
        let answer = datagrams(to);
        assert_eq!(answer.len(), 1, "asked a hundred times, refused once per flush");
        let warning = &mut answer[0].clone();
        let (header, content, _) = RecordHeader::split(warning).unwrap();
        assert_eq!((header.kind, header.epoch), (ContentType::ALERT, PROTECTED));
        assert_eq!(from.records.open(&header, content).unwrap(), [1, 100]);
        deliver(from, answer);
        assert!(from.is_connected() && to.is_connected());
    }
}

#[test]
fn protected_alerts_end_a_connection() {
    for (content, expected) in [
        ([2, 80], Some(Error::Alert(AlertDescription::INTERNAL_ERROR))),
        ([1, 0], Some(Error::PeerClosed)),
        ([2, 0], Some(Error::PeerClosed)),
        ([1, 90], None),
    ] {
        let (mut client, mut server) = connected();
        let mut datagram = Vec::new();
        client.records.seal(PROTECTED, ContentType::ALERT, &mut datagram, |buf| {
            buf.extend(content);
            true
        });
        deliver(&mut server, vec![datagram]);
        assert_eq!(server.poll_event(), expected.map(Event::Closed), "{content:?}");
    }
}

/// A ClientHello with some of its extensions taken away or replaced.
fn hello_without(client: &mut Connection, kind: ExtensionType, replacement: Option<&[u8]>) -> Fragment {
    let (epoch, header, body) = clear_messages(client).remove(0);
    let hello = ClientHello::decode(&body).unwrap();
    let mut extensions = Vec::new();
    for extension in hello.extensions.iter().filter(|extension| extension.kind != kind) {
        Extension::encode(extension.kind, &mut extensions, |buf| buf.extend_from_slice(extension.value));
    }
    if let Some(value) = replacement {
        Extension::encode(kind, &mut extensions, |buf| buf.extend_from_slice(value));
    }
    let mut changed = Vec::new();
    ClientHello { extensions: Extensions::new(&extensions), ..hello }.encode(&mut changed);
    (epoch, header, changed)
}

#[test]
fn offers_that_cannot_be_taken_are_refused() {
    let cases: [(ExtensionType, Option<&[u8]>, Error); 9] = [
        (ExtensionType::EXTENDED_MASTER_SECRET, None, Error::ExtendedMasterSecretRequired),
        (ExtensionType::SIGNATURE_ALGORITHMS, None, Error::NothingInCommon("signature scheme")),
        // ecdsa_sha1 only: no suite of ours can be signed with that.
        (ExtensionType::SIGNATURE_ALGORITHMS, Some(&[0, 2, 2, 3]), Error::NothingInCommon("cipher suite")),
        (ExtensionType::SUPPORTED_GROUPS, Some(&[0, 2, 0, 30]), Error::NothingInCommon("key exchange group")),
        (
            ExtensionType::SUPPORTED_GROUPS,
            Some(&[0, 3, 0, 29, 0]),
            Error::Malformed(wire::Malformed::new("list of numbers")),
        ),
        (ExtensionType::EC_POINT_FORMATS, Some(&[1, 1]), Error::IllegalParameter("ec_point_formats")),
        (ExtensionType::RENEGOTIATION_INFO, Some(&[1, 7]), Error::IllegalParameter("renegotiation_info")),
        (ExtensionType::SUPPORTED_VERSIONS, Some(&[2, 0xfe, 0xfc]), Error::UnsupportedVersion),
        (ExtensionType::USE_SRTP, Some(&[0, 1, 0, 0]), Error::Malformed(wire::Malformed::new("use_srtp profiles"))),
    ];
    for (kind, replacement, error) in cases {
        let (mut client, mut server) = pair();
        let hello = hello_without(&mut client, kind, replacement);
        insist(&mut client, &mut server, &hello);
        assert_refused(&mut server, &error);
    }
}

#[test]
fn a_client_of_dtls_1_0_or_of_tls_is_refused() {
    for version in [[0xfe, 0xff], [3, 3], [0xff, 0xfd]] {
        let (mut client, mut server) = pair();
        let (epoch, header, mut body) = clear_messages(&mut client).remove(0);
        body[..2].copy_from_slice(&version);
        insist(&mut client, &mut server, &(epoch, header, body));
        assert_refused(&mut server, &Error::UnsupportedVersion);
    }
}

/// An attacker on the path takes the extended master secret out of the offer: the sides agree on everything else, and
/// Finished tells that they saw different handshakes.
#[test]
fn a_downgrade_of_the_extended_master_secret_is_noticed() {
    let (mut client, mut server) = pair_with(|config| config.require_extended_master_secret = false);
    let hello = hello_without(&mut client, ExtensionType::EXTENDED_MASTER_SECRET, None);
    send(&mut client, &mut server, &hello);
    deliver(&mut client, datagrams(&mut server));
    let flight = clear_messages(&mut client);
    send(&mut client, &mut server, &flight[0]);
    send(&mut client, &mut server, &flight[1]);
    // CertificateVerify signs the transcript, and comes before Finished.
    insist(&mut client, &mut server, &flight[2]);
    assert_refused(&mut server, &Error::BadSignature);
}

#[test]
fn answers_that_were_not_asked_for_are_refused() {
    let cases: [(ExtensionType, &[u8], Error); 4] = [
        (ExtensionType(16), &[0, 3, 2, b'h', b'2'], Error::UnsupportedExtension(16)),
        (ExtensionType::USE_SRTP, &[0, 2, 0, 7, 0], Error::UnsupportedExtension(14)),
        (ExtensionType::RENEGOTIATION_INFO, &[1, 1], Error::IllegalParameter("renegotiation_info")),
        (ExtensionType::EC_POINT_FORMATS, &[1, 2], Error::IllegalParameter("ec_point_formats")),
    ];
    for (kind, value, error) in cases {
        let (mut client, mut server) = pair();
        deliver(&mut server, datagrams(&mut client));
        let (epoch, header, body) = clear_messages(&mut server).remove(0);
        let hello = crate::message::ServerHello::decode(&body).unwrap();
        let mut extensions = Vec::new();
        Extension::encode(ExtensionType::EXTENDED_MASTER_SECRET, &mut extensions, |_| {});
        Extension::encode(kind, &mut extensions, |buf| buf.extend_from_slice(value));
        let mut changed = Vec::new();
        crate::message::ServerHello { extensions: Extensions::new(&extensions), ..hello }.encode(&mut changed);
        insist(&mut server, &mut client, &(epoch, header, changed));
        assert_refused(&mut client, &error);
    }
}

#[test]
fn an_srtp_profile_that_was_not_offered_and_a_master_key_identifier_are_refused() {
    for value in [&[0, 2, 0, 8, 0][..], &[0, 4, 0, 7, 0, 1, 0], &[0, 0, 0], &[0, 2, 0, 7, 1, 9]] {
        let (mut client, mut server) = pair_with(|config| {
            config.srtp_profiles = vec![SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80];
        });
        deliver(&mut server, datagrams(&mut client));
        let (epoch, header, body) = clear_messages(&mut server).remove(0);
        let hello = crate::message::ServerHello::decode(&body).unwrap();
        let mut extensions = Vec::new();
        Extension::encode(ExtensionType::USE_SRTP, &mut extensions, |buf| buf.extend_from_slice(value));
        let mut changed = Vec::new();
        crate::message::ServerHello { extensions: Extensions::new(&extensions), ..hello }.encode(&mut changed);
        insist(&mut server, &mut client, &(epoch, header, changed));
        assert_refused(&mut client, &Error::IllegalParameter("use_srtp"));
    }
}

#[test]
fn choices_that_were_not_offered_are_refused() {
    // Where in the ServerHello (behind an empty session id), what instead, and what is said of it.
    for (at, value, error) in [
        (1, 0xff, Error::UnsupportedVersion),
        (36, 0xff, Error::IllegalParameter("cipher suite")),
        (37, 1, Error::IllegalParameter("compression method")),
    ] {
        let (mut client, mut server) = pair();
        deliver(&mut server, datagrams(&mut client));
        let (epoch, header, mut body) = clear_messages(&mut server).remove(0);
        body[at] = value;
        insist(&mut server, &mut client, &(epoch, header, body));
        assert_refused(&mut client, &error);
    }
}

#[test]
fn a_server_whose_signature_is_wrong_is_refused() {
    let (mut client, mut server) = pair();
    deliver(&mut server, datagrams(&mut client));
    let mut flight = clear_messages(&mut server);
    // The last byte of its public key: signed is something else.
    let key = flight[2].2[3];
    flight[2].2[3 + usize::from(key)] ^= 1;
    send(&mut server, &mut client, &flight[0]);
    send(&mut server, &mut client, &flight[1]);
    insist(&mut server, &mut client, &flight[2]);
    assert_refused(&mut client, &Error::BadSignature);
}

#[test]
fn endless_requests_for_cookies_are_given_up() {
    let (mut client, mut server) = pair();
    let request = |sequence: u16| {
        let mut body = Vec::new();
        let cookie = [sequence as u8; 255];
        crate::message::HelloVerifyRequest { version: 0xfeff, cookie: &cookie }.encode(&mut body);
        message(0, HandshakeType::HELLO_VERIFY_REQUEST, sequence, &body)
    };
    for sequence in 0..4 {
        assert_eq!(datagrams(&mut client).len(), 1, "a new hello each time");
        send(&mut server, &mut client, &request(sequence));
    }
    assert_eq!(datagrams(&mut client).len(), 1);
    insist(&mut server, &mut client, &request(4));
    let error = Error::UnexpectedMessage(HandshakeType::HELLO_VERIFY_REQUEST, "ServerHello");
    assert_refused(&mut client, &error);
}

#[test]
fn endless_hellos_without_cookie_are_given_up() {
    let (mut client, mut server) = pair_with(|config| config.require_cookie = true);
    let (epoch, header, body) = clear_messages(&mut client).remove(0);
    for sequence in 0..4 {
        send(&mut client, &mut server, &(epoch, FragmentHeader { sequence, ..header }, body.clone()));
        assert_eq!(datagrams(&mut server).len(), 1, "asked again");
    }
    insist(&mut client, &mut server, &(epoch, FragmentHeader { sequence: 4, ..header }, body));
    assert_refused(&mut server, &Error::IllegalParameter("cookie"));
}
