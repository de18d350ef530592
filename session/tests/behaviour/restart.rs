//! ICE restarts while data flows.

use std::time::Duration;

use sim::Link;
use visavis_session::datachannel::Message;
use visavis_session::{Event, OfferOptions};

use crate::common::{A, PATIENCE, World, address, config, pattern};

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

/// Cuts `a` off the network, or connects it again.
fn set_cut(world: &mut World, is_cut: bool) {
    let alive = Link::delay(Duration::from_millis(20));
    let link = if is_cut { Link { loss: 1.0, ..alive } } else { alive };
    let a = world.a;
    world.network.set_links(a, address(A).ip(), link, link);
}

#[test]
fn a_restart_after_minutes_delivers_what_was_in_flight() {
    let mut world = World::new(4, Link::delay(Duration::from_millis(20)));
    let (a, b) = (world.a, world.b);
    let (here, there) = world.connect();
    for number in 0..20 {
        world.send(a, here, Message::binary(pattern(number, 10_000)));
        world.send(b, there, Message::binary(pattern(number, 1000)));
    }
    world.network.run_for(Duration::from_millis(30));
    set_cut(&mut world, true);
    world.network.run_for(Duration::from_secs(300));
    set_cut(&mut world, false);
    world.on(a, |now, host| host.session.restart_ice(now));
    world.negotiate(a, b);
    world.network.expect("a new pair", Duration::from_secs(2), |network| network.get(a).is_connected());
    // 200 kB from an initial window take six round trips of 80 ms; half a second is left for losses to be seen.
    world.network.expect("all messages", Duration::from_secs(1), |network| {
        network.get(b).messages() == 20 && network.get(a).messages() == 20
    });
    for host in [world.host(a), world.host(b)] {
        assert!(host.closed.is_empty(), "{:?}", host.events);
    }
}

#[test]
fn an_idle_connection_outlives_minutes_without_a_path() {
    let mut world = World::new(5, Link::delay(Duration::from_millis(20)));
    let (a, b) = (world.a, world.b);
    let (_, there) = world.connect();
    set_cut(&mut world, true);
    world.network.run_for(Duration::from_secs(600));
    set_cut(&mut world, false);
    world.on(b, |now, host| host.session.restart_ice(now));
    world.negotiate(b, a);
    world.network.expect("a new pair", Duration::from_secs(2), |network| network.get(b).is_connected());
    world.send(b, there, Message::text("still here"));
    world.network.expect("the message", Duration::from_secs(1), |network| network.get(a).messages() == 1);
}

#[test]
fn a_path_that_returns_is_used_at_once() {
    // Longer than the silence, so that the same pair may be used again.
    let [mut one, mut other] = [config(0), config(1)];
    one.ice.consent_expiry = Duration::from_secs(60);
    other.ice.consent_expiry = Duration::from_secs(60);
    let mut world = World::with(6, Link::delay(Duration::from_millis(20)), one, other);
    let (a, b) = (world.a, world.b);
    let (here, _) = world.connect();
    set_cut(&mut world, true);
    for number in 0..20 {
        world.send(a, here, Message::binary(pattern(number, 10_000)));
    }
    world.network.run_for(Duration::from_secs(40));
    assert!(!world.host(a).is_connected(), "the silence was noticed");
    set_cut(&mut world, false);
    world.network.expect("the path", Duration::from_secs(7), |network| network.get(a).is_connected());
    world.network.expect("all messages", Duration::from_secs(1), |network| network.get(b).messages() == 20);
    assert!(world.host(a).closed.is_empty() && world.host(b).closed.is_empty());
}
