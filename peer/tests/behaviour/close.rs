//! Closing: what was accepted is delivered, by whichever way it ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use visavis::{ChannelOptions, Config, DataChannelState, Error, Initiator, Message, PeerConnectionState, event};

use crate::support::{Pair, config, pattern, recv, within};

/// Sends `total` bytes in messages of 64 KiB, while the other end counts what comes until the channel ends.
async fn send_all(pair: &Pair, total: usize) -> tokio::task::JoinHandle<usize> {
    let there = pair.there.clone();
    let count = tokio::spawn(async move {
        let mut count = 0;
        while let Some(message) = there.recv().await {
            count += message.len();
        }
        count
    });
    for number in 0..total.div_ceil(65_536) {
        within(pair.here.send(pattern(65_536, number))).await.unwrap();
    }
    count
}

const TEN_MIB: usize = 10 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_the_connection_delivers_ten_mebibytes_first() {
    let pair = Pair::with(Config { send_buffer: TEN_MIB, ..config() }).await;
    let count = send_all(&pair, TEN_MIB).await;
    within(pair.initiator.peer_connection().close()).await.unwrap();
    assert_eq!(within(count).await.unwrap(), TEN_MIB);
    assert_eq!(pair.initiator.peer_connection().connection_state(), PeerConnectionState::Closed);
    within(pair.receiver.peer_connection().closed()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_the_channel_delivers_ten_mebibytes_first() {
    let pair = Pair::with(Config { send_buffer: TEN_MIB, ..config() }).await;
    let count = send_all(&pair, TEN_MIB).await;
    let closing = pair.here.close();
    assert_eq!(pair.here.ready_state(), DataChannelState::Closing);
    within(closing).await.unwrap();
    assert_eq!(within(count).await.unwrap(), TEN_MIB);
    // The connection goes on.
    let again = pair.initiator.peer_connection().create_data_channel("again", ChannelOptions::default()).unwrap();
    within(again.opened()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_every_handle_delivers_what_was_accepted_and_closes() {
    let pair = Pair::new().await;
    let count = send_all(&pair, 2 << 20).await;
    let Pair { initiator, receiver, here, there } = pair;
    drop((initiator, here));
    within(receiver.peer_connection().closed()).await;
    assert_eq!(within(count).await.unwrap(), 2 << 20);
    assert_eq!(there.ready_state(), DataChannelState::Closed);
}

#[tokio::test]
async fn a_channel_alone_keeps_its_connection() {
    let Pair { initiator, receiver, here, there } = Pair::new().await;
    drop((initiator, receiver));
    within(here.send("still here")).await.unwrap();
    assert_eq!(recv(&there).await, Message::from("still here"));
    drop(here);
    within(there.closed()).await;
    assert_eq!(there.recv().await, None);
}

#[tokio::test]
async fn what_came_before_the_end_can_be_received_after_it() {
    let Pair { initiator, receiver, here, there } = Pair::new().await;
    for number in 0..10 {
        within(here.send(format!("{number}"))).await.unwrap();
    }
    within(initiator.peer_connection().close()).await.unwrap();
    within(receiver.peer_connection().closed()).await;
    for number in 0..10 {
        assert_eq!(recv(&there).await.as_text(), Some(format!("{number}").as_str()));
    }
    assert_eq!(within(there.recv()).await, None);
}

#[tokio::test]
async fn both_sides_may_close_at_once() {
    let pair = Pair::new().await;
    within(pair.here.send("one")).await.unwrap();
    within(pair.there.send("two")).await.unwrap();
    let [left, right] = pair.connections();
    let (first, second) = within(async { tokio::join!(left.close(), right.close()) }).await;
    first.unwrap();
    second.unwrap();
    assert_eq!(recv(&pair.there).await, Message::from("one"));
    assert_eq!(recv(&pair.here).await, Message::from("two"));
}

#[tokio::test]
async fn closing_twice_and_closing_what_never_connected_is_harmless() {
    let pair = Pair::new().await;
    within(pair.initiator.peer_connection().close()).await.unwrap();
    within(pair.initiator.peer_connection().close()).await.unwrap();
    within(pair.here.close()).await.unwrap();

    let lonely = Initiator::new(config()).unwrap();
    let channel = lonely.peer_connection().create_data_channel("lonely", ChannelOptions::default()).unwrap();
    within(lonely.peer_connection().close()).await.unwrap();
    assert_eq!(channel.ready_state(), DataChannelState::Closed);
    assert!(within(channel.opened()).await.is_err());
    assert_eq!(within(channel.recv()).await, None);
}

#[tokio::test]
async fn a_waiting_send_is_told_of_the_end() {
    let initiator = Initiator::new(config()).unwrap();
    let channel = initiator.peer_connection().create_data_channel("never", ChannelOptions::default()).unwrap();
    let (send, close) =
        within(async { tokio::join!(channel.send("unheard"), initiator.peer_connection().close()) }).await;
    assert!(matches!(send, Err(Error::NotOpen { .. } | Error::ConnectionClosed { .. })), "{send:?}");
    close.unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_read_cannot_hold_a_close_for_ever() {
    let impatient = Config { close_timeout: Duration::from_millis(300), ..config() };
    let stubborn = Config { receive_buffer: 10_000, receive_window: Some(100_000), ..config() };
    let pair = Pair::of(impatient, stubborn).await;
    for number in 0..20 {
        within(pair.here.send(pattern(60_000, number))).await.unwrap();
    }
    let error = within(pair.initiator.peer_connection().close()).await.unwrap_err();
    let Error::Undelivered { unsent } = error else { panic!("{error:?}") };
    assert!(unsent > 0 && unsent <= 20 * 60_000, "{unsent}");
    assert!(error.to_string().contains("close_timeout"), "{error}");
}

#[tokio::test]
async fn the_end_removes_listeners_and_what_they_hold() {
    let pair = Pair::new().await;
    // Listeners that hold handles of their own connection would keep it alive, if they outlived its end.
    let held = pair.here.clone();
    pair.here.add_event_listener(event::MESSAGE, move |message| drop(held.try_send(message.clone())));
    let witness = Arc::new(());
    let holding = (witness.clone(), pair.initiator.peer_connection().clone());
    pair.initiator.peer_connection().add_event_listener(event::CONNECTION_STATE_CHANGE, move |_| drop(holding.clone()));
    within(pair.receiver.peer_connection().close()).await.unwrap();
    within(pair.initiator.peer_connection().closed()).await;
    within(async {
        // The very last of it happens on the connection's task.
        while Arc::strong_count(&witness) > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_listener_that_comes_after_the_end_hears_what_arrived_and_is_not_kept() {
    let pair = Pair::new().await;
    within(pair.here.send("last words")).await.unwrap();
    within(pair.initiator.peer_connection().close()).await.unwrap();
    within(pair.receiver.peer_connection().closed()).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (hearing, held) = (heard.clone(), (pair.there.clone(), pair.receiver.peer_connection().clone()));
    pair.there.add_event_listener(event::MESSAGE, move |message| {
        let _hold = &held;
        hearing.lock().unwrap().push(message.clone());
    });
    let hearing = heard.clone();
    pair.receiver.peer_connection().add_event_listener(event::NEGOTIATION_NEEDED, move |()| {
        hearing.lock().unwrap().clear();
    });
    assert_eq!(*heard.lock().unwrap(), [Message::from("last words")]);
    assert_eq!(Arc::strong_count(&heard), 1, "no listener is left");
}

#[test]
fn handles_outlive_the_runtime_of_their_connection() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (other, pair) = (runtime(), {
        let stopped = runtime();
        stopped.block_on(Pair::new())
        // Here the runtime is dropped, and the tasks of both peers with it.
    });
    other.block_on(async {
        assert_eq!(within(pair.there.recv()).await, None);
        let error = within(pair.here.send("nobody is there")).await.unwrap_err();
        assert!(error.to_string().contains("its task was stopped"), "{error}");
        within(pair.receiver.peer_connection().close()).await.unwrap();
    });
}
