//! Messages: empty ones, text and bytes, and the largest that either side allows.

use serde_json::{Value, json};
use visavis::{Config, Error, Message, SessionDescription};
use visavis_tests::{
    browser::{Kind, Settings},
    pattern,
};

use crate::{
    duo::{Duo, FIRST, Offerer, receive, reported, send, sha256, soon},
    in_both_browsers,
};

fn samples() -> Vec<Message> {
    vec![
        Message::from("plain"),
        Message::from(""),
        Message::from(b""),
        Message::from(b"\0\xff\x80"),
        Message::from("Grüße, 世界 🦀 \u{10ffff} \0 end"),
        Message::from(b"\0"),
        Message::from(pattern::bytes(1000, 5)),
        Message::from("last"),
    ]
}

in_both_browsers! {
    async fn text_bytes_and_nothing_arrive_as_they_were_sent(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        for message in samples() {
            duo.first.send(message).await.unwrap();
        }
        for message in samples() {
            assert_eq!(receive(&duo.page, FIRST).await, reported(&message));
        }
        let all: Vec<Value> = samples().iter().map(reported).collect();
        send(&duo.page, FIRST, &all).await;
        for message in samples() {
            assert_eq!(soon(duo.first.recv()).await.unwrap(), message);
        }
    }
}

/// What the page's description allows.
async fn limit_of_the_page(duo: &Duo) -> usize {
    let SessionDescription { sdp, .. } = duo.peer.remote_description().await.unwrap();
    let line = sdp.lines().find_map(|line| line.strip_prefix("a=max-message-size:"));
    line.expect("browsers say how large a message may be").trim().parse().unwrap()
}

async fn page_gets(duo: &Duo, length: usize) {
    let bytes = pattern::bytes(length, 11);
    let expected = json!({ "kind": "binary", "length": length, "sha256": sha256(&bytes) });
    duo.first.send(bytes).await.unwrap();
    assert_eq!(receive(&duo.page, FIRST).await, expected);
}

in_both_browsers! {
    async fn the_largest_message_that_the_page_allows_arrives_and_one_byte_more_is_refused(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        let theirs = limit_of_the_page(&duo).await;
        let error = duo.first.send(vec![0; theirs + 1]).await.unwrap_err();
        let Error::MessageTooLarge { len, limit, .. } = error else { panic!("{error}") };
        assert_eq!(len, theirs + 1);
        match kind {
            Kind::Chromium => assert_eq!(limit, theirs),
            // It allows 1 GiB less one byte, more than this side's own buffer holds by default.
            Kind::Firefox => assert!(limit >= 1 << 20 && limit <= theirs, "{limit}"),
        }
        page_gets(&duo, limit).await;
        let error = duo.first.try_send(vec![0; limit + 1]).unwrap_err();
        assert!(error.to_string().contains(&limit.to_string()), "the error names the limit: {error}");
        // The refusal has not harmed the channel.
        page_gets(&duo, 2000).await;
    }
}

in_both_browsers! {
    async fn the_largest_message_that_rust_allows_arrives_and_one_byte_more_is_refused(kind: Kind) {
        // Larger than the default, so that it is this side's setting that is seen to work; Chromium sends no more than
        // 256 KiB to anyone.
        let limit = match kind { Kind::Chromium => 200_001, Kind::Firefox => 1_000_001 };
        let config = Config { max_message_size: limit, ..Config::default() };
        let duo = Duo::connect(&Settings::new(kind), Offerer::Browser, config).await;
        let allowed: usize = duo.page.call("maxMessageSize", json!([])).await.unwrap();
        assert_eq!(allowed, limit);
        send(&duo.page, FIRST, &[json!({ "binary": limit, "seed": 3 })]).await;
        let message = soon(duo.first.recv()).await.unwrap();
        assert_eq!(message, Message::from(pattern::bytes(limit, 3)));
        send(&duo.page, FIRST, &[json!({ "letters": limit })]).await;
        let message = soon(duo.first.recv()).await.unwrap();
        assert_eq!(message.as_text(), Some("a".repeat(limit).as_str()));
        let refused = duo.page.call::<u64>("send", json!([FIRST, { "binary": limit + 1, "seed": 3 }])).await;
        assert!(refused.unwrap_err().to_string().contains("TypeError"));
        send(&duo.page, FIRST, &[json!({ "text": "still open" })]).await;
        assert_eq!(soon(duo.first.recv()).await.unwrap().as_text(), Some("still open"));
    }
}

/// What a browser may agree to in SCTP: Firefox interleaves messages (RFC 8260), Chromium does where it is told to.
fn with_and_without_interleaving(kind: Kind) -> Vec<Settings> {
    let trial = "--force-fieldtrials=WebRTC-DataChannelMessageInterleaving/Enabled/";
    let told = Settings { arguments: vec![trial.into()], ..Settings::new(kind) };
    match kind {
        Kind::Chromium => vec![Settings::new(kind), told],
        Kind::Firefox => vec![Settings::new(kind)],
    }
}

in_both_browsers! {
    async fn messages_pass_whether_they_are_interleaved_or_not(kind: Kind) {
        for settings in with_and_without_interleaving(kind) {
            for offerer in [Offerer::Rust, Offerer::Browser] {
                let duo = Duo::connect(&settings, offerer, Config::default()).await;
                // Of many packets each, so that fragments are put together at both ends.
                for length in [2000, 100_000, 200_000] {
                    page_gets(&duo, length).await;
                    send(&duo.page, FIRST, &[json!({ "binary": length, "seed": 7 })]).await;
                    assert_eq!(soon(duo.first.recv()).await.unwrap(), Message::from(pattern::bytes(length, 7)));
                }
            }
        }
    }
}
