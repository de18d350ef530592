//! Events: every kind, any number of listeners, streams, and what can be awaited.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use tokio::sync::mpsc;
use visavis::{
    ChannelEvent, ChannelOptions, ConnectionEvent, DataChannelState, IceConnectionState, IceGatheringState, Initiator,
    PeerConnectionState, Receiver, SignalingState, event,
};

use crate::support::{Pair, config, negotiate, recv, within};

/// What was heard, by the names of events.
type Heard = Arc<Mutex<Vec<String>>>;

fn note(heard: &Heard, what: impl Into<String>) {
    heard.lock().unwrap().push(what.into());
}

#[tokio::test]
async fn a_channel_tells_its_whole_life_to_its_listeners() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let channel = initiator.peer_connection().create_data_channel("life", ChannelOptions::default()).unwrap();
    let heard = Heard::default();
    let hear = |name: &'static str| {
        let heard = heard.clone();
        move |(): &()| note(&heard, name)
    };
    channel.add_event_listener(event::OPEN, hear("open"));
    channel.add_event_listener(event::CLOSING, hear("closing"));
    channel.add_event_listener(event::CLOSE, hear("close"));
    channel.add_event_listener(event::BUFFERED_AMOUNT_LOW, hear("bufferedamountlow"));
    let (sender, mut messages) = mpsc::unbounded_channel();
    let message_heard = heard.clone();
    channel.add_event_listener(event::MESSAGE, move |message| {
        note(&message_heard, "message");
        sender.send(message.clone()).unwrap();
    });
    within(negotiate(&initiator, &receiver, "other")).await;

    within(channel.send("ping")).await.unwrap();
    within(channel.buffered_amount_low()).await;
    let there = within(receiver.peer_connection().accept_data_channel()).await.unwrap();
    assert_eq!(recv(&there).await.as_text(), Some("ping"));
    within(there.send("pong")).await.unwrap();
    assert_eq!(within(messages.recv()).await.unwrap().as_text(), Some("pong"));
    within(channel.close()).await.unwrap();

    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard, ["open", "bufferedamountlow", "message", "closing", "close"]);
}

#[tokio::test]
async fn a_connection_tells_its_states_in_order() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let mut events = initiator.peer_connection().events();
    let heard = Heard::default();
    let listener_heard = heard.clone();
    initiator.peer_connection().add_event_listener(event::SIGNALING_STATE_CHANGE, move |state| {
        note(&listener_heard, state.to_string());
    });
    within(negotiate(&initiator, &receiver, "channel")).await;
    within(initiator.peer_connection().connected()).await.unwrap();
    assert_eq!(initiator.peer_connection().signaling_state(), SignalingState::Stable);
    assert_eq!(initiator.peer_connection().ice_gathering_state(), IceGatheringState::Complete);
    assert!(matches!(
        initiator.peer_connection().ice_connection_state(),
        IceConnectionState::Connected | IceConnectionState::Completed
    ));
    assert_eq!(*heard.lock().unwrap(), ["have-local-offer", "stable"]);
    within(initiator.peer_connection().close()).await.unwrap();

    let mut connection_states = Vec::new();
    let mut candidates = 0;
    let (mut needed, mut ended) = (0, 0);
    while let Some(event) = within(events.next()).await {
        if let ConnectionEvent::ConnectionStateChange(state) = event {
            connection_states.push(state);
        } else if let ConnectionEvent::IceCandidate(Some(candidate)) = event {
            assert!(candidate.candidate.starts_with("candidate:"), "{candidate:?}");
            candidates += 1;
        } else if let ConnectionEvent::IceCandidate(None) = event {
            ended += 1;
        } else if let ConnectionEvent::NegotiationNeeded = event {
            needed += 1;
        }
    }
    let expected = [PeerConnectionState::Connecting, PeerConnectionState::Connected, PeerConnectionState::Closed];
    assert_eq!(connection_states, expected);
    assert_eq!((candidates, ended, needed), (1, 1, 1), "one socket, one end, one negotiation");
    assert_eq!(events.missed(), 0);
}

#[tokio::test]
async fn every_listener_hears_and_a_removed_one_does_not() {
    let pair = Pair::new().await;
    let (sender, mut heard) = mpsc::unbounded_channel();
    let add = |name: &'static str| {
        let sender = sender.clone();
        pair.there.add_event_listener(event::MESSAGE, move |message| {
            sender.send(format!("{name}: {}", message.as_text().unwrap())).unwrap();
        })
    };
    let (_first, second, _third) = (add("first"), add("second"), add("third"));
    within(pair.here.send("a")).await.unwrap();
    for expected in ["first: a", "second: a", "third: a"] {
        assert_eq!(within(heard.recv()).await.unwrap(), expected);
    }
    second.remove();
    within(pair.here.send("b")).await.unwrap();
    for expected in ["first: b", "third: b"] {
        assert_eq!(within(heard.recv()).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_listener_hears_what_came_before_it_was_added() {
    let pair = Pair::new().await;
    for number in 0..5 {
        within(pair.here.send(format!("{number}"))).await.unwrap();
    }
    within(pair.here.buffered_amount_low()).await;
    let (sender, mut heard) = mpsc::unbounded_channel();
    pair.there.add_event_listener(event::MESSAGE, move |message| sender.send(message.clone()).unwrap());
    for number in 0..5 {
        assert_eq!(within(heard.recv()).await.unwrap().as_text(), Some(format!("{number}").as_str()));
    }
}

#[tokio::test]
async fn listeners_added_by_a_datachannel_listener_miss_nothing() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let (sender, mut heard) = mpsc::unbounded_channel();
    receiver.peer_connection().add_event_listener(event::DATA_CHANNEL, move |channel| {
        let (opened, message) = (sender.clone(), sender.clone());
        channel.add_event_listener(event::OPEN, move |()| opened.send("open".to_owned()).unwrap());
        channel.add_event_listener(event::MESSAGE, move |text| {
            message.send(text.as_text().unwrap().to_owned()).unwrap();
        });
    });
    within(negotiate(&initiator, &receiver, "channel")).await;
    within(initiator.peer_connection().data_channel("channel").unwrap().send("first")).await.unwrap();
    assert_eq!(within(heard.recv()).await.unwrap(), "open");
    assert_eq!(within(heard.recv()).await.unwrap(), "first");
}

#[tokio::test]
async fn a_listener_that_panics_harms_nobody_else() {
    let pair = Pair::new().await;
    let (sender, mut heard) = mpsc::unbounded_channel();
    pair.there.add_event_listener(event::MESSAGE, |_| panic!("on purpose"));
    pair.there.add_event_listener(event::MESSAGE, move |message| sender.send(message.clone()).unwrap());
    for text in ["a", "b"] {
        within(pair.here.send(text)).await.unwrap();
        assert_eq!(within(heard.recv()).await.unwrap().as_text(), Some(text));
    }
    within(pair.there.send("still here")).await.unwrap();
    assert_eq!(recv(&pair.here).await.as_text(), Some("still here"));
}

#[tokio::test]
async fn channel_events_are_a_stream_that_ends_with_the_channel() {
    let pair = Pair::new().await;
    let events = pair.there.events();
    within(pair.here.close()).await.unwrap();
    let events: Vec<_> = within(events.collect()).await;
    assert!(matches!(events.as_slice(), [ChannelEvent::Closing, ChannelEvent::Close]), "{events:?}");
    assert_eq!(pair.there.ready_state(), DataChannelState::Closed);
}

#[tokio::test]
async fn a_peer_that_leaves_in_good_order_is_no_error() {
    let pair = Pair::new().await;
    let events = pair.there.events();
    within(pair.initiator.peer_connection().close()).await.unwrap();
    let events: Vec<_> = within(events.collect()).await;
    assert!(matches!(events.last(), Some(ChannelEvent::Close)), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, ChannelEvent::Error(_))), "{events:?}");
}

#[tokio::test]
async fn a_connection_that_fails_is_told_to_its_channels_as_an_error() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
    let channel = initiator.peer_connection().data_channel("channel").unwrap();
    let (sender, mut errors) = mpsc::unbounded_channel();
    channel.add_event_listener(event::ERROR, move |error| sender.send(error.to_string()).unwrap());
    let events = channel.events();
    // Somebody in between changes the fingerprint of the peer's certificate.
    let mut answer = within(receiver.process_offer(offer)).await.unwrap();
    let fingerprint = "a=fingerprint:sha-256 ";
    let place = answer.sdp.find(fingerprint).unwrap() + fingerprint.len();
    let forged = if answer.sdp[place..].starts_with('0') { "1" } else { "0" };
    answer.sdp.replace_range(place..=place, forged);
    within(initiator.process_answer(answer)).await.unwrap();
    let events: Vec<_> = within(events.collect()).await;
    assert!(matches!(events.as_slice(), [ChannelEvent::Error(_), ChannelEvent::Close]), "{events:?}");
    let error = within(errors.recv()).await.unwrap();
    assert!(error.contains("fingerprint"), "{error}");
}

#[tokio::test]
async fn bufferedamountlow_comes_at_the_threshold() {
    let pair = Pair::new().await;
    let (sender, mut heard) = mpsc::unbounded_channel();
    let channel = pair.here.clone();
    pair.here.set_buffered_amount_low_threshold(50_000);
    assert_eq!(pair.here.buffered_amount_low_threshold(), 50_000);
    pair.here.add_event_listener(event::BUFFERED_AMOUNT_LOW, move |()| {
        sender.send(channel.buffered_amount()).unwrap();
    });
    let drain = tokio::spawn({
        let there = pair.there.clone();
        async move { while there.recv().await.is_some() {} }
    });
    for _ in 0..20 {
        within(pair.here.send(vec![0; 20_000])).await.unwrap();
    }
    let amount = within(heard.recv()).await.unwrap();
    assert!(amount <= 50_000, "{amount}");
    within(pair.here.close()).await.unwrap();
    within(drain).await.unwrap();
}

#[tokio::test]
async fn states_can_be_watched_from_the_first_to_the_last() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let connection = initiator.peer_connection();
    let mut ice = connection.watch_ice_connection_state();
    let mut states = connection.watch_connection_state();
    assert_eq!(*states.borrow(), PeerConnectionState::New);
    within(negotiate(&initiator, &receiver, "channel")).await;
    within(states.wait_for(|state| *state == PeerConnectionState::Connected)).await.unwrap();
    drop(receiver);
    within(states.wait_for(|state| *state == PeerConnectionState::Closed)).await.unwrap();
    within(ice.wait_for(|state| *state == IceConnectionState::Closed)).await.unwrap();
    within(connection.closed()).await;
}

#[tokio::test]
async fn dtls_and_sctp_are_told_from_the_first_to_the_last() {
    use visavis::{DtlsTransportState as Dtls, SctpTransportState as Sctp};
    let (initiator, receiver) = (Initiator::new(config()).unwrap(), Receiver::new(config()).unwrap());
    let connection = initiator.peer_connection();
    let mut events = connection.events();
    assert_eq!((connection.dtls_state(), connection.sctp_state()), (Dtls::New, None));
    assert_eq!(connection.max_message_size(), usize::MAX);
    within(negotiate(&initiator, &receiver, "channel")).await;
    within(connection.data_channel("channel").unwrap().opened()).await.unwrap();
    assert_eq!((connection.dtls_state(), connection.sctp_state()), (Dtls::Connected, Some(Sctp::Connected)));
    assert_eq!(connection.max_message_size(), visavis::Config::default().max_message_size);
    within(connection.close()).await.unwrap();
    let (mut dtls, mut sctp) = (Vec::new(), Vec::new());
    while let Some(event) = within(events.next()).await {
        if let ConnectionEvent::DtlsStateChange(state) = event {
            dtls.push(state);
        } else if let ConnectionEvent::SctpStateChange(state) = event {
            sctp.push(state);
        }
    }
    assert_eq!(dtls, [Dtls::Connecting, Dtls::Connected, Dtls::Closed]);
    assert_eq!(sctp, [Sctp::Connecting, Sctp::Connected, Sctp::Closed]);
}

#[tokio::test]
async fn the_pair_that_data_travels_over_is_told() {
    let initiator = Initiator::new(config()).unwrap();
    let receiver = Receiver::new(config()).unwrap();
    let (sender, mut pairs) = mpsc::unbounded_channel();
    for connection in [initiator.peer_connection(), receiver.peer_connection()] {
        let sender = sender.clone();
        connection.add_event_listener(event::SELECTED_CANDIDATE_PAIR_CHANGE, move |pair| {
            sender.send(pair.clone()).unwrap();
        });
    }
    within(negotiate(&initiator, &receiver, "channel")).await;
    let first = within(pairs.recv()).await.unwrap();
    let second = within(pairs.recv()).await.unwrap();
    assert_ne!(first.local.address, first.remote.address);
    assert_eq!((first.local.address, first.remote.address), (second.remote.address, second.local.address));
}
