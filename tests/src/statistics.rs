//! The dictionaries of WebRTC Statistics, and what must be true of any report.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What a member is in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A whole number, not negative.
    Count,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// A text.
    Text,
    /// True or false.
    Truth,
    /// An object whose members are numbers.
    Record,
}
use Type::{Count, Integer, Number, Record, Text, Truth};

type Members = &'static [(Type, &'static [&'static str])];

/// Members of every object.
const ALL: Members = &[(Number, &["timestamp"]), (Text, &["type", "id"])];

const RTP: Members = &[(Count, &["ssrc"]), (Text, &["kind", "transportId", "codecId"])];

const RECEIVED: Members = &[
    (
        Count,
        &[
            "packetsReceived",
            "packetsReceivedWithEct1",
            "packetsReceivedWithCe",
            "packetsReportedAsLost",
            "packetsReportedAsLostButRecovered",
        ],
    ),
    (Integer, &["packetsLost"]),
    (Number, &["jitter"]),
];

const SENT: Members = &[(Count, &["packetsSent", "bytesSent"])];

const INBOUND: Members = &[
    (Text, &["trackIdentifier", "mid", "remoteId", "decoderImplementation", "playoutId"]),
    (Truth, &["powerEfficientDecoder"]),
    (
        Count,
        &[
            "framesDecoded",
            "keyFramesDecoded",
            "framesRendered",
            "framesDropped",
            "frameWidth",
            "frameHeight",
            "qpSum",
            "pauseCount",
            "freezeCount",
            "headerBytesReceived",
            "packetsDiscarded",
            "fecBytesReceived",
            "fecPacketsReceived",
            "fecPacketsDiscarded",
            "bytesReceived",
            "nackCount",
            "firCount",
            "pliCount",
            "jitterBufferEmittedCount",
            "totalSamplesReceived",
            "concealedSamples",
            "silentConcealedSamples",
            "concealmentEvents",
            "insertedSamplesForDeceleration",
            "removedSamplesForAcceleration",
            "framesReceived",
            "framesAssembledFromMultiplePackets",
            "retransmittedPacketsReceived",
            "retransmittedBytesReceived",
            "rtxSsrc",
            "fecSsrc",
            "corruptionMeasurements",
        ],
    ),
    (
        Number,
        &[
            "framesPerSecond",
            "totalDecodeTime",
            "totalInterFrameDelay",
            "totalSquaredInterFrameDelay",
            "totalPausesDuration",
            "totalFreezesDuration",
            "lastPacketReceivedTimestamp",
            "totalProcessingDelay",
            "estimatedPlayoutTimestamp",
            "jitterBufferDelay",
            "jitterBufferTargetDelay",
            "jitterBufferMinimumDelay",
            "audioLevel",
            "totalAudioEnergy",
            "totalSamplesDuration",
            "totalAssemblyTime",
            "totalCorruptionProbability",
            "totalSquaredCorruptionProbability",
        ],
    ),
];

const REMOTE_INBOUND: Members = &[
    (Text, &["localId"]),
    (Number, &["roundTripTime", "totalRoundTripTime", "fractionLost"]),
    (Count, &["roundTripTimeMeasurements", "packetsWithBleachedEct1Marking"]),
];

const OUTBOUND: Members = &[
    (
        Text,
        &[
            "mid",
            "mediaSourceId",
            "remoteId",
            "rid",
            "qualityLimitationReason",
            "encoderImplementation",
            "scalabilityMode",
        ],
    ),
    (Truth, &["powerEfficientEncoder", "active"]),
    (Record, &["psnrSum", "qualityLimitationDurations"]),
    (
        Count,
        &[
            "encodingIndex",
            "headerBytesSent",
            "retransmittedPacketsSent",
            "retransmittedBytesSent",
            "rtxSsrc",
            "frameWidth",
            "frameHeight",
            "framesSent",
            "hugeFramesSent",
            "framesEncoded",
            "keyFramesEncoded",
            "qpSum",
            "psnrMeasurements",
            "qualityLimitationResolutionChanges",
            "nackCount",
            "firCount",
            "pliCount",
            "packetsSentWithEct1",
        ],
    ),
    (Number, &["targetBitrate", "framesPerSecond", "totalEncodeTime", "totalPacketSendDelay"]),
];

const REMOTE_OUTBOUND: Members = &[
    (Text, &["localId"]),
    (Number, &["remoteTimestamp", "roundTripTime", "totalRoundTripTime"]),
    (Count, &["reportsSent", "roundTripTimeMeasurements"]),
];

const CODEC: Members =
    &[(Count, &["payloadType", "clockRate", "channels"]), (Text, &["transportId", "mimeType", "sdpFmtpLine"])];

const PEER_CONNECTION: Members = &[(Count, &["dataChannelsOpened", "dataChannelsClosed"])];

const DATA_CHANNEL: Members = &[
    (Text, &["label", "protocol", "state"]),
    (Count, &["dataChannelIdentifier", "messagesSent", "bytesSent", "messagesReceived", "bytesReceived"]),
];

const TRANSPORT: Members = &[
    (
        Count,
        &[
            "packetsSent",
            "packetsReceived",
            "bytesSent",
            "bytesReceived",
            "selectedCandidatePairChanges",
            "ccfbMessagesSent",
            "ccfbMessagesReceived",
        ],
    ),
    (
        Text,
        &[
            "iceRole",
            "iceLocalUsernameFragment",
            "dtlsState",
            "iceState",
            "selectedCandidatePairId",
            "localCertificateId",
            "remoteCertificateId",
            "tlsVersion",
            "dtlsCipher",
            "dtlsRole",
            "srtpCipher",
        ],
    ),
];

const CANDIDATE: Members = &[
    (
        Text,
        &[
            "transportId",
            "address",
            "protocol",
            "candidateType",
            "url",
            "relayProtocol",
            "foundation",
            "relatedAddress",
            "usernameFragment",
            "tcpType",
        ],
    ),
    (Integer, &["port", "priority", "relatedPort"]),
];

const CANDIDATE_PAIR: Members = &[
    (Text, &["transportId", "localCandidateId", "remoteCandidateId", "state"]),
    (Truth, &["nominated"]),
    (
        Count,
        &[
            "packetsSent",
            "packetsReceived",
            "bytesSent",
            "bytesReceived",
            "requestsReceived",
            "requestsSent",
            "responsesReceived",
            "responsesSent",
            "consentRequestsSent",
            "packetsDiscardedOnSend",
            "bytesDiscardedOnSend",
        ],
    ),
    (
        Number,
        &[
            "lastPacketSentTimestamp",
            "lastPacketReceivedTimestamp",
            "totalRoundTripTime",
            "currentRoundTripTime",
            "availableOutgoingBitrate",
            "availableIncomingBitrate",
        ],
    ),
];

const CERTIFICATE: Members =
    &[(Text, &["fingerprint", "fingerprintAlgorithm", "base64Certificate", "issuerCertificateId"])];

/// The members of the dictionary for a type of object, as WebRTC Statistics has them: its editor's draft, read in
/// November 2026.
#[must_use]
pub fn dictionary(kind: &str) -> Option<BTreeMap<&'static str, Type>> {
    let parts: &[Members] = match kind {
        "codec" => &[CODEC],
        "inbound-rtp" => &[RTP, RECEIVED, INBOUND],
        "outbound-rtp" => &[RTP, SENT, OUTBOUND],
        "remote-inbound-rtp" => &[RTP, RECEIVED, REMOTE_INBOUND],
        "remote-outbound-rtp" => &[RTP, SENT, REMOTE_OUTBOUND],
        "peer-connection" => &[PEER_CONNECTION],
        "data-channel" => &[DATA_CHANNEL],
        "transport" => &[TRANSPORT],
        "candidate-pair" => &[CANDIDATE_PAIR],
        "local-candidate" | "remote-candidate" => &[CANDIDATE],
        "certificate" => &[CERTIFICATE],
        _ => return None,
    };
    let groups = std::iter::once(&ALL).chain(parts).flat_map(|members| members.iter());
    Some(groups.flat_map(|(kind, names)| names.iter().map(|name| (*name, *kind))).collect())
}

impl Type {
    /// Whether a value is of this type.
    #[must_use]
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Count => value.is_u64(),
            Integer => value.is_i64() || value.is_u64(),
            Number => value.is_number(),
            Text => value.is_string(),
            Truth => value.is_boolean(),
            Record => value.as_object().is_some_and(|record| record.values().all(Value::is_number)),
        }
    }
}

/// Checks a report: every object is of a known type and under its own name, every member is one of its dictionary and
/// of the right type, and every name that is referred to is that of an object.
///
/// # Panics
///
/// If something is not so, saying what.
pub fn check(report: &Map<String, Value>) {
    for (id, object) in report {
        let kind = object["type"].as_str().unwrap_or_default();
        let dictionary = dictionary(kind).unwrap_or_else(|| panic!("{object} is of no known type"));
        assert_eq!(object["id"], **id, "{object}");
        for (name, value) in object.as_object().expect("a report has objects") {
            let member = dictionary.get(name.as_str()).unwrap_or_else(|| panic!("{kind} has no {name}"));
            assert!(member.fits(value), "{name} of {kind} is {value}, which is no {member:?}");
            if name.ends_with("Id") {
                let other = value.as_str().expect("names are texts");
                assert!(report.contains_key(other), "{name} of {id} is {other}, which there is not");
            }
        }
    }
}

/// The objects of one type.
pub fn of_type<'r>(report: &'r Map<String, Value>, kind: &str) -> Vec<&'r Value> {
    report.values().filter(|object| object["type"] == kind).collect()
}
