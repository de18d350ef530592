//! Ends: asked for, by the peer, in mid-transfer, and on a dead path.

use std::time::Duration;

use sim::{Link, seeds};
use visavis_session::datachannel::Message;
use visavis_session::{ConnectionState, Ended, Event, SignalingState, dtls};

use crate::common::{A, PATIENCE, World, address, config, pattern};

#[test]
fn close_delivers_what_was_accepted() {
    for seed in seeds(30) {
        let link = Link { loss: 0.03, ..Link::delay(Duration::from_millis(20)) };
        let patient = |side| {
            let mut config = config(side);
            config.close_timeout = PATIENCE;
            config
        };
        let mut world = World::with(seed, link, patient(0), patient(1));
        let (a, b) = (world.a, world.b);
        let (here, there) = world.connect();
        for number in 0..50 {
            world.send(a, here, Message::binary(pattern(number, 4000)));
        }
        world.on(a, |now, host| host.session.close(now));
        world.network.expect("the end", PATIENCE, |network| network.get(a).session.is_closed());
        world.network.expect("all messages", PATIENCE, |network| network.get(b).messages() == 50);
        assert_eq!(world.host(b).received[&there].last().unwrap().payload, pattern(49, 4000));
        assert_eq!(world.host(a).session.signaling_state(), SignalingState::Closed);
        assert_eq!(world.host(a).session.connection_state(), ConnectionState::Closed);
    }
}

#[test]
fn both_sides_end_and_fall_silent() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(20)));
    let (a, b) = (world.a, world.b);
    let (here, there) = world.connect();
    world.on(a, |now, host| host.session.close(now));
    world.network.expect("both ends", PATIENCE, |network| {
        network.get(a).session.is_closed() && network.get(b).session.is_closed()
    });
    assert!(world.host(b).closed.contains(&there), "the peer's channel closes");
    assert_eq!(world.host(a).closed, [here]);
    let ended = |event: &Event| matches!(event, Event::Ended(Ended::Dtls(dtls::Error::PeerClosed)));
    assert!(world.host(b).events.iter().any(ended), "the peer hears why");
    world.network.run_for(Duration::from_secs(1));
    world.network.expect_quiet(Duration::from_secs(600));
}

#[test]
fn an_abort_is_told_at_once() {
    let mut world = World::new(2, Link::delay(Duration::from_millis(20)));
    let (a, b) = (world.a, world.b);
    world.connect();
    world.on(a, |now, host| host.session.abort(now));
    assert!(world.host(a).session.is_closed());
    world.network.expect("the end", Duration::from_millis(50), |network| network.get(b).session.is_closed());
}

#[test]
fn a_lost_goodbye_leaves_the_end_of_sctp_to_be_heard() {
    // Whatever is lost at the end, SCTP's own shutdown has told the peer that all is over.
    for seed in seeds(50) {
        let mut world = World::new(seed, Link { loss: 0.05, ..Link::delay(Duration::from_millis(20)) });
        let (a, b) = (world.a, world.b);
        let (_, there) = world.connect();
        world.on(a, |now, host| host.session.close(now));
        world.network.expect("the channel's end", PATIENCE, |network| network.get(b).closed.contains(&there));
    }
}

#[test]
fn closing_on_a_dead_path_ends_at_its_deadline() {
    let mut world = World::new(3, Link::delay(Duration::from_millis(20)));
    let a = world.a;
    let (here, _) = world.connect();
    let dead = Link { loss: 1.0, ..Link::default() };
    world.network.set_links(a, address(A).ip(), dead, dead);
    world.send(a, here, Message::text("lost"));
    world.on(a, |now, host| host.session.close(now));
    assert!(!world.host(a).session.is_closed(), "there is something to deliver");
    world.network.expect("the deadline", Duration::from_secs(6), |network| network.get(a).session.is_closed());
    assert_eq!(world.host(a).closed, [here], "the channel ends with the session");
}

#[test]
fn a_silent_peer_is_noticed_within_the_consent_time() {
    let mut world = World::new(4, Link::delay(Duration::from_millis(20)));
    let (a, b) = (world.a, world.b);
    world.connect();
    let dead = Link { loss: 1.0, ..Link::default() };
    world.network.set_links(b, address(crate::common::B).ip(), dead, dead);
    let state = |network: &sim::Network<crate::common::Host>| network.get(a).session.connection_state();
    world
        .network
        .expect("silence noticed", Duration::from_secs(15), |network| state(network) == ConnectionState::Disconnected);
    world.network.expect("consent gone", Duration::from_secs(31), |network| state(network) == ConnectionState::Failed);
}
