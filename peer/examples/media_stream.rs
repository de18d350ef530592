//! An initiator and a receiver in one process that hear each other: tracks, the `track` event, and frames both ways.
//!
//! A camera or a microphone needs an encoder, which is not this library's business; a tone in G.711 needs none.
//!
//! `cargo run --example media_stream`

use std::f64::consts::TAU;
use std::time::Duration;

use tokio::sync::mpsc;
use visavis::{Codec, Config, Error, Frame, Initiator, LocalTrack, MediaKind, PeerConnection, Receiver, event};

/// Samples in a frame of 20 ms at 8 kHz.
const SAMPLES: usize = 160;
const FRAME: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Both peers are on this machine, which may be offline.
    let config = Config { include_loopback: true, ..Config::default() };

    // The initiator adds its track, listens for that of the other side, and creates an offer.
    let initiator = Initiator::new(config.clone())?;
    let (sent, mut heard) = prepare(initiator.peer_connection(), "initiator").await?;
    let offer = initiator.create_track_offer().await?;

    // The receiver does the same, but for the offer: it processes that one, and has an answer.
    let receiver = Receiver::new(config)?;
    let (sent_back, mut heard_back) = prepare(receiver.peer_connection(), "receiver").await?;
    receiver.process_offer(offer).await?;
    let answer = receiver.answer().expect("the offer was processed");
    initiator.process_answer(answer).await?;
    initiator.peer_connection().connected().await?;
    receiver.peer_connection().connected().await?;

    let tones = [tokio::spawn(send_tone(sent, 440.0)), tokio::spawn(send_tone(sent_back, 1000.0))];
    println!("the receiver hears {:.0} Hz", heard_back.recv().await.expect("the initiator sends"));
    println!("the initiator hears {:.0} Hz", heard.recv().await.expect("the receiver sends"));
    tones.iter().for_each(tokio::task::JoinHandle::abort);

    initiator.peer_connection().close().await?;
    println!("closed");
    Ok(())
}

/// Adds a track, and listens for that of the peer. What is heard is told as a frequency.
async fn prepare(
    connection: &PeerConnection,
    name: &'static str,
) -> Result<(LocalTrack, mpsc::UnboundedReceiver<f64>), Error> {
    let (tell, heard) = mpsc::unbounded_channel();
    connection.add_event_listener(event::TRACK, move |event| {
        println!("the {name} was given the track {:?} of the streams {:?}", event.track.id(), event.streams);
        let (track, tell) = (event.track.clone(), tell.clone());
        tokio::spawn(async move {
            let mut samples = Vec::new();
            while let Some(frame) = track.recv_frame().await {
                samples.extend(frame.data.iter().map(|byte| decode(*byte)));
                if samples.len() >= 50 * SAMPLES {
                    // Who was told enough no longer listens.
                    let _ = tell.send(frequency(&samples));
                    samples.clear();
                }
            }
        });
    });
    let track = connection.add_track(MediaKind::Audio, format!("{name}-voice"), &[name]).await?;
    connection.set_codec_preferences(track.transceiver(), vec![Codec::pcmu()]).await?;
    Ok((track, heard))
}

/// Sends a tone, 20 ms at a time, as fast as it is to be heard.
async fn send_tone(track: LocalTrack, hertz: f64) {
    let mut clock = tokio::time::interval(FRAME);
    for number in 0.. {
        clock.tick().await;
        let sample = |index: usize| {
            let seconds = (number as usize * SAMPLES + index) as f64 / 8000.0;
            encode(((TAU * hertz * seconds).sin() * 8000.0) as i16)
        };
        let (data, timestamp) = ((0..SAMPLES).map(sample).collect(), FRAME * number);
        let frame = Frame { data, timestamp, duration: Some(FRAME), ..Frame::default() };
        if let Err(error) = track.send_frame(frame).await {
            eprintln!("{error}");
            return;
        }
    }
}

/// A tone's frequency: how often it rises through zero between the first time and the last.
fn frequency(samples: &[i16]) -> f64 {
    let is_rise = |pair: &[i16]| matches!(pair, [before, after] if *before < 0 && *after >= 0);
    let rises: Vec<usize> = (0..).zip(samples.windows(2)).filter(|(_, pair)| is_rise(pair)).map(|(at, _)| at).collect();
    let [first, .., last] = rises.as_slice() else { return 0.0 };
    (rises.len() - 1) as f64 * 8000.0 / (last - first) as f64
}

/// One sample in G.711 µ-law (RFC 3551, section 4.5.14): sign, three bits of exponent, four of mantissa, all inverted.
fn encode(sample: i16) -> u8 {
    let magnitude = (i32::from(sample).abs() + 132).min(32_767);
    let exponent = (24 - magnitude.leading_zeros() as i32).max(0);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// The sample that such a byte stands for.
fn decode(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = (((i32::from(byte & 0x0f) << 3) + 132) << ((byte >> 4) & 7)) - 132;
    if byte & 0x80 == 0 { magnitude as i16 } else { -magnitude as i16 }
}
