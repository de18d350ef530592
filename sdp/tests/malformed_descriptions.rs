//! What breaks the grammar is refused, with the number of the line, the line, and what was expected.

use visavis_sdp as sdp;

use sdp::{Description, Error, Limits};

const HEAD: [&str; 4] = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0"];

fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}

fn refusal(lines: &[&str]) -> Error {
    text(lines).parse::<Description>().expect_err("a refusal")
}

/// A description that is fine, followed by these lines; what is said about them.
fn after_head(lines: &[&str]) -> Error {
    refusal(&[HEAD.as_slice(), lines].concat())
}

#[test]
fn a_broken_line_is_named_with_its_number() {
    let error = after_head(&["a=group:BUNDLE 0", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=setup:both"]);
    assert_eq!(
        error.to_string(),
        "line 7, \"a=setup:both\": expected a=setup: with active, passive, actpass or holdconn"
    );
    assert_eq!((error.line, error.text.as_str()), (7, "a=setup:both"));
}

#[test]
fn each_kind_of_line_is_checked() {
    for line in [
        "i=",
        "u=two words",
        "e=nobody",
        "p=none",
        "c=IN IP4",
        "b=128",
        "b=AS:fast",
        "t=1 2",
        "r=7d",
        "k=guess",
        "a=",
        "a=b c:d",
        "m=audio",
        "m=audio 9 RTP/AVP",
        "m=audio x RTP/AVP 0",
        "nonsense",
        "1=2",
        " a=b",
    ] {
        let error = after_head(&[line]);
        assert_eq!((error.line, error.text.as_str()), (5, line), "{error}");
    }
    assert_eq!(refusal(&["v=1"]).expected, "v=0 (the only version there is)");
    assert_eq!(refusal(&["v=0", "o=- 1 2 IN IP4"]).line, 2);
}

#[test]
fn a_line_that_is_missing_is_named() {
    for (cut, next) in HEAD.iter().enumerate() {
        let error = refusal(&HEAD[..cut]);
        assert!(error.expected.starts_with(&next[..2]), "{error}");
        assert_eq!((error.line, error.text.as_str()), (cut + 1, ""), "{error}");
    }
    assert_eq!(refusal(&["v=0", "s=-"]).expected, "o= (the origin)");
    assert_eq!(refusal(&["v=0", "o=- 1 2 IN IP4 a", "s=-", "m=audio 9 RTP/AVP 0"]).line, 4);
}

#[test]
fn lines_out_of_order_are_refused() {
    for lines in [
        ["a=sendrecv", "b=AS:1"].as_slice(),
        &["a=sendrecv", "c=IN IP4 0.0.0.0"],
        &["k=prompt", "t=0 0"],
        &["r=7d 1h 0", "t=0 0", "z=3730928400 0"],
        &["z=3730928400 0"],
        &["s=again"],
        &["v=0"],
        &["k=prompt", "k=prompt"],
        &["m=audio 9 RTP/AVP 0", "a=sendrecv", "c=IN IP4 0.0.0.0"],
        &["m=audio 9 RTP/AVP 0", "t=0 0"],
        &["m=audio 9 RTP/AVP 0", "o=- 1 2 IN IP4 a"],
        &["m=audio 9 RTP/AVP 0", "i=one", "i=two"],
    ] {
        assert_eq!(after_head(lines).line, HEAD.len() + lines.len(), "{lines:?}");
    }
    // Before the times, what stands once may not stand twice.
    let twice = refusal(&["v=0", "o=- 1 2 IN IP4 a", "s=-", "c=IN IP4 a", "c=IN IP4 b", "t=0 0"]);
    assert_eq!((twice.line, twice.expected), (5, "only one line of this kind"));
}

#[test]
fn characters_that_no_line_may_have_are_refused() {
    for line in ["a=x:\0", "a=x:\r", "i=a\rb"] {
        assert_eq!(after_head(&[line]).line, 5, "{line:?}");
    }
    // A carriage return alone ends no line, not even the last.
    let cut = text(&HEAD) + "a=x:1\r";
    assert_eq!(cut.parse::<Description>().expect_err("a refusal").line, 5);
    let mut bytes = text(&HEAD).into_bytes();
    bytes.extend(b"a=x:1\r\na=\xff\r\n");
    let error = Description::from_bytes(&bytes, &Limits::default()).expect_err("a refusal");
    assert_eq!((error.line, error.text.as_str(), error.expected), (6, "a=", "a text in UTF-8"));
}

#[test]
fn a_blank_line_is_fine_at_the_end_and_nowhere_else() {
    let fine = text(&HEAD) + "\r\n\n";
    assert_eq!(fine.parse::<Description>().expect("a description").to_string(), fine);
    assert_eq!(after_head(&["", "a=sendrecv"]).line, 5);
    for nothing in ["", "\r\n", "\n\n"] {
        assert_eq!(nothing.parse::<Description>().expect_err("a refusal").line, 1, "{nothing:?}");
    }
}

#[test]
fn what_exceeds_a_limit_is_refused() {
    let lines = [HEAD.as_slice(), &["m=audio 9 RTP/AVP 0", "a=sendrecv", "m=audio 9 RTP/AVP 0"]].concat();
    let text = text(&lines);
    let exact = Limits { size: text.len(), lines: lines.len(), line: 24, media: 2 };
    assert!(Description::parse(&text, &exact).is_ok());
    for (less, word) in [
        (Limits { size: exact.size - 1, ..exact }, "size"),
        (Limits { lines: exact.lines - 1, ..exact }, "lines"),
        (Limits { line: 23, ..exact }, "length"),
        (Limits { media: 1, ..exact }, "media"),
    ] {
        let error = Description::parse(&text, &less).expect_err("a refusal");
        assert!(error.expected.contains(word), "{error}");
    }
}

#[test]
fn an_error_shows_only_the_beginning_of_a_long_line() {
    let error = after_head(&[&"ä".repeat(10_000)]);
    assert_eq!(error.text.chars().count(), 120);
}

#[test]
fn what_costs_much_to_read_is_bounded() {
    // Unknown lines have no place in the order, yet do not hide what came before them.
    let mut lines = HEAD.to_vec();
    lines.push("a=sendrecv");
    lines.resize(16_000, "x=1");
    assert!(text(&lines).parse::<Description>().is_ok());
    lines.push("b=AS:1");
    assert_eq!(refusal(&lines).line, 16_001);
}
