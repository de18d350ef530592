//! Messages of any size, receipts, and channels as streams of bytes.

use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use visavis::{Config, DataChannelState, Error, Message};

use crate::support::{Pair, config, recv, within};

const LARGE: usize = 48 << 20;

/// Small buffers, and messages of any size.
fn unlimited() -> Config {
    Config {
        max_message_size: usize::MAX,
        send_buffer: 256 << 10,
        receive_buffer: 256 << 10,
        receive_window: Some(1 << 20),
        ..config()
    }
}

fn byte(at: usize) -> u8 {
    (at.wrapping_mul(31) ^ (at >> 9)) as u8
}

#[tokio::test]
async fn a_message_larger_than_all_buffers_is_sent_from_a_reader_and_read_in_chunks() {
    let pair = Pair::with(unlimited()).await;
    let (here, there) = (pair.here.clone(), pair.there.clone());
    let sender = tokio::spawn(async move {
        let data: Vec<u8> = (0..LARGE).map(byte).collect();
        let receipt = here.send_from(&data[..]).await.unwrap();
        receipt.await.unwrap();
        here.send("done").await.unwrap();
        here
    });
    let mut reader = within(there.recv_chunks()).await.expect("a message");
    assert!(!reader.is_text());
    let mut got = 0;
    while let Some(chunk) = within(reader.next()).await.unwrap() {
        assert!(chunk.iter().enumerate().all(|(at, value)| *value == byte(got + at)), "near {got}");
        got += chunk.len();
    }
    assert_eq!(got, LARGE);
    assert_eq!(recv(&there).await, Message::from("done"));
    within(sender).await.unwrap();
}

#[tokio::test]
async fn a_stream_of_chunks_is_one_message_and_a_reader_of_it_reads_bytes() {
    let pair = Pair::with(unlimited()).await;
    let (here, there) = (pair.here.clone(), pair.there.clone());
    let chunks = futures_util::stream::iter((0..100).map(|number| Ok(Bytes::from(vec![number; 1000]))));
    let receipt = within(here.send_stream(chunks)).await.unwrap();
    let mut reader = within(there.recv_chunks()).await.expect("a message");
    let mut all = Vec::new();
    within(reader.read_to_end(&mut all)).await.unwrap();
    assert_eq!(all.len(), 100_000);
    assert!(all.chunks(1000).enumerate().all(|(number, chunk)| chunk.iter().all(|byte| usize::from(*byte) == number)));
    within(receipt).await.unwrap();
}

#[tokio::test]
async fn messages_in_parts_arrive_whole_where_they_fit() {
    let pair = Pair::new().await;
    let (here, there) = (pair.here.clone(), pair.there.clone());
    let mut writer = within(here.begin()).await.unwrap();
    within(writer.write(vec![1; 30_000])).await.unwrap();
    within(writer.write(vec![2; 30_000])).await.unwrap();
    // It does not overtake: the message is not at its end.
    assert!(matches!(here.try_send("later"), Err(Error::SendBufferFull { .. })));
    within(async { writer.finish().await.unwrap().await.unwrap() }).await;
    within(here.send("later")).await.unwrap();
    assert_eq!(recv(&there).await.as_bytes(), [vec![1; 30_000], vec![2; 30_000]].concat());
    assert_eq!(recv(&there).await, Message::from("later"));
}

#[tokio::test]
async fn what_is_dropped_half_written_is_never_heard_of() {
    let pair = Pair::with(unlimited()).await;
    let (here, there) = (pair.here.clone(), pair.there.clone());
    let mut writer = within(here.begin()).await.unwrap();
    within(writer.write(vec![1; 100_000])).await.unwrap();
    drop(writer);
    within(here.send("next")).await.unwrap();
    assert_eq!(recv(&there).await, Message::from("next"));
}

#[tokio::test]
async fn the_rest_of_a_message_that_nobody_reads_on_is_thrown_away() {
    let pair = Pair::with(unlimited()).await;
    let (here, there) = (pair.here.clone(), pair.there.clone());
    let sender = tokio::spawn(async move {
        let data = vec![9; 4 << 20];
        here.send_from(&data[..]).await.unwrap().await.unwrap();
        here.send("next").await.unwrap();
        here
    });
    let mut reader = within(there.recv_chunks()).await.expect("a message");
    assert!(within(reader.next()).await.unwrap().is_some());
    drop(reader);
    assert_eq!(recv(&there).await, Message::from("next"));
    within(sender).await.unwrap();
}

#[tokio::test]
async fn a_message_too_large_to_receive_whole_ends_its_channel_and_says_what_to_do() {
    let pair = Pair::with(unlimited()).await;
    let (here, there) = (pair.here.clone(), pair.there.clone());
    let sender = tokio::spawn(async move {
        let data = vec![9; 4 << 20];
        // Either result is right: the channel closes in the middle of it.
        let _ = here.send_from(&data[..]).await;
        here
    });
    assert_eq!(within(there.recv()).await, None);
    let error = there.try_send("x").unwrap_err().to_string();
    assert!(error.contains("recv_chunks"), "{error}");
    within(there.closed()).await;
    within(sender).await.unwrap();
}

#[tokio::test]
async fn what_the_peer_limits_is_limited_in_parts_too() {
    let pair = Pair::new().await;
    let (here, there) = (pair.here.clone(), pair.there.clone());
    let limit = pair.initiator.peer_connection().max_message_size();
    let error = within(here.send_from(&vec![0; limit + 1][..])).await.unwrap_err();
    assert!(matches!(error, Error::MessageTooLarge { max_message_size, .. } if max_message_size == limit), "{error}");
    within(here.send("next")).await.unwrap();
    assert_eq!(recv(&there).await, Message::from("next"));
}

#[tokio::test]
async fn a_receipt_tells_of_delivery_and_one_of_a_dead_connection_of_none() {
    let pair = Pair::new().await;
    let (here, there) = (pair.here.clone(), pair.there.clone());
    let receipt = within(here.send_with_receipt("hello")).await.unwrap();
    within(receipt).await.unwrap();
    assert_eq!(recv(&there).await, Message::from("hello"));
    within(there.close()).await.unwrap();
    within(here.closed()).await;
    assert_eq!(here.ready_state(), DataChannelState::Closed);
    assert!(here.send_with_receipt("late").await.is_err());
}

#[tokio::test]
async fn a_channel_is_a_stream_of_bytes_in_both_directions() {
    let pair = Pair::new().await;
    let (here, there) = (pair.here.clone(), pair.there.clone());
    let (mut a, mut b) = (here.byte_stream(), there.byte_stream());
    let echo = tokio::spawn(async move {
        let mut buffer = vec![0; 5000];
        loop {
            let length = b.read(&mut buffer).await.unwrap();
            if length == 0 {
                break;
            }
            b.write_all(&buffer[..length]).await.unwrap();
        }
    });
    let data: Vec<u8> = (0..200_000).map(byte).collect();
    let (mut reader, mut writer) = tokio::io::split(a);
    let write = async {
        writer.write_all(&data).await.unwrap();
        writer.flush().await.unwrap();
    };
    let read = async {
        let mut back = vec![0; data.len()];
        reader.read_exact(&mut back).await.unwrap();
        back
    };
    let ((), back) = within(async { tokio::join!(write, read) }).await;
    assert_eq!(back, data);
    a = reader.unsplit(writer);
    within(a.shutdown()).await.unwrap();
    within(echo).await.unwrap();
}

#[tokio::test]
async fn chunks_are_a_stream() {
    let pair = Pair::new().await;
    let (here, there) = (pair.here.clone(), pair.there.clone());
    within(here.send("one whole message")).await.unwrap();
    let reader = within(there.recv_chunks()).await.expect("a message");
    assert!(reader.is_text());
    let mut reader = pin!(reader);
    assert_eq!(within(StreamExt::next(&mut reader)).await.unwrap().unwrap(), "one whole message");
    assert!(within(StreamExt::next(&mut reader)).await.is_none());
}
