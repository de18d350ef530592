//! How large datagrams are on a path that carries large ones.

use bytes::Bytes;
use visavis::Config;

use crate::support::{Pair, config, within};

/// How many bytes each datagram of a transfer has on average.
async fn mean_datagram(config: Config) -> u64 {
    let pair = Pair::with(config).await;
    let message = Bytes::from(vec![7; 64 << 10]);
    let sending = async {
        for _ in 0..256 {
            pair.here.send(message.clone()).await.expect("the channel is open");
        }
    };
    let receiving = async {
        for _ in 0..256 {
            assert_eq!(pair.there.recv().await.expect("a message").as_bytes(), &message);
        }
    };
    within(async { tokio::join!(sending, receiving) }).await;
    let sockets = within(pair.connections()[0].stats()).await.expect("a connection").sockets;
    let total =
        |count: fn(&visavis::SocketCounters) -> u64| sockets.iter().map(|one| count(&one.counters)).sum::<u64>();
    assert_eq!(total(|counters| counters.send_errors), 0, "loopback takes probes of every size");
    total(|counters| counters.bytes_sent) / total(|counters| counters.datagrams_sent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_grow_to_what_loopback_carries_unless_they_are_not_to() {
    let grown = mean_datagram(config()).await;
    assert!(grown > 2_100, "{grown} bytes");
    let small = mean_datagram(Config { path_mtu_discovery: false, ..config() }).await;
    assert!(small <= 1_200, "{small} bytes");
}
