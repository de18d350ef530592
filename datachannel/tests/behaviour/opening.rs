//! Opening channels: in-band and negotiated, from either side, before and after the association is up.

use crate::common::{LONG, Peer, channel, connected, connected_with, connecting, lan};
use sim::{Pair, Side, Verdict};
use std::time::Duration;
use visavis_datachannel::{
    ChannelError, Config, Dialect, Event, Message, OpenError, Options, Priority, Reliability, Role, State,
};

#[test]
fn the_peer_learns_all_about_a_channel() {
    let mut pair = connected(1, lan());
    let all = [
        Options::new("plain"),
        Options { ordered: false, ..Options::new("unordered") },
        Options { reliability: Reliability::MaxRetransmits(3), ..Options::new("three times") },
        Options { reliability: Reliability::MaxLifetime(Duration::from_millis(250)), ..Options::new("a while") },
        Options { ordered: false, reliability: Reliability::MaxRetransmits(0), ..Options::new("once") },
        Options { priority: Priority::EXTRA_HIGH, protocol: "chat.v2".into(), ..Options::new("urgent") },
        Options { protocol: "протокол".into(), ..Options::new("канал 🦀") },
        Options::default(),
        Options { protocol: "p".repeat(20_000), ..Options::new("l".repeat(30_000)) },
    ];
    for options in all {
        let (a, b) = channel(&mut pair, options.clone());
        let (mine, theirs) = (pair.a.channels.info(a).unwrap(), pair.b.channels.info(b).unwrap());
        assert_eq!(mine, theirs);
        assert_eq!((mine.label, mine.protocol), (options.label, options.protocol));
        assert_eq!((mine.ordered, mine.reliability), (options.ordered, options.reliability));
        assert_eq!((mine.priority, mine.state), (options.priority, State::Open));
    }
}

#[test]
fn the_client_uses_even_streams_and_the_server_odd_ones() {
    let mut pair = connected(2, lan());
    let a: Vec<_> = (0..5).map(|n| pair.a.open(Options::new(format!("a{n}")))).collect();
    let b: Vec<_> = (0..5).map(|n| pair.b.open(Options::new(format!("b{n}")))).collect();
    pair.expect("all channels", LONG, |pair| pair.a.incoming().len() == 5 && pair.b.incoming().len() == 5);
    for (n, (a, b)) in a.into_iter().zip(b).enumerate() {
        assert_eq!((pair.a.stream(a), pair.b.stream(b)), (2 * n as u16, 2 * n as u16 + 1));
        assert_eq!(pair.b.stream(pair.b.labelled(&format!("a{n}"))), 2 * n as u16);
    }
}

#[test]
fn channels_opened_before_the_role_is_known_get_their_streams_later() {
    let mut a = Peer::new(Config::default(), [1; 32]);
    let b = Peer::new(Config::default(), [2; 32]);
    let early = a.open(Options::new("early"));
    let negotiated = a.open(Options { negotiated: Some(1), ..Options::new("agreed") });
    a.send(early, "before anything");
    assert_eq!(a.channels.info(early).unwrap().stream_id, None);
    assert_eq!((a.stream(negotiated), a.channels.state(negotiated)), (1, State::Connecting));
    let mut pair = Pair::new(3, lan(), a, b);
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.counts(Side::A).sent, 0);
    pair.a.connect(Role::Server);
    pair.b.connect(Role::Client);
    pair.expect("the channel", LONG, |pair| pair.a.is_open(early) && pair.a.is_open(negotiated));
    // Stream 1 is taken by the negotiated channel.
    assert_eq!(pair.a.stream(early), 3);
    let there = pair.b.incoming()[0];
    assert_eq!(pair.b.received(there), [Message::text("before anything")]);
}

#[test]
fn messages_may_follow_an_opening_at_once_and_never_overtake_it() {
    for seed in sim::seeds(30) {
        let mut pair = connected(seed, sim::Link { reorder: 0.3, loss: 0.1, ..lan() });
        let a = pair.a.open(Options { ordered: false, ..Options::new("eager") });
        for n in 0..20 {
            pair.a.send(a, format!("{n}"));
        }
        pair.expect("all messages", LONG, |pair| {
            pair.b.incoming().first().is_some_and(|b| pair.b.received(*b).len() == 20)
        });
        assert_eq!(pair.b.channels.stats().refused, 0);
        // All were sent before the acknowledgement, so they are ordered.
        let texts: Vec<String> = pair.b.received(pair.b.incoming()[0]).iter().map(Message::to_text).collect();
        assert_eq!(texts, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

#[test]
fn an_answer_that_overtakes_the_acknowledgement_opens_the_channel() {
    for seed in sim::seeds(30) {
        let mut pair = connected(seed, lan());
        // The packet with the acknowledgement is lost, the unordered message behind it is not.
        let a = pair.a.open(Options { ordered: false, ..Options::new("quick") });
        pair.expect("the opening", LONG, |pair| !pair.b.incoming().is_empty());
        let b = pair.b.incoming()[0];
        let mut dropped = false;
        pair.intercept(move |_, side, _| {
            if side == Side::B && !std::mem::replace(&mut dropped, true) { Verdict::Drop } else { Verdict::Pass }
        });
        pair.step();
        pair.b.send(b, "hello");
        pair.expect("the message", LONG, |pair| !pair.a.received(a).is_empty());
        assert!(pair.a.is_open(a));
        pair.run_for(LONG);
        assert_eq!(pair.a.received(a), [Message::text("hello")]);
        assert!(pair.a.is_open(a) && pair.b.is_open(b));
    }
}

#[test]
fn negotiated_channels_send_nothing_to_open() {
    let mut pair = connected(4, lan());
    pair.run_for(Duration::from_secs(1));
    let before = pair.counts(Side::A).sent;
    let options = |stream| Options { negotiated: Some(stream), ..Options::new("agreed") };
    let ids: Vec<_> =
        [0, 1, 700, 65_534].map(|stream| (pair.a.open(options(stream)), pair.b.open(options(stream)))).into();
    pair.run_for(Duration::from_millis(1));
    assert_eq!(pair.counts(Side::A).sent, before);
    for (a, b) in ids {
        assert!(pair.a.is_open(a) && pair.b.is_open(b) && pair.a.channels.info(a).unwrap().negotiated);
        pair.a.send(a, "from a");
        pair.b.send(b, "from b");
        pair.expect("both messages", LONG, |pair| {
            pair.a.received(a) == [Message::text("from b")] && pair.b.received(b) == [Message::text("from a")]
        });
    }
}

#[test]
fn what_comes_before_a_negotiated_channel_is_opened_here_waits() {
    let mut pair = connected(5, lan());
    let options = || Options { negotiated: Some(9), ..Options::new("agreed") };
    let a = pair.a.open(options());
    for n in 0..50 {
        pair.a.send(a, format!("{n}"));
    }
    pair.run_for(Duration::from_secs(2));
    let b = pair.b.open(options());
    pair.expect("all messages", LONG, |pair| pair.b.received(b).len() == 50);
    let texts: Vec<String> = pair.b.received(b).iter().map(Message::to_text).collect();
    assert_eq!(texts, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_opened_is_told() {
    let config = Config { max_channels: 3, ..Config::default() };
    let mut pair = connected_with(6, lan(), config, Config::default());
    let now = pair.now();
    let agreed = Options { negotiated: Some(2), ..Options::default() };
    pair.a.open(agreed.clone());
    let mut open = |options| pair.a.channels.open(now, options);
    assert_eq!(open(agreed), Err(OpenError::StreamInUse(2)));
    assert_eq!(open(Options { negotiated: Some(65_535), ..Options::default() }), Err(OpenError::InvalidStream(65_535)));
    assert_eq!(open(Options::new("x".repeat(65_536))), Err(OpenError::NameTooLong { length: 65_536 }));
    assert!(open(Options::default()).is_ok() && open(Options::default()).is_ok());
    assert_eq!(open(Options::default()), Err(OpenError::TooManyChannels { limit: 3 }));
    pair.a.channels.abort(now);
    let now = pair.now();
    assert_eq!(pair.a.channels.open(now, Options::default()), Err(OpenError::Disconnected));
}

#[test]
fn the_peer_refuses_more_channels_than_it_allows() {
    let config = Config { max_channels: 2, ..Config::default() };
    let mut pair = connected_with(7, lan(), Config::default(), config);
    let ids: Vec<_> = (0..3).map(|n| pair.a.open(Options::new(format!("{n}")))).collect();
    pair.expect("the refusal", LONG, |pair| pair.a.is_closed(ids[2]));
    assert!(pair.a.has(&Event::Error(ids[2], ChannelError::Refused)));
    assert!(pair.a.is_open(ids[0]) && pair.a.is_open(ids[1]));
    assert_eq!((pair.b.channels.stats().accepted, pair.b.channels.stats().refused), (2, 1));
    // Once one is closed there is room for another, on the stream that was refused.
    pair.a.close(ids[0]);
    pair.expect("the close", LONG, |pair| pair.a.is_closed(ids[0]));
    let again = pair.a.open(Options::new("again"));
    pair.expect("the channel", LONG, |pair| pair.a.is_open(again));
}

#[test]
fn two_hundred_channels_from_both_sides_at_once() {
    for seed in sim::seeds(5) {
        let link = sim::Link { loss: 0.05, reorder: 0.05, ..lan() };
        let mut pair = connecting(seed, link, Config::default(), Config::default());
        for n in 0..100 {
            let (a, b) = (pair.a.open(Options::new(format!("a{n}"))), pair.b.open(Options::new(format!("b{n}"))));
            pair.a.send(a, format!("a{n}"));
            pair.b.send(b, format!("b{n}"));
        }
        let is_done = |peer: &Peer| peer.received.len() == 100 && peer.channels.ids().all(|id| peer.is_open(id));
        pair.expect("all channels", LONG, |pair| is_done(&pair.a) && is_done(&pair.b));
        for (peer, prefix) in [(&pair.a, "b"), (&pair.b, "a")] {
            for id in peer.incoming() {
                let label = peer.channels.info(id).unwrap().label;
                assert!(label.starts_with(prefix));
                assert_eq!(peer.received(id), [Message::text(label)]);
            }
        }
    }
}

#[test]
fn every_stream_can_be_a_channel() {
    let config = || Config { max_channels: 65_535, ..Config::default() };
    let mut pair = connected_with(8, sim::Link::default(), config(), config());
    for stream in 0..=65_534 {
        pair.a.open(Options { negotiated: Some(stream), ..Options::default() });
    }
    let now = pair.now();
    assert_eq!(pair.a.channels.open(now, Options::default()), Err(OpenError::TooManyChannels { limit: 65_535 }));
    let highest = pair.a.channels.ids().last().unwrap();
    let there = pair.b.open(Options { negotiated: Some(65_534), ..Options::default() });
    pair.a.send(highest, "up here");
    pair.expect("the message", LONG, |pair| pair.b.received(there) == [Message::text("up here")]);
}

#[test]
fn the_dialect_of_the_draft_opens_with_three_messages() {
    let config = || Config { dialect: Dialect::Draft2012, ..Config::default() };
    let mut pair = connected_with(9, lan(), config(), config());
    let options = Options { ordered: false, reliability: Reliability::MaxRetransmits(4), ..Options::new("old") };
    let (a, b) = channel(&mut pair, options.clone());
    let info = pair.b.channels.info(b).unwrap();
    assert_eq!((info.stream_id, info.label.as_str(), info.ordered), (Some(1), "old", false));
    assert_eq!(info.reliability, options.reliability);
    pair.a.send(a, "there");
    pair.b.send(b, "and back");
    pair.expect("both messages", LONG, |pair| {
        pair.a.received(a) == [Message::text("and back")] && pair.b.received(b) == [Message::text("there")]
    });
    // The lowest free stream, whoever opens.
    let other = pair.b.open(Options::new("next"));
    pair.expect("the channel", LONG, |pair| pair.b.is_open(other));
    assert_eq!(pair.b.stream(other), 2);
    assert_eq!(pair.a.channels.stats().unexpected + pair.b.channels.stats().unexpected, 0);
}
