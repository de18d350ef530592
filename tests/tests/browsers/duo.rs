//! A page and a peer in Rust that talk to each other; what the themes have in common.

use std::{future::Future, time::Duration};

use serde_json::{Value, json};
use visavis::{ChannelOptions, Config, DataChannel, Message, OfferOptions, PeerConnection, SessionDescription};
use visavis_tests::{browser::Settings, page::Page};

/// Who makes the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offerer {
    Rust,
    Browser,
}

/// The label of the channel that the offerer makes.
pub(crate) const FIRST: &str = "first";

/// A connected pair.
pub(crate) struct Duo {
    pub(crate) page: Page,
    pub(crate) peer: PeerConnection,
    /// The Rust end of the channel [`FIRST`].
    pub(crate) first: DataChannel,
}

impl Duo {
    pub(crate) async fn connect(settings: &Settings, offerer: Offerer, config: Config) -> Self {
        let page = Page::open(settings).await.unwrap();
        let peer = PeerConnection::new(config).unwrap();
        let first = match offerer {
            Offerer::Rust => {
                let first = peer.create_data_channel(FIRST, ChannelOptions::default()).unwrap();
                offer_to_page(&peer, &page, OfferOptions::default()).await;
                let arrived: String = page.call("nextChannel", json!([])).await.unwrap();
                assert_eq!(arrived, FIRST);
                first
            }
            Offerer::Browser => {
                open(&page, FIRST, json!({})).await;
                answer_page(&peer, &page, json!({})).await;
                soon(peer.accept_data_channel()).await.unwrap()
            }
        };
        assert_eq!(first.label(), FIRST);
        soon(first.opened()).await.unwrap();
        let _: Value = page.call("opened", json!([FIRST])).await.unwrap();
        Self { page, peer, first }
    }
}

/// Makes an offer in Rust, has the page answer it, and hears the answer: all candidates are inside.
pub(crate) async fn offer_to_page(peer: &PeerConnection, page: &Page, options: OfferOptions) {
    let offer = peer.create_offer(options).await.unwrap();
    peer.set_local_description(offer).await.unwrap();
    let offer = peer.gathered().await.unwrap();
    let answer: SessionDescription = page.call("answer", json!([offer, false])).await.unwrap();
    peer.set_remote_description(answer).await.unwrap();
}

/// Has the page make an offer, answers it in Rust, and has the page hear the answer: all candidates are inside.
pub(crate) async fn answer_page(peer: &PeerConnection, page: &Page, options: Value) {
    let offer: SessionDescription = page.call("offer", json!([false, options])).await.unwrap();
    peer.set_remote_description(offer).await.unwrap();
    let answer = peer.create_answer().await.unwrap();
    peer.set_local_description(answer).await.unwrap();
    let answer = peer.gathered().await.unwrap();
    let _: bool = page.call("accept", json!([answer])).await.unwrap();
}

/// Has the page create a channel.
pub(crate) async fn open(page: &Page, label: &str, options: Value) {
    let _: bool = page.call("open", json!([label, options])).await.unwrap();
}

/// Has the page send messages.
pub(crate) async fn send(page: &Page, label: &str, messages: &[Value]) {
    let mut arguments = vec![json!(label)];
    arguments.extend_from_slice(messages);
    let _: u64 = page.call("send", Value::Array(arguments)).await.unwrap();
}

/// The next message that the page got on this channel.
pub(crate) async fn receive(page: &Page, label: &str) -> Value {
    page.call("receive", json!([label])).await.unwrap()
}

/// What the page is to report for a message.
pub(crate) fn reported(message: &Message) -> Value {
    match message {
        Message::Text(text) => json!({ "text": text }),
        Message::Binary(bytes) => json!({ "hex": hex(bytes) }),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|place| u8::from_str_radix(&digits[place..place + 2], 16).unwrap()).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(bytes))
}

/// Waits for what takes moments on one machine, and fails where it takes longer.
#[track_caller]
pub(crate) fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    within(Duration::from_secs(60), future)
}

#[track_caller]
pub(crate) fn within<F: Future>(limit: Duration, future: F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(limit, future).await {
            Ok(output) => output,
            Err(_) => panic!("{caller}: not done after {limit:?}"),
        }
    }
}
