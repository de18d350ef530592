//! What real browsers and other stacks describe is understood.

use std::path::{Path, PathBuf};

use visavis_session::{OfferOptions, Session, SessionDescription, datachannel};

use crate::common::config;

pub(crate) fn corpus() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdp/tests/data");
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|ending| ending == "sdp") {
            paths.push(path);
        }
    }
}

#[test]
fn every_offer_is_answered_section_by_section() {
    let mut answered = 0;
    for (name, sdp) in corpus() {
        if name.contains("answer") {
            continue;
        }
        let now = sim::start();
        let mut session = Session::new(config(0), now, [1; 32]);
        session.set_remote_description(now, SessionDescription::offer(sdp.clone())).unwrap_or_else(|error| {
            panic!("{name}: {error}");
        });
        let answer = session.create_answer(now).unwrap();
        session.set_local_description(now, answer.clone()).unwrap();
        let lines = |text: &str, start: &str| -> Vec<String> {
            text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect()
        };
        let (offered, given) = (lines(&sdp, "m="), lines(&answer.sdp, "m="));
        assert_eq!(offered.len(), given.len(), "{name}");
        for (offered, given) in offered.iter().zip(&given) {
            let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let (offered, given) = (words(offered), words(given));
            assert_eq!((&offered[0], &offered[2]), (&given[0], &given[2]), "{name}");
            assert_eq!(given[1] == "0", offered[1] == "0" && !sdp.contains("a=bundle-only"), "{name}: all is taken");
        }
        let mids = |text: &str| lines(text, "a=mid:");
        assert_eq!(mids(&sdp), mids(&answer.sdp), "{name}");
        answered += 1;
    }
    assert!(answered >= 20, "only {answered} offers were found");
}

#[test]
fn a_browsers_answer_to_another_offer_is_refused_in_words() {
    for (name, sdp) in corpus() {
        if !name.contains("answer") || sdp.matches("\nm=").count() < 2 {
            continue;
        }
        let now = sim::start();
        let mut session = Session::new(config(0), now, [1; 32]);
        session.open_channel(now, datachannel::Options::new("channel")).unwrap();
        let offer = session.create_offer(now, OfferOptions::default()).unwrap();
        session.set_local_description(now, offer).unwrap();
        let error = session.set_remote_description(now, SessionDescription::answer(sdp)).unwrap_err();
        assert!(error.to_string().contains("media sections where the offer has 1"), "{name}: {error}");
    }
}
