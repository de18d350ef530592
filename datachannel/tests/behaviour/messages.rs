//! Messages: their kinds, sizes, order and reliability.

use crate::common::{LONG, Peer, channel, connected, connected_with, lan};
use sim::{Link, Pair};
use std::time::Duration;
use visavis_datachannel::{ChannelId, Config, Event, Message, Options, Reliability, SendErrorReason, Traffic, sctp};

#[test]
fn text_bytes_and_nothing_arrive_as_what_they_are() {
    let mut pair = connected(1, lan());
    let (a, b) = channel(&mut pair, Options::new("kinds"));
    let all = [
        Message::text("hello"),
        Message::text(""),
        Message::binary(Vec::new()),
        Message::binary(vec![0]),
        Message::text("\0"),
        Message::binary((0..=255).collect::<Vec<u8>>()),
        Message::text("Grüße, 世界 🦀"),
    ];
    for message in all.clone() {
        pair.a.send(a, message.clone());
        pair.b.send(b, message);
    }
    pair.expect("all messages", LONG, |pair| pair.a.received(a).len() == 7 && pair.b.received(b).len() == 7);
    assert_eq!((pair.a.received(a), pair.b.received(b)), (&all[..], &all[..]));
    let bytes = all.iter().map(|message| message.payload.len() as u64).sum();
    let (mine, theirs) = (pair.a.channels.info(a).unwrap(), pair.b.channels.info(b).unwrap());
    assert_eq!((mine.sent, theirs.received), (Traffic { messages: 7, bytes }, Traffic { messages: 7, bytes }));
}

#[test]
fn the_largest_message_passes_and_one_byte_more_is_refused() {
    let mut pair = connected(2, lan());
    let (a, b) = channel(&mut pair, Options::new("large"));
    let now = pair.now();
    for (remote, limit) in [(None, 65_536), (Some(1000), 1000), (Some(262_144), 262_144)] {
        if let Some(remote) = remote {
            pair.a.channels.set_remote_max_message(remote);
        }
        let before = pair.b.received(b).len();
        pair.a.send(a, vec![7; limit]);
        pair.expect("the message", LONG, |pair| pair.b.received(b).len() > before);
        assert_eq!(pair.b.received(b)[before], Message::binary(vec![7; limit]));
        let error = pair.a.channels.send(now, a, Message::binary(vec![7; limit + 1])).unwrap_err();
        assert_eq!(error.reason, SendErrorReason::TooLarge { limit, len: limit + 1 });
        assert_eq!(error.message.payload.len(), limit + 1);
        assert!(error.to_string().contains(&format!("larger than the {limit} bytes")), "{error}");
    }
}

#[test]
fn without_a_limit_even_more_than_the_send_buffer_passes() {
    let mut config = Config::default();
    config.sctp.send_buffer = 100_000;
    config.sctp.max_send_buffer = 0;
    config.remote_max_message = Some(0);
    let mut pair = connected_with(3, lan(), config, Config::default());
    let (a, b) = channel(&mut pair, Options::new("large"));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.channels.max_message(), usize::MAX);
    pair.a.send(a, vec![1; 200_000]);
    let now = pair.now();
    let error = pair.a.channels.send(now, a, Message::binary(vec![1; 200_000])).unwrap_err();
    assert!(matches!(error.reason, SendErrorReason::Full { .. }), "not two of them");
    pair.expect("the message", LONG, |pair| pair.b.received(b) == [Message::binary(vec![1; 200_000])]);
}

#[test]
fn a_message_larger_than_this_side_accepts_ends_the_association() {
    let config = Config { remote_max_message: Some(0), ..Config::default() };
    let mut pair = connected_with(4, lan(), config, Config::default());
    let (a, b) = channel(&mut pair, Options::new("too large"));
    pair.a.send(a, vec![1; 256 * 1024]);
    pair.expect("the message", LONG, |pair| pair.b.received(b).len() == 1);
    pair.a.send(a, vec![1; 256 * 1024 + 1]);
    pair.expect("the end", LONG, |pair| pair.a.is_closed(a) && pair.b.is_closed(b));
    assert!(matches!(pair.b.events.last(), Some(Event::Disconnected(sctp::Closed::ProtocolViolation(_)))));
    assert!(matches!(pair.a.events.last(), Some(Event::Disconnected(sctp::Closed::PeerAborted { .. }))));
    assert_eq!(pair.b.received(b).len(), 1);
}

/// Sends `count` numbered messages at a pace over a lossy link, and returns what arrived, in its order.
fn over_a_lossy_link(seed: u64, options: Options, count: u32) -> Vec<u32> {
    let mut pair = connected(seed, lan());
    let (a, b) = channel(&mut pair, options);
    pair.set_links(Link { loss: 0.1, reorder: 0.1, duplicate: 0.05, ..lan() });
    for number in 0..count {
        pair.a.send(a, number.to_be_bytes().to_vec());
        pair.run_for(Duration::from_millis(5));
    }
    pair.run_for(Duration::from_secs(30));
    assert_eq!(pair.a.channels.buffered_amount(a), 0);
    numbers(&pair, b)
}

fn numbers(pair: &Pair<Peer>, b: ChannelId) -> Vec<u32> {
    let number = |message: &Message| message.payload.first_chunk().copied().map_or(u32::MAX, u32::from_be_bytes);
    pair.b.received(b).iter().map(number).collect()
}

fn sorted(numbers: &[u32]) -> Vec<u32> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted
}

#[test]
fn reliable_channels_deliver_all_in_order_or_not() {
    let all: Vec<u32> = (0..200).collect();
    let mut overtaken = false;
    for seed in sim::seeds(10) {
        assert_eq!(over_a_lossy_link(seed, Options::new("ordered"), 200), all);
        let unordered = over_a_lossy_link(seed, Options { ordered: false, ..Options::new("unordered") }, 200);
        assert_eq!(sorted(&unordered), all);
        overtaken |= unordered != all;
    }
    assert!(overtaken || std::env::var_os("SIM_SEED").is_some());
}

#[test]
fn partially_reliable_channels_lose_some_and_repeat_none() {
    let mut lost = 0;
    for seed in sim::seeds(10) {
        for reliability in [Reliability::MaxRetransmits(0), Reliability::MaxLifetime(Duration::from_millis(1))] {
            for ordered in [true, false] {
                let options = Options { ordered, reliability, ..Options::new("partial") };
                let arrived = over_a_lossy_link(seed, options, 200);
                let unique = sorted(&arrived);
                assert!(unique.windows(2).all(|pair| pair[0] < pair[1]), "no message twice");
                assert!(!ordered || unique == arrived, "in order");
                assert!(
                    (10..=200).contains(&arrived.len()),
                    "seed {seed}: {} of 200 arrived, {reliability:?}, ordered {ordered}",
                    arrived.len()
                );
                lost += 200 - arrived.len();
            }
        }
    }
    assert!(lost > 0 || std::env::var_os("SIM_SEED").is_some());
}

#[test]
fn enough_retransmissions_or_time_lose_nothing() {
    let all: Vec<u32> = (0..100).collect();
    for seed in sim::seeds(5) {
        for reliability in [Reliability::MaxRetransmits(50), Reliability::MaxLifetime(Duration::from_secs(60))] {
            let options = Options { reliability, ..Options::new("patient") };
            assert_eq!(over_a_lossy_link(seed, options, 100), all);
        }
    }
}

#[test]
fn one_channel_does_not_wait_for_another() {
    let mut pair = connected(9, lan());
    let (slow, _) = channel(&mut pair, Options::new("slow"));
    let (quick, there) = channel(&mut pair, Options::new("quick"));
    pair.b.reads = false;
    pair.a.send(slow, vec![0; 60_000]);
    pair.a.send(quick, "me too");
    pair.expect("the other message", Duration::from_secs(5), |pair| {
        pair.b.read_all(there);
        pair.b.received(there) == [Message::text("me too")]
    });
}
