//! Real sockets through a relay.

use std::net::UdpSocket;
use std::time::Duration;

use visavis_relay::{Path, Relay};

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a port");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
    socket
}

#[test]
fn datagrams_of_any_size_pass_both_ways_unchanged() {
    let (caller, called) = (socket(), socket());
    let relay = Relay::start(called.local_addr().unwrap(), Path::default(), 1).unwrap();
    let mut buf = vec![0; 65_536];
    for size in [1, 0, 1200, 1200, 1200, 700, 9_000, 60_000] {
        let datagram: Vec<u8> = (0..size).map(|place| place as u8).collect();
        caller.send_to(&datagram, relay.address()).unwrap();
        let (length, from) = called.recv_from(&mut buf).unwrap();
        assert_eq!(buf[..length], datagram);
        called.send_to(&datagram, from).unwrap();
        assert_eq!(caller.recv_from(&mut buf).unwrap(), (size, relay.address()));
        assert_eq!(buf[..size], datagram);
    }
}

#[test]
fn answers_go_to_whoever_called_last() {
    let (first, second, called) = (socket(), socket(), socket());
    let relay = Relay::start(called.local_addr().unwrap(), Path::default(), 1).unwrap();
    let mut buf = [0; 16];
    first.send_to(b"one", relay.address()).unwrap();
    let (_, from) = called.recv_from(&mut buf).unwrap();
    second.send_to(b"two", relay.address()).unwrap();
    called.recv_from(&mut buf).unwrap();
    called.send_to(b"answer", from).unwrap();
    assert_eq!(second.recv(&mut buf).unwrap(), 6);
}

#[test]
fn the_path_changes_under_way_and_what_happens_is_counted() {
    let (caller, called) = (socket(), socket());
    let lossy = Path { loss: 1.0, ..Path::default() };
    let relay = Relay::start(called.local_addr().unwrap(), lossy, 1).unwrap();
    caller.send_to(b"lost", relay.address()).unwrap();
    while relay.counters().0.received == 0 {
        std::thread::yield_now();
    }
    relay.set_path(Path::default());
    caller.send_to(b"arrives", relay.address()).unwrap();
    let mut buf = [0; 16];
    assert_eq!(called.recv(&mut buf).unwrap(), 7);
    let (inward, outward) = relay.counters();
    assert_eq!((inward.received, inward.lost, outward.received), (2, 1, 0));
}
