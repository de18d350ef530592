//! The hot paths of the protocol crates, each made ready once and then repeated: for timing (`cargo bench`) and for
//! counting instructions (`cargo run --release --bin instructions`), which do not depend on the machine's mood.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// A hot path: makes itself ready, and gives what is repeated.
pub type Path = fn() -> Box<dyn FnMut()>;

/// All of them by name.
pub const PATHS: [(&str, Path); 10] = [
    ("stun: build a check", stun_build),
    ("stun: parse a check", stun_parse),
    ("stun: parse and verify a check", stun_verify),
    ("dtls: handshake, both ends", dtls_handshake),
    ("dtls: seal and open 1163 bytes", dtls_record),
    ("sctp: parse a packet of data", sctp_parse),
    ("sctp: 64 KiB through two associations", sctp_transfer),
    ("sctp: 64 bytes through two associations", sctp_message),
    ("rtp: parse a header with extensions", rtp_parse),
    ("srtp: protect and open 1200 bytes", srtp_packet),
];

const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

fn check(buf: &mut Vec<u8>, key: &stun::IntegrityKey) {
    use stun::Attribute::{IceControlling, Priority, Username};
    stun::Builder::new(buf, stun::Class::Request, stun::Method::BINDING, stun::TransactionId([7; 12]))
        .attribute(&Username("evtj:h6vY"))
        .attribute(&IceControlling(0x932f_f9b1_5126_3b36))
        .attribute(&Priority(0x6e00_01ff))
        .integrity_with(key)
        .fingerprint();
}

fn stun_build() -> Box<dyn FnMut()> {
    let (mut buf, key) = (Vec::new(), stun::IntegrityKey::new(PASSWORD));
    Box::new(move || {
        buf.clear();
        check(black_box(&mut buf), &key);
    })
}

fn stun_parse() -> Box<dyn FnMut()> {
    let mut buf = Vec::new();
    check(&mut buf, &stun::IntegrityKey::new(PASSWORD));
    Box::new(move || {
        let message = stun::Message::decode(black_box(&buf)).expect("it was built here");
        black_box(message.attributes().count());
    })
}

fn stun_verify() -> Box<dyn FnMut()> {
    let (mut buf, key) = (Vec::new(), stun::IntegrityKey::new(PASSWORD));
    check(&mut buf, &key);
    Box::new(move || {
        let message = stun::Message::decode(black_box(&buf)).expect("it was built here");
        message.check_integrity_with(&key).expect("the key is the same");
        message.check_fingerprint().expect("nothing was changed");
        black_box(message.mapped_address());
    })
}

type Identities = (dtls::Identity, dtls::Identity);

fn identities() -> Identities {
    let make = || dtls::Identity::generate().expect("keys can be made");
    (make(), make())
}

/// Two ends of DTLS that know each other.
fn dtls_pair((one, other): &Identities, now: Instant) -> (dtls::Connection, dtls::Connection) {
    let prints = [one, other].map(|identity| identity.fingerprint(dtls::HashAlgorithm::Sha256));
    let [first, second] = prints;
    let make = |identity: &dtls::Identity, role, fingerprint, seed| {
        let config = dtls::Config::new(identity.clone(), role, vec![fingerprint]);
        dtls::Connection::new(config, now, seed).expect("the configuration is good")
    };
    let mut client = make(one, dtls::Role::Client, second, [1; 32]);
    let mut server = make(other, dtls::Role::Server, first, [2; 32]);
    let mut datagram = Vec::new();
    let mut deliver = |from: &mut dtls::Connection, to: &mut dtls::Connection| {
        let mut any = false;
        while from.poll_transmit(now, &mut datagram) {
            to.handle_datagram(now, &mut datagram, |_| {});
            datagram.clear();
            any = true;
        }
        any
    };
    while deliver(&mut client, &mut server) || deliver(&mut server, &mut client) {}
    assert!(client.is_connected() && server.is_connected(), "the handshake succeeds");
    (client, server)
}

fn dtls_handshake() -> Box<dyn FnMut()> {
    let (identities, now) = (identities(), Instant::now());
    Box::new(move || {
        black_box(dtls_pair(&identities, now));
    })
}

fn dtls_record() -> Box<dyn FnMut()> {
    let now = Instant::now();
    let (mut client, mut server) = dtls_pair(&identities(), now);
    let (mut datagram, payload) = (Vec::new(), [7_u8; 1163]);
    Box::new(move || {
        datagram.clear();
        client.seal(&mut datagram, |buf| {
            buf.extend_from_slice(&payload);
            true
        });
        server.handle_datagram(now, &mut datagram, |plaintext| {
            black_box(plaintext.len());
        });
    })
}

/// Two associations that are connected.
struct Associations {
    now: Instant,
    sender: sctp::Association,
    receiver: sctp::Association,
    packet: Vec<u8>,
}

impl Associations {
    fn new() -> Self {
        let now = Instant::now();
        let sender = sctp::Association::new(sctp::Config::default(), now, [1; 32]);
        let receiver = sctp::Association::new(sctp::Config::default(), now, [2; 32]);
        let mut all = Self { now, sender, receiver, packet: Vec::new() };
        all.sender.connect(now);
        all.exchange();
        all
    }

    fn exchange(&mut self) {
        loop {
            let mut any = false;
            // As a driver does: what came in a burst is handled before anything is sent.
            any |= deliver(self.now, &mut self.sender, &mut self.receiver, &mut self.packet);
            any |= deliver(self.now, &mut self.receiver, &mut self.sender, &mut self.packet);
            if !any {
                break;
            }
        }
    }

    fn transfer(&mut self, payload: &Bytes) {
        self.now += Duration::from_micros(100);
        let message = sctp::Message { ppid: 53, payload: payload.clone() };
        self.sender.send(self.now, 1, message, sctp::SendOptions::default()).expect("there is room");
        loop {
            self.exchange();
            while self.sender.poll_event().is_some() || self.receiver.poll_event().is_some() {}
            if let Some(message) = self.receiver.read(self.now, 1) {
                black_box(message.payload.len());
                break;
            }
            // A delayed acknowledgement is due.
            self.now += Duration::from_millis(50);
            self.sender.handle_timeout(self.now);
            self.receiver.handle_timeout(self.now);
        }
    }
}

fn deliver(now: Instant, from: &mut sctp::Association, to: &mut sctp::Association, packet: &mut Vec<u8>) -> bool {
    let mut any = false;
    packet.clear();
    while from.poll_transmit(now, packet) {
        to.handle_datagram(now, packet);
        packet.clear();
        any = true;
    }
    any
}

fn sctp_transfer() -> Box<dyn FnMut()> {
    let (mut all, payload) = (Associations::new(), Bytes::from(vec![7; 64 << 10]));
    Box::new(move || all.transfer(&payload))
}

fn sctp_message() -> Box<dyn FnMut()> {
    let (mut all, payload) = (Associations::new(), Bytes::from(vec![7; 64]));
    Box::new(move || all.transfer(&payload))
}

fn sctp_parse() -> Box<dyn FnMut()> {
    let mut all = Associations::new();
    let message = sctp::Message { ppid: 53, payload: Bytes::from(vec![7; 1100]) };
    all.sender.send(all.now, 1, message, sctp::SendOptions::default()).expect("there is room");
    let mut packet = Vec::new();
    assert!(all.sender.poll_transmit(all.now, &mut packet), "there is something to send");
    Box::new(move || {
        let packet = sctp::packet::Packet::decode(black_box(&packet)).expect("it was made here");
        black_box(packet.chunks().count());
    })
}

fn rtp_packet() -> Vec<u8> {
    let mut packet = vec![0x90, 0x60, 0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 2];
    // Three extensions of one byte each in their header (RFC 8285, section 4.2).
    packet.extend([0xbe, 0xde, 0, 2, 0x10, 7, 0x31, 0, 9, 0x20, 1, 0]);
    packet.resize(1200, 7);
    packet
}

fn rtp_parse() -> Box<dyn FnMut()> {
    let packet = rtp_packet();
    Box::new(move || {
        let packet = rtp::Packet::decode(black_box(&packet)).expect("it is well made");
        black_box(packet.payload.len());
    })
}

fn srtp_packet() -> Box<dyn FnMut()> {
    let profile = srtp::Profile::from_id(7).expect("AEAD_AES_128_GCM");
    let material = vec![5; 2 * (16 + 12)];
    let (mut outbound, _) = srtp::Session::from_exporter(profile, &material, true).expect("there is enough");
    let (_, mut inbound) = srtp::Session::from_exporter(profile, &material, false).expect("there is enough");
    let (mut plain, mut sequence, mut buf) = (rtp_packet(), 0_u16, Vec::new());
    Box::new(move || {
        sequence = sequence.wrapping_add(1);
        plain[2..4].copy_from_slice(&sequence.to_be_bytes());
        buf.clear();
        buf.extend_from_slice(&plain);
        outbound.protect_rtp(&mut buf, 0).expect("it is RTP");
        black_box(inbound.unprotect_rtp(&mut buf).is_some());
    })
}
