//! How a failed run is told and replayed.

use std::process::Command;
use visavis_sim::seeds;

/// Set for the child that `a_seed_that_fails_is_told_and_runs_alone` starts; the value is the seed to fail at.
const FAIL_AT: &str = "SIM_TEST_FAIL_AT";

#[test]
fn runs_ten_seeds_or_the_one_asked_for() {
    let fail_at: Option<u64> = std::env::var(FAIL_AT).ok().and_then(|text| text.parse().ok());
    let mut ran = Vec::new();
    for seed in seeds(10) {
        ran.push(seed);
        assert_ne!(Some(seed), fail_at, "ran {ran:?}");
    }
    if std::env::var_os("SIM_SEED").is_none() {
        assert_eq!(ran, (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn a_seed_that_fails_is_told_and_runs_alone() {
    let child = |seed: Option<&str>| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "runs_ten_seeds_or_the_one_asked_for", "--nocapture"]).env(FAIL_AT, "7");
        command.env_remove("SIM_SEED").envs(seed.map(|seed| ("SIM_SEED", seed)));
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (passed, told) = child(None);
    assert!(!passed && told.contains("ran [0, 1, 2, 3, 4, 5, 6, 7]"), "{told}");
    assert!(told.contains("sim: failed with seed 7; SIM_SEED=7 replays this run alone"), "{told}");
    let (passed, told) = child(Some("7"));
    assert!(!passed && told.contains("ran [7]"), "{told}");
    let (passed, _) = child(Some("8"));
    assert!(passed);
    let (passed, told) = child(Some("eight"));
    assert!(!passed && told.contains("SIM_SEED=eight is not a number"), "{told}");
}
