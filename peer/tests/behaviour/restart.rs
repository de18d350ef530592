//! ICE restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use visavis::{Config, ConnectionEvent, IceConnectionState, OfferOptions, PeerConnectionState};

use crate::support::{Pair, config, pattern, within};

fn ufrag(sdp: &str) -> &str {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ice_restarts_while_data_flows() {
    let pair = Pair::new().await;
    let [connection, other] = pair.connections();
    let before = connection.local_description().await.unwrap();
    let count = 200;
    let sending = tokio::spawn({
        let here = pair.here.clone();
        async move {
            for number in 0..count {
                here.send(pattern(20_000, number)).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let receiving = tokio::spawn({
        let there = pair.there.clone();
        async move {
            for number in 0..count {
                assert_eq!(there.recv().await.unwrap().into_bytes(), pattern(20_000, number), "message {number}");
            }
        }
    });

    for _ in 0..3 {
        let mut events = connection.events();
        within(connection.restart_ice()).await.unwrap();
        loop {
            if let ConnectionEvent::NegotiationNeeded = within(events.next()).await.unwrap() {
                break;
            }
        }
        let offer = within(pair.initiator.create_offer()).await.unwrap();
        assert_ne!(ufrag(&before.sdp), ufrag(&offer.sdp));
        assert!(offer.sdp.contains("a=candidate:"), "{}", offer.sdp);
        let answer = within(pair.receiver.process_offer(offer)).await.unwrap();
        within(pair.initiator.process_answer(answer)).await.unwrap();
        for connection in [connection, other] {
            within(connection.connected()).await.unwrap();
        }
    }

    within(sending).await.unwrap();
    within(receiving).await.unwrap();
    assert_eq!(connection.connection_state(), PeerConnectionState::Connected);
}

#[tokio::test]
async fn an_offer_may_restart_by_itself() {
    let pair = Pair::new().await;
    let [connection, other] = pair.connections();
    let before = connection.local_description().await.unwrap();
    let offer = connection.create_offer(OfferOptions { ice_restart: true }).await.unwrap();
    assert_ne!(ufrag(&before.sdp), ufrag(&offer.sdp));
    connection.set_local_description(offer).await.unwrap();
    let offer = within(connection.gathered()).await.unwrap();
    other.set_remote_description(offer).await.unwrap();
    let answer = other.create_answer().await.unwrap();
    other.set_local_description(answer).await.unwrap();
    connection.set_remote_description(within(other.gathered()).await.unwrap()).await.unwrap();
    within(connection.connected()).await.unwrap();
    within(pair.here.send("after")).await.unwrap();
    assert_eq!(crate::support::recv(&pair.there).await.as_text(), Some("after"));
}

#[tokio::test]
async fn an_address_that_appears_while_there_is_no_path_is_used() {
    let has_address = Arc::new(AtomicBool::new(true));
    let is_there = has_address.clone();
    let roaming = Config {
        interface_filter: Some(Arc::new(move |interface| {
            interface.address == std::net::Ipv4Addr::LOCALHOST && is_there.load(Ordering::Relaxed)
        })),
        include_loopback: true,
        ..Config::default()
    };
    let pair = Pair::of(roaming, config()).await;
    let [connection, _] = pair.connections();
    let mut events = connection.events();
    has_address.store(false, Ordering::Relaxed);
    // This has the driver look at the interfaces. The state changes because nothing is left.
    within(connection.restart_ice()).await.unwrap();
    loop {
        if let ConnectionEvent::IceConnectionStateChange(
            IceConnectionState::Disconnected | IceConnectionState::Failed,
        ) = within(events.next()).await.unwrap()
        {
            break;
        }
    }
    within(pair.here.send("from elsewhere")).await.unwrap();
    has_address.store(true, Ordering::Relaxed);
    assert_eq!(crate::support::recv(&pair.there).await.as_text(), Some("from elsewhere"));
    within(connection.connected()).await.unwrap();
}
