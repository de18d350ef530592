//! Statistics of both ends of a call, held against each other and against the dictionaries of the W3C.

use std::time::Duration;

use relay::{Path, Relay};
use serde_json::{Map, Value, json};
use visavis::{Config, DataChannel, LocalTrack, MediaKind, PeerConnection, Receiver, SessionDescription};
use visavis_tests::{
    browser::{Kind, Settings},
    page::Page,
    statistics::{check, dictionary, of_type},
};

use crate::{
    duo::{open, receive, send, soon},
    in_both_browsers,
    media::{address, echo, page_with_camera, through, tracks, without_candidates},
};

type Report = Map<String, Value>;

/// A page that sends its camera and its microphone, and a peer that sends all back; beside it a channel.
struct Call {
    page: Page,
    receiver: Receiver,
    channel: DataChannel,
    echoes: [tokio::task::JoinHandle<()>; 2],
    _relay: Option<Relay>,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.echoes.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Call {
    async fn new(kind: Kind, path: Option<Path>) -> Self {
        let page = page_with_camera(&Settings::new(kind).with_devices()).await;
        open(&page, "numbers", json!({})).await;
        let receiver = Receiver::new(Config::default()).unwrap();
        let peer = receiver.peer_connection();
        let sent = echo_tracks(peer).await;
        let offer: SessionDescription = page.call("offer", json!([false])).await.unwrap();
        let relay = match path {
            None => {
                let answer = receiver.process_offer(offer).await.unwrap();
                let _: bool = page.call("accept", json!([answer])).await.unwrap();
                None
            }
            Some(path) => {
                let answer = receiver.process_offer(without_candidates(offer)).await.unwrap();
                let relay = Relay::start(address(&answer), path, 11).unwrap();
                let _: bool = page.call("accept", json!([through(&relay, answer)])).await.unwrap();
                Some(relay)
            }
        };
        let (audio, video) = tracks(peer).await;
        let echoes = [tokio::spawn(echo(audio, sent.0)), tokio::spawn(echo(video, sent.1))];
        let channel = soon(peer.accept_data_channel()).await.unwrap();
        Self { page, channel, echoes, _relay: relay, receiver }
    }

    async fn theirs(&self) -> Report {
        self.page.call("report", json!([])).await.unwrap()
    }

    async fn ours(&self) -> Report {
        let report = self.receiver.peer_connection().stats_report().await.unwrap();
        serde_json::to_value(&report).unwrap().as_object().unwrap().clone()
    }

    /// Waits until both sides have told each other how they receive, and so many packets of video have gone each way.
    async fn go_on_for(&self, packets: u64) {
        let is_there = |report: &Report| {
            let has_remotes = ["remote-inbound-rtp", "remote-outbound-rtp"].into_iter().all(|name| {
                let kinds: Vec<&Value> = of_type(report, name).into_iter().map(|object| &object["kind"]).collect();
                kinds.contains(&&json!("audio")) && kinds.contains(&&json!("video"))
            });
            has_remotes
                && count(report, "outbound-rtp", "video", "packetsSent") >= packets
                && count(report, "inbound-rtp", "video", "packetsReceived") >= packets
        };
        // The first report of a receiver may come before one of ours that it could answer.
        let is_measured = |report: &Report| {
            of_type(report, "remote-inbound-rtp").into_iter().all(|object| object["roundTripTime"].is_number())
        };
        let both = async {
            loop {
                let (ours, theirs) = (self.ours().await, self.theirs().await);
                if is_measured(&ours) && is_there(&ours) && is_there(&theirs) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        soon(both).await;
    }
}

async fn echo_tracks(peer: &PeerConnection) -> (LocalTrack, LocalTrack) {
    let audio = peer.add_track(MediaKind::Audio, "echo-audio", &["echo"]).await.unwrap();
    let video = peer.add_track(MediaKind::Video, "echo-video", &["echo"]).await.unwrap();
    (audio, video)
}

/// The objects of one type for one kind of media.
fn streams<'r>(report: &'r Report, name: &str, kind: &str) -> Vec<&'r Value> {
    of_type(report, name).into_iter().filter(|object| object["kind"] == kind).collect()
}

/// A count over these.
fn count(report: &Report, name: &str, kind: &str, member: &str) -> u64 {
    streams(report, name, kind).iter().filter_map(|object| object[member].as_f64()).sum::<f64>() as u64
}

fn only<'r>(report: &'r Report, name: &str) -> &'r Value {
    let all = of_type(report, name);
    assert_eq!(all.len(), 1, "{name}: {all:?}");
    all[0]
}

/// What is counted here while the other side counts it from `before` to `after`, give or take what is on its way and
/// counted late.
#[track_caller]
fn assert_between(what: &str, before: u64, here: u64, after: u64) {
    let slack = 30 + after / 20;
    assert!(before <= here + slack && here <= after + slack, "{what}: {here} here, {before} to {after} there");
}

/// Whether a browser counts repairs and probes, which come as a stream of their own, with the stream that they repair, as
/// the W3C has it. Firefox does not.
fn counts_repairs(kind: Kind) -> bool {
    kind == Kind::Chromium
}

/// What Chromium has and nobody without a decoder, an encoder, a speaker or marks in IP headers can know.
const NOT_OURS: [&str; 45] = [
    "audioLevel",
    "bytesDiscardedOnSend",
    "ccfbMessagesReceived",
    "ccfbMessagesSent",
    "concealedSamples",
    "concealmentEvents",
    "corruptionMeasurements",
    "decoderImplementation",
    "encoderImplementation",
    "encodingIndex",
    "estimatedPlayoutTimestamp",
    "fecBytesReceived",
    "fecPacketsDiscarded",
    "fecPacketsReceived",
    "framesDecoded",
    "framesEncoded",
    "framesPerSecond",
    "framesRendered",
    "hugeFramesSent",
    "insertedSamplesForDeceleration",
    "jitterBufferMinimumDelay",
    "jitterBufferTargetDelay",
    "keyFramesDecoded",
    "keyFramesEncoded",
    "mediaSourceId",
    "packetsDiscardedOnSend",
    "packetsReceivedWithCe",
    "packetsReceivedWithEct1",
    "packetsReportedAsLost",
    "packetsReportedAsLostButRecovered",
    "packetsSentWithEct1",
    "packetsWithBleachedEct1Marking",
    "pauseCount",
    "playoutId",
    "powerEfficientDecoder",
    "powerEfficientEncoder",
    "psnrMeasurements",
    "psnrSum",
    "qpSum",
    "removedSamplesForAcceleration",
    "scalabilityMode",
    "silentConcealedSamples",
    "targetBitrate",
    "totalSamplesReceived",
    "totalSamplesDuration",
];

fn is_ours(kind: Option<&str>, member: &str) -> bool {
    let of_decoder =
        ["totalDecode", "totalEncode", "totalProcessing", "totalInterFrame", "totalSquared", "totalPauses"];
    let of_sound = ["totalAudioEnergy", "jitterBufferDelay", "jitterBufferEmittedCount"];
    let is_left_out = NOT_OURS.contains(&member)
        || of_decoder.iter().any(|start| member.starts_with(start))
        || member.starts_with("qualityLimitation")
        || member == "totalCorruptionProbability"
        || (kind == Some("audio") && of_sound.contains(&member));
    !is_left_out
}

/// Every standard member that Chromium fills and that can be known here is here.
fn assert_nothing_is_missing(ours: &Report, theirs: &Report) {
    for name in ["inbound-rtp", "outbound-rtp", "remote-inbound-rtp", "candidate-pair", "transport", "data-channel"] {
        let dictionary = dictionary(name).unwrap();
        for object in of_type(theirs, name) {
            let kind = object["kind"].as_str();
            // Of pairs those in use are compared, as the others have not seen anything.
            if name == "candidate-pair" && object["nominated"] != true {
                continue;
            }
            let here: Vec<&Value> = of_type(ours, name)
                .into_iter()
                .filter(|here| here["kind"].as_str() == kind && (name != "candidate-pair" || here["nominated"] == true))
                .collect();
            assert!(!here.is_empty(), "no {name} of {kind:?} here");
            for member in object.as_object().unwrap().keys() {
                if dictionary.contains_key(member.as_str()) && is_ours(kind, member) {
                    assert!(here.iter().any(|one| one.get(member).is_some()), "{name} of {kind:?}: no {member} here");
                }
            }
        }
    }
}

in_both_browsers! {
    async fn both_ends_report_the_same_in_the_same_words(kind: Kind) {
        let call = Call::new(kind, None).await;
        send(&call.page, "numbers", &[json!({ "text": "from the page" }), json!({ "hex": "0001" })]).await;
        soon(call.channel.recv()).await.unwrap();
        soon(call.channel.recv()).await.unwrap();
        call.channel.send("from rust").await.unwrap();
        receive(&call.page, "numbers").await;
        call.go_on_for(200).await;
        let (before, ours, after) = (call.theirs().await, call.ours().await, call.theirs().await);
        println!("{}\n{}", json!(ours), json!(after));

        check(&ours);
        assert_eq!(ours.keys().collect::<Vec<_>>(), call.ours().await.keys().collect::<Vec<_>>(), "names change");
        if kind == Kind::Chromium {
            assert_nothing_is_missing(&ours, &after);
        }

        for media in ["audio", "video"] {
            let between = |here: (&str, &str), there: (&str, &str)| {
                let what = format!("{media} {}", here.1);
                let (from, to) = [&before, &after].map(|report| count(report, there.0, media, there.1)).into();
                assert_between(&what, from, count(&ours, here.0, media, here.1), to);
                to
            };
            between(("inbound-rtp", "packetsReceived"), ("outbound-rtp", "packetsSent"));
            let bytes = between(("inbound-rtp", "bytesReceived"), ("outbound-rtp", "bytesSent"));
            assert!(bytes > 1_000, "{media}: {bytes} bytes");
            if media == "audio" || counts_repairs(kind) {
                between(("inbound-rtp", "headerBytesReceived"), ("outbound-rtp", "headerBytesSent"));
                between(("outbound-rtp", "packetsSent"), ("inbound-rtp", "packetsReceived"));
                between(("outbound-rtp", "bytesSent"), ("inbound-rtp", "bytesReceived"));
                between(("outbound-rtp", "headerBytesSent"), ("inbound-rtp", "headerBytesReceived"));
            }
            if media == "video" {
                between(("outbound-rtp", "framesSent"), ("inbound-rtp", "framesReceived"));
                between(("inbound-rtp", "framesReceived"), ("outbound-rtp", "framesSent"));
            }
            for remote in streams(&ours, "remote-inbound-rtp", media) {
                let round_trip = remote["roundTripTime"].as_f64().expect("it was measured");
                assert!((0.0..0.5).contains(&round_trip), "{remote}");
            }
            let ssrc = |report: &Report, name| streams(report, name, media)[0]["ssrc"].clone();
            assert_eq!(ssrc(&ours, "inbound-rtp"), ssrc(&after, "outbound-rtp"));
            assert_eq!(ssrc(&ours, "outbound-rtp"), ssrc(&after, "inbound-rtp"));
            // A browser's clock and ours are the same machine's.
            let theirs = streams(&ours, "remote-outbound-rtp", media)[0];
            let moment = |member: &str| theirs[member].as_f64().expect("a moment");
            assert!((moment("timestamp") - moment("remoteTimestamp")).abs() < 1_000.0, "{theirs}");
        }
        let size = |report: &Report, name, member| streams(report, name, "video")[0][member].as_u64();
        for member in ["frameWidth", "frameHeight"] {
            assert!(size(&ours, "inbound-rtp", member).is_some_and(|pixels| pixels >= 120), "{member}");
        }
        let pair = &ours[only(&ours, "transport")["selectedCandidatePairId"].as_str().unwrap()];
        let round_trip = pair["currentRoundTripTime"].as_f64().expect("it was measured");
        assert!((0.0..0.5).contains(&round_trip), "{pair}");

        let (here, there) = (only(&ours, "data-channel"), only(&after, "data-channel"));
        for (here_name, there_name) in [("Sent", "Received"), ("Received", "Sent")] {
            for what in ["messages", "bytes"] {
                let (one, other) = (&here[&format!("{what}{here_name}")], &there[&format!("{what}{there_name}")]);
                assert_eq!(one, other, "{here} {there}");
            }
        }
        for member in ["label", "dataChannelIdentifier", "state"] {
            assert_eq!(here[member], there[member]);
        }
        for transport in of_type(&after, "transport") {
            let here = only(&ours, "transport");
            for member in ["tlsVersion", "dtlsCipher", "srtpCipher"] {
                assert!(transport.get(member).is_none_or(|theirs| *theirs == here[member]), "{transport} {here}");
            }
            if let Some(id) = transport["localCertificateId"].as_str() {
                let (one, other) = (&after[id], &ours[here["remoteCertificateId"].as_str().unwrap()]);
                for member in ["fingerprint", "fingerprintAlgorithm", "base64Certificate"] {
                    assert_eq!(one[member], other[member]);
                }
            }
        }
    }
}

in_both_browsers! {
    async fn losses_show_in_the_reports_of_both_ends(kind: Kind) {
        let path = Path { loss: 0.05, jitter: Duration::from_millis(10), ..Path::default() };
        let call = Call::new(kind, Some(path)).await;
        call.go_on_for(1_000).await;
        let (before, ours, after) = (call.theirs().await, call.ours().await, call.theirs().await);
        println!("{}\n{}", json!(ours), json!(after));
        check(&ours);
        let here = |name, member| count(&ours, name, "video", member);
        let share = |lost: u64, received: u64| lost as f64 / (lost + received) as f64;
        // The relay loses 5 % each way; what was repaired is counted as lost, too.
        let first = here("inbound-rtp", "packetsReceived") - here("inbound-rtp", "retransmittedPacketsReceived");
        let ours_lost = share(here("inbound-rtp", "packetsLost"), first);
        assert!((0.02..0.1).contains(&ours_lost), "{ours_lost} lost");
        let told = share(here("remote-inbound-rtp", "packetsLost"), here("remote-inbound-rtp", "packetsReceived"));
        assert!((0.02..0.1).contains(&told), "{told} lost there");
        for member in ["nackCount", "retransmittedPacketsReceived", "retransmittedBytesReceived"] {
            assert!(here("inbound-rtp", member) > 0, "{member}");
        }
        for member in ["nackCount", "retransmittedPacketsSent", "retransmittedBytesSent"] {
            assert!(here("outbound-rtp", member) > 0, "{member}");
        }
        // What one side says of the other is what that one says of itself, up to a report's time.
        let agree = |member, name, other| {
            let there = |report| count(report, other, "video", member);
            assert_between(member, there(&before), here(name, member), there(&after));
        };
        agree("packetsLost", "inbound-rtp", "remote-inbound-rtp");
        agree("packetsLost", "remote-inbound-rtp", "inbound-rtp");
        agree("nackCount", "inbound-rtp", "outbound-rtp");
        agree("nackCount", "outbound-rtp", "inbound-rtp");
        if counts_repairs(kind) {
            let sum = |report, member| count(report, "inbound-rtp", "video", member);
            let arrived = |report| sum(report, "packetsReceived") + sum(report, "packetsLost");
            assert_between("packetsSent", arrived(&before), here("outbound-rtp", "packetsSent"), arrived(&after));
        }
    }
}
