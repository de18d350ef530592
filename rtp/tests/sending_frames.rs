//! What becomes of frames and packets that are given to a sender: numbers, timestamps, bounds, pauses.

mod sending_common;

use rtp::payload::FrameError;
use rtp::send::{Config, Kind, Limit, Numbering, OutgoingFrame, OutgoingPacket, SendError};
use rtp::{Header, SequenceNumber};
use sending_common::*;
use std::time::Duration;
use visavis_rtp as rtp;

#[test]
fn numbers_and_timestamps_run_over_their_wraps() {
    let (mut sender, now) = sender(video());
    let packets = sent(&mut sender, now, 12);
    assert_eq!(sequences(&packets), [65_530, 65_531, 65_532, 65_533, 65_534, 65_535, 0, 1, 2, 3, 4, 5]);
    let timestamps = packets.iter().map(|packet| packet.header.timestamp).collect::<Vec<_>>();
    assert_eq!(timestamps[..3], [0xffff_f000, 0xffff_fbb8, 0x770]);
    assert!(packets.iter().all(|packet| packet.kind == Kind::Media && packet.header.ssrc == SSRC));
}

#[test]
fn first_numbers_come_from_the_seed_and_keep_away_from_the_wrap() {
    let first = |seed: u8| {
        let mut sender = rtp::send::Sender::new(Config { rtx: Some(RTX), ..audio() }, sim::start(), [seed; 32]);
        send_audio(&mut sender, sim::start(), 0).unwrap();
        let media = poll(&mut sender, sim::start()).unwrap().header;
        sender.handle_nack(sim::start(), [media.sequence]);
        let again = poll(&mut sender, sim::start()).unwrap().header;
        (media.sequence.0, media.timestamp, again.sequence.0)
    };
    assert_eq!(first(1), first(1));
    let all = (0..50).map(first).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(all.len(), 50, "others with every seed");
    assert!(all.iter().all(|(media, _, rtx)| *media < 1 << 15 && *rtx < 1 << 15 && media != rtx));
}

#[test]
fn audio_has_its_marker_after_silence() {
    let (mut sender, now) = sender(audio());
    for starts_talk_spurt in [true, false] {
        let frame = OutgoingFrame { data: b"x", starts_talk_spurt, tag: 3, ..OutgoingFrame::default() };
        sender.send_frame(now, &frame).unwrap();
        let packet = poll(&mut sender, now).unwrap();
        assert_eq!((packet.header.marker, packet.header.payload_type, packet.tag), (starts_talk_spurt, 111, 3));
    }
    assert!(sender.is_audio());
}

#[test]
fn a_frame_that_is_not_taken_says_why() {
    let (mut sender, now) = sender(Config { max_payload: 100, ..audio() });
    let frame = |data| OutgoingFrame { data, ..OutgoingFrame::default() };
    assert_eq!(sender.send_frame(now, &frame(&[])), Err(SendError::Frame(FrameError::Empty)));
    let too_long = SendError::Frame(FrameError::TooLong { length: 101, limit: 100 });
    assert_eq!(sender.send_frame(now, &frame(&[0; 101])), Err(too_long));
    let long = OutgoingPacket { payload: vec![0; 101].into(), ..OutgoingPacket::default() };
    assert_eq!(sender.send_packet(now, long), Err(SendError::TooLong { length: 101, limit: 100 }));
    let (mut packets_only, now) = sending_common::sender(video());
    assert_eq!(packets_only.send_frame(now, &frame(b"x")), Err(SendError::NoFormat));
    assert_eq!(drain(&mut sender, now), []);
}

#[test]
fn room_is_left_for_the_original_number() {
    let (mut sender, now) = sender(Config { max_payload: 100, ..video() });
    assert!(matches!(sender.send_packet(now, packet(0, true, 99, 0)), Err(SendError::TooLong { limit: 98, .. })));
    sender.send_packet(now, packet(0, true, 98, 0)).unwrap();
    let sequence = poll(&mut sender, now).unwrap().header.sequence;
    sender.handle_nack(now, [sequence]);
    assert_eq!(poll(&mut sender, now).unwrap().payload.len(), 100);
}

#[test]
fn a_full_queue_names_its_limit_and_takes_again_when_it_has_room() {
    let full = |limit| Err(SendError::QueueFull(limit));
    let (mut sender, now) = sender(Config { queue_frames: 2, ..audio() });
    send_audio(&mut sender, now, 0).unwrap();
    send_audio(&mut sender, now, 960).unwrap();
    assert_eq!(send_audio(&mut sender, now, 1920), full(Limit::Frames));
    let first = poll(&mut sender, now).unwrap().sequence();
    send_audio(&mut sender, now, 1920).unwrap();
    assert_eq!(sequences(&drain(&mut sender, now)), [first + 1, first + 2], "what was refused left no hole");
    assert_eq!(sender.stats().refused, 1);

    let (mut sender, now) = sending_common::sender(Config { queue_bytes: 20, ..audio() });
    send_audio(&mut sender, now, 0).unwrap();
    send_audio(&mut sender, now, 960).unwrap();
    assert_eq!(send_audio(&mut sender, now, 1920), full(Limit::Bytes));

    let (mut sender, now) = sending_common::sender(Config { queue_packets: 1, ..video() });
    sender.send_packet(now, packet(0, false, 1, 0)).unwrap();
    assert_eq!(sender.send_packet(now, packet(0, true, 1, 0)), full(Limit::Packets));
    assert!(SendError::QueueFull(Limit::Packets).to_string().contains("key frame"));
}

#[test]
fn a_pause_drops_what_waits_and_leaves_no_hole() {
    let (mut sender, now) = sender(video());
    let before = sequences(&sent(&mut sender, now, 3));
    sender.send_packet(now, packet(0, true, 100, 0)).unwrap();
    sender.handle_nack(now, numbers(&before));
    sender.padding(now, 1000);
    sender.handle_key_frame_request(now, None);
    sender.set_active(now, false);
    assert_eq!(drain(&mut sender, now), []);
    assert_eq!(sender.poll_event(), None);
    assert_eq!(sender.send_packet(now, packet(0, true, 100, 0)), Err(SendError::Inactive));
    sender.handle_nack(now, numbers(&before));
    assert_eq!((sender.padding(now, 1000), drain(&mut sender, now)), (0, vec![]));
    let stats = sender.stats();
    assert_eq!((stats.active, stats.dropped, stats.history_packets, stats.queued_bytes), (false, 1, 0, 0));

    sender.set_active(now, true);
    assert_eq!(sequences(&sent(&mut sender, now, 1)), [before[2] + 1]);
}

#[test]
fn kept_numbers_go_out_as_they_are_and_never_twice() {
    let (mut sender, now) = sender(Config { numbering: Numbering::Kept, ..video() });
    let kept = |sequence, timestamp| {
        let header = Header { sequence: SequenceNumber(sequence), timestamp, payload_type: 96, ..Header::default() };
        OutgoingPacket { header, payload: vec![1; 60].into(), ..OutgoingPacket::default() }
    };
    for sequence in [65_533, 65_535, 65_534, 2] {
        sender.send_packet(now, kept(sequence, u32::from(sequence))).unwrap();
    }
    let packets = drain(&mut sender, now);
    assert_eq!(sequences(&packets), [65_533, 65_535, 65_534, 2]);
    assert!(packets.iter().all(|packet| packet.header.timestamp == u32::from(packet.sequence())));
    for used in [65_534, 2, 2u16.wrapping_sub(3000)] {
        assert_eq!(sender.send_packet(now, kept(used, 0)), Err(SendError::BadNumber));
    }
    let frame = OutgoingFrame { data: b"x", ..OutgoingFrame::default() };
    assert_eq!(sender.send_frame(now, &frame), Err(SendError::NoFormat));
    // What came out of order is found again all the same, and what was lost before it came here is not.
    sender.handle_nack(now, numbers(&[65_534, 1, 65_535]));
    assert_eq!(originals(&drain(&mut sender, now)), [65_534, 65_535]);
    assert_eq!(sender.stats().unknown_nacks, 1);
}

/// With SRTP, whose index is guessed from what goes out, such a step would use a number again.
#[test]
fn kept_numbers_that_a_pause_dropped_do_not_lead_half_around() {
    let (mut sender, now) = sender(Config { numbering: Numbering::Kept, ..video() });
    let mut send = |sequence| {
        let header = Header { sequence: SequenceNumber(sequence), ..Header::default() };
        sender.send_packet(now, OutgoingPacket { header, ..OutgoingPacket::default() })?;
        match sequence {
            30_000 => sender.set_active(now, false),
            _ => _ = drain(&mut sender, now),
        }
        sender.set_active(now, true);
        Ok(())
    };
    assert_eq!([send(0), send(30_000), send(32_768)], [Ok(()), Ok(()), Err(SendError::BadNumber)]);
    assert_eq!([send(32_767), send(50_000)], [Ok(()), Ok(())]);
}

#[test]
fn statistics_count_as_the_w3c_has_it() {
    let (mut sender, now) = sender(Config { header_size: 20, ..video() });
    sender.set_target_bitrate(Some(1_000_000));
    for (index, is_key_frame) in [true, false, false].into_iter().enumerate() {
        let first = OutgoingPacket { is_key_frame, ..packet(index as u32, false, 100, 0) };
        sender.send_packet(now, first).unwrap();
        sender.send_packet(now, packet(index as u32, true, 50, 0)).unwrap();
    }
    let later = now + 10 * MS;
    let packets = drain(&mut sender, later);
    sender.handle_nack(later, [packets[0].header.sequence]);
    drain(&mut sender, later + 5 * MS);
    let stats = sender.stats();
    assert_eq!((stats.packets_sent, stats.bytes_sent, stats.header_bytes_sent), (7, 552, 140));
    assert_eq!((stats.retransmitted_packets_sent, stats.retransmitted_bytes_sent), (1, 102));
    assert_eq!((stats.frames_sent, stats.key_frames_sent, stats.nack_count), (3, 1, 1));
    assert_eq!(stats.total_packet_send_delay, Duration::from_millis(6 * 10 + 5));
    assert_eq!((stats.target_bitrate, stats.active), (Some(1_000_000), true));
    assert_eq!((stats.history_packets, stats.history_bytes), (6, 450));
    assert_eq!(sender.last_sent(), Some(later + 5 * MS));
}
