//! Much data: 100 MiB each way, and the events that keep a sender from running ahead.

use std::time::{Duration, Instant};

use serde_json::json;
use visavis::{Config, Error, event};
use visavis_tests::{browser::Settings, pattern};

use crate::{
    duo::{Duo, FIRST, Offerer, open, sha256, soon, within},
    in_both_browsers,
};

const TOTAL: usize = 100 << 20;
const MESSAGE: usize = 64 << 10;
/// Generous, for machines that do other things too.
const LIMIT: Duration = Duration::from_secs(250);

in_both_browsers! {
    async fn a_hundred_mebibytes_go_to_the_page(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        let bytes = bytes::Bytes::from(pattern::bytes(TOTAL, 1));
        let received = duo.page.start("receiveBulk", json!([FIRST, TOTAL])).await.unwrap();
        let began = Instant::now();
        let all = async {
            for offset in (0..TOTAL).step_by(MESSAGE) {
                duo.first.send(bytes.slice(offset..offset + MESSAGE)).await.unwrap();
            }
        };
        within(LIMIT, all).await;
        let hash: String = duo.page.join(received).await.unwrap();
        println!("{:.1} MB/s to the page", TOTAL as f64 / 1e6 / began.elapsed().as_secs_f64());
        assert_eq!(hash, sha256(&bytes));
    }
}

in_both_browsers! {
    async fn a_hundred_mebibytes_come_from_the_page(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Browser, Config::default()).await;
        let sent = duo.page.start("sendBulk", json!([FIRST, TOTAL, MESSAGE, 2])).await.unwrap();
        let began = Instant::now();
        let all = async {
            let mut bytes = Vec::with_capacity(TOTAL);
            while bytes.len() < TOTAL {
                bytes.extend_from_slice(duo.first.recv().await.expect("the channel stays open").as_bytes());
            }
            bytes
        };
        let bytes = within(LIMIT, all).await;
        println!("{:.1} MB/s from the page", TOTAL as f64 / 1e6 / began.elapsed().as_secs_f64());
        let hash: String = duo.page.join(sent).await.unwrap();
        assert_eq!(hash, sha256(&bytes));
    }
}

in_both_browsers! {
    async fn both_directions_at_once(kind: Kind) {
        const TOTAL: usize = 16 << 20;
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, Config::default()).await;
        open(&duo.page, "back", json!({})).await;
        let back = soon(duo.peer.accept_data_channel()).await.unwrap();
        let bytes = bytes::Bytes::from(pattern::bytes(TOTAL, 3));
        let received = duo.page.start("receiveBulk", json!([FIRST, TOTAL])).await.unwrap();
        let sent = duo.page.start("sendBulk", json!(["back", TOTAL, MESSAGE, 4])).await.unwrap();
        let out = async {
            for offset in (0..TOTAL).step_by(MESSAGE) {
                duo.first.send(bytes.slice(offset..offset + MESSAGE)).await.unwrap();
            }
        };
        let into = async {
            let mut bytes = Vec::new();
            while bytes.len() < TOTAL {
                bytes.extend_from_slice(back.recv().await.expect("the channel stays open").as_bytes());
            }
            bytes
        };
        let ((), heard) = within(LIMIT, async { tokio::join!(out, into) }).await;
        let hash: String = duo.page.join(received).await.unwrap();
        assert_eq!(hash, sha256(&bytes));
        let hash: String = duo.page.join(sent).await.unwrap();
        assert_eq!(hash, sha256(&heard));
    }
}

in_both_browsers! {
    async fn a_sender_in_rust_is_told_when_little_is_buffered(kind: Kind) {
        let config = Config { send_buffer: 1 << 20, ..Config::default() };
        let duo = Duo::connect(&Settings::new(kind), Offerer::Rust, config).await;
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let channel = duo.first.clone();
        duo.first.add_event_listener(event::BUFFERED_AMOUNT_LOW, move |_| {
            // Whether the test still listens is its own business.
            let _ = told.send(channel.buffered_amount());
        });
        let threshold = 100_000;
        duo.first.set_buffered_amount_low_threshold(threshold);
        let mut accepted = 0;
        let error = loop {
            match duo.first.try_send(vec![7; MESSAGE]) {
                Ok(()) => accepted += MESSAGE,
                Err(error) => break error,
            }
        };
        let Error::SendBufferFull { limit, .. } = error else { panic!("{error}") };
        assert_eq!(limit, 1 << 20);
        assert!(duo.first.buffered_amount() > threshold);
        let amount = soon(heard.recv()).await.unwrap();
        assert!(amount <= threshold, "{amount} bytes were buffered at the event");
        let received = duo.page.start("receiveBulk", json!([FIRST, accepted])).await.unwrap();
        let hash: String = duo.page.join(received).await.unwrap();
        assert_eq!(hash, sha256(&vec![7; accepted]));
    }
}

in_both_browsers! {
    async fn a_page_is_told_when_little_is_buffered(kind: Kind) {
        let duo = Duo::connect(&Settings::new(kind), Offerer::Browser, Config::default()).await;
        // `sendBulk` waits for `bufferedamountlow` whenever 1 MiB waits, so that it ends only if acknowledgements come.
        let total = 8 << 20;
        let sent = duo.page.start("sendBulk", json!([FIRST, total, MESSAGE, 6])).await.unwrap();
        let mut bytes = Vec::new();
        while bytes.len() < total {
            bytes.extend_from_slice(soon(duo.first.recv()).await.unwrap().as_bytes());
        }
        let hash: String = duo.page.join(sent).await.unwrap();
        assert_eq!(hash, sha256(&bytes));
        let lows: u32 = duo.page.call("lows", json!([FIRST])).await.unwrap();
        assert!(lows > 0, "the page never waited");
    }
}
