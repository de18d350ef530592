//! The example, run as two people run it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where cargo puts the examples: beside the directory of the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a program");
    let target = test.ancestors().nth(2).expect("target/debug/deps/…");
    target.join("examples").join(format!("rendezvous{}", std::env::consts::EXE_SUFFIX))
}

fn start(file: &Path, say: &str) -> Child {
    let mut command = Command::new(example());
    command.arg("--file").arg(file).args(["--say", say, "--wait", "30"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the example is built by `cargo test` without `--test`, or by `cargo build --examples`")
}

fn output(child: Child) -> String {
    let output = child.wait_with_output().expect("it ends by itself");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn two_programs_find_each_other_through_a_file() {
    let directory = std::env::temp_dir().join(format!("visavis-rendezvous-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory for the file");
    let file = directory.join("meeting");
    let (one, two) = (start(&file, "good morning"), start(&file, "and to you"));
    let (one, two) = (output(one), output(two));
    assert!(one.contains("the other says: and to you"), "{one}");
    assert!(two.contains("the other says: good morning"), "{two}");
    std::fs::remove_dir(&directory).expect("nothing is left in it");
}
