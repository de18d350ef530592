//! What the page says may be anything that fits a WebSocket.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{FromPage, ToPage};

fn parse(text: &str) -> Result<FromPage, serde_json::Error> {
    serde_json::from_str(text)
}

/// JSON of any shape, with the words that the page uses among its keys.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop_oneof![Just("offer-wanted"), Just("description"), Just("candidate"), Just("offer")].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        let key = prop_oneof![
            Just("is".to_owned()),
            Just("description".to_owned()),
            Just("candidate".to_owned()),
            Just("type".to_owned()),
            Just("sdp".to_owned()),
            Just("sdpMLineIndex".to_owned()),
            any::<String>(),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(key, inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_message_is_understood_or_refused_in_words(text in any::<String>(), value in value()) {
        for text in [text, value.to_string()] {
            if let Err(error) = parse(&text) {
                let problem = serde_json::to_string(&ToPage::Problem { problem: error.to_string() }).unwrap();
                prop_assert!(!error.to_string().is_empty() && problem.len() < 10_000);
            }
        }
    }

    #[test]
    fn descriptions_and_candidates_are_understood_as_they_were_meant(sdp in any::<String>(), index in any::<u16>()) {
        let message = json!({ "is": "description", "description": { "type": "offer", "sdp": sdp } });
        let Ok(FromPage::Description { description }) = parse(&message.to_string()) else { panic!("{message}") };
        prop_assert_eq!(&description.sdp, &sdp);
        let message = json!({ "is": "candidate", "candidate": { "candidate": sdp, "sdpMLineIndex": index } });
        let Ok(FromPage::Candidate { candidate }) = parse(&message.to_string()) else { panic!("{message}") };
        prop_assert_eq!((candidate.candidate, candidate.sdp_m_line_index), (sdp, Some(index)));
    }
}

#[test]
fn brackets_without_end_are_refused() {
    for bracket in ["[", "{\"is\":"] {
        assert!(parse(&bracket.repeat(100_000)).is_err());
    }
    assert!(matches!(parse(r#"{"is":"offer-wanted"}"#), Ok(FromPage::OfferWanted)));
}
