//! Two connections and nothing between them.

use visavis_dtls::{Config, Connection, Event, HashAlgorithm, Identity, Role};

fn drain(from: &mut Connection, to: &mut Connection, now: std::time::Instant) -> bool {
    let mut any = false;
    let mut buf = Vec::new();
    while from.poll_transmit(now, &mut buf) {
        any = true;
        to.handle_datagram(now, &mut buf, |_| panic!("no data was sent"));
        buf.clear();
    }
    any
}

#[test]
fn two_connections_connect() {
    let now = sim::start();
    let (a, b) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let to = |identity: &Identity| vec![identity.fingerprint(HashAlgorithm::Sha256)];
    let mut client = Connection::new(Config::new(a.clone(), Role::Client, to(&b)), now, [1; 32]).unwrap();
    let mut server = Connection::new(Config::new(b.clone(), Role::Server, to(&a)), now, [2; 32]).unwrap();
    while drain(&mut client, &mut server, now) | drain(&mut server, &mut client, now) {}
    assert_eq!(client.poll_event(), Some(Event::Connected));
    assert_eq!(server.poll_event(), Some(Event::Connected));
    let mut buf = Vec::new();
    assert!(client.seal(&mut buf, |buf| {
        buf.extend_from_slice(b"hello");
        true
    }));
    let mut got = Vec::new();
    server.handle_datagram(now, &mut buf, |text| got.extend_from_slice(text));
    assert_eq!(got, b"hello");
}
