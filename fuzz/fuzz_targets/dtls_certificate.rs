#![no_main]
//! A server whose certificate is the input, and which is the one expected, so that the client looks for a key in it.
//! The client never gets connected, since nobody signs with that key, and never panics.

use std::sync::OnceLock;
use std::time::Instant;

use dtls::message::{Certificate, FragmentHeader, HandshakeType};
use dtls::{Config, Connection, ContentType, Event, Fingerprint, HashAlgorithm, Identity, RecordHeader, Role};
use libfuzzer_sys::fuzz_target;
use wire::Reader;

fn identities() -> &'static [Identity; 2] {
    static IDENTITIES: OnceLock<[Identity; 2]> = OnceLock::new();
    IDENTITIES.get_or_init(|| {
        let read = |certificate, key| Identity::from_pem(certificate, key).expect("a certificate and its key");
        [
            read(include_str!("dtls_identities/client.pem"), include_str!("dtls_identities/client.key")),
            read(include_str!("dtls_identities/server.pem"), include_str!("dtls_identities/server.key")),
        ]
    })
}

fuzz_target!(|certificate: &[u8]| {
    static START: OnceLock<Instant> = OnceLock::new();
    let now = *START.get_or_init(Instant::now);
    let [ours, theirs] = identities();
    if certificate.is_empty() || certificate.len() > 8000 || certificate == theirs.certificate_der() {
        return;
    }
    let sha256 = HashAlgorithm::Sha256;
    let expected = vec![Fingerprint::of(sha256, certificate)];
    let config = Config::new(ours.clone(), Role::Client, expected);
    let mut client = Connection::new(config, now, [1; 32]).expect("a valid configuration");
    let config = Config::new(theirs.clone(), Role::Server, vec![ours.fingerprint(sha256)]);
    let mut server = Connection::new(config, now, [2; 32]).expect("a valid configuration");
    let mut datagram = Vec::new();
    while client.poll_transmit(now, &mut datagram) {
        server.handle_datagram(now, &mut datagram, |_| {});
        datagram.clear();
    }
    let mut flight = Vec::new();
    while server.poll_transmit(now, &mut datagram) {
        flight.push(std::mem::take(&mut datagram));
    }
    // What is refused once may have been damaged on its way; the repetition is believed.
    let mut sequence = 0;
    for datagram in flight.iter().chain(&flight) {
        let mut datagram = datagram.clone();
        replace(&mut datagram, certificate, &mut sequence, |record| {
            client.handle_datagram(now, record, |_| panic!("no data"));
        });
    }
    assert!(!client.is_connected());
    let event = client.poll_event();
    assert!(matches!(event, Some(Event::Closed(_))), "the certificate or the signature was refused: {event:?}");
});

/// Hands out each message of a datagram in a record of its own, with the certificate replaced.
fn replace(datagram: &mut [u8], certificate: &[u8], sequence: &mut u64, mut deliver: impl FnMut(&mut [u8])) {
    let mut rest = datagram;
    while let Ok((_, content, behind)) = RecordHeader::split(rest) {
        let mut reader = Reader::new(content);
        while let Ok((header, piece)) = FragmentHeader::decode(&mut reader) {
            let mut body = piece.to_vec();
            if header.kind == HandshakeType::CERTIFICATE {
                body.clear();
                Certificate::encode(std::iter::once(certificate), &mut body);
            }
            let length = body.len() as u32;
            let kind = ContentType::HANDSHAKE;
            let size = (FragmentHeader::SIZE + body.len()) as u16;
            let mut record = Vec::new();
            RecordHeader { kind, version: 0xfefd, epoch: 0, sequence: *sequence, length: size }.encode(&mut record);
            *sequence += 1;
            FragmentHeader { length, fragment_length: length, ..header }.encode(&mut record);
            record.extend(body);
            deliver(&mut record);
        }
        rest = behind;
    }
}
