//! Data held back by whoever shares the path with others.

mod common;

use common::*;
use sctp::packet::Chunk;
use sim::{Side, Verdict};
use visavis_sctp as sctp;

#[test]
fn while_data_is_held_back_acknowledgements_go_on_and_nothing_is_lost() {
    let mut pair = connected();
    let mut count = log();
    let notes = count.0;
    pair.intercept(move |_, from, datagram| {
        if has_chunk(datagram, |chunk| matches!(chunk, Chunk::Data(_))) {
            notes.push(from);
        }
        Verdict::Pass
    });
    pair.a.association.hold_data(true);
    for (salt, side) in [(0, Side::A), (1, Side::B)] {
        let now = pair.now();
        let app = if side == Side::A { &mut pair.a } else { &mut pair.b };
        app.queue(0, pattern(50_000, salt), ORDERED);
        app.pump(now);
    }
    assert!(pair.a.association.has_data_to_send());
    pair.expect("the other side's message", 10 * SECOND, |pair| !pair.a.payloads(0).is_empty());
    pair.run_for(10 * SECOND);
    assert!(count.1.all().iter().all(|from| *from == Side::B), "data left though it was held back");
    assert!(pair.b.payloads(0).is_empty() && pair.b.association.stats().timeouts == 0);

    pair.a.association.hold_data(false);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the message", 10 * SECOND, |pair| !pair.b.payloads(0).is_empty());
    assert_eq!(pair.b.payloads(0), [pattern(50_000, 0)]);
    assert!(!pair.a.association.has_data_to_send() && pair.a.association.stats().retransmits == 0);
}
