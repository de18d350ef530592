//! What two connections agree on over a network that does nothing to them.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test's helpers may fail as the test itself may")]

mod common;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use common::{calm, config, config_with, connect, default_pair, identity, pair};
use sim::Side;
use visavis_dtls::rustls::crypto::CryptoProvider;
use visavis_dtls::rustls::{CipherSuite, KeyLog};
use visavis_dtls::{
    Config, ConfigError, Connection, Error, Event, ExportError, HashAlgorithm, KeyAlgorithm, Role, SrtpProfile, Version,
};

/// The configuration's provider with some of its suites and groups only.
fn only(config: &mut Config, keep: impl Fn(&mut CryptoProvider)) {
    let mut provider = (*config.provider).clone();
    keep(&mut provider);
    config.provider = Arc::new(provider);
}

#[test]
fn every_suite_connects_with_every_group() {
    for suite in config(Role::Client).provider.cipher_suites.clone() {
        let name = suite.suite();
        let key =
            if format!("{name:?}").contains("RSA_WITH") { KeyAlgorithm::Rsa2048 } else { KeyAlgorithm::EcdsaP256 };
        for group in config(Role::Client).provider.kx_groups.clone() {
            let mut client = config_with(Role::Client, KeyAlgorithm::EcdsaP256, key);
            only(&mut client, |provider| {
                provider.cipher_suites.retain(|suite| suite.suite() == name);
                provider.kx_groups.retain(|kept| kept.name() == group.name());
            });
            let mut pair = pair(1, calm(), client, config_with(Role::Server, key, KeyAlgorithm::EcdsaP256));
            connect(&mut pair);
            for peer in [&pair.a, &pair.b] {
                assert_eq!(peer.connection.cipher_suite(), Some(name));
                assert_eq!(peer.connection.version(), Some(Version::Dtls1_2));
            }
        }
    }
}

#[test]
fn every_kind_of_key_is_taken_from_either_side() {
    use KeyAlgorithm::{EcdsaP256, EcdsaP384, Ed25519, Rsa2048};
    for client in [EcdsaP256, EcdsaP384, Ed25519, Rsa2048] {
        for server in [EcdsaP256, EcdsaP384, Ed25519, Rsa2048] {
            let configs = (config_with(Role::Client, client, server), config_with(Role::Server, server, client));
            let mut pair = pair(1, calm(), configs.0, configs.1);
            connect(&mut pair);
            let expected = identity(Role::Client, client);
            assert_eq!(pair.b.connection.peer_certificate(), Some(expected.certificate_der()));
            let expected = identity(Role::Server, server);
            assert_eq!(pair.a.connection.peer_certificate(), Some(expected.certificate_der()));
        }
    }
}

#[test]
fn the_handshake_takes_two_round_trips_and_a_cookie_one_more() {
    for (cookie, milliseconds) in [(false, 100), (true, 150)] {
        let mut server = config(Role::Server);
        server.require_cookie = cookie;
        let mut pair = pair(1, calm(), config(Role::Client), server);
        connect(&mut pair);
        assert_eq!(pair.elapsed().as_millis(), milliseconds);
    }
}

#[test]
fn the_client_prefers_the_suite_and_webrtc_prefers_aes_128() {
    let mut pair = default_pair(1, calm());
    connect(&mut pair);
    assert_eq!(pair.a.connection.cipher_suite(), Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256));
}

#[test]
fn the_server_chooses_the_srtp_profile_from_what_the_client_offers() {
    use SrtpProfile::{AeadAes128Gcm, AeadAes256Gcm, Aes128CmSha1_80};
    for (offered, known, agreed) in [
        (vec![Aes128CmSha1_80, AeadAes256Gcm], vec![AeadAes256Gcm, Aes128CmSha1_80], Some(AeadAes256Gcm)),
        (vec![AeadAes128Gcm], vec![Aes128CmSha1_80], None),
        (vec![AeadAes128Gcm], vec![], None),
        (vec![], vec![AeadAes128Gcm], None),
    ] {
        let (mut client, mut server) = (config(Role::Client), config(Role::Server));
        (client.srtp_profiles, server.srtp_profiles) = (offered, known);
        let mut pair = pair(1, calm(), client, server);
        connect(&mut pair);
        assert_eq!(pair.a.connection.srtp_profile(), agreed);
        assert_eq!(pair.b.connection.srtp_profile(), agreed);
    }
}

#[test]
fn exported_keys_depend_on_label_and_context() {
    let mut pair = default_pair(1, calm());
    let export = |connection: &Connection, label: &str, context: Option<&[u8]>| {
        let mut out = [0; 60];
        connection.export_keying_material(label, context, &mut out).map(|()| out)
    };
    assert_eq!(export(&pair.a.connection, "EXTRACTOR-dtls_srtp", None), Err(ExportError::NotConnected));
    connect(&mut pair);
    let mut seen = Vec::new();
    for (label, context) in [
        ("EXTRACTOR-dtls_srtp", None),
        ("EXPORTER-x", None),
        ("EXPORTER-x", Some(&b""[..])),
        ("EXPORTER-x", Some(b"y")),
    ] {
        let ours = export(&pair.a.connection, label, context).unwrap();
        assert_eq!(export(&pair.b.connection, label, context), Ok(ours));
        assert!(!seen.contains(&ours), "{label} {context:?}");
        seen.push(ours);
    }
    for reserved in ["", "master secret", "key expansion", "client finished"] {
        assert_eq!(export(&pair.a.connection, reserved, None), Err(ExportError::Label));
    }
    assert_eq!(export(&pair.a.connection, "EXPORTER-x", Some(&[0; 65_536])), Err(ExportError::Context));
}

#[test]
fn both_sides_log_the_same_secret_in_the_nss_format() {
    #[derive(Debug)]
    struct Log(Sender<(String, Vec<u8>, Vec<u8>)>);
    impl KeyLog for Log {
        fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
            self.0.send((label.to_owned(), client_random.to_vec(), secret.to_vec())).expect("the test listens");
        }
    }
    let (sender, logged) = channel();
    let log: Arc<dyn KeyLog> = Arc::new(Log(sender));
    let (mut client, mut server) = (config(Role::Client), config(Role::Server));
    (client.key_log, server.key_log) = (Some(Arc::clone(&log)), Some(log));
    let mut pair = pair(1, calm(), client, server);
    let (sender, randoms) = channel();
    pair.intercept(move |_, side, datagram| {
        if side == Side::A {
            // Record header, handshake header, version: then the random.
            sender.send(datagram[27..59].to_vec()).expect("the test listens");
        }
        sim::Verdict::Pass
    });
    connect(&mut pair);
    let logged: Vec<_> = logged.try_iter().collect();
    assert_eq!(logged.len(), 2);
    assert_eq!(logged[0], logged[1]);
    let (label, client_random, secret) = &logged[0];
    assert_eq!((label.as_str(), secret.len()), ("CLIENT_RANDOM", 48));
    assert_eq!(client_random, &randoms.try_iter().next().expect("a ClientHello was sent"));
}

#[test]
fn sides_with_nothing_in_common_say_so() {
    type Change = fn(&mut CryptoProvider);
    let cases: [(Change, &str); 2] = [
        (|provider| provider.cipher_suites.truncate(1), "cipher suite"),
        (|provider| drop(provider.kx_groups.drain(1..)), "key exchange group"),
    ];
    for (change, what) in cases {
        let (mut client, mut server) = (config(Role::Client), config(Role::Server));
        only(&mut client, change);
        only(&mut server, |provider| {
            provider.cipher_suites.reverse();
            provider.kx_groups.reverse();
            change(provider);
        });
        let mut pair = pair(1, calm(), client, server);
        pair.expect("an end", common::LIMIT, |pair| pair.a.is_settled() && pair.b.is_settled());
        assert_eq!(pair.b.events, [Event::Closed(Error::NothingInCommon(what))]);
        assert!(matches!(pair.a.events[..], [Event::Closed(Error::Alert(_))]), "{:?}", pair.a.events);
    }
}

#[test]
fn a_connection_cannot_be_made_without_knowing_the_peer() {
    let mut no_fingerprint = config(Role::Client);
    no_fingerprint.peer_fingerprints.clear();
    let mut tiny = config(Role::Client);
    tiny.mtu = 127;
    let mut useless = config(Role::Client);
    only(&mut useless, |provider| provider.cipher_suites.clear());
    for (config, error) in [
        (no_fingerprint, ConfigError::NoFingerprint),
        (tiny, ConfigError::MtuTooSmall(127)),
        (useless, ConfigError::UnusableProvider),
    ] {
        assert_eq!(Connection::new(config, sim::start(), [0; 32]).err(), Some(error));
    }
}

#[test]
fn any_strong_hash_function_and_any_of_several_certificates_will_do() {
    let server = identity(Role::Server, KeyAlgorithm::EcdsaP256);
    let other = identity(Role::Client, KeyAlgorithm::EcdsaP256);
    for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512] {
        let mut client = config(Role::Client);
        client.peer_fingerprints = vec![other.fingerprint(algorithm), server.fingerprint(algorithm)];
        connect(&mut pair(1, calm(), client, config(Role::Server)));
    }
}
