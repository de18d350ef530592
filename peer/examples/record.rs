//! Records what another peer sends, each track in a file of its own, which can be played at any moment.
//!
//! `cargo run --example record -- FOLDER` reads an offer, one line long, and prints the answer; `cargo run --example play`
//! is the other side, or a browser.

use std::error::Error;
use std::path::PathBuf;

use container::{Frame, Writer};
use tokio::task::JoinSet;
use visavis::{Config, ConnectionEvent, PeerConnectionState, Receiver, RemoteTrack, SessionDescription};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: record FOLDER")?);
    std::fs::create_dir_all(&folder)?;
    eprintln!("Paste the offer:");
    let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next()).await?;
    let offer: SessionDescription = serde_json::from_str(&line.ok_or("nothing was entered")??)?;

    // Both peers may be on this machine, which may be offline.
    let receiver = Receiver::new(Config { include_loopback: true, ..Config::default() })?;
    let connection = receiver.peer_connection();
    let mut events = connection.events();
    let answer = receiver.process_offer(offer).await?;
    println!("{}", serde_json::to_string(&answer)?);

    let mut recordings = JoinSet::new();
    loop {
        match events.next().await {
            Some(ConnectionEvent::Track(event)) => {
                let name = format!("{}-{}", event.track.kind(), recordings.len() + 1);
                let path = folder.join(name);
                recordings.spawn(async move { record(&event.track, path).await.map_err(|error| error.to_string()) });
            }
            Some(ConnectionEvent::ConnectionStateChange(PeerConnectionState::Failed)) => {
                return Err("no path was found".into());
            }
            Some(ConnectionEvent::ConnectionStateChange(PeerConnectionState::Closed)) | None => break,
            Some(_) => {}
        }
    }
    // Tracks end with their connection.
    while let Some(result) = recordings.join_next().await {
        result??;
    }
    Ok(())
}

/// Writes a track until it ends. `path` gets the extension that goes with the codec.
async fn record(track: &RemoteTrack, path: PathBuf) -> Result<(), Box<dyn Error>> {
    let mut file: Option<Writer> = None;
    // A decoder can begin with a key frame only, and go on with one only where frames were lost. Sound has no others.
    let mut needs_key_frame = true;
    while let Some(frame) = track.recv_frame().await {
        needs_key_frame |= frame.follows_loss;
        if needs_key_frame && !frame.is_key_frame {
            track.request_key_frame(None).await?;
            continue;
        }
        needs_key_frame = false;
        let writer = match &mut file {
            Some(writer) => writer,
            None => {
                let mut all = container::Codec::ALL.into_iter();
                let codec = all.find(|codec| codec.name().eq_ignore_ascii_case(&frame.codec.name));
                let codec = codec.ok_or_else(|| format!("there is no file for {}", frame.codec.name))?;
                let writer = file.insert(Writer::create(&path, codec, None)?);
                println!("recording {}", writer.path().display());
                writer
            }
        };
        writer.write(&Frame {
            data: frame.data.to_vec(),
            timestamp: frame.timestamp,
            duration: frame.duration.unwrap_or_default(),
            is_key_frame: frame.is_key_frame,
        })?;
    }
    if let Some(writer) = file {
        let path = writer.path().to_owned();
        writer.finish()?;
        println!("recorded {}", path.display());
    }
    Ok(())
}
