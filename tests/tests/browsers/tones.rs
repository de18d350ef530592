//! Sound that Rust sends, and which tone the page makes of it.

use std::{f64::consts::TAU, time::Duration};

use serde_json::{Value, json};
use tokio::sync::watch;
use visavis::{Codec, Config, Direction, Frame, Initiator, LocalTrack, MediaKind, TransceiverOptions};
use visavis_tests::{
    browser::{Kind, Settings},
    isolation,
    page::Page,
};

use crate::{
    calls::ffmpeg,
    duo::{soon, unhex},
    in_both_browsers,
    media::as_initiator,
};

/// A page that hears what a track in Rust sends, in one codec.
async fn listener(kind: Kind, codec: Codec) -> (Page, Initiator, LocalTrack) {
    let page = Page::open(&Settings::new(kind).with_devices()).await.unwrap();
    let initiator = Initiator::new(Config::default()).unwrap();
    let options = TransceiverOptions {
        direction: Direction::SendOnly,
        track: Some("tone".into()),
        streams: vec!["sound".into()],
        codecs: vec![codec],
        ..TransceiverOptions::default()
    };
    let track = initiator.peer_connection().add_transceiver(MediaKind::Audio, options).await.unwrap();
    as_initiator(&page, &initiator).await;
    (page, initiator, track)
}

/// Samples in a second of what was recorded, as ffmpeg decodes it.
const RATE: usize = 48_000;
/// A piece of a recording that is looked at: a tenth of a second, of whose waves all tens of Hz are whole.
const PIECE: usize = RATE / 10;

/// What the page hears for two seconds.
async fn recorded(page: &Page) -> Vec<f64> {
    let file: String = soon(page.call("record", json!([2_000]))).await.unwrap();
    let [from, to] = ["recorded", "recorded.pcm"].map(|name| isolation::scratch().join(name));
    std::fs::write(&from, unhex(&file)).unwrap();
    let (rate, from, to) = (RATE.to_string(), from.to_string_lossy(), to.to_string_lossy());
    ffmpeg(&["-i", &from, "-f", "s16le", "-ac", "1", "-ar", &rate, &to]);
    let bytes = std::fs::read(&*to).unwrap();
    bytes.chunks_exact(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).collect()
}

/// Which part of the power of these samples is in one tone, by Goertzel's algorithm: 1 where there is nothing else.
fn share(samples: &[f64], hertz: f64) -> f64 {
    let all: f64 = samples.iter().map(|sample| sample * sample).sum();
    let factor = 2.0 * (TAU * hertz / RATE as f64).cos();
    let (last, before) =
        samples.iter().fold((0.0, 0.0), |(last, before): (f64, f64), sample| (sample + factor * last - before, last));
    2.0 * (last * last + before * before - factor * last * before) / (samples.len() as f64 * all)
}

/// The frequency, in tens of Hz, that there is most of, and its part of the whole.
fn loudest(samples: &[f64]) -> (u32, f64) {
    let candidates = (50..4_000).step_by(10).map(|hertz| (hertz, share(samples, f64::from(hertz))));
    candidates.max_by(|(_, one), (_, other)| one.total_cmp(other)).unwrap()
}

/// A second or more of two that the page records is this tone and nothing else, as loud as it was sent: `level` is its
/// effective value, as a part of the largest sample. It may not have begun before the second recording.
async fn check_recording(page: &Page, hertz: u32, level: f64) {
    let is_it = |piece: &&[f64]| {
        let power = piece.iter().map(|sample| sample * sample).sum::<f64>() / PIECE as f64;
        let (loudest, share) = loudest(piece);
        println!("{loudest} Hz, {share:.2} of a level of {:.3}", power.sqrt());
        loudest == hertz && share > 0.9 && (level * 0.7..level * 1.4).contains(&power.sqrt())
    };
    for _ in 0..2 {
        if recorded(page).await.chunks_exact(PIECE).filter(is_it).count() >= 10 {
            return;
        }
    }
    panic!("not {hertz} Hz with a level of {level}");
}

/// The page's analyser hears the same before long, where there is one that runs: in Chromium.
async fn check_analyser(page: &Page, hertz: u32) {
    let hears = async {
        loop {
            let heard: Option<f64> = page.call("heard", json!([])).await.unwrap();
            let Some(heard) = heard else {
                // Headless Firefox has no sound device, and analysers wait for one.
                assert_eq!(page.browser.kind(), Kind::Firefox);
                return;
            };
            println!("the analyser hears {heard} Hz");
            if (heard - f64::from(hertz)).abs() < 30.0 {
                return;
            }
        }
    };
    soon(hears).await;
}

/// A tone in G.711 for as long as it is awaited (RFC 3551, section 4.5.14); 8,000 of 32,768 at its peaks.
async fn send_tone(track: &LocalTrack, hertz: f64) {
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for number in 0_u32.. {
        clock.tick().await;
        let byte = |index: u32| {
            let seconds = f64::from(number * 160 + index) / 8_000.0;
            let sample = ((seconds * hertz * TAU).sin() * 8_000.0) as i32;
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
        let (page, _initiator, track) = listener(kind, Codec::pcmu()).await;
        let tone = tokio::spawn(async move { send_tone(&track, 1_000.0).await });
        check_analyser(&page, 1_000).await;
        check_recording(&page, 1_000, 8_000.0 / 32_768.0 / 2_f64.sqrt()).await;
        tone.abort();
        let shown: Vec<Value> = page.call("shown", json!([])).await.unwrap();
        // Firefox gives tracks names of its own.
        let is_named = kind == Kind::Firefox || shown[0]["id"] == "tone";
        assert!(shown.len() == 1 && is_named && shown[0]["streams"] == json!(["sound"]), "{shown:?}");
    }
}

/// A tone in Opus, as ffmpeg encodes it, in packets of 20 ms. At its peaks it has an eighth of the largest sample.
fn opus_tone(hertz: u32) -> Vec<container::Frame> {
    let path = isolation::scratch().join(format!("{hertz}.opus"));
    let source = format!("sine=frequency={hertz}:sample_rate=48000:duration=10");
    ffmpeg(&["-f", "lavfi", "-i", &source, "-c:a", "libopus", "-b:a", "64k", &path.to_string_lossy()]);
    let mut reader = container::Reader::open(&path).unwrap();
    assert_eq!(reader.codec(), container::Codec::Opus);
    let mut packets: Vec<container::Frame> = std::iter::from_fn(|| reader.next_frame().unwrap()).collect();
    // The last one may be shorter.
    packets.pop();
    packets
}

/// Sends the packets there are now, again and again, at their times.
async fn send_packets(track: LocalTrack, packets: watch::Receiver<Vec<container::Frame>>) {
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for number in 0_u32.. {
        clock.tick().await;
        let data = {
            let packets = packets.borrow();
            packets[number as usize % packets.len()].data.clone()
        };
        let timestamp = Duration::from_millis(20) * number;
        // Until the connection is made there is nobody to send to.
        let _ = track.send_frame(Frame { data: data.into(), timestamp, ..Frame::default() }).await;
    }
}

in_both_browsers! {
    async fn a_tone_in_opus_is_heard_as_it_was_sent(kind: Kind) {
        let (page, _initiator, track) = listener(kind, Codec::opus()).await;
        let (tone, packets) = watch::channel(opus_tone(1_000));
        let task = tokio::spawn(send_packets(track, packets));
        for hertz in [1_000, 440] {
            tone.send_replace(opus_tone(hertz));
            check_analyser(&page, hertz).await;
            check_recording(&page, hertz, 0.125 / 2_f64.sqrt()).await;
        }
        task.abort();
    }
}
