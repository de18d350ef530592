//! Sender reports, receivers' reports, requests for key frames.

mod sending_common;

use rtp::NtpTime;
use rtp::rtcp::{ReportBlock, SenderInfo};
use rtp::send::{Config, Event, Kind, Limit, OutgoingFrame, OutgoingPacket, SendError, Sender};
use sending_common::*;
use std::time::Duration;
use visavis_rtp as rtp;

const NTP: NtpTime = NtpTime(0xe000_1234 << 32);

#[test]
fn a_report_carries_the_last_timestamp_on_to_now() {
    let config = Config { timestamp_offset: Some(0xffff_ff00), ..audio() };
    let (mut sender, now) = sender(config);
    assert_eq!(sender.sender_info(now, NTP), None);
    send_audio(&mut sender, now, 960).unwrap();
    assert_eq!(sender.sender_info(now, NTP), None, "not sent yet");
    drain(&mut sender, now);
    let captured = Some(now - 10 * MS);
    let frame = OutgoingFrame { data: b"seven..", timestamp: 1920, captured, ..OutgoingFrame::default() };
    sender.send_frame(now + 15 * MS, &frame).unwrap();
    drain(&mut sender, now + 15 * MS);
    let info = sender.sender_info(now + 20 * MS, NTP).unwrap();
    let rtp_timestamp = 0xffff_ff00u32.wrapping_add(1920 + 30 * 48);
    assert_eq!(info, SenderInfo { ntp: NTP, rtp_timestamp, packets: 2, octets: 14 });
}

#[test]
fn a_report_counts_what_goes_by_the_stream_s_own_source() {
    for (rtx, packets, octets) in [(Some(RTX), 2, 200), (None, 3, 300)] {
        let (mut sender, now) = sender(Config { rtx, ..video() });
        let first = sent(&mut sender, now, 2)[0].header.sequence;
        sender.handle_nack(now, [first]);
        sender.padding(now, 10);
        drain(&mut sender, now);
        let info = sender.sender_info(now, NTP).unwrap();
        assert_eq!((info.packets, info.octets), (packets, octets));
    }
}

#[test]
fn a_frame_in_decoding_order_does_not_turn_the_clock_back() {
    let (mut sender, now) = sender(video());
    sender.send_packet(now, packet(9000, true, 10, 0)).unwrap();
    sender.send_packet(now + 10 * MS, packet(6000, true, 10, 0)).unwrap();
    drain(&mut sender, now);
    let info = sender.sender_info(now + 10 * MS, NTP).unwrap();
    assert_eq!(info.rtp_timestamp, 0xffff_f000u32.wrapping_add(9900));
}

#[test]
fn a_receiver_s_report_becomes_statistics() {
    let (mut sender, now) = sender(video());
    let block = ReportBlock {
        ssrc: SSRC,
        fraction_lost: 64,
        cumulative_lost: 2,
        extended_highest_sequence: (1 << 16) + 3,
        jitter: 900,
        last_sender_report: NTP.compact(),
        delay_since_last_sender_report: 1 << 15,
    };
    let ntp_now = NTP.plus(Duration::from_millis(750));
    assert_eq!(sender.handle_report(now, &block, ntp_now), None, "about what was never sent");
    assert_eq!(sender.remote_stats().reports_received, 0);
    sent(&mut sender, now, 10);
    assert_eq!(sender.handle_report(now, &block, ntp_now), Some(250 * MS));
    let other = ReportBlock { ssrc: RTX.ssrc, fraction_lost: 255, ..block };
    assert_eq!(sender.handle_report(now, &other, ntp_now), None);
    let unmeasured = ReportBlock { last_sender_report: 0, cumulative_lost: -1, ..block };
    assert_eq!(sender.handle_report(now, &unmeasured, ntp_now), None);
    let hasty = ReportBlock { delay_since_last_sender_report: 1 << 20, ..block };
    assert_eq!(sender.handle_report(now, &hasty, ntp_now), Some(Duration::ZERO));

    let remote = sender.remote_stats();
    assert_eq!((remote.reports_received, remote.packets_lost, remote.packets_received), (3, 2, 8));
    assert_eq!((remote.fraction_lost, remote.jitter), (0.25, 10 * MS));
    assert_eq!((remote.round_trip_time, remote.total_round_trip_time), (Some(Duration::ZERO), 250 * MS));
    assert_eq!(remote.round_trip_time_measurements, 2);
}

#[test]
fn a_flood_of_requests_becomes_one_key_frame_per_interval() {
    let (mut sender, start) = sender(video());
    let mut told = Vec::new();
    for tick in 0..100 {
        let now = start + 10 * MS * tick;
        sender.handle_key_frame_request(now, None);
        if sender.poll_event() == Some(Event::KeyFrameRequested) {
            told.push(tick * 10);
        }
        assert_eq!(sender.poll_event(), None);
    }
    assert_eq!(told, [0, 200, 400, 600, 800]);
    assert_eq!(sender.stats().pli_count, 100);
}

#[test]
fn a_request_that_comes_too_soon_is_passed_on_later() {
    let (mut sender, now) = sender(video());
    sender.handle_key_frame_request(now, None);
    assert_eq!(sender.poll_event(), Some(Event::KeyFrameRequested));
    sender.handle_key_frame_request(now + 150 * MS, Some(1));
    sender.send_packet(now + 190 * MS, packet(0, true, 10, 0)).unwrap();
    assert_eq!(sender.poll_event(), None);
    sender.send_packet(now + 200 * MS, packet(0, true, 10, 0)).unwrap();
    assert_eq!(sender.poll_event(), Some(Event::KeyFrameRequested));
}

#[test]
fn a_key_frame_answers_what_was_asked_before() {
    let (mut sender, now) = sender(video());
    let key_frame = || OutgoingPacket { is_key_frame: true, ..packet(0, true, 10, 0) };
    sender.handle_key_frame_request(now, None);
    sender.send_packet(now, key_frame()).unwrap();
    assert_eq!(sender.poll_event(), None, "answered before it was told");
    sender.handle_key_frame_request(now + 100 * MS, None);
    sender.send_packet(now + 150 * MS, key_frame()).unwrap();
    sender.poll(now + 300 * MS);
    assert_eq!(sender.poll_event(), None, "answered while it waited");
}

#[test]
fn what_comes_before_a_key_frame_that_was_asked_for_makes_way() {
    let (mut sender, now) = sender(video());
    let frame = |sender: &mut Sender, tag: u64, is_key_frame: bool| {
        for marker in [false, true] {
            let packet = OutgoingPacket { is_key_frame, tag, ..packet(tag as u32 * 3000, marker, 10, 0) };
            sender.send_packet(now, packet).unwrap();
        }
    };
    let tags = |packets: &[Packet]| packets.iter().map(|packet| packet.tag).collect::<Vec<_>>();
    frame(&mut sender, 0, true);
    let lost = drain(&mut sender, now)[0].header.sequence;
    frame(&mut sender, 1, false);
    frame(&mut sender, 2, true);
    assert_eq!(tags(&drain(&mut sender, now)), [1, 1, 2, 2], "nobody asked for it");

    frame(&mut sender, 3, false);
    frame(&mut sender, 4, false);
    let before = poll(&mut sender, now).unwrap();
    sender.handle_nack(now, [lost]);
    let later = now + Duration::from_secs(1);
    sender.handle_key_frame_request(later, None);
    assert_eq!(sender.poll_event(), Some(Event::KeyFrameRequested));
    frame(&mut sender, 5, true);
    frame(&mut sender, 6, false);
    let after = drain(&mut sender, later);
    assert_eq!(tags(&after), [3, 5, 5, 6, 6], "a frame that has begun is finished");
    let numbers = after.iter().map(Packet::sequence).collect::<Vec<_>>();
    assert_eq!(numbers, (1..=5).map(|step| before.sequence().wrapping_add(step)).collect::<Vec<_>>());
    assert_eq!(sender.stats().dropped, 2);
    // What is asked for now was asked for before the key frame came.
    sender.handle_nack(later, [lost]);
    assert_eq!((drain(&mut sender, later), sender.stats().unknown_nacks), (Vec::new(), 1));
}

#[test]
fn a_key_frame_is_known_by_any_of_its_packets() {
    let (mut sender, now) = sender(video());
    sender.set_rtt(10 * MS);
    let key = |tag: u64, is_key_frame, marker| OutgoingPacket {
        is_key_frame,
        tag,
        ..packet(tag as u32 * 3000, marker, 10, 0)
    };
    let ask = |sender: &mut Sender, now| {
        sender.handle_key_frame_request(now, None);
        assert_eq!(sender.poll_event(), Some(Event::KeyFrameRequested));
    };
    sender.send_packet(now, packet(0, true, 10, 0)).unwrap();
    ask(&mut sender, now);
    sender.send_packet(now, key(1, false, false)).unwrap();
    sender.send_packet(now, key(1, true, true)).unwrap();
    assert_eq!(drain(&mut sender, now).iter().map(|packet| packet.tag).collect::<Vec<_>>(), [1, 1]);

    // It is asked for again amid the next one: what was sent of that can still be repaired.
    let now = now + Duration::from_secs(1);
    sender.send_packet(now, key(2, true, false)).unwrap();
    let first = poll(&mut sender, now).unwrap();
    ask(&mut sender, now + 20 * MS);
    sender.send_packet(now + 20 * MS, key(2, true, true)).unwrap();
    sender.handle_nack(now + 20 * MS, [first.header.sequence]);
    let kinds = drain(&mut sender, now + 20 * MS).iter().map(|packet| packet.kind).collect::<Vec<_>>();
    assert_eq!(kinds, [Kind::Retransmission, Kind::Media]);
}

#[test]
fn frames_that_say_no_end_are_no_part_of_the_key_frame_before() {
    let (mut sender, start) = sender(video());
    sender.set_rtt(100 * MS);
    for number in 0..30 {
        let is_key_frame = number == 0;
        let packet = OutgoingPacket { is_key_frame, ..packet(number * 3000, false, 10, 0) };
        sender.send_packet(start + 33 * MS * number, packet).unwrap();
        drain(&mut sender, start + 33 * MS * number);
    }
    sender.handle_key_frame_request(start + Duration::from_secs(1), None);
    assert_eq!(sender.poll_event(), Some(Event::KeyFrameRequested));
}

#[test]
fn a_key_frame_that_was_asked_for_finds_room_in_a_full_queue() {
    let (mut sender, now) = sender(Config { queue_frames: 2, ..video() });
    let frame = |is_key_frame| OutgoingPacket { is_key_frame, ..packet(u32::from(is_key_frame), true, 10, 0) };
    sender.send_packet(now, frame(false)).unwrap();
    sender.send_packet(now, frame(false)).unwrap();
    assert_eq!(sender.send_packet(now, frame(true)), Err(SendError::QueueFull(Limit::Frames)));
    sender.handle_key_frame_request(now, None);
    assert_eq!(sender.poll_event(), Some(Event::KeyFrameRequested));
    sender.send_packet(now, frame(true)).unwrap();
    assert_eq!(drain(&mut sender, now).len(), 1);
}

#[test]
fn a_key_frame_that_is_on_its_way_is_not_asked_for() {
    let (mut sender, now) = sender(video());
    sender.set_rtt(80 * MS);
    let key_frame = OutgoingPacket { is_key_frame: true, ..packet(0, true, 10, 0) };
    sender.send_packet(now, key_frame).unwrap();
    let mut is_told = |at: u32| {
        sender.handle_key_frame_request(now + at * MS, None);
        if at == 300 {
            poll(&mut sender, now + at * MS);
        }
        sender.poll_event().is_some()
    };
    assert!(!is_told(300), "it waits");
    assert!(!is_told(379), "the receiver cannot have it yet");
    assert!(is_told(380), "it was lost");
}

#[test]
fn a_repeated_full_intra_request_is_the_same_request() {
    let (mut sender, now) = sender(video());
    let mut told = 0;
    for (at, number) in [(0, 7), (300, 7), (600, 7), (900, 8), (1200, 7)] {
        sender.handle_key_frame_request(now + at * MS, Some(number));
        told += u32::from(sender.poll_event().is_some());
    }
    assert_eq!((told, sender.stats().fir_count), (3, 5));
}
