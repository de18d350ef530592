//! Back-pressure: `send` waits, `try_send` refuses, and what nobody reads holds the sender back.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use visavis::{Config, Error};

use crate::support::{Pair, config, pattern, recv, within};

const LIMIT: usize = 200_000;

/// A pair with small buffers whose channel is filled until nothing more goes in.
async fn filled() -> (Pair, usize) {
    let small = Config { send_buffer: LIMIT, receive_buffer: LIMIT, receive_window: Some(LIMIT as u32), ..config() };
    let pair = Pair::with(small).await;
    let mut sent = 0;
    // Nobody reads, so this ends: the receiver's inbox, its window and our buffer are full then.
    loop {
        let mut send = pin!(pair.here.send(pattern(10_000, sent)));
        // Once the buffer stays full for as many turns of this thread as all queues hold messages, it is full for good.
        let mut patience = 2_000;
        let done = poll_fn(|cx| {
            if let Poll::Ready(result) = send.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            patience -= 1;
            if patience == 0 {
                return Poll::Ready(None);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        match within(done).await {
            Some(result) => result.unwrap(),
            None => break,
        }
        sent += 1;
    }
    (pair, sent)
}

#[tokio::test]
async fn send_waits_for_room_and_goes_on_when_the_peer_reads() {
    let (pair, sent) = filled().await;
    assert!((20..=100).contains(&sent), "{sent} messages of 10 kB went into buffers of {LIMIT} bytes");
    let waiting = tokio::spawn({
        let here = pair.here.clone();
        async move { here.send("the last").await }
    });
    for number in 0..sent {
        assert_eq!(recv(&pair.there).await.into_bytes(), pattern(10_000, number), "message {number}");
    }
    within(waiting).await.unwrap().unwrap();
    assert_eq!(recv(&pair.there).await.as_text(), Some("the last"));
}

#[tokio::test]
async fn try_send_refuses_when_full_and_names_the_limit() {
    let (pair, _) = filled().await;
    let error = pair.here.try_send(pattern(10_000, 0)).unwrap_err();
    let Error::SendBufferFull { buffered, limit: LIMIT, .. } = error else { panic!("{error:?}") };
    assert!(buffered > LIMIT - 10_000 - 64 * 20 && buffered <= LIMIT, "{buffered}");
    assert_eq!(pair.here.buffered_amount(), buffered);
    let text = error.to_string();
    assert!(text.contains(&format!("{buffered} of {LIMIT} bytes")) && text.contains("`send`, which waits"), "{text}");
}

#[tokio::test]
async fn try_send_takes_messages_until_the_buffer_is_full() {
    let pair = Pair::with(Config { send_buffer: LIMIT, ..config() }).await;
    // On this thread the driver has no turn between two of these.
    let taken = (0..1_000).take_while(|number| pair.here.try_send(pattern(10_000, *number)).is_ok()).count();
    assert!((15..=20).contains(&taken), "{taken}");
    for number in 0..taken {
        assert_eq!(recv(&pair.there).await.into_bytes(), pattern(10_000, number));
    }
    assert_eq!(pair.here.buffered_amount_low_threshold(), 0);
    within(pair.here.buffered_amount_low()).await;
    assert_eq!(pair.here.buffered_amount(), 0);
}

#[tokio::test]
async fn empty_messages_are_bounded_too() {
    let pair = Pair::with(Config { send_buffer: LIMIT, ..config() }).await;
    let taken = (0..1_000_000).take_while(|_| pair.here.try_send("").is_ok()).count();
    assert!(taken < 10_000, "{taken}");
    for _ in 0..taken {
        assert!(recv(&pair.there).await.is_empty());
    }
}

#[tokio::test]
async fn a_message_as_large_as_the_buffer_goes_and_a_larger_one_does_not() {
    let pair = Pair::with(Config { send_buffer: 50_000, ..config() }).await;
    for number in 0..3 {
        within(pair.here.send(pattern(50_000, number))).await.unwrap();
    }
    for number in 0..3 {
        assert_eq!(recv(&pair.there).await.into_bytes(), pattern(50_000, number));
    }
    let error = within(pair.here.send(pattern(50_001, 0))).await.unwrap_err();
    let accepted = config().max_message_size;
    assert!(
        matches!(error, Error::MessageTooLarge { len: 50_001, limit: 50_000, max_message_size, send_buffer: 50_000 }
            if max_message_size == accepted),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains(&format!("accepts {accepted} bytes")) && text.contains("holds 50000 bytes"), "{text}");
    assert!(text.ends_with("raise `Config::send_buffer`"), "{text}");
}

#[tokio::test]
async fn a_channel_that_nobody_reads_does_not_hold_the_others_back() {
    let pair = Pair::with(Config { receive_buffer: LIMIT, ..config() }).await;
    // More than its inbox takes, less than the window of all.
    for number in 0..40 {
        within(pair.here.send(pattern(10_000, number))).await.unwrap();
    }
    let [left, right] = pair.connections();
    let other = left.create_data_channel("other", visavis::ChannelOptions::default()).unwrap();
    let there = within(right.accept_data_channel()).await.unwrap();
    within(other.send("past")).await.unwrap();
    assert_eq!(recv(&there).await.as_text(), Some("past"));
    for number in 0..40 {
        assert_eq!(recv(&pair.there).await.into_bytes(), pattern(10_000, number));
    }
}
