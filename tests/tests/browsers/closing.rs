//! Endings: a channel or a connection closed by either side loses nothing that was sent, and a peer that vanishes is
//! noticed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use visavis::{ChannelOptions, Config, DataChannelState, IceConnectionState, PeerConnectionState};
use visavis_tests::browser::Settings;

use crate::{
    duo::{Duo, FIRST, Offerer, open, receive, send, soon, within},
    in_both_browsers,
};

const MESSAGES: usize = 50;

in_both_browsers! {
    async fn a_channel_closed_in_rust_delivers_its_last_message(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        for number in 0..MESSAGES {
            duo.first.send(format!("{number} {}", "x".repeat(10_000))).await.unwrap();
        }
        duo.first.send("the last").await.unwrap();
        soon(duo.first.close()).await.unwrap();
        assert_eq!(duo.first.ready_state(), DataChannelState::Closed);
        let _: bool = duo.page.call("closed", json!([FIRST])).await.unwrap();
        for number in 0..MESSAGES {
            let message = receive(&duo.page, FIRST).await;
            let length = 10_001 + number.to_string().len();
            assert_eq!((&message["kind"], &message["length"]), (&json!("text"), &json!(length)));
        }
        assert_eq!(receive(&duo.page, FIRST).await, json!({ "text": "the last" }));
        assert!(duo.first.send("too late").await.is_err());
        // The connection lives on, and so do new channels.
        let next = duo.peer.create_data_channel("next", ChannelOptions::default()).unwrap();
        soon(next.opened()).await.unwrap();
        let _: String = duo.page.call("nextChannel", json!([])).await.unwrap();
        next.send("alive").await.unwrap();
        assert_eq!(receive(&duo.page, "next").await, json!({ "text": "alive" }));
    }
}

in_both_browsers! {
    async fn a_channel_closed_in_the_page_delivers_its_last_message(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Browser, Config::default()).await;
        let mut messages = vec![json!({ "letters": 10_000 }); MESSAGES];
        messages.push(json!({ "text": "the last" }));
        send(&duo.page, FIRST, &messages).await;
        let _: bool = duo.page.call("close", json!([FIRST])).await.unwrap();
        for _ in 0..MESSAGES {
            assert_eq!(soon(duo.first.recv()).await.unwrap().len(), 10_000);
        }
        assert_eq!(soon(duo.first.recv()).await.unwrap().as_text(), Some("the last"));
        assert_eq!(soon(duo.first.recv()).await, None);
        soon(duo.first.closed()).await;
        let _: bool = duo.page.call("closed", json!([FIRST])).await.unwrap();
        open(&duo.page, "next", json!({})).await;
        let next = soon(duo.peer.accept_data_channel()).await.unwrap();
        send(&duo.page, "next", &[json!({ "text": "alive" })]).await;
        assert_eq!(soon(next.recv()).await.unwrap().as_text(), Some("alive"));
    }
}

in_both_browsers! {
    async fn channels_reuse_the_ids_of_closed_ones(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        let mut ids = Vec::new();
        for round in 0..5 {
            let label = format!("round {round}");
            let channel = duo.peer.create_data_channel(&label, ChannelOptions::default()).unwrap();
            soon(channel.opened()).await.unwrap();
            let arrived: String = duo.page.call("nextChannel", json!([])).await.unwrap();
            assert_eq!(arrived, label);
            channel.send("hello").await.unwrap();
            assert_eq!(receive(&duo.page, &label).await, json!({ "text": "hello" }));
            ids.push(channel.id().unwrap());
            soon(channel.close()).await.unwrap();
            let _: bool = duo.page.call("closed", json!([label])).await.unwrap();
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "the lowest free id is used: {ids:?}");
    }
}

in_both_browsers! {
    async fn a_connection_closed_in_rust_delivers_everything_first(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        let total = 4 << 20;
        let received = duo.page.start("receiveBulk", json!([FIRST, total + 3])).await.unwrap();
        for _ in 0..total / (1 << 16) {
            duo.first.send(vec![1; 1 << 16]).await.unwrap();
        }
        duo.first.send(b"end").await.unwrap();
        soon(duo.peer.close()).await.unwrap();
        assert_eq!(duo.peer.connection_state(), PeerConnectionState::Closed);
        let _: String = duo.page.join(received).await.unwrap();
        let _: bool = duo.page.call("closed", json!([FIRST])).await.unwrap();
    }
}

in_both_browsers! {
    async fn a_connection_closed_in_the_page_closes_the_channels_in_rust(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Browser, Config::default()).await;
        let _: bool = duo.page.call("closeConnection", json!([])).await.unwrap();
        assert_eq!(soon(duo.first.recv()).await, None);
        soon(duo.first.closed()).await;
        assert!(duo.first.send("too late").await.is_err());
    }
}

in_both_browsers! {
    async fn a_dropped_peer_closes_the_page_s_channels(kind: Kind) {
        let Duo { page, peer, first } = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        first.send("the last words").await.unwrap();
        drop(first);
        drop(peer);
        assert_eq!(receive(&page, FIRST).await, json!({ "text": "the last words" }));
        let _: bool = page.call("closed", json!([FIRST])).await.unwrap();
    }
}

in_both_browsers! {
    async fn a_killed_browser_is_noticed_within_the_consent_time(kind: Kind) {
        let Duo { page, peer, first } = Duo::connect(&Settings::new(kind), Offerer::Browser, Config::default()).await;
        let mut states = peer.watch_ice_connection_state();
        let began = Instant::now();
        page.browser.kill().await.unwrap();
        // RFC 7675, section 5.1: consent expires after 30 seconds without an answer.
        let noticed = states.wait_for(|state| {
            matches!(state, IceConnectionState::Disconnected | IceConnectionState::Failed | IceConnectionState::Closed)
        });
        within(Duration::from_secs(36), noticed).await.unwrap();
        println!("noticed after {:?}", began.elapsed());
        let mut states = peer.watch_connection_state();
        let given_up = states.wait_for(|state| matches!(state, PeerConnectionState::Failed | PeerConnectionState::Closed));
        within(Duration::from_secs(60), given_up).await.unwrap();
        println!("given up after {:?}", began.elapsed());
        drop(first);
    }
}

in_both_browsers! {
    async fn a_quiet_connection_stays_connected(kind: Kind) {
        // Longer than consent lasts, with nothing but checks of it on the wire.
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        let mut states = duo.peer.watch_connection_state();
        let changed = tokio::time::timeout(Duration::from_secs(40), states.wait_for(|state| *state != PeerConnectionState::Connected));
        assert!(changed.await.is_err(), "the state changed: {:?}", duo.peer.connection_state());
        duo.first.send("still there").await.unwrap();
        assert_eq!(receive(&duo.page, FIRST).await, json!({ "text": "still there" }));
        let states: Vec<Value> = duo.page.call("connectionState", json!(["connected"])).await.unwrap();
        assert!(!states.contains(&json!("disconnected")), "{states:?}");
    }
}
