//! The four-way handshake (RFC 9260, section 5).

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one kind and ignores the others")]

mod common;

use common::*;
use sctp::packet::{Cause, Causes, Chunk, Init, Parameter, Parameters, code};
use sctp::{Closed, Config, Event, State, Tsn};
use sim::{Endpoint, Link, Side, Verdict};
use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering};
use std::time::Duration;
use visavis_sctp as sctp;

#[test]
fn opens_in_two_round_trips() {
    let pair = connected();
    assert_eq!(pair.elapsed(), Duration::from_millis(40));
    assert_eq!((pair.a.association.state(), pair.b.association.state()), (State::Established, State::Established));
    assert_eq!((pair.a.count(&Event::Connected), pair.b.count(&Event::Connected)), (1, 1));
    assert_eq!(pair.a.association.stats().rtt, Some(Duration::from_millis(20)));
}

#[test]
fn data_queued_before_leaves_with_the_cookie() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), Config::default(), Config::default());
    pair.a.queue(3, "early", ORDERED);
    pair.a.pump(sim::start());
    pair.a.association.connect(sim::start());
    pair.expect("the message", SECOND, |pair| !pair.b.payloads(3).is_empty());
    assert_eq!(pair.elapsed(), Duration::from_millis(30), "INIT, INIT ACK, COOKIE ECHO");
    assert_eq!(pair.b.events, [Event::Connected, Event::Readable(3)]);
}

#[test]
fn any_one_lost_packet_of_the_handshake_is_repaired() {
    for lost in 0..6 {
        let mut pair = strangers(lost, Link::delay(Duration::from_millis(10)), Config::default(), Config::default());
        let count = AtomicUsize::new(0);
        pair.intercept(move |_, _, _| {
            if count.fetch_add(1, Ordering::Relaxed) == lost as usize { Verdict::Drop } else { Verdict::Pass }
        });
        pair.a.queue(0, "early", ORDERED);
        pair.a.pump(sim::start());
        pair.a.association.connect(sim::start());
        pair.expect("the message", 10 * SECOND, |pair| !pair.b.payloads(0).is_empty() && pair.a.has(&Event::Connected));
    }
}

#[test]
fn a_known_round_trip_time_shortens_the_repair() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), Config::default(), Config::default());
    let count = AtomicUsize::new(0);
    pair.intercept(
        move |_, _, _| if count.fetch_add(1, Ordering::Relaxed) == 0 { Verdict::Drop } else { Verdict::Pass },
    );
    pair.a.association.set_rtt(Duration::from_millis(20));
    pair.a.association.connect(sim::start());
    pair.expect("the handshake", SECOND, |pair| pair.a.has(&Event::Connected));
    assert_eq!(pair.elapsed(), Duration::from_millis(50 + 40), "the least timeout, then the handshake");
}

#[test]
fn retransmits_init_with_back_off_and_gives_up() {
    let config = Config { rto_max: 4 * SECOND, max_init_retransmits: 3, ..Config::default() };
    let mut app = App::new(config, 1, 0);
    let mut now = sim::start();
    app.association.connect(now);
    let mut sent = Vec::new();
    loop {
        let mut buf = Vec::new();
        while app.poll_transmit(now, &mut buf) {
            assert!(has_chunk(&buf, |chunk| matches!(chunk, Chunk::Init(_))));
            sent.push((now - sim::start()).as_secs());
            buf.clear();
        }
        let Some(next) = app.poll_timeout() else { break };
        now = next;
        app.handle_timeout(now);
    }
    assert_eq!(sent, [0, 1, 3, 7]);
    assert_eq!(app.closed(), Some(&Closed::TimedOut));
    assert_eq!((now - sim::start()).as_secs(), 11);
}

/// The INIT ACK that an association gives to this INIT, and the association.
fn answer_to_init(parameters: &[u8]) -> (App, Vec<u8>) {
    let mut app = App::new(Config::default(), 1, 0);
    let init = Init {
        initiate_tag: 77,
        a_rwnd: 100_000,
        outbound_streams: 10,
        inbound_streams: 10,
        initial_tsn: Tsn(5),
        parameters: Parameters::new(parameters),
    };
    app.handle_datagram(sim::start(), &mut packet(0, &[Chunk::Init(init)]));
    let mut answer = Vec::new();
    assert!(app.poll_transmit(sim::start(), &mut answer));
    (app, answer)
}

fn with_init_ack(answer: &[u8], look: impl FnOnce(&Init<'_>)) {
    let packet = sctp::packet::Packet::decode(answer).expect("a packet of ours");
    match packet.chunks().next() {
        Some(Ok(Chunk::InitAck(init))) => look(&init),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_init_changes_nothing_and_sets_no_timer() {
    let (app, answer) = answer_to_init(&[]);
    assert_eq!(tag_of(&answer), 77);
    assert_eq!(app.association.state(), State::Closed);
    assert_eq!(app.poll_timeout(), None);
    assert!(app.events.is_empty());
}

#[test]
fn unknown_parameters_are_reported_and_skipped_as_their_bits_say() {
    let unknown = |kind| Parameter::Unknown { kind, value: b"abc" };
    let mut parameters = Vec::new();
    for kind in [0x8123, 0xc123, 0x4123, 0xc124] {
        unknown(kind).encode(&mut parameters);
    }
    let (_, answer) = answer_to_init(&parameters);
    with_init_ack(&answer, |init| {
        let reported: Vec<u16> = init
            .parameters
            .iter()
            .filter_map(|parameter| match parameter.unwrap() {
                Parameter::UnrecognizedParameter(whole) => Some(u16::from_be_bytes([whole[0], whole[1]])),
                _ => None,
            })
            .collect();
        // 0x8123 is to be skipped in silence; 0x4123 stops, so 0xc124 is never seen.
        assert_eq!(reported, [0xc123, 0x4123]);
    });
}

#[test]
fn a_cookie_that_was_altered_or_is_not_ours_is_refused() {
    let (mut app, answer) = answer_to_init(&[]);
    with_init_ack(&answer, |init| {
        let cookie = init.parameters.iter().find_map(|parameter| match parameter {
            Ok(Parameter::StateCookie(cookie)) => Some(cookie.to_vec()),
            _ => None,
        });
        let cookie = cookie.expect("a cookie");
        for at in 0..cookie.len() {
            let mut forged = cookie.clone();
            forged[at] ^= 0x40;
            app.handle_datagram(sim::start(), &mut packet(init.initiate_tag, &[Chunk::CookieEcho(&forged)]));
        }
        app.handle_datagram(sim::start(), &mut packet(init.initiate_tag ^ 1, &[Chunk::CookieEcho(&cookie)]));
        assert_eq!(app.association.state(), State::Closed);
        assert_eq!(app.association.stats().refused, cookie.len() as u64);
        assert!(!app.poll_transmit(sim::start(), &mut Vec::new()), "silence");

        app.handle_datagram(sim::start(), &mut packet(init.initiate_tag, &[Chunk::CookieEcho(&cookie)]));
        assert_eq!(app.association.state(), State::Established);
    });
}

#[test]
fn a_stale_cookie_is_told_and_a_longer_one_asked_for() {
    let config = Config { cookie_lifetime: Duration::from_millis(100), ..Config::default() };
    let mut pair = strangers(1, Link::delay(Duration::from_millis(200)), Config::default(), config);
    pair.a.association.connect(sim::start());
    let told = Arc::new(AtomicUsize::new(0));
    let seen = told.clone();
    pair.intercept(move |_, _, datagram| {
        chunks(datagram, |chunk| match chunk {
            Chunk::Error(causes) if causes.iter().any(|cause| cause.code == code::STALE_COOKIE) => {
                seen.fetch_add(1, Ordering::Relaxed);
            }
            Chunk::Init(init) if seen.load(Ordering::Relaxed) > 0 => {
                let asked =
                    init.parameters.iter().any(|p| matches!(p, Ok(Parameter::CookiePreservative(ms)) if ms > 300));
                assert!(asked);
            }
            _ => {}
        });
        Verdict::Pass
    });
    pair.expect("the handshake", 10 * SECOND, |pair| pair.a.has(&Event::Connected));
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn impossible_inits_are_refused_with_abort() {
    let init = Init {
        initiate_tag: 9,
        a_rwnd: 100_000,
        outbound_streams: 1,
        inbound_streams: 1,
        initial_tsn: Tsn(1),
        parameters: Parameters::new(&[]),
    };
    let mut host_name = Vec::new();
    Parameter::HostNameAddress(b"example.org\0").encode(&mut host_name);
    let bad = [
        Init { a_rwnd: 1499, ..init },
        Init { outbound_streams: 0, ..init },
        Init { inbound_streams: 0, ..init },
        Init { parameters: Parameters::new(&host_name), ..init },
        Init { parameters: Parameters::new(&[0, 7, 0, 99]), ..init },
    ];
    for init in bad {
        let mut app = App::new(Config::default(), 1, 0);
        app.handle_datagram(sim::start(), &mut packet(0, &[Chunk::Init(init)]));
        let mut answer = Vec::new();
        assert!(app.poll_transmit(sim::start(), &mut answer));
        assert_eq!(tag_of(&answer), 9);
        assert!(has_chunk(&answer, |chunk| matches!(chunk, Chunk::Abort { reflected: false, .. })), "{init:?}");
    }
    let mut app = App::new(Config::default(), 1, 0);
    app.handle_datagram(sim::start(), &mut packet(0, &[Chunk::Init(Init { initiate_tag: 0, ..init })]));
    app.handle_datagram(sim::start(), &mut packet(5, &[Chunk::Init(init)]));
    app.handle_datagram(sim::start(), &mut packet(0, &[Chunk::Init(init), Chunk::CookieAck]));
    assert!(!app.poll_transmit(sim::start(), &mut Vec::new()), "tag 0, a tag with INIT, company: dropped in silence");
}

#[test]
fn parameters_of_init_ack_that_are_unknown_are_complained_about() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), Config::default(), Config::default());
    let complaints = Arc::new(AtomicUsize::new(0));
    let seen = complaints.clone();
    pair.intercept(move |_, from, datagram| {
        let mut rewritten = None;
        chunks(datagram, |chunk| match chunk {
            Chunk::InitAck(init) => {
                let mut parameters = init.parameters.as_bytes().to_vec();
                Parameter::Unknown { kind: 0xc0ff, value: b"new" }.encode(&mut parameters);
                let init = Init { parameters: Parameters::new(&parameters), ..*init };
                rewritten = Some(packet(tag_of(datagram), &[Chunk::InitAck(init)]));
            }
            Chunk::Error(causes) => {
                assert_eq!(from, Side::A);
                let expected = [0xc0, 0xff, 0, 7, b'n', b'e', b'w', 0];
                let cause = Cause { code: code::UNRECOGNIZED_PARAMETERS, value: &expected };
                assert_eq!(causes.iter().collect::<Vec<_>>(), [cause]);
                seen.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        });
        if let Some(rewritten) = rewritten {
            *datagram = rewritten;
        }
        Verdict::Pass
    });
    pair.a.association.connect(sim::start());
    pair.expect("the handshake", SECOND, |pair| pair.a.has(&Event::Connected));
    assert_eq!(complaints.load(Ordering::Relaxed), 1);
}

#[test]
fn an_init_ack_without_a_cookie_ends_the_attempt() {
    let mut app = App::new(Config::default(), 1, 0);
    app.association.connect(sim::start());
    let mut init = Vec::new();
    assert!(app.poll_transmit(sim::start(), &mut init));
    let mut tag = 0;
    chunks(&init, |chunk| {
        if let Chunk::Init(init) = chunk {
            tag = init.initiate_tag;
        }
    });
    let answer = Init {
        initiate_tag: 4,
        a_rwnd: 9000,
        outbound_streams: 1,
        inbound_streams: 1,
        initial_tsn: Tsn(0),
        parameters: Parameters::new(&[]),
    };
    app.handle_datagram(sim::start(), &mut packet(tag, &[Chunk::InitAck(answer)]));
    assert!(matches!(app.closed(), Some(Closed::ProtocolViolation(_))));
    let mut abort = Vec::new();
    assert!(app.poll_transmit(sim::start(), &mut abort));
    assert_eq!(tag_of(&abort), 4);
    assert!(has_chunk(&abort, |chunk| matches!(chunk, Chunk::Abort { causes, .. } if *causes != Causes::new(&[]))));
}

#[test]
fn packets_for_no_association_are_answered_as_they_should() {
    let mut app = App::new(Config::default(), 1, 0);
    let mut answer_to = |chunk: Chunk<'_>| {
        app.handle_datagram(sim::start(), &mut packet(1234, &[chunk]));
        let mut answer = Vec::new();
        app.poll_transmit(sim::start(), &mut answer).then_some(answer)
    };
    let complete = answer_to(Chunk::ShutdownAck).expect("an answer");
    assert_eq!(tag_of(&complete), 1234);
    assert!(has_chunk(&complete, |chunk| *chunk == Chunk::ShutdownComplete { reflected: true }));
    let abort = answer_to(Chunk::Heartbeat(&[])).expect("an answer");
    assert_eq!(tag_of(&abort), 1234);
    assert!(has_chunk(&abort, |chunk| matches!(chunk, Chunk::Abort { reflected: true, .. })));
    for quiet in [
        Chunk::Abort { reflected: false, causes: Causes::new(&[]) },
        Chunk::ShutdownComplete { reflected: false },
        Chunk::CookieAck,
        Chunk::Error(Causes::new(&[])),
    ] {
        assert_eq!(answer_to(quiet), None, "{quiet:?}");
    }
}

#[test]
fn what_was_queued_for_streams_that_the_peer_lacks_is_dropped() {
    let few = Config { inbound_streams: 4, ..Config::default() };
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), Config::default(), few);
    pair.a.queue(4, "nowhere to go", ORDERED);
    pair.a.queue(3, "arrives", ORDERED);
    pair.a.queue(9, pattern(5000, 0), ORDERED);
    pair.a.pump(sim::start());
    pair.a.association.connect(sim::start());
    pair.run_for(SECOND);
    assert_eq!(pair.b.payloads(3), ["arrives"]);
    let stats = pair.a.association.stats();
    assert_eq!((stats.messages_abandoned, stats.send_buffer_used), (2, 0));
    let refused = pair.a.association.send(pair.now(), 4, message("x"), ORDERED);
    assert!(matches!(refused, Err(sctp::SendError::NoSuchStream { streams: 4, .. })));
}
