#![no_main]
//! Cuts arbitrary bytes into records and pieces of handshake messages: nothing panics, every step consumes something,
//! and what was read is written back as it came.

use dtls::message::FragmentHeader;
use dtls::{Alert, RecordHeader};
use libfuzzer_sys::fuzz_target;
use wire::Reader;

fuzz_target!(|bytes: &[u8]| {
    let mut datagram = bytes.to_vec();
    let mut rest = &mut datagram[..];
    let mut read = 0;
    while let Ok((header, content, behind)) = RecordHeader::split(rest) {
        let mut written = Vec::new();
        header.encode(&mut written);
        assert_eq!(written, bytes[read..read + RecordHeader::SIZE]);
        assert_eq!(content.len(), usize::from(header.length));
        read += RecordHeader::SIZE + content.len();
        fragments(content);
        if let Ok(alert) = Alert::decode(&mut Reader::new(content)) {
            let mut written = Vec::new();
            alert.encode(&mut written);
            assert_eq!(written, content[..2]);
        }
        rest = behind;
    }
});

fn fragments(content: &[u8]) {
    let mut reader = Reader::new(content);
    while let Ok((header, piece)) = FragmentHeader::decode(&mut reader) {
        let end = content.len() - reader.remaining();
        let mut written = Vec::new();
        header.encode(&mut written);
        written.extend_from_slice(piece);
        assert_eq!(written, content[end - written.len()..end]);
    }
}
