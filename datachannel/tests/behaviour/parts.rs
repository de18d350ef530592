//! Messages in parts, and receipts.

use crate::common::{LONG, Peer, channel, connected_with, lan};
use sim::{Link, Pair};
use std::time::Duration;
use visavis_datachannel::{
    ChannelId, Config, Event, Kind, Message, Options, Progress, Reliability, SendErrorReason, State, sctp,
};

const PART: usize = 16 << 10;

fn config(interleaving: bool) -> Config {
    Config {
        remote_max_message: Some(0),
        sctp: sctp::Config {
            interleaving,
            partial_delivery: true,
            max_message: usize::MAX,
            send_buffer: 256 << 10,
            max_send_buffer: 0,
            receive_window: 256 << 10,
            ..Config::default().sctp
        },
        ..Config::default()
    }
}

/// Sends as many parts as there is room for; how many bytes that were.
fn send_parts(pair: &mut Pair<Peer>, id: ChannelId, left: &mut usize) {
    let now = pair.now();
    while *left > 0 {
        let length = (*left).min(PART);
        match pair.a.channels.send_part(now, id, Message::binary(vec![5; length]), length == *left, Some(1)) {
            Ok(()) => *left -= length,
            Err(error) => {
                assert!(matches!(error.reason, SendErrorReason::Full { .. }), "{error}");
                break;
            }
        }
    }
}

#[test]
fn a_message_larger_than_all_buffers_passes_in_parts() {
    for interleaving in [true, false] {
        let mut pair = connected_with(1, lan(), config(interleaving), config(true));
        pair.b.reads = false;
        let (a, b) = channel(&mut pair, Options::new("endless"));
        let (mut left, mut got, mut complete) = (8 << 20, 0, false);
        pair.expect("the message", LONG, |pair| {
            send_parts(pair, a, &mut left);
            let now = pair.now();
            while let Some(part) = pair.b.channels.read_part(now, b) {
                assert_eq!((part.kind, part.is_first), (Kind::Binary, got == 0));
                assert!(part.payload.iter().all(|byte| *byte == 5));
                got += part.payload.len();
                complete = part.progress == Progress::Complete;
            }
            let held = pair.b.channels.association().stats().receive_buffer_used;
            assert!(held <= 512 << 10, "{held} bytes held");
            complete
        });
        assert_eq!(got, 8 << 20);
        pair.expect("the receipt", LONG, |pair| pair.a.has(&Event::Delivered(1)));
        let (mine, theirs) = (pair.a.channels.info(a).unwrap(), pair.b.channels.info(b).unwrap());
        assert_eq!((mine.sent, theirs.received), (theirs.received, mine.sent));
        assert_eq!(mine.sent.bytes, 8 << 20);
    }
}

#[test]
fn whole_messages_can_be_read_in_parts_and_messages_in_parts_whole() {
    let mut pair = connected_with(1, lan(), config(true), config(true));
    let (a, b) = channel(&mut pair, Options::new("both"));
    let now = pair.now();
    for (part, is_last) in [("Grü", false), ("ße", false), ("", true)] {
        pair.a.channels.send_part(now, a, Message::text(part), is_last, None).expect("room");
    }
    pair.expect("the whole", LONG, |pair| pair.b.received(b) == [Message::text("Grüße")]);
    pair.b.reads = false;
    pair.a.send(a, Message::text(""));
    pair.a.send(a, Message::text("x"));
    pair.run_for(Duration::from_secs(1));
    let now = pair.now();
    for expected in ["", "x"] {
        let part = pair.b.channels.read_part(now, b).expect("a message");
        assert!(part.is_first && part.progress == Progress::Complete);
        assert_eq!(Message::from(part), Message::text(expected));
    }
    assert_eq!(pair.b.channels.read_part(now, b), None);
}

#[test]
fn a_message_that_grows_too_large_for_the_peer_is_given_up() {
    let limited = Config { remote_max_message: Some(100_000), ..config(true) };
    let mut pair = connected_with(1, lan(), limited, config(true));
    let (a, b) = channel(&mut pair, Options::new("limited"));
    let now = pair.now();
    let part = || Message::binary(vec![1; 60_000]);
    pair.a.channels.send_part(now, a, part(), false, None).expect("within the limit");
    let error = pair.a.channels.send_part(now, a, part(), false, None).unwrap_err();
    assert_eq!(error.reason, SendErrorReason::TooLarge { limit: 100_000, len: 120_000 });
    pair.a.send(a, Message::text("next"));
    pair.expect("the next one", LONG, |pair| pair.b.received(b) == [Message::text("next")]);
}

#[test]
fn other_messages_wait_for_the_end_of_the_one_in_parts_and_closing_does_not() {
    for interleaving in [true, false] {
        let mut pair = connected_with(1, lan(), config(interleaving), config(true));
        let (a, b) = channel(&mut pair, Options::new("parts"));
        let now = pair.now();
        pair.a.channels.send_part(now, a, Message::binary(vec![1; 50_000]), false, None).expect("room");
        let refused = pair.a.channels.send(now, a, Message::text("other")).unwrap_err();
        assert_eq!((refused.reason, refused.message), (SendErrorReason::InParts, Message::text("other")));
        pair.run_for(Duration::from_secs(1));
        pair.a.close(a);
        pair.expect("the end", LONG, |pair| pair.a.is_closed(a) && pair.b.is_closed(b));
        assert!(pair.b.received(b).is_empty(), "half a message is none");
    }
}

#[test]
fn a_channel_closed_by_the_peer_in_the_middle_of_reading_tells_the_end() {
    let mut pair = connected_with(1, lan(), config(true), config(true));
    pair.b.reads = false;
    let (a, b) = channel(&mut pair, Options::new("cut"));
    let now = pair.now();
    pair.a.channels.send_part(now, a, Message::binary(vec![1; 50_000]), false, None).expect("room");
    pair.run_for(Duration::from_secs(1));
    let now = pair.now();
    let part = pair.b.channels.read_part(now, b).expect("a part");
    assert!(part.is_first && part.progress == Progress::More);
    pair.a.close(a);
    pair.expect("the news", LONG, |pair| pair.b.has(&Event::Closing(b)));
    let now = pair.now();
    assert_eq!(pair.b.channels.read(now, b), None, "nothing whole");
    let last = pair.b.channels.read_part(now, b).expect("the end");
    assert_eq!((last.progress, last.is_first), (Progress::Abandoned, false));
    assert_eq!(pair.b.channels.read_part(now, b), None);
    pair.expect("the end", LONG, |pair| pair.a.is_closed(a) && pair.b.is_closed(b));
    assert_eq!(pair.b.channels.state(b), State::Closed);
}

#[test]
fn a_peer_that_closes_while_we_read_nothing_gets_to_its_end() {
    let mut pair = connected_with(1, lan(), config(true), config(true));
    let (a, b) = channel(&mut pair, Options::new("deaf"));
    pair.b.reads = false;
    let mut left = 10 << 20;
    send_parts(&mut pair, a, &mut left);
    pair.run_for(Duration::from_secs(1));
    // Closed here, so what still arrives is thrown away, however much there is of one message.
    pair.b.close(b);
    pair.expect("the end", LONG, |pair| pair.a.is_closed(a) && pair.b.is_closed(b));
    assert_eq!(pair.b.channels.association().stats().receive_buffer_used, 0);
}

#[test]
fn receipts_tell_of_messages_that_waited_for_the_channel_and_of_those_given_up() {
    let mut pair = connected_with(1, lan(), config(true), config(true));
    let lossy = Options { reliability: Reliability::MaxRetransmits(0), ..Options::new("lossy") };
    let a = pair.a.open(lossy);
    let now = pair.now();
    pair.a.channels.send_with_receipt(now, a, Message::text("first"), 10).expect("room");
    pair.expect("the receipt", LONG, |pair| pair.a.has(&Event::Delivered(10)));
    pair.set_link(sim::Side::A, Link { loss: 1.0, ..lan() });
    let now = pair.now();
    pair.a.channels.send_with_receipt(now, a, Message::text("lost"), 11).expect("room");
    pair.expect("the receipt", LONG, |pair| pair.a.has(&Event::Abandoned(11)));
    assert!(!pair.a.has(&Event::Delivered(11)));
}
