//! Ten thousand peers that come and go leave nothing behind: no task, no socket, no memory. A process of its own, so
//! that nothing else is counted.

use std::time::{Duration, Instant};

use visavis::{Config, DataChannel, Initiator, Receiver};

/// Two peers over loopback, with an open channel.
async fn pair() -> (Initiator, Receiver, [DataChannel; 2]) {
    let config = || Config { bind_addresses: vec![[127, 0, 0, 1].into()], ..Config::default() };
    let initiator = Initiator::new(config()).expect("an initiator");
    let offer = initiator.create_data_channel_offer("leak").await.expect("an offer");
    let receiver = Receiver::new(config()).expect("a receiver");
    let answer = receiver.process_offer(offer).await.expect("an answer");
    initiator.process_answer(answer).await.expect("an answer that fits");
    let theirs = receiver.peer_connection().accept_data_channel().await.expect("a channel");
    let ours = initiator.peer_connection().data_channel("leak").expect("we made it");
    ours.send(vec![1; 100_000]).await.expect("it is sent");
    assert_eq!(theirs.recv().await.map(|message| message.len()), Some(100_000));
    (initiator, receiver, [ours, theirs])
}

/// How a pair ends, in turn.
async fn end(number: usize, (initiator, receiver, channels): (Initiator, Receiver, [DataChannel; 2])) {
    match number % 4 {
        0 => initiator.peer_connection().close().await.expect("it closes"),
        1 => receiver.peer_connection().close().await.expect("it closes"),
        2 => channels[0].close().await.expect("it closes"),
        _ => {}
    }
    // The rest ends because nobody holds it any more.
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// What the kernel says of this process: open sockets, and resident memory in bytes.
fn sockets() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("a Linux system").flatten();
    let targets = links.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux system");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it tells its memory");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
}

/// Peers of a batch: they are open at the same time.
const BATCH: usize = 40;

async fn batch() {
    let all: Vec<_> = futures_util::future::join_all((0..BATCH / 2).map(|_| pair())).await;
    assert!(sockets() >= BATCH, "each peer has a socket");
    futures_util::future::join_all(all.into_iter().enumerate().map(|(number, pair)| end(number, pair))).await;
}

/// Goodbyes take a moment after the last handle is gone; nothing announces the end of a task.
async fn wait_for(what: &str, count: fn() -> usize, wanted: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while count() > wanted {
        assert!(Instant::now() < deadline, "{} {what} are left, of {wanted} before", count());
        tick.tick().await;
    }
}

/// Lets three times `third` batches come and go, each when the one before has left no task and no socket. Gives the bytes
/// by which each peer of the last third has made the process grow.
///
/// What the allocator keeps for later varies from batch to batch, so a third is known by its largest value: what leaks
/// adds up whatever the allocator does. The first third only fills the allocator's and the runtime's stores.
async fn growth_per_peer(third: usize) -> usize {
    let (tasks_before, sockets_before) = (tasks(), sockets());
    let mut largest = [0; 3];
    for largest in &mut largest {
        for _ in 0..third {
            batch().await;
            wait_for("tasks", tasks, tasks_before).await;
            wait_for("sockets", sockets, sockets_before).await;
            *largest = memory().max(*largest);
        }
    }
    let [first, second, last] = largest;
    let growth = last.saturating_sub(second) / (third * BATCH);
    println!("{} peers, at most {first}, {second}, {last} bytes, {growth} per peer", 3 * third * BATCH);
    growth
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_peers_opened_and_closed_return_tasks_sockets_and_memory() {
    let growth = growth_per_peer(10_000_usize.div_ceil(3 * BATCH)).await;
    // Without a leak the allocator alone comes to some hundred bytes, in either direction.
    assert!(growth < 2 << 10, "{growth} bytes per peer were not returned");
}
