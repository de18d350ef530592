//! Many connections at once, and nothing left of them afterwards.

use tokio::runtime::RuntimeMetrics;

use crate::support::{Pair, recv, within};

/// How many descriptors this process has open.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Waits until the runtime has so many tasks.
async fn alive(metrics: &RuntimeMetrics, count: usize) {
    while metrics.num_alive_tasks() != count {
        tokio::task::yield_now().await;
    }
}

#[test]
fn fifty_pairs_at_once_leave_neither_tasks_nor_sockets() {
    // A process of its own would be the purest; descriptors of other tests' runtimes come and go. So the sockets are
    // counted by what the runtime of this test alone holds: its tasks own them.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let metrics = tokio::runtime::Handle::current().metrics();
        let pairs = (0..50).map(|number| {
            tokio::spawn(async move {
                let pair = Pair::new().await;
                within(pair.here.send(format!("{number}"))).await.unwrap();
                assert_eq!(recv(&pair.there).await.as_text(), Some(format!("{number}").as_str()));
                pair
            })
        });
        let mut open = Vec::new();
        for pair in pairs.collect::<Vec<_>>() {
            open.push(within(pair).await.unwrap());
        }
        // One task for each peer is left, once the runtime has forgotten those above.
        within(alive(&metrics, 100)).await;
        assert!(descriptors() == 0 || descriptors() >= 100, "one socket for each peer");

        // Half of them close, the others are dropped.
        let dropped = open.split_off(25);
        let ends: Vec<_> = dropped.iter().map(|pair| pair.here.events()).collect();
        drop(dropped);
        for pair in open {
            within(pair.initiator.peer_connection().close()).await.unwrap();
        }
        for mut events in ends {
            within(async { while events.next().await.is_some() {} }).await;
        }
        within(alive(&metrics, 0)).await;
    });
}
