//! Strangers, thieves of addresses, replays and floods change nothing but counters.

use crate::script::Script;
use crate::world::{World, address};
use ice::{Config, ConnectionState, Role};
use sim::{Link, Verdict};
use std::time::Duration;
use stun::{Attribute, Builder, Class, Method, TransactionId};
use visavis_ice as ice;

fn codes(script: &mut Script) -> Vec<Option<u16>> {
    script.sent().into_iter().map(|sent| sent.code).collect()
}

#[test]
fn wrong_credentials_are_refused_and_teach_nothing() {
    let mut script = Script::new(Config::default());
    let ours = script.agent.local_credentials().clone();
    let good = format!("{}:{}", ours.ufrag, script.peer.ufrag);
    let wrong_password = script.check_with(&good, "another-password-of-some-length", &[]);
    let wrong_name = script.check_with("else:peer", &ours.pwd, &[]);
    let no_colon = script.check_with(&ours.ufrag, &ours.pwd, &[]);
    for check in [wrong_password, wrong_name, no_colon] {
        script.feed(&check);
        assert_eq!(codes(&mut script), [Some(401)]);
    }
    assert!(!script.agent.is_valid(script.route()));
    assert_eq!(script.agent.stats().pairs, []);
    assert_eq!(script.agent.stats().totals.checks_received, 0);
    let drops = script.agent.stats().drops;
    assert_eq!((drops.integrity, drops.username), (1, 2));
}

#[test]
fn a_request_without_credentials_is_bad_and_never_amplified() {
    let mut script = Script::new(Config::default());
    let mut bare = Vec::new();
    Builder::new(&mut bare, Class::Request, Method::BINDING, TransactionId([1; 12])).fingerprint();
    script.feed(&bare);
    assert_eq!(script.sent(), [], "the refusal would be longer than the request");
    assert_eq!(script.agent.stats().drops.unanswered, 1);
    let mut request = Vec::new();
    let mut builder = Builder::new(&mut request, Class::Request, Method::BINDING, TransactionId([2; 12]));
    builder.attribute(&Attribute::Priority(1)).attribute(&Attribute::IceControlled(1));
    builder.fingerprint();
    script.feed(&request);
    let [refusal] = <[_; 1]>::try_from(script.sent()).expect("one refusal");
    assert_eq!(refusal.code, Some(400));
    assert!(refusal.length <= request.len());
}

#[test]
fn no_answer_is_longer_than_what_it_answers() {
    let mut script = Script::new(Config::default());
    let good = script.check(&[Attribute::IceControlled(1)]);
    let conflict = script.check(&[Attribute::IceControlling(0)]);
    let unknown = script.check(&[Attribute::Unknown { kind: 0x7777, value: b"" }]);
    for request in [good, conflict, unknown] {
        script.feed(&request);
        let answer = script.sent().into_iter().find(|sent| sent.class != Class::Request).expect("an answer");
        assert!(answer.length <= request.len(), "{answer:?}");
    }
}

#[test]
fn what_must_be_understood_and_is_not_is_named() {
    let mut script = Script::new(Config::default());
    let unknown = [0x7771, 0x7772].map(|kind| Attribute::Unknown { kind, value: b"what" });
    let check = script.check(&unknown);
    script.feed(&check);
    let [refusal] = <[_; 1]>::try_from(script.sent()).expect("one refusal");
    assert_eq!((refusal.code, refusal.unknown), (Some(420), vec![0x7771, 0x7772]));
    assert!(!script.agent.is_valid(script.route()));
}

#[test]
fn every_flipped_bit_of_a_check_is_noticed() {
    let mut script = Script::new(Config::default());
    let check = script.check(&[Attribute::IceControlled(1)]);
    for place in 0..check.len() * 8 {
        let mut flipped = check.clone();
        flipped[place / 8] ^= 1 << (place % 8);
        script.feed(&flipped);
        assert!(!script.agent.is_valid(script.route()), "bit {place}");
        script.sent();
    }
    assert_eq!(script.agent.stats().pairs, []);
    assert_eq!(script.agent.state(), ConnectionState::Checking);
}

#[test]
fn every_flipped_bit_of_an_answer_is_noticed() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    let line = "candidate:1 1 udp 9 198.51.100.2 2000 typ host";
    script.agent.add_remote_candidate(now, line.parse().expect(line));
    let check = script.sent_check();
    let answer = script.answer(&check);
    for place in 0..answer.len() * 8 {
        let mut flipped = answer.clone();
        flipped[place / 8] ^= 1 << (place % 8);
        script.feed(&flipped);
        assert_eq!(script.agent.route(), None, "bit {place}");
    }
    script.feed(&answer);
    assert_eq!(script.agent.route(), Some(script.route()));
}

#[test]
fn an_answer_from_elsewhere_makes_no_way_there() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    let line = "candidate:1 1 udp 9 198.51.100.2 2000 typ host";
    script.agent.add_remote_candidate(now, line.parse().expect(line));
    let check = script.sent_check();
    let answer = script.answer(&check);
    let thief = address("203.0.113.66:6666");
    script.feed_from(thief, &answer);
    assert_eq!(script.agent.route(), None);
    assert!(!script.agent.is_valid(ice::Route { local: script.local, remote: thief }));
    assert_eq!(script.agent.stats().drops.asymmetric, 1);
}

#[test]
fn replayed_answers_mean_nothing() {
    let mut script = Script::new(Config::default());
    let check = script.check(&[Attribute::IceControlled(1)]);
    script.feed(&check);
    let check = script.sent_check();
    let answer = script.answer(&check);
    script.feed(&answer);
    let rtt = script.agent.rtt();
    script.now += Duration::from_secs(1);
    for _ in 0..100 {
        script.feed(&answer);
    }
    assert_eq!(script.agent.rtt(), rtt);
    assert_eq!(script.agent.stats().drops.unknown_transaction, 100);
}

#[test]
fn replayed_consent_keeps_nothing_alive() {
    let mut script = Script::new(Config::default());
    script.connect();
    script.sent();
    let mut answer = Vec::new();
    for round in 0..400 {
        for sent in script.wait(Duration::from_millis(100)) {
            if round < 100 {
                answer = script.answer(&sent);
            }
        }
        if !answer.is_empty() {
            script.feed(&answer.clone());
        }
    }
    assert_eq!(script.agent.route(), None, "thirty seconds after the last fresh answer");
}

#[test]
fn a_wrong_address_in_an_answer_only_names_a_candidate() {
    let mut script = Script::new(Config { max_local_candidates: 4, ..Config::default() });
    for port in 1..50_u16 {
        let remote = address(&format!("198.51.100.2:{port}"));
        let check = script.check(&[Attribute::IceControlled(1)]);
        script.feed_from(remote, &check);
        for sent in script.wait(Duration::from_millis(50)) {
            if sent.class == Class::Request {
                let answer = script.answer_with(&sent, &script.peer.pwd, address(&format!("203.0.113.9:{port}")));
                script.feed_from(sent.route.remote, &answer);
            }
        }
    }
    assert!(script.agent.selected().is_some());
}

#[test]
fn floods_of_candidates_and_checks_stay_within_bounds() {
    let config = Config { max_pairs: 20, max_remote_candidates: 30, max_peer_reflexive: 10, ..Config::default() };
    let mut script = Script::new(config);
    let now = script.now;
    for port in 1..2000 {
        let line = format!("candidate:{port} 1 udp {port} 198.51.100.3 {port} typ host");
        script.agent.add_remote_candidate(now, line.parse().expect("a candidate"));
        let line = format!("candidate:{port} 1 udp {port} name-{port}.local {port} typ host");
        script.agent.add_remote_candidate(now, line.parse().expect("a candidate"));
        let check = script.check(&[Attribute::IceControlled(1)]);
        script.feed_from(address(&format!("198.51.100.4:{port}")), &check);
    }
    let stats = script.agent.stats();
    assert!(stats.pairs.len() <= 20);
    assert!(stats.totals.candidates_refused > 1000);
    assert!(stats.totals.outgoing_overflows > 1000);
    // Nobody polled: what waits is bounded too.
    assert!(script.events().len() <= 256);
    assert!(script.sent().len() <= 128);
    // What a second of work is, is bounded by pacing: 20 ordinary and 200 triggered checks, and their retransmissions.
    let sent = script.wait(Duration::from_secs(1)).len();
    assert!(sent <= 300, "{sent} datagrams in a second");
}

#[test]
fn a_storm_of_checks_on_one_pair_draws_few_of_our_own() {
    let mut script = Script::new(Config::default());
    let mut requests = 0;
    for _ in 0..1000 {
        let check = script.check(&[Attribute::IceControlled(1)]);
        script.feed(&check);
        requests += script.wait(Duration::from_millis(1)).iter().filter(|sent| sent.class == Class::Request).count();
    }
    assert!(requests <= 6, "{requests} checks in a second, none of which was answered");
}

#[test]
fn datagrams_to_no_host_of_ours_are_dropped() {
    let mut script = Script::new(Config::default());
    let check = script.check(&[Attribute::IceControlled(1)]);
    script.agent.handle_datagram(script.now, address("192.0.2.99:1"), script.remote, &mut check.clone());
    assert_eq!(script.sent(), []);
    assert_eq!(script.agent.stats().drops.unknown_local, 1);
}

#[test]
fn a_third_party_cannot_take_part() {
    for seed in sim::seeds(20) {
        let mut world = World::new(seed, Link::delay(Duration::from_millis(5)));
        // Copies of everything, from another address.
        let thief = address("203.0.113.66:6666");
        let (sender, copies) = std::sync::mpsc::channel();
        world.net.intercept(move |_, _, to, datagram| {
            sender.send((to, datagram.clone())).expect("the test listens");
            Verdict::Pass
        });
        let zone = world.net.internet();
        world.signal();
        for _ in 0..40 {
            world.run_for(Duration::from_millis(7));
            for (to, datagram) in copies.try_iter() {
                world.net.inject(zone, thief, to, &datagram);
            }
        }
        world.expect_connected();
        for node in [world.a, world.b] {
            let route = world.agent(node).route().expect("a route");
            assert_ne!(route.remote, thief, "seed {seed}");
        }
    }
}

#[test]
fn after_close_there_is_nothing() {
    let mut script = Script::new(Config { role: Role::Controlled, ..Config::default() });
    script.connect();
    script.agent.close();
    script.agent.close();
    assert_eq!(script.events().len(), 1, "one last event");
    let check = script.check(&[Attribute::IceControlling(1)]);
    script.feed(&check);
    let now = script.now;
    script.agent.add_stun_server(now, address("198.51.100.9:3478"));
    assert!(!script.agent.add_host(now, address("192.0.2.77:1")));
    let peer = script.peer.clone();
    script.agent.set_remote(now, peer.clone(), false);
    script.agent.restart(now, peer);
    script.agent.end_of_hosts(now);
    assert_eq!(script.wait(Duration::from_secs(100)), []);
    assert_eq!(script.events(), []);
    assert_eq!(script.agent.state(), ConnectionState::Closed);
    assert!(!script.agent.is_valid(script.route()));
}
