//! Descriptions that browsers and other stacks wrote are understood, and written back byte for byte.

use visavis_sdp as sdp;

use std::{fs, path::Path};

use sdp::{Description, Setup};

fn all() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut all: Vec<_> = fs::read_dir(folder)
        .expect("the folder of descriptions")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sdp"))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("a text")))
        .collect();
    all.sort();
    assert!(all.len() >= 83, "only {} descriptions found", all.len());
    all
}

#[test]
fn every_description_comes_back_byte_for_byte() {
    for (name, text) in all() {
        let read: Description = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read.to_string(), text, "{name}");
    }
}

#[test]
fn every_description_comes_back_with_line_feeds_alone_and_without_its_last_line_end() {
    for (name, text) in all() {
        let text = text.replace("\r\n", "\n");
        for text in [text.as_str(), text.trim_end()] {
            let read: Description = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(read.to_string(), text, "{name}");
        }
    }
}

#[test]
fn every_typed_value_says_the_same_as_its_line() {
    for (name, text) in all() {
        let read: Description = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        for line in read.lines().iter().chain(read.media.iter().flat_map(|media| media.lines())) {
            // The one liberty: spaces around WMS.
            let text = line.text().replace("msid-semantic: ", "msid-semantic:");
            assert_eq!(line.field().to_string(), text.trim_end_matches(' '), "{name}");
        }
    }
}

#[test]
fn every_description_of_a_browser_has_what_a_connection_needs() {
    for (name, text) in all() {
        let read: Description = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!read.media.is_empty(), "{name}");
        for media in read.media.iter().filter(|media| !media.is_rejected()) {
            let transport = read.transport(media);
            assert!(read.ice_ufrag(transport).is_some() && read.ice_pwd(transport).is_some(), "{name}");
            assert!(read.fingerprints(transport).all(|one| one.starts_with("sha-")), "{name}");
            assert!(read.fingerprints(transport).next().is_some(), "{name}");
            assert!(read.setup(transport).is_some_and(|setup| setup != Setup::Holdconn), "{name}");
            if media.is_data_channels() {
                assert_eq!(media.sctp_port(), Some(5000), "{name}");
            } else {
                assert!(media.rtpmaps().next().is_some(), "{name}");
            }
        }
    }
}
