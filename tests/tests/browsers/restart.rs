//! ICE restarts, asked for by either side, while data flows.

use serde_json::{Value, json};
use visavis::{Config, OfferOptions, PeerConnectionState};
use visavis_tests::{browser::Settings, pattern};

use crate::{
    duo::{Duo, FIRST, Offerer, answer_page, offer_to_page, sha256, within},
    in_both_browsers,
};

const TOTAL: usize = 24 << 20;
const MESSAGE: usize = 16 << 10;
const LIMIT: std::time::Duration = std::time::Duration::from_secs(250);

/// The user name of ICE in each side's description.
async fn fragments(duo: &Duo) -> [String; 2] {
    let descriptions = [duo.peer.local_description().await, duo.peer.remote_description().await];
    descriptions.map(|description| {
        let sdp = description.unwrap().sdp;
        sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap().trim().to_owned()
    })
}

/// Sends to the page all the while; half-way through, `restart` runs.
async fn flows_through(duo: &Duo, restart: impl Future<Output = ()>) {
    let before = fragments(duo).await;
    let bytes = bytes::Bytes::from(pattern::bytes(TOTAL, 9));
    let received = duo.page.start("receiveBulk", json!([FIRST, TOTAL])).await.unwrap();
    let (half_way, go) = tokio::sync::oneshot::channel();
    let (restarted, done) = tokio::sync::oneshot::channel();
    let flow = async {
        let (mut half_way, mut done) = (Some(half_way), Some(done));
        for offset in (0..TOTAL).step_by(MESSAGE) {
            if offset == TOTAL / 4 {
                half_way.take().unwrap().send(()).unwrap();
            }
            if offset == TOTAL / 4 * 3 {
                // So that data is sent before, during and after it.
                done.take().unwrap().await.unwrap();
            }
            duo.first.send(bytes.slice(offset..offset + MESSAGE)).await.unwrap();
        }
    };
    let restart = async {
        go.await.unwrap();
        restart.await;
        restarted.send(()).unwrap();
    };
    within(LIMIT, async { tokio::join!(flow, restart) }).await;
    let hash: String = duo.page.join(received).await.unwrap();
    assert_eq!(hash, sha256(&bytes));
    let after = fragments(duo).await;
    assert!(before[0] != after[0] && before[1] != after[1], "{before:?}, {after:?}: ICE was not restarted");
    assert_eq!(duo.peer.connection_state(), PeerConnectionState::Connected);
    let states: Vec<Value> = duo.page.call("connectionState", json!(["connected"])).await.unwrap();
    assert!(!states.contains(&json!("failed")), "{states:?}");
}

in_both_browsers! {
    async fn data_flows_while_rust_restarts_ice(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        flows_through(&duo, offer_to_page(&duo.peer, &duo.page, OfferOptions { ice_restart: true })).await;
    }
}

in_both_browsers! {
    async fn data_flows_while_the_page_restarts_ice(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        flows_through(&duo, answer_page(&duo.peer, &duo.page, json!({ "iceRestart": true }))).await;
    }
}
