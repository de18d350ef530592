//! Cameras, microphones and what browsers play of what Rust sends.

use std::{process::Command, time::Duration};

use relay::{Path, Relay};
use serde_json::{Value, json};
use visavis::session::rtp::payload::vp8;
use visavis::session::sdp::Direction;
use visavis::session::{Codec, Frame, MediaKind, ReceivedFrame, TransceiverOptions};
use visavis::{
    ChannelOptions, Config, Initiator, LocalTrack, OfferOptions, PeerConnection, Receiver, RemoteTrack,
    SessionDescription,
};
use visavis_tests::{
    browser::{Kind, Settings},
    isolation,
    page::Page,
};

use crate::{
    duo::{Offerer, receive, soon},
    in_both_browsers,
    picture::{self, Samples},
};

/// A page with a camera, a microphone, and a connection that sends both.
pub(crate) async fn page_with_camera(settings: &Settings) -> Page {
    let page = Page::open(settings).await.unwrap();
    let tracks: Vec<Value> = page.call("capture", json!([{ "audio": true, "video": true }])).await.unwrap();
    assert_eq!(tracks.len(), 2);
    page
}

/// The page offers, Rust answers.
pub(crate) async fn as_receiver(page: &Page, receiver: &Receiver) {
    let offer: SessionDescription = page.call("offer", json!([false])).await.unwrap();
    let answer = receiver.process_offer(offer).await.unwrap();
    let _: bool = page.call("accept", json!([answer])).await.unwrap();
}

/// Rust offers, the page answers.
pub(crate) async fn as_initiator(page: &Page, initiator: &Initiator) {
    let offer = initiator.create_track_offer().await.unwrap();
    let answer: SessionDescription = page.call("answer", json!([offer, false])).await.unwrap();
    initiator.process_answer(answer).await.unwrap();
}

/// The tracks of a peer that sends sound and pictures.
pub(crate) async fn tracks(peer: &PeerConnection) -> (RemoteTrack, RemoteTrack) {
    let one = soon(peer.accept_track()).await.unwrap();
    let other = soon(peer.accept_track()).await.unwrap();
    if one.kind() == MediaKind::Audio { (one, other) } else { (other, one) }
}

/// So many frames, the first of which a decoder can begin with.
pub(crate) async fn frames(track: &RemoteTrack, count: usize) -> Vec<ReceivedFrame> {
    let mut frames = Vec::new();
    while frames.len() < count {
        frames.push(soon(track.recv_frame()).await.expect("the track goes on"));
    }
    assert!(frames[0].is_key_frame, "the first frame is none that a decoder can begin with");
    frames
}

/// Writes frames to a file, and has ffmpeg decode all of it.
fn check_file(name: &str, frames: &[ReceivedFrame]) {
    let codec =
        container::Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(&frames[0].codec.name));
    let ending = if frames[0].codec.kind == MediaKind::Audio { "ogg" } else { "ivf" };
    let path = isolation::scratch().join(format!("{name}.{ending}"));
    let mut writer = container::Writer::create(&path, codec.unwrap(), None).unwrap();
    for (frame, next) in frames.iter().zip(&frames[1..]) {
        let (data, timestamp) = (frame.data.to_vec(), frame.timestamp);
        let duration = next.timestamp - timestamp;
        writer.write(&container::Frame { data, timestamp, duration, is_key_frame: frame.is_key_frame }).unwrap();
    }
    writer.finish().unwrap();
    let decoded = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(&path)
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg is installed");
    let complaints = String::from_utf8_lossy(&decoded.stderr);
    assert!(decoded.status.success() && complaints.is_empty(), "{name}: {complaints}");
}

async fn check_frames(peer: &PeerConnection, video_codec: &str) {
    let (audio, video) = tracks(peer).await;
    let (heard, seen) = tokio::join!(frames(&audio, 50), frames(&video, 50));
    assert!(heard.iter().all(|frame| frame.codec.name.eq_ignore_ascii_case("opus") && !frame.data.is_empty()));
    assert!(seen.iter().all(|frame| frame.codec.name == video_codec));
    for frames in [&heard, &seen] {
        assert!(frames.is_sorted_by_key(|frame| frame.timestamp));
        assert!(frames.last().unwrap().timestamp > Duration::from_millis(500));
    }
    check_file("heard", &heard);
    check_file("seen", &seen);
}

in_both_browsers! {
    async fn a_camera_and_a_microphone_arrive_as_frames_when_the_page_offers(kind: Kind) {
        let page = page_with_camera(&Settings::new(kind).with_devices()).await;
        let receiver = Receiver::new(Config::default()).unwrap();
        as_receiver(&page, &receiver).await;
        check_frames(receiver.peer_connection(), "VP8").await;
    }
}

in_both_browsers! {
    async fn a_camera_and_a_microphone_arrive_as_frames_when_rust_offers(kind: Kind) {
        let page = page_with_camera(&Settings::new(kind).with_devices()).await;
        let initiator = Initiator::new(Config::default()).unwrap();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let options = TransceiverOptions { direction: Direction::RecvOnly, ..TransceiverOptions::default() };
            initiator.peer_connection().add_transceiver(kind, options).await.unwrap();
        }
        as_initiator(&page, &initiator).await;
        check_frames(initiator.peer_connection(), "VP8").await;
    }
}

/// Sends back all that arrives, until it ends.
pub(crate) async fn echo(from: RemoteTrack, to: LocalTrack) {
    loop {
        tokio::select! {
            frame = from.recv_frame() => {
                let Some(frame) = frame else { return };
                let frame = Frame {
                    data: frame.data,
                    timestamp: frame.timestamp,
                    is_key_frame: frame.is_key_frame,
                    ..Frame::default()
                };
                // Until both directions are made there is nobody to send to.
                let _ = to.send_frame(frame).await;
            }
            request = to.key_frame_requested() => {
                if request.is_none() {
                    return;
                }
                from.request_key_frame(None).await.unwrap();
            }
        }
    }
}

/// The page sees and hears itself.
async fn echoes(page: &Page, peer: &PeerConnection, sent: (LocalTrack, LocalTrack)) {
    let (audio, video) = tracks(peer).await;
    let transceivers = peer.transceivers().await.unwrap();
    assert!(transceivers.iter().all(|one| one.current_direction == Some(Direction::SendRecv)), "{transceivers:?}");
    let tasks = [tokio::spawn(echo(audio, sent.0)), tokio::spawn(echo(video, sent.1))];
    // A browser may send less than its camera gives; but the shape is that of the camera.
    let [width, height]: [u32; 2] = soon(page.call("playing", json!([]))).await.unwrap();
    assert!(width >= 160 && width * 3 == height * 4, "{width}x{height}");
    let decoded = async {
        loop {
            let stats: Vec<Value> = page.call("mediaStats", json!(["inbound-rtp", "video"])).await.unwrap();
            if stats.iter().any(|one| one["framesDecoded"].as_u64() > Some(30)) {
                return;
            }
        }
    };
    soon(decoded).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}

in_both_browsers! {
    async fn what_a_camera_shows_plays_when_it_is_sent_back(kind: Kind) {
        let page = page_with_camera(&Settings::new(kind).with_devices()).await;
        let receiver = Receiver::new(Config::default()).unwrap();
        let peer = receiver.peer_connection();
        let audio = peer.add_track(MediaKind::Audio, "echo-audio", &["echo"]).await.unwrap();
        let video = peer.add_track(MediaKind::Video, "echo-video", &["echo"]).await.unwrap();
        as_receiver(&page, &receiver).await;
        echoes(&page, peer, (audio, video)).await;
    }
}

/// One millisecond-exact tone in G.711 for as long as it is awaited (RFC 3551, section 4.5.14).
async fn send_tone(track: &LocalTrack, hertz: f64) {
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for number in 0_u32.. {
        clock.tick().await;
        let byte = |index: u32| {
            let seconds = f64::from(number * 160 + index) / 8_000.0;
            let sample = ((seconds * hertz * std::f64::consts::TAU).sin() * 8_000.0) as i32;
            let magnitude = (sample.abs() + 132).min(32_767);
            let exponent = (24 - magnitude.leading_zeros() as i32).max(0);
            let sign = if sample < 0 { 0x80 } else { 0 };
            !(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0f) as u8
        };
        let timestamp = Duration::from_millis(20) * number;
        // Until the connection is made there is nobody to send to.
        let _ = track.send_frame(Frame { data: (0..160).map(byte).collect(), timestamp, ..Frame::default() }).await;
    }
}

in_both_browsers! {
    async fn a_tone_that_rust_sends_is_heard(kind: Kind) {
        let page = Page::open(&Settings::new(kind).with_devices()).await.unwrap();
        let initiator = Initiator::new(Config::default()).unwrap();
        let options = TransceiverOptions {
            direction: Direction::SendOnly,
            track: Some("tone".into()),
            streams: vec!["sound".into()],
            codecs: vec![Codec::pcmu()],
            ..TransceiverOptions::default()
        };
        let track = initiator.peer_connection().add_transceiver(MediaKind::Audio, options).await.unwrap();
        as_initiator(&page, &initiator).await;
        let tone = tokio::spawn(async move { send_tone(&track, 1_000.0).await });
        let heard: Option<f64> = soon(page.call("heard", json!([]))).await.unwrap();
        match heard {
            Some(heard) => assert!((970.0..1_030.0).contains(&heard), "{heard} Hz"),
            // Headless Firefox has no sound device, but it decodes, and says how loud it is: 8,000 of 32,768.
            None => {
                assert_eq!(kind, Kind::Firefox);
                let stats: Vec<Value> = page.call("mediaStats", json!(["inbound-rtp", "audio"])).await.unwrap();
                assert!((0.2..0.3).contains(&sum(&stats, "audioLevel")), "{stats:?}");
            }
        }
        tone.abort();
        let shown: Vec<Value> = page.call("shown", json!([])).await.unwrap();
        // Firefox gives tracks names of its own.
        let is_named = kind == Kind::Firefox || shown[0]["id"] == "tone";
        assert!(shown.len() == 1 && is_named && shown[0]["streams"] == json!(["sound"]), "{shown:?}");
    }
}

/// The same description, but with one way to its author: through a relay.
pub(crate) fn through(relay: &Relay, description: SessionDescription) -> SessionDescription {
    let mut sdp = String::new();
    let mut has_candidate = false;
    for line in description.sdp.split_inclusive("\r\n") {
        if !line.starts_with("a=candidate") {
            sdp.push_str(line);
        } else if !std::mem::replace(&mut has_candidate, true) {
            let (ip, port) = (relay.address().ip(), relay.address().port());
            sdp.push_str(&format!("a=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\n"));
        }
    }
    SessionDescription { sdp, ..description }
}

/// The IPv4 address that a description names.
pub(crate) fn address(description: &SessionDescription) -> std::net::SocketAddr {
    let candidate =
        description.sdp.lines().find(|line| line.starts_with("a=candidate") && line.contains(isolation::IPV4));
    let words: Vec<&str> = candidate.expect("there is an IPv4 address").split(' ').collect();
    format!("{}:{}", words[4], words[5]).parse().unwrap()
}

/// Without any candidate: whoever hears this waits to be called.
pub(crate) fn without_candidates(description: SessionDescription) -> SessionDescription {
    let lines = description.sdp.split_inclusive("\r\n").filter(|line| !line.starts_with("a=candidate"));
    SessionDescription { sdp: lines.collect(), ..description }
}

/// A sum over the statistics of one kind.
pub(crate) fn sum(stats: &[Value], name: &str) -> f64 {
    stats.iter().filter_map(|one| one[name].as_f64()).sum()
}

/// The video statistics of one type, of the page or of Rust.
async fn video_stats(page: &Page, kind: &str) -> Vec<Value> {
    page.call("mediaStats", json!([kind, "video"])).await.unwrap()
}

async fn own_stats(peer: &PeerConnection, kind: &str) -> Vec<Value> {
    let report = serde_json::to_value(peer.stats_report().await.unwrap()).unwrap();
    let all = report.as_object().unwrap().values();
    all.filter(|one| one["type"] == kind && one["kind"] == "video").cloned().collect()
}

/// A page whose camera and microphone come back to it over a path that loses and reorders packets, both ways.
async fn plays_on_a_bad_path(kind: Kind, offerer: Offerer) {
    const SECONDS: f64 = 30.0;
    let path = Path { loss: 0.05, jitter: Duration::from_millis(30), ..Path::default() };
    let page = page_with_camera(&Settings::new(kind).with_devices()).await;
    let initiator = Initiator::new(Config::default()).unwrap();
    let receiver = Receiver::new(Config::default()).unwrap();
    let peer = match offerer {
        Offerer::Rust => initiator.peer_connection(),
        Offerer::Browser => receiver.peer_connection(),
    };
    let audio = peer.add_track(MediaKind::Audio, "echo-audio", &["echo"]).await.unwrap();
    let video = peer.add_track(MediaKind::Video, "echo-video", &["echo"]).await.unwrap();
    // Whoever offers, the page calls, as it knows of the relay only, and Rust of nobody.
    let relay = match offerer {
        Offerer::Rust => {
            let offer = initiator.create_track_offer().await.unwrap();
            let relay = Relay::start(address(&offer), path, 7).unwrap();
            let answer: SessionDescription = page.call("answer", json!([through(&relay, offer), false])).await.unwrap();
            initiator.process_answer(without_candidates(answer)).await.unwrap();
            relay
        }
        Offerer::Browser => {
            let offer: SessionDescription = page.call("offer", json!([false])).await.unwrap();
            let answer = receiver.process_offer(without_candidates(offer)).await.unwrap();
            let relay = Relay::start(address(&answer), path, 7).unwrap();
            let _: bool = page.call("accept", json!([through(&relay, answer)])).await.unwrap();
            relay
        }
    };
    let (from_audio, from_video) = tracks(peer).await;
    let tasks = [tokio::spawn(echo(from_audio, audio)), tokio::spawn(echo(from_video, video))];
    let _: [u32; 2] = soon(page.call("playing", json!([]))).await.unwrap();
    picture::watch(&page, "inbound-rtp").await;
    let mut samples = Samples::default();
    let both = async || {
        (
            [video_stats(&page, "outbound-rtp").await, own_stats(peer, "inbound-rtp").await],
            [own_stats(peer, "outbound-rtp").await, video_stats(&page, "inbound-rtp").await],
        )
    };
    let (from, before) = (picture::clock(&page).await, both().await);
    tokio::time::sleep(Duration::from_secs_f64(SECONDS)).await;
    let (to, after) = (picture::clock(&page).await, both().await);
    samples.take(&page).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    println!("the relay: {:?}\nfrom the page {:?}\nto the page {:?}", relay.counters(), after.0, after.1);
    samples.expect_unfrozen(from, to, 0.02);
    for (before, after) in [(before.0, after.0), (before.1, after.1)] {
        expect_repair(&before, &after, SECONDS);
    }
}

/// What was lost between a sender and a receiver was asked for, and came: of the frames that were sent hardly any is
/// missing. Each has the statistics of its side.
#[track_caller]
fn expect_repair(before: &[Vec<Value>; 2], after: &[Vec<Value>; 2], seconds: f64) {
    let [sent, received] = after;
    let more = |side: usize, name: &str| sum(&after[side], name) - sum(&before[side], name);
    // Without that hardly a frame would be whole. Browsers count as received only those that were so at once.
    let (frames, whole) = (more(0, "framesSent"), more(1, "framesDecoded").max(more(1, "framesReceived")));
    assert!(frames > seconds * 10.0 && whole > frames * 0.97, "{whole} of {frames} frames arrived");
    assert!(more(0, "nackCount") > 0.0 && more(0, "retransmittedPacketsSent") > 0.0, "{sent:?}");
    assert!(more(1, "nackCount") > 0.0 && more(1, "packetsReceived") > 0.0, "{received:?}");
    let lost = more(0, "retransmittedPacketsSent") / more(0, "packetsSent");
    assert!(lost > 0.02, "{lost} of all packets were sent again: {sent:?}");
    if received.iter().any(|one| one["retransmittedPacketsReceived"].is_number()) {
        assert!(more(1, "retransmittedPacketsReceived") > 0.0, "{received:?}");
    }
}

in_both_browsers! {
    async fn video_keeps_playing_on_a_bad_path_when_the_page_offers(kind: Kind) {
        plays_on_a_bad_path(kind, Offerer::Browser).await;
    }
}

in_both_browsers! {
    async fn video_keeps_playing_on_a_bad_path_when_rust_offers(kind: Kind) {
        plays_on_a_bad_path(kind, Offerer::Rust).await;
    }
}

in_both_browsers! {
    async fn layers_of_simulcast_arrive_by_their_names(kind: Kind) {
        const LAYERS: [&str; 3] = ["hi", "mid", "lo"];
        let page = Page::open(&Settings::new(kind).with_devices()).await.unwrap();
        let _: bool = page.call("captureLayers", json!([LAYERS])).await.unwrap();
        let receiver = Receiver::new(Config::default()).unwrap();
        as_receiver(&page, &receiver).await;
        let video = soon(receiver.peer_connection().accept_track()).await.unwrap();
        // Each layer begins with a key frame, whose header says how large it is (RFC 6386, section 9.1).
        let mut widths = std::collections::HashMap::new();
        while widths.len() < LAYERS.len() {
            let frame = soon(video.recv_frame()).await.expect("the track goes on");
            let rid = frame.rid.clone().expect("each frame says its layer");
            if let Some((width, _)) = vp8::dimensions(&frame.data) {
                widths.insert(rid.to_string(), width);
            }
        }
        let of = |rid: &str| u32::from(widths[rid]);
        assert!(of("hi") == 2 * of("mid") && of("mid") == 2 * of("lo"), "{widths:?}");
    }
}

in_both_browsers! {
    async fn every_video_codec_plays_when_it_is_sent_back(kind: Kind) {
        let codecs = match kind {
            Kind::Chromium => vec![Codec::vp8(), Codec::vp9(), Codec::h264(), Codec::av1()],
            // It gets H.264 by a download only.
            Kind::Firefox => vec![Codec::vp8(), Codec::vp9(), Codec::av1()],
        };
        let page = page_with_camera(&Settings::new(kind).with_devices()).await;
        for codec in codecs {
            let name = codec.name.clone();
            let initiator = Initiator::new(Config::default()).unwrap();
            let peer = initiator.peer_connection();
            let options = TransceiverOptions {
                track: Some("echo".into()),
                codecs: vec![codec.clone()],
                ..TransceiverOptions::default()
            };
            let sent = peer.add_transceiver(MediaKind::Video, options).await.unwrap();
            let _: bool = page.call("renew", json!([])).await.unwrap();
            as_initiator(&page, &initiator).await;
            let received = soon(peer.accept_track()).await.unwrap();
            let seen = frames(&received, 20).await;
            assert!(seen.iter().all(|frame| frame.codec.matches(&codec)), "{name}: {:?}", seen[0].codec);
            check_file(&name, &seen);
            let task = tokio::spawn(echo(received, sent));
            let [width, height]: [u32; 2] = soon(page.call("playing", json!([]))).await.unwrap();
            assert!(width >= 160 && width * 3 == height * 4, "{name}: {width}x{height}");
            task.abort();
        }
    }
}

/// Rust offers what is wanted now, and the page answers.
async fn rust_offers(page: &Page, peer: &PeerConnection) {
    let offer = peer.create_offer(OfferOptions::default()).await.unwrap();
    peer.set_local_description(offer).await.unwrap();
    let answer: SessionDescription = page.call("answer", json!([peer.gathered().await.unwrap(), false])).await.unwrap();
    peer.set_remote_description(answer).await.unwrap();
}

/// The page offers, and Rust answers, even if it has just made an offer of its own: it is the polite one.
async fn page_offers(page: &Page, peer: &PeerConnection, is_glare: bool) {
    let offer: SessionDescription = page.call("offer", json!([false])).await.unwrap();
    if is_glare {
        let ours = peer.create_offer(OfferOptions::default()).await.unwrap();
        peer.set_local_description(ours).await.unwrap();
    }
    peer.set_remote_description(offer).await.unwrap();
    let answer = peer.create_answer().await.unwrap();
    peer.set_local_description(answer).await.unwrap();
    let _: bool = page.call("accept", json!([peer.gathered().await.unwrap()])).await.unwrap();
}

/// The names of a description's sections, in order.
fn mids(description: &SessionDescription) -> Vec<String> {
    description.sdp.lines().filter_map(|line| line.strip_prefix("a=mid:")).map(str::to_owned).collect()
}

in_both_browsers! {
    async fn media_comes_and_goes_for_ten_rounds_beside_a_channel(kind: Kind) {
        let page = Page::open(&Settings::new(kind).with_devices()).await.unwrap();
        let peer = PeerConnection::new(Config::default()).unwrap();
        let channel = peer.create_data_channel("alive", ChannelOptions::default()).unwrap();
        rust_offers(&page, &peer).await;
        soon(channel.opened()).await.unwrap();
        let (mut places, mut ours) = (Vec::new(), None);
        for round in 0..10 {
            // Rust changes something in even rounds, the page in odd ones, and both in every third.
            let is_glare = round % 3 == 2;
            if round % 2 == 0 || is_glare {
                ours = match ours.take() {
                    None => Some(peer.add_track(MediaKind::Video, format!("round-{round}"), &["s"]).await.unwrap()),
                    Some(track) => {
                        peer.remove_track(&track).await.unwrap();
                        None
                    }
                };
            }
            if round % 2 == 1 || is_glare {
                let _: bool = page.call("toggleCamera", json!([])).await.unwrap();
            }
            if round % 2 == 1 || is_glare {
                page_offers(&page, &peer, is_glare).await;
            }
            if round % 2 == 0 || is_glare {
                rust_offers(&page, &peer).await;
            }
            channel.send(format!("round {round}")).await.unwrap();
            assert_eq!(receive(&page, "alive").await, json!({ "text": format!("round {round}") }));
            let now = mids(&peer.local_description().await.unwrap());
            assert!(now.starts_with(&places), "round {round}: sections were {places:?} and are {now:?}");
            places = now;
        }
        // What is sent in the end arrives.
        let is_sent: bool = page.call("toggleCamera", json!([])).await.unwrap();
        if !is_sent {
            let _: bool = page.call("toggleCamera", json!([])).await.unwrap();
        }
        page_offers(&page, &peer, false).await;
        let last = async {
            loop {
                let track = peer.accept_track().await.unwrap();
                if let Some(frame) = track.recv_frame().await {
                    return frame;
                }
            }
        };
        assert!(soon(last).await.is_key_frame);
    }
}
