//! Messages of the establishment protocol and of its draft: whatever is read is written and read alike.

#![no_main]

use datachannel::{Dcep, Dialect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for dialect in [Dialect::Rfc8832, Dialect::Draft2012] {
        assert!(dialect.reads_alike(1, bytes), "{dialect:?}: written otherwise than read");
    }
    let Ok(message) = Dcep::decode(bytes) else { return };
    let mut again = Vec::new();
    message.encode(&mut again);
    assert_eq!(Dcep::decode(&again), Ok(message));
    // All but the parameter of a reliable channel, or one too large, is kept.
    assert_eq!(again.len(), bytes.len());
});
