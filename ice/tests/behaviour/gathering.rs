//! Local candidates: hosts, and what STUN servers say.

use crate::script::Script;
use crate::world::{LONG, World, address};
use ice::{CandidateKind, Config, Event, GatheringState};
use sim::{Link, Nat, Network};
use std::time::Duration;
use stun::{Attribute, Builder, Class, Method};
use visavis_ice as ice;

fn states(events: &[Event]) -> Vec<GatheringState> {
    let state = |event: &Event| if let Event::GatheringState(state) = event { Some(*state) } else { None };
    events.iter().filter_map(state).collect()
}

#[test]
fn without_servers_gathering_ends_with_the_hosts() {
    let mut script = Script::unintroduced(Config::default());
    let now = script.now;
    assert!(script.agent.add_host(now, address("[2001:db8::1]:1000")));
    script.agent.end_of_hosts(now);
    let events = script.events();
    assert_eq!(states(&events), [GatheringState::Gathering, GatheringState::Complete]);
    let found: Vec<_> =
        events.iter().filter_map(|event| if let Event::Candidate(it) = event { Some(it) } else { None }).collect();
    assert_eq!(found.len(), 2);
    // The dual-stack order of RFC 8421: the first of IPv6 before the first of IPv4.
    assert!(found[1].priority > found[0].priority);
    assert!(found.iter().all(|candidate| candidate.ufrag.as_ref() == Some(&script.agent.local_credentials().ufrag)));
    assert_eq!(script.agent.poll_timeout(), None, "idle");
}

#[test]
fn addresses_that_are_nobodys_are_refused() {
    let mut script = Script::unintroduced(Config { max_hosts: 2, ..Config::default() });
    let now = script.now;
    for wrong in ["0.0.0.0:1", "[::]:1", "192.0.2.7:0", "224.0.0.251:5353", "192.0.2.1:1000"] {
        assert!(!script.agent.add_host(now, address(wrong)), "{wrong}");
    }
    assert!(script.agent.add_host(now, address("192.0.2.7:1")));
    assert!(!script.agent.add_host(now, address("192.0.2.8:1")), "two are the bound");
}

#[test]
fn several_servers_that_agree_give_one_candidate() {
    let mut net = Network::new(1);
    let internet = net.internet();
    let (_, home) = net.nat(internet, Nat::port_restricted("203.0.113.1"));
    let a = (Config::default(), home, &["192.168.0.2:5000", "192.168.0.2:5001"][..1]);
    let mut world = World::with(net, 1, Link::delay(Duration::from_millis(5)), a, (Config::default(), internet, &[]));
    for ip in ["198.51.100.9", "198.51.100.10", "198.51.100.11"] {
        let server = world.add_server(ip);
        let a = world.a;
        world.command(a, |agent, now| agent.add_stun_server(now, server));
        world.command(a, |agent, now| agent.add_stun_server(now, server)); // twice is once
    }
    let a = world.a;
    world.command(a, |agent, now| agent.end_of_hosts(now));
    world.expect("the end of gathering", LONG, |world| world.agent(a).gathering_state() == GatheringState::Complete);
    let found = world.peer(a).local_candidates();
    let [host, reflexive] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((host.kind, reflexive.kind), (CandidateKind::Host, CandidateKind::ServerReflexive));
    assert_eq!(reflexive.address.ip().map(|address| address.ip()), "203.0.113.1".parse().ok());
    assert_eq!(reflexive.related, Some(address("192.168.0.2:5000")));
    assert!(world.net.elapsed() < Duration::from_millis(200), "paced, and in parallel");
}

#[test]
fn without_a_nat_the_reflexive_candidate_is_redundant() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(5)));
    let server = world.add_server("198.51.100.9");
    let a = world.a;
    world.command(a, |agent, now| agent.add_stun_server(now, server));
    world.command(a, |agent, now| agent.end_of_hosts(now));
    world.expect("the end of gathering", LONG, |world| world.agent(a).gathering_state() == GatheringState::Complete);
    assert_eq!(world.peer(a).local_candidates().len(), 1);
}

#[test]
fn a_server_that_refuses_is_an_error_with_its_code() {
    let mut script = Script::unintroduced(Config::default());
    let (now, server) = (script.now, address("198.51.100.9:3478"));
    script.agent.add_stun_server(now, server);
    script.agent.end_of_hosts(now);
    let query = script.sent_check();
    assert_eq!((query.route.remote, query.username.as_ref()), (server, None));
    let mut refusal = Vec::new();
    let mut builder = Builder::new(&mut refusal, Class::Error, Method::BINDING, query.id);
    builder.attribute(&Attribute::ErrorCode(stun::ErrorCode::new(500, "Server Error")));
    builder.fingerprint();
    // From elsewhere it means nothing.
    script.feed_from(address("198.51.100.66:3478"), &refusal);
    assert_eq!(script.agent.gathering_state(), GatheringState::Gathering);
    script.feed_from(server, &refusal);
    assert_eq!(script.agent.gathering_state(), GatheringState::Complete);
    let is_error =
        |event: &Event| matches!(event, Event::GatheringError { code: 500, reason, .. } if reason == "Server Error");
    assert!(script.events().iter().any(is_error));
}

#[test]
fn queries_and_checks_take_turns() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    for port in 1..=6 {
        script.agent.add_stun_server(now, address(&format!("198.51.100.9:{port}")));
        let line = format!("candidate:{port} 1 udp {port} 198.51.100.3 {port} typ host");
        script.agent.add_remote_candidate(now, line.parse().expect("a candidate"));
    }
    let sent = script.wait(Duration::from_millis(7 * 50));
    let is_check: Vec<bool> = sent.iter().map(|sent| sent.username.is_some()).take(4).collect();
    assert_eq!(is_check, [false, true, false, true]);
}

#[test]
fn no_setting_leads_beyond_the_end_of_time() {
    let (never, none) = (Duration::MAX, Duration::ZERO);
    for time in [never, none] {
        let config = Config {
            pacing: time,
            triggered_pacing: time,
            initial_rto: time,
            min_rto: time,
            patience: time,
            nomination_patience: time,
            max_nomination_patience: time,
            consent_interval: time,
            disconnected_after: time,
            consent_expiry: time,
            gathering_timeout: time,
            keepalive_interval: time,
            ..Config::default()
        };
        let mut script = Script::new(config);
        let now = script.now;
        script.agent.add_stun_server(now, address("198.51.100.9:1"));
        let check = script.check(&[Attribute::IceControlled(1)]);
        script.feed(&check);
        script.wait(Duration::from_secs(1000));
    }
}

#[test]
fn bindings_are_kept_alive_until_a_pair_is_selected() {
    let mut script = Script::unintroduced(Config::default());
    let (now, server) = (script.now, address("198.51.100.9:3478"));
    script.agent.add_stun_server(now, server);
    script.agent.end_of_hosts(now);
    let mut refreshes = 0;
    for _ in 0..600 {
        for query in script.wait(Duration::from_millis(100)) {
            refreshes += 1;
            let mut response = Vec::new();
            let mut builder = Builder::new(&mut response, Class::Success, Method::BINDING, query.id);
            builder.attribute(&Attribute::XorMappedAddress(address("203.0.113.1:7777")));
            builder.fingerprint();
            script.feed_from(server, &response);
        }
    }
    assert_eq!(refreshes, 4, "at the start, and every fifteen seconds");
}

#[test]
fn an_interface_that_goes_takes_its_pairs_along_and_another_takes_over() {
    let net = Network::new(1);
    let zone = net.internet();
    let link = Link::delay(Duration::from_millis(5));
    let controlled = Config { role: ice::Role::Controlled, ..Config::default() };
    let a = (Config::default(), zone, &["192.0.2.1:1000", "192.0.2.8:1008"][..]);
    let mut world = World::with(net, 1, link, a, (controlled, zone, &["198.51.100.2:2000"]));
    world.signal();
    world.expect_connected();
    world.run_for(Duration::from_secs(2));
    let (a, gone) = (world.a, world.agent(world.a).route().expect("a route").local);
    world.net.detach(a, gone.ip());
    world.command(a, |agent, now| agent.remove_host(now, gone));
    world.expect("another way", Duration::from_secs(2), |world| {
        world.agent(a).route().is_some() && world.agent(world.b).route().is_some_and(|route| route.remote != gone)
    });
    world.expect_data();
}
