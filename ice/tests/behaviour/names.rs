//! Candidates whose address is hidden behind a `.local` name, as browsers have them.

use crate::script::Script;
use crate::world::{LONG, World, address};
use ice::{Candidate, Config, ConnectionState, Event};
use sim::Link;
use std::time::Duration;
use visavis_ice as ice;

const NAME: &str = "43438faf-f961-4660-8267-2cd6e1cee51c.local";

fn named(name: &str, port: u16) -> Candidate {
    format!("candidate:{port} 1 UDP 2122187007 {name} {port} typ host").parse().expect("a candidate")
}

fn questions(events: &[Event]) -> Vec<&str> {
    let names = events.iter().map(|event| if let Event::Resolve(name) = event { Some(&**name) } else { None });
    names.flatten().collect()
}

#[test]
fn a_name_is_asked_for_once_and_checked_when_it_is_known() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    script.agent.add_remote_candidate(now, named(NAME, 2000));
    script.agent.add_remote_candidate(now, named(&NAME.to_uppercase(), 2001));
    assert_eq!(questions(&script.events()), [NAME]);
    assert_eq!(script.sent(), []);
    script.agent.handle_resolved(now, NAME, Some(script.remote.ip()));
    let mut checked: Vec<_> = script.wait(Duration::from_millis(100)).iter().map(|sent| sent.route.remote).collect();
    checked.sort_unstable();
    assert_eq!(checked, [address("198.51.100.2:2000"), address("198.51.100.2:2001")]);
}

#[test]
fn a_name_that_means_nothing_drops_its_candidate_and_nothing_else() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    script.agent.add_remote_candidate(now, named(NAME, 2000));
    script.agent.handle_resolved(now, NAME, None);
    script.agent.handle_resolved(now, "of-something-else.local", Some(script.remote.ip()));
    script.agent.handle_resolved(now, NAME, Some(script.remote.ip())); // too late
    assert_eq!(script.sent(), []);
    script.connect();
    assert_eq!(script.agent.state(), ConnectionState::Connected);
}

#[test]
fn only_local_names_are_asked_for() {
    let mut script = Script::new(Config::default());
    let now = script.now;
    for name in ["example.com", "local", "local.example"] {
        script.agent.add_remote_candidate(now, named(name, 2000));
    }
    assert_eq!(questions(&script.events()), [""; 0]);
}

#[test]
fn a_peer_that_hides_is_found_by_its_own_checks() {
    // `b` never learns what the name means, as without multicast; `a` hides its address behind it.
    for seed in sim::seeds(30) {
        let mut world = World::new(seed, Link::rough(seed));
        let (a, b) = (world.a, world.b);
        for node in [a, b] {
            world.introduce(node);
            world.command(node, |agent, now| agent.end_of_hosts(now));
        }
        world.command(b, |agent, now| agent.add_remote_candidate(now, named(NAME, 1000)));
        world.command(b, |agent, now| agent.handle_resolved(now, NAME, None));
        let host = world.peer(b).local_candidates().remove(0);
        world.command(a, |agent, now| agent.add_remote_candidate(now, host));
        let is_done = |world: &World| [a, b].iter().all(|node| world.agent(*node).selected().is_some());
        // Without the trickling of `run_until`: nobody tells `b` the address.
        world.net.expect("a selection", LONG, move |net| {
            [a, b].iter().all(|node| match net.get(*node) {
                crate::world::Actor::Peer(peer) => peer.agent.selected().is_some(),
                crate::world::Actor::Server(_) => false,
            })
        });
        assert!(is_done(&world));
        let (_, remote) = world.agent(b).selected().expect("selected");
        assert_eq!(remote.kind, ice::CandidateKind::PeerReflexive);
    }
}
