//! Peers that nominate every pair they check, as Firefox does (RFC 5245), and peers that move.

use crate::script::Script;
use crate::world::address;
use ice::{Config, ConnectionState, Event, Role};
use std::time::Duration;
use stun::{Attribute, Class};
use visavis_ice as ice;

const NOMINATION: [Attribute<'static>; 2] = [Attribute::IceControlling(9), Attribute::UseCandidate];

fn controlled() -> Script {
    Script::new(Config { role: Role::Controlled, ..Config::default() })
}

/// A candidate of the peer with this priority.
fn candidate(at: &str, priority: u32) -> ice::Candidate {
    let at = address(at);
    format!("candidate:{priority} 1 udp {priority} {} {} typ host", at.ip(), at.port()).parse().expect("a candidate")
}

/// Answers the agent's checks for a while, and has the peer nominate nothing more.
fn answer_all(script: &mut Script, time: Duration) {
    let end = script.now + time;
    while script.now < end {
        for sent in script.wait(Duration::from_millis(5)) {
            if sent.class == Class::Request {
                let answer = script.answer(&sent);
                script.feed_from(sent.route.remote, &answer);
            }
        }
    }
}

#[test]
fn a_nomination_in_the_first_check_counts_once_our_own_check_succeeds() {
    let mut script = controlled();
    let check = script.check(&NOMINATION);
    script.feed(&check);
    assert_eq!(script.agent.selected(), None);
    assert_eq!(script.agent.route(), None);
    let triggered = script.wait(Duration::ZERO).into_iter().find(|sent| sent.class == Class::Request);
    let answer = script.answer(&triggered.expect("a triggered check"));
    script.feed(&answer);
    assert_eq!(script.agent.route(), Some(script.route()));
    assert!(script.agent.selected().is_some());
    assert_eq!(script.agent.state(), ConnectionState::Connected);
}

#[test]
fn of_all_nominated_pairs_the_best_is_used() {
    let mut script = controlled();
    let (good, bad) = ("198.51.100.3:3000", "198.51.100.4:4000");
    let now = script.now;
    for (at, priority) in [(bad, 1000), (good, 2000)] {
        script.agent.add_remote_candidate(now, candidate(at, priority));
    }
    for at in [bad, good, bad] {
        let check = script.check(&NOMINATION);
        script.feed_from(address(at), &check);
        answer_all(&mut script, Duration::from_millis(100));
    }
    let selections = script.events().into_iter().filter_map(|event| match event {
        Event::Selected { remote, .. } => remote.address.ip(),
        Event::Candidate(_)
        | Event::GatheringState(_)
        | Event::State(_)
        | Event::Resolve(_)
        | Event::GatheringError { .. } => None,
    });
    // The worse one came first, the better one replaced it, and nothing brought the worse one back.
    assert_eq!(selections.collect::<Vec<_>>(), [address(bad), address(good)]);
}

#[test]
fn a_peer_that_moves_to_a_worse_pair_is_followed() {
    let mut script = controlled();
    let (good, bad) = ("198.51.100.3:3000", "198.51.100.4:4000");
    let now = script.now;
    for (at, priority) in [(bad, 1000), (good, 2000)] {
        script.agent.add_remote_candidate(now, candidate(at, priority));
    }
    let check = script.check(&NOMINATION);
    script.feed_from(address(good), &check);
    answer_all(&mut script, Duration::from_secs(1));
    let used = |script: &Script| script.agent.route().map(|route| route.remote);
    assert_eq!(used(&script), Some(address(good)));
    // The first check of the worse one does not nominate it, the second does.
    let plain = script.check(&[Attribute::IceControlling(9)]);
    let to_bad = script.check(&NOMINATION);
    let to_good = script.check(&NOMINATION);
    for (at, check, then) in [
        (bad, &plain, good),
        (bad, &to_bad, bad),
        (good, &plain, bad),
        (good, &to_good, good),
        (bad, &to_bad, good), // late, and twice
    ] {
        script.feed_from(address(at), check);
        answer_all(&mut script, Duration::from_millis(300));
        assert_eq!(used(&script), Some(address(then)));
    }
}

#[test]
fn the_controlling_agent_nominates_the_best_pair_at_once() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    script.agent.add_remote_candidate(now, candidate("198.51.100.2:2000", 2_130_706_431));
    let check = script.sent_check();
    assert!(!check.use_candidate);
    let answer = script.answer(&check);
    script.feed(&answer);
    assert_eq!(script.agent.route(), Some(script.route()));
    assert!(script.agent.selected().is_none());
    let nomination = script.sent_check();
    assert!(nomination.use_candidate);
    let answer = script.answer(&nomination);
    script.feed(&answer);
    assert!(script.agent.selected().is_some());
}

#[test]
fn the_controlling_agent_gives_better_pairs_a_little_time() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    script.agent.add_remote_candidate(now, candidate("198.51.100.3:3000", 2000));
    script.agent.add_remote_candidate(now, candidate("198.51.100.4:4000", 1000));
    let mut nominated = None;
    for _ in 0..200 {
        for sent in script.wait(Duration::from_millis(5)) {
            // The better address never answers.
            if sent.route.remote == address("198.51.100.4:4000") && sent.class == Class::Request {
                nominated = nominated.or(sent.use_candidate.then_some(script.now - now));
                let answer = script.answer(&sent);
                script.feed_from(sent.route.remote, &answer);
            }
        }
    }
    let nominated = nominated.expect("a nomination");
    assert!(nominated >= Duration::from_millis(100) && nominated <= Duration::from_millis(150), "{nominated:?}");
    assert_eq!(script.agent.route().map(|route| route.remote), Some(address("198.51.100.4:4000")));
}
