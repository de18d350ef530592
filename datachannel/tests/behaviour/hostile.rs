//! A peer that breaks the rules of data channels, over an association that is in order.

use crate::common::{LONG, Peer};
use sim::{Endpoint, Pair};
use std::time::{Duration, Instant};
use visavis_datachannel::sctp::{self, Association, Reliability, SendOptions};
use visavis_datachannel::{ChannelError, Config, Event, Message, Options, Role};

/// A bare association, as the DTLS client.
struct Raw {
    association: Association,
    events: Vec<sctp::Event>,
    received: Vec<(u16, sctp::Message)>,
}

impl Raw {
    fn turn(&mut self, now: Instant) {
        while let Some(event) = self.association.poll_event() {
            if let sctp::Event::Readable(stream) = event {
                while let Some(message) = self.association.read(now, stream) {
                    self.received.push((stream, message));
                }
            }
            self.events.push(event);
        }
    }

    fn has(&self, event: &sctp::Event) -> bool {
        self.events.contains(event)
    }
}

impl Endpoint for Raw {
    fn handle_datagram(&mut self, now: Instant, datagram: &mut [u8]) {
        self.association.handle_datagram(now, datagram);
        self.turn(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
        self.turn(now);
    }

    fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> bool {
        let sent = self.association.poll_transmit(now, buf);
        self.turn(now);
        sent
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.association.poll_timeout()
    }
}

/// The bare association, and the channels under test as the DTLS server.
fn world(config: Config) -> Pair<Raw, Peer> {
    let association = Association::new(sctp::Config::default(), sim::start(), [3; 32]);
    let raw = Raw { association, events: Vec::new(), received: Vec::new() };
    let mut pair = Pair::new(1, crate::common::lan(), raw, Peer::new(config, [4; 32]));
    pair.a.association.connect(sim::start());
    pair.b.connect(Role::Server);
    pair.expect("the association", LONG, |pair| pair.a.has(&sctp::Event::Connected) && pair.b.has(&Event::Connected));
    pair
}

fn send(pair: &mut Pair<Raw, Peer>, stream: u16, ppid: u32, payload: &[u8]) {
    let options = SendOptions { unordered: false, reliability: Reliability::Reliable };
    let message = sctp::Message { ppid, payload: payload.to_vec().into() };
    let now = pair.now();
    pair.a.association.send(now, stream, message, options).expect("a message can be sent");
}

const OPEN: &[u8] = b"\x03\x00\x01\x00\x00\x00\x00\x00\x00\x03\x00\x01labp";

/// Whether the other side has reset this stream.
fn is_reset(pair: &mut Pair<Raw, Peer>, stream: u16) -> bool {
    pair.run_for(Duration::from_secs(2));
    pair.a.has(&sctp::Event::IncomingReset(stream))
}

/// After all that, a channel still opens as it should, on a stream not used before.
fn expect_alive(pair: &mut Pair<Raw, Peer>) {
    let before = pair.b.incoming().len();
    send(pair, 400, 50, OPEN);
    pair.expect("a channel", LONG, |pair| pair.b.incoming().len() == before + 1);
    let id = pair.b.incoming().get(before).copied().expect("the channel that was waited for");
    send(pair, 400, 51, b"alive");
    pair.expect("a message", LONG, |pair| pair.b.received(id) == [Message::text("alive")]);
    assert!(pair.a.received.contains(&(400, sctp::Message { ppid: 50, payload: vec![2].into() })), "acknowledged");
}

#[test]
fn an_opening_that_makes_no_sense_resets_its_stream() {
    let mut pair = world(Config::default());
    let mut stream = 0;
    let mut longer = OPEN.to_vec();
    longer.push(0);
    let unknown_channel_type = [&[3, 0x55], &OPEN[2..]].concat();
    let not_utf_8 = [&OPEN[..12], b"\xff\xffxp"].concat();
    let cuts = (1..OPEN.len()).map(|length| OPEN[..length].to_vec());
    let bad: Vec<Vec<u8>> =
        cuts.chain([longer, unknown_channel_type, not_utf_8, vec![0], vec![1], vec![4], vec![0xff; 40]]).collect();
    for bytes in &bad {
        send(&mut pair, stream, 50, bytes);
        stream += 2;
    }
    pair.run_for(Duration::from_secs(5));
    for stream in (0..stream).step_by(2) {
        assert!(is_reset(&mut pair, stream), "stream {stream}");
    }
    let stats = pair.b.channels.stats();
    assert_eq!((stats.malformed, stats.refused), (bad.len() as u64, bad.len() as u64));
    assert_eq!(pair.b.incoming(), []);
    expect_alive(&mut pair);
}

#[test]
fn an_opening_of_the_wrong_parity_resets_its_stream() {
    let mut pair = world(Config::default());
    send(&mut pair, 1, 50, OPEN);
    assert!(is_reset(&mut pair, 1));
    assert_eq!((pair.b.incoming(), pair.b.channels.stats().refused), (vec![], 1));
    // Our own next channel does not use that stream while its reset is one-sided.
    let id = pair.b.open(Options::new("ours"));
    assert_eq!(pair.b.stream(id), 3);
    expect_alive(&mut pair);
}

#[test]
fn a_stream_that_does_not_exist_for_channels_is_refused() {
    let mut pair = world(Config::default());
    let now = pair.now();
    let options = SendOptions { unordered: false, reliability: Reliability::Reliable };
    let message = sctp::Message { ppid: 50, payload: OPEN.to_vec().into() };
    // The association may know by itself that there is none.
    if pair.a.association.send(now, 65_535, message, options).is_ok() {
        pair.run_for(Duration::from_secs(5));
    }
    assert_eq!(pair.b.incoming(), []);
    expect_alive(&mut pair);
}

#[test]
fn a_channel_opened_twice_is_closed() {
    let mut pair = world(Config::default());
    send(&mut pair, 0, 50, OPEN);
    send(&mut pair, 0, 51, b"hello");
    send(&mut pair, 0, 50, OPEN);
    assert!(is_reset(&mut pair, 0));
    let id = pair.b.incoming()[0];
    assert_eq!(pair.b.received(id), [Message::text("hello")]);
    assert!(pair.b.has(&Event::Error(id, ChannelError::Protocol("a channel was opened twice"))));
    // It ends when the peer has done its part, and the stream can be used again.
    let now = pair.now();
    pair.a.association.reset_streams(now, &[0]);
    pair.expect("the end", LONG, |pair| pair.b.is_closed(id) && pair.a.has(&sctp::Event::OutgoingReset(0)));
    send(&mut pair, 0, 50, OPEN);
    pair.expect("a channel", LONG, |pair| pair.b.incoming().len() == 2);
    expect_alive(&mut pair);
}

#[test]
fn opening_a_negotiated_channel_in_band_closes_it() {
    let mut pair = world(Config::default());
    let id = pair.b.open(Options { negotiated: Some(6), ..Options::new("agreed") });
    send(&mut pair, 6, 50, OPEN);
    assert!(is_reset(&mut pair, 6));
    assert!(pair.b.has(&Event::Error(id, ChannelError::Protocol("a channel was opened twice"))));
    expect_alive(&mut pair);
}

#[test]
fn an_acknowledgement_of_nothing_is_refused_and_one_too_many_ignored() {
    let mut pair = world(Config::default());
    send(&mut pair, 8, 50, &[2]);
    assert!(is_reset(&mut pair, 8));
    send(&mut pair, 0, 50, OPEN);
    send(&mut pair, 0, 50, &[2]);
    send(&mut pair, 0, 51, b"hello");
    pair.run_for(Duration::from_secs(2));
    let id = pair.b.incoming()[0];
    assert_eq!(pair.b.received(id), [Message::text("hello")]);
    assert!(pair.b.is_open(id));
    assert_eq!(pair.b.channels.stats().unexpected, 2);
    let ours = pair.b.open(Options::new("ours"));
    pair.run_for(Duration::from_secs(1));
    for _ in 0..3 {
        send(&mut pair, 1, 50, &[2]);
    }
    send(&mut pair, 1, 51, b"hello");
    pair.run_for(Duration::from_secs(1));
    assert!(pair.b.is_open(ours));
    assert_eq!(pair.b.received(ours), [Message::text("hello")]);
    expect_alive(&mut pair);
}

#[test]
fn an_opening_that_is_answered_by_nonsense_fails() {
    for answer in [&b"\x07"[..], OPEN] {
        let mut pair = world(Config::default());
        let id = pair.b.open(Options::new("ours"));
        pair.run_for(Duration::from_secs(1));
        send(&mut pair, 1, 50, answer);
        assert!(is_reset(&mut pair, 1));
        assert!(!pair.b.has(&Event::Opened(id)));
        assert!(pair.b.events.iter().any(|event| matches!(event, Event::Error(at, _) if *at == id)));
        expect_alive(&mut pair);
    }
}

#[test]
fn an_opening_that_is_answered_by_a_reset_was_refused() {
    let mut pair = world(Config::default());
    let id = pair.b.open(Options::new("ours"));
    pair.run_for(Duration::from_secs(1));
    let now = pair.now();
    pair.a.association.reset_streams(now, &[1]);
    pair.expect("the end", LONG, |pair| pair.b.is_closed(id));
    assert!(pair.b.has(&Event::Error(id, ChannelError::Refused)));
    expect_alive(&mut pair);
}

#[test]
fn payload_identifiers_that_are_not_of_user_messages_close_the_channel() {
    for ppid in [0, 49, 52, 54, 55, 58, u32::MAX] {
        let mut pair = world(Config::default());
        send(&mut pair, 0, 50, OPEN);
        send(&mut pair, 0, 51, b"before");
        send(&mut pair, 0, ppid, b"half of");
        send(&mut pair, 0, 51, b"after");
        assert!(is_reset(&mut pair, 0), "identifier {ppid}");
        let id = pair.b.incoming()[0];
        assert_eq!(pair.b.received(id), [Message::text("before")]);
        assert_eq!(pair.b.channels.stats().unexpected, 1);
        expect_alive(&mut pair);
    }
}

#[test]
fn empty_messages_are_empty_whatever_they_carry() {
    let mut pair = world(Config::default());
    send(&mut pair, 0, 50, OPEN);
    send(&mut pair, 0, 56, b"not empty at all");
    send(&mut pair, 0, 57, b"\x01");
    send(&mut pair, 0, 51, b"\xff\xfe");
    pair.run_for(Duration::from_secs(1));
    let received = pair.b.received(pair.b.incoming()[0]);
    assert_eq!(received[..2], [Message::text(""), Message::binary(Vec::new())]);
    assert_eq!((received[2].as_text(), received[2].to_text().as_str()), (None, "\u{fffd}\u{fffd}"));
}

#[test]
fn data_for_channels_that_nobody_opens_stays_within_its_bound() {
    let config = Config { max_early: 10_000, ..Config::default() };
    let mut pair = world(config);
    for stream in 0..40 {
        send(&mut pair, stream, 53, &[0; 1000]);
    }
    pair.run_for(Duration::from_secs(5));
    // Each message counts a little more than its bytes.
    let refused: Vec<u16> = (0..40).filter(|stream| is_reset(&mut pair, *stream)).collect();
    assert_eq!(refused, (9..40).collect::<Vec<_>>());
    let id = pair.b.open(Options { negotiated: Some(3), ..Options::default() });
    pair.expect("what has waited", LONG, |pair| {
        pair.b.turn();
        pair.b.received(id) == [Message::binary(vec![0; 1000])]
    });
    expect_alive(&mut pair);
}

#[test]
fn data_that_overtakes_its_opening_waits_for_it() {
    let mut pair = world(Config::default());
    for text in ["too", "soon"] {
        send(&mut pair, 4, 51, text.as_bytes());
    }
    pair.run_for(Duration::from_secs(1));
    send(&mut pair, 4, 50, OPEN);
    send(&mut pair, 4, 51, b"in time");
    pair.expect("the channel", LONG, |pair| pair.b.incoming().len() == 1);
    let id = pair.b.incoming()[0];
    pair.expect("all messages", LONG, |pair| pair.b.received(id).len() == 3);
    let texts: Vec<String> = pair.b.received(id).iter().map(Message::to_text).collect();
    assert_eq!(texts, ["too", "soon", "in time"]);
    expect_alive(&mut pair);
}

#[test]
fn names_stay_within_their_bound() {
    let config = Config { max_peer_names: 1000, ..Config::default() };
    let mut pair = world(config);
    let long = [b"\x03\x00\x01\x00\x00\x00\x00\x00\x01\x2c\x00\x00", &[b'x'; 300][..]].concat();
    for stream in [0, 2, 4, 6] {
        send(&mut pair, stream, 50, &long);
    }
    assert!(is_reset(&mut pair, 6));
    assert_eq!(pair.b.incoming().len(), 3);
    // A channel that is closed gives its name back.
    let now = pair.now();
    pair.a.association.reset_streams(now, &[0]);
    pair.expect("the end", LONG, |pair| pair.b.channels.stats().closed == 1);
    send(&mut pair, 8, 50, &long);
    pair.expect("a channel", LONG, |pair| pair.b.incoming().len() == 4);
}

#[test]
fn what_comes_right_behind_openings_stays_within_its_bound() {
    let mut config = Config { max_unread: 5000, ..Config::default() };
    config.sctp.receive_window = 30_000;
    config.sctp.max_message = 1000;
    let mut pair = world(config);
    pair.b.reads = false;
    for stream in (0..1000).step_by(2) {
        send(&mut pair, stream, 50, OPEN);
        send(&mut pair, stream, 53, &[1; 1000]);
    }
    pair.run_for(Duration::from_secs(60));
    // The rest waits in the window (which is a little larger than asked for), or with the sender.
    let used = pair.b.channels.association().stats().receive_buffer_used;
    assert!((60_000..140_000).contains(&used), "{used}");
    assert!(pair.a.association.buffered_amount(998) > 0);
    pair.b.reads = true;
    let mut read = 0;
    pair.expect("all messages", LONG, |pair| {
        for id in pair.b.incoming() {
            pair.b.read_all(id);
        }
        read = pair.b.received.values().map(Vec::len).sum();
        read == 500
    });
    assert_eq!(pair.b.incoming().len(), 500);
}

#[test]
fn resets_of_streams_that_nobody_uses_end_after_one_answer() {
    let mut pair = world(Config::default());
    for round in 0..3 {
        let now = pair.now();
        pair.a.events.clear();
        pair.a.association.reset_streams(now, &[20, 21]);
        pair.run_for(Duration::from_secs(30));
        for stream in [20, 21] {
            let answers = pair.a.events.iter().filter(|event| **event == sctp::Event::IncomingReset(stream)).count();
            assert_eq!(answers, 1, "round {round}");
        }
    }
    expect_alive(&mut pair);
}

#[test]
fn opening_and_closing_for_ever_without_a_reader_stays_bounded() {
    let config = Config { max_channels: 4, ..Config::default() };
    let mut pair = world(config);
    // Nobody polls events here, so nobody notices that channels have closed.
    pair.b.reads = false;
    for _ in 0..50 {
        send(&mut pair, 0, 50, OPEN);
        pair.run_for(Duration::from_millis(200));
        let now = pair.now();
        pair.a.association.reset_streams(now, &[0]);
        pair.run_for(Duration::from_secs(2));
    }
    let stats = pair.b.channels.stats();
    assert_eq!((stats.accepted, stats.closed, stats.refused), (50, 50, 0));
    assert_eq!(pair.b.channels.ids().count(), 0);
}
