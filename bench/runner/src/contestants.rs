//! Who takes part, and how their programs are built.

use std::path::PathBuf;
use std::process::Command;

/// One stack's program.
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) variant: u8,
    kind: Kind,
    /// Why it cannot run.
    pub(crate) problem: Option<String>,
}

#[derive(Clone, Copy)]
enum Kind {
    /// A package of this workspace.
    Cargo(&'static str),
    /// A folder under `stacks/` with a `package.json`.
    Npm(&'static str),
}

/// Everyone, visavis first.
pub(crate) fn all() -> Vec<Contestant> {
    let one = |name: &str, kind| Contestant { name: name.into(), variant: 0, kind, problem: None };
    vec![
        one("visavis", Kind::Cargo("contest-visavis")),
        one("str0m", Kind::Cargo("contest-str0m")),
        one("webrtc-rs 0.21", Kind::Cargo("contest-webrtc")),
        one("webrtc-rs 0.17", Kind::Cargo("contest-webrtc-017")),
        one("libdatachannel", Kind::Cargo("contest-libdatachannel")),
        one("libwebrtc", Kind::Npm("libwebrtc")),
    ]
}

/// Builds a program; what fails is said when it should run.
pub(crate) fn build(contestant: Contestant) -> Contestant {
    let built = match contestant.kind {
        Kind::Cargo(package) => build_package(package),
        Kind::Npm(folder) => run(Command::new("npm")
            .args(["install", "--silent", "--no-fund", "--no-audit", "--prefix"])
            .arg(format!("stacks/{folder}"))),
    };
    Contestant { problem: built.err(), ..contestant }
}

/// Builds a package of this workspace, or says why not.
pub(crate) fn build_package(package: &str) -> Result<(), String> {
    run(Command::new(env!("CARGO")).args(["build", "--release", "--quiet", "--package", package]))
}

fn run(command: &mut Command) -> Result<(), String> {
    eprintln!("{command:?}");
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            eprintln!("{text}");
            Err(format!("not built: {}", text.lines().rfind(|line| line.contains("error")).unwrap_or("see above")))
        }
        Err(error) => Err(format!("not built: {error}")),
    }
}

impl Contestant {
    /// The program, without its arguments.
    pub(crate) fn command(&self) -> Command {
        match self.kind {
            Kind::Cargo(package) => {
                let target =
                    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
                Command::new(target.join("release").join(package))
            }
            Kind::Npm(folder) => {
                let mut command = Command::new("node");
                command.arg(format!("stacks/{folder}/main.js"));
                command
            }
        }
    }
}
