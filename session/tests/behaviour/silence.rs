//! Media whose keys are lost, or wrong, or never come: silent, never loud. And media that somebody changes on its way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use sim::Verdict;

use crate::common::{A, B, World, address, config};
use crate::insider::{FRAME, Insider, frame, is_media};
use visavis_session::MediaKind;

/// What one side sent in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    rtp: usize,
    rtcp: usize,
}

/// Counts what both send, and spoils all of it once it is told to, as other keys would.
struct Watch {
    is_spoilt: Arc<AtomicBool>,
    seen: mpsc::Receiver<(bool, bool)>,
}

impl Watch {
    fn new(world: &mut World, tag_only: bool) -> Self {
        let is_spoilt = Arc::new(AtomicBool::new(false));
        let (see, seen) = mpsc::channel();
        let spoil = is_spoilt.clone();
        world.network.intercept(move |_, source, _, datagram| {
            if matches!(datagram.first(), Some(128..=191)) {
                let is_rtcp = matches!(datagram.get(1), Some(192..=223));
                see.send((source == address(A), is_rtcp)).unwrap();
                if spoil.load(Ordering::Relaxed) {
                    // The tag of RTCP stands before its index.
                    let place = if tag_only { datagram.len() - 6 } else { 12 };
                    datagram[place] ^= 0x55;
                }
            }
            Verdict::Pass
        });
        Self { is_spoilt, seen }
    }

    /// What A and B sent since the last call.
    fn counts(&self) -> [Counts; 2] {
        let mut counts = [Counts::default(); 2];
        for (is_a, is_rtcp) in self.seen.try_iter() {
            let counts = &mut counts[usize::from(!is_a)];
            *(if is_rtcp { &mut counts.rtcp } else { &mut counts.rtp }) += 1;
        }
        counts
    }
}

/// Reports of one minute, and what is asked for once and again before that is given up.
const RTCP_PER_MINUTE: usize = 60 + 30;

#[test]
fn streams_whose_keys_are_lost_are_silent_while_the_application_goes_on() {
    for tag_only in [false, true] {
        let mut insider = Insider::new(1, 5_000_000);
        let watch = Watch::new(&mut insider.world, tag_only);
        insider.play(0..60, |_, _| {});
        let healthy = watch.counts();
        assert!(healthy.iter().all(|one| one.rtp > 60 && one.rtcp > 10), "{healthy:?}");
        watch.is_spoilt.store(true, Ordering::Relaxed);
        let told = insider.told();
        let dropped = |insider: &Insider| {
            [insider.a, insider.b].map(|node| insider.world.host(node).session.stats().media.unprotected_dropped)
        };
        let before = dropped(&insider);
        for minute in 0..3_u32 {
            let frames = 1_818;
            insider.play(minute * frames..(minute + 1) * frames, |_, _| {});
            let counts = watch.counts();
            for one in counts {
                assert!(one.rtcp <= RTCP_PER_MINUTE, "minute {minute}: {counts:?}");
                // Two packets of pictures and one of sound a frame, and a few to probe the path.
                assert!(one.rtp <= 4 * frames as usize, "minute {minute}: {counts:?}");
            }
        }
        let all = dropped(&insider);
        assert!(all.iter().zip(before).all(|(after, before)| *after > before + 3_000), "each is counted: {all:?}");
        // The last frames that were whole, and what the estimate made of hearing nothing.
        assert!(insider.told() - told <= 40, "{} events in three minutes", insider.told() - told);
        watch.is_spoilt.store(false, Ordering::Relaxed);
        let before = insider.arrived();
        insider.play(10_000..10_060, |_, _| {});
        insider.world.network.run_for(Duration::from_secs(1));
        assert!(insider.arrived() > before + 30, "the streams go on: {}", insider.arrived() - before);
    }
}

#[test]
fn streams_whose_keys_are_lost_are_silent_where_nothing_is_sent() {
    let mut insider = Insider::new(2, 5_000_000);
    let watch = Watch::new(&mut insider.world, true);
    // Frames of which packets are missing, and a key frame that is waited for.
    insider.play(1..30, |_, _| {});
    watch.is_spoilt.store(true, Ordering::Relaxed);
    insider.play(31..34, |_, _| {});
    let (b, of_b) = (insider.b, insider.of_b.clone());
    insider.world.on(b, |now, host| host.session.request_keyframe(now, of_b[1], None));
    watch.counts();
    let told = insider.told();
    for minute in 0..5 {
        insider.world.network.run_for(Duration::from_secs(60));
        let counts = watch.counts();
        for one in counts {
            assert!(one.rtcp <= RTCP_PER_MINUTE, "minute {minute}: {counts:?}");
            assert!(minute == 0 || one.rtp == 0, "minute {minute}: {counts:?}");
        }
    }
    assert!(insider.told() - told <= 10, "{} events in five minutes", insider.told() - told);
}

#[test]
fn before_there_are_keys_nothing_is_sent_or_said() {
    let mut world = World::with(3, sim::Link::delay(Duration::from_millis(10)), config(0), config(1));
    let (a, b) = (world.a, world.b);
    for node in [a, b] {
        world.on(node, |now, host| host.session.add_track(now, MediaKind::Video, "v".into(), vec![]).unwrap());
    }
    let (see, seen) = mpsc::channel();
    world.network.intercept(move |_, _, _, datagram| match datagram.first() {
        // DTLS never gets through.
        Some(20..=63) => Verdict::Drop,
        Some(128..=191) => {
            see.send(()).unwrap();
            Verdict::Pass
        }
        _ => Verdict::Pass,
    });
    world.negotiate(a, b);
    world.network.run_for(Duration::from_secs(5));
    let packet = [0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let internet = world.network.internet();
    let id = world.host(a).session.transceivers().next().unwrap().id;
    let before = world.host(b).events.len();
    for number in 0..600 {
        let _ = world.on(a, |now, host| host.session.send_frame(now, id, &frame(number, 1_000)));
        world.network.inject(internet, address(A), address(B), &packet);
        world.network.run_for(FRAME);
    }
    assert_eq!(seen.try_iter().count(), 0);
    assert_eq!(world.host(b).events[before..].iter().filter(|event| is_media(event)).count(), 0);
    let stats = world.host(b).session.stats();
    assert_eq!(stats.media.unprotected_dropped + stats.transport.unchecked_dropped, 600, "{stats:?}");
}

/// What B does with a datagram that A has sent: bytes that it answers, and events.
fn give(insider: &mut Insider, datagram: &[u8]) -> (usize, usize) {
    let (a, b) = (address(A), address(B));
    let (node, before) = (insider.b, insider.told());
    let mut datagram = datagram.to_vec();
    let answer = insider.world.on(node, |now, host| {
        host.session.handle_datagram(now, b, a, &mut datagram);
        let mut answer = Vec::new();
        while host.session.poll_transmit(now, &mut answer).is_some() {}
        answer.len()
    });
    (answer, insider.told() - before)
}

#[test]
fn a_flipped_byte_of_sound_pictures_and_reports_is_dropped_without_a_word() {
    let mut insider = Insider::new(4, 5_000_000);
    let (hold, held) = mpsc::channel();
    insider.play(0..30, |_, _| {});
    // One datagram of each kind never arrives by itself.
    let kind = |datagram: &[u8]| (datagram[1] & 0x7f).max(u8::from(matches!(datagram[1], 192..=223)) * 255);
    let mut kept = [false; 256];
    let is_holding = Arc::new(AtomicBool::new(true));
    let holds = is_holding.clone();
    insider.world.network.intercept(move |_, source, _, datagram| {
        let is_media = matches!(datagram.first(), Some(128..=191)) && source == address(A);
        if !is_media
            || !holds.load(Ordering::Relaxed)
            || std::mem::replace(&mut kept[usize::from(kind(datagram))], true)
        {
            return Verdict::Pass;
        }
        hold.send(datagram.clone()).unwrap();
        Verdict::Drop
    });
    insider.play(30..60, |_, _| {});
    is_holding.store(false, Ordering::Relaxed);
    let datagrams: Vec<Vec<u8>> = held.try_iter().collect();
    assert!(datagrams.len() >= 3, "sound, pictures and a report");
    insider.world.network.run_for(Duration::from_secs(3));
    // What is due anyway is out of the way.
    give(&mut insider, &[]);
    for datagram in &datagrams {
        let dropped = |insider: &Insider| insider.world.host(insider.b).session.stats().media.unprotected_dropped;
        let before = dropped(&insider);
        let mut refused = 0;
        for place in 0..datagram.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut flipped = datagram.clone();
                flipped[place] ^= mask;
                // Some of the first two bytes make it another protocol's.
                let is_media = matches!(flipped[0], 128..=191);
                refused += u64::from(is_media);
                if is_media {
                    assert_eq!(give(&mut insider, &flipped), (0, 0), "byte {place} of {}", datagram.len());
                }
            }
        }
        assert_eq!(dropped(&insider) - before, refused);
        let before = dropped(&insider);
        give(&mut insider, datagram);
        assert_eq!(dropped(&insider), before, "the datagram itself is taken");
    }
    let before = insider.arrived();
    insider.play(60..90, |_, _| {});
    insider.world.network.run_for(Duration::from_secs(1));
    assert!(insider.arrived() >= before + 20, "{}", insider.arrived() - before);
}
