//! A sender with three layers, a server that forwards one of them and switches, and a viewer that sees one stream.
//!
//! What is in the pictures is not this library's business, so they are none: each frame has the first bytes of one of VP8
//! (RFC 6386, section 9.1), which say how large it is, and its layer and number behind them.
//!
//! `cargo run --example simulcast_forward`

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use visavis::{
    Codec, Config, Direction, Encoding, Error, Forwarder, Frame, Initiator, LocalTrack, MediaKind, Receiver,
    RemoteTrack, TransceiverOptions,
};

/// The layers: name, width and height in pixels, bytes in a frame.
const LAYERS: [(&str, u16, u16, usize); 3] =
    [("low", 320, 180, 700), ("mid", 640, 360, 2_500), ("high", 1280, 720, 9_000)];
/// What is forwarded, one after another.
const CHOICES: [&str; 6] = ["low", "high", "mid", "low", "mid", "high"];
/// How many frames of each choice are seen before the next.
const FRAMES_OF_EACH: u32 = 15;
const FRAME: Duration = Duration::from_millis(33);

#[tokio::main]
async fn main() -> Result<(), Error> {
    // All peers are on this machine, which may be offline, and can carry all layers at once.
    let mut config = Config { include_loopback: true, ..Config::default() };
    config.media.start_bitrate = 20_000_000;

    // The sender offers three layers to the server.
    let sender = Initiator::new(config.clone())?;
    let layer = |(rid, ..): (&str, u16, u16, usize)| Encoding { rid: Some(rid.into()), ..Encoding::default() };
    let options = TransceiverOptions {
        direction: Direction::SendOnly,
        track: Some("camera".into()),
        encodings: LAYERS.map(layer).to_vec(),
        codecs: vec![Codec::vp8()],
        ..TransceiverOptions::default()
    };
    let camera = sender.peer_connection().add_transceiver(MediaKind::Video, options).await?;
    let uplink = Receiver::new(config.clone())?;
    sender.process_answer(uplink.process_offer(sender.create_track_offer().await?).await?).await?;
    let received = uplink.peer_connection().accept_track().await?;

    // The server offers one stream to the viewer.
    let downlink = Initiator::new(config.clone())?;
    let options = TransceiverOptions {
        direction: Direction::SendOnly,
        track: Some("forwarded".into()),
        codecs: vec![Codec::vp8()],
        ..TransceiverOptions::default()
    };
    let forwarded = downlink.peer_connection().add_transceiver(MediaKind::Video, options).await?;
    let viewer = Receiver::new(config)?;
    downlink.process_answer(viewer.process_offer(downlink.create_track_offer().await?).await?).await?;
    let seen = viewer.peer_connection().accept_track().await?;
    for connection in [&sender, &downlink].map(Initiator::peer_connection) {
        connection.connected().await?;
    }

    let (choose, choices) = mpsc::unbounded_channel();
    let sending = tokio::spawn(send_layers(camera));
    let forwarding = tokio::spawn(forward(received, forwarded, choices));
    view(&seen, &choose).await;
    sending.abort();
    forwarding.abort();
    for connection in [&sender, &downlink].map(Initiator::peer_connection) {
        connection.close().await?;
    }
    println!("closed");
    Ok(())
}

/// Sends frames of all layers; key frames at first, and then of the layers that the peer asks for.
async fn send_layers(camera: LocalTrack) {
    let mut clock = tokio::time::interval(FRAME);
    let mut wants_key_frame = LAYERS.map(|_| true);
    for number in 0_u32.. {
        tokio::select! {
            _ = clock.tick() => {}
            Some(Some(rid)) = camera.key_frame_requested() => {
                for (wants, (layer, ..)) in wants_key_frame.iter_mut().zip(LAYERS) {
                    *wants |= layer == rid;
                }
                clock.tick().await;
            }
        }
        for ((index, (rid, width, height, length)), wants) in LAYERS.into_iter().enumerate().zip(&mut wants_key_frame) {
            let is_key_frame = std::mem::take(wants);
            let mut data = vec![0; length];
            let header = [u8::from(!is_key_frame), 0, 0, 0x9d, 0x01, 0x2a];
            let [(w0, w1), (h0, h1)] = [width, height].map(|pixels| (pixels as u8, (pixels >> 8) as u8));
            let content = [w0, w1, h0, h1, index as u8, number as u8, (number >> 8) as u8];
            data.iter_mut().zip(header.into_iter().chain(content)).for_each(|(byte, value)| *byte = value);
            let rid = Some(rid.to_owned());
            let frame = Frame { data: data.into(), timestamp: FRAME * number, is_key_frame, rid, ..Frame::default() };
            if camera.send_frame(frame).await.is_err() {
                return;
            }
        }
    }
}

/// Forwards the layer that was chosen last.
async fn forward(
    received: RemoteTrack,
    sent: LocalTrack,
    mut choices: mpsc::UnboundedReceiver<&'static str>,
) -> Result<(), Error> {
    received.receive_packets().await?;
    let mut forwarder = Forwarder::new();
    loop {
        tokio::select! {
            packet = received.recv_packet() => {
                let Some(packet) = packet else { return Ok(()) };
                if let Some(packet) = forwarder.forward(&packet) {
                    sent.send_packet(packet).await?;
                }
            }
            // What the viewer needs is asked of the layer that it is given.
            Some(_) = sent.key_frame_requested() => forwarder.request_key_frame(),
            Some(choice) = choices.recv() => forwarder.choose(Some(choice)),
        }
        if let Some(rid) = forwarder.wants_key_frame(Instant::now()) {
            received.request_key_frame(rid).await?;
        }
    }
}

/// Chooses one layer after another, and checks that all that is seen can be decoded and is of that layer.
async fn view(seen: &RemoteTrack, choose: &mpsc::UnboundedSender<&'static str>) {
    let (mut last, mut total, mut switches) = (None, 0, 0);
    for choice in CHOICES {
        choose.send(choice).expect("the server runs");
        let mut of_this = 0;
        while of_this < FRAMES_OF_EACH {
            let frame = seen.recv_frame().await.expect("the stream goes on");
            assert!(!frame.follows_loss, "something is missing");
            let [_, _, _, _, _, _, w0, w1, h0, h1, index, n0, n1] = *frame.data.first_chunk().expect("a whole frame");
            let (layer, ..) = *LAYERS.get(usize::from(index)).expect("a layer that was sent");
            let number = u16::from_le_bytes([n0, n1]);
            if let Some((last_layer, last_number, last_time)) = last {
                let is_switch = last_layer != layer;
                switches += u32::from(is_switch);
                // Within a layer no frame is missing; another one begins with a key frame.
                assert!(if is_switch { frame.is_key_frame } else { number == last_number + 1 }, "a frame is missing");
                assert!(frame.timestamp > last_time, "time goes back");
            } else {
                assert!(frame.is_key_frame, "no decoder can begin with this");
            }
            last = Some((layer, number, frame.timestamp));
            total += 1;
            // Until its key frame has come the layer before goes on.
            assert!(of_this == 0 || layer == choice, "a frame of another layer");
            if layer == choice {
                if of_this == 0 {
                    let size = [[w0, w1], [h0, h1]].map(u16::from_le_bytes);
                    println!("the viewer sees {layer}: {} x {} pixels", size[0], size[1]);
                }
                of_this += 1;
            }
        }
    }
    assert!(total >= FRAMES_OF_EACH * CHOICES.len() as u32);
    println!("{switches} switches, and no frame was missing or out of order");
}
