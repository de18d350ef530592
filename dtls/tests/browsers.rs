//! The first datagrams of real browsers, which offer DTLS 1.3.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod common;

use common::config;
use visavis_dtls::message::{ClientHello, DTLS_1_2, ExtensionType, FragmentHeader, HandshakeType, ServerHello};
use visavis_dtls::{Connection, RecordHeader, Role};
use wire::Reader;

const HELLOS: [(&str, [&[u8]; 2]); 2] = [
    (
        "Chromium",
        [include_bytes!("data/chromium-client-hello-1.bin"), include_bytes!("data/chromium-client-hello-2.bin")],
    ),
    ("Firefox", [include_bytes!("data/firefox-client-hello-1.bin"), include_bytes!("data/firefox-client-hello-2.bin")]),
];

/// All handshake messages in the clear records of these datagrams, put together.
fn messages(datagrams: &[Vec<u8>]) -> Vec<(HandshakeType, Vec<u8>)> {
    let mut messages: Vec<(HandshakeType, Vec<u8>)> = Vec::new();
    for datagram in datagrams {
        let mut datagram = datagram.clone();
        let mut rest = &mut datagram[..];
        while let Ok((_, content, behind)) = RecordHeader::split(rest) {
            let mut reader = Reader::new(content);
            while let Ok((header, piece)) = FragmentHeader::decode(&mut reader) {
                let sequence = usize::from(header.sequence);
                if messages.len() <= sequence {
                    messages.resize(sequence + 1, (header.kind, Vec::new()));
                }
                let (kind, body) = &mut messages[sequence];
                *kind = header.kind;
                body.resize(header.length as usize, 0);
                body[header.offset as usize..][..piece.len()].copy_from_slice(piece);
            }
            rest = behind;
        }
    }
    messages
}

fn answer(server: &mut Connection, datagrams: &[&[u8]]) -> Vec<Vec<u8>> {
    for datagram in datagrams {
        server.handle_datagram(sim::start(), &mut datagram.to_vec(), |_| panic!("no data can be here"));
    }
    std::iter::from_fn(|| {
        let mut datagram = Vec::new();
        server.poll_transmit(sim::start(), &mut datagram).then_some(datagram)
    })
    .collect()
}

#[test]
fn a_hello_in_two_datagrams_is_answered_with_dtls_1_2_whatever_their_order() {
    for (browser, [first, second]) in HELLOS {
        for order in [vec![first, second], vec![second, first], vec![second, second, first, first, second]] {
            let mut server = Connection::new(config(Role::Server), sim::start(), [5; 32]).unwrap();
            let datagrams = answer(&mut server, &order);
            let answers = messages(&datagrams);
            let kinds: Vec<HandshakeType> = answers.iter().map(|(kind, _)| *kind).collect();
            assert_eq!(
                kinds,
                [
                    HandshakeType::SERVER_HELLO,
                    HandshakeType::CERTIFICATE,
                    HandshakeType::SERVER_KEY_EXCHANGE,
                    HandshakeType::CERTIFICATE_REQUEST,
                    HandshakeType::SERVER_HELLO_DONE,
                ],
                "{browser}"
            );
            let hello = ServerHello::decode(&answers[0].1).unwrap();
            assert_eq!(hello.version, DTLS_1_2);
            assert_eq!(hello.cipher_suite, 0xc02b, "{browser}: ECDHE-ECDSA-AES128-GCM-SHA256");
            assert!(hello.extensions.find(ExtensionType::EXTENDED_MASTER_SECRET).is_some());
            assert!(hello.extensions.find(ExtensionType::SUPPORTED_VERSIONS).is_none());
            assert_eq!(&answers[2].1[..3], [3, 0, 29], "{browser}: X25519");
            // Only a server that knows 1.3 marks a downgrade (RFC 8446, section 4.1.3).
            assert_ne!(&hello.random[24..31], b"DOWNGRD");
            assert!(datagrams.iter().all(|datagram| datagram.len() <= 1200));
        }
    }
}

#[test]
fn half_a_hello_is_waited_for_in_silence() {
    for (_, [first, second]) in HELLOS {
        for half in [first, second] {
            let mut server = Connection::new(config(Role::Server), sim::start(), [5; 32]).unwrap();
            assert!(answer(&mut server, &[half, half]).is_empty());
        }
    }
}

#[test]
fn a_hello_in_two_datagrams_is_asked_for_its_cookie() {
    for (browser, [first, second]) in HELLOS {
        let mut config = config(Role::Server);
        config.require_cookie = true;
        let mut server = Connection::new(config, sim::start(), [5; 32]).unwrap();
        let asked = messages(&answer(&mut server, &[second, first]));
        assert_eq!(asked[0].0, HandshakeType::HELLO_VERIFY_REQUEST, "{browser}");
        let cookie = visavis_dtls::message::HelloVerifyRequest::decode(&asked[0].1).unwrap().cookie.to_vec();
        // The browser's second hello: the same with the cookie, in two pieces again, the second one first.
        let hellos = messages(&[first.to_vec(), second.to_vec()]);
        let mut body = Vec::new();
        ClientHello { cookie: &cookie, ..ClientHello::decode(&hellos[0].1).unwrap() }.encode(&mut body);
        let (head, tail) = body.split_at(900);
        let piece = |record: u64, offset: usize, piece: &[u8]| {
            let mut datagram = Vec::new();
            let length = (FragmentHeader::SIZE + piece.len()) as u16;
            let kind = visavis_dtls::ContentType::HANDSHAKE;
            RecordHeader { kind, version: 0xfefd, epoch: 0, sequence: record, length }.encode(&mut datagram);
            FragmentHeader {
                kind: HandshakeType::CLIENT_HELLO,
                length: body.len() as u32,
                sequence: 1,
                offset: offset as u32,
                fragment_length: piece.len() as u32,
            }
            .encode(&mut datagram);
            datagram.extend_from_slice(piece);
            datagram
        };
        let answers = answer(&mut server, &[&piece(3, 900, tail), &piece(2, 0, head)]);
        assert_eq!(messages(&answers)[1].0, HandshakeType::SERVER_HELLO, "{browser}");
    }
}

#[test]
fn a_client_of_1_3_only_is_told_when_it_repeats_itself() {
    for (browser, [first, second]) in HELLOS {
        let hellos = messages(&[first.to_vec(), second.to_vec()]);
        // The versions in the extension: 1.2 becomes 1.3 twice.
        let mut body = hellos[0].1.clone();
        let at = body.windows(2).rposition(|pair| pair == [0xfe, 0xfd]).unwrap();
        assert!(at > 2, "{browser}: not the version at the start");
        body[at + 1] = 0xfc;
        let mut datagram = Vec::new();
        RecordHeader {
            kind: visavis_dtls::ContentType::HANDSHAKE,
            version: 0xfeff,
            epoch: 0,
            sequence: 0,
            length: (FragmentHeader::SIZE + body.len()) as u16,
        }
        .encode(&mut datagram);
        FragmentHeader {
            kind: HandshakeType::CLIENT_HELLO,
            length: body.len() as u32,
            sequence: 0,
            offset: 0,
            fragment_length: body.len() as u32,
        }
        .encode(&mut datagram);
        datagram.extend_from_slice(&body);
        let mut server = Connection::new(config(Role::Server), sim::start(), [5; 32]).unwrap();
        assert!(answer(&mut server, &[&datagram]).is_empty(), "{browser}: it may have been changed on its way");
        // The same message in the record with the next number.
        datagram[10] += 1;
        let answers = answer(&mut server, &[&datagram]);
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0][13..], [2, 70], "{browser}: fatal protocol_version");
    }
}
