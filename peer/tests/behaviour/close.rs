//! Closing: what was accepted is delivered, by whichever way it ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use visavis::{
    ChannelOptions, Config, DataChannelState, Error, Initiator, Message, PeerConnectionState, Receiver, event,
};

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
    let Error::Undelivered { messages, unsent } = error else { panic!("{error:?}") };
    assert!(unsent > 0 && unsent <= 20 * 60_000, "{unsent}");
    assert!(messages > 0 && messages <= 20 && unsent <= messages * 60_000, "{messages}");
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

/// A relay between two peers that a test can cut: the answer's candidate is replaced by the relay's address.
struct Cable {
    is_cut: Arc<std::sync::atomic::AtomicBool>,
}

impl Cable {
    /// Two peers with an open channel, and the cable between them.
    async fn pair(initiating: Config, receiving: Config) -> (Pair, Self) {
        let is_cut = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let initiator = Initiator::new(initiating).unwrap();
        let receiver = Receiver::new(receiving).unwrap();
        let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
        let mut without = offer.clone();
        // Whoever answers is called, and calls back where the call came from.
        without.sdp = offer
            .sdp
            .lines()
            .filter(|line| !line.starts_with("a=candidate"))
            .fold(String::new(), |all, line| all + line + "\r\n");
        let mut answer = within(receiver.process_offer(without)).await.unwrap();
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let line = answer.sdp.lines().find(|line| line.starts_with("a=candidate")).unwrap().to_owned();
        let port: u16 = line.split(' ').nth(5).unwrap().parse().unwrap();
        let through = line.replace(&format!(" {port} "), &format!(" {} ", socket.local_addr().unwrap().port()));
        answer.sdp = answer.sdp.replace(&line, &through);
        tokio::spawn(Self::relay(socket, port, is_cut.clone()));
        within(initiator.process_answer(answer)).await.unwrap();
        let here = initiator.peer_connection().data_channel("channel").unwrap();
        within(here.opened()).await.unwrap();
        let there = within(receiver.peer_connection().accept_data_channel()).await.unwrap();
        (Pair { initiator, receiver, here, there }, Self { is_cut })
    }

    async fn relay(socket: tokio::net::UdpSocket, port: u16, is_cut: Arc<std::sync::atomic::AtomicBool>) {
        let answering = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let (mut offering, mut buf) = (None, vec![0; 65_536]);
        while let Ok((len, from)) = socket.recv_from(&mut buf).await {
            if from != answering {
                offering = Some(from);
            }
            let to = if from == answering { offering } else { Some(answering) };
            if let Some(to) = to.filter(|_| !is_cut.load(std::sync::atomic::Ordering::Relaxed)) {
                // What is lost here is lost as on any path.
                let _ = socket.send_to(&buf[..len], to).await;
            }
        }
    }

    fn cut(&self) {
        self.is_cut.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[tokio::test]
async fn messages_that_left_for_a_peer_that_is_gone_are_named_by_the_close_and_their_receipts() {
    let impatient = Config { close_timeout: Duration::from_millis(300), ..config() };
    let (pair, cable) = Cable::pair(impatient, config()).await;
    let arrived = within(pair.here.send_with_receipt("arrives")).await.unwrap();
    within(arrived).await.unwrap();
    cable.cut();
    // Few enough to be in flight at once: nothing waits, and nothing is delivered.
    let mut receipts = Vec::new();
    for number in 0..3 {
        receipts.push(within(pair.here.send_with_receipt(pattern(1_000, number))).await.unwrap());
    }
    within(pair.here.buffered_amount_low()).await;
    let error = within(pair.here.close()).await.unwrap_err();
    assert!(matches!(error, Error::Undelivered { messages: 3, unsent: 3_000 }), "{error:?}");
    let error = within(pair.initiator.peer_connection().close()).await.unwrap_err();
    assert!(matches!(error, Error::Undelivered { messages: 3, unsent: 3_000 }), "{error:?}");
    for receipt in receipts {
        let error = within(receipt).await.unwrap_err();
        assert!(matches!(error, Error::Undelivered { messages: 1, unsent: 1_000 }), "{error:?}");
    }
    // Asked again, the channel says the same.
    let error = within(pair.here.close()).await.unwrap_err();
    assert!(matches!(error, Error::Undelivered { messages: 3, unsent: 3_000 }), "{error:?}");
}

#[tokio::test]
async fn a_slow_reader_delays_a_close_but_loses_nothing() {
    let slow = Config { receive_buffer: 10_000, receive_window: Some(100_000), ..config() };
    let pair = Pair::of(config(), slow).await;
    let mut receipts = Vec::new();
    for number in 0..20 {
        receipts.push(within(pair.here.send_with_receipt(pattern(60_000, number))).await.unwrap());
    }
    let closing = tokio::spawn(pair.initiator.peer_connection().close());
    for number in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(recv(&pair.there).await, Message::from(pattern(60_000, number)));
    }
    within(closing).await.unwrap().unwrap();
    for receipt in receipts {
        within(receipt).await.unwrap();
    }
}

#[tokio::test]
async fn a_channel_that_the_peer_closes_names_what_it_lost_while_others_go_on() {
    let stubborn = Config { receive_buffer: 10_000, receive_window: Some(100_000), ..config() };
    let pair = Pair::of(config(), stubborn).await;
    let other = pair.initiator.peer_connection().create_data_channel("other", ChannelOptions::default()).unwrap();
    within(other.opened()).await.unwrap();
    let there = within(pair.receiver.peer_connection().accept_data_channel()).await.unwrap();
    let mut receipts = Vec::new();
    for number in 0..20 {
        receipts.push(within(pair.here.send_with_receipt(pattern(60_000, number))).await.unwrap());
    }
    let closing = pair.there.close();
    let closed = within(pair.here.close()).await;
    let (mut delivered, mut lost) = (0, 0);
    for receipt in receipts {
        match within(receipt).await {
            Ok(()) => delivered += 1,
            Err(Error::Undelivered { .. }) => lost += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(delivered + lost, 20);
    match closed {
        Ok(()) => assert_eq!(lost, 0),
        Err(Error::Undelivered { messages, .. }) => assert_eq!(messages, lost),
        Err(error) => panic!("{error:?}"),
    }
    within(closing).await.unwrap();
    within(other.send("goes on")).await.unwrap();
    assert_eq!(recv(&there).await, Message::from("goes on"));
}
