//! Descriptions and candidates are the very JSON that browsers use.

use serde_json::json;
use visavis::{IceCandidate, SdpType, SessionDescription};

#[test]
fn descriptions_are_the_json_of_browsers() {
    let cases = [
        (SessionDescription::offer("v=0\r\n"), json!({"type": "offer", "sdp": "v=0\r\n"})),
        (SessionDescription::answer("v=0\r\n"), json!({"type": "answer", "sdp": "v=0\r\n"})),
        (
            SessionDescription { kind: SdpType::Pranswer, sdp: "v=0\r\n".into() },
            json!({"type": "pranswer", "sdp": "v=0\r\n"}),
        ),
        (SessionDescription::rollback(), json!({"type": "rollback", "sdp": ""})),
    ];
    for (description, expected) in cases {
        assert_eq!(serde_json::to_value(&description).unwrap(), expected);
        assert_eq!(serde_json::from_value::<SessionDescription>(expected).unwrap(), description);
    }
    // A browser's rollback has no text.
    let rollback: SessionDescription = serde_json::from_str(r#"{"type":"rollback"}"#).unwrap();
    assert_eq!(rollback, SessionDescription::rollback());
    assert!(serde_json::from_str::<SessionDescription>(r#"{"type":"other","sdp":""}"#).is_err());
    assert!(serde_json::from_str::<SessionDescription>(r#"{"sdp":""}"#).is_err());
}

#[test]
fn candidates_are_the_json_of_browsers() {
    // As Chromium writes it.
    let text = r#"{"candidate":"candidate:1 1 udp 2113937151 192.0.2.1 5000 typ host generation 0","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"abcd"}"#;
    let candidate: IceCandidate = serde_json::from_str(text).unwrap();
    assert_eq!(candidate.sdp_mid.as_deref(), Some("0"));
    assert_eq!(candidate.sdp_m_line_index, Some(0));
    assert_eq!(candidate.username_fragment.as_deref(), Some("abcd"));
    assert_eq!(serde_json::to_string(&candidate).unwrap(), text);

    let end: IceCandidate = serde_json::from_str(r#"{"candidate":"","sdpMid":null,"sdpMLineIndex":null}"#).unwrap();
    assert_eq!(end, IceCandidate::default());
    let shortest: IceCandidate = serde_json::from_str("{}").unwrap();
    assert_eq!(shortest, IceCandidate::default());
}
