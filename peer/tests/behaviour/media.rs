//! Tracks between two peers over real sockets.

use std::time::{Duration, Instant};

use visavis::{
    Codec, Direction, Error, Forwarder, Frame, FrameError, Initiator, LocalTrack, MediaKind, Packet, Receiver,
    RemoteTrack, TransceiverOptions,
};

use crate::support::{config, pattern, within};

/// A frame of video that a decoder could begin with.
fn frame(number: u32, len: usize) -> Frame {
    let mut data = pattern(len, number as usize).to_vec();
    data[0] = 0;
    Frame { data: data.into(), timestamp: Duration::from_millis(40) * number, is_key_frame: true, ..Frame::default() }
}

/// Two peers, of which the initiator sends video in VP8.
struct Call {
    initiator: Initiator,
    receiver: Receiver,
    sent: LocalTrack,
    received: RemoteTrack,
}

impl Call {
    async fn new() -> Self {
        // As if it had been measured that loopback carries what the tests send at once.
        let mut config = config();
        config.media.start_bitrate = config.media.max_bitrate;
        let (initiator, receiver) = (Initiator::new(config.clone()).unwrap(), Receiver::new(config).unwrap());
        let options = TransceiverOptions {
            track: Some("camera".into()),
            streams: vec!["desk".into()],
            codecs: vec![Codec::vp8()],
            ..TransceiverOptions::default()
        };
        let sent = initiator.peer_connection().add_transceiver(MediaKind::Video, options).await.unwrap();
        let offer = initiator.create_track_offer().await.unwrap();
        let answer = receiver.process_offer(offer).await.unwrap();
        initiator.process_answer(answer).await.unwrap();
        let received = within(receiver.peer_connection().accept_track()).await.unwrap();
        within(initiator.peer_connection().connected()).await.unwrap();
        within(receiver.peer_connection().connected()).await.unwrap();
        Self { initiator, receiver, sent, received }
    }
}

#[tokio::test]
async fn a_track_arrives_with_its_names_and_its_frames() {
    let call = Call::new().await;
    assert_eq!((call.received.id(), call.received.kind()), ("camera", MediaKind::Video));
    assert_eq!(call.received.streams(), ["desk"]);
    for number in 0..10 {
        let sent = frame(number, 1 + number as usize * 1_500);
        call.sent.send_frame(sent.clone()).await.unwrap();
        let got = within(call.received.recv_frame()).await.unwrap();
        assert_eq!((got.data, got.is_key_frame), (sent.data, true), "frame {number}");
    }
}

#[tokio::test]
async fn a_key_frame_that_is_asked_for_is_asked_of_the_sender() {
    let call = Call::new().await;
    call.sent.send_frame(frame(0, 100)).await.unwrap();
    within(call.received.recv_frame()).await.unwrap();
    call.received.request_key_frame(None).await.unwrap();
    assert_eq!(within(call.sent.key_frame_requested()).await, Some(None));
}

#[tokio::test]
async fn packets_are_handed_out_as_they_come_to_those_who_forward() {
    let call = Call::new().await;
    call.received.receive_packets().await.unwrap();
    call.sent.send_frame(frame(0, 3_000)).await.unwrap();
    let mut size = 0;
    loop {
        let packet = within(call.received.recv_packet()).await.unwrap();
        assert_eq!(*packet.codec, Codec::vp8());
        size += packet.payload.len();
        if packet.header.marker {
            break;
        }
    }
    assert!((3_003..3_100).contains(&size), "{size} bytes in packets");
}

#[tokio::test]
async fn packets_of_one_connection_are_sent_on_over_another() {
    let (up, down) = (Call::new().await, Call::new().await);
    up.received.receive_packets().await.unwrap();
    let mut forwarder = Forwarder::new();
    forwarder.choose(None);
    for number in 0..5 {
        let sent = frame(number, 3_000);
        up.sent.send_frame(sent.clone()).await.unwrap();
        loop {
            let packet = within(up.received.recv_packet()).await.unwrap();
            let forwarded = forwarder.forward(&packet).unwrap();
            let is_last = forwarded.marker;
            down.sent.send_packet(forwarded).await.unwrap();
            if is_last {
                break;
            }
        }
        assert_eq!(within(down.received.recv_frame()).await.unwrap().data, sent.data);
    }
    assert_eq!((forwarder.chosen(), forwarder.current()), (Some(None), Some(None)));
    assert_eq!(forwarder.wants_key_frame(Instant::now()), None);
    // What the viewer asks for is asked of the source.
    down.received.request_key_frame(None).await.unwrap();
    assert_eq!(within(down.sent.key_frame_requested()).await, Some(None));
    forwarder.request_key_frame();
    assert_eq!(forwarder.wants_key_frame(Instant::now()), Some(None));
    up.received.request_key_frame(None).await.unwrap();
    assert_eq!(within(up.sent.key_frame_requested()).await, Some(None));
}

#[tokio::test]
async fn a_packet_of_a_codec_that_is_not_agreed_is_refused() {
    let call = Call::new().await;
    let packet = Packet {
        payload: pattern(10, 1),
        codec: Codec::av1().into(),
        marker: true,
        timestamp: 0,
        sequence: None,
        is_key_frame: true,
        captured: None,
        rid: None,
    };
    let error = call.sent.send_packet(packet).await.unwrap_err();
    assert!(matches!(&error, Error::Media(FrameError::NoCodec { codec }) if **codec == Codec::av1()), "{error}");
    assert!(error.to_string().contains("AV1"), "{error}");
}

#[tokio::test]
async fn a_track_that_is_removed_ends_and_may_come_again() {
    let call = Call::new().await;
    let (peer, id) = (call.initiator.peer_connection(), call.sent.transceiver());
    peer.remove_track(&call.sent).await.unwrap();
    let renegotiate = async || {
        let offer = call.initiator.create_offer().await.unwrap();
        let answer = call.receiver.process_offer(offer).await.unwrap();
        call.initiator.process_answer(answer).await.unwrap();
    };
    renegotiate().await;
    assert!(within(call.received.recv_frame()).await.is_none());
    assert_eq!(within(call.sent.key_frame_requested()).await, None);
    assert!(matches!(call.sent.send_frame(frame(0, 10)).await, Err(Error::Media(FrameError::NotReady))));
    peer.set_direction(id, Direction::SendRecv).await.unwrap();
    renegotiate().await;
    let again = within(call.receiver.peer_connection().accept_track()).await.unwrap();
    call.sent.send_frame(frame(1, 10)).await.unwrap();
    assert_eq!(within(again.recv_frame()).await.unwrap().data.len(), 10);
}

#[tokio::test]
async fn a_transceiver_that_is_stopped_ends_its_tracks() {
    let call = Call::new().await;
    let peer = call.initiator.peer_connection();
    peer.stop_transceiver(call.sent.transceiver()).await.unwrap();
    assert_eq!(within(call.sent.key_frame_requested()).await, None);
    assert!(matches!(call.sent.send_frame(frame(0, 10)).await, Err(Error::Media(FrameError::NoTransceiver))));
    let offer = call.initiator.create_offer().await.unwrap();
    let answer = call.receiver.process_offer(offer).await.unwrap();
    call.initiator.process_answer(answer).await.unwrap();
    assert!(within(call.received.recv_frame()).await.is_none());
    assert_eq!(
        (peer.transceivers().await.unwrap().len(), call.receiver.peer_connection().transceivers().await.unwrap().len()),
        (0, 0)
    );
}

#[tokio::test]
async fn frames_that_nobody_takes_give_way_to_newer_ones() {
    let call = Call::new().await;
    let limit = visavis::Config::default().frame_queue as u32;
    for number in 0..limit + 20 {
        call.sent.send_frame(frame(number, 50)).await.unwrap();
        tokio::task::yield_now().await;
    }
    // What was sent before this request was answered has arrived, as the path keeps its order.
    call.received.request_key_frame(None).await.unwrap();
    within(call.sent.key_frame_requested()).await;
    let first = within(call.received.recv_frame()).await.unwrap();
    assert!(first.timestamp > Duration::ZERO && first.follows_loss && call.received.missed() > 0);
}

#[tokio::test]
async fn tracks_end_with_the_connection() {
    let call = Call::new().await;
    within(call.initiator.peer_connection().close()).await.unwrap();
    assert!(within(call.received.recv_frame()).await.is_none());
    assert!(call.receiver.peer_connection().accept_track().await.is_err());
    assert!(matches!(call.sent.send_frame(frame(0, 10)).await, Err(Error::ConnectionClosed { .. })));
}

#[tokio::test]
async fn an_offer_of_tracks_needs_a_track() {
    let initiator = Initiator::new(config()).unwrap();
    let error = initiator.create_track_offer().await.unwrap_err();
    assert!(error.to_string().contains("add_track"), "{error}");
    let track = initiator.peer_connection().add_track(MediaKind::Audio, "voice", &[]).await.unwrap();
    assert!(matches!(track.send_frame(frame(0, 10)).await, Err(Error::Media(FrameError::NotReady))));
}
