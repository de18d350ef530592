//! Five hundred runs with everything drawn at random, and three oracles that stand at each of their steps: what is
//! delivered is what was sent, nothing spins and all is quiet after the end, and memory is bounded.
//!
//! `SIM_SEED=17 cargo test -p visavis-sctp --test oracles` replays one run.

#![allow(clippy::indexing_slicing, reason = "a test that indexes wrongly fails, as it should")]

#[path = "../common/mod.rs"]
mod common;
mod draw;
mod peer;
mod wire;

use common::{MINUTE, SECOND};
use draw::{End, Plan};
use peer::Peer;
use sctp::{Closed, State};
use sim::{Pair, Side, Verdict};
use std::collections::BTreeSet;
use visavis_sctp as sctp;

fn run(seed: u64) {
    let plan = Plan::draw(seed);
    let peers = [0, 1].map(|side| Peer::new(&plan, side));
    let [a, b] = peers;
    let mut pair = Pair::new(seed, plan.links[0], a, b);
    pair.set_link(Side::B, plan.links[1]);
    pair.wake_early(plan.early);
    if let Some((from, to)) = plan.silence {
        let (from, to) = (sim::start() + from, sim::start() + to);
        pair.intercept(move |now, _, _| if now >= from && now < to { Verdict::Drop } else { Verdict::Pass });
    }
    pair.a.connect(sim::start());
    if plan.both_call {
        pair.b.connect(sim::start());
    }
    let (mut asked, mut limit) = (None, 40 * MINUTE);
    if let End::Abort(after) = plan.end {
        limit = after;
    }
    let is_done = pair.run_until(limit, |pair| {
        // Only who has handed over all it wants to say begins to close.
        if asked.is_none() && pair.a.has_said_all() && (plan.one_sided || pair.b.has_said_all()) {
            let now = pair.now();
            asked = Some(now);
            pair.a.shutdown(now);
            if plan.end == End::Both {
                pair.b.shutdown(now);
            }
        }
        pair.a.is_over() && pair.b.is_over()
    });
    if let End::Abort(_) = plan.end {
        let now = pair.now();
        pair.b.abort(now);
        assert!(pair.run_until(40 * MINUTE, |pair| pair.a.is_over() && pair.b.is_over()), "seed {seed}: the abort");
    } else {
        assert!(is_done, "seed {seed}: did not end: {:?} {:?}\n{plan:?}", pair.a, pair.b);
    }
    let (over, ended) = (pair.elapsed(), pair.now());
    // What is on the way arrives, and a shut down side may have its last word to say.
    pair.run_for(MINUTE);
    pair.expect_quiet(60 * MINUTE);
    for side in [&pair.a, &pair.b] {
        assert_eq!(side.association.state(), State::Closed, "seed {seed}");
        assert_eq!(side.association.poll_timeout(), None, "seed {seed}: a timer after the end");
    }
    let is_graceful = [&pair.a, &pair.b].iter().all(|side| side.closed == Some(Closed::Shutdown));
    if !is_graceful && !matches!(plan.end, End::Abort(_)) {
        // A shutdown has a limit of its own, which slow paths and readers that stall may exceed.
        let guard = plan.configs.iter().map(|config| 5 * config.rto_max).min().unwrap_or_default();
        let took = ended.saturating_duration_since(asked.expect("it was shut down"));
        // Who has closed answers a late SHUTDOWN, or a late COOKIE ECHO, with ABORT.
        let is_late = [&pair.a, &pair.b].iter().any(|side| side.closed == Some(Closed::Shutdown));
        assert!(took >= guard || is_late, "seed {seed}: {:?} {:?}\n{plan:?}", pair.a, pair.b);
    }
    for (from, to) in [(&pair.a, &pair.b), (&pair.b, &pair.a)] {
        compare(seed, from, to, is_graceful);
        from.check_work(over);
    }
}

/// What was sent one way, and what came of it.
fn compare(seed: u64, from: &Peer, to: &Peer, is_graceful: bool) {
    let told: BTreeSet<u32> = from.delivered.union(&from.abandoned).copied().collect();
    for sent in from.accepted.values() {
        let (id, got) = (sent.id, to.got.contains(&sent.id));
        if from.delivered.contains(&id) {
            assert!(got, "seed {seed}: message {id} was told to be delivered, and was not: {sent:?}");
        }
        if is_graceful && !sent.is_open {
            assert!(told.contains(&id), "seed {seed}: nothing was told of message {id}: {sent:?}");
            assert!(got || from.abandoned.contains(&id), "seed {seed}: message {id} was lost: {sent:?}");
            assert!(!sent.is_reliable() || got, "seed {seed}: reliable message {id} was lost: {sent:?}");
        }
    }
    for id in &to.got {
        assert!(from.accepted.contains_key(id), "seed {seed}: message {id} was made up");
    }
    for order in to.order.values() {
        let ordered: Vec<u32> = order
            .iter()
            .copied()
            .filter(|id| !from.accepted.get(id).is_some_and(|sent| sent.options.unordered))
            .collect();
        assert!(ordered.is_sorted(), "seed {seed}: out of order: {ordered:?}");
        assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), order.len(), "seed {seed}: something came twice");
    }
}

/// Every fourth of five hundred runs, so that four tests do them side by side.
fn quarter(which: u64) {
    for seed in sim::seeds(500).filter(|seed| seed % 4 == which) {
        run(seed);
    }
}

#[test]
fn first_of_five_hundred_runs_keep_the_promises() {
    quarter(0);
}

#[test]
fn second_quarter_of_them() {
    quarter(1);
}

#[test]
fn third_quarter_of_them() {
    quarter(2);
}

#[test]
fn last_quarter_of_them() {
    quarter(3);
}

/// An abort behind a message that is read in parts; numbers of messages given up before their stream was reset.
#[test]
fn runs_that_once_broke_a_promise() {
    for seed in [7_840, 13_158, 14_087, 31_477, 20_126] {
        run(seed);
    }
}

#[test]
fn the_runs_meet_what_they_are_here_for() {
    let plans: Vec<Plan> = (0..500).map(Plan::draw).collect();
    let share = |what: &str, test: &dyn Fn(&Plan) -> bool| {
        let count = plans.iter().filter(|plan| test(plan)).count();
        assert!((20..480).contains(&count), "{what}: {count} of 500");
    };
    share("interleaving", &|plan| plan.configs.iter().all(|config| config.interleaving));
    share("interleaving at one side", &|plan| plan.configs[0].interleaving != plan.configs[1].interleaving);
    share("no checksums", &|plan| plan.configs.iter().all(|config| config.zero_checksum));
    share("parts", &|plan| plan.configs.iter().any(|config| config.partial_delivery));
    share("silence", &|plan| plan.silence.is_some());
    share("bottlenecks", &|plan| plan.links.iter().any(|link| link.rate.is_some()));
    share("aborts", &|plan| matches!(plan.end, End::Abort(_)));
    share("stalls", &|plan| plan.stalls > 0.0);
    for interest in [SECOND / 100, SECOND / 10] {
        share("delay", &|plan| plan.links[0].delay < interest);
    }
}
