//! Both sides send INIT at once, as browsers do (RFC 9260, section 5.2.1).

mod common;

use common::*;
use sctp::{Config, Event};
use sim::{Link, seeds};
use std::time::Duration;
use visavis_sctp as sctp;

#[test]
fn one_association_comes_of_two_inits() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), Config::default(), Config::default());
    pair.a.queue(1, "from a", ORDERED);
    pair.b.queue(1, "from b", ORDERED);
    pair.a.pump(sim::start());
    pair.b.pump(sim::start());
    pair.a.association.connect(sim::start());
    pair.b.association.connect(sim::start());
    pair.expect("both messages", SECOND, |pair| !pair.a.payloads(1).is_empty() && !pair.b.payloads(1).is_empty());
    assert_eq!(pair.elapsed(), Duration::from_millis(30));
    pair.run_for(MINUTE / 4);
    assert_eq!(pair.a.events, [Event::BufferedAmountLow(1), Event::Connected, Event::Readable(1)]);
    assert_eq!(pair.b.events, pair.a.events);
    assert_eq!(pair.a.association.stats().retransmits + pair.b.association.stats().retransmits, 0);
}

#[test]
fn comes_together_on_any_rough_link_with_any_head_start() {
    for seed in seeds(300) {
        let mut pair = strangers(seed, Link::rough(seed), Config::default(), Config::default());
        pair.a.queue(1, pattern(5000, 1), ORDERED);
        pair.b.queue(2, pattern(5000, 2), ORDERED);
        pair.a.association.connect(sim::start());
        pair.a.pump(sim::start());
        pair.run_for(Duration::from_millis(seed % 50 * 10));
        let now = pair.now();
        pair.b.association.connect(now);
        pair.b.pump(now);
        pair.expect("both messages", 2 * MINUTE, |pair| {
            pair.a.payloads(2) == [pattern(5000, 2)] && pair.b.payloads(1) == [pattern(5000, 1)]
        });
        assert_eq!((pair.a.count(&Event::Connected), pair.b.count(&Event::Connected)), (1, 1));
        assert!(!pair.a.has(&Event::Restarted) && !pair.b.has(&Event::Restarted));
    }
}
