//! Messages of multicast DNS: any datagram is read or refused, in bounded time.

#![no_main]

use ice::mdns::{Data, HostName, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(message) = Message::decode(data) else { return };
    let host: HostName = "host.local".parse().expect("it is a host name");
    let mut entries = 0;
    let mut visit = |name: ice::mdns::Name<'_>| {
        entries += 1;
        let length: usize = name.labels().map(|label| label.len() + 1).sum();
        assert!(length < 255 && name.labels().all(|label| (1..64).contains(&label.len())));
        assert!(!name.is(&host) || name.to_string().eq_ignore_ascii_case("host.local"));
    };
    message.questions().for_each(|question| visit(question.name));
    for (_, record) in message.records() {
        visit(record.name);
        assert!(matches!(record.data, Data::Other(_)) || record.class == 1);
    }
    // Every count in the header was honoured: nothing of what was checked is lost on the way.
    let counted: usize = data[4..12].chunks(2).map(|count| usize::from(u16::from_be_bytes([count[0], count[1]]))).sum();
    assert_eq!(entries, counted);
});
