//! Frames are handed out when they are due, and the clock is an argument.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is missing ends the test, and says where")]

mod common;

use std::io::Cursor;
use std::time::{Duration, Instant};

use common::{golden, read_golden, write};
use proptest::prelude::*;
use visavis_container::{Codec, Error, Frame, Kind, MAX_LATE, Options, Paced, Reader, Repeat, Timeline};

const MS: Duration = Duration::from_millis(1);

/// A file in memory of pictures at these times, in milliseconds.
fn pictures(times: &[u64]) -> Reader<Cursor<Vec<u8>>> {
    // A key frame of VP8 and nothing else (RFC 6386, section 9.1), then its number.
    let picture = |(number, time): (u8, &u64)| Frame {
        data: vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0, number],
        timestamp: *time as u32 * MS,
        duration: Duration::ZERO,
        is_key_frame: true,
    };
    let frames: Vec<Frame> = (0..).zip(times).map(picture).collect();
    Reader::new(Cursor::new(write(Kind::Ivf, Codec::Vp8, &frames)), None, Options::default()).unwrap()
}

fn number(frame: &Frame) -> u8 {
    *frame.data.last().unwrap()
}

/// Plays until the end, or so many frames: when each came, what its timestamp said, and which it was.
fn play(clip: &mut Paced<Cursor<Vec<u8>>>, start: Instant, limit: usize) -> (Vec<(Duration, Duration, u8)>, Duration) {
    let (mut now, mut played) = (start, Vec::new());
    loop {
        while let Some(frame) = clip.poll_frame(now).unwrap() {
            played.push((now - start, frame.timestamp, number(&frame)));
            if played.len() == limit {
                return (played, now - start);
            }
        }
        let Some(due) = clip.poll_timeout() else { return (played, now - start) };
        assert!(due > now, "it is due, and was not handed out");
        now = due;
    }
}

#[test]
fn each_frame_comes_when_it_is_due_and_the_last_one_is_shown() {
    let mut clip = Paced::new(pictures(&[0, 40, 100, 140]), Repeat::Once);
    assert_eq!(clip.poll_timeout(), None, "nobody began");
    let (played, end) = play(&mut clip, sim::start(), usize::MAX);
    let expected = [(0, 0), (40, 1), (100, 2), (140, 3)].map(|(time, number)| (time * MS, time * MS, number));
    assert_eq!(played, expected);
    assert_eq!(end, 180 * MS, "the last picture is shown as long as the one before it");
    let late = sim::start() + Duration::from_secs(9);
    assert_eq!((clip.poll_frame(late).unwrap(), clip.poll_timeout()), (None, None), "the end is the end");
}

#[test]
fn asking_early_or_often_changes_nothing() {
    let (mut clip, start) = (Paced::new(pictures(&[0, 40]), Repeat::Once), sim::start());
    assert_eq!(number(&clip.poll_frame(start).unwrap().unwrap()), 0);
    for early in 0..40 {
        assert_eq!(clip.poll_frame(start + early * MS).unwrap(), None, "{early} ms");
        assert_eq!(clip.poll_timeout(), Some(start + 40 * MS));
    }
    assert_eq!(number(&clip.poll_frame(start + 40 * MS).unwrap().unwrap()), 1);
}

#[test]
fn the_first_frame_is_due_at_once_whatever_time_it_has() {
    // As in what was recorded of something that had gone on for an hour.
    let mut clip = Paced::new(pictures(&[3_600_000, 3_600_040, 3_600_080]), Repeat::Loop);
    let (played, _) = play(&mut clip, sim::start(), 5);
    let times: Vec<_> = played.iter().map(|(at, timestamp, _)| (*at, *timestamp)).collect();
    assert_eq!(times, [0, 40, 80, 120, 160].map(|time| (time * MS, time * MS)));
}

#[test]
fn a_loop_begins_again_when_the_last_frame_was_shown_and_time_goes_on() {
    let mut clip = Paced::new(pictures(&[0, 40, 80]), Repeat::Loop);
    let (played, _) = play(&mut clip, sim::start(), 3_000);
    for (index, (at, timestamp, number)) in (0_u32..).zip(played) {
        assert_eq!((at, timestamp, u32::from(number)), (index * 40 * MS, index * 40 * MS, index % 3));
    }
}

#[test]
fn hours_of_pictures_at_a_rate_that_is_no_whole_number_does_not_drift() {
    // 29.97 a second, in units of 1/90000 s: what is asked late is due when it would have been all the same.
    let times: Vec<u64> = (0..90).map(|index| index * 1001 / 30).collect();
    let (mut clip, start) = (Paced::new(pictures(&times), Repeat::Loop), sim::start());
    let (mut now, mut count) = (start, 0_u32);
    while now - start < Duration::from_secs(10_000) {
        while clip.poll_frame(now).unwrap().is_some() {
            count += 1;
        }
        // Each wake-up is late by up to a tenth of a second.
        now = clip.poll_timeout().unwrap() + (count * 7 % 100) * MS;
    }
    let round = times[89] + (times[89] - times[88]);
    let expected = 10_000_000 * 90 / round;
    assert!(u64::from(count).abs_diff(expected) <= 5, "{count} pictures of {expected}");
}

#[test]
fn a_late_call_catches_up_and_a_very_late_one_pauses() {
    let times: Vec<u64> = (0..200).map(|index| index * 20).collect();
    let (mut clip, start) = (Paced::new(pictures(&times), Repeat::Once), sim::start());
    let mut take = |at: Duration| {
        let frames = std::iter::from_fn(|| clip.poll_frame(start + at).unwrap());
        frames.map(|frame| (frame.timestamp, number(&frame))).collect::<Vec<_>>()
    };
    assert_eq!(take(Duration::ZERO), [(Duration::ZERO, 0)]);
    // As late as may be: all that is due, with the timestamps of a clock that did not stop.
    let caught_up = take(20 * MS + MAX_LATE);
    assert_eq!(caught_up.len(), 26);
    assert!(caught_up.iter().all(|(timestamp, number)| *timestamp == 20 * MS * u32::from(*number)), "{caught_up:?}");
    // The machine slept for an hour: the next one and no other, an hour later by its timestamp too.
    let hour = Duration::from_secs(3_600);
    let (next, pause) = (540 * MS + hour, hour);
    assert_eq!(take(next), [(540 * MS + pause, 27)]);
    assert_eq!(take(next + 20 * MS), [(560 * MS + pause, 28)]);
}

#[test]
fn a_file_without_length_does_not_spin_in_a_loop() {
    // One picture, whose file says that time passes in units of nothing much.
    let mut file = write(
        Kind::Ivf,
        Codec::Vp8,
        &[Frame {
            data: vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0, 7],
            timestamp: Duration::ZERO,
            duration: Duration::ZERO,
            is_key_frame: true,
        }],
    );
    file[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    let reader = Reader::new(Cursor::new(file), None, Options::default()).unwrap();
    let (played, end) = play(&mut Paced::new(reader, Repeat::Loop), sim::start(), 11);
    assert_eq!((played.len(), end), (11, Duration::from_secs(1)));
}

#[test]
fn times_beyond_all_time_are_waited_for_and_nothing_breaks() {
    let mut file = write(Kind::Ivf, Codec::Vp8, &read_golden("vp8.ivf").2);
    // The second frame is due in 2^63 seconds or so.
    let second = 32 + 12 + u32::from_le_bytes(file[32..36].try_into().unwrap()) as usize;
    file[second + 4..second + 12].copy_from_slice(&(u64::MAX >> 1).to_le_bytes());
    file[16..20].copy_from_slice(&1_u32.to_le_bytes());
    let reader = Reader::new(Cursor::new(file), None, Options::default()).unwrap();
    let mut clip = Paced::new(reader, Repeat::Loop);
    let now = sim::start();
    assert!(clip.poll_frame(now).unwrap().is_some());
    assert!(clip.poll_frame(now + Duration::from_secs(86_400 * 365)).unwrap().is_none());
    assert!(clip.poll_timeout().is_some_and(|due| due > now + Duration::from_secs(86_400 * 365)));
}

#[test]
fn what_cannot_be_read_is_told_once_behind_what_could() {
    let file = std::fs::read(golden("vp8.ivf")).unwrap();
    let mut broken = file.clone();
    let second = 32 + 12 + u32::from_le_bytes(file[32..36].try_into().unwrap()) as usize;
    broken[second..second + 4].fill(0xff);
    let reader = Reader::new(Cursor::new(broken), None, Options::default()).unwrap();
    let (mut clip, now) = (Paced::new(reader, Repeat::Loop), sim::start());
    assert!(clip.poll_frame(now).unwrap().is_some());
    let due = clip.poll_timeout().expect("the first frame is shown");
    assert!(matches!(clip.poll_frame(due), Err(Error::TooLarge { .. })));
    assert_eq!((clip.poll_frame(due).unwrap(), clip.poll_timeout()), (None, None));
}

#[test]
fn files_that_play_together_share_a_line_of_time() {
    let start = sim::start();
    let mut line = Timeline::new(start);
    assert_eq!((line.due(40 * MS), line.place(start + 40 * MS)), (start + 40 * MS, 40 * MS));
    // From 100 ms on to what stands at 5 s; from there back to the beginning.
    line.jump(100 * MS, 5_000 * MS);
    assert_eq!((line.time(5_000 * MS), line.time(5_040 * MS)), (100 * MS, 140 * MS));
    line.jump(5_040 * MS, Duration::ZERO);
    assert_eq!((line.time(Duration::ZERO), line.place(start + 200 * MS)), (140 * MS, 60 * MS));
    // In time, and too late.
    assert_eq!(line.catch_up(start + 200 * MS, Duration::ZERO), Duration::ZERO);
    let late = MAX_LATE + MS;
    assert_eq!(line.catch_up(start + 140 * MS + late, Duration::ZERO), late);
    assert_eq!(line.due(Duration::ZERO), start + 140 * MS + late);
}

proptest! {
    #[test]
    fn times_never_go_back_however_late_the_calls_are(
        steps in prop::collection::vec(1_u64..300, 1..20), waits in prop::collection::vec(0_u32..2_000, 1..200),
    ) {
        let times: Vec<u64> = steps.iter().scan(0, |time, step| { *time += step; Some(*time) }).collect();
        let (mut clip, mut now) = (Paced::new(pictures(&times), Repeat::Loop), sim::start());
        // Playing begins with the first call.
        let start = now + waits[0] * MS;
        let (mut last, mut expected) = (None, 0);
        for wait in waits {
            now += wait * MS;
            let mut burst = 0_u32;
            while let Some(frame) = clip.poll_frame(now).unwrap() {
                prop_assert_eq!(usize::from(number(&frame)), expected % times.len());
                expected += 1;
                prop_assert!(last.is_none_or(|last| last < frame.timestamp), "a timestamp went back");
                prop_assert!(now - start >= frame.timestamp, "it came early");
                prop_assert!(now - start - frame.timestamp <= MAX_LATE, "it came late, and the clock did not wait");
                last = Some(frame.timestamp);
                burst += 1;
            }
            // A frame lasts a millisecond at least.
            prop_assert!(burst <= MAX_LATE.as_millis() as u32 + 1);
        }
    }
}
