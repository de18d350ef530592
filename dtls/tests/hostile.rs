//! Peers and strangers that mean no good.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod common;

use std::time::Duration;

use common::{calm, config, connect, default_pair, identity, pair};
use sim::{Link, Pair, Side, Verdict};
use visavis_dtls::message::{FragmentHeader, HandshakeType};
use visavis_dtls::{ContentType, Error, Event, HashAlgorithm, Identity, KeyAlgorithm, RecordHeader, Role};

fn record(kind: ContentType, epoch: u16, sequence: u64, content: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    let length = content.len() as u16;
    RecordHeader { kind, version: 0xfefd, epoch, sequence, length }.encode(&mut datagram);
    datagram.extend_from_slice(content);
    datagram
}

fn fragment(kind: HandshakeType, sequence: u16, length: u32, offset: u32, piece: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    FragmentHeader { kind, length, sequence, offset, fragment_length: piece.len() as u32 }.encode(&mut content);
    content.extend_from_slice(piece);
    content
}

#[test]
fn a_peer_with_another_certificate_gets_an_alert_and_no_connection() {
    for (impostor, victim) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
        let (mut client, mut server) = (config(Role::Client), config(Role::Server));
        let stolen = Identity::generate().unwrap();
        match impostor {
            Role::Client => client.identity = stolen,
            Role::Server => server.identity = stolen,
        }
        let mut pair = pair(1, calm(), client, server);
        (pair.a.outgoing, pair.b.outgoing) = (vec![b"secret".to_vec()], vec![b"secret".to_vec()]);
        pair.expect("both settled", common::LIMIT, |pair| pair.a.is_settled() && pair.b.is_settled());
        let (victims, impostors) = match victim {
            Role::Client => (&pair.a, &pair.b),
            Role::Server => (&pair.b, &pair.a),
        };
        assert_eq!(victims.events, [Event::Closed(Error::FingerprintMismatch)]);
        let told = Error::Alert(visavis_dtls::AlertDescription::BAD_CERTIFICATE);
        assert_eq!(impostors.events, [Event::Closed(told)]);
        assert!(victims.received.is_empty() && impostors.received.is_empty());
        assert_eq!(victims.connection.peer_certificate(), None);
    }
}

#[test]
fn a_weak_fingerprint_that_matches_does_not_help_a_strong_one_that_does_not() {
    let mut client = config(Role::Client);
    let server = identity(Role::Server, KeyAlgorithm::EcdsaP256);
    let other = identity(Role::Client, KeyAlgorithm::EcdsaP256);
    client.peer_fingerprints =
        vec![server.fingerprint(HashAlgorithm::Sha256), other.fingerprint(HashAlgorithm::Sha512)];
    let mut pair = pair(1, calm(), client, config(Role::Server));
    pair.expect("an end", common::LIMIT, |pair| pair.a.is_settled());
    assert_eq!(pair.a.events, [Event::Closed(Error::FingerprintMismatch)]);
}

#[test]
fn a_lost_alert_is_said_again_when_the_peer_goes_on() {
    let mut server = config(Role::Server);
    server.identity = Identity::generate().unwrap();
    let mut pair = pair(1, calm(), config(Role::Client), server);
    let mut lost = false;
    pair.intercept(move |_, side, datagram| {
        if side == Side::A && datagram[0] == 21 && !lost {
            lost = true;
            return Verdict::Drop;
        }
        Verdict::Pass
    });
    pair.expect("both settled", common::LIMIT, |pair| pair.a.is_settled() && pair.b.is_settled());
    assert!(pair.elapsed() < Duration::from_secs(3), "{:?}", pair.elapsed());
    assert!(matches!(pair.b.events[..], [Event::Closed(Error::Alert(_))]));
}

/// CVE-2019-20786: application data in clear, before, during and after the handshake.
#[test]
fn application_data_in_clear_is_never_delivered() {
    let data = record(ContentType::APPLICATION_DATA, 0, 99, b"in clear");
    let mut pair = default_pair(1, calm());
    for step in 0..200 {
        if step % 2 == 0 {
            pair.inject(Side::A, &data);
            pair.inject(Side::B, &data);
        }
        pair.run_for(Duration::from_millis(1));
    }
    assert!(pair.a.connection.is_connected() && pair.b.connection.is_connected());
    for peer in [&pair.a, &pair.b] {
        assert!(peer.received.is_empty());
        assert_eq!(peer.connection.stats().unprotected, 100);
    }
}

#[test]
fn alerts_in_clear_end_a_handshake_that_does_not_get_on_and_nothing_else() {
    let alert = record(ContentType::ALERT, 0, 99, &[2, 40]);
    // Nothing comes but alerts: after two seconds, or four intervals of the timer, the first one is believed.
    for (rtt, milliseconds) in [(50, 2000), (600, 4800), (2000, 8000)] {
        let mut client = config(Role::Client);
        client.rtt = Some(Duration::from_millis(rtt));
        let mut refused = pair(1, calm(), client, config(Role::Server));
        refused.intercept(|_, _, _| Verdict::Drop);
        refused.inject(Side::A, &alert);
        refused.run_for(Duration::from_millis(milliseconds / 2));
        refused.inject(Side::A, &alert);
        refused.run_for(Duration::from_millis(milliseconds / 2 - 1));
        assert_eq!(refused.a.events, [], "round trip {rtt} ms");
        refused.run_for(Duration::from_millis(2));
        assert_eq!(refused.a.events, [Event::Closed(Error::Alert(visavis_dtls::AlertDescription::HANDSHAKE_FAILURE))]);
        refused.expect_quiet(Duration::from_secs(60));
    }

    // Whatever is said at whatever time, a handshake that gets on goes on.
    for step in 0..100 {
        let mut forged = default_pair(1, calm());
        forged.run_for(Duration::from_millis(step));
        for content in [[2, 40], [1, 0], [2, 0], [1, 90]] {
            forged.inject(Side::A, &record(ContentType::ALERT, 0, 99, &content));
            forged.inject(Side::B, &record(ContentType::ALERT, 0, 99, &content));
        }
        connect(&mut forged);
        forged.run_for(Duration::from_secs(10));
        assert_eq!(forged.a.events, [Event::Connected], "after {step} ms");
        assert_eq!(forged.b.events, [Event::Connected], "after {step} ms");
    }

    let mut late = default_pair(1, calm());
    connect(&mut late);
    for content in [[2, 40], [1, 0], [2, 0]] {
        late.inject(Side::A, &record(ContentType::ALERT, 0, 99, &content));
    }
    late.run_for(Duration::from_secs(1));
    assert!(late.a.connection.is_connected());
    assert_eq!(late.a.connection.stats().unprotected, 3);
}

#[test]
fn what_is_not_an_alert_is_not_taken_for_one() {
    let mut pair = default_pair(1, calm());
    for content in [&[2][..], &[], &[2, 40, 0], &[1, 0, 1, 0], &[3, 0]] {
        pair.inject(Side::A, &record(ContentType::ALERT, 0, 99, content));
    }
    connect(&mut pair);
    assert_eq!(pair.a.connection.stats().malformed, 5);
}

/// CVE-2022-29189 and CVE-2022-29190: floods of pieces, and pieces of no bytes.
#[test]
fn floods_of_pieces_neither_fill_memory_nor_stop_the_handshake() {
    let mut pair = default_pair(1, calm());
    let certificate = HandshakeType::CERTIFICATE;
    for number in 0..2000u64 {
        let sequence = (number % 500) as u16;
        let pieces = [
            fragment(certificate, sequence, 30_000, number as u32, &[0]),
            fragment(certificate, sequence, 30_000, number as u32, &[]),
            fragment(certificate, sequence, 0xff_ffff, 0, &[0; 50]),
            fragment(HandshakeType(99), 500 + sequence, 0, 0, &[]),
        ];
        // The client has not got the server's first message yet; the next one is number 0.
        let content: Vec<u8> = pieces.concat();
        pair.inject(Side::A, &record(ContentType::HANDSHAKE, 0, number, &content));
    }
    pair.run_for(Duration::from_millis(1));
    assert!(pair.a.connection.stats().ignored > 5000, "{:?}", pair.a.connection.stats());
    // What the flood has left is replaced by what the server really says.
    connect(&mut pair);
}

#[test]
fn early_records_of_strangers_are_bounded_and_do_not_stop_the_handshake() {
    let mut pair = default_pair(1, calm());
    for number in 0..5000 {
        pair.inject(Side::A, &record(ContentType::HANDSHAKE, 1, number, &[7; 100]));
        pair.inject(Side::B, &record(ContentType::APPLICATION_DATA, 1, number, &[7; 100]));
        pair.inject(Side::B, &record(ContentType::APPLICATION_DATA, 2, number, &[7; 100]));
    }
    connect(&mut pair);
    assert!(pair.a.connection.stats().dropped > 4500, "{:?}", pair.a.connection.stats());
    assert!(pair.a.connection.stats().forged > 100, "those kept were tried: {:?}", pair.a.connection.stats());
    assert!(pair.a.received.is_empty() && pair.b.received.is_empty());
}

#[test]
fn messages_out_of_turn_are_refused_when_they_are_repeated() {
    // In answer to its hello, the client is told that the server is done: by the network twice, then by the server.
    let mut pair = default_pair(1, calm());
    let done = fragment(HandshakeType::SERVER_HELLO_DONE, 0, 0, 0, &[]);
    for (number, expected) in [(0, None), (0, None), (1, Some("ServerHello"))] {
        pair.inject(Side::A, &record(ContentType::HANDSHAKE, 0, number, &done));
        pair.run_for(Duration::from_millis(1));
        let error = |due| Event::Closed(Error::UnexpectedMessage(HandshakeType::SERVER_HELLO_DONE, due));
        assert_eq!(pair.a.events, expected.map(error).into_iter().collect::<Vec<_>>());
    }
    // Between other messages that fail it is never believed.
    let mut pair = default_pair(1, calm());
    for number in 0..20 {
        let odd = fragment(HandshakeType(30 + number % 2), 0, 0, 0, &[]);
        pair.inject(Side::A, &record(ContentType::HANDSHAKE, 0, u64::from(number), &odd));
    }
    connect(&mut pair);
    assert_eq!(pair.a.connection.stats().doubted, 20);
    // A Finished in clear is not even looked at, nor is a HelloRequest.
    let mut pair = default_pair(1, calm());
    for kind in [HandshakeType::FINISHED, HandshakeType::HELLO_REQUEST] {
        let content = fragment(kind, 0, 12, 0, &[0; 12]);
        pair.inject(Side::A, &record(ContentType::HANDSHAKE, 0, 0, &content));
        pair.inject(Side::B, &record(ContentType::HANDSHAKE, 0, 0, &content));
    }
    connect(&mut pair);
}

#[test]
fn replayed_datagrams_of_the_whole_connection_change_nothing() {
    let mut pair = default_pair(1, calm());
    let (sender, seen) = std::sync::mpsc::channel();
    pair.intercept(move |_, side, datagram| {
        sender.send((side, datagram.clone())).expect("the test listens");
        Verdict::Pass
    });
    (pair.a.outgoing, pair.b.outgoing) = (vec![b"once".to_vec()], vec![b"once".to_vec()]);
    connect(&mut pair);
    pair.run_for(Duration::from_secs(1));
    let seen: Vec<_> = seen.try_iter().collect();
    for _ in 0..20 {
        for (from, datagram) in &seen {
            // To the other side as it was, and back to where it came from.
            pair.inject(from.other(), datagram);
            pair.inject(*from, datagram);
        }
        pair.run_for(Duration::from_secs(1));
    }
    for peer in [&pair.a, &pair.b] {
        assert_eq!(peer.received, [b"once"]);
        assert_eq!(peer.events, [Event::Connected]);
    }
    // In clear nothing makes a connected side repeat its flight: that would be an amplifier.
    let sent = pair.counts(Side::B).sent;
    assert!(sent <= 4, "the server sent {sent} datagrams");
}

#[test]
fn noise_is_counted_and_nothing_else() {
    for seed in sim::seeds(20) {
        let mut rng = sim::rng(seed, 9);
        let mut pair = default_pair(seed, calm());
        for number in 0..200 {
            let mut noise = vec![0; number % 150];
            rand::RngExt::fill(&mut rng, &mut noise[..]);
            // Half of it looks like a record at first sight.
            if let (true, Some(head)) = (number % 2 == 0, noise.first_chunk_mut::<5>()) {
                *head = [20 + (number / 2 % 6) as u8, 0xfe, 0xfd, 0, (number % 3) as u8];
            }
            pair.inject(Side::A, &noise);
            pair.inject(Side::B, &noise);
        }
        pair.run_for(Duration::from_millis(1));
        let settled = [pair.a.is_settled(), pair.b.is_settled()];
        assert_eq!(settled, [false, false], "seed {seed}: {:?} {:?}", pair.a.events, pair.b.events);
        connect(&mut pair);
    }
}

#[test]
fn a_stranger_who_answers_the_client_first_gets_nothing() {
    // The attacker races the server with a handshake of its own (the ClientHello race, the other way round).
    let attacker = Identity::generate().unwrap();
    let mut server = config(Role::Server);
    server.identity = attacker;
    let client = common::Peer::new(config(Role::Client), 1);
    let mut pair = Pair::new(1, Link::default(), client, common::Peer::new(server, 2));
    pair.expect("an end", common::LIMIT, |pair| pair.a.is_settled());
    assert_eq!(pair.a.events, [Event::Closed(Error::FingerprintMismatch)]);
    assert!(pair.a.received.is_empty());
}
