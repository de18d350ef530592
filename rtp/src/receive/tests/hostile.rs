use super::*;
use proptest::prelude::*;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Packet { number: u16, timestamp: u8, marker: bool, payload: Vec<u8>, is_recovered: bool },
    Pass(u16),
    Read,
    Ask,
    Rtt(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Numbers that are near each other, or anywhere; payloads that begin or go on, or are nothing at all.
    let number = prop_oneof![8 => 65_500..=65_535_u16, 8 => 0..60_u16, 1 => any::<u16>()];
    let payload = prop_oneof![
        4 => Just(vec![0x10, 0x10]), 6 => Just(vec![0x10, 0x11]), 6 => Just(vec![0x00, 0x01]), 1 => Just(vec![0x80]),
        1 => Just(vec![]), 2 => (0..700_usize).prop_map(|length| vec![0x10; length]), 1 => any::<Vec<u8>>(),
    ];
    let packet = (number, 0..6_u8, any::<bool>(), payload, prop::bool::weighted(0.2)).prop_map(
        |(number, timestamp, marker, payload, is_recovered)| Step::Packet {
            number,
            timestamp,
            marker,
            payload,
            is_recovered,
        },
    );
    let step = prop_oneof![
        20 => packet, 3 => (0..700_u16).prop_map(Step::Pass), 2 => Just(Step::Read), 1 => Just(Step::Ask),
        1 => any::<u16>().prop_map(Step::Rtt),
    ];
    prop::collection::vec(step, 0..300)
}

fn small(format: Format) -> Config {
    Config {
        max_packets: 40,
        max_bytes: 4000,
        max_frame: 2000,
        max_unread: 8,
        max_missing: 20,
        ..Config::new(format, 90_000)
    }
}

/// What holds whatever came.
fn check_bounds(Screen { now, receiver }: &Screen) {
    let held = receiver.buffer.end() - receiver.buffer.first();
    assert!(held <= 40 && receiver.missing.len() <= 20, "{held} held, {} missing", receiver.missing.len());
    let holes = receiver.buffer.iter_from(0).filter(|(_, slot)| slot.is_none()).count();
    assert_eq!(holes, receiver.missing.len(), "each hole is known as missing, and nothing else");
    let memory: usize =
        receiver.buffer.iter_from(0).filter_map(|(_, slot)| slot).map(|slot| slot.payload.capacity()).sum();
    assert!(memory <= 4000 + 2000, "{memory} bytes held");
    assert!(receiver.ready.len() <= 8 && receiver.unread <= 4000 + 2000);
    assert!(receiver.poll_timeout().is_none_or(|due| due > *now), "all that is due has been done");
}

proptest! {
    #[test]
    fn whatever_comes_is_bounded_ends_and_stays_in_order(steps in steps(), is_video: bool) {
        let mut screen = Screen::new(small(if is_video { Format::Vp8 } else { Format::Opus }));
        let mut last = 0;
        for step in steps {
            match step {
                Step::Packet { number, timestamp, marker, payload, is_recovered } => {
                    let header = Header {
                        marker,
                        sequence: SequenceNumber(number),
                        timestamp: u32::from(timestamp) * FRAME,
                        ..Header::default()
                    };
                    if is_recovered {
                        screen.receiver.handle_recovered(screen.now, &header, &payload);
                    } else {
                        screen.receiver.handle_packet(screen.now, &header, &payload);
                    }
                }
                Step::Pass(time) => drop(screen.pass(ms(u64::from(time)))),
                Step::Ask => screen.receiver.request_keyframe(screen.now),
                Step::Rtt(rtt) => screen.receiver.set_rtt(ms(u64::from(rtt))),
                Step::Read => {
                    for frame in screen.frames() {
                        prop_assert!(frame.first_sequence > last && frame.last_sequence >= frame.first_sequence);
                        last = frame.last_sequence;
                    }
                    prop_assert_eq!(screen.receiver.read(screen.now), None);
                }
            }
            screen.told();
            check_bounds(&screen);
        }
        // Silence follows: requests end.
        prop_assert!(screen.pass(ms(600_000)).len() < 200);
        prop_assert_eq!(screen.receiver.poll_timeout(), None);
    }
}

#[test]
fn a_flood_of_random_numbers_takes_no_more_than_the_bounds() {
    let mut screen = Screen::new(Config { max_missing: 200, max_packets: 300, ..config() });
    let mut random = 1_u32;
    for _ in 0..200_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let header = Header {
            sequence: SequenceNumber((random >> 16) as u16),
            timestamp: random,
            marker: random & 0x80 == 0,
            ..Header::default()
        };
        screen.receiver.handle_packet(screen.now, &header, &[0x10, (random >> 8) as u8]);
        assert!(screen.receiver.buffer.end() - screen.receiver.buffer.first() <= 300);
        assert!(screen.receiver.missing.len() <= 200);
        screen.frames();
    }
}

#[test]
fn jumps_as_far_as_is_believed_cost_no_more_than_the_bounds() {
    let mut screen = Screen::new(config());
    for count in 0..20_000_u32 {
        let sequence = SequenceNumber((count * 2_999) as u16);
        let header = Header { sequence, timestamp: count, marker: true, ..Header::default() };
        screen.receiver.handle_packet(screen.now, &header, &[0x10, 0x11]);
        assert!(screen.receiver.missing.len() <= 1000);
    }
    assert_eq!(screen.told(), [Told::Keyframe]);
}

#[test]
fn memory_is_used_again() {
    let (mut camera, mut screen) = (Camera::new(0, 0), Screen::new(config()));
    let mut key = camera.frame(true, 2).0;
    for packet in &mut key {
        packet.payload.resize(1000, 0);
    }
    let held = |screen: &Screen| {
        let mut slots = screen.receiver.buffer.iter_from(0).filter_map(|(_, slot)| slot);
        slots.next().map(|slot| slot.payload.capacity())
    };
    screen.take(&key);
    assert_eq!(screen.frames().len(), 1);
    for _ in 0..100 {
        let (delta, _) = camera.frame(false, 2);
        screen.take(&delta[..1]);
        assert!(held(&screen) >= Some(1000), "the key frame's memory serves others");
        screen.take(&delta[1..]);
    }
    // The same where frames are dropped.
    let (mut broken, _) = camera.frame(false, 1);
    broken[0].payload = vec![0x90];
    screen.take(&broken);
    for _ in 0..100 {
        let (delta, _) = camera.frame(false, 2);
        screen.take(&delta[..1]);
        assert!(held(&screen) >= Some(1000));
        screen.take(&delta[1..]);
    }
}

#[test]
fn waiting_packets_take_no_more_memory_than_the_bound() {
    let small = Config { max_bytes: 10_000, max_frame: 5_000, ..config() };
    let (mut camera, mut screen) = (Camera::new(0, 0), Screen::new(small));
    screen.take(&camera.frame(true, 1).0);
    // What has been handed out does not count, so that repair goes on for ever.
    for _ in 0..1000 {
        let (delta, whole) = camera.frame(false, 3);
        screen.frames();
        screen.take(&[delta[0].clone(), delta[2].clone()]);
        screen.retransmit(&delta[1]);
        assert_eq!(screen.data(), [whole]);
    }
    drop(camera.frame(false, 1));
    for _ in 0..50 {
        let mut large = camera.frame(false, 1).0;
        large[0].payload.resize(1000, 0);
        screen.take(&large);
        let held = screen.receiver.buffer.iter_from(0).filter_map(|(_, slot)| slot);
        assert!(held.map(|slot| slot.payload.len()).sum::<usize>() <= 10_000);
    }
    assert_eq!(screen.told(), [Told::Keyframe], "what was missing has been given up");
}
