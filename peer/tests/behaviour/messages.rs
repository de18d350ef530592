//! What is sent arrives: every kind and size, both ways, in order.

use bytes::Bytes;
use futures_util::StreamExt;
use visavis::Message;

use crate::support::{Pair, config, pattern, recv, within};

#[tokio::test]
async fn text_bytes_and_empty_messages_are_echoed_as_they_were() {
    let pair = Pair::new().await;
    let messages = [
        Message::from("hello"),
        Message::from("Grüße, 世界 🌍"),
        Message::from(""),
        Message::from(&b"\x00\xff\x80"[..]),
        Message::from(Bytes::new()),
        Message::from(pattern(100_000, 1)),
    ];
    for message in &messages {
        within(pair.here.send(message.clone())).await.unwrap();
        let there = recv(&pair.there).await;
        within(pair.there.send(there)).await.unwrap();
        assert_eq!(recv(&pair.here).await, *message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn megabytes_arrive_in_order_in_both_directions_at_once() {
    let pair = Pair::new().await;
    let (count, len) = (160, 60_000);
    let send = |channel: visavis::DataChannel| async move {
        for number in 0..count {
            channel.send(pattern(len, number)).await.unwrap();
        }
    };
    let receive = |channel: visavis::DataChannel| async move {
        for number in 0..count {
            assert_eq!(channel.recv().await.unwrap().into_bytes(), pattern(len, number), "message {number}");
        }
    };
    within(async {
        tokio::join!(
            send(pair.here.clone()),
            send(pair.there.clone()),
            receive(pair.here.clone()),
            receive(pair.there.clone())
        )
    })
    .await;
}

#[tokio::test]
async fn what_came_before_anyone_received_waits() {
    let pair = Pair::new().await;
    for number in 0..100 {
        within(pair.here.send(format!("{number}"))).await.unwrap();
    }
    // The last answer shows that everything before it has arrived.
    within(pair.here.buffered_amount_low()).await;
    for number in 0..100 {
        assert_eq!(recv(&pair.there).await.as_text(), Some(format!("{number}").as_str()));
    }
}

#[tokio::test]
async fn messages_are_a_stream_that_ends_with_the_channel() {
    let pair = Pair::new().await;
    for number in 0..3 {
        within(pair.here.send(format!("{number}"))).await.unwrap();
    }
    within(pair.here.close()).await.unwrap();
    let received: Vec<_> = within(pair.there.messages().collect()).await;
    assert_eq!(received, ["0", "1", "2"].map(Message::from));
}

#[tokio::test]
async fn the_largest_message_arrives_and_one_byte_more_is_refused_with_the_limit() {
    let limit = 100_000;
    let pair = Pair::of(config(), visavis::Config { max_message_size: limit, ..config() }).await;
    within(pair.here.send(pattern(limit, 0))).await.unwrap();
    assert_eq!(recv(&pair.there).await.len(), limit);
    for error in [
        within(pair.here.send(pattern(limit + 1, 0))).await.unwrap_err(),
        pair.here.try_send(pattern(limit + 1, 0)).unwrap_err(),
    ] {
        assert!(matches!(error, visavis::Error::MessageTooLarge { len: 100_001, limit: 100_000, .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("the peer accepts 100000 bytes") && text.contains("up to 100000 bytes"), "{text}");
        assert!(text.ends_with("; split it"), "our own buffer is not at fault: {text}");
    }
    // The channel goes on.
    within(pair.here.send("after")).await.unwrap();
    assert_eq!(recv(&pair.there).await.as_text(), Some("after"));
}

#[tokio::test]
async fn several_tasks_share_the_messages_of_one_channel() {
    let pair = Pair::new().await;
    let receivers: Vec<_> = (0..4)
        .map(|_| {
            let channel = pair.there.clone();
            tokio::spawn(async move {
                let mut count = 0;
                while channel.recv().await.is_some() {
                    count += 1;
                }
                count
            })
        })
        .collect();
    for _ in 0..1000 {
        within(pair.here.send("one of many")).await.unwrap();
    }
    within(pair.here.close()).await.unwrap();
    let mut total = 0;
    for receiver in receivers {
        total += within(receiver).await.unwrap();
    }
    assert_eq!(total, 1000);
}
