//! Sends back every frame it receives.
//!
//! `cargo run --example echo` plays a tone to an echo in the same process, and measures what comes back.
//!
//! `cargo run --example echo answer` talks with whoever makes an offer, a browser for one: paste the offer as JSON, in one
//! line, and take the answer back. A page shows and sends its camera with this in its console:
//!
//! ```js
//! connection = new RTCPeerConnection();
//! connection.ontrack = ({ track }) => { const video = document.createElement("video");
//!   Object.assign(video, { srcObject: new MediaStream([track]), autoplay: true, muted: true }); document.body.append(video); };
//! (await navigator.mediaDevices.getUserMedia({ video: true })).getTracks().forEach((track) => connection.addTrack(track));
//! connection.onicecandidate = ({ candidate }) => candidate || console.log(JSON.stringify(connection.localDescription));
//! await connection.setLocalDescription();
//! // … and then, with the answer:
//! await connection.setRemoteDescription(JSON.parse('…'));
//! ```

use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use visavis::{
    Codec, Config, Direction, Error, Frame, Initiator, LocalTrack, MediaKind, PeerConnection, Receiver, RemoteTrack,
    TransceiverOptions,
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    match std::env::args().nth(1).as_deref() {
        None => here().await,
        Some("answer") => answer().await,
        Some(_) => {
            eprintln!("usage: echo [answer]");
            Ok(())
        }
    }
}

/// Adds a track of each kind that the peer sends, and sends back over it what arrives.
async fn echo(connection: PeerConnection) -> Result<(), Error> {
    let voice = connection.add_track(MediaKind::Audio, "echo-voice", &["echo"]).await?;
    let picture = connection.add_track(MediaKind::Video, "echo-picture", &["echo"]).await?;
    tokio::spawn(async move {
        // Until the connection ends.
        while let Ok(received) = connection.accept_track().await {
            let sent = if received.kind() == MediaKind::Audio { voice.clone() } else { picture.clone() };
            println!("the echo was given {} {:?}", received.kind(), received.id());
            tokio::spawn(send_back(received, sent));
        }
    });
    Ok(())
}

/// Sends back all frames of a track, and asks for key frames where the other side does.
async fn send_back(received: RemoteTrack, sent: LocalTrack) {
    loop {
        tokio::select! {
            frame = received.recv_frame() => {
                let Some(frame) = frame else { return };
                let is_key_frame = frame.is_key_frame;
                let frame = Frame {
                    data: frame.data,
                    timestamp: frame.timestamp,
                    duration: frame.duration,
                    is_key_frame,
                    rid: None,
                };
                // Before both directions are agreed, and where the network is slow, frames are dropped.
                if let Err(error) = sent.send_frame(frame).await
                    && is_key_frame
                    && received.kind() == MediaKind::Video
                {
                    eprintln!("a key frame was not sent back: {error}");
                }
            }
            Some(_) = sent.key_frame_requested() => {
                if received.request_key_frame(None).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Answers the offer that is pasted, and goes on until the other side is gone.
async fn answer() -> Result<(), Error> {
    let receiver = Receiver::new(Config::default())?;
    let connection = receiver.peer_connection();
    println!("Paste the offer, in one line:");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let offer = loop {
        let Ok(Some(line)) = lines.next_line().await else { return Ok(()) };
        match serde_json::from_str(&line) {
            Ok(offer) => break offer,
            Err(error) => println!("That was no offer ({error}). Again:"),
        }
    };
    echo(connection.clone()).await?;
    let answer = receiver.process_offer(offer).await?;
    println!("{}", serde_json::to_string(&answer).expect("a description is JSON"));
    connection.connected().await?;
    println!("connected");
    connection.closed().await;
    println!("closed");
    Ok(())
}

/// Samples in a frame of 20 ms at 8 kHz.
const SAMPLES: usize = 160;
const FRAME: Duration = Duration::from_millis(20);

/// Somebody who speaks, and an echo.
async fn here() -> Result<(), Error> {
    // Both peers are on this machine, which may be offline.
    let config = Config { include_loopback: true, ..Config::default() };
    let speaker = Initiator::new(config.clone())?;
    let options = TransceiverOptions {
        direction: Direction::SendRecv,
        track: Some("voice".into()),
        codecs: vec![Codec::pcmu()],
        ..TransceiverOptions::default()
    };
    let voice = speaker.peer_connection().add_transceiver(MediaKind::Audio, options).await?;
    let offer = speaker.create_track_offer().await?;
    let receiver = Receiver::new(config)?;
    echo(receiver.peer_connection().clone()).await?;
    speaker.process_answer(receiver.process_offer(offer).await?).await?;
    speaker.peer_connection().connected().await?;
    receiver.peer_connection().connected().await?;
    let heard = speaker.peer_connection().accept_track().await?;

    // Each frame is a level of its own, so that it is known when it comes back.
    let mut clock = tokio::time::interval(FRAME);
    let (mut sent, mut came_back, mut delay) = (Vec::new(), 0, Duration::ZERO);
    while came_back < 50 {
        tokio::select! {
            _ = clock.tick() => {
                let level = sent.len() as u8;
                let data = vec![level; SAMPLES].into();
                sent.push(Instant::now());
                voice.send_frame(Frame { data, timestamp: FRAME * u32::from(level), ..Frame::default() }).await?;
            }
            frame = heard.recv_frame() => {
                let frame = frame.expect("the echo goes on");
                let level = *frame.data.first().expect("a frame of sound");
                assert!(frame.data.len() == SAMPLES && frame.data.iter().all(|sample| *sample == level), "another sound");
                delay += sent.get(usize::from(level)).expect("a level that was sent").elapsed();
                came_back += 1;
            }
        }
    }
    println!("{came_back} frames came back as they were sent, {:.1} ms later", delay.as_secs_f64() * 1_000.0 / 50.0);
    speaker.peer_connection().close().await?;
    println!("closed");
    Ok(())
}
