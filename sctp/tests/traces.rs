//! What browsers send, packet by packet.

use sctp::packet::{Chunk, Init, Packet, Parameter, has_valid_checksum, kind, write_checksum};
use std::collections::BTreeMap;
use std::path::Path;
use visavis_sctp as sctp;

const TRACES: [&str; 6] = [
    "chromium-default",
    "chromium-firefox",
    "chromium-idata",
    "chromium-firefox-idata",
    "chromium-snap",
    "chromium-snap-sped",
];

/// The packets of a trace.
fn packets(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{name}.txt"));
    let text = std::fs::read_to_string(path).expect("the trace");
    let bytes = |line: &str| {
        let words = line.split_whitespace().skip(3).take_while(|word| *word != "#");
        words.map(|word| u8::from_str_radix(word, 16).expect("a byte")).collect()
    };
    text.lines().map(bytes).collect()
}

/// How many chunks of each type there are.
fn kinds(name: &str) -> BTreeMap<u8, usize> {
    let mut kinds = BTreeMap::new();
    for packet in packets(name) {
        let mut rest = packet.get(12..).expect("a header");
        while let Some([kind, _, high, low]) = rest.first_chunk() {
            *kinds.entry(*kind).or_default() += 1;
            let length = usize::from(u16::from_be_bytes([*high, *low])).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
        }
    }
    kinds
}

#[test]
fn every_packet_decodes_and_encodes_to_the_same_bytes() {
    for name in TRACES {
        let packets = packets(name);
        assert!(packets.len() > 50, "{name}");
        for (number, bytes) in packets.iter().enumerate() {
            let mut copy = bytes.clone();
            assert!(has_valid_checksum(&mut copy), "{name}, packet {number}");
            let packet = Packet::decode(bytes).expect("a header");
            assert_eq!((packet.header.source_port, packet.header.destination_port), (5000, 5000));
            let mut again = bytes[..8].to_vec();
            again.extend_from_slice(&[0; 4]);
            for chunk in packet.chunks() {
                let chunk = chunk.unwrap_or_else(|error| panic!("{name}, packet {number}: {error}"));
                chunk.encode(&mut again);
            }
            write_checksum(&mut again);
            assert_eq!(again, *bytes, "{name}, packet {number}");
        }
    }
}

#[test]
fn every_parameter_and_cause_decodes_and_encodes_to_the_same_bytes() {
    for name in TRACES {
        for bytes in packets(name) {
            for chunk in Packet::decode(&bytes).expect("a header").chunks() {
                let (Chunk::Init(Init { parameters, .. })
                | Chunk::InitAck(Init { parameters, .. })
                | Chunk::ReConfig(parameters)) = chunk.expect("a chunk")
                else {
                    continue;
                };
                let mut again = Vec::new();
                for parameter in parameters.iter() {
                    let parameter = parameter.expect("a parameter");
                    assert!(!matches!(parameter, Parameter::Unknown { kind, .. } if kind < 0x8000), "{parameter:?}");
                    parameter.encode(&mut again);
                }
                // The last padding lies outside of the chunk's length.
                assert_eq!(again.get(..parameters.as_bytes().len()), Some(parameters.as_bytes()), "{name}");
            }
        }
    }
}

#[test]
fn the_traces_hold_what_they_are_here_for() {
    let default = kinds("chromium-default");
    for expected in [
        kind::DATA,
        kind::INIT,
        kind::INIT_ACK,
        kind::SACK,
        kind::COOKIE_ECHO,
        kind::COOKIE_ACK,
        kind::RE_CONFIG,
        kind::ABORT,
    ] {
        assert!(default.contains_key(&expected), "{expected}: {default:?}");
    }
    assert!(kinds("chromium-idata").contains_key(&64), "I-DATA");
    assert!(!kinds("chromium-snap").contains_key(&kind::INIT), "it is in the description");
}
