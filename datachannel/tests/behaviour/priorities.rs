//! What channels get of the association, and what a large message holds up.

use crate::common::{LONG, channel, connected_with, lan};
use sim::Pair;
use visavis_datachannel::{ChannelId, Config, Message, Options, Priority, sctp};

fn config(interleaving: bool) -> Config {
    Config {
        remote_max_message: Some(0),
        sctp: sctp::Config {
            interleaving,
            max_message: 16 << 20,
            send_buffer: 64 << 20,
            receive_window: 32 << 20,
            ..Config::default().sctp
        },
        ..Config::default()
    }
}

#[test]
fn channels_share_the_association_by_their_priorities_within_a_tenth() {
    for interleaving in [true, false] {
        let mut pair = connected_with(1, lan(), config(interleaving), config(false));
        let priorities = [Priority::BELOW_NORMAL, Priority::NORMAL, Priority::HIGH, Priority::EXTRA_HIGH];
        let channels: Vec<(ChannelId, ChannelId)> = priorities
            .into_iter()
            .map(|priority| channel(&mut pair, Options { priority, ..Options::new("bulk") }))
            .collect();
        const COUNT: usize = 1000;
        for _ in 0..COUNT {
            for (a, _) in &channels {
                pair.a.send(*a, vec![7; 4000]);
            }
        }
        let got = |pair: &Pair<_>, id| -> usize {
            let pair: &Pair<crate::common::Peer> = pair;
            pair.b.received(id).len()
        };
        let (_, highest) = channels[3];
        pair.expect("half of the highest", LONG, |pair| got(pair, highest) >= COUNT / 2);
        let total: usize = channels.iter().map(|(_, b)| got(&pair, *b)).sum();
        for ((_, b), weight) in channels.iter().zip([1.0, 2.0, 4.0, 8.0]) {
            let share = got(&pair, *b) as f64 / total as f64;
            assert!((share / (weight / 15.0) - 1.0).abs() < 0.1, "{share} of {weight} in 15");
        }
    }
}

#[test]
fn the_answering_side_keeps_to_the_priority_it_was_told() {
    let mut pair = connected_with(1, lan(), config(true), config(true));
    let (low_a, low_b) = channel(&mut pair, Options { priority: Priority::BELOW_NORMAL, ..Options::new("low") });
    let (high_a, high_b) = channel(&mut pair, Options { priority: Priority::EXTRA_HIGH, ..Options::new("high") });
    for _ in 0..1000 {
        pair.b.send(low_b, vec![1; 4000]);
        pair.b.send(high_b, vec![2; 4000]);
    }
    pair.expect("half of the high one", LONG, |pair| pair.a.received(high_a).len() >= 500);
    assert!(pair.a.received(low_a).len() < 75, "{}", pair.a.received(low_a).len());
}

#[test]
fn a_small_message_overtakes_a_large_one_where_the_peer_can_interleave() {
    for (peer, overtakes) in [(true, true), (false, false)] {
        let mut pair = connected_with(1, lan(), config(true), config(peer));
        let (large, large_b) = channel(&mut pair, Options::new("large"));
        let (small, small_b) = channel(&mut pair, Options::new("small"));
        pair.a.send(large, vec![1; 16 << 20]);
        pair.a.send(small, Message::text("hurry"));
        pair.expect("the small one", LONG, |pair| !pair.b.received(small_b).is_empty());
        assert_eq!(pair.b.received(large_b).is_empty(), overtakes);
        pair.expect("the large one", LONG, |pair| !pair.b.received(large_b).is_empty());
    }
}
