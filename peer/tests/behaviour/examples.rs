//! The examples do what they say.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Once;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::within;

/// Where cargo puts an example: beside the directory of this test. `cargo test` has built it; if only this test was
/// asked for, cargo has not, and what is there may be old.
fn example(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    BUILT.call_once(|| {
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "visavis", "--examples", "--target-dir"]);
        cargo.arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the examples build");
    });
    profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}

#[tokio::test]
async fn data_channel_shows_the_flow_of_the_page() {
    let output = within(Command::new(example("data_channel")).kill_on_drop(true).output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "the receiver was given the channel \"text-channel-1\"",
        "the channel is open",
        "message from text-channel-1: Text(\"Hello from the initiator\")",
        "message from text-channel-1: Text(\"24 bytes came\")",
        "closed",
    ] {
        assert!(text.lines().any(|other| other == line), "`{line}` is missing in\n{text}");
    }
}

#[tokio::test]
async fn media_stream_shows_the_flow_of_tracks() {
    let output = within(Command::new(example("media_stream")).kill_on_drop(true).output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "the receiver was given the track \"initiator-voice\" of the streams [\"initiator\"]",
        "the initiator was given the track \"receiver-voice\" of the streams [\"receiver\"]",
        "the receiver hears 440 Hz",
        "the initiator hears 1000 Hz",
        "closed",
    ] {
        assert!(text.lines().any(|other| other == line), "`{line}` is missing in\n{text}");
    }
}

/// One terminal with the chat in it.
struct Terminal {
    process: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Terminal {
    fn open() -> Self {
        let mut process = Command::new(example("chat"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, input, output }
    }

    async fn enter(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        within(input.write_all(format!("{line}\n").as_bytes())).await.unwrap();
    }

    /// The next line that begins so.
    async fn line(&mut self, start: &str) -> String {
        within(async {
            loop {
                let line = self.output.next_line().await.unwrap();
                let line = line.unwrap_or_else(|| panic!("no line began with `{start}`"));
                if line.starts_with(start) {
                    return line;
                }
            }
        })
        .await
    }
}

#[tokio::test]
async fn echo_sends_back_what_it_hears() {
    let output = within(Command::new(example("echo")).kill_on_drop(true).output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in ["the echo was given audio \"voice\"", "50 frames came back as they were sent, ", "closed"] {
        assert!(text.lines().any(|other| other.starts_with(line)), "`{line}` is missing in\n{text}");
    }
}

#[tokio::test]
async fn simulcast_forward_shows_switches_without_a_seam() {
    let output = within(Command::new(example("simulcast_forward")).kill_on_drop(true).output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "the viewer sees low: 320 x 180 pixels",
        "the viewer sees mid: 640 x 360 pixels",
        "the viewer sees high: 1280 x 720 pixels",
        "5 switches, and no frame was missing or out of order",
        "closed",
    ] {
        assert!(text.lines().any(|other| other == line), "`{line}` is missing in\n{text}");
    }
}

#[tokio::test]
async fn chat_connects_two_terminals_by_copy_and_paste() {
    let (mut first, mut second) = (Terminal::open(), Terminal::open());
    first.line("Paste the offer").await;
    first.enter("").await;
    let offer = first.line("{\"type\":\"offer\"").await;
    second.enter(&offer).await;
    let answer = second.line("{\"type\":\"answer\"").await;
    // A bad paste is forgiven.
    first.enter("{\"type\":\"answer\",\"sdp\":\"nonsense\"}").await;
    first.line("That was no answer").await;
    first.enter(&answer).await;
    first.line("Connected").await;
    second.line("Connected").await;
    first.enter("Hello there").await;
    assert_eq!(second.line(">").await, "> Hello there");
    second.enter("Grüße zurück").await;
    assert_eq!(first.line(">").await, "> Grüße zurück");
    // The last words arrive although the chat ends right after them.
    first.enter("Good bye").await;
    first.input = None;
    assert_eq!(second.line(">").await, "> Good bye");
    second.line("The other side has left.").await;
    assert!(within(first.process.wait()).await.unwrap().success());
    assert!(within(second.process.wait()).await.unwrap().success());
}
