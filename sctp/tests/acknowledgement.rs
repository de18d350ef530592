//! When and how received data is acknowledged (RFC 9260, section 6.2).

mod common;

use common::*;
use sctp::Config;
use sctp::packet::{Chunk, Data, DataFlags, GapBlock};
use sctp::{Ssn, Tsn};
use sim::{Endpoint, Link, Side, Verdict};
use std::time::Duration;
use visavis_sctp as sctp;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    at: Duration,
    cumulative: Tsn,
    gaps: Vec<GapBlock>,
    duplicates: Vec<Tsn>,
}

/// The SACKs of `b`, as they are sent.
fn reports(pair: &mut Apps) -> Log<Report> {
    let (sink, reports) = log();
    pair.intercept(move |now, from, datagram| {
        chunks(datagram, |chunk| {
            if let Chunk::Sack(sack) = chunk
                && from == Side::B
            {
                sink.push(Report {
                    at: now - sim::start(),
                    cumulative: sack.cumulative_tsn_ack,
                    gaps: sack.gap_blocks().collect(),
                    duplicates: sack.duplicate_tsns().collect(),
                });
            }
        });
        Verdict::Pass
    });
    reports
}

/// A pair whose `a` has the first TSN 100, and the tag that packets to `b` carry.
fn numbered() -> (Apps, u32) {
    let mut pair = strangers(
        1,
        Link::delay(Duration::from_millis(10)),
        Config { initial_tsn: Some(Tsn(100)), ..Config::default() },
        Config::default(),
    );
    let (sender, receiver) = std::sync::mpsc::channel();
    pair.intercept(move |_, from, datagram| {
        if from == Side::A {
            let _ = sender.send(tag_of(datagram));
        }
        Verdict::Pass
    });
    pair.a.association.connect(sim::start());
    pair.expect("the handshake", SECOND, |pair| pair.a.has(&sctp::Event::Connected));
    pair.stop_intercepting();
    (pair, receiver.try_iter().last().expect("a packet"))
}

const WHOLE: DataFlags = DataFlags { immediate: false, unordered: true, begin: true, end: true };

fn data(tsn: u32, flags: DataFlags) -> Chunk<'static> {
    Chunk::Data(Data { flags, tsn: Tsn(tsn), stream: 0, ssn: Ssn(0), ppid: 51, payload: b"data" })
}

#[test]
fn a_lone_packet_is_acknowledged_after_a_delay() {
    let (mut pair, tag) = numbered();
    let mut reports = reports(&mut pair);
    let started = pair.elapsed();
    pair.inject(Side::B, &packet(tag, &[data(100, WHOLE)]));
    pair.run_for(SECOND);
    let reports = reports.all();
    let [report] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!(report.at - started, Config::default().sack_delay);
    assert_eq!(report.cumulative, Tsn(100));
}

#[test]
fn the_i_bit_asks_for_an_acknowledgement_at_once() {
    let (mut pair, tag) = numbered();
    let mut reports = reports(&mut pair);
    let started = pair.elapsed();
    pair.inject(Side::B, &packet(tag, &[data(100, DataFlags { immediate: true, ..WHOLE })]));
    pair.run_for(SECOND);
    assert_eq!(reports.all()[0].at, started);
}

#[test]
fn every_second_packet_is_acknowledged_at_once() {
    let (mut pair, tag) = numbered();
    let mut reports = reports(&mut pair);
    for number in 0..6 {
        pair.inject(Side::B, &packet(tag, &[data(100 + number, WHOLE)]));
        pair.run_for(Duration::from_millis(1));
    }
    let cumulative: Vec<_> = reports.all().iter().map(|report| report.cumulative.0).collect();
    assert_eq!(cumulative, [101, 103, 105]);
}

#[test]
fn a_burst_is_acknowledged_once() {
    let (mut pair, tag) = numbered();
    let now = pair.now();
    for number in 0..50 {
        pair.b.handle_datagram(now, &mut packet(tag, &[data(100 + number, WHOLE)]));
    }
    let mut buf = Vec::new();
    assert!(pair.b.poll_transmit(now, &mut buf));
    assert!(has_chunk(&buf, |chunk| matches!(chunk, Chunk::Sack(sack) if sack.cumulative_tsn_ack == Tsn(149))));
    assert!(!pair.b.poll_transmit(now, &mut buf));
}

#[test]
fn a_hole_is_reported_with_every_packet_until_it_is_filled() {
    let (mut pair, tag) = numbered();
    let mut reports = reports(&mut pair);
    for tsn in [101, 102, 105, 100] {
        pair.inject(Side::B, &packet(tag, &[data(tsn, WHOLE)]));
        pair.run_for(Duration::from_millis(1));
    }
    let block = |start, end| GapBlock { start, end };
    let seen: Vec<_> = reports.all().iter().map(|r| (r.cumulative.0, r.gaps.clone())).collect();
    let expected = [
        (99, vec![block(2, 2)]),
        (99, vec![block(2, 3)]),
        (99, vec![block(2, 3), block(6, 6)]),
        (102, vec![block(3, 3)]),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn duplicates_are_reported_once() {
    let (mut pair, tag) = numbered();
    let mut reports = reports(&mut pair);
    for tsn in [100, 100, 101] {
        pair.inject(Side::B, &packet(tag, &[data(tsn, WHOLE)]));
        pair.run_for(Duration::from_millis(100));
    }
    let duplicates: Vec<_> = reports.all().iter().map(|r| r.duplicates.clone()).collect();
    assert_eq!(duplicates, [vec![], vec![Tsn(100)], vec![]]);
    assert_eq!(pair.b.association.stats().duplicates, 1);
    assert_eq!(pair.b.payloads(0).len(), 2, "and read once");
}

#[test]
fn an_acknowledgement_rides_along_with_data() {
    let (mut pair, tag) = numbered();
    let mut reports = reports(&mut pair);
    pair.inject(Side::B, &packet(tag, &[data(100, WHOLE)]));
    pair.run_for(Duration::from_millis(1));
    let started = pair.elapsed();
    pair.b.queue(0, "answer", ORDERED);
    let now = pair.now();
    pair.b.pump(now);
    pair.run_for(SECOND);
    let reports = reports.all();
    assert_eq!((reports.len(), reports[0].at), (1, started));
}

#[test]
fn ten_thousand_holes_are_reported_as_far_as_they_fit() {
    let (mut pair, tag) = numbered();
    let now = pair.now();
    for number in 0..10_000 {
        pair.b.handle_datagram(now, &mut packet(tag, &[data(102 + number * 2, WHOLE)]));
    }
    let mut buf = Vec::new();
    assert!(pair.b.poll_transmit(now, &mut buf));
    assert!(buf.len() <= Config::default().max_packet);
    assert!(has_chunk(&buf, |chunk| matches!(chunk, Chunk::Sack(sack) if sack.gap_blocks().count() > 270)));
    assert_eq!(pair.b.association.stats().out_of_window, 10_000 - 8192, "runs beyond the bound are not remembered");
}
