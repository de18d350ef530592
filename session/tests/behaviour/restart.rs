//! ICE restarts while data flows.

use std::time::Duration;

use sim::Link;
use visavis_session::datachannel::Message;
use visavis_session::{Event, OfferOptions};

use crate::common::{A, PATIENCE, World, address, pattern};

#[test]
fn a_restart_interrupts_nothing() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(20)));
    let (a, b) = (world.a, world.b);
    let (here, there) = world.connect();
    let ufrag = |world: &World| {
        let sdp = world.host(a).session.local_description().unwrap().sdp;
        sdp.lines().find(|line| line.starts_with("a=ice-ufrag:")).unwrap().to_owned()
    };
    let before = ufrag(&world);
    for number in 0..100 {
        world.send(a, here, Message::binary(pattern(number, 10_000)));
    }
    world.on(a, |now, host| host.session.restart_ice(now));
    assert!(world.host(a).events.iter().any(|event| matches!(event, Event::NegotiationNeeded)));
    world.negotiate(a, b);
    assert_ne!(before, ufrag(&world), "a restart has new credentials");
    world.network.expect("all messages", PATIENCE, |network| network.get(b).messages() == 100);
    assert_eq!(world.host(b).received[&there].last().unwrap().payload, pattern(99, 10_000));
    assert!(world.host(a).closed.is_empty() && world.host(b).closed.is_empty());
}

#[test]
fn a_restart_moves_the_connection_to_a_new_address() {
    let mut world = World::new(2, Link::delay(Duration::from_millis(20)));
    let (a, b) = (world.a, world.b);
    let (here, _) = world.connect();
    let internet = world.network.internet();
    let moved = "192.0.2.77:1077";
    world.network.detach(a, address(A).ip());
    let link = Link::delay(Duration::from_millis(30));
    world.network.attach(a, internet, address(moved).ip(), link, link);
    world.on(a, |now, host| {
        host.session.remove_host(now, address(A));
        host.session.add_host(now, address(moved));
        host.session.end_of_hosts(now);
        let offer = host.session.create_offer(now, OfferOptions { ice_restart: true }).unwrap();
        host.session.set_local_description(now, offer).unwrap();
    });
    let offer = world.host(a).session.local_description().unwrap();
    assert!(offer.sdp.contains("192.0.2.77") && !offer.sdp.contains("192.0.2.1 "), "{}", offer.sdp);
    let answer = world.answer(b, offer);
    world.accept(a, answer);
    world.send(a, here, Message::text("from elsewhere"));
    world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 1);
}

#[test]
fn a_restart_after_failure_revives_the_connection() {
    let mut world = World::new(3, Link::delay(Duration::from_millis(20)));
    let (a, b) = (world.a, world.b);
    let (here, _) = world.connect();
    let dead = Link { loss: 1.0, ..Link::default() };
    world.network.set_links(a, address(A).ip(), dead, dead);
    world.network.expect("failure", Duration::from_secs(60), |network| {
        network.get(a).session.connection_state() == visavis_session::ConnectionState::Failed
    });
    let alive = Link::delay(Duration::from_millis(20));
    world.network.set_links(a, address(A).ip(), alive, alive);
    world.on(a, |now, host| host.session.restart_ice(now));
    world.negotiate(a, b);
    world.send(a, here, Message::text("back again"));
    world.network.expect("the message", PATIENCE, |network| network.get(b).messages() == 1);
    assert!(world.host(a).is_connected());
}
