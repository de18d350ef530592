//! Two peers over real sockets on loopback, through the public interface alone.

#![allow(
    clippy::unwrap_used,
    reason = "what a test did not expect ends it, and says where; its helpers are no different"
)]

use std::{net::IpAddr, time::Duration};

use sha2::{Digest, Sha256};
use visavis::{ChannelOptions, Config, DataChannel, Initiator, Message, Receiver};
use visavis_tests::pattern;

async fn connect(address: IpAddr) -> (Initiator, Receiver, DataChannel, DataChannel) {
    let config = || Config { bind_addresses: vec![address], ..Config::default() };
    let initiator = Initiator::new(config()).unwrap();
    let offer = initiator.create_data_channel_offer("loopback").await.unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let answer = receiver.process_offer(offer).await.unwrap();
    initiator.process_answer(answer).await.unwrap();
    let theirs = receiver.peer_connection().accept_data_channel().await.unwrap();
    let ours = initiator.peer_connection().data_channel("loopback").unwrap();
    (initiator, receiver, ours, theirs)
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(180), future).await.expect("it does not take that long")
}

async fn transfers(address: IpAddr, total: usize) {
    let (_initiator, _receiver, ours, theirs) = within(connect(address)).await;
    let bytes = bytes::Bytes::from(pattern::bytes(total, 1));
    let send = async {
        for start in (0..total).step_by(64 << 10) {
            ours.send(bytes.slice(start..total.min(start + (64 << 10)))).await.unwrap();
        }
    };
    let receive = async {
        let (mut hash, mut received) = (Sha256::new(), 0);
        while received < total {
            let message = theirs.recv().await.expect("the channel stays open");
            received += message.len();
            hash.update(message.as_bytes());
        }
        hash.finalize()
    };
    let ((), hash) = within(async { tokio::join!(send, receive) }).await;
    assert_eq!(hash, Sha256::digest(&bytes));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_mebibytes_arrive_over_ipv4() {
    transfers([127, 0, 0, 1].into(), 64 << 20).await;
}

#[tokio::test]
async fn what_was_accepted_arrives_before_the_end() {
    let (initiator, receiver, ours, theirs) = within(connect([127, 0, 0, 1].into())).await;
    let more = initiator.peer_connection().create_data_channel("more", ChannelOptions::default()).unwrap();
    for number in 0..200 {
        ours.send(format!("{number}")).await.unwrap();
    }
    more.send(vec![7; 200_000]).await.unwrap();
    within(initiator.peer_connection().close()).await.unwrap();
    for number in 0..200 {
        assert_eq!(within(theirs.recv()).await, Some(Message::from(format!("{number}"))));
    }
    assert_eq!(within(theirs.recv()).await, None);
    let more = within(receiver.peer_connection().accept_data_channel()).await.unwrap();
    assert_eq!(within(more.recv()).await, Some(Message::from(vec![7; 200_000])));
}
