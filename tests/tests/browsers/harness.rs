//! The harness itself: two pages of the same browser talk to each other, so that a failure elsewhere is ours.

use serde_json::{Value, json};
use visavis_tests::{
    browser::{Browser, Settings},
    page::Page,
};

use crate::in_both_browsers;

/// Connects two pages and sends a message each way; returns the offer.
async fn two_pages_talk(settings: &Settings) -> Value {
    let (one, two) = tokio::join!(Page::open(settings), Page::open(settings));
    let (one, two) = (one.unwrap(), two.unwrap());
    let _: bool = one.call("open", json!(["greetings"])).await.unwrap();
    let offer: Value = one.call("offer", json!([false])).await.unwrap();
    let answer: Value = two.call("answer", json!([offer, false])).await.unwrap();
    let _: bool = one.call("accept", json!([answer])).await.unwrap();
    let _: Value = one.call("opened", json!(["greetings"])).await.unwrap();
    let label: String = two.call("nextChannel", json!([])).await.unwrap();
    assert_eq!(label, "greetings");
    let _: u64 = one.call("send", json!(["greetings", { "text": "hello" }])).await.unwrap();
    let _: u64 = two.call("send", json!(["greetings", { "hex": "00ff" }])).await.unwrap();
    let heard: Value = two.call("receive", json!(["greetings"])).await.unwrap();
    assert_eq!(heard, json!({ "text": "hello" }));
    let heard: Value = one.call("receive", json!(["greetings"])).await.unwrap();
    assert_eq!(heard, json!({ "hex": "00ff" }));
    offer
}

in_both_browsers! {
    async fn pages_talk_with_plain_addresses(kind: Kind) {
        let offer = two_pages_talk(&Settings::new(kind)).await;
        let sdp = offer["sdp"].as_str().unwrap();
        assert!(sdp.contains(visavis_tests::isolation::IPV4), "no plain address in {sdp}");
    }
}

in_both_browsers! {
    async fn pages_talk_with_hidden_addresses(kind: Kind) {
        let offer = two_pages_talk(&Settings::new(kind).with_default_privacy()).await;
        let sdp = offer["sdp"].as_str().unwrap();
        assert!(sdp.contains(".local"), "no hidden address in {sdp}");
        assert!(!sdp.contains(visavis_tests::isolation::IPV4), "a plain address in {sdp}");
    }
}

in_both_browsers! {
    async fn a_page_reports_what_it_throws(kind: Kind) {
        let page = Page::open(&Settings::new(kind)).await.unwrap();
        let error = page.call::<Value>("send", json!(["nowhere", { "text": "" }])).await.unwrap_err();
        assert!(error.to_string().contains("no channel nowhere"), "{error}");
    }
}

in_both_browsers! {
    async fn a_killed_browser_is_gone(kind: Kind) {
        let browser = Browser::launch(&Settings::new(kind)).await.unwrap();
        let client = browser.client().clone();
        browser.kill().await.unwrap();
        assert!(client.current_url().await.is_err());
    }
}
