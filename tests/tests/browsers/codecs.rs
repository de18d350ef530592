//! Every codec that a browser has, both ways: what it sends is written to files, which ffmpeg decodes; what is played to
//! it, it shows.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use container::{FrameRate, Options, Paced, Reader, Repeat};
use serde_json::{Value, json};
use visavis::session::sdp::Direction;
use visavis::session::{Codec, Frame, MediaKind, ReceivedFrame, TransceiverOptions};
use visavis::{Config, Initiator, LocalTrack, PeerConnection, Receiver};
use visavis_tests::{
    browser::{Kind, Settings},
    isolation,
    page::Page,
};

use crate::{
    calls::{frame_count, picture, probe, recording},
    duo::soon,
    in_both_browsers,
    media::{as_initiator, as_receiver, frames, sum, tracks},
};

/// The codecs of pictures that the browser says it has in one direction, out of those that it may have. All have the first
/// two; Debian's Firefox gets H.264 by a download only.
async fn codecs(page: &Page, direction: &str) -> Vec<Codec> {
    let names: Vec<String> = page.call("capable", json!([direction, "video"])).await.unwrap();
    let has = |codec: &Codec| names.iter().any(|name| name.eq_ignore_ascii_case(&codec.name));
    let all = [Codec::vp8(), Codec::vp9(), Codec::h264(), Codec::av1()];
    assert!(has(&all[0]) && has(&all[1]), "{names:?}");
    for missing in all.iter().filter(|codec| !has(codec)) {
        println!("this browser cannot {direction} {}: it says {names:?}", missing.name);
    }
    all.into_iter().filter(has).collect()
}

/// Writes frames to a file of the kind that is usual for their codec, and has ffmpeg decode all of it.
pub(crate) fn write(name: &str, frames: &[ReceivedFrame]) -> PathBuf {
    let first = &frames[0];
    let codec = container::Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(&first.codec.name));
    let codec = codec.expect("there is a file for it");
    let path = isolation::scratch().join(name);
    let mut writer = container::Writer::create(&path, codec, container::dimensions(codec, &first.data)).unwrap();
    for frame in frames {
        let (data, timestamp) = (frame.data.to_vec(), frame.timestamp - first.timestamp);
        let (duration, is_key_frame) = (frame.duration.unwrap_or_default(), frame.is_key_frame);
        writer.write(&container::Frame { data, timestamp, duration, is_key_frame }).unwrap();
    }
    let path = writer.path().to_owned();
    writer.finish().unwrap();
    recording(&isolation::scratch(), &path.file_name().unwrap().to_string_lossy())
}

/// A file of pictures has as many as were received, of the size that the page says it sends.
async fn check_pictures(page: &Page, name: &str, codec: &Codec, seen: &[ReceivedFrame]) {
    let sent: Vec<Value> = page.call("mediaStats", json!(["outbound-rtp", "video"])).await.unwrap();
    // The page chooses among the profiles.
    assert!(seen.iter().all(|frame| frame.codec.name == codec.name), "{name}: {:?}", seen[0].codec);
    assert!(seen.is_sorted_by_key(|frame| frame.timestamp));
    let told = seen.windows(2).filter(|pair| pair[1].duration == Some(pair[1].timestamp - pair[0].timestamp)).count();
    assert!(told + 5 >= seen.len(), "{name}: {told} of {} pictures say how long they last", seen.len());
    let path = write(name, seen);
    assert_eq!(probe(&path, "stream=codec_name"), codec.name.to_lowercase(), "{name}");
    assert_eq!(frame_count(&path) as usize, seen.len(), "{name}");
    let sizes = probe(&path, "frame=width,height");
    let last = sizes.lines().last().unwrap().trim_end_matches(',');
    assert_eq!(last, format!("{},{}", sum(&sent, "frameWidth"), sum(&sent, "frameHeight")), "{name}: {sent:?}");
    println!("{name}: {} pictures of {last} in {}", seen.len(), path.display());
}

/// A file of sound is as long as what was received.
fn check_sound(name: &str, heard: &[ReceivedFrame]) {
    let (first, last) = (&heard[0], heard.last().unwrap());
    let frame = first.duration.expect("Opus says how long it lasts");
    assert!(heard.iter().all(|one| one.codec.matches(&Codec::opus()) && one.duration == Some(frame)), "{name}");
    let path = write(name, heard);
    assert_eq!(path.extension().unwrap(), "opus");
    assert_eq!(probe(&path, "stream=codec_name"), "opus");
    // Where the browser left some out, as many stand for them.
    let length = last.timestamp + frame - first.timestamp;
    assert_eq!(u128::from(frame_count(&path)), length.as_micros() / frame.as_micros(), "{name}");
    println!("{name}: {length:?} in {} frames", heard.len());
}

/// What the page sends in this codec arrives whole.
async fn check(page: &Page, peer: &PeerConnection, codec: &Codec, who: &str) {
    let (audio, video) = tracks(peer).await;
    let (heard, seen) = tokio::join!(frames(&audio, 50), frames(&video, 30));
    check_pictures(page, &format!("{}-{who}", codec.name), codec, &seen).await;
    check_sound(&format!("{}-{who}-sound", codec.name), &heard);
}

/// A page with a small camera, which a loaded machine encodes in every codec, and a microphone.
async fn page_with_small_camera(kind: Kind) -> Page {
    let page = Page::open(&Settings::new(kind).with_devices()).await.unwrap();
    let constraints = json!([{ "audio": true, "video": { "width": 320, "height": 240 } }]);
    let tracks: Vec<Value> = page.call("capture", constraints).await.unwrap();
    assert_eq!(tracks.len(), 2);
    page
}

in_both_browsers! {
    async fn every_codec_is_recorded_when_the_page_offers(kind: Kind) {
        let page = page_with_small_camera(kind).await;
        for codec in codecs(&page, "send").await {
            let _: bool = page.call("renew", json!([])).await.unwrap();
            let chosen: usize = page.call("preferCodecs", only(&codec)).await.unwrap();
            assert!(chosen > 0, "{}", codec.name);
            let receiver = Receiver::new(Config::default()).unwrap();
            as_receiver(&page, &receiver).await;
            check(&page, receiver.peer_connection(), &codec, "answering").await;
        }
    }
}

in_both_browsers! {
    async fn every_codec_is_recorded_when_rust_offers(kind: Kind) {
        let page = page_with_small_camera(kind).await;
        for codec in codecs(&page, "send").await {
            let _: bool = page.call("renew", json!([])).await.unwrap();
            let initiator = Initiator::new(Config::default()).unwrap();
            for (kind, codec) in [(MediaKind::Audio, Codec::opus()), (MediaKind::Video, codec.clone())] {
                let (direction, codecs) = (Direction::RecvOnly, vec![codec]);
                let options = TransceiverOptions { direction, codecs, ..TransceiverOptions::default() };
                initiator.peer_connection().add_transceiver(kind, options).await.unwrap();
            }
            as_initiator(&page, &initiator).await;
            check(&page, initiator.peer_connection(), &codec, "offering").await;
        }
    }
}

/// A clip in this codec: 176 × 144, 20 pictures a second.
fn clip(codec: &Codec) -> String {
    let (name, encoder): (&str, &[&str]) = match codec.name.as_str() {
        "VP8" => ("vp8.ivf", &["-c:v", "libvpx"]),
        "VP9" => ("vp9.ivf", &["-c:v", "libvpx-vp9"]),
        "AV1" => ("av1.ivf", &["-c:v", "libaom-av1", "-cpu-used", "8"]),
        _ => ("h264.h264", &["-c:v", "libx264", "-profile:v", "baseline", "-bf", "0"]),
    };
    picture(name, encoder)
}

/// Plays a clip again and again.
async fn play(path: &str, track: LocalTrack) {
    let options = Options { frame_rate: FrameRate::new(20, 1).unwrap(), ..Options::default() };
    let mut clip = Paced::new(Reader::open_with(Path::new(path), options).unwrap(), Repeat::Loop);
    loop {
        while let Some(frame) = clip.poll_frame(std::time::Instant::now()).unwrap() {
            let (data, timestamp, is_key_frame) = (frame.data.into(), frame.timestamp, frame.is_key_frame);
            let frame = Frame { data, timestamp, duration: Some(frame.duration), is_key_frame, rid: None };
            // Until the connection is made there is nobody to send to.
            let _ = track.send_frame(frame).await;
        }
        tokio::time::sleep_until(clip.poll_timeout().expect("it goes on").into()).await;
    }
}

/// Waits until the page has decoded `more` pictures than `before`; what it says of them.
pub(crate) async fn decodes(page: &Page, before: f64, more: f64) -> Vec<Value> {
    let look = async {
        loop {
            let stats: Vec<Value> = page.call("mediaStats", json!(["inbound-rtp", "video"])).await.unwrap();
            if sum(&stats, "framesDecoded") >= before + more {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    soon(look).await
}

/// What a page is to be asked for to have this codec of pictures only.
fn only(codec: &Codec) -> Value {
    json!(["video", [format!("video/{}", codec.name).to_lowercase(), "video/rtx"]])
}

/// The page shows the clip that is played to it.
async fn shows(page: &Page, peer: &PeerConnection, codec: &Codec, track: LocalTrack) {
    let path = clip(codec);
    peer.connected().await.unwrap();
    let playing = tokio::spawn(async move { play(&path, track).await });
    let shown: [u32; 2] = soon(page.call("playing", json!([]))).await.unwrap();
    assert_eq!(shown, [176, 144], "{}", codec.name);
    let first = decodes(page, 0.0, 5.0).await;
    let then = decodes(page, sum(&first, "framesDecoded"), 20.0).await;
    let size = [sum(&then, "frameWidth"), sum(&then, "frameHeight")];
    assert_eq!(size, [176.0, 144.0], "{}", codec.name);
    println!("{}: {} pictures decoded", codec.name, sum(&then, "framesDecoded"));
    playing.abort();
}

in_both_browsers! {
    async fn every_video_codec_plays_when_rust_offers(kind: Kind) {
        let page = Page::open(&Settings::new(kind).with_devices()).await.unwrap();
        for codec in codecs(&page, "receive").await {
            let initiator = Initiator::new(Config::default()).unwrap();
            let options = TransceiverOptions {
                direction: Direction::SendOnly,
                track: Some("clip".into()),
                codecs: vec![codec.clone()],
                ..TransceiverOptions::default()
            };
            let track = initiator.peer_connection().add_transceiver(MediaKind::Video, options).await.unwrap();
            let _: bool = page.call("renew", json!([])).await.unwrap();
            as_initiator(&page, &initiator).await;
            shows(&page, initiator.peer_connection(), &codec, track).await;
        }
    }
}

in_both_browsers! {
    async fn every_video_codec_plays_when_the_page_offers(kind: Kind) {
        let page = Page::open(&Settings::new(kind).with_devices()).await.unwrap();
        for codec in codecs(&page, "receive").await {
            let receiver = Receiver::new(Config::default()).unwrap();
            let track = receiver.peer_connection().add_track(MediaKind::Video, "clip", &["clip"]).await.unwrap();
            let _: bool = page.call("renew", json!([])).await.unwrap();
            let chosen: usize = page.call("wants", only(&codec)).await.unwrap();
            assert!(chosen > 0, "{}", codec.name);
            as_receiver(&page, &receiver).await;
            shows(&page, receiver.peer_connection(), &codec, track).await;
        }
    }
}
