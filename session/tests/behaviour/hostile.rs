//! Peers and strangers who do not play by the rules.

use std::sync::mpsc;
use std::time::Duration;

use sim::{Link, Verdict};
use visavis_session::datachannel::Message;
use visavis_session::{ConnectionState, SessionDescription, dtls};

use crate::common::{A, B, PATIENCE, World, address, config};

#[test]
fn a_wrong_fingerprint_never_opens_a_channel() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(5)));
    let (a, b) = (world.a, world.b);
    world.open(a, "channel");
    let offer = world.offer(a);
    let answer = world.answer(b, offer);
    // The certificate of somebody else: that of `a` itself.
    let own = config(0).identity.fingerprint(dtls::HashAlgorithm::Sha256).to_string();
    let line = answer.sdp.lines().find(|line| line.starts_with("a=fingerprint:")).unwrap();
    let forged = answer.sdp.replace(line, &format!("a=fingerprint:{own}"));
    world.accept(a, SessionDescription::answer(forged));
    world.network.run_for(PATIENCE);
    for node in [a, b] {
        assert!(world.host(node).open.is_empty(), "no channel may open");
        let state = world.host(node).session.connection_state();
        assert!(matches!(state, ConnectionState::Failed | ConnectionState::Closed), "{state}");
    }
    world.network.expect_quiet(Duration::from_secs(60));
}

#[test]
fn dtls_and_sctp_from_a_stranger_are_ignored() {
    let mut world = World::new(2, Link::delay(Duration::from_millis(5)));
    let (a, b) = (world.a, world.b);
    let internet = world.network.internet();
    let (here, _) = world.connect();
    // A ClientHello's header, an SCTP INIT, RTP, and noise, from an address that passed no check.
    let datagrams: [&[u8]; 4] = [
        &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0],
        &[0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20],
        &[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        &[255; 40],
    ];
    let before = world.host(b).session.stats().transport.unchecked_dropped;
    for datagram in datagrams {
        world.network.inject(internet, address("198.51.100.66:6666"), address(B), datagram);
    }
    world.network.run_for(Duration::from_secs(1));
    assert_eq!(world.host(b).session.stats().transport.unchecked_dropped, before + 2);
    world.send(a, here, Message::text("still here"));
    world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 1);
}

#[test]
fn a_flipped_byte_changes_nothing_but_counters() {
    // One byte of every datagram's copy is flipped, at a place that wanders; the original follows. So every packet of
    // checks, handshakes and data is met by a forgery of itself.
    for step in 0..24_usize {
        let mut world = World::new(step as u64, Link::delay(Duration::from_millis(5)));
        let (a, b) = (world.a, world.b);
        let mut number = step;
        let internet = world.network.internet();
        let (forge, forged) = mpsc::channel();
        world.network.intercept(move |_, source, destination, datagram| {
            let mut copy = datagram.clone();
            let place = number * 37 % copy.len().max(1);
            if let Some(byte) = copy.get_mut(place) {
                *byte ^= 1 << (number % 8);
            }
            number += 1;
            forge.send((source, destination, copy)).unwrap();
            Verdict::Pass
        });
        let here = world.open(a, "channel");
        world.negotiate(a, b);
        // The forgeries go onto the wire between the steps of the simulation.
        world.network.expect("open channels", PATIENCE, |network| {
            for (source, destination, copy) in forged.try_iter() {
                // Plaintext handshake messages carry no authentication of their own: a forgery of those may end the
                // handshake, as on any network. Everything else must not even be noticed.
                if copy.first() != Some(&22) || copy.get(3..5) != Some(&[0, 0]) {
                    network.inject(internet, source, destination, &copy);
                }
            }
            network.get(a).open.len() == 1 && network.get(b).open.len() == 1
        });
        for number in 0..20 {
            world.send(a, here, Message::binary(vec![number; 3000]));
        }
        world.network.expect("all messages", PATIENCE, |network| {
            for (source, destination, copy) in forged.try_iter() {
                network.inject(internet, source, destination, &copy);
            }
            network.get(b).messages() == 20
        });
        let there = world.host(b).open[0];
        for (number, message) in world.host(b).received[&there].iter().enumerate() {
            assert_eq!(message.payload, vec![number as u8; 3000]);
        }
        assert!(world.host(a).is_connected() && world.host(b).is_connected());
    }
}

#[test]
fn noise_before_the_descriptions_costs_nothing() {
    let mut world = World::new(3, Link::delay(Duration::from_millis(5)));
    let b = world.b;
    let internet = world.network.internet();
    for number in 0..10_000_u32 {
        let mut datagram = vec![20 + (number % 44) as u8; 1200];
        datagram[1..5].copy_from_slice(&number.to_be_bytes());
        world.network.inject(internet, address(A), address(B), &datagram);
    }
    world.network.run_for(Duration::from_secs(1));
    assert_eq!(world.host(b).session.stats().transport.unchecked_dropped, 10_000);
    world.connect();
}
