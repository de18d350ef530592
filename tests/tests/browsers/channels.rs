//! Channels of every kind, from either side, alone and by the hundred.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};
use visavis::{ChannelOptions, Config, DataChannel};
use visavis_tests::{browser::Settings, page::Page};

use crate::{
    duo::{Duo, Offerer, open, receive, send, soon},
    in_both_browsers,
};

/// How a page describes a channel.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Described {
    label: String,
    id: u16,
    protocol: String,
    ordered: bool,
    max_retransmits: Option<u16>,
    max_packet_life_time: Option<u64>,
    negotiated: bool,
    ready_state: String,
}

/// The same of the Rust end.
fn described(channel: &DataChannel) -> Described {
    Described {
        label: channel.label().to_owned(),
        id: channel.id().expect("an open channel has its id"),
        protocol: channel.protocol().to_owned(),
        ordered: channel.ordered(),
        max_retransmits: channel.max_retransmits(),
        max_packet_life_time: channel.max_packet_life_time().map(|time| u64::try_from(time.as_millis()).unwrap()),
        negotiated: channel.negotiated(),
        ready_state: channel.ready_state().to_string(),
    }
}

/// Every mode of reliability, ids agreed on beforehand, and names beyond ASCII.
fn kinds() -> Vec<(&'static str, ChannelOptions)> {
    let default = ChannelOptions::default;
    let life = Some(Duration::from_millis(1500));
    vec![
        ("ordered, reliable", default()),
        ("unordered, reliable", ChannelOptions { ordered: false, ..default() }),
        ("ordered, no retransmission", ChannelOptions { max_retransmits: Some(0), ..default() }),
        ("unordered, 3 retransmissions", ChannelOptions { ordered: false, max_retransmits: Some(3), ..default() }),
        ("ordered, 1.5 seconds", ChannelOptions { max_packet_life_time: life, ..default() }),
        ("unordered, 1.5 seconds", ChannelOptions { ordered: false, max_packet_life_time: life, ..default() }),
        ("negotiated", ChannelOptions { negotiated: Some(500), ..default() }),
        (
            "negotiated, unordered, 7 retransmissions",
            ChannelOptions { negotiated: Some(501), ordered: false, max_retransmits: Some(7), ..default() },
        ),
        ("Kanäle für 你好 🦀", ChannelOptions { protocol: "протокол/1 ✓".into(), ..default() }),
        ("", ChannelOptions { protocol: "no label".into(), ..default() }),
    ]
}

/// `RTCDataChannelInit`.
fn init(options: &ChannelOptions) -> Value {
    let mut init = json!({ "ordered": options.ordered, "protocol": options.protocol });
    if let Some(count) = options.max_retransmits {
        init["maxRetransmits"] = json!(count);
    }
    if let Some(time) = options.max_packet_life_time {
        init["maxPacketLifeTime"] = json!(u64::try_from(time.as_millis()).unwrap());
    }
    if let Some(id) = options.negotiated {
        init["negotiated"] = json!(true);
        init["id"] = json!(id);
    }
    init
}

/// Both ends say the same of the channel, and a message goes each way.
async fn check(page: &Page, channel: &DataChannel) {
    soon(channel.opened()).await.unwrap();
    let theirs: Described = page.call("opened", json!([channel.label()])).await.unwrap();
    assert_eq!(described(channel), theirs);
    assert_eq!(theirs.ready_state, "open");
    channel.send(format!("to {}", channel.label())).await.unwrap();
    assert_eq!(receive(page, channel.label()).await, json!({ "text": format!("to {}", channel.label()) }));
    send(page, channel.label(), &[json!({ "text": "back" })]).await;
    assert_eq!(soon(channel.recv()).await.unwrap().as_text(), Some("back"));
}

/// Every label but an empty one, which means nothing to `data_channel(label)` but works all the same.
async fn channels_made_in_rust(kind: visavis_tests::browser::Kind, offerer: Offerer) {
    let duo = Duo::connect(&Settings::new(kind), offerer, Config::default()).await;
    let mut channels = Vec::new();
    for (label, options) in kinds() {
        if options.negotiated.is_some() {
            open(&duo.page, label, init(&options)).await;
        }
        channels.push(duo.peer.create_data_channel(label, options).unwrap());
    }
    for channel in &channels {
        if !channel.negotiated() {
            let label: String = duo.page.call("nextChannel", json!([])).await.unwrap();
            assert_eq!(label, channel.label(), "channels arrive in the order in which they were made");
        }
    }
    for channel in &channels {
        check(&duo.page, channel).await;
    }
}

in_both_browsers! {
    async fn channels_of_every_kind_are_made_in_rust_that_offered(kind: Kind) {
        channels_made_in_rust(kind, Offerer::Rust).await;
    }
}

in_both_browsers! {
    async fn channels_of_every_kind_are_made_in_rust_that_answered(kind: Kind) {
        channels_made_in_rust(kind, Offerer::Browser).await;
    }
}

in_both_browsers! {
    async fn channels_of_every_kind_are_made_in_the_page(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Browser, Config::default()).await;
        for (label, options) in kinds() {
            let negotiated = options.negotiated.is_some();
            open(&duo.page, label, init(&options)).await;
            let channel = if negotiated {
                duo.peer.create_data_channel(label, options).unwrap()
            } else {
                soon(duo.peer.accept_data_channel()).await.unwrap()
            };
            assert_eq!(channel.label(), label);
            check(&duo.page, &channel).await;
        }
    }
}

in_both_browsers! {
    async fn two_hundred_channels_at_once(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        let ours: Vec<DataChannel> = (0..100)
            .map(|number| duo.peer.create_data_channel(format!("rust {number}"), ChannelOptions::default()).unwrap())
            .collect();
        for number in 0..100 {
            open(&duo.page, &format!("page {number}"), json!({})).await;
        }
        let mut theirs = Vec::new();
        for _ in 0..100 {
            theirs.push(soon(duo.peer.accept_data_channel()).await.unwrap());
        }
        for _ in 0..100 {
            let _: String = duo.page.call("nextChannel", json!([])).await.unwrap();
        }
        let all: Vec<&DataChannel> = ours.iter().chain(&theirs).collect();
        // Everything is sent before anything is received.
        for channel in &all {
            soon(channel.opened()).await.unwrap();
            let _: Value = duo.page.call("opened", json!([channel.label()])).await.unwrap();
            let _: bool = duo.page.call("echo", json!([channel.label()])).await.unwrap();
            channel.send(channel.label()).await.unwrap();
        }
        for channel in &all {
            assert_eq!(soon(channel.recv()).await.unwrap().as_text(), Some(channel.label()));
        }
        let ids: BTreeSet<u16> = all.iter().filter_map(|channel| channel.id()).collect();
        assert_eq!(ids.len(), 200, "every channel has a stream of its own");
    }
}
