//! Messages between the fragments of others (RFC 8260, section 2), and peers that break its rules.

mod common;

use common::*;
use sctp::packet::{Chunk, Data, DataFlags, IData, IForwardTsn, Parameter};
use sctp::{Closed, Config, Event, Mid, SendOptions, Ssn, Tsn};
use sim::{Endpoint, Link, Side, Verdict};
use std::time::Duration;
use visavis_sctp as sctp;

const LARGE: usize = 16 << 20;

fn interleaving() -> Config {
    Config {
        interleaving: true,
        max_message: LARGE,
        send_buffer: 2 * LARGE,
        receive_window: 2 * LARGE as u32,
        ..Config::default()
    }
}

fn both(config: Config) -> Apps {
    pair(1, Link::delay(Duration::from_millis(10)), config.clone(), config)
}

/// Sends a large message and, once it is on its way, a small one on another stream; which arrived first.
fn race(mut pair: Apps) -> (usize, usize) {
    pair.a.queue(1, pattern(LARGE, 1), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.run_for(Duration::from_millis(100));
    pair.a.queue(2, pattern(64, 2), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the small one", 10 * MINUTE, |pair| !pair.b.payloads(2).is_empty());
    let large_by_then = pair.b.payloads(1).len();
    pair.expect("the large one", 10 * MINUTE, |pair| !pair.b.payloads(1).is_empty());
    assert_eq!(pair.b.payloads(1), [pattern(LARGE, 1)]);
    assert_eq!(pair.b.payloads(2), [pattern(64, 2)]);
    (large_by_then, usize::from(pair.a.association.is_interleaving()))
}

#[test]
fn a_small_message_overtakes_one_of_sixteen_megabytes() {
    assert_eq!(race(both(interleaving())), (0, 1));
}

#[test]
fn without_the_extension_at_either_side_it_waits_behind_it() {
    let plain = Config { interleaving: false, ..interleaving() };
    let link = Link::delay(Duration::from_millis(10));
    for (a, b) in [(plain.clone(), interleaving()), (interleaving(), plain)] {
        assert_eq!(race(pair(1, link, a, b)), (1, 0));
    }
}

#[test]
fn only_i_data_is_sent_once_agreed_and_its_fragments_count_from_zero() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), interleaving(), interleaving());
    let (notes, mut seen) = log();
    pair.intercept(move |_, from, datagram| {
        if from == Side::A {
            chunks(datagram, |chunk| {
                assert!(!matches!(chunk, Chunk::Data(_)));
                if let Chunk::IData(data) = chunk {
                    notes.push((data.mid.0, data.flags.unordered, data.fsn, data.ppid));
                }
            });
        }
        Verdict::Pass
    });
    // The first of it rides along with COOKIE ECHO.
    pair.a.queue(1, pattern(3000, 0), ORDERED);
    pair.a.queue(1, pattern(10, 1), UNORDERED);
    pair.a.queue(1, pattern(10, 2), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.a.association.connect(now);
    pair.expect("the messages", SECOND, |pair| pair.b.payloads(1).len() == 3);
    let mut sent = seen.all();
    sent.sort();
    assert_eq!(sent, [(0, false, 0, 51), (0, false, 1, 0), (0, false, 2, 0), (0, true, 0, 51), (1, false, 0, 51)]);
}

#[test]
fn what_is_given_up_is_skipped_by_message_and_the_other_streams_go_on() {
    let mut pair = both(interleaving());
    pair.intercept(move |_, from, datagram| {
        // One fragment in the middle of the large message of stream 1.
        let hit =
            has_chunk(datagram, |chunk| matches!(chunk, Chunk::IData(data) if data.stream == 1 && data.fsn == 20));
        if from == Side::A && hit { Verdict::Drop } else { Verdict::Pass }
    });
    for (stream, options) in [(1, retransmits(0)), (2, ORDERED), (3, SendOptions { unordered: true, ..retransmits(0) })]
    {
        pair.a.queue(stream, pattern(100_000, usize::from(stream)), options);
        pair.a.queue(stream, pattern(500, usize::from(stream)), options);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the rest", MINUTE, |pair| pair.a.association.stats().send_buffer_used == 0);
    pair.run_for(SECOND);
    assert_eq!(pair.b.payloads(1), [pattern(500, 1)]);
    assert_eq!(pair.b.payloads(2), [pattern(100_000, 2), pattern(500, 2)]);
    assert_eq!(pair.b.payloads(3).len(), 2);
    assert_eq!(pair.a.association.stats().messages_abandoned, 1);
    assert_eq!(pair.b.association.stats().receive_buffer_used, 0);
}

#[test]
fn a_message_that_expires_half_sent_leaves_no_trace() {
    let link = Link { rate: Some(50_000), ..Link::delay(Duration::from_millis(20)) };
    let mut pair = pair(1, link, interleaving(), interleaving());
    let hurried =
        SendOptions { unordered: true, reliability: sctp::Reliability::MaxLifetime(Duration::from_millis(500)) };
    pair.a.queue(1, pattern(1 << 20, 1), hurried);
    pair.a.queue(2, pattern(20_000, 2), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("the end of sending", MINUTE, |pair| pair.a.association.stats().send_buffer_used == 0);
    pair.run_for(SECOND);
    assert!(pair.b.payloads(1).is_empty());
    assert_eq!(pair.b.payloads(2), [pattern(20_000, 2)]);
    assert_eq!(pair.a.association.stats().messages_abandoned, 1);
    assert_eq!(pair.b.association.stats().receive_buffer_used, 0);
}

#[test]
fn a_reset_starts_both_counts_anew() {
    let mut pair = both(interleaving());
    let (notes, mut seen) = log();
    pair.intercept(move |_, from, datagram| {
        if from == Side::A {
            chunks(datagram, |chunk| {
                if let Chunk::IData(data) = chunk {
                    notes.push((data.flags.unordered, data.mid.0));
                }
            });
        }
        Verdict::Pass
    });
    for round in 1..=2 {
        for (number, options) in [(0, ORDERED), (1, UNORDERED), (2, ORDERED), (3, UNORDERED)] {
            pair.a.queue(5, pattern(100, number), options);
        }
        let now = pair.now();
        pair.a.pump(now);
        pair.a.association.reset_streams(now, &[5]);
        pair.expect("the reset", SECOND, |pair| pair.a.count(&Event::OutgoingReset(5)) == round);
        assert_eq!(pair.b.payloads(5).len(), 4 * round);
    }
    let numbers = seen.all();
    assert_eq!(numbers, [(false, 0), (true, 0), (false, 1), (true, 1)].repeat(2));
}

#[test]
fn a_reset_waits_for_the_large_message_and_lets_others_pass() {
    let mut pair = both(interleaving());
    pair.a.queue(1, pattern(4 << 20, 1), ORDERED);
    pair.a.queue(2, pattern(64, 2), ORDERED);
    let now = pair.now();
    pair.a.pump(now);
    pair.a.association.reset_streams(now, &[1, 2]);
    pair.expect("the small reset", MINUTE, |pair| pair.b.has(&Event::IncomingReset(2)));
    assert!(!pair.b.has(&Event::IncomingReset(1)));
    pair.expect("the large reset", MINUTE, |pair| pair.b.has(&Event::IncomingReset(1)));
    assert_eq!(pair.b.payloads(1), [pattern(4 << 20, 1)]);
}

#[test]
fn numbers_wrap_in_the_middle_of_a_message() {
    let config = Config { initial_tsn: Some(Tsn(u32::MAX - 5)), ..interleaving() };
    let mut pair = both(config);
    for stream in 0..4 {
        pair.a.queue(stream, pattern(60_000, usize::from(stream)), ORDERED);
    }
    let now = pair.now();
    pair.a.pump(now);
    pair.expect("all", MINUTE, |pair| pair.b.received.len() == 4);
    for stream in 0..4 {
        assert_eq!(pair.b.payloads(stream), [pattern(60_000, usize::from(stream))]);
    }
}

#[test]
fn padding_is_written_and_read_over() {
    let mut victim = Victim::new();
    let first = idata(0, WHOLE, 0, 0, b"one");
    victim.say(&[Chunk::Pad(400), first, Chunk::Pad(0), idata(1, WHOLE, 1, 0, b"two"), Chunk::Pad(3)]);
    assert_eq!(victim.received(), [&b"one"[..], b"two"]);
    assert_eq!(victim.pair.b.association.stats().unknown_chunks, 0);
}

const FIRST: u32 = 1000;
const WHOLE: DataFlags = DataFlags { immediate: false, unordered: false, begin: true, end: true };
const BEGIN: DataFlags = DataFlags { end: false, ..WHOLE };
const MIDDLE: DataFlags = DataFlags { begin: false, ..BEGIN };
const END: DataFlags = DataFlags { begin: false, ..WHOLE };

/// A connected `b` that expects [`FIRST`], and the tag that packets to it carry; the test plays `a`.
struct Victim {
    pair: Apps,
    tag: u32,
}

impl Victim {
    fn new() -> Self {
        Self::with(true)
    }

    fn with(agreed: bool) -> Self {
        let b = Config {
            interleaving: true,
            receive_window: 200_000,
            max_message: 10_000,
            inbound_streams: 100,
            ..Config::default()
        };
        let a = Config { interleaving: agreed, initial_tsn: Some(Tsn(FIRST)), ..Config::default() };
        let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), a, b);
        let (notes, mut tags) = log();
        pair.intercept(move |_, from, datagram| {
            if from == Side::A {
                notes.push(tag_of(datagram));
            }
            Verdict::Pass
        });
        pair.a.association.connect(sim::start());
        pair.expect("the handshake", SECOND, |pair| pair.a.has(&Event::Connected));
        let tag = *tags.all().last().expect("a packet");
        pair.intercept(|_, _, _| Verdict::Drop);
        Self { pair, tag }
    }

    fn say(&mut self, chunks: &[Chunk<'_>]) {
        let now = self.pair.now();
        for chunks in chunks.chunks(20) {
            self.pair.b.handle_datagram(now, &mut packet(self.tag, chunks));
        }
    }

    fn received(&self) -> Vec<bytes::Bytes> {
        self.pair.b.payloads(1)
    }

    /// Why it ended the association.
    fn complaint(&self) -> &str {
        match self.pair.b.closed() {
            Some(Closed::ProtocolViolation(what)) => what,
            other => panic!("{other:?}"),
        }
    }
}

fn idata<'a>(offset: u32, flags: DataFlags, mid: u32, fsn: u32, payload: &'a [u8]) -> Chunk<'a> {
    let tsn = Tsn(FIRST).plus(offset);
    Chunk::IData(IData { flags, tsn, stream: 1, mid: Mid(mid), ppid: 51, fsn, payload })
}

#[test]
fn fragments_come_in_any_order_of_their_tsns() {
    let mut victim = Victim::new();
    // The receiver must not draw conclusions from TSNs (RFC 8260, section 2.2.3): here the end has the lowest.
    victim.say(&[idata(0, END, 0, 2, b"c"), idata(1, MIDDLE, 0, 1, b"b"), idata(2, BEGIN, 0, 0, b"a")]);
    victim.say(&[idata(3, BEGIN, 1, 0, b"d"), idata(5, END, 1, 1, b"e"), idata(4, WHOLE, 2, 0, b"f")]);
    assert_eq!(victim.received(), [&b"abc"[..], b"de", b"f"]);
}

#[test]
fn the_wrong_kind_of_chunk_ends_the_association() {
    let data = |tsn| Chunk::Data(Data { flags: WHOLE, tsn, stream: 1, ssn: Ssn(0), ppid: 51, payload: b"x" });
    let mut victim = Victim::new();
    victim.say(&[idata(0, WHOLE, 0, 0, b"x"), data(Tsn(FIRST + 1))]);
    assert_eq!(victim.complaint(), "DATA and I-DATA in one association");

    let mut victim = Victim::with(false);
    victim.say(&[data(Tsn(FIRST))]);
    assert!(victim.pair.b.closed().is_none());
    victim.say(&[idata(1, WHOLE, 0, 0, b"x")]);
    assert_eq!(victim.complaint(), "DATA and I-DATA in one association");

    for (agreed, kind) in [(true, 192), (false, 194)] {
        let mut victim = Victim::with(agreed);
        let bytes = [kind, 0, 0, 8, 0, 0, 3, 0xe8];
        let chunk = Chunk::decode(&mut wire::Reader::new(&bytes)).expect("a chunk");
        victim.say(&[chunk]);
        assert_eq!(victim.complaint(), "FORWARD TSN of the other kind of chunk");
    }
}

#[test]
fn fragments_that_contradict_each_other_end_the_association() {
    let twice = "a fragment number used twice";
    let after = "a message goes on after its end";
    let cases: [(&[Chunk<'_>], &str); 9] = [
        (&[idata(0, BEGIN, 0, 0, b"a"), idata(1, MIDDLE, 0, 1, b"b"), idata(2, MIDDLE, 0, 1, b"c")], twice),
        (&[idata(0, BEGIN, 0, 0, b"a"), idata(1, BEGIN, 0, 0, b"a")], twice),
        (&[idata(0, MIDDLE, 0, 7, b"a"), idata(1, MIDDLE, 0, 7, b"a")], twice),
        (&[idata(0, BEGIN, 0, 0, b"a"), idata(1, WHOLE, 0, 0, b"a")], "a message identifier used twice"),
        (&[idata(0, END, 0, 5, b"a"), idata(1, MIDDLE, 0, 6, b"b")], after),
        (&[idata(0, END, 0, 5, b"a"), idata(1, END, 0, 3, b"b")], after),
        (&[idata(0, MIDDLE, 0, 6, b"a"), idata(1, END, 0, 5, b"b")], "a message ends before its last fragment"),
        (&[idata(0, MIDDLE, 0, 0, b"a")], "a later fragment without a number"),
        (&[idata(0, END, 0, 0, b"a")], "a later fragment without a number"),
    ];
    for (chunks, complaint) in cases {
        let mut victim = Victim::new();
        victim.say(chunks);
        assert_eq!(victim.complaint(), complaint, "{chunks:?}");
        assert!(victim.received().is_empty());
    }
}

#[test]
fn numbers_of_messages_used_again_deliver_nothing_twice() {
    let mut victim = Victim::new();
    victim.say(&[idata(0, WHOLE, 0, 0, b"a"), idata(1, WHOLE, 0, 0, b"b"), idata(2, BEGIN, 0, 0, b"c")]);
    victim.say(&[idata(3, WHOLE, 2, 0, b"d"), idata(4, WHOLE, 2, 0, b"e"), idata(5, WHOLE, 1, 0, b"f")]);
    assert_eq!(victim.received(), [&b"a"[..], b"f", b"d"]);
    let stats = victim.pair.b.association.stats();
    assert_eq!((stats.refused, stats.receive_buffer_used), (3, 0));
}

#[test]
fn wide_gaps_between_numbers_cost_no_more_than_narrow_ones() {
    let mut victim = Victim::new();
    let fsns = [1 << 31, u32::MAX, 1, (1 << 31) - 1, (1 << 31) + 1];
    for (offset, fsn) in fsns.into_iter().enumerate() {
        victim.say(&[idata(offset as u32, MIDDLE, 1 << 30, fsn, b"x")]);
    }
    let held = victim.pair.b.association.stats().receive_buffer_used;
    assert!(victim.pair.b.closed().is_none() && held < 5 * 300, "{held} bytes");
    // Half the space of numbers ahead is as good as behind.
    victim.say(&[idata(5, WHOLE, 1 << 31, 0, b"x")]);
    assert_eq!(victim.pair.b.association.stats().refused, 1);
}

#[test]
fn beginnings_without_end_are_bounded_by_the_window() {
    let mut victim = Victim::new();
    for offset in 0..20_000 {
        victim.say(&[idata(offset, MIDDLE, offset, 1 + offset, b"x")]);
    }
    let stats = victim.pair.b.association.stats();
    assert!(stats.receive_buffer_used <= 2 * 200_000 + 10_000, "{} bytes", stats.receive_buffer_used);
    assert!(stats.out_of_window > 10_000 && victim.pair.b.closed().is_none());
}

#[test]
fn a_message_larger_than_announced_ends_the_association_wherever_its_fragments_are() {
    let payload = pattern(1000, 0);
    let mut victim = Victim::new();
    let chunks: Vec<_> = (0..11).map(|number| idata(number, MIDDLE, 0, 1 + 2 * number, &payload)).collect();
    for chunk in chunks {
        victim.say(&[chunk]);
    }
    assert_eq!(victim.complaint(), "a message larger than announced");
}

#[test]
fn skips_of_messages_that_do_not_exist_are_taken_calmly() {
    let mut victim = Victim::new();
    let entry = |stream: u16, unordered: u8, mid: u32| {
        let mut entry = stream.to_be_bytes().to_vec();
        entry.extend_from_slice(&[0, unordered]);
        entry.extend_from_slice(&mid.to_be_bytes());
        entry
    };
    victim.say(&[idata(1, WHOLE, 3, 0, b"late"), idata(2, BEGIN, 9, 0, b"half")]);
    let list = [entry(1, 0, 2), entry(1, 1, 77), entry(99, 0, u32::MAX)].concat();
    victim.say(&[Chunk::IForwardTsn(IForwardTsn::from_encoded(Tsn(FIRST), &list))]);
    assert_eq!(victim.received(), [&b"late"[..]]);
    // A stream that does not exist is refused whole.
    victim.say(&[Chunk::IForwardTsn(IForwardTsn::from_encoded(Tsn(FIRST + 9), &entry(100, 0, 1)))]);
    assert_eq!(victim.pair.b.association.stats().refused, 1);
    victim.say(&[Chunk::IForwardTsn(IForwardTsn::from_encoded(Tsn(FIRST + 9), &entry(1, 0, 9)))]);
    let stats = victim.pair.b.association.stats();
    assert_eq!((stats.receive_buffer_used, victim.pair.b.closed()), (0, None));
}

#[test]
fn the_offer_lists_what_is_understood() {
    let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), interleaving(), Config::default());
    let (notes, mut seen) = log();
    pair.intercept(move |_, from, datagram| {
        chunks(datagram, |chunk| {
            let (Chunk::Init(init) | Chunk::InitAck(init)) = chunk else { return };
            for parameter in init.parameters.iter().flatten() {
                if let Parameter::SupportedExtensions(kinds) = parameter {
                    notes.push((from == Side::A, kinds.to_vec()));
                }
            }
        });
        Verdict::Pass
    });
    pair.a.association.connect(sim::start());
    pair.expect("the handshake", SECOND, |pair| pair.a.has(&Event::Connected));
    assert_eq!(seen.all(), [(true, vec![130, 192, 64, 194]), (false, vec![130, 192])]);
    assert!(!pair.a.association.is_interleaving() && !pair.b.association.is_interleaving());
}
