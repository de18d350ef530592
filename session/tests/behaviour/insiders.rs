//! Peers that have the keys and mean ill. Each test says what they can bring about at most.

use std::collections::HashSet;
use std::time::Duration;

use rtp::rtcp::{self, Nack, Packet, PictureLoss, Remb, SenderInfo, SenderReport, TransportFeedback};
use rtp::{NtpTime, SequenceNumber};
use visavis_session::MediaConfig;

use crate::insider::{Heard, Insider};

/// Reports, arrivals and requests that B sends in a second at most, whatever comes: one report, twenty of arrivals,
/// requests for missing packets each round trip of 20 ms and for key frames each 200 ms, of two streams.
const RTCP_PER_SECOND: usize = 130;

/// The sources that B reports on, and how often it asks for key frames.
fn reported(heard: &Heard) -> (HashSet<u32>, usize) {
    let (mut sources, mut requests) = (HashSet::new(), 0);
    for packet in heard.rtcp.iter().flat_map(|datagram| rtcp::packets(datagram)) {
        match packet.expect("well formed") {
            Packet::SenderReport(report) => sources.extend(report.blocks.iter().map(|block| block.ssrc)),
            Packet::ReceiverReport(report) => sources.extend(report.blocks.iter().map(|block| block.ssrc)),
            Packet::PictureLoss(_) | Packet::FullIntraRequest(_) => requests += 1,
            Packet::SourceDescription(_)
            | Packet::Goodbye(_)
            | Packet::Application(_)
            | Packet::ExtendedReport(_)
            | Packet::Nack(_)
            | Packet::Remb(_)
            | Packet::TransportFeedback(_)
            | Packet::CongestionFeedback(_)
            | Packet::Unknown(_) => {}
        }
    }
    (sources, requests)
}

/// A frame of VP8 in one packet: its payload descriptor (RFC 7741, section 4.2), then a key frame's first byte, or not.
const KEY_FRAME: [u8; 12] = [0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0, 0, 0, 0, 0];
const OTHER_FRAME: [u8; 12] = [0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Plays on, and expects the frames of A to arrive as if nothing had been.
fn expect_unharmed(insider: &mut Insider, from: u32) {
    let before = insider.arrived();
    insider.play(from..from + 60, |_, _| {});
    let arrived = insider.arrived() - before;
    assert!(arrived >= 45, "{arrived} of 60 frames arrived afterwards");
}

#[test]
fn a_thousand_sources_become_sixteen_streams() {
    let mut insider = Insider::new(1, 5_000_000);
    insider.play(0..30, |_, _| {});
    insider.hear();
    let told = insider.told();
    let video = insider.video.clone();
    for round in 0..4 {
        for source in 0..1_000 {
            insider.rtp(&video.packet(video.payload_type, 10_000 + source, 100 + round, &OTHER_FRAME));
        }
        insider.world.network.run_for(Duration::from_millis(500));
    }
    let heard = insider.hear();
    let (sources, requests) = reported(&heard);
    let limit = MediaConfig::default().max_sources;
    assert!(sources.len() <= 2 * limit, "{} sources are kept", sources.len());
    assert!(requests <= limit * 10, "{requests} requests for key frames");
    assert!(heard.rtcp.len() <= 2 * RTCP_PER_SECOND, "{} datagrams of RTCP in 2 s", heard.rtcp.len());
    assert!(insider.told() - told <= 10, "{} events", insider.told() - told);
    assert!(insider.world.host(insider.b).session.stats().media.unknown_dropped > 3_000);
    expect_unharmed(&mut insider, 30);
}

#[test]
fn repairs_of_nothing_change_nothing() {
    let mut insider = Insider::new(2, 5_000_000);
    insider.play(0..30, |_, _| {});
    let video = insider.video.clone();
    let told = insider.told();
    insider.hear();
    for sequence in 0..1_000_u16 {
        // For what was never missing, for what will never come, without a number, without anything.
        for payload in [&[0, 0, 0x10, 1, 2][..], &sequence.to_be_bytes(), &[7], &[]] {
            insider.rtp(&video.packet(video.rtx_type, video.rtx_ssrc, sequence, payload));
            insider.rtp(&video.packet(video.rtx_type, 5_000 + u32::from(sequence % 50), sequence, payload));
        }
    }
    insider.world.network.run_for(Duration::from_secs(1));
    let heard = insider.hear();
    assert!(heard.rtcp.len() <= RTCP_PER_SECOND, "{} datagrams of RTCP in 1 s", heard.rtcp.len());
    assert!(insider.told() - told <= 2, "{} events", insider.told() - told);
    expect_unharmed(&mut insider, 30);
}

#[test]
fn asking_for_everything_again_and_again_is_answered_at_the_rate_of_the_path() {
    const BITRATE: u64 = 1_000_000;
    let mut insider = Insider::new(3, BITRATE);
    insider.play(0..60, |_, _| {});
    insider.hear();
    let ssrc = insider.ssrc_of_b;
    let mut bytes = 0;
    insider.play(60..360, |insider, number| {
        for part in 0..64_u16 {
            let mut packet = Vec::new();
            let numbers = (0..1_024_u16).map(|place| SequenceNumber(part * 1_024 + place));
            Nack::write(1, ssrc, numbers, &mut packet);
            insider.rtcp(&packet);
        }
        if number % 30 == 0 {
            let estimate = insider.world.host(insider.b).session.bandwidth().unwrap();
            bytes += estimate / 8;
        }
    });
    let heard = insider.hear();
    // The pacer lets go two and a half times of what is estimated, lest queues grow; sound is not paced.
    let limit = bytes * 5 / 2 + 300 * 200;
    assert!((heard.rtp_bytes as u64) < limit, "{} bytes in 10 s, of {limit}", heard.rtp_bytes);
    expect_unharmed(&mut insider, 360);
}

#[test]
fn a_flood_of_requests_for_key_frames_is_told_five_times_a_second() {
    let mut insider = Insider::new(4, 5_000_000);
    insider.play(0..30, |_, _| {});
    let (ssrc, before) = (insider.ssrc_of_b, insider.requests());
    for number in 0..1_000_u32 {
        let mut packet = Vec::new();
        PictureLoss { sender_ssrc: 1, media_ssrc: ssrc }.encode(&mut packet);
        let entry = rtcp::FirEntry { ssrc, sequence: number as u8 };
        rtcp::FullIntraRequest::write(1, [entry; 30], &mut packet);
        for _ in 0..3 {
            insider.rtcp(&packet);
        }
        insider.world.network.run_for(Duration::from_millis(1));
    }
    let requests = insider.requests() - before;
    assert!((1..=6).contains(&requests), "{requests} requests in 1 s");
    expect_unharmed(&mut insider, 30);
}

#[test]
fn lies_about_arrivals_leave_the_estimate_within_its_bounds() {
    let mut insider = Insider::new(5, 1_000_000);
    insider.play(0..30, |_, _| {});
    insider.play(30..330, |insider, number| {
        // Packets that were never sent, at times that make no sense.
        for part in 0..20_u16 {
            let base = (number as u16).wrapping_mul(997).wrapping_add(part * 3_000);
            let header = rtcp::FeedbackHeader {
                sender_ssrc: 1,
                media_ssrc: insider.ssrc_of_b,
                base: SequenceNumber(base),
                feedback_count: part as u8,
            };
            let mut packet = Vec::new();
            let begin = (i64::from(part) - 10) * 200_000_000;
            let arrivals = (0..200).map(|place| (place % 3 != 0).then_some(begin + place % 7 * 6_000));
            TransportFeedback::write(header, arrivals, 1_000, &mut packet);
            insider.rtcp(&packet);
        }
        let estimate = insider.world.host(insider.b).session.bandwidth().unwrap();
        assert!((30_000..=30_000_000).contains(&estimate), "{estimate}");
    });
    insider.world.network.run_for(Duration::from_secs(10));
    expect_unharmed(&mut insider, 330);
}

#[test]
fn absurd_limits_of_the_rate_leave_it_within_its_bounds() {
    let mut insider = Insider::new(6, 1_000_000);
    insider.play(0..30, |_, _| {});
    for bitrate in [0, 1, u64::MAX, 1 << 63, 0] {
        let mut packet = Vec::new();
        Remb::write(1, bitrate, [insider.ssrc_of_b], &mut packet);
        insider.rtcp(&packet);
        insider.world.network.run_for(Duration::from_millis(100));
        let estimate = insider.world.host(insider.b).session.bandwidth().unwrap();
        assert!((30_000..=30_000_000).contains(&estimate), "{estimate} bit/s after {bitrate}");
    }
    insider.hear();
    // At the least rate something is sent still.
    insider.play(30..90, |_, _| {});
    assert!(insider.hear().rtp > 20);
    expect_unharmed(&mut insider, 90);
}

#[test]
fn reports_from_the_future_and_goodbyes_by_the_thousand_are_survived() {
    let mut insider = Insider::new(7, 5_000_000);
    insider.play(0..30, |_, _| {});
    insider.hear();
    let told = insider.told();
    for number in 0..500_u64 {
        let mut packet = Vec::new();
        let ntp = NtpTime(u64::MAX - number * 0x0123_4567_89ab);
        let info = SenderInfo { ntp, rtp_timestamp: number as u32 * 7_919, packets: u32::MAX, octets: 0 };
        let block = rtcp::ReportBlock {
            ssrc: insider.ssrc_of_b,
            fraction_lost: 255,
            cumulative_lost: 0x7f_ffff,
            last_sender_report: number as u32 * 7,
            delay_since_last_sender_report: u32::MAX,
            ..rtcp::ReportBlock::default()
        };
        let sender = 40_000 + number as u32;
        SenderReport::write(sender, &info, [block; 31], &mut packet);
        rtcp::Goodbye::write((0..31).map(|place| sender + place), "until never", &mut packet);
        rtcp::ExtendedReport::write_reference_time(sender, ntp, &mut packet);
        let answers = [0, u32::MAX].map(|value| rtcp::Dlrr {
            ssrc: insider.ssrc_of_b,
            last_receiver_report: value,
            delay_since_last_receiver_report: value,
        });
        rtcp::ExtendedReport::write_dlrr(sender, answers, &mut packet);
        // Packets of every kind with nothing in them, and an application's own.
        for kind in 192..=223 {
            packet.extend([0x80, kind, 0, 1, 0, 0, 0, number as u8]);
        }
        packet.extend([0x9f, 204, 0, 3, 0, 0, 0, 1, b'n', b'a', b'm', b'e', 1, 2, 3, 4]);
        insider.rtcp(&packet);
    }
    insider.world.network.run_for(Duration::from_secs(1));
    let heard = insider.hear();
    assert!(heard.rtcp.len() <= RTCP_PER_SECOND, "{} datagrams of RTCP in 1 s", heard.rtcp.len());
    // Estimates change a few times.
    assert!(insider.told() - told <= 30, "{} events", insider.told() - told);
    insider.world.network.run_for(Duration::from_secs(5));
    expect_unharmed(&mut insider, 30);
}

#[test]
fn headers_that_lie_about_their_lengths_are_dropped() {
    let mut insider = Insider::new(8, 5_000_000);
    insider.play(0..30, |_, _| {});
    let video = insider.video.clone();
    let before = insider.world.host(insider.b).session.stats().media;
    let told = insider.told();
    let mut sent = 0;
    for number in 0..200_u16 {
        // Padding longer than the packet, as long as the packet, and none although there should be.
        for last in [255, 13, 0] {
            let mut packet = video.packet(video.payload_type, 76, 4 * number + u16::from(last % 5), &[last; 12]);
            packet[0] |= 0x20;
            sent += u64::from(insider.rtp(&packet));
        }
        // Elements of the header extension that reach beyond it, and an extension that is all of the packet.
        let mut packet = video.packet(video.payload_type, 77, number, &[]);
        packet[16..20].fill(0x1f);
        insider.rtp(&packet);
        let mut packet = vec![0x90, video.payload_type, 0, 1, 0, 0, 0, 0, 0, 0, 0, 78, 0x10, 0, 1, 0];
        packet.resize(16 + 4 * 256, video.mid_extension);
        packet[2..4].copy_from_slice(&number.to_be_bytes());
        insider.rtp(&packet);
    }
    insider.world.network.run_for(Duration::from_secs(1));
    let after = insider.world.host(insider.b).session.stats().media;
    assert!(sent > 0 && after.malformed_dropped > before.malformed_dropped, "{after:?}");
    assert!(insider.told() - told <= 2, "{} events", insider.told() - told);
    expect_unharmed(&mut insider, 30);
}

#[test]
fn a_stream_that_changes_its_codec_with_each_packet_brings_no_storm_of_requests() {
    let mut insider = Insider::new(9, 5_000_000);
    let video = insider.video.clone();
    let types = [video.payload_type, video.other_type];
    insider.world.network.run_for(Duration::from_secs(1));
    insider.hear();
    for sequence in 0..2_000_u16 {
        let payload_type = types[usize::from(sequence) % types.len()];
        insider.rtp(&video.packet(payload_type, video.ssrc, sequence, &OTHER_FRAME));
        insider.world.network.run_for(Duration::from_millis(1));
    }
    let heard = insider.hear();
    let (_, requests) = reported(&heard);
    assert!(requests <= 2 * 6, "{requests} requests for key frames in 2 s");
    assert!(heard.rtcp.len() <= 2 * RTCP_PER_SECOND, "{} datagrams of RTCP in 2 s", heard.rtcp.len());
    // It goes on with the one that stays.
    let before = insider.arrived();
    for sequence in 2_000..2_030 {
        insider.rtp(&video.packet(video.payload_type, video.ssrc, sequence, &KEY_FRAME));
        insider.world.network.run_for(Duration::from_millis(20));
    }
    assert!(insider.arrived() >= before + 20, "{}", insider.arrived() - before);
}

#[test]
fn a_layer_that_changes_its_source_with_each_packet_brings_no_storm_of_requests() {
    let mut insider = Insider::with(10, 5_000_000, &["low", "high"]);
    let video = insider.video.clone();
    insider.world.network.run_for(Duration::from_secs(1));
    insider.hear();
    let told = insider.told();
    for number in 0..2_000_u16 {
        let ssrc = 1_000 + u32::from(number % 50);
        insider.rtp(&video.packet_of_layer("low", video.payload_type, ssrc, number, &OTHER_FRAME));
        insider.world.network.run_for(Duration::from_millis(1));
    }
    let heard = insider.hear();
    let (_, requests) = reported(&heard);
    assert!((1..=12).contains(&requests), "{requests} requests for key frames in 2 s");
    assert!(heard.rtcp.len() <= 2 * RTCP_PER_SECOND, "{} datagrams of RTCP in 2 s", heard.rtcp.len());
    assert!(insider.told() - told <= 4, "{} events", insider.told() - told);
    let before = insider.arrived();
    for number in 2_000..2_030 {
        insider.rtp(&video.packet_of_layer("low", video.payload_type, 1_000, number, &KEY_FRAME));
        insider.world.network.run_for(Duration::from_millis(20));
    }
    assert!(insider.arrived() >= before + 20, "{}", insider.arrived() - before);
}

#[test]
fn sources_that_come_and_go_by_the_hundred_leave_room_for_the_next() {
    let mut insider = Insider::new(11, 5_000_000);
    let video = insider.video.clone();
    let limit = MediaConfig::default().max_sources;
    for source in 0..200_u32 {
        let before = insider.arrived();
        for number in 0..10 {
            insider.rtp(&video.packet(video.payload_type, 10_000 + source, number, &KEY_FRAME));
            insider.world.network.run_for(Duration::from_millis(30));
        }
        assert!(insider.arrived() >= before + 9, "source {source}: {} frames", insider.arrived() - before);
        insider.hear();
        insider.world.network.run_for(Duration::from_millis(1_100));
        let (sources, _) = reported(&insider.hear());
        assert!(sources.len() <= 2 * limit + 1, "{} sources are reported on", sources.len());
    }
}
