//! Every example of the workspace is run and does what it says. Those of `visavis` itself have their tests beside them.

use std::{
    collections::BTreeSet,
    net::UdpSocket,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

/// The examples that this file runs, and those that the tests of their own package run.
const HERE: [&str; 11] = [
    "channel_chat",
    "dtls_echo",
    "explain",
    "inspect",
    "my_address",
    "play",
    "protect",
    "record",
    "rendezvous",
    "throughput",
    "udp_chat",
];
const THERE: [&str; 5] = ["chat", "data_channel", "echo", "media_stream", "simulcast_forward"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is a folder of the workspace")
}

/// Where cargo put an example: beside the folder of this test. It is built if it was not.
fn example(package: &str, name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let path = test.ancestors().nth(2).expect("target/debug/deps/…").join("examples").join(name);
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--package", package, "--example", name]).current_dir(root());
    assert!(path.exists() || cargo.status().is_ok_and(|status| status.success()), "the example {name} does not build");
    path
}

/// A running example.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Program {
    fn start(package: &str, name: &str, arguments: &[&str], directory: &Path) -> Self {
        let mut child = Command::new(example(package, name))
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("its output")).lines();
        let errors = BufReader::new(child.stderr.take().expect("its errors")).lines();
        Self { child, input, output, errors }
    }

    async fn say(&mut self, text: &str) {
        let input = self.input.as_mut().expect("its input is open");
        input.write_all(format!("{text}\n").as_bytes()).await.expect("it reads");
    }

    /// Reads on until a line has this text inside.
    async fn hear(&mut self, text: &str) -> String {
        find(&mut self.output, text).await
    }

    async fn ends(&mut self) {
        self.input = None;
        let status = within(self.child.wait()).await.expect("it is waited for once");
        assert!(status.success(), "{status}");
    }
}

async fn find<R: tokio::io::AsyncBufRead + Unpin>(lines: &mut Lines<R>, text: &str) -> String {
    let search = async {
        while let Some(line) = lines.next_line().await.expect("it prints text") {
            println!("{line}");
            if line.contains(text) {
                return line;
            }
        }
        panic!("it ended without saying {text:?}");
    };
    within(search).await
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(180), future).await.expect("it does not take that long")
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.local_addr().expect("its address").port()
}

/// A folder of its own for a test's files, inside cargo's.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

#[test]
fn every_example_is_run_somewhere() {
    let mut examples = BTreeSet::new();
    for entry in std::fs::read_dir(root()).expect("the workspace").flatten() {
        let Ok(files) = std::fs::read_dir(entry.path().join("examples")) else { continue };
        examples.extend(files.flatten().filter_map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            // An example of several files is a folder with its main file.
            let is_folder = file.path().join("main.rs").exists();
            name.strip_suffix(".rs").map(str::to_owned).or(is_folder.then_some(name))
        }));
    }
    let run: BTreeSet<String> = HERE.iter().chain(&THERE).map(|name| (*name).to_owned()).collect();
    assert_eq!(examples, run);
}

#[tokio::test]
async fn a_description_is_explained() {
    let data = root().join("sdp/tests/data/chromium-156-datachannel.sdp");
    let mut program = Program::start("visavis-sdp", "explain", &[&data.to_string_lossy()], root());
    program.hear("Session").await;
    program.hear("Section 1 of 1").await;
    program.ends().await;
}

#[tokio::test]
async fn a_media_file_is_inspected() {
    let file = root().join("container/tests/data/vp8.ivf");
    let mut program = Program::start("visavis-container", "inspect", &[&file.to_string_lossy()], root());
    program.hear("VP8 in IVF").await;
    program.ends().await;
}

#[tokio::test]
async fn packets_are_protected_and_opened() {
    let keys = ["aes128-80", "e1f97a0d3e018be0d64fa32c06de4139", "0ec675ad498afeebb6960b3aabe6"];
    let plain = "800f1234decafbadcafebabeabababababababababababababababab";
    let mut protect = Program::start("visavis-srtp", "protect", &[&["protect"], &keys[..]].concat(), root());
    protect.say(plain).await;
    let protected = protect.hear("800f1234decafbadcafebabe").await;
    assert_ne!(protected, plain);
    let mut open = Program::start("visavis-srtp", "protect", &[&["open"], &keys[..]].concat(), root());
    open.say(&protected).await;
    assert_eq!(open.hear("800f1234decafbadcafebabe").await, plain);
    protect.ends().await;
    open.ends().await;
}

#[tokio::test]
async fn ones_address_is_asked_for() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let address = server.local_addr().expect("its address");
    let mut program = Program::start("visavis-stun", "my_address", &[&address.to_string()], root());
    let mut buf = [0; 1500];
    let (length, from) = within(server.recv_from(&mut buf)).await.expect("a request");
    let request = stun::Message::decode(buf.get(..length).expect("within the buffer")).expect("STUN");
    let mut answer = Vec::new();
    stun::Builder::new(&mut answer, stun::Class::Success, stun::Method::BINDING, request.transaction_id())
        .attribute(&stun::Attribute::XorMappedAddress("203.0.113.5:4321".parse().expect("an address")))
        .fingerprint();
    server.send_to(&answer, from).await.expect("it is sent");
    program.hear("203.0.113.5:4321").await;
    program.ends().await;
}

/// A certificate in NAME.pem and its key in NAME.key.
fn certificate(directory: &Path, name: &str) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    std::fs::write(directory.join(format!("{name}.pem")), cert.pem()).expect("a file");
    std::fs::write(directory.join(format!("{name}.key")), signing_key.serialize_pem()).expect("a file");
}

#[tokio::test]
async fn lines_are_echoed_over_dtls() {
    let directory = folder("echo");
    certificate(&directory, "alice");
    certificate(&directory, "bob");
    let address = format!("127.0.0.1:{}", free_port());
    let mut server = Program::start("visavis-dtls", "dtls_echo", &["server", &address, "alice", "bob.pem"], &directory);
    find(&mut server.errors, "Server at").await;
    let mut client = Program::start("visavis-dtls", "dtls_echo", &["client", &address, "bob", "alice.pem"], &directory);
    find(&mut client.errors, "connected").await;
    client.say("is anybody there?").await;
    server.hear("is anybody there?").await;
    client.hear("is anybody there?").await;
    client.ends().await;
}

#[tokio::test]
async fn lines_travel_over_sctp() {
    let (one, other) = (free_port(), free_port());
    let address = format!("127.0.0.1:{one}");
    let mut waiting = Program::start("visavis-sctp", "udp_chat", &[&one.to_string()], root());
    waiting.hear("waiting").await;
    let mut calling = Program::start("visavis-sctp", "udp_chat", &[&other.to_string(), &address], root());
    calling.hear("connected").await;
    waiting.hear("connected").await;
    calling.say("is anybody there?").await;
    waiting.hear("> is anybody there?").await;
    waiting.say("yes").await;
    calling.hear("> yes").await;
    calling.ends().await;
    waiting.ends().await;
}

#[tokio::test]
async fn lines_travel_over_data_channels() {
    let (one, other) = (free_port(), free_port());
    let start = |own: u16, remote: u16| {
        let arguments = [&*own.to_string(), &*format!("127.0.0.1:{remote}")];
        Program::start("visavis-datachannel", "channel_chat", &arguments, root())
    };
    let (mut first, mut second) = (start(one, other), start(other, one));
    first.hear("connected").await;
    second.hear("connected").await;
    first.say("/open greetings").await;
    first.hear("greetings").await;
    second.hear("greetings").await;
    first.say("is anybody there?").await;
    second.hear("> is anybody there?").await;
    second.say("yes").await;
    first.hear("> yes").await;
    first.say("/quit").await;
    first.ends().await;
    second.ends().await;
}

#[tokio::test]
async fn two_agents_find_each_other_through_a_file() {
    let directory = folder("rendezvous");
    let meeting = directory.join("meeting").to_string_lossy().into_owned();
    for number in [1, 2] {
        // Left over from a run that was interrupted.
        let _ = std::fs::remove_file(format!("{meeting}.{number}"));
    }
    let start = |line| {
        let arguments = ["--file", &meeting, "--say", line, "--wait", "30"];
        Program::start("visavis-ice", "rendezvous", &arguments, &directory)
    };
    let (mut first, mut second) = (start("hello from one"), start("hello from the other"));
    let ((), ()) = tokio::join!(
        async {
            first.hear("the other says: hello from the other").await;
        },
        async {
            second.hear("the other says: hello from one").await;
        }
    );
    first.ends().await;
    second.ends().await;
}

#[tokio::test]
async fn throughput_is_measured_between_two_processes() {
    let mut program = Program::start("visavis", "throughput", &["65536", "1"], root());
    program.hear("open after").await;
    program.hear("round trips").await;
    program.ends().await;
}

/// Plays to a recorder, each in a process of its own, and returns the recorder's folder.
async fn play_and_record(name: &str, arguments: &[&str]) -> PathBuf {
    let directory = folder(name);
    for entry in std::fs::read_dir(&directory).expect("the folder").flatten() {
        std::fs::remove_file(entry.path()).expect("left over from the last run");
    }
    let mut play = Program::start("visavis", "play", arguments, root());
    let mut record = Program::start("visavis", "record", &[&directory.to_string_lossy()], root());
    let offer = play.hear("{\"type\":\"offer\"").await;
    record.say(&offer).await;
    let answer = record.hear("{\"type\":\"answer\"").await;
    play.say(&answer).await;
    record.hear("recording").await;
    play.hear("that was all").await;
    play.ends().await;
    record.hear("recorded").await;
    record.ends().await;
    directory
}

/// Frames in a file, and how long they last together, in milliseconds.
fn contents(path: &Path) -> (usize, u128) {
    let mut reader = container::Reader::open(path).expect("a media file");
    let frames: Vec<_> = std::iter::from_fn(|| reader.next_frame().expect("it is whole")).collect();
    (frames.len(), frames.last().map_or(0, |last| (last.timestamp + last.duration).as_millis()))
}

#[tokio::test]
async fn a_file_is_played_to_a_recorder() {
    let file = root().join("container/tests/data/vp8.ivf");
    let directory = play_and_record("video", &[&file.to_string_lossy()]).await;
    let recorded = directory.join("video-1.ivf");
    assert_eq!(contents(&recorded).0, contents(&file).0, "all frames came");
}

#[tokio::test]
async fn a_tone_is_played_to_a_recorder() {
    let directory = play_and_record("tone", &[]).await;
    let (_, millis) = contents(&directory.join("audio-1.wav"));
    assert!((1_900..=2_100).contains(&millis), "{millis} ms of two seconds");
}
