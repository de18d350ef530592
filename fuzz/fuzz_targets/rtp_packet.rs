#![no_main]
//! RTP packets: any datagram, and any extensions behind a header that is right. What can be read can be written and is
//! then read as the same.

use libfuzzer_sys::fuzz_target;
use rtp::packet::ExtensionWriter;
use rtp::{Extension, ExtensionMap, Header, Packet, Values};

fuzz_target!(|data: &[u8]| {
    // The first ids fit headers of one byte, the others do not. A packet's number has one extension of two.
    for (first, without) in [(1, Extension::TransportSequence02), (100, Extension::TransportSequence)] {
        let mut map: ExtensionMap = (first..).zip(Extension::ALL).collect();
        map.remove(without);
        walk(data, &map);
        for profile in [0xbede_u16, 0x1000] {
            let (block, payload) = data.split_at(data.len() / 4 * 4);
            let Ok(words) = u16::try_from(block.len() / 4) else { return };
            let mut bytes = Vec::new();
            Header::default().encode(&mut bytes);
            bytes[0] |= 0x10;
            bytes.extend(profile.to_be_bytes());
            bytes.extend(words.to_be_bytes());
            bytes.extend_from_slice(block);
            bytes.extend_from_slice(payload);
            walk(&bytes, &map);
        }
    }
});

fn walk(datagram: &[u8], map: &ExtensionMap) {
    let Ok(packet) = Packet::decode(datagram) else { return };
    assert_eq!(packet.header_len + packet.payload.len() + usize::from(packet.padding), datagram.len());
    let csrcs: Vec<u32> = packet.csrcs.iter().collect();
    let elements: Vec<(u8, &[u8])> = packet.extensions.iter().collect();
    let again = write(&packet.header, &csrcs, |writer| elements.iter().for_each(|(id, value)| writer.put(*id, value)));
    let read = Packet::decode(&again).expect("what is written can be read");
    assert_eq!((read.header, read.csrcs, read.payload), (packet.header, packet.csrcs, &[][..]));
    assert!(read.extensions.iter().eq(elements), "written otherwise than read");

    let values = Values::read(&packet.extensions, map);
    let again = write(&packet.header, &csrcs, |writer| values.write(map, writer));
    let read = Packet::decode(&again).expect("what is written can be read");
    assert_eq!(Values::read(&read.extensions, map), values);
}

fn write(header: &Header, csrcs: &[u32], extensions: impl FnOnce(&mut ExtensionWriter<'_>)) -> Vec<u8> {
    let mut buf = Vec::new();
    header.encode_with(csrcs, extensions, &mut buf);
    buf
}
