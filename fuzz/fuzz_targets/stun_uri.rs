//! URIs of STUN and TURN servers: what can be read is written and read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(uri) = text.parse::<stun::Uri>() {
        assert_eq!(uri.to_string().parse(), Ok(uri));
    }
});
