//! Who takes part, and how their programs are built.

use std::path::PathBuf;
use std::process::Command;

/// One stack's program.
pub(crate) struct Contestant {
    pub(crate) name: String,
    pub(crate) part: Part,
    pub(crate) kind: Kind,
    /// Why it cannot run.
    pub(crate) problem: Option<String>,
}

/// What a contestant is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// As it is, but with datagrams of 1200 bytes, as the rivals have them.
    Visavis,
    /// With path MTU discovery.
    Discovery,
    /// With BBR instead of CUBIC.
    Bbr,
    Rival,
    /// TCP of the kernel.
    Tcp,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A package of this workspace.
    Cargo(&'static str),
    /// A folder under `stacks/` with a `package.json`.
    Npm(&'static str),
    /// `raw tcp` with this congestion controller.
    Tcp(&'static str),
}

/// Everyone, visavis first.
pub(crate) fn all() -> Vec<Contestant> {
    let one = |name: &str, part, kind| Contestant { name: name.into(), part, kind, problem: None };
    vec![
        one("visavis", Part::Visavis, Kind::Cargo("contest-visavis")),
        one("visavis, discovery on", Part::Discovery, Kind::Cargo("contest-visavis")),
        one("visavis, BBR", Part::Bbr, Kind::Cargo("contest-visavis")),
        one("str0m", Part::Rival, Kind::Cargo("contest-str0m")),
        one("webrtc-rs 0.21", Part::Rival, Kind::Cargo("contest-webrtc")),
        one("webrtc-rs 0.17", Part::Rival, Kind::Cargo("contest-webrtc-017")),
        one("libdatachannel", Part::Rival, Kind::Cargo("contest-libdatachannel")),
        one("libwebrtc", Part::Rival, Kind::Npm("libwebrtc")),
        one("TCP CUBIC", Part::Tcp, Kind::Tcp("cubic")),
    ]
}

/// Builds a program; what fails is said when it should run.
pub(crate) fn build(contestant: Contestant) -> Contestant {
    let built = match contestant.kind {
        Kind::Cargo(package) => build_package(package),
        Kind::Npm(folder) => run(Command::new("npm")
            .args(["install", "--silent", "--no-fund", "--no-audit", "--prefix"])
            .arg(format!("stacks/{folder}"))),
        Kind::Tcp(_) => Ok(()),
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

/// A program of this workspace.
pub(crate) fn program(package: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join("release").join(package)
}

impl Contestant {
    /// The program with what comes before the arguments of all.
    pub(crate) fn words(&self) -> Vec<String> {
        match self.kind {
            Kind::Cargo(package) => vec![program(package).to_string_lossy().into_owned()],
            Kind::Npm(folder) => vec!["node".into(), format!("stacks/{folder}/main.js")],
            Kind::Tcp(_) => vec![program("raw").to_string_lossy().into_owned(), "tcp".into()],
        }
    }

    /// The number by which a program knows its variants.
    pub(crate) const fn variant(&self) -> u8 {
        match self.part {
            Part::Discovery => 1,
            Part::Bbr => 2,
            Part::Visavis | Part::Rival | Part::Tcp => 0,
        }
    }

    /// Whether this is visavis, however set.
    pub(crate) const fn is_own(&self) -> bool {
        matches!(self.part, Part::Visavis | Part::Discovery | Part::Bbr)
    }
}
