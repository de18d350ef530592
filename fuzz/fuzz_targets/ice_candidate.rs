//! Lines that may be candidates: whatever is read is written so that it reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    let Ok(candidate) = line.parse::<ice::Candidate>() else { return };
    let written = candidate.to_string();
    assert_eq!(written.parse().as_ref(), Ok(&candidate), "{written}");
    assert_eq!(format!("a={written}\r\n").parse(), Ok(candidate));
});
