//! Closing channels and associations.

use crate::common::{LONG, Peer, channel, connected, connected_with, lan};
use sim::{Link, Pair, Side, Verdict};
use std::time::Duration;
use visavis_datachannel::{ChannelError, ChannelId, Config, Event, Message, Options, SendErrorReason, State, sctp};

fn rough(seed: u64) -> Link {
    Link { loss: 0.1, ..Link::rough(seed) }
}

/// Waits until a channel is closed and forgotten on both sides.
fn expect_closed(pair: &mut Pair<Peer>, a: ChannelId, b: ChannelId) {
    pair.expect("the close", LONG, |pair| pair.a.is_closed(a) && pair.b.is_closed(b));
    assert_eq!((pair.a.channels.info(a), pair.b.channels.info(b)), (None, None));
    assert_eq!(pair.a.channels.state(a), State::Closed);
}

#[test]
fn nothing_accepted_before_a_close_is_lost() {
    for seed in sim::seeds(40) {
        let mut pair = connected(seed, rough(seed));
        let (a, b) = channel(&mut pair, Options { ordered: seed % 2 == 0, ..Options::new("bye") });
        for n in 0..60_u8 {
            pair.a.send(a, vec![n; 1000]);
        }
        pair.a.close(a);
        assert_eq!(pair.a.channels.state(a), State::Closing);
        expect_closed(&mut pair, a, b);
        assert_eq!(pair.b.received(b).len(), 60);
        let order: Vec<_> =
            pair.b.events.iter().filter(|e| matches!(e, Event::Closing(_) | Event::Closed(_))).collect();
        assert_eq!(order, [&Event::Closing(b), &Event::Closed(b)]);
        assert!(!pair.a.has(&Event::Closing(a)), "only the other side is told that it is being closed");
    }
}

#[test]
fn either_side_and_both_at_once_can_close() {
    for seed in sim::seeds(60) {
        let mut pair = connected(seed, rough(seed));
        let (a, b) = channel(&mut pair, Options::new("bye"));
        for n in 0..10 {
            pair.a.send(a, format!("{n}"));
            pair.b.send(b, format!("{n}"));
        }
        if seed % 3 != 0 {
            pair.a.close(a);
        }
        if seed % 3 != 1 {
            pair.b.close(b);
        }
        expect_closed(&mut pair, a, b);
        // Who did not close gets all that the other had sent.
        match seed % 3 {
            0 => assert_eq!(pair.a.received(a).len(), 10),
            1 => assert_eq!(pair.b.received(b).len(), 10),
            _ => {}
        }
    }
}

#[test]
fn a_channel_closed_by_the_peer_can_still_be_read() {
    let mut pair = connected(1, lan());
    let (a, b) = channel(&mut pair, Options::new("late reader"));
    pair.b.reads = false;
    for n in 0..5 {
        pair.a.send(a, format!("{n}"));
    }
    pair.a.close(a);
    pair.expect("the close", LONG, |pair| pair.a.is_closed(a) && pair.b.is_closed(b));
    let error = pair.b.channels.send(pair.now(), b, Message::text("too late")).unwrap_err();
    assert_eq!((error.reason, error.message), (SendErrorReason::Closed, Message::text("too late")));
    // The stream is used again meanwhile, which must not mix the messages.
    let (again, there) = channel(&mut pair, Options::new("next"));
    assert_eq!(pair.a.stream(again), 0);
    pair.a.send(again, "of the next channel");
    pair.run_for(Duration::from_secs(1));
    pair.b.read_all(b);
    pair.b.read_all(there);
    assert_eq!(pair.b.received(b).len(), 5);
    assert_eq!(pair.b.received(there), [Message::text("of the next channel")]);
    assert_eq!(pair.b.channels.info(b), None);
}

#[test]
fn more_unread_than_the_bound_delays_the_close_until_it_is_read() {
    let config = Config { max_unread: 10_000, ..Config::default() };
    let mut pair = connected_with(2, lan(), Config::default(), config);
    let (a, b) = channel(&mut pair, Options::new("slow reader"));
    pair.b.reads = false;
    for _ in 0..50 {
        pair.a.send(a, vec![1; 1000]);
    }
    pair.a.close(a);
    pair.run_for(LONG);
    assert!(pair.b.has(&Event::Closing(b)) && !pair.a.is_closed(a) && !pair.b.is_closed(b));
    pair.b.read_all(b);
    pair.expect("the close", LONG, |pair| pair.a.is_closed(a) && pair.b.is_closed(b));
    assert_eq!(pair.b.received(b).len(), 50);
}

#[test]
fn who_does_not_want_to_read_closes_too() {
    let config = Config { max_unread: 10_000, ..Config::default() };
    let mut pair = connected_with(3, lan(), Config::default(), config);
    let (a, b) = channel(&mut pair, Options::new("no reader"));
    pair.b.reads = false;
    for _ in 0..50 {
        pair.a.send(a, vec![1; 1000]);
    }
    pair.a.close(a);
    pair.run_for(Duration::from_secs(5));
    pair.b.close(b);
    expect_closed(&mut pair, a, b);
    assert_eq!(pair.b.received(b), []);
}

#[test]
fn what_arrives_after_a_close_is_discarded_and_does_not_stop_the_peer() {
    let mut config = Config::default();
    config.sctp.max_message = 10_000;
    config.sctp.receive_window = 20_000;
    let mut pair = connected_with(4, lan(), Config::default(), config);
    let (a, b) = channel(&mut pair, Options::new("one-sided"));
    pair.b.reads = false;
    // More than the window: the peer could never finish if nobody took it.
    for _ in 0..60 {
        pair.a.send(a, vec![1; 1000]);
    }
    pair.run_for(Duration::from_secs(1));
    pair.b.close(b);
    expect_closed(&mut pair, a, b);
    assert_eq!(pair.b.channels.stats().discarded, 60);
}

#[test]
fn streams_are_used_again_after_both_sides_have_reset_them() {
    for seed in sim::seeds(20) {
        let mut pair = connected(seed, rough(seed));
        for round in 0..6 {
            let (a, b) = channel(&mut pair, Options::new(format!("round {round}")));
            assert_eq!(pair.a.stream(a), 0);
            pair.a.send(a, format!("to b {round}"));
            pair.b.send(b, format!("to a {round}"));
            pair.expect("both messages", LONG, |pair| {
                pair.a.received(a) == [Message::text(format!("to a {round}"))]
                    && pair.b.received(b) == [Message::text(format!("to b {round}"))]
            });
            if round % 2 == 0 {
                pair.a.close(a)
            } else {
                pair.b.close(b)
            }
            expect_closed(&mut pair, a, b);
        }
        assert_eq!((pair.a.channels.stats().closed, pair.b.channels.stats().closed), (6, 6));
        assert_eq!((pair.a.channels.stats().refused, pair.b.channels.stats().refused), (0, 0));
    }
}

#[test]
fn a_channel_opened_at_the_moment_of_a_close_does_not_get_lost() {
    for seed in sim::seeds(60) {
        let mut pair = connected(seed, rough(seed));
        let (a, b) = channel(&mut pair, Options::new("old"));
        pair.b.send(b, "the last of the old");
        pair.a.close(a);
        // As soon as the stream is free on this side it is used again, while the other may still wait for the end.
        pair.expect("the close", LONG, |pair| pair.a.is_closed(a));
        let new = pair.a.open(Options::new("new"));
        assert_eq!(pair.a.stream(new), 0);
        pair.a.send(new, "the first of the new");
        pair.expect("the new channel", LONG, |pair| pair.b.incoming().len() == 2 && pair.a.is_open(new));
        let there = pair.b.incoming()[1];
        pair.expect("the message", LONG, |pair| !pair.b.received(there).is_empty());
        assert_eq!(pair.b.received(there), [Message::text("the first of the new")]);
        assert!(pair.b.is_closed(b) && pair.b.is_open(there));
    }
}

#[test]
fn negotiated_channels_close_and_can_be_agreed_on_again() {
    let mut pair = connected(5, lan());
    for _ in 0..3 {
        let options = || Options { negotiated: Some(7), ..Options::new("agreed") };
        let (a, b) = (pair.a.open(options()), pair.b.open(options()));
        pair.a.send(a, "hello");
        pair.expect("the message", LONG, |pair| !pair.b.received(b).is_empty());
        pair.b.close(b);
        expect_closed(&mut pair, a, b);
    }
}

#[test]
fn a_negotiated_channel_that_only_one_side_opened_closes() {
    let mut pair = connected(6, lan());
    let a = pair.a.open(Options { negotiated: Some(7), ..Options::new("lonely") });
    pair.a.send(a, "anybody?");
    pair.a.close(a);
    pair.expect("the close", LONG, |pair| pair.a.is_closed(a));
    let (a, b) = channel(&mut pair, Options::new("others go on"));
    assert!(pair.a.is_open(a) && pair.b.is_open(b));
    pair.run_for(LONG);
    pair.a.channels.shutdown(pair.now());
    pair.run_for(LONG);
    pair.expect_quiet(LONG);
}

#[test]
fn a_channel_closed_before_it_was_open() {
    let mut a = Peer::new(Config::default(), [1; 32]);
    let unused = a.open(Options::new("unused"));
    let used = a.open(Options::new("used"));
    a.send(used, "still delivered");
    a.close(unused);
    a.close(used);
    a.turn();
    assert!(a.is_closed(unused) && !a.is_closed(used));
    let mut pair = Pair::new(7, lan(), a, Peer::new(Config::default(), [2; 32]));
    pair.a.connect(visavis_datachannel::Role::Client);
    pair.b.connect(visavis_datachannel::Role::Server);
    pair.expect("the close", LONG, |pair| pair.a.is_closed(used));
    assert_eq!(pair.b.incoming().len(), 1);
    assert_eq!(pair.b.received(pair.b.incoming()[0]), [Message::text("still delivered")]);
}

#[test]
fn a_graceful_shutdown_delivers_all_and_is_quiet_after() {
    for seed in sim::seeds(40) {
        let mut pair = connected(seed, rough(seed));
        let (a, b) = channel(&mut pair, Options::new("bye"));
        for n in 0..100_u8 {
            pair.a.send(a, vec![n; 1000]);
        }
        pair.a.channels.shutdown(pair.now());
        let error = pair.a.channels.send(pair.now(), a, Message::text("too late")).unwrap_err();
        assert_eq!(error.reason, SendErrorReason::Closed);
        let over = Event::Disconnected(sctp::Closed::Shutdown);
        pair.expect("the end", LONG, |pair| pair.a.has(&over) && pair.b.has(&over));
        assert_eq!(pair.b.received(b).len(), 100);
        assert!(pair.a.is_closed(a) && pair.b.is_closed(b));
        pair.run_for(Duration::from_secs(5));
        pair.expect_quiet(LONG);
        assert_eq!((pair.a.channels.poll_timeout(), pair.b.channels.poll_timeout()), (None, None));
    }
}

#[test]
fn a_shutdown_before_the_association_is_up_still_delivers() {
    let mut a = Peer::new(Config::default(), [1; 32]);
    let id = a.open(Options::new("hasty"));
    a.send(id, "on the way out");
    a.connect(visavis_datachannel::Role::Client);
    let mut pair = Pair::new(8, lan(), a, Peer::new(Config::default(), [2; 32]));
    pair.b.connect(visavis_datachannel::Role::Server);
    pair.a.channels.shutdown(pair.now());
    let over = Event::Disconnected(sctp::Closed::Shutdown);
    pair.expect("the end", LONG, |pair| pair.a.has(&over) && pair.b.has(&over));
    assert_eq!(pair.b.received(pair.b.incoming()[0]), [Message::text("on the way out")]);
}

#[test]
fn an_abort_ends_every_channel_and_what_arrived_can_be_read() {
    let mut pair = connected(9, lan());
    let (a, b) = channel(&mut pair, Options::new("cut"));
    pair.b.reads = false;
    pair.a.send(a, "arrived");
    pair.run_for(Duration::from_secs(1));
    pair.a.channels.abort(pair.now());
    pair.expect("the end", LONG, |pair| pair.b.is_closed(b));
    pair.a.turn();
    assert!(pair.a.is_closed(a));
    assert!(pair.b.has(&Event::Error(b, ChannelError::Disconnected)));
    assert!(matches!(pair.b.events.last(), Some(Event::Disconnected(sctp::Closed::PeerAborted { .. }))));
    pair.b.read_all(b);
    assert_eq!(pair.b.received(b), [Message::text("arrived")]);
    assert_eq!(pair.b.channels.ids().count(), 0);
    pair.expect_quiet(LONG);
}

#[test]
fn a_peer_that_starts_anew_has_forgotten_its_channels() {
    let mut pair = connected(10, lan());
    let (a, b) = channel(&mut pair, Options::new("before"));
    pair.b.reads = false;
    pair.a.send(a, "unread");
    pair.run_for(Duration::from_secs(1));
    let negotiated = pair.b.open(Options { negotiated: Some(9), ..Options::new("agreed") });
    // Another life on the same path.
    pair.a = Peer::new(Config::default(), [9; 32]);
    pair.a.connect(visavis_datachannel::Role::Client);
    pair.expect("the end of all channels", LONG, |pair| pair.b.is_closed(b) && pair.b.is_closed(negotiated));
    assert!(pair.b.has(&Event::Error(b, ChannelError::Disconnected)));
    pair.b.read_all(b);
    assert_eq!(pair.b.received(b), [Message::text("unread")]);
    pair.b.reads = true;
    let (again, there) = channel_after(&mut pair, 1);
    pair.a.send(again, "after");
    pair.expect("the message", LONG, |pair| pair.b.received(there) == [Message::text("after")]);
}

/// Opens a channel from the client; `before` channels of it have arrived already.
fn channel_after(pair: &mut Pair<Peer>, before: usize) -> (ChannelId, ChannelId) {
    let a = pair.a.open(Options::new("new"));
    pair.expect("the channel", LONG, |pair| pair.a.is_open(a) && pair.b.incoming().len() > before);
    (a, pair.b.incoming().get(before).copied().expect("it was waited for"))
}

#[test]
fn a_peer_that_does_not_reset_streams_costs_the_stream_only() {
    let mut pair = connected(11, lan());
    let (a, _) = channel(&mut pair, Options::new("stuck"));
    pair.intercept(|_, from, packet| {
        if from == Side::B {
            deny_resets(packet);
        }
        Verdict::Pass
    });
    pair.a.close(a);
    pair.expect("the close", LONG, |pair| pair.a.is_closed(a));
    let (next, _) = channel(&mut pair, Options::new("next"));
    assert_eq!(pair.a.stream(next), 2, "stream 0 is not used again");
}

/// Turns every answer to a reset into a denial (RFC 6525, section 4.4: result 2).
fn deny_resets(packet: &mut [u8]) {
    const RE_CONFIG: u8 = 130;
    const RESPONSE: [u8; 2] = [0, 16];
    let mut at = 12;
    while let Some([kind, _, high, low]) = packet.get(at..at + 4).and_then(|header| header.first_chunk().copied()) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if kind == RE_CONFIG && packet.get(at + 4..at + 6) == Some(&RESPONSE) {
            packet.get_mut(at + 12..at + 16).expect("a response has a result").copy_from_slice(&[0, 0, 0, 2]);
        }
        at += length.max(4).next_multiple_of(4);
    }
    packet.get_mut(8..12).expect("a packet has a checksum").fill(0);
    let checksum = crc32c(packet).to_le_bytes();
    packet.get_mut(8..12).expect("a packet has a checksum").copy_from_slice(&checksum);
}

/// The checksum of SCTP (RFC 9260, appendix A), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}
