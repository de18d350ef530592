//! Credentials and candidates in any order, at any time (RFC 8838), and patience (RFC 8863).

use crate::script::Script;
use crate::world::{A, B, LONG, World, address};
use ice::{Config, ConnectionState, Route};
use rand::RngExt;
use rand::seq::SliceRandom;
use sim::{Link, Network, Verdict};
use std::time::Duration;
use stun::{Attribute, Class};
use visavis_ice as ice;

/// One thing that signalling does for one side.
#[derive(Clone, Copy, Debug)]
enum Step {
    Introduce,
    Trickle,
    EndOfHosts,
}

#[test]
fn any_order_of_signalling_leads_to_a_connection() {
    for seed in sim::seeds(100) {
        let mut world = World::new(seed, Link::rough(seed));
        let mut rng = sim::rng(seed, 77);
        let sides = [world.a, world.b];
        let mut steps: Vec<_> = sides
            .into_iter()
            .flat_map(|node| [Step::Introduce, Step::Trickle, Step::EndOfHosts].map(|step| (node, step)))
            .collect();
        steps.shuffle(&mut rng);
        for (node, step) in steps {
            match step {
                Step::Introduce => world.introduce(node),
                Step::Trickle => world.trickle(node),
                Step::EndOfHosts => world.command(node, |agent, now| agent.end_of_hosts(now)),
            }
            let pause = Duration::from_millis(rng.random_range(0..3000));
            world.net.run_for(pause);
        }
        world.expect_connected();
        world.expect_data();
        world.close();
    }
}

#[test]
fn candidates_of_one_side_are_enough() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(5)));
    let (a, b) = (world.a, world.b);
    world.introduce(a);
    world.introduce(b);
    world.trickle(a);
    world.net.run_for(Duration::from_secs(1));
    assert!(world.agent(a).selected().is_some() && world.agent(b).selected().is_some());
}

#[test]
fn checks_before_the_answer_are_answered_and_turned_into_pairs() {
    let mut script = Script::unintroduced(Config::default());
    let check = script.check(&[Attribute::IceControlled(1)]);
    script.feed(&check);
    let [answer] = <[_; 1]>::try_from(script.sent()).expect("one answer");
    assert_eq!(answer.class, Class::Success);
    assert_eq!(script.agent.state(), ConnectionState::New);
    assert!(script.agent.is_valid(script.route()), "its first DTLS packets may follow at once");
    // The answer comes, without a single candidate: the check goes out in the same instant.
    let (now, peer) = (script.now, script.peer.clone());
    script.agent.set_remote(now, peer, false);
    let check = script.sent_check();
    assert_eq!(check.route, script.route());
    let answer = script.answer(&check);
    script.feed(&answer);
    assert_eq!(script.agent.route(), Some(script.route()));
}

#[test]
fn early_checks_of_somebody_else_are_forgotten() {
    let mut script = Script::unintroduced(Config { max_early_checks: 4, ..Config::default() });
    let ours = script.agent.local_credentials().clone();
    for port in 1..100 {
        let check = script.check_with(&format!("{}:else", ours.ufrag), &ours.pwd, &[]);
        script.feed_from(address(&format!("198.51.100.7:{port}")), &check);
    }
    let (now, peer) = (script.now, script.peer.clone());
    script.sent();
    script.agent.set_remote(now, peer, false);
    assert_eq!(script.sent(), []);
    assert_eq!(script.agent.stats().pairs, []);
    assert_eq!(script.agent.stats().totals.candidates_refused, 95);
}

#[test]
fn candidates_that_cannot_be_used_are_ignored() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    for line in [
        "candidate:1 1 tcp 1518214911 198.51.100.2 9 typ host tcptype active",
        "candidate:1 2 udp 2122194686 198.51.100.2 2000 typ host",
        "candidate:1 1 udp 2122194687 0.0.0.0 2000 typ host",
        "candidate:1 1 udp 2122194687 224.0.0.1 2000 typ host",
        "candidate:1 1 udp 2122194687 255.255.255.255 2000 typ host",
        "candidate:1 1 udp 2122194687 198.51.100.2 0 typ host",
        "candidate:1 1 udp 2122194687 198.51.100.2 2000 typ host ufrag else",
        "candidate:1 1 udp 2122194687 2001:db8::1 2000 typ host",
        "candidate:1 1 sctp 2122194687 198.51.100.2 2000 typ host",
    ] {
        script.agent.add_remote_candidate(now, line.parse().expect(line));
    }
    assert_eq!(script.agent.stats().pairs, []);
    assert_eq!(script.sent(), []);
}

#[test]
fn link_local_addresses_are_paired_with_their_like_only() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    for local in ["[fe80::1]:1000", "[2001:db8::1]:1000"] {
        assert!(script.agent.add_host(now, address(local)));
    }
    for line in ["candidate:1 1 udp 9 fe80::2 2000 typ host", "candidate:2 1 udp 8 2001:db8::2 2000 typ host"] {
        script.agent.add_remote_candidate(now, line.parse().expect(line));
    }
    let mut routes: Vec<Route> = script.agent.stats().pairs.iter().map(|pair| pair.route).collect();
    routes.sort_unstable();
    let pair = |local, remote| Route { local: address(local), remote: address(remote) };
    let global = pair("[2001:db8::1]:1000", "[2001:db8::2]:2000");
    assert_eq!(routes, [global, pair("[fe80::1]:1000", "[fe80::2]:2000")]);
}

#[test]
fn link_local_addresses_keep_the_scope_that_sockets_need() {
    let (local, remote) = (address("[fe80::1%7]:1000"), address("[fe80::2%7]:2000"));
    let mut script = Script::between(Config::default(), local, remote);
    let (now, peer) = (script.now, script.peer.clone());
    script.agent.set_remote(now, peer, false);
    let line = "candidate:1 1 udp 9 fe80::2 2000 typ host";
    script.agent.add_remote_candidate(now, line.parse().expect(line));
    script.connect();
    assert_eq!(script.agent.route(), Some(Route { local, remote }));
    assert!(script.agent.is_valid(Route { local, remote }));
    let (local, _) = script.agent.selected().expect("selected");
    assert_eq!(local.kind, ice::CandidateKind::Host, "the peer sees the address, and no scope");
}

#[test]
fn many_addresses_on_both_sides_connect_at_the_pace_of_one() {
    for seed in sim::seeds(20) {
        let net = Network::new(seed);
        let zone = net.internet();
        let controlled = Config { role: ice::Role::Controlled, ..Config::default() };
        let a = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"];
        let b = ["198.51.100.1:1", "198.51.100.2:1", "[2001:db8:1::1]:1", "[2001:db8:1::2]:1", "[2001:db8:1::3]:1"];
        let (a, b) = ((Config::default(), zone, &a[..]), (controlled, zone, &b[..]));
        let mut world = World::with(net, seed, Link::delay(Duration::from_millis(5)), a, b);
        world.signal();
        world.expect_connected();
        assert!(world.net.elapsed() < Duration::from_millis(60), "seed {seed}: {:?}", world.net.elapsed());
        let (local, _) = world.agent(world.a).selected().expect("selected");
        assert!(local.address.ip().is_some_and(|ip| ip.is_ipv6()), "the first choice was reachable");
    }
}

#[test]
fn ordinary_checks_keep_their_pace() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    for port in 1..=10 {
        let line = format!("candidate:{port} 1 udp {port} 198.51.100.3 {port} typ host");
        script.agent.add_remote_candidate(now, line.parse().expect("a candidate"));
    }
    let mut first = Vec::new();
    for step in 0..60 {
        for sent in script.wait(Duration::from_millis(10)) {
            if !first.iter().any(|(_, port)| *port == sent.route.remote.port()) {
                first.push((step * 10, sent.route.remote.port()));
            }
        }
    }
    // Best first, one every 50 ms, the first at once.
    let expected: Vec<_> = (0..10_u16).map(|n| (u32::from(n) * 50 - if n == 0 { 0 } else { 10 }, 10 - n)).collect();
    assert_eq!(first, expected);
}

#[test]
fn patience_is_not_ended_by_the_end_of_candidates() {
    let mut script = Script::new(Config::default());
    let start = script.now;
    script.agent.end_of_hosts(start);
    script.agent.end_of_remote_candidates(start);
    assert_eq!(script.agent.state(), ConnectionState::Checking);
    script.wait(Duration::from_secs(29));
    assert_eq!(script.agent.state(), ConnectionState::Checking);
    script.wait(Duration::from_secs(2));
    assert_eq!(script.agent.state(), ConnectionState::Failed);
    assert_eq!(script.agent.poll_timeout(), None, "idle");
    // People paste descriptions by hand: a check of the peer brings it back.
    script.connect();
    assert_eq!(script.agent.state(), ConnectionState::Completed);
}

#[test]
fn what_never_answers_fails_after_all_retransmissions() {
    let mut script = Script::new(Config { patience: Duration::from_secs(10), ..Config::default() });
    let now = script.now;
    let line = "candidate:1 1 udp 9 198.51.100.3 2000 typ host";
    script.agent.add_remote_candidate(now, line.parse().expect(line));
    let sent = script.wait(Duration::from_secs(120));
    assert_eq!(sent.len(), 7);
    assert!(sent.iter().all(|again| again.id == sent[0].id && again.bytes == sent[0].bytes));
    assert_eq!(script.agent.state(), ConnectionState::Failed);
    let pair = script.agent.stats().pairs[0];
    assert_eq!((pair.requests_sent, pair.requests_repeated, pair.consents_sent), (7, 6, 0));
}

#[test]
fn what_failed_is_tried_again_as_long_as_patience_lasts() {
    let patient = Config { patience: Duration::from_secs(600), ..Config::default() };
    let net = Network::new(1);
    let zone = net.internet();
    let (a, b) = ((patient.clone(), zone, &[A][..]), (patient, zone, &[B][..]));
    let mut world = World::with(net, 1, Link::delay(Duration::from_millis(5)), a, b);
    // A firewall that somebody opens after five minutes.
    let opens = world.net.now() + Duration::from_secs(300);
    world.net.intercept(move |now, _, _, _| if now < opens { Verdict::Drop } else { Verdict::Pass });
    world.signal();
    world.run_for(Duration::from_secs(299));
    let tried = world.net.counts().sent;
    assert!(tried < 2 * 8 * 299 / 18, "{tried} checks in five minutes");
    world.expect("a connection", Duration::from_secs(15), World::agrees);
}

#[test]
fn refused_pairs_are_not_tried_again_at_once() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    let line = "candidate:1 1 udp 9 198.51.100.2 2000 typ host";
    script.agent.add_remote_candidate(now, line.parse().expect(line));
    let mut checks = 0;
    for _ in 0..2000 {
        for sent in script.wait(Duration::from_millis(10)) {
            checks += 1;
            let refusal = script.refuse(&sent, 500);
            script.feed(&refusal);
        }
    }
    assert!((4..=5).contains(&checks), "{checks} in twenty seconds");
}

#[test]
fn a_better_signalled_candidate_replaces_what_a_check_taught() {
    let mut script = Script::new(Config::default());
    let check = script.check(&[Attribute::IceControlled(1)]);
    script.feed(&check);
    let learnt = script.agent.stats().pairs[0].priority;
    let now = script.now;
    let line = "candidate:1 1 udp 2122194687 198.51.100.2 2000 typ host";
    script.agent.add_remote_candidate(now, line.parse().expect(line));
    let pairs = script.agent.stats().pairs;
    assert_eq!(pairs.len(), 1);
    assert!(pairs[0].priority > learnt);
    script.connect();
    assert_eq!(script.agent.selected().map(|(_, remote)| remote.kind), Some(ice::CandidateKind::Host));
}

#[test]
fn connections_over_bad_links_are_fast_enough() {
    let mut times = Vec::new();
    for seed in sim::seeds(200) {
        let mut world = World::new(seed, Link::rough(seed));
        world.signal();
        world.expect("agreement", LONG, World::agrees);
        times.push(world.net.elapsed());
    }
    times.sort_unstable();
    // Links take up to 400 ms one way. Two round trips are 1.6 s then; half of all runs are to be below that.
    let middle = times[times.len() / 2];
    assert!(times.len() < 200 || middle < Duration::from_millis(1600), "{middle:?}");
}
