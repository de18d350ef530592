//! Names in place of addresses, as browsers have them. All of this stays on loopback.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use visavis::{Initiator, Receiver, SessionDescription};

use crate::support::{config, recv, within};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const NAME: &str = "7a1c2d3e-0000-4000-8000-00000000face.local";

/// A responder that knows one name and tells everybody, as that of Chromium does.
fn responder() -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    socket.bind(&SocketAddr::from((GROUP, 5353)).into()).unwrap();
    let loopback = InterfaceIndexOrAddress::Address(Ipv4Addr::LOCALHOST);
    socket.join_multicast_v4_n(&GROUP, &loopback).unwrap();
    UdpSocket::from_std(socket.into()).unwrap()
}

/// A name as DNS writes it: each label behind its length.
fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

/// Answers every query for `name`, and nothing else, with 127.0.0.1.
async fn respond(socket: UdpSocket, name: &str) {
    let mut buffer = vec![0; 9000];
    let name = encoded(name);
    // Flags: a response, and authoritative. One answer: A, class IN with the cache-flush bit, for two minutes.
    let header = [0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    let record = [0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, 127, 0, 0, 1];
    let answer = [&header[..], &name, &record].concat();
    loop {
        let (len, _) = socket.recv_from(&mut buffer).await.unwrap();
        let is_query = buffer[2] & 0x80 == 0;
        if is_query && buffer[..len].windows(name.len()).any(|window| window == name) {
            socket.send_to(&answer, (GROUP, 5353)).await.unwrap();
        }
    }
}

/// The description with a name where its address was.
fn hidden(description: &SessionDescription, name: &str) -> SessionDescription {
    assert!(description.sdp.contains(" 127.0.0.1 "), "{}", description.sdp);
    let lines = description.sdp.lines().map(|line| match line.strip_prefix("a=candidate:") {
        Some(_) => format!("{}\r\n", line.replace(" 127.0.0.1 ", &format!(" {name} "))),
        None => format!("{line}\r\n"),
    });
    SessionDescription { kind: description.kind, sdp: lines.collect() }
}

/// The description as one that trickles has it before the first candidate.
fn without_candidates(description: &SessionDescription) -> SessionDescription {
    let is_candidate = |line: &&str| line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates");
    let lines = description.sdp.lines().filter(|line| !is_candidate(line));
    SessionDescription { kind: description.kind, sdp: lines.map(|line| format!("{line}\r\n")).collect() }
}

#[tokio::test]
async fn a_name_is_looked_up_and_leads_to_the_peer() {
    let responder = responder();
    let answering = tokio::spawn(respond(responder, NAME));
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    let answer = within(receiver.process_offer(hidden(&offer, NAME))).await.unwrap();
    // The initiator learns of no address, so only what the receiver looks up can connect them.
    within(initiator.process_answer(without_candidates(&answer))).await.unwrap();
    let channel = initiator.peer_connection().data_channel("channel").unwrap();
    within(channel.send("found")).await.unwrap();
    let there = within(receiver.peer_connection().accept_data_channel()).await.unwrap();
    assert_eq!(recv(&there).await.as_text(), Some("found"));
    answering.abort();
}

#[tokio::test]
async fn a_name_that_nobody_knows_does_no_harm() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    let unknown = hidden(&offer, "00000000-0000-4000-8000-0000deadbeef.local");
    let answer = within(receiver.process_offer(unknown)).await.unwrap();
    // The receiver's own address leads the initiator to it, and its checks show where they come from.
    within(initiator.process_answer(answer)).await.unwrap();
    let channel = initiator.peer_connection().data_channel("channel").unwrap();
    within(channel.send("nevertheless")).await.unwrap();
    let there = within(receiver.peer_connection().accept_data_channel()).await.unwrap();
    assert_eq!(recv(&there).await.as_text(), Some("nevertheless"));
}
