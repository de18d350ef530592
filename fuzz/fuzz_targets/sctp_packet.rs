#![no_main]
//! Reads arbitrary bytes as an SCTP packet: nothing panics, and every chunk and parameter that was read, written anew,
//! is read as the same again.

use libfuzzer_sys::fuzz_target;
use sctp::packet::{Causes, Chunk, Packet, Parameter, Parameters, has_valid_checksum, write_checksum};
use wire::Reader;

fn parameters(parameters: Parameters<'_>) {
    for parameter in parameters.iter().flatten() {
        let mut bytes = Vec::new();
        parameter.encode(&mut bytes);
        assert_eq!(Parameter::decode(&mut Reader::new(&bytes)), Ok(parameter), "written otherwise than read");
        let _ = parameter.unrecognized();
        match parameter {
            Parameter::OutgoingResetRequest { streams, .. } | Parameter::IncomingResetRequest { streams, .. } => {
                assert!(streams.iter().count() * 2 <= bytes.len());
            }
            _ => {}
        }
    }
}

fn causes(causes: Causes<'_>) {
    for cause in causes.iter() {
        let mut bytes = Vec::new();
        cause.encode(&mut bytes);
        assert_eq!(Causes::new(&bytes).iter().next(), Some(cause), "written otherwise than read");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut copy = bytes.to_vec();
    write_checksum(&mut copy);
    assert_eq!(has_valid_checksum(&mut copy), bytes.len() >= 12);
    let Ok(packet) = Packet::decode(bytes) else { return };
    for chunk in packet.chunks().flatten() {
        let mut again = Vec::new();
        chunk.encode(&mut again);
        assert_eq!(again.len() % 4, 0);
        assert_eq!(Chunk::decode(&mut Reader::new(&again)), Ok(chunk), "written otherwise than read");
        match chunk {
            Chunk::Init(init) | Chunk::InitAck(init) => parameters(init.parameters),
            Chunk::ReConfig(list) => parameters(list),
            Chunk::Heartbeat(info) | Chunk::HeartbeatAck(info) => parameters(Parameters::new(info)),
            Chunk::Abort { causes: list, .. } | Chunk::Error(list) => causes(list),
            Chunk::Sack(sack) => assert!(sack.gap_blocks().count() + sack.duplicate_tsns().count() <= again.len() / 4),
            Chunk::ForwardTsn(forward) => assert!(forward.skipped().count() <= again.len() / 4),
            Chunk::IForwardTsn(forward) => assert!(forward.skipped().count() <= again.len() / 8),
            Chunk::Unknown(raw) => {
                let _ = raw.unrecognized();
            }
            _ => {}
        }
    }
});
