//! Whatever bytes come, they are read to their end without harm, and what can be read can be written.

use std::time::Duration;
use visavis_rtp as rtp;

use rtp::packet::{
    AbsCaptureTime, AbsSendTime, AudioLevel, ColorSpace, ContentType, Orientation, PlayoutDelay, VideoTiming,
};
use rtp::rtcp::{self, ExtendedBlock};
use rtp::{Extension, ExtensionMap, Header, NtpTime, Packet, SequenceNumber, Values};

/// Every extension but one of the two that carry the same, with ids that begin here.
fn map(first: u8) -> ExtensionMap {
    let mut map: ExtensionMap = (first..).zip(Extension::ALL).collect();
    map.remove(Extension::TransportSequence02);
    map
}

/// A packet with everything in it.
fn media(map: &ExtensionMap) -> Vec<u8> {
    let hdr = [7; 24];
    let values = Values {
        transmission_offset: Some(-3),
        abs_send_time: Some(AbsSendTime(5)),
        transport_sequence: Some(9),
        feedback_request: None,
        mid: Some("audio"),
        rid: Some("hi"),
        repaired_rid: Some("lo"),
        audio_level: Some(AudioLevel { level: 20, voice: true }),
        csrc_audio_levels: Some(&[1, 2]),
        orientation: Some(Orientation { back_camera: true, flipped: true, quarter_turns: 1 }),
        playout_delay: Some(PlayoutDelay { min: Duration::ZERO, max: Duration::from_secs(1) }),
        content_type: Some(ContentType::SCREENSHARE),
        timing: Some(VideoTiming::default()),
        color_space: Some(ColorSpace { hdr: Some(&hdr), ..ColorSpace::default() }),
        abs_capture_time: Some(AbsCaptureTime { time: NtpTime(1 << 40), clock_offset: Some(-1) }),
        dependency_descriptor: Some(&[0x80, 0, 1]),
        layers_allocation: Some(&[0]),
    };
    let header = Header { marker: true, payload_type: 111, sequence: SequenceNumber(1), timestamp: 2, ssrc: 3 };
    let mut buf = Vec::new();
    header.encode_with(&[4, 5], |writer| values.write(map, writer), &mut buf);
    buf.extend_from_slice(b"payload");
    let packet = Packet::decode(&buf).expect("what is written can be read");
    assert_eq!(Values::read(&packet.extensions, map), values);
    buf
}

/// A compound of every type.
fn reports() -> Vec<u8> {
    let mut buf = Vec::new();
    let block = rtcp::ReportBlock { ssrc: 9, cumulative_lost: -1, ..rtcp::ReportBlock::default() };
    rtcp::SenderReport::write(1, &rtcp::SenderInfo::default(), [block, block], &mut buf);
    rtcp::ReceiverReport::write(1, [block], &mut buf);
    let items = [rtcp::Item::cname("somebody"), rtcp::Item { kind: 2, text: b"a name" }];
    rtcp::SourceDescription::write([(1, &items[..]), (2, &items[..1])], &mut buf);
    rtcp::Application { subtype: 3, ssrc: 1, name: *b"test", data: &[1, 2, 3, 4] }.encode(&mut buf);
    rtcp::ExtendedReport::write_reference_time(1, NtpTime(1 << 40), &mut buf);
    rtcp::ExtendedReport::write_dlrr(1, [rtcp::Dlrr::default(); 2], &mut buf);
    rtcp::Nack::write(1, 2, [1, 5, 40].map(SequenceNumber), &mut buf);
    rtcp::PictureLoss { sender_ssrc: 1, media_ssrc: 2 }.encode(&mut buf);
    rtcp::FullIntraRequest::write(1, [rtcp::FirEntry { ssrc: 2, sequence: 3 }], &mut buf);
    rtcp::Remb::write(1, 1_500_000, [2, 3], &mut buf);
    rtcp::Packet::TransportFeedback(&[0; 16]).encode(&mut buf);
    let arrival = rtcp::Arrival::new(rtcp::Ecn::Capable1, Some(Duration::from_millis(20)));
    let arrivals = [(2, SequenceNumber(65_535), vec![Some(arrival), None, Some(arrival)])];
    rtcp::CongestionFeedback::write(1, NtpTime(1 << 40), arrivals, &mut buf);
    rtcp::Packet::Unknown(rtcp::Unknown { kind: 195, count: 1, body: &[0; 4] }).encode(&mut buf);
    rtcp::Goodbye::write([1, 2], "done", &mut buf);
    buf
}

/// Reads all there is in a packet of media.
fn walk_media(bytes: &[u8], map: &ExtensionMap) {
    let Ok(packet) = Packet::decode(bytes) else { return };
    assert_eq!(packet.header_len + packet.payload.len() + usize::from(packet.padding), bytes.len());
    let values = Values::read(&packet.extensions, map);
    let mut again = Vec::new();
    let csrcs: Vec<u32> = packet.csrcs.iter().collect();
    packet.header.encode_with(&csrcs, |writer| values.write(map, writer), &mut again);
    let written = Packet::decode(&again).expect("what is written can be read");
    assert_eq!((written.header, written.csrcs), (packet.header, packet.csrcs));
    assert_eq!(Values::read(&written.extensions, map), values);
}

/// Reads all there is in a compound; how many packets could be read.
fn walk_reports(bytes: &[u8]) -> usize {
    let mut readable = 0;
    for packet in rtcp::packets(bytes).flatten() {
        readable += 1;
        let mut again = Vec::new();
        packet.encode(&mut again);
        assert!(rtcp::packets(&again).eq([Ok(packet)]), "written otherwise than read: {packet:?}");
        let items = match packet {
            rtcp::Packet::SenderReport(report) => report.blocks.iter().count(),
            rtcp::Packet::ReceiverReport(report) => {
                report.blocks.iter().filter_map(|block| rtcp::round_trip(&block, NtpTime(1 << 41))).count()
            }
            rtcp::Packet::SourceDescription(description) => {
                description.chunks().map(|chunk| chunk.items().count() + chunk.cname().map_or(0, str::len)).sum()
            }
            rtcp::Packet::Goodbye(goodbye) => goodbye.ssrcs.len(),
            rtcp::Packet::Application(application) => application.data.len(),
            rtcp::Packet::ExtendedReport(report) => report
                .blocks()
                .map(|block| match block {
                    ExtendedBlock::Dlrr(answers) => {
                        answers.iter().filter_map(|a| a.round_trip(NtpTime(1 << 41))).count()
                    }
                    ExtendedBlock::ReferenceTime(_) | ExtendedBlock::Other { .. } => 1,
                })
                .sum(),
            rtcp::Packet::Nack(nack) => nack.sequences().count() / 17,
            rtcp::Packet::FullIntraRequest(request) => request.entries.len(),
            rtcp::Packet::Remb(remb) => remb.ssrcs.len(),
            rtcp::Packet::CongestionFeedback(feedback) => feedback.blocks().map(|block| block.packets().count()).sum(),
            rtcp::Packet::PictureLoss(_) | rtcp::Packet::TransportFeedback(_) | rtcp::Packet::Unknown(_) => 0,
        };
        assert!(items <= again.len(), "no more is read than bytes are there");
    }
    readable
}

/// Every datagram that differs from this one in one byte or is cut short.
fn damaged(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cut = (0..bytes.len()).map(|length| bytes.iter().copied().take(length).collect());
    let changed = (0..bytes.len()).flat_map(move |at| {
        (1..=255).map(move |flip| {
            let mut changed = bytes.to_vec();
            changed.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= flip);
            changed
        })
    });
    cut.chain(changed)
}

#[test]
fn no_damage_to_a_packet_does_harm() {
    // Ids that fit headers of one byte, and ids that do not.
    for map in [map(1), map(100)] {
        damaged(&media(&map)).for_each(|bytes| walk_media(&bytes, &map));
    }
    let narrow: ExtensionMap = map(1).iter().filter(|(id, _)| *id < 15).collect();
    let packet = Packet::decode(&[0x80; 12]).expect("a header is enough");
    assert!(packet.extensions.iter().next().is_none());
    let mut small = Vec::new();
    let values = Values { mid: Some("0"), transport_sequence: Some(1), ..Values::default() };
    packet.header.encode_with(&[], |writer| values.write(&narrow, writer), &mut small);
    damaged(&small).for_each(|bytes| walk_media(&bytes, &narrow));
}

#[test]
fn no_damage_to_a_compound_does_harm() {
    let compound = reports();
    assert_eq!(walk_reports(&compound), 14, "all of them, before any damage");
    damaged(&compound).for_each(|bytes| {
        walk_reports(&bytes);
    });
}

#[test]
fn writing_needs_no_memory_once_the_buffer_has_grown() {
    let map = map(1);
    let mut buf = Vec::with_capacity(2000);
    let place = (buf.as_ptr(), buf.capacity());
    let values = Values { mid: Some("0"), color_space: Some(ColorSpace::default()), ..Values::default() };
    for sequence in 0..100 {
        buf.clear();
        let header = Header { sequence: SequenceNumber(sequence), ..Header::default() };
        header.encode_with(&[1], |writer| values.write(&map, writer), &mut buf);
        header.encode_padding(200, |writer| values.write(&map, writer), &mut buf);
        rtcp::Nack::write(1, 2, (0..200).map(SequenceNumber), &mut buf);
        assert_eq!((buf.as_ptr(), buf.capacity()), place);
    }
}
