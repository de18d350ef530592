#![no_main]
//! Reads arbitrary bytes as a description: nothing panics, what was read is written back byte for byte, and every
//! typed value, written anew, is read as the same value again.

use libfuzzer_sys::fuzz_target;
use sdp::{Description, Field, Limits, Line};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { size: 1 << 16, lines: 2_000, line: 1 << 14, media: 200 };
    let Ok(description) = Description::from_bytes(bytes, &limits) else { return };
    let text = description.to_string();
    assert_eq!(text.as_bytes(), bytes, "written back otherwise than read");

    // Every question may be asked of every description.
    for media in &description.media {
        let transport = description.transport(media);
        let _ = description.ice_ufrag(transport).zip(description.ice_pwd(transport));
        let _ = (description.fingerprints(transport).count(), transport.candidates().count());
        let _ = (description.direction(media), description.setup(transport), description.connection(media));
        let _ = (media.sctp_port(), media.is_data_channels(), media.is_rejected());
        let _ = description.connection(media).map(|connection| (connection.ip(), connection.ttl(), connection.count()));
        let _ = media.rtpmaps().map(|map| media.rtcp_fbs(map.payload_type).count()).sum::<usize>();
        let _ = media.formats().iter().flat_map(|format| media.fmtp(format)).map(|f| f.pairs().count()).sum::<usize>();
    }

    let lines = description.lines().iter().chain(description.media.iter().flat_map(|media| media.lines()));
    for field in lines.map(Line::field) {
        let anew = Line::new(field.clone());
        assert_eq!(anew.text().parse::<Field>().as_ref(), Ok(field), "{:?}", anew.text());
    }
});
