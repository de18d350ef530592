//! Several channels at once, each with its own properties.

use std::time::Duration;

use visavis::{ChannelOptions, DataChannel, DataChannelState, Initiator, Message, PeerConnection, Priority, Receiver};

use crate::support::{Pair, config, negotiate, recv, within};

const fn assert_handle<T: Clone + Send + Sync + 'static>() {}

#[test]
fn handles_can_be_cloned_and_shared_between_threads() {
    assert_handle::<PeerConnection>();
    assert_handle::<DataChannel>();
    assert_handle::<Initiator>();
    assert_handle::<Receiver>();
}

#[tokio::test]
async fn the_peer_sees_the_properties_of_a_channel() {
    let pair = Pair::new().await;
    let cases = [
        ChannelOptions { protocol: "chat/1".into(), ..ChannelOptions::default() },
        ChannelOptions { ordered: false, ..ChannelOptions::default() },
        ChannelOptions { ordered: false, max_retransmits: Some(3), ..ChannelOptions::default() },
        ChannelOptions { max_packet_life_time: Some(Duration::from_millis(250)), ..ChannelOptions::default() },
        ChannelOptions { priority: Priority::HIGH, ..ChannelOptions::default() },
    ];
    for (number, options) in cases.into_iter().enumerate() {
        let label = format!("канал {number}");
        let here = pair.initiator.peer_connection().create_data_channel(&label, options.clone()).unwrap();
        let there = within(pair.receiver.peer_connection().accept_data_channel()).await.unwrap();
        within(here.opened()).await.unwrap();
        for channel in [&here, &there] {
            assert_eq!(channel.label(), label);
            assert_eq!(channel.protocol(), options.protocol);
            assert_eq!(channel.ordered(), options.ordered);
            assert_eq!(channel.max_retransmits(), options.max_retransmits);
            assert_eq!(channel.max_packet_life_time(), options.max_packet_life_time);
            assert_eq!(channel.priority(), options.priority);
            assert_eq!(channel.ready_state(), DataChannelState::Open);
            assert!(!channel.negotiated());
        }
        assert!(here.id().is_some());
        assert_eq!(here.id(), there.id());
    }
}

#[tokio::test]
async fn negotiated_channels_need_no_word_on_the_wire() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let options = ChannelOptions { negotiated: Some(7), ..ChannelOptions::default() };
    let here = initiator.peer_connection().create_data_channel("seven", options.clone()).unwrap();
    let there = receiver.peer_connection().create_data_channel("sept", options).unwrap();
    assert_eq!(here.ready_state(), DataChannelState::Connecting);
    within(negotiate(&initiator, &receiver, "in-band")).await;
    within(here.send("over")).await.unwrap();
    assert_eq!(recv(&there).await, Message::from("over"));
    within(there.send("and back")).await.unwrap();
    assert_eq!(recv(&here).await, Message::from("and back"));
    assert!(here.negotiated());
    assert_eq!((here.id(), there.id()), (Some(7), Some(7)));
}

#[tokio::test]
async fn both_sides_open_many_channels_at_once() {
    let pair = Pair::new().await;
    let count = 100;
    let [left, right] = pair.connections();
    for (connection, side) in [(left, "left"), (right, "right")] {
        for number in 0..count {
            let channel =
                connection.create_data_channel(format!("{side} {number}"), ChannelOptions::default()).unwrap();
            tokio::spawn(async move { channel.send(channel.label().to_owned()).await });
        }
    }
    for connection in [left, right] {
        for _ in 0..count {
            let channel = within(connection.accept_data_channel()).await.unwrap();
            assert_eq!(recv(&channel).await.as_text(), Some(channel.label()));
        }
        assert_eq!(connection.data_channels().len(), 2 * count + 1);
    }
    assert_eq!(left.data_channel("left 7").unwrap().id(), right.data_channel("left 7").unwrap().id());
    assert!(left.data_channel("nobody's").is_none());
}

#[tokio::test]
async fn a_closed_channel_is_not_found_and_its_label_can_be_used_again() {
    let pair = Pair::new().await;
    within(pair.here.close()).await.unwrap();
    within(pair.there.closed()).await;
    let [left, right] = pair.connections();
    assert!(left.data_channel("channel").is_none());
    let again = left.create_data_channel("channel", ChannelOptions::default()).unwrap();
    let there = within(right.accept_data_channel()).await.unwrap();
    within(again.send("again")).await.unwrap();
    assert_eq!(recv(&there).await, Message::from("again"));
    assert_ne!(pair.here, again);
    assert_eq!(left.data_channel("channel"), Some(again));
}
