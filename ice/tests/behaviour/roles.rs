//! Both sides claim the same role (RFC 8445, sections 7.2.5.1 and 7.3.1.1).

use crate::script::Script;
use crate::world::World;
use ice::{Config, Role};
use sim::{Link, Network};
use std::time::Duration;
use stun::{Attribute, Class};
use visavis_ice as ice;

#[test]
fn the_same_role_on_both_sides_is_sorted_out_on_every_link() {
    for seed in sim::seeds(60) {
        let role = if seed % 2 == 0 { Role::Controlling } else { Role::Controlled };
        let config = Config { role, ..Config::default() };
        let net = Network::new(seed);
        let zone = net.internet();
        let (a, b) = ((config.clone(), zone, &["192.0.2.1:1000"][..]), (config, zone, &["198.51.100.2:2000"][..]));
        let mut world = World::with(net, seed, Link::rough(seed), a, b);
        world.signal();
        world.expect_connected();
        world.run_for(Duration::from_secs(5));
        assert_eq!(world.agent(world.a).role(), world.agent(world.b).role().opposite(), "seed {seed}");
        world.expect_data();
        world.close();
    }
}

#[test]
fn the_larger_tie_breaker_controls() {
    for (ours, theirs, refused, after) in [
        (Role::Controlling, 0, true, Role::Controlling),
        (Role::Controlling, u64::MAX, false, Role::Controlled),
        (Role::Controlled, 0, false, Role::Controlling),
        (Role::Controlled, u64::MAX, true, Role::Controlled),
    ] {
        let mut script = Script::new(Config { role: ours, ..Config::default() });
        let claim = match ours {
            Role::Controlling => Attribute::IceControlling(theirs),
            Role::Controlled => Attribute::IceControlled(theirs),
        };
        let check = script.check(&[claim]);
        script.feed(&check);
        let sent = script.sent();
        let answer = sent.first().expect("an answer");
        assert_eq!(answer.code, refused.then_some(487), "{ours:?} {theirs}");
        assert_eq!(answer.class, if refused { Class::Error } else { Class::Success });
        assert_eq!(script.agent.role(), after);
    }
}

#[test]
fn a_refused_role_is_changed_once_and_the_check_repeated() {
    let mut script = Script::new(Config::default());
    let check = script.check(&[]);
    script.feed(&check);
    let first = script.sent_check();
    let refusal = script.refuse(&first, 487);
    script.feed(&refusal);
    script.feed(&refusal);
    assert_eq!(script.agent.role(), Role::Controlled);
    let again = script.wait(Duration::from_millis(10)).into_iter().find(|sent| sent.class == Class::Request);
    let again = again.expect("the check again");
    assert_ne!(again.id, first.id);
    let message = stun::Message::decode(&again.bytes).expect("a check");
    assert!(message.ice_controlled().is_some() && message.ice_controlling().is_none());
    assert_eq!(script.agent.stats().totals.role_conflicts, 1);
}
