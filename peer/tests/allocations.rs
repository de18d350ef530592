//! What connections and messages cost in memory. The allocator of this program counts, per thread, and everything runs on one.

#![allow(clippy::unwrap_used, reason = "what does not work ends the test, and says where")]

use std::net::{IpAddr, Ipv4Addr};

use allocation_counter::measure;
use bytes::Bytes;
use visavis::{Config, DataChannel, Initiator, Receiver};

/// How many bytes each end of an idle connection with one open channel may keep.
const IDLE_END: i64 = 28 << 10;

/// Both ends of a connection, with their channels.
struct Pair {
    _ends: (Initiator, Receiver),
    channels: (DataChannel, DataChannel),
}

async fn pair() -> Pair {
    let config = || Config { bind_addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], ..Config::default() };
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let offer = initiator.create_data_channel_offer("channel").await.unwrap();
    let answer = receiver.process_offer(offer).await.unwrap();
    initiator.process_answer(answer).await.unwrap();
    let here = initiator.peer_connection().data_channel("channel").unwrap();
    let there = receiver.peer_connection().accept_data_channel().await.unwrap();
    here.opened().await.unwrap();
    Pair { _ends: (initiator, receiver), channels: (here, there) }
}

/// One message each way, after which nothing is on its way any more.
async fn exchange(Pair { channels: (here, there), .. }: &Pair) {
    here.send("ping").await.unwrap();
    there.recv().await.unwrap();
    there.send("pong").await.unwrap();
    here.recv().await.unwrap();
}

#[test]
fn an_idle_end_keeps_little_memory() {
    const PAIRS: i64 = 20;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // What a thread has once, such as its receive buffer, is not what a connection costs.
    let first = runtime.block_on(pair());
    runtime.block_on(exchange(&first));
    let mut pairs = Vec::new();
    let info = measure(|| {
        runtime.block_on(async {
            for _ in 0..PAIRS {
                let pair = pair().await;
                exchange(&pair).await;
                pairs.push(pair);
            }
        });
    });
    let each = info.bytes_current / (2 * PAIRS);
    println!("an idle end keeps {each} bytes");
    assert!(each <= IDLE_END, "an idle end keeps {each} bytes");
}

/// So many messages of this size one way, which wait only for room.
async fn transfer(pair: &Pair, size: usize, count: usize) {
    let (here, there) = &pair.channels;
    let message = Bytes::from(vec![7; size]);
    let sending = async {
        for _ in 0..count {
            here.send(message.clone()).await.unwrap();
        }
    };
    let receiving = async {
        for _ in 0..count {
            assert_eq!(there.recv().await.unwrap().into_bytes().len(), size);
        }
    };
    tokio::join!(sending, receiving);
}

#[test]
fn messages_take_few_allocations_and_packets_none() {
    const COUNT: usize = 4000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pair = runtime.block_on(pair());
    for (size, most) in [(64, 1.1), (1000, 1.1), (16 << 10, 4.5), (64 << 10, 4.5)] {
        // Queues grow to what the path holds.
        runtime.block_on(transfer(&pair, size, COUNT));
        let info = measure(|| runtime.block_on(transfer(&pair, size, COUNT)));
        let each = info.count_total as f64 / COUNT as f64;
        println!("{size} bytes: {each:.2} allocations per message");
        assert!(each <= most, "{size} bytes: {each} allocations per message");
    }
}
