use super::*;

/// A screen that has shown a key frame.
fn running(config: Config) -> (Camera, Screen) {
    let (mut camera, mut screen) = (Camera::new(10, 0), Screen::new(config));
    let (key, _) = camera.frame(true, 2);
    screen.take(&key);
    assert_eq!(screen.frames().len(), 1);
    (camera, screen)
}

#[test]
fn a_stream_that_begins_with_no_key_frame_waits_for_one_and_asks() {
    let (mut camera, mut screen) = (Camera::new(10, 0), Screen::new(config()));
    let (delta, _) = camera.frame(false, 2);
    screen.take(&delta);
    assert_eq!(screen.told(), [Told::Keyframe]);
    assert_eq!(screen.pass(ms(199)), []);
    screen.take(&camera.frame(false, 2).0);
    assert_eq!(screen.pass(ms(1)), [Told::Keyframe]);
    let (key, whole) = camera.frame(true, 2);
    screen.take(&key);
    assert_eq!((screen.pass(ms(60_000)), screen.data()), (vec![], vec![whole]));
    let stats = screen.receiver.stats();
    assert_eq!((stats.pli_count, stats.frames_dropped, stats.packets_discarded), (2, 2, 4));
    assert_eq!(screen.receiver.poll_timeout(), None);
}

#[test]
fn no_key_frame_is_asked_for_while_one_arrives() {
    let (mut camera, mut screen) = (Camera::new(10, 0), Screen::new(config()));
    let (key, whole) = camera.frame(true, 40);
    for packet in &key {
        screen.take(std::slice::from_ref(packet));
        assert_eq!(screen.pass(ms(25)), []);
    }
    assert_eq!(screen.data(), [whole]);
}

#[test]
fn requests_get_rare_and_end_when_nobody_is_there() {
    let mut screen = Screen::new(config());
    assert_eq!((screen.told(), screen.receiver.poll_timeout()), (vec![], None), "nobody has been heard");
    let mut camera = Camera::new(10, 0);
    screen.take(&camera.frame(false, 1).0);
    let told = screen.pass(ms(600_000));
    assert_eq!(told, vec![Told::Keyframe; 10]);
    assert_eq!(screen.receiver.poll_timeout(), None);
    screen.take(&camera.frame(false, 1).0);
    assert_eq!(screen.told(), [Told::Keyframe]);
}

#[test]
fn video_beyond_repair_stands_still_until_a_key_frame() {
    let (mut camera, mut screen) = running(config());
    let (broken, _) = camera.frame(false, 3);
    screen.take(&[broken[0].clone(), broken[2].clone()]);
    screen.take(&camera.frame(false, 2).0);
    assert_eq!(screen.pass(ms(499)).iter().filter(|told| **told == Told::Keyframe).count(), 0);
    assert_eq!(screen.frames(), []);
    assert_eq!(screen.pass(ms(1)), [Told::Keyframe]);
    assert!(screen.receiver.needs_keyframe());
    screen.take(&camera.frame(false, 1).0);
    let (key, first) = camera.frame(true, 2);
    let (delta, second) = camera.frame(false, 1);
    screen.take(&key);
    screen.take(&delta);
    let frames = screen.frames();
    assert!(frames.iter().map(|frame| &frame.data[..]).eq([&first[..], &second[..]]));
    assert!(frames[0].discontinuity && !frames[1].discontinuity);
    screen.retransmit(&broken[1]);
    assert_eq!((screen.pass(ms(60_000)), screen.frames()), (vec![], vec![]));
    let stats = screen.receiver.stats();
    assert_eq!((stats.pli_count, stats.frames_dropped, stats.packets_discarded), (1, 3, 6));
    assert_eq!((stats.packets_lost, stats.duplicates), (1, 0));
}

#[test]
fn a_key_frame_after_the_loss_needs_no_request() {
    let (mut camera, mut screen) = running(config());
    drop(camera.frame(false, 2));
    let (key, whole) = camera.frame(true, 2);
    screen.take(&key);
    screen.take(&camera.frame(false, 2).0[..1]);
    let told = screen.pass(ms(499));
    assert!(told.iter().all(|told| *told != Told::Keyframe));
    assert_eq!(screen.frames(), [], "what is missing may still come");
    assert_eq!((screen.pass(ms(1)), screen.data()), (vec![], vec![whole]));
    assert!(!screen.receiver.needs_keyframe());
}

#[test]
fn while_a_key_frame_is_needed_nothing_before_it_is_waited_for() {
    let (mut camera, mut screen) = running(config());
    let (lost, _) = camera.frame(false, 2);
    screen.take(&lost[1..]);
    assert_eq!(screen.pass(ms(500)).last(), Some(&Told::Keyframe));
    // Another gap, then a key frame in the wrong order.
    drop(camera.frame(false, 3));
    let (key, whole) = camera.frame(true, 3);
    screen.take(&[key[2].clone(), key[0].clone()]);
    assert_eq!(screen.frames(), []);
    screen.take(&key[1..2]);
    assert_eq!(screen.data(), [whole], "at once");
    assert_eq!((screen.pass(ms(60_000)), screen.receiver.poll_timeout()), (vec![], None));
}

#[test]
fn what_is_malformed_is_as_good_as_lost() {
    // The first shows it when it arrives, the second, which begins another frame, when it is unpacked.
    for payload in [&[0x90, 0x80][..], &[0x10, 0x11]] {
        let (mut camera, mut screen) = running(config());
        let (mut delta, _) = camera.frame(false, 2);
        delta[1].payload = payload.to_vec();
        screen.take(&delta);
        screen.take(&camera.frame(false, 1).0);
        assert_eq!((screen.told(), screen.frames()), (vec![Told::Keyframe], vec![]));
        let (key, whole) = camera.frame(true, 1);
        screen.take(&key);
        assert_eq!(screen.data(), [whole]);
        let stats = screen.receiver.stats();
        assert_eq!((stats.malformed, stats.frames_dropped), (1, 2));
    }
}

#[test]
fn a_frame_that_begins_in_the_middle_is_dropped() {
    let (mut camera, mut screen) = running(config());
    let (mut delta, _) = camera.frame(false, 3);
    // A marker that does not belong there.
    delta[0].header.marker = true;
    screen.take(&delta);
    assert_eq!(screen.frames().len(), 1);
    assert_eq!(screen.told(), [Told::Keyframe]);
}

#[test]
fn a_frame_that_is_too_long_is_dropped_and_so_is_one_that_never_ends() {
    let small = Config { max_frame: 1000, max_packets: 100, ..config() };
    let (mut camera, mut screen) = running(small);
    screen.take(&camera.frame(false, 80).0);
    assert_eq!((screen.frames(), screen.told()), (vec![], vec![Told::Keyframe]));
    for _ in 0..1000 {
        let packet = camera.packet(vec![0x10, 0], false);
        screen.take(&[packet]);
    }
    assert_eq!(screen.frames(), []);
    camera.timestamp += FRAME;
    let (key, whole) = camera.frame(true, 20);
    screen.take(&key);
    assert_eq!(screen.data(), [whole]);
}

#[test]
fn too_much_missing_is_given_up_at_once() {
    let (mut camera, mut screen) = running(Config { max_missing: 50, ..config() });
    drop(camera.frame(false, 51));
    screen.take(&camera.frame(false, 1).0);
    assert_eq!(screen.told(), [Told::Keyframe]);
    let (key, whole) = camera.frame(true, 1);
    screen.take(&key);
    assert_eq!((screen.data(), screen.receiver.poll_timeout()), (vec![whole], None));
}

#[test]
fn the_application_may_ask_for_a_key_frame() {
    let (mut camera, mut screen) = running(config());
    screen.receiver.request_keyframe(screen.now);
    assert_eq!(screen.told(), [Told::Keyframe]);
    let (delta, whole) = camera.frame(false, 1);
    screen.take(&delta);
    assert_eq!(screen.data(), [whole], "others are handed out all the same");
    assert_eq!(screen.pass(ms(200)), [Told::Keyframe]);
    screen.take(&camera.frame(true, 1).0);
    assert_eq!(screen.pass(ms(60_000)), []);
}

#[test]
fn frames_that_nobody_reads_are_bounded_and_reading_goes_on_with_a_key_frame() {
    let (mut camera, mut screen) = running(Config { max_unread: 10, ..config() });
    for _ in 0..100 {
        screen.take(&camera.frame(false, 1).0);
        assert_eq!(screen.pass(ms(33)), [], "there is no room for what would be asked for");
    }
    assert_eq!(screen.receiver.poll_timeout(), None);
    assert_eq!(screen.frames().len(), 10);
    assert_eq!(screen.told(), [Told::Keyframe]);
    screen.take(&camera.frame(true, 1).0);
    let frames = screen.frames();
    assert!(frames.len() == 1 && frames[0].discontinuity && frames[0].is_keyframe);
}

#[test]
fn standing_still_is_counted() {
    let (mut camera, mut screen) = running(config());
    for wait in [33, 33, 33, 200, 33, 33, 150] {
        screen.now += ms(wait);
        screen.take(&camera.frame(false, 1).0);
    }
    let stats = screen.receiver.stats();
    assert_eq!((stats.freeze_count, stats.total_freezes_duration), (1, ms(200)));
}
