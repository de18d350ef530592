//! Restarts: new credentials, while the old pair carries the data (RFC 8445, section 9).

use crate::script::Script;
use crate::world::{LONG, World, address};
use ice::{Config, ConnectionState, Credentials, Event};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sim::{Link, Verdict};
use std::time::Duration;
use stun::{Attribute, Class};
use visavis_ice as ice;

fn fresh(stream: u64) -> Credentials {
    Credentials::random(&mut StdRng::from_seed(sim::seed_bytes(1, stream)))
}

/// What an offer and an answer do: both restart, `second` when it has heard of it.
fn restart(world: &mut World, pause: Duration) {
    let (a, b) = (world.a, world.b);
    world.command(a, |agent, now| agent.restart(now, fresh(10)));
    world.run_for(pause);
    world.command(b, |agent, now| agent.restart(now, fresh(11)));
    world.introduce(b);
    world.run_for(pause);
    world.introduce(a);
}

#[test]
fn data_flows_throughout_a_restart() {
    for seed in sim::seeds(50) {
        let mut world = World::new(seed, Link::rough(seed));
        world.signal();
        world.expect_connected();
        world.run_for(Duration::from_secs(2));
        let (a, b) = (world.a, world.b);
        let before = world.agent(a).local_credentials().clone();
        restart(&mut world, Duration::from_millis(700));
        assert_ne!(*world.agent(a).local_credentials(), before);
        // Not one moment without a way.
        for _ in 0..100 {
            for node in [a, b] {
                assert!(world.peer_mut(node).send_data(), "seed {seed}: no route");
            }
            world.run_for(Duration::from_millis(30));
        }
        world.expect("a second selection", LONG, |world| [a, b].iter().all(|node| world.peer(*node).selections() >= 2));
        world.expect_connected();
        assert_eq!(world.peer(a).stray_data + world.peer(b).stray_data, 0, "seed {seed}: data of the old pair refused");
        for node in [a, b] {
            assert!(world.peer(node).data > 50, "seed {seed}");
            assert!(!world.peer(node).states().contains(&ConnectionState::Failed), "seed {seed}");
        }
        world.close();
    }
}

#[test]
fn a_failed_connection_is_repaired_by_a_restart() {
    let mut world = World::new(1, Link::delay(Duration::from_millis(5)));
    world.signal();
    world.expect_connected();
    let (a, b) = (world.a, world.b);
    let back = world.net.now() + Duration::from_secs(60);
    world.net.intercept(move |now, _, _, _| if now < back { Verdict::Drop } else { Verdict::Pass });
    world.run_for(Duration::from_secs(61));
    assert_eq!(world.agent(a).state(), ConnectionState::Failed);
    restart(&mut world, Duration::from_millis(100));
    world.expect("a second selection", LONG, |world| [a, b].iter().all(|node| world.agent(*node).route().is_some()));
    let states = world.peer(a).states();
    let tail = states.iter().rev().take_while(|state| **state != ConnectionState::Failed).count();
    assert!(states[states.len() - tail..].starts_with(&[ConnectionState::Checking]), "{states:?}");
    world.expect_data();
}

#[test]
fn a_restart_before_anything_else_is_no_progress() {
    let mut script = Script::unintroduced(Config::default());
    let now = script.now;
    script.agent.restart(now, fresh(1));
    assert_eq!(script.agent.state(), ConnectionState::New);
    let (now, peer) = (script.now, script.peer.clone());
    script.agent.set_remote(now, peer, false);
    script.connect();
}

#[test]
fn all_candidates_are_told_again_with_the_new_fragment() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    script.agent.end_of_hosts(now);
    script.events();
    script.agent.restart(now, fresh(1));
    let events = script.events();
    let told = |event: &Event| matches!(event, Event::Candidate(it) if it.ufrag.as_ref() == Some(&fresh(1).ufrag));
    assert!(events.iter().any(told), "{events:?}");
}

#[test]
fn checks_of_the_old_generation_are_still_answered() {
    let mut script = Script::new(Config::default());
    script.connect();
    let old = script.agent.local_credentials().clone();
    let now = script.now;
    script.agent.restart(now, fresh(1));
    script.sent();
    let username = format!("{}:{}", old.ufrag, script.peer.ufrag);
    let check = script.check_with(&username, &old.pwd, &[Attribute::IceControlled(1)]);
    script.feed(&check);
    let [answer] = <[_; 1]>::try_from(script.sent()).expect("one answer");
    assert_eq!(answer.class, Class::Success);
    let answer = stun::Message::decode(&answer.bytes).expect("an answer");
    assert_eq!(answer.check_integrity(old.pwd.as_bytes()), Ok(()));
    assert!(script.agent.route().is_some(), "the old pair carries the data");
    assert!(script.agent.is_valid(script.route()));
}

#[test]
fn consent_is_kept_on_the_old_pair_until_the_new_one_is_there() {
    let mut script = Script::new(Config::default());
    script.connect();
    let now = script.now;
    script.agent.restart(now, fresh(1));
    script.sent();
    for _ in 0..600 {
        for sent in script.wait(Duration::from_millis(100)) {
            let answer = script.answer(&sent);
            script.feed(&answer);
        }
    }
    assert!(script.agent.route().is_some(), "a minute later");
    // And without answers it ends, as it must.
    script.wait(Duration::from_secs(31));
    assert_eq!(script.agent.route(), None);
}

#[test]
fn other_credentials_of_the_peer_mean_that_it_restarted() {
    let mut script = Script::new(Config::default());
    script.connect();
    let now = script.now;
    let ours = script.agent.local_credentials().clone();
    script.agent.set_remote(now, fresh(5), false);
    assert_eq!(*script.agent.local_credentials(), ours);
    assert!(script.agent.route().is_some());
    script.peer = fresh(5);
    let before = script.events().len();
    script.sent();
    let check = script.check(&[Attribute::IceControlled(1)]);
    script.feed(&check);
    for _ in 0..20 {
        for sent in script.wait(Duration::from_millis(20)) {
            if sent.class == Class::Request {
                let answer = script.answer(&sent);
                script.feed(&answer);
            }
        }
    }
    assert!(script.events().iter().any(|event| matches!(event, Event::Selected { .. })), "{before}");
}

#[test]
fn the_old_way_stays_open_for_seconds_only_once_a_new_one_is_selected() {
    let mut script = Script::new(Config::default());
    script.connect();
    let old = script.route();
    let now = script.now;
    script.agent.restart(now, fresh(1));
    script.agent.set_remote(now, fresh(5), false);
    (script.peer, script.remote) = (fresh(5), address("198.51.100.2:2001"));
    let check = script.check(&[Attribute::IceControlled(1)]);
    script.feed(&check);
    assert!(script.agent.is_valid(old), "it carries the data");
    while script.agent.selected().is_none_or(|(_, remote)| remote.address.port() != 2001) {
        for sent in script.wait(Duration::from_millis(20)) {
            if sent.class == Class::Request && sent.route == script.route() {
                let answer = script.answer(&sent);
                script.feed(&answer);
            }
        }
    }
    assert_eq!(script.agent.route(), Some(script.route()));
    script.wait(Duration::from_secs(4));
    assert!(script.agent.is_valid(old), "the peer may not have followed yet");
    script.wait(Duration::from_secs(2));
    assert!(!script.agent.is_valid(old), "the peer has had its time");
    assert!(script.agent.is_valid(script.route()));
}
