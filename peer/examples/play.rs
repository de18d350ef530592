//! Plays a media file to another peer, at its own pace: IVF (VP8, VP9, AV1), Ogg Opus, H.264 byte streams, WAV. Without
//! a file, two seconds of a tone.
//!
//! `cargo run --example play -- clip.ivf` prints an offer, one line long, and waits for the answer; `cargo run --example
//! record -- FOLDER` is the other side.

use std::error::Error;
use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use container::{Frame, Paced, Reader, Repeat, Writer};
use visavis::{Codec, Config, Direction, Initiator, LocalTrack, MediaKind, SessionDescription, TransceiverOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = match std::env::args_os().nth(1) {
        Some(path) => path.into(),
        None => tone()?,
    };
    let reader = Reader::open(&path)?;
    // Both peers may be on this machine, which may be offline.
    let initiator = Initiator::new(Config { include_loopback: true, ..Config::default() })?;
    let connection = initiator.peer_connection();

    // A file has one codec, so that one is offered.
    let kind = if reader.codec().is_video() { MediaKind::Video } else { MediaKind::Audio };
    let is_of_file = |codec: &Codec| codec.name.eq_ignore_ascii_case(reader.codec().name());
    let options = TransceiverOptions {
        direction: Direction::SendOnly,
        track: Some("clip".into()),
        streams: vec!["clip".into()],
        codecs: Codec::all(kind).into_iter().filter(is_of_file).collect(),
        ..TransceiverOptions::default()
    };
    let track = connection.add_transceiver(kind, options).await?;

    println!("{}", serde_json::to_string(&initiator.create_track_offer().await?)?);
    eprintln!("That is the offer. Paste the answer to it:");
    let answer: SessionDescription = serde_json::from_str(&read_line().await?)?;
    initiator.process_answer(answer).await?;
    if !connection.transceivers().await?.iter().any(|one| one.current_direction == Some(Direction::SendOnly)) {
        return Err(format!("the other side does not take {}", reader.codec()).into());
    }
    connection.connected().await?;

    play(Paced::new(reader, Repeat::Once), &track).await?;
    println!("that was all");
    connection.close().await?;
    Ok(())
}

/// Sends each frame when it is due.
async fn play(mut clip: Paced, track: &LocalTrack) -> Result<(), Box<dyn Error>> {
    loop {
        while let Some(frame) = clip.poll_frame(Instant::now())? {
            let frame = visavis::Frame {
                data: frame.data.into(),
                timestamp: frame.timestamp,
                duration: Some(frame.duration),
                is_key_frame: frame.is_key_frame,
                rid: None,
            };
            track.send_frame(frame).await?;
            // An encoder would make a key frame now; a file has those that it has.
            if track.take_key_frame_request() {
                eprintln!("the other side waits for the next key frame");
            }
        }
        let Some(due) = clip.poll_timeout() else { break };
        tokio::time::sleep_until(due.into()).await;
    }
    // What has to be sent again takes its time too.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

/// Makes a file with two seconds of 440 Hz. An encoder for pictures is not this library's business, but G.711 needs
/// hardly any.
fn tone() -> Result<std::path::PathBuf, Box<dyn Error>> {
    const SAMPLES: u32 = 160;
    let path = std::env::temp_dir().join(format!("tone-{}.wav", std::process::id()));
    let mut writer = Writer::create(&path, container::Codec::Pcmu, None)?;
    let duration = Duration::from_millis(20);
    for number in 0..100 {
        let sample = |index| {
            let seconds = f64::from(number * SAMPLES + index) / 8000.0;
            container::g711::encode_ulaw(((TAU * 440.0 * seconds).sin() * 8000.0) as i16)
        };
        let data = (0..SAMPLES).map(sample).collect();
        writer.write(&Frame { data, timestamp: duration * number, duration, is_key_frame: true })?;
    }
    writer.finish()?;
    Ok(path)
}

/// A line of standard input, read beside what else there is to do.
async fn read_line() -> Result<String, Box<dyn Error>> {
    let read = || std::io::stdin().lines().next().ok_or_else(|| std::io::Error::other("nothing was entered"))?;
    Ok(tokio::task::spawn_blocking(read).await??)
}
