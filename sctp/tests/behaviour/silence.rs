//! Paths that fall silent and come back.

use crate::common::*;
use sctp::{Config, Congestion};
use sim::{Link, Side, Verdict};
use std::time::Duration;
use visavis_sctp as sctp;

const STEP: Duration = Duration::from_millis(10);

/// A transfer of 8 MB over 20 Mbit/s, with the path silent for five seconds in the midst of it: one way, or both.
fn silent(congestion: Congestion, who: &'static [Side]) -> Apps {
    let config = Config { congestion, ..Config::default() };
    let link = Link { rate: Some(2_500_000), queue: 100_000, ..Link::delay(2 * STEP) };
    let mut pair = pair(1, link, config.clone(), config);
    for number in 0..32 {
        pair.a.queue(1, pattern(250_000, number), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(SECOND);
    let until = pair.now() + 5 * SECOND;
    pair.intercept(move |now, from, _| if now < until && who.contains(&from) { Verdict::Drop } else { Verdict::Pass });
    let before = pair.counts(Side::A).sent + pair.counts(Side::B).sent;
    pair.run_for(5 * SECOND);
    let sent = pair.counts(Side::A).sent + pair.counts(Side::B).sent - before;
    assert!(sent < 600, "{congestion:?} {who:?}: {sent} packets into the silence");
    pair
}

#[test]
fn five_seconds_of_silence_cost_no_more_than_as_much_again() {
    for congestion in [Congestion::Cubic, Congestion::NewReno, Congestion::Bbr] {
        for who in [&[Side::A][..], &[Side::B], &[Side::A, Side::B]] {
            let mut pair = silent(congestion, who);
            let had = pair.b.payloads(1).len();
            let back = pair.elapsed();
            pair.expect("the next message", 5 * SECOND, |pair| pair.b.payloads(1).len() > had);
            let idle = pair.elapsed() - back;
            pair.expect("all", 20 * SECOND, |pair| pair.b.payloads(1).len() == 32);
            println!("{congestion:?} {who:?}: on after {idle:?}, done after {:?}", pair.elapsed() - back);
        }
    }
}

#[test]
fn a_path_that_is_told_to_be_back_is_used_at_once() {
    let mut pair = silent(Congestion::Cubic, &[Side::A, Side::B]);
    let had = pair.b.payloads(1).len();
    let now = pair.now();
    pair.a.association.set_path(now, sctp::Path::Found { rtt: Some(4 * STEP) });
    pair.expect("the next message", SECOND, |pair| pair.b.payloads(1).len() > had);
}
