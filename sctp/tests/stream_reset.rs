//! Resets of streams (RFC 6525).

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one kind and ignores the others")]

mod common;

use common::*;
use sctp::packet::{Chunk, Parameter, Parameters, ResetResult, StreamIds};
use sctp::{Config, Event, RequestNumber, SendError, Tsn};
use sim::{Link, Side, Verdict, seeds};
use std::time::Duration;
use visavis_sctp as sctp;

/// The parameters of RE-CONFIG chunks from a side, in order.
fn record(pair: &mut Apps, from: Side) -> Log<Vec<u8>> {
    let (sink, seen) = log();
    pair.intercept(move |_, side, datagram| {
        chunks(datagram, |chunk| {
            if let Chunk::ReConfig(parameters) = chunk
                && side == from
            {
                sink.push(parameters.as_bytes().to_vec());
            }
        });
        Verdict::Pass
    });
    seen
}

fn results(seen: &mut Log<Vec<u8>>) -> Vec<ResetResult> {
    (seen.all().iter())
        .flat_map(|bytes| Parameters::new(bytes).iter().flatten().collect::<Vec<_>>())
        .filter_map(|parameter| match parameter {
            Parameter::ReconfigResponse { result, .. } => Some(result),
            _ => None,
        })
        .collect()
}

#[test]
fn what_was_queued_is_delivered_before_the_reset_and_the_stream_starts_anew() {
    let mut pair = connected();
    for round in 0..3 {
        for number in 0..5 {
            pair.a.queue(9, pattern(3000, round * 10 + number), ORDERED);
        }
        let now = pair.now();
        pair.a.pump(now);
        pair.a.association.reset_streams(now, &[9]);
        let refused = pair.a.association.send(now, 9, message("no"), ORDERED);
        assert!(matches!(refused, Err(SendError::Resetting(_))));
        pair.expect("the reset", 5 * SECOND, |pair| pair.a.count(&Event::OutgoingReset(9)) == round + 1);
        assert_eq!(pair.b.count(&Event::IncomingReset(9)), round + 1);
        assert_eq!(pair.b.payloads(9).len(), (round + 1) * 5, "all of it came before");
    }
    let expected: Vec<_> =
        (0..3).flat_map(|round| (0..5).map(move |number| pattern(3000, round * 10 + number))).collect();
    assert_eq!(pair.b.payloads(9), expected);
}

#[test]
fn sequence_numbers_start_at_zero_again_after_a_reset() {
    let mut pair = connected();
    pair.a.queue(9, "one", ORDERED);
    pair.a.queue(9, "two", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.a.association.reset_streams(now, &[9]);
    pair.expect("the reset", 5 * SECOND, |pair| pair.a.has(&Event::OutgoingReset(9)));
    let (seen, mut numbers) = log();
    pair.intercept(move |_, _, datagram| {
        chunks(datagram, |chunk| {
            if let Chunk::Data(data) = chunk {
                seen.push(data.ssn.0);
            }
        });
        Verdict::Pass
    });
    pair.a.queue(9, "three", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the message", SECOND, |pair| pair.b.payloads(9).len() == 3);
    assert_eq!(numbers.all(), [0]);
}

#[test]
fn a_reset_that_overtakes_data_waits_for_it() {
    let mut pair = connected();
    let (sink, mut responses) = log();
    let mut lost = false;
    pair.intercept(move |_, from, datagram| {
        let mut drop = false;
        chunks(datagram, |chunk| match chunk {
            Chunk::Data(_) if from == Side::A && !lost => {
                lost = true;
                drop = true;
            }
            Chunk::ReConfig(parameters) if from == Side::B => sink.push(parameters.as_bytes().to_vec()),
            _ => {}
        });
        if drop { Verdict::Drop } else { Verdict::Pass }
    });
    pair.a.queue(9, pattern(1100, 0), ORDERED);
    pair.a.queue(9, pattern(1100, 1), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.a.association.reset_streams(now, &[9]);
    pair.expect("the reset", 5 * SECOND, |pair| pair.a.has(&Event::OutgoingReset(9)));
    let results = results(&mut responses);
    assert_eq!(results.first(), Some(&ResetResult::InProgress));
    assert_eq!(results.last(), Some(&ResetResult::Performed));
    assert_eq!(pair.b.payloads(9), [pattern(1100, 0), pattern(1100, 1)]);
    assert_eq!(pair.b.events.last(), Some(&Event::IncomingReset(9)));
}

#[test]
fn lost_requests_and_lost_answers_are_repeated_and_done_once() {
    for lost in 0..4 {
        let mut pair = connected();
        let mut count = 0;
        pair.intercept(move |_, _, datagram| {
            let reconfig = has_chunk(datagram, |chunk| matches!(chunk, Chunk::ReConfig(_)));
            count += usize::from(reconfig);
            if reconfig && count <= lost { Verdict::Drop } else { Verdict::Pass }
        });
        pair.a.queue(9, "x", ORDERED);
        let now = pair.now();
        pair.a.pump(now);
        pair.a.association.reset_streams(now, &[9]);
        pair.expect("the reset", 30 * SECOND, |pair| pair.a.has(&Event::OutgoingReset(9)));
        pair.run_for(10 * SECOND);
        assert_eq!((pair.a.count(&Event::OutgoingReset(9)), pair.b.count(&Event::IncomingReset(9))), (1, 1));
    }
}

#[test]
fn both_sides_reset_at_once_as_data_channels_close() {
    let mut pair = connected();
    let now = pair.now();
    pair.a.queue(2, "from a", ORDERED);
    pair.b.queue(2, "from b", ORDERED);
    pair.a.pump(now);
    pair.b.pump(now);
    pair.a.association.reset_streams(now, &[2, 2, 2]);
    pair.b.association.reset_streams(now, &[2]);
    pair.run_for(10 * SECOND);
    for app in [&pair.a, &pair.b] {
        assert_eq!((app.count(&Event::OutgoingReset(2)), app.count(&Event::IncomingReset(2))), (1, 1));
    }
}

#[test]
fn a_thousand_streams_are_reset_in_requests_that_fit_a_packet() {
    let mut pair = connected();
    let all: Vec<u16> = (0..1000).collect();
    let now = pair.now();
    pair.a.association.reset_streams(now, &all);
    pair.a.association.reset_streams(now, &all);
    pair.run_for(10 * SECOND);
    for stream in all {
        assert_eq!(pair.a.count(&Event::OutgoingReset(stream)), 1);
        assert_eq!(pair.b.count(&Event::IncomingReset(stream)), 1);
    }
}

#[test]
fn a_reset_before_the_association_is_open_is_done_when_it_is() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), Config::default(), Config::default());
    pair.a.queue(1, "first", ORDERED);
    pair.a.pump(sim::start());
    pair.a.association.reset_streams(sim::start(), &[1]);
    pair.a.association.connect(sim::start());
    pair.expect("the reset", 5 * SECOND, |pair| pair.a.has(&Event::OutgoingReset(1)));
    assert_eq!(pair.b.payloads(1), ["first"]);
}

/// The tag that packets to `to` carry, and the number that it expects of the peer's next request.
fn tag_and_next_request(pair: &mut Apps, to: Side) -> (u32, RequestNumber, Tsn) {
    let (sender, receiver) = std::sync::mpsc::channel();
    pair.intercept(move |_, from, datagram| {
        if from == to.other() {
            chunks(datagram, |chunk| {
                if let Chunk::ReConfig(parameters) = chunk {
                    for parameter in parameters.iter().flatten() {
                        if let Parameter::OutgoingResetRequest { request, last_tsn, .. } = parameter {
                            let _ = sender.send((tag_of(datagram), request.next(), last_tsn));
                        }
                    }
                }
            });
        }
        Verdict::Pass
    });
    let now = pair.now();
    match to {
        Side::A => pair.b.association.reset_streams(now, &[60_000]),
        Side::B => pair.a.association.reset_streams(now, &[60_000]),
    }
    pair.run_for(SECOND);
    receiver.try_iter().last().expect("a request")
}

/// What `b` answers to a RE-CONFIG with this parameter.
fn answer_to(pair: &mut Apps, tag: u32, parameter: Parameter<'_>) -> Vec<ResetResult> {
    let mut seen = record(pair, Side::B);
    let mut parameters = Vec::new();
    parameter.encode(&mut parameters);
    pair.inject(Side::B, &packet(tag, &[Chunk::ReConfig(Parameters::new(&parameters))]));
    pair.run_for(SECOND);
    results(&mut seen)
}

#[test]
fn requests_are_answered_as_they_deserve() {
    let mut pair = connected();
    let (tag, request, last_tsn) = tag_and_next_request(&mut pair, Side::B);
    let response = RequestNumber(0);
    let outgoing = |request, streams| Parameter::OutgoingResetRequest { request, response, last_tsn, streams };
    let one = StreamIds::new(&[0, 5]);
    let ahead = outgoing(request.plus(7), one);
    assert_eq!(answer_to(&mut pair, tag, ahead), [ResetResult::BadSequenceNumber]);
    assert_eq!(answer_to(&mut pair, tag, outgoing(request, one)), [ResetResult::Performed]);
    assert_eq!(answer_to(&mut pair, tag, outgoing(request, one)), [ResetResult::Performed], "the same again");
    assert_eq!(pair.b.count(&Event::IncomingReset(5)), 1, "and done once");
    let none = StreamIds::new(&[0xff, 0xff]);
    assert_eq!(answer_to(&mut pair, tag, outgoing(request.plus(1), none)), [ResetResult::WrongSsn]);
    let denied = [
        Parameter::TsnResetRequest { request: request.plus(2) },
        Parameter::AddOutgoingStreams { request: request.plus(3), count: 4 },
        Parameter::AddIncomingStreams { request: request.plus(4), count: 4 },
    ];
    for parameter in denied {
        assert_eq!(answer_to(&mut pair, tag, parameter), [ResetResult::Denied]);
    }
    let incoming = Parameter::IncomingResetRequest { request: request.plus(5), streams: one };
    assert_eq!(answer_to(&mut pair, tag, incoming), [ResetResult::NothingToDo], "never used");
}

#[test]
fn the_peer_may_ask_for_our_side_to_be_reset() {
    let mut pair = connected();
    let (tag, request, _) = tag_and_next_request(&mut pair, Side::B);
    pair.b.queue(5, "used", ORDERED);
    let now = pair.now();
    pair.b.pump(now);
    pair.run_for(SECOND);
    let incoming = Parameter::IncomingResetRequest { request, streams: StreamIds::new(&[0, 5]) };
    assert_eq!(answer_to(&mut pair, tag, incoming), [ResetResult::InProgress]);
    assert!(pair.b.has(&Event::OutgoingReset(5)) && pair.a.has(&Event::IncomingReset(5)));
    assert_eq!(answer_to(&mut pair, tag, incoming), [ResetResult::NothingToDo], "asked again: it is done");
    let all = Parameter::IncomingResetRequest { request: request.next(), streams: StreamIds::new(&[]) };
    assert_eq!(answer_to(&mut pair, tag, all), [ResetResult::NothingToDo], "all that are used, which are none");
}

#[test]
fn a_reset_asked_for_again_under_a_new_number_is_done_once() {
    let mut pair = connected();
    let (tag, request, last_tsn) = tag_and_next_request(&mut pair, Side::B);
    let (response, streams) = (RequestNumber(0), StreamIds::new(&[0, 5]));
    let outgoing = |request| Parameter::OutgoingResetRequest { request, response, last_tsn: last_tsn.next(), streams };
    assert_eq!(answer_to(&mut pair, tag, outgoing(request)), [ResetResult::InProgress]);
    assert_eq!(answer_to(&mut pair, tag, outgoing(request)), [ResetResult::InProgress]);
    // The chunk that it waits for.
    pair.a.queue(5, "last", ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(SECOND);
    assert_eq!(pair.b.count(&Event::IncomingReset(5)), 1);
    assert_eq!(answer_to(&mut pair, tag, outgoing(request.next())), [ResetResult::Performed]);
    assert_eq!(pair.b.count(&Event::IncomingReset(5)), 1);
    // One more is another one.
    assert_eq!(answer_to(&mut pair, tag, outgoing(request.plus(2))), [ResetResult::Performed]);
    assert_eq!(pair.b.count(&Event::IncomingReset(5)), 2);
}

#[test]
fn streams_are_reused_on_any_rough_link() {
    for seed in seeds(100) {
        let mut pair = pair(seed, Link::rough(seed), Config::default(), Config::default());
        for round in 0..4 {
            for number in 0..3 {
                pair.a.queue(4, pattern(1500, round * 3 + number), ORDERED);
            }
            let now = pair.now();
            pair.a.pump(now);
            pair.a.association.reset_streams(now, &[4]);
            pair.expect("the reset", 5 * MINUTE, |pair| pair.a.count(&Event::OutgoingReset(4)) == round + 1);
            assert_eq!(pair.b.count(&Event::IncomingReset(4)), round + 1);
        }
        let expected: Vec<_> = (0..12).map(|number| pattern(1500, number)).collect();
        assert!(pair.b.payloads(4) == expected, "seed {seed}");
    }
}
