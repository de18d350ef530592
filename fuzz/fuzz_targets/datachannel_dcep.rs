//! Messages of the establishment protocol: whatever is read is written and read alike.

#![no_main]

use datachannel::Dcep;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Dcep::decode(bytes) else { return };
    let mut again = Vec::new();
    message.encode(&mut again);
    assert_eq!(Dcep::decode(&again), Ok(message));
    // All but the parameter of a reliable channel, or one too large, is kept.
    assert_eq!(again.len(), bytes.len());
});
