//! The program as a person at a terminal has it: what it explains, prints and refuses. Only loopback is used.

#![allow(
    clippy::unwrap_used,
    reason = "what a test did not expect ends it, and says where; its helpers are no different"
)]

use std::{
    net::TcpListener,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many ports are tried after one that is taken.
const NEXT_PORTS: u16 = 20;

/// For files from browsers, of which there are none here.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

/// Every flag, and a part of its explanation.
const FLAGS: [(&str, &str); 11] = [
    ("--listen", "Where the page is served"),
    ("--no-serve", "without serving the page"),
    ("--no-demo", "without the two local peers"),
    ("--size", "in MiB"),
    ("--directory", "Where files from browsers are written"),
    ("--largest-file", "largest file"),
    ("--quota", "accepted in all"),
    ("--peers", "How many browsers"),
    ("--stun", "A STUN server"),
    ("--help", "Print help"),
    ("--version", "Print version"),
];

/// The program with these arguments; it ends with its handle at the latest.
fn program(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_visavis"))
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Waits until it ends by itself.
async fn output(arguments: &[&str]) -> Output {
    let ended = tokio::time::timeout(PATIENCE, program(arguments).wait_with_output()).await;
    ended.unwrap_or_else(|_| panic!("{arguments:?}: still running after {PATIENCE:?}")).unwrap()
}

/// Starts it, waits until it serves its page, and ends it. Returns the page's address and all of the standard error.
async fn serve(arguments: &[&str]) -> (String, String) {
    let mut child = program(arguments);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let find = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(rest) = line.strip_prefix("Open http://") {
                return rest.split_whitespace().next().unwrap().to_owned();
            }
        }
        panic!("{arguments:?}: ended without serving the page");
    };
    let address = tokio::time::timeout(PATIENCE, find).await.expect("the page is served in time");
    child.start_kill().unwrap();
    let mut problems = String::new();
    let mut stderr = child.stderr.take().unwrap();
    tokio::time::timeout(PATIENCE, stderr.read_to_string(&mut problems)).await.expect("it was killed").unwrap();
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("it was killed").unwrap();
    (address, problems)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn the_help_explains_every_flag() {
    let output = output(&["--help"]).await;
    assert!(output.status.success());
    let help = text(&output.stdout);
    let (_, options) = help.split_once("Options:\n").unwrap();
    // Each flag begins a paragraph of its own, maybe with its short form first.
    let paragraphs = options.split("\n\n").filter_map(|paragraph| {
        let mut words = paragraph.split_whitespace();
        let flag = words.by_ref().take(2).find(|word| word.starts_with("--"))?;
        Some((flag, words.collect::<Vec<_>>().join(" ")))
    });
    let paragraphs: Vec<(&str, String)> = paragraphs.collect();
    for (flag, words) in &paragraphs {
        let known = FLAGS.iter().find(|(known, _)| known == flag);
        let (_, explanation) = known.unwrap_or_else(|| panic!("{flag} is missing in this test"));
        assert!(words.contains(explanation), "{flag}: {words}");
    }
    for (flag, _) in FLAGS {
        assert!(paragraphs.iter().any(|(found, _)| *found == flag), "{flag} is not explained:\n{help}");
    }
}

#[tokio::test]
async fn the_two_local_peers_tell_each_step() {
    let output = output(&["--no-serve", "--size", "1"]).await;
    let (lines, problems) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{lines}\n{problems}");
    assert!(problems.is_empty(), "{problems}");
    let mut rest = lines.as_str();
    for step in [
        "initiator: offer",
        "receiver: answer",
        "channel open",
        "receiver heard",
        "Hello from the initiator",
        "initiator heard",
        "Hello from the receiver",
        "1 MiB received",
        "matches",
        "closed",
    ] {
        let Some((_, after)) = rest.split_once(step) else { panic!("{step:?} is missing, or too early:\n{lines}") };
        rest = after;
    }
    assert!(!lines.contains("http://"), "nothing is served:\n{lines}");
}

#[tokio::test]
async fn a_taken_port_gives_way_to_the_next() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = taken.local_addr().unwrap();
    let (address, problems) = serve(&["--no-demo", "--directory", FOLDER, "--listen", &wanted.to_string()]).await;
    let port: u16 = address.strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
    assert!(port > wanted.port() && port <= wanted.port() + NEXT_PORTS, "{port} instead of {wanted}");
    assert!(problems.contains(&format!("{wanted} is taken")), "{problems}");
    assert!(problems.contains("trying port"), "{problems}");
}

#[tokio::test]
async fn where_all_ports_are_taken_another_is_asked_for() {
    let (taken, wanted) = take_ports();
    assert_eq!(taken.len(), usize::from(NEXT_PORTS) + 1);
    let output = output(&["--no-demo", "--directory", FOLDER, "--listen", &format!("127.0.0.1:{wanted}")]).await;
    assert_eq!(output.status.code(), Some(1));
    let problems = text(&output.stderr);
    let last = problems.lines().last().unwrap();
    assert!(last.contains(&format!("127.0.0.1:{wanted}")) && last.contains("--listen"), "{problems}");
}

/// Listens at a port and all that would be tried after it.
fn take_ports() -> (Vec<TcpListener>, u16) {
    // Below those that the system gives to whoever asks for any.
    for first in (20_000..30_000).step_by(100) {
        let taken: Result<Vec<_>, _> =
            (first..=first + NEXT_PORTS).map(|port| TcpListener::bind(("127.0.0.1", port))).collect();
        if let Ok(taken) = taken {
            return (taken, first);
        }
    }
    panic!("no row of free ports");
}

#[tokio::test]
async fn a_malformed_stun_server_is_refused_at_once() {
    for (url, words) in [
        ("stun.example.org", "it looks like `stun:host:port`"),
        ("turn:example.org", "only the scheme `stun:` is supported"),
        ("stun:example.org:0", "is no STUN URL"),
    ] {
        let output = output(&["--stun", url]).await;
        assert_eq!(output.status.code(), Some(2), "{url}: as every argument that makes no sense");
        let problems = text(&output.stderr);
        assert!(problems.contains("--stun") && problems.contains(words), "{url}: {problems}");
        assert!(output.stdout.is_empty(), "{url}: nothing is begun: {}", text(&output.stdout));
    }
}
