use super::*;

#[test]
fn frames_come_whole_and_in_order_as_soon_as_they_can() {
    let (mut camera, mut screen) = (Camera::new(100, 7), Screen::new(config()));
    for (count, packets) in [4, 1, 3, 2].into_iter().enumerate() {
        let (sent, whole) = camera.frame(count == 0, packets);
        let (last, before) = sent.split_last().expect("a packet");
        screen.take(before);
        assert_eq!(screen.frames(), []);
        screen.now += ms(5);
        screen.take(std::slice::from_ref(last));
        let frames = screen.frames();
        let [frame] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!((&frame.data[..], frame.timestamp), (&whole[..], 7 + FRAME * count as u32));
        assert_eq!(frame.extended_timestamp, (1 << 32) + u64::from(frame.timestamp));
        assert_eq!((frame.is_keyframe, frame.discontinuity, frame.marker), (count == 0, false, true));
        assert_eq!(frame.last_sequence - frame.first_sequence + 1, packets as u64);
        assert_eq!((frame.first_sequence as u16, frame.received), (sent[0].header.sequence.0, screen.now));
        assert_eq!(screen.told(), []);
    }
    assert_eq!(screen.receiver.poll_timeout(), None);
    let stats = screen.receiver.stats();
    assert_eq!((stats.frames_received, stats.key_frames_received, stats.packets_received), (4, 1, 10));
    assert_eq!((stats.frames_assembled_from_multiple_packets, stats.total_assembly_time), (3, ms(15)));
    assert_eq!((stats.packets_lost, stats.packets_discarded, stats.frames_dropped), (0, 0, 0));
}

#[test]
fn packets_in_any_order_make_the_same_frames() {
    let mut camera = Camera::new(65_530, u32::MAX - FRAME);
    let (mut sent, mut whole) = (Vec::new(), Vec::new());
    for count in 0..4 {
        let (packets, frame) = camera.frame(count == 0, 3);
        sent.extend(packets);
        whole.push(frame);
    }
    let mut backwards = Screen::new(config());
    let (key, others) = sent.split_at(3);
    for packet in key.iter().rev().chain(others.iter().rev()) {
        backwards.take(std::slice::from_ref(packet));
    }
    assert_eq!(backwards.data(), whole, "even those before the first have a place");

    let mut swapped = Screen::new(config());
    for pair in sent.chunks(2) {
        swapped.take(&[pair[1].clone(), pair[0].clone()]);
    }
    let frames = swapped.frames();
    assert!(frames.iter().map(|frame| &frame.data[..]).eq(whole.iter().map(|frame| &frame[..])));
    assert!(frames.is_sorted_by(|a, b| a.last_sequence < b.first_sequence), "over the wrap of sequence numbers");
    assert!(frames.is_sorted_by(|a, b| a.extended_timestamp + u64::from(FRAME) == b.extended_timestamp));
}

#[test]
fn duplicates_change_nothing() {
    let (mut camera, mut screen) = (Camera::new(0, 0), Screen::new(config()));
    let (key, first) = camera.frame(true, 3);
    let (delta, second) = camera.frame(false, 2);
    for packet in key.iter().chain(&delta) {
        screen.take(&[packet.clone(), packet.clone()]);
    }
    screen.retransmit(&key[1]);
    assert_eq!(screen.data(), [first, second]);
    let stats = screen.receiver.stats();
    assert_eq!((stats.duplicates, stats.packets_discarded, stats.packets_lost), (6, 0, -5));
    assert_eq!((stats.retransmitted_packets_received, stats.packets_received), (1, 11));
}

#[test]
fn padding_leaves_no_gap_between_frames_nor_within() {
    let (mut camera, mut screen) = (Camera::new(9, 0), Screen::new(config()));
    let (mut key, first) = camera.frame(true, 2);
    // The second packet of the frame goes one number further, and padding takes its place.
    let moved = camera.packet(Vec::new(), false).header.sequence;
    let padding = Sent { header: Header { marker: false, ..key[1].header }, payload: Vec::new() };
    key[1].header.sequence = moved;
    key.insert(1, padding);
    screen.take(&key);
    for _ in 0..5000 {
        let padding = camera.packet(Vec::new(), false);
        screen.take(&[padding]);
    }
    let (delta, second) = camera.frame(false, 2);
    screen.take(&delta);
    assert_eq!(screen.data(), [first, second]);
    assert_eq!(screen.told(), []);
}

#[test]
fn a_frame_without_marker_ends_where_another_timestamp_begins() {
    let (mut camera, mut screen) = (Camera::new(9, 0), Screen::new(config()));
    let (mut key, first) = camera.frame(true, 2);
    key[1].header.marker = false;
    screen.take(&key);
    assert_eq!(screen.frames(), []);
    let (delta, second) = camera.frame(false, 1);
    screen.take(&delta);
    assert_eq!(screen.data(), [first, second]);
}

#[test]
fn a_source_that_begins_anew_is_followed_from_its_first_packet_on() {
    let (mut camera, mut screen) = (Camera::new(60_000, 900), Screen::new(config()));
    let (key, _) = camera.frame(true, 2);
    screen.take(&key);
    let before = screen.frames().pop().expect("a frame");
    for restart in 1..=2 {
        camera = Camera::new(30_000 * restart, 5);
        let (key, first) = camera.frame(true, 3);
        let (delta, second) = camera.frame(false, 1);
        screen.take(&key);
        screen.take(&delta);
        let frames = screen.frames();
        assert!(frames.iter().map(|frame| &frame.data[..]).eq([&first[..], &second[..]]));
        assert!(frames[0].discontinuity && !frames[1].discontinuity);
        assert!(frames[0].first_sequence > before.last_sequence);
        assert!(frames[0].extended_timestamp > before.extended_timestamp);
        assert_eq!(screen.receiver.stats().restarts, u64::from(restart));
        assert_eq!(screen.receiver.stats().packets_lost, 0, "losses of before do not count");
    }
    assert_eq!(screen.told(), [], "nothing is missing, and the key frame was there");
}

#[test]
fn a_single_packet_far_off_is_ignored() {
    let (mut camera, mut screen) = (Camera::new(100, 0), Screen::new(config()));
    let (key, first) = camera.frame(true, 2);
    let (delta, second) = camera.frame(false, 2);
    let stray = Camera::new(40_000, 0).frame(true, 1).0;
    for packet in key.iter().chain(&delta) {
        screen.take(std::slice::from_ref(packet));
        screen.take(&stray);
    }
    assert_eq!(screen.data(), [first, second]);
    assert_eq!(screen.told(), []);
    assert_eq!(screen.receiver.stats().restarts, 0);
}

#[test]
fn another_format_goes_on_where_the_one_before_ended() {
    let (mut camera, mut screen) = (Camera::new(100, 0), Screen::new(config()));
    let (key, first) = camera.frame(true, 2);
    screen.take(&key);
    let (half, _) = camera.frame(false, 2);
    screen.take(&half[..1]);
    screen.receiver.set_config(screen.now, Config::new(Format::Opus, 48_000));
    assert_eq!(screen.receiver.rtx_ssrc(), Some(RTX));
    let opus = Sent { header: Header { marker: false, ..half[1].header }, payload: b"opus".to_vec() };
    screen.take(&[opus]);
    let frames = screen.frames();
    assert!(frames.iter().map(|frame| &frame.data[..]).eq([&first[..], b"opus"]));
    assert!(frames[1].discontinuity);
    assert_eq!((screen.told(), screen.receiver.poll_timeout()), (vec![], None));
}
