//! Back-pressure: the send buffer, the buffered amount, the receive window.

use crate::common::{LONG, channel, connected, connected_with, lan};
use std::time::Duration;
use visavis_datachannel::{Config, Event, Message, Options, SendErrorReason};

fn small_buffer() -> Config {
    let mut config = Config::default();
    config.sctp.send_buffer = 50_000;
    config.sctp.max_send_buffer = 0;
    config
}

#[test]
fn a_full_buffer_hands_the_message_back_and_tells_when_there_is_room() {
    let mut pair = connected_with(1, lan(), small_buffer(), Config::default());
    let (a, b) = channel(&mut pair, Options::new("full"));
    pair.run_for(Duration::from_secs(1));
    let message = Message::binary(vec![1; 10_000]);
    let mut sent = 0;
    for _ in 0..5 {
        let now = pair.now();
        let error = loop {
            match pair.a.channels.send(now, a, message.clone()) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        let capacity = pair.a.channels.send_capacity(a);
        assert_eq!((error.reason, error.message), (SendErrorReason::Full { capacity }, message.clone()));
        assert!(capacity < 10_000);
        pair.a.events.clear();
        pair.expect("room", LONG, |pair| pair.a.has(&Event::Writable(a)));
    }
    pair.expect("all messages", LONG, |pair| pair.b.received(b).len() == sent);
    assert!(sent >= 9, "{sent}");
}

#[test]
fn messages_wait_for_the_association_within_the_buffer() {
    let mut pair = crate::common::connecting(2, lan(), small_buffer(), Config::default());
    let a = pair.a.open(Options::new("early"));
    let now = pair.now();
    let sent = std::iter::from_fn(|| pair.a.channels.send(now, a, Message::binary(vec![1; 1000])).ok()).count();
    assert!((45..=50).contains(&sent), "{sent}");
    pair.expect("all messages", LONG, |pair| {
        pair.b.incoming().first().is_some_and(|b| pair.b.received(*b).len() == sent)
    });
}

#[test]
fn the_buffered_amount_counts_the_bytes_of_the_application_alone() {
    let mut pair = connected(3, lan());
    let a = pair.a.open(Options::new("a long label, which does not count"));
    assert_eq!(pair.a.channels.buffered_amount(a), 0);
    pair.a.send(a, vec![1; 700]);
    assert_eq!(pair.a.channels.buffered_amount(a), 700);
    pair.expect("an empty buffer", LONG, |pair| pair.a.channels.buffered_amount(a) == 0);
    let b = pair.b.incoming()[0];
    pair.b.send(b, vec![1; 300]);
    assert_eq!(pair.b.channels.buffered_amount(b), 300);
    pair.expect("an empty buffer", LONG, |pair| pair.b.channels.buffered_amount(b) == 0);
    assert!(pair.a.received(a).len() == 1 && pair.b.received(b).len() == 1);
}

#[test]
fn the_fall_to_the_threshold_is_told_once_each_time() {
    let mut pair = connected(4, lan());
    let (a, _) = channel(&mut pair, Options::new("low"));
    pair.a.channels.set_buffered_amount_low_threshold(a, 20_000);
    let low = Event::BufferedAmountLow(a);
    let told = |pair: &sim::Pair<crate::common::Peer>| pair.a.events.iter().filter(|event| **event == low).count();
    pair.a.send(a, vec![1; 15_000]);
    pair.run_for(Duration::from_secs(5));
    assert_eq!(told(&pair), 0, "never above");
    for round in 1..4 {
        for _ in 0..5 {
            pair.a.send(a, vec![1; 30_000]);
        }
        pair.expect("the fall", LONG, |pair| told(pair) == round);
        assert!(pair.a.channels.buffered_amount(a) <= 20_000);
        pair.run_for(Duration::from_secs(5));
        assert_eq!((told(&pair), pair.a.channels.buffered_amount(a)), (round, 0));
    }
    // The usual threshold is zero.
    let (other, _) = channel(&mut pair, Options::new("empty"));
    assert!(!pair.a.has(&Event::BufferedAmountLow(other)), "the opening does not count");
    pair.a.send(other, "x");
    pair.expect("the fall", LONG, |pair| pair.a.has(&Event::BufferedAmountLow(other)));
}

#[test]
fn a_threshold_set_before_the_association_is_up_works() {
    let mut pair = crate::common::connecting(5, lan(), Config::default(), Config::default());
    let a = pair.a.open(Options::new("early"));
    pair.a.channels.set_buffered_amount_low_threshold(a, 1000);
    pair.a.send(a, vec![1; 50_000]);
    assert_eq!(pair.a.channels.buffered_amount(a), 50_000);
    pair.expect("the fall", LONG, |pair| pair.a.has(&Event::BufferedAmountLow(a)));
}

#[test]
fn what_is_not_read_stops_the_peer_and_nothing_is_lost() {
    let mut config = Config::default();
    config.sctp.max_message = 10_000;
    config.sctp.receive_window = 50_000;
    let mut pair = connected_with(6, lan(), Config::default(), config);
    let (a, b) = channel(&mut pair, Options::new("slow"));
    pair.b.reads = false;
    for n in 0..200_u32 {
        pair.a.send(a, [&n.to_be_bytes()[..], &[0; 1000]].concat());
    }
    pair.run_for(Duration::from_secs(20));
    assert!(pair.a.channels.buffered_amount(a) > 50_000, "the peer waits");
    let mut read = 0;
    pair.expect("all messages", LONG, |pair| {
        let now = pair.now();
        while let Some(message) = pair.b.channels.read(now, b) {
            assert_eq!(message.payload.get(..4), Some(&u32::to_be_bytes(read)[..]));
            read += 1;
        }
        read == 200
    });
}
