#![no_main]
//! RTCP datagrams: any bytes, and any body behind each header that is right. What can be read can be written and is
//! then read as the same; no more is read than there are bytes.

use libfuzzer_sys::fuzz_target;
use rtp::NtpTime;
use rtp::rtcp::{self, ExtendedBlock, Packet, Unknown};

fuzz_target!(|data: &[u8]| {
    walk(data);
    // The length is rarely guessed right; so it is put right here.
    let Some(([kind, count], body)) = data.split_first_chunk() else { return };
    let mut bytes = Vec::new();
    if body.len() < 4 * usize::from(u16::MAX) {
        Unknown { kind: 192 + kind % 16, count: count % 32, body }.encode(&mut bytes);
        walk(&bytes);
    }
});

fn walk(datagram: &[u8]) {
    assert!(rtcp::packets(datagram).count() <= datagram.len() / 4 + 1);
    for packet in rtcp::packets(datagram).flatten() {
        let mut again = Vec::new();
        packet.encode(&mut again);
        assert_eq!(again.len() % 4, 0);
        assert!(rtcp::packets(&again).eq([Ok(packet)]), "written otherwise than read");
        assert!(items(&packet) <= again.len());
    }
}

/// How much is in a packet, all of it looked at.
fn items(packet: &Packet<'_>) -> usize {
    let now = NtpTime(0x1234_5678_9abc_def0);
    match packet {
        Packet::SenderReport(report) => report.blocks.iter().count(),
        Packet::ReceiverReport(report) => {
            report.blocks.iter().filter_map(|block| rtcp::round_trip(&block, now)).count()
        }
        Packet::SourceDescription(description) => {
            description.chunks().map(|chunk| chunk.items().count() + chunk.cname().map_or(0, str::len)).sum()
        }
        Packet::Goodbye(goodbye) => goodbye.ssrcs.iter().count() + goodbye.reason.len(),
        Packet::Application(application) => application.data.len(),
        Packet::ExtendedReport(report) => report
            .blocks()
            .map(|block| match block {
                ExtendedBlock::Dlrr(answers) => answers.iter().filter_map(|answer| answer.round_trip(now)).count(),
                ExtendedBlock::ReferenceTime(_) | ExtendedBlock::Other { .. } => 1,
            })
            .sum(),
        Packet::Nack(nack) => nack.sequences().count() / 17,
        Packet::FullIntraRequest(request) => request.entries.iter().count(),
        Packet::Remb(remb) => remb.ssrcs.iter().count(),
        Packet::CongestionFeedback(feedback) => feedback.blocks().map(|block| block.packets().count()).sum(),
        Packet::PictureLoss(_) | Packet::TransportFeedback(_) | Packet::Unknown(_) => 0,
    }
}
