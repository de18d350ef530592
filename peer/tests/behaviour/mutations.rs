//! What travels through signalling may be anything: it is taken, or refused in words, and nothing panics.

use std::sync::LazyLock;

use proptest::prelude::*;
use tokio::runtime::Runtime;
use visavis::{IceCandidate, Initiator, MediaKind, PeerConnection, Receiver, SdpType, SessionDescription};

use crate::support::{config, within};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// An offer of ours with a channel, sound and pictures, and an answer to it.
static EXCHANGE: LazyLock<[SessionDescription; 2]> = LazyLock::new(|| {
    RUNTIME.block_on(async {
        let initiator = Initiator::new(config()).unwrap();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            within(initiator.peer_connection().add_transceiver(kind, Default::default())).await.unwrap();
        }
        let offer = within(initiator.create_data_channel_offer("channel")).await.unwrap();
        let answer = within(Receiver::new(config()).unwrap().process_offer(offer.clone())).await.unwrap();
        [offer, answer]
    })
});

fn description() -> impl Strategy<Value = SessionDescription> {
    let kind =
        prop_oneof![Just(SdpType::Offer), Just(SdpType::Pranswer), Just(SdpType::Answer), Just(SdpType::Rollback)];
    (kind, any::<String>()).prop_map(|(kind, sdp)| SessionDescription { kind, sdp })
}

fn candidate() -> impl Strategy<Value = IceCandidate> {
    let text = any::<Option<String>>;
    (any::<String>(), text(), any::<Option<u16>>(), text()).prop_map(
        |(candidate, sdp_mid, sdp_m_line_index, username_fragment)| IceCandidate {
            candidate,
            sdp_mid,
            sdp_m_line_index,
            username_fragment,
        },
    )
}

/// A change to a text: at a place, so much is taken away, and this is put there.
type Change = (prop::sample::Index, usize, String);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let words = prop_oneof![
        any::<String>(),
        Just("\r\n".into()),
        Just("m=audio 9 UDP/TLS/RTP/SAVPF 0 8 96\r\n".into()),
        Just("a=mid:0\r\n".into()),
        Just("a=simulcast:send a;b recv c\r\n".into()),
        "[0-9]{1,20}",
        "a=[a-z-]{1,12}:[ -~]{0,40}\r\n",
    ];
    prop::collection::vec((any::<prop::sample::Index>(), 0..60_usize, words), 1..4)
}

fn change(text: &str, changes: &[Change]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (place, length, with) in changes {
        let from = place.index(text.len() + 1);
        let to = (from + length).min(text.len());
        text.splice(from..to, with.chars());
    }
    text.into_iter().collect()
}

fn assert_is_clear(error: &visavis::Error) {
    let text = error.to_string();
    assert!(text.len() > 10 && text.len() < 1_000, "`{text}` says too little or too much");
    assert!(text.chars().all(|one| !one.is_control()), "`{}` is for no terminal", text.escape_debug());
}

proptest! {
    #[test]
    fn descriptions_and_candidates_come_back_from_json_as_they_were(one in description(), other in candidate()) {
        let text = serde_json::to_string(&one).unwrap();
        prop_assert_eq!(serde_json::from_str::<SessionDescription>(&text).unwrap(), one);
        let text = serde_json::to_string(&other).unwrap();
        prop_assert_eq!(serde_json::from_str::<IceCandidate>(&text).unwrap(), other);
    }

    #[test]
    fn changed_json_is_a_description_again_or_an_error(changes in changes()) {
        let [offer, _] = &*EXCHANGE;
        let text = change(&serde_json::to_string(offer).unwrap(), &changes);
        match serde_json::from_str::<SessionDescription>(&text) {
            Ok(one) => {
                let again = serde_json::to_string(&one).unwrap();
                prop_assert_eq!(serde_json::from_str::<SessionDescription>(&again).unwrap(), one);
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        let _ = serde_json::from_str::<IceCandidate>(&text);
    }
}

proptest! {
    // Each case has sockets of its own.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_changed_offer_is_answered_or_refused_in_words(changes in changes()) {
        let [offer, _] = &*EXCHANGE;
        let offer = SessionDescription::offer(change(&offer.sdp, &changes));
        let result = RUNTIME.block_on(async {
            let receiver = Receiver::new(config()).unwrap();
            within(receiver.process_offer(offer)).await
        });
        match result {
            Ok(answer) => prop_assert_eq!(answer.kind, SdpType::Answer),
            Err(error) => assert_is_clear(&error),
        }
    }

    #[test]
    fn a_changed_answer_or_candidate_is_taken_or_refused_in_words(changes in changes(), candidate in candidate()) {
        let [_, answer] = &*EXCHANGE;
        let answer = SessionDescription::answer(change(&answer.sdp, &changes));
        let line = "candidate:1 1 udp 2113937151 192.0.2.1 5000 typ host generation 0";
        let changed = IceCandidate { candidate: change(line, &changes), sdp_mid: Some("0".into()), ..Default::default() };
        RUNTIME.block_on(async {
            let initiator = Initiator::new(config()).unwrap();
            let peer: &PeerConnection = initiator.peer_connection();
            for kind in [MediaKind::Audio, MediaKind::Video] {
                within(peer.add_transceiver(kind, Default::default())).await.unwrap();
            }
            within(initiator.create_data_channel_offer("channel")).await.unwrap();
            if let Err(error) = within(initiator.process_answer(answer)).await {
                assert_is_clear(&error);
            }
            for candidate in [candidate, changed] {
                if let Err(error) = within(peer.add_ice_candidate(candidate)).await {
                    assert_is_clear(&error);
                }
            }
        });
    }
}
