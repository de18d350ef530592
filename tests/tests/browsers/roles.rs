//! Rust as Initiator and as Receiver, with complete descriptions and with trickled candidates, with plain addresses
//! and with those that browsers hide from everyone.

use serde_json::{Value, json};
use visavis::{Config, ConnectionEvent, Events, IceCandidate, Initiator, PeerConnection, Receiver, SessionDescription};
use visavis_tests::{browser::Settings, isolation, page::Page};

use crate::{
    duo::{open, receive, send, soon},
    in_both_browsers,
};

/// A few words each way.
async fn greet(page: &Page, peer: &PeerConnection, label: &str) {
    let channel = peer.data_channel(label).unwrap();
    soon(channel.opened()).await.unwrap();
    let _: Value = page.call("opened", json!([label])).await.unwrap();
    channel.send("hello from Rust").await.unwrap();
    assert_eq!(receive(page, label).await, json!({ "text": "hello from Rust" }));
    send(page, label, &[json!({ "text": "hello from a browser" })]).await;
    assert_eq!(soon(channel.recv()).await.unwrap().as_text(), Some("hello from a browser"));
    let _: Vec<String> = page.call("connectionState", json!(["connected"])).await.unwrap();
    peer.connected().await.unwrap();
}

/// The label that the README and the program's two local peers use.
const LABEL: &str = "text-channel-1";

async fn as_initiator(settings: &Settings) -> (Page, Initiator, SessionDescription) {
    let page = Page::open(settings).await.unwrap();
    let initiator = Initiator::new(Config::default()).unwrap();
    let offer = initiator.create_data_channel_offer(LABEL).await.unwrap();
    let answer: SessionDescription = page.call("answer", json!([offer, false])).await.unwrap();
    initiator.process_answer(answer.clone()).await.unwrap();
    greet(&page, initiator.peer_connection(), LABEL).await;
    (page, initiator, answer)
}

async fn as_receiver(settings: &Settings) -> (Page, Receiver, SessionDescription) {
    let page = Page::open(settings).await.unwrap();
    open(&page, LABEL, json!({})).await;
    let offer: SessionDescription = page.call("offer", json!([false])).await.unwrap();
    let receiver = Receiver::new(Config::default()).unwrap();
    let answer = receiver.process_offer(offer.clone()).await.unwrap();
    let _: bool = page.call("accept", json!([answer])).await.unwrap();
    let channel = soon(receiver.peer_connection().accept_data_channel()).await.unwrap();
    assert_eq!(channel.label(), LABEL);
    greet(&page, receiver.peer_connection(), LABEL).await;
    (page, receiver, offer)
}

/// Only addresses of the test's own network are in use, whatever was said about them.
async fn check_selected_pair(page: &Page) {
    let pair: Value = page.call("selectedPair", json!([])).await.unwrap();
    assert!(pair.is_array(), "no pair of candidates is in use: {pair}");
}

fn check_hidden(description: &SessionDescription) {
    let sdp = &description.sdp;
    assert!(sdp.contains(".local") && !sdp.contains(isolation::IPV4), "addresses are not hidden: {sdp}");
}

in_both_browsers! {
    async fn rust_is_the_initiator(kind: Kind) {
        let (page, _initiator, answer) = as_initiator(&Settings::new(kind)).await;
        assert!(answer.sdp.contains(isolation::IPV4), "{}", answer.sdp);
        check_selected_pair(&page).await;
    }
}

in_both_browsers! {
    async fn rust_is_the_receiver(kind: Kind) {
        let (page, _receiver, offer) = as_receiver(&Settings::new(kind)).await;
        assert!(offer.sdp.contains(isolation::IPV4), "{}", offer.sdp);
        check_selected_pair(&page).await;
    }
}

in_both_browsers! {
    async fn rust_is_the_initiator_for_a_browser_that_hides_its_addresses(kind: Kind) {
        let (_page, _initiator, answer) = as_initiator(&Settings::new(kind).with_default_privacy()).await;
        check_hidden(&answer);
    }
}

in_both_browsers! {
    async fn rust_is_the_receiver_for_a_browser_that_hides_its_addresses(kind: Kind) {
        let (_page, _receiver, offer) = as_receiver(&Settings::new(kind).with_default_privacy()).await;
        check_hidden(&offer);
    }
}

/// Carries candidates both ways until both sides have told all of theirs.
async fn trickle(page: &Page, peer: &PeerConnection, mut events: Events<ConnectionEvent>) {
    let to_page = async {
        let mut told = Vec::new();
        while let Some(event) = events.next().await {
            let ConnectionEvent::IceCandidate(candidate) = event else { continue };
            let Some(candidate) = candidate else { break };
            told.push(candidate);
        }
        told
    };
    let told = soon(to_page).await;
    assert!(!told.is_empty(), "Rust told no candidate");
    for candidate in told {
        let _: bool = page.call("addCandidate", json!([candidate])).await.unwrap();
    }
    let mut count = 0;
    'all: loop {
        let batch: Vec<Option<IceCandidate>> = page.call("nextCandidates", json!([])).await.unwrap();
        for candidate in batch {
            let Some(candidate) = candidate else { break 'all };
            count += usize::from(!candidate.candidate.is_empty());
            peer.add_ice_candidate(candidate).await.unwrap();
        }
    }
    assert!(count > 0, "the page told no candidate");
}

fn has_no_candidate(description: &SessionDescription) -> bool {
    !description.sdp.contains("a=candidate")
}

fn trickling() -> Config {
    Config { trickle: true, ..Config::default() }
}

async fn trickles_as_initiator(settings: &Settings) {
    let page = Page::open(settings).await.unwrap();
    let initiator = Initiator::new(trickling()).unwrap();
    let events = initiator.peer_connection().events();
    let offer = initiator.create_data_channel_offer(LABEL).await.unwrap();
    assert!(has_no_candidate(&offer), "the offer waited for candidates: {}", offer.sdp);
    let answer: SessionDescription = page.call("answer", json!([offer, true])).await.unwrap();
    assert!(has_no_candidate(&answer), "{}", answer.sdp);
    initiator.process_answer(answer).await.unwrap();
    trickle(&page, initiator.peer_connection(), events).await;
    greet(&page, initiator.peer_connection(), LABEL).await;
}

async fn trickles_as_receiver(settings: &Settings) {
    let page = Page::open(settings).await.unwrap();
    open(&page, LABEL, json!({})).await;
    let offer: SessionDescription = page.call("offer", json!([true])).await.unwrap();
    assert!(has_no_candidate(&offer), "{}", offer.sdp);
    let receiver = Receiver::new(trickling()).unwrap();
    let events = receiver.peer_connection().events();
    let answer = receiver.process_offer(offer).await.unwrap();
    assert!(has_no_candidate(&answer), "the answer waited for candidates: {}", answer.sdp);
    let _: bool = page.call("accept", json!([answer])).await.unwrap();
    trickle(&page, receiver.peer_connection(), events).await;
    soon(receiver.peer_connection().accept_data_channel()).await.unwrap();
    greet(&page, receiver.peer_connection(), LABEL).await;
}

in_both_browsers! {
    async fn rust_is_the_initiator_and_candidates_trickle(kind: Kind) {
        trickles_as_initiator(&Settings::new(kind)).await;
    }
}

in_both_browsers! {
    async fn rust_is_the_receiver_and_candidates_trickle(kind: Kind) {
        trickles_as_receiver(&Settings::new(kind)).await;
    }
}

in_both_browsers! {
    async fn hidden_addresses_trickle(kind: Kind) {
        trickles_as_initiator(&Settings::new(kind).with_default_privacy()).await;
    }
}
