//! How media is protected: each profile of SRTP that a browser has, agreed on and carrying pictures both ways.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use visavis::{Config, MediaKind, OfferOptions, PeerConnection, SrtpProfile};
use visavis_tests::{
    browser::{Kind, Settings},
    page::Page,
};

use crate::{
    duo::{Offerer, answer_page, offer_to_page, soon},
    in_both_browsers,
    media::{echo, frames, sum},
};

/// What a kind of browser can do: Chromium has nothing with tags of 32 bits.
fn known(kind: Kind) -> Vec<SrtpProfile> {
    let mut all = vec![SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm];
    all.extend((kind == Kind::Firefox).then_some(SrtpProfile::Aes128CmSha1_32));
    all
}

/// Both sides say that this is what they agreed on; Firefox says nothing of it.
async fn check_agreed(page: &Page, peer: &PeerConnection, profile: SrtpProfile) {
    let report = peer.stats_report().await.unwrap();
    assert_eq!(report.transport().unwrap().srtp_cipher.as_deref(), Some(profile.name()));
    let theirs: HashMap<String, Value> = page.call("report", json!([])).await.unwrap();
    let told: Vec<&str> = theirs.values().filter_map(|one| one["srtpCipher"].as_str()).collect();
    assert!(told == [profile.name()] || told.is_empty() && page.browser.kind() == Kind::Firefox, "{told:?}");
}

/// Pictures come from the page, and are seen there when they are sent back.
async fn check_pictures(page: &Page, peer: &PeerConnection, offerer: Offerer, profile: SrtpProfile) {
    let sent = peer.add_track(MediaKind::Video, "echo", &["echo"]).await.unwrap();
    match offerer {
        Offerer::Rust => offer_to_page(peer, page, OfferOptions::default()).await,
        Offerer::Browser => answer_page(peer, page, json!({})).await,
    }
    let received = soon(peer.accept_track()).await.unwrap();
    frames(&received, 10).await;
    check_agreed(page, peer, profile).await;
    let task = tokio::spawn(echo(received, sent));
    let seen = async {
        loop {
            let stats: Vec<Value> = page.call("mediaStats", json!(["inbound-rtp", "video"])).await.unwrap();
            if sum(&stats, "framesDecoded") > 10.0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(seen).await;
    task.abort();
}

in_both_browsers! {
    async fn each_profile_carries_pictures_both_ways(kind: Kind) {
        let page = Page::open(&Settings::new(kind).with_devices()).await.unwrap();
        let _: Vec<Value> = page.call("capture", json!([{ "video": true }])).await.unwrap();
        for profile in known(kind) {
            // Whoever answers is the client of DTLS, which offers profiles; the server chooses one.
            for offerer in [Offerer::Rust, Offerer::Browser] {
                println!("{} {offerer:?}", profile.name());
                let _: bool = page.call("renew", json!([])).await.unwrap();
                let peer = PeerConnection::new(Config { srtp_profiles: vec![profile], ..Config::default() }).unwrap();
                check_pictures(&page, &peer, offerer, profile).await;
            }
        }
    }
}
