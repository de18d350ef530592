//! What browsers negotiate beside the usual: redundancy, keys of a telephone, sections with and without BUNDLE.

use std::time::Duration;

use relay::{Path, Relay};
use serde_json::{Value, json};
use visavis::session::rtp::payload::telephone_event;
use visavis::{
    BundlePolicy, ChannelOptions, Codec, Config, Direction, Initiator, MediaKind, PeerConnection, Receiver,
    RemoteTrack, SessionDescription, ToneEvent, TransceiverOptions,
};
use visavis_tests::{
    browser::{Kind, Settings},
    isolation,
    page::Page,
};

use crate::{
    duo::soon,
    in_both_browsers,
    media::{
        address, as_initiator, as_receiver, echo, frames, page_with_camera, sum, through, tracks, without_candidates,
    },
};

/// A page with a microphone, and a connection that sends it.
async fn page_with_microphone(kind: Kind) -> Page {
    let page = Page::open(&Settings::new(kind).with_devices()).await.unwrap();
    let _: Vec<Value> = page.call("capture", json!([{ "audio": true }])).await.unwrap();
    page
}

/// How many of the frames that were sent in that time are here, at 20 ms each.
fn share(timestamps: &[Duration]) -> f64 {
    let time = *timestamps.last().unwrap() - timestamps[0];
    timestamps.len() as f64 / (time.as_secs_f64() / 0.02 + 1.0)
}

async fn redundancy_goes_both_ways_on_a_bad_path() {
    let page = page_with_microphone(Kind::Chromium).await;
    let count: usize = page.call("preferCodecs", json!(["audio", ["audio/red", "audio/opus"]])).await.unwrap();
    assert_eq!(count, 2);
    let receiver = Receiver::new(Config::default()).unwrap();
    let peer = receiver.peer_connection();
    let sent = peer.add_track(MediaKind::Audio, "echo", &["echo"]).await.unwrap();
    let offer: SessionDescription = page.call("offer", json!([false])).await.unwrap();
    assert!(offer.sdp.contains("m=audio ") && offer.sdp.contains(" red/48000/2"));
    let answer = receiver.process_offer(without_candidates(offer)).await.unwrap();
    let path = Path { loss: 0.15, jitter: Duration::from_millis(5), ..Path::default() };
    let relay = Relay::start(address(&answer), path, 3).unwrap();
    let _: bool = page.call("accept", json!([through(&relay, answer)])).await.unwrap();
    let received = soon(peer.accept_track()).await.unwrap();
    let heard = frames(&received, 300).await;
    assert!(heard.iter().all(|frame| frame.codec.matches(&Codec::opus())));
    let times: Vec<Duration> = heard.iter().map(|frame| frame.timestamp).collect();
    let disorder: Vec<_> = times.windows(2).enumerate().filter(|(_, pair)| pair[0] >= pair[1]).collect();
    assert!(disorder.is_empty(), "in order, and each once: {disorder:?}");
    // Of the packets 15 of 100 are lost, of the frames only those whose next packet is lost too.
    assert!(share(&times) > 0.92, "{} of the frames arrived", share(&times));
    let task = tokio::spawn(echo(received, sent));
    let repaired = async {
        loop {
            let stats: Vec<Value> = page.call("mediaStats", json!(["inbound-rtp", "audio"])).await.unwrap();
            if sum(&stats, "packetsReceived") > 100.0 && sum(&stats, "fecPacketsReceived") > 20.0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    soon(repaired).await;
    task.abort();
}

#[test]
fn redundancy_of_chromium_is_heard_and_ours_is_taken() {
    let name = concat!(module_path!(), "::redundancy_of_chromium_is_heard_and_ours_is_taken");
    isolation::isolated(name, crate::DEADLINE, redundancy_goes_both_ways_on_a_bad_path);
}

/// So many keys, as they are let go.
async fn keys(track: &RemoteTrack, count: usize) -> Vec<(char, Duration)> {
    let mut keys = Vec::new();
    while keys.len() < count {
        if let ToneEvent::Ended { event, duration } = soon(track.recv_tone()).await.expect("the track goes on") {
            keys.push((telephone_event::key(event).unwrap(), duration));
        }
    }
    keys
}

in_both_browsers! {
    async fn keys_of_a_telephone_are_heard_on_both_sides(kind: Kind) {
        let page = page_with_microphone(kind).await;
        let receiver = Receiver::new(Config::default()).unwrap();
        let peer = receiver.peer_connection();
        let sent = peer.add_track(MediaKind::Audio, "echo", &["echo"]).await.unwrap();
        as_receiver(&page, &receiver).await;
        let received = soon(peer.accept_track()).await.unwrap();
        frames(&received, 5).await;
        let task = tokio::spawn(echo(received.clone(), sent.clone()));
        let pressed: String = soon(page.call("insertDtmf", json!(["159#d", 120, 80]))).await.unwrap();
        assert_eq!(pressed, "159#D");
        let heard = keys(&received, 5).await;
        assert_eq!(heard.iter().map(|(key, _)| *key).collect::<String>(), "159#D");
        assert!(heard.iter().all(|(_, lasted)| (100..160).contains(&lasted.as_millis())), "{heard:?}");
        // Ours: the page takes them beside the sound, nothing of which is lost.
        let before: Vec<Value> = page.call("mediaStats", json!(["inbound-rtp", "audio"])).await.unwrap();
        assert!(sent.can_insert_dtmf().await.unwrap());
        sent.insert_dtmf("12345", Duration::from_millis(100), Duration::from_millis(70)).await.unwrap();
        let mut begun = String::new();
        while let Some(tone) = soon(sent.tone_changed()).await.expect("the track goes on") {
            begun.push(tone);
        }
        assert_eq!((begun.as_str(), sent.tone_buffer().await.unwrap()), ("12345", String::new()));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let after: Vec<Value> = page.call("mediaStats", json!(["inbound-rtp", "audio"])).await.unwrap();
        let seconds = (sum(&after, "timestamp") - sum(&before, "timestamp")) / 1_000.0;
        let packets = sum(&after, "packetsReceived") - sum(&before, "packetsReceived");
        // 50 packets of sound a second, and five for each tone of 100 ms.
        assert!(packets > seconds * 40.0, "{packets} packets in {seconds} s");
        assert!(sum(&after, "packetsLost") < 1.0, "{after:?}");
        task.abort();
    }
}

/// Sound, pictures and messages between a page and a peer.
async fn check_all(page: &Page, peer: &PeerConnection, label: &str) {
    let (audio, video) = tracks(peer).await;
    let _ = tokio::join!(frames(&audio, 10), frames(&video, 10));
    let _: Value = soon(page.call("opened", json!([label]))).await.unwrap();
    let _: u64 = page.call("send", json!([label, { "text": "beside" }])).await.unwrap();
}

in_both_browsers! {
    async fn offers_under_each_policy_of_bundle_are_answered(kind: Kind) {
        let page = page_with_camera(&Settings::new(kind).with_devices()).await;
        for policy in ["max-bundle", "balanced", "max-compat"] {
            let _: bool = page.call("renewWith", json!([{ "bundlePolicy": policy }])).await.unwrap();
            let _: bool = page.call("open", json!(["channel", {}])).await.unwrap();
            let receiver = Receiver::new(Config::default()).unwrap();
            as_receiver(&page, &receiver).await;
            let peer = receiver.peer_connection();
            let channel = soon(peer.accept_data_channel()).await.unwrap();
            check_all(&page, peer, "channel").await;
            let message = soon(channel.recv()).await.unwrap();
            assert_eq!(message.as_text(), Some("beside"), "{policy}");
        }
    }
}

in_both_browsers! {
    async fn our_offers_under_each_policy_of_bundle_are_answered(kind: Kind) {
        let page = page_with_camera(&Settings::new(kind).with_devices()).await;
        for policy in [BundlePolicy::MaxBundle, BundlePolicy::Balanced, BundlePolicy::MaxCompat] {
            let _: bool = page.call("renewWith", json!([null])).await.unwrap();
            let initiator = Initiator::new(Config { bundle_policy: policy, ..Config::default() }).unwrap();
            let peer = initiator.peer_connection();
            let channel = peer.create_data_channel("channel", ChannelOptions::default()).unwrap();
            for kind in [MediaKind::Audio, MediaKind::Video] {
                let options = TransceiverOptions { direction: Direction::RecvOnly, ..TransceiverOptions::default() };
                peer.add_transceiver(kind, options).await.unwrap();
            }
            as_initiator(&page, &initiator).await;
            soon(channel.opened()).await.unwrap();
            let label: String = page.call("nextChannel", json!([])).await.unwrap();
            check_all(&page, peer, &label).await;
            let message = soon(channel.recv()).await.unwrap();
            assert_eq!(message.as_text(), Some("beside"), "{policy:?}");
        }
    }
}

in_both_browsers! {
    async fn a_source_that_pauses_and_goes_on_is_heard_again(kind: Kind) {
        let page = page_with_microphone(kind).await;
        let receiver = Receiver::new(Config::default()).unwrap();
        as_receiver(&page, &receiver).await;
        let track = soon(receiver.peer_connection().accept_track()).await.unwrap();
        frames(&track, 10).await;
        for _ in 0..3 {
            let _: bool = page.call("pauseSending", json!(["audio", true])).await.unwrap();
            // What was on its way is read, then it is silent.
            while tokio::time::timeout(Duration::from_millis(700), track.recv_frame()).await.is_ok() {}
            let _: bool = page.call("pauseSending", json!(["audio", false])).await.unwrap();
            frames(&track, 10).await;
            assert!(!track.is_muted());
        }
    }
}
