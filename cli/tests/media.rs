//! Media as a person at a terminal has it: what is refused, and what is said about that.

#![allow(
    clippy::unwrap_used,
    reason = "what a test did not expect ends it, and says where; its helpers are no different"
)]

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// Waits until it ends by itself: its code, and what it says is wrong.
async fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let ended = tokio::time::timeout(PATIENCE, program(arguments).wait_with_output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{arguments:?}: still running after {PATIENCE:?}")).unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A folder for one test, empty.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).unwrap();
    }
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn clip(name: &str) -> String {
    format!("{}/media/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test]
async fn what_cannot_be_played_is_refused_with_advice() {
    let folder = folder("refused");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    };
    let vp8 = std::fs::read(clip("clip.ivf")).unwrap();
    // The header, and then what follows the first frame.
    let first = 32 + 12 + usize::try_from(u32::from_le_bytes(vp8[32..36].try_into().unwrap())).unwrap();
    let delta = 12 + usize::try_from(u32::from_le_bytes(vp8[first..first + 4].try_into().unwrap())).unwrap();
    let cases = [
        (folder.to_string_lossy().into_owned(), "is a folder; name the files in it"),
        (folder.join("missing.ivf").to_string_lossy().into_owned(), "missing.ivf: No such file"),
        ("/dev/null".to_owned(), "/dev/null is no file"),
        (file("film.mp4", b"\0\0\0\x18ftypmp42"), "ffmpeg -i"),
        (file("film.mp4", b"\0\0\0\x18ftypmp42"), "none of IVF"),
        (file("empty.ivf", &vp8[..32]), "nothing to play"),
        (file("short.ivf", &vp8[..20]), "short.ivf: byte 0: expected the header of IVF"),
        (file("middle.ivf", &[&vp8[..32], &vp8[first..first + delta]].concat()), "no key frame"),
    ];
    for (path, words) in cases {
        // One bad file is enough, and nothing is served.
        let (code, problems) = refused(&["send-media", &clip("clip.ivf"), &path]).await;
        assert_eq!(code, Some(1), "{path}: {problems}");
        assert!(problems.starts_with("visavis: ") && problems.contains(words), "{path}: {problems}");
        assert_eq!(problems.lines().count(), 1, "{problems}");
    }
    let (code, problems) = refused(&["send-media"]).await;
    assert!(code == Some(2) && problems.contains("<FILE>"), "{problems}");
    for rate in ["0", "1/0", "fast", "25/", ""] {
        let (code, problems) = refused(&["send-media", "--frame-rate", rate, &clip("clip.ivf")]).await;
        assert!(code == Some(2) && problems.contains("30000/1001"), "{rate}: {problems}");
    }
    let (code, problems) = refused(&["record"]).await;
    assert!(code == Some(2) && problems.contains("<FOLDER>"), "{problems}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_refused_at_once() {
    let file = folder("no-folder").join("file");
    std::fs::write(&file, b"").unwrap();
    for path in [file.clone(), file.join("below")] {
        let (code, problems) = refused(&["record", &path.to_string_lossy()]).await;
        assert_eq!(code, Some(1), "{problems}");
        assert!(problems.contains("cannot use the folder") && problems.contains("no-folder"), "{problems}");
    }
}

/// What it prints until it says where its page is. What it prints later is not read, but can be.
async fn served(child: &mut Child) -> (String, Lines<BufReader<ChildStdout>>) {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut all = String::new();
    let read = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            all.push_str(&line);
            all.push('\n');
            if line.contains("http://") {
                return;
            }
        }
        panic!("it ended without serving the page");
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the page is served in time");
    (all, lines)
}

#[tokio::test]
async fn what_is_to_be_played_is_told() {
    let files = [clip("clip.ivf"), clip("clip.opus")];
    let mut child = program(&["send-media", "--listen", "127.0.0.1:0", &files[0], &files[1]]);
    let (lines, _output) = served(&mut child).await;
    assert!(lines.contains("in a loop"), "{lines}");
    assert!(lines.contains("clip.ivf: VP8, 320 × 240, 8.0 s") && lines.contains("clip.opus: opus, 8.0 s"), "{lines}");
    let mut child = program(&["send-media", "--once", "--listen", "127.0.0.1:0", &files[0]]);
    let (lines, _output) = served(&mut child).await;
    assert!(!lines.contains("in a loop"), "{lines}");
}

#[tokio::test]
async fn pictures_without_times_go_by_the_frame_rate_that_is_given() {
    // Each access unit is a key frame of one byte behind its header.
    let path = folder("frame-rate").join("stream.h264");
    let unit = [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0, 0, 0, 1, 0x65, 0x88, 0x84];
    std::fs::write(&path, unit.repeat(50)).unwrap();
    for (rate, length) in [("25", "2.0 s"), ("50/1", "1.0 s")] {
        let path = path.to_string_lossy();
        let mut child = program(&["send-media", "--listen", "127.0.0.1:0", "--frame-rate", rate, &path]);
        let (lines, _output) = served(&mut child).await;
        assert!(lines.contains(&format!("stream.h264: H264, {length}")), "{lines}");
    }
}

#[tokio::test]
async fn recording_makes_its_folder_and_ends_with_an_interrupt() {
    let folder = folder("records").join("new").join("folder");
    let mut child = program(&["record", "--listen", "127.0.0.1:0", &folder.to_string_lossy()]);
    let (lines, _output) = served(&mut child).await;
    assert!(lines.contains("http://127.0.0.1:"), "{lines}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is there before somebody comes");
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
    assert!(status.success(), "{status}");
}
