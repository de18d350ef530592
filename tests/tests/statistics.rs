//! Statistics of two peers over loopback: in the shape of the W3C, and both sides of one story.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what a test did not expect ends it, and says where; its helpers are no different"
)]

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Map, Value};
use visavis::{
    ChannelOptions, Codec, Config, DataChannel, Error, Frame, Initiator, LocalTrack, MediaKind, PeerConnection,
    Receiver, RemoteTrack, StatsEntry, StatsReport, TransceiverOptions,
};
use visavis_tests::statistics::{check, of_type};

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it does not take that long")
}

/// The initiator sends sound and pictures to the receiver, and both have a channel.
struct Call {
    initiator: Initiator,
    receiver: Receiver,
    audio: LocalTrack,
    video: LocalTrack,
    seen: RemoteTrack,
    channels: [DataChannel; 2],
}

impl Call {
    async fn new() -> Self {
        let config = || Config { bind_addresses: vec![[127, 0, 0, 1].into()], ..Config::default() };
        let (initiator, receiver) = (Initiator::new(config()).unwrap(), Receiver::new(config()).unwrap());
        let peer = initiator.peer_connection();
        let channel = peer.create_data_channel("numbers", ChannelOptions::default()).unwrap();
        let options = |track: &str, codec| TransceiverOptions {
            track: Some(track.into()),
            codecs: vec![codec],
            ..TransceiverOptions::default()
        };
        let audio = peer.add_transceiver(MediaKind::Audio, options("voice", Codec::pcmu())).await.unwrap();
        let video = peer.add_transceiver(MediaKind::Video, options("camera", Codec::vp8())).await.unwrap();
        let answer = receiver.process_offer(initiator.create_track_offer().await.unwrap()).await.unwrap();
        initiator.process_answer(answer).await.unwrap();
        within(channel.opened()).await.unwrap();
        let there = within(receiver.peer_connection().accept_data_channel()).await.unwrap();
        within(receiver.peer_connection().accept_track()).await.unwrap();
        let seen = within(receiver.peer_connection().accept_track()).await.unwrap();
        assert_eq!(seen.kind(), MediaKind::Video);
        Self { initiator, receiver, audio, video, seen, channels: [channel, there] }
    }

    fn peers(&self) -> [&PeerConnection; 2] {
        [self.initiator.peer_connection(), self.receiver.peer_connection()]
    }

    /// Sends for as long as it takes until each side has heard the other's reports.
    async fn play(&self) {
        let mut clock = tokio::time::interval(Duration::from_millis(20));
        for number in 0.. {
            clock.tick().await;
            let timestamp = Duration::from_millis(20) * number;
            let sound = Frame { data: vec![0xff; 160].into(), timestamp, ..Frame::default() };
            self.audio.send_frame(sound).await.unwrap();
            self.video.send_frame(picture(number == 0, timestamp)).await.unwrap();
            let [here, there] = self.peers();
            let (here, there) = (here.stats_report().await.unwrap(), there.stats_report().await.unwrap());
            let (mut sent, mut received) = (here.outbound_rtp(), there.inbound_rtp());
            if sent.all(|stream| here.remote_inbound_rtp(stream).is_some_and(|remote| remote.round_trip_time.is_some()))
                && received.all(|stream| there.remote_outbound_rtp(stream).is_some())
                && there.inbound_rtp().count() == 2
            {
                return;
            }
        }
    }
}

/// A picture in VP8, as far as its header says: 640 by 360 (RFC 6386, section 9.1).
fn picture(is_key_frame: bool, timestamp: Duration) -> Frame {
    let mut data = vec![7; 3_000];
    data[..10].copy_from_slice(&[u8::from(!is_key_frame), 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
    Frame { data: data.into(), timestamp, is_key_frame, ..Frame::default() }
}

fn json(report: &StatsReport) -> Map<String, Value> {
    serde_json::to_value(report).unwrap().as_object().unwrap().clone()
}

fn only<'r>(report: &'r Map<String, Value>, kind: &str) -> &'r Value {
    let [object] = of_type(report, kind).try_into().unwrap_or_else(|all| panic!("one {kind} is expected: {all:?}"));
    object
}

#[tokio::test]
async fn a_report_has_the_members_of_the_dictionaries_and_no_others() {
    let call = Call::new().await;
    within(call.play()).await;
    let types = |report: &Map<String, Value>| -> BTreeSet<String> {
        report.values().map(|object| object["type"].as_str().unwrap().to_owned()).collect()
    };
    let common = ["candidate-pair", "certificate", "codec", "data-channel", "local-candidate", "peer-connection"];
    let both = ["remote-candidate", "transport"];
    for (peer, media) in
        call.peers().into_iter().zip([["outbound-rtp", "remote-inbound-rtp"], ["inbound-rtp", "remote-outbound-rtp"]])
    {
        let report = json(&peer.stats_report().await.unwrap());
        check(&report);
        let expected: BTreeSet<String> =
            common.iter().chain(&both).chain(&media).map(|kind| (*kind).to_owned()).collect();
        assert_eq!(types(&report), expected);
        assert_eq!(of_type(&report, "certificate").len(), 2);
    }
}

#[tokio::test]
async fn both_sides_tell_the_same() {
    let call = Call::new().await;
    call.channels[0].send("eleven byte").await.unwrap();
    within(call.channels[1].recv()).await.unwrap();
    within(call.play()).await;
    let [here, there] = call.peers();
    // Of a moment in which nothing was sent, as the reports are made one after another.
    let (here, there) = within(async {
        loop {
            let before = json(&here.stats_report().await.unwrap());
            let there = json(&there.stats_report().await.unwrap());
            let after = json(&here.stats_report().await.unwrap());
            if only(&before, "transport")["packetsSent"] == only(&after, "transport")["packetsSent"] {
                break (before, there);
            }
        }
    })
    .await;
    println!("{here:#?}\n{there:#?}");
    // Loopback loses nothing: what one has sent the other has, but for what is on its way.
    for kind in ["audio", "video"] {
        let stream = |report, name| -> Value {
            of_type(report, name).into_iter().find(|object| object["kind"] == kind).unwrap().clone()
        };
        let (sent, received) = (stream(&here, "outbound-rtp"), stream(&there, "inbound-rtp"));
        assert_eq!((&sent["ssrc"], &sent["mid"]), (&received["ssrc"], &received["mid"]));
        let (sent_packets, received_packets) = (&sent["packetsSent"], &received["packetsReceived"]);
        let missing = sent_packets.as_u64().unwrap() - received_packets.as_u64().unwrap();
        assert!(missing < 10 && received["packetsLost"] == 0, "{sent} {received}");
        let remote = stream(&here, "remote-inbound-rtp");
        assert!(remote["packetsReceived"].as_u64() <= received_packets.as_u64(), "{remote}");
        assert_eq!((&remote["packetsLost"], &remote["fractionLost"]), (&Value::from(0), &Value::from(0.0)));
        let round_trip = remote["roundTripTime"].as_f64().unwrap();
        assert!((0.0..1.0).contains(&round_trip), "{remote}");
        let theirs = stream(&there, "remote-outbound-rtp");
        assert!(theirs["packetsSent"].as_u64() <= sent_packets.as_u64(), "{theirs}");
        assert_eq!(theirs["localId"], received["id"]);
    }
    let pictures = of_type(&there, "inbound-rtp").into_iter().find(|object| object["kind"] == "video").unwrap();
    assert_eq!((&pictures["frameWidth"], &pictures["frameHeight"]), (&640.into(), &360.into()));
    assert_eq!(pictures["trackIdentifier"], "camera");
    let (ours, theirs) = (only(&here, "transport"), only(&there, "transport"));
    let roles = |one: &Value| [one["iceRole"].clone(), one["dtlsRole"].clone()];
    assert_eq!(
        (roles(ours), roles(theirs)),
        (["controlling", "server"].map(Value::from), ["controlled", "client"].map(Value::from))
    );
    assert_eq!((&ours["dtlsCipher"], &ours["srtpCipher"]), (&theirs["dtlsCipher"], &theirs["srtpCipher"]));
    assert_eq!((&ours["dtlsState"], &ours["tlsVersion"]), (&"connected".into(), &"FEFD".into()));
    let hash = |report: &Map<String, Value>, transport: &Value, which: &str| {
        report[transport[which].as_str().unwrap()]["fingerprint"].clone()
    };
    assert_eq!(hash(&here, ours, "localCertificateId"), hash(&there, theirs, "remoteCertificateId"));
    let pair = &here[ours["selectedCandidatePairId"].as_str().unwrap()];
    assert_eq!((&pair["state"], &pair["nominated"]), (&"succeeded".into(), &true.into()));
    assert_eq!((&pair["packetsSent"], &pair["bytesSent"]), (&ours["packetsSent"], &ours["bytesSent"]));
    assert!(ours["packetsSent"].as_u64() >= theirs["packetsReceived"].as_u64(), "{ours} {theirs}");
    let remote = &here[pair["remoteCandidateId"].as_str().unwrap()];
    let local = &there[only(&there, "candidate-pair")["localCandidateId"].as_str().unwrap()];
    assert_eq!((&remote["address"], &remote["port"]), (&local["address"], &local["port"]));
    let (ours, theirs) = (only(&here, "data-channel"), only(&there, "data-channel"));
    assert_eq!((&ours["messagesSent"], &ours["bytesSent"], &ours["state"]), (&1.into(), &11.into(), &"open".into()));
    assert_eq!((&theirs["messagesReceived"], &theirs["bytesReceived"]), (&1.into(), &11.into()));
    assert_eq!(ours["dataChannelIdentifier"], theirs["dataChannelIdentifier"]);
}

#[tokio::test]
async fn names_stay_and_counts_grow() {
    let call = Call::new().await;
    within(call.play()).await;
    let before = json(&call.peers()[0].stats_report().await.unwrap());
    within(call.play()).await;
    let after = json(&call.peers()[0].stats_report().await.unwrap());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let [before, after] = [&before, &after].map(|report| only(report, "transport"));
    assert!(before["bytesSent"].as_u64() < after["bytesSent"].as_u64());
    assert!(before["timestamp"].as_f64() < after["timestamp"].as_f64());
}

#[tokio::test]
async fn what_is_not_known_yet_is_absent() {
    let peer = PeerConnection::new(Config::default()).unwrap();
    let report = json(&peer.stats_report().await.unwrap());
    check(&report);
    assert_eq!(of_type(&report, "certificate").len(), 1);
    let transport = only(&report, "transport");
    let states = ["iceState", "dtlsState", "iceRole", "dtlsRole"].map(|member| transport[member].as_str().unwrap());
    assert_eq!(states, ["new", "new", "unknown", "unknown"]);
    for member in ["selectedCandidatePairId", "remoteCertificateId", "tlsVersion", "dtlsCipher", "srtpCipher"] {
        assert!(transport.get(member).is_none(), "{transport}");
    }
    assert_eq!(report.len(), 3, "{report:?}");
}

#[tokio::test]
async fn a_track_reports_itself_and_what_it_refers_to() {
    let call = Call::new().await;
    within(call.play()).await;
    let sent = call.video.stats_report().await.unwrap();
    check(&json(&sent));
    assert_eq!(sent.outbound_rtp().map(|stream| stream.kind).collect::<Vec<_>>(), ["video"]);
    assert_eq!((of_type(&json(&sent), "remote-inbound-rtp").len(), of_type(&json(&sent), "codec").len()), (1, 1));
    assert!(sent.transport().is_some() && sent.selected_candidate_pair().is_some());
    assert!(!sent.iter().any(|entry| matches!(entry, StatsEntry::DataChannel(_) | StatsEntry::PeerConnection(_))));
    let received = call.seen.stats_report().await.unwrap();
    check(&json(&received));
    assert_eq!(received.inbound_rtp().map(|stream| stream.track_identifier.as_str()).collect::<Vec<_>>(), ["camera"]);
}

#[tokio::test]
async fn channels_that_were_open_are_counted() {
    let call = Call::new().await;
    let [here, there] = call.peers();
    let more = here.create_data_channel("more", ChannelOptions::default()).unwrap();
    within(more.opened()).await.unwrap();
    let theirs = within(there.accept_data_channel()).await.unwrap();
    within(more.close()).await.unwrap();
    within(theirs.closed()).await;
    let report = json(&there.stats_report().await.unwrap());
    let counts = only(&report, "peer-connection");
    assert_eq!((&counts["dataChannelsOpened"], &counts["dataChannelsClosed"]), (&2.into(), &1.into()), "{counts}");
    assert_eq!(only(&report, "data-channel")["label"], "numbers");
    within(here.close()).await.unwrap();
    assert!(matches!(here.stats_report().await, Err(Error::ConnectionClosed { .. })));
}
