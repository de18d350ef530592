//! The edges between the crates, exactly as ARCHITECTURE.md draws them: siblings never see each other, and what the
//! outside world needs (sockets, timers) is known at the top only.

#![allow(clippy::indexing_slicing, reason = "what cargo's JSON lacks ends the test, and says where")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde_json::Value;

/// What each folder's crate depends on within the workspace, development dependencies aside.
const EDGES: [(&str, &[&str]); 15] = [
    ("wire", &[]),
    ("stun", &["wire"]),
    ("ice", &["stun", "wire"]),
    ("sdp", &[]),
    ("dtls", &["wire"]),
    ("sctp", &["wire"]),
    ("datachannel", &["sctp", "wire"]),
    ("rtp", &["wire"]),
    ("srtp", &["wire"]),
    ("container", &[]),
    ("session", &["datachannel", "dtls", "ice", "rtp", "sctp", "sdp", "srtp", "stun"]),
    ("peer", &["session"]),
    ("cli", &["container", "peer", "relay"]),
    ("relay", &[]),
    ("sim", &[]),
];

/// What examples know beyond that: those of `peer` play and record files.
const EXAMPLES: [(&str, &str); 1] = [("peer", "container")];

/// Crates that do input and output, and who may know them.
const OUTSIDE: [(&str, &[&str]); 5] = [
    ("tokio", &["peer", "cli", "relay", "tests"]),
    ("socket2", &["peer", "cli", "relay"]),
    ("quinn-udp", &["peer", "cli", "relay"]),
    ("if-addrs", &["peer", "cli"]),
    ("axum", &["cli", "tests"]),
];

struct Crate {
    /// Folders of the workspace's crates it depends on, by kind: `None` normally, `Some("dev")` for its tests.
    inside: BTreeSet<(Option<String>, String)>,
    /// Names of the packages from elsewhere that it depends on, for anything but its own tests.
    outside: BTreeSet<String>,
}

/// Every member of the workspace by its folder.
fn members() -> BTreeMap<String, Crate> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is a folder of the workspace");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(|package| (folder(&package["manifest_path"], root), member(package, root))).collect()
}

/// `ice` of `/…/ice/Cargo.toml` or of `/…/ice`.
fn folder(path: &Value, root: &Path) -> String {
    let path = Path::new(path.as_str().expect("a path"));
    let path = path.strip_prefix(root).unwrap_or_else(|_| panic!("{} is outside of the workspace", path.display()));
    path.components().next().expect("a folder").as_os_str().to_string_lossy().into_owned()
}

fn member(package: &Value, root: &Path) -> Crate {
    let mut inside = BTreeSet::new();
    let mut outside = BTreeSet::new();
    for dependency in package["dependencies"].as_array().expect("dependencies") {
        let kind = dependency["kind"].as_str().map(str::to_owned);
        if dependency["path"].is_string() {
            inside.insert((kind, folder(&dependency["path"], root)));
        } else if kind.is_none() {
            outside.insert(dependency["name"].as_str().expect("a name").to_owned());
        }
    }
    Crate { inside, outside }
}

#[test]
fn crates_know_exactly_what_the_architecture_lets_them_know() {
    let members = members();
    for (name, expected) in EDGES {
        let inside = &members.get(name).unwrap_or_else(|| panic!("no crate in {name}/")).inside;
        let known: Vec<&str> =
            inside.iter().filter(|(kind, _)| kind.is_none()).map(|(_, folder)| folder.as_str()).collect();
        assert_eq!(known, expected, "the dependencies of {name}");
    }
    let drawn = EDGES.map(|(name, _)| name).into_iter().chain(["tests"]).collect::<BTreeSet<_>>();
    let present = members.keys().map(String::as_str).collect::<BTreeSet<_>>();
    assert_eq!(present, drawn, "the crates of the workspace and those drawn");
}

#[test]
fn protocol_crates_are_tested_without_their_siblings() {
    // A test that needs two layers that do not know each other belongs to `session` or `tests`.
    let members = members();
    for (name, known) in EDGES {
        for (kind, folder) in &members.get(name).unwrap_or_else(|| panic!("no crate in {name}/")).inside {
            let is_dev = kind.as_deref() == Some("dev");
            let allowed = known.contains(&folder.as_str())
                || is_dev && (folder == "sim" || EXAMPLES.contains(&(name, folder.as_str())));
            assert!(allowed, "{name} depends on {folder} ({kind:?})");
        }
    }
}

#[test]
fn sockets_and_timers_are_known_at_the_top_only() {
    for (name, member) in members() {
        for (outside, allowed) in OUTSIDE {
            let known = member.outside.contains(outside);
            assert!(!known || allowed.contains(&name.as_str()), "{name} depends on {outside}");
        }
    }
}
