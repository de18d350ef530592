//! Messages that may be given up, by count and by time (RFC 3758).

mod common;

use common::*;
use sctp::packet::{Chunk, Parameter, Parameters};
use sctp::{Config, Reliability, SendOptions};
use sim::{Link, Side, Verdict, seeds};
use std::collections::BTreeSet;
use std::time::Duration;
use visavis_sctp as sctp;

fn lifetime(limit: Duration) -> SendOptions {
    SendOptions { unordered: false, reliability: Reliability::MaxLifetime(limit) }
}

/// Drops the DATA chunks from `a` on this stream, always.
fn drop_stream(pair: &mut Apps, stream: u16) {
    pair.intercept(move |_, from, datagram| {
        let hit = has_chunk(datagram, |chunk| matches!(chunk, Chunk::Data(data) if data.stream == stream));
        if from == Side::A && hit { Verdict::Drop } else { Verdict::Pass }
    });
}

#[test]
fn without_retransmissions_a_lost_message_is_skipped_and_the_next_one_read() {
    let mut pair = connected();
    let mut first = true;
    pair.intercept(move |_, from, datagram| {
        let data = from == Side::A && has_chunk(datagram, |chunk| matches!(chunk, Chunk::Data(_)));
        if data && std::mem::take(&mut first) { Verdict::Drop } else { Verdict::Pass }
    });
    for number in 0..5 {
        // One packet each.
        pair.a.queue(0, pattern(1000, number), retransmits(0));
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the others", SECOND, |pair| pair.b.payloads(0).len() == 4);
    let expected: Vec<_> = (1..5).map(|number| pattern(1000, number)).collect();
    assert_eq!(pair.b.payloads(0), expected);
    let stats = pair.a.association.stats();
    assert_eq!((stats.messages_abandoned, stats.retransmits), (1, 0));
    pair.run_for(5 * SECOND);
    assert_eq!(pair.a.association.stats().send_buffer_used, 0);
}

#[test]
fn a_message_is_sent_again_as_often_as_allowed() {
    let mut pair = connected();
    drop_stream(&mut pair, 7);
    pair.a.queue(7, "never arrives", retransmits(3));
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(MINUTE);
    let stats = pair.a.association.stats();
    assert_eq!((stats.retransmits, stats.messages_abandoned, stats.send_buffer_used), (3, 1, 0));
    pair.stop_intercepting();
    pair.a.queue(7, "arrives", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the next message", SECOND, |pair| pair.b.payloads(7) == ["arrives"]);
}

#[test]
fn a_message_is_given_up_when_its_time_is_over() {
    let mut pair = connected();
    drop_stream(&mut pair, 7);
    pair.a.queue(7, "never arrives", lifetime(Duration::from_millis(1000)));
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(MINUTE);
    let stats = pair.a.association.stats();
    assert_eq!(
        (stats.retransmits, stats.messages_abandoned, stats.send_buffer_used),
        (3, 1, 0),
        "at 65, 365 and 965 ms, not at 2165"
    );
}

#[test]
fn a_message_that_expires_in_the_queue_is_never_sent() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(100)), Config::default(), Config::default());
    pair.a.queue(1, "too late", lifetime(Duration::from_millis(100)));
    pair.a.queue(1, "in time", lifetime(SECOND));
    pair.a.pump(sim::start());
    pair.a.association.connect(sim::start());
    pair.expect("the other message", SECOND, |pair| pair.b.payloads(1) == ["in time"]);
    assert_eq!(pair.a.association.stats().messages_abandoned, 1);
    assert_eq!(pair.a.association.buffered_amount(1), 0);
}

#[test]
fn a_message_that_expires_half_sent_is_skipped_whole() {
    // The window holds four packets; by the time more may be sent the message is old.
    let mut pair = pair(1, Link::delay(Duration::from_millis(200)), Config::default(), Config::default());
    pair.a.queue(1, pattern(100_000, 0), lifetime(Duration::from_millis(100)));
    pair.a.queue(1, "after it", ORDERED);
    pair.a.queue(2, "elsewhere", UNORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the others", 5 * SECOND, |pair| {
        pair.b.payloads(1) == ["after it"] && pair.b.payloads(2) == ["elsewhere"]
    });
    pair.run_for(5 * SECOND);
    assert_eq!(pair.a.association.stats().messages_abandoned, 1);
    assert_eq!(pair.a.association.stats().send_buffer_used, 0);
    assert_eq!(pair.b.association.stats().receive_buffer_used, 0, "no fragments are left behind");
}

#[test]
fn a_lost_fragment_takes_its_whole_message_along() {
    let mut pair = connected();
    let mut count = 0;
    pair.intercept(move |_, from, datagram| {
        let data = from == Side::A && has_chunk(datagram, |chunk| matches!(chunk, Chunk::Data(_)));
        count += usize::from(data);
        if data && count == 2 { Verdict::Drop } else { Verdict::Pass }
    });
    pair.a.queue(1, pattern(20_000, 0), retransmits(0));
    pair.a.queue(1, "after it", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the next message", 5 * SECOND, |pair| pair.b.payloads(1) == ["after it"]);
    pair.run_for(5 * SECOND);
    assert_eq!(pair.b.association.stats().receive_buffer_used, 0);
    assert_eq!(pair.a.association.stats().messages_abandoned, 1);
}

#[test]
fn a_lost_forward_tsn_is_sent_again() {
    let mut pair = connected();
    let (mut data, mut forwards) = (0, 0);
    pair.intercept(move |_, from, datagram| {
        if from == Side::B {
            return Verdict::Pass;
        }
        data += usize::from(has_chunk(datagram, |chunk| matches!(chunk, Chunk::Data(_))));
        let forward = has_chunk(datagram, |chunk| matches!(chunk, Chunk::ForwardTsn(_)));
        forwards += usize::from(forward);
        if data == 1 && !forward || forward && forwards < 3 { Verdict::Drop } else { Verdict::Pass }
    });
    pair.a.queue(1, "lost", retransmits(0));
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(10 * SECOND);
    assert_eq!(pair.a.association.stats().send_buffer_used, 0, "the peer has skipped it");
}

#[test]
fn a_peer_that_cannot_skip_gets_everything() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), Config::default(), Config::default());
    let mut data = 0;
    pair.intercept(move |_, from, datagram| {
        let mut rewritten = None;
        chunks(datagram, |chunk| {
            if let Chunk::InitAck(init) = chunk {
                // INIT ACK with the cookie alone.
                let mut parameters = Vec::new();
                for parameter in init.parameters.iter().flatten() {
                    if matches!(parameter, Parameter::StateCookie(_)) {
                        parameter.encode(&mut parameters);
                    }
                }
                let init = sctp::packet::Init { parameters: Parameters::new(&parameters), ..*init };
                rewritten = Some(packet(tag_of(datagram), &[Chunk::InitAck(init)]));
            }
            assert!(!matches!(chunk, Chunk::ForwardTsn(_) | Chunk::ReConfig(_)));
        });
        if let Some(rewritten) = rewritten {
            *datagram = rewritten;
        }
        let is_data = from == Side::A && has_chunk(datagram, |chunk| matches!(chunk, Chunk::Data(_)));
        data += usize::from(is_data);
        if is_data && data == 1 { Verdict::Drop } else { Verdict::Pass }
    });
    pair.a.association.connect(sim::start());
    pair.expect("the handshake", SECOND, |pair| pair.a.has(&sctp::Event::Connected));
    pair.a.queue(1, "insists", retransmits(0));
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the message", 5 * SECOND, |pair| pair.b.payloads(1) == ["insists"]);
    // Neither can it reset streams.
    let now = pair.now();
    pair.a.association.reset_streams(now, &[1]);
    pair.run_for(SECOND);
    assert!(pair.a.has(&sctp::Event::ResetRefused(1)));
}

#[test]
fn on_any_rough_link_messages_are_delivered_or_declared_abandoned_in_order() {
    for seed in seeds(150) {
        let config = Config { interleaving: seed.is_multiple_of(2), ..Config::default() };
        let mut pair = pair(seed, Link::rough(seed), config.clone(), config);
        let options = match seed % 3 {
            0 => retransmits((seed % 4) as u16),
            1 => lifetime(Duration::from_millis(seed * 10)),
            _ => SendOptions { unordered: true, ..retransmits(0) },
        };
        let total = 60;
        for number in 0..total {
            pair.a.queue((number % 3) as u16, pattern(200 + number * 131 % 5000, number), options);
        }
        let now = pair.now();
        pair.a.pump(now);
        pair.expect("the end of sending", 10 * MINUTE, |pair| pair.a.association.stats().send_buffer_used == 0);
        pair.run_for(SECOND);
        let abandoned = pair.a.association.stats().messages_abandoned as usize;
        let sent: Vec<_> = (0..total).map(|number| pattern(200 + number * 131 % 5000, number)).collect();
        let mut got = 0;
        for stream in 0..3 {
            let order: Vec<usize> = (pair.b.payloads(stream).iter())
                .map(|payload| sent.iter().position(|one| one == payload).expect("what was sent"))
                .collect();
            let once: BTreeSet<_> = order.iter().collect();
            assert_eq!(once.len(), order.len(), "seed {seed}: each at most once");
            assert!(options.unordered || order.is_sorted(), "seed {seed}: {order:?}");
            got += order.len();
        }
        assert!(got + abandoned >= total, "seed {seed}: {got} arrived, {abandoned} abandoned of {total}");
        assert_eq!(pair.b.association.stats().receive_buffer_used, 0, "seed {seed}");
    }
}
