//! A peer that does not keep to the rules: it may end the association, and nothing else.

mod common;

use common::*;
use sctp::packet::{Chunk, Data, DataFlags, Packet, Parameter, Parameters, RawChunk, Sack, code};
use sctp::{Closed, Config, Ssn, Tsn};
use sim::{Endpoint, Link, Side, Verdict};
use std::time::Duration;
use visavis_sctp as sctp;

const FIRST: u32 = 1000;
const WHOLE: DataFlags = DataFlags { immediate: false, unordered: false, begin: true, end: true };

/// A connected `b` with small bounds, the tag that packets to it carry, and the TSN it expects, [`FIRST`].
struct Victim {
    pair: Apps,
    tag: u32,
}

impl Victim {
    fn new() -> Self {
        let b = Config { receive_window: 50_000, max_message: 10_000, inbound_streams: 100, ..Config::default() };
        let a = Config { initial_tsn: Some(Tsn(FIRST)), ..Config::default() };
        let mut pair = strangers(1, Link::delay(Duration::from_millis(10)), a, b);
        let (sender, receiver) = std::sync::mpsc::channel();
        pair.intercept(move |_, from, datagram| {
            if from == Side::A {
                let _ = sender.send(tag_of(datagram));
            }
            Verdict::Pass
        });
        pair.a.association.connect(sim::start());
        pair.expect("the handshake", SECOND, |pair| pair.a.has(&sctp::Event::Connected));
        let tag = receiver.try_iter().last().expect("a packet");
        // From here on `a` is whoever the test plays.
        pair.intercept(|_, _, _| Verdict::Drop);
        Self { pair, tag }
    }

    fn say(&mut self, chunks: &[Chunk<'_>]) {
        let now = self.pair.now();
        self.pair.b.handle_datagram(now, &mut packet(self.tag, chunks));
    }

    /// All packets that it sends now.
    fn answers(&mut self) -> Vec<Vec<u8>> {
        let now = self.pair.now();
        let mut answers = Vec::new();
        let mut buf = Vec::new();
        while self.pair.b.poll_transmit(now, &mut buf) {
            answers.push(std::mem::take(&mut buf));
        }
        answers
    }

    fn stats(&self) -> sctp::Stats {
        self.pair.b.association.stats()
    }
}

fn data<'a>(offset: u32, flags: DataFlags, ssn: u16, payload: &'a [u8]) -> Chunk<'a> {
    Chunk::Data(Data { flags, tsn: Tsn(FIRST).plus(offset), stream: 1, ssn: Ssn(ssn), ppid: 51, payload })
}

#[test]
fn sacks_for_what_was_never_sent_are_refused() {
    let mut victim = Victim::new();
    let now = victim.pair.now();
    victim.pair.b.queue(1, pattern(3000, 0), ORDERED);
    victim.pair.b.pump(now);
    let mut sent = Vec::new();
    for packet in victim.answers() {
        chunks(&packet, |chunk| {
            if let Chunk::Data(data) = chunk {
                sent.push(data.tsn);
            }
        });
    }
    let last = *sent.last().expect("data");
    let before = victim.stats();
    for cumulative in [last.next(), last.plus(1000), last.plus(1 << 30)] {
        victim.say(&[Chunk::Sack(Sack::new(cumulative, 100_000))]);
    }
    // A gap block beyond the last chunk, and one that ends before it starts.
    for gap in [[0, 2, 0, 200], [0, 3, 0, 2], [0, 0, 0, 1]] {
        let mut value = Vec::new();
        value.extend_from_slice(&sent[0].previous().0.to_be_bytes());
        value.extend_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        value.extend_from_slice(&gap);
        victim.say(&[Chunk::Unknown(RawChunk { kind: 3, flags: 0, value: &value })]);
    }
    let after = victim.stats();
    assert_eq!(after.refused - before.refused, 6);
    assert_eq!((after.in_flight, after.peer_window), (before.in_flight, before.peer_window));
}

#[test]
fn tsns_far_ahead_are_dropped() {
    let mut victim = Victim::new();
    for jump in [65_536, 1 << 20, 1 << 30, (1 << 31) - 2] {
        victim.say(&[data(jump, WHOLE, 0, b"far")]);
    }
    assert_eq!(victim.stats().out_of_window, 4);
    let forward = [0, 0, 0x10, 0];
    let mut value = Tsn(FIRST + 70_000).0.to_be_bytes().to_vec();
    value.extend_from_slice(&forward);
    victim.say(&[Chunk::Unknown(RawChunk { kind: 192, flags: 0, value: &value })]);
    victim.say(&[data(0, WHOLE, 0, b"near")]);
    assert_eq!(victim.pair.b.payloads(1), ["near"], "the cumulative TSN stayed where it was");
}

#[test]
fn data_beyond_the_window_is_not_kept() {
    let mut victim = Victim::new();
    victim.pair.b.reads = false;
    let payload = vec![7; 1000];
    for number in 0..2000 {
        victim.say(&[data(number, WHOLE, number as u16, &payload)]);
    }
    assert!(victim.pair.b.most_held <= 2 * (10_000 + (64 << 10)) + 10_000, "{} bytes", victim.pair.b.most_held);
    assert!(victim.stats().out_of_window > 1500);
}

#[test]
fn fragments_without_end_are_not_kept() {
    let middle = DataFlags { begin: false, end: false, ..WHOLE };
    // Each the start of a new piece, with holes between; then one long message without an end.
    let mut victim = Victim::new();
    for number in 0..30_000 {
        victim.say(&[data(number * 2 + 1, middle, 0, b"x")]);
    }
    assert!(victim.pair.b.most_held < 500_000, "{} bytes", victim.pair.b.most_held);
    assert!(victim.stats().out_of_window > 28_000);

    let mut victim = Victim::new();
    let payload = vec![7; 1000];
    victim.say(&[data(0, DataFlags { end: false, ..WHOLE }, 0, &payload)]);
    for number in 1..2000 {
        victim.say(&[data(number, middle, 0, &payload)]);
    }
    let why = victim.pair.b.closed().cloned();
    assert_eq!(why, Some(Closed::ProtocolViolation("a message larger than announced")));
    let answers = victim.answers();
    assert!(answers.iter().any(|answer| has_chunk(answer, |chunk| {
        matches!(chunk, Chunk::Abort { causes, .. }
            if causes.iter().any(|cause| cause.code == code::PROTOCOL_VIOLATION))
    })));
}

#[test]
fn fragments_that_contradict_each_other_end_the_association() {
    let begin = DataFlags { end: false, ..WHOLE };
    let middle = DataFlags { begin: false, end: false, ..WHOLE };
    let end = DataFlags { begin: false, ..WHOLE };
    let contradictions: [&[(u32, DataFlags, u16)]; 5] = [
        &[(0, begin, 0), (1, begin, 1)],
        &[(0, begin, 0), (1, middle, 1)],
        &[(1, begin, 1), (0, begin, 0)],
        &[(1, middle, 0), (0, end, 0)],
        &[(1, end, 3), (0, begin, 0)],
    ];
    for contradiction in contradictions {
        let mut victim = Victim::new();
        for (offset, flags, ssn) in contradiction {
            victim.say(&[data(*offset, *flags, *ssn, b"x")]);
        }
        assert!(matches!(victim.pair.b.closed(), Some(Closed::ProtocolViolation(_))), "{contradiction:?}");
    }
}

#[test]
fn data_without_data_ends_the_association() {
    let mut victim = Victim::new();
    victim.say(&[data(0, WHOLE, 0, b"")]);
    assert_eq!(victim.pair.b.closed(), Some(&Closed::ProtocolViolation("a DATA chunk without data")));
    assert!(victim.answers().iter().any(|answer| has_chunk(answer, |chunk| {
        matches!(chunk, Chunk::Abort { causes, .. } if causes.iter().any(|cause| cause.code == code::NO_USER_DATA))
    })));
}

#[test]
fn streams_that_do_not_exist_are_complained_about() {
    let mut victim = Victim::new();
    let chunk = Data { flags: WHOLE, tsn: Tsn(FIRST), stream: 100, ssn: Ssn(0), ppid: 51, payload: b"x" };
    victim.say(&[Chunk::Data(chunk)]);
    victim.say(&[data(1, WHOLE, 0, b"fine")]);
    let answers = victim.answers();
    assert!(answers.iter().any(|answer| has_chunk(answer, |chunk| {
        matches!(chunk, Chunk::Error(causes)
            if causes.iter().any(|cause| (cause.code, cause.value) == (code::INVALID_STREAM_IDENTIFIER, &[0, 100, 0, 0])))
    })));
    assert!(answers.iter().any(|answer| has_chunk(answer, |chunk| {
        matches!(chunk, Chunk::Sack(sack) if sack.cumulative_tsn_ack == Tsn(FIRST + 1))
    })));
    assert_eq!(victim.pair.b.payloads(1), ["fine"]);
}

#[test]
fn unknown_chunks_are_skipped_and_reported_as_their_bits_say() {
    let unknown = |kind| Chunk::Unknown(RawChunk { kind, flags: 0, value: b"new" });
    for (kind, goes_on, reported) in
        [(0x3f, false, false), (0x7f, false, true), (0xbf, true, false), (0xff, true, true)]
    {
        let mut victim = Victim::new();
        victim.say(&[unknown(kind), data(0, WHOLE, 0, b"behind it")]);
        assert_eq!(!victim.pair.b.payloads(1).is_empty(), goes_on, "{kind:#x}");
        let report = victim.answers().iter().any(|answer| {
            has_chunk(answer, |chunk| {
                matches!(chunk, Chunk::Error(causes) if causes.iter().any(|cause| {
                    cause.code == code::UNRECOGNIZED_CHUNK_TYPE && cause.value == [kind, 0, 0, 7, b'n', b'e', b'w', 0]
                }))
            })
        });
        assert_eq!(report, reported, "{kind:#x}");
        assert_eq!(victim.stats().unknown_chunks, 1);
    }
}

#[test]
fn heartbeats_are_answered_and_a_flood_of_them_queues_only_a_few() {
    let mut victim = Victim::new();
    let info = [0, 1, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8];
    for _ in 0..1000 {
        victim.say(&[Chunk::Heartbeat(&info)]);
    }
    let mut answers = 0;
    for answer in victim.answers() {
        chunks(&answer, |chunk| {
            assert_eq!(*chunk, Chunk::HeartbeatAck(&info));
            answers += 1;
        });
    }
    assert_eq!(answers, Config::default().max_control);
    // One that is larger than any packet of ours cannot be returned.
    victim.say(&[Chunk::Heartbeat(&[0; 5000])]);
    assert!(victim.answers().is_empty());
}

#[test]
fn a_flood_of_inits_queues_only_a_few_answers() {
    let mut victim = Victim::new();
    let now = victim.pair.now();
    for tag in 1..1000 {
        let init = sctp::packet::Init {
            initiate_tag: tag,
            a_rwnd: 9000,
            outbound_streams: 1,
            inbound_streams: 1,
            initial_tsn: Tsn(1),
            parameters: Parameters::new(&[]),
        };
        victim.pair.b.handle_datagram(now, &mut packet(0, &[Chunk::Init(init)]));
    }
    assert_eq!(victim.answers().len(), Config::default().max_control);
}

#[test]
fn wrong_tags_ports_and_checksums_are_counted_and_dropped() {
    let mut victim = Victim::new();
    let now = victim.pair.now();
    let good = packet(victim.tag, &[data(0, WHOLE, 0, b"x")]);
    let mut wrong_tag = packet(victim.tag ^ 1, &[data(0, WHOLE, 0, b"x")]);
    let mut wrong_port = good.clone();
    wrong_port[1] ^= 1;
    sctp::packet::write_checksum(&mut wrong_port);
    let mut wrong_checksum = good.clone();
    wrong_checksum[8] ^= 1;
    for packet in [&mut wrong_tag, &mut wrong_port, &mut wrong_checksum] {
        victim.pair.b.handle_datagram(now, packet);
    }
    for length in 0..16 {
        let mut short = good[..length].to_vec();
        victim.pair.b.handle_datagram(now, &mut short);
    }
    let stats = victim.stats();
    assert_eq!((stats.bad_tag, stats.bad_checksum), (2, 17));
    assert!(victim.pair.b.payloads(1).is_empty());
}

#[test]
fn sequence_numbers_used_twice_deliver_one_message() {
    let mut victim = Victim::new();
    victim.say(&[data(0, WHOLE, 0, b"one"), data(1, WHOLE, 0, b"again"), data(2, WHOLE, 2, b"early")]);
    victim.say(&[data(3, WHOLE, 2, b"early again"), data(4, WHOLE, 1, b"two")]);
    assert_eq!(victim.pair.b.payloads(1), ["one", "two", "early"]);
}

#[test]
fn answers_to_nothing_are_ignored() {
    let mut victim = Victim::new();
    let mut response = Vec::new();
    Parameter::ReconfigResponse { response: sctp::RequestNumber(5), result: sctp::packet::ResetResult::Performed }
        .encode(&mut response);
    victim.say(&[Chunk::HeartbeatAck(&[0, 1, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8])]);
    victim.say(&[Chunk::CookieAck]);
    victim.say(&[Chunk::ShutdownAck]);
    victim.say(&[Chunk::ShutdownComplete { reflected: false }]);
    victim.say(&[Chunk::ReConfig(Parameters::new(&response))]);
    assert!(victim.answers().is_empty());
    assert!(victim.pair.b.closed().is_none());
}

#[test]
fn garbage_of_every_length_with_a_good_checksum_does_no_harm() {
    use rand::RngExt;
    for seed in sim::seeds(300) {
        let mut victim = Victim::new();
        let mut rng = sim::rng(seed, 5);
        for _ in 0..50 {
            let kind = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192][rng.random_range(0..15)];
            let value: Vec<u8> = (0..rng.random_range(0..80)).map(|_| rng.random_range(0..4u8)).collect();
            let chunk = Chunk::Unknown(RawChunk { kind, flags: rng.random_range(0..16), value: &value });
            victim.say(&[chunk]);
            for answer in victim.answers() {
                assert!(Packet::decode(&answer).is_ok());
            }
            let next = victim.pair.b.poll_timeout();
            if let Some(next) = next {
                victim.pair.b.handle_timeout(next);
            }
        }
        assert!(victim.pair.b.most_held < 300_000);
    }
}
