//! What the documents say of the tree is true: every file and folder that they name is there.

use std::path::Path;

/// What stands between backticks or in a link and looks like a path of this repository.
fn paths(document: &str) -> Vec<&str> {
    let quoted = document.split('`').skip(1).step_by(2);
    let linked = document.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let is_path = |text: &&str| {
        let has_ending = [".rs", ".md", ".js", ".html", ".toml", ".png"].iter().any(|ending| text.ends_with(ending));
        let is_folder = text.contains('/') && text.ends_with('/');
        (has_ending || is_folder) && !text.contains(['*', ' ', '<', ':', '…'])
    };
    quoted.chain(linked).filter(is_path).collect()
}

#[test]
fn every_path_in_the_documents_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is a folder of the workspace");
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let document = std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found = paths(&document);
        assert!(!found.is_empty(), "{name} names no file");
        for path in found {
            assert!(root.join(path).exists(), "{name} names {path}, which is not there");
        }
    }
}
