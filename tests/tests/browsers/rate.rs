//! Both sides keep to what the path carries: the browser by what Rust reports of its packets, Rust by what the browser
//! reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use relay::{Path, Relay};
use serde_json::{Value, json};
use visavis::{Config, Frame, LocalTrack, MediaKind, Receiver, RemoteTrack, SessionDescription};
use visavis_tests::{browser::Settings, page::Page};

use crate::{
    duo::soon,
    freezes::{self, Samples},
    in_both_browsers,
    media::{address, page_with_camera, sum, through, tracks, without_candidates},
};

/// A path of so many kbit/s, as it is over many a mobile network; its queue holds 400 ms.
fn narrow(kilobits: usize) -> Path {
    let rate = Some(kilobits as u64 * 1_000);
    Path { delay: Duration::from_millis(25), rate, queue: kilobits * 50, ..Path::default() }
}

/// The same without its narrow place.
fn wide() -> Path {
    Path { rate: None, ..narrow(0) }
}

/// The page calls Rust over this path.
async fn call(page: &Page, receiver: &Receiver, path: Path) -> Relay {
    let offer: SessionDescription = page.call("offer", json!([false])).await.unwrap();
    let answer = receiver.process_offer(without_candidates(offer)).await.unwrap();
    let relay = Relay::start(address(&answer), path, 7).unwrap();
    let _: bool = page.call("accept", json!([through(&relay, answer)])).await.unwrap();
    relay
}

/// The video statistics of one kind.
async fn stats(page: &Page, kind: &str) -> Vec<Value> {
    page.call("mediaStats", json!([kind, "video"])).await.unwrap()
}

/// The rate of a counter of bytes over so many seconds of the page's clock, in kbit/s.
async fn rate(page: &Page, kind: &str, counter: &str, seconds: f64) -> f64 {
    let before = stats(page, kind).await;
    loop {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let now = stats(page, kind).await;
        let milliseconds = sum(&now, "timestamp") - sum(&before, "timestamp");
        if milliseconds >= seconds * 1_000.0 {
            return (sum(&now, counter) - sum(&before, counter)) * 8.0 / milliseconds;
        }
    }
}

/// Waits until the rate is as it should be.
async fn rate_until(page: &Page, kind: &str, counter: &str, is_right: impl Fn(f64) -> bool) -> f64 {
    let wait = async {
        loop {
            let rate = rate(page, kind, counter, 3.0).await;
            println!("{kind}: {rate:.0} kbit/s");
            if is_right(rate) {
                return rate;
            }
        }
    };
    soon(wait).await
}

in_both_browsers! {
    async fn a_page_sends_what_the_path_carries_by_what_rust_reports(kind: Kind) {
        let page = Page::open(&Settings::new(kind).with_devices()).await.unwrap();
        // Encoders use much more for it than the narrow path carries.
        let _: bool = page.call("captureNoise", json!([640, 480, 20])).await.unwrap();
        let receiver = Receiver::new(Config::default()).unwrap();
        let relay = call(&page, &receiver, wide()).await;
        let video = soon(receiver.peer_connection().accept_track()).await.unwrap();
        let frames = Arc::new(AtomicU64::new(0));
        let counted = frames.clone();
        let drain = tokio::spawn(async move {
            while video.recv_frame().await.is_some() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let sends = |page| rate_until(page, "outbound-rtp", "bytesSent", |rate| rate > 450.0);
        sends(&page).await;
        relay.set_path(narrow(300));
        let low = rate_until(&page, "outbound-rtp", "bytesSent", |rate| rate < 300.0).await;
        // It stays there: neither nothing, nor more than gets through. Packets of before fill probes.
        let before = (relay.counters().0, frames.load(Ordering::Relaxed));
        let stays = rate(&page, "outbound-rtp", "bytesSent", 10.0).await;
        let after = (relay.counters().0, frames.load(Ordering::Relaxed));
        println!("{stays} kbit/s; the relay from {:?} to {:?}, {} frames", before.0, after.0, after.1 - before.1);
        assert!((100.0..330.0).contains(&stays), "{low} and then {stays} kbit/s");
        let overflowed = after.0.overflowed - before.0.overflowed;
        assert!(overflowed * 20 < after.0.received - before.0.received, "{overflowed} packets found the queue full");
        assert!(after.1 > before.1 + 30, "{} frames in 10 s", after.1 - before.1);
        let sent = stats(&page, "outbound-rtp").await;
        if sent.iter().any(|one| one["targetBitrate"].is_number()) {
            let target = sum(&sent, "targetBitrate") / 1_000.0;
            assert!((80.0..360.0).contains(&target), "the page's encoder is told {target} kbit/s");
        }
        relay.set_path(wide());
        sends(&page).await;
        drain.abort();
    }
}

/// Sends back what arrives, each frame made as large as the estimate allows: what follows a frame of VP8 is not looked
/// at (RFC 6386, section 9.5).
async fn echo_at_the_estimate(from: RemoteTrack, to: LocalTrack) {
    let bandwidth = to.watch_bandwidth();
    let mut last = Instant::now();
    while let Some(frame) = from.recv_frame().await {
        let elapsed = std::mem::replace(&mut last, Instant::now()).elapsed().min(Duration::from_millis(200));
        // Nine tenths, as headers and sound take their part.
        let wanted = (*bandwidth.borrow() as f64 * 0.9 / 8.0 * elapsed.as_secs_f64()) as usize;
        let mut data = frame.data.to_vec();
        data.resize(data.len().max(wanted), 0);
        let (timestamp, is_key_frame) = (frame.timestamp, frame.is_key_frame);
        let _ = to.send_frame(Frame { data: data.into(), timestamp, is_key_frame, ..Frame::default() }).await;
        if to.take_key_frame_request() {
            from.request_key_frame(None).await.unwrap();
        }
    }
}

in_both_browsers! {
    async fn rust_sends_what_the_path_carries_by_what_the_page_reports(kind: Kind) {
        let page = page_with_camera(&Settings::new(kind).with_devices()).await;
        let mut config = Config::default();
        config.media.max_bitrate = 1_500_000;
        let receiver = Receiver::new(config).unwrap();
        let sent = receiver.peer_connection().add_track(MediaKind::Video, "echo", &["echo"]).await.unwrap();
        let bandwidth = sent.watch_bandwidth();
        let estimate = || *bandwidth.borrow() / 1_000;
        let relay = call(&page, &receiver, wide()).await;
        let (_audio, video) = tracks(receiver.peer_connection()).await;
        let echo = tokio::spawn(echo_at_the_estimate(video, sent));
        let receives = |page| rate_until(page, "inbound-rtp", "bytesReceived", |rate| rate > 600.0);
        receives(&page).await;
        relay.set_path(narrow(300));
        rate_until(&page, "inbound-rtp", "bytesReceived", |_| estimate() <= 330).await;
        // Once the queue that was too much is gone, the picture moves.
        rate(&page, "inbound-rtp", "bytesReceived", 8.0).await;
        let mut samples = Samples::watch(&page, "inbound-rtp").await;
        let before = stats(&page, "inbound-rtp").await;
        let from = freezes::clock(&page).await;
        // A probe that seems to succeed raises the estimate for a moment.
        let usual = async {
            let mut all = Vec::new();
            for _ in 0..80 {
                all.push(estimate());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            all.sort_unstable();
            all[40]
        };
        let (stays, usual) = tokio::join!(rate(&page, "inbound-rtp", "bytesReceived", 8.0), usual);
        let after = stats(&page, "inbound-rtp").await;
        println!("estimate {usual} kbit/s; before {before:?}\nafter {after:?}");
        assert!(stays > 120.0 && usual <= 360, "{stays} kbit/s of an estimate of {usual} kbit/s");
        assert!(sum(&after, "framesDecoded") > sum(&before, "framesDecoded") + 40.0, "{after:?}");
        // The picture goes on: frames that are too large for their time are late.
        samples.take(&page).await;
        samples.expect_unfrozen(from, freezes::clock(&page).await, 0.25, 0.0);
        relay.set_path(wide());
        receives(&page).await;
        echo.abort();
    }
}
